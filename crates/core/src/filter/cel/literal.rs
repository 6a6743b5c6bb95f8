//! Numbers, texts and bytes as they are written in expressions.
use super::super::invalid::InvalidFilter;
use super::lexer::Token;
use super::syntax::Literal;

/// Reads a number that starts at `at`. Returns it with its length in bytes.
pub(crate) fn number(text: &str, at: usize) -> Result<(Token, usize), InvalidFilter> {
    let rest = &text[at..];
    let bytes = rest.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    if let Some(hexadecimal) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        let count = hexadecimal.bytes().take_while(u8::is_ascii_hexdigit).count();
        return whole(text, at, u64::from_str_radix(&hexadecimal[..count], 16).ok(), 2 + count);
    }
    let mut length = digits(0);
    let mut float = false;
    if bytes.get(length) == Some(&b'.') && bytes.get(length + 1).is_some_and(u8::is_ascii_digit) {
        length += 1;
        length += digits(length);
        float = true;
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits((length + 1 + sign).min(bytes.len()));
        if exponent > 0 {
            length += 1 + sign + exponent;
            float = true;
        }
    }
    if !float {
        return whole(text, at, rest[..length].parse().ok(), length);
    }
    match rest[..length].parse::<f64>() {
        Ok(number) if number.is_finite() => {
            ended(text, at, length).map(|()| (Token::Literal(Literal::Double(number)), length))
        }
        _ => Err(InvalidFilter::at(text, at, format!("the number `{}` is too large", &rest[..length]))),
    }
}

fn whole(
    text: &str,
    at: usize,
    magnitude: Option<u64>,
    length: usize,
) -> Result<(Token, usize), InvalidFilter> {
    let Some(magnitude) = magnitude else {
        let written = &text[at..at + length];
        return Err(InvalidFilter::at(text, at, format!("the number `{written}` is too large or malformed"))
            .hint("whole numbers have 64 bits"));
    };
    if text[at + length..].starts_with(['u', 'U']) {
        ended(text, at, length + 1)?;
        return Ok((Token::Literal(Literal::Unsigned(magnitude)), length + 1));
    }
    ended(text, at, length)?;
    Ok((Token::Magnitude(magnitude), length))
}

/// A number must not run into a word: `30m` is neither.
fn ended(text: &str, at: usize, length: usize) -> Result<(), InvalidFilter> {
    let rest = &text[at + length..];
    if !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return Ok(());
    }
    let tail = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let written = &text[at..at + length + tail];
    Err(InvalidFilter::at(text, at, format!("`{written}` is no number"))
        .hint(format!("text needs quotes: \"{written}\"")))
}

/// How a quoted literal is to be read.
struct Quoting {
    raw: bool,
    bytes: bool,
    quote: &'static str,
    /// Where its content starts, counted from the start of the literal.
    content: usize,
}

/// Reads a quoted text or quoted bytes that start at `at`, or returns `None` when none starts there.
pub(crate) fn quoted(text: &str, at: usize) -> Option<Result<(Literal, usize), InvalidFilter>> {
    let quoting = quoting(&text[at..])?;
    Some(read(text, at, &quoting))
}

fn quoting(rest: &str) -> Option<Quoting> {
    let (mut raw, mut bytes, mut prefix) = (false, false, 0);
    for letter in rest.chars().take(2) {
        match letter {
            'r' | 'R' if !raw => raw = true,
            'b' | 'B' if !bytes && !raw => bytes = true,
            _ => break,
        }
        prefix += 1;
    }
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| rest[prefix..].starts_with(quote))?;
    Some(Quoting { raw, bytes, quote, content: prefix + quote.len() })
}

fn read(text: &str, at: usize, quoting: &Quoting) -> Result<(Literal, usize), InvalidFilter> {
    let unfinished = || {
        InvalidFilter::at(text, at, "the text that starts here has no closing quote")
            .hint(format!("close it with {}", quoting.quote))
    };
    let mut content = Vec::new();
    let mut here = at + quoting.content;
    loop {
        let rest = &text[here..];
        if rest.starts_with(quoting.quote) {
            break;
        }
        match rest.chars().next().ok_or_else(unfinished)? {
            '\n' | '\r' if quoting.quote.len() == 1 => return Err(unfinished()),
            '\\' if !quoting.raw => here += escape(text, here, quoting.bytes, &mut content)?,
            // In a raw text a backslash stays, and so does the quote behind it.
            '\\' => {
                let escaped = rest[1..].chars().next().ok_or_else(unfinished)?;
                let length = if quoting.quote.contains(escaped) { 2 } else { 1 };
                content.extend_from_slice(&rest.as_bytes()[..length]);
                here += length;
            }
            letter => {
                content.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                here += letter.len_utf8();
            }
        }
    }
    let length = here + quoting.quote.len() - at;
    if quoting.bytes {
        return Ok((Literal::Bytes(content), length));
    }
    let content = String::from_utf8(content)
        .map_err(|_| InvalidFilter::at(text, at, "the escapes of this text give no valid UTF-8"))?;
    Ok((Literal::Text(content.into()), length))
}

/// Reads one escape at `at`, appends what it stands for, and returns its length.
fn escape(text: &str, at: usize, bytes: bool, content: &mut Vec<u8>) -> Result<usize, InvalidFilter> {
    let unknown = || {
        let written: String = text[at..].chars().take(2).collect();
        InvalidFilter::at(text, at, format!("`{written}` is no escape"))
            .hint("write `\\\\` for a backslash, or r\"…\" for a text without escapes")
    };
    let letter = text[at + 1..].chars().next().ok_or_else(unknown)?;
    let simple = match letter {
        'a' => Some(7),
        'b' => Some(8),
        'f' => Some(12),
        'n' => Some(b'\n'),
        'r' => Some(b'\r'),
        't' => Some(b'\t'),
        'v' => Some(11),
        '\\' | '\'' | '"' | '`' | '?' => u8::try_from(letter).ok(),
        _ => None,
    };
    if let Some(byte) = simple {
        content.push(byte);
        return Ok(2);
    }
    // What the digits are, how many, and where they start behind the backslash.
    let (radix, count, from) = match letter {
        'x' | 'X' => (16, 2, 2),
        'u' if !bytes => (16, 4, 2),
        'U' if !bytes => (16, 8, 2),
        '0'..='3' => (8, 3, 1),
        _ => return Err(unknown()),
    };
    let digits = text.get(at + from..at + from + count).ok_or_else(unknown)?;
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(unknown());
    }
    let code = u32::from_str_radix(digits, radix).map_err(|_| unknown())?;
    if bytes {
        content.push(u8::try_from(code).map_err(|_| unknown())?);
    } else {
        let letter = char::from_u32(code).ok_or_else(unknown)?;
        content.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(from + count)
}
