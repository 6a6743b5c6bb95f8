//! Where a webhook may lead: an inner listener must never see a connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cantus_runtime::delivery::webhook::{Guard, Network};
use serde_json::json;

use super::super::given::Server;
use super::given::{Asking, Receiver, Said, answer, definitions, failed, name_server, request, say, tested};
use crate::options::{Mode, ServerOptions};

/// A server as in production: nothing private is allowed.
fn production(options: &mut ServerOptions) {
    options.mode = Mode::Serve;
    options.webhooks = Default::default();
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn an_address_that_is_not_public_is_refused_when_it_is_declared() {
    let server = Server::with(json!({"topics": {"tasks": {}}, "agents": {"/front": {}}}), production).await;
    for host in [
        "127.0.0.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "10.0.0.1",
        "169.254.169.254",
        "[fe80::1]",
        "user:pass@example.com",
        "a@b@c",
        "example.com\\@10.0.0.1",
        "ex\u{430}mple.com",
        "example.com:22",
        "example.com:25",
        "example.com:6379",
        "example.com:0",
        "",
    ] {
        let create =
            json!({"agent": "/front", "topic": "tasks", "action": {"webhook": format!("http://{host}/")}});
        let reply = server.operate("/v1/subscriptions", create).await;
        assert_eq!(reply.status, 400, "{host}: {}", reply.text);
        assert!(!reply.text.contains("pass@"), "{}", reply.text);
    }
    for url in [
        "gopher://example.com/",
        "file:///etc/passwd",
        "unix:/run/x",
        "http://example.com/#@x",
        "http://example.com/\r\nx: y",
    ] {
        let create = json!({"agent": "/front", "topic": "tasks", "action": {"webhook": url}});
        assert_eq!(server.operate("/v1/subscriptions", create).await.status, 400, "{url}");
    }
    let create =
        json!({"agent": "/front", "topic": "tasks", "action": {"webhook": "https://example.com/in"}});
    server.operate("/v1/subscriptions", create).await.is(201);
}

#[tokio::test]
async fn a_name_of_this_machine_is_refused_when_it_is_reached() {
    let inner = Receiver::answering(&answer("204 No Content", "", "")).await;
    let port = inner.address.port();
    let server =
        Server::with(definitions(&format!("http://localhost.:{port}/"), json!({})), production).await;
    let (class, message) = failed(&server).await;
    assert_eq!(class, "rejected");
    assert!(message.contains("private address") && message.contains("allow_private"), "{message}");
    assert_eq!(inner.connections(), 0);
    // What is written into the file is meant.
    server.install(definitions(&format!("http://localhost:{port}/"), json!({"allow_private": true}))).await;
    assert_eq!(tested(&server).await["status"], 204);
    assert_eq!(inner.connections(), 1);
}

async fn named(
    script: impl Fn(usize, bool) -> Said + Send + 'static,
    port: u16,
) -> (Server, Arc<std::sync::atomic::AtomicUsize>) {
    let (address, asked) = name_server(script).await;
    // 127.0.0.2 stands for a public address: it alone is allowed.
    let guard = Guard { networks: vec![Network { address: ip("127.0.0.2"), bits: 32 }], ..Guard::default() };
    let allowed = guard.clone();
    let server = Server::with_webhooks(
        definitions(&format!("http://agents.example:{port}/"), json!({})),
        move |options| options.webhooks.guard = allowed,
        move |settings| (settings.guard, settings.resolver) = (guard, Arc::new(Asking(address))),
    )
    .await;
    (server, asked)
}

#[tokio::test]
async fn a_name_that_is_public_first_and_private_then_reaches_nothing_private() {
    let inner = Receiver::answering(&answer("204 No Content", "", "")).await;
    let port = inner.address.port();
    let outer = Receiver::start(&format!("127.0.0.2:{port}"), |_, mut stream| async move {
        request(&mut stream).await;
        say(&mut stream, &answer("200 OK", "", "outer")).await;
    })
    .await;
    let script = |number, is_v6| match (number, is_v6) {
        (_, true) => Ok(vec![]),
        (1, _) => Ok(vec![ip("127.0.0.2")]),
        _ => Ok(vec![ip("127.0.0.1")]),
    };
    let (server, asked) = named(script, port).await;
    assert_eq!(tested(&server).await["answer"], "outer");
    // One question of each kind: what was checked is what was connected to.
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let (class, message) = failed(&server).await;
    assert_eq!((class.as_str(), message.contains("127.0.0.1")), ("rejected", true), "{message}");
    assert_eq!((outer.connections(), inner.connections()), (1, 0));
}

#[tokio::test]
async fn one_private_address_among_public_ones_bars_the_name() {
    let inner = Receiver::answering(&answer("204 No Content", "", "")).await;
    let port = inner.address.port();
    let script = |_, is_v6: bool| Ok(vec![if is_v6 { ip("::1") } else { ip("127.0.0.2") }]);
    let (server, _) = named(script, port).await;
    assert_eq!(failed(&server).await.0, "rejected");
    assert_eq!(inner.connections(), 0);
}

#[tokio::test]
async fn a_name_server_that_fails_or_says_too_much_is_not_trusted() {
    let (server, _) = named(|_, _| Err(2), 8080).await;
    let (class, message) = failed(&server).await;
    assert_eq!((class.as_str(), message.contains("code 2")), ("unavailable", true), "{message}");
    let many = |_, is_v6: bool| Ok(if is_v6 { vec![] } else { vec![ip("127.0.0.2"); 1_000] });
    let (server, _) = named(many, 8080).await;
    let (class, message) = failed(&server).await;
    assert_eq!((class.as_str(), message.contains("more than 64")), ("unavailable", true), "{message}");
    let (server, _) = named(|_, _| Ok(vec![]), 8080).await;
    assert_eq!(failed(&server).await.0, "unavailable");
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let inner = Receiver::answering(&answer("204 No Content", "", "")).await;
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let outer = Receiver::answering(&answer(status, &format!("location: {}\r\n", inner.url()), "")).await;
        let server = Server::with(definitions(&outer.url(), json!({})), |_| {}).await;
        let (class, message) = failed(&server).await;
        assert_eq!((class.as_str(), message.contains("not followed")), ("rejected", true), "{message}");
        assert_eq!(outer.connections(), 1);
    }
    assert_eq!(inner.connections(), 0);
}

#[tokio::test]
async fn a_definition_from_the_network_reads_nothing_of_the_server() {
    let server = Server::with(json!({"topics": {"tasks": {}}, "agents": {"/front": {}}}), |options| {
        production(options);
        options.webhooks.env = vec!["FRONT_SECRET".to_owned()];
    })
    .await;
    let create = |more: serde_json::Value| {
        let mut action = json!({"webhook": "https://example.com/in"});
        action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"agent": "/front", "topic": "tasks", "action": action})
    };
    for more in [
        json!({"secret": "${AWS_SECRET_ACCESS_KEY}"}),
        json!({"headers": {"x-a": "${AWS_SECRET_ACCESS_KEY}"}}),
        json!({"secret_file": "/etc/shadow"}),
        json!({"ca_file": "/etc/shadow"}),
        json!({"allow_private": true}),
        json!({"secret": "whsec_canary"}),
    ] {
        let reply = server.operate("/v1/subscriptions", create(more.clone())).await;
        assert_eq!(reply.status, 400, "{more}: {}", reply.text);
        assert!(!reply.text.contains("canary"), "{}", reply.text);
    }
    server.operate("/v1/subscriptions", create(json!({"secret": "${FRONT_SECRET}"}))).await.is(201);
}
