//! The schemas of events: compiled once, and asked where there is room for the answer.

use cantus_core::Text;
use cantus_core::event::{Event, EventSubject, Form};
use cantus_core::filter::Subject;
use cantus_core::topic::weight::{Room, Weight};

/// How many violations of a schema are told.
const VIOLATIONS_MAX: usize = 10;

/// A schema that events are judged by.
pub(super) struct Compiled {
    validator: jsonschema::Validator,
    weight: Weight,
}

/// What is wrong: where, as a JSON pointer, and what in words.
type Violation = (Text, Text);

impl Compiled {
    /// Compiles a JSON Schema. Nothing is fetched: a `$ref` to another document is an error.
    pub(super) fn new(json: &str) -> Result<Compiled, String> {
        let schema: serde_json::Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let weight = Weight::of(&schema);
        let build = || {
            let patterns = jsonschema::PatternOptions::regex().size_limit(1 << 20);
            let options = jsonschema::options().offline().with_pattern_options(patterns);
            options.build(&schema).map_err(|error| error.to_string())
        };
        let validator =
            within(weight.to_read(), build).unwrap_or_else(|| Err("it has too many parts".to_owned()))?;
        Ok(Compiled { validator, weight })
    }

    /// Returns what is wrong with an event's data, the first few of it.
    pub(super) fn violations(&self, event: &Event) -> Vec<Violation> {
        let subject = EventSubject::new(event);
        let data = match event.data.as_ref().map(|data| data.form) {
            Some(Form::Json) => subject.data(),
            Some(Form::Text | Form::Binary) => {
                return vec![(Text::from(""), Text::from("the payload is not JSON"))];
            }
            None => None,
        };
        let null = serde_json::Value::Null;
        let data = data.unwrap_or(&null);
        let judge = || {
            let errors = self.validator.iter_errors(data).take(VIOLATIONS_MAX);
            errors
                .map(|error| {
                    let message: String = error.to_string().chars().take(300).collect();
                    (Text::from(error.instance_path().to_string()), Text::from(message))
                })
                .collect()
        };
        let judged = within(self.weight.to_judge(data), judge);
        judged
            .unwrap_or_else(|| vec![(Text::from(""), Text::from("the payload goes too deep for its schema"))])
    }
}

/// Does something where there is room for it; None when there is none.
fn within<T: Send>(room: Room, act: impl FnOnce() -> T + Send) -> Option<T> {
    match room {
        Room::Here => Some(act()),
        Room::None => None,
        Room::Bytes(bytes) => std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("schema".to_owned()).stack_size(bytes);
            thread.spawn_scoped(scope, act).ok()?.join().ok()
        }),
    }
}
