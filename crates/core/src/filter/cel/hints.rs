//! What people probably meant.
use super::super::invalid::InvalidFilter;
use super::lexer::Token;
use super::syntax::Span;

/// Refuses a character that starts no token.
pub(crate) fn unknown_sign(text: &str, at: usize) -> InvalidFilter {
    let rest = &text[at..];
    let sign = rest.chars().next().unwrap_or(' ');
    let (message, hint) = match sign {
        '=' => ("`=` compares nothing in an expression".to_owned(), Some("write `==`")),
        '&' => ("`&` is no operator".to_owned(), Some("write `&&`")),
        '|' => ("`|` is no operator".to_owned(), Some("write `||`")),
        '<' => ("`<>` is no operator".to_owned(), Some("write `!=`")),
        '“' | '”' | '„' | '‘' | '’' => {
            (format!("`{sign}` does not quote"), Some("use plain quotes: \"…\" or '…'"))
        }
        '`' => (
            "names cannot be put into backticks".to_owned(),
            Some("write data[\"…\"] for such a name, and \"…\" for a text"),
        ),
        '$' | '@' | '#' | '~' | '^' | '\\' | ';' => {
            (format!("`{sign}` does not belong into an expression"), Some("text needs quotes: \"…\""))
        }
        _ if sign.is_alphabetic() => (
            format!("`{sign}` cannot be part of a name"),
            Some("text needs quotes: \"…\"; other members of the payload are data[\"…\"]"),
        ),
        _ => (format!("the character `{}` does not belong into an expression", sign.escape_default()), None),
    };
    let invalid = InvalidFilter::at(text, at, message);
    match hint {
        Some(hint) => invalid.hint(hint),
        None => invalid,
    }
}

/// Refuses a token where none like it can stand. `before` is the token in front of it.
pub(crate) fn unexpected(text: &str, before: Option<&Token>, token: &Token, span: Span) -> InvalidFilter {
    let written = &text[span.start..span.end];
    let invalid = match token {
        Token::End => InvalidFilter::at(text, span.start, "the expression ends too early"),
        _ => InvalidFilter::at(text, span.start, format!("`{written}` cannot stand here")),
    };
    if let Token::Name(word) = token {
        let operator = match word.to_ascii_lowercase().as_str() {
            "and" => Some("write `&&`".to_owned()),
            "or" => Some("write `||`".to_owned()),
            "not" => Some("write `!(…)`".to_owned()),
            "is" | "eq" | "equals" => Some("write `==`".to_owned()),
            "ne" => Some("write `!=`".to_owned()),
            "like" | "matches" | "regex" => Some(format!("write field.matches(\"…\") instead of `{word}`")),
            "contains" => Some("write field.contains(\"…\")".to_owned()),
            "startswith" | "begins" | "starts" => Some("write field.startsWith(\"…\")".to_owned()),
            "endswith" | "ends" => Some("write field.endsWith(\"…\")".to_owned()),
            "exists" => Some("write has(field)".to_owned()),
            _ => None,
        };
        if let Some(operator) = operator {
            return invalid.hint(operator);
        }
    }
    match (before, token) {
        (Some(Token::Name(first)), Token::Name(second)) => {
            invalid.hint(format!("text needs quotes: \"{first} {second}…\""))
        }
        (Some(Token::Name(_) | Token::Literal(_) | Token::Magnitude(_)), Token::Literal(_)) => {
            invalid.hint("an operator is missing: `==`, `&&`, …")
        }
        (Some(Token::Sign("==")), Token::Sign("==")) => invalid.hint("write `==` once"),
        (_, Token::End) => invalid.hint("a value or a closing bracket is missing"),
        _ => invalid,
    }
}

/// Words CEL keeps for itself.
pub(crate) const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "void",
    "while",
];

/// Functions and macros there are: as `f(x)` or `x.f()`, and with how many arguments besides the target.
pub(crate) const GLOBAL: &[(&str, usize)] = &[
    ("bool", 1),
    ("bytes", 1),
    ("double", 1),
    ("dyn", 1),
    ("has", 1),
    ("int", 1),
    ("matches", 2),
    ("size", 1),
    ("string", 1),
    ("type", 1),
    ("uint", 1),
];
pub(crate) const MEMBER: &[(&str, usize)] = &[
    ("all", 2),
    ("contains", 1),
    ("endsWith", 1),
    ("exists", 2),
    ("existsOne", 2),
    ("exists_one", 2),
    ("filter", 2),
    ("hasValue", 0),
    ("map", 2),
    ("map", 3),
    ("matches", 1),
    ("or", 1),
    ("orValue", 1),
    ("size", 0),
    ("startsWith", 1),
    ("value", 0),
];
/// Functions of the namespace `optional`.
pub(crate) const OPTIONAL: &[(&str, usize)] = &[("none", 0), ("of", 1), ("ofNonZeroValue", 1)];

/// Refuses a call of a function that is not there, or not in this shape.
pub(crate) fn unknown_function(
    text: &str,
    span: Span,
    name: &str,
    member: bool,
    arguments: usize,
) -> InvalidFilter {
    let known: &[(&str, usize)] = if member { MEMBER } else { GLOBAL };
    if let Some((_, wanted)) = known.iter().find(|(known, _)| *known == name) {
        let plural = if *wanted == 1 { "" } else { "s" };
        return InvalidFilter::at(text, span.start, format!("`{name}` has {arguments} arguments"))
            .hint(format!("it takes {wanted} argument{plural}"));
    }
    let invalid = InvalidFilter::at(text, span.start, format!("there is no function `{name}`"));
    let (other, shape) = if member { (GLOBAL, "as a function") } else { (MEMBER, "behind a dot") };
    if other.iter().any(|(known, _)| *known == name) {
        let example = if member { format!("{name}(…)") } else { format!("field.{name}(…)") };
        return invalid.hint(format!("it is called {shape}: {example}"));
    }
    let synonym = match name.to_ascii_lowercase().as_str() {
        "len" | "length" | "count" => Some("size"),
        "includes" | "has_substring" => Some("contains"),
        "regex" | "like" | "match" | "test" | "regexmatch" => Some("matches"),
        "defined" | "present" | "isset" => Some("has"),
        "any" | "some" => Some("exists"),
        "every" => Some("all"),
        "timestamp" | "duration" | "now" => {
            return invalid.hint("times are compared as text: time < \"2030-01-01T00:00:00Z\"");
        }
        _ => None,
    };
    let names: Vec<&str> = GLOBAL.iter().chain(MEMBER).map(|(name, _)| *name).collect();
    match synonym.or_else(|| super::super::invalid::nearest(name, &names)) {
        Some(meant) => invalid.hint(format!("did you mean `{meant}`?")),
        None => invalid.hint(format!("the functions are {}", names.join(", "))),
    }
}
