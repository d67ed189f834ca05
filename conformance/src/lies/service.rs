//! Lies of a server as a whole: how it starts and ends, and what it keeps. Where a process of
//! its own is needed, it is the model's (`serve-model`) with something wrong around it.

use std::{
    io::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use tempfile::NamedTempFile;
use tonic::Status;

use super::{Bench, Lie};
use crate::{
    clause::{self, Clause},
    launch::Launch,
    source::Source,
};

/// The description of the host that such processes serve: there is nothing on it.
const SPEC: &str = "{}";

/// A lie of a server as a whole.
#[derive(Clone, Copy)]
pub enum How {
    /// So many streams are served in all; what a client who hangs up had is not given back.
    Streams(usize),
    /// A shell starts the server, whose command line it has in its arguments.
    Shell(&'static str),
}

const fn lie(clause: &'static Clause, name: &'static str, how: How) -> Lie {
    let how = super::How::Service(how);
    Lie { name, clause, how }
}

/// All of them.
pub fn all() -> Vec<Lie> {
    use How::{Shell, Streams};

    vec![
        lie(&clause::W_6, "streams-not-given-back", Streams(16)),
        lie(
            &clause::SV_1,
            "any-port-by-default",
            Shell(
                r#"case "$*" in *--listen*) exec "$@";; *) exec "$@" --listen=127.0.0.1:0;; esac"#,
            ),
        ),
        lie(
            &clause::SV_2,
            "says-nothing",
            Shell(r#"exec "$@" 2>/dev/null"#),
        ),
        lie(
            &clause::SV_2,
            "ends-with-the-code-of-the-signal",
            Shell(r#""$@" & trap "kill $!; wait $!; exit 143" TERM INT; wait $!; exit 143"#),
        ),
        lie(
            &clause::SV_2,
            "deaf-to-sigint",
            // The signal reaches the server, too: there is always another one.
            Shell(
                r#"trap 'kill $!; wait $!; exit 0' TERM; trap "" INT; while :; do "$@" & wait $!; done"#,
            ),
        ),
    ]
}

/// A shell that adds nothing to the server.
pub(super) const HONEST: &str = r#"exec "$@""#;

/// The model as a process of its own, wrapped by the shell.
///
/// # Errors
///
/// When the description cannot be written on the bench.
pub(super) fn process(script: &str, bench: &Bench<'_>) -> io::Result<Source> {
    let spec = bench.room.join("nothing.json");
    // Others may be reading it.
    let mut written = NamedTempFile::new_in(bench.room)?;
    written.write_all(SPEC.as_bytes())?;
    written.persist(&spec)?;
    let program = bench.program.display().to_string();
    let spec = format!("--spec={}", spec.display());
    let words = [
        "sh",
        "-c",
        script,
        "sh",
        &program,
        "serve-model",
        &spec,
        "--dir={data_dir}",
        "--listen={listen}",
    ];
    let launch = Launch::from_words(words.map(str::to_owned).to_vec());
    launch.map(Source::Launch).map_err(io::Error::other)
}

/// The streams that are served, and those that are taken for that.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<AtomicUsize>);

impl Streams {
    /// A stream that counts until its end has been told.
    pub(super) fn count<T: Send + 'static>(
        &self,
        stream: BoxStream<'static, Result<T, Status>>,
        most: usize,
    ) -> Result<BoxStream<'static, Result<T, Status>>, Status> {
        if self.0.fetch_add(1, Ordering::Relaxed) >= most {
            return Err(Status::resource_exhausted("there are too many streams"));
        }
        let streams = Arc::clone(&self.0);
        let ended = stream::once(async move {
            streams.fetch_sub(1, Ordering::Relaxed);
        });
        let nothing = ended.filter_map(|()| std::future::ready(None));
        Ok(stream.chain(nothing).boxed())
    }
}
