//! What servers under test write on their standard output and error: the last of it is kept
//! for reports.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How many bytes are kept.
const BYTES_KEPT: usize = 64 << 10;

/// What has been written so far by the servers on one host, the last of it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output(Arc<Mutex<Tail>>);

#[derive(Debug, Default)]
struct Tail {
    bytes: VecDeque<u8>,
    /// How many bytes came before those that are kept.
    forgotten: usize,
}

impl Output {
    /// Reads until there is nothing more to come.
    pub(crate) async fn read_from(self, mut pipe: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 4096];
        // A pipe that cannot be read has nothing more to say.
        while let Ok(len @ 1..) = pipe.read(&mut buffer).await {
            self.push(&buffer[..len]);
        }
    }

    /// How many bytes have been written until now.
    pub(crate) fn position(&self) -> usize {
        let tail = self.tail();
        tail.forgotten + tail.bytes.len()
    }

    /// What has been written since then, as far as it is kept.
    pub(crate) fn since(&self, position: usize) -> String {
        let tail = self.tail();
        let skipped = position.saturating_sub(tail.forgotten);
        let bytes: Vec<u8> = tail.bytes.iter().skip(skipped).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn push(&self, bytes: &[u8]) {
        let mut tail = self.tail();
        tail.bytes.extend(bytes);
        let excess = tail.bytes.len().saturating_sub(BYTES_KEPT);
        tail.bytes.drain(..excess);
        tail.forgotten += excess;
    }

    /// What the mutex guards stays whole whatever panics.
    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_of_it_is_kept() {
        let output = Output::default();
        output.clone().read_from(&b"first\n"[..]).await;
        let then = output.position();
        output.clone().read_from(&b"second\n"[..]).await;
        assert_eq!(output.since(0), "first\nsecond\n");
        assert_eq!(output.since(then), "second\n");
        output.push(&vec![b'x'; BYTES_KEPT]);
        assert_eq!(output.since(then), "x".repeat(BYTES_KEPT));
        assert_eq!(output.since(output.position()), "");
    }
}
