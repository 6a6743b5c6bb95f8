//! How an event looks on a line.

use cantus_api::Event;
use cantus_api::event::Form;
use cantus_api::stream::Recorded;

use super::json::compact;
use super::screen::Screen;
use super::style::Tone;
use super::table::one_line;

/// Returns the beginning of an event's data on one line, `chars_max` characters at most.
pub(crate) fn data_preview(event: &Event, chars_max: usize) -> String {
    let Some(data) = &event.data else { return String::new() };
    // A preview never looks at more than it could show, whatever the width of the characters.
    let bytes = &data.bytes[..data.bytes.len().min(chars_max.saturating_mul(8))];
    match data.form {
        Form::Json => one_line(&compact(bytes), chars_max),
        Form::Text => one_line(&String::from_utf8_lossy(bytes), chars_max),
        Form::Binary => format!("{} bytes", data.bytes.len()),
    }
}

/// Returns an event as one line for people: when, where, what, who, which, data.
pub(crate) fn event_line(recorded: &Recorded, screen: &Screen) -> String {
    let event = &recorded.event;
    let mut line = format!(
        "{}  {}  {}  {}  {}",
        screen.paint(Tone::Dim, &clock(&recorded.recorded_at)),
        event.topic.as_deref().unwrap_or("-"),
        screen.paint(Tone::Strong, &one_line(&event.event_type, 120)),
        one_line(&event.source, 120),
        one_line(event.id.as_deref().unwrap_or("-"), 120),
    );
    if let Some(subject) = &event.subject {
        line.push_str(&format!("  {}", one_line(subject, 120)));
    }
    let used = line.chars().count() + 2;
    let room = screen.width().map_or(200, |width| usize::from(width).saturating_sub(used).max(20));
    let data = data_preview(event, room);
    if !data.is_empty() {
        line.push_str(&format!("  {}", screen.paint(Tone::Dim, &data)));
    }
    line
}

/// Returns the time of day of an RFC 3339 text.
fn clock(timestamp: &str) -> String {
    timestamp.split_once('T').map_or(timestamp, |(_, clock)| clock).trim_end_matches('Z').to_owned()
}
