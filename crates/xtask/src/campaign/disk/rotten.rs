//! Rot: files of a stopped server are changed behind its back. What is read afterwards is what was written, or is said to be
//! lost; or the server refuses to start and says why. Nothing is deleted.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::scenario::Memory;
use super::{Outcome, Stage};

/// Enough for several segments and an index.
const ROUNDS: usize = 60;
const FILLING: usize = 120_000;
const BLOCK: usize = 4096;
/// How long a server that will not start may take to say so.
const START: Duration = Duration::from_secs(90);

pub(super) async fn run(stage: &Stage<'_>, rng: &mut StdRng) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut server = stage.server(rng)?;
    let client = server.client()?;
    let mut memory = Memory::default();
    server.start()?;
    server.ready().await?;
    let rounds = rng.random_range(ROUNDS / 2..ROUNDS);
    // Small events too, so that frames of all sizes are hit.
    memory.drive(&client, rounds, FILLING).await;
    let log = server.data_dir().join("log");
    let earlier = copy(&log, &stage.dir.join("earlier"))?;
    memory.drive(&client, rounds, 300).await;
    if rng.random_bool(0.5) {
        server.stop().await?
    } else {
        server.kill().await?
    }

    let before = names(&log)?;
    let (what, file) = damage(&server.data_dir(), &earlier, rng)?;
    server.start()?;
    let started = tokio::time::timeout(START, server.ready()).await;
    match started {
        Ok(Ok(())) => {
            let checked =
                memory.check(&client).await.with_context(|| format!("{what} {}", file.display()))?;
            outcome.count("started_with_rot", 1);
            outcome.count("said_to_be_lost", checked.missing);
            outcome.count("gaps", checked.gaps);
            outcome.violations = checked.violations;
            server.kill().await?;
        }
        // It ended by itself: refused, which its log must explain.
        Ok(Err(_)) if server.ended()?.is_some() => {
            let said = fs::read_to_string(server.log()).unwrap_or_default();
            let explains =
                said.lines().last().is_some_and(|line| !line.is_empty()) && !said.contains("panicked");
            if !explains {
                outcome.violations.push("the server refused to start and did not say why".to_owned());
            }
            outcome.count("refused_to_start", 1);
        }
        Ok(Err(error)) => return Err(error),
        Err(_) => bail!("{what} {}: the server neither starts nor refuses", file.display()),
    }
    let after = names(&log)?;
    for gone in before.iter().filter(|name| name.ends_with(".segment") && !after.contains(name)) {
        if !file.ends_with(gone) {
            outcome.violations.push(format!("{gone} was deleted"));
        }
    }
    for violation in &mut outcome.violations {
        *violation = format!("{what} {}: {violation}", file.display());
    }
    outcome.count(what, 1);
    Ok(outcome)
}

/// Damages one file, and returns how and which.
fn damage(data: &Path, earlier: &Path, rng: &mut StdRng) -> Result<(&'static str, PathBuf)> {
    let mut files = Vec::new();
    gather(data, &mut files)?;
    let is_kind = |path: &PathBuf, kind: &str| path.extension().is_some_and(|extension| extension == kind);
    let segments: Vec<PathBuf> = files.iter().filter(|path| is_kind(path, "segment")).cloned().collect();
    // Half of the damage hits the truth itself, the other half any file.
    let any = if rng.random_bool(0.5) { &segments } else { &files };
    let file = any.choose(rng).context("there are files")?.clone();
    let length = fs::metadata(&file)?.len();
    let open = || fs::OpenOptions::new().read(true).write(true).open(&file);
    match rng.random_range(0..6) {
        0 | 1 if length > 0 => {
            let (handle, at) = (open()?, written_place(&file, length, rng)?);
            let mut byte = [0];
            handle.read_exact_at(&mut byte, at)?;
            handle.write_all_at(&[byte[0] ^ (1 << rng.random_range(0..8))], at)?;
            Ok(("flipped_bits", file))
        }
        2 if length > 0 => {
            let at = written_place(&file, length, rng)? / BLOCK as u64 * BLOCK as u64;
            let count = BLOCK.min(usize::try_from(length - at).unwrap_or(BLOCK));
            open()?.write_all_at(&vec![0; count], at)?;
            Ok(("zeroed_blocks", file))
        }
        3 if length > 0 => {
            open()?.set_len(rng.random_range(0..length))?;
            Ok(("cut_files", file))
        }
        4 if segments.len() > 1 => {
            let (first, second) = (&segments[0], &segments[1]);
            let aside = first.with_extension("aside");
            fs::rename(first, &aside)?;
            fs::rename(second, first)?;
            fs::rename(&aside, second)?;
            Ok(("swapped_segments", first.clone()))
        }
        5 => {
            let old = earlier.join(file.file_name().unwrap_or_default());
            let Ok(old_bytes) = fs::read(&old) else {
                fs::remove_file(&file)?;
                return Ok(("deleted_files", file));
            };
            let chunk = (64 << 10).min(old_bytes.len());
            let at = rng.random_range(0..=old_bytes.len() - chunk);
            open()?.write_all_at(&old_bytes[at..at + chunk], at as u64)?;
            Ok(("older_chunks", file))
        }
        _ => {
            fs::remove_file(&file)?;
            Ok(("deleted_files", file))
        }
    }
}

/// A place in a file that something was written to, most of the time: segments are prepared with zeros far beyond.
pub(super) fn written_place(file: &Path, length: u64, rng: &mut StdRng) -> Result<u64> {
    let bytes = fs::read(file)?;
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(length, |at| at as u64 + 1);
    let limit = if rng.random_bool(0.9) { end } else { length };
    Ok(rng.random_range(0..limit))
}

pub(super) fn gather(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(dir)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        // Tokens are no part of the state, and attempts are none of the log.
        if kind.is_dir() && entry.file_name() != "attempts" {
            gather(&path, files)?;
        } else if kind.is_file() && !path.to_string_lossy().ends_with("token") && entry.file_name() != "lock"
        {
            files.push(path);
        }
    }
    Ok(())
}

pub(super) fn names(dir: &Path) -> Result<Vec<String>> {
    let names = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

fn copy(from: &Path, to: &Path) -> Result<PathBuf> {
    fs::create_dir_all(to)?;
    for name in names(from)? {
        // A file may be renamed meanwhile.
        let _ = fs::copy(from.join(&name), to.join(&name));
    }
    Ok(to.to_owned())
}
