//! From the end of a program to the class of its failure, as retry policies name them.

use cantus_core::subscription::retry::Class;

use super::outcome::End;

/// Returns the class of a failure, or `None` for exit code 0, which acknowledges.
///
/// 65, 69, 77 and 78 are `sysexits.h`'s bad data, unavailable, permission and configuration.
pub fn class(end: &End) -> Option<Class> {
    Some(match end {
        End::Exited(0) => return None,
        End::Exited(65) => Class::InvalidPayload,
        End::Exited(69) | End::SpawnFailed { .. } => Class::Unavailable,
        End::Exited(77) => Class::Unauthorized,
        End::Exited(78) => Class::Rejected,
        End::Exited(_) => Class::TemporaryFailure,
        // Cancelled by us and lost to a crash both ended by a signal, as far as anybody knows.
        End::Signaled(_) | End::Cancelled | End::Unknown => Class::Crashed,
        End::TimedOut => Class::Timeout,
    })
}

/// Says in one line how an attempt ended, for people.
pub fn describe(end: &End) -> String {
    match end {
        End::Exited(code) => format!("exit code {code}"),
        End::Signaled(signal) => format!("ended by signal {signal}{}", signal_name(*signal)),
        End::TimedOut => "no end before the timeout".to_owned(),
        End::Cancelled => "cancelled".to_owned(),
        End::SpawnFailed { message, .. } => format!("could not be started: {message}"),
        End::Unknown => "nobody saw the end: the guardian was killed or the machine stopped".to_owned(),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        3 => " (SIGQUIT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::exec::SpawnFailure;

    #[test]
    fn every_end_has_the_class_of_the_contract() {
        let spawn = End::SpawnFailed { kind: SpawnFailure::NotFound, message: String::new() };
        let table = [
            (End::Exited(0), None),
            (End::Exited(1), Some("temporary_failure")),
            (End::Exited(65), Some("invalid_payload")),
            (End::Exited(69), Some("unavailable")),
            (End::Exited(75), Some("temporary_failure")),
            (End::Exited(77), Some("unauthorized")),
            (End::Exited(78), Some("rejected")),
            (End::Exited(137), Some("temporary_failure")),
            (End::Exited(255), Some("temporary_failure")),
            (End::Signaled(11), Some("crashed")),
            (End::TimedOut, Some("timeout")),
            (spawn, Some("unavailable")),
            (End::Unknown, Some("crashed")),
        ];
        for (end, expected) in table {
            assert_eq!(class(&end).map(Class::as_str), expected, "{end:?}");
        }
    }
}
