//! The JSON Schema of the file, for editors.

/// Returns the JSON Schema of `cantus.yaml` as text, for editors that complete and check while one types.
///
/// It knows shapes, words and bounds; what the whole means is for `cantus check`.
pub fn json_schema() -> &'static str {
    include_str!("cantus.schema.json")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use crate::read::KEYS;

    #[test]
    fn every_key_that_is_read_stands_in_the_schema_and_no_other() {
        let schema: Value = serde_json::from_str(super::json_schema()).expect("the schema is JSON");
        for (pointer, keys) in KEYS {
            let properties = schema.pointer(pointer).and_then(Value::as_object).expect(pointer);
            let id = |key: &&String| {
                !matches!(key.as_str(), "topic_id" | "agent_id" | "retry_policy_id" | "hook_id")
            };
            let known: BTreeSet<&str> = properties.keys().filter(id).map(String::as_str).collect();
            assert_eq!(known, keys.iter().copied().collect(), "{pointer}");
        }
    }
}
