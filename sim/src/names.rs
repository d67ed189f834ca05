//! Names in a data directory that only the simulator needs so far; all others are in
//! [`rkt_api::layout`].

/// Names within a pod's directory.
pub(crate) mod pod {
    /// Empty; what mutable pods are locked by.
    pub(crate) const LOCK: &str = "pod.lck";
    /// The directory of what is known of the apps' images.
    pub(crate) const APPS_INFO: &str = "appsinfo";
    /// The directory of stage1's image.
    pub(crate) const STAGE1: &str = "stage1";
    /// The manifest of stage1's image.
    pub(crate) const STAGE1_MANIFEST: &str = "stage1/manifest";
    /// The directory of overlayfs layers.
    pub(crate) const OVERLAY: &str = "overlay";

    /// The tree store id of an app's image; there when the pod uses overlayfs.
    pub(crate) fn app_tree_store_id(app: &str) -> String {
        format!("appsinfo/{app}/treeStoreID")
    }

    /// The directory of an app's rendered image, for the root of stage1's file system.
    pub(crate) fn app_dir(stage1_rootfs: &str, app: &str) -> String {
        format!("{stage1_rootfs}/opt/stage2/{app}")
    }
}

/// Names of the image store, below the data directory.
pub(crate) mod store {
    /// The directories of a store without images, with the modes that rkt gives them.
    pub(crate) const SKELETON: [(&str, u32); 8] = [
        ("cas", 0o770),
        ("cas/blob", 0o770),
        ("cas/db", 0o770),
        ("cas/imageManifest", 0o770),
        ("cas/imagelocks", 0o770),
        ("cas/tmp", 0o770),
        ("cas/tree", 0o755),
        ("cas/treestorelocks", 0o755),
    ];
}

/// The directory of locks that are on no file of their own, below the data directory.
pub(crate) const LOCKS: &str = "locks";

/// What `rkt prepare` and `rkt run` lock while they make a pod, below the data directory.
pub(crate) const PREPARE_LOCK: &str = "locks/prepareLock";
