//! ListPods and InspectPod (S-*, P-*, F-P*).

use rkt_api::api::{ListPodsRequest, Pod};

use super::{Expected, Refusal, World};
use crate::profile::Profile;

/// The answer to ListPods, in order (P-16).
pub fn list(_world: &World, _profile: Profile, _request: &ListPodsRequest) -> Vec<Expected<Pod>> {
    todo!()
}

/// The answer to InspectPod.
///
/// # Errors
///
/// What W-3 and P-17 refuse.
pub fn inspect(_world: &World, _profile: Profile, _id: &str) -> Result<Expected<Pod>, Refusal> {
    todo!()
}
