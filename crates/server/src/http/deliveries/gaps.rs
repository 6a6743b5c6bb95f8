//! What a list of deliveries can not tell, because the log has it no more.

use cantus_api::error::Problem;
use cantus_api::stream::Gap;
use cantus_core::Position;
use cantus_core::subscription::SubscriptionId;
use cantus_engine::GapCause;

use crate::app::App;
use crate::convert::{gap, subscription};
use crate::problem::{self, Place};

/// How many are told of a page.
const GAPS_MAX: usize = 1_000;

/// Ranges that were met while the log was read, both ends included, newest first.
pub(super) type Lost = Vec<(Position, Position, GapCause)>;

/// Returns all that is gone of a page that was read back from before `before` down to `reached`, or to the start: what was met, what
/// was erased, and on its last page what a subscription lost because it did not take it in time.
///
/// # Errors
/// When the server stops.
pub(super) async fn all(
    app: &App,
    lost: Lost,
    (reached, before): (Option<Position>, Position),
    only: Option<&SubscriptionId>,
) -> Result<Vec<Gap>, Box<Problem>> {
    let only = only.cloned();
    let read = app.handle.read(move |coordinator, _| {
        let state = &coordinator.state;
        let items = state.erasures.values().flat_map(|erasure| &erasure.items);
        let places = items.map(|item| item.position);
        let meant = places.filter(|place| *place < before && reached.is_none_or(|reached| *place >= reached));
        let erased: Vec<Position> = meant.take(GAPS_MAX).collect();
        let subscription = only.filter(|_| reached.is_none()).and_then(|id| state.subscription(&id));
        let missed = subscription.and_then(|it| it.expired.as_ref().map(subscription::gap));
        (erased, missed)
    });
    let (erased, missed) = read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    let known = |place: &Position| lost.iter().any(|(from, to, _)| from <= place && place <= to);
    let erased: Vec<_> = erased.into_iter().filter(|place| !known(place)).collect();
    let mut ranges = lost;
    ranges.extend(erased.into_iter().map(|place| (place, place, GapCause::Erased)));
    ranges.sort_unstable_by_key(|(from, ..)| std::cmp::Reverse(*from));
    ranges.dedup();
    let gaps = ranges.into_iter().take(GAPS_MAX).map(|(from, to, cause)| gap(from, to, cause));
    Ok(gaps.chain(missed).collect())
}
