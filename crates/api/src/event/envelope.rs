//! The envelope: `event` says what it is, `payload` is the data, `routing` says where it goes.

use std::borrow::Cow;

use super::attribute::{Site, check_text, is_attribute_name, set};
use super::model::{Draft, Extension};
use super::read::{BytesOf, Reader, base64_data, inline_data, missing, scalar};
use super::table::{Field, clashes_in_envelope};
use crate::error::{Code, Problem};
use crate::json::scan::{Member, Raw};

/// The media type of an envelope.
pub(super) const MEDIA_TYPE: &str = "application/vnd.cantus.envelope+json";

/// Reads the members of one envelope. The source may still be empty.
pub(super) fn read<'b>(
    reader: &Reader<'_>,
    members: &[Member<'b>],
    bytes_of: BytesOf<'_>,
) -> Result<Draft<'b>, Box<Problem>> {
    let mut event = Draft::default();
    let (mut payload, mut payload_base64): (Option<&Raw<'_>>, Option<&Raw<'_>>) = (None, None);
    for member in members {
        match &*member.name {
            "event" => part(reader, &mut event, Part::Event, &member.value)?,
            "routing" if member.value.is_null() => {}
            "routing" => part(reader, &mut event, Part::Routing, &member.value)?,
            "payload" => payload = Some(&member.value),
            "payload_base64" if member.value.is_null() => {}
            "payload_base64" => payload_base64 = Some(&member.value),
            name => {
                let site = Site::Member { parent: "#", name };
                keep(reader, &mut event, format!(".{name}").into(), &member.value, site)?;
            }
        }
    }
    let content_type = event.content_type.as_deref();
    let site = Site::Member { parent: "#", name: "payload_base64" };
    event.data = match (payload, payload_base64) {
        (Some(_), Some(_)) => {
            return Err(
                site.refuse(Code::EventInvalid, "stands beside `payload`: an event has one of the two")
            );
        }
        (Some(raw), None) => Some(inline_data(raw, content_type, bytes_of)),
        (None, Some(raw)) => Some(base64_data(raw, content_type, site, reader.limits)?),
        (None, None) => None,
    };
    if event.event_type.is_empty() {
        return Err(missing(
            Site::Member { parent: "#/event", name: "type" },
            "what happened, such as \"TaskCompleted\"",
        ));
    }
    Ok(event)
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Event,
    Routing,
}

fn part<'b>(
    reader: &Reader<'_>,
    event: &mut Draft<'b>,
    part: Part,
    raw: &Raw<'b>,
) -> Result<(), Box<Problem>> {
    let (name, parent) = match part {
        Part::Event => ("event", "#/event"),
        Part::Routing => ("routing", "#/routing"),
    };
    if raw.first() != b'{' {
        let site = Site::Member { parent: "#", name };
        return Err(site.refuse(Code::EventInvalid, format!("must be an object, not {}", raw.kind())));
    }
    for member in reader.members(raw.text, parent)? {
        let site = Site::Member { parent, name: &member.name };
        let field = match part {
            Part::Event => Field::of_event_member(&member.name),
            Part::Routing => Field::of_routing_member(&member.name),
        };
        match field {
            Some(_) if member.value.is_null() => {}
            Some(field) => set(event, field, scalar(&member.value), site, reader.limits)?,
            None => {
                let kept_name = match part {
                    Part::Event => event_member_name(&member),
                    Part::Routing => format!("routing.{}", member.name).into(),
                };
                keep(reader, event, kept_name, &member.value, site)?;
            }
        }
    }
    Ok(())
}

// A member of `event` that CloudEvents could have is an extension in both shapes; any other belongs to the envelope alone.
fn event_member_name<'b>(member: &Member<'b>) -> Cow<'b, str> {
    let name: &str =
        member.name.strip_prefix("ce_").filter(|name| clashes_in_envelope(name)).unwrap_or(&member.name);
    let means_something = Field::of_attribute(name).is_some() || matches!(name, "data" | "specversion");
    let scalar = match member.value.first() {
        b'"' | b't' | b'f' => true,
        b'{' | b'[' | b'n' => false,
        _ => member.value.text.parse::<i32>().is_ok(),
    };
    match &member.name {
        _ if !is_attribute_name(name) || !scalar || means_something => {
            format!("event.{}", member.name).into()
        }
        Cow::Borrowed(whole) if name.len() == whole.len() => Cow::Borrowed(whole),
        _ => name.to_owned().into(),
    }
}

fn keep<'b>(
    reader: &Reader<'_>,
    event: &mut Draft<'b>,
    name: Cow<'b, str>,
    raw: &Raw<'b>,
    site: Site<'_>,
) -> Result<(), Box<Problem>> {
    let limits = reader.limits;
    if event.extensions.len() == limits.extensions {
        let detail =
            format!("is one member too many: {} beside the known ones are allowed", limits.extensions);
        return Err(site.refuse(Code::EventInvalid, detail));
    }
    match raw.string() {
        Some(text) if is_attribute_name(&name) => check_text(&text, site, limits)?,
        _ if raw.text.len().saturating_add(name.len()) > limits.attribute_bytes => {
            let detail = format!("is longer than {} bytes: put it into the payload", limits.attribute_bytes);
            return Err(site.refuse_value(detail));
        }
        _ => {}
    }
    event.extensions.push(Extension { name, value: raw.text.into() });
    Ok(())
}
