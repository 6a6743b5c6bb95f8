//! Requests in every mode: which one a request is in, and what headers say.

use bytes::Bytes;
use cantus_api::event::{Data, to_headers};
use cantus_api::{Code, Event, Problem};

use crate::{at, event_with, good, owned, place, reader};

const BINARY: [(&str, &str); 3] = [("ce-specversion", "1.0"), ("ce-type", "t"), ("ce-source", "/s")];

fn request(media: Option<&str>, headers: &[(&str, &str)], body: &str) -> Result<Vec<Event>, Box<Problem>> {
    let raw: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    reader().request(media, &raw, &Bytes::copy_from_slice(body.as_bytes())).map(owned)
}

fn binary(media: Option<&str>, more: &[(&str, &str)], body: &str) -> Result<Event, Box<Problem>> {
    request(media, &[&BINARY[..], more].concat(), body).map(|mut events| events.remove(0))
}

fn subject(value: &str) -> Result<String, (String, String)> {
    binary(None, &[("ce-subject", value)], "")
        .map(|event| event.subject.unwrap())
        .map_err(|problem| place(&problem))
}

#[test]
fn the_content_type_decides_the_mode() {
    let one = event_with("");
    let two = format!("[{one},{one}]");
    for media in [
        "application/cloudevents+json",
        "application/cloudevents+json; charset=UTF-8",
        "Application/CloudEvents+JSON",
        "application/json",
        "application/vnd.cantus.envelope+json",
        "application/x-ndjson",
    ] {
        assert_eq!(request(Some(media), &[], &one).unwrap(), [good(&one)], "{media}");
    }
    for media in
        ["application/cloudevents-batch+json", "application/json", "application/vnd.cantus.envelope+json"]
    {
        assert_eq!(request(Some(media), &[], &two).unwrap().len(), 2, "{media}");
    }
    // Repeated headers are allowed beside the structured mode, and its body wins.
    assert_eq!(
        request(Some("application/cloudevents+json"), &[("ce-id", "other")], &one).unwrap(),
        [good(&one)]
    );
    // With attributes in headers a JSON body is data.
    assert_eq!(binary(Some("application/json"), &[], &one).unwrap().data, Some(Data::json(one)));
}

#[test]
fn other_formats_are_refused_with_what_to_do() {
    for media in [
        None,
        Some(""),
        Some("text/plain"),
        Some("application/xml"),
        Some("application/cloudevents+avro"),
        Some("application/cloudevents"),
        Some("application/cloudevents-batch+avro"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let problem = request(media, &[], &event_with("")).unwrap_err();
        assert_eq!(problem.known_code(), Some(Code::MediaTypeUnsupported), "{media:?}");
        assert_eq!(place(&problem).1, "content-type");
        assert!(problem.hint.unwrap().contains("application/cloudevents+json"));
    }
    let problem = request(Some("application/json"), &[], r#"{"order":42}"#).unwrap_err();
    assert_eq!(place(&problem), at("EVENT_INVALID", "#"));
    assert!(problem.hint.unwrap().contains("ce-type"));
}

#[test]
fn a_header_is_unquoted_then_percent_decoded_once() {
    for (value, means) in [
        ("plain", "plain"),
        ("  spaced  ", "spaced"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("%e2%82%ac", "€"),
        ("%41%2d", "A-"),
        ("a%2520b", "a%20b"),
        ("\"quoted text\"", "quoted text"),
        (r#""a \"b\" \\c""#, "a \"b\" \\c"),
        (r#""a%20b""#, "a b"),
        ("é", "é"),
        ("a b", "a b"),
    ] {
        assert_eq!(subject(value).as_deref(), Ok(means), "{value}");
    }
    for value in
        ["%C0%A0", "%ED%A0%80", "%FF", "50%", "%4", "%zz", "\"open", "\"a\"b", "\"a\\", "a%00b", "a%0Ab"]
    {
        assert_eq!(subject(value), Err(at("ATTRIBUTE_INVALID", "ce-subject")), "{value}");
    }
}

#[test]
fn headers_have_the_rules_of_attributes() {
    let event = binary(
        Some("text/plain"),
        &[("CE-Time", "2025-11-29T14:30:00Z"), ("ce-hops", "4"), ("ce-sagaid", "s1"), ("x-other", "%")],
        "hé",
    )
    .unwrap();
    assert_eq!((event.time.as_deref(), event.hops), (Some("2025-11-29T14:30:00Z"), Some(4)));
    assert_eq!(event.extension("sagaid").unwrap().value, "\"s1\"");
    assert_eq!(event.data, Some(Data::text("hé")));
    for (name, value, code) in [
        ("ce-time", "never", "ATTRIBUTE_INVALID"),
        ("ce-priority", "x", "ATTRIBUTE_INVALID"),
        ("ce-correlation_id", "x", "ATTRIBUTE_INVALID"),
        ("ce-", "x", "ATTRIBUTE_INVALID"),
        ("ce-id", "", "ATTRIBUTE_INVALID"),
        ("ce-datacontenttype", "text/plain", "EVENT_INVALID"),
        ("ce-data", "x", "EVENT_INVALID"),
        ("ce-type", "again", "EVENT_INVALID"),
        ("Ce-Type", "again", "EVENT_INVALID"),
    ] {
        let problem = binary(None, &[(name, value)], "").unwrap_err();
        assert_eq!(place(&problem), at(code, &name.to_ascii_lowercase()), "{name}");
    }
    for (missing, rest) in [("ce-specversion", [1, 2]), ("ce-type", [0, 2]), ("ce-source", [0, 1])] {
        let problem = request(None, &[BINARY[rest[0]], BINARY[rest[1]]], "").unwrap_err();
        assert_eq!(place(&problem), at("EVENT_INVALID", missing));
    }
    let long = "x".repeat(4096);
    assert_eq!(place(&binary(None, &[("ce-a", &long)], "").unwrap_err()), at("ATTRIBUTE_INVALID", "ce-a"));
    assert_eq!(place(&binary(Some("json"), &[], "{}").unwrap_err()), at("ATTRIBUTE_INVALID", "content-type"));
}

#[test]
fn the_body_of_a_binary_request_is_data_by_its_media_type() {
    let data = |media: Option<&str>, body: &[u8]| {
        let raw: Vec<(&str, &[u8])> = BINARY.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        reader()
            .binary(media, &raw, &Bytes::copy_from_slice(body))
            .map(|event| event.data)
            .map_err(|problem| place(&problem))
    };
    assert_eq!(data(Some("application/json"), b""), Ok(None));
    assert_eq!(data(Some("application/json"), b" {\"a\": 1}\n"), Ok(Some(Data::json("{\"a\": 1}"))));
    assert_eq!(data(Some("application/problem+json; x=y"), b"1"), Ok(Some(Data::json("1"))));
    assert_eq!(data(Some("text/plain; charset=\"utf-8\""), "é".as_bytes()), Ok(Some(Data::text("é"))));
    assert_eq!(data(Some("text/plain; charset=iso-8859-1"), b"\xe9"), Ok(Some(Data::binary(&b"\xe9"[..]))));
    assert_eq!(data(Some("text/plain; charset=utf-16"), b"ab"), Ok(Some(Data::binary(&b"ab"[..]))));
    assert_eq!(data(Some("text/plain"), b"\xff"), Ok(Some(Data::binary(&b"\xff"[..]))));
    assert_eq!(data(Some("image/svg+xml"), b"<svg/>"), Ok(Some(Data::text("<svg/>"))));
    assert_eq!(data(Some("application/octet-stream"), b"abc"), Ok(Some(Data::binary(&b"abc"[..]))));
    assert_eq!(data(None, b"{\"a\":1}"), Ok(Some(Data::json("{\"a\":1}"))));
    assert_eq!(data(None, b"abc"), Ok(Some(Data::binary(&b"abc"[..]))));
    assert_eq!(data(Some("application/json"), b"{\"a\":}"), Err(at("JSON_INVALID", "#/a")));
    assert_eq!(data(Some("application/json"), b"\xef\xbb\xbf{}"), Err(at("JSON_INVALID", "#")));
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(data(Some("application/json"), deep(127).as_bytes()).is_ok());
    assert_eq!(data(Some("application/json"), deep(128).as_bytes()).unwrap_err().0, "JSON_TOO_DEEP");
}

#[test]
fn an_event_survives_the_way_through_headers() {
    let event = good(event_with(
        r#","subject":"50% of \"é\" 😀","time":"2025-11-29T14:30:00Z","hops":2,"priority":"low","topic":"a.b","sagaid":"s 1","datacontenttype":"application/json","data":{"a": 1}"#,
    ));
    let headers = to_headers(&event.view());
    assert!(headers.contains(&("ce-subject".into(), "50%25%20of%20%22%C3%A9%22%20%F0%9F%98%80".into())));
    assert!(!headers.iter().any(|(name, _)| name == "ce-datacontenttype"));
    let raw: Vec<(&str, &[u8])> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let body = event.data.as_ref().unwrap().bytes.clone();
    assert_eq!(owned(reader().request(Some("application/json"), &raw, &body).unwrap()), [event]);
}
