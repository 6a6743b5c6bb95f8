//! Programs that want more than there is: memory, processor, processes, files, disk.

use super::*;
use crate::delivery::exec::sandbox::Limits;

fn limited(change: impl FnOnce(&mut Limits)) -> Confinement {
    let mut limits = Limits::default();
    change(&mut limits);
    Confinement { limits, ..Confinement::default() }
}

#[tokio::test]
async fn eight_gibibytes_are_not_to_be_had() {
    let stage = Stage::new();
    let Some(said) = stage.hostile("allocate", Confinement::default()).await else { return };
    assert!(said.contains("whole=refused") && said.contains("pieces=refused"), "{said}");
}

#[tokio::test]
async fn a_program_that_spins_is_ended_by_its_processor_time() {
    let stage = Stage::new();
    let spin = "while :; do :; done";
    let Some(outcome) = stage.confined(spin, limited(|limits| limits.cpu_seconds = Some(1))).await else {
        return;
    };
    assert_eq!(outcome.end, End::Signaled(24), "SIGXCPU says why");
}

#[tokio::test]
async fn a_fork_bomb_meets_its_bound_and_leaves_nothing() {
    let stage = Stage::new();
    // Every generation is two; they mark themselves by an argument nobody else has.
    let marker = format!("bomb-{}", std::process::id());
    let bomb = format!("b() {{ b {marker} | b {marker} & }}; b; while :; do sleep 300; done");
    let mut spec = stage.script(&bomb);
    spec.argv.push(marker.clone());
    spec.timeout = Duration::from_secs(2);
    spec.kill_after = Duration::from_millis(50);
    let Some(outcome) = stage.run_confined(spec, limited(|limits| limits.processes = 64)).await else {
        return;
    };
    assert!(matches!(outcome.end, End::TimedOut | End::Exited(_)), "{:?}", outcome.end);
    assert_eq!(processes_with(&marker), 0);
}

#[tokio::test]
async fn processes_are_counted_together() {
    let stage = Stage::new();
    let many = "i=0; while [ $i -lt 1000 ]; do sleep 300 & i=$((i+1)); echo $i; done";
    let Some(outcome) = stage.confined(many, limited(|limits| limits.processes = 64)).await else { return };
    let started = text(&outcome.stdout).lines().count();
    // Root is not counted by the kernel: for it the numbers run out, a little later.
    assert!((32..=64 + 301).contains(&started), "{started}: {}", text(&outcome.stderr));
}

#[tokio::test]
async fn only_three_files_are_open_and_only_so_many_can_be() {
    let stage = Stage::new();
    let look = "for n in 3 4 5 6 7 8 9 10 11 12 20 30 50; do [ -e /proc/self/fd/$n ] && echo $n; done; :";
    let Some(outcome) = stage.confined(look, Confinement::default()).await else { return };
    assert!(lines(&outcome).is_empty(), "{}", text(&outcome.stdout));
    let outcome =
        stage.run_as(2, hostile::spec("open", stage.data.path()), limited(|limits| limits.files = 200));
    let said = text(&outcome.await.unwrap().stdout);
    let opened: usize = said.split_once("opened=").unwrap().1.lines().next().unwrap().parse().unwrap();
    assert!(opened < 200, "{said}");
}

#[tokio::test]
async fn a_program_that_fills_the_disk_stops_at_its_bound() {
    let stage = Stage::new();
    let work = stage.path("work");
    std::fs::create_dir(&work).unwrap();
    let fill = |folder: &Path| format!("cat /dev/zero > {}/big", folder.display());
    let small = |mut confinement: Confinement| {
        confinement.limits.file_bytes = 1 << 20;
        confinement
    };
    let Some(outcome) = stage.confined(&fill(&work), small(writable(&work))).await else { return };
    assert_ne!(outcome.end, End::Exited(0));
    assert_eq!(std::fs::metadata(work.join("big")).unwrap().len(), 1 << 20);
    // Many small files in /tmp are bounded together.
    let script =
        "i=0; while [ $i -lt 40 ]; do head -c 100000 /dev/zero > /tmp/$i || exit 9; i=$((i+1)); done";
    let outcome = stage.run_as(2, stage.script(script), small(Confinement::default())).await.unwrap();
    assert_eq!(outcome.end, End::Exited(9));
}

/// How many processes of this machine have an argument like this.
fn processes_with(marker: &str) -> usize {
    let lines = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.filter(|line| line.windows(marker.len()).any(|part| part == marker.as_bytes())).count()
}
