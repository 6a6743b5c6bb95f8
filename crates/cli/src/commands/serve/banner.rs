//! The banner: what runs, where, and the next thing to do. It names only addresses that exist.

use std::net::SocketAddr;

use super::example::{counts, publish};
use super::options::{Mode, StartOptions};
use crate::output::{Screen, Tone};

/// Everything the banner says but the address.
pub(super) struct Banner {
    mode: Mode,
    token_file: Option<String>,
    store: String,
    file: String,
    example: String,
}

/// How wide the left column is at least.
const COLUMN: usize = 36;
/// The port the command line looks at unless told otherwise.
const PORT: u16 = 4777;

impl Banner {
    /// Returns the banner of a server that is about to start.
    pub(super) fn of(options: &StartOptions) -> Banner {
        let store = match options.ephemeral {
            true => "in a temporary folder (not kept)".to_owned(),
            false => format!("{} (kept)", options.data_dir.display()),
        };
        let file = match &options.file {
            Some(file) => format!("{}: {}", file.display(), counts(&options.definitions)),
            None => "none (write one with `cantus init`)".to_owned(),
        };
        let token_file = (options.mode == Mode::Dev).then(|| {
            let folder =
                if options.ephemeral { ".cantus".into() } else { options.data_dir.display().to_string() };
            format!("{folder}/token")
        });
        Banner { mode: options.mode, token_file, store, file, example: publish(&options.definitions) }
    }

    /// Returns it as text, for a server that listens at this address.
    pub(super) fn text(&self, address: SocketAddr, screen: &Screen) -> String {
        let url = url(address);
        let about = match &self.token_file {
            Some(token_file) => format!("(127.0.0.1 only; changes need {token_file})"),
            None => "(every call needs a token)".to_owned(),
        };
        let mut text = format!("cantus {}   {} {about}\n", env!("CARGO_PKG_VERSION"), self.mode.as_str());
        let events = format!("{url}/v1/events");
        let column = [events.len(), self.store.chars().count(), COLUMN].into_iter().max().unwrap_or(COLUMN);
        let mut row = |left: (&str, &str), right: (&str, &str)| {
            text.push_str(&format!("  {:<8}  {:<column$}  {:<8}  {}\n", left.0, left.1, right.0, right.1));
        };
        row(("Events", &events), ("Metrics", &format!("{url}/metrics")));
        row(("Store", &self.store), ("File", &self.file));
        let elsewhere = if address.port() == PORT { String::new() } else { format!("-s {url} ") };
        let example = self.example.replacen("cantus ", &format!("cantus {elsewhere}"), 1);
        text.push_str(&format!("  {:<8}  {}", "Try", screen.paint_error(Tone::Strong, &example)));
        text
    }
}

/// Returns the URL people use for an address.
fn url(address: SocketAddr) -> String {
    match address.ip().is_loopback() {
        true => format!("http://localhost:{}", address.port()),
        false => format!("http://{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    fn banner(mode: Mode) -> Banner {
        Banner {
            mode,
            token_file: (mode == Mode::Dev).then(|| ".cantus/token".to_owned()),
            store: ".cantus (kept)".into(),
            file: "cantus.yaml: 3 topics, 3 agents, 4 subscriptions".into(),
            example: "cantus pub tasks --type task.requested --data '{\"title\":\"hello\"}'".into(),
        }
    }

    #[test]
    fn the_banner_names_what_exists_and_ends_with_the_next_thing_to_do() {
        let screen = Screen::fixed(TimeStyle::Iso, "2026-01-01T00:00:00Z");
        insta::assert_snapshot!(banner(Mode::Dev).text(([127, 0, 0, 1], 4777).into(), &screen), @r#"
        cantus 0.1.0   dev (127.0.0.1 only; changes need .cantus/token)
          Events    http://localhost:4777/v1/events       Metrics   http://localhost:4777/metrics
          Store     .cantus (kept)                        File      cantus.yaml: 3 topics, 3 agents, 4 subscriptions
          Try       cantus pub tasks --type task.requested --data '{"title":"hello"}'
        "#);
    }

    #[test]
    fn at_another_port_the_example_says_where() {
        let screen = Screen::fixed(TimeStyle::Iso, "2026-01-01T00:00:00Z");
        let text = banner(Mode::Serve).text(([127, 0, 0, 1], 9000).into(), &screen);
        assert!(text.contains("Try       cantus -s http://localhost:9000 pub tasks"), "{text}");
    }
}
