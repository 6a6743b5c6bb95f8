//! What is shown: the last looks, the rates between them, and where the reader is.

use std::collections::{HashMap, VecDeque};

use anyhow::{Result, anyhow};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde::Serialize;

use super::snapshot::Snapshot;

/// How many rates are kept for the chart.
const RATES_MAX: usize = 300;

/// What is shown.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) url: String,
    pub(super) colors: bool,
    pub(super) paused: bool,
    pub(super) page: Page,
    /// The first row that is shown.
    pub(super) scroll: usize,
    pub(super) last: Option<Snapshot>,
    /// Why the last look failed; what was seen before is still shown.
    pub(super) error: Option<String>,
    pub(super) rates: Rates,
    /// Events in, a second, newest last.
    pub(super) history: VecDeque<u64>,
}

/// What a page lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Subscriptions,
    Topics,
    Agents,
    DeadLetters,
}

impl Page {
    pub(super) const ALL: [Page; 4] = [Page::Subscriptions, Page::Topics, Page::Agents, Page::DeadLetters];

    pub(super) fn title(self) -> &'static str {
        match self {
            Page::Subscriptions => "Subscriptions",
            Page::Topics => "Topics",
            Page::Agents => "Agents",
            Page::DeadLetters => "Dead letters",
        }
    }

    fn next(self, steps: usize) -> Page {
        let here = Page::ALL.iter().position(|page| *page == self).unwrap_or_default();
        Page::ALL[(here + steps) % Page::ALL.len()]
    }
}

/// What happened between two looks, a second.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Rates {
    /// Events published.
    pub(super) published: f64,
    /// Deliveries acknowledged.
    pub(super) acked: f64,
    /// Attempts that failed.
    pub(super) failed: f64,
    /// The share of one processor the server took.
    pub(super) cpu: Option<f64>,
    /// Deliveries acknowledged, by subscription.
    #[serde(skip)]
    pub(super) acked_by: HashMap<String, f64>,
    /// Events published, by topic.
    #[serde(skip)]
    pub(super) published_by: HashMap<String, f64>,
}

/// Whether to go on after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Stay,
    Leave,
}

impl Board {
    pub(super) fn new(url: &str) -> Board {
        Board {
            url: url.trim_end_matches('/').to_owned(),
            colors: false,
            paused: false,
            page: Page::Subscriptions,
            scroll: 0,
            last: None,
            error: None,
            rates: Rates::default(),
            history: VecDeque::new(),
        }
    }

    /// Takes what a look saw, or why it saw nothing.
    pub(super) fn take(&mut self, looked: Result<Snapshot>) {
        let next = match looked {
            Ok(next) => next,
            Err(error) => {
                self.error = Some(format!("{error:#}"));
                return;
            }
        };
        self.error = None;
        if let Some(last) = &self.last {
            self.rates = rates(last, &next);
            self.history.push_back(self.rates.published.round() as u64);
            if self.history.len() > RATES_MAX {
                self.history.pop_front();
            }
        }
        self.last = Some(next);
    }

    /// Returns what is shown, for programs.
    ///
    /// # Errors
    /// When there was no look that saw anything.
    pub(super) fn report(&self) -> Result<serde_json::Value> {
        let Some(last) = &self.last else {
            return Err(anyhow!(self.error.clone().unwrap_or_else(|| "nothing was seen".to_owned())));
        };
        Ok(serde_json::json!({
            "status": last.status,
            "ready": last.ready.ok,
            "rates": self.rates,
            "lag_seconds": longest(&last.metrics.lag_seconds),
            "resident_bytes": last.metrics.resident_bytes,
            "subscriptions": last.subscriptions.iter().map(|it| serde_json::json!({
                "id": it.id, "state": it.state, "lag_events": it.lag_events, "in_flight": it.in_flight,
                "lag_seconds": last.metrics.lag_seconds.get(it.id.as_str()), "retrying": it.retrying,
                "dead_letters": it.dead_letters, "acked_per_second": self.rates.acked_by.get(it.id.as_str()),
            })).collect::<Vec<_>>(),
        }))
    }

    /// Does what a key asks for.
    pub(super) fn key(&mut self, key: KeyEvent) -> Turn {
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Turn::Leave,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Turn::Leave,
            KeyCode::Char('p') | KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => self.turn_to(self.page.next(1)),
            KeyCode::BackTab | KeyCode::Left | KeyCode::Char('h') => {
                self.turn_to(self.page.next(Page::ALL.len() - 1));
            }
            KeyCode::Char(digit @ '1'..='4') => self.turn_to(Page::ALL[digit as usize - '1' as usize]),
            KeyCode::Down | KeyCode::Char('j') => {
                self.scroll = (self.scroll + 1).min(self.rows().saturating_sub(1))
            }
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll = (self.scroll + 20).min(self.rows().saturating_sub(1)),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(20),
            KeyCode::Home | KeyCode::Char('g') => self.scroll = 0,
            _ => {}
        }
        Turn::Stay
    }

    fn turn_to(&mut self, page: Page) {
        self.page = page;
        self.scroll = 0;
    }

    fn rows(&self) -> usize {
        let Some(last) = &self.last else { return 0 };
        match self.page {
            Page::Subscriptions => last.subscriptions.len(),
            Page::Topics => last.topics.len(),
            Page::Agents => last.agents.len(),
            Page::DeadLetters => last.groups.len(),
        }
    }
}

/// Returns the longest of some ages.
pub(super) fn longest(ages: &HashMap<String, f64>) -> f64 {
    ages.values().copied().fold(0.0, f64::max)
}

/// A counter that went down began anew: then what it says now came since.
fn rates(last: &Snapshot, next: &Snapshot) -> Rates {
    let seconds = next.at.duration_since(last.at).as_secs_f64().max(0.001);
    let per_second =
        |before: f64, now: f64| if now >= before { (now - before) / seconds } else { now / seconds };
    let (before, now) = (&last.metrics, &next.metrics);
    let acked_by: HashMap<String, f64> = now
        .acked
        .iter()
        .map(|(id, count)| (id.clone(), per_second(before.acked.get(id).copied().unwrap_or(0.0), *count)))
        .collect();
    let before_of: HashMap<&str, u64> =
        last.topics.iter().map(|topic| (topic.name.as_str(), topic.events)).collect();
    let published_by = next.topics.iter().map(|topic| {
        let before = before_of.get(topic.name.as_str()).copied().unwrap_or(0);
        (topic.name.clone(), per_second(before as f64, topic.events as f64))
    });
    Rates {
        published: per_second(before.appended, now.appended),
        acked: acked_by.values().sum(),
        failed: per_second(before.failed, now.failed),
        cpu: before.cpu_seconds.zip(now.cpu_seconds).map(|(before, now)| per_second(before, now)),
        acked_by,
        published_by: published_by.collect(),
    }
}
