//! Old attempts go, the oldest first, and only collected ones.

use super::*;

const NOTHING: Keep = Keep { max_age: Duration::ZERO, max_bytes: 0 };
const ANY_AGE: Duration = Duration::from_secs(1 << 30);

#[tokio::test]
async fn only_collected_attempts_are_swept() {
    let stage = Stage::new();
    for number in [1, 2] {
        stage.exec.run(&attempt(number), stage.script("echo x"), || {}).await;
    }
    stage.exec.collected(&attempt(1)).unwrap();
    assert_eq!(stage.exec.sweep(NOTHING).unwrap(), Swept { removed: 1, kept_bytes: 0, more: false });
    assert!(!stage.path("attempts/dlv_01/1").exists());
    assert_eq!(stage.exec.survivors().unwrap().len(), 1);
    stage.exec.collected(&attempt(2)).unwrap();
    assert_eq!(stage.exec.sweep(NOTHING).unwrap().removed, 1);
    assert!(!stage.path("attempts/dlv_01").exists());
    assert_eq!(stage.exec.sweep(NOTHING).unwrap(), Swept::default());
}

#[tokio::test]
async fn what_fits_is_kept() {
    let stage = Stage::new();
    stage.run(stage.script("echo x")).await;
    stage.exec.collected(&attempt(1)).unwrap();
    let swept = stage.exec.sweep(Keep { max_age: ANY_AGE, max_bytes: 1 << 20 }).unwrap();
    assert_eq!(swept.removed, 0);
    assert!(swept.kept_bytes > 0);
    assert_eq!(
        stage.exec.sweep(Keep { max_age: ANY_AGE, max_bytes: swept.kept_bytes - 1 }).unwrap().removed,
        1
    );
}

#[test]
fn a_sweep_stops_after_a_while_and_says_that_there_is_more() {
    let stage = Stage::new();
    let list = stage.path("attempts/.collected");
    for number in 0..300 {
        std::fs::write(list.join(format!("{number:013}-16-dlv_{number}.1")), "").unwrap();
    }
    std::fs::write(list.join("not ours"), "").unwrap();
    let swept = stage.exec.sweep(NOTHING).unwrap();
    assert_eq!(swept, Swept { removed: 256, kept_bytes: 44 * 16 * 1024, more: true });
    assert_eq!(stage.exec.sweep(NOTHING).unwrap(), Swept { removed: 44, kept_bytes: 0, more: false });
}

#[test]
fn folders_that_were_never_finished_are_forgotten_at_start() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("attempts/.new/dlv_01.1.7.0")).unwrap();
    std::fs::write(stage.path("attempts/.open/dlv_01.1"), "").unwrap();
    assert_eq!(stage.exec.survivors().unwrap(), []);
    assert!(!stage.path("attempts/.new/dlv_01.1.7.0").exists());
    assert!(!stage.path("attempts/.open/dlv_01.1").exists());
}
