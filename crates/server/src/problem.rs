//! What the core and the runtime refuse, as problems: one table of codes, places and hints.

use cantus_api::error::{Code, Problem};
use cantus_core::Refusal;
use cantus_core::dead_letter::Move;
use cantus_runtime::Failed;

/// Where the events of a request stand in it, for pointers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// The body is the event.
    #[default]
    Alone,
    /// The body is a list of events.
    Batch,
    /// The events are the member `publish` of an ack.
    Answer,
}

impl Place {
    /// Returns the pointer of the event at `index`.
    pub(crate) fn pointer(self, index: usize) -> String {
        match self {
            Place::Alone => "#".to_owned(),
            Place::Batch => format!("#/{index}"),
            Place::Answer => format!("#/publish/{index}"),
        }
    }
}

/// Returns the problem of something that was not done.
pub(crate) fn of(failed: Failed, place: Place) -> Box<Problem> {
    let problem = match failed {
        Failed::Refused(refusal) => return of_refusal(&refusal, place),
        Failed::Overloaded => {
            Problem::new(Code::Overloaded, "the server has as much work queued as it may have")
                .hint("send it again after the time in Retry-After")
        }
        Failed::StorageFull => Problem::new(
            Code::StorageFull,
            "the disk is nearly full: nothing is published until there is space",
        )
        .hint("free space on the disk of the data directory; reads and acks go on meanwhile"),
        Failed::Storage => Problem::new(
            Code::StorageFailed,
            "the log failed; whether this was done is in doubt until the server has started again",
        )
        .hint("send it again with the same id once the server is back: what was stored answers `duplicate`"),
        Failed::Stopping => Problem::new(Code::ShuttingDown, "the server is stopping")
            .hint("send it again after the time in Retry-After"),
        Failed::Unreadable(reason) => {
            // The reason names files: it is for the log, not for strangers.
            tracing::error!(reason, "what was stored could not be read");
            Problem::new(Code::Internal, "what was stored could not be read; the server's log says why")
                .hint("run `cantus log verify` beside the server")
        }
    };
    Box::new(problem)
}

/// Returns the problem of what the core refused.
pub(crate) fn of_refusal(refusal: &Refusal, place: Place) -> Box<Problem> {
    let detail = refusal.to_string();
    let at = |code: Code, index: usize, member: &str| {
        Problem::new(code, detail.clone()).at(format!("{}{member}", place.pointer(index)), detail.clone())
    };
    let plain = |code: Code| Problem::new(code, detail.clone());
    let problem = match refusal {
        Refusal::TopicUnknown { topic } => plain(Code::TopicUnknown)
            .hint(format!("declare it in the file under `topics: {{ {topic}: {{}} }}`, or set `server.auto_create: true`")),
        Refusal::TopicNotAllowed { verb, .. } => plain(Code::TopicNotAllowed).hint(match *verb {
            "publish to" => "the topic's `publishers` names who may; the event's `source` says who publishes",
            _ => "the topic's `subscribers` names who may",
        }),
        Refusal::EventIdReused { position, index, .. } => at(Code::EventIdReused, *index, "/id")
            .hint(format!("the first one is at {position}; give this one an id of its own")),
        Refusal::EventExpired { index } => at(Code::EventExpired, *index, "/expirytime"),
        Refusal::LoopDetected { index, .. } => at(Code::LoopDetected, *index, "/hops")
            .hint("agents answer each other in a circle: let one of their filters end it"),
        Refusal::RevisionConflict { actual, .. } => plain(Code::RevisionConflict)
            .hint(format!("read the stream again and decide anew, with expected_revision={actual}")),
        Refusal::PublishInvalid { index, .. } => at(Code::ParameterInvalid, *index, ""),
        Refusal::HandlerUnknown { event_type, index } => at(Code::HandlerUnknown, *index, "").hint(format!(
            "name the agent in `to`, or let one agent say `handles: [{event_type}]`, and give it one subscription that matches"
        )),
        Refusal::HandlerAmbiguous { index, .. } => at(Code::HandlerAmbiguous, *index, "")
            .hint("name the one agent in `to`; it must have one subscription that matches"),
        Refusal::Stale => plain(Code::Overloaded).hint("the definitions are changing; send it again"),
        Refusal::SchemaViolation { errors, index, .. } => {
            let prefix = format!("{}/data", place.pointer(*index));
            errors.iter().fold(plain(Code::SchemaViolation), |problem, (pointer, words)| {
                problem.at(format!("{prefix}{pointer}"), words.to_string())
            })
        }
        Refusal::EventInvalid { code, pointer, index, .. } => {
            let member = pointer.as_deref().map_or("", |pointer| pointer.trim_start_matches('#'));
            at(Code::parse(code).unwrap_or(Code::EventInvalid), *index, member)
        }
        Refusal::AgentUnknown { agent } => plain(Code::AgentUnknown).hint(format!(
            "`cantus agents ls` lists them; POST /v1/agents {{\"agent\":\"{agent}\"}} registers it"
        )),
        Refusal::DeclaredByFile { name } => {
            let code = if name.starts_with('/') { Code::AgentDeclared } else { Code::SubscriptionDeclared };
            plain(code).hint("change the file; `cantus dev --watch` takes it over at once")
        }
        Refusal::SubscriptionUnknown { .. } => {
            plain(Code::SubscriptionUnknown).hint("`cantus subs ls` lists them; the id is `agent/name`")
        }
        Refusal::SubscriptionExists { .. } => {
            plain(Code::SubscriptionExists).hint("delete it first, or give the new one another `name`")
        }
        Refusal::SubscriptionNotInbox { .. } => plain(Code::SubscriptionNotInbox)
            .hint("its deliveries are carried out by the server; only the action `inbox` is pulled"),
        Refusal::DeliveryUnknown { .. } => plain(Code::DeliveryUnknown).hint("`cantus deliveries ls` lists them"),
        Refusal::LeaseLost => plain(Code::LeaseLost).hint("pull again; ask for progress before the deadline"),
        Refusal::DeadLetterUnknown { .. } => plain(Code::DeadLetterUnknown).hint("`cantus dlq ls` lists them"),
        Refusal::EventErased { .. } => plain(Code::EventErased)
            .hint("nothing is left of it; `cantus events erase --status` says why"),
        Refusal::DeadLetterState(impossible) => plain(Code::DeadLetterState).hint(match impossible.what {
            Move::Replay | Move::Edit => "an archived one is restored first; one that is replaying must come to an end",
            Move::Archive | Move::Resolve | Move::DieAgain => "wait until its replay has come to an end",
            Move::Restore => "only archived ones can be restored",
        }),
        Refusal::BulkUnknown { .. } => plain(Code::BulkUnknown).hint("`cantus bulk ls` lists them"),
        Refusal::BulkOver { id, .. } => {
            plain(Code::BulkOver).hint(format!("`cantus bulk get {id}` says how it ended"))
        }
        Refusal::KeyNotHeld { .. } => plain(Code::DeadLetterState)
            .hint("only the dead letters of a subscription with `after_dead_letter: hold_key` hold keys, while they are open"),
        Refusal::RenamedFromKept { .. } => plain(Code::SubscriptionInvalid)
            .hint("remove `renamed_from`, or the subscription that has the old name"),
        Refusal::TooMany { .. } => plain(Code::Overloaded),
        Refusal::IdempotencyKeyReused => {
            plain(Code::IdempotencyKeyReused).hint("use a new Idempotency-Key for every new request")
        }
    };
    Box::new(problem)
}

/// Returns the problem of one parameter of the URL.
pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Box<Problem> {
    let detail = detail.into();
    Box::new(Problem::new(Code::ParameterInvalid, format!("`{name}`: {detail}")).at_parameter(name, detail))
}

/// Returns how long a client should wait before it tries again, in seconds, for problems that pass.
pub(crate) fn retry_after_seconds(problem: &Problem) -> Option<u32> {
    match problem.known_code()? {
        Code::Overloaded | Code::RateLimited | Code::IdempotencyInProgress => Some(1),
        Code::ShuttingDown | Code::StorageFailed => Some(5),
        Code::StorageFull => Some(30),
        _ => None,
    }
}

/// Returns the candidate that is most like a mistyped word, if one is like it at all.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LETTERS_MAX: usize = 64;
    let wanted: Vec<char> = word.to_lowercase().chars().take(LETTERS_MAX).collect();
    let near = candidates.into_iter().map(|candidate| (distance(&wanted, candidate), candidate));
    let near = near.filter(|(distance, candidate)| *distance <= 3 && *distance * 2 < candidate.len().max(2));
    near.min().map(|(_, candidate)| candidate)
}

/// Returns the path of the table that is most like one that leads nowhere; what stands for a parameter fits anything.
pub(crate) fn nearest_path<'a>(path: &str, paths: &[&'a str]) -> Option<&'a str> {
    let parts = |path: &str| path.trim_matches('/').split('/').map(str::to_lowercase).collect::<Vec<_>>();
    let wanted = parts(path);
    let far = |known: &&'a str| {
        let known = parts(known);
        (known.len() == wanted.len()).then(|| {
            let pairs = wanted.iter().zip(&known).filter(|(_, known)| !known.starts_with('{'));
            pairs.map(|(a, b)| distance(&a.chars().take(64).collect::<Vec<_>>(), b)).sum::<usize>()
        })
    };
    let near = paths.iter().filter_map(|known| Some((far(known)?, *known)));
    near.filter(|(distance, _)| *distance <= 3).min().map(|(_, known)| known)
}

/// Returns how many letters must be inserted, removed or replaced to make one into the other.
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use cantus_core::Text;

    #[test]
    fn a_violation_of_a_schema_points_into_the_event_of_the_batch() {
        let refusal = Refusal::SchemaViolation {
            event_type: Text::from("A"),
            message: Text::from("no"),
            errors: vec![(Text::from("/amount"), Text::from("is no number"))],
            index: 3,
        };
        let problem = of_refusal(&refusal, Place::Batch);
        assert_eq!(problem.errors[0].pointer.as_deref(), Some("#/3/data/amount"));
        let problem = of_refusal(&refusal, Place::Answer);
        assert_eq!(problem.errors[0].pointer.as_deref(), Some("#/publish/3/data/amount"));
    }

    #[test]
    fn what_passes_says_when_to_come_again() {
        for (failed, seconds) in
            [(Failed::Overloaded, Some(1)), (Failed::StorageFull, Some(30)), (Failed::Stopping, Some(5))]
        {
            assert_eq!(retry_after_seconds(&of(failed, Place::Alone)), seconds);
        }
        assert_eq!(retry_after_seconds(&of(Refusal::LeaseLost.into(), Place::Alone)), None);
    }

    #[test]
    fn what_could_not_be_read_tells_strangers_no_paths() {
        let problem = of(Failed::Unreadable("/var/lib/secret/segment".to_owned()), Place::Alone);
        assert!(!problem.to_string().contains("secret"));
    }

    #[test]
    fn a_mistyped_word_finds_its_neighbour() {
        assert_eq!(nearest("limt", ["cursor", "limit"]), Some("limit"));
        assert_eq!(nearest("zzz", ["cursor", "limit"]), None);
        let paths = ["/v1/events", "/v1/topics/{topic}", "/v1/topics"];
        assert_eq!(nearest_path("/v1/event", &paths), Some("/v1/events"));
        assert_eq!(nearest_path("/v1/events/", &paths), Some("/v1/events"));
        assert_eq!(nearest_path("/v1/topic/a.b", &paths), Some("/v1/topics/{topic}"));
        assert_eq!(nearest_path("/nothing/like/it", &paths), None);
    }
}
