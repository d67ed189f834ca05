//! `rkt-conformance host`: the host of a case, for people.

use rkt_conformance::{cases, exit::Exit, made, select};

use super::{Error, to_stdout};
use crate::cli::Host;

/// Writes the host of a case, and says what to do with it.
pub fn host(args: &Host) -> Result<Exit, Error> {
    let all = cases::all();
    let host = select::one(&all, &args.case)?.host().host();
    let spec = (host.spec)();
    let written = made::write(&args.out, &spec);
    // The locks are let go again: this process ends.
    drop(written.map_err(|cause| Error::Host {
        path: args.out.clone(),
        cause,
    })?);
    let dir = shell_words::quote(&args.out.to_string_lossy()).into_owned();
    let locked = spec.pods.iter().filter(|pod| pod.locked).count();
    to_stdout(|out| {
        writeln!(out, "{}: {}", host.name, host.about)?;
        match locked {
            0 => Ok(()),
            _ => writeln!(
                out,
                "{locked} of its pods have to be locked; hold the locks with: rkt-sim hold {dir}"
            ),
        }
    })
}
