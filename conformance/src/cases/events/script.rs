//! What is played while cases listen: every way through a pod's and an image's life, a group of
//! steps at a time, each group well inside a second of its own. Who plays it, and when cases
//! join, is in `scenes`.
//!
//! The scripts are data, so that a test can play them without a server.

use rkt_sim::{
    live::step::{
        App, Ending, Holder, ImageName, ImageRef, Import, Process, Remote, Start, Step,
        Transaction, Write,
    },
    spec::Image,
};
use uuid::Uuid;

use crate::hosts::events as old;

/// Prepared, run, its apps exit with a status each; exits, is marked and swept.
pub(super) const CALM: Uuid = Uuid::from_u128(0xa1d2_5f08_9b3c_4e71_8c06_17e4_52fd_0011);
/// Run without waiting in `prepared`, by a child that is killed before one of the apps has a
/// status; marked.
pub(super) const DIRECT: Uuid = Uuid::from_u128(0xb07e_34c9_61fa_4d25_9ae8_c350_0f8b_0012);
/// Aborted once it was written; marked and swept.
pub(super) const ABORTED: Uuid = Uuid::from_u128(0xc4f8_9016_2ed7_4b3a_a571_e8d9_63c4_0013);
/// Aborted before anything was written.
pub(super) const STILLBORN: Uuid = Uuid::from_u128(0xd95b_c7a2_f041_4863_8d1f_2b60_9e35_0014);
/// Locked and unlocked in `embryo`.
pub(super) const EMBRYO: Uuid = Uuid::from_u128(0xe3a6_0d1b_7c92_4fe4_b6d0_5947_a182_0015);
/// Mutable: an app is there from the beginning, one is added; started, exited, started anew.
pub(super) const MUTABLE: Uuid = Uuid::from_u128(0xf7c1_8e64_0a5d_4192_93bb_d40e_7f26_0016);
/// Prepared, never run; marked and swept.
pub(super) const UNUSED: Uuid = Uuid::from_u128(0x6a2e_b539_d8c4_4c07_8ff3_716a_c09d_0017);
/// Run, and exited before any app was started.
pub(super) const UNSTARTED: Uuid = Uuid::from_u128(0x7d90_f2a1_35e6_4a5b_ae24_0b8c_d671_0018);
/// Locked and unlocked in `prepared` and in `exited-garbage`; run in between.
pub(super) const PROBED: Uuid = Uuid::from_u128(0x8b4d_6c0f_a273_4ed9_bc95_e2f1_3840_0019);

/// Removed, and imported again in seconds to come.
pub(super) const WEB: (&str, &str) = ("example.com/app/web", "1.2");
/// Imported by writing the index anew, imported again, used.
pub(super) const STORE: (&str, &str) = ("example.com/app/store", "0.9");
/// Downloaded: a second transaction follows its import. It has no version.
pub(super) const FETCHED: &str = "example.com/app/fetched";

/// Steps that are played one right after the other.
pub(super) type Group = Vec<Step>;

/// What is played, a group in each second, before most cases join.
pub(super) fn early() -> Vec<Group> {
    vec![
        [
            prepare(CALM, &["web", "log"], false),
            vec![Step::Prepared { pod: CALM }],
            prepare(ABORTED, &["main"], false),
            vec![Step::Abort { pod: ABORTED }],
            import(WEB, Transaction::Log),
            using(old::USED),
        ]
        .concat(),
        [
            run(CALM, Holder::Simulator, None),
            prepare(DIRECT, &["server", "helper"], true),
            run(DIRECT, Holder::Child, Some(Process::Ppid(4020))),
            mutable(),
            run(MUTABLE, Holder::Simulator, None),
            import(STORE, Transaction::Rewrite),
        ]
        .concat(),
        [
            app_exit(CALM, "web", 0),
            app_exit(CALM, "log", 7),
            app_add(MUTABLE, "late"),
            app_start(MUTABLE, "first"),
            prepare(UNUSED, &["main"], false),
            vec![Step::Prepared { pod: UNUSED }],
            vec![Step::Mark { pod: ABORTED }],
            import(old::RENEWED, Transaction::Log),
        ]
        .concat(),
    ]
}

/// What is played after that, again a group in each second.
pub(super) fn late() -> Vec<Group> {
    vec![
        [
            exit(CALM, Ending::Close),
            app_exit(MUTABLE, "first", 1),
            app_start(MUTABLE, "late"),
            run(old::PREPARED, Holder::Simulator, None),
            remove(WEB, Transaction::Log),
            prepare(PROBED, &["main"], false),
            vec![Step::Prepared { pod: PROBED }],
            vec![
                Step::Create { pod: EMBRYO },
                Step::Lock { pod: EMBRYO },
                Step::Unlock { pod: EMBRYO },
            ],
        ]
        .concat(),
        [
            app_exit(DIRECT, "server", 3),
            exit(DIRECT, Ending::Kill),
            app_start(MUTABLE, "first"),
            vec![Step::Mark { pod: UNUSED }],
            import(WEB, Transaction::Log),
            exit(old::RUNNING, Ending::Close),
            vec![Step::Lock { pod: PROBED }, Step::Unlock { pod: PROBED }],
            vec![Step::Create { pod: STILLBORN }],
            vec![
                Step::Lock { pod: STILLBORN },
                Step::Prepare { pod: STILLBORN },
                Step::Abort { pod: STILLBORN },
            ],
        ]
        .concat(),
        [
            vec![Step::Mark { pod: CALM }],
            app_exit(MUTABLE, "first", 2),
            prepare(UNSTARTED, &["main"], false),
            vec![Step::Run {
                pod: UNSTARTED,
                holder: Holder::Simulator,
            }],
            exit(UNSTARTED, Ending::Close),
            vec![Step::Mark { pod: old::EXITED }],
            fetch(),
            run(PROBED, Holder::Simulator, None),
        ]
        .concat(),
        [
            vec![Step::Sweep { pod: CALM }],
            exit(MUTABLE, Ending::Close),
            vec![Step::Sweep { pod: old::GARBAGE }],
            vec![Step::Mark { pod: old::ABORTED }],
            run(old::PREPARING, Holder::Simulator, None),
            using(STORE),
            exit(PROBED, Ending::Close),
            vec![Step::Mark { pod: PROBED }],
            vec![Step::Lock { pod: PROBED }, Step::Unlock { pod: PROBED }],
            import(STORE, Transaction::Log),
        ]
        .concat(),
        [
            vec![Step::Sweep { pod: ABORTED }],
            vec![Step::Sweep { pod: UNUSED }],
            vec![Step::Mark { pod: DIRECT }],
            remove(old::DROPPED, Transaction::Rewrite),
            exit(old::PREPARED, Ending::Close),
            vec![Step::Mark { pod: old::PREPARED }],
        ]
        .concat(),
    ]
}

/// The pods that are played, each with a word for its life.
pub(super) const PODS: [(&str, Uuid); 15] = [
    ("calm", CALM),
    ("direct", DIRECT),
    ("aborted", ABORTED),
    ("stillborn", STILLBORN),
    ("embryo", EMBRYO),
    ("mutable", MUTABLE),
    ("unused", UNUSED),
    ("unstarted", UNSTARTED),
    ("probed", PROBED),
    ("old-preparing", old::PREPARING),
    ("old-aborted", old::ABORTED),
    ("old-prepared", old::PREPARED),
    ("old-running", old::RUNNING),
    ("old-exited", old::EXITED),
    ("old-garbage", old::GARBAGE),
];

/// The images that are played, each with a word for its life.
pub(super) fn images() -> [(&'static str, String); 6] {
    [
        ("web", image_id(WEB)),
        ("store", image_id(STORE)),
        ("fetched", fetched_id()),
        ("old-used", image_id(old::USED)),
        ("old-renewed", image_id(old::RENEWED)),
        ("old-dropped", image_id(old::DROPPED)),
    ]
}

/// The id that an image will have.
pub(super) fn image_id((name, version): (&str, &str)) -> String {
    key(&Image::new(name, version))
}

/// The id that [`FETCHED`] will have.
pub(super) fn fetched_id() -> String {
    let mut image = Image::new(FETCHED, "");
    image.labels.retain(|(name, _)| name != "version");
    key(&image)
}

fn key(image: &Image) -> String {
    // Only a name too long for a tar could be in the way. Such an id is nobody's.
    image.blob_key().unwrap_or_default()
}

/// Everything up to the end of a pod's preparation, of apps whose image need not be there.
pub(super) fn prepare(pod: Uuid, apps: &[&str], overlay: bool) -> Group {
    let apps = apps.iter().map(|name| app(name)).collect();
    written(Write {
        apps,
        overlay,
        ..Write::new(pod)
    })
}

fn mutable() -> Group {
    written(Write {
        apps: vec![app("first")],
        mutable: true,
        ..Write::new(MUTABLE)
    })
}

fn written(write: Write) -> Group {
    let pod = write.pod;
    vec![
        Step::Create { pod },
        Step::Lock { pod },
        Step::Prepare { pod },
        Step::Write(write),
    ]
}

fn app(name: &str) -> App {
    App::new(name, ImageName::new(WEB.0, WEB.1))
}

/// From wherever it was prepared to running apps.
pub(super) fn run(pod: Uuid, holder: Holder, process: Option<Process>) -> Group {
    let start = Start {
        process,
        ..Start::new(pod)
    };
    vec![Step::Run { pod, holder }, Step::Start(start)]
}

pub(super) fn app_exit(pod: Uuid, app: &str, code: i32) -> Group {
    let app = app.to_owned();
    vec![Step::AppExit { pod, app, code }]
}

fn app_add(pod: Uuid, name: &str) -> Group {
    let app = app(name);
    vec![Step::AppAdd { pod, app }]
}

pub(super) fn app_start(pod: Uuid, app: &str) -> Group {
    let app = app.to_owned();
    vec![Step::AppStart { pod, app }]
}

pub(super) fn exit(pod: Uuid, by: Ending) -> Group {
    vec![Step::Exit { pod, by }]
}

pub(super) fn import((name, version): (&str, &str), via: Transaction) -> Group {
    let import = Import {
        via,
        ..Import::new(ImageName::new(name, version))
    };
    vec![Step::Import(import)]
}

fn fetch() -> Group {
    let remote = Remote {
        url: format!("https://{FETCHED}.aci"),
        etag: "\"1\"".to_owned(),
    };
    let import = Import {
        remote: Some(remote),
        ..Import::new(ImageName::from(FETCHED.to_owned()))
    };
    vec![Step::Import(import)]
}

pub(super) fn remove((name, version): (&str, &str), via: Transaction) -> Group {
    let image = ImageRef::Name(ImageName::new(name, version));
    vec![Step::Remove { image, via }]
}

fn using((name, version): (&str, &str)) -> Group {
    let image = ImageRef::Name(ImageName::new(name, version));
    let via = Transaction::Log;
    vec![Step::Use { image, via }]
}

#[cfg(test)]
mod tests {
    use rkt_sim::live::Player;

    use super::*;

    #[test]
    fn the_script_can_be_played() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("rkt");
        let mut player = Player::begin(dir, &(old::OLD.spec)()).unwrap();
        for step in early().into_iter().chain(late()).flatten() {
            player.play(&step).unwrap();
        }
        for (name, id) in images() {
            let is_there = player.state().images.contains_key(&id);
            assert_eq!(is_there, name != "old-dropped", "{name}");
        }
    }
}
