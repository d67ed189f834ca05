//! The metrics that every process has, by the names that are usual for them. They are asked of the
//! system at each scrape; what the system does not tell is left out.

use std::{
    fmt, fs,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

/// This process.
#[derive(Debug)]
pub(super) struct Process {
    /// When it has started, in seconds since the epoch.
    start_s: f64,
}

impl Process {
    /// The process, which starts now.
    pub(super) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            start_s: since.unwrap_or_default().as_secs_f64(),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut tell = |name, help, unit: Option<Unit>, metric: &dyn EncodeMetric| {
            let encoder =
                encoder.encode_descriptor(name, help, unit.as_ref(), metric.metric_type())?;
            metric.encode(encoder)
        };
        tell(
            "process_start_time",
            "When the server was started, in seconds since the epoch",
            Some(Unit::Seconds),
            &ConstGauge::new(self.start_s),
        )?;
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        tell(
            "process_cpu",
            "Processor time used, in user mode and in the kernel",
            Some(Unit::Seconds),
            &ConstCounter::new(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9),
        )?;
        if let Some(resident_bytes) = resident_bytes() {
            tell(
                "process_resident_memory",
                "Memory that is resident",
                Some(Unit::Bytes),
                &ConstGauge::new(resident_bytes),
            )?;
        }
        if let Some(open) = open_descriptors() {
            tell(
                "process_open_fds",
                "File descriptors that are open",
                None,
                &ConstGauge::new(open),
            )?;
        }
        if let Some(limit) = getrlimit(Resource::Nofile).current {
            tell(
                "process_max_fds",
                "File descriptors that may be open",
                None,
                &ConstGauge::new(i64::try_from(limit).unwrap_or(i64::MAX)),
            )?;
        }
        Ok(())
    }
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1 << 10)
}

fn open_descriptors() -> Option<i64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    // Without the one by which they are counted.
    i64::try_from(count.checked_sub(1)?).ok()
}
