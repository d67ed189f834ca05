//! The steps of a host's life as data: what scripts hold, what tests send, what step logs
//! repeat. How a step is played on disk is told in the modules that play it.
//!
//! A step is one JSON object; its key `step` says which. Ids of pods are UUIDs; an image is
//! `NAME:VERSION`, or `NAME` for one without a version, and where the store must have it
//! already also its id, `sha512-…`.
//!
//! | step | further keys | what happens |
//! |---|---|---|
//! | `create` | `pod` | the pod's directory appears in `embryo` |
//! | `lock`, `unlock` | `pod` | the exclusive lock is taken, let go; in any phase but `run` |
//! | `prepare` | `pod` | a locked embryo moves to `prepare` |
//! | `write` | `pod`, `apps`, `overlay`, `mutable`, `annotations` | everything that preparing leaves, in rkt's order |
//! | `prepared` | `pod` | moves to `prepared`, and the lock is let go |
//! | `abort` | `pod` | the lock is let go in `prepare` |
//! | `run` | `pod`, `holder` | moves to `run`, locked; from `prepared` it is locked first |
//! | `start` | `pod`, `networks`, `subcgroup`, `process` | `net-info.json`, `subcgroup`, then `pid` or `ppid` |
//! | `app-add`, `app-start` | `pod`, `app` | in a mutable pod, an app is added, started |
//! | `app-exit` | `pod`, `app`, `code` | the app's status file |
//! | `log` | `pod`, `app`, `text` | a line of an app's comes into the journal of a running pod, which is made with the first one |
//! | `log-entry` | `pod`, `app`, `fields` | the same for an entry that is no line of text: `fields` are names and values, `MESSAGE` among them where there is one |
//! | `rotate` | `pod` | the journal is put away, and a new one begun |
//! | `exit` | `pod`, `by` | the pod's last process is gone, and with it the lock |
//! | `mark` | `pod` | moves to `exited-garbage` or `garbage` |
//! | `sweep` | `pod` | under the lock: root file systems, the rest, the directory |
//! | `import` | `image`, `latest`, `size_bytes`, `tree_store_size_bytes`, `annotations`, `remote`, `via` | an image comes into the store |
//! | `remove` | `image`, `via` | its rows go, then its files |
//! | `use` | `image`, `via` | rkt reads it, so its row is deleted and inserted |
//!
//! Only `step`, `pod`, `image`, `app`, `code`, `text` and `fields` are needed; unknown keys are
//! errors. The value of a field is text, or [bytes in another form](crate::spec_file::Octets).

mod image;
mod pod;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::spec_file::Fields;

pub use image::{ImageName, ImageRef, Import, Remote, Transaction};
pub use pod::{App, Ending, Holder, Network, Process, Start, Subcgroup, Write};

/// One step of a host's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Makes the directory of a new pod in `embryo`.
    Create {
        /// The new pod.
        pod: Uuid,
    },
    /// Takes the exclusive lock on the pod's directory, as rkt does to prepare or sweep it.
    Lock {
        /// The pod, in any phase but `run`.
        pod: Uuid,
    },
    /// Lets the lock go again, as a process that ends does.
    Unlock {
        /// The pod, in any phase but `run`.
        pod: Uuid,
    },
    /// Renames a locked embryo to `prepare`.
    Prepare {
        /// The pod.
        pod: Uuid,
    },
    /// Writes what preparing leaves.
    Write(Write),
    /// Renames a pod that was prepared to the end to `prepared`, and unlocks it.
    Prepared {
        /// The pod.
        pod: Uuid,
    },
    /// Lets the lock go in `prepare`, written or not.
    Abort {
        /// The pod.
        pod: Uuid,
    },
    /// Renames a pod that was prepared to the end to `run`, locked.
    Run {
        /// The pod, in `prepare` and locked, or in `prepared` and not.
        pod: Uuid,
        /// Which process holds the lock from then on.
        #[serde(default)]
        holder: Holder,
    },
    /// Writes what stage1 does when it starts the apps.
    Start(Start),
    /// Adds an app to a running mutable pod that was written by the same player.
    AppAdd {
        /// The pod.
        pod: Uuid,
        /// The app.
        app: App,
    },
    /// Starts an app of a running mutable pod, for the first time or after it has exited.
    AppStart {
        /// The pod.
        pod: Uuid,
        /// The app's name.
        app: String,
    },
    /// Writes an app's exit status.
    AppExit {
        /// The pod, running.
        pod: Uuid,
        /// The app's name.
        app: String,
        /// The status, as the system encodes none but shells show it: 0 to 255.
        code: i32,
    },
    /// Appends what an app has written to the journal of its pod, with the time of now.
    Log {
        /// The pod, running; not of stage1's flavour fly, which keeps no journal.
        pod: Uuid,
        /// The app's name. It has started; lines may still come when it has exited.
        app: String,
        /// What was written; newlines may be in it.
        text: String,
    },
    /// Appends an entry of an app's that is no line of text to the journal of its pod, with the
    /// time of now.
    LogEntry {
        /// The pod, as for [`Step::Log`].
        pod: Uuid,
        /// The app's name, as for [`Step::Log`].
        app: String,
        /// What takes the place of the fields that a line would have by these names, and comes
        /// beside the others. `MESSAGE` is one of them, unless the entry is to have none.
        fields: Fields,
    },
    /// Renames the journal of a pod, archives it, and begins another one.
    Rotate {
        /// The pod, running and with a journal.
        pod: Uuid,
    },
    /// Ends the process that holds a running pod's lock. The pod's journald closes its journal
    /// first, unless it is killed.
    Exit {
        /// The pod.
        pod: Uuid,
        /// How the lock is let go.
        #[serde(default)]
        by: Ending,
    },
    /// Marks a pod as garbage.
    Mark {
        /// The pod, unlocked, in `prepare`, `prepared` or `run`.
        pod: Uuid,
    },
    /// Deletes a marked pod.
    Sweep {
        /// The pod, in `exited-garbage` or `garbage`; it is locked first unless it is.
        pod: Uuid,
    },
    /// Brings an image into the store.
    Import(Import),
    /// Removes an image from the store.
    Remove {
        /// The image.
        image: ImageRef,
        /// How the index is written.
        #[serde(default)]
        via: Transaction,
    },
    /// Reads an image, which changes when it was last used.
    Use {
        /// The image.
        image: ImageRef,
        /// How the index is written.
        #[serde(default)]
        via: Transaction,
    },
}

impl Step {
    /// The step's name, as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Lock { .. } => "lock",
            Self::Unlock { .. } => "unlock",
            Self::Prepare { .. } => "prepare",
            Self::Write(_) => "write",
            Self::Prepared { .. } => "prepared",
            Self::Abort { .. } => "abort",
            Self::Run { .. } => "run",
            Self::Start(_) => "start",
            Self::AppAdd { .. } => "app-add",
            Self::AppStart { .. } => "app-start",
            Self::AppExit { .. } => "app-exit",
            Self::Log { .. } => "log",
            Self::LogEntry { .. } => "log-entry",
            Self::Rotate { .. } => "rotate",
            Self::Exit { .. } => "exit",
            Self::Mark { .. } => "mark",
            Self::Sweep { .. } => "sweep",
            Self::Import(_) => "import",
            Self::Remove { .. } => "remove",
            Self::Use { .. } => "use",
        }
    }

    /// The pod that the step is about; `None` for steps of the image store.
    pub fn pod(&self) -> Option<Uuid> {
        match self {
            Self::Create { pod }
            | Self::Lock { pod }
            | Self::Unlock { pod }
            | Self::Prepare { pod }
            | Self::Write(Write { pod, .. })
            | Self::Prepared { pod }
            | Self::Abort { pod }
            | Self::Run { pod, .. }
            | Self::Start(Start { pod, .. })
            | Self::AppAdd { pod, .. }
            | Self::AppStart { pod, .. }
            | Self::AppExit { pod, .. }
            | Self::Log { pod, .. }
            | Self::LogEntry { pod, .. }
            | Self::Rotate { pod }
            | Self::Exit { pod, .. }
            | Self::Mark { pod }
            | Self::Sweep { pod } => Some(*pod),
            Self::Import(_) | Self::Remove { .. } | Self::Use { .. } => None,
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec_file::Octets;

    const ID: &str = "668ecca0-3487-4c27-9134-b769a546e375";

    #[track_caller]
    fn check(json: &str, expected: &Step) {
        let json = json.replace("ID", ID);
        let step: Step = serde_json::from_str(&json).unwrap();
        assert_eq!(&step, expected);
        assert_eq!(serde_json::to_value(&step).unwrap()["step"], step.name());
        let again = serde_json::to_string(&step).unwrap();
        assert_eq!(&serde_json::from_str::<Step>(&again).unwrap(), expected);
    }

    #[test]
    fn steps_are_short_json() {
        let pod: Uuid = ID.parse().unwrap();
        check(r#"{"step":"create","pod":"ID"}"#, &Step::Create { pod });
        check(
            r#"{"step":"write","pod":"ID","apps":[{"name":"web","image":"example.com/web:1"}]}"#,
            &Step::Write(Write {
                apps: vec![App::new("web", ImageName::new("example.com/web", "1"))],
                ..Write::new(pod)
            }),
        );
        check(
            r#"{"step":"start","pod":"ID","networks":[{"name":"default","ip":"fd00::2"}],
                "subcgroup":{"path":"system.slice/a.service"},"process":{"ppid":7}}"#,
            &Step::Start(Start {
                pod,
                networks: Some(vec![Network {
                    name: "default".to_owned(),
                    ip: Some("fd00::2".parse().unwrap()),
                }]),
                subcgroup: Subcgroup::Path("system.slice/a.service".to_owned()),
                process: Some(Process::Ppid(7)),
            }),
        );
        check(
            r#"{"step":"app-exit","pod":"ID","app":"web","code":-1}"#,
            &Step::AppExit {
                pod,
                app: "web".to_owned(),
                code: -1,
            },
        );
        check(
            r#"{"step":"log","pod":"ID","app":"web","text":"a\nb"}"#,
            &Step::Log {
                pod,
                app: "web".to_owned(),
                text: "a\nb".to_owned(),
            },
        );
        check(
            r#"{"step":"log-entry","pod":"ID","app":"web","fields":{"MESSAGE":{"base64":"//4="},"TAG":"a"}}"#,
            &Step::LogEntry {
                pod,
                app: "web".to_owned(),
                fields: [
                    ("MESSAGE".to_owned(), Octets::Base64(vec![0xff, 0xfe])),
                    ("TAG".to_owned(), "a".into()),
                ]
                .into(),
            },
        );
        check(r#"{"step":"rotate","pod":"ID"}"#, &Step::Rotate { pod });
        check(
            r#"{"step":"exit","pod":"ID","by":"kill"}"#,
            &Step::Exit {
                pod,
                by: Ending::Kill,
            },
        );
        check(
            r#"{"step":"import","image":"example.com/web"}"#,
            &Step::Import(Import::new("example.com/web".to_owned().into())),
        );
        check(
            r#"{"step":"remove","image":"sha512-4fc4","via":"rewrite"}"#,
            &Step::Remove {
                image: ImageRef::Id("sha512-4fc4".to_owned()),
                via: Transaction::Rewrite,
            },
        );
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for json in [
            r#"{"step":"dance","pod":"ID"}"#,
            r#"{"step":"create"}"#,
            r#"{"step":"create","pod":"ID","app":"web"}"#,
            r#"{"step":"write","pod":"ID","overlays":true}"#,
            r#"{"step":"import","image":"a:1","pod":"ID"}"#,
            r#"{"pod":"ID"}"#,
        ] {
            let json = json.replace("ID", ID);
            assert!(serde_json::from_str::<Step>(&json).is_err(), "{json}");
        }
    }
}
