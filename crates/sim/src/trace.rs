//! What happened, step by step: a hash of all of it, and the last lines in words.

use std::collections::VecDeque;

use xxhash_rust::xxh3::Xxh3;

/// How many lines are kept for whoever looks at a failure.
const KEPT: usize = 400;

/// What happened.
pub(crate) struct Trace {
    hasher: Xxh3,
    lines: VecDeque<String>,
    told: bool,
}

impl Trace {
    /// Begins; with `told`, every line is printed as it comes.
    pub(crate) fn new(told: bool) -> Self {
        Self { hasher: Xxh3::new(), lines: VecDeque::new(), told }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: String) {
        self.hasher.update(line.as_bytes());
        self.hasher.update(b"\n");
        if self.told {
            println!("{line}");
        }
        if self.lines.len() >= KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// Adds a number that stands for many bytes.
    pub(crate) fn digest(&mut self, digest: u64) {
        self.hasher.update(&digest.to_le_bytes());
    }

    /// Returns the hash of everything so far.
    pub(crate) fn hash(&self) -> u64 {
        self.hasher.digest()
    }

    /// Returns the last lines.
    pub(crate) fn last(&self, count: usize) -> Vec<String> {
        self.lines.iter().skip(self.lines.len().saturating_sub(count)).cloned().collect()
    }
}
