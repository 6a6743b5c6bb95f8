//! Writing JSON by hand: strings, and text without its white space.

use super::escape::plain_run;

/// Appends `text` as a JSON string.
pub fn string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut at = 0;
    loop {
        let run = plain_run(&bytes[at..]);
        out.extend_from_slice(&bytes[at..at + run]);
        at += run;
        let Some(&byte) = bytes.get(at) else { break };
        at += 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.push(b'"');
}

/// Returns `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    string(&mut out, text);
    String::from_utf8(out).expect("escapes are ASCII and the rest was text")
}

/// Appends JSON text without the white space between its tokens, so that it is one line. What is inside strings, and every
/// digit of every number, stays as it is.
pub fn compact(out: &mut Vec<u8>, json: &[u8]) {
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        let end = match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {
                at += 1;
                continue;
            }
            b'"' => {
                let mut end = at + 1;
                while json.get(end).is_some_and(|byte| *byte != b'"') {
                    end += if json[end] == b'\\' { 2 } else { 1 };
                }
                (end + 1).min(json.len())
            }
            _ => at + 1,
        };
        out.extend_from_slice(&json[at..end]);
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_written_so_that_it_reads_back() {
        for text in ["", "plain", "a\"b\\c\nd\re\tf\u{0}\u{1f}\u{7f}é😀\u{2028}", &"long é ".repeat(50)] {
            assert_eq!(serde_json::from_str::<String>(&quoted(text)).unwrap(), text);
        }
    }

    #[test]
    fn compact_touches_only_what_is_between_tokens() {
        let mut out = Vec::new();
        compact(&mut out, b"{ \"a b\\\" c\" : [ 1e400 ,\n\t9007199254740993 ] , \"a b\\\" c\":\"\\\\\" }");
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a b\" c":[1e400,9007199254740993],"a b\" c":"\\"}"#);
    }
}
