//! Ports for servers that the suite starts.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher as _,
    net::TcpListener,
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
};

/// The first port that is handed out.
const FIRST: u16 = 20_000;

/// How many ports there are. They lie below those that Linux gives to connections: else one
/// could be gone again before the server takes it.
const COUNT: u16 = 12_000;

/// Where to go on. It begins somewhere, so that two runs at once seldom meet.
static NEXT: LazyLock<AtomicU16> =
    LazyLock::new(|| AtomicU16::new((RandomState::new().hash_one(()) & 0xffff) as u16));

/// A port of `127.0.0.1` that nobody listens on, and that this process has not handed out
/// lately; `None` when all are taken.
pub(crate) fn free() -> Option<u16> {
    let mut ports = (0..COUNT).map(|_| FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT);
    ports.find(|port| is_free(*port))
}

/// Whether nobody listens on the port.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_handed_out_once() {
        let first = free().unwrap();
        let second = free().unwrap();
        assert_ne!(first, second);
        let _taken = TcpListener::bind(("127.0.0.1", first));
        assert!(!is_free(first));
    }
}
