//! What a server does when the machine has no descriptors left. The limit is the whole process's: one test, a program of its own.

#[path = "../life/given.rs"]
#[allow(dead_code, reason = "the plumbing is shared with the other tests of the server's life")]
mod given;

use std::fs::File;
use std::time::Duration;

use given::Given;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[tokio::test]
async fn without_descriptors_connections_are_turned_away_and_later_ones_are_served() {
    // Whoever is let in and says nothing is not sent away before the test is over.
    let given = Given::with(|options| options.header_timeout = Duration::from_secs(3600)).await;
    let mut served = given.connect().await;
    assert_eq!(served.get("/livez").await.status, 200);
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..limit }).unwrap();
    let mut held: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // One is left: for the client's side of the connection.
    held.pop();
    let mut turned_away = given.connect().await;
    assert_eq!(turned_away.rest().await, "");
    assert_eq!(served.get("/livez").await.status, 200);
    drop((turned_away, held));
    assert_eq!(given.connect().await.get("/livez").await.status, 200);
    setrlimit(Resource::Nofile, limit).unwrap();
    given.stop().await.unwrap();
}
