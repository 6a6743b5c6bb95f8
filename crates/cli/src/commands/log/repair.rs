//! `cantus log repair`

use std::sync::Arc;

use anyhow::Result;
use cantus_engine::codec;
use cantus_engine::local::{Options, Repaired, repair};
use clap::Args;
use serde_json::json;

use super::place::Place;
use crate::context::Context;
use crate::exit::Failure;

/// Accept that a damaged part of a log is lost, so that the server starts
///
/// Damaged files are kept aside under another name; what can be read of them stays in the log, and the log says what is lost. No server may
/// run. Restoring a backup is better: look with cantus log verify what would be lost.
#[derive(Debug, Args)]
pub(crate) struct Repair {
    #[command(flatten)]
    place: Place,
    /// Accept the loss, and keep the damaged files aside
    #[arg(long, required = true)]
    quarantine: bool,
}

impl Repair {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let folder = self.place.folder()?;
        let repaired = repair(&folder, Options::default(), Arc::new(codec::describe))
            .map_err(|error| Failure::failed(cantus_runtime::telemetry::chain(&error)))?;
        let told = json!({
            "lost": repaired.lost.iter().map(|lost| json!({
                "from": format!("0:{}", lost.first), "to": format!("0:{}", lost.last),
            })).collect::<Vec<_>>(),
            "aside": repaired.aside.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        });
        context.screen.show(&told, || text(&repaired))
    }
}

fn text(repaired: &Repaired) -> String {
    if repaired.lost.is_empty() && repaired.aside.is_empty() {
        return "nothing is damaged; the log stays as it is\n".to_owned();
    }
    let mut text = String::new();
    for lost in &repaired.lost {
        text.push_str(&format!("lost: 0:{} to 0:{}\n", lost.first, lost.last));
    }
    for path in &repaired.aside {
        text.push_str(&format!("kept aside: {}\n", path.display()));
    }
    text + "the log opens; readers are shown a gap where something is lost\n"
}
