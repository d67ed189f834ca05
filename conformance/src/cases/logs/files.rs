//! Where journals are looked for, under which names, and what damage costs (L-10); and journals
//! of pods that never had one by themselves (L-12). What no description can say and no step can
//! play is done to the files by hand, on one pod for each case, and told to the model.
//!
//! A further variant of journals is a further [`Trick`].

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    pin::Pin,
    time::Duration,
};

use rkt_api::{api::GetLogsRequest, layout};
use rkt_sim::{JournalLine, live::step::Step};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use uuid::Uuid;

use super::{
    answer::{check, due, of, of_app},
    follower::Follower,
    live::reached,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    cases::streams::SECOND_NS,
    clause::{self, Clause},
    clock,
    hosts::logs::{APP, FILED, FILES, NEVER_RAN, SECOND_S, filed},
    stage::{Director, SceneDef, Stage},
};

/// Everything has been done to the files.
const LAID: &str = "laid";

/// How long the cases of the scene may take.
const PATIENCE: Duration = Duration::from_secs(30);

static SCENE: SceneDef = SceneDef {
    name: "logs-files",
    host: &FILES,
    script: lay,
};

/// Names of machines that are not the pod's.
const OTHER_MACHINE: &str = "0123456789abcdef0123456789abcdef";
const NO_MACHINES: [&str; 3] = [
    "machine",
    "0123456789abcdef0123456789abcde",
    "0123456789abcdef0123456789abcdefg",
];

/// Something done to the journal of a pod.
struct Trick {
    name: &'static str,
    /// Whether the journal is rotated before its last lines.
    rotated: bool,
    how: fn(&Journal) -> io::Result<Left>,
}

/// The journal of a pod on disk.
struct Journal {
    /// The directory of journals.
    dir: PathBuf,
    /// The one below it, that is named by the pod's machine id.
    machine: PathBuf,
    /// What is being written.
    file: PathBuf,
    /// What was put away; the same as `file` where nothing was.
    archived: PathBuf,
    /// How long `archived` was when all but the last line of it had been written, in bytes.
    torn_bytes: u64,
}

/// What is left of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// There is no journal any more.
    Gone,
    /// It has no lines any more.
    Nothing,
    /// What was written before the rotation.
    Older,
    /// What was written after it.
    Newer,
    /// All but the last line before it.
    NotTorn,
    /// Everything.
    All,
}

const fn whole(name: &'static str, how: fn(&Journal) -> io::Result<Left>) -> Trick {
    Trick {
        name,
        rotated: false,
        how,
    }
}

const fn rotated(name: &'static str, how: fn(&Journal) -> io::Result<Left>) -> Trick {
    Trick {
        rotated: true,
        ..whole(name, how)
    }
}

const TRICKS: [Trick; 26] = [
    whole("untouched", |_| Ok(Left::All)),
    rotated("rotated", |_| Ok(Left::All)),
    whole("without-machine-id", |it| {
        fs::rename(&it.file, it.dir.join("system.journal"))?;
        fs::remove_dir(&it.machine)?;
        Ok(Left::All)
    }),
    whole("another-machine-id", |it| {
        fs::rename(&it.machine, it.dir.join(OTHER_MACHINE))?;
        Ok(Left::All)
    }),
    rotated("both-levels", |it| {
        fs::rename(&it.archived, it.dir.join("system@old.journal"))?;
        Ok(Left::All)
    }),
    rotated("two-machine-ids", |it| {
        let other = it.dir.join(OTHER_MACHINE);
        fs::create_dir(&other)?;
        fs::rename(&it.archived, other.join("system.journal"))?;
        Ok(Left::All)
    }),
    whole("no-machine-id", |it| no_machine(it, 0)),
    whole("no-machine-id:short", |it| no_machine(it, 1)),
    whole("no-machine-id:long", |it| no_machine(it, 2)),
    rotated("too-deep", |it| {
        let deep = it.machine.join(OTHER_MACHINE);
        fs::create_dir(&deep)?;
        fs::rename(&it.archived, deep.join("system.journal"))?;
        Ok(Left::Newer)
    }),
    whole("named:user", |it| {
        named(&it.file, "user-1000.journal", Left::All)
    }),
    rotated("named:archived", |it| {
        named(&it.archived, "system@one.journal", Left::All)
    }),
    rotated("named:doubtful", |it| {
        let name = "system@0005e0f0d0c0b0a0-0123456789abcdef.journal~";
        named(&it.archived, name, Left::All)
    }),
    rotated("named:no-journal", |it| {
        named(&it.archived, "system.journal.old", Left::Newer)
    }),
    whole("beside:empty-file", |it| beside(it, &[])),
    whole("beside:junk", |it| beside(it, &[0xa5; 65_536])),
    whole("beside:cut-header", |it| {
        let header = fs::read(&it.file)?;
        beside(it, &header[..100])
    }),
    whole("beside:directory", |it| {
        fs::create_dir(it.machine.join("other.journal"))?;
        Ok(Left::All)
    }),
    whole("beside:dangling-link", |it| {
        symlink("nowhere", it.machine.join("other.journal"))?;
        Ok(Left::All)
    }),
    whole("beside:fifo", |it| {
        let path = it.machine.join("other.journal");
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        Ok(Left::All)
    }),
    rotated("emptied", |it| {
        fs::File::options().write(true).open(&it.file)?.set_len(0)?;
        Ok(Left::Older)
    }),
    rotated("overwritten", |it| {
        fs::write(&it.archived, [0xa5; 32_768])?;
        Ok(Left::Newer)
    }),
    rotated("torn", |it| {
        let file = fs::File::options().write(true).open(&it.archived)?;
        file.set_len(it.torn_bytes)?;
        Ok(Left::NotTorn)
    }),
    rotated("torn:zeroes", |it| {
        let file = fs::File::options().write(true).open(&it.archived)?;
        let length = file.metadata()?.len();
        file.set_len(it.torn_bytes)?;
        file.set_len(length)?;
        Ok(Left::NotTorn)
    }),
    whole("no-files", |it| {
        fs::remove_dir_all(&it.machine)?;
        Ok(Left::Nothing)
    }),
    whole("no-directory", |it| {
        fs::remove_dir_all(&it.dir)?;
        Ok(Left::Gone)
    }),
];

fn no_machine(journal: &Journal, name: usize) -> io::Result<Left> {
    fs::rename(&journal.machine, journal.dir.join(NO_MACHINES[name]))?;
    Ok(Left::Nothing)
}

fn named(file: &Path, name: &str, left: Left) -> io::Result<Left> {
    fs::rename(file, file.with_file_name(name))?;
    Ok(left)
}

fn beside(journal: &Journal, content: &[u8]) -> io::Result<Left> {
    fs::write(journal.machine.join("other.journal"), content)?;
    Ok(Left::All)
}

pub(super) fn cases() -> Vec<Case> {
    let tricks = TRICKS.iter().zip(0..).map(|(trick, n)| {
        let clause = match trick.name {
            "no-directory" => &clause::W_3,
            _ => &clause::L_10,
        };
        case(clause, format!("files/{}", trick.name), filed(n))
    });
    let never_ran = NEVER_RAN
        .iter()
        .map(|it| case(&clause::L_12, format!("never-ran/{}", it.name), it.id));
    tricks.chain(never_ran).collect()
}

fn case(clause: &'static Clause, content: String, pod: Uuid) -> Case {
    let check = move |stage| ask(stage, pod);
    let case = Case::new(Method::GetLogs, clause, content, check);
    case.on(On::Scene(&SCENE)).decided()
}

/// Asks for everything, and for parts.
async fn ask(stage: Stage, pod: Uuid) -> Verdict {
    let seat = stage.seat()?;
    reached(seat, LAID).await?;
    let now_s = clock::now_unix_ns().div_euclid(SECOND_NS);
    let bounded = |since_time, until_time, lines| GetLogsRequest {
        since_time,
        until_time,
        lines,
        ..of(pod)
    };
    for request in [
        of(pod),
        of_app(pod, APP),
        bounded(0, 0, 2),
        // What was described, and what has been played.
        bounded(0, SECOND_S + 1000, 0),
        bounded(SECOND_S + 1000, 0, 0),
        bounded(SECOND_S, now_s + 3600, 4),
    ] {
        check(&stage, &request).await?;
    }
    if due(&stage, &of(pod))?.is_ok() {
        let mut follower = Follower::open(&stage, of(pod)).await?;
        follower.first(&stage).await?;
        follower.judge(&stage)?;
    }
    Ok(())
}

fn lay(stage: Stage, director: Director) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
    Box::pin(async move {
        const { assert!(TRICKS.len() <= FILED as usize) };
        for (trick, n) in TRICKS.iter().zip(0..) {
            play(&stage, filed(n), trick).await?;
        }
        for it in &NEVER_RAN {
            let path = format!("{}/{}/{}", layout::PODS, it.phase, it.id);
            let data_dir = stage.data_dir()?;
            let copied = copy(&journal_dir(data_dir, filed(0)), &data_dir.join(path));
            copied.map_err(cannot)?;
            let journal = stage.world().and_then(|world| {
                let pod = world.pod(filed(0))?;
                pod.journal.clone()
            });
            set_journal(&stage, it.id, |there| *there = journal)?;
        }
        director.mark(LAID);
        director.all_ready(PATIENCE).await;
        Ok(())
    })
}

/// Has a pod write some more, and does to its journal what is to be done.
async fn play(stage: &Stage, pod: Uuid, trick: &Trick) -> Verdict {
    let log = |text: String| Step::Log {
        pod,
        app: APP.to_owned(),
        text,
    };
    let dir = journal_dir(stage.data_dir()?, pod);
    let machine = dir.join(pod.simple().to_string());
    let file = machine.join(layout::pod::JOURNAL);
    stage.play(log("further".to_owned())).await?;
    let torn_bytes = fs::metadata(&file).map_err(cannot)?.len();
    // More than what is left of the page that a file ends with.
    stage.play(log("x".repeat(10_000))).await?;
    let older = entries(stage, pod);
    let mut archived = file.clone();
    if trick.rotated {
        stage.play(Step::Rotate { pod }).await?;
        archived = put_away(&machine).map_err(cannot)?;
    }
    stage.play(log("newer".to_owned())).await?;
    stage.play(log("newest\nof two lines".to_owned())).await?;

    let journal = Journal {
        dir,
        machine,
        file,
        archived,
        torn_bytes,
    };
    let left = (trick.how)(&journal).map_err(cannot)?;
    set_journal(stage, pod, |journal| match (left, journal) {
        (Left::Gone, journal) => *journal = None,
        (_, None) | (Left::All, _) => {}
        (Left::Nothing, Some(entries)) => entries.clear(),
        (Left::Older, Some(entries)) => entries.truncate(older),
        (Left::Newer, Some(entries)) => drop(entries.drain(..older)),
        (Left::NotTorn, Some(entries)) => drop(entries.remove(older - 1)),
    })
}

/// The directory of journals of a pod that runs without overlay.
fn journal_dir(data_dir: &Path, pod: Uuid) -> PathBuf {
    let dir = layout::pod::journal_dir(layout::pod::STAGE1_ROOTFS);
    let path = format!("{}/{}/{pod}/{dir}", layout::PODS, layout::Phase::Run);
    data_dir.join(path)
}

/// The one file of a directory that is not being written.
fn put_away(dir: &Path) -> io::Result<PathBuf> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name() != layout::pod::JOURNAL {
            return Ok(entry.path());
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Copies a directory of journals to the same place in another pod.
fn copy(from: &Path, pod: &Path) -> io::Result<()> {
    let dir = layout::pod::journal_dir(layout::pod::STAGE1_ROOTFS);
    let to = pod.join(dir).join(OTHER_MACHINE);
    fs::create_dir_all(&to)?;
    for machine in fs::read_dir(from)? {
        for file in fs::read_dir(machine?.path())? {
            let file = file?;
            fs::copy(file.path(), to.join(file.file_name()))?;
        }
    }
    Ok(())
}

fn entries(stage: &Stage, pod: Uuid) -> usize {
    let world = stage.world();
    let journal = world
        .as_ref()
        .and_then(|world| world.pod(pod)?.journal.as_ref());
    journal.map_or(0, Vec::len)
}

/// Tells the model what has become of a journal.
fn set_journal(
    stage: &Stage,
    pod: Uuid,
    change: impl FnOnce(&mut Option<Vec<JournalLine>>),
) -> Verdict {
    stage.setting()?.shared_world().change(|world| {
        if let Some(pod) = world.pod_mut(pod) {
            change(&mut pod.journal);
        }
    });
    Ok(())
}

fn cannot(error: io::Error) -> Objection {
    Objection::skip(format!("the journals cannot be changed: {error}"))
}
