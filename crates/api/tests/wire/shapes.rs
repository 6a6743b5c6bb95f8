//! The two shapes: what they say, and what survives a way through them.

use bytes::Bytes;
use cantus_api::Event;
use cantus_api::event::{
    Data, Envelope, Extension, Form, Kind, Priority, Shape, Text, looks_like_event, write_line,
};

use crate::{event_with, good, reader, written};

const CLOUDEVENT: &str = r#"{"specversion":"1.0","id":"evt_01J","type":"TaskCompletedEvent","source":"/backend-architect","subject":"T1","time":"2025-11-29T14:30:00Z","kind":"command","eventversion":"2.1","correlationid":"project-xyz-123","causationid":"evt_previous","hops":3,"to":"/tester","topic":"project.tasks","partitionkey":"project-xyz","priority":"high","stream":"task/42","expirytime":"2025-12-29T14:30:00Z","deliverat":"2025-11-30T00:00:00+01:00","dataschema":"https://example.com/task.json","datacontenttype":"application/json","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tracestate":"a=b","sagaid":"s1","attempt":2,"urgent":true,"data":{"task_id":"T1"}}"#;
const ENVELOPE: &str = r#"{"event":{"id":"evt_01J","type":"TaskCompletedEvent","source":"/backend-architect","subject":"T1","timestamp":"2025-11-29T14:30:00Z","kind":"command","version":"2.1","correlation_id":"project-xyz-123","causation_id":"evt_previous","hops":3,"data_schema":"https://example.com/task.json","content_type":"application/json","trace_parent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","trace_state":"a=b","sagaid":"s1","attempt":2,"urgent":true},"payload":{"task_id":"T1"},"routing":{"to":"/tester","topic":"project.tasks","partition_key":"project-xyz","priority":"high","stream":"task/42","expires_at":"2025-12-29T14:30:00Z","deliver_at":"2025-11-30T00:00:00+01:00"}}"#;

#[test]
fn every_field_has_its_name_in_both_shapes() {
    let event = good(CLOUDEVENT);
    assert_eq!(event, good(ENVELOPE));
    assert_eq!(written(&event.view(), Shape::CloudEvent), CLOUDEVENT);
    assert_eq!(written(&event.view(), Shape::Envelope), ENVELOPE);
    assert_eq!(
        (event.kind, event.priority, event.hops),
        (Some(Kind::Command), Some(Priority::High), Some(3))
    );
    assert_eq!(event.extension("attempt").unwrap().canonical(), "2");
    assert_eq!(event.extension("sagaid"), Some(&Extension::text("sagaid", "s1")));
}

#[test]
fn the_envelope_of_the_documentation_is_read() {
    let event = good(
        r#"{"event":{"id":"evt-20251129-143000-abc123","type":"TaskCompletedEvent","source":"/backend-architect","timestamp":"2025-11-29T14:30:00Z",
          "version":"1.0","correlation_id":"project-xyz-123","causation_id":"evt-previous-id"},
 "payload":{"task_id":"T1","task_name":"API Design","status":"completed"},
 "routing":{"topic":"project.tasks","partition_key":"project-xyz","priority":"normal"}}"#,
    );
    assert_eq!(event.topic.as_deref(), Some("project.tasks"));
    assert_eq!(event.causation_id.as_deref(), Some("evt-previous-id"));
    assert_eq!(
        &event.data.unwrap().bytes[..],
        br#"{"task_id":"T1","task_name":"API Design","status":"completed"}"#
    );
}

#[test]
fn what_a_publisher_may_leave_out_stays_out() {
    let event = good(r#"{"specversion":"1.0","type":"t","source":"/s"}"#);
    assert_eq!(event, Event::new("/s", "t"));
    assert_eq!(written(&event.view(), Shape::Envelope), r#"{"event":{"type":"t","source":"/s"}}"#);
    let event = good(r#"{"event":{"type":"t","source":"/s","id":null},"routing":null}"#);
    assert_eq!(event, Event::new("/s", "t"));
}

#[test]
fn members_an_envelope_does_not_know_come_back_where_they_were() {
    let envelope = r#"{"event":{"type":"t","source":"/s","tenant":"acme","Owner":"x","meta":{"a":[1,2.50]},"topic":"t2","nothing":null,"ratio":0.10,"ce_version":"7"},"payload":null,"routing":{"region":"eu","weights":[1]},"schema_version":3,"a.b":{"c":"d e"},"":1}"#;
    let event = good(envelope);
    assert_eq!(written(&event.view(), Shape::Envelope), envelope);
    // What CloudEvents could have, it has; the rest belongs to the envelope alone.
    assert_eq!(
        written(&event.view(), Shape::CloudEvent),
        r#"{"specversion":"1.0","type":"t","source":"/s","tenant":"acme","version":"7","data":null}"#
    );
}

#[test]
fn an_extension_that_means_something_else_in_the_envelope_survives_it() {
    let event = good(event_with(r#","timestamp":"yesterday","version":"7""#));
    assert_eq!((event.time.as_ref(), event.version.as_ref()), (None, None));
    assert_eq!(good(written(&event.view(), Shape::Envelope)), event);
}

#[test]
fn data_stays_byte_for_byte() {
    let long_number = "9".repeat(4000);
    for data in [
        "{ \"a\" : 1 ,\n\t\"a\": 2 }",
        "1e400",
        "-0",
        "9007199254740993",
        &long_number,
        "0.10",
        "null",
        "\"\\u0041\\/\"",
        "[]",
        "true",
    ] {
        let event = good(event_with(&format!(",\"data\":  {data}  ")));
        assert_eq!(event.data, Some(Data::json(data.to_owned())), "{data}");
        for shape in [Shape::CloudEvent, Shape::Envelope] {
            let text = written(&event.view(), shape);
            assert!(text.contains(data), "{text}");
            assert_eq!(good(text), event);
        }
    }
}

#[test]
fn null_is_data_and_nothing_is_none() {
    assert_eq!(good(event_with(r#","data":null"#)).data, Some(Data::json("null")));
    assert_eq!(good(event_with("")).data, None);
    assert_eq!(good(event_with(r#","data_base64":null"#)).data, None);
    assert_eq!(good(r#"{"event":{"type":"t","source":"/s"},"payload":null}"#).data, Some(Data::json("null")));
}

#[test]
fn what_is_not_json_is_a_string_or_base64() {
    let xml = good(event_with(r#","datacontenttype":"application/xml","data":"<a b=\"c\"/>\n""#));
    assert_eq!(xml.data, Some(Data::text("<a b=\"c\"/>\n")));
    let bytes = good(event_with(r#","datacontenttype":"application/octet-stream","data_base64":"AP/+""#));
    assert_eq!(bytes.data, Some(Data::binary(&[0u8, 0xFF, 0xFE][..])));
    assert!(written(&bytes.view(), Shape::CloudEvent).ends_with(r#","data_base64":"AP/+"}"#));
    assert!(written(&bytes.view(), Shape::Envelope).ends_with(r#","payload_base64":"AP/+"}"#));
    assert_eq!(good(written(&bytes.view(), Shape::Envelope)), bytes);
    // A string under a JSON type is the JSON string, and JSON in base64 is JSON.
    assert_eq!(good(event_with(r#","data":"text""#)).data, Some(Data::json("\"text\"")));
    assert_eq!(
        good(event_with(r#","data_base64":"eyAieHl6IjogMTIzIH0=""#)).data,
        Some(Data::json("{ \"xyz\": 123 }"))
    );
    // An object under another type stays what it is.
    let object = good(event_with(r#","datacontenttype":"text/xml","data":{"a":1}"#));
    assert_eq!(object.data.as_ref().unwrap().form, Form::Json);
    assert_eq!(good(written(&object.view(), Shape::CloudEvent)), object);
}

#[test]
fn names_and_texts_may_be_written_with_escapes() {
    let event =
        good(r#"{"specversion":"1.0","\u0074ype":"t\u00e9\ud83d\ude00","source":"/s","subject":"a\"b\\c"}"#);
    assert_eq!(event.event_type, "té😀");
    assert_eq!(event.subject.as_deref(), Some("a\"b\\c"));
    assert_eq!(good(written(&event.view(), Shape::CloudEvent)), event);
}

#[test]
fn an_empty_subject_is_none() {
    assert_eq!(good(event_with(r#","subject":"""#)).subject, None);
}

#[test]
fn a_line_is_one_line_and_means_the_same() {
    let event = good(event_with(",\"data\":{ \"a\" : \"b  c\",\r\n \"n\" : 1.0 }"));
    let mut line = Vec::new();
    write_line(&mut line, &event.view(), Shape::CloudEvent);
    assert_eq!(String::from_utf8(line).unwrap(), event_with(r#","data":{"a":"b  c","n":1.0}"#));
}

#[test]
fn several_events_come_as_an_array_or_as_lines_of_either_shape() {
    let batch = Bytes::from(format!("[{CLOUDEVENT}, {ENVELOPE}]"));
    let lines = Bytes::from(format!("{CLOUDEVENT}\r\n\n  {ENVELOPE}\n"));
    let events = reader().batch(&batch).unwrap();
    assert_eq!(events, reader().lines(&lines).unwrap());
    assert_eq!(events, reader().events(&batch).unwrap());
    assert_eq!(events.len(), 2);
    assert!(reader().batch(&Bytes::from_static(b" [ ] ")).unwrap().is_empty());
    assert!(reader().lines(&Bytes::from_static(b"\n")).unwrap().is_empty());
}

#[test]
fn an_answer_takes_its_source_from_the_agent() {
    let text = Bytes::from_static(br#"{"specversion":"1.0","type":"t"}"#);
    assert_eq!(reader().with_source("/coder").event(&text).unwrap().into_owned(), Event::new("/coder", "t"));
    let named = Bytes::from_static(br#"{"event":{"type":"t","source":"/other"}}"#);
    assert_eq!(reader().with_source("/coder").event(&named).unwrap().source, "/other");
}

#[test]
fn a_line_of_output_is_told_from_an_event() {
    for line in [CLOUDEVENT, ENVELOPE, r#"{"specversion":"0.3"}"#, r#"{"type":"t","specversion":1, broken"#] {
        assert!(looks_like_event(line.as_bytes()), "{line}");
    }
    for line in [
        "",
        "done",
        "{}",
        "[1]",
        r#"{"event":"started","level":"info"}"#,
        r#"{"msg":"specversion"}"#,
        "{\"specversion",
    ] {
        assert!(!looks_like_event(line.as_bytes()), "{line}");
    }
    assert!(!looks_like_event(b"\xff{\"specversion\":\"1.0\"}"));
}

#[test]
fn events_inside_other_answers_are_read_from_either_shape_and_written_in_one() {
    let event = good(CLOUDEVENT);
    assert_eq!(serde_json::to_string(&event).unwrap(), CLOUDEVENT);
    assert_eq!(serde_json::to_string(&Envelope(event.clone())).unwrap(), ENVELOPE);
    assert_eq!(serde_json::to_string(&Text::of(&event.view(), Shape::Envelope)).unwrap(), ENVELOPE);
    assert_eq!(serde_json::from_str::<Event>(ENVELOPE).unwrap(), event);
    let plain = good(event_with(r#","data":[1]"#));
    assert_eq!(serde_json::from_value::<Event>(serde_json::to_value(&plain).unwrap()).unwrap(), plain);
}
