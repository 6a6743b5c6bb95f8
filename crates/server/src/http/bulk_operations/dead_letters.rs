//! Which dead letters a selector means.

use std::collections::BTreeSet;
use std::sync::Arc;

use cantus_api::bulk_operation::{Action, BulkRequest};
use cantus_api::error::Problem;
use cantus_core::dead_letter::{DeadLetter, Move};
use cantus_core::event::{Event, EventSubject};
use cantus_core::filter::Filter;
use cantus_core::ids::DeadLetterId;
use cantus_core::{Position, Timestamp};
use cantus_engine::{ReadError, Reader};
use cantus_runtime::event_of;

use super::super::dead_letters::{Meant, walk};
use super::{MEANT_MAX, Selected, too_many, wrong};
use crate::app::App;
use crate::problem::{self, Place};

/// What selecting needs of a dead letter.
#[derive(Clone, Copy, Debug)]
struct Letter {
    id: DeadLetterId,
    opened_at: Timestamp,
    death: Position,
    edit: Option<Position>,
    /// Why the action can not be done, when it can not.
    unfit: Option<cantus_core::dead_letter::ImpossibleMove>,
}

fn move_of(action: Action) -> Move {
    match action {
        Action::Archive => Move::Archive,
        Action::Restore => Move::Restore,
        Action::Replay | Action::Retry | Action::GiveUp => Move::Replay,
    }
}

fn letter(it: &DeadLetter, what: Move) -> Letter {
    Letter {
        id: it.id,
        opened_at: it.opened_at,
        death: it.deaths.first().copied().unwrap_or(it.id.0),
        edit: it.edit,
        unfit: it.status.after(what).err(),
    }
}

/// Finds the dead letters that a request means. Those in a state the action is not for are not meant; when they are named
/// by their ids they are told.
pub(super) async fn select(
    app: &App,
    request: &BulkRequest,
    event: Option<Filter>,
    as_of: Timestamp,
) -> Result<Selected, Box<Problem>> {
    let mut selected = Selected::default();
    let what = move_of(request.action);
    let mut ids: BTreeSet<DeadLetterId> = BTreeSet::new();
    for text in &request.filter.ids {
        match DeadLetterId::parse(text) {
            Some(id) => {
                ids.insert(id);
            }
            None => {
                return Err(wrong("filter.ids", &format!("names `{text}`, which is no id of a dead letter")));
            }
        }
    }
    let named = !ids.is_empty();
    let meant = Meant::of_bulk(&request.filter, request.action)?;
    let mut letters: Vec<Letter> = if named {
        let wanted = ids.clone();
        let read = app.handle.read(move |coordinator, _| {
            let state = &coordinator.state;
            let known = wanted.iter().filter_map(|id| state.dead_letters.get(id));
            known.filter(|it| meant.fits_named(state, it)).map(|it| letter(it, what)).collect::<Vec<_>>()
        });
        read.await.map_err(|failed| problem::of(failed, Place::Alone))?
    } else {
        walk(app, meant, None, Vec::new(), move |letters: &mut Vec<Letter>, _, it| {
            if it.opened_at <= as_of {
                letters.push(letter(it, what));
            }
            letters.len() <= MEANT_MAX
        })
        .await?
    };
    if letters.len() > MEANT_MAX {
        return Err(too_many());
    }
    letters.sort_unstable_by_key(|letter| letter.id);
    if named {
        for id in ids {
            if letters.binary_search_by_key(&id, |letter| letter.id).is_err() {
                selected
                    .leave_out(id.display(Timestamp(0)), "there is no such dead letter among those meant");
            }
        }
    }
    letters.retain(|letter| match letter.unfit {
        Some(unfit) if named => {
            selected.leave_out(letter.id.display(letter.opened_at), unfit.to_string());
            false
        }
        unfit => unfit.is_none(),
    });
    let (letters, edited) = if event.is_some() || request.action == Action::Replay {
        let read = app.read_log(move |reader| matching(reader, letters, event.as_ref())).await;
        read.map_err(|failed| problem::of(failed, Place::Alone))?
    } else {
        (letters, Vec::new())
    };
    // What was edited is published anew, so it must still satisfy its schema.
    let mut broken: BTreeSet<DeadLetterId> = BTreeSet::new();
    for (id, opened_at, event) in edited.iter().filter(|_| request.action == Action::Replay) {
        if let Some(refusal) = app.handle.schema_check(event) {
            selected.leave_out(id.display(*opened_at), refusal.to_string());
            broken.insert(*id);
        }
    }
    let kept = letters.into_iter().filter(|letter| !broken.contains(&letter.id));
    selected.dead_letters = kept.map(|letter| (letter.id, letter.opened_at)).collect();
    Ok(selected)
}

type Edited = (DeadLetterId, Timestamp, Arc<Event>);

/// Keeps the letters whose event matches, as it was edited if it was; with the edited events.
fn matching(
    reader: &dyn Reader,
    letters: Vec<Letter>,
    filter: Option<&Filter>,
) -> Result<(Vec<Letter>, Vec<Edited>), ReadError> {
    let (mut kept, mut edited) = (Vec::with_capacity(letters.len()), Vec::new());
    for letter in letters {
        if filter.is_none() && letter.edit.is_none() {
            kept.push(letter);
            continue;
        }
        let event = reader.get(letter.edit.unwrap_or(letter.death))?.and_then(|it| event_of(it.fact));
        let Some(event) = event else { continue };
        if filter.is_none_or(|filter| filter.matches(&EventSubject::new(&event))) {
            kept.push(letter);
            if letter.edit.is_some() {
                edited.push((letter.id, letter.opened_at, event));
            }
        }
    }
    Ok((kept, edited))
}
