//! Bulk operations: one thing done to many dead letters or deliveries, whose ids are frozen before the first is touched.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::dead_letter::StatusFilter;
use crate::ids::{BulkId, Cursor, SubscriptionId};
use crate::time::Timestamp;

/// What is done to every item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Dead letters are tried again at their own subscriptions.
    Replay,
    /// Dead letters are put away.
    Archive,
    /// Archived dead letters are brought back.
    Restore,
    /// Deliveries that wait for a retry are tried at once.
    Retry,
    /// Deliveries that wait become dead letters.
    GiveUp,
}

impl Action {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Replay => "replay",
            Action::Archive => "archive",
            Action::Restore => "restore",
            Action::Retry => "retry",
            Action::GiveUp => "give_up",
        }
    }

    /// Returns whether it is done to dead letters; else it is done to deliveries.
    pub fn is_for_dead_letters(self) -> bool {
        matches!(self, Action::Replay | Action::Archive | Action::Restore)
    }
}

/// Which items are meant. Everything that is said must hold, and something must be said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// These and no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// Those of this subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionId>,
    /// Those of this topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Those whose event matches: a filter as subscriptions have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Value>,
    /// Dead letters of this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Dead letters with this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Dead letters whose last failure is of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Dead letters in this state; if absent, those the action is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusFilter>,
    /// Deliveries that wait like this; if absent, all the action is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
}

/// How a delivery waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Waiting {
    /// For its next attempt.
    Retry,
    /// For its turn.
    Turn,
}

impl Filter {
    /// Returns whether nothing is said: everything would be meant.
    pub fn is_empty(&self) -> bool {
        let Filter { ids, subscription, topic, event, fingerprint, reason, class, .. } = self;
        let texts = [subscription, topic, fingerprint, reason, class];
        ids.is_empty() && event.is_none() && texts.into_iter().all(Option::is_none)
    }
}

/// So many in each second, minute or hour: `20/s`, `100/m`, `5/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how many milliseconds: those of a second, a minute or an hour.
    pub span_ms: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Rate { count: 100, span_ms: 1_000 }
    }
}

/// A text that is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no rate: a number of at least 1, then /s, /m or /h, as in 20/s")]
pub struct InvalidRate;

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Rate, InvalidRate> {
        let (count, unit) = text.trim().split_once('/').ok_or(InvalidRate)?;
        let span_ms = match unit.trim() {
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            _ => return Err(InvalidRate),
        };
        if !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidRate);
        }
        let count = count.parse().ok().filter(|count| *count > 0).ok_or(InvalidRate)?;
        Ok(Rate { count, span_ms })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.span_ms {
            60_000 => "m",
            3_600_000 => "h",
            _ => "s",
        };
        write!(out, "{}/{unit}", self.count)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|wrong: InvalidRate| de::Error::custom(format_args!("`{text}` {wrong}")))
    }
}

/// Begins a bulk operation, or says what it would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkRequest {
    /// What is done to every item.
    pub action: Action,
    /// Which items are meant.
    #[serde(default)]
    pub filter: Filter,
    /// Only what was there by then, RFC 3339; now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Only say what it would do.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// How many items at most, the oldest first; 10,000 if absent, 100,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// How fast; `100/s` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Why; needed to archive and to give up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The hash a dry run answered: refused with `BULK_CHANGED` when other items are meant by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was a dry run: nothing was begun.
    Planned,
    /// It goes on.
    Running,
    /// Every item had its turn.
    Completed,
    /// Somebody ended it.
    Aborted,
}

impl Status {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Planned => "planned",
            Status::Running => "running",
            Status::Completed => "completed",
            Status::Aborted => "aborted",
        }
    }
}

/// A bulk operation as it stands, or as it would be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BulkOperation {
    /// Its id; absent when nothing was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<BulkId>,
    /// What is done to every item.
    pub action: Action,
    /// Where it stands.
    pub status: Status,
    /// Which items were meant.
    pub filter: Value,
    /// Only what was there by then.
    pub as_of: Timestamp,
    /// How fast it goes.
    pub rate: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How many items were meant; there may be more than are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<u64>,
    /// How many items it has.
    pub total: u32,
    /// How many were done.
    pub done: u32,
    /// How many had moved meanwhile.
    pub skipped: u32,
    /// How many could not be done.
    pub failed: u32,
    /// The hash of the frozen ids.
    pub hash: String,
    /// Some of the items: the oldest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<String>,
    /// Items that were named or meant and are not taken, with the reason; the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// How many were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out_count: Option<u64>,
    /// The first items that were skipped or failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ItemProblem>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it last moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Who aborted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// Why it was aborted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_because: Option<String>,
}

impl BulkOperation {
    /// Returns how many items had their turn.
    pub fn handled(&self) -> u32 {
        self.done.saturating_add(self.skipped).saturating_add(self.failed)
    }
}

/// An item that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Which.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// An item that was skipped or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemProblem {
    /// Which.
    pub id: String,
    /// `skipped`: it had moved meanwhile. `failed`: it could not be done.
    pub outcome: String,
    /// Why.
    pub reason: String,
}

/// The parameters of a list of bulk operations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkQuery {
    /// Only those that stand so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// How many at most, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// Ends a bulk operation. What was done stays done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_and_written_alike() {
        for text in ["20/s", "100/m", "5/h"] {
            assert_eq!(text.parse::<Rate>().map(|rate| rate.to_string()), Ok(text.to_owned()));
        }
        for wrong in ["", "20", "0/s", "-1/s", "+1/s", "1.5/s", "20/d", "/s", "99999999999/s"] {
            assert_eq!(wrong.parse::<Rate>(), Err(InvalidRate), "{wrong}");
        }
    }

    #[test]
    fn a_filter_that_only_narrows_says_nothing() {
        let narrow = Filter { status: Some(StatusFilter::All), ..Filter::default() };
        assert!(narrow.is_empty());
        assert!(!Filter { topic: Some("tasks".into()), ..Filter::default() }.is_empty());
    }
}
