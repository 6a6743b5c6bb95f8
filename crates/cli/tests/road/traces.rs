//! Traces: what a collector is sent, and what a program is handed on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::server::{Server, file};

/// A collector of OTLP over HTTP: it takes spans and keeps them.
struct Collector {
    port: u16,
    kept: Arc<Mutex<Vec<(String, Span)>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keeping = kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = keeping.clone();
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Self { port, kept }
    }

    fn spans(&self) -> Vec<(String, Span)> {
        self.kept.lock().expect("nobody panics with it").clone()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<(String, Span)>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut length = 0;
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        assert!(line.starts_with("POST /v1/traces "), "{line}");
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let request = ExportTraceServiceRequest::decode(&*body).expect("OTLP as protobuf");
        for spans in request.resource_spans {
            let resource = spans.resource.expect("a resource");
            let service = resource.attributes.iter().find(|one| one.key == "service.name");
            let service = format!("{:?}", service.expect("a service has a name").value);
            let spans = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
            kept.lock().expect("nobody panics with it").extend(spans.map(|span| (service.clone(), span)));
        }
        writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

#[test]
fn every_attempt_is_a_span_that_links_to_the_publish_and_is_handed_on() {
    let collector = Collector::start();
    let dir = tempfile::tempdir().expect("a temporary folder");
    // Fails the first time, and says in which span it ran.
    let script = "echo $TRACEPARENT >> seen; [ $CANTUS_ATTEMPT = 2 ] || exit 75";
    let yaml = format!(
        "version: 1\ntopics: {{ tasks: {{}} }}\nagents:\n  /worker:\n    subscriptions:\n      - topic: tasks\n        \
         action: {{ exec: [sh, -c, \"{script}\"] }}\n        retry: {{ initial_delay: 1ms, max_delay: 1ms }}\n"
    );
    let endpoint = format!("http://127.0.0.1:{}", collector.port);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_SERVICE_NAME", "coordinator-under-test"),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
    ];
    let server = Server::start_with_variables(&file(dir.path(), &yaml), &variables);
    let caller = format!("00-{TRACE}-{CALLER}-01");
    let headers = [("Content-Type", "application/cloudevents+json"), ("traceparent", &*caller)];
    let event = br#"{"specversion":"1.0","id":"e1","source":"/t","type":"T","data":{"a":1}}"#;
    let (status, body) = server.http("POST", "/v1/topics/tasks/events", &headers, event).expect("an answer");
    assert_eq!(status, 202, "{body}");
    let spans = server.wait("three spans", |_| {
        let spans = collector.spans();
        (spans.len() >= 3).then_some(spans)
    });
    assert!(spans.iter().all(|(service, _)| service.contains("coordinator-under-test")), "{spans:?}");
    let spans: Vec<Span> = spans.into_iter().map(|(_, span)| span).collect();

    let send = spans.iter().find(|span| span.name == "send tasks").expect("the publish");
    assert_eq!((hex(&send.trace_id), hex(&send.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));
    assert_eq!(attribute(send, "messaging.message.id").as_deref(), Some("e1"));

    let mut attempts: Vec<&Span> = spans.iter().filter(|span| span.name == "process tasks").collect();
    attempts.sort_by_key(|span| attribute(span, "cantus.delivery.attempt"));
    let [first, second] = *attempts else { panic!("{attempts:?}") };
    for attempt in [first, second] {
        let link = attempt.links.first().expect("a link to the publish");
        assert_eq!((&link.trace_id, &link.span_id), (&send.trace_id, &send.span_id));
        assert_ne!(attempt.trace_id, send.trace_id, "a link, no parent");
        assert_eq!(attribute(attempt, "messaging.system").as_deref(), Some("cantus"));
        assert_eq!(
            attribute(attempt, "messaging.destination.subscription.name").as_deref(),
            Some("worker/tasks")
        );
        assert_eq!(attribute(attempt, "cloudevents.event_type").as_deref(), Some("T"));
        assert!(attempt.start_time_unix_nano <= attempt.end_time_unix_nano);
    }
    assert_eq!(attribute(first, "error.type").as_deref(), Some("temporary_failure"));
    assert_eq!(attribute(second, "error.type"), None);

    let seen = std::fs::read_to_string(dir.path().join("seen")).expect("the program wrote it");
    let handed: Vec<String> =
        attempts.iter().map(|span| format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id))).collect();
    assert_eq!(seen.lines().collect::<Vec<_>>(), handed);
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused_at_the_start() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cantus"))
        .args(["dev", "--port", "0", "--data-dir"])
        .arg(dir.path().join("data"))
        .current_dir(dir.path())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .output()
        .expect("the binary runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("http/protobuf") && said.contains("4318"), "{said}");
}
