//! The client against a server that answers from a list, so that every answer, also a broken one, can be tried.
#![expect(clippy::unwrap_used, reason = "what these helpers open is there, or the test fails")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cantus_client::api::dead_letter::DeadLettersQuery;
use cantus_client::api::error::ExitCode;
use cantus_client::api::event::Data;
use cantus_client::api::pull::{AckStatus, Nack};
use cantus_client::api::stream::{EventQuery, EventsQuery, StreamQuery};
use cantus_client::api::time::Span;
use cantus_client::api::{Code, Event, Problem};
use cantus_client::{Client, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that gives its answers in order and keeps what it was asked.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn answering(answers: impl IntoIterator<Item = String>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Mutex<VecDeque<String>>> = Arc::new(Mutex::new(answers.into_iter().collect()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&log)));
            }
        });
        Server { url, asked }
    }

    fn client(&self) -> Client {
        Client::builder().url(&self.url).token("secret").build().unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The first line of the only request.
    fn line(&self) -> String {
        let asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked[0].lines().next().unwrap().to_owned()
    }
}

async fn serve(mut stream: TcpStream, answers: Arc<Mutex<VecDeque<String>>>, asked: Arc<Mutex<Vec<String>>>) {
    let mut bytes = Vec::new();
    while let Some(end) = request_end(&mut stream, &mut bytes).await {
        let request: Vec<u8> = bytes.drain(..end).collect();
        asked.lock().unwrap().push(String::from_utf8(request).unwrap());
        // Without a further answer the server stays silent.
        let Some(answer) = answers.lock().unwrap().pop_front() else { return std::future::pending().await };
        if stream.write_all(answer.as_bytes()).await.is_err() || !answer.starts_with("HTTP/1.1") {
            return;
        }
    }
}

async fn request_end(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<usize> {
    loop {
        let text = String::from_utf8_lossy(bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let end = head.len() + 4 + length.unwrap_or(0usize);
            if bytes.len() >= end {
                return Some(end);
            }
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
        }
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

fn ok(body: &str) -> String {
    answer(200, "content-type: application/json\r\n", body)
}

fn problem(code: Code, headers: &str) -> String {
    let body = String::from_utf8(Problem::new(code, "because").to_json()).unwrap();
    answer(code.status(), &format!("content-type: application/problem+json\r\n{headers}"), &body)
}

const RECEIPT: &str = r#"{"results":[{"id":"e1","source":"/s","topic":"t","position":"0:1","correlation_id":"e1","status":"accepted"}]}"#;

#[tokio::test]
async fn a_publish_carries_token_topic_revision_and_key() {
    let server = Server::answering([ok(RECEIPT)]).await;
    let event = Event::new("/s", "OrderPlaced").json(&serde_json::json!({"order": 42})).unwrap();
    let receipts = server
        .client()
        .publish(&event)
        .topic("orders")
        .expected_revision(7)
        .idempotency_key("a\"b")
        .send()
        .await
        .unwrap();
    assert_eq!(receipts[0].position, "0:1");
    let asked = server.asked().remove(0);
    assert!(asked.starts_with("POST /v1/topics/orders/events?expected_revision=7 HTTP/1.1\r\n"), "{asked}");
    for header in [
        "authorization: Bearer secret",
        r#"idempotency-key: "a\"b""#,
        "content-type: application/cloudevents+json",
    ] {
        assert!(asked.contains(header), "{header} in {asked}");
    }
    let body = r#"{"specversion":"1.0","type":"OrderPlaced","source":"/s","data":{"order":42}}"#;
    assert!(asked.ends_with(body), "{asked}");
}

#[tokio::test]
async fn several_events_are_one_batch() {
    let server = Server::answering([ok(RECEIPT)]).await;
    server.client().publish_all(&[Event::new("/s", "a"), Event::new("/s", "b")]).send().await.unwrap();
    let asked = server.asked().remove(0);
    assert!(asked.starts_with("POST /v1/events HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("application/cloudevents-batch+json"), "{asked}");
    assert!(asked.ends_with(
        r#"[{"specversion":"1.0","type":"a","source":"/s"},{"specversion":"1.0","type":"b","source":"/s"}]"#
    ));
}

#[tokio::test]
async fn names_are_encoded_into_the_url() {
    let server = Server::answering([ok(r#"{"stream":"task/42","revision":1,"items":[]}"#)]).await;
    let query = StreamQuery { limit: Some(10), ..StreamQuery::default() };
    server.client().stream("task/42 é%", &query).await.unwrap();
    assert_eq!(server.line(), "GET /v1/streams/task%2F42%20%C3%A9%25?limit=10 HTTP/1.1");
}

#[tokio::test]
async fn a_url_with_a_path_keeps_it() {
    let server = Server::answering([ok(r#"{"items":[]}"#)]).await;
    let client = Client::builder().url(format!("{}/cantus/", server.url)).build().unwrap();
    client.topics(&Default::default()).await.unwrap();
    assert_eq!(server.line(), "GET /cantus/v1/topics HTTP/1.1");
    assert!(!server.asked()[0].contains("authorization"));
}

#[tokio::test]
async fn what_fits_into_no_url_is_not_sent() {
    let server = Server::answering([]).await;
    for id in ["", ".", ".."] {
        let error = server.client().event(id, &EventQuery::default()).await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
    }
    assert!(matches!(server.client().subscription("coder").await, Err(Error::Invalid(_))));
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_refusal_has_its_code_and_exit_code() {
    let server = Server::answering([problem(Code::EventUnknown, "")]).await;
    let error = server.client().event("evt_1", &EventQuery::default()).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), (Some(Code::EventUnknown), ExitCode::NotFound));
    assert_eq!(error.to_string(), "EVENT_UNKNOWN: because");
}

#[tokio::test]
async fn an_overloaded_server_is_asked_again_after_the_time_it_names() {
    let server = Server::answering([
        problem(Code::Overloaded, "retry-after: 0\r\n"),
        problem(Code::Overloaded, "retry-after: 0\r\n"),
        ok(RECEIPT),
    ])
    .await;
    server.client().publish(&Event::new("/s", "t")).send().await.unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0], asked[2], "the same request each time");
}

#[tokio::test]
async fn patience_has_an_end() {
    let server = Server::answering([problem(Code::Overloaded, "retry-after: 3600\r\n")]).await;
    let error = server.client().publish(&Event::new("/s", "t")).send().await.unwrap_err();
    let Error::Refused { retry_after, .. } = &error else { panic!("{error}") };
    assert_eq!(*retry_after, Some(Duration::from_secs(3600)));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn other_refusals_are_not_tried_again() {
    let server = Server::answering([problem(Code::ShuttingDown, "retry-after: 0\r\n"), ok(RECEIPT)]).await;
    let error = server.client().publish(&Event::new("/s", "t")).send().await.unwrap_err();
    assert_eq!(error.code(), Some(Code::ShuttingDown));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::builder().url(&url).build().unwrap().status().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { before_sending: true, .. }), "{error:?}");
    assert_eq!(error.exit_code(), ExitCode::Unreachable);
    assert!(error.to_string().starts_with(&format!("{url}/ cannot be reached: ")), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_unreachable_and_may_have_arrived() {
    let server = Server::answering(["HTT".to_owned()]).await;
    let error = server.client().status().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { before_sending: false, .. }), "{error:?}");
}

#[tokio::test]
async fn https_is_never_answered_in_the_clear() {
    let server = Server::answering([ok("{}")]).await;
    let built = Client::builder()
        .url(server.url.replace("http:", "https:"))
        .timeout(Duration::from_millis(200))
        .build();
    match built {
        Ok(client) => {
            assert!(matches!(client.status().await, Err(Error::Unreachable { .. } | Error::Timeout { .. })))
        }
        Err(error) => {
            assert!(matches!(error, Error::Invalid(_)), "a system without certificates says so: {error}")
        }
    }
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let server = Server::answering([]).await;
    let client = Client::builder().url(&server.url).timeout(Duration::from_millis(50)).build().unwrap();
    let error = client.status().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    assert_eq!(error.exit_code(), ExitCode::Timeout);
}

#[tokio::test]
async fn an_answer_of_another_program_is_named() {
    for strange in [
        ok("<html>"),
        ok("{}"),
        answer(200, "", ""),
        answer(502, "content-type: text/html\r\n", "bad gateway"),
        answer(302, "location: http://127.0.0.1:1/\r\n", ""),
        answer(404, "content-type: application/json\r\n", r#"{"title":"no problem"}"#),
    ] {
        let server = Server::answering([strange.clone()]).await;
        let error = server.client().status().await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{strange}: {error:?}");
        assert_eq!(server.asked().len(), 1, "redirects are not followed");
    }
}

#[tokio::test]
async fn an_answer_larger_than_allowed_is_not_kept() {
    let server = Server::answering([ok(&format!("\"{}\"", "x".repeat(5000)))]).await;
    let client = Client::builder().url(&server.url).answer_bytes_max(1000).build().unwrap();
    let error = client.status().await.unwrap_err();
    assert!(error.to_string().contains("larger than 1000 bytes"), "{error}");
}

#[tokio::test]
async fn a_pull_waits_and_its_deliveries_are_answered() {
    let server = Server::answering([
        ok(r#"{"deliveries":[{"delivery":"dlv_1","token":"tok","attempt":1,"deadline":"2026-01-01T00:00:00Z","subscription":"coder/tasks","position":"0:9","redelivered":false,"event":{"specversion":"1.0","id":"e","type":"t","source":"/s","data":{ "n": 1e400 }}}]}"#),
        ok(r#"{"status":"acked","results":[]}"#),
        ok(r#"{"status":"retrying","next_at":"2026-01-01T00:00:01Z"}"#),
        ok(r#"{"deadline":"2026-01-01T00:05:00Z"}"#),
    ])
    .await;
    let client = server.client();
    let pulled = client.pull("/coder/tasks", 5, Duration::from_secs(30)).await.unwrap();
    assert_eq!(pulled[0].event.data, Some(Data::json(r#"{ "n": 1e400 }"#)));
    let acked = client.ack("dlv_1", &pulled[0].token, &[Event::new("/coder", "Done")]).await.unwrap();
    assert_eq!(acked.status, AckStatus::Acked);
    let nack = Nack { token: "tok".into(), delay: Some(Span::from_ms(1500)), ..Nack::default() };
    client.nack("dlv_1", &nack).await.unwrap();
    client.progress("dlv_1", "tok").await.unwrap();
    let asked = server.asked();
    let ends = [
        ("POST /v1/subscriptions/coder/tasks/pull ", r#"{"max":5,"wait":"30s"}"#),
        (
            "POST /v1/deliveries/dlv_1/ack ",
            r#"{"token":"tok","publish":[{"specversion":"1.0","type":"Done","source":"/coder"}]}"#,
        ),
        ("POST /v1/deliveries/dlv_1/nack ", r#"{"token":"tok","delay":"1s500ms"}"#),
        ("POST /v1/deliveries/dlv_1/progress ", r#"{"token":"tok"}"#),
    ];
    for (asked, (start, end)) in asked.iter().zip(ends) {
        assert!(asked.starts_with(start) && asked.ends_with(end), "{asked}");
    }
}

#[tokio::test]
async fn following_goes_on_where_the_page_ended() {
    let server = Server::answering([
        ok(r#"{"items":[],"next_cursor":"c1","at_end":true}"#),
        problem(Code::ShuttingDown, ""),
        ok(r#"{"items":[],"next_cursor":"c2"}"#),
    ])
    .await;
    let query = EventsQuery {
        topic: Some("project.*".into()),
        since: Some("start".into()),
        ..EventsQuery::default()
    };
    let mut follow = server.client().follow(query);
    assert_eq!(follow.cursor(), None);
    follow.next_page().await.unwrap();
    follow.next_page().await.unwrap_err();
    assert_eq!(follow.cursor(), Some("c1"), "an error skips nothing");
    follow.next_page().await.unwrap();
    assert_eq!(follow.cursor(), Some("c2"));
    let lines: Vec<String> =
        server.asked().iter().map(|asked| asked.lines().next().unwrap().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/events?since=start&topic=project.*&wait=25s HTTP/1.1",
            "GET /v1/events?cursor=c1&topic=project.*&wait=25s HTTP/1.1",
            "GET /v1/events?cursor=c1&topic=project.*&wait=25s HTTP/1.1",
        ]
    );
}

#[tokio::test]
async fn pages_are_read_to_the_end_and_a_failed_one_again() {
    let letter = |id: &str| {
        format!(
            r#"{{"id":"{id}","event":{{"specversion":"1.0","type":"t","source":"/s"}},"topic":"t","position":null,"subscription":null,"reason":"loop_detected","status":"open","fingerprint":"f","error":{{"class":"","message":"","status":null,"exit_code":null}},"opened_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"}}"#
        )
    };
    let server = Server::answering([
        ok(&format!(r#"{{"items":[{},{}],"next_cursor":"c"}}"#, letter("dl_1"), letter("dl_2"))),
        problem(Code::Internal, ""),
        ok(&format!(r#"{{"items":[{}]}}"#, letter("dl_3"))),
    ])
    .await;
    let mut letters = server.client().all_dead_letters(&DeadLettersQuery::default());
    assert_eq!(letters.next().await.unwrap().unwrap().id, "dl_1");
    assert_eq!(letters.next().await.unwrap().unwrap().id, "dl_2");
    assert_eq!(letters.next().await.unwrap_err().code(), Some(Code::Internal));
    assert_eq!(letters.next().await.unwrap().unwrap().id, "dl_3");
    assert!(letters.next().await.unwrap().is_none());
    assert!(server.asked()[2].starts_with("GET /v1/dead-letters?cursor=c "));
}

#[tokio::test]
async fn a_server_that_is_not_ready_is_an_answer() {
    let server = Server::answering([answer(503, "content-type: text/plain\r\n", "[-]store failed\n")]).await;
    let health = server.client().readiness().await.unwrap();
    assert!(!health.ok && health.text.contains("store failed"));
    assert_eq!(server.line(), "GET /readyz?verbose=true HTTP/1.1");
}

#[test]
fn a_client_is_not_made_of_nonsense() {
    for url in ["", "ftp://x", "http://user:pass@x", "http://", "http://x:99999", "http://a b"] {
        let error = Client::builder().url(url).build().unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{url}: {error}");
    }
    let error = Client::builder().token("a\nb").build().unwrap_err();
    assert!(!error.to_string().contains("a\nb"), "no secret in the words: {error}");
    assert_eq!(Client::builder().url("localhost:4777").build().unwrap().url(), "http://localhost:4777/");
    let shown = format!("{:?}", Client::builder().token("very-secret").build().unwrap());
    assert!(!shown.contains("very-secret"), "{shown}");
}
