//! GetLogs (L-*): which lines of a pod's journal an answer has, and when a stream ends.

use rkt_api::api::GetLogsRequest;

use super::{Refusal, World};
use crate::profile::Profile;

/// The lines that are there and that `request` asks for, `lines` counted; as if not following.
///
/// # Errors
///
/// What W-3, P-17 and L-1 refuse.
pub fn lines(
    _world: &World,
    _profile: Profile,
    _request: &GetLogsRequest,
) -> Result<Vec<String>, Refusal> {
    todo!()
}

/// The lines that a follower gets after those of [`lines`]: those that `later` has and `world` had not,
/// `later` being what became of `world`.
///
/// # Errors
///
/// As [`lines`].
pub fn appended(
    _world: &World,
    _later: &World,
    _profile: Profile,
    _request: &GetLogsRequest,
) -> Result<Vec<String>, Refusal> {
    todo!()
}
