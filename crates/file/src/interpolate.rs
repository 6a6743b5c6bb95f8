//! Interpolation: `${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `$$`, as in compose files.

use std::borrow::Cow;

use crate::environment::Environment;

/// What can not be replaced, and where in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreplaced {
    /// The offset of its `$`.
    pub at: usize,
    /// How many bytes it has.
    pub length: usize,
    pub message: String,
    pub hint: String,
}

/// How deep defaults may hold further variables.
const MAX_DEPTH: usize = 8;
/// The longest text after replacing.
const MAX_BYTES: usize = 1 << 20;

/// Replaces variables in a text. A `$` before anything but `{` and `$` stays as it is.
///
/// A variable that is not set and has no default is a fault, unlike in compose, where it becomes nothing: an address
/// or a secret that silently is nothing costs more than the message.
pub(crate) fn interpolate<'a>(text: &'a str, environment: &Environment) -> Result<Cow<'a, str>, Unreplaced> {
    if !text.contains('$') {
        return Ok(Cow::Borrowed(text));
    }
    replace(text, 0, 0, environment).map(Cow::Owned)
}

fn replace(text: &str, offset: usize, depth: usize, environment: &Environment) -> Result<String, Unreplaced> {
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(dollar) = text[at..].find('$').map(|found| at + found) {
        result.push_str(&text[at..dollar]);
        let rest = &text[dollar + 1..];
        if rest.starts_with('$') {
            result.push('$');
            at = dollar + 2;
        } else if rest.starts_with('{') {
            let whole = closed(&text[dollar..]).ok_or_else(|| Unreplaced {
                at: offset + dollar,
                length: 2,
                message: "this `${` is never closed".to_owned(),
                hint: "write `${NAME}`, or `$${` for the characters themselves".to_owned(),
            })?;
            let expression = &whole[2..whole.len() - 1];
            let fault = |message: String, hint: String| Unreplaced {
                at: offset + dollar,
                length: whole.len(),
                message,
                hint,
            };
            if depth == MAX_DEPTH {
                return Err(fault(
                    format!("variables are nested more than {MAX_DEPTH} deep"),
                    "use fewer defaults".to_owned(),
                ));
            }
            result.push_str(&variable(expression, offset + dollar + 2, depth, environment, fault)?);
            at = dollar + whole.len();
        } else {
            result.push('$');
            at = dollar + 1;
        }
        if result.len() > MAX_BYTES {
            return Err(Unreplaced {
                at: offset + dollar,
                length: 1,
                message: "the text grows beyond 1 MiB here".to_owned(),
                hint: "use shorter variables".to_owned(),
            });
        }
    }
    result.push_str(&text[at..]);
    Ok(result)
}

/// Returns the `${…}` at the begin of a text, inner ones included.
fn closed(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut depth = 0;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                depth += 1;
                at += 1;
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(&text[..=at]);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn variable(
    expression: &str,
    offset: usize,
    depth: usize,
    environment: &Environment,
    fault: impl Fn(String, String) -> Unreplaced,
) -> Result<String, Unreplaced> {
    let end = expression.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let (name, rest) = expression.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        let message =
            "a variable's name has letters, digits and `_`, and does not begin with a digit".to_owned();
        return Err(fault(message, "write `${NAME}`, or `$${` for the characters themselves".to_owned()));
    }
    let value = environment.get(name);
    let (operator, word) = match rest {
        "" => {
            return value.map(str::to_owned).ok_or_else(|| {
                let hint = format!("set it, or give a default: `${{{name}:-default}}`");
                fault(format!("the variable `{name}` is not set"), hint)
            });
        }
        _ => ["?", "-", "+"]
            .iter()
            .find_map(|operator| {
                let or_empty = rest.strip_prefix(':').and_then(|rest| rest.strip_prefix(operator));
                or_empty
                    .map(|word| ((*operator, true), word))
                    .or(rest.strip_prefix(operator).map(|word| ((*operator, false), word)))
            })
            .ok_or_else(|| {
                let hint = "after the name come `:-default`, `:?message` or `:+replacement`".to_owned();
                fault(format!("`{rest}` after the name `{name}` is not understood"), hint)
            })?,
    };
    let given = value.filter(|value| !(operator.1 && value.is_empty()));
    let word = || replace(word, offset + expression.len() - word.len(), depth + 1, environment);
    match (operator.0, given) {
        ("-", Some(value)) | ("?", Some(value)) => Ok(value.to_owned()),
        ("-", None) | ("+", Some(_)) => word(),
        ("+", None) => Ok(String::new()),
        _ => {
            let message = word()?;
            let message = if message.is_empty() { "it is required".to_owned() } else { message };
            Err(fault(
                format!("the variable `{name}` is not set: {message}"),
                format!("set `{name}` and try again"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<String, Unreplaced> {
        let environment = [("HOST", "example.com"), ("EMPTY", "")].into_iter().collect();
        interpolate(text, &environment).map(Cow::into_owned)
    }

    #[test]
    fn variables_are_replaced_as_in_compose() {
        for (text, result) in [
            ("https://${HOST}/x", "https://example.com/x"),
            ("${NONE:-a b}", "a b"),
            ("${EMPTY:-default}", "default"),
            ("${EMPTY-default}", ""),
            ("${NONE:-${HOST}}", "example.com"),
            ("${HOST:+yes}${NONE:+no}", "yes"),
            ("$$HOME $${HOME} 5$ $HOME", "$HOME ${HOME} 5$ $HOME"),
            ("${HOST:?needed}", "example.com"),
        ] {
            assert_eq!(with(text).as_deref(), Ok(result), "{text}");
        }
    }

    #[test]
    fn what_can_not_be_replaced_is_a_fault_with_its_place() {
        let fault = with("a ${NONE}").unwrap_err();
        assert_eq!((fault.at, fault.length), (2, 7));
        assert_eq!(fault.message, "the variable `NONE` is not set");
        assert_eq!(with("${NONE:?say who}").unwrap_err().message, "the variable `NONE` is not set: say who");
        assert_eq!(
            with("${EMPTY:?}").unwrap_err().message,
            "the variable `EMPTY` is not set: it is required"
        );
        assert_eq!(with("x ${HOST").unwrap_err().message, "this `${` is never closed");
        assert!(with("${a b}").unwrap_err().message.contains("is not understood"));
        assert!(with("${}").unwrap_err().message.contains("letters, digits"));
        assert!(
            with(&format!("{}x{}", "${N:-".repeat(50), "}".repeat(50)))
                .unwrap_err()
                .message
                .contains("nested")
        );
        assert_eq!(with("${NONE:-${OTHER}}").unwrap_err().at, 8);
    }
}
