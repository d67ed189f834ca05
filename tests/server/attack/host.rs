//! A host that does harm: it changes what lies below its own pods, and beside them, in ways that
//! rkt never would, while the server watches.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, symlink},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rand::{Rng as _, RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha12Rng;
use rkt_api::layout::pod as names;
use rkt_sim::spec::{HostSpec, Phase, Pod};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::{task::JoinSet, time::Instant};
use uuid::Uuid;

use super::Target;
use crate::hosts::phase_dir;

/// How often a pod is renamed in one go, where nothing is to be told of it: each event wakes
/// 10,000 listeners.
const STORM: usize = 100;

/// How often everything else is done between two moves that there is something to tell of.
const CYCLES_PER_MOVE: usize = 4;

/// How large a journal may become.
const JOURNAL_BYTES_MAX: u64 = 16 << 20;

/// How long the host rests between two acts.
const PAUSE: Duration = Duration::from_millis(100);

/// The number of the pod whose journal is torn.
pub const TORN: u32 = 3;

/// The files of a pod that are replaced.
const FILES: [&str; 7] = [
    names::MANIFEST,
    names::CREATED,
    names::PID,
    names::PPID,
    names::SUBCGROUP,
    names::NET_INFO,
    names::STAGE1_TREE_STORE_ID,
];

/// What takes the place of a file.
#[derive(Clone, Copy)]
enum Substitute {
    Random,
    /// 1 TiB, none of which is on the disk.
    Sparse,
    /// 5 MiB of what may be in any file.
    Spaces,
    /// Out of the data directory.
    Link,
    /// To itself.
    Loop,
    Fifo,
    Directory,
    Nothing,
}

const SUBSTITUTES: [(&str, Substitute); 8] = [
    ("host: random bytes for a file", Substitute::Random),
    ("host: 1 TiB for a file", Substitute::Sparse),
    ("host: 5 MiB of spaces for a file", Substitute::Spaces),
    ("host: a link elsewhere for a file", Substitute::Link),
    ("host: a link to itself for a file", Substitute::Loop),
    ("host: a FIFO for a file", Substitute::Fifo),
    ("host: a directory for a file", Substitute::Directory),
    ("host: nothing for a file", Substitute::Nothing),
];

/// What the host has to do harm with.
struct Harm {
    dir: PathBuf,
    rng: ChaCha12Rng,
    /// The pods whose files are replaced.
    pods: Vec<PathBuf>,
    /// The pod that is renamed, and where it is.
    restless: (Uuid, Phase),
    journal: PathBuf,
    /// The journal as it was.
    sound: Vec<u8>,
}

pub fn begin(
    attackers: &mut JoinSet<()>,
    target: &Target,
    dir: &Path,
    spec: &HostSpec,
    journal: PathBuf,
) {
    let in_phase = |phase| move |pod: &&Pod| pod.phase == phase;
    let running = spec.pods.iter().filter(in_phase(Phase::Run));
    let pods = running.map(|pod| phase_dir(dir, Phase::Run).join(pod.id.to_string()));
    let prepared = spec.pods.iter().find(in_phase(Phase::Prepared)).unwrap();
    let harm = Harm {
        dir: dir.to_owned(),
        rng: ChaCha12Rng::seed_from_u64(target.seed),
        pods: pods.collect(),
        restless: (prepared.id, Phase::Prepared),
        sound: fs::read(&journal).unwrap(),
        journal,
    };
    let target = target.clone();
    attackers.spawn_blocking(move || harm.be_done(&target));
}

impl Harm {
    fn be_done(mut self, target: &Target) {
        let kind = |name| target.tally.kind(name, &["done"], &[]);
        let substitutes = SUBSTITUTES.map(|(name, substitute)| (kind(name), substitute));
        let renames = kind("host: renaming a pod from phase to phase");
        let storms = kind("host: renaming a pod as fast as can be");
        let entries = kind("host: entries that are no pods");
        let journals = kind("host: journals torn, swollen and overwritten");
        for cycle in 0_usize.. {
            if Instant::now() >= target.until {
                return;
            }
            for (kind, substitute) in &substitutes {
                let pod = self.pods.choose(&mut self.rng).unwrap().clone();
                let file = pod.join(FILES.choose(&mut self.rng).unwrap());
                self.replace(&file, *substitute).unwrap();
                kind.note("done");
                thread::sleep(PAUSE);
            }
            if cycle.is_multiple_of(CYCLES_PER_MOVE) {
                self.rename(&Phase::ALL).unwrap();
                renames.note("done");
                thread::sleep(PAUSE);
            }
            for _ in 0..STORM {
                self.rename(&[Phase::ExitedGarbage, Phase::Garbage])
                    .unwrap();
                storms.note("done");
            }
            self.add_entries().unwrap();
            entries.note("done");
            thread::sleep(PAUSE);
            self.tear().unwrap();
            journals.note("done");
            thread::sleep(PAUSE);
        }
    }

    fn replace(&mut self, path: &Path, substitute: Substitute) -> io::Result<()> {
        remove(path)?;
        match substitute {
            Substitute::Random => {
                let mut bytes = vec![0; self.rng.random_range(0..10_000)];
                self.rng.fill_bytes(&mut bytes);
                fs::write(path, bytes)
            }
            Substitute::Sparse => File::create(path)?.set_len(1 << 40),
            Substitute::Spaces => fs::write(path, " ".repeat(5 << 20)),
            Substitute::Link => symlink("/etc/passwd", path),
            Substitute::Loop => symlink(path, path),
            Substitute::Fifo => Ok(mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0)?),
            Substitute::Directory => fs::create_dir(path),
            Substitute::Nothing => Ok(()),
        }
    }

    /// Has the restless pod in one of these phases.
    fn rename(&mut self, phases: &[Phase]) -> io::Result<()> {
        let (id, from) = self.restless;
        let to = *phases.choose(&mut self.rng).unwrap();
        let place = |phase| phase_dir(&self.dir, phase).join(id.to_string());
        fs::rename(place(from), place(to))?;
        self.restless.1 = to;
        Ok(())
    }

    /// Makes entries beside the pods of all phases that are none, and takes those of before away.
    fn add_entries(&mut self) -> io::Result<()> {
        for phase in Phase::ALL {
            let dir = phase_dir(&self.dir, phase);
            let id = Uuid::from_u128(0xbad).to_string();
            let upper = Uuid::from_u128(0xbad_bad).to_string().to_uppercase();
            let substitutes = [Substitute::Link, Substitute::Fifo, Substitute::Random];
            let substitute = *substitutes.choose(&mut self.rng).unwrap();
            self.replace(&dir.join(id), substitute)?;
            self.replace(&dir.join(upper), Substitute::Directory)?;
            self.replace(&dir.join("x".repeat(255)), substitute)?;
            self.replace(&dir.join("\n\u{202e}"), Substitute::Directory)?;
        }
        Ok(())
    }

    fn tear(&mut self) -> io::Result<()> {
        if !self.journal.is_file() || self.rng.random_bool(0.2) {
            remove(&self.journal)?;
            return fs::write(&self.journal, &self.sound);
        }
        let file = File::options().write(true).open(&self.journal)?;
        let length = file.metadata()?.len();
        match self.rng.random_range(0..4) {
            0 => file.set_len(self.rng.random_range(0..=length)),
            1 => file.set_len((2 * length).clamp(1, JOURNAL_BYTES_MAX)),
            2 => {
                let mut bytes = [0; 256];
                self.rng.fill_bytes(&mut bytes);
                file.write_all_at(&bytes, self.rng.random_range(0..=length))
            }
            _ => {
                let substitutes = [Substitute::Fifo, Substitute::Loop, Substitute::Directory];
                let substitute = *substitutes.choose(&mut self.rng).unwrap();
                self.replace(&self.journal.clone(), substitute)
            }
        }
    }
}

/// Takes away whatever is there, if something is.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
