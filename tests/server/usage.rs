//! What the server has of the system, as `/proc` tells it.

use std::fs;

use crate::support::Server;

#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub descriptors: usize,
    pub threads: usize,
    pub resident_bytes: u64,
    /// The most that was ever resident.
    pub peak_bytes: u64,
}

impl Usage {
    pub fn of(server: &Server) -> Self {
        let proc = format!("/proc/{}", server.pid());
        let status = fs::read_to_string(format!("{proc}/status")).unwrap();
        let number = |name: &str| -> u64 {
            let mut lines = status.lines();
            let line = lines.find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            descriptors: fs::read_dir(format!("{proc}/fd")).unwrap().count(),
            threads: usize::try_from(number("Threads:")).unwrap(),
            resident_bytes: number("VmRSS:") << 10,
            peak_bytes: number("VmHWM:") << 10,
        }
    }
}
