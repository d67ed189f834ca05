//! The host on which events are listened to: a pod in each state that a pod can be in when a
//! server starts, and images. What was there before makes no events; what then happens to it
//! does. Pods and images that come later are the scenes' own.

use rkt_sim::spec::{App, HostSpec, Image, Phase, Pod, Process, Started};
use uuid::Uuid;

use super::HostDef;

/// A host with pods and images that are older than the server.
pub static OLD: HostDef = HostDef {
    name: "events-old",
    about: "a pod in each state, and images, all older than the server",
    spec: old,
};

/// Locked in `prepare`, and prepared to the end.
pub const PREPARING: Uuid = Uuid::from_u128(0x0d1e_7a31_5f0c_4d6e_8b41_94c2_70aa_0001);
/// Unlocked in `prepare`.
pub const ABORTED: Uuid = Uuid::from_u128(0x1c58_02be_93d7_4f2a_a6e5_0f7b_3d16_0002);
/// In `prepared`.
pub const PREPARED: Uuid = Uuid::from_u128(0x2b90_c4d5_1e68_4a07_9c3f_6e21_58b4_0003);
/// Locked in `run`.
pub const RUNNING: Uuid = Uuid::from_u128(0x3ac7_9f10_84b2_4e5d_b1d8_27f6_c903_0004);
/// Unlocked in `run`.
pub const EXITED: Uuid = Uuid::from_u128(0x49f3_61e8_d70a_4b94_8e62_b05c_14d7_0005);
/// In `exited-garbage`.
pub const GARBAGE: Uuid = Uuid::from_u128(0x5826_d9a4_0c3f_4178_a90b_f3e4_6782_0006);

/// The apps of [`RUNNING`]: one has a status already, one goes without.
pub const RUNNING_APPS: [&str; 2] = ["done", "busy"];

/// Images that are in the store from the beginning.
pub const USED: (&str, &str) = ("example.com/old/used", "1.0");
/// Imported again later.
pub const RENEWED: (&str, &str) = ("example.com/old/renewed", "2.0");
/// Removed later.
pub const DROPPED: (&str, &str) = ("example.com/old/dropped", "3.0");

/// When the old pods began.
const BEGIN_NS: i64 = 1_600_000_000_000_000_000;

fn old() -> HostSpec {
    let image = || Image::new(USED.0, USED.1);
    let app = |name: &str| App::new(name, image());
    let pod = |id, phase| Pod {
        apps: vec![app("main")],
        manifest: Some(true),
        created_at_ns: BEGIN_NS,
        ..Pod::new(id, phase)
    };
    let started = |id, phase| Pod {
        started: Some(Started {
            process: Process::Pid(4711),
            at_ns: BEGIN_NS + 1_000_000_000,
        }),
        ..pod(id, phase)
    };
    let done = App {
        exit_code: Some(0),
        ..app(RUNNING_APPS[0])
    };
    let image = |(name, version)| Image::new(name, version);
    HostSpec {
        pods: vec![
            Pod {
                locked: true,
                ..pod(PREPARING, Phase::Prepare)
            },
            pod(ABORTED, Phase::Prepare),
            pod(PREPARED, Phase::Prepared),
            Pod {
                locked: true,
                apps: vec![done, app(RUNNING_APPS[1])],
                ..started(RUNNING, Phase::Run)
            },
            started(EXITED, Phase::Run),
            started(GARBAGE, Phase::ExitedGarbage),
        ],
        images: [USED, RENEWED, DROPPED].map(image).into(),
        ..HostSpec::default()
    }
}
