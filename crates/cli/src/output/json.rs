//! JSON as it is printed: laid out or on one line, and otherwise untouched. No number is read and written again.

/// Returns JSON text laid out for people, two spaces per level.
pub(crate) fn pretty(json: &[u8]) -> String {
    let mut out = Vec::with_capacity(json.len() * 2);
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'"' => {
                let end = string_end(json, at);
                out.extend_from_slice(&json[at..end]);
                at = end;
                continue;
            }
            b'{' | b'[' => {
                out.push(byte);
                let next = json[at + 1..].iter().position(|byte| !byte.is_ascii_whitespace());
                let close = if byte == b'{' { b'}' } else { b']' };
                if let Some(next) = next.filter(|next| json[at + 1 + next] == close) {
                    out.push(close);
                    at += next + 2;
                    continue;
                }
                depth += 1;
                new_line(&mut out, depth);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => out.push(byte),
        }
        at += 1;
    }
    text(out)
}

/// Returns JSON text on one line.
pub(crate) fn compact(json: &[u8]) -> String {
    let mut out = Vec::with_capacity(json.len());
    cantus_api::json::compact(&mut out, json);
    text(out)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn string_end(json: &[u8], start: usize) -> usize {
    let mut end = start + 1;
    while json.get(end).is_some_and(|byte| *byte != b'"') {
        end += if json[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(json.len())
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + depth * 2, b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_changes_nothing_but_space() {
        let json = br#"{"a":[1,{"b":"x, {\"y\"}: z"}],"n":9007199254740993.10,"e":{},"l":[ ],"t":true}"#;
        let laid_out = pretty(json);
        assert_eq!(
            laid_out,
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x, {\\\"y\\\"}: z\"\n    }\n  ],\n  \
             \"n\": 9007199254740993.10,\n  \"e\": {},\n  \"l\": [],\n  \"t\": true\n}"
        );
        assert_eq!(compact(laid_out.as_bytes()), compact(json));
    }

    #[test]
    fn text_that_is_not_json_does_not_panic() {
        for odd in ["", "\"", "\"\\", "}", "{", "[ ", "]]]"] {
            pretty(odd.as_bytes());
            compact(odd.as_bytes());
        }
    }
}
