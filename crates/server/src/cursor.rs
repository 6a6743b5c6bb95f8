//! Cursors: opaque to clients, a place in a list to us. Their first letter says which list they belong to, so that one
//! that strays into another list is refused.

use cantus_api::error::{Code, Problem};
use cantus_core::Position;

/// Returns the refusal of a cursor.
pub(crate) fn invalid(cursor: &str, why: &str) -> Box<Problem> {
    let shown: String = cursor.chars().take(60).collect();
    let detail = format!("`{shown}` {why}");
    Box::new(Problem::new(Code::CursorInvalid, detail.clone()).at_parameter("cursor", detail).hint(
        "begin again without a cursor; cursors come from `next_cursor` of the same list and the same server",
    ))
}

/// Reads the cursor of a list in log order: everything up to it was seen. It is the position itself, so that what a reader
/// kept can also be used as `since`.
///
/// # Errors
/// `CURSOR_INVALID` for another list's, and for one ahead of the log.
pub(crate) fn forward(cursor: &str, durable: Position) -> Result<Position, Box<Problem>> {
    let position = Position::parse(cursor).ok_or_else(|| invalid(cursor, "is no cursor of this list"))?;
    if position > durable {
        return Err(invalid(cursor, "is ahead of everything that is stored here"));
    }
    Ok(position)
}

/// Writes the cursor of a list that runs back: everything from it on was seen.
pub(crate) fn write_back(position: Position) -> String {
    format!("b{position}")
}

/// Reads the cursor of a list that runs back.
///
/// # Errors
/// `CURSOR_INVALID`.
pub(crate) fn back(cursor: &str) -> Result<Position, Box<Problem>> {
    let position = cursor.strip_prefix('b').and_then(Position::parse);
    position.ok_or_else(|| invalid(cursor, "is no cursor of a list that runs back"))
}

/// Writes the cursor of a list by name: everything up to that name was seen.
pub(crate) fn write_name(name: &str) -> String {
    format!("n:{name}")
}

/// Reads the cursor of a list by name.
///
/// # Errors
/// `CURSOR_INVALID`.
pub(crate) fn name(cursor: &str) -> Result<&str, Box<Problem>> {
    cursor
        .strip_prefix("n:")
        .filter(|name| name.len() <= 512)
        .ok_or_else(|| invalid(cursor, "is no cursor of this list"))
}

/// Writes the cursor of a list that is counted through.
pub(crate) fn write_offset(offset: usize) -> String {
    format!("o:{offset}")
}

/// Reads the cursor of a list that is counted through.
///
/// # Errors
/// `CURSOR_INVALID`.
pub(crate) fn offset(cursor: &str) -> Result<usize, Box<Problem>> {
    let offset = cursor.strip_prefix("o:").and_then(|offset| offset.parse().ok());
    offset.ok_or_else(|| invalid(cursor, "is no cursor of this list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_ahead_of_the_log_or_of_another_list_is_refused() {
        assert_eq!(forward("0:7", Position(9)).unwrap(), Position(7));
        for bad in ["0:10", "b0:7", "n:x", "", "0:-1", "0:99999999999999999999999"] {
            assert!(forward(bad, Position(9)).unwrap_err().is(Code::CursorInvalid), "{bad}");
        }
        assert_eq!(back(&write_back(Position(7))).unwrap(), Position(7));
        assert!(back("0:7").is_err() && name("0:7").is_err() && offset("n:7").is_err());
    }
}
