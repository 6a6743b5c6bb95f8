//! Where it ran.

use serde_json::{Value, json};

/// Returns what is known about this machine.
pub(super) fn describe() -> Value {
    let cpu = first_value("/proc/cpuinfo", "model name");
    let memory = first_value("/proc/meminfo", "MemTotal").and_then(|text| {
        let kib: u64 = text.split_whitespace().next()?.parse().ok()?;
        Some(kib / 1024)
    });
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    json!({
        "cpu": cpu,
        "cores": std::thread::available_parallelism().map(usize::from).ok(),
        "memory_mib": memory,
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "kernel": kernel.map(|text| text.trim().to_owned()),
    })
}

fn first_value(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
