//! How much a program may use: limits of the kernel, set before it starts and inherited by all it starts.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::confinement::Limits;

/// Runtimes reserve far more addresses than they ever use, so that addresses are bounded only this far above memory.
const ADDRESSES_ABOVE_MEMORY: u64 = 256 << 30;
/// Below these, process numbers are not given out again once they have gone round.
const PROCESS_NUMBERS_RESERVED: u64 = 300;

/// Sets all limits for this process and those it starts.
pub(super) fn set(limits: &Limits, timeout: Duration) -> io::Result<()> {
    let cpu = limits.cpu(timeout);
    let wanted = [
        // What a process really asks for: private memory it can write, the heap among it.
        (Resource::Data, limits.memory_bytes),
        (Resource::As, limits.memory_bytes.saturating_add(ADDRESSES_ABOVE_MEMORY)),
        (Resource::Cpu, cpu),
        (Resource::Fsize, limits.file_bytes),
        (Resource::Nofile, limits.files),
        // Counted per user and user namespace: every attempt has its own.
        (Resource::Nproc, limits.processes),
        (Resource::Core, 0),
    ];
    for (resource, value) in wanted {
        let value = getrlimit(resource).maximum.map_or(value, |maximum| value.min(maximum));
        // The softer limit of processor time is told by a signal of its own.
        let hard = if resource == Resource::Cpu { value.saturating_add(1) } else { value };
        setrlimit(resource, Rlimit { current: Some(value), maximum: Some(hard) })?;
    }
    Ok(())
}

/// Bounds the numbers that processes can get, which also holds for root, whom the kernel does not count.
///
/// To be called where `/proc` is that of the new namespace and can still be written.
pub(super) fn bound_process_numbers(limits: &Limits) -> io::Result<()> {
    let numbers = limits.processes.saturating_add(PROCESS_NUMBERS_RESERVED + 1);
    std::fs::write("/proc/sys/kernel/pid_max", numbers.to_string())
}

/// Says whether this process is the user whose processes the kernel does not count: root, not only called so.
pub(super) fn is_uncounted() -> bool {
    let root = rustix::process::getuid().is_root();
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let outside = map.split_ascii_whitespace().nth(1);
    root && outside.is_none_or(|outside| outside == "0")
}
