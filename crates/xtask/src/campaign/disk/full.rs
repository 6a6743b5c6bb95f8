//! A full disk: a small file system of one's own, filled by a neighbour, by its number of files, or to the last byte.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cantus_client::Client;
use rand::Rng;
use rand::rngs::StdRng;
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::scenario::{Memory, Stopped};
use super::shim::Shim;
use super::{Outcome, Stage};

/// Four times what must stay free; the file that holds it is sparse.
const DISK_BYTES: u64 = 256 << 20;
/// Less than must stay free.
const LEFT_BYTES: u64 = 40 << 20;
/// What a neighbour takes of a disk that the server fills by itself, and gives back in the end.
const NEIGHBOUR_BYTES: u64 = 100 << 20;
const FILES: u64 = 2048;
/// Large enough that a few hundred events need a new segment.
const FILLING: usize = 60_000;
const ROUNDS: usize = 400;
/// As large as events are allowed to be, nearly.
const LARGE: usize = 900_000;
const AGAIN: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fill {
    /// Somebody else takes space until less is free than must stay free.
    Neighbour,
    /// Somebody else takes every byte.
    Everything,
    /// Somebody else takes every file there can be.
    Files,
    /// The server itself, by what is published.
    Publishing,
}

pub(super) async fn run(stage: &Stage<'_>, rng: &mut StdRng) -> Result<Outcome> {
    let mut server = stage.server(rng)?;
    let Some(disk) = Disk::mount(stage.dir, &server.data_dir())? else {
        return without_a_disk(stage, rng).await;
    };
    let mut outcome = Outcome::default();
    let client = server.client()?;
    let mut memory = Memory::default();
    server.start()?;
    server.ready().await?;
    memory.drive(&client, 30, 400).await;

    let fill = [Fill::Neighbour, Fill::Everything, Fill::Files, Fill::Publishing][rng.random_range(0..4)];
    disk.fill(fill)?;
    let filling = if fill == Fill::Publishing { LARGE } else { FILLING };
    let stopped = memory.drive(&client, ROUNDS, filling).await;
    if let Some(status) = server.ended()? {
        outcome.violations.push(format!("{fill:?}: the server ended with {status} for want of space"));
        return Ok(outcome);
    }
    match (fill, stopped) {
        (_, Stopped::Full) => outcome.count("refused_with_507", 1),
        // Without room for further files it goes on as long as the prepared ones last.
        (Fill::Files, Stopped::Done) => outcome.count("went_on_without_room_for_files", 1),
        (fill, stopped) => {
            outcome.violations.push(format!("{fill:?}: publishing ended with {stopped:?} on a full disk"))
        }
    }
    lives(&client, &mut memory, fill, &mut outcome).await;
    if rng.random_bool(0.5) {
        server.kill().await?;
        server.start()?;
        if let Err(error) = server.ready().await {
            outcome.violations.push(format!("{fill:?}: killed while full, and does not start: {error:#}"));
            return Ok(outcome);
        }
        outcome.count("killed_while_full", 1);
        lives(&client, &mut memory, fill, &mut outcome).await;
    }

    disk.free()?;
    let freed = Instant::now();
    while memory.drive(&client, 1, 400).await != Stopped::Done {
        if freed.elapsed() > AGAIN {
            outcome.violations.push(format!("{fill:?}: there is room again, and nothing is taken"));
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    outcome.count("milliseconds_to_resume", u64::try_from(freed.elapsed().as_millis()).unwrap_or(u64::MAX));
    outcome.count("resumed_by_itself", 1);
    server.kill().await?;
    server.start()?;
    server.ready().await?;
    let checked = memory.check(&client).await?;
    outcome.count("events_accepted", memory.accepted());
    outcome.count("events_stored", checked.stored);
    outcome.violations.extend(checked.violations.into_iter().map(|text| format!("{fill:?}: {text}")));
    server.stop().await?;
    Ok(outcome)
}

/// Reads and acknowledgements go on without space.
async fn lives(client: &Client, memory: &mut Memory, fill: Fill, outcome: &mut Outcome) {
    if let Err(error) = client.topic_events("disk.events", &Default::default()).await {
        outcome.violations.push(format!("{fill:?}: nothing can be read on a full disk: {error}"));
    }
    for _ in 0..3 {
        if let Some(stopped) = memory.take(client).await {
            outcome.violations.push(format!("{fill:?}: acknowledging ended with {stopped:?} on a full disk"));
        }
    }
}

/// Where nothing can be mounted: the disk says that it is full after so many bytes.
async fn without_a_disk(stage: &Stage<'_>, rng: &mut StdRng) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.count("without_a_file_system_of_its_own", 1);
    let mut server = stage.server(rng)?;
    let client = server.client()?;
    let mut memory = Memory::default();
    let budget = rng.random_range(9_u64 << 20..40 << 20);
    let shim = Shim::new(stage.shim, &server.data_dir(), stage.dir)?.with("FAULTS_BYTES", budget);
    server.set_variables(shim.variables());
    server.start()?;
    if server.ready().await.is_ok() {
        memory.drive(&client, ROUNDS, FILLING).await;
    }
    if server.ended()?.is_none() {
        server.kill().await?;
    }
    server.set_variables(Vec::new());
    server.start()?;
    server.ready().await?;
    let checked = memory.check(&client).await?;
    outcome.count("events_accepted", memory.accepted());
    outcome.count("events_stored", checked.stored);
    outcome.violations.extend(checked.violations);
    server.stop().await?;
    Ok(outcome)
}

/// A file system of one's own; let go when dropped.
struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Makes one and mounts it at `at`; `None` where that is not allowed.
    fn mount(dir: &Path, at: &Path) -> Result<Option<Self>> {
        let image = dir.join("disk.img");
        File::create(&image)?.set_len(DISK_BYTES)?;
        fs::create_dir_all(at)?;
        let mut make = Command::new("mkfs.ext4");
        make.args(["-q", "-F", "-m", "0", "-N", &FILES.to_string()]).arg(&image);
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop"]).arg(&image).arg(at);
        let works = |command: &mut Command| {
            let run = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            run.is_ok_and(|status| status.success())
        };
        if !works(&mut make) || !works(&mut mount) {
            return Ok(None);
        }
        Ok(Some(Self { at: at.to_owned() }))
    }

    fn neighbour(&self) -> PathBuf {
        self.at.join("neighbour")
    }

    fn fill(&self, fill: Fill) -> Result<()> {
        let free = || -> Result<u64> {
            let stat = statvfs(&self.at)?;
            Ok(stat.f_bavail * stat.f_frsize)
        };
        fs::create_dir_all(self.neighbour())?;
        match fill {
            Fill::Neighbour => {
                let taken = free()?.saturating_sub(LEFT_BYTES);
                let file = File::create(self.neighbour().join("big"))?;
                fallocate(file, FallocateFlags::empty(), 0, taken)
                    .context("a neighbour cannot take space")?;
            }
            Fill::Publishing => {
                let file = File::create(self.neighbour().join("big"))?;
                fallocate(file, FallocateFlags::empty(), 0, NEIGHBOUR_BYTES)
                    .context("a neighbour cannot take space")?;
            }
            Fill::Everything => {
                // Ever smaller files, as the last ones do not fit.
                let mut size = free()?;
                let mut number = 0;
                while size >= 4096 {
                    let file = File::create(self.neighbour().join(number.to_string()))?;
                    number += 1;
                    if fallocate(&file, FallocateFlags::empty(), 0, size).is_err() {
                        size /= 2;
                    }
                    if number > 200 {
                        bail!("the disk cannot be filled");
                    }
                }
            }
            Fill::Files => {
                for number in 0..FILES * 2 {
                    if File::create(self.neighbour().join(number.to_string())).is_err() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn free(&self) -> Result<()> {
        fs::remove_dir_all(self.neighbour()).context("the neighbour cannot go")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, as the server may end a moment later.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}
