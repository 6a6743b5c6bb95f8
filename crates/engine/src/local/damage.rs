//! What was lost, said exactly: which file, where in it, which positions.

use std::fmt;
use std::path::PathBuf;

/// A place in the log whose bytes are not what was written. The file is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// The first damaged byte, as far as known: where a frame should begin.
    pub offset: u64,
    /// The first byte behind it that can be read again.
    pub end_offset: u64,
    /// Which positions cannot be read.
    pub lost: Lost,
    /// What is wrong.
    pub cause: Cause,
}

/// A range of positions that cannot be read; known from the frames around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The first one.
    pub first: u64,
    /// The last one; before `first` when no position is lost.
    pub last: u64,
}

impl Lost {
    /// No position at all.
    pub const NOTHING: Self = Self { first: 1, last: 0 };

    /// From `first` up to but not including `next`.
    pub(crate) fn until(first: u64, next: u64) -> Self {
        if first >= next { Self::NOTHING } else { Self { first, last: next - 1 } }
    }

    /// Says whether no position is lost (a mark frame or a header was hit).
    pub fn is_nothing(self) -> bool {
        self.last < self.first
    }

    /// Says whether a position is lost.
    pub fn holds(self, position: u64) -> bool {
        (self.first..=self.last).contains(&position)
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_nothing(), self.first == self.last) {
            (true, _) => f.write_str("no position is lost"),
            (_, true) => write!(f, "position {} is lost", self.first),
            (_, false) => write!(f, "positions {} to {} are lost", self.first, self.last),
        }
    }
}

/// What is wrong with a damaged place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Bytes that were durable do not form the frame they were.
    Frame,
    /// The device refuses to read the bytes.
    Unreadable,
    /// The file's header is damaged.
    Header,
    /// The file belongs elsewhere: its name and its header disagree, or it is of another log.
    Misplaced,
    /// The file is shorter than it was prepared.
    Truncated,
    /// Frames or whole files are missing between two that are there.
    Missing,
    /// Every frame is whole, but they do not follow each other.
    Chain,
    /// An index file disagrees with its segment.
    Index,
    /// A base is not what was written.
    Base,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frame => "bytes that were durable have changed",
            Self::Unreadable => "the device cannot read it",
            Self::Header => "the header of the file is damaged",
            Self::Misplaced => {
                "the file is not the one its name says: was it renamed, swapped or copied from another log?"
            }
            Self::Truncated => "the file was cut short",
            Self::Missing => "frames or files are missing here",
            Self::Chain => "a frame does not follow the one before it",
            Self::Index => "the index does not agree with its segment",
            Self::Base => "the base is damaged: the state has one copy less",
        })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}; {}", self.file.display(), self.offset, self.cause, self.lost)
    }
}

/// Damages in one sentence, for an error's text.
pub(crate) struct Listed<'a>(pub(crate) &'a [Damage]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_MAX: usize = 4;
        for (index, damage) in self.0.iter().take(SHOWN_MAX).enumerate() {
            write!(f, "{}{damage}", if index == 0 { "" } else { "; " })?;
        }
        match self.0.len() {
            0..=SHOWN_MAX => Ok(()),
            count => write!(f, "; and {} more", count - SHOWN_MAX),
        }
    }
}
