//! A story in order: each event below the one that caused it, with the deliveries it led to.

use std::collections::{HashMap, HashSet};

use cantus_api::correlation::Correlation;
use cantus_api::delivery::{Delivery, State};
use cantus_api::stream::Recorded;
use cantus_api::time::Instant;

/// A story, ready to be drawn.
pub(super) struct Story<'a> {
    /// Its events in the order they are drawn.
    pub(super) nodes: Vec<Node<'a>>,
    /// When it began, in milliseconds since 1970.
    pub(super) start_ms: i64,
    /// When something last happened in it.
    pub(super) end_ms: i64,
}

/// An event of a story.
pub(super) struct Node<'a> {
    pub(super) recorded: &'a Recorded,
    /// How far below the first event it is.
    pub(super) depth: usize,
    /// For each level above it, whether more follows there; the last is its own.
    pub(super) more: Vec<bool>,
    /// Whether its cause is not part of the story as it was read.
    pub(super) foreign_cause: bool,
    pub(super) deliveries: Vec<&'a Delivery>,
}

/// What is worth counting.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) delivered: usize,
    pub(super) dead: usize,
    pub(super) pending: usize,
    pub(super) retried: usize,
}

/// Deeper events are drawn at this depth; their causes are still named.
const DEPTH_MAX: usize = 24;

impl<'a> Story<'a> {
    /// Puts a story in order.
    pub(super) fn of(correlation: &'a Correlation) -> Story<'a> {
        let events = &correlation.events;
        let mut by_id: HashMap<&str, usize> = HashMap::new();
        for (index, one) in events.iter().enumerate() {
            if let Some(id) = &one.event.id {
                by_id.entry(id).or_insert(index);
            }
        }
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); events.len()];
        let mut roots = Vec::new();
        for (index, one) in events.iter().enumerate() {
            // A cause stands before its effect in the log. Whoever claims otherwise is not drawn below it, so no ring can form.
            match one.event.causation_id.as_deref().and_then(|cause| by_id.get(cause)) {
                Some(&cause) if cause < index => children[cause].push(index),
                _ => roots.push(index),
            }
        }
        let mut deliveries: HashMap<(&str, &str), Vec<&Delivery>> = HashMap::new();
        for delivery in &correlation.deliveries {
            deliveries.entry((&delivery.event_id, &delivery.event_source)).or_default().push(delivery);
        }
        let mut story = Story { nodes: Vec::with_capacity(events.len()), start_ms: 0, end_ms: 0 };
        story.draw(events, &roots, &children, &mut deliveries);
        (story.start_ms, story.end_ms) = span(correlation);
        story
    }

    // Depth first with a stack of its own: a story may be as deep as it is long.
    fn draw(
        &mut self,
        events: &'a [Recorded],
        roots: &[usize],
        children: &[Vec<usize>],
        deliveries: &mut HashMap<(&'a str, &'a str), Vec<&'a Delivery>>,
    ) {
        let mut stack: Vec<(usize, usize, Vec<bool>)> =
            roots.iter().rev().map(|root| (*root, 0, Vec::new())).collect();
        while let Some((index, depth, more)) = stack.pop() {
            let recorded = &events[index];
            let id = recorded.event.id.as_deref().unwrap_or("");
            let below = &children[index];
            for (place, child) in below.iter().enumerate().rev() {
                let mut more = more.clone();
                if depth < DEPTH_MAX {
                    more.push(place + 1 < below.len());
                }
                stack.push((*child, (depth + 1).min(DEPTH_MAX), more));
            }
            self.nodes.push(Node {
                recorded,
                depth,
                more,
                foreign_cause: depth == 0 && recorded.event.causation_id.is_some(),
                deliveries: deliveries.remove(&(id, recorded.event.source.as_str())).unwrap_or_default(),
            });
        }
    }

    /// Counts what became of the deliveries.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for delivery in self.nodes.iter().flat_map(|node| &node.deliveries) {
            match delivery.state {
                State::Delivered => counts.delivered += 1,
                State::Dead | State::Expired => counts.dead += 1,
                State::Waiting | State::Leased => counts.pending += 1,
            }
            counts.retried += usize::from(delivery.acquired > 1);
        }
        counts
    }

    /// Returns how many different sources published.
    pub(super) fn sources(&self) -> usize {
        self.nodes.iter().map(|node| node.recorded.event.source.as_str()).collect::<HashSet<_>>().len()
    }
}

/// Returns an RFC 3339 time in milliseconds since 1970.
pub(super) fn ms(timestamp: &str) -> Option<i64> {
    Instant::parse(timestamp).ok().map(Instant::unix_ms)
}

fn span(correlation: &Correlation) -> (i64, i64) {
    let recorded = correlation.events.iter().filter_map(|one| ms(&one.recorded_at));
    let attempts = correlation.deliveries.iter().flat_map(|delivery| &delivery.attempts);
    let ends = attempts.filter_map(|attempt| {
        Some(ms(&attempt.at)?.saturating_add(i64::try_from(attempt.duration_ms.unwrap_or(0)).unwrap_or(0)))
    });
    let start = recorded.clone().min().unwrap_or(0);
    (start, recorded.chain(ends).max().unwrap_or(start))
}
