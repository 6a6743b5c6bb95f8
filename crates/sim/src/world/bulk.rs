//! Bulk operations: somebody begins one on what there is, or aborts one.

use cantus_core::Span;
use cantus_core::Text;
use cantus_core::bulk_operation::{Action, Items, Pace};
use cantus_core::command::{Command, StartBulk};
use cantus_core::ids::{DeadLetterId, DeliveryId};

use super::{Lived, World};
use crate::model::Stage;

const ACTIONS: [Action; 5] =
    [Action::Replay, Action::Archive, Action::Restore, Action::Retry, Action::GiveUp];

impl World {
    /// Begins a bulk operation, or aborts one.
    pub(super) fn bulk(&mut self) -> Lived {
        let actor = Text::from("/operator");
        let running: Vec<_> = self.judge.model.bulks.keys().copied().collect();
        if !running.is_empty() && self.chance.permille(250) {
            let id = running[self.chance.index(running.len())];
            let command = Command::AbortBulk { id, reason: None, actor };
            return self.operate_by(format!("abort {id:?}"), Vec::new(), command);
        }
        let action = self.chance.of(&ACTIONS);
        let items = self.items(action);
        if items.is_empty() {
            return Ok(());
        }
        let pace = Pace {
            batch: self.chance.between(1, 4) as u32,
            rest: Span(self.chance.of(&[0, 10, 500, 2_000])),
        };
        let as_of = self.node.as_ref().map_or(self.judge.model.at, |node| node.now());
        let start = StartBulk {
            action,
            items: items.clone(),
            pace,
            filter: Text::from("{}"),
            as_of,
            hash: Text::from("shown"),
            actor,
            reason: Text::from("all of them"),
        };
        self.operate_by(
            format!("{} {items:?} at {pace:?}", action.as_str()),
            Vec::new(),
            Command::StartBulk(Box::new(start)),
        )
    }

    /// Some of what there is, in any order and some of it twice; also what moves before its turn.
    fn items(&mut self, action: Action) -> Items {
        if action.is_for_dead_letters() {
            let ids: Vec<DeadLetterId> = self.judge.model.dead_letters.keys().copied().collect();
            return Items::DeadLetters(self.some_of(&ids));
        }
        let mut ids: Vec<DeliveryId> = Vec::new();
        for (number, sub) in &self.judge.model.subscriptions {
            let open = sub.deliveries.iter().filter(|(_, it)| !it.is_closed() || it.acquired > 2);
            ids.extend(open.map(|((position, generation), _)| DeliveryId {
                subscription: *number,
                position: *position,
                generation: *generation,
            }));
            // What waits in its lane is known by its place alone.
            let waiting =
                self.judge.model.owed(sub).filter(|(at, _)| !sub.deliveries.contains_key(&(*at, 0)));
            ids.extend(waiting.take(4).map(|(position, _)| DeliveryId {
                subscription: *number,
                position,
                generation: 0,
            }));
        }
        let retrying = |id: &DeliveryId| {
            self.judge.model.delivery(*id).is_some_and(|it| matches!(it.stage, Stage::Retrying(_)))
        };
        if action == Action::Retry && self.chance.permille(700) {
            ids.retain(retrying);
        }
        Items::Deliveries(self.some_of(&ids))
    }

    fn some_of<T: Copy>(&mut self, all: &[T]) -> Vec<T> {
        if all.is_empty() {
            return Vec::new();
        }
        let count = self.chance.between(1, 8);
        (0..count).map(|_| all[self.chance.index(all.len())]).collect()
    }
}
