//! What state keeps of a dead letter, and its legal moves.

use minicbor::{Decode, Encode};

use crate::ids::{DeadLetterId, DeliveryId, Position};
use crate::subscription::retry::{Class, Failure, Reason};
use crate::text::Text;
use crate::time::Timestamp;

/// A dead letter as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeadLetter {
    /// Its id: where the fact lies that opened it.
    #[n(0)]
    pub id: DeadLetterId,
    /// When it was opened.
    #[n(1)]
    pub opened_at: Timestamp,
    /// The delivery that died.
    #[n(2)]
    pub delivery: DeliveryId,
    /// The event's id.
    #[n(3)]
    pub event_id: Text,
    /// The event's type.
    #[n(4)]
    pub event_type: Text,
    /// The event's topic.
    #[n(5)]
    pub topic: Text,
    /// The hash of the event's correlation.
    #[n(6)]
    pub story: u64,
    /// Where it stands.
    #[n(7)]
    pub status: Status,
    /// Why it died the last time.
    #[n(8)]
    pub reason: Reason,
    /// The class of its last failure.
    #[n(9)]
    pub class: Option<Class>,
    /// What went wrong, at most 200 characters.
    #[n(10)]
    pub message: Text,
    /// What it has in common with others of the same cause.
    #[n(11)]
    pub fingerprint: Text,
    /// A person's note.
    #[n(12)]
    pub note: Text,
    /// The facts that tell its deaths, oldest first: the first opened it. At most 64 are kept.
    #[n(13)]
    pub deaths: Vec<Position>,
    /// The fact that holds its last edit.
    #[n(14)]
    pub edit: Option<Position>,
    /// Its replays, oldest first. At most 64 are kept.
    #[n(15)]
    pub replays: Vec<Replaying>,
    /// When it last moved.
    #[n(16)]
    pub moved_at: Timestamp,
    /// The fact that erased its event, when one did.
    #[n(30)]
    pub erased: Option<Position>,
    /// When its event was recorded, where that was known.
    #[n(17)]
    pub recorded_at: Option<Timestamp>,
    /// The hash of the order key that waits for a person because of it.
    #[n(18)]
    pub holds: Option<u64>,
}

/// A replay and where it went.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Replaying {
    /// The delivery to wait for; None when it went to a topic.
    #[n(0)]
    pub delivery: Option<DeliveryId>,
    /// The new event's id, when one was published.
    #[n(1)]
    pub event_id: Option<Text>,
    /// When.
    #[n(2)]
    pub at: Timestamp,
}

/// Where a dead letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// Somebody should look.
    #[n(0)]
    Open,
    /// On its way again.
    #[n(1)]
    Replaying,
    /// Its replay succeeded.
    #[n(2)]
    Resolved,
    /// Put away by a person.
    #[n(3)]
    Archived,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 4] = [Status::Open, Status::Replaying, Status::Resolved, Status::Archived];

    /// Returns the word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Replaying => "replaying",
            Status::Resolved => "resolved",
            Status::Archived => "archived",
        }
    }
}

/// What can happen to a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Its event is changed.
    Edit,
    /// It is sent on its way again.
    Replay,
    /// Its replay succeeded.
    Resolve,
    /// Its replay died.
    DieAgain,
    /// A person puts it away.
    Archive,
    /// A person takes it back.
    Restore,
}

/// A move that can not be made from where the dead letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a dead letter that is {} can not {}", .from.as_str(), .what.verb())]
pub struct ImpossibleMove {
    /// Where it stands.
    pub from: Status,
    /// What was asked.
    pub what: Move,
}

impl Move {
    fn verb(self) -> &'static str {
        match self {
            Move::Edit => "be edited",
            Move::Replay => "be replayed",
            Move::Resolve => "be resolved",
            Move::DieAgain => "die again",
            Move::Archive => "be archived",
            Move::Restore => "be restored",
        }
    }
}

impl Status {
    /// Returns where a move leads.
    ///
    /// # Errors
    /// When the move can not be made.
    pub fn after(self, what: Move) -> Result<Status, ImpossibleMove> {
        match (self, what) {
            (Status::Open, Move::Edit) => Ok(Status::Open),
            (Status::Open | Status::Resolved, Move::Replay) => Ok(Status::Replaying),
            (Status::Replaying, Move::Resolve) => Ok(Status::Resolved),
            (Status::Replaying, Move::DieAgain) => Ok(Status::Open),
            (Status::Open | Status::Resolved, Move::Archive) => Ok(Status::Archived),
            (Status::Archived, Move::Restore) => Ok(Status::Open),
            (from, what) => Err(ImpossibleMove { from, what }),
        }
    }
}

impl DeadLetter {
    /// Returns the replay that is on its way, if it is to a subscription.
    pub fn replaying(&self) -> Option<DeliveryId> {
        if self.status != Status::Replaying {
            return None;
        }
        self.replays.last().and_then(|replay| replay.delivery)
    }
}

/// Returns what dead letters of one cause have in common: class, code or first line of the message with numbers and
/// ids left out, and the subscription.
pub fn fingerprint(failure: Option<&Failure>, reason: Reason, subscription: &str) -> Text {
    let Some(failure) = failure else {
        return Text::from(format!("{}|{subscription}", reason.as_str()));
    };
    let code = match (failure.exit_code, failure.status, &failure.refusal) {
        (_, _, Some(refusal)) => format!("|{refusal}"),
        (Some(code), _, _) => format!("|exit:{code}"),
        (_, Some(status), _) => format!("|http:{status}"),
        (None, None, None) => String::new(),
    };
    let cause = failure
        .output_tail
        .as_deref()
        .and_then(|tail| tail.lines().rev().find(|line| !line.trim().is_empty()));
    let cause = cause.map(normalised).filter(|cause| !cause.is_empty());
    let cause = cause.map(|cause| format!("|{cause}")).unwrap_or_default();
    Text::from(format!("{}{code}|{subscription}{cause}", failure.class.as_str()))
}

/// Leaves out what differs between two failures of one cause: words with digits or that are quoted, and all beyond
/// 80 characters.
fn normalised(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let varies = word.bytes().any(|byte| byte.is_ascii_digit()) || word.starts_with(['"', '\'', '`']);
        if varies { "*" } else { word }
    });
    let mut text = String::new();
    for word in words {
        if text.len() + word.len() > 80 {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.extend(word.chars().filter(|c| !c.is_control()));
    }
    text
}
