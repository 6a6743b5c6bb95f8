//! How much a JSON Schema asks for: how deep its judge may call itself when it reads the schema, and when it judges data.
//!
//! A schema that refers to its own parts may lead through all of them at each level of the data. The judge calls itself for each
//! step, so what it may need of the stack is known before, and is provided or refused.

use serde_json::Value;

/// How many parts a schema may have.
pub const PARTS_MAX: usize = 20_000;
/// What a step may take of the stack in bytes, also where nothing is optimised.
const STEP_BYTES: usize = 6 * 1024;
/// What reading a part may take of it.
const READING_BYTES: usize = 24 * 1024;
/// What every thread has to spare.
const AT_HAND: usize = 512 * 1024;
/// More stack than that is not given to anybody.
const BYTES_MAX: usize = 1 << 30;

/// What a schema consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// How many objects and lists it has.
    pub parts: usize,
    /// How deep they lie in each other.
    pub nesting: usize,
    /// Whether parts of it refer to others.
    pub refers: bool,
}

/// Where something can be done that calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// On any thread.
    Here,
    /// On a thread with a stack of so many bytes.
    Bytes(usize),
    /// Nowhere.
    None,
}

impl Weight {
    /// Weighs a schema.
    pub fn of(schema: &Value) -> Weight {
        let mut weight = Weight { parts: 0, nesting: 0, refers: false };
        walk(schema, &mut |value, depth| {
            weight.parts += usize::from(value.is_object() || value.is_array());
            weight.nesting = weight.nesting.max(depth);
            let refers = |members: &serde_json::Map<String, Value>| {
                ["$ref", "$dynamicRef", "$recursiveRef"].iter().any(|name| members.contains_key(*name))
            };
            weight.refers |= value.as_object().is_some_and(refers);
        });
        weight
    }

    /// Returns where the schema can be read.
    pub fn to_read(self) -> Room {
        if self.parts > PARTS_MAX {
            return Room::None;
        }
        room(if self.refers { self.parts } else { self.nesting }, READING_BYTES)
    }

    /// Returns where data can be judged by it.
    pub fn to_judge(self, data: &Value) -> Room {
        if !self.refers {
            return room(self.nesting, STEP_BYTES);
        }
        let mut depth = 1;
        walk(data, &mut |_, at| depth = depth.max(at));
        room(self.parts.saturating_mul(depth), STEP_BYTES)
    }
}

fn room(steps: usize, bytes: usize) -> Room {
    match steps.saturating_mul(bytes) {
        bytes if bytes <= AT_HAND => Room::Here,
        bytes if bytes <= BYTES_MAX => Room::Bytes(AT_HAND + bytes),
        _ => Room::None,
    }
}

/// Calls `meet` with each value and how deep it lies, counting from one, without calling itself.
fn walk(value: &Value, meet: &mut dyn FnMut(&Value, usize)) {
    let mut open = vec![(value, 1)];
    while let Some((value, depth)) = open.pop() {
        meet(value, depth);
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => open.extend(members.values().map(|member| (member, depth + 1))),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_without_references_is_as_deep_as_it_is_written() {
        let schema = json!({"properties": {"a": {"type": ["string", "null"]}}});
        assert_eq!(Weight::of(&schema), Weight { parts: 4, nesting: 5, refers: false });
        assert_eq!(
            (Weight::of(&schema).to_read(), Weight::of(&schema).to_judge(&json!([[]]))),
            (Room::Here, Room::Here)
        );
    }

    #[test]
    fn one_that_refers_may_lead_through_all_its_parts_at_each_level_of_the_data() {
        let mut weight = Weight::of(&json!({"items": {"$ref": "#"}}));
        assert!(weight.refers);
        assert_eq!(weight.to_judge(&json!([[1]])), Room::Here);
        weight.parts = 100;
        assert!(matches!(weight.to_judge(&json!([[1]])), Room::Bytes(_)));
        weight.parts = PARTS_MAX;
        let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(weight.to_judge(&deep), Room::None);
        weight.parts += 1;
        assert_eq!(weight.to_read(), Room::None);
    }
}
