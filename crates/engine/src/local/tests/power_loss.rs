//! Whatever is written, and wherever the power goes: what was synced is there, byte for byte, and nothing is half there.

use proptest::prelude::*;

use super::given::{Seen, append, open, read_all, segments, try_open, write};
use crate::local::model_disk::{Faults, ModelDisk};

/// What a writer does.
#[derive(Debug, Clone)]
enum Step {
    Write(Vec<Vec<u8>>),
    Sync,
    Mark,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let payload = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..300),
        2 => (any::<u8>(), 500usize..6000).prop_map(|(byte, count)| vec![byte; count]),
        // Payloads that look like frames.
        1 => (0usize..40).prop_map(|count| b"CFRM".repeat(count)),
    ];
    let step = prop_oneof![
        6 => prop::collection::vec(payload, 1..5).prop_map(Step::Write),
        6 => Just(Step::Sync),
        1 => Just(Step::Mark),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..30)
}

/// What the writer was told, up to the first failure.
#[derive(Debug, Default)]
struct Told {
    /// Every record written, in order; later ones may take the place of lost ones.
    written: Vec<(u64, Vec<u8>)>,
    /// Frames as ranges of `written`.
    frames: Vec<(usize, usize)>,
    /// All records up to this position were answered.
    durable: u64,
}

/// Runs the steps until something fails.
fn run(disk: &ModelDisk, steps: &[Step]) -> Told {
    let mut told = Told::default();
    let Ok((mut log, _)) = try_open(disk) else { return told };
    for step in steps {
        let done = match step {
            Step::Write(payloads) => {
                let first = log.next_position();
                let parts: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
                let start = told.written.len();
                told.written.extend(
                    payloads.iter().enumerate().map(|(at, bytes)| (first + at as u64, bytes.clone())),
                );
                told.frames.push((start, told.written.len()));
                write(&mut log, &parts).is_ok()
            }
            Step::Sync => log.sync().map(|durable| told.durable = durable.position).is_ok(),
            Step::Mark => log.mark().map(|durable| told.durable = durable.position).is_ok(),
            Step::Reopen => {
                drop(log);
                match try_open(disk) {
                    Ok((reopened, recovered)) => {
                        log = reopened;
                        told.durable = recovered.end;
                        true
                    }
                    Err(_) => return told,
                }
            }
        };
        // Rolling to a new segment syncs too; readers see what it has made durable.
        told.durable = told.durable.max(log.reader().durable());
        if !done {
            break;
        }
    }
    told
}

/// Opens what is left and compares it with what was told.
fn check(disk: &ModelDisk, told: &Told) -> Result<(), TestCaseError> {
    let (mut log, recovered) = match try_open(disk) {
        Ok(opened) => opened,
        Err(error) => return Err(TestCaseError::fail(format!("the log does not open: {error}"))),
    };
    prop_assert_eq!(&recovered.damage, &vec![]);
    prop_assert!(recovered.end >= told.durable, "{} was answered, {} is left", told.durable, recovered.end);
    let seen = read_all(&log.reader());
    let expected: Vec<Seen> =
        told.written.iter().take(seen.len()).map(|(at, bytes)| Seen::Record(*at, bytes.clone())).collect();
    prop_assert_eq!(&seen, &expected);
    prop_assert_eq!(seen.len() as u64, recovered.end);
    let whole = seen.is_empty() || told.frames.iter().any(|&(_, end)| end == seen.len());
    prop_assert!(whole, "a frame is seen in part");
    // And it goes on.
    write(&mut log, &[b"after"]).map_err(|error| TestCaseError::fail(error.to_string()))?;
    log.sync().map_err(|error| TestCaseError::fail(error.to_string()))?;
    drop(log);
    let (log, again) = open(disk);
    prop_assert_eq!(again.end, recovered.end + 1);
    prop_assert_eq!(again.cut, None);
    prop_assert_eq!(read_all(&log.reader()).len(), seen.len() + 1);
    Ok(())
}

proptest! {
    #[test]
    fn a_power_loss_at_any_operation_keeps_what_was_synced_and_shows_nothing_in_part(
        steps in steps(),
        at in 1u64..200,
        seed: u64,
        no_device_reads: bool,
    ) {
        let disk = ModelDisk::new(Faults { power_loss_at: Some(at), no_device_reads, ..Faults::default() });
        let told = run(&disk, &steps);
        check(&disk.after_power_loss(seed), &told)?;
    }

    #[test]
    fn a_power_loss_during_recovery_is_as_safe_as_any(
        steps in steps(),
        at in 1u64..200,
        again_at in 1u64..12,
        seeds: (u64, u64),
    ) {
        let disk = ModelDisk::new(Faults { power_loss_at: Some(at), ..Faults::default() });
        let told = run(&disk, &steps);
        let disk = disk.after_power_loss(seeds.0);
        disk.set_faults(Faults { power_loss_at: Some(again_at), ..Faults::default() });
        drop(try_open(&disk));
        check(&disk.after_power_loss(seeds.1), &told)?;
    }

    #[test]
    fn a_killed_process_loses_nothing_that_was_written(steps in steps()) {
        let disk = ModelDisk::default();
        let told = run(&disk, &steps);
        let (log, recovered) = open(&disk);
        prop_assert_eq!(recovered.end as usize, told.written.len());
        prop_assert_eq!(read_all(&log.reader()).len(), told.written.len());
    }

    #[test]
    fn a_failing_sync_never_makes_a_false_promise(
        steps in steps(),
        failing in 1u64..30,
        power_too: bool,
        seed: u64,
    ) {
        let disk = ModelDisk::new(Faults { failing_sync: Some(failing), ..Faults::default() });
        let told = run(&disk, &steps);
        disk.set_faults(Faults::default());
        check(&if power_too { disk.after_power_loss(seed) } else { disk }, &told)?;
    }

    #[test]
    fn a_cut_at_any_byte_of_the_unsynced_tail_leaves_the_synced_part(
        synced in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..10),
        unsynced in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..10),
        cut in 0.0f64..1.0,
    ) {
        let disk = ModelDisk::default();
        let (mut log, _) = open(&disk);
        for payload in &synced {
            write(&mut log, &[payload]).unwrap();
        }
        log.sync().unwrap();
        let path = segments(&disk).pop().unwrap();
        let before = disk.contents(&path).unwrap();
        for payload in &unsynced {
            write(&mut log, &[payload]).unwrap();
        }
        drop(log);
        let start = super::given::frame_offsets(&before).last().copied().unwrap();
        let start = start + u32::from_le_bytes(before[start + 4..start + 8].try_into().unwrap()) as usize;
        disk.tamper(&path, |bytes| {
            let from = start + ((bytes.len() - start) as f64 * cut) as usize;
            bytes[from..].fill(0);
        });
        let (log, recovered) = open(&disk);
        prop_assert!(recovered.end as usize >= synced.len());
        let all: Vec<&Vec<u8>> = synced.iter().chain(&unsynced).collect();
        for (at, seen) in read_all(&log.reader()).into_iter().enumerate() {
            prop_assert_eq!(seen, Seen::Record(at as u64 + 1, all[at].clone()));
        }
    }
}

#[test]
fn a_name_that_only_the_cache_has_when_the_process_is_killed_is_made_safe_by_the_next_start() {
    for (at, seed) in (1..24).flat_map(|at| (0..4).map(move |seed| (at, seed))) {
        let disk = ModelDisk::new(Faults { power_loss_at: Some(at), ..Faults::default() });
        drop(try_open(&disk));
        disk.set_faults(Faults::default());
        let (mut log, _) = open(&disk);
        append(&mut log, &[b"answered"]);
        drop(log);
        let (log, _) = open(&disk.after_power_loss(seed));
        assert_eq!(read_all(&log.reader()).len(), 1, "killed at operation {at}");
    }
}
