//! The inside of strings: where nothing is to be done, and how escapes are undone.

/// Returns how many bytes from the start need no attention inside a string: eight at a time, then one by one.
pub(crate) fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes were asked for"));
        let quote = zero_bytes(word ^ (ONES * b'"' as u64));
        let backslash = zero_bytes(word ^ (ONES * b'\\' as u64));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = quote | backslash | control;
        if found != 0 {
            // The lowest flagged byte is exact; borrows can only flag wrongly above it.
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|byte| **byte >= 0x20 && !matches!(byte, b'"' | b'\\')).count()
}

/// Returns the number four hexadecimal digits stand for.
pub(crate) fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let mut unit = 0;
    for &byte in bytes.get(at..at + 4)? {
        unit = unit * 16 + (byte as char).to_digit(16)?;
    }
    Some(unit)
}

/// Undoes the escapes of a string that was scanned without complaint.
pub(crate) fn unescape(inner: &str) -> String {
    let bytes = inner.as_bytes();
    let mut out = String::with_capacity(inner.len());
    let mut at = 0;
    while let Some(step) = inner[at..].find('\\') {
        out.push_str(&inner[at..at + step]);
        at += step + 2;
        match bytes[at - 1] {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let unit = hex4(bytes, at).expect("the scanner saw four hex digits");
                at += 4;
                let code = if (0xD800..0xDC00).contains(&unit) {
                    let low = hex4(bytes, at + 2).expect("the scanner saw the other half");
                    at += 6;
                    0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
                } else {
                    unit
                };
                out.push(char::from_u32(code).expect("the scanner refused lone surrogates"));
            }
            same => out.push(same as char),
        }
    }
    out.push_str(&inner[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_run_ends_where_attention_is_needed() {
        for length in 0..40 {
            for end in ['"', '\\', '\n', '\u{0}', '\u{1f}'] {
                let text = format!(
                    "{}{end}é rest of it",
                    "é ~x!".repeat(9).chars().take(length).collect::<String>()
                );
                assert_eq!(plain_run(text.as_bytes()), text.find(end).unwrap(), "{text:?}");
            }
        }
        assert_eq!(plain_run("all of it, to the end é".as_bytes()), "all of it, to the end é".len());
    }
}
