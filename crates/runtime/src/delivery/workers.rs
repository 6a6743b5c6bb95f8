//! Who does what: one task per attempt, tracked so that a stop can wait for them.

use std::sync::Arc;

use cantus_core::command::{Answer, Command, Outcome, Settle, Settled};
use cantus_core::effect::{Deliver, Effect};
use cantus_core::event::Event;
use cantus_core::ids::DeliveryId;
use cantus_core::subscription::{Action, Announce, Rate, SubscriptionId, WebhookAction};
use cantus_core::{Refusal, Text};
use tokio_util::task::TaskTracker;

use super::exec::AttemptId;
use super::webhook::Sending;
use super::{outcome, program, publish};
use crate::handle::{Failed, Handle};
use crate::observe::{AttemptOf, Observer};
use crate::start::{Answering, ExecSettings, Wire};

/// How often an outcome is offered again when the mailbox is full or definitions changed meanwhile.
const SETTLE_TRIES_MAX: u32 = 200;

/// Carries out effects.
#[derive(Clone)]
pub(crate) struct Workers {
    pub(super) handle: Handle,
    pub(super) wire: Arc<dyn Wire>,
    pub(super) exec: Option<Arc<ExecSettings>>,
    observer: Arc<dyn Observer>,
    tasks: TaskTracker,
    runtime: tokio::runtime::Handle,
}

/// An attempt with all that is needed to carry it out.
pub(crate) struct Attempt {
    pub(crate) deliver: Deliver,
    pub(crate) event: Arc<Event>,
    pub(crate) subscription: SubscriptionId,
    pub(crate) delivery_text: String,
    /// The trace context it hands on.
    pub(crate) trace_parent: Option<Text>,
    pub(crate) on_start: Option<Announce>,
    pub(crate) on_failure: Option<Announce>,
}

impl Workers {
    /// Must be called within the asynchronous runtime that shall carry out the attempts.
    pub(crate) fn new(
        handle: Handle,
        wire: Arc<dyn Wire>,
        exec: Option<ExecSettings>,
        observer: Arc<dyn Observer>,
        tasks: TaskTracker,
    ) -> Self {
        let runtime = tokio::runtime::Handle::current();
        Self { handle, wire, exec: exec.map(Arc::new), observer, tasks, runtime }
    }

    /// Starts to carry out an effect; does not wait.
    pub(crate) fn start(&self, effect: Effect) {
        match effect {
            Effect::Deliver(deliver) => {
                let workers = self.clone();
                self.tasks.spawn_on(async move { workers.deliver(deliver).await }, &self.runtime);
            }
            Effect::AnswerPull { waiter, deliveries } => self.handle.answer_pull(waiter, deliveries),
            Effect::Cancel { delivery, attempt } => {
                let workers = self.clone();
                self.tasks.spawn_on(async move { workers.cancel(delivery, attempt).await }, &self.runtime);
            }
            // The feeder's; the outlet has taken it out.
            Effect::Feed { .. } => {}
        }
    }

    async fn deliver(&self, deliver: Deliver) {
        let number = deliver.delivery.subscription;
        let found = self
            .handle
            .read(move |coordinator, _| {
                let subscription = coordinator.state.subscriptions.get(&number)?;
                let definition = subscription.definition();
                let announced = (definition.on_start.clone(), definition.on_failure.clone());
                Some((subscription.id.clone(), definition.action.clone(), announced, definition.rate))
            })
            .await;
        let (subscription, action, (on_start, on_failure), rate) = match found {
            Ok(Some(found)) => found,
            // Removed meanwhile, or the server stops: the next start owes it again.
            Ok(None) | Err(_) => return,
        };
        let event = match &deliver.event {
            Some(event) => Ok(Some(event.clone())),
            None => self.handle.event_at(deliver.delivery.position).await,
        };
        let event = match event {
            Ok(Some(event)) => event,
            Ok(None) => return self.give_back(&deliver, &subscription, "it is lost").await,
            Err(Failed::Stopping) => return,
            Err(failed) => return self.give_back(&deliver, &subscription, &failed.to_string()).await,
        };
        let delivery_text = deliver.delivery.display(deliver.recorded_at);
        let (delivery, number) = (deliver.delivery, deliver.attempt);
        let of = AttemptOf { event: &event, subscription: &subscription, delivery, attempt: number };
        let trace_parent = self.observer.trace_parent(&of);
        let attempt =
            Attempt { deliver, event, subscription, delivery_text, trace_parent, on_start, on_failure };
        self.announce_start(&attempt).await;
        match action {
            Action::Exec(exec) => self.run(&attempt, &exec).await,
            Action::Webhook(webhook) => self.send(&attempt, &webhook, rate).await,
            Action::Publish(transform) => {
                let answer = transformed(&transform, self.wire.as_ref(), &self.answering(&attempt));
                self.settle(&attempt, answer, true).await;
            }
            Action::Pause(pause) => {
                let parked =
                    outcome::Said::Parked { agents: pause.agents.clone(), until: pause.until.clone() };
                self.settle(&attempt, parked, true).await;
            }
            // Declared anew as an inbox while the attempt was on its way: a worker will get it when the lease ends.
            Action::Inbox => {}
        }
    }

    /// Gives an attempt back whose event can not be read: it is tried again later, and shown as failed until then.
    async fn give_back(&self, deliver: &Deliver, subscription: &SubscriptionId, why: &str) {
        tracing::error!(position = %deliver.delivery.position, why, "the event of a delivery can not be read");
        let class = cantus_core::subscription::retry::Class::Unavailable;
        let failure = outcome::failure(class, &format!("the event can not be read from the log: {why}"));
        let settle = Settle {
            delivery: deliver.delivery,
            token: deliver.token,
            outcome: Outcome::Nack(failure),
            event: None,
            on_failure: None,
            refusal_fails: true,
            actor: subscription.agent.text().clone(),
        };
        if let Err(failed) = self.handle.submit(Command::Settle(Box::new(settle))).await {
            tracing::error!(%failed, "an attempt could not be given back; the next start owes it again");
        }
    }

    /// Runs a program, or finds it running already, and brings its outcome back.
    async fn run(&self, attempt: &Attempt, exec: &cantus_core::subscription::ExecAction) {
        let (Some(runner), Some(settings)) = (self.handle.exec(), self.exec.clone()) else {
            let failure = outcome::failure(
                cantus_core::subscription::retry::Class::Rejected,
                "this server does not run programs; start it with a sandbox setting that allows exec",
            );
            self.settle(attempt, outcome::Said::Failed(failure), true).await;
            return;
        };
        let id = match AttemptId::parse(&attempt.delivery_text, attempt.deliver.attempt) {
            Ok(id) => id,
            Err(error) => {
                tracing::error!(%error, "an attempt can not be named");
                return;
            }
        };
        // Only an attempt that an earlier start may have begun is adopted. Any other that finds a folder of its name finds
        // that of an earlier life of the delivery: before a seek back, or a lease that a power cut took.
        if !attempt.deliver.survivor
            && let Err(error) = runner.clear(&id).await
        {
            tracing::error!(attempt = %id, %error, "what an earlier attempt left can not be taken away");
        }
        let spec = program::spec(attempt, exec, &settings, self.wire.as_ref());
        let ended = match spec {
            Ok(mut spec) => {
                if let Some(confine) = self.handle.confine().cloned() {
                    let action = exec.clone();
                    let confined = tokio::task::spawn_blocking(move || {
                        confine.apply(&action, &mut spec);
                        spec
                    });
                    // Fails only while the runtime shuts down; the next start owes the attempt again.
                    let Ok(confined) = confined.await else { return };
                    spec = confined;
                }
                runner.run(&id, spec, || {}).await
            }
            Err(failure) => {
                self.settle(attempt, outcome::Said::Failed(failure), true).await;
                return;
            }
        };
        let said = program::said(&ended, exec, self.wire.as_ref(), &self.answering(attempt));
        if self.settle(attempt, said, true).await {
            let runner = runner.clone();
            let collected = tokio::task::spawn_blocking(move || runner.collected(&id)).await;
            if let Ok(Err(error)) = collected {
                tracing::warn!(%error, "an attempt's folder could not be marked as collected");
            }
        }
    }

    /// Sends an event to a URL, and brings the outcome back.
    async fn send(&self, attempt: &Attempt, webhook: &WebhookAction, rate: Option<Rate>) {
        let subscription = attempt.subscription.to_string();
        let sending = Sending {
            number: attempt.deliver.delivery.subscription,
            per_minute: rate.map(Rate::per_minute),
            subscription: &subscription,
            delivery: &attempt.delivery_text,
            attempt: attempt.deliver.attempt,
            redelivered: attempt.deliver.redelivered || attempt.deliver.survivor,
            first_at: Some(attempt.deliver.first_at),
            event: &attempt.event,
            trace_parent: attempt.trace_parent.as_deref(),
        };
        let wait = async |pause| self.waited(attempt, pause).await;
        let answering = self.answering(attempt);
        let said = match self.handle.webhooks() {
            Some(webhooks) => webhooks.deliver(&sending, webhook, &answering, wait).await,
            None => {
                let class = cantus_core::subscription::retry::Class::Rejected;
                Some(outcome::Said::Failed(outcome::failure(class, "this server sends no webhooks")))
            }
        };
        // What was given up is owed again by the next start.
        if let Some(said) = said {
            self.settle(attempt, said, true).await;
        }
    }

    /// Waits for an attempt's turn. Returns whether it still may go: not when the server stops, or the lease is gone.
    async fn waited(&self, attempt: &Attempt, pause: std::time::Duration) -> bool {
        let mut stopping = self.handle.stopping();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return false,
        }
        let (delivery, token) = (attempt.deliver.delivery, attempt.deliver.token);
        let held = self.handle.read(move |coordinator, _| {
            let open = coordinator.state.open(delivery).and_then(|open| open.lease());
            open.is_some_and(|lease| lease.token == token)
        });
        held.await.unwrap_or(false)
    }

    pub(super) fn answering<'a>(&self, attempt: &'a Attempt) -> Answering<'a> {
        Answering { event: &attempt.event, agent: &attempt.subscription.agent, now: self.handle.now() }
    }

    /// Brings an outcome back until it is taken. Returns whether it was.
    async fn settle(&self, attempt: &Attempt, said: outcome::Said, refusal_fails: bool) -> bool {
        for tried in 0..SETTLE_TRIES_MAX {
            let mut settle = settlement(&self.handle, attempt, &said, refusal_fails);
            settle.on_failure = self.announce_failure(attempt, &said);
            match self.handle.submit(Command::Settle(Box::new(settle))).await {
                Ok(Answer::Settled(Settled::Late)) => {
                    tracing::info!(
                        delivery = attempt.delivery_text,
                        "an answer came after its lease; it is stored"
                    );
                    return true;
                }
                Ok(_) => return true,
                Err(Failed::Refused(Refusal::Stale) | Failed::Overloaded | Failed::StorageFull) => {
                    let pause = std::time::Duration::from_millis(u64::from(tried.min(50)) * 10);
                    tokio::time::sleep(pause).await;
                }
                // The outcome stays in the attempt's folder; the next start collects it.
                Err(Failed::Stopping | Failed::Storage) => return false,
                Err(failed) => {
                    tracing::error!(delivery = attempt.delivery_text, %failed, "an outcome was not taken");
                    return false;
                }
            }
        }
        tracing::error!(
            delivery = attempt.delivery_text,
            "an outcome was not taken; the next start collects it"
        );
        false
    }

    async fn cancel(&self, delivery: DeliveryId, attempt: u32) {
        let Some(exec) = self.handle.exec().cloned() else { return };
        let recorded = self.handle.read_log(move |reader| reader.get(delivery.position)).await;
        let Ok(Some(recorded)) = recorded else { return };
        let Ok(id) = AttemptId::parse(&delivery.display(recorded.at), attempt) else { return };
        let cancelled = tokio::task::spawn_blocking(move || exec.cancel(&id)).await;
        if let Ok(Err(error)) = cancelled {
            tracing::warn!(%error, "a fenced attempt could not be ended");
        }
    }

    /// Ends attempts of programs that the log does not know: their leases were lost with the machine's power.
    pub(crate) async fn end_unknown(&self, owed: &[Deliver]) {
        let Some(exec) = self.handle.exec().cloned() else { return };
        let known: std::collections::HashSet<(String, u32)> = owed
            .iter()
            .map(|deliver| (deliver.delivery.display(deliver.recorded_at), deliver.attempt))
            .collect();
        let ended = tokio::task::spawn_blocking(move || -> std::io::Result<usize> {
            let mut ended = 0;
            for survivor in exec.survivors()? {
                let id = (survivor.attempt.delivery().to_owned(), survivor.attempt.number());
                if !known.contains(&id) {
                    exec.cancel(&survivor.attempt)?;
                    exec.collected(&survivor.attempt)?;
                    ended += 1;
                }
            }
            Ok(ended)
        });
        match ended.await {
            Ok(Ok(0)) => {}
            Ok(Ok(ended)) => {
                tracing::info!(ended, "attempts that the log has settled or never knew were ended")
            }
            Ok(Err(error)) => tracing::warn!(%error, "attempts of the last start could not be listed"),
            Err(error) => tracing::warn!(%error, "attempts of the last start could not be listed"),
        }
    }
}

/// Tells what the `publish` action says.
pub(crate) fn transformed(
    transform: &cantus_core::subscription::PublishAction,
    wire: &dyn Wire,
    answering: &Answering<'_>,
) -> outcome::Said {
    match publish::transform(transform, wire, answering) {
        Ok(draft) => outcome::Said::Done(Ok(vec![draft])),
        Err(failure) => outcome::Said::Failed(failure),
    }
}

/// Makes the command that brings what an attempt said; its events are checked against the definitions of now.
pub(crate) fn settlement(
    handle: &Handle,
    attempt: &Attempt,
    said: &outcome::Said,
    refusal_fails: bool,
) -> Settle {
    let outcome = match said {
        outcome::Said::Done(drafts) => Outcome::Ack(admit(handle, attempt, drafts)),
        outcome::Said::Parked { agents, until } => {
            Outcome::Park { agents: agents.clone(), until: until.clone() }
        }
        outcome::Said::Failed(failure) => Outcome::Nack(failure.clone()),
    };
    Settle {
        delivery: attempt.deliver.delivery,
        token: attempt.deliver.token,
        outcome,
        event: Some(attempt.event.clone()),
        on_failure: None,
        refusal_fails,
        actor: attempt.subscription.agent.text().clone(),
    }
}

fn admit(
    handle: &Handle,
    attempt: &Attempt,
    drafts: &Result<Vec<crate::admission::Draft>, Refusal>,
) -> Result<Box<cantus_core::command::Publish>, Refusal> {
    let publishing = crate::handle::Publishing {
        drafts: drafts.clone()?,
        expected_revision: None,
        actor: attempt.subscription.agent.text().clone(),
        agent: Some(attempt.subscription.agent.clone()),
        idempotency: None,
    };
    handle.admit(&publishing).map(Box::new)
}

impl Attempt {
    pub(super) fn token_text(&self) -> Text {
        Text::from(self.deliver.token.to_string())
    }
}
