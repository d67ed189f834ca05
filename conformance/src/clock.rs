//! The clock that the suite shares with servers: the machine's.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time now, in nanoseconds since the Unix epoch.
pub fn now_unix_ns() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        // A clock before 1970.
        Err(_) => 0,
    }
}
