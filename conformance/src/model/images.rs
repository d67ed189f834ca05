//! ListImages and InspectImage (IM-*, F-I*).

use rkt_api::api::{Image, ListImagesRequest};

use super::{Expected, Refusal, World};
use crate::profile::Profile;

/// The answer to ListImages; the order is free (IM-9), the model's is that of IDs.
pub fn list(
    _world: &World,
    _profile: Profile,
    _request: &ListImagesRequest,
) -> Vec<Expected<Image>> {
    todo!()
}

/// The answer to InspectImage.
///
/// # Errors
///
/// What W-3 and IM-6 refuse.
pub fn inspect(_world: &World, _profile: Profile, _id: &str) -> Result<Expected<Image>, Refusal> {
    todo!()
}
