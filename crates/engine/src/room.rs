//! How much room there is, for whoever has to know it before something is decided.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How much room an engine has, as of its last look. Any thread may ask, without waiting for the disk.
#[derive(Debug)]
pub struct Room {
    sure_bytes: AtomicU64,
    is_low: AtomicBool,
    free_bytes: AtomicU64,
    reserve_bytes: AtomicU64,
}

/// What is free on the disk, and what has to stay free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What is free; `u64::MAX` where nobody knows.
    pub free_bytes: u64,
    /// The low-water mark: publishes are refused while less is free.
    pub reserve_bytes: u64,
    /// Whether they are, for this or because the next segment can not be made for other reasons.
    pub is_low: bool,
}

impl Default for Room {
    /// As much as anybody wants: of an engine that has no disk of its own.
    fn default() -> Self {
        Self {
            sure_bytes: AtomicU64::new(u64::MAX),
            is_low: AtomicBool::new(false),
            free_bytes: AtomicU64::new(u64::MAX),
            reserve_bytes: AtomicU64::new(0),
        }
    }
}

impl Room {
    /// Returns how many bytes can be appended for certain, whatever becomes of the disk meanwhile. What is kept for
    /// acknowledgements and repairs is not among them.
    pub fn sure_bytes(&self) -> u64 {
        self.sure_bytes.load(Ordering::Acquire)
    }

    /// Tells whether space runs out: publishes are then refused.
    pub fn is_low(&self) -> bool {
        self.is_low.load(Ordering::Acquire)
    }

    /// Returns what is free on the disk, as of the last look.
    pub fn space(&self) -> Space {
        Space {
            free_bytes: self.free_bytes.load(Ordering::Relaxed),
            reserve_bytes: self.reserve_bytes.load(Ordering::Relaxed),
            is_low: self.is_low(),
        }
    }

    pub(crate) fn set(&self, sure_bytes: u64, space: Space) {
        self.free_bytes.store(space.free_bytes, Ordering::Relaxed);
        self.reserve_bytes.store(space.reserve_bytes, Ordering::Relaxed);
        self.sure_bytes.store(sure_bytes, Ordering::Release);
        self.is_low.store(space.is_low, Ordering::Release);
    }
}
