//! Bad input: each kind is refused with its code, its place, and words that say what to do.

use bytes::Bytes;
use cantus_api::event::{Limits, Reader};
use cantus_api::{Code, Problem};

use crate::{at, event_with, good, place, read, reader, refused};

fn wrong(members: &str) -> (String, String) {
    refused(event_with(members))
}

#[test]
fn what_an_event_needs_is_asked_for_by_name() {
    assert_eq!(refused("{}"), at("EVENT_INVALID", "#"));
    assert_eq!(refused(r#"{"specversion":"1.0","source":"/s"}"#), at("EVENT_INVALID", "#/type"));
    assert_eq!(refused(r#"{"specversion":"1.0","type":"t"}"#), at("EVENT_INVALID", "#/source"));
    assert_eq!(refused(r#"{"specversion":"1.0","type":null,"source":"/s"}"#), at("EVENT_INVALID", "#/type"));
    assert_eq!(refused(r#"{"event":{"source":"/s"}}"#), at("EVENT_INVALID", "#/event/type"));
    assert_eq!(refused(r#"{"event":{"type":"t"},"payload":1}"#), at("EVENT_INVALID", "#/event/source"));
    assert_eq!(
        refused(r#"{"specversion":"0.3","type":"t","source":"/s"}"#),
        at("EVENT_INVALID", "#/specversion")
    );
    assert_eq!(
        refused(r#"{"specversion":1.0,"type":"t","source":"/s"}"#),
        at("EVENT_INVALID", "#/specversion")
    );
    let problem = read(r#"{"type":"t","source":"/s"}"#).unwrap_err();
    assert_eq!(problem.hint.as_deref(), Some(r#"add "specversion":"1.0""#));
}

#[test]
fn a_wrong_type_is_named() {
    assert_eq!(
        refused(r#"{"specversion":"1.0","id":5,"type":"t","source":"/s"}"#),
        at("ATTRIBUTE_INVALID", "#/id")
    );
    assert_eq!(wrong(r#","subject":{"a":1}"#), at("ATTRIBUTE_INVALID", "#/subject"));
    assert_eq!(wrong(r#","priority":"urgent""#), at("ATTRIBUTE_INVALID", "#/priority"));
    assert_eq!(wrong(r#","kind":"Event""#), at("ATTRIBUTE_INVALID", "#/kind"));
    assert_eq!(wrong(r#","x":1.5"#), at("ATTRIBUTE_INVALID", "#/x"));
    assert_eq!(wrong(r#","x":2147483648"#), at("ATTRIBUTE_INVALID", "#/x"));
    assert_eq!(wrong(r#","x":[]"#), at("ATTRIBUTE_INVALID", "#/x"));
    for hops in ["-1", "1.0", "\"many\"", "4294967296", "true"] {
        assert_eq!(wrong(&format!(",\"hops\":{hops}")), at("ATTRIBUTE_INVALID", "#/hops"));
    }
    assert_eq!(good(event_with(r#","hops":"7""#)).hops, Some(7));
    assert_eq!(
        refused(r#"{"event":{"type":"t","source":"/s","id":false}}"#),
        at("ATTRIBUTE_INVALID", "#/event/id")
    );
    assert_eq!(refused(r#"{"event":[]}"#), at("EVENT_INVALID", "#/event"));
    assert_eq!(
        refused(r#"{"event":{"type":"t","source":"/s"},"routing":"x"}"#),
        at("EVENT_INVALID", "#/routing")
    );
    let problem = read(r#"{"event":{"type":"t","source":"/s","correlation_id":7}}"#).unwrap_err();
    assert_eq!(problem.detail, "`event.correlation_id` must be a string, not a number: put it in quotes");
}

#[test]
fn a_name_that_is_none_is_refused_with_the_one_that_was_meant() {
    for (name, meant) in [
        ("correlation_id", "correlationid"),
        ("timestamp_", "timestamp"),
        ("Topic", "topic"),
        ("payload_", "payload"),
        ("content_type", "datacontenttype"),
        ("partition-key", "partitionkey"),
    ] {
        let problem = read(event_with(&format!(",\"{name}\":\"x\""))).unwrap_err();
        assert_eq!(place(&problem), at("ATTRIBUTE_INVALID", &format!("#/{name}")));
        assert_eq!(problem.hint, Some(format!("write `{meant}`")));
    }
    assert_eq!(wrong(r#","":"x""#), at("ATTRIBUTE_INVALID", "#/"));
    assert_eq!(wrong(r#","a/b~c":null"#), at("ATTRIBUTE_INVALID", "#/a~1b~0c"));
}

#[test]
fn a_name_that_comes_twice_is_refused_but_not_in_data() {
    assert_eq!(wrong(r#","id":"2""#), at("EVENT_INVALID", "#/id"));
    assert_eq!(wrong(r#","\u0069d":"2""#), at("EVENT_INVALID", "#/id"));
    assert_eq!(wrong(r#","data":1,"data":1"#), at("EVENT_INVALID", "#/data"));
    assert_eq!(
        refused(r#"{"event":{"type":"t","type":"t","source":"/s"}}"#),
        at("EVENT_INVALID", "#/event/type")
    );
    assert_eq!(
        refused(r#"{"event":{"type":"t","source":"/s"},"routing":{"a":1,"a":1}}"#),
        at("EVENT_INVALID", "#/routing/a")
    );
    assert_eq!(wrong(r#","data":1,"data_base64":"AA==""#), at("EVENT_INVALID", "#/data_base64"));
    good(event_with(r#","data":{"a":1,"a":2}"#));
}

#[test]
fn a_time_is_rfc_3339_or_refused() {
    for name in ["time", "expirytime", "deliverat"] {
        for time in [
            "yesterday",
            "2025-11-29T14:30:00",
            "NaN",
            "-1",
            "2025-02-30T00:00:00Z",
            "2025-11-29T23:59:60Z",
            "",
        ] {
            assert_eq!(
                wrong(&format!(",\"{name}\":\"{time}\"")),
                at("ATTRIBUTE_INVALID", &format!("#/{name}")),
                "{time}"
            );
        }
        for time in ["2016-12-31T23:59:60Z", "9999-12-31T23:59:59.999999999Z", "2025-11-29t14:30:00-00:00"] {
            good(event_with(&format!(",\"{name}\":\"{time}\"")));
        }
    }
    assert_eq!(wrong(r#","time":1764426600"#), at("ATTRIBUTE_INVALID", "#/time"));
    let event = good(event_with(r#","time":"2025-11-29T14:30:00.120+01:00""#));
    assert_eq!(
        event.time.as_deref(),
        Some("2025-11-29T14:30:00.120+01:00"),
        "the text is kept as it was written"
    );
}

#[test]
fn sources_and_schemas_are_uris() {
    let source = |source: &str| read(format!(r#"{{"specversion":"1.0","type":"t","source":"{source}"}}"#));
    for fine in [
        "/a",
        "https://example.com/a?b=c#d",
        "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
        "a/b:c",
        "mailto:a@b.c",
        "//host/x",
        "1-555-123",
        "%C3%A9",
    ] {
        assert!(source(fine).is_ok(), "{fine}");
    }
    for (bad, says) in [
        ("my agent", "write %20 instead of ' '"),
        ("/a%2", "two hexadecimal digits"),
        ("é", "write %C3%A9"),
        ("1:a", "no scheme"),
        ("/a#b#c", "more than one #"),
        ("<x>", "%3C"),
    ] {
        let problem = source(bad).unwrap_err();
        assert_eq!(place(&problem), at("ATTRIBUTE_INVALID", "#/source"));
        assert!(problem.detail.contains(says), "{problem}");
    }
    assert_eq!(wrong(r#","dataschema":"schemas/a.json""#), at("ATTRIBUTE_INVALID", "#/dataschema"));
    assert_eq!(wrong(r#","datacontenttype":"json""#), at("ATTRIBUTE_INVALID", "#/datacontenttype"));
}

#[test]
fn characters_that_are_none_are_refused_in_attributes() {
    for (character, name) in [
        ("\\u0000", "U+0000"),
        ("\\n", "U+000A"),
        ("\\u007f", "U+007F"),
        ("\\u0085", "U+0085"),
        ("\\ufffe", "U+FFFE"),
        ("\\ufdd0", "U+FDD0"),
        ("\\ud83f\\udfff", "U+1FFFF"),
    ] {
        let problem = read(event_with(&format!(",\"subject\":\"a{character}b\""))).unwrap_err();
        assert_eq!(place(&problem), at("ATTRIBUTE_INVALID", "#/subject"), "{character}");
        assert!(problem.detail.contains(name), "{problem}");
    }
    good(event_with(",\"subject\":\"é😀 \u{202e}\""));
    good(event_with(r#","data":"a\u0000b""#));
}

#[test]
fn what_is_not_json_is_refused_where_it_breaks() {
    assert_eq!(refused(""), at("JSON_INVALID", "#"));
    assert_eq!(refused("no"), at("JSON_INVALID", "#"));
    assert_eq!(refused("[]"), at("JSON_INVALID", "#"));
    assert_eq!(wrong(r#","data":{"a":[1,2,}"#), at("JSON_INVALID", "#/data/a/2"));
    assert_eq!(wrong(r#","data":{"a":"\ud800"}"#), at("JSON_INVALID", "#/data/a"));
    assert_eq!(wrong(r#","subject":"\udc00x""#), at("JSON_INVALID", "#/subject"));
    assert_eq!(wrong(",\"subject\":\"a\u{0}b\""), at("JSON_INVALID", "#/subject"));
    assert_eq!(wrong(r#","data":NaN"#), at("JSON_INVALID", "#/data"));
    assert_eq!(wrong(r#","data":01"#), at("JSON_INVALID", "#/data"));
    assert_eq!(refused(format!("{} x", event_with(""))), at("JSON_INVALID", "#"));
    assert_eq!(refused(b"\xef\xbb\xbf{}"), at("JSON_INVALID", "#"));
    assert_eq!(refused(b"\xff\xfe{\0"), at("JSON_INVALID", "#"));
    let mut overlong = event_with(r#","subject":"a?b""#).into_bytes();
    let place = overlong.iter().position(|byte| *byte == b'?').unwrap();
    overlong.splice(place..=place, [0xC0, 0xA0]);
    assert_eq!(refused(&overlong), at("JSON_INVALID", "#/subject"));
    let problem = read("{\n  \"specversion\": \"1.0\",\n  \"type\" \"t\"}").unwrap_err();
    assert_eq!(problem.detail, "line 3, column 10: a colon is expected here");
}

#[test]
fn depth_counts_from_the_event_itself() {
    let nested =
        |levels: usize| event_with(&format!(",\"data\":{}{}", "[".repeat(levels), "]".repeat(levels)));
    good(nested(126));
    good(nested(127));
    assert_eq!(refused(nested(128)).0, "JSON_TOO_DEEP");
    assert_eq!(refused("[".repeat(100_000)).0, "JSON_INVALID");
    assert_eq!(refused(event_with(&format!(",\"data\":{}", "[".repeat(100_000)))).0, "JSON_TOO_DEEP");
    assert_eq!(refused(event_with(&format!(",\"data\":{}", "{\"a\":".repeat(100_000)))).0, "JSON_TOO_DEEP");
    let batch = Bytes::from(format!("[{}]", nested(127)));
    assert_eq!(reader().batch(&batch).unwrap().len(), 1);
    // An envelope counts the same: its payload is one level down too.
    let envelope = |levels: usize| {
        format!(
            "{{\"event\":{{\"type\":\"t\",\"source\":\"/s\"}},\"payload\":{}{}}}",
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    good(envelope(127));
    assert_eq!(refused(envelope(128)).0, "JSON_TOO_DEEP");
}

#[test]
fn sizes_are_limited_to_the_byte() {
    let limits = Limits { event_bytes: 100, batch_events: 3, batch_bytes: 300, ..Limits::default() };
    let reader = Reader::new(&limits);
    let sized = |bytes: usize| {
        let filler = bytes - event_with(r#","data":"""#).len();
        event_with(&format!(",\"data\":\"{}\"", "x".repeat(filler)))
    };
    let code = |problem: Box<Problem>| problem.known_code().unwrap();
    assert!(reader.event(&sized(100).into()).is_ok());
    assert_eq!(code(reader.event(&sized(101).into()).unwrap_err()), Code::EventTooLarge);
    assert_eq!(code(reader.batch(&format!("[{}]", sized(101)).into()).unwrap_err()), Code::EventTooLarge);
    let small = event_with("");
    assert!(reader.batch(&format!("[{small},{small},{small}]").into()).is_ok());
    assert_eq!(
        code(reader.batch(&format!("[{}]", [small.as_str(); 4].join(",")).into()).unwrap_err()),
        Code::BatchTooLarge
    );
    assert_eq!(code(reader.lines(&[small.as_str(); 4].join("\n").into()).unwrap_err()), Code::BatchTooLarge);
    assert_eq!(
        code(reader.batch(&format!("[{}]", " ".repeat(299)).into()).unwrap_err()),
        Code::BatchTooLarge
    );
}

#[test]
fn attributes_are_limited_in_length_and_number() {
    let value = |length: usize| event_with(&format!(",\"abc\":\"{}\"", "x".repeat(length)));
    good(value(4093));
    assert_eq!(refused(value(4094)), at("ATTRIBUTE_INVALID", "#/abc"));
    let member = |length: usize| {
        format!("{{\"event\":{{\"type\":\"t\",\"source\":\"/s\"}},\"x\":[\"{}\"]}}", "x".repeat(length))
    };
    good(member(4000));
    assert_eq!(refused(member(4096)), at("ATTRIBUTE_INVALID", "#/x"));
    let many = |count: usize| event_with(&(0..count).map(|n| format!(",\"x{n}\":1")).collect::<String>());
    good(many(128));
    assert_eq!(refused(many(129)), at("EVENT_INVALID", "#/x128"));
    assert_eq!(refused(many(60_000)), at("EVENT_INVALID", "#"));
}

#[test]
fn a_batch_names_every_event_that_is_wrong() {
    let mut events = vec![event_with(""); 10_000];
    events[9998] = event_with(r#","time":"never""#);
    events[9999] = event_with(r#","priority":"x""#);
    let problem = reader().batch(&format!("[{}]", events.join(",")).into()).unwrap_err();
    assert_eq!(problem.known_code(), Some(Code::AttributeInvalid));
    assert!(problem.detail.starts_with("event 9998: `time` "), "{problem}");
    let pointers: Vec<_> = problem.errors.iter().map(|fault| fault.pointer.clone().unwrap()).collect();
    assert_eq!(pointers, ["#/9998/time", "#/9999/priority"]);

    let all_wrong = vec!["{}"; 1000];
    let problem = reader().batch(&format!("[{}]", all_wrong.join(",")).into()).unwrap_err();
    assert_eq!(problem.errors.len(), 16);

    let problem = reader().lines(&format!("{}\n\n{{\"event\": {{]", event_with("")).into()).unwrap_err();
    assert_eq!(place(&problem), at("JSON_INVALID", "#/1/event"));
    assert!(problem.detail.starts_with("event 1 (line 3): column 12: "), "{problem}");

    let problem = reader().batch(&event_with("").into()).unwrap_err();
    assert_eq!(problem.known_code(), Some(Code::BatchInvalid));
    assert_eq!(place(&reader().batch(&Bytes::from_static(b"[1]")).unwrap_err()), at("JSON_INVALID", "#/0"));
}

#[test]
fn text_cut_off_anywhere_is_refused_and_never_a_panic() {
    let text = event_with(r#","subject":"é\ud83d\ude00","data":{"a":[1.5e3,true,null,"x"]}"#);
    for end in 0..text.len() {
        let cut = &text.as_bytes()[..end];
        assert!(read(cut).is_err(), "{}", String::from_utf8_lossy(cut));
    }
}

#[test]
fn text_with_any_byte_changed_is_an_event_or_a_refusal() {
    let text = event_with(
        r#","subject":"a\u00e9","time":"2025-11-29T14:30:00Z","data":{"a":[1.5e3,true,null,"x"]}"#,
    );
    for place in 0..text.len() {
        for byte in [0, b' ', b'"', b'\\', b'{', b'}', b',', b'0', b'u', 0x7F, 0x80, 0xC3, 0xFF] {
            let mut changed = text.clone().into_bytes();
            changed[place] = byte;
            if let Err(problem) = read(&changed) {
                assert!(!problem.detail.is_empty() && !problem.errors.is_empty());
            }
        }
    }
}
