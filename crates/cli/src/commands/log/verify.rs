//! `cantus log verify`

use anyhow::{Context as _, Result};
use cantus_api::error::ExitCode;
use cantus_engine::codec;
use cantus_engine::local::{IndexState, RealDisk, Report, verify};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::place::Place;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Screen, Table, Tone};

/// Read every frame and every index of a log, and say what is not as it was written
///
/// Changes nothing, needs no server, and may run beside one. Exit code 1 when something is damaged.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    place: Place,
}

impl Verify {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let folder = self.place.folder()?;
        let progress = progress(context.screen.verbosity() >= 0);
        let report = verify(&RealDisk, &folder, &codec::describe, &mut |done, total| {
            progress.set_length(total);
            progress.set_position(done);
        });
        progress.finish_and_clear();
        let report = report.with_context(|| format!("the log in {} cannot be read", folder.display()))?;
        if report.segments.is_empty() && report.damage.is_empty() {
            return Err(Failure::not_found(format!("there is no log in {}", folder.display())).into());
        }
        context.screen.show(&as_json(&report), || text(&report, &context.screen))?;
        match report.is_healthy() {
            true => Ok(()),
            false => Err(Failure::said(ExitCode::Failed).into()),
        }
    }
}

fn progress(wanted: bool) -> ProgressBar {
    let target = if wanted { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    ProgressBar::with_draw_target(None, target).with_style(style.expect("the template is well formed"))
}

fn index_word(state: IndexState) -> &'static str {
    match state {
        IndexState::Good => "good",
        IndexState::Missing => "missing",
        IndexState::Damaged => "damaged",
        IndexState::NotYet => "not yet",
    }
}

fn as_json(report: &Report) -> Value {
    json!({
        "healthy": report.is_healthy(),
        "log_id": report.log_id.map(|id| format!("{id:016x}")),
        "frames": report.frames,
        "records": report.records,
        "end": report.end,
        "segments": report.segments.iter().map(|segment| json!({
            "file": segment.file.display().to_string(),
            "first_position": segment.first_position,
            "next_position": segment.next_position,
            "frames": segment.frames,
            "records": segment.records,
            "bytes": segment.bytes,
            "index": index_word(segment.index),
        })).collect::<Vec<_>>(),
        "damage": report.damage.iter().map(|damage| json!({
            "file": damage.file.display().to_string(),
            "offset": damage.offset,
            "end_offset": damage.end_offset,
            "lost": (!damage.lost.is_nothing()).then(|| json!({"first": damage.lost.first, "last": damage.lost.last})),
            "text": damage.to_string(),
        })).collect::<Vec<_>>(),
        "tail": report.tail.as_ref().map(|tail| json!({
            "file": tail.file.display().to_string(), "offset": tail.offset, "bytes": tail.bytes,
        })),
    })
}

fn text(report: &Report, screen: &Screen) -> String {
    let mut table = Table::new(["SEGMENT", "FIRST", "NEXT", "FRAMES", "RECORDS", "BYTES", "INDEX"]);
    for segment in &report.segments {
        let name = segment.file.file_name().unwrap_or(segment.file.as_os_str());
        table.row([
            name.to_string_lossy().into_owned(),
            segment.first_position.to_string(),
            segment.next_position.to_string(),
            segment.frames.to_string(),
            segment.records.to_string(),
            segment.bytes.to_string(),
            index_word(segment.index).to_owned(),
        ]);
    }
    let mut text = table.render(screen, "no segments\n");
    for damage in &report.damage {
        text.push_str(&format!("{} {damage}\n", screen.paint(Tone::Bad, "damaged:")));
    }
    if let Some(tail) = &report.tail {
        let file = tail.file.display();
        text.push_str(&format!(
            "{} bytes at {} of {file} were never synced; the next start cuts them off, nothing accepted is in them\n",
            tail.bytes, tail.offset
        ));
    }
    let verdict = match report.is_healthy() {
        true => screen.paint(Tone::Good, "healthy"),
        false => screen.paint(Tone::Bad, &format!("{} damaged places", report.damage.len())),
    };
    text + &format!(
        "{verdict}: {} frames, {} records, up to position {}\n",
        report.frames, report.records, report.end
    )
}
