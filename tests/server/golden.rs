//! The recorded data directories and answers of rkt 1.30.0, in the folder that the variable
//! `RKT_GOLDEN_DIR` names.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File, FileTimes},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use flate2::read::GzDecoder;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

/// The folders with a data directory.
pub const HOSTS: [&str; 4] = ["real-host", "odd-states", "image-store", "logs"];

/// Running pods without `subcgroup`: their cgroup is that of a process on the machine, which is
/// another one on every machine.
pub const CGROUP_OF_A_PROCESS: [&str; 7] = [
    "8ed07cba-7af0-46ac-8ac6-ae860fa19e2c",
    "d2dcbbae-490c-416a-959a-d0aa9c131632",
    "00000014-1111-4222-8333-444455556666",
    "00000016-1111-4222-8333-444455556666",
    "00000017-1111-4222-8333-444455556666",
    "00000018-1111-4222-8333-444455556666",
    "00000019-1111-4222-8333-444455556666",
];

/// A recorded call.
#[derive(serde::Deserialize)]
pub struct Recorded {
    pub method: String,
    pub request: Value,
    /// `None` of a call that failed, and of a stream.
    pub response: Option<Value>,
    pub ok: bool,
    /// Of a stream.
    #[serde(default)]
    pub messages: Option<Vec<Lines>>,
}

/// A recorded message of GetLogs.
#[derive(serde::Deserialize)]
pub struct Lines {
    #[serde(default)]
    pub lines: Vec<String>,
}

/// A recorded data directory, unpacked, with its locks held until it is dropped.
pub struct Host {
    dir: TempDir,
    folder: PathBuf,
    _locks: Vec<File>,
}

impl Host {
    pub fn unpack(name: &str) -> Self {
        let root = env::var_os("RKT_GOLDEN_DIR").expect("RKT_GOLDEN_DIR names the folder");
        let folder = Path::new(&root).join(name);
        let dir = tempfile::tempdir().unwrap();
        let mut tree = tar::Archive::new(open_gz(&folder.join("tree.tar.gz")));
        tree.set_preserve_permissions(true);
        tree.unpack(dir.path()).unwrap();

        // In reverse, so that what is in a directory comes before the directory.
        let times: BTreeMap<String, u64> = read_gz(&folder.join("times.json.gz"));
        for (path, nanoseconds) in times.iter().rev() {
            let path = dir.path().join(path);
            if !path.is_symlink() {
                let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(*nanoseconds);
                let times = FileTimes::new().set_modified(time);
                File::open(path).unwrap().set_times(times).unwrap();
            }
        }

        let locks = fs::read(folder.join("locks.json")).unwrap();
        let locks: Vec<String> = serde_json::from_slice(&locks).unwrap();
        let lock = |path: &String| {
            let pod = File::open(dir.path().join(path)).unwrap();
            pod.try_lock().unwrap();
            pod
        };
        let _locks = locks.iter().map(lock).collect();
        Self {
            dir,
            folder,
            _locks,
        }
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The recorded calls of unary methods, all but those of GetLogs and ListenEvents.
    pub fn unary_answers(&self) -> Vec<Recorded> {
        let mut answers = self.answers();
        answers.retain(|call| !["GetLogs", "ListenEvents"].contains(&call.method.as_str()));
        answers
    }

    /// The recorded calls of a method.
    pub fn answers_of(&self, method: &str) -> Vec<Recorded> {
        let mut answers = self.answers();
        answers.retain(|call| call.method == method);
        answers
    }

    fn answers(&self) -> Vec<Recorded> {
        #[derive(serde::Deserialize)]
        struct Answers {
            answers: Vec<Recorded>,
        }
        let all: Answers = read_gz(&self.folder.join("answers.json.gz"));
        all.answers
    }
}

fn open_gz(path: &Path) -> GzDecoder<File> {
    GzDecoder::new(File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn read_gz<T: DeserializeOwned>(path: &Path) -> T {
    serde_json::from_reader(open_gz(path)).unwrap()
}
