//! The thread: one pass after another, at a low share of the disk's time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cantus_core::command::{Answer, Command};
use cantus_core::{Coordinator, Position};
use cantus_engine::{Frozen, Housekeeping, HousekeepingError, ReadError, Reader};
use tokio::sync::oneshot;

use super::{Bell, Settings, Status};
use crate::handle::{Failed, Shared};
use crate::mailbox::Item;
use crate::telemetry;

/// However long a piece of work took, the pause behind it is no longer.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Why a piece of housekeeping was not done. It is tried again with the next pass.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("the server stops")]
    Stopping,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Engine(#[from] HousekeepingError),
    #[error("the core did not take it: {0}")]
    Core(Failed),
    #[error("there is no checkpoint to write a base from; the next start makes one")]
    NoCheckpoint,
    #[error("files of attempts could not be removed")]
    Attempts(#[source] std::io::Error),
}

/// Whoever housekeeping gives way to instead of waiting: it is stepped by somebody else then.
pub(crate) trait Steps: Send + Sync {
    /// Lets the others go on. Returns false when housekeeping is to end.
    fn give_way(&self) -> bool;
}

/// Does the housekeeping of one log.
pub(crate) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) log: Arc<dyn Housekeeping>,
    /// The log as it is on the disk, hidden facts among the others.
    pub(super) raw: Arc<dyn Reader>,
    pub(super) settings: Settings,
    /// What was looked at, and what it was worth then, per segment.
    pub(super) examined: HashMap<Position, super::rewrite::Examined>,
    /// Up to where the look at everything has got, and what is owed to it.
    pub(super) scrub: super::scrub::Progress,
    /// Set when it is stepped; else it waits.
    steps: Option<Arc<dyn Steps>>,
}

impl Keeper {
    pub(crate) fn new(shared: Arc<Shared>, raw: Arc<dyn Reader>, settings: Settings) -> Self {
        let log = shared.log.clone();
        Self {
            shared,
            log,
            raw,
            settings,
            examined: HashMap::new(),
            scrub: super::scrub::Progress::default(),
            steps: None,
        }
    }

    /// Lets it be stepped: it never waits by itself.
    #[cfg(feature = "simulation")]
    pub(crate) fn stepped(self, steps: Arc<dyn Steps>) -> Self {
        Self { steps: Some(steps), ..self }
    }

    /// The thread.
    pub(crate) fn run(mut self) {
        while self.bell().wait(self.settings.every) {
            self.pass();
        }
    }

    /// Looks once for everything there may be to do.
    pub(crate) fn pass(&mut self) {
        self.status().begin_pass();
        let mut trouble = None;
        for (what, work) in WORK {
            match work(self) {
                Ok(()) => {}
                Err(Trouble::Stopping) => return,
                Err(error) => {
                    let reason = telemetry::chain(&error);
                    tracing::warn!(what, reason, "housekeeping could not be done; it is tried again");
                    trouble = Some(format!("{what}: {reason}"));
                }
            }
        }
        self.status().note(|report| {
            report.passes += 1;
            report.trouble = trouble;
        });
        self.status().end_pass();
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.shared.bell
    }

    pub(super) fn status(&self) -> &Status {
        &self.shared.housekeeping
    }

    /// Does a piece of work and rests as long as the disk's time demands.
    pub(super) fn paced<T>(&self, work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
        if self.bell().is_stopped() {
            return Err(Trouble::Stopping);
        }
        let began = Instant::now();
        let done = work();
        if let Some(steps) = &self.steps {
            return if steps.give_way() { done } else { Err(Trouble::Stopping) };
        }
        let share = self.settings.share.clamp(1, 100);
        let pause = began.elapsed() * (100 - share) / share;
        if !self.bell().rest(pause.min(PAUSE_MAX)) {
            return Err(Trouble::Stopping);
        }
        done
    }

    /// Looks at what is true.
    pub(super) fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Coordinator) -> T + Send + 'static,
    ) -> Result<T, Trouble> {
        let (send, receive) = mpsc::sync_channel(1);
        let read = Box::new(move |coordinator: &Coordinator, _| {
            let result = look(coordinator);
            // The housekeeper may have gone.
            Box::new(move || drop(send.send(result))) as Box<dyn FnOnce() + Send>
        });
        let asked = self.shared.mailbox.outcome_patiently(Item::Read(read));
        asked.map_err(|_| Trouble::Stopping)?;
        self.handed(&receive)
    }

    /// Returns what the turn hands over, once it does.
    fn handed<T>(&self, receive: &mpsc::Receiver<T>) -> Result<T, Trouble> {
        let Some(steps) = &self.steps else { return receive.recv().map_err(|_| Trouble::Stopping) };
        loop {
            match receive.try_recv() {
                Err(mpsc::TryRecvError::Empty) if steps.give_way() => {}
                handed => return handed.map_err(|_| Trouble::Stopping),
            }
        }
    }

    fn answered(&self, mut answer: oneshot::Receiver<Reply>) -> Option<Reply> {
        let Some(steps) = &self.steps else { return answer.blocking_recv().ok() };
        loop {
            match answer.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) if steps.give_way() => {}
                answered => return answered.ok(),
            }
        }
    }

    /// Asks the core for something, and waits until it is durable. None when it was refused because things have changed
    /// meanwhile.
    pub(super) fn command(&self, command: Command) -> Result<Option<Answer>, Trouble> {
        let (reply, answer) = oneshot::channel();
        let item = Item::Command(Box::new(command), Some(reply));
        self.shared.mailbox.outcome_patiently(item).map_err(|_| Trouble::Stopping)?;
        match self.answered(answer) {
            Some(Ok(answer)) => Ok(Some(answer)),
            Some(Err(Failed::Refused(_))) => Ok(None),
            Some(Err(Failed::Stopping)) | None => Err(Trouble::Stopping),
            Some(Err(failed)) => Err(Trouble::Core(failed)),
        }
    }

    /// Returns all state as of a position that is at least the one given.
    pub(super) fn freeze(&self, at_least: Position) -> Result<Box<dyn Frozen>, Trouble> {
        let (send, receive) = mpsc::sync_channel(1);
        let item = Item::Freeze(at_least, send);
        self.shared.mailbox.outcome_patiently(item).map_err(|_| Trouble::Stopping)?;
        self.handed(&receive)?.ok_or(Trouble::NoCheckpoint)
    }

    /// Returns the segments that are sealed, oldest first.
    pub(super) fn sealed(&self) -> Vec<cantus_engine::SegmentInfo> {
        self.log
            .segments()
            .into_iter()
            .filter(|segment| segment.sealed && segment.last >= segment.first)
            .collect()
    }

    /// Forgets what is known of segments that are not there any more.
    pub(super) fn forget_gone_segments(&mut self) {
        let there: HashSet<Position> = self.log.segments().iter().map(|segment| segment.first).collect();
        self.examined.retain(|first, _| there.contains(first));
    }
}

type Reply = Result<Answer, Failed>;

type Work = fn(&mut Keeper) -> Result<(), Trouble>;

/// What a pass does, in order.
const WORK: [(&str, Work); 5] = [
    ("erasing events", Keeper::erase),
    ("retention", Keeper::trim),
    ("compaction", Keeper::compact),
    ("writing segments anew", Keeper::rewrite_what_is_worth_it),
    ("looking at everything", Keeper::scrub),
];
