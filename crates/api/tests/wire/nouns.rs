//! The shapes of the nouns, as they stand in the documentation.

use bytes::Bytes;
use cantus_api::dead_letter::{Archive, DeadLetter, Edit, Replay, Status};
use cantus_api::delivery::{Attempt, Outcome};
use cantus_api::event::{Shape, Text};
use cantus_api::pull::{Ack, AckMany, Nack, PullRequest};
use cantus_api::receipt::{PublishQuery, Receipts};
use cantus_api::stream::{Events, EventsQuery};
use cantus_api::subscription::Seek;
use cantus_api::{Code, json};
use serde_json::value::RawValue;

use crate::{event_with, good, place, reader};

fn request<T: serde::de::DeserializeOwned>(body: &str) -> Result<T, (Code, String, String)> {
    json::read(body.as_bytes(), 128).map_err(|problem| {
        (problem.known_code().unwrap(), problem.errors[0].pointer.clone().unwrap(), problem.detail.clone())
    })
}

#[test]
fn a_receipt_is_written_as_documented() {
    let text = r#"{"results":[{"id":"evt-1","source":"/agents/coder","topic":"tasks","position":"0:1042","correlation_id":"evt-1","status":"accepted"}]}"#;
    let receipts: Receipts = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&receipts).unwrap(), text);
}

#[test]
fn a_dead_letter_is_written_as_documented() {
    let letter: DeadLetter = serde_json::from_str(
        r#"{"id":"dl_01","event":{"specversion":"1.0","type":"t","source":"/s"},"topic":"tasks","position":"0:7","subscription":"coder/tasks","reason":"attempts_spent","status":"open",
 "fingerprint":"timeout|coder/tasks","error":{"class":"timeout","message":"no answer in 30m","status":null,"exit_code":null},
 "attempts":[{"n":1,"at":"2026-08-22T10:00:00Z","duration_ms":812,"outcome":"failed","class":"timeout","next_at":"2026-08-22T10:00:01Z"}],"note":"","replayed_as":[],
 "opened_at":"2026-08-22T10:00:09Z","updated_at":"2026-08-22T10:00:09Z"}"#,
    )
    .unwrap();
    assert_eq!((letter.status, letter.attempts[0].outcome), (Status::Open, Some(Outcome::Failed)));
    let json = serde_json::to_value(&letter).unwrap();
    assert_eq!(json["event"]["type"], "t");
    assert_eq!(
        json["error"],
        serde_json::json!({"class":"timeout","message":"no answer in 30m","status":null,"exit_code":null})
    );
    assert!(json.get("original").is_none());
}

#[test]
fn a_page_of_events_is_read_in_either_shape() {
    let event = good(event_with(r#","data":{"a":  1e400}"#));
    for shape in [Shape::CloudEvent, Shape::Envelope] {
        let page = Events {
            items: vec![cantus_api::stream::Recorded {
                event: Text::of(&event.view(), shape),
                position: "0:1".into(),
                recorded_at: "2025-11-29T14:30:00.000Z".into(),
            }],
            next_cursor: "c".into(),
            at_end: true,
            gaps: vec![],
        };
        let read: Events = serde_json::from_str(&serde_json::to_string(&page).unwrap()).unwrap();
        assert_eq!(read.items[0].event, event);
    }
}

#[test]
fn events_of_an_ack_are_read_with_their_place() {
    let body =
        format!(r#"{{"token":"tok","publish":[{}, {{"specversion":"1.0","type":"t"}}]}}"#, event_with(""));
    let ack: Ack<Box<RawValue>> = request(&body).unwrap();
    let problem = reader().raws(&ack.publish, "#/publish").unwrap_err();
    assert_eq!(place(&problem), crate::at("EVENT_INVALID", "#/publish/1/source"));
    assert_eq!(reader().with_source("/coder").raws(&ack.publish, "#/publish").unwrap().len(), 2);
    let plain: Ack<Box<RawValue>> = request(r#"{"token":"tok"}"#).unwrap();
    assert!(plain.publish.is_empty());
    let many: AckMany<Box<RawValue>> = request(r#"{"acks":[{"delivery":"dlv_1","token":"t"}]}"#).unwrap();
    assert_eq!(many.acks[0].delivery, "dlv_1");
}

#[test]
fn a_wrong_request_names_the_place() {
    let (code, pointer, detail) = request::<Nack>(r#"{"token":"t","delay":"soon"}"#).unwrap_err();
    assert_eq!((code, &*pointer), (Code::JsonInvalid, "#/delay"), "{detail}");
    let (_, pointer, detail) = request::<PullRequest>(r#"{"max":"ten"}"#).unwrap_err();
    assert_eq!(pointer, "#/max", "{detail}");
    let (_, pointer, detail) = request::<PullRequest>(r#"{"max":1,"wiat":1}"#).unwrap_err();
    assert_eq!(pointer, "#/wiat");
    assert_eq!(detail, "unknown field `wiat`, expected `max` or `wait`");
    let (_, pointer, _) = request::<Seek>(r#"{"dry_run":true}"#).unwrap_err();
    assert_eq!(pointer, "#");
    assert!(request::<PullRequest>(r#"{"max":1,"max":2}"#).is_err());
    assert_eq!(request::<PullRequest>(&"[".repeat(200)).unwrap_err().0, Code::JsonTooDeep);
    assert_eq!(request::<PullRequest>("{").unwrap_err().0, Code::JsonInvalid);
    assert_eq!(request::<PullRequest>("  ").unwrap(), PullRequest::default());
}

#[test]
fn an_edit_tells_null_from_nothing() {
    let edit: Edit = request(r#"{"data":null,"attributes":{"subject":null,"x":"y"}}"#).unwrap();
    assert_eq!(edit.data.unwrap().get(), "null");
    assert!(edit.attributes["subject"].is_none());
    assert_eq!(edit.attributes["x"].as_ref().unwrap().get(), "\"y\"");
    assert!(request::<Edit>(r#"{"note":"n"}"#).unwrap().data.is_none());
    let kept: Edit = request(r#"{"data":{ "n" : 9007199254740993 }}"#).unwrap();
    assert_eq!(kept.data.unwrap().get(), r#"{ "n" : 9007199254740993 }"#);
}

#[test]
fn what_may_be_empty_may_be_left_out() {
    assert_eq!(request::<Replay>("{}").unwrap(), Replay::default());
    assert!(request::<Archive>("{}").is_err());
    let query: EventsQuery =
        serde_json::from_str(r#"{"wait":"30","format":"envelope","direction":"back"}"#).unwrap();
    assert_eq!(query.wait.unwrap().as_ms(), 30_000);
    assert_eq!(serde_json::to_string(&PublishQuery::default()).unwrap(), "{}");
    let attempt: Attempt = serde_json::from_str(r#"{"n":1,"at":"2026-08-22T10:00:00Z"}"#).unwrap();
    assert_eq!(serde_json::to_string(&attempt).unwrap(), r#"{"n":1,"at":"2026-08-22T10:00:00Z"}"#);
}

#[test]
fn data_is_not_copied_out_of_the_request() {
    let body = Bytes::from(event_with(r#","data":{"a":1}"#));
    let event = reader().event(&body).unwrap();
    let data = event.data.unwrap().bytes;
    assert!(body.as_ptr_range().contains(&data.as_ptr()));
}
