//! The steps of the image store, in rkt's order of actions.

use rkt_api::{
    formats::ql::{Time, Zone, rkt},
    layout::store,
};

use super::{
    disk::Disk,
    file_lock::FileLock,
    index,
    player::{Player, StepError, impossible},
    record::now_unix_ns,
    step::{ImageRef, Import, Step, Transaction},
};
use crate::aci;

/// The mode of the store's directories.
const DIR: u32 = 0o770;
/// The mode of the files that rkt writes into the store.
const FILE: u32 = 0o660;
/// The mode of images: that of the temporary files that they are renamed from.
const BLOB: u32 = 0o600;

impl Player {
    /// Plays a step of the image store. Gives the id of the image that it is about.
    pub(super) fn play_image(&mut self, step: &Step, disk: &mut Disk) -> Result<String, StepError> {
        match step {
            Step::Import(import) => self.import(step, import, disk),
            Step::Remove { image, via } => self.remove(step, image, *via, disk),
            Step::Use { image, via } => self.use_image(step, image, *via, disk),
            _ => Err(impossible(step, "it is not about an image")),
        }
    }

    /// Finds out which images are in the store.
    pub(super) fn look_at_images(&mut self) -> Result<(), StepError> {
        let rows = index::read(&self.dir)?;
        let images = rows.images.into_iter();
        self.state.images = images.map(|row| (row.blob_key, row.name)).collect();
        Ok(())
    }

    fn import(
        &mut self,
        step: &Step,
        import: &Import,
        disk: &mut Disk,
    ) -> Result<String, StepError> {
        let now = now();
        let image = import.to_spec(now.unix_s);
        let cannot = |error: std::io::Error| impossible(step, error.to_string());
        let facts = self.known.facts(&image).map_err(cannot)?;
        let blob = aci::tar(&image, &facts.manifest).map_err(cannot)?;
        let key = facts.blob_key.clone();
        let (blob_path, manifest_path) = paths(step, &key)?;
        let size_bytes = import.size_bytes.unwrap_or(blob.size_bytes() as i64);

        let tmp = format!("{}/{}", store::TMP, tmp_name(&key));
        disk.write(&tmp, BLOB, &blob.bytes().map_err(cannot)?)?;
        let lock = lock_key(&key, disk)?;
        make_parent(&blob_path, disk)?;
        disk.rename(&tmp, &blob_path)?;
        make_parent(&manifest_path, disk)?;
        disk.write(&manifest_path, FILE, &facts.manifest)?;
        let row = rkt::Image {
            blob_key: key.clone(),
            name: image.name.clone(),
            import_time: now,
            last_used: now,
            latest: import.latest,
            size_bytes,
            tree_store_size_bytes: import.tree_store_size_bytes,
        };
        index::transact(disk, import.via, |rows| {
            // An image that is imported again is a new row all the same.
            rows.images.retain(|there| there.blob_key != row.blob_key);
            rows.images.insert(0, row);
        })?;
        lock.close(disk);
        if let Some(remote) = &import.remote {
            // A transaction of its own, once rkt is done with the image.
            let row = rkt::Remote {
                aci_url: remote.url.clone(),
                signature_url: format!("{}.asc", remote.url),
                etag: remote.etag.clone(),
                blob_key: key.clone(),
                cache_max_age_s: 0,
                download_time: now,
            };
            index::transact(disk, import.via, |rows| {
                rows.remotes.retain(|there| there.aci_url != row.aci_url);
                rows.remotes.insert(0, row);
            })?;
        }
        self.state.images.insert(key.clone(), image.name.clone());
        self.imported.insert(import.image.clone(), image);
        Ok(key)
    }

    fn remove(
        &mut self,
        step: &Step,
        image: &ImageRef,
        via: Transaction,
        disk: &mut Disk,
    ) -> Result<String, StepError> {
        let key = self.image_id(step, image)?;
        let (blob_path, manifest_path) = paths(step, &key)?;
        let lock = lock_key(&key, disk)?;
        index::transact(disk, via, |rows| {
            rows.images.retain(|row| row.blob_key != key);
            rows.remotes.retain(|row| row.blob_key != key);
        })?;
        disk.remove(&blob_path)?;
        disk.remove(&manifest_path)?;
        lock.close(disk);
        self.state.images.remove(&key);
        Ok(key)
    }

    fn use_image(
        &mut self,
        step: &Step,
        image: &ImageRef,
        via: Transaction,
        disk: &mut Disk,
    ) -> Result<String, StepError> {
        let key = self.image_id(step, image)?;
        let now = now();
        index::transact(disk, via, |rows| {
            let place = rows.images.iter().position(|row| row.blob_key == key);
            if let Some(place) = place {
                let mut row = rows.images.remove(place);
                row.last_used = now;
                rows.images.insert(0, row);
            }
        })?;
        Ok(key)
    }

    /// The id of an image in the store.
    fn image_id(&self, step: &Step, image: &ImageRef) -> Result<String, StepError> {
        let id = match image {
            ImageRef::Id(id) => id.clone(),
            ImageRef::Name(name) => {
                let imported = self.imported.get(name).cloned();
                let image = imported.unwrap_or_else(|| name.to_spec());
                let id = image.blob_key();
                id.map_err(|error| impossible(step, error.to_string()))?
            }
        };
        match self.state.images.contains_key(&id) {
            true => Ok(id),
            false => Err(impossible(
                step,
                format!("there is no image {image} in the store"),
            )),
        }
    }
}

/// The exclusive lock on an image's key.
fn lock_key(key: &str, disk: &mut Disk) -> Result<FileLock, StepError> {
    FileLock::exclusive(format!("{}/{key}", store::IMAGE_LOCKS), FILE, disk)
}

/// The paths of an image and its manifest below the data directory.
fn paths(step: &Step, key: &str) -> Result<(String, String), StepError> {
    let in_cas = |path: Option<String>| {
        let path = path.ok_or_else(|| impossible(step, format!("{key} is no blob key")))?;
        Ok::<_, StepError>(format!("{}/{path}", store::CAS))
    };
    Ok((
        in_cas(store::blob(key))?,
        in_cas(store::image_manifest(key))?,
    ))
}

fn make_parent(path: &str, disk: &mut Disk) -> Result<(), StepError> {
    match path.rsplit_once('/') {
        Some((parent, _)) => disk.mkdirs(parent, DIR),
        None => Ok(()),
    }
}

/// A name such as Go gives to temporary files: a number. It follows from the image's key, so
/// that what happens does not depend on chance.
fn tmp_name(key: &str) -> String {
    let digits = key.bytes().rev().take(9);
    digits.map(|digit| char::from(b'0' + digit % 10)).collect()
}

/// The time now, as rkt stores it on a host whose clock is on UTC.
fn now() -> Time {
    let unix_ns = now_unix_ns();
    Time {
        unix_s: unix_ns.div_euclid(1_000_000_000),
        nanos: unix_ns.rem_euclid(1_000_000_000) as u32,
        zone: Zone::Offset { east_s: 0 },
    }
}
