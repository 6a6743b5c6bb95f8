//! Time and size: a receiver can hold up nobody but itself.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;

use super::super::given::{Server, event};
use super::given::{Receiver, answer, definitions, failed, request, say, tested};

async fn server_of(receiver: &Receiver, more: serde_json::Value) -> Server {
    Server::with(definitions(&receiver.url(), more), |_| {}).await
}

#[tokio::test]
async fn whoever_accepts_and_never_reads_or_drips_is_given_up_in_time() {
    let silent = Receiver::start("127.0.0.1:0", |_, stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(failed(&server_of(&silent, json!({"timeout": "200ms"})).await).await.0, "timeout");
    let dripping = Receiver::start("127.0.0.1:0", |_, mut stream| async move {
        request(&mut stream).await;
        let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
        while stream.write_all(b"y").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(failed(&server_of(&dripping, json!({"timeout": "300ms"})).await).await.0, "timeout");
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_read_to_its_end() {
    let ended = Arc::new(Notify::new());
    let told = ended.clone();
    let endless = Receiver::start("127.0.0.1:0", move |_, mut stream| {
        let told = told.clone();
        async move {
            request(&mut stream).await;
            let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n").await;
            while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
            told.notify_one();
        }
    })
    .await;
    let server = server_of(&endless, json!({})).await;
    assert_eq!(tested(&server).await["acknowledged"], true, "the status has said it");
    ended.notified().await;
}

#[tokio::test]
async fn events_without_an_end_and_packed_ones_are_refused() {
    let endless = Receiver::start("127.0.0.1:0", |_, mut stream| async move {
        request(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/cloudevents-batch+json\r\ncontent-length: 10737418240\r\n\r\n[";
        let _gone = stream.write_all(head.as_bytes()).await;
        while stream.write_all(&[b' '; 65_536]).await.is_ok() {}
    })
    .await;
    let (class, message) = failed(&server_of(&endless, json!({})).await).await;
    assert_eq!((class.as_str(), message.contains("8 MiB")), ("rejected", true), "{message}");
    let head = "content-type: application/cloudevents+json\r\ncontent-encoding: gzip\r\n";
    let packed = Receiver::answering(&answer("200 OK", head, "\u{1f}packed")).await;
    assert_eq!(failed(&server_of(&packed, json!({})).await).await.0, "rejected");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let long = Receiver::answering(&answer("200 OK", &format!("x: {}\r\n", "y".repeat(100_000)), "")).await;
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    let many = Receiver::answering(&answer("200 OK", &many, "")).await;
    for receiver in [long, many] {
        let (class, message) = failed(&server_of(&receiver, json!({})).await).await;
        assert_eq!((class.as_str(), message.contains("head of the answer")), ("rejected", true), "{message}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_none() {
    let broken = Receiver::start("127.0.0.1:0", |_, mut stream| async move {
        request(&mut stream).await;
        let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
        // Dropped with half of it said.
    })
    .await;
    assert_eq!(failed(&server_of(&broken, json!({})).await).await.0, "unavailable");
    let nobody = Receiver::answering("").await;
    let url = nobody.url();
    drop(nobody);
    let server = Server::with(definitions(&url, json!({})), |_| {}).await;
    assert_eq!(failed(&server).await.0, "unavailable");
}

#[tokio::test]
async fn one_receiver_that_never_answers_does_not_slow_another() {
    let stuck = Receiver::start("127.0.0.1:0", |_, stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let (all, told) = tokio::sync::mpsc::unbounded_channel();
    let kind = Receiver::start("127.0.0.1:0", move |_, mut stream| {
        let all = all.clone();
        async move {
            let (head, _) = request(&mut stream).await;
            say(&mut stream, &answer("204 No Content", "", "")).await;
            let id =
                head.lines().find_map(|line| line.strip_prefix("ce-id: ")).unwrap_or_default().to_owned();
            let _ended = all.send(id);
        }
    })
    .await;
    let mut both = definitions(&stuck.url(), json!({"timeout": "5m"}));
    both["agents"]["/kind"] =
        json!({"subscriptions": [{"topic": "tasks", "action": {"webhook": kind.url()}}]});
    let server = Server::with(both, |_| {}).await;
    let events: Vec<_> = (0..300).map(|number| event(&format!("e{number}"), "A", json!({}))).collect();
    let headers = [("content-type", "application/cloudevents-batch+json")];
    let batch = serde_json::to_string(&events).unwrap();
    server.ask(http::Method::POST, "/v1/topics/tasks/events", &headers, batch).await.is(202);
    let mut told = told;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 300 {
        seen.insert(told.recv().await.unwrap());
    }
    assert!(stuck.connections() <= 32, "no more at once than it is allowed");
}
