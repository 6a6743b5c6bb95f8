//! Going on after a server was away: for commands that follow something.

use std::time::Duration;

use anyhow::Result;
use cantus_api::error::Advice;
use cantus_client::Error;

use crate::output::Screen;

/// Decides whether a command that follows something tries again, and waits before it does.
#[derive(Debug, Default)]
pub(crate) struct Reconnect {
    worked_before: bool,
    failures: u32,
}

const PAUSE_MS_FIRST: u64 = 200;
const PAUSE_MS_MAX: u64 = 5000;

impl Reconnect {
    /// Notes that a request was answered.
    pub(crate) fn worked(&mut self, screen: &Screen) {
        if self.failures > 0 {
            screen.note("connected again");
        }
        self.worked_before = true;
        self.failures = 0;
    }

    /// Waits before the next try after a failure that may pass.
    ///
    /// # Errors
    ///
    /// The failure itself, if it will not pass, or if nothing has worked yet.
    pub(crate) async fn after(&mut self, error: Error, screen: &Screen) -> Result<()> {
        if !self.worked_before || !may_pass(&error) {
            return Err(error.into());
        }
        if self.failures == 0 {
            screen.note(&format!("{error}; trying again until it is back"));
        }
        let pause = pause_ms(self.failures);
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        Ok(())
    }
}

/// Returns how long to wait before the next try.
fn pause_ms(failures: u32) -> u64 {
    PAUSE_MS_FIRST.saturating_mul(1 << failures.min(10)).min(PAUSE_MS_MAX)
}

/// Returns whether a failure may pass by itself.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::Timeout { .. } => true,
        // A proxy answers with a page of its own while the server behind it is away.
        Error::Protocol { .. } => true,
        Error::Refused { problem, .. } => match problem.known_code() {
            Some(code) => code.advice() == Advice::Retry,
            None => problem.status >= 500,
        },
        Error::Invalid(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use cantus_api::{Code, Problem};

    use super::*;

    fn refused(code: Code) -> Error {
        Error::Refused { problem: Box::new(Problem::new(code, "x")), retry_after: None }
    }

    #[test]
    fn a_server_that_stops_is_waited_for_and_a_wrong_filter_is_not() {
        assert!(may_pass(&refused(Code::ShuttingDown)));
        assert!(may_pass(&refused(Code::Overloaded)));
        assert!(!may_pass(&refused(Code::FilterInvalid)));
        assert!(!may_pass(&refused(Code::Unauthenticated)));
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        assert_eq!([0, 1, 2, 4, 9, 1000].map(pause_ms), [200, 400, 800, 3200, 5000, 5000]);
    }

    #[tokio::test]
    async fn a_first_failure_is_final() {
        let screen = Screen::fixed(crate::output::TimeStyle::Iso, "2026-01-01T00:00:00Z");
        assert!(Reconnect::default().after(refused(Code::ShuttingDown), &screen).await.is_err());
    }
}
