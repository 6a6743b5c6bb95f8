//! Dead letters: reading and repairing them.

use cantus_api::List;
use cantus_api::dead_letter::{
    Archive, DeadLetter, DeadLettersQuery, Edit, Group, GroupsQuery, Release, Replay, ReplayStarted, Restore,
};

use crate::error::Error;
use crate::pages::Pages;
use crate::transport::Client;

impl Client {
    /// Returns a page of dead letters, with their events.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn dead_letters(&self, query: &DeadLettersQuery) -> Result<List<DeadLetter>, Error> {
        self.get(&["v1", "dead-letters"], query).await
    }

    /// Goes through all dead letters.
    pub fn all_dead_letters(&self, query: &DeadLettersQuery) -> Pages<DeadLetter> {
        Pages::new(self, &["v1", "dead-letters"], query)
    }

    /// Returns one dead letter.
    ///
    /// # Errors
    ///
    /// `DEAD_LETTER_UNKNOWN`.
    pub async fn dead_letter(&self, id: &str) -> Result<DeadLetter, Error> {
        self.get(&["v1", "dead-letters", id], &()).await
    }

    /// Changes the event of a dead letter, and returns it with what changed. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `DEAD_LETTER_UNKNOWN`, `DEAD_LETTER_STATE`, `ATTRIBUTE_INVALID`, `SCHEMA_VIOLATION`.
    pub async fn edit_dead_letter(&self, id: &str, edit: &Edit) -> Result<DeadLetter, Error> {
        self.post(&["v1", "dead-letters", id, "edit"], edit).await
    }

    /// Tries a dead letter again. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `DEAD_LETTER_UNKNOWN`, `DEAD_LETTER_STATE`, `SUBSCRIPTION_UNKNOWN`.
    pub async fn replay_dead_letter(&self, id: &str, replay: &Replay) -> Result<ReplayStarted, Error> {
        self.post(&["v1", "dead-letters", id, "replay"], replay).await
    }

    /// Puts a dead letter away, with a note. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `DEAD_LETTER_UNKNOWN`, `DEAD_LETTER_STATE`, `PARAMETER_INVALID` for an empty note.
    pub async fn archive_dead_letter(&self, id: &str, note: &str) -> Result<DeadLetter, Error> {
        self.post(&["v1", "dead-letters", id, "archive"], &Archive { note: note.to_owned() }).await
    }

    /// Brings an archived dead letter back. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `DEAD_LETTER_UNKNOWN`, `DEAD_LETTER_STATE`.
    pub async fn restore_dead_letter(&self, id: &str, restore: &Restore) -> Result<DeadLetter, Error> {
        self.post(&["v1", "dead-letters", id, "restore"], restore).await
    }

    /// Lets the order key go on that a dead letter holds. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `DEAD_LETTER_UNKNOWN`, `DEAD_LETTER_STATE` when it holds none.
    pub async fn release_dead_letter(&self, id: &str, release: &Release) -> Result<DeadLetter, Error> {
        self.post(&["v1", "dead-letters", id, "release"], release).await
    }

    /// Returns a page of dead letters grouped by cause.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn dead_letter_groups(&self, query: &GroupsQuery) -> Result<List<Group>, Error> {
        self.get(&["v1", "dead-letter-groups"], query).await
    }
}
