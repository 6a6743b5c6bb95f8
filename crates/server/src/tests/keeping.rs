//! What housekeeping lets go and finds out, as clients are told of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cantus_runtime::{MachineTime, TimeSource};
use serde_json::{Value, json};

use super::given::Server;

const HOUR: i64 = 3_600_000;

/// The machine's time, set forward by hand.
#[derive(Debug, Default)]
struct Later(AtomicI64);

impl TimeSource for Later {
    fn boot_ms(&self) -> i64 {
        MachineTime.boot_ms() + self.0.load(Ordering::Relaxed)
    }

    fn wall_ms(&self) -> i64 {
        MachineTime.wall_ms() + self.0.load(Ordering::Relaxed)
    }
}

async fn subscription_gap(server: &Server) -> Value {
    let subscription = server.get("/v1/subscriptions/worker/tasks").await.is(200);
    assert_eq!(subscription["gap"]["reason"], "expired", "{subscription}");
    subscription["gap"].clone()
}

#[tokio::test]
async fn a_cursor_whose_events_have_expired_is_told_of_the_gap_and_so_is_the_subscription_that_lost_them() {
    let time = Arc::new(Later::default());
    let definitions = json!({
        "topics": {"tasks": {"retain": "1h"}},
        "agents": {"/worker": {"subscriptions": [{"topic": "tasks", "from": "start"}]}}
    });
    let server = Server::keeping(definitions, time.clone()).await;
    for id in ["a", "b"] {
        server.publish(id, "TaskCreated", json!(1)).await;
    }
    let page = server.get("/v1/topics/tasks/events?since=start&limit=1").await.is(200);
    assert_eq!(page["items"][0]["event"]["id"], "a");
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    // Beyond their hour, and beyond the day that they are held for whoever has not taken them.
    for id in ["c", "d"] {
        let hours = if id == "c" { 2 } else { 24 };
        time.0.fetch_add(hours * HOUR, Ordering::Relaxed);
        server.app.handle.log().request_seal();
        server.publish(id, "TaskCreated", json!(1)).await;
        assert_eq!(server.app.handle.keep_house().await.trouble, None);
    }

    let page = server.get(&format!("/v1/topics/tasks/events?cursor={cursor}")).await.is(200);
    assert_eq!(page["gaps"][0]["reason"], "expired", "{page}");
    let ids: Vec<_> = page["items"].as_array().unwrap().iter().map(|it| &it["event"]["id"]).collect();
    assert_eq!(ids, ["c", "d"]);
    let pulled = server.post("/v1/subscriptions/worker/tasks/pull", json!({"max": 10, "wait": "10s"})).await;
    let pulled = pulled.is(200);
    let ids: Vec<_> = pulled["deliveries"].as_array().unwrap().iter().map(|it| &it["event"]["id"]).collect();
    assert_eq!(ids, ["c", "d"], "what expired is not delivered");
    assert_eq!(pulled["gap"], subscription_gap(&server).await, "a pull says what is missing");
}

#[tokio::test]
async fn what_a_look_at_the_log_finds_is_told_by_readiness() {
    let definitions = json!({"topics": {"tasks": {}}});
    let server = Server::keeping(definitions, Arc::new(MachineTime)).await;
    server.publish("a", "TaskCreated", json!(1)).await;
    server.app.handle.log().request_seal();
    server.publish("b", "TaskCreated", json!(1)).await;
    server.app.handle.keep_house().await;
    let before = server.get("/readyz?verbose").await;
    assert_eq!((before.status, before.text.contains("[+]store ok\n")), (200, true), "{}", before.text);
    server.rot_of_the_oldest_segment();
    server.app.handle.keep_house().await;
    let after = server.get("/readyz?verbose").await;
    assert_eq!(after.status, 200, "requests are served all the same");
    assert!(after.text.contains("a look at the log has found damage in 1 places"), "{}", after.text);
}
