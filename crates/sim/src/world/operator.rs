//! Operators: they pause, park, seek, replay, edit, archive, declare anew and take away.

use std::sync::Arc;

use cantus_core::agent::AgentPattern;
use cantus_core::command::{Command, EditDeadLetter, ReplayDeadLetter};
use cantus_core::event::{Data, Event, Form, Payload};
use cantus_core::fact::Fact;
use cantus_core::ids::DeadLetterId;
use cantus_core::subscription::Until;
use cantus_core::topic::Pattern;
use cantus_core::{Position, Span, Text, Timestamp};
use cantus_runtime::{Draft, Publishing};

use super::ask::Who;
use super::{Lived, World};
use crate::events;
use crate::model::What;
use crate::wire;

fn actor() -> Text {
    Text::from("/operator")
}

impl World {
    /// An operator does something.
    pub(super) fn operate(&mut self) -> Lived {
        let operators = &self.settings.operators;
        let weights = [
            operators.pause,
            operators.park,
            operators.seek,
            operators.replay,
            operators.archive,
            operators.redeclare,
            operators.remove,
            operators.bulk,
            operators.release,
        ];
        if weights.iter().sum::<u64>() == 0 {
            return Ok(());
        }
        match self.chance.weighted(&weights) {
            0 => self.pause_or_resume(),
            1 => self.park_or_resume(),
            2 => self.seek(),
            3 => self.replay(),
            4 => self.put_away_or_edit(),
            5 => self.redeclare(),
            6 => self.remove(),
            7 => self.bulk(),
            _ => self.release(),
        }
    }

    pub(super) fn operate_by(&mut self, words: String, drafts: Vec<Draft>, command: Command) -> Lived {
        let request = self.request(What::Operate { drafts });
        self.tell(format!("request {}: {words}", request.number));
        self.send(request, command, Who::Operator)
    }

    fn now(&self) -> Timestamp {
        self.node.as_ref().map_or(Timestamp(0), |node| node.now())
    }

    fn pause_or_resume(&mut self) -> Lived {
        let id = events::subscription_id(self.chance.below(self.settings.subscriptions));
        if self.chance.flip() {
            let command = Command::ResumeSubscription { id: id.clone(), actor: actor() };
            return self.operate_by(format!("resume {id}"), Vec::new(), command);
        }
        let until = self.chance.flip().then(|| self.now().after(Span(self.chance.below(5_000))));
        let command = Command::PauseSubscription { id: id.clone(), reason: None, until, actor: actor() };
        self.operate_by(format!("pause {id} until {until:?}"), Vec::new(), command)
    }

    fn park_or_resume(&mut self) -> Lived {
        let one = format!("/a{}", self.chance.below(self.settings.subscriptions));
        let pattern = if self.chance.flip() { "/*".to_owned() } else { one };
        let agents = AgentPattern::parse(&pattern).expect("a legal pattern");
        if self.chance.permille(400) {
            let command = Command::ResumeAgents { agents, actor: actor() };
            return self.operate_by(format!("resume agents {pattern}"), Vec::new(), command);
        }
        let until = match self.chance.below(3) {
            0 => None,
            1 => Some(Until::After(Span(self.chance.below(5_000)))),
            _ => Some(Until::Event(events::filter(self.chance.of(&events::TYPES)))),
        };
        let topics = vec![Pattern::parse("t*").expect("a legal pattern")];
        let words = format!("park agents {pattern} until {until:?}");
        let command =
            Command::PauseAgents { agents: vec![agents], until, topics, reason: None, actor: actor() };
        self.operate_by(words, Vec::new(), command)
    }

    fn seek(&mut self) -> Lived {
        let id = events::subscription_id(self.chance.below(self.settings.subscriptions));
        let after = Position(self.chance.below(self.judge.model.end.0 + 2));
        let dry_run = self.chance.permille(150);
        let command = Command::Seek { id: id.clone(), after, dry_run, actor: actor() };
        self.operate_by(format!("seek {id} to {after}, dry run {dry_run}"), Vec::new(), command)
    }

    /// Lets a held key go, or closes a breaker.
    fn release(&mut self) -> Lived {
        let holder = self.judge.model.dead_letters.iter().find(|(_, dead)| dead.holds.is_some());
        match holder.map(|(id, _)| *id) {
            Some(id) if self.chance.flip() => self.release_key(id),
            _ => {
                let id = events::subscription_id(self.chance.below(self.settings.subscriptions));
                let command = Command::ResetBreaker { id: id.clone(), actor: actor() };
                self.operate_by(format!("reset the breaker of {id}"), Vec::new(), command)
            }
        }
    }

    fn release_key(&mut self, id: DeadLetterId) -> Lived {
        let command = Command::ReleaseKey { id, note: None, actor: actor() };
        self.operate_by(format!("release the key of {}", id.0), Vec::new(), command)
    }

    fn some_dead_letter(&mut self) -> Option<DeadLetterId> {
        let ids: Vec<_> = self.judge.model.dead_letters.keys().copied().collect();
        (!ids.is_empty()).then(|| ids[self.chance.index(ids.len())])
    }

    /// Sends a dead letter on its way again, as it is, edited, or to a topic.
    fn replay(&mut self) -> Lived {
        let Some(id) = self.some_dead_letter() else { return Ok(()) };
        let dead = self.judge.model.dead_letters[&id].clone();
        let to_topic = self.chance.permille(150);
        let to = (!to_topic && self.chance.permille(200))
            .then(|| events::subscription_id(self.chance.below(self.settings.subscriptions)));
        let drafts = if dead.edit.is_some() || to_topic {
            self.event_next += 1;
            let mut event = Event::clone(&dead.event);
            event.causation_id = Some(event.id.clone());
            event.id = Text::from(format!("r{}", self.event_next));
            event.hops += 1;
            event.deliver_at = None;
            vec![wire::draft(event)]
        } else {
            Vec::new()
        };
        let recorded = self.node.as_ref().and_then(|node| {
            let recorded = node.reader().get(dead.delivery.position).ok().flatten()?;
            match recorded.fact {
                Fact::EventPublished(fact) => Some((fact.event, recorded.at)),
                _ => None,
            }
        });
        let Some((original, recorded_at)) = recorded else { return Ok(()) };
        let publish = match (&self.node, drafts.is_empty()) {
            (Some(node), false) => {
                let publishing = Publishing {
                    drafts: drafts.clone(),
                    expected_revision: None,
                    actor: actor(),
                    agent: None,
                    idempotency: None,
                };
                match node.admit(&publishing) {
                    Ok(publish) => Some(Box::new(publish)),
                    Err(_) => return Ok(()),
                }
            }
            _ => None,
        };
        let words = format!("replay {} to {to:?}, topic {to_topic}", id.0);
        let command = Command::ReplayDeadLetter(Box::new(ReplayDeadLetter {
            id,
            seen_edit: dead.edit,
            to,
            publish,
            to_topic,
            event: original,
            recorded_at,
            actor: actor(),
            note: None,
        }));
        self.operate_by(words, drafts, command)
    }

    fn put_away_or_edit(&mut self) -> Lived {
        let Some(id) = self.some_dead_letter() else { return Ok(()) };
        match self.chance.below(3) {
            0 => {
                let command = Command::ArchiveDeadLetter { id, note: Text::from("away"), actor: actor() };
                self.operate_by(format!("archive {}", id.0), Vec::new(), command)
            }
            1 => self.restore(id),
            _ => {
                let dead = self.judge.model.dead_letters[&id].clone();
                let bytes = format!("{{\"edited\":{}}}", self.request_next);
                let data = Data { form: Form::Json, bytes: Payload(bytes.into()) };
                let mut event = Event::clone(&dead.event);
                event.data = Some(data.clone());
                let command = Command::EditDeadLetter(Box::new(EditDeadLetter {
                    id,
                    seen_edit: dead.edit,
                    data: Some(data),
                    attributes: Vec::new(),
                    event: Arc::new(event),
                    actor: actor(),
                    note: None,
                }));
                self.operate_by(format!("edit {}", id.0), Vec::new(), command)
            }
        }
    }

    fn redeclare(&mut self) -> Lived {
        let number = self.chance.below(self.settings.subscriptions);
        let id = events::subscription_id(number);
        let known = self.judge.model.subscription(&id).map(|(_, sub)| sub.definition().clone());
        let mut definition = events::subscription(&mut self.chance, &self.settings, false);
        if let Some(known) = &known
            && self.chance.flip()
        {
            definition.order = known.order;
        }
        let words = format!(
            "declare {id} {} {:?} {:?} {:?}",
            definition.action.as_str(),
            definition.order,
            definition.from,
            definition.filter
        );
        let definition = Box::new(definition);
        let command = Command::DeclareSubscription { id, definition, start: None, actor: actor() };
        self.operate_by(words, Vec::new(), command)
    }

    fn remove(&mut self) -> Lived {
        let id = events::subscription_id(self.chance.below(self.settings.subscriptions));
        let command = Command::RemoveSubscription { id: id.clone(), actor: actor() };
        self.operate_by(format!("remove {id}"), Vec::new(), command)
    }

    fn restore(&mut self, id: DeadLetterId) -> Lived {
        let command = Command::RestoreDeadLetter { id, note: None, actor: actor() };
        self.operate_by(format!("restore {}", id.0), Vec::new(), command)
    }

    /// Everything that was held back goes on.
    pub(super) fn resume_all(&mut self) -> Lived {
        for number in 0..self.settings.subscriptions {
            let id = events::subscription_id(number);
            let paused = self.judge.model.subscription(&id).is_some_and(|(_, sub)| sub.pause.is_some());
            if paused {
                let command = Command::ResumeSubscription { id: id.clone(), actor: actor() };
                self.operate_by(format!("resume {id}"), Vec::new(), command)?;
            }
        }
        let holders = self.judge.model.dead_letters.iter().filter(|(_, dead)| dead.holds.is_some());
        let holders: Vec<DeadLetterId> = holders.map(|(id, _)| *id).collect();
        for id in holders {
            self.release_key(id)?;
        }
        let pauses: Vec<Position> = self.judge.model.pauses.keys().copied().collect();
        for pause in pauses {
            let command = Command::EndPause { pause, actor: actor() };
            self.operate_by(format!("end the pause of {pause}"), Vec::new(), command)?;
        }
        Ok(())
    }
}
