//! The JSON Schema of the file, for editors.

/// Returns the JSON Schema of `cantus.yaml` as text, for editors that complete and check while one types.
///
/// It knows shapes, words and bounds; what the whole means is for `cantus check`.
pub fn json_schema() -> &'static str {
    include_str!("cantus.schema.json")
}
