//! What plain words mean: the core schema of YAML 1.2, in which `yes`, `no`, `on` and `off` are text.

/// The meaning of a plain scalar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plain {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// A whole number with more digits than can be kept exactly.
    TooLarge,
    Text,
}

pub(crate) fn resolve(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "true" | "True" | "TRUE" => return Plain::Bool(true),
        "false" | "False" | "FALSE" => return Plain::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Plain::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" => return Plain::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Plain::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return based(hex, 16);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return based(octal, 8);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().map_or(Plain::TooLarge, Plain::Int);
    }
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().any(|b| b.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse() {
        Ok(number) if numeric => Plain::Float(number),
        _ => Plain::Text,
    }
}

fn based(digits: &str, base: u32) -> Plain {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Plain::Text;
    }
    i128::from_str_radix(digits, base).map_or(Plain::TooLarge, Plain::Int)
}

#[cfg(test)]
mod tests {
    use super::{Plain, resolve};

    #[test]
    fn plain_words_mean_what_yaml_1_2_says() {
        assert_eq!(resolve(""), Plain::Null);
        assert_eq!(resolve("true"), Plain::Bool(true));
        assert_eq!(resolve("yes"), Plain::Text);
        assert_eq!(resolve("off"), Plain::Text);
        assert_eq!(resolve("-12"), Plain::Int(-12));
        assert_eq!(resolve("0x1f"), Plain::Int(31));
        assert_eq!(resolve("1.5e3"), Plain::Float(1500.0));
        assert_eq!(resolve("30m"), Plain::Text);
        assert_eq!(resolve("1.2.3"), Plain::Text);
        assert_eq!(resolve("12:30"), Plain::Text);
        assert_eq!(resolve("-"), Plain::Text);
        assert_eq!(resolve("."), Plain::Text);
        assert_eq!(resolve(&"9".repeat(60)), Plain::TooLarge);
    }
}
