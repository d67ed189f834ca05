//! ListenEvents: not there yet.

use tonic::Status;

use crate::api::ListenEventsResponse;

/// The stream of a ListenEvents call.
pub(super) type Events = tokio_stream::Empty<Result<ListenEventsResponse, Status>>;

pub(super) fn unimplemented() -> Status {
    Status::unimplemented("this version of rkt-api-service does not send events yet")
}
