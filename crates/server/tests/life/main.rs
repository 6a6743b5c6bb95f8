//! The life of a server, over real sockets: what it takes, what it turns away, and how it ends.

mod given;

use std::time::Duration;

use cantus_server::RunError;
use cantus_server::options::ServerOptions;
use given::{Given, Socket, TOKEN};

/// A pull that its server has begun: it waits for the body.
async fn begun(given: &Given) -> Socket {
    given.subscribe().await;
    let mut socket = given.connect().await;
    let head = "POST /v1/subscriptions/worker/tasks/pull HTTP/1.1\r\nHost: localhost\r\n\
                Content-Type: application/json\r\nContent-Length: 14\r\nExpect: 100-continue\r\n\r\n";
    socket.send(head).await;
    assert_eq!(socket.head().await.status, 100);
    socket
}

const BODY: &str = r#"{"wait":"30s"}"#;

#[tokio::test]
async fn a_stop_ends_an_idle_server_and_its_idle_connections() {
    let given = Given::start().await;
    let mut socket = given.connect().await;
    assert_eq!(socket.get("/livez").await.status, 200);
    given.stop().await.unwrap();
    assert!(socket.is_closed().await);
}

#[tokio::test]
async fn what_has_begun_is_finished_and_a_long_poll_is_answered_early() {
    let given = Given::start().await;
    let mut socket = begun(&given).await;
    let stopped = given.ask_to_stop();
    socket.send(BODY).await;
    let answer = socket.answer().await;
    assert_eq!((answer.status, &*answer.body), (200, r#"{"deliveries":[]}"#));
    assert!(socket.is_closed().await);
    stopped.await.unwrap().unwrap();
}

#[tokio::test]
async fn while_it_stops_probes_learn_it_and_nothing_new_is_begun() {
    let given = Given::start().await;
    let mut begun = begun(&given).await;
    let address = given.address;
    let stopped = given.ask_to_stop();
    let ready = loop {
        let answer = Socket::connect(address).await.get("/readyz").await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("[-]stopping failed: the server is stopping\n"), "{}", ready.body);
    assert_eq!(ready.header("connection"), Some("close"));
    assert_eq!(Socket::connect(address).await.get("/livez").await.status, 200);
    let event = r#"{"specversion":"1.0","type":"A","source":"/a"}"#;
    let refused = Socket::connect(address).await.post("/v1/topics/tasks/events", event).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.body.contains("SHUTTING_DOWN"), "{}", refused.body);
    assert_eq!(refused.header("retry-after"), Some("5"));
    begun.send(BODY).await;
    assert_eq!(begun.answer().await.status, 200);
    stopped.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_the_server_up() {
    let given = Given::with(|options| options.drain = Duration::ZERO).await;
    let mut socket = begun(&given).await;
    given.stop().await.unwrap();
    assert!(socket.is_closed().await);
}

#[tokio::test]
async fn production_without_a_token_does_not_start() {
    let given = Given::with(|options| {
        // What is handed to programs is no token that anybody was given.
        let programs = options.tokens.pop();
        *options = ServerOptions { programs, ..ServerOptions::serve(options.listen) };
    })
    .await;
    assert!(matches!(given.stop().await, Err(RunError::NoTokens)));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let given = Given::start().await;
    let long = format!("x-long: {}\r\n", "a".repeat(70_000));
    let many: String = (0..101).map(|number| format!("x-{number}: a\r\n")).collect();
    for headers in [long, many] {
        let mut socket = given.connect().await;
        // The server may close before it has read everything.
        let _cut = socket.try_send(&format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")).await;
        assert_eq!(socket.answer().await.status, 431);
    }
    assert_eq!(given.connect().await.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let given = Given::with(|options| options.header_timeout = Duration::from_millis(250)).await;
    for begun in ["", "GET /livez HTTP/1.1\r\nHost: loc"] {
        let mut socket = given.connect().await;
        socket.send(begun).await;
        assert!(socket.is_closed().await);
    }
    assert_eq!(given.connect().await.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let given = Given::with(|options| options.body_timeout = Duration::from_millis(250)).await;
    let mut socket = begun(&given).await;
    let answer = socket.answer().await;
    assert_eq!(answer.status, 408, "{}", answer.body);
    assert!(answer.body.contains("REQUEST_TIMEOUT"), "{}", answer.body);
}

#[tokio::test]
async fn beyond_the_limit_connections_wait_until_another_one_ends() {
    let given = Given::with(|options| options.connections_max = 1).await;
    let mut first = given.connect().await;
    assert_eq!(first.get("/livez").await.status, 200);
    let mut second = given.connect().await;
    second.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let metrics = first.get("/metrics").await.body;
    assert!(metrics.contains("\ncantus_http_connections_total 1\n"), "{metrics}");
    drop(first);
    assert_eq!(second.answer().await.status, 200);
}

#[tokio::test]
async fn what_is_no_http_ends_its_own_connection_and_no_other() {
    let given = Given::start().await;
    for nonsense in [
        "\u{16}\u{3}\u{1}\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET  \r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut socket = given.connect().await;
        socket.send(nonsense).await;
        // Not all of it is worth an answer.
        let said = socket.rest().await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{nonsense:?} {said}");
    }
    assert_eq!(given.connect().await.get("/livez").await.status, 200);
}

#[tokio::test]
async fn metrics_and_status_count_what_is_there() {
    let given = Given::start().await;
    given.subscribe().await;
    let event = r#"{"specversion":"1.0","type":"A","source":"/a","data":{"n":1}}"#;
    let mut socket = given.connect().await;
    assert_eq!(socket.post("/v1/topics/tasks/events", event).await.status, 202);
    let pulled = socket.post("/v1/subscriptions/worker/tasks/pull", r#"{"wait":"30s"}"#).await;
    assert!(pulled.body.contains(r#""deliveries":[{"#), "{}", pulled.body);

    let metrics = socket.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "cantus_build_info{version=\"0.1.0\",mode=\"dev\",engine=\"local\"} 1",
        "cantus_events_appended_total{topic=\"tasks\"} 1",
        "cantus_topic_bytes{topic=\"tasks\"} 7",
        "cantus_deliveries_total{subscription=\"worker/tasks\",outcome=\"acked\"} 0",
        "cantus_deliveries_in_flight 1",
        "cantus_retries_pending 0",
        "cantus_append_duration_seconds_count 1",
    ] {
        assert!(metrics.body.lines().any(|it| it == line), "{line}\n{}", metrics.body);
    }
    // How far it has read is told now and then only.
    assert!(
        metrics.body.contains("\ncantus_consumer_lag_events{topic=\"tasks\",subscription=\"worker/tasks\"} "),
        "{}",
        metrics.body
    );
    is_exposition(&metrics.body);

    let status = socket.get("/v1/status").await.body;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["mode"], "dev");
    let counts = &status["counts"];
    for (name, count) in
        [("topics", 1), ("events", 1), ("subscriptions", 1), ("in_flight", 1), ("dead_letters", 0)]
    {
        assert_eq!(counts[name], count, "{name} of {counts}");
    }
}

/// Every sample belongs to the family above it, and no series is there twice.
fn is_exposition(text: &str) {
    let (mut family, mut seen) = (String::new(), std::collections::HashSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().expect("a family has a name").to_owned();
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').expect("a series has a value");
            assert!(series.starts_with(&family), "{line} below {family}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(seen.insert(series.to_owned()), "{line} twice");
        }
    }
}

#[tokio::test]
async fn a_server_in_good_health_says_so_check_by_check() {
    let given = Given::start().await;
    let mut socket = given.connect().await;
    for path in ["/readyz", "/healthz", "/livez"] {
        assert_eq!((socket.get(path).await.status, &*socket.get(path).await.body), (200, "ok\n"), "{path}");
    }
    let told = "[+]store ok\n[+]turn excluded: ok\n[+]stopping ok\nreadyz check passed\n";
    assert_eq!(socket.get("/readyz?verbose&exclude=turn").await.body, told);
    assert_eq!(socket.get("/readyz?exclude=trun").await.status, 400);
}

#[tokio::test]
async fn the_type_of_a_problem_leads_to_its_page() {
    let given = Given::start().await;
    let mut socket = given.connect().await;
    let problem = socket.get("/v1/events/none").await;
    let problem: serde_json::Value = serde_json::from_str(&problem.body).unwrap();
    let page = socket.get(problem["type"].as_str().unwrap()).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/markdown; charset=utf-8")));
    assert!(page.body.starts_with("# EVENT_UNKNOWN\n"), "{}", page.body);
    assert!(socket.get("/problems").await.body.contains("(/problems/event-unknown)"));
    let unknown = socket.get("/problems/event-unknwon").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("/problems/event-unknown"), "{}", unknown.body);
}

/// The document is part of what users rely on: a change of it shows in the change that makes it. To take it over, run this
/// test with `UPDATE_SNAPSHOTS=1`.
#[tokio::test]
async fn the_openapi_document_is_the_one_that_was_agreed() {
    let given = Given::start().await;
    let served = given.connect().await.get("/openapi.json").await.body;
    let mut served: serde_json::Value = serde_json::from_str(&served).unwrap();
    served["info"]["version"] = "0.0.0".into();
    let served = format!("{}\n", serde_json::to_string_pretty(&served).unwrap());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi.json");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let agreed = std::fs::read_to_string(&path).unwrap();
    assert!(
        served == agreed,
        "tests/openapi.json is another document: take it over with UPDATE_SNAPSHOTS=1 and look at the difference"
    );
}

#[test]
fn tokens_of_tests_are_not_shown() {
    assert!(!format!("{:?}", given::options()).contains(TOKEN));
}
