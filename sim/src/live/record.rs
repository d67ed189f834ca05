//! The step log: what was done, action by action, with times, for others to compare with what
//! they saw.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::step::Step;

/// A step that was played. One line of a step log; its JSON has the step's own keys beside
/// those named here.
///
/// All times are nanoseconds since the Unix epoch, by the clock that anyone on the machine
/// reads; nothing of the step was on disk at `before_unix_ns`, all of it was at
/// `after_unix_ns`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// How many steps came before it in this player's life.
    pub seq: u64,
    /// Just before the first action.
    pub before_unix_ns: i64,
    /// Just after the last action.
    pub after_unix_ns: i64,
    /// The step.
    #[serde(flatten)]
    pub step: Step,
    /// The id of the image that the step was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The time that was put down with it: of a line of a log, or of an image's import, which
    /// has whole seconds. Microseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted_unix_us: Option<i64>,
    /// What was done on disk, in order.
    pub actions: Vec<Action>,
}

/// One thing that was done on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// What.
    pub action: ActionKind,
    /// To which file or directory, relative to the data directory.
    pub path: String,
    /// The new path of what was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The process that was handed a lock or has lost it, or whose number was written because
    /// it holds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Just after it was done.
    pub at_unix_ns: i64,
}

/// What can be done on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// A directory was made.
    Mkdir,
    /// A file was made or emptied, and written.
    Write,
    /// Bytes of a file were written over.
    Overwrite,
    /// A file was cut or extended to a length.
    Truncate,
    /// A file or directory was renamed.
    Rename,
    /// A file or directory was flushed to the disk.
    Sync,
    /// A file was removed.
    Remove,
    /// A directory and all in it was removed.
    RemoveTree,
    /// An empty directory was removed.
    Rmdir,
    /// An exclusive lock was taken.
    Lock,
    /// A lock was taken that others can share.
    LockShared,
    /// A lock was let go by name, its descriptor staying open.
    Unlock,
    /// A locked descriptor was closed, here or by its holder's ending, and with it its lock.
    Close,
    /// A process inherited a lock, and the simulator closed its own descriptor.
    HandOn,
    /// The process that held a lock was killed.
    Kill,
}

/// The time now, in nanoseconds since the Unix epoch.
pub(super) fn now_unix_ns() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        // A clock before 1970.
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_the_steps_own_keys_too() {
        let json = concat!(
            r#"{"seq":3,"before_unix_ns":5,"after_unix_ns":9,"step":"prepare","#,
            r#""pod":"668ecca0-3487-4c27-9134-b769a546e375","actions":[{"action":"rename","#,
            r#""path":"pods/embryo/x","to":"pods/prepare/x","at_unix_ns":7}]}"#
        );
        let record: Record = serde_json::from_str(json).unwrap();
        assert_eq!(record.step.name(), "prepare");
        assert_eq!(record.actions[0].action, ActionKind::Rename);
        assert_eq!(serde_json::to_string(&record).unwrap(), json);
    }
}
