//! From a byte of JSON text to what people need to find it: line, column and JSON pointer.

/// A place in JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The JSON pointer of the value around it as a URI fragment, such as `#/data/items/3`; `#` is the whole.
    pub pointer: String,
}

// Pointers are for people: longer ones end in an ellipsis.
const POINTER_CHARS_MAX: usize = 256;

enum Level<'a> {
    Object(Option<&'a str>),
    Array(usize),
}

/// Returns the place of byte `offset` in `text`. The text may be wrong from there on.
pub fn locate(text: &str, offset: usize) -> Place {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Place { line, column, pointer: pointer_at(text, offset) }
}

fn pointer_at(text: &str, offset: usize) -> String {
    let bytes = text.as_bytes();
    let mut levels: Vec<Level<'_>> = Vec::new();
    let (mut at, mut expects_name) = (0, false);
    while at < offset {
        match bytes[at] {
            b'{' => {
                levels.push(Level::Object(None));
                expects_name = true;
            }
            b'[' => levels.push(Level::Array(0)),
            b'}' | b']' => {
                levels.pop();
                expects_name = false;
            }
            b',' => match levels.last_mut() {
                Some(Level::Array(index)) => *index += 1,
                Some(Level::Object(name)) => {
                    *name = None;
                    expects_name = true;
                }
                None => {}
            },
            b'"' => {
                let end = string_end(bytes, at);
                if expects_name && let Some(Level::Object(name)) = levels.last_mut() {
                    *name = Some(&text[at + 1..end.min(text.len())]);
                    expects_name = false;
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    write_pointer(&levels)
}

// The closing quote of a string that begins at `start`, or the end of the text.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn write_pointer(levels: &[Level<'_>]) -> String {
    let mut pointer = String::from("#");
    for level in levels {
        let step = match level {
            Level::Object(Some(name)) => name.replace('~', "~0").replace('/', "~1"),
            Level::Array(index) => index.to_string(),
            Level::Object(None) => break,
        };
        pointer.push('/');
        if pointer.len() + step.len() > POINTER_CHARS_MAX {
            pointer.push('…');
            break;
        }
        pointer.push_str(&step);
    }
    pointer
}

/// Returns `name` as one step of a JSON pointer.
pub(crate) fn step(name: &str) -> String {
    name.chars().take(POINTER_CHARS_MAX).collect::<String>().replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_line_column_and_pointer() {
        let text = "{\n \"a\": {\"b/c\": [1, 2, é?]}}";
        let place = locate(text, text.find('?').unwrap());
        assert_eq!(place, Place { line: 2, column: 23, pointer: "#/a/b~1c/2".into() });
        assert_eq!(locate(text, 0).pointer, "#");
        assert_eq!(locate("", 9), Place { line: 1, column: 1, pointer: "#".into() });
    }

    #[test]
    fn a_member_that_is_over_does_not_count() {
        let text = r#"{"a":{"x":"}"},"b":?}"#;
        assert_eq!(locate(text, text.find('?').unwrap()).pointer, "#/b");
        let text = r#"{"a":1,?}"#;
        assert_eq!(locate(text, text.find('?').unwrap()).pointer, "#");
    }

    #[test]
    fn a_pointer_is_bounded() {
        let text = format!("{}1", "[".repeat(100_000));
        assert!(locate(&text, text.len() - 1).pointer.len() < 300);
    }
}
