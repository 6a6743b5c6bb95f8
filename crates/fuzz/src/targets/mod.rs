//! What bytes are thrown at. A target returns whatever comes; it panics when something that must hold does not.

mod calendar;
mod event;
mod fact;
mod file;
mod filter;
mod http;
mod log;

/// Something that reads bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: the folder of its seeds.
    pub name: &'static str,
    /// What must hold, whatever the bytes are.
    pub holds: &'static str,
    /// Takes an input.
    pub run: fn(&[u8]),
    /// How many mutations the short run makes.
    pub short: usize,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "frame",
        holds: "a frame is refused, or all of its records and facts can be asked for",
        run: log::frame,
        short: 20_000,
    },
    Target {
        name: "index_file",
        holds: "an index file is refused, or answers or names a damaged page",
        run: log::index_file,
        short: 3_000,
    },
    Target {
        name: "fact",
        holds: "a fact is refused, or written again it is read as the same fact",
        run: fact::run,
        short: 20_000,
    },
    Target {
        name: "event",
        holds: "events of either shape are refused, or written again they are read as the same events",
        run: event::structured,
        short: 15_000,
    },
    Target {
        name: "binary_event",
        holds: "an event in headers is refused, or written again it is read as the same event",
        run: event::binary,
        short: 15_000,
    },
    Target {
        name: "file",
        holds: "a file is loaded or rejected with at least one error that has a place",
        run: file::run,
        short: 2_000,
    },
    Target {
        name: "filter",
        holds: "a filter is refused, or asked and explained it says the same, alone and in an index",
        run: filter::run,
        short: 15_000,
    },
    Target {
        name: "calendar",
        holds: "a recurrence is refused, or its times rise, and are the same from wherever they are asked",
        run: calendar::run,
        short: 5_000,
    },
    Target {
        name: "http",
        holds: "a request is answered, never with an internal error, and problems are problem+json with a code",
        run: http::run,
        short: 5_000,
    },
];

/// Returns the target of that name.
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
