//! What the process takes, under the names that Prometheus' client libraries use. Where the system does not tell, the line is
//! missing.

use crate::metrics::Page;

/// Writes time, memory and descriptors of this process.
pub(super) fn write(page: &mut Page) {
    let mut line = |name: &str, kind: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            page.family(name, kind, help);
            page.line(name, &[], value);
        }
    };
    line("process_cpu_seconds_total", "counter", "Processor time, user and system.", cpu_seconds());
    let resident = "Memory that is resident.";
    line("process_resident_memory_bytes", "gauge", resident, resident_bytes());
    let open = std::fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as f64);
    line("process_open_fds", "gauge", "Open descriptors.", open);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    line("process_max_fds", "gauge", "How many descriptors may be open.", limit.map(|limit| limit as f64));
    let threads = status("Threads:").map(|count| count as f64);
    line("process_threads", "gauge", "Threads of this process.", threads);
}

fn cpu_seconds() -> Option<f64> {
    let usage = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program is in parentheses and may hold anything.
    let fields: Vec<&str> = usage.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn resident_bytes() -> Option<f64> {
    Some(status("VmRSS:")? as f64 * 1024.0)
}

/// Reads a number of `/proc/self/status`.
fn status(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
