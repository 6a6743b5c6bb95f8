//! What was asked for, and what became of it, as the clients know it.

use std::collections::BTreeMap;

use cantus_core::command::Idempotency;
use cantus_core::event::Event;
use cantus_core::ids::{DeliveryId, Token};
use cantus_core::{Position, Text, Timestamp, hash};
use cantus_runtime::Draft;

/// A topic, and the hash of source and id.
pub(crate) type Identity = (Text, u128);

/// Returns an event's identity.
pub(crate) fn identity_of(event: &Event) -> Identity {
    (event.topic.text().clone(), hash::identity(&event.source, &event.id))
}

/// What became of one try to publish an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No answer yet.
    Pending,
    /// No answer will come: nobody knows.
    InDoubt,
    /// It lies there.
    Accepted(Position),
    /// It was definitely refused.
    Refused,
}

/// One try to publish an event.
#[derive(Clone, Debug)]
pub(crate) struct Try {
    pub(crate) request: u64,
    pub(crate) content: u64,
    pub(crate) fate: Fate,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// Events were published, all or none.
    Publish { drafts: Vec<Draft>, idempotency: Option<Idempotency> },
    /// A worker answered, with events to publish.
    Settle { delivery: DeliveryId, token: Token, drafts: Vec<Draft> },
    /// A worker asked for deliveries.
    Pull,
    /// A worker asked for more time.
    Extend { delivery: DeliveryId, token: Token },
    /// An operator did something; what it publishes.
    Operate { drafts: Vec<Draft> },
}

/// A request that was taken by the node.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) number: u64,
    pub(crate) what: What,
    /// The log time when it was sent.
    pub(crate) at: Timestamp,
    /// How far the log was followed then.
    pub(crate) end: Position,
}

impl Request {
    /// Returns the events it wants published.
    pub(crate) fn drafts(&self) -> &[Draft] {
        match &self.what {
            What::Publish { drafts, .. } | What::Settle { drafts, .. } | What::Operate { drafts } => drafts,
            What::Pull | What::Extend { .. } => &[],
        }
    }
}

/// What was asked for, and what became of it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) tries: BTreeMap<Identity, Vec<Try>>,
    /// Members of every batch whose events came in no other request.
    pub(crate) batches: BTreeMap<Vec<Identity>, u64>,
}

impl Ledger {
    /// Notes what a request wants published.
    pub(crate) fn asked(&mut self, request: &Request) {
        for draft in request.drafts() {
            let one = Try { request: request.number, content: draft.content, fate: Fate::Pending };
            self.tries.entry(identity_of(&draft.event)).or_default().push(one);
        }
        if let What::Publish { drafts, .. } = &request.what
            && drafts.len() > 1
        {
            let members = drafts.iter().map(|draft| identity_of(&draft.event)).collect();
            self.batches.entry(members).or_insert(request.number);
        }
    }

    /// Notes what became of all events of a request.
    pub(crate) fn fated(&mut self, request: &Request, fate: impl Fn(usize) -> Fate) {
        for (index, draft) in request.drafts().iter().enumerate() {
            let Some(tries) = self.tries.get_mut(&identity_of(&draft.event)) else { continue };
            let own = tries.iter_mut().filter(|it| it.request == request.number);
            for one in own.filter(|it| it.fate == Fate::Pending && it.content == draft.content) {
                one.fate = fate(index);
            }
        }
    }
}
