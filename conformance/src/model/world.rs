//! What there is on a host: a description, moved on by the steps that were played, and by what
//! no step can say.

use std::{collections::BTreeMap, io, sync::Arc};

use rkt_sim::{
    live::step::ImageName,
    spec::{self, HostSpec},
};
use uuid::Uuid;

use super::{
    events::{Happening, pod_event},
    facts::{Image, Moment, Pod},
};

/// The appc version that servers report unless told otherwise (I-1).
const APPC_VERSION: &str = "0.8.11";

/// By how much the clock of file systems may be behind the one that is read, nanoseconds: it
/// moves with the kernel's tick.
const TICK_NS: i64 = 10_000_000;

/// A host as the model knows it, from the moment at which a server started on it.
#[derive(Clone, Debug)]
pub struct World {
    pub(super) pods: BTreeMap<Uuid, Arc<Pod>>,
    /// The pods that are gone, as they were last: who follows their logs still gets what they
    /// had written.
    pub(super) gone: BTreeMap<Uuid, Arc<Pod>>,
    pub(super) images: BTreeMap<String, Arc<Image>>,
    /// The descriptions of the images that steps have imported.
    pub(super) imported: BTreeMap<ImageName, spec::Image>,
    pub(super) events: Arc<Vec<Happening>>,
    index_is_readable: bool,
    appc_version: String,
    started_unix_ns: i64,
}

/// Why there is no model of a described host.
#[derive(Debug, thiserror::Error)]
pub enum Unmodelled {
    /// It has faults: what they come to is for those to say who make them.
    #[error("the description has faults, which the model does not know")]
    Faults,
    /// Something in it cannot be made.
    #[error("the description cannot be made: {0}")]
    Io(#[from] io::Error),
}

impl World {
    /// The host as described, when a server starts on it at `started_unix_ns`. `written_unix_ns`
    /// is when the host began to be written to disk: change times lie after it.
    ///
    /// # Errors
    ///
    /// [`Unmodelled`].
    pub fn new(
        spec: &HostSpec,
        written_unix_ns: i64,
        started_unix_ns: i64,
    ) -> Result<Self, Unmodelled> {
        if !spec.faults.is_empty() {
            return Err(Unmodelled::Faults);
        }
        let written = on_disk(written_unix_ns, started_unix_ns);
        let pods = spec.pods.iter().map(|described| {
            let pod = Pod::described(described, &written)?;
            Ok((pod.id, Arc::new(pod)))
        });
        let images = spec.images.iter().map(|described| {
            let at_s = described.imported_at_s;
            let image = Image::described(described, at_s..=at_s)?;
            Ok((image.id.clone(), Arc::new(image)))
        });
        Ok(Self {
            pods: pods.collect::<io::Result<_>>()?,
            gone: BTreeMap::new(),
            images: images.collect::<io::Result<_>>()?,
            imported: BTreeMap::new(),
            events: Arc::default(),
            index_is_readable: true,
            appc_version: APPC_VERSION.to_owned(),
            started_unix_ns,
        })
    }

    /// The same host for a server that reports this appc version.
    pub fn with_appc_version(self, appc_version: impl Into<String>) -> Self {
        Self {
            appc_version: appc_version.into(),
            ..self
        }
    }

    /// The pods, by id.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values().map(Arc::as_ref)
    }

    /// A pod.
    pub fn pod(&self, id: Uuid) -> Option<&Pod> {
        self.pods.get(&id).map(Arc::as_ref)
    }

    /// A pod that was deleted since the server started, as it was last.
    pub(super) fn gone(&self, id: Uuid) -> Option<&Pod> {
        self.gone.get(&id).map(Arc::as_ref)
    }

    /// The images in the store, by id, those included whose manifest cannot be read.
    pub fn images(&self) -> impl Iterator<Item = &Image> {
        self.images.values().map(Arc::as_ref)
    }

    /// What has happened since the server started, in order.
    pub fn events(&self) -> &[Happening] {
        &self.events
    }

    /// When the server started, nanoseconds since the epoch.
    pub fn started_unix_ns(&self) -> i64 {
        self.started_unix_ns
    }

    /// The appc version that the server reports.
    pub fn appc_version(&self) -> &str {
        &self.appc_version
    }

    /// Whether there is an answer about images: the index can be read, or the server has read
    /// it before.
    pub fn is_index_readable(&self) -> bool {
        self.index_is_readable
    }
}

/// What no step can say. Those who change the disk by hand tell it the model by these.
impl World {
    /// The pod, to be changed: what is said of it in [`Pod`]'s fields is what it then is.
    /// Changes that make events are not to be made like this.
    pub fn pod_mut(&mut self, id: Uuid) -> Option<&mut Pod> {
        self.pods.get_mut(&id).map(Arc::make_mut)
    }

    /// The image, to be changed likewise.
    pub fn image_mut(&mut self, id: &str) -> Option<&mut Image> {
        self.images.get_mut(id).map(Arc::make_mut)
    }

    /// A pod's manifest was broken or removed (P-3). When it was created is known still.
    pub fn break_pod_manifest(&mut self, id: Uuid) {
        if let Some(pod) = self.pod_mut(id) {
            pod.manifest = None;
        }
    }

    /// The manifest of an app's image, in the pod, was broken or removed (P-12).
    pub fn break_app_image_manifest(&mut self, id: Uuid, app: &str) {
        if let Some(app) = self.pod_mut(id).and_then(|pod| pod.app_mut(app)) {
            app.image = None;
        }
    }

    /// A pod's `net-info.json` was broken or removed (P-5).
    pub fn break_networks(&mut self, id: Uuid) {
        if let Some(pod) = self.pod_mut(id) {
            pod.networks = None;
        }
    }

    /// An image's manifest was broken or removed from the store (IM-5).
    pub fn break_image_manifest(&mut self, id: &str) {
        if let Some(image) = self.image_mut(id) {
            image.manifest = None;
        }
    }

    /// The index can be read, or the server has done so before, or neither (IM-7, IM-8).
    pub fn set_index_readable(&mut self, is_readable: bool) {
        self.index_is_readable = is_readable;
    }

    /// A pod's directory was removed by hand between these moments, nanoseconds since the
    /// epoch. One that was not marked before is collected by this (E-1).
    pub fn vanish(&mut self, id: Uuid, before_unix_ns: i64, after_unix_ns: i64) {
        let Some(pod) = self.pods.remove(&id) else {
            return;
        };
        if !pod.is_collected {
            use rkt_api::api::EventType::PodGarbageCollected;
            let event = pod_event(PodGarbageCollected, id);
            self.happened(event, &(before_unix_ns..=after_unix_ns));
        }
        self.gone.insert(id, pod);
    }

    /// Takes a pod away without a trace, until it is [`put`](Self::put) back.
    pub fn take(&mut self, id: Uuid) -> Option<Pod> {
        self.pods.remove(&id).map(Arc::unwrap_or_clone)
    }

    /// Puts a pod where it was, or what has become of it instead.
    pub fn put(&mut self, pod: Pod) {
        self.pods.insert(pod.id, Arc::new(pod));
    }

    /// The server was started anew: what happened before makes no events.
    pub fn restart(&mut self, started_unix_ns: i64) {
        self.started_unix_ns = started_unix_ns;
        self.events = Arc::default();
    }
}

/// What a file system may say of something that was done in this range.
pub(crate) fn on_disk(from_unix_ns: i64, to_unix_ns: i64) -> Moment {
    from_unix_ns.saturating_sub(TICK_NS)..=to_unix_ns
}
