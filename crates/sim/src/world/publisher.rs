//! Publishers: singles, batches, the same again, the same id with something else in it.

use cantus_core::Text;
use cantus_core::command::{Command, Idempotency, Install};
use cantus_core::event::{Data, Event, Form, Payload};
use cantus_runtime::{Draft, Publishing};

use super::ask::Who;
use super::{Lived, World};
use crate::events;
use crate::model::{Fate, What};
use crate::wire;

/// A publish that may be asked again.
#[derive(Clone, Debug)]
pub(super) struct Again {
    pub(super) drafts: Vec<Draft>,
    pub(super) expected_revision: Option<u64>,
    pub(super) idempotency: Option<Idempotency>,
}

impl World {
    /// Somebody publishes; before anything else, definitions are installed.
    pub(super) fn publish(&mut self) -> Lived {
        if !self.is_set_up {
            return self.set_up();
        }
        if !self.again.is_empty() && self.chance.permille(700) {
            let again = self.again.pop_front().expect("it is not empty");
            return self.publish_this(again, "again");
        }
        if !self.published.is_empty() && self.chance.permille(self.settings.traffic.again) {
            let index = self.chance.index(self.published.len());
            let mut again = self.published[index].clone();
            if again.drafts.len() == 1 && self.chance.permille(300) {
                let mut event = Event::clone(&again.drafts[0].event);
                let bytes = format!("\"other {}\"", self.request_next);
                event.data = Some(Data { form: Form::Json, bytes: Payload(bytes.into()) });
                again.drafts = vec![wire::draft(event)];
                again.idempotency =
                    again.idempotency.map(|it| Idempotency { fingerprint: again.drafts[0].content, ..it });
                return self.publish_this(again, "id reused");
            }
            return self.publish_this(again, "once more");
        }
        let fresh = self.fresh();
        self.publish_this(fresh, "new")
    }

    fn fresh(&mut self) -> Again {
        let count = self.chance.between(1, self.settings.traffic.batch_max);
        let now = self.node.as_ref().map_or(0, |node| node.now().0);
        let drafts: Vec<Draft> = (0..count)
            .map(|_| {
                self.event_next += 1;
                wire::draft(events::event(&mut self.chance, &self.settings, self.event_next, now))
            })
            .collect();
        let stream = drafts[0].event.stream.clone();
        let expected_revision = stream.filter(|_| drafts.len() == 1 && self.chance.flip()).map(|stream| {
            let known = self.judge.model.revision(&stream);
            if self.chance.permille(200) { known + self.chance.below(3) } else { known }
        });
        let traffic = &self.settings.traffic;
        let idempotency = (traffic.idempotency && self.chance.flip())
            .then(|| Idempotency { key: u128::from(self.request_next / 2), fingerprint: drafts[0].content });
        Again { drafts, expected_revision, idempotency }
    }

    pub(super) fn publish_this(&mut self, again: Again, how: &str) -> Lived {
        let Some(node) = &self.node else { return Ok(()) };
        let publishing = Publishing {
            drafts: again.drafts.clone(),
            expected_revision: again.expected_revision,
            actor: Text::from("/publisher"),
            agent: None,
            idempotency: again.idempotency,
        };
        let admitted = node.admit(&publishing);
        let (drafts, idempotency) = (again.drafts.clone(), again.idempotency);
        let request = self.request(What::Publish { drafts, idempotency });
        let ids: Vec<_> = again.drafts.iter().map(|draft| draft.event.id.to_string()).collect();
        self.tell(format!(
            "request {}: publish {how} {} {:?}",
            request.number,
            ids.join(" "),
            again.expected_revision
        ));
        match admitted {
            Ok(publish) => self.send(request, Command::Publish(Box::new(publish)), Who::Publisher(again)),
            Err(_) => {
                self.judge.fated(&request, |_| Fate::Refused);
                Ok(())
            }
        }
    }

    fn set_up(&mut self) -> Lived {
        if self.requests.iter().any(|it| matches!(it.who, Who::SetUp)) {
            return Ok(());
        }
        let topics = (0..self.settings.traffic.topics)
            .map(|number| (events::topic(number), events::topic_definition(&self.settings)));
        let subscriptions = (0..self.settings.subscriptions).map(|number| {
            let definition = events::subscription(&mut self.chance, &self.settings, true);
            (events::subscription_id(number), definition, None)
        });
        let install = Install {
            hash: Text::from("sim"),
            source: Text::from("sim"),
            actor: Text::from("sim"),
            topics: topics.collect(),
            agents: (0..self.settings.subscriptions)
                .map(|number| (events::agent(number), Default::default()))
                .collect(),
            subscriptions: subscriptions.collect(),
        };
        let told: Vec<String> = install
            .subscriptions
            .iter()
            .map(|(id, it, _)| format!("{id} {} {:?} {:?}", it.action.as_str(), it.order, it.from))
            .collect();
        let request = self.request(What::Operate { drafts: Vec::new() });
        self.tell(format!("request {}: install {}", request.number, told.join(", ")));
        self.send(request, Command::Install(Box::new(install)), Who::SetUp)
    }
}
