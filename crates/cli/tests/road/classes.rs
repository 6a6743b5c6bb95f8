//! Bad requests, class by class, as raw bytes over a socket: tried when nothing else goes on, while others publish, and right
//! after a server that was killed is back. Each is answered precisely or cut off, nothing of it is stored, nothing of the
//! machine is told, and whoever behaves is served as before. `docs/bad-inputs.md` names the classes.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::server::Server;

/// Published to by those that behave.
const GOOD: &str = "/v1/topics/good/events";
/// Published to by the others; nothing may ever be in it.
const BAD: &str = "/v1/topics/bad/events";
/// More than any request here may cost.
const MEMORY_KIB_MAX: u64 = 768 << 10;

/// A bad request and the statuses that are right for it; 0 is a connection that ended without an answer.
struct Case {
    class: &'static str,
    sent: Vec<u8>,
    right: &'static [u16],
}

fn case(class: &'static str, right: &'static [u16], sent: impl Into<Vec<u8>>) -> Case {
    Case { class, sent: sent.into(), right }
}

/// A request with these lines of head behind the first, and this body.
fn request(first: &str, head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut sent =
        format!("{first} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{head}\r\n").into_bytes();
    sent.extend_from_slice(body.as_ref());
    sent
}

/// A publish of one structured event with further lines of head.
fn publish_with(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head =
        format!("Content-Type: application/cloudevents+json\r\nContent-Length: {}\r\n{head}", body.len());
    request(&format!("POST {BAD}"), &head, body)
}

fn publish(body: impl AsRef<[u8]>) -> Vec<u8> {
    publish_with("", body)
}

/// A publish whose framing is what `head` says.
fn framed(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    request(
        &format!("POST {BAD}"),
        &format!("Content-Type: application/cloudevents+json\r\n{head}\r\n"),
        body,
    )
}

fn batch(items: &[String]) -> Vec<u8> {
    let body = format!("[{}]", items.join(","));
    let head =
        format!("Content-Type: application/cloudevents-batch+json\r\nContent-Length: {}\r\n", body.len());
    request(&format!("POST {BAD}"), &head, body)
}

fn event(members: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"bad","source":"/t","type":"T"{members}}}"#)
}

const REFUSED: &[u16] = &[400];
const CUT: &[u16] = &[400, 0];
const TOO_LARGE: &[u16] = &[413, 0];

/// Lengths and framing.
fn framing() -> Vec<Case> {
    let good = event("");
    let length = good.len();
    let long = event(&format!(r#","data":"{}""#, "x".repeat(9 << 20)));
    let chunks = |size: &str| framed("Transfer-Encoding: chunked", format!("{size}\r\n{good}\r\n0\r\n\r\n"));
    let endless = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20)).repeat(10);
    vec![
        case("A1 longer than allowed, as it says itself", TOO_LARGE, publish(&long)),
        case("A1 longer than allowed, in chunks", TOO_LARGE, framed("Transfer-Encoding: chunked", endless)),
        case(
            "A3 both lengths",
            CUT,
            framed(&format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"), &good),
        ),
        case(
            "A4 two lengths",
            CUT,
            framed(&format!("Content-Length: {length}\r\nContent-Length: {}", length + 1), &good),
        ),
        case("A5 another coding", CUT, framed("Transfer-Encoding: xchunked", &good)),
        case("A5 a size in hexadecimal twice", CUT, chunks(&format!("0x{length:x}"))),
        case("A5 a size with a sign", CUT, chunks(&format!("+{length:x}"))),
        case("A5 a size of 17 digits", CUT, chunks(&format!("1{length:016x}"))),
        case("A5 a length with a sign", CUT, framed("Content-Length: +5", &good)),
        case("A5 a length beyond 64 bits", CUT, framed("Content-Length: 18446744073709551616", &good)),
        case(
            "A6 one header of 20 MB",
            &[431, 0],
            request("GET /readyz", &format!("X: {}\r\n", "x".repeat(20 << 20)), ""),
        ),
        case("A6 10,000 headers", &[431, 0], request("GET /readyz", &"X: y\r\n".repeat(10_000), "")),
    ]
}

/// JSON and text.
fn texts() -> Vec<Case> {
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let raw = |text: &[u8]| {
        let mut body = br#"{"specversion":"1.0","id":"bad","source":"/t","type":"T","subject":""#.to_vec();
        body.extend_from_slice(text);
        body.extend_from_slice(b"\"}");
        publish(body)
    };
    vec![
        case("A7 100,000 brackets", REFUSED, publish("[".repeat(100_000))),
        case("A7 one level too deep", REFUSED, publish(event(&format!(r#","data":{}"#, deep(128))))),
        case(
            "A7 brackets where a text belongs",
            REFUSED,
            publish(event(&format!(r#","subject":{}"#, deep(127)))),
        ),
        case("A8 a key twice in the envelope", REFUSED, publish(event(r#","id":"other""#))),
        case("A9 a number where a text belongs", REFUSED, publish(event(r#","subject":1e400"#))),
        case(
            "A9 hops of 4,000 digits",
            REFUSED,
            publish(event(&format!(r#","hops":{}"#, "9".repeat(4_000)))),
        ),
        case("A9 hops below zero", REFUSED, publish(event(r#","hops":-1"#))),
        case("A10 half a surrogate", REFUSED, raw(br"\ud800")),
        case("A10 an overlong letter", REFUSED, raw(b"\xc0\xaf")),
        case("A10 a NUL", REFUSED, raw(br"a\u0000b")),
        case(
            "A10 a mark of byte order",
            REFUSED,
            publish([&b"\xef\xbb\xbf"[..], event("").as_bytes()].concat()),
        ),
        case("A18 a time below zero", REFUSED, publish(event(r#","time":"-1""#))),
        case("A18 no number as a time", REFUSED, publish(event(r#","time":"NaN""#))),
        case("A18 a time that no calendar has", REFUSED, publish(event(r#","time":"2026-02-30T00:00:00Z""#))),
        case("A18 due in 10^18 ms", REFUSED, publish(event(r#","deliverat":"1000000000000000000""#))),
    ]
}

/// Names, codings, keys.
fn names() -> Vec<Case> {
    let to = |topic: &str| {
        let body = event("");
        let head =
            format!("Content-Type: application/cloudevents+json\r\nContent-Length: {}\r\n", body.len());
        request(&format!("POST /v1/topics/{topic}/events"), &head, body)
    };
    let packed = |coding: &str| {
        publish_with(&format!("Content-Encoding: {coding}\r\n"), b"\x1f\x8b\x08\0\0\0\0\0\0\x03")
    };
    vec![
        case("A11 a way up", &[400, 404], to("../x")),
        case("A11 a way up, written otherwise", REFUSED, to("%2e%2e%2fx")),
        case("A11 a dot", &[400, 404], to(".")),
        case("A11 a name of 4 KiB", REFUSED, to(&"x".repeat(4 << 10))),
        case("A11 a letter in one piece", REFUSED, to("caf%C3%A9")),
        case("A11 the same letter in two", REFUSED, to("cafe%CC%81")),
        case("A11 a mark from right to left", REFUSED, to("a%E2%80%AEb")),
        case("A11 a view of our own", &[400, 403], to("%24system")),
        case("A12 gzip", &[415], packed("gzip")),
        case("A12 gzip twice", &[400, 415], packed("gzip, gzip")),
        case("A12 zstd", &[415], packed("zstd")),
        case("A12 deflate, cut off", &[415], packed("deflate")),
        case(
            "A12 gzip as transfer coding",
            CUT,
            framed("Transfer-Encoding: gzip, chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ),
        case(
            "A14 a key of 64 KiB",
            &[400, 431],
            publish_with(&format!("Idempotency-Key: {}\r\n", "k".repeat(64 << 10)), event("")),
        ),
        case("A14 a key with a line feed", CUT, publish_with("Idempotency-Key: \"a\n b\"\r\n", event(""))),
        case(
            "A14 a key with a line end that is none",
            CUT,
            publish_with("Idempotency-Key: \"a\rb\"\r\n", event("")),
        ),
    ]
}

/// Batches, who asks, another protocol.
fn others() -> Vec<Case> {
    let good =
        |number: usize| format!(r#"{{"specversion":"1.0","id":"b{number}","source":"/t","type":"T"}}"#);
    let mut last_is_wrong: Vec<String> = (0..10_000).map(good).collect();
    last_is_wrong[9_999] = event("").replace(r#""bad""#, r#""""#);
    let one_too_many: Vec<String> = (0..10_001).map(good).collect();
    let differ = [event(r#","data":1"#), event(r#","data":2"#)];
    let body = event("");
    let foreign = format!(
        "POST {BAD} HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\nContent-Type: application/cloudevents+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let absolute = String::from_utf8(publish(&body)).expect("text");
    let absolute = absolute.replace(&format!("POST {BAD}"), &format!("POST http://evil.example.com{BAD}"));
    let operate = request(
        "POST /v1/agents/nobody/pause",
        "Content-Type: application/json\r\nContent-Length: 2\r\nX-Forwarded-For: 127.0.0.1\r\nX-Http-Method-Override: DELETE\r\nX-Tenant-Id: other\r\n",
        "{}",
    );
    // The preface of HTTP/2 and what would follow it: settings, pings, a stream that is begun and reset, for ever.
    let mut two = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for stream in 0..100_000_u32 {
        two.extend_from_slice(b"\0\0\x01\x01\x05");
        two.extend_from_slice(&(stream * 2 + 1).to_be_bytes());
        two.extend_from_slice(b"\x82\0\0\x04\x03\0");
        two.extend_from_slice(&(stream * 2 + 1).to_be_bytes());
        two.extend_from_slice(b"\0\0\0\x08");
    }
    let mut continued = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x01\x01\0\0\0\0\x01\x82".to_vec();
    for _ in 0..100_000 {
        continued.extend_from_slice(b"\0\0\x01\x09\0\0\0\0\x01\x84");
    }
    vec![
        case("A15 the last of 10,000 is wrong", REFUSED, batch(&last_is_wrong)),
        case("A15 one more than allowed", &[413], batch(&one_too_many)),
        case("A17 one id and two contents", &[409], batch(&differ)),
        case("A19 another host", &[403, 421], foreign),
        case("A19 another host in the target", &[400, 403, 421], absolute),
        case("A19 headers of a proxy", &[401, 403], operate),
        case("A19 a page of others", &[403], publish_with("Origin: https://evil.example.com\r\n", event(""))),
        case("A20 HTTP/2, resets", CUT, two),
        case("A20 HTTP/2, continued without end", CUT, continued),
        case(
            "A20 HTTP/2 asked for",
            &[401, 403, 400],
            request(
                "POST /v1/agents/nobody/pause",
                "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Type: application/json\r\nContent-Length: 2\r\n",
                "{}",
            ),
        ),
    ]
}

/// Sends bytes, and returns the status and everything that came back.
fn exchange(server: &Server, sent: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).expect("connected");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).expect("set");
    // The server may have heard enough before all is sent.
    let _cut = stream.write_all(sent);
    let mut answer = Vec::new();
    let _cut = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    (status.unwrap_or(0), answer)
}

fn tried(server: &Server, case: &Case) {
    let (status, answer) = exchange(server, &case.sent);
    let shown: String = answer.chars().take(600).collect();
    assert!(
        case.right.contains(&status),
        "{}: {status}, not {:?}: {shown}\nserver: {}",
        case.class,
        case.right,
        server.log()
    );
    let told = server.dir.path().to_str().expect("a path in UTF-8");
    assert!(!answer.contains(told), "{} is told where files lie: {shown}", case.class);
    if let Some((_, problem)) = answer.split_once("\r\n\r\n").filter(|(_, body)| body.starts_with('{')) {
        let problem: Value = serde_json::from_str(problem).expect("a problem is JSON");
        assert!(problem["code"].is_string(), "{}: {shown}", case.class);
    }
}

/// Nothing of what was refused is visible, memory stayed within bounds, and another client is served.
fn unharmed(server: &Server, who: &str) {
    let (status, text) =
        server.http("GET", &format!("{BAD}?since=start"), &[], b"").expect("the server answers");
    let nothing = status == 404
        || serde_json::from_str::<Value>(&text).is_ok_and(|page| page["items"] == Value::Array(vec![]));
    assert!(nothing, "something of it is stored: {text}");
    assert!(good(server, who), "others are not served");
    let peak = server.memory_kib_max();
    assert!(peak < MEMORY_KIB_MAX, "it took {peak} KiB");
}

/// Publishes as others do; returns whether it was accepted.
fn good(server: &Server, id: &str) -> bool {
    let body = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/t","type":"T"}}"#);
    let headers = [("Content-Type", "application/cloudevents+json")];
    server.http("POST", GOOD, &headers, body.as_bytes()).is_some_and(|(status, _)| status == 202)
}

fn all() -> [Vec<Case>; 4] {
    [framing(), texts(), names(), others()]
}

#[test]
fn bad_requests_are_refused_when_nothing_else_goes_on() {
    let server = Server::start(None);
    for cases in all() {
        cases.iter().for_each(|case| tried(&server, case));
    }
    unharmed(&server, "idle");
}

#[test]
fn bad_requests_are_refused_while_others_publish_and_cost_them_nothing() {
    let server = Server::start(None);
    let over = AtomicBool::new(false);
    let accepted: BTreeSet<String> = std::thread::scope(|scope| {
        let publishers: Vec<_> = (0..4)
            .map(|publisher| {
                let (server, over) = (&server, &over);
                scope.spawn(move || {
                    let mut accepted = Vec::new();
                    for number in 0.. {
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                        let id = format!("{publisher}-{number}");
                        assert!(good(server, &id), "{id} was not accepted");
                        accepted.push(id);
                    }
                    accepted
                })
            })
            .collect();
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for cases in all() {
                cases.iter().for_each(|case| tried(&server, case));
            }
        }));
        over.store(true, Ordering::Relaxed);
        let accepted =
            publishers.into_iter().flat_map(|one| one.join().expect("others are served")).collect();
        tried.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        accepted
    });
    unharmed(&server, "after");
    for id in &accepted {
        assert_eq!(
            server.http("GET", &format!("/v1/events/{id}"), &[], b"").expect("answered").0,
            200,
            "{id}"
        );
    }
}

#[test]
fn bad_requests_are_refused_right_after_a_server_that_was_killed_is_back() {
    let mut server = Server::start(None);
    for (number, cases) in all().iter().enumerate() {
        assert!(good(&server, &format!("before-{number}")));
        server.kill();
        server.begin();
        cases.iter().for_each(|case| tried(&server, case));
        unharmed(&server, &format!("after-{number}"));
    }
    for number in 0..4 {
        server.get(&format!("/v1/events/before-{number}"));
    }
}

#[test]
fn a_thousand_clients_that_leave_before_the_answer_harm_nobody() {
    let server = Server::start(None);
    for number in 0..1_000 {
        let body = format!(r#"{{"specversion":"1.0","id":"gone-{number}","source":"/t","type":"T"}}"#);
        let head =
            format!("Content-Type: application/cloudevents+json\r\nContent-Length: {}\r\n", body.len());
        let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).expect("connected");
        stream.write_all(&request(&format!("POST {GOOD}"), &head, body)).expect("sent");
    }
    assert!(good(&server, "last"));
    let mut ids = BTreeSet::new();
    let mut next = format!("{GOOD}?since=start&limit=1000");
    loop {
        let page = server.get(&next);
        let items = page["items"].as_array().expect("a list");
        for item in items {
            let id = item["event"]["id"].as_str().expect("an id").to_owned();
            assert!(ids.insert(id), "an event is stored twice: {item}");
        }
        match page["next_cursor"].as_str().filter(|_| !items.is_empty()) {
            Some(cursor) => next = format!("{GOOD}?cursor={cursor}&limit=1000"),
            None => break,
        }
    }
    assert!(ids.contains("last"));
}
