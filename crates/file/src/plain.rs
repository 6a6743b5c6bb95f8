//! Files as values and values as files: what is taken from and given to the network. Nothing is included or looked up
//! here: a text that somebody sent never reads this machine's variables or files.

use std::path::PathBuf;

use serde_json::{Map, Number, Value};

use crate::diagnostic::{Diagnostic, Fault};
use crate::environment::Environment;
use crate::interpolate::interpolate;
use crate::source::{Source, Sources};
use crate::yaml::{self, Node, Plain, Scalar, Style, resolve};

/// Reads YAML as a JSON value: maps, lists, texts, numbers, truth values. No variable is set: `$$` is a dollar, and only
/// defaults are filled in.
///
/// # Errors
/// Gives every fault that was found, with its place; a variable without a default is one.
pub fn yaml_to_json(name: &str, text: &str) -> Result<Value, Vec<Diagnostic>> {
    let mut sources = Sources::default();
    let source = Source { name: name.to_owned(), text: text.to_owned(), folder: PathBuf::new() };
    let id = sources.add(source);
    let (root, mut faults) = yaml::parse(id, text, 0);
    let value = root.as_ref().map_or(Value::Null, |root| value(root, &mut faults));
    if faults.is_empty() {
        return Ok(value);
    }
    Err(faults.iter().map(|fault| Diagnostic::at(fault, &sources)).collect())
}

fn value(node: &Node, faults: &mut Vec<Fault>) -> Value {
    match &node.value {
        yaml::Value::List(items) => Value::Array(items.iter().map(|item| value(item, faults)).collect()),
        yaml::Value::Map(entries) => {
            let members = entries.iter().map(|entry| (entry.key.clone(), value(&entry.value, faults)));
            Value::Object(members.collect::<Map<String, Value>>())
        }
        yaml::Value::Scalar(Scalar { text, style: Style::Plain }) => match resolve(text) {
            Plain::Null => Value::Null,
            Plain::Bool(truth) => Value::Bool(truth),
            Plain::Int(number) => match i64::try_from(number) {
                Ok(number) => Value::from(number),
                Err(_) => u64::try_from(number).map_or_else(|_| Value::from(text.as_str()), Value::from),
            },
            Plain::Float(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
            Plain::TooLarge | Plain::Text => words(node, text, faults),
        },
        yaml::Value::Scalar(scalar) => words(node, &scalar.text, faults),
    }
}

fn words(node: &Node, text: &str, faults: &mut Vec<Fault>) -> Value {
    match interpolate(text, &Environment::default()) {
        Ok(text) => Value::from(text.as_ref()),
        Err(unreplaced) => {
            let hint = "variables are replaced where the file is read: load it with `cantus apply`";
            faults.push(Fault::error(node.span, unreplaced.message).hint(hint));
            Value::Null
        }
    }
}

/// Writes a JSON value as YAML that a file may hold: reading it gives the same value. What would be a variable there is
/// written so that it is none.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 0, false);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn write(out: &mut String, value: &Value, depth: usize, in_list: bool) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (at, (key, value)) in members.iter().enumerate() {
                // The first member stands behind the dash of its list.
                if !(in_list && at == 0) {
                    indent(out, depth);
                }
                out.push_str(&plain_or_quoted(key));
                out.push(':');
                below(out, value, depth + 1);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                if !(in_list && at == 0) {
                    indent(out, depth);
                }
                out.push_str("- ");
                if is_block(item) {
                    write(out, item, depth + 1, true);
                } else {
                    out.push_str(&scalar(item));
                    out.push('\n');
                }
            }
        }
        other => {
            out.push_str(&scalar(other));
            out.push('\n');
        }
    }
}

fn below(out: &mut String, value: &Value, depth: usize) {
    if is_block(value) {
        out.push('\n');
        write(out, value, depth, false);
    } else {
        out.push(' ');
        out.push_str(&scalar(value));
        out.push('\n');
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn scalar(value: &Value) -> String {
    match value {
        // What the loader would take for a variable is written so that it is none.
        Value::String(words) if words.contains("${") || words.contains("$$") => {
            plain_or_quoted(&words.replace('$', "$$"))
        }
        Value::String(words) => plain_or_quoted(words),
        other => other.to_string(),
    }
}

/// Writes a text without quotes where every reader takes it for that text, else in double quotes, whose escapes are those
/// of JSON.
fn plain_or_quoted(words: &str) -> String {
    let begins = words.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    // Words that older readers take for truth values are quoted too.
    let doubtful = ["y", "n", "yes", "no", "on", "off"].contains(&words.to_ascii_lowercase().as_str());
    if begins && words.chars().all(harmless) && resolve(words) == Plain::Text && !doubtful {
        return words.to_owned();
    }
    Value::from(words).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let value = json!({
            "name": "a \"quoted\" word", "empty": {}, "none": [], "null": null, "yes": "yes", "number": "12", "float": 1.5,
            "on": true, "lines": "one\ntwo\n", "path": "./a/b.sh", "odd": "- x: y # z", "umlaut": "Übergabe 🎼",
            "$ref": "#/$defs/x", "price": "${PRICE} $$", "list": [{"a": 1, "b": [1, [2, 3], {"c": "d"}]}, "x", {}], "/agent": {"argv": ["sh", "-c", "echo 1"]}
        });
        let yaml = to_yaml(&value);
        assert_eq!(yaml_to_json("x", &yaml).unwrap(), value, "{yaml}");
    }

    #[test]
    fn a_dollar_is_written_so_that_it_is_no_variable() {
        assert_eq!(to_yaml(&json!({"prompt": "costs ${PRICE}"})), "prompt: \"costs $${PRICE}\"\n");
    }

    #[test]
    fn faults_have_their_place() {
        let faults = yaml_to_json("sent", "a: [1\nb: 2\n").unwrap_err();
        assert!(!faults.is_empty());
    }
}
