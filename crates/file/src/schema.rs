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

    use crate::Environment;
    use crate::read::{KEYS, Reader};
    use crate::source::{Source, Sources};

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

    /// Every example is read by editors with this schema and by Cantus with the loader: both must like it.
    #[test]
    fn every_example_fits_the_schema_and_loads() {
        let schema: Value = serde_json::from_str(super::json_schema()).expect("the schema is JSON");
        let validator = jsonschema::options().offline().build(&schema).expect("the schema is a schema");
        let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        for entry in std::fs::read_dir(examples).into_iter().flatten().flatten() {
            let path = entry.path().join("cantus.yaml");
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let mut sources = Sources::default();
            let source =
                Source { name: path.display().to_string(), text: text.clone(), folder: entry.path() };
            let (node, faults) = crate::yaml::parse(sources.add(source), &text, 0);
            assert!(faults.is_empty(), "{}: {faults:?}", path.display());
            let environment = Environment::default();
            let json =
                Reader::new(&sources, &environment).json(&node.expect("not empty")).expect("plain values");
            let errors: Vec<String> = validator
                .iter_errors(&json)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{}: {errors:?}", path.display());
            crate::Loader::new().load(&path).unwrap_or_else(|rejected| panic!("{rejected}"));
        }
    }
}
