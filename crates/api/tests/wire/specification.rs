//! The examples and conformance scenarios of the CloudEvents project.

use bytes::Bytes;
use cantus_api::event::{Draft, Form, Shape};
use serde_json::Value;

use crate::{good, owned, reader, written};

const EXAMPLES: &str = include_str!("../data/cloudevents-spec-examples.jsonl");
const FEATURE: &str = include_str!("../data/http-protocol-binding.feature");
const MINIMUM: &str = include_str!("../data/v1_minimum.yaml");

fn examples() -> impl Iterator<Item = (String, Bytes)> {
    EXAMPLES.lines().map(|line| {
        let value: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        (
            format!("{}:{}", value["source"], value["line"]),
            serde_json::to_vec(&value["event"]).unwrap().into(),
        )
    })
}

#[test]
fn every_example_of_the_specification_is_read_but_for_those_with_made_up_base64() {
    let (mut events, mut placeholders) = (0, 0);
    for (name, text) in examples() {
        match reader().events(&text) {
            Ok(read) => events += read.len(),
            Err(problem) => {
                assert!(
                    text.windows(25).any(|part| part == b"... base64 encoded string"),
                    "{name}: {problem}"
                );
                assert!(
                    problem.errors[0].pointer.as_ref().unwrap().ends_with("/data_base64"),
                    "{name}: {problem}"
                );
                placeholders += 1;
            }
        }
    }
    assert_eq!((events, placeholders), (28, 2));
}

#[test]
fn every_example_means_the_same_after_a_way_through_either_shape() {
    for (name, text) in examples() {
        for event in owned(reader().events(&text).unwrap_or_default()) {
            for shape in [Shape::CloudEvent, Shape::Envelope] {
                assert_eq!(good(written(&event.view(), shape)), event, "{name} as {shape:?}");
            }
        }
    }
}

#[test]
fn what_is_written_has_the_members_the_example_has() {
    for (name, text) in examples() {
        let Ok(Value::Object(mut example)) = serde_json::from_slice(&text) else { continue };
        let Ok(event) = reader().event(&text) else { continue };
        let mut out: serde_json::Map<String, Value> =
            serde_json::from_str(&written(&event.view(), Shape::CloudEvent)).unwrap();
        // Null and an empty subject say that there is none; JSON in base64 comes out as JSON.
        example.retain(|name, value| {
            (!value.is_null() || name == "data") && !(name == "subject" && value == "")
        });
        if event.data.as_ref().is_some_and(|data| data.form == Form::Json)
            && example.remove("data_base64").is_some()
        {
            out.remove("data");
        }
        assert_eq!(out, example, "{name}");
    }
}

#[test]
fn the_scenarios_of_the_http_binding_hold() {
    let mut scenarios = 0;
    for outline in FEATURE.split("Scenario Outline:").skip(1) {
        for content_type in outline.split("| contentType").nth(1).unwrap().lines().skip(1) {
            let content_type = content_type.trim().trim_matches('|').trim();
            if content_type.is_empty() {
                continue;
            }
            let text = outline.replace("<contentType>", content_type);
            let mut docs = text.split("\"\"\"");
            let request = unindented(docs.nth(1).unwrap());
            let expected_data: Value = serde_json::from_str(docs.nth(1).unwrap()).unwrap();
            let (head, body) = request.split_once("\n\n").unwrap();
            let headers: Vec<(&str, &str)> =
                head.lines().skip(1).map(|line| line.split_once(": ").unwrap()).collect();
            let raw: Vec<(&str, &[u8])> =
                headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            let (_, media) = headers.iter().find(|(name, _)| *name == "Content-Type").unwrap();
            let body = Bytes::copy_from_slice(body.as_bytes());
            let event = reader().request(Some(media), &raw, &body).unwrap().remove(0);
            for row in text
                .split("attributes are:")
                .nth(1)
                .unwrap()
                .lines()
                .filter(|line| line.contains('|'))
                .skip(1)
            {
                let mut cells = row.split('|').map(str::trim).skip(1);
                let (name, value) = (cells.next().unwrap(), cells.next().unwrap());
                if name == "contentType" {
                    break;
                }
                if name != "specversion" {
                    assert_eq!(attribute(&event, name), Some(value), "{name} of {media}");
                }
            }
            let data: Value = serde_json::from_slice(&event.data.unwrap().bytes).unwrap();
            assert_eq!(data, expected_data);
            scenarios += 1;
        }
    }
    assert_eq!(scenarios, 4);
}

fn unindented(block: &str) -> String {
    block
        .lines()
        .skip(1)
        .map(|line| line.strip_prefix("        ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

fn attribute<'e>(event: &'e Draft<'_>, name: &str) -> Option<&'e str> {
    match name {
        "id" => event.id.as_deref(),
        "type" => Some(&event.event_type),
        "source" => Some(&event.source),
        "time" => event.time.as_deref(),
        "datacontenttype" => event.content_type.as_deref(),
        other => panic!("{other} is not in the scenarios"),
    }
}

#[test]
fn every_payload_of_the_minimum_events_arrives_in_each_mode() {
    let mut events = 0;
    for document in MINIMUM.split("---") {
        let field = |name: &str| {
            let line =
                document.lines().find(|line| line.trim_start().starts_with(&format!("{name}:"))).unwrap();
            line.split_once(':').unwrap().1.trim().to_owned()
        };
        let payload = document.split("Data: |\n").nth(1).unwrap().trim();
        let media = field("datacontenttype");
        let (id, kind, source) = (field("id"), field("type"), field("source"));
        let headers: Vec<(&str, &[u8])> = vec![
            ("ce-specversion", b"1.0"),
            ("ce-id", id.as_bytes()),
            ("ce-type", kind.as_bytes()),
            ("ce-source", source.as_bytes()),
        ];
        let body = Bytes::copy_from_slice(payload.as_bytes());
        let event = reader().request(Some(&media), &headers, &body).unwrap().remove(0).into_owned();
        assert_eq!(&event.data.as_ref().unwrap().bytes[..], payload.as_bytes());
        let json = media.starts_with("application/json");
        assert_eq!(event.data.as_ref().unwrap().form, if json { Form::Json } else { Form::Text });
        for shape in [Shape::CloudEvent, Shape::Envelope] {
            assert_eq!(good(written(&event.view(), shape)), event, "{media} as {shape:?}");
        }
        events += 1;
    }
    assert_eq!(events, 6);
}
