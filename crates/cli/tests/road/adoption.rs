//! A program that runs while the server is killed is adopted by the next start, and not run twice.

use crate::server::{Server, file};

#[test]
fn a_program_survives_the_servers_death_and_runs_once() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let yaml = r#"
version: 1
topics: { tasks: {} }
agents:
  /slow:
    publishes: [Done]
    subscriptions:
      - topic: tasks
        filter: { type: Begin }
        action: { exec: [sh, ./slow.sh], timeout: 2m }
"#;
    // It says that it has begun, and ends when it is allowed to.
    let script = "echo begun >> starts\nwhile [ ! -e go ]; do sleep 0.05; done\ncantus reply --type Done --data '{}'\n";
    std::fs::write(dir.path().join("slow.sh"), script).expect("a script is written");
    let mut server = Server::start(Some(&file(dir.path(), yaml)));
    let starts = || std::fs::read_to_string(dir.path().join("starts")).unwrap_or_default().lines().count();
    server.ok(&["pub", "tasks", "--type", "Begin", "--correlation", "c", "--data", "{}"]);
    server.wait("the program has begun", |_| (starts() == 1).then_some(()));
    server.kill();
    server.begin();
    std::fs::write(dir.path().join("go"), "").expect("the program may end");
    server.wait("the answer is there", |server| {
        let story = server.get("/v1/correlations/c");
        (story["events"].as_array().map(Vec::len) == Some(2)).then_some(())
    });
    assert_eq!(starts(), 1);
    let deliveries = server.get("/v1/correlations/c")["deliveries"].clone();
    assert_eq!(deliveries[0]["attempts"].as_array().map(Vec::len), Some(1), "{deliveries}");
    assert_eq!(deliveries[0]["state"], "delivered", "{deliveries}");
}

#[test]
fn a_program_that_ends_while_no_server_runs_is_collected() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let yaml = r#"
version: 1
topics: { tasks: {} }
agents:
  /slow:
    subscriptions:
      - { topic: tasks, filter: { type: Begin }, action: { exec: [sh, ./slow.sh] } }
"#;
    let script = "echo begun >> starts\nwhile [ ! -e go ]; do sleep 0.05; done\ncantus reply --type Done --data '{}'\ntouch ended\n";
    std::fs::write(dir.path().join("slow.sh"), script).expect("a script is written");
    let mut server = Server::start(Some(&file(dir.path(), yaml)));
    server.ok(&["pub", "tasks", "--type", "Begin", "--correlation", "c", "--data", "{}"]);
    server.wait("the program has begun", |_| dir.path().join("starts").exists().then_some(()));
    server.kill();
    std::fs::write(dir.path().join("go"), "").expect("the program may end");
    server.wait("the program has ended", |_| dir.path().join("ended").exists().then_some(()));
    server.begin();
    server.wait("the answer is there", |server| {
        let story = server.get("/v1/correlations/c");
        (story["events"].as_array().map(Vec::len) == Some(2)).then_some(())
    });
    let starts = std::fs::read_to_string(dir.path().join("starts")).expect("it has begun");
    assert_eq!(starts.lines().count(), 1);
}
