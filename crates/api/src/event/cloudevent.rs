//! The CloudEvents shape: every attribute at the top, data beside them.

use std::borrow::Cow;

use super::attribute::{Site, check_text, is_attribute_name, set};
use super::limits::Limits;
use super::model::{Draft, Extension};
use super::read::{BytesOf, Reader, base64_data, inline_data, missing, scalar};
use super::table::{Field, attribute_meant};
use crate::error::{Code, Problem};
use crate::json::scan::{Member, Raw};

/// Reads the members of one CloudEvent. The source may still be empty.
pub(super) fn read<'b>(
    reader: &Reader<'_>,
    members: &[Member<'b>],
    bytes_of: BytesOf<'_>,
) -> Result<Draft<'b>, Box<Problem>> {
    let mut event = Draft::default();
    let (mut data, mut data_base64): (Option<&Raw<'_>>, Option<&Raw<'_>>) = (None, None);
    for member in members {
        let site = Site::Member { parent: "#", name: &member.name };
        match &*member.name {
            "data" => data = Some(&member.value),
            "data_base64" if member.value.is_null() => {}
            "data_base64" => data_base64 = Some(&member.value),
            "specversion" => check_specversion(member.value.string().as_deref(), site)?,
            _ if member.value.is_null() => check_name(&member.name, site)?,
            name => match Field::of_attribute(name) {
                Some(field) => set(&mut event, field, scalar(&member.value), site, reader.limits)?,
                None => {
                    let value = extension_value(&member.value, name, site, reader.limits)?;
                    push_extension(&mut event, member.name.clone(), value, site, reader.limits)?;
                }
            },
        }
    }
    let content_type = event.content_type.as_deref();
    event.data = match (data, data_base64) {
        (Some(_), Some(_)) => {
            let site = Site::Member { parent: "#", name: "data_base64" };
            return Err(site.refuse(Code::EventInvalid, "stands beside `data`: an event has one of the two"));
        }
        (Some(raw), None) => Some(inline_data(raw, content_type, bytes_of)),
        (None, Some(raw)) => {
            let site = Site::Member { parent: "#", name: "data_base64" };
            Some(base64_data(raw, content_type, site, reader.limits)?)
        }
        (None, None) => None,
    };
    if event.event_type.is_empty() {
        return Err(missing(
            Site::Member { parent: "#", name: "type" },
            "what happened, such as \"TaskCompleted\"",
        ));
    }
    Ok(event)
}

/// Checks the version of CloudEvents.
pub(super) fn check_specversion(version: Option<&str>, site: Site<'_>) -> Result<(), Box<Problem>> {
    match version {
        Some("1.0") => Ok(()),
        _ => {
            Err(site
                .refuse(Code::EventInvalid, "must be \"1.0\": the version of CloudEvents that is read here"))
        }
    }
}

/// Checks the name of an extension.
pub(super) fn check_name(name: &str, site: Site<'_>) -> Result<(), Box<Problem>> {
    if is_attribute_name(name) {
        return Ok(());
    }
    let problem = site.refuse_value("is no attribute name: these are lower-case letters and digits");
    Err(match attribute_meant(name) {
        Some(meant) => Box::new(problem.hint(format!("write `{meant}`"))),
        None => problem,
    })
}

/// Adds an extension whose value is JSON text.
pub(super) fn push_extension<'b>(
    event: &mut Draft<'b>,
    name: Cow<'b, str>,
    value: Cow<'b, str>,
    site: Site<'_>,
    limits: &Limits,
) -> Result<(), Box<Problem>> {
    check_name(&name, site)?;
    if event.extensions.len() == limits.extensions {
        let detail = format!("is one extension too many: {} are allowed", limits.extensions);
        return Err(site.refuse(Code::EventInvalid, detail));
    }
    event.extensions.push(Extension { name, value });
    Ok(())
}

/// Returns the JSON text of an extension's value: a string, a boolean or an integer of 32 bits.
pub(super) fn extension_value<'b>(
    raw: &Raw<'b>,
    name: &str,
    site: Site<'_>,
    limits: &Limits,
) -> Result<Cow<'b, str>, Box<Problem>> {
    check_name(name, site)?;
    match raw.first() {
        b'"' => check_text(&raw.string().expect("it begins with a quote"), site, limits)?,
        b't' | b'f' => {}
        b'{' | b'[' => {
            let detail = format!(
                "must be a string, a boolean or an integer, not {}: put it into the data",
                raw.kind()
            );
            return Err(site.refuse_value(detail));
        }
        _ => {
            if raw.text.parse::<i32>().is_err() {
                return Err(site.refuse_value("is not an integer of 32 bits: write it as a string"));
            }
        }
    }
    Ok(raw.text.into())
}
