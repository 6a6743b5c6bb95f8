//! What holds for any event and any bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use cantus_api::Event;
use cantus_api::event::{Data, Extension, Kind, Priority, Shape, looks_like_event, to_headers};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{good, owned, read, reader, written};

fn text() -> impl Strategy<Value = String> {
    let legal = any::<char>().prop_filter("no control characters, no noncharacters", |character| {
        let code = u32::from(*character);
        !character.is_control() && !(0xFDD0..=0xFDEF).contains(&code) && code & 0xFFFE != 0xFFFE
    });
    vec(legal, 1..12).prop_map(|characters| characters.into_iter().collect())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn data() -> impl Strategy<Value = (Option<String>, Option<Data>)> {
    prop_oneof![
        Just((None, None)),
        json().prop_map(|value| (None, Some(Data::json(value.to_string())))),
        json().prop_map(|value| {
            (
                Some("application/vnd.x+json".into()),
                Some(Data::json(serde_json::to_string_pretty(&value).unwrap())),
            )
        }),
        "[^\u{0}]{1,20}".prop_map(|text| (Some("text/plain".into()), Some(Data::text(text)))),
        vec(any::<u8>(), 1..20).prop_map(|bytes| (Some("image/png".into()), Some(Data::binary(bytes)))),
    ]
}

fn extension() -> impl Strategy<Value = String> {
    prop_oneof![
        text().prop_map(|text| serde_json::to_string(&text).unwrap()),
        any::<i32>().prop_map(|number| number.to_string()),
        any::<bool>().prop_map(|word| word.to_string()),
    ]
}

prop_compose! {
    fn event()(
        id in option::of(text()), event_type in text(), source in "/[a-z0-9._~-]{0,12}", subject in option::of(text()),
        kind in option::of(prop_oneof![Just(Kind::Command), Just(Kind::Query), Just(Kind::Notification), Just(Kind::Event)]),
        priority in option::of(prop_oneof![Just(Priority::Critical), Just(Priority::High), Just(Priority::Normal), Just(Priority::Low)]),
        hops in option::of(any::<u32>()), version in option::of(text()), stream in option::of(text()),
        (content_type, data) in data(),
        extensions in btree_map("x[a-z0-9]{0,6}|version|timestamp", extension(), 0..4),
    ) -> Event {
        Event {
            id, subject, kind, priority, hops, version, stream, content_type, data,
            time: Some("2025-11-29T14:30:00Z".into()),
            extensions: extensions.into_iter().map(|(name, value)| Extension { name, value }).collect(),
            ..Event::new(source, event_type)
        }
    }
}

proptest! {
    #[test]
    fn any_event_is_the_same_after_a_way_through_either_shape(event in event()) {
        for shape in [Shape::CloudEvent, Shape::Envelope] {
            let text = written(&event.view(), shape);
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok() || event.data.is_some(), "{}", text);
            prop_assert_eq!(&good(&text), &event, "{}", text);
            let batch = Bytes::from(format!("[{text},{text}]"));
            prop_assert_eq!(owned(reader().batch(&batch).unwrap()), vec![event.clone(), event.clone()]);
        }
    }

    #[test]
    fn any_event_is_the_same_after_a_way_through_headers(event in event()) {
        let headers = to_headers(&event.view());
        let raw: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let media = headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
        let body = event.data.as_ref().map(|data| data.bytes.clone()).unwrap_or_default();
        let mut back = reader().binary(media, &raw, &body).unwrap().into_owned();
        // Headers know only texts, and say that JSON is JSON.
        let mut event = event;
        if event.data.is_some() && event.content_type.is_none() {
            event.content_type = Some("application/json".into());
        }
        for extension in event.extensions.iter_mut().chain(&mut back.extensions) {
            *extension = Extension::text(extension.name.clone(), &extension.canonical());
        }
        prop_assert_eq!(back, event);
    }

    #[test]
    fn any_bytes_are_an_event_or_a_refusal_that_says_why(bytes in vec(any::<u8>(), 0..200)) {
        if let Err(problem) = read(&bytes) {
            prop_assert!(!problem.detail.is_empty() && !problem.errors.is_empty());
        }
        looks_like_event(&bytes);
    }

    #[test]
    fn any_text_of_json_tokens_is_judged_as_serde_json_does(tokens in vec(prop_oneof![
        Just("{"), Just("}"), Just("["), Just("]"), Just(","), Just(":"), Just("\"a\""), Just("\"\\u00e9\\n\""), Just("1"), Just("-0.5e+3"), Just("01"), Just("1."),
        Just("true"), Just("null"), Just("nul"), Just(" "), Just("\n"), Just("\"")
    ], 0..12)) {
        let text = tokens.concat();
        let ours = reader().event(&Bytes::from(format!("{{\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"/s\",\"data\":{text}}}"))).is_ok();
        // Its raw values: data are kept as they were written, so a number that no `f64` can hold is no reason to refuse them.
        let theirs = serde_json::from_str::<BTreeMap<String, &RawValue>>(&format!("{{\"data\":{text}}}")).is_ok_and(|members| members.len() == 1);
        // A member of that name cannot come from these tokens; more of them may, which only a name check would refuse.
        if ours != theirs {
            prop_assert!(text.contains(','), "{}: ours {}, theirs {}", text, ours, theirs);
        }
    }
}
