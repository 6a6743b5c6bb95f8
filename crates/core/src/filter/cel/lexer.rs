//! From text to tokens.
use super::super::invalid::InvalidFilter;
use super::hints;
use super::literal;
use super::syntax::{Literal, Span};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Literal(Literal),
    /// A whole number without a sign, which may yet be the magnitude of the smallest negative one.
    Magnitude(u64),
    Name(String),
    /// An operator or a bracket, also the word `in`.
    Sign(&'static str),
    End,
}

/// Longest first, so that `<=` is not read as `<` and `=`.
const SIGNS: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ",", ".", "(", ")",
    "[", "]", "{", "}",
];

/// Reads all tokens of a text; the last one is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token, Span)>, InvalidFilter> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at = skip_blank(text, at);
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else { break };
        let (token, length) = if let Some(quoted) = literal::quoted(text, at) {
            let (literal, length) = quoted?;
            (Token::Literal(literal), length)
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            literal::number(text, at)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            word(rest)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            if *sign == "<" && rest.starts_with("<>") {
                return Err(hints::unknown_sign(text, at));
            }
            (Token::Sign(sign), sign.len())
        } else {
            return Err(hints::unknown_sign(text, at));
        };
        tokens.push((token, Span { start: at, end: at + length }));
        at += length;
    }
    tokens.push((Token::End, Span { start: text.len(), end: text.len() }));
    Ok(tokens)
}

fn skip_blank(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{c}']).len();
        at += blank;
        if !text[at..].starts_with("//") {
            return at;
        }
        at += text[at..].find('\n').unwrap_or(text.len() - at);
    }
}

fn word(rest: &str) -> (Token, usize) {
    let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let token = match &rest[..length] {
        "true" => Token::Literal(Literal::Boolean(true)),
        "false" => Token::Literal(Literal::Boolean(false)),
        "null" => Token::Literal(Literal::Null),
        "in" => Token::Sign("in"),
        name => Token::Name(name.to_owned()),
    };
    (token, length)
}
