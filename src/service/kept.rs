//! What calls keep between them: beside the facts of each pod and image in the inventory, for as
//! long as those hold, and the lists that were answered last.

use std::sync::OnceLock;

use super::{
    listing::{Listing, Place},
    view::{PodCall, View},
};
use crate::{
    api::{Image, Pod},
    host::{ImageFacts, PodFacts},
    inventory,
};

/// A pod, with what calls keep beside it.
pub(super) type InventoryPod = inventory::Pod<KeptPod>;

/// An image, with what calls keep beside it.
pub(super) type InventoryImage = inventory::Image<KeptImage>;

/// What was made of a pod.
#[derive(Debug, Default)]
pub(crate) struct KeptPod {
    /// As listed, with everything that filters look at; only there when one has looked. `None`
    /// when the dialect does not show the pod.
    listed: OnceLock<Option<Pod>>,
    brief: Place,
    detailed: Place,
}

impl KeptPod {
    /// The pod as listed, before anything is cut off that `detail` does not ask for.
    pub(super) fn listed(&self, view: &View, facts: &PodFacts, detail: bool) -> Option<&Pod> {
        let listed = || view.pod(facts, None, PodCall::List { detail });
        self.listed.get_or_init(listed).as_ref()
    }
}

/// What was made of an image.
#[derive(Debug, Default)]
pub(crate) struct KeptImage {
    image: OnceLock<Image>,
    brief: Place,
    detailed: Place,
}

impl KeptImage {
    /// The image, with its manifest.
    pub(super) fn image(&self, view: &View, facts: &ImageFacts) -> &Image {
        self.image.get_or_init(|| view.image(facts))
    }
}

/// The lists that were answered last, each brief and with detail.
#[derive(Debug)]
pub(super) struct Listings {
    pods: ByDetail<InventoryPod>,
    images: ByDetail<InventoryImage>,
}

#[derive(Debug)]
struct ByDetail<T> {
    brief: Listing<T>,
    detailed: Listing<T>,
}

impl<T> ByDetail<T> {
    fn get(&self, detail: bool) -> &Listing<T> {
        match detail {
            true => &self.detailed,
            false => &self.brief,
        }
    }
}

impl Default for Listings {
    fn default() -> Self {
        Self {
            pods: ByDetail {
                brief: Listing::new(|pod| &pod.cache.brief),
                detailed: Listing::new(|pod| &pod.cache.detailed),
            },
            images: ByDetail {
                brief: Listing::new(|image| &image.cache.brief),
                detailed: Listing::new(|image| &image.cache.detailed),
            },
        }
    }
}

impl Listings {
    /// That of ListPods.
    pub(super) fn pods(&self, detail: bool) -> &Listing<InventoryPod> {
        self.pods.get(detail)
    }

    /// That of ListImages.
    pub(super) fn images(&self, detail: bool) -> &Listing<InventoryImage> {
        self.images.get(detail)
    }
}
