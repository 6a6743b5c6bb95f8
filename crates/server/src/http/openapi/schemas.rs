//! The schemas of bodies and answers, in a short notation: one line per schema, `name: type` per member.
//!
//! `?` after a name says that it may be absent, `[X]` is a list, a capital letter names another schema, `a|b` lists words.
//! `= X|Y` is a schema that is one of others.

use serde_json::{Map, Value, json};

const SCHEMAS: &[(&str, &str, &str)] = &[
    ("Anything", "Any body of the media types named.", "*"),
    ("Events", "One event or several, in either shape.", "= CloudEvent|Envelope|[Event]"),
    ("Event", "An event, as a CloudEvent or as an envelope.", "= CloudEvent|Envelope"),
    (
        "CloudEvent",
        "An event as a CloudEvent; further members are extensions. The server fills in id, time and correlationid where they are absent. Only answers of agents may leave out the source.",
        "specversion: 1.0, id?: string, source?: string, type: string, subject?: string, time?: time, kind?: event|command|query|notification, eventversion?: string, correlationid?: string, causationid?: string, hops?: integer, to?: string, topic?: string, partitionkey?: string, priority?: critical|high|normal|low, stream?: string, expirytime?: time, deliverat?: time, dataschema?: string, datacontenttype?: string, traceparent?: string, tracestate?: string, data?: any, data_base64?: string",
    ),
    (
        "Envelope",
        "An event as an envelope.",
        "event: EnvelopeEvent, routing?: EnvelopeRouting, payload?: any",
    ),
    (
        "EnvelopeEvent",
        "What happened.",
        "id?: string, source?: string, type: string, subject?: string, timestamp?: time, kind?: event|command|query|notification, version?: string, correlation_id?: string, causation_id?: string, hops?: integer, data_schema?: string, content_type?: string, trace_parent?: string, trace_state?: string",
    ),
    (
        "EnvelopeRouting",
        "Where it goes.",
        "topic?: string, to?: string, partition_key?: string, priority?: critical|high|normal|low, stream?: string, expires_at?: time, deliver_at?: time",
    ),
    ("Receipts", "One receipt per event, in the order they came.", "results: [Receipt]"),
    (
        "Receipt",
        "What became of one event.",
        "id: string, source: string, topic: string, position: string, correlation_id: string, status: accepted|duplicate, revision?: integer, warnings?: [string]",
    ),
    (
        "RecordedEvent",
        "An event with its place in the log.",
        "event: Event, position: string, recorded_at: time",
    ),
    (
        "EventPage",
        "A page of events; next_cursor is always there.",
        "items: [RecordedEvent], next_cursor: string, at_end?: boolean, gaps?: [Gap]",
    ),
    (
        "Gap",
        "A range of the log of which something cannot be read any more.",
        "from: string, to: string, reason: expired|erased|damaged",
    ),
    (
        "Erase",
        "Which events are erased, and why. At least one of ids, correlation_id, subject and filter; all that is said must hold.",
        "ids?: [string], source?: string, correlation_id?: string, subject?: string, topic?: string, filter?: string, reason: string, dry_run?: boolean",
    ),
    (
        "Erased",
        "What an erasure does, or would do.",
        "erasure?: string, events: integer, more?: boolean, dry_run: boolean, items: [ErasedEvent]",
    ),
    (
        "ErasedEvent",
        "An event that goes.",
        "id: string, source: string, type: string, topic: string, position: string",
    ),
    ("ErasureList", "Erasures, newest first.", "items: [Erasure], next_cursor?: string"),
    (
        "Erasure",
        "An erasure and how far it has got.",
        "id: string, at: time, actor: string, reason: string, events: integer, state: hidden|done, done_at?: time",
    ),
    (
        "Stream",
        "A page of one entity's events.",
        "stream: string, revision: integer, items: [RevisedEvent], next_cursor?: string",
    ),
    (
        "RevisedEvent",
        "An event with its place in its stream.",
        "event: Event, position: string, revision: integer, recorded_at: time",
    ),
    (
        "Why",
        "What became of an event with every subscription.",
        "event_id: string, source: string, position: string, topic: string, subscriptions: [Verdict]",
    ),
    (
        "Verdict",
        "What became of it with one.",
        "subscription: string, verdict: matched|filtered_out|waiting|leased|delivered|dead|expired|not_in_topic|before_start|not_addressed, text: string, clause?: any, value?: any, evaluation_error?: string, waiting_for?: string, waiting_on?: string, until?: time, delivery?: string, dead_letter?: string",
    ),
    ("TopicList", "A page of topics.", "items: [Topic], next_cursor?: string"),
    (
        "Topic",
        "A topic as it stands.",
        "name: string, description?: string, declared: boolean, events: integer, bytes?: integer, first_position?: string, last_position?: string, last_event_at?: time, subscriptions: [string], schemas?: [any], publishers?: [string], subscribers?: [string]",
    ),
    (
        "Correlation",
        "A story.",
        "correlation_id: string, events: [RecordedEvent], deliveries: [Delivery], gaps?: [Gap], aggregators: [any], sagas: [any], next_cursor?: string",
    ),
    ("SubscriptionList", "A page of subscriptions.", "items: [Subscription], next_cursor?: string"),
    (
        "Subscription",
        "A subscription as it stands.",
        "id: string, agent: string, name: string, topics: [string], filter?: any, action: any, state: active|paused, pause?: Pause, origin: file|api|applied, cursors: [any], gap?: Gap, lag_events: integer, in_flight: integer, retrying: integer, waiting: integer, dead_letters: integer, retry: any, concurrency: integer, max_in_flight: integer, order: key|none|topic, after_dead_letter: continue|hold_key, held_keys: integer, rate?: string, breaker?: Breaker",
    ),
    (
        "Breaker",
        "A circuit breaker as it stands.",
        "state: closed|open|half_open, failures: integer, failure_threshold: integer, since?: time, probe_at?: time, class?: string, message?: string",
    ),
    (
        "Pause",
        "A pause in force.",
        "reason?: string, by?: string, since: time, until?: time, until_event?: any",
    ),
    (
        "SubscriptionCreate",
        "A subscription in the words of the file, with its agent.",
        "agent: string, topic?: any, topics?: any, name?: string, filter?: any, action?: any, retry?: any, concurrency?: integer, max_in_flight?: integer, order?: key|none|topic, after_dead_letter?: continue|hold_key, lease?: span, from?: string, renamed_from?: string, breaker?: any, rate?: string, max_lifetime?: span",
    ),
    ("PauseRequest", "How long and why.", "reason?: string, until?: string"),
    ("Seek", "Where to: start, end, a time or a position.", "to: string, dry_run?: boolean"),
    (
        "SeekResult",
        "What a seek did, or would do.",
        "position: string, events?: integer, open_leases: integer, retrying: integer, parked: integer, dry_run: boolean",
    ),
    (
        "WebhookTest",
        "What a test of a webhook came to.",
        "acknowledged: boolean, status?: integer, duration_ms: integer, class?: string, message?: string, answer?: string, events: integer, event: string",
    ),
    ("PullRequest", "How many at most, and how long to wait.", "max?: integer, wait?: span"),
    ("Pulled", "The deliveries an agent got.", "deliveries: [LeasedDelivery], gap?: Gap"),
    (
        "LeasedDelivery",
        "A delivery that is leased to whoever reads this.",
        "delivery: string, token: string, attempt: integer, deadline: time, subscription: string, position: string, redelivered: boolean, first_delivered_at?: time, event: Event",
    ),
    ("Ack", "It is done.", "token: string, publish?: [Event]"),
    ("Acked", "What became of an ack.", "status: acked|late, results: [Receipt]"),
    ("AckMany", "Several are done.", "acks: [AckOne]"),
    ("AckOne", "One among several.", "delivery: string, token: string, publish?: [Event]"),
    ("AckedMany", "One result per ack.", "results: [AckResult]"),
    (
        "AckResult",
        "What became of one.",
        "delivery: string, status?: acked|late, results?: [Receipt], problem?: Problem",
    ),
    ("Nack", "It failed.", "token: string, class?: string, reason?: string, delay?: span"),
    ("Nacked", "What follows.", "status: retrying|dead|late, next_at?: time, dead_letter?: string"),
    ("Progress", "Somebody still works on it.", "token: string"),
    ("Progressed", "Until when the lease holds now.", "deadline: time"),
    ("DeliveryList", "A page of deliveries.", "items: [Delivery], gaps?: [Gap], next_cursor?: string"),
    (
        "Delivery",
        "One event for one subscription.",
        "id: string, subscription: string, event_id: string, event_source: string, event_type: string, topic: string, position: string, correlation_id: string, state: waiting|leased|delivered|dead|expired, waiting_for?: string, next_at?: time, acquired: integer, failed: integer, deadline?: time, attempts: [Attempt], dead_letter?: string, replay_of?: string, published?: [string]",
    ),
    (
        "Attempt",
        "One try.",
        "n: integer, at: time, duration_ms?: integer, outcome?: acked|failed|lease_ended|late, class?: string, status?: integer, exit_code?: integer, message?: string, stderr_tail?: string, next_at?: time",
    ),
    (
        "LogChunk",
        "A piece of an attempt's output.",
        "attempt: integer, stream: stdout|stderr, text: string, next_offset: integer, ended: boolean, truncated?: boolean",
    ),
    ("DeadLetterList", "A page of dead letters.", "items: [DeadLetter], next_cursor?: string"),
    (
        "DeadLetter",
        "A dead letter with its whole story.",
        "id: string, event: Event, original?: Event, edited: boolean, diff?: [any], topic: string, position: any, subscription: any, delivery?: string, reason: string, status: open|replaying|resolved|archived, fingerprint: string, error: any, attempts: [Attempt], note: string, holds_key?: boolean, replayed_as: [any], opened_at: time, updated_at: time",
    ),
    (
        "DeadLetterEdit",
        "What to change.",
        "data?: any, data_base64?: string, attributes?: any, note?: string",
    ),
    ("DeadLetterReplay", "Where to.", "to?: string, topic?: string, note?: string"),
    (
        "DeadLetterReplayStarted",
        "What it was replayed as.",
        "dead_letter: string, status: open|replaying|resolved|archived, delivery?: string, event_id?: string, position?: string",
    ),
    ("DeadLetterArchive", "Why it needs no repair.", "note: string"),
    ("DeadLetterRestore", "Nothing needs to be said.", "note?: string"),
    ("DeadLetterRelease", "Nothing needs to be said.", "note?: string"),
    ("DeadLetterGroupList", "A page of groups.", "items: [DeadLetterGroup], next_cursor?: string"),
    (
        "DeadLetterGroup",
        "Dead letters of one cause.",
        "fingerprint: string, count: integer, subscription: any, class: string, reason: string, first_at: time, last_at: time, sample: string, message: string",
    ),
    (
        "BulkRequest",
        "What is done, to which items, how fast.",
        "action: replay|archive|restore|retry|give_up, filter: BulkFilter, as_of?: time, dry_run?: boolean, max?: integer, rate?: string, reason?: string, hash?: string",
    ),
    (
        "BulkFilter",
        "Which items are meant: everything that is said must hold.",
        "ids?: [string], subscription?: string, topic?: string, event?: any, fingerprint?: string, reason?: string, class?: string, status?: open|replaying|resolved|archived|all, waiting?: retry|turn",
    ),
    ("BulkOperationList", "A page of bulk operations.", "items: [BulkOperation], next_cursor?: string"),
    (
        "BulkOperation",
        "A bulk operation as it stands, or as it would be.",
        "id?: string, action: replay|archive|restore|retry|give_up, status: planned|running|completed|aborted, filter: any, as_of: time, rate: string, reason?: string, by?: string, matched?: integer, total: integer, done: integer, skipped: integer, failed: integer, hash: string, sample?: [string], left_out?: [any], left_out_count?: integer, problems?: [any], started_at?: time, updated_at?: time, ended_at?: time, ended_by?: string, ended_because?: string",
    ),
    ("BulkAbort", "Why it is ended.", "reason?: string"),
    ("AgentList", "A page of agents.", "items: [Agent], next_cursor?: string"),
    (
        "Agent",
        "An agent as it stands.",
        "address: string, description?: string, publishes: [string], handles: [string], transport: string, state: online|silent|slow|dead|never_seen, pause?: Pause, origin: file|api|applied, last_seen?: time, published: integer, consumed: integer, processing: [string], subscriptions: [string], prompt?: string",
    ),
    (
        "AgentRegister",
        "What an agent says of itself.",
        "agent: string, description?: string, publishes?: [string], handles?: [string]",
    ),
    ("Definitions", "Everything that is installed.", "name?: string, items: [Definition]"),
    (
        "Definition",
        "One installed definition.",
        "kind: topic|agent|subscription, id: string, hash: string, source: string, by?: string, installed_at?: time, position?: string, definition: any",
    ),
    (
        "DefinitionsExport",
        "The definitions in force, in the words of the file; values of variables are ***.",
        "hash: string, definitions: any",
    ),
    ("DefinitionsFile", "Definitions in the words of the file, as JSON or YAML.", "*"),
    (
        "DefinitionsApplied",
        "What was changed, or would be.",
        "dry_run: boolean, hash: string, added: integer, changed: integer, removed: integer, changes: [DefinitionChange]",
    ),
    (
        "DefinitionChange",
        "What becomes of one definition, and what that means.",
        "kind: topic|agent|subscription, id: string, change: added|changed|removed, effects: [string]",
    ),
    ("AuditList", "A page of the audit.", "items: [AuditEntry], next_cursor?: string"),
    (
        "AuditEntry",
        "One call that changed something.",
        "number: integer, at: time, actor: string, from: string, action: string, target: string, before: any, after: any, position: string, facts: integer, previous_hash: string, hash: string",
    ),
    (
        "AuditVerified",
        "What a check of the chain found.",
        "entries: integer, head?: string, checked: integer, intact: boolean, broken?: any, next_cursor?: string",
    ),
    (
        "Status",
        "The state of the server.",
        "version: string, mode: dev|serve, node: string, engine: string, started_at: time, durable: string, counts: any",
    ),
    (
        "Problem",
        "What is wrong, and what to do: RFC 9457 with a stable code.",
        "type: string, title: string, status: integer, detail?: string, instance?: string, code: string, errors?: [Fault], hint?: string, traceid?: string",
    ),
    (
        "Fault",
        "One place that is wrong.",
        "detail: string, pointer?: string, header?: string, parameter?: string",
    ),
];

/// Returns every schema by name.
pub(super) fn all() -> Map<String, Value> {
    SCHEMAS.iter().map(|(name, words, members)| ((*name).to_owned(), schema(words, members))).collect()
}

fn schema(words: &str, members: &str) -> Value {
    if members == "*" {
        return json!({"description": words});
    }
    if let Some(others) = members.strip_prefix("= ") {
        let others: Vec<Value> = others.split('|').map(of_kind).collect();
        return json!({"description": words, "anyOf": others});
    }
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for member in members.split(", ") {
        let (name, kind) = member.split_once(": ").expect("every member has a name and a type");
        match name.strip_suffix('?') {
            Some(name) => drop(properties.insert(name.to_owned(), of_kind(kind))),
            None => {
                properties.insert(name.to_owned(), of_kind(kind));
                required.push(Value::from(name));
            }
        }
    }
    let mut schema = json!({"type": "object", "description": words, "properties": properties});
    if !required.is_empty() {
        schema["required"] = Value::Array(required);
    }
    schema
}

fn of_kind(kind: &str) -> Value {
    if let Some(item) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        return json!({"type": "array", "items": of_kind(item)});
    }
    match kind {
        "string" | "integer" | "boolean" => json!({ "type": kind }),
        "time" => json!({"type": "string", "format": "date-time"}),
        "span" => json!({"type": ["string", "number"], "description": "Such as 30s, or seconds."}),
        "any" => json!({}),
        name if name.starts_with(|letter: char| letter.is_ascii_uppercase()) => super::reference(name),
        words => json!({"type": "string", "enum": words.split('|').collect::<Vec<_>>()}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The members of a schema are those of the wire, in name and in number.
    fn matches<T: serde::Serialize>(name: &str, sample: &T) {
        let sample = serde_json::to_value(sample).unwrap();
        let schema = &all()[name];
        let properties = schema["properties"].as_object().unwrap();
        for key in sample.as_object().unwrap().keys() {
            assert!(properties.contains_key(key), "{name} has {key} on the wire");
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(sample.get(required.as_str().unwrap()).is_some(), "{name} lacks {required} on the wire");
        }
    }

    #[test]
    fn the_shapes_of_events_are_those_that_are_written() {
        use cantus_api::event::{Data, Event, Kind, Priority, Shape, write};
        let text = || Some("2999-01-01T00:00:00Z".to_owned());
        let event = Event {
            id: text(),
            subject: text(),
            time: text(),
            kind: Some(Kind::Query),
            version: text(),
            correlation_id: text(),
            causation_id: text(),
            hops: Some(1),
            to: text(),
            topic: text(),
            partition_key: text(),
            priority: Some(Priority::High),
            stream: text(),
            expires_at: text(),
            deliver_at: text(),
            data_schema: text(),
            content_type: text(),
            trace_parent: text(),
            trace_state: text(),
            data: Some(Data::json("{}")),
            ..Event::new("/a", "A")
        };
        let written = |shape| {
            let mut out = Vec::new();
            write(&mut out, &event.view(), shape);
            serde_json::from_slice::<Value>(&out).unwrap()
        };
        matches("CloudEvent", &written(Shape::CloudEvent));
        let envelope = written(Shape::Envelope);
        matches("Envelope", &envelope);
        matches("EnvelopeEvent", &envelope["event"]);
        matches("EnvelopeRouting", &envelope["routing"]);
    }

    #[test]
    fn schemas_say_what_the_wire_says() {
        use cantus_api::{pull, receipt, subscription, topic};
        let text = String::new;
        matches(
            "Receipt",
            &receipt::Receipt {
                id: text(),
                source: text(),
                topic: text(),
                position: text(),
                correlation_id: text(),
                status: receipt::Status::Accepted,
                revision: Some(1),
                warnings: vec![text()],
            },
        );
        matches(
            "Nacked",
            &pull::Nacked {
                status: pull::NackStatus::Dead,
                next_at: Some(text()),
                dead_letter: Some(text()),
            },
        );
        matches(
            "SeekResult",
            &subscription::SeekResult {
                position: text(),
                events: Some(1),
                open_leases: 0,
                retrying: 0,
                parked: 0,
                dry_run: true,
            },
        );
        matches(
            "WebhookTest",
            &subscription::WebhookTest {
                acknowledged: false,
                status: Some(503),
                duration_ms: 0,
                class: Some(text()),
                message: Some(text()),
                answer: Some(text()),
                events: 0,
                event: text(),
            },
        );
        matches(
            "Topic",
            &topic::Topic {
                name: text(),
                description: Some(text()),
                declared: true,
                events: 0,
                bytes: Some(0),
                first_position: Some(text()),
                last_position: Some(text()),
                last_event_at: Some(text()),
                subscriptions: vec![],
                schemas: vec![],
                publishers: vec![text()],
                subscribers: vec![text()],
            },
        );
        matches("Problem", &cantus_api::Problem::new(cantus_api::Code::Internal, "x").hint("y"));
    }
}
