//! Hooks: what GitHub and Standard Webhooks send becomes events.

use base64::Engine as _;
use hmac::{Hmac, Mac as _};
use http::Method;
use serde_json::json;
use sha2::Sha256;

use super::given::Server;
use crate::convert::time;
use crate::options::{Hook, Mode, Secret};

const PAYLOAD: &str = r#"{"action":"opened","number":7,"repository":{"html_url":"https://github.com/o/r"}}"#;

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn in_dev_a_hook_nobody_declared_is_a_topic() {
    let server = Server::dev().await;
    let headers = [
        ("content-type", "application/json"),
        ("x-github-event", "pull_request"),
        ("x-github-delivery", "d-1"),
    ];
    let first = server.ask(Method::POST, "/hooks/github/github", &headers, PAYLOAD).await.is(202);
    assert_eq!(first["results"][0]["id"], "d-1");
    let event = server.get("/v1/events/d-1").await.is(200)["event"].clone();
    assert_eq!(
        (&event["type"], &event["source"]),
        (&json!("com.github.pull_request.opened"), &json!("https://github.com/o/r"))
    );
    assert_eq!(event["topic"], "github");
    let again = server.ask(Method::POST, "/hooks/github/github", &headers, PAYLOAD).await.is(202);
    assert_eq!(again["results"][0]["status"], "duplicate");
    let ping =
        [("content-type", "application/json"), ("x-github-event", "ping"), ("x-github-delivery", "d-2")];
    server.ask(Method::POST, "/hooks/github/github", &ping, r#"{"zen":"x"}"#).await.is(202);
    assert_eq!(server.get("/v1/events/d-2").await.is(200)["event"]["type"], "com.github.ping");
    let bare = [("content-type", "application/json")];
    let reply = server.ask(Method::POST, "/hooks/github/github", &bare, PAYLOAD).await;
    assert_eq!(reply.refuses(400, "REQUEST_INVALID")["errors"][0]["header"], "x-github-event");
}

#[tokio::test]
async fn a_hook_with_a_secret_takes_only_what_is_signed() {
    let server = Server::with(json!({"topics": {"code": {}}}), |options| {
        options.mode = Mode::Serve;
        let hook = Hook { topic: "code".into(), secret: Some(Secret::new("s3cret")) };
        options.hooks.insert("gh".into(), hook);
        options.hooks.insert("open".into(), Hook { topic: "code".into(), secret: None });
    })
    .await;
    let signature = format!("sha256={}", hex(&mac(b"s3cret", &[PAYLOAD.as_bytes()])));
    let base =
        [("content-type", "application/json"), ("x-github-event", "push"), ("x-github-delivery", "d-1")];
    let with = |signature: &str| {
        let mut headers: Vec<(&str, String)> =
            base.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        headers.push(("x-hub-signature-256", signature.to_owned()));
        headers
    };
    for (signature, status) in [(&*signature, 202), ("sha256=00", 401), ("", 401)] {
        let headers = with(signature);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reply = server.ask(Method::POST, "/hooks/github/gh", &headers, PAYLOAD).await;
        assert_eq!(reply.status, status, "{}", reply.text);
    }
    let reply = server.ask(Method::POST, "/hooks/github/gh", &base, PAYLOAD).await;
    reply.refuses(401, "SIGNATURE_INVALID");
    server.ask(Method::POST, "/hooks/github/open", &base, PAYLOAD).await.refuses(401, "UNAUTHENTICATED");
    server.ask(Method::POST, "/hooks/github/other", &base, PAYLOAD).await.refuses(404, "HOOK_UNKNOWN");
}

#[tokio::test]
async fn a_standard_webhook_becomes_an_event_once() {
    let key = b"0123456789abcdef01234567";
    let secret = format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(key));
    let server = Server::with(json!({"topics": {"calls": {}}}), |options| {
        let hook = Hook { topic: "calls".into(), secret: Some(Secret::new(&secret)) };
        options.hooks.insert("pay".into(), hook);
    })
    .await;
    let now = (time::wall().0 / 1000).to_string();
    let send = async |id: &str, at: &str, body: &str, signed: &str| {
        let signature = mac(key, &[id.as_bytes(), b".", at.as_bytes(), b".", signed.as_bytes()]);
        let signature = format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(signature));
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", id),
            ("webhook-timestamp", at),
            ("webhook-signature", &*signature),
        ];
        server.ask(Method::POST, "/hooks/pay", &headers, body.to_owned()).await
    };
    let body = r#"{"paid":true}"#;
    let first = send("msg_1", &now, body, body).await.is(202);
    assert_eq!(first["results"][0]["status"], "accepted");
    let event = server.get("/v1/events/msg_1").await.is(200)["event"].clone();
    assert_eq!(
        (&event["type"], &event["source"], &event["data"]["paid"]),
        (&json!("webhook.received"), &json!("/hooks/pay"), &json!(true))
    );
    assert_eq!(send("msg_1", &now, body, body).await.is(202)["results"][0]["status"], "duplicate");
    send("msg_1", &now, "{}", "{}").await.refuses(409, "EVENT_ID_REUSED");
    send("msg_2", &now, r#"{"paid": true}"#, body).await.refuses(401, "SIGNATURE_INVALID");
    send("msg_2", "1600000000", body, body).await.refuses(401, "SIGNATURE_INVALID");
    send("msg.2", &now, body, body).await.refuses(400, "REQUEST_INVALID");
}
