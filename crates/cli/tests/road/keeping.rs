//! What is kept and what goes, through the binary: backups under load, and erasing for good.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::server::{Server, file};

const FILE: &str = r#"
version: 1
name: keeping
topics:
  tasks: { description: Work }
agents:
  /worker:
    subscriptions:
      - { topic: tasks, action: { exec: [sh, -c, 'cat >&2; exit 65'] } }
"#;

/// The ids of all events of topic `tasks`.
fn ids(server: &Server) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("/v1/topics/tasks/events?limit=1000{cursor}"));
        let items = page["items"].as_array().expect("a page has items");
        ids.extend(items.iter().filter_map(|item| item["event"]["id"].as_str().map(str::to_owned)));
        if page["at_end"] == Value::Bool(true) {
            return ids;
        }
        cursor = format!("&cursor={}", page["next_cursor"].as_str().expect("a page has a cursor"));
    }
}

/// Publishes an event; returns whether it was accepted.
fn publish(server: &Server, id: &str) -> bool {
    let event = format!(
        r#"{{"specversion":"1.0","id":"{id}","type":"TaskCreated","source":"/tests","data":{{"n":1}}}}"#
    );
    let headers = [("Content-Type", "application/cloudevents+json")];
    let answer = server.http("POST", "/v1/topics/tasks/events", &headers, event.as_bytes());
    answer.is_some_and(|(status, _)| status == 202)
}

#[test]
fn a_backup_under_load_has_everything_that_was_accepted_before_it_began() {
    let server = Server::start(None);
    let stop = AtomicBool::new(false);
    let backups = tempfile::tempdir().expect("a temporary folder");
    let mut expected = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                assert!(publish(&server, &format!("load-{n}")), "an event is accepted");
            }
        });
        for (round, name) in ["one.tar", "two", "three.tar"].into_iter().enumerate() {
            assert!(publish(&server, &format!("before-{round}")));
            let before = ids(&server);
            let to = backups.path().join(name);
            server.ok(&["backup", &to.display().to_string()]);
            expected.push((to, before));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let all = ids(&server);
    for (backup, before) in expected {
        let mut restored = Server::not_started();
        let data_dir = restored.dir.path().join(".cantus").display().to_string();
        restored.ok(&["restore", &backup.display().to_string(), "--data-dir", &data_dir]);
        let again = restored.cli(&["restore", &backup.display().to_string(), "--data-dir", &data_dir]);
        assert_eq!(again.status.code(), Some(4), "a folder that holds something is left alone");
        restored.begin();
        let there = ids(&restored);
        assert!(before.is_subset(&there), "{} of {} are there", there.len(), before.len());
        assert!(there.is_subset(&all), "nothing is there that was never published");
    }
}

#[test]
fn a_backup_that_was_changed_is_not_restored() {
    let server = Server::start(None);
    assert!(publish(&server, "a"));
    let backups = tempfile::tempdir().expect("a temporary folder");
    let to = backups.path().join("backup");
    server.ok(&["backup", &to.display().to_string()]);
    let segment = std::fs::read_dir(to.join("log")).expect("a log").flatten().map(|entry| entry.path());
    let segment = segment.into_iter().find(|path| path.extension().is_some_and(|it| it == "segment"));
    let segment = segment.expect("a segment");
    let mut bytes = std::fs::read(&segment).expect("it is read");
    bytes[100] ^= 1;
    std::fs::remove_file(&segment).expect("it is removed");
    std::fs::write(&segment, bytes).expect("it is written");
    let restored = Server::not_started();
    let data_dir = restored.dir.path().join(".cantus").display().to_string();
    let refused = restored.cli(&["restore", &to.display().to_string(), "--data-dir", &data_dir]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(!Path::new(&data_dir).join("log").exists());
}

#[test]
fn how_much_has_to_stay_free_can_be_set_and_below_it_publishes_are_refused_and_it_is_said_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let none: [(&str, &str); 1] = [("CANTUS_RESERVE", "1024GiB")];
    let server = Server::start_with_variables(&file(folder.path(), FILE), &none);
    let event = br#"{"specversion":"1.0","id":"a","type":"TaskCreated","source":"/tests","data":1}"#;
    let headers = [("Content-Type", "application/cloudevents+json")];
    let (status, body) =
        server.http("POST", "/v1/topics/tasks/events", &headers, event).expect("an answer comes");
    assert_eq!(status, 507, "{body}");
    assert!(body.contains("STORAGE_FULL"), "{body}");
    let (status, ready) = server.http("GET", "/readyz?verbose", &[], b"").expect("an answer comes");
    assert_eq!(status, 200, "reads and acknowledgements go on");
    assert!(ready.contains("publishes are refused: ") && ready.contains("1048576 MiB have to be"), "{ready}");
    let doctor = server.cli(&["doctor"]);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("publishes are refused below 1024.0 GiB"));
    assert_eq!(ids(&server), BTreeSet::new(), "nothing that was refused is there");
}

#[test]
fn a_damaged_log_is_repaired_by_keeping_the_damaged_file_aside_and_readers_are_shown_what_is_missing() {
    let mut server = Server::start(None);
    for n in 0..6 {
        assert!(publish(&server, &format!("e-{n}")));
    }
    let before = ids(&server);
    server.kill();
    let log = server.dir.path().join(".cantus/log");
    let segment = std::fs::read_dir(&log).expect("a log").flatten().map(|entry| entry.path());
    let segment = segment.into_iter().find(|path| path.extension().is_some_and(|it| it == "segment"));
    let segment = segment.expect("a segment");
    let mut bytes = std::fs::read(&segment).expect("it is read");
    let damaged = bytes.windows(3).position(|window| window == b"e-2").expect("the event is in it");
    bytes[damaged] ^= 0x40;
    std::fs::write(&segment, &bytes).expect("it is written");
    let data_dir = server.dir.path().join(".cantus").display().to_string();
    let refused = server.cli(&["dev", "--port", "0", "--data-dir", &data_dir]);
    assert_eq!(refused.status.code(), Some(1), "what was acknowledged is not dropped without a word");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cantus log verify"), "and it says what to do");

    let told = server.json(&["log", "repair", "--quarantine", "--data-dir", &data_dir]);
    assert_eq!(told["lost"].as_array().map(Vec::len), Some(1), "{told}");
    let aside = told["aside"][0].as_str().expect("a file is kept aside");
    assert_eq!(std::fs::read(aside).expect("it is there"), bytes, "as it was");
    server.begin();
    let after = ids(&server);
    assert!(after.is_subset(&before) && !after.contains("e-2"), "{after:?}");
    assert!(after.contains("e-0") && after.contains("e-5"), "what can be read is there: {after:?}");
    let page = server.get("/v1/topics/tasks/events?since=start&limit=1000");
    assert_eq!(page["gaps"][0]["reason"], "damaged", "{page}");
    assert!(publish(&server, "later"), "and it goes on");
}

#[test]
fn an_erased_payload_is_in_no_file_once_the_erasure_is_done() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(Some(&file(folder.path(), FILE)));
    let canary = "canary-8f2c41";
    let data = format!(r#"{{"card":"{canary}"}}"#);
    server.ok(&["pub", "tasks", "--type", "TaskCreated", "--id", "secret", "--data", &data]);
    server.ok(&["pub", "tasks", "--type", "TaskCreated", "--id", "other", "--data", "{}"]);
    server.wait("both are dead letters", |server| {
        let dead = server.get("/v1/dead-letters");
        (dead["items"].as_array().map(Vec::len) == Some(2)).then_some(())
    });
    let data_dir = server.dir.path().join(".cantus");
    assert!(!found(&data_dir, canary).is_empty(), "it was there");
    server.ok(&["events", "erase", "secret", "--reason", "asked for", "--yes", "--wait"]);
    let gone = server.cli(&["events", "get", "secret"]);
    assert_eq!(gone.status.code(), Some(3));
    assert_eq!(ids(&server), BTreeSet::from(["other".to_owned()]));
    assert_eq!(found(&data_dir, canary), Vec::<String>::new());
    let erasures = server.json(&["events", "erase", "--status"]);
    assert_eq!(erasures["items"][0]["state"], "done");
}

/// The files below a folder that hold this text.
fn found(folder: &Path, text: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(found(&path, text));
        } else if path.is_file() {
            // Pipes of attempts would never end. Prepared segments are large: text is searched quickly also in a build for tests.
            let content = std::fs::read(&path).unwrap_or_default();
            if String::from_utf8_lossy(&content).contains(text) {
                files.push(path.display().to_string());
            }
        }
    }
    files
}
