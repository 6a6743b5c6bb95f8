//! What a seed chooses before anything happens. Each seed leaves most troubles out: some are only met where others are
//! not in the way.

use std::fmt;

use cantus_core::subscription::retry::{Backoff, Policy};
use cantus_core::subscription::{Order, Rate, breaker};
use cantus_core::{Span, Text};

use crate::chance::Chance;

/// How often each trouble comes, in thousandths of the steps.
#[derive(Clone, Debug)]
pub(crate) struct Troubles {
    /// The power goes between two steps, or at any operation of the disk soon after.
    pub(crate) power: u64,
    /// The process is killed, between two steps or at any operation of the disk.
    pub(crate) kill: u64,
    /// The server is asked to stop.
    pub(crate) stop: u64,
    /// A sync will fail.
    pub(crate) sync: u64,
    /// The disk becomes full, and has room again.
    pub(crate) full: u64,
    /// The wall clock jumps.
    pub(crate) clock: u64,
    /// At the end, while nobody runs, a bit of a file flips.
    pub(crate) rot: bool,
}

/// What operators do, in weights; 0 leaves it out.
#[derive(Clone, Debug)]
pub(crate) struct Operators {
    /// How often they do anything, in thousandths of the steps.
    pub(crate) share: u64,
    pub(crate) pause: u64,
    pub(crate) park: u64,
    pub(crate) seek: u64,
    pub(crate) replay: u64,
    pub(crate) archive: u64,
    pub(crate) redeclare: u64,
    pub(crate) remove: u64,
    /// Bulk operations are begun, and aborted.
    pub(crate) bulk: u64,
    /// Held keys are let go, breakers closed.
    pub(crate) release: u64,
}

/// What holds deliveries back by itself.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    /// What breakers do, in those subscriptions that have one.
    pub(crate) breaker: Option<breaker::Policy>,
    /// How often a dead letter holds its key, in thousandths of the subscriptions.
    pub(crate) hold_key: u64,
    /// What some subscriptions have as their rate.
    pub(crate) rate: Option<Rate>,
    /// How long leases live at most, in some subscriptions.
    pub(crate) max_lifetime: Option<Span>,
}

/// What events have.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    pub(crate) topics: u64,
    pub(crate) keys: u64,
    pub(crate) priorities: bool,
    pub(crate) streams: bool,
    pub(crate) deferred: bool,
    pub(crate) expiring: bool,
    pub(crate) addressed: bool,
    /// The largest batch; 1 means singles only.
    pub(crate) batch_max: u64,
    /// The largest payload in bytes.
    pub(crate) payload_max: u64,
    /// How often an identity is used again, in thousandths.
    pub(crate) again: u64,
    pub(crate) idempotency: bool,
    pub(crate) dedupe_age: Span,
}

/// How long topics keep their events, and what housekeeping does about it.
#[derive(Clone, Debug)]
pub(crate) struct Retention {
    pub(crate) age: Option<Span>,
    pub(crate) bytes: Option<u64>,
    pub(crate) compact: bool,
    /// How long and how much is held for who did not take it.
    pub(crate) hold_age: Span,
    pub(crate) hold_bytes: u64,
    /// How long facts are kept that are neither events nor tell of one.
    pub(crate) history: Span,
    /// How often housekeeping has its turn, in thousandths of the steps.
    pub(crate) share: u64,
}

/// How agents behave, in weights.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    pub(crate) succeed: u64,
    pub(crate) fail: u64,
    pub(crate) stall: u64,
    pub(crate) twice: u64,
    pub(crate) answer: u64,
    pub(crate) refused: u64,
    pub(crate) extend: u64,
}

/// What a seed chooses.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) steps: u64,
    pub(crate) troubles: Troubles,
    pub(crate) operators: Operators,
    pub(crate) traffic: Traffic,
    pub(crate) manners: Manners,
    pub(crate) flow: Flow,
    /// Set when topics do not keep everything for ever.
    pub(crate) retention: Option<Retention>,
    pub(crate) subscriptions: u64,
    pub(crate) orders: Vec<Order>,
    pub(crate) pushed: u64,
    pub(crate) concurrency_max: u64,
    pub(crate) lease: Span,
    pub(crate) retry: Policy,
    pub(crate) segment_bytes: u64,
    pub(crate) no_device_reads: bool,
    pub(crate) checkpoint_facts: u64,
    pub(crate) checkpoint_step: usize,
    pub(crate) cursor_lag: u64,
    /// How often a turn writes at once what it led to, in thousandths.
    pub(crate) alone: u64,
}

impl Settings {
    /// Draws what a seed chooses.
    pub(crate) fn draw(chance: &mut Chance, steps: u64) -> Self {
        let some = |chance: &mut Chance, share: u64, most: u64| {
            if chance.permille(share) { chance.between(1, most) } else { 0 }
        };
        let troubles = Troubles {
            power: some(chance, 500, 25),
            kill: some(chance, 500, 25),
            stop: some(chance, 250, 12),
            sync: some(chance, 250, 15),
            full: some(chance, 150, 15),
            clock: some(chance, 250, 25),
            rot: chance.permille(300),
        };
        let operators = Operators {
            share: some(chance, 650, 60),
            pause: some(chance, 500, 4),
            park: some(chance, 350, 4),
            seek: some(chance, 350, 4),
            replay: some(chance, 600, 10),
            archive: some(chance, 400, 4),
            redeclare: some(chance, 400, 4),
            remove: some(chance, 250, 2),
            bulk: some(chance, 500, 8),
            release: some(chance, 300, 4),
        };
        let flow = Flow {
            breaker: chance.permille(450).then(|| breaker::Policy {
                failure_threshold: chance.between(1, 4) as u32,
                initial_pause: Span(chance.between(1, 2_000)),
                max_pause: Span(chance.between(500, 8_000)),
            }),
            hold_key: if chance.permille(350) { chance.between(300, 1_000) } else { 0 },
            rate: chance.permille(250).then(|| Rate {
                count: chance.between(1, 40) as u32,
                per: Span(chance.of(&[200, 1_000, 1_000, 5_000])),
            }),
            max_lifetime: chance.permille(250).then(|| Span(chance.between(20, 30_000))),
        };
        let traffic = Traffic {
            topics: chance.between(1, 3),
            keys: chance.below(5),
            priorities: chance.flip(),
            streams: chance.permille(400),
            deferred: chance.permille(300),
            expiring: chance.permille(250),
            addressed: chance.permille(250),
            batch_max: if chance.flip() { 1 } else { chance.between(2, 12) },
            payload_max: if chance.permille(200) { 6_000 } else { 120 },
            again: some(chance, 600, 300),
            idempotency: chance.permille(300),
            dedupe_age: if chance.flip() { Span::hours(24) } else { Span(chance.between(50, 20_000)) },
        };
        let manners = Manners {
            succeed: 10,
            fail: some(chance, 650, 12),
            stall: some(chance, 500, 6),
            twice: some(chance, 400, 4),
            answer: some(chance, 600, 6),
            refused: some(chance, 300, 3),
            extend: some(chance, 300, 4),
        };
        let all = [Order::Key, Order::Key, Order::None, Order::Topic];
        let orders = if chance.flip() { all.to_vec() } else { vec![chance.of(&all)] };
        Settings {
            steps,
            troubles,
            operators,
            traffic,
            manners,
            flow,
            retention: retention(chance),
            subscriptions: chance.between(1, 4),
            orders,
            pushed: chance.below(1_001),
            concurrency_max: chance.of(&[1, 2, 4, 16]),
            lease: Span(chance.between(20, 20_000)),
            retry: policy(chance),
            segment_bytes: chance.of(&[12, 16, 16, 32, 64]) * 1024,
            no_device_reads: chance.permille(300),
            checkpoint_facts: chance.between(4, 150),
            checkpoint_step: chance.between(1, 40) as usize,
            cursor_lag: chance.of(&[1, 8, 64, 512]),
            alone: chance.of(&[0, 300, 700, 1_000]),
        }
    }
}

fn retention(chance: &mut Chance) -> Option<Retention> {
    if !chance.permille(400) {
        return None;
    }
    let by = chance.below(4);
    Some(Retention {
        age: (by != 1).then(|| Span(chance.between(1, 20_000))),
        bytes: (by == 1 || by == 2).then(|| chance.between(0, 20_000)),
        compact: chance.permille(350),
        hold_age: Span(chance.of(&[0, 500, 10_000, 3_600_000])),
        hold_bytes: chance.of(&[0, 20_000, 1 << 30]),
        history: Span(chance.of(&[0, 2_000, 60_000, 3_600_000])),
        share: chance.between(20, 150),
    })
}

/// Draws a retry policy.
pub(crate) fn policy(chance: &mut Chance) -> Policy {
    let classes = ["timeout", "temporary_failure", "invalid_payload", "unauthorized", "rejected", "crashed"];
    let mut listed = |share: u64| -> Vec<Text> {
        classes.iter().filter(|_| chance.permille(share)).map(|class| Text::from(*class)).collect()
    };
    let (retry_on, no_retry_on) = (listed(600), listed(250));
    Policy {
        max_retries: chance.below(5) as u32,
        backoff: chance.of(&[Backoff::Exponential, Backoff::Linear, Backoff::Fixed]),
        initial_delay: Span(chance.between(1, 3_000)),
        max_delay: Span(chance.between(1_000, 20_000)),
        retry_on,
        no_retry_on,
        multiplier_thousandths: chance.of(&[1_000, 1_500, 2_000, 3_000]),
        jitter_thousandths: chance.of(&[0, 0, 100, 500]),
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#?}")
    }
}
