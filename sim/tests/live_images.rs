//! The steps of the image store: the order of actions, and that the index can be read at any
//! moment, in both ways of writing it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rkt_api::formats::ql::{self, Database, rkt};
use rkt_sim::{
    live::{
        Player, StepError,
        record::Record,
        step::{Step, Transaction},
    },
    spec::Image,
};
use serde_json::{Value, json};

const LOG: &str = "cas/db/.34a8b4c1ad933745146fdbfef3073706ee571625";

struct Live {
    tmp: tempfile::TempDir,
    player: Player,
}

impl Live {
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let player = Player::open(tmp.path().join("rkt")).unwrap();
        Self { tmp, player }
    }

    fn try_play(&mut self, json: Value) -> Result<Record, StepError> {
        let step: Step = serde_json::from_value(json).unwrap();
        self.player.play(&step)
    }

    #[track_caller]
    fn play(&mut self, json: Value) -> Record {
        self.try_play(json).unwrap()
    }

    /// The rows of the index, read as a server reads them; checks that the file is sound and
    /// that the player knows what is in it.
    #[track_caller]
    fn rows(&self) -> Vec<rkt::Image> {
        let (file, log) = read(self.player.dir());
        assert!(log.is_empty());
        let db = Database::open(file.clone(), None).unwrap();
        let faults = ql::verify(&db);
        assert!(faults.is_empty(), "{faults:?}");
        let rows: Vec<_> = rkt::images(&db).unwrap().map(Result::unwrap).collect();
        let keys: BTreeSet<_> = rows.iter().map(|row| &row.blob_key).collect();
        assert!(keys.into_iter().eq(self.player.state().images.keys()));
        rows
    }

    fn remotes(&self) -> Vec<rkt::Remote> {
        let db = Database::open(read(self.player.dir()).0, None).unwrap();
        rkt::remotes(&db).unwrap().map(Result::unwrap).collect()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.player.dir().join(path)
    }
}

fn read(dir: &Path) -> (Vec<u8>, Vec<u8>) {
    let file = fs::read(dir.join("cas/db/ql.db")).unwrap();
    (file, fs::read(dir.join(LOG)).unwrap_or_default())
}

/// What was done, with the image's key shortened; runs of the same are one.
fn actions(record: &Record) -> Vec<String> {
    let key = record.image_id.as_ref().unwrap();
    let action = |action: &rkt_sim::live::record::Action| {
        let kind = serde_json::to_value(action.action).unwrap();
        let path = action.path.replace(LOG, "LOG").replace(&key[..], "KEY");
        let path = path.replace(&format!("/{}/", &key[7..9]), "/xx/");
        format!("{} {path}", kind.as_str().unwrap())
    };
    let mut actions: Vec<_> = record.actions.iter().map(action).collect();
    actions.dedup();
    actions
}

#[test]
fn an_import_goes_by_way_of_the_log() {
    let mut live = Live::new();
    live.play(json!({"step": "import", "image": "example.com/first:1"}));
    let record = live.play(json!({"step": "import", "image": "example.com/web:1"}));
    let actions = actions(&record);
    let actions: Vec<_> = actions
        .iter()
        .filter(|action| !action.starts_with("mkdir"))
        .collect();
    assert!(actions[0].starts_with("write cas/tmp/"), "{actions:?}");
    assert!(actions[3].starts_with("rename cas/tmp/"), "{actions:?}");
    assert_eq!(
        record
            .actions
            .iter()
            .find_map(|action| action.to.as_ref())
            .unwrap(),
        &format!(
            "cas/blob/sha512/{}/{}",
            &record.image_id.as_ref().unwrap()[7..9],
            record.image_id.as_ref().unwrap()
        )
    );
    assert_eq!(actions[1], "write cas/imagelocks/KEY");
    assert_eq!(actions[2], "lock cas/imagelocks/KEY");
    assert_eq!(
        actions[4..],
        [
            "write cas/imageManifest/sha512/xx/KEY",
            "lock cas/db",
            "write cas/db/.f630cc97640448d8f823924a7df3ca00e4d9e53b",
            "write LOG",
            "sync LOG",
            "overwrite cas/db/ql.db",
            "truncate cas/db/ql.db",
            "sync cas/db/ql.db",
            "truncate LOG",
            "sync LOG",
            "remove cas/db/.f630cc97640448d8f823924a7df3ca00e4d9e53b",
            "close cas/db",
            "close cas/imagelocks/KEY",
        ]
    );
    let rows = live.rows();
    assert_eq!(rows[0].name, "example.com/web");
    let key = Image::new("example.com/web", "1").blob_key().unwrap();
    assert_eq!(rows[0].blob_key, key);
    assert_eq!(rows.len(), 2);
    let blob = live.path(&format!("cas/blob/sha512/{}/{key}", &key[7..9]));
    assert_eq!(fs::metadata(blob).unwrap().len(), rows[0].size_bytes as u64);
    assert_eq!(fs::read_dir(live.path("cas/tmp")).unwrap().count(), 0);
}

#[test]
fn a_rewrite_replaces_the_file() {
    let mut live = Live::new();
    live.play(json!({"step": "import", "image": "example.com/web:1"}));
    let web = json!({"step": "use", "image": "example.com/web:1", "via": "rewrite"});
    let record = live.play(web);
    assert_eq!(
        actions(&record),
        [
            "lock cas/db",
            "write cas/db/ql.db.new",
            "sync cas/db/ql.db.new",
            "rename cas/db/ql.db.new",
            "sync cas/db",
            "close cas/db",
        ]
    );
    assert_eq!(live.rows().len(), 1);
}

#[test]
fn rows_come_move_and_go() {
    for via in ["log", "rewrite"] {
        let mut live = Live::new();
        for (image, url) in [("a:1", Some("https://e.com/a")), ("b:1", None), ("c", None)] {
            let mut step = json!({"step": "import", "image": image, "via": via});
            if let Some(url) = url {
                step["remote"] = json!({"url": url, "etag": "\"x\""});
            }
            live.play(step);
        }
        let names = |live: &Live| {
            let rows = live.rows().into_iter();
            rows.map(|row| row.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&live), ["c", "b", "a"]);
        assert_eq!(live.remotes()[0].aci_url, "https://e.com/a");

        let before = live.rows();
        live.play(json!({"step": "use", "image": "b:1", "via": via}));
        assert_eq!(names(&live), ["b", "c", "a"]);
        let (b, old) = (&live.rows()[0], &before[1]);
        assert!(b.last_used.instant() > old.last_used.instant());
        assert_eq!(b.import_time, old.import_time);

        let id = before[2].blob_key.clone();
        live.play(json!({"step": "remove", "image": id, "via": via}));
        assert_eq!(names(&live), ["b", "c"]);
        assert!(live.remotes().is_empty());
        for dir in ["blob", "imageManifest"] {
            let path = format!("cas/{dir}/sha512/{}/{id}", &id[7..9]);
            assert!(!live.path(&path).exists(), "{path}");
        }
        for step in ["remove", "use"] {
            let error = live.try_play(json!({"step": step, "image": "a:1"}));
            let error = error.unwrap_err();
            assert!(matches!(error, StepError::Impossible { .. }), "{error}");
        }

        // Imported again: the same image, a new row.
        live.play(json!({"step": "import", "image": "c", "via": via}));
        assert_eq!(names(&live), ["c", "b"]);
        assert!(live.rows()[0].import_time.instant() > before[0].import_time.instant());
    }
}

#[test]
fn a_player_that_comes_later_knows_the_images() {
    let mut live = Live::new();
    live.play(json!({"step": "import", "image": "example.com/web:1"}));
    let Live { tmp, player } = live;
    let (dir, state) = (player.dir().to_owned(), player.state().clone());
    drop(player);
    let player = Player::open(dir).unwrap();
    assert_eq!(player.state(), &state);
    let mut live = Live { tmp, player };
    live.play(json!({"step": "remove", "image": "example.com/web:1"}));
    assert!(live.rows().is_empty());
}

#[test]
fn a_log_that_a_crash_left_is_finished() {
    for via in ["log", "rewrite"] {
        let mut live = Live::new();
        live.play(json!({"step": "import", "image": "a:1"}));
        let before = fs::read(live.path("cas/db/ql.db")).unwrap();
        live.play(json!({"step": "import", "image": "b:1"}));
        let after = fs::read(live.path("cas/db/ql.db")).unwrap();
        // As if the process had died after the log was written, and half of the file.
        let commit = ql::Commit::between(&before, &after);
        let half: Vec<_> = commit.writes().take(1).collect();
        let mut torn = before.clone();
        torn.resize(torn.len().max(after.len()), 0);
        let start = half[0].0 as usize;
        torn[start..start + half[0].1.len()].copy_from_slice(half[0].1);
        fs::write(live.path("cas/db/ql.db"), torn).unwrap();
        fs::write(live.path(LOG), commit.log()).unwrap();

        let record = live.play(json!({"step": "import", "image": "c:1", "via": via}));
        // The file is whole before anything takes the place of what the log said.
        let actions = actions(&record);
        let locked = actions.iter().position(|action| action == "lock cas/db");
        assert_eq!(
            actions[locked.unwrap() + 1..][..5],
            [
                "overwrite cas/db/ql.db",
                "truncate cas/db/ql.db",
                "sync cas/db/ql.db",
                "truncate LOG",
                "sync LOG",
            ],
            "{via}"
        );
        let names: Vec<_> = live.rows().into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["c", "b", "a"], "{via}");
    }
}

/// Reads the index over and over under a shared lock, until it is told to stop; says how
/// often it did.
fn read_continuously(dir: &Path, stop: &AtomicBool) -> u32 {
    let mut reads = 0;
    while !stop.load(Ordering::Relaxed) {
        let lock = File::open(dir.join("cas/db")).unwrap();
        lock.lock_shared().unwrap();
        let (file, log) = read(dir);
        drop(lock);
        let db = Database::open(file, Some(&log)).unwrap();
        let images = rkt::images(&db).unwrap().map(Result::unwrap);
        // The first one stays throughout.
        assert!(images.into_iter().any(|image| image.name == "stays"));
        reads += 1;
    }
    reads
}

#[test]
fn the_index_can_be_read_at_any_moment() {
    let mut live = Live::new();
    live.play(json!({"step": "import", "image": "stays:1"}));
    let stop = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let (stop, dir) = (Arc::clone(&stop), live.player.dir().to_owned());
        move || read_continuously(&dir, &stop)
    });
    for round in 0..20 {
        let via = match round % 2 {
            0 => Transaction::Log,
            _ => Transaction::Rewrite,
        };
        for (step, image) in [
            ("import", format!("comes-and-goes:{round}")),
            ("use", "stays:1".to_owned()),
            ("remove", format!("comes-and-goes:{round}")),
        ] {
            live.play(json!({"step": step, "image": image, "via": via}));
        }
    }
    stop.store(true, Ordering::Relaxed);
    let reads = reader.join().unwrap();
    assert!(reads > 0);
    assert_eq!(live.rows().len(), 1);
}
