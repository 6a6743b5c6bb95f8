//! Hooks: what GitHub and Standard Webhooks send becomes events.

use base64::Engine as _;
use cantus_api::signature::{SigningKey, github, standard};
use http::Method;
use serde_json::json;

use super::given::Server;
use crate::convert::time;
use crate::options::{Hook, Mode, Secret};

const PAYLOAD: &str = r#"{"action":"opened","number":7,"repository":{"html_url":"https://github.com/o/r"}}"#;

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
    let signature = github::sign("s3cret", PAYLOAD.as_bytes());
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
        let key = SigningKey::parse(&secret).unwrap();
        let signature = standard::sign(&[key], id, at.parse().unwrap_or_default(), signed.as_bytes());
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

#[tokio::test]
async fn a_webhook_that_is_sent_again_is_a_duplicate_after_a_restart_too() {
    let secret = format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode([5; 32]));
    let server = Server::with(json!({"topics": {"calls": {}}}), |options| {
        let hook = Hook { topic: "calls".into(), secret: Some(Secret::new(&secret)) };
        options.hooks.insert("pay".into(), hook);
    })
    .await;
    let now = time::wall().0 / 1000;
    let (at, body) = (now.to_string(), r#"{"paid":true}"#);
    let signature = standard::sign(&[SigningKey::parse(&secret).unwrap()], "msg_1", now, body.as_bytes());
    let headers = [
        ("content-type", "application/json"),
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", &*at),
        ("webhook-signature", &*signature),
    ];
    let first = server.ask(Method::POST, "/hooks/pay", &headers, body).await.is(202)["results"][0].clone();
    let server = server.restarted().await;
    let again = server.ask(Method::POST, "/hooks/pay", &headers, body).await.is(202)["results"][0].clone();
    assert_eq!((&again["status"], &again["position"]), (&json!("duplicate"), &first["position"]));
}

#[tokio::test]
async fn a_hook_takes_both_secrets_while_one_is_changed_and_no_third() {
    let secret = |byte: u8| format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode([byte; 32]));
    let server = Server::with(json!({"topics": {"calls": {}}}), |options| {
        let both = Secret::new(&format!("{}\n{}\n", secret(2), secret(1)));
        options.hooks.insert("pay".into(), Hook { topic: "calls".into(), secret: Some(both) });
        let both = Secret::new("new one\nold one\n");
        options.hooks.insert("gh".into(), Hook { topic: "calls".into(), secret: Some(both) });
    })
    .await;
    let now = time::wall().0 / 1000;
    for (number, status) in [(1, 202), (2, 202), (3, 401)] {
        let (id, at) = (format!("msg_{number}"), now.to_string());
        let key = SigningKey::parse(&secret(number)).unwrap();
        let signature = standard::sign(&[key], &id, now, b"{}");
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", &*id),
            ("webhook-timestamp", &*at),
            ("webhook-signature", &*signature),
        ];
        server.ask(Method::POST, "/hooks/pay", &headers, "{}").await.is(status);
    }
    for (known, status) in [("new one", 202), ("old one", 202), ("no one", 401)] {
        let signature = github::sign(known, b"{}");
        let headers = [
            ("content-type", "application/json"),
            ("x-github-event", "ping"),
            ("x-github-delivery", known),
            ("x-hub-signature-256", &*signature),
        ];
        let headers = headers.map(|(name, value)| (name, value.trim_end_matches(" one")));
        server.ask(Method::POST, "/hooks/github/gh", &headers, "{}").await.is(status);
    }
}

#[tokio::test]
async fn a_signed_webhook_with_a_header_missing_or_doubled_or_a_body_in_gzip_is_refused() {
    let secret = format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode([5; 32]));
    let server = Server::with(json!({"topics": {"calls": {}}}), |options| {
        let hook = Hook { topic: "calls".into(), secret: Some(Secret::new(&secret)) };
        options.hooks.insert("pay".into(), hook);
    })
    .await;
    let now = time::wall().0 / 1000;
    let at = now.to_string();
    let signature = standard::sign(&[SigningKey::parse(&secret).unwrap()], "msg_1", now, b"{}");
    let whole = [
        ("content-type", "application/json"),
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", &*at),
        ("webhook-signature", &*signature),
    ];
    for header in 1..4 {
        let mut without = whole.to_vec();
        without.remove(header);
        server.ask(Method::POST, "/hooks/pay", &without, "{}").await.refuses(400, "REQUEST_INVALID");
        let mut doubled = whole.to_vec();
        doubled.push(whole[header]);
        server.ask(Method::POST, "/hooks/pay", &doubled, "{}").await.refuses(400, "REQUEST_INVALID");
    }
    let mut packed = whole.to_vec();
    packed.push(("content-encoding", "gzip"));
    server.ask(Method::POST, "/hooks/pay", &packed, "{}").await.refuses(415, "MEDIA_TYPE_UNSUPPORTED");
    for body in ["", "%00", "\u{0}"] {
        server.ask(Method::POST, "/hooks/pay", &whole, body).await.refuses(401, "SIGNATURE_INVALID");
    }
    server.ask(Method::POST, "/hooks/pay", &whole, "{}").await.is(202);
}
