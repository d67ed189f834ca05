//! Servers that leave traces, and depend on what they need not (W-5, SV-3).

use std::fs::{self, File};

use rkt_api::layout::{self, store};

use super::{entries, first, wait_while};
use crate::{case::Method, clause, lies::Lie};

/// Servers that leave traces, and depend on what they need not.
pub(super) fn lies() -> Vec<Lie> {
    vec![
        first("marks-what-it-has-read", &clause::W_5, |past, method| {
            if method == Method::ListPods
                && let Ok(pods) = File::open(past.data_dir.join(layout::PODS))
            {
                // Where it fails there is no trace, and no lie.
                let _ = pods.set_modified(std::time::SystemTime::now());
            }
        }),
        first("counts-its-calls-on-disk", &clause::W_5, |past, method| {
            if method == Method::GetInfo {
                let _ = fs::write(past.data_dir.join("calls"), "one more");
            }
        }),
        first("makes-images-private", &clause::W_5, |past, method| {
            use std::os::unix::fs::PermissionsExt as _;
            if method == Method::InspectImage {
                let index = past.data_dir.join(store::DB_DIR).join(store::DB);
                let _ = fs::set_permissions(index, fs::Permissions::from_mode(0o600));
            }
        }),
        first("keeps-pods-locked", &clause::W_5, |past, method| {
            if method == Method::ListPods && past.locks.is_empty() {
                let dirs = entries(&past.data_dir).into_iter();
                let dirs = dirs.filter_map(|(_, path)| File::open(path).ok());
                let locked = dirs.filter(|dir| dir.try_lock_shared().is_ok());
                past.locks = locked.collect();
            }
        }),
        first("keeps-the-index-locked", &clause::W_5, |past, method| {
            if method == Method::ListImages && past.locks.is_empty() {
                let dir = File::open(past.data_dir.join(store::DB_DIR));
                let locked = dir.into_iter().filter(|dir| dir.try_lock_shared().is_ok());
                past.locks = locked.collect();
            }
        }),
        wait_while(
            "lives-only-with-its-data",
            &clause::SV_3,
            |data_dir, method| method == Method::GetInfo && !data_dir.is_dir(),
        ),
        wait_while(
            "lives-only-with-its-store",
            &clause::SV_3,
            |data_dir, method| method == Method::GetInfo && !data_dir.join(store::DB_DIR).is_dir(),
        ),
    ]
}
