//! Images: the index under its lock, and what stands in for it while it cannot be read.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use super::{Inventory, Shared, Unavailable, lock};
use crate::{
    formats::ql::rkt,
    host::{self, Fault, ImageFacts, IndexError},
    layout::store,
};

/// How long to wait before trying a locked index again. rkt's transactions take a few
/// milliseconds.
const RETRY: Duration = Duration::from_millis(2);

/// How many hexadecimal digits of an id are a beginning worth looking for (IM-6).
const MIN_DIGITS: usize = 2;

/// Why there is no answer about one image.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ImageError {
    #[error("no image {0:?}")]
    Unknown(String),
    #[error("{0:?} is too short for the beginning of an image's id")]
    TooShort(String),
    #[error("{count} images begin with {id:?}")]
    Ambiguous { id: String, count: usize },
    #[error("image {key} is broken: {fault}")]
    Broken { key: String, fault: Fault },
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

type Index = Arc<Vec<rkt::Image>>;

/// The index as it was last read without fault, and the fault met since, if any.
#[derive(Debug, Default)]
pub(super) struct LastIndex(Mutex<(Option<Index>, Option<IndexError>)>);

impl Inventory {
    /// What `shape` makes of every image that has a readable manifest, the one whose row was
    /// written last first. It runs where it holds up nobody.
    pub(crate) async fn images<T: Send + 'static>(
        &self,
        shape: impl FnOnce(Vec<ImageFacts>) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let index = self.index().await?;
        self.look(move |shared| {
            let mut faults = Vec::new();
            let images = index.iter().filter_map(|row| {
                host::image(&shared.data_dir, row)
                    .map_err(|fault| faults.push(fault))
                    .ok()
            });
            let images = images.collect();
            if let Some(fault) = faults.iter().find(|fault| fault.distress().is_some()) {
                return Err(Unavailable(fault.to_string()));
            }
            shared.reported.all_images(faults);
            Ok(shape(images))
        })
        .await
    }

    /// The image whose id is `id` or alone begins with it.
    pub(crate) async fn image(&self, id: &str) -> Result<ImageFacts, ImageError> {
        let index = self.index().await?;
        let row = resolve(&index, id)?.clone();
        self.look(move |shared| {
            host::image(&shared.data_dir, &row).map_err(|fault| match fault.distress() {
                Some(_) => Unavailable(fault.to_string()).into(),
                None => ImageError::Broken {
                    key: row.blob_key,
                    fault,
                },
            })
        })
        .await
    }

    /// The index: as it is now, or where it cannot be had, as it last was (IM-7, IM-8).
    async fn index(&self) -> Result<Index, Unavailable> {
        // None lies beyond all time.
        let deadline = Instant::now().checked_add(self.store_lock_timeout);
        loop {
            let turn = self.index_turn.lock().await;
            let result = self
                .look(|shared| Ok::<_, Unavailable>(host::image_index(&shared.data_dir)))
                .await?;
            match result {
                Err(IndexError::Locked) if deadline.is_none_or(|at| Instant::now() < at) => {
                    drop(turn);
                    tokio::time::sleep(RETRY).await;
                }
                result => return self.shared.keep_index(result),
            }
        }
    }
}

impl Shared {
    fn keep_index(
        &self,
        result: Result<Vec<rkt::Image>, IndexError>,
    ) -> Result<Index, Unavailable> {
        let mut last = lock(&self.last_index.0);
        let (last_good, last_error) = &mut *last;
        match result {
            Ok(index) => {
                *last_error = None;
                Ok(Arc::clone(last_good.insert(Arc::new(index))))
            }
            Err(error) => {
                let message = error.to_string();
                if last_error.as_ref() != Some(&error) {
                    tracing::warn!(error = message, "the image index cannot be read");
                    *last_error = Some(error);
                }
                last_good.clone().ok_or(Unavailable(message))
            }
        }
    }
}

/// The row of the image whose id is `id` or alone begins with it.
fn resolve<'a>(index: &'a [rkt::Image], id: &str) -> Result<&'a rkt::Image, ImageError> {
    if let Some(row) = index.iter().find(|row| row.blob_key == id) {
        return Ok(row);
    }
    match id.strip_prefix(store::KEY_PREFIX) {
        Some(digits) if digits.len() < MIN_DIGITS => {
            return Err(ImageError::TooShort(id.to_owned()));
        }
        Some(_) => {}
        None => return Err(ImageError::Unknown(id.to_owned())),
    }
    let mut begins = index.iter().filter(|row| row.blob_key.starts_with(id));
    let id = id.to_owned();
    match (begins.next(), begins.count()) {
        (None, _) => Err(ImageError::Unknown(id)),
        (Some(row), 0) => Ok(row),
        (Some(_), more) => Err(ImageError::Ambiguous {
            id,
            count: more + 1,
        }),
    }
}
