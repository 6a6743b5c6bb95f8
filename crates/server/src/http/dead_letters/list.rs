//! Lists of dead letters, and their groups.

use std::collections::HashMap;

use cantus_api::bulk_operation::{self, Action};
use cantus_api::dead_letter::{DeadLettersQuery, Group, GroupsQuery, StatusFilter};
use cantus_api::error::Problem;
use cantus_api::list::List;
use cantus_core::dead_letter::DeadLetter;
use cantus_core::ids::DeadLetterId;
use cantus_core::subscription::SubscriptionId;
use cantus_core::{Position, Text, Timestamp, dead_letter};

use super::super::answer;
use super::super::call::{self, Call};
use super::super::route::Answered;
use super::story::{self, Kept};
use crate::app::App;
use crate::convert::dead_letter::status_in;
use crate::convert::time;
use crate::cursor;
use crate::problem::{self, Place, parameter};
use crate::reading::PAGE_BYTES_MAX;

/// How many dead letters are looked at in one visit of the turn.
const VISIT: usize = 20_000;
/// How many groups there may be.
const GROUPS_MAX: usize = 100_000;

/// Which dead letters are meant.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Meant {
    status: Option<dead_letter::Status>,
    subscription: Option<SubscriptionId>,
    topic: Option<String>,
    fingerprint: Option<String>,
    reason: Option<String>,
    class: Option<String>,
}

impl Meant {
    /// Returns what a bulk operation's selector means. Without a state, those the action is for are meant: but what a
    /// replay resolved is left alone.
    pub(in crate::http) fn of_bulk(
        filter: &bulk_operation::Filter,
        action: Action,
    ) -> Result<Meant, Box<Problem>> {
        let usual = match action {
            Action::Restore => StatusFilter::Archived,
            _ => StatusFilter::Open,
        };
        // Ids that are named are told what stands against them.
        let usual = if filter.ids.is_empty() { usual } else { StatusFilter::All };
        Ok(Meant {
            status: filter.status.unwrap_or(usual).status().map(status_in),
            subscription: subscription(filter.subscription.as_deref())?,
            topic: filter.topic.clone(),
            fingerprint: filter.fingerprint.clone(),
            reason: filter.reason.clone(),
            class: filter.class.clone(),
        })
    }

    /// Tells whether a dead letter is meant.
    pub(in crate::http) fn fits_named(&self, state: &cantus_core::State, it: &DeadLetter) -> bool {
        self.fits(it, self.number(state))
    }

    /// The number of the subscription; names of those that were taken away still stand for what they left behind.
    fn number(&self, state: &cantus_core::State) -> Option<u32> {
        let id = self.subscription.as_ref()?;
        let living = state.subscription_numbers.get(id).copied();
        living.or_else(|| state.subscriptions.values().rev().find(|it| it.id == *id).map(|it| it.number))
    }

    fn fits(&self, it: &DeadLetter, number: Option<u32>) -> bool {
        let same =
            |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|wanted| wanted == text);
        self.status.is_none_or(|status| it.status == status)
            && (self.subscription.is_none() || number == Some(it.delivery.subscription))
            && same(&self.topic, &it.topic)
            && same(&self.fingerprint, &it.fingerprint)
            && same(&self.reason, it.reason.as_str())
            && self.class.as_deref().is_none_or(|class| it.class.is_some_and(|own| own.as_str() == class))
    }
}

fn status(filter: Option<StatusFilter>) -> Option<dead_letter::Status> {
    filter.unwrap_or(StatusFilter::Open).status().map(status_in)
}

fn subscription(text: Option<&str>) -> Result<Option<SubscriptionId>, Box<Problem>> {
    let parsed = text.map(SubscriptionId::parse).transpose();
    parsed.map_err(|wrong| parameter("subscription", wrong.to_string()))
}

/// Looks at dead letters from the newest to the oldest, in visits the turn can afford, until `take` has enough.
pub(in crate::http) async fn walk<T: Send + 'static>(
    app: &App,
    meant: Meant,
    before: Option<DeadLetterId>,
    mut result: T,
    take: impl Fn(&mut T, &cantus_core::State, &DeadLetter) -> bool + Send + Clone + 'static,
) -> Result<T, Box<Problem>> {
    let mut before = before.unwrap_or(DeadLetterId(Position(u64::MAX)));
    loop {
        let (meant, take) = (meant.clone(), take.clone());
        let visit = app.handle.read(move |coordinator, _| {
            let state = &coordinator.state;
            let number = meant.number(state);
            for (seen, (id, it)) in state.dead_letters.range(..before).rev().enumerate() {
                if seen == VISIT {
                    return (result, Some(before));
                }
                before = *id;
                if meant.fits(it, number) && !take(&mut result, state, it) {
                    return (result, None);
                }
            }
            (result, None)
        });
        let (so_far, more) = visit.await.map_err(|failed| problem::of(failed, Place::Alone))?;
        result = so_far;
        match more {
            Some(id) => before = id,
            None => return Ok(result),
        }
    }
}

pub(super) async fn list(call: Call) -> Answered {
    let query: DeadLettersQuery = call.query()?;
    let (limit, shape) = (call::limit(query.limit)?, call.shape(query.format)?);
    let before = match &query.cursor {
        Some(text) => Some(DeadLetterId(cursor::back(text)?)),
        None => None,
    };
    let meant = Meant {
        status: status(query.status),
        subscription: subscription(query.subscription.as_deref())?,
        topic: query.topic,
        fingerprint: query.fingerprint,
        reason: query.reason,
        class: None,
    };
    let kept: Vec<Kept> =
        walk(&call.app, meant, before, Vec::new(), move |kept: &mut Vec<Kept>, state, it| {
            kept.push(story::keep(state, it));
            kept.len() <= limit
        })
        .await?;
    let (read, more) = call
        .app
        .read_log(move |reader| {
            let (mut read, mut bytes) = (Vec::new(), 0);
            for kept in kept {
                if read.len() == limit || bytes > PAGE_BYTES_MAX {
                    return Ok((read, true));
                }
                let told = story::tell(reader, &kept.it)?;
                bytes += told.as_ref().map_or(0, |told| told.original.weight() * 2);
                read.push((kept, told));
            }
            Ok((read, false))
        })
        .await
        .map_err(|failed| problem::of(failed, Place::Alone))?;
    let next_cursor = read.last().filter(|_| more).map(|(kept, _)| cursor::write_back(kept.it.id.0));
    let items =
        read.iter().filter_map(|(kept, told)| Some(story::out(kept, told.as_ref()?, shape))).collect();
    answer::ok(&List { items, next_cursor })
}

/// A group while it is being counted.
#[derive(Clone, Debug)]
struct Counted {
    count: u64,
    first_at: Timestamp,
    newest: DeadLetter,
    subscription: Option<String>,
}

pub(super) async fn groups(call: Call) -> Answered {
    let query: GroupsQuery = call.query()?;
    let limit = call::limit(query.limit)?;
    let skipped = match &query.cursor {
        Some(text) => cursor::offset(text)?,
        None => 0,
    };
    let meant = Meant {
        status: status(query.status),
        subscription: subscription(query.subscription.as_deref())?,
        ..Meant::default()
    };
    let groups =
        walk(&call.app, meant, None, HashMap::new(), |groups: &mut HashMap<Text, Counted>, state, it| {
            let full = groups.len() >= GROUPS_MAX;
            match groups.get_mut(&it.fingerprint) {
                Some(group) => {
                    group.count += 1;
                    group.first_at = group.first_at.min(it.opened_at);
                }
                None if !full => {
                    let subscription = state.subscriptions.get(&it.delivery.subscription);
                    let subscription = subscription.map(|it| it.id.to_string());
                    let group =
                        Counted { count: 1, first_at: it.opened_at, newest: it.clone(), subscription };
                    groups.insert(it.fingerprint.clone(), group);
                }
                None => {}
            }
            true
        })
        .await?;
    let mut groups: Vec<Counted> = groups.into_values().collect();
    groups.sort_by(|a, b| (b.count, &a.newest.fingerprint).cmp(&(a.count, &b.newest.fingerprint)));
    let more = groups.len() > skipped.saturating_add(limit);
    let items: Vec<Group> = groups
        .into_iter()
        .skip(skipped)
        .take(limit)
        .map(|group| Group {
            fingerprint: group.newest.fingerprint.to_string(),
            count: group.count,
            subscription: group.subscription,
            class: group.newest.class.map(|class| class.as_str().to_owned()).unwrap_or_default(),
            reason: group.newest.reason.as_str().to_owned(),
            first_at: time::text(group.first_at),
            last_at: time::text(group.newest.opened_at),
            sample: group.newest.id.display(group.newest.opened_at),
            message: group.newest.message.to_string(),
        })
        .collect();
    let next_cursor = more.then(|| cursor::write_offset(skipped + items.len()));
    answer::ok(&List { items, next_cursor })
}
