//! The screen: which format, how wide, with colours or not.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Result;
use cantus_api::List;
use clap::ValueEnum;
use serde::Serialize;

use super::json::{compact, pretty};
use super::style::Tone;
use super::time::{self, TimeStyle};
use crate::args::Global;
use crate::exit::StdoutClosed;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON value, as the server answered it
    Json,
    /// One JSON value per line
    Jsonl,
}

/// Where and how to print.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    /// The format of data.
    pub(crate) format: Format,
    time: TimeStyle,
    colors: bool,
    error_colors: bool,
    width: Option<u16>,
    now_ms: i64,
    quiet: bool,
    verbose: u8,
}

impl Screen {
    /// Returns the screen these options ask for.
    pub(crate) fn new(global: &Global) -> Screen {
        let allowed = !global.no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let terminal = io::stdout().is_terminal();
        Screen {
            format: global.output,
            time: global.time,
            colors: allowed && terminal && global.output == Format::Table,
            error_colors: allowed && io::stderr().is_terminal(),
            width: terminal.then(terminal_width).flatten(),
            now_ms: time::now_ms(),
            quiet: global.quiet,
            verbose: global.verbose,
        }
    }

    /// Returns a screen whose output depends on nothing around it.
    #[cfg(test)]
    pub(crate) fn fixed(time: TimeStyle, now: &str) -> Screen {
        let now_ms = cantus_api::time::Instant::parse(now).unwrap().unix_ms();
        Screen {
            format: Format::Table,
            time,
            colors: false,
            error_colors: false,
            width: None,
            now_ms,
            quiet: false,
            verbose: 0,
        }
    }

    /// Returns how data is printed.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Returns the time the command began, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Returns how many columns there are; none when nobody's terminal is written to.
    pub(crate) fn width(&self) -> Option<u16> {
        self.width
    }

    /// Returns whether more than usual was asked for.
    pub(crate) fn verbose(&self) -> bool {
        self.verbose > 0
    }

    /// Returns how much more than usual was asked for; below zero for less.
    pub(crate) fn verbosity(&self) -> i8 {
        if self.quiet { -1 } else { i8::try_from(self.verbose).unwrap_or(i8::MAX) }
    }

    /// Returns whether text for people may have colours.
    pub(crate) fn colors(&self) -> bool {
        self.colors
    }

    /// Returns whether stderr may have colours.
    pub(crate) fn error_colors(&self) -> bool {
        self.error_colors
    }

    /// Returns a text in a tone, coloured if colours are on.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        if self.colors { tone.paint(text) } else { text.to_owned() }
    }

    /// Returns a time as the options ask for it.
    pub(crate) fn time(&self, timestamp: &str) -> String {
        match self.time {
            TimeStyle::Iso => timestamp.to_owned(),
            TimeStyle::Relative => time::relative(timestamp, self.now_ms),
        }
    }

    /// Returns whether a time is still to come.
    pub(crate) fn is_to_come(&self, timestamp: &str) -> bool {
        cantus_api::time::Instant::parse(timestamp).is_ok_and(|at| at.unix_ms() > self.now_ms)
    }

    /// Returns a time as the options ask for it, or a dash for none.
    pub(crate) fn time_or_dash(&self, timestamp: Option<&str>) -> String {
        timestamp.map_or_else(|| "-".to_owned(), |timestamp| self.time(timestamp))
    }

    /// Prints a value: as JSON, or as the text a table of it is.
    pub(crate) fn show<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> Result<()> {
        match self.format {
            Format::Table => self.print(&text()),
            Format::Json => self.print(&pretty(&serde_json::to_vec(value)?)),
            Format::Jsonl => self.print(&compact(&serde_json::to_vec(value)?)),
        }
    }

    /// Prints a page of a list: as one JSON value, an item per line, or a table. Where to go on is said on stderr.
    pub(crate) fn list<T: Serialize>(&self, list: &List<T>, text: impl FnOnce(&[T]) -> String) -> Result<()> {
        match self.format {
            Format::Table => self.print(&text(&list.items))?,
            Format::Json => return self.show(list, String::new),
            Format::Jsonl => {
                for item in &list.items {
                    self.print(&compact(&serde_json::to_vec(item)?))?;
                }
            }
        }
        if let Some(cursor) = &list.next_cursor {
            self.note(&format!("there are more: go on with --cursor {cursor}"));
        }
        Ok(())
    }

    /// Prints a text on stdout and ends its line.
    ///
    /// # Errors
    ///
    /// [`StdoutClosed`] when nobody reads any more, which ends the command quietly.
    pub(crate) fn print(&self, text: &str) -> Result<()> {
        self.print_bytes(text.as_bytes(), !text.is_empty() && !text.ends_with('\n'))
    }

    /// Prints bytes on stdout as they are.
    pub(crate) fn print_raw(&self, bytes: &[u8]) -> Result<()> {
        self.print_bytes(bytes, false)
    }

    fn print_bytes(&self, bytes: &[u8], end_line: bool) -> Result<()> {
        let mut out = io::stdout().lock();
        let written = out
            .write_all(bytes)
            .and_then(|()| if end_line { out.write_all(b"\n") } else { Ok(()) })
            .and_then(|()| out.flush());
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(StdoutClosed.into()),
            Err(error) => Err(anyhow::Error::new(error).context("stdout cannot be written")),
        }
    }

    /// Says something on stderr, unless quiet was asked for.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    /// Says something on stderr, also when quiet was asked for.
    pub(crate) fn say(&self, text: &str) {
        say(text);
    }

    /// Returns a text for stderr in a tone, coloured if stderr has colours.
    pub(crate) fn paint_error(&self, tone: Tone, text: &str) -> String {
        if self.error_colors { tone.paint(text) } else { text.to_owned() }
    }

    /// Says an error on stderr.
    pub(crate) fn error(&self, text: &str) {
        let label = if self.error_colors { Tone::Bad.paint("error:") } else { "error:".to_owned() };
        say(&format!("{label} {text}"));
    }

    /// Says a warning on stderr.
    pub(crate) fn warn(&self, text: &str) {
        let label = if self.error_colors { Tone::Held.paint("warning:") } else { "warning:".to_owned() };
        say(&format!("{label} {text}"));
    }
}

fn say(text: &str) {
    // If stderr is closed there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn terminal_width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}
