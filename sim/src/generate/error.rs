//! What a description can say that no host can be, and where it says so.

use crate::spec_file::{Path, State};

/// A description that no host can be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {mistake}")]
pub struct Error {
    /// The path of the field.
    pub path: Path,
    /// What is wrong with it.
    pub mistake: Mistake,
}

/// What is wrong with a field that is of the right form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// A name is not of appc's form.
    #[error("{0:?} is no name: lower-case letters and digits, single dashes between them")]
    Name(String),
    /// An image's name is not of appc's form.
    #[error("{0:?} is no image name: lower-case letters and digits, single -._~/ between them")]
    ImageName(String),
    /// Two things of one list have one name or id.
    #[error("there are two {what} {value}")]
    Twice {
        /// What they are.
        what: &'static str,
        /// Their name or id.
        value: String,
    },
    /// Two listed images are one and the same.
    #[error("it is the same image as another one in the store, {0}")]
    SameImage(String),
    /// An image builds on one that is listed after it.
    #[error("{0} is listed later: images build on those before them")]
    ListedLater(String),
    /// State, phase and lock do not go together.
    #[error("a pod in {phase}, {}, is {}, not {}", lock(*.locked), .is.api_name(), .said.api_name())]
    State {
        /// The state that was said.
        said: State,
        /// The state that it would be.
        is: State,
        /// The phase.
        phase: crate::spec::Phase,
        /// Whether the pod is locked.
        locked: bool,
    },
    /// Both `pid` and `ppid` are there.
    #[error("stage1 notes either pid or ppid, never both")]
    TwoProcesses,
    /// A pod that did not start has a process.
    #[error("a pod that did not start has no process")]
    NotStarted,
    /// A mount is of a volume that the pod does not have.
    #[error("the pod has no volume {0:?}")]
    NoVolume(String),
    /// There is no fault of that name.
    #[error(transparent)]
    NoFault(#[from] crate::faults::UnknownKind),
    /// A pod is named for a fault that is not about pods.
    #[error("{0} is no fault of a pod")]
    NotAboutPod(crate::faults::Kind),
    /// A fault befalls a pod that is not there.
    #[error("there is no pod {0}")]
    NoPod(uuid::Uuid),
    /// A log line comes before the one that it follows.
    #[error("a log line is older than the one before it")]
    Backwards,
    /// A pod's systemd is older than what is said of its journal.
    #[error("systemd {has} cannot write such a journal: it takes {needs}")]
    OldSystemd {
        /// The version that the pod has.
        has: u32,
        /// The first version that can.
        needs: u32,
    },
    /// A field is none that a journal can have.
    #[error(transparent)]
    Field(#[from] rkt_api::formats::journal::Error),
    /// The message is among the fields.
    #[error("MESSAGE is no further field: it is what `message` says")]
    MessageTwice,
    /// Something exits before its pod has started.
    #[error("it exits before the pod starts")]
    ExitsEarly,
    /// The base time is relative.
    #[error("the base time must be absolute")]
    RelativeBase,
    /// A time cannot be kept in a file.
    #[error("{0} is too far away: times are within the years 1678 to 2261")]
    Time(String),
    /// A size or a number of things is too large.
    #[error("{0} is too many")]
    TooMany(u64),
    /// An image cannot be made.
    #[error("the image cannot be made: {0}")]
    Image(String),
}

fn lock(locked: bool) -> &'static str {
    if locked { "locked" } else { "not locked" }
}

impl Mistake {
    /// The mistake at the path.
    pub(super) fn at(self, path: Path) -> Error {
        Error {
            path,
            mistake: self,
        }
    }
}
