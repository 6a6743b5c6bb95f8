//! `cantus dlq edit`

use std::collections::BTreeMap;

use anyhow::Result;
use cantus_api::dead_letter::{DeadLetter, Edit as Request};
use cantus_api::event::Form;
use clap::Args;
use serde_json::value::RawValue;

use super::{changes, editor};
use crate::context::Context;
use crate::exit::Failure;
use crate::input;
use crate::output::pretty;

/// Change the event of a dead letter before it is replayed; the original is kept
///
/// Without options, opens the data in $VISUAL or $EDITOR. Prints what was changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus dlq edit dl_01… --data '{\"amount\":10}' --note 'amount was a text'\n  \
    cantus dlq edit dl_01… --set subject=order/42 --unset partitionkey")]
pub(crate) struct Edit {
    /// The dead letter's id
    id: String,
    /// The new data: JSON, @FILE, or - for stdin
    #[arg(long, value_name = "DATA")]
    data: Option<String>,
    /// A new value of an attribute, by its CloudEvents name; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::name_value)]
    set: Vec<(String, String)>,
    /// An attribute to remove; may be given several times
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Edit {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let by_hand = self.data.is_none() && self.set.is_empty() && self.unset.is_empty();
        let mut request =
            Request { note: self.note.clone(), attributes: self.attributes()?, ..Request::default() };
        if by_hand {
            let letter = client.dead_letter(&self.id).await?;
            match edited(&letter)? {
                Some(data) => request.data = Some(data),
                None => {
                    context.screen.note("nothing was changed");
                    return Ok(());
                }
            }
        } else if let Some(data) = &self.data {
            request.data = Some(raw(input::json(&input::content(data)?, "the data")?)?);
        }
        let sent = client.edit_dead_letter(&self.id, &request).await;
        let letter = sent.inspect_err(|_| {
            if let Some(data) = request.data.as_ref().filter(|_| by_hand) {
                keep(data, context);
            }
        })?;
        context.screen.show(&letter, || {
            let diff = changes::text(&letter.diff, &context.screen);
            format!("{} is edited\n{diff}next: cantus dlq replay {}\n", letter.id, letter.id)
        })
    }

    fn attributes(&self) -> Result<BTreeMap<String, Option<Box<RawValue>>>> {
        let mut attributes = BTreeMap::new();
        for (name, value) in &self.set {
            if attributes.insert(name.clone(), Some(attribute(name, value)?)).is_some() {
                return Err(Failure::usage(format!("`{name}` is set twice")).into());
            }
        }
        for name in &self.unset {
            if attributes.insert(name.clone(), None).is_some() {
                return Err(Failure::usage(format!("`{name}` is named twice")).into());
            }
        }
        Ok(attributes)
    }
}

/// Returns the value of an attribute as JSON. Only `hops` is a number.
fn attribute(name: &str, value: &str) -> Result<Box<RawValue>> {
    match value.parse::<u32>() {
        Ok(number) if name == "hops" => raw(number.to_string().into_bytes()),
        _ => raw(serde_json::to_vec(value)?),
    }
}

fn raw(json: Vec<u8>) -> Result<Box<RawValue>> {
    Ok(RawValue::from_string(String::from_utf8(json)?)?)
}

/// Lets the user edit the data; none if it stayed the same.
fn edited(letter: &DeadLetter) -> Result<Option<Box<RawValue>>> {
    let before = match &letter.event.data {
        None => String::new(),
        Some(data) if data.form == Form::Json => pretty(&data.bytes) + "\n",
        Some(_) => {
            let hint = "use --data, or --set for attributes";
            return Err(Failure::conflict("the data is not JSON and cannot be edited here")
                .hint(hint)
                .into());
        }
    };
    let (after, file) = editor::edit(&before, &letter.id)?;
    if after.trim() == before.trim() {
        return Ok(None);
    }
    match input::json(after.as_bytes(), "the edited data") {
        Ok(json) => Ok(Some(raw(json)?)),
        Err(error) => {
            let file = file.keep()?;
            let hint = format!(
                "your text is in {0}: repair it, then `cantus dlq edit {1} --data @{0}`",
                file.display(),
                letter.id
            );
            Err(Failure::usage(error.to_string()).hint(hint).into())
        }
    }
}

// What somebody typed is not thrown away because the server refused it.
fn keep(data: &RawValue, context: &Context) {
    let kept = tempfile::Builder::new().prefix("cantus-edit-").suffix(".json").tempfile().and_then(|file| {
        std::fs::write(file.path(), data.get())?;
        file.into_temp_path().keep().map_err(|error| error.error)
    });
    if let Ok(path) = kept {
        context.screen.note(&format!("your text is in {}", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        edit: Edit,
    }

    #[test]
    fn attributes_are_set_as_text_and_removed_by_null() {
        let edit =
            Line::parse_from(["x", "dl_1", "--set", "subject=1", "--set", "hops=3", "--unset", "team"]).edit;
        let json = serde_json::to_string(&edit.attributes().unwrap()).unwrap();
        assert_eq!(json, r#"{"hops":3,"subject":"1","team":null}"#);
    }

    #[test]
    fn an_attribute_is_named_once() {
        let edit = Line::parse_from(["x", "dl_1", "--set", "subject=1", "--unset", "subject"]).edit;
        assert!(edit.attributes().is_err());
    }
}
