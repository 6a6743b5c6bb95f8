//! `cantus top`: what happens now, in a terminal. `snapshot` asks the server, `board` keeps what is shown, `view` draws it.

mod board;
mod snapshot;
mod view;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use cantus_api::time::Span;
use cantus_client::Client;
use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::time::Instant;

use crate::context::Context;
use crate::output::Format;
use board::{Board, Turn};
use snapshot::Snapshot;

/// How long a key is waited for before the clock is looked at again.
const KEY_WAIT: Duration = Duration::from_millis(50);

/// Show what happens now: rates, lag, deliveries, dead letters, agents
///
/// In a terminal it stays and follows; elsewhere, or with -o json, it prints once what it would show. With -o jsonl it prints a line
/// for each look.
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// How long to wait between two looks
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = crate::input::span)]
    interval: Span,
    /// Look so often, then stop
    #[arg(short = 'n', long, value_name = "N")]
    looks: Option<u64>,
}

impl Top {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let interval = self.interval.duration().clamp(Duration::from_millis(100), Duration::from_secs(3600));
        let screen = &context.screen;
        let follows = screen.format == Format::Table && std::io::stdout().is_terminal();
        if follows && self.looks != Some(1) {
            return self.follow(&client, interval, screen.colors()).await;
        }
        let looks = match (self.looks, screen.format) {
            (Some(looks), _) => looks,
            (None, Format::Jsonl) => u64::MAX,
            // Rates need two looks.
            (None, _) => 2,
        };
        let mut board = Board::new(client.url());
        for look in 0..looks {
            if look > 0 {
                tokio::time::sleep(interval).await;
            }
            board.take(Snapshot::take(&client).await);
            if screen.format == Format::Jsonl {
                screen.show(&board.report()?, String::new)?;
            }
        }
        if screen.format != Format::Jsonl {
            let report = board.report()?;
            screen.show(&report, || view::text(&board, screen.width().unwrap_or(100)))?;
        }
        Ok(())
    }

    async fn follow(&self, client: &Client, interval: Duration, colors: bool) -> Result<()> {
        let mut terminal = ratatui::try_init().context("the terminal can not be used")?;
        let followed = self.look_and_draw(client, interval, colors, &mut terminal).await;
        ratatui::try_restore().context("the terminal could not be put back")?;
        followed
    }

    async fn look_and_draw(
        &self,
        client: &Client,
        interval: Duration,
        colors: bool,
        terminal: &mut ratatui::DefaultTerminal,
    ) -> Result<()> {
        let mut board = Board::new(client.url());
        board.colors = colors;
        let mut looked = 0;
        let mut next_look = Instant::now();
        loop {
            if !board.paused && Instant::now() >= next_look && self.looks.is_none_or(|looks| looked < looks) {
                board.take(Snapshot::take(client).await);
                looked += 1;
                next_look = Instant::now() + interval;
            }
            terminal.draw(|frame| view::draw(&board, frame))?;
            if self.looks.is_some_and(|looks| looked >= looks) {
                return Ok(());
            }
            let key = tokio::task::spawn_blocking(|| -> std::io::Result<Option<Event>> {
                Ok(if event::poll(KEY_WAIT)? { Some(event::read()?) } else { None })
            });
            if let Some(Event::Key(key)) = key.await.context("the keys could not be read")??
                && key.kind != KeyEventKind::Release
                && board.key(key) == Turn::Leave
            {
                return Ok(());
            }
        }
    }
}
