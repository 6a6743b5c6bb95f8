//! Asking for permission first, when that is declared.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::super::given::Server;
use super::given::{Receiver, answer, definitions, failed, request, say, tested};

async fn receiver(allows: &'static str) -> (Receiver, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = heads.clone();
    let receiver = Receiver::start("127.0.0.1:0", move |_, mut stream| {
        let kept = kept.clone();
        async move {
            let (head, _) = request(&mut stream).await;
            let options = head.starts_with("OPTIONS ");
            kept.lock().unwrap().push(head);
            say(&mut stream, &answer("204 No Content", if options { allows } else { "" }, "")).await;
        }
    })
    .await;
    (receiver, heads)
}

fn methods(heads: &Mutex<Vec<String>>) -> Vec<String> {
    heads.lock().unwrap().iter().map(|head| head.split(' ').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_receiver_is_asked_once_and_again_after_a_change() {
    let (receiver, heads) =
        receiver("webhook-allowed-origin: cantus\r\nwebhook-allowed-rate: 6000\r\n").await;
    let server = Server::with(definitions(&receiver.url(), json!({"handshake": true})), |_| {}).await;
    for _ in 0..2 {
        assert_eq!(tested(&server).await["status"], 204);
    }
    assert_eq!(methods(&heads), ["OPTIONS", "POST", "POST"]);
    assert!(heads.lock().unwrap().iter().all(|head| head.contains("webhook-request-origin: cantus")));
    server.install(definitions(&format!("{}2", receiver.url()), json!({"handshake": true}))).await;
    assert_eq!(tested(&server).await["status"], 204);
    assert_eq!(methods(&heads), ["OPTIONS", "POST", "POST", "OPTIONS", "POST"]);
}

#[tokio::test]
async fn a_receiver_is_asked_again_after_a_restart() {
    let (receiver, heads) = receiver("webhook-allowed-origin: *\r\n").await;
    let server = Server::with(definitions(&receiver.url(), json!({"handshake": true})), |_| {}).await;
    assert_eq!(tested(&server).await["status"], 204);
    let server = server.restarted().await;
    assert_eq!(tested(&server).await["status"], 204);
    assert_eq!(methods(&heads), ["OPTIONS", "POST", "OPTIONS", "POST"]);
}

#[tokio::test]
async fn a_subscription_with_a_rate_asks_for_it() {
    let (receiver, heads) = receiver("webhook-allowed-origin: *\r\nwebhook-allowed-rate: 6000\r\n").await;
    let mut limited = definitions(&receiver.url(), json!({"handshake": true}));
    limited["agents"]["/front"]["subscriptions"][0]["rate"] = json!("100/s");
    let server = Server::with(limited, |_| {}).await;
    assert_eq!(tested(&server).await["status"], 204);
    // Another rate is another question; without one there is nothing to wish for.
    server.install(definitions(&receiver.url(), json!({"handshake": true}))).await;
    assert_eq!(tested(&server).await["status"], 204);
    let heads = heads.lock().unwrap();
    let asked: Vec<bool> = heads
        .iter()
        .filter(|head| head.starts_with("OPTIONS "))
        .map(|head| head.contains("webhook-request-rate: 6000"))
        .collect();
    assert_eq!(asked, [true, false]);
}

#[tokio::test]
async fn without_permission_no_event_is_sent() {
    for allows in ["", "webhook-allowed-origin: somebody-else\r\n"] {
        let (receiver, heads) = receiver(allows).await;
        let server = Server::with(definitions(&receiver.url(), json!({"handshake": true})), |_| {}).await;
        let (class, message) = failed(&server).await;
        assert_eq!((class.as_str(), message.contains("does not permit")), ("rejected", true), "{message}");
        assert_eq!(methods(&heads), ["OPTIONS"]);
    }
}
