//! Every path and file name of a data directory, in one place for the server, which reads
//! them, and the simulator, which writes them. Names only: nothing here touches a disk.
//!
//! The names are those of rkt 1.30.0, as its published documentation (`on-disk-format.md`,
//! `pod-lifecycle.md`, `stage1-implementors-guide.md`) has them and as it was seen to leave
//! them.

use std::fmt;

/// Where rkt keeps its data unless told otherwise.
pub const DEFAULT_DATA_DIR: &str = "/var/lib/rkt";

/// The directory of pods, below the data directory.
pub const PODS: &str = "pods";

/// The directory of locks that are on no file of their own, below the data directory.
pub const LOCKS: &str = "locks";

/// What rkt locks while it makes a pod, below the data directory.
pub const PREPARE_LOCK: &str = "locks/prepareLock";

/// The lifecycle directory that a pod lies in, below [`PODS`].
///
/// Together with the lock on the pod's directory it makes the pod's state. The order is the
/// one in which a pod passes through them, and the one in which they are searched: where a
/// UUID stands in two of them, the first counts (S-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// `embryo`: created, nothing in it yet.
    Embryo,
    /// `prepare`: being prepared, or left behind half prepared.
    Prepare,
    /// `prepared`: ready to run.
    Prepared,
    /// `run`: running, or has run.
    Run,
    /// `exited-garbage`: has run and is marked for removal.
    ExitedGarbage,
    /// `garbage`: never ran and is marked for removal.
    Garbage,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 6] = [
        Self::Embryo,
        Self::Prepare,
        Self::Prepared,
        Self::Run,
        Self::ExitedGarbage,
        Self::Garbage,
    ];

    /// The directory's name below [`PODS`].
    pub const fn dir_name(self) -> &'static str {
        match self {
            Self::Embryo => "embryo",
            Self::Prepare => "prepare",
            Self::Prepared => "prepared",
            Self::Run => "run",
            Self::ExitedGarbage => "exited-garbage",
            Self::Garbage => "garbage",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.dir_name())
    }
}

/// Names within a pod's directory.
pub mod pod {
    /// The annotation of pod manifests by which mutable pods are told: its value is `true`.
    pub const MUTABLE_ANNOTATION: &str = "coreos.com/rkt/stage1/mutable";

    /// The pod manifest.
    pub const MANIFEST: &str = "pod";
    /// Empty; its modification time is when the pod was created.
    pub const CREATED: &str = "pod-created";
    /// Empty; what pods are locked by while apps are added to them or removed.
    pub const LOCK: &str = "pod.lck";
    /// The process id of stage1, in decimal; written when the pod starts.
    pub const PID: &str = "pid";
    /// Instead of [`PID`]: the process id of the parent of stage1's process.
    pub const PPID: &str = "ppid";
    /// The pod's cgroup without its leading slash.
    pub const SUBCGROUP: &str = "subcgroup";
    /// The pod's networks.
    pub const NET_INFO: &str = "net-info.json";
    /// Empty; there when the pod was prepared for overlayfs.
    pub const OVERLAY_PREPARED: &str = "overlay-prepared";
    /// The tree store id of stage1's image.
    pub const STAGE1_TREE_STORE_ID: &str = "stage1TreeStoreID";
    /// The directory of stage1's image.
    pub const STAGE1: &str = "stage1";
    /// The manifest of stage1's image.
    pub const STAGE1_MANIFEST: &str = "stage1/manifest";
    /// The root of stage1's file system, unless the pod uses overlayfs.
    pub const STAGE1_ROOTFS: &str = "stage1/rootfs";

    /// The directory of what is known of the apps' images, which has one for each app.
    pub const APPS_INFO: &str = "appsinfo";
    /// The directory of the overlayfs layers, which has one for each tree store id.
    pub const OVERLAY: &str = "overlay";

    /// The manifest of an app's image.
    pub fn app_image_manifest(app: &str) -> String {
        format!("appsinfo/{app}/manifest")
    }

    /// The tree store id of an app's image; there when the pod uses overlayfs.
    pub fn app_tree_store_id(app: &str) -> String {
        format!("appsinfo/{app}/treeStoreID")
    }

    /// An app's image, rendered, for the root of stage1's file system.
    pub fn app_tree(stage1_rootfs: &str, app: &str) -> String {
        format!("{stage1_rootfs}/opt/stage2/{app}")
    }

    /// The root of stage1's file system in a pod that uses overlayfs, for the content of
    /// [`STAGE1_TREE_STORE_ID`].
    pub fn stage1_overlay_rootfs(tree_store_id: &str) -> String {
        format!("overlay/{tree_store_id}/upper")
    }

    /// The journal that a pod's journald is writing, in the directory that is named by its
    /// machine id, in [`journal_dir`].
    pub const JOURNAL: &str = "system.journal";

    /// The directory of a pod's journals, for the root of stage1's file system.
    pub fn journal_dir(stage1_rootfs: &str) -> String {
        format!("{stage1_rootfs}/var/log/journal")
    }

    /// Empty; appears each time an app starts in a mutable pod, for the root of stage1's file
    /// system.
    pub fn app_started(stage1_rootfs: &str, app: &str) -> String {
        format!("{}-started", app_status(stage1_rootfs, app))
    }

    /// An app's exit status, for the root of stage1's file system.
    pub fn app_status(stage1_rootfs: &str, app: &str) -> String {
        format!("{stage1_rootfs}/rkt/status/{app}")
    }
}

/// Names of the image store, below the data directory.
pub mod store {
    /// The store's directory.
    pub const CAS: &str = "cas";
    /// The directory of the image index, which transactions lock.
    pub const DB_DIR: &str = "cas/db";
    /// The image index, within [`DB_DIR`].
    pub const DB: &str = "ql.db";
    /// The write-ahead log of the image index, within [`DB_DIR`]: a dot and the SHA-1 of
    /// the name in [`DB`].
    pub const DB_LOG: &str = ".34a8b4c1ad933745146fdbfef3073706ee571625";

    /// There while the engine has the index open, within [`DB_DIR`]: a dot and the SHA-1 of
    /// `ql.dblockfile`.
    pub const DB_LOCK: &str = ".f630cc97640448d8f823924a7df3ca00e4d9e53b";

    /// The directory of the images themselves.
    pub const BLOBS: &str = "cas/blob";
    /// The directory of the images' manifests.
    pub const IMAGE_MANIFESTS: &str = "cas/imageManifest";
    /// The directory of the images' locks.
    pub const IMAGE_LOCKS: &str = "cas/imagelocks";
    /// The directory of the tree store: images rendered, named by tree store id.
    pub const TREES: &str = "cas/tree";
    /// The directory of the tree store's locks.
    pub const TREE_LOCKS: &str = "cas/treestorelocks";
    /// The directory of images that are being imported.
    pub const TMP: &str = "cas/tmp";

    /// What every blob key begins with.
    pub const KEY_PREFIX: &str = "sha512-";

    /// The manifest of the image with this blob key, below [`CAS`]. `None` when the key is
    /// none: `sha512-` and at least two hexadecimal digits.
    pub fn image_manifest(key: &str) -> Option<String> {
        Some(format!("imageManifest/{}", by_key(key)?))
    }

    /// The image with this blob key, below [`CAS`]. `None` as for [`image_manifest`].
    pub fn blob(key: &str) -> Option<String> {
        Some(format!("blob/{}", by_key(key)?))
    }

    /// The place of a key among many: its first two digits make a directory.
    fn by_key(key: &str) -> Option<String> {
        let digits = key.strip_prefix(KEY_PREFIX)?;
        let is_hex = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
        (digits.len() >= 2 && is_hex(digits)).then(|| format!("sha512/{}/{key}", &digits[..2]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_searched_in_the_order_of_a_pods_life() {
        assert!(Phase::ALL.is_sorted());
    }

    #[test]
    fn only_blob_keys_name_files() {
        assert_eq!(
            store::image_manifest("sha512-4fc4").as_deref(),
            Some("imageManifest/sha512/4f/sha512-4fc4")
        );
        assert_eq!(
            store::blob("sha512-4fc4").as_deref(),
            Some("blob/sha512/4f/sha512-4fc4")
        );
        for key in [
            "",
            "sha512-",
            "sha512-4",
            "4fc4",
            "sha512-4fc4/../x",
            "sha512-é0",
        ] {
            assert_eq!(store::image_manifest(key), None, "{key}");
        }
    }
}
