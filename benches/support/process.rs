//! The server as a process of its own, and what the system says of it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// Which of the fields after the name in /proc/PID/stat is the time in user mode; the next is
/// that in the kernel (proc_pid_stat(5)).
const UTIME: usize = 11;

/// USER_HZ is 100.
const TICK: Duration = Duration::from_millis(10);

/// A running server, which is killed when this is dropped.
pub struct Process {
    child: Child,
    /// Its process id.
    pub pid: u32,
    /// Where it listens.
    pub address: String,
}

impl Process {
    /// Starts the server on `dir`, and waits until it listens on `socket`.
    pub fn start(dir: &Path, socket: &Path) -> Self {
        let address = format!("unix:{}", socket.display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_rkt-api-service"));
        command.arg("--dir").arg(dir).args(["--listen", &address]);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("a server");
        let stderr = child.stderr.take().expect("standard error");
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let running = lines.find(|line| line.contains("running"));
        running.expect("the server runs");
        // Or it could not write any more.
        thread::spawn(move || lines.for_each(|line| eprintln!("{line}")));
        Self {
            pid: child.id(),
            child,
            address,
        }
    }

    /// The processor time that it has used, in steps of 10 ms.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).expect("its status");
        // The name in front may hold anything.
        let (_, fields) = stat.rsplit_once(") ").expect("a name");
        let ticks = fields.split(' ').skip(UTIME).take(2);
        let ticks: u64 = ticks
            .map(|ticks| ticks.parse::<u64>().expect("ticks"))
            .sum();
        TICK * u32::try_from(ticks).expect("less than a year")
    }

    /// How much memory it has resident, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_ascii_whitespace().next());
        let kib: u64 = kib.and_then(|kib| kib.parse().ok()).expect("a number");
        kib << 10
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid))
            .expect("descriptors")
            .count()
    }

    /// How many directories it watches.
    pub fn watches(&self) -> usize {
        let infos = fs::read_dir(format!("/proc/{}/fdinfo", self.pid)).expect("descriptors");
        let watches = infos.filter_map(|info| {
            let text = fs::read_to_string(info.ok()?.path()).ok()?;
            let watches = text.lines().filter(|line| line.starts_with("inotify "));
            Some(watches.count())
        });
        // Of one descriptor: others may be duplicates of it.
        watches.max().unwrap_or(0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
