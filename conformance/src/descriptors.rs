//! Files that this process may have open. Each connection takes one, and another one where the
//! server is in this process, too; where there are too few, a sound server would look as if it
//! did not answer. So the suite allows itself all that it can get, and scenes, which have a
//! connection for each of their cases, share what there is.

use std::{error::Error, fs::File, io, num::NonZeroUsize, sync::LazyLock};

use rustix::{
    io::Errno,
    process::{Resource, getrlimit, setrlimit},
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::source::Source;

/// As many as all scenes together can use, and more.
const MOST: usize = 1 << 16;

/// How many scenes may have open: half of what there may be. The other half is for hosts and
/// their servers, and for what cases open by themselves.
static FOR_SCENES: LazyLock<usize> = LazyLock::new(|| {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    (limit.unwrap_or(usize::MAX) / 2).clamp(1, MOST)
});

/// Those that no scene has. The limit is the process's, so all runs in it share them.
static FREE: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(*FOR_SCENES));

/// Raises the limit to what the system lets this process have. Servers that are started inherit
/// it.
pub fn allow_all() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it stays, the suite gets by with less.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// How many cases of a scene may be played at once, at most.
pub(crate) fn seats(source: &Source) -> NonZeroUsize {
    NonZeroUsize::new(*FOR_SCENES / source.descriptors_a_connection()).unwrap_or(NonZeroUsize::MIN)
}

/// Waits until a scene may have connections for this many cases.
pub(crate) async fn take_seats(source: &Source, cases: usize) -> Option<SemaphorePermit<'static>> {
    // Whoever asks for more than there are would wait forever.
    let descriptors = (cases * source.descriptors_a_connection()).min(*FOR_SCENES);
    // It is never closed.
    FREE.acquire_many(u32::try_from(descriptors).ok()?)
        .await
        .ok()
}

/// Whether it comes from too many files being open, here or on the whole machine: no word on
/// the server.
pub(crate) fn are_exhausted(error: &(dyn Error + 'static)) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.any(|cause| {
        let cause = cause.downcast_ref::<io::Error>();
        cause.is_some_and(|cause| exhausted.contains(&cause.raw_os_error()))
    })
}

/// Whether there are none at this moment.
pub(crate) fn are_used_up() -> bool {
    File::open("/dev/null").is_err_and(|error| are_exhausted(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhaustion_is_found_behind_other_errors() {
        #[derive(Debug, thiserror::Error)]
        #[error("failed to connect")]
        struct Failed(#[source] io::Error);

        for errno in [Errno::MFILE, Errno::NFILE] {
            assert!(are_exhausted(&io::Error::from(errno)));
            assert!(are_exhausted(&Failed(errno.into())));
        }
        assert!(!are_exhausted(&Failed(Errno::CONNREFUSED.into())));
        assert!(!are_exhausted(&io::Error::other("too many open files")));
    }
}
