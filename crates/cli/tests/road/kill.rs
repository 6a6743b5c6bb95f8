//! A server that is killed while it is published to: every acknowledged event is there once, in order per key, and
//! delivered or dead-lettered. The campaign of the same name does this with any number of kills.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::server::{Server, file};

const FILE: &str = r#"
version: 1
topics: { tasks: {} }
agents:
  /worker:
    subscriptions:
      - { topic: tasks, name: all, action: inbox }
"#;

const PUBLISHERS: usize = 4;
const KILLS: usize = 3;

#[test]
fn acknowledged_events_survive_kills_once_and_in_order() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = Mutex::new(Server::start(Some(&file(dir.path(), FILE))));
    let port_server = server.lock().expect("one thread at a time").url();
    let stop = AtomicBool::new(false);
    let acknowledged: Mutex<BTreeMap<usize, Vec<String>>> = Mutex::default();
    std::thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (stop, acknowledged, url) = (&stop, &acknowledged, &port_server);
            scope.spawn(move || {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    let id = format!("p{publisher}-{number}");
                    // An answer that did not come is asked for again, with the same id, until it does.
                    while !publish(url, publisher, &id) {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        std::thread::sleep(std::time::Duration::from_millis(20));
                    }
                    acknowledged.lock().expect("no panics").entry(publisher).or_default().push(id);
                    number += 1;
                }
            });
        }
        for round in 1..=KILLS {
            let enough = round * 40;
            let server_now = || server.lock().expect("one thread at a time");
            server_now().wait("publishers get on", |_| {
                let known = acknowledged.lock().expect("no panics");
                (known.values().map(Vec::len).sum::<usize>() >= enough).then_some(())
            });
            server_now().kill();
            server_now().begin();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let server = server.into_inner().expect("no panics");
    let acknowledged = acknowledged.into_inner().expect("no panics");
    let stored = stored(&server);
    let unique: BTreeSet<&String> = stored.iter().collect();
    assert_eq!(unique.len(), stored.len(), "an event is stored twice");
    for (publisher, ids) in &acknowledged {
        let prefix = format!("p{publisher}-");
        let mine: Vec<&String> = stored.iter().filter(|id| id.starts_with(&prefix)).collect();
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(mine.get(at), Some(&id), "publisher {publisher}");
        }
    }
    let delivered = drain(&server);
    for ids in acknowledged.values() {
        for id in ids {
            assert!(delivered.contains(id), "{id} was never delivered");
        }
    }
}

fn publish(url: &str, publisher: usize, id: &str) -> bool {
    use std::io::{Read, Write};
    let address = url.trim_start_matches("http://");
    let body = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/publisher/{publisher}","type":"Counted","partitionkey":"k{publisher}","data":{{}}}}"#
    );
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
    let head = format!(
        "POST /v1/topics/tasks/events HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/cloudevents+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    stream.write_all(head.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 202")
}

fn stored(server: &Server) -> Vec<String> {
    let mut ids = Vec::new();
    let mut place = "since=start".to_owned();
    loop {
        let page = server.get(&format!("/v1/topics/tasks/events?limit=500&{place}"));
        let items = page["items"].as_array().expect("a list");
        ids.extend(items.iter().filter_map(|item| item["event"]["id"].as_str().map(str::to_owned)));
        if items.is_empty() {
            return ids;
        }
        place = format!("cursor={}", page["next_cursor"].as_str().expect("where to go on"));
    }
}

/// Pulls and acknowledges until nothing more comes; events of one key come in order.
fn drain(server: &Server) -> BTreeSet<String> {
    let mut delivered = BTreeSet::new();
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    let json = [("Content-Type", "application/json")];
    loop {
        let (status, body) = server
            .http("POST", "/v1/subscriptions/worker/all/pull", &json, br#"{"max":200,"wait":"1s"}"#)
            .expect("the server answers");
        assert_eq!(status, 200, "{body}");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let deliveries = body["deliveries"].as_array().expect("a list");
        if deliveries.is_empty() {
            return delivered;
        }
        for delivery in deliveries {
            let id = delivery["event"]["id"].as_str().expect("an id").to_owned();
            let key = delivery["event"]["partitionkey"].as_str().expect("a key").to_owned();
            let number: usize = id.rsplit('-').next().and_then(|n| n.parse().ok()).expect("a number");
            if let Some(before) = last.insert(key, number) {
                assert!(number > before, "{id} came after number {before}");
            }
            let path = format!("/v1/deliveries/{}/ack", delivery["delivery"].as_str().expect("a delivery"));
            let ack = serde_json::json!({ "token": delivery["token"] }).to_string();
            let (status, body) =
                server.http("POST", &path, &json, ack.as_bytes()).expect("the server answers");
            assert_eq!(status, 200, "{body}");
            delivered.insert(id);
        }
    }
}
