//! GetLogs: not there yet.

use tonic::Status;

use crate::api::GetLogsResponse;

/// The stream of a GetLogs call.
pub(super) type Lines = tokio_stream::Empty<Result<GetLogsResponse, Status>>;

pub(super) fn unimplemented() -> Status {
    Status::unimplemented("this version of rkt-api-service does not read logs yet")
}
