//! Requests, their answers, and what comes without being asked for.

use cantus_core::Refusal;
use cantus_core::command::{Answer, Command, Pulled};
use cantus_runtime::Failed;
use cantus_runtime::simulation::{Waiting, Work};

use super::publisher::Again;
use super::pusher::Running;
use super::worker::Held;
use super::{Lived, Sabotage, World};
use crate::invariants::{Given, Told};
use crate::judge::Violation;
use crate::model::{Fate, Request, What};

/// A request on its way.
pub(super) struct InFlight {
    pub(super) request: Request,
    pub(super) waiting: Waiting,
    pub(super) who: Who,
}

/// Who asked.
pub(super) enum Who {
    Publisher(Again),
    /// A worker, and what it holds when it answers.
    Worker(usize, Option<Held>),
    Pusher(Box<Running>),
    /// A worker that waits no longer.
    Leaves(usize),
    Operator,
    SetUp,
}

impl World {
    /// Makes a request of what is asked.
    pub(super) fn request(&mut self, what: What) -> Request {
        self.request_next += 1;
        let at = self.node.as_ref().map_or(self.judge.model.at, |node| node.now());
        let request = Request { number: self.request_next, what, at, end: self.judge.model.end };
        self.judge.asked(&request);
        request
    }

    /// Sends a command; what is refused at the mailbox is answered at once.
    pub(super) fn send(&mut self, request: Request, command: Command, who: Who) -> Lived {
        let Some(node) = &self.node else { return Ok(()) };
        let sent = node.send(command);
        self.sent(request, sent, who)
    }

    pub(super) fn sent(&mut self, request: Request, sent: Result<Waiting, Failed>, who: Who) -> Lived {
        match sent {
            Ok(waiting) => {
                self.requests.push(InFlight { request, waiting, who });
                Ok(())
            }
            Err(failed) => self.told(request, Err(failed), who),
        }
    }

    /// Looks at what has become durable, at answers, and at work that is given out.
    pub(super) fn look(&mut self) -> Lived {
        let Some(node) = &mut self.node else { return Ok(()) };
        let new = self.judge.follow(node.reader().as_ref())?;
        node.is_started();
        if !new.is_empty() {
            self.counts.facts += new.len() as u64;
            self.tell(format!("durable: {}", new.join(", ")));
        }
        let mut answered = Vec::new();
        let mut index = 0;
        while index < self.requests.len() {
            match self.requests[index].waiting.poll() {
                Some(answer) => answered.push((self.requests.remove(index), answer)),
                None => index += 1,
            }
        }
        for (in_flight, answer) in answered {
            self.told(in_flight.request, answer, in_flight.who)?;
        }
        self.look_at_places()?;
        let Some(node) = &mut self.node else { return Ok(()) };
        for work in node.take_work() {
            match work {
                Work::Deliver(deliver) => self.begin(deliver)?,
                Work::Cancel(delivery, attempt) => self.cancel(delivery, attempt),
            }
        }
        Ok(())
    }

    /// A worker was given a delivery.
    pub(super) fn given(&mut self, pulled: &Pulled, survivor: bool) -> Lived {
        self.counts.given += 1;
        self.tell(format!(
            "given {:?} attempt {}{}",
            pulled.delivery,
            pulled.attempt,
            if survivor { ", again" } else { "" }
        ));
        let given = Given { pulled: pulled.clone(), survivor };
        if self.sabotage == Sabotage::GivenTwice && self.chance.permille(50) {
            self.judge.given(&given)?;
        }
        self.judge.given(&given)
    }

    fn told(&mut self, request: Request, answer: Result<Answer, Failed>, who: Who) -> Lived {
        self.counts.answers += 1;
        let words = match &answer {
            Ok(Answer::Pulled(pulled)) => format!("{} deliveries", pulled.len()),
            Ok(Answer::Published { receipts, replayed }) => {
                let told = receipts
                    .iter()
                    .map(|it| format!("{}@{}{}", it.id, it.position.0, if it.duplicate { "d" } else { "" }));
                format!("{}{}", told.collect::<Vec<_>>().join(" "), if *replayed { " replayed" } else { "" })
            }
            other => format!("{other:?}"),
        };
        self.tell(format!("answer to {}: {words}", request.number));
        let in_doubt = matches!(answer, Err(Failed::Storage | Failed::Stopping));
        match &answer {
            Ok(
                Answer::Published { receipts, .. }
                | Answer::Settled(cantus_core::command::Settled::Acked(receipts)),
            ) => {
                self.counts.acknowledged += receipts.len() as u64;
                // A second answer to the same delivery is told acknowledged, without receipts.
                let position = |index: usize| receipts.get(index).map(|receipt| receipt.position);
                self.judge.fated(&request, |index| position(index).map_or(Fate::Refused, Fate::Accepted));
            }
            Ok(Answer::Replayed { receipt, .. }) => {
                let position = receipt.as_ref().map(|receipt| receipt.position);
                self.judge.fated(&request, |_| position.map_or(Fate::Refused, Fate::Accepted));
            }
            _ if in_doubt => self.judge.fated(&request, |_| Fate::InDoubt),
            _ => self.judge.fated(&request, |_| Fate::Refused),
        }
        self.judge.answered(&Told { request: &request, answer: &answer })?;
        if in_doubt {
            let waiting = None;
            return self.no_answer(request, waiting, who);
        }
        self.react(request, answer, who)
    }

    /// Whoever asked goes on.
    fn react(&mut self, request: Request, answer: Result<Answer, Failed>, who: Who) -> Lived {
        match (who, answer) {
            (Who::Publisher(again), Err(Failed::Refused(Refusal::Stale))) => self.again.push_front(again),
            (Who::Publisher(again), Ok(_)) => self.published.push(again),
            (Who::Publisher(_), Err(_)) => {}
            (Who::Worker(index, _), Ok(Answer::Pulled(pulled))) => {
                self.workers[index].asks = false;
                for pulled in pulled {
                    self.take(index, pulled)?;
                }
            }
            (Who::Worker(index, held), answer) => self.worker_told(index, held, answer),
            (Who::Pusher(running), answer) => self.pusher_told(*running, answer),
            (Who::Leaves(index), _) => {
                // What was leased just before is still taken.
                self.look_at_places()?;
                self.workers[index].place = None;
            }
            (Who::Operator, Err(Failed::Unreadable(reason))) => {
                return Err(Violation::new("what is stored can be read", reason));
            }
            (Who::Operator, _) => {}
            (Who::SetUp, Ok(_)) => self.is_set_up = true,
            (Who::SetUp, Err(failed)) => {
                return Err(Violation::new("definitions are installed", failed.to_string()));
            }
        }
        let _ = request;
        Ok(())
    }

    /// The process ended before it answered.
    pub(super) fn unanswered(&mut self, in_flight: InFlight) {
        let InFlight { request, who, .. } = in_flight;
        // Nobody judges silence.
        let _ = self.no_answer(request, None, who);
    }

    fn no_answer(&mut self, _request: Request, _waiting: Option<Waiting>, who: Who) -> Lived {
        match who {
            Who::Publisher(again) => self.again.push_back(again),
            Who::Worker(index, held) => {
                self.workers[index].asks = false;
                self.workers[index].held.extend(held);
            }
            // The next start owes it again.
            Who::Pusher(_) | Who::Leaves(_) | Who::Operator | Who::SetUp => {}
        }
        Ok(())
    }
}
