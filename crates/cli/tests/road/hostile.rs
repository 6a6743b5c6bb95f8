//! Bad input over HTTP: a precise refusal or a correct result, nothing lost, others unaffected.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::server::Server;

const STRUCTURED: (&str, &str) = ("Content-Type", "application/cloudevents+json");
const PATH: &str = "/v1/topics/tasks/events";

fn server() -> Server {
    Server::start(None)
}

/// Publishes a body and returns the status and the answer.
fn publish(server: &Server, body: &[u8]) -> (u16, Value) {
    post(server, PATH, &[STRUCTURED], body)
}

fn post(server: &Server, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
    let (status, text) = server.http("POST", path, headers, body).expect("the server answers");
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn event(id: &str, data: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"/t","type":"T","data":{data}}}"#)
}

fn refused(server: &Server, body: &[u8], code: &str) {
    let (status, problem) = publish(server, body);
    let shown = String::from_utf8_lossy(&body[..body.len().min(120)]);
    assert!((400..500).contains(&status), "{status} for {shown}: {problem}");
    assert_eq!(problem["code"], code, "{shown}: {problem}");
    assert!(problem["detail"].is_string() || problem["title"].is_string(), "{problem}");
}

fn stored(server: &Server) -> Vec<Value> {
    let path = "/v1/topics/tasks/events?since=start&limit=1000";
    let (status, text) = server.http("GET", path, &[], b"").expect("the server answers");
    // A topic that nothing was published to is not there.
    if status == 404 {
        return Vec::new();
    }
    let page: Value = serde_json::from_str(&text).expect("JSON");
    page["items"].as_array().cloned().unwrap_or_default()
}

/// Another client is served as if nothing had happened, and nothing of a refused event is visible.
fn unharmed(server: &Server, before: usize) {
    let (status, answer) = publish(server, event(&format!("after-{before}"), "1").as_bytes());
    assert_eq!(status, 202, "{answer}");
    assert_eq!(stored(server).len(), before + 1);
}

#[test]
fn bodies_beyond_the_limit_are_refused_with_and_without_a_length() {
    let server = server();
    let long = event("long", &format!("\"{}\"", "x".repeat(9 << 20)));
    assert_eq!(publish(&server, long.as_bytes()).0, 413);
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).expect("connected");
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/cloudevents+json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    for _ in 0..10 {
        stream.write_all(chunk.as_bytes()).expect("sent");
    }
    stream.write_all(b"0\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    refused(
        &server,
        event("one", &format!("\"{}\"", "x".repeat((1 << 20) + 1))).as_bytes(),
        "EVENT_TOO_LARGE",
    );
    unharmed(&server, 0);
}

#[test]
fn ambiguous_framing_is_never_read_as_an_event() {
    let server = server();
    let body = event("smuggled", "1");
    for framing in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked", body.len()),
        format!("Content-Length: {}\r\nContent-Length: {}", body.len(), body.len() + 1),
        "Transfer-Encoding: xchunked".to_owned(),
        "Content-Length: +5".to_owned(),
        "Content-Length: 18446744073709551616".to_owned(),
    ] {
        let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).expect("connected");
        let request = format!(
            "POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/cloudevents+json\r\n{framing}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        stream.shutdown(std::net::Shutdown::Write).expect("shut");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(!answer.starts_with("HTTP/1.1 2"), "{framing}: {answer}");
    }
    unharmed(&server, 0);
}

#[test]
fn huge_and_countless_headers_are_refused() {
    let server = server();
    for head in [format!("X: {}\r\n", "x".repeat(2 << 20)), "X: y\r\n".repeat(10_000)] {
        let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).expect("connected");
        let request = format!("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n");
        // The server may close before all of it is sent.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{}",
            &answer[..answer.len().min(200)]
        );
    }
    unharmed(&server, 0);
}

#[test]
fn json_is_bounded_in_depth_and_duplicate_keys_of_an_event_are_refused() {
    let server = server();
    refused(&server, "[".repeat(100_000).as_bytes(), "JSON_INVALID");
    refused(&server, event("deepest", &"[".repeat(100_000)).as_bytes(), "JSON_TOO_DEEP");
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(publish(&server, event("deep", &deep(127)).as_bytes()).0, 202);
    refused(&server, event("deeper", &deep(128)).as_bytes(), "JSON_TOO_DEEP");
    let twice = r#"{"specversion":"1.0","id":"a","id":"b","source":"/t","type":"T"}"#;
    let (status, problem) = publish(&server, twice.as_bytes());
    assert_eq!(status, 400, "{problem}");
    assert_eq!(publish(&server, event("twice-in-data", r#"{"a":1,"a":2}"#).as_bytes()).0, 202);
    let there =
        |id: &str| server.http("GET", &format!("/v1/events/{id}"), &[], b"").expect("the server answers").0;
    assert_eq!([there("deep"), there("deeper"), there("deepest"), there("a")], [200, 404, 404, 404]);
}

#[test]
fn numbers_and_texts_in_data_are_kept_as_they_came() {
    let server = server();
    let data = format!(
        r#"{{"big":9007199254740993,"huge":1e400,"zero":-0,"long":{},"text":"\u2028é"}}"#,
        "7".repeat(4_000)
    );
    assert_eq!(publish(&server, event("kept", &data).as_bytes()).0, 202);
    let (_, text) = server.http("GET", "/v1/events/kept", &[], b"").expect("the server answers");
    assert!(text.contains(&data), "{}", &text[..300]);
}

#[test]
fn broken_text_is_refused_precisely() {
    let server = server();
    for (body, code) in [
        (&b"{\"specversion\":\"1.0\",\"id\":\"\\ud800\",\"source\":\"/t\",\"type\":\"T\"}"[..], 400),
        (&b"{\"specversion\":\"1.0\",\"id\":\"\xc0\xaf\",\"source\":\"/t\",\"type\":\"T\"}"[..], 400),
        (&b"\xef\xbb\xbf{\"specversion\":\"1.0\",\"id\":\"b\",\"source\":\"/t\",\"type\":\"T\"}"[..], 400),
        (&b"{\"specversion\":\"1.0\",\"id\":\"a\",\"source\":\"/t\",\"type\":\"T\",\"subject\":\"a\\u0000b\"}"[..], 400),
        (&b""[..], 400),
        (&b"null"[..], 400),
        (&b"{}"[..], 400),
        (&b"{\"hello\":\"world\"}"[..], 400),
    ] {
        let (status, problem) = publish(&server, body);
        assert_eq!(status, code, "{}: {problem}", String::from_utf8_lossy(body));
        assert!(problem["code"].is_string(), "{problem}");
    }
    unharmed(&server, 0);
}

#[test]
fn names_and_times_that_can_not_be_are_refused() {
    let server = server();
    for topic in ["..", ".", "%2e%2e%2fx", "a%20b", "%24system", &"x".repeat(201)] {
        let (status, problem) =
            post(&server, &format!("/v1/topics/{topic}/events"), &[STRUCTURED], event("n", "1").as_bytes());
        assert!((400..500).contains(&status), "{topic}: {status} {problem}");
    }
    for time in ["9999-99-99T00:00:00Z", "-1", "NaN", "2026-01-01", "2026-01-01T25:00:00Z"] {
        let body = format!(r#"{{"specversion":"1.0","id":"t","source":"/t","type":"T","time":"{time}"}}"#);
        refused(&server, body.as_bytes(), "ATTRIBUTE_INVALID");
    }
    let far =
        r#"{"specversion":"1.0","id":"far","source":"/t","type":"T","deliverat":"1000000000000000000"}"#;
    refused(&server, far.as_bytes(), "ATTRIBUTE_INVALID");
    unharmed(&server, 0);
}

#[test]
fn a_batch_is_all_or_nothing() {
    let server = server();
    let batch = ("Content-Type", "application/cloudevents-batch+json");
    let item = |id: usize| event(&format!("b{id}"), "1");
    let mut items: Vec<String> = (0..200).map(item).collect();
    items[199] = r#"{"specversion":"1.0","id":"","source":"/t","type":"T"}"#.to_owned();
    let (status, problem) = post(&server, PATH, &[batch], format!("[{}]", items.join(",")).as_bytes());
    assert_eq!(status, 400, "{problem}");
    assert!(problem.to_string().contains("#/199"), "{problem}");
    let many: Vec<String> = (0..10_001).map(item).collect();
    let (status, _) = post(&server, PATH, &[batch], format!("[{}]", many.join(",")).as_bytes());
    assert_eq!(status, 413);
    assert!(stored(&server).is_empty());
    let (status, answer) = post(&server, PATH, &[batch], b"[]");
    assert_eq!((status, answer["results"].as_array().map(Vec::len)), (202, Some(0)), "{answer}");
    let twice = format!("[{},{}]", event("same", "1"), event("same", "1"));
    let (status, answer) = post(&server, PATH, &[batch], twice.as_bytes());
    assert_eq!(status, 202, "{answer}");
    assert_eq!(
        (&answer["results"][0]["status"], &answer["results"][1]["status"]),
        (&"accepted".into(), &"duplicate".into())
    );
    let differs = format!("[{},{}]", event("other", "1"), event("other", "2"));
    let (status, problem) = post(&server, PATH, &[batch], differs.as_bytes());
    assert_eq!((status, &problem["code"]), (409, &"EVENT_ID_REUSED".into()), "{problem}");
    unharmed(&server, 1);
}

#[test]
fn an_idempotency_key_answers_alike_and_is_for_one_request() {
    let server = server();
    let key = ("Idempotency-Key", "\"k-1\"");
    let body = r#"{"specversion":"1.0","id":"i1","source":"/t","type":"T"}"#;
    let (status, first) = post(&server, PATH, &[STRUCTURED, key], body.as_bytes());
    assert_eq!(status, 202, "{first}");
    let (status, again) = post(&server, PATH, &[STRUCTURED, key], body.as_bytes());
    assert_eq!((status, &again), (202, &first));
    let (status, problem) = post(&server, PATH, &[STRUCTURED, key], event("i2", "1").as_bytes());
    assert_eq!((status, &problem["code"]), (422, &"IDEMPOTENCY_KEY_REUSED".into()), "{problem}");
    let long = "x".repeat(64 << 10);
    let (status, _) = post(&server, PATH, &[STRUCTURED, ("Idempotency-Key", &long)], body.as_bytes());
    assert!((400..500).contains(&status), "{status}");
    unharmed(&server, 1);
}

#[test]
fn a_client_that_leaves_early_harms_nobody() {
    let server = server();
    for number in 0..200 {
        let body = event(&format!("gone-{number}"), "1");
        let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).expect("connected");
        let request = format!(
            "POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/cloudevents+json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
    }
    let (status, _) = publish(&server, event("last", "1").as_bytes());
    assert_eq!(status, 202);
    let ids: Vec<String> =
        stored(&server).iter().filter_map(|it| it["event"]["id"].as_str().map(str::to_owned)).collect();
    let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "an event is stored twice");
}

#[test]
fn the_same_event_from_many_at_once_is_stored_once() {
    let server = server();
    let statuses: Vec<Value> = std::thread::scope(|scope| {
        let publishing: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    publish(&server, event("race", "1").as_bytes()).1["results"][0]["status"].clone()
                })
            })
            .collect();
        publishing.into_iter().map(|one| one.join().expect("no panics")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == "accepted").count(), 1, "{statuses:?}");
    assert_eq!(stored(&server).len(), 1);
}

#[test]
fn wrong_hosts_and_origins_are_refused_and_headers_of_proxies_mean_nothing() {
    let server = server();
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).expect("connected");
    stream
        .write_all(b"GET /v1/topics HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 421") || answer.starts_with("HTTP/1.1 403"), "{answer}");
    let (status, _) = post(&server, PATH, &[STRUCTURED, ("Origin", "https://evil.example.com")], b"{}");
    assert_eq!(status, 403);
    let pause = "/v1/agents/nobody/pause";
    let spoofed = [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Http-Method-Override", "DELETE"),
        ("Content-Type", "application/json"),
    ];
    let (status, problem) = post(&server, pause, &spoofed, b"{}");
    assert_eq!(status, 401, "{problem}");
    unharmed(&server, 0);
}

#[test]
fn unknown_routes_methods_and_parameters_say_what_there_is() {
    let server = server();
    for (method, path, status) in [
        ("GET", "/v1/nothing", 404),
        ("PUT", "/v1/events", 405),
        ("GET", "/v1/events?limmit=5", 400),
        ("GET", "/v1/events?limit=-1", 400),
        ("GET", "/v1/events?limit=5&limit=6", 400),
        ("GET", "/v1/events?cursor=zzz", 400),
        ("GET", "/v1/events?filter=type%20%3D%3D", 400),
        ("GET", "/v1/events/unknown", 404),
        ("GET", "/v1/deliveries/dlv_x", 404),
        ("GET", "/v1/dead-letters/dl_x", 404),
    ] {
        let (got, text) = server.http(method, path, &[], b"").expect("the server answers");
        assert_eq!(got, status, "{method} {path}: {text}");
        let problem: Value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("no problem+json: {text}"));
        assert!(problem["code"].is_string(), "{method} {path}: {problem}");
    }
}
