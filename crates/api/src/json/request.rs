//! Reading the typed body of a request, with errors that name the place.

use serde::de::DeserializeOwned;

use super::locate::{Place, locate};
use super::scan::{Scanner, What, Wrong};
use crate::error::{Code, Problem};

/// Reads the body of a request. An empty body counts as `{}`. Nesting deeper than `depth_max` is refused.
///
/// # Errors
///
/// `JSON_INVALID` or `JSON_TOO_DEEP`, with the pointer of the place that is wrong.
pub fn read<T: DeserializeOwned>(body: &[u8], depth_max: u32) -> Result<T, Box<Problem>> {
    let text = text(body)?;
    let text = if text.trim().is_empty() { "{}" } else { text };
    Scanner::new(text, depth_max).whole().map_err(|wrong| syntax(text, wrong))?;
    serde_json::from_str(text).map_err(|error| wrong_content(text, &error))
}

/// Returns the bytes as text.
///
/// # Errors
///
/// `JSON_INVALID` for bytes that are not UTF-8, and for a byte order mark.
pub(crate) fn text(body: &[u8]) -> Result<&str, Box<Problem>> {
    let refused = |detail: String| Box::new(Problem::new(Code::JsonInvalid, detail.clone()).at("#", detail));
    if body.starts_with(b"\xef\xbb\xbf") {
        return Err(refused("the text begins with a byte order mark: send UTF-8 without one".into()));
    }
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
        return Err(refused("the text is UTF-16: send UTF-8".into()));
    }
    std::str::from_utf8(body).map_err(|error| {
        let valid = error.valid_up_to();
        let before = std::str::from_utf8(&body[..valid]).expect("it is valid up to there");
        let place = locate(before, valid);
        let detail = format!("{}: byte 0x{:02X} is not UTF-8", spot(before, &place), body[valid]);
        Box::new(Problem::new(Code::JsonInvalid, detail.clone()).at(place.pointer, detail))
    })
}

/// Returns the problem of text that is not JSON.
pub(crate) fn syntax(text: &str, wrong: Wrong) -> Box<Problem> {
    let place = locate(text, wrong.offset);
    let code = if matches!(wrong.what, What::Deep(_)) { Code::JsonTooDeep } else { Code::JsonInvalid };
    let detail = format!("{}: {}", spot(text, &place), wrong.what);
    Box::new(Problem::new(code, detail.clone()).at(place.pointer, detail))
}

// Where something is, in words; a single line needs no number.
fn spot(text: &str, place: &Place) -> String {
    let column = format!("column {}", place.column);
    if text.trim_end().contains('\n') { format!("line {}, {column}", place.line) } else { column }
}

fn wrong_content(text: &str, error: &serde_json::Error) -> Box<Problem> {
    let message = error.to_string();
    let detail = message.split(" at line ").next().unwrap_or(&message).to_owned();
    // serde_json stops just behind the token it did not like, and behind the closing brace when a member is missing.
    let back = usize::from(!detail.starts_with("missing field"));
    let offset = offset_of(text, error.line(), error.column());
    let pointer = match offset {
        Some(offset) if !detail.starts_with("missing field") => {
            locate(text, offset.saturating_sub(back)).pointer
        }
        Some(offset) => locate(text, offset.saturating_sub(back)).pointer,
        None => "#".to_owned(),
    };
    Box::new(Problem::new(Code::JsonInvalid, detail.clone()).at(pointer, detail))
}

fn offset_of(text: &str, line: usize, column: usize) -> Option<usize> {
    let before: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    Some((before + column).min(text.len()))
}
