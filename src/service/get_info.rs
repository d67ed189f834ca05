//! GetInfo (clauses I, SV-3): from memory.

use super::Parts;
use crate::api::GetInfoResponse;

pub(super) fn answer(service: &Parts) -> GetInfoResponse {
    GetInfoResponse {
        info: Some(service.info.clone()),
    }
}
