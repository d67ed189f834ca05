//! Faults of the rows of the image index: a sound database that says what is not so.
//!
//! The index is written afresh, so nothing but its rows tells that anything is wrong.

use std::path::Path;

use rand::RngExt as _;
use rkt_api::{
    formats::ql::{
        self, Database,
        rkt::{self, Image, Remote, Schema},
    },
    layout::store,
};

use super::{Special, of_host};
use crate::faults::{
    Rng,
    beneath::Root,
    change::{Change, Plan, Unfit},
    look::missing,
};

pub(super) static TABLE: &[Special] = &[
    of_host(
        "index/no-rows",
        "The image index has no images in it, and the files are still there.",
        |root, _| {
            edit(root, |rows| {
                rows.images.clear();
                rows.remotes.clear();
            })
        },
    ),
    of_host(
        "index/lost-row",
        "An image is in no row of the image index, and its files are still there.",
        |root, rng| {
            edit(root, |rows| {
                rows.images.remove(rows.one(rng));
            })
        },
    ),
    of_host(
        "index/stray-row",
        "The image index has an image of which there are no files.",
        |root, rng| {
            let key = format!("{}{:064x}", store::KEY_PREFIX, rng.random::<u128>());
            edit(root, |rows| rows.add(key, rng))
        },
    ),
    of_host(
        "index/path-key",
        "The image index has an image whose key is a path that leads upwards.",
        |root, rng| {
            let key = format!("{}aa/../../../x", store::KEY_PREFIX);
            edit(root, |rows| rows.add(key, rng))
        },
    ),
    of_host(
        "index/empty-key",
        "The image index has an image whose key is empty.",
        |root, rng| edit(root, |rows| rows.add(String::new(), rng)),
    ),
    of_host(
        "index/short-key",
        "The image index has an image whose key has one digit.",
        |root, rng| {
            edit(root, |rows| {
                rows.add(format!("{}a", store::KEY_PREFIX), rng)
            })
        },
    ),
    of_host(
        "index/other-name",
        "The image index has another name for an image than its manifest.",
        |root, rng| {
            edit(root, |rows| {
                let image = rows.one(rng);
                rows.images[image].name = "example.com/another".to_owned();
            })
        },
    ),
    of_host(
        "index/negative-size",
        "The image index has a negative size for an image.",
        |root, rng| {
            edit(root, |rows| {
                let image = rows.one(rng);
                rows.images[image].size_bytes = -1;
            })
        },
    ),
    of_host(
        "index/largest-size",
        "The sizes that the image index has for an image and its tree add up to more than 63 bits.",
        |root, rng| {
            edit(root, |rows| {
                let image = rows.one(rng);
                rows.images[image].size_bytes = i64::MAX;
                rows.images[image].tree_store_size_bytes = i64::MAX;
            })
        },
    ),
    of_host(
        "index/far-time",
        "The image index has an import time of the year 10,000 for an image.",
        |root, rng| {
            edit(root, |rows| {
                let image = rows.one(rng);
                rows.images[image].import_time.unix_s = 253_402_300_800;
            })
        },
    ),
];

/// What is in an index.
struct Rows {
    /// At least one.
    images: Vec<Image>,
    remotes: Vec<Remote>,
}

impl Rows {
    /// The place of one of the images.
    fn one(&self, rng: &mut Rng) -> usize {
        rng.random_range(0..self.images.len())
    }

    /// Adds an image that is like one of the others but for its key.
    fn add(&mut self, blob_key: String, rng: &mut Rng) {
        let model = self.images[self.one(rng)].clone();
        // The row written last comes first.
        self.images.insert(0, Image { blob_key, ..model });
    }
}

fn edit(root: &Root, edit: impl FnOnce(&mut Rows)) -> Plan {
    let path = Path::new(store::DB_DIR).join(store::DB);
    if root.kind(&path)?.is_none() {
        return Err(missing(&path));
    }
    let log_path = Path::new(store::DB_DIR).join(store::DB_LOG);
    if root.kind(&log_path)?.is_some() && !root.read(&log_path)?.is_empty() {
        // It would go on being applied, to a file that it is not meant for.
        return Err(Unfit("the log of the image index is not empty".to_owned()));
    }
    let mut rows = read(root.read(&path)?).map_err(unfit)?;
    if rows.images.is_empty() {
        return Err(Unfit("there is no image in the index".to_owned()));
    }
    edit(&mut rows);
    let index = rkt::write(Schema::LATEST, &rows.images, &rows.remotes).map_err(unfit)?;
    Ok(vec![Change::file(path, index)])
}

fn read(index: Vec<u8>) -> Result<Rows, ql::Error> {
    let db = Database::open(index, None)?;
    Ok(Rows {
        images: rkt::images(&db)?.collect::<Result<_, _>>()?,
        remotes: rkt::remotes(&db)?.collect::<Result<_, _>>()?,
    })
}

fn unfit(error: ql::Error) -> Unfit {
    Unfit(error.to_string())
}
