//! Who is next: the waiting deliveries of every subscription, by lane and by order key.
//!
//! Lanes are derived: they are filled by reading the log behind each subscription's floor, in `round`s. A lane that is
//! full starts a new round, so that offers of the old one, still on their way, are not taken out of order; when it has
//! room again it asks to be fed from where it stopped.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::ready::{Ready, Slot};
use super::{Order, Subscription};
use crate::event::{Event, Priority};
use crate::ids::Position;
use crate::time::Timestamp;

/// How many deliveries may wait in one lane; beyond, they stay in the log until there is room.
pub const WAITING_MAX: usize = 8_192;
/// How many positions may lie between a lane's floor and its head; beyond, waiting ones are parked in state.
pub const REACH_MAX: u64 = 65_536;
/// How many bytes of events the lanes hold in memory; beyond, bodies are read from the log when they are needed.
pub const BODIES_MAX: usize = 64 * 1024 * 1024;
/// How many workers of one subscription may wait for deliveries.
pub const WAITERS_MAX: usize = 1_024;

/// Returns the lane an event takes: its priority's, or one for all when the topic's order is kept.
pub fn lane_of(definition: &Subscription, priority: Priority) -> usize {
    if definition.order == Order::Topic { Priority::Normal.lane() } else { priority.lane() }
}

/// Returns the key that keeps an event's order in a subscription.
pub fn key_of(definition: &Subscription, event: &Event) -> Option<u64> {
    key_under(definition.order, own_key(event))
}

/// Returns the hash of an event's own order key.
pub fn own_key(event: &Event) -> Option<u64> {
    // A key's hash is never 0, which means the whole topic.
    event.order_key().map(|key| crate::hash::of(key).max(1))
}

/// Returns the key that an order makes of an event's own.
pub fn key_under(order: Order, own: Option<u64>) -> Option<u64> {
    match order {
        Order::None => None,
        Order::Topic => Some(0),
        Order::Key => own,
    }
}

/// A delivery that waits for its turn.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Where its event lies.
    pub position: Position,
    /// 0, or which replay it is.
    pub generation: u16,
    /// Its event's priority.
    pub priority: Priority,
    /// The hash of its order key.
    pub key: Option<u64>,
    /// The hash of its event's own order key, whatever the order is.
    pub own_key: Option<u64>,
    /// The hash of its correlation.
    pub story: u64,
    /// When its event was recorded.
    pub recorded_at: Timestamp,
    /// Not delivered from then on.
    pub expires_at: Option<Timestamp>,
    /// The event, while memory allows.
    pub event: Option<Arc<Event>>,
    /// True when state keeps it: it does not hold the floor.
    pub kept: bool,
    /// True for the replay of a dead letter that holds its key: it goes before all others of that key.
    pub passes: bool,
}

impl Waiting {
    fn weight(&self) -> usize {
        self.event.as_ref().map_or(0, |event| event.weight())
    }
}

/// The waiting deliveries of one subscription.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: [Lane; 4],
    /// Keys of deliveries that are leased or wait for a retry, and how many of them.
    busy: HashMap<u64, u32>,
    /// Keys that wait for a person.
    held: HashSet<u64>,
    /// Retries that are due, first come first served.
    due: VecDeque<Slot>,
    /// Workers that wait, and for how many.
    waiters: VecDeque<(u64, usize)>,
    /// Turns left to each lane before the weights are dealt anew.
    turns: [u32; 4],
    /// How many bytes the waiting events take.
    bytes: usize,
    /// How many deliveries are leased.
    pub leased: usize,
    /// How many wait for a retry.
    pub retrying: usize,
}

#[derive(Debug, Default)]
struct Lane {
    /// Whose turn may come: no earlier one of their key waits.
    ready: Ready,
    /// Those behind another of their key.
    behind: HashMap<u64, VecDeque<Waiting>>,
    /// Keys that have one in `ready`.
    ready_keys: HashSet<u64>,
    /// Positions that hold the floor.
    holding: BTreeSet<Position>,
    /// How far the lane was fed.
    head: Position,
    /// Which feeding this is.
    round: u32,
    /// True while it takes no offers.
    full: bool,
}

/// What to ask of whoever feeds the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feeding {
    /// Which lane.
    pub lane: usize,
    /// Offers must carry this.
    pub round: u32,
    /// Read from behind here; None stops.
    pub after: Option<Position>,
}

/// Why a delivery waits although nothing holds the whole subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its turn may come at any time.
    Ready,
    /// An earlier one of its key is not done.
    BehindKey,
    /// It was not read from the log yet.
    NotFedYet,
}

impl Lanes {
    /// Creates the lanes of a subscription whose floors are these.
    pub fn new(floors: [Position; 4]) -> Self {
        let mut lanes = Lanes { turns: Priority::WEIGHTS, ..Lanes::default() };
        for (lane, floor) in lanes.lanes.iter_mut().zip(floors) {
            lane.head = floor;
        }
        lanes
    }

    /// Starts the lanes anew from these floors, with what is leased forgotten: the caller adds what is open again.
    /// Waiting workers stay.
    pub fn restart(&mut self, floors: [Position; 4]) -> Vec<Feeding> {
        // One above all: an offer on its way for another lane, by an order that was changed, is of no round any more.
        let round = self.lanes.iter().map(|lane| lane.round + 1).max().unwrap_or_default();
        let waiters = std::mem::take(&mut self.waiters);
        *self = Lanes { waiters, ..Lanes::new(floors) };
        for lane in &mut self.lanes {
            lane.round = round;
        }
        self.feedings()
    }

    /// Returns how each lane is to be fed now.
    pub fn feedings(&self) -> Vec<Feeding> {
        let lanes = self.lanes.iter().enumerate();
        lanes.map(|(lane, it)| Feeding { lane, round: it.round, after: Some(it.head) }).collect()
    }

    /// Takes an offer of the lane's present round. Returns None when it is not of this round or lies behind the head;
    /// else whether the lane is full now.
    pub fn offer(&mut self, lane: usize, round: u32, waiting: Waiting) -> Option<bool> {
        let it = &mut self.lanes[lane];
        if it.full || it.round != round || waiting.position <= it.head {
            return None;
        }
        it.head = waiting.position;
        self.add(lane, waiting);
        Some(self.lanes[lane].is_full())
    }

    /// Says that a lane was fed up to a position, matching or not.
    pub fn fed(&mut self, lane: usize, round: u32, up_to: Position) {
        let it = &mut self.lanes[lane];
        if !it.full && it.round == round {
            it.head = it.head.max(up_to);
        }
    }

    /// Closes a full lane: what is on its way to it is not taken.
    pub fn close(&mut self, lane: usize) -> Feeding {
        let it = &mut self.lanes[lane];
        it.full = true;
        it.round += 1;
        Feeding { lane, round: it.round, after: None }
    }

    /// Opens the lanes that have room again.
    pub fn reopen(&mut self) -> Vec<Feeding> {
        let lanes = self.lanes.iter_mut().enumerate();
        let roomy = lanes.filter(|(_, lane)| lane.full && lane.has_room());
        roomy
            .map(|(lane, it)| {
                it.full = false;
                Feeding { lane, round: it.round, after: Some(it.head) }
            })
            .collect()
    }

    /// Adds a delivery that waits: offered, parked or replayed.
    pub fn add(&mut self, lane: usize, waiting: Waiting) {
        self.bytes += waiting.weight();
        let blocked = waiting.key.is_some_and(|key| self.is_blocked(key));
        let it = &mut self.lanes[lane];
        if !waiting.kept {
            it.holding.insert(waiting.position);
        }
        match waiting.key {
            Some(key) if waiting.passes && self.busy.contains_key(&key) => {
                it.behind.entry(key).or_default().push_front(waiting);
            }
            Some(key) if !waiting.passes && (blocked || it.ready_keys.contains(&key)) => {
                it.behind.entry(key).or_default().push_back(waiting);
            }
            key => {
                it.ready_keys.extend(key);
                it.ready.insert(waiting);
            }
        }
    }

    /// Says that a delivery was leased or waits for a retry: its key is busy.
    pub fn hold(&mut self, key: Option<u64>) {
        if let Some(key) = key {
            *self.busy.entry(key).or_default() += 1;
        }
    }

    /// Says that a delivery is done with: the next one of its key may go.
    pub fn release(&mut self, key: Option<u64>) {
        let Some(key) = key else { return };
        if let Some(count) = self.busy.get_mut(&key) {
            *count -= 1;
            if *count > 0 {
                return;
            }
            self.busy.remove(&key);
        }
        self.promote(key);
    }

    fn promote(&mut self, key: u64) {
        let held = self.held.contains(&key);
        for lane in &mut self.lanes {
            lane.promote(key, held);
        }
    }

    /// Says that a key waits for a person: nothing of it goes but replays that pass.
    pub fn hold_key(&mut self, key: u64) {
        self.held.insert(key);
    }

    /// Says that a key waits no longer.
    pub fn release_key(&mut self, key: u64) {
        if self.held.remove(&key) && !self.busy.contains_key(&key) {
            self.promote(key);
        }
    }

    /// Says that no key waits for a person.
    pub fn release_keys(&mut self) {
        for key in std::mem::take(&mut self.held) {
            if !self.busy.contains_key(&key) {
                self.promote(key);
            }
        }
    }

    /// Tells whether a key's next one may not go.
    fn is_blocked(&self, key: u64) -> bool {
        self.busy.contains_key(&key) || self.held.contains(&key)
    }

    /// Adds a retry whose time has come.
    pub fn retry(&mut self, slot: Slot) {
        self.due.push_back(slot);
    }

    /// Takes the next retry that is due and that `may_go` does not keep back.
    pub fn pop_due(&mut self, may_go: impl Fn(Slot) -> bool) -> Option<Slot> {
        let place = self.due.iter().position(|slot| may_go(*slot))?;
        self.due.remove(place)
    }

    /// Tells whether retries are due.
    pub fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Takes the next delivery: the higher lane first, none starved.
    pub fn pop(&mut self) -> Option<(usize, Waiting)> {
        for _ in 0..2 {
            for lane in 0..4 {
                if self.turns[lane] == 0 {
                    continue;
                }
                if let Some(waiting) = self.pop_lane(lane) {
                    self.bytes = self.bytes.saturating_sub(waiting.weight());
                    self.turns[lane] -= 1;
                    return Some((lane, waiting));
                }
            }
            self.turns = Priority::WEIGHTS;
        }
        None
    }

    /// Takes the first delivery that may go and that `is_meant`, in the order of the lanes.
    pub fn pop_where(&mut self, is_meant: impl Fn(&Waiting) -> bool) -> Option<(usize, Waiting)> {
        for lane in 0..4 {
            while let Some(slot) = self.lanes[lane].ready.find(&is_meant) {
                if let Some(waiting) = self.take(lane, slot) {
                    self.bytes = self.bytes.saturating_sub(waiting.weight());
                    return Some((lane, waiting));
                }
            }
        }
        None
    }

    fn pop_lane(&mut self, lane: usize) -> Option<Waiting> {
        loop {
            let slot = self.lanes[lane].ready.first()?;
            if let Some(waiting) = self.take(lane, slot) {
                return Some(waiting);
            }
        }
    }

    /// Takes a ready delivery; None when its key does not let it go after all: then it stands behind that.
    fn take(&mut self, lane: usize, slot: Slot) -> Option<Waiting> {
        let it = &mut self.lanes[lane];
        let waiting = it.ready.remove(slot)?;
        if let Some(key) = waiting.key {
            it.ready_keys.remove(&key);
            if self.busy.contains_key(&key) || (self.held.contains(&key) && !waiting.passes) {
                it.behind.entry(key).or_default().push_front(waiting);
                return None;
            }
        }
        if !waiting.kept {
            it.holding.remove(&waiting.position);
        }
        Some(waiting)
    }

    /// Takes one waiting delivery out of its turn, as if it had been next; its key is held by it then.
    pub fn withdraw(&mut self, lane: usize, slot: Slot, key: Option<u64>) {
        let it = &mut self.lanes[lane];
        let mut found = it.ready.remove(slot);
        match (&found, key) {
            (Some(_), Some(key)) => {
                it.ready_keys.remove(&key);
            }
            (None, Some(key)) => {
                if let Some(queue) = it.behind.get_mut(&key) {
                    let place = queue.iter().position(|one| (one.position, one.generation) == slot);
                    found = place.and_then(|place| queue.remove(place));
                    if queue.is_empty() {
                        it.behind.remove(&key);
                    }
                }
            }
            _ => {}
        }
        if let Some(waiting) = found {
            self.bytes = self.bytes.saturating_sub(waiting.weight());
            if !waiting.kept {
                it.holding.remove(&waiting.position);
            }
        }
        self.hold(key);
    }

    /// Takes up to `count` of the oldest waiting deliveries to be parked: they stay in their place and hold the floor
    /// no longer.
    pub fn park(&mut self, lane: usize, count: usize) -> Vec<Waiting> {
        let it = &mut self.lanes[lane];
        let oldest: Vec<Position> = it.holding.iter().take(count).copied().collect();
        let mut parked = Vec::new();
        for position in oldest {
            it.holding.remove(&position);
            let behind = it.behind.values_mut().flatten();
            let found = it.ready.iter_mut().chain(behind).find(|it| it.position == position && !it.kept);
            if let Some(waiting) = found {
                waiting.kept = true;
                self.bytes = self.bytes.saturating_sub(waiting.weight());
                waiting.event = None;
                parked.push(waiting.clone());
            }
        }
        parked
    }

    /// Tells which lanes are full of deliveries that all wait for their keys: these must be parked, or no other key
    /// would go on.
    pub fn stuck(&self) -> Vec<usize> {
        (0..self.lanes.len()).filter(|lane| self.is_stuck(*lane)).collect()
    }

    /// Tells whether a lane is.
    pub fn is_stuck(&self, lane: usize) -> bool {
        let it = &self.lanes[lane];
        it.full && it.ready.is_empty() && !it.has_room()
    }

    /// Returns the lanes' floors: everything up to them was taken, kept in state, or never wanted.
    pub fn floors(&self) -> [Position; 4] {
        self.lanes
            .each_ref()
            .map(|lane| lane.holding.first().map_or(lane.head, |first| Position(first.0 - 1)))
    }

    /// Tells whether anything may go.
    pub fn has_ready(&self) -> bool {
        !self.due.is_empty() || self.lanes.iter().any(|lane| !lane.ready.is_empty())
    }

    /// Returns how many deliveries wait in memory.
    pub fn waiting(&self) -> usize {
        let lanes = self.lanes.iter();
        lanes.map(|lane| lane.ready.len() + lane.behind.values().map(VecDeque::len).sum::<usize>()).sum()
    }

    /// Returns the deliveries that wait in memory, lane by lane.
    pub fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.lanes.iter().flat_map(|lane| lane.ready.iter().chain(lane.behind.values().flatten()))
    }

    /// Returns when the oldest event that waits in memory was recorded.
    pub fn oldest(&self) -> Option<Timestamp> {
        let first = self.lanes.iter().flat_map(|lane| {
            let behind = lane.behind.values().filter_map(VecDeque::front);
            lane.ready.firsts().chain(behind)
        });
        first.map(|waiting| waiting.recorded_at).min()
    }

    /// Finds out where a waiting delivery stands.
    pub fn place(&self, lane: usize, slot: Slot, key: Option<u64>) -> Place {
        let it = &self.lanes[lane];
        if it.ready.contains(slot) {
            let blocked = key.is_some_and(|key| self.is_blocked(key));
            return if blocked { Place::BehindKey } else { Place::Ready };
        }
        let behind = key.and_then(|key| it.behind.get(&key));
        if behind.is_some_and(|queue| queue.iter().any(|it| (it.position, it.generation) == slot)) {
            return Place::BehindKey;
        }
        Place::NotFedYet
    }

    /// Returns about how many bytes the events that wait here take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how far a lane was fed.
    pub fn head(&self, lane: usize) -> Position {
        self.lanes[lane].head
    }

    /// Adds a worker that waits.
    pub fn wait(&mut self, waiter: u64, max: usize) {
        self.waiters.push_back((waiter, max));
    }

    /// Takes a worker away.
    pub fn stop_waiting(&mut self, waiter: u64) {
        self.waiters.retain(|(known, _)| *known != waiter);
    }

    /// Returns the first worker that waits.
    pub fn first_waiter(&self) -> Option<(u64, usize)> {
        self.waiters.front().copied()
    }

    /// Takes the first worker that waits.
    pub fn pop_waiter(&mut self) -> Option<(u64, usize)> {
        self.waiters.pop_front()
    }

    /// Returns how many workers wait.
    pub fn waiters(&self) -> usize {
        self.waiters.len()
    }
}

impl Lane {
    /// How many positions lie between what holds the floor and the head.
    fn reach(&self) -> u64 {
        self.holding.first().map_or(0, |first| self.head.0.saturating_sub(first.0))
    }

    fn is_full(&self) -> bool {
        self.holding.len() >= WAITING_MAX || self.reach() >= REACH_MAX
    }

    fn has_room(&self) -> bool {
        self.holding.len() <= WAITING_MAX / 2 && self.reach() < REACH_MAX
    }

    /// Lets the next one of a key be ready; of a held key, the next one that passes.
    fn promote(&mut self, key: u64, held: bool) {
        if self.ready_keys.contains(&key) && !held {
            return;
        }
        let Some(queue) = self.behind.get_mut(&key) else { return };
        let next = if held { queue.iter().position(|waiting| waiting.passes) } else { Some(0) };
        if let Some(waiting) = next.and_then(|next| queue.remove(next)) {
            self.ready_keys.insert(key);
            self.ready.insert(waiting);
        }
        if queue.is_empty() {
            self.behind.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(position: u64, key: Option<u64>) -> Waiting {
        Waiting {
            position: Position(position),
            generation: 0,
            priority: Priority::Normal,
            key,
            story: 0,
            recorded_at: Timestamp(0),
            own_key: key,
            expires_at: None,
            event: None,
            kept: false,
            passes: false,
        }
    }

    fn lanes(offers: &[(usize, u64, Option<u64>)]) -> Lanes {
        let mut lanes = Lanes::new([Position(0); 4]);
        for (lane, position, key) in offers {
            assert_eq!(lanes.offer(*lane, 0, waiting(*position, *key)), Some(false));
        }
        lanes
    }

    fn pop(lanes: &mut Lanes) -> Option<u64> {
        let (_, waiting) = lanes.pop()?;
        lanes.hold(waiting.key);
        Some(waiting.position.0)
    }

    #[test]
    fn one_of_a_key_goes_at_a_time_and_other_keys_pass() {
        let mut lanes = lanes(&[(2, 1, Some(7)), (2, 2, Some(7)), (2, 3, Some(8)), (2, 4, None)]);
        assert_eq!([pop(&mut lanes), pop(&mut lanes), pop(&mut lanes)], [Some(1), Some(3), Some(4)]);
        assert_eq!(pop(&mut lanes), None);
        lanes.release(Some(7));
        assert_eq!(pop(&mut lanes), Some(2));
    }

    #[test]
    fn a_key_is_one_across_lanes() {
        let mut lanes = lanes(&[(0, 1, Some(7)), (3, 2, Some(7))]);
        assert_eq!(pop(&mut lanes), Some(1));
        assert_eq!(pop(&mut lanes), None);
        lanes.release(Some(7));
        assert_eq!(pop(&mut lanes), Some(2));
    }

    #[test]
    fn a_higher_lane_goes_first_and_a_lower_one_is_not_starved() {
        let mut offers = Vec::new();
        for position in 0..60 {
            offers.push(((position % 4) as usize, position + 1, None));
        }
        let mut lanes = lanes(&offers);
        let first: Vec<usize> = (0..15).filter_map(|_| lanes.pop().map(|(lane, _)| lane)).collect();
        assert_eq!(first, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3]);
    }

    #[test]
    fn the_floor_stays_below_what_waits_and_follows_the_head_when_nothing_does() {
        let mut lanes = lanes(&[(2, 5, None), (2, 9, None)]);
        lanes.fed(2, 0, Position(20));
        assert_eq!(lanes.floors()[2], Position(4));
        pop(&mut lanes);
        assert_eq!(lanes.floors()[2], Position(8));
        pop(&mut lanes);
        assert_eq!(lanes.floors()[2], Position(20));
    }

    #[test]
    fn a_full_lane_takes_nothing_of_its_old_round_and_goes_on_where_it_stopped() {
        let mut lanes = Lanes::new([Position(0); 4]);
        let full = (1..=WAITING_MAX as u64).filter_map(|at| lanes.offer(2, 0, waiting(at, None))).last();
        assert_eq!(full, Some(true));
        let stopped = lanes.close(2);
        assert_eq!(stopped, Feeding { lane: 2, round: 1, after: None });
        assert_eq!(lanes.offer(2, 0, waiting(WAITING_MAX as u64 + 1, None)), None);
        assert_eq!(lanes.reopen(), []);
        for _ in 0..WAITING_MAX / 2 {
            pop(&mut lanes);
        }
        let again = Feeding { lane: 2, round: 1, after: Some(Position(WAITING_MAX as u64)) };
        assert_eq!(lanes.reopen(), [again]);
        assert_eq!(lanes.offer(2, 0, waiting(WAITING_MAX as u64 + 2, None)), None);
        assert_eq!(lanes.offer(2, 1, waiting(WAITING_MAX as u64 + 1, None)), Some(false));
    }

    #[test]
    fn a_replay_beside_its_original_does_not_take_the_originals_hold_on_the_floor() {
        let mut lanes = lanes(&[(2, 5, Some(7))]);
        lanes.fed(2, 0, Position(20));
        lanes.hold(Some(7));
        lanes.add(2, Waiting { generation: 1, kept: true, ..waiting(5, None) });
        assert_eq!(lanes.pop().map(|(_, it)| it.generation), Some(1));
        assert_eq!(lanes.floors()[2], Position(4));
    }

    #[test]
    fn a_held_key_waits_for_its_replay_which_goes_first_and_other_keys_pass() {
        let mut lanes = lanes(&[(2, 1, Some(7)), (2, 2, Some(7)), (2, 3, Some(8)), (2, 4, Some(7))]);
        assert_eq!(pop(&mut lanes), Some(1));
        lanes.hold_key(7);
        lanes.release(Some(7));
        assert_eq!([pop(&mut lanes), pop(&mut lanes)], [Some(3), None]);
        lanes.add(2, Waiting { generation: 1, kept: true, passes: true, ..waiting(9, Some(7)) });
        assert_eq!([pop(&mut lanes), pop(&mut lanes)], [Some(9), None]);
        lanes.release(Some(7));
        assert_eq!(pop(&mut lanes), None);
        lanes.release_key(7);
        assert_eq!(pop(&mut lanes), Some(2));
        lanes.release(Some(7));
        assert_eq!(pop(&mut lanes), Some(4));
    }

    #[test]
    fn parked_deliveries_keep_their_place_and_let_the_floor_go_on() {
        let mut lanes = lanes(&[(2, 1, Some(7)), (2, 2, Some(7)), (2, 3, Some(7))]);
        assert_eq!(pop(&mut lanes), Some(1));
        assert_eq!(lanes.park(2, 1).len(), 1);
        assert_eq!(lanes.floors()[2], Position(2));
        lanes.release(Some(7));
        assert_eq!(pop(&mut lanes), Some(2));
    }
}
