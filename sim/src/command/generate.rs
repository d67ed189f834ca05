//! `rkt-sim generate`: a host, from its description or made up, as a data directory.

use std::{fs, io, path::PathBuf};

use rkt_sim::{generate, host::Host, live::memory::Memory, spec::HostSpec, spec_file};

use super::{print::to_stdout, progress::Progress};

/// Write the data directory of a host.
///
/// The same description, or the same numbers, make the same directory byte for byte, with the
/// same times, on any machine. Locks are no files: `rkt-sim hold` takes them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The spec file; `rkt-sim schema` prints its form
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pods", "images", "seed"])]
    spec: Option<PathBuf>,
    /// Without a spec file: how many pods to make up
    #[arg(long, value_name = "N", default_value_t = 20)]
    pods: u32,
    /// How many images to make up
    #[arg(long, value_name = "N", default_value_t = 20)]
    images: u32,
    /// What to make them up from: other seeds make other hosts
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The directory to write; it must not be a data directory yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Why there is no host, in one plain sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read {}: {error}", .path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}:{error}", .path.display())]
    Spec {
        path: PathBuf,
        error: spec_file::Error,
    },
    #[error(transparent)]
    Numbers(#[from] generate::Error),
    #[error("failed to write the host: {0}")]
    Write(#[from] io::Error),
    #[error("failed to say so: {0}")]
    Print(io::Error),
}

/// Writes the host.
pub fn run(args: Args) -> Result<(), Error> {
    let spec = match args.spec {
        Some(path) => read(path)?,
        None => HostSpec::random(args.pods, args.images, args.seed)?,
    };
    let host = Host::create(&args.out)?;
    let mut writer = host.writer();
    let progress = Progress::new(spec.images.len(), "Writing images");
    writer.images(&spec.images, || progress.step())?;
    drop(progress);
    let progress = Progress::new(spec.pods.len(), "Writing pods");
    for pod in &spec.pods {
        writer.pod(pod)?;
        progress.step();
    }
    drop(progress);
    let faults: Result<Vec<_>, _> = spec.faults.iter().map(|f| host.make_fault(f)).collect();
    let faults = faults?;
    let locked = spec.pods.iter().filter(|pod| pod.locked);
    let held = locked.map(|pod| pod.id).collect();
    let memory = Memory { held };
    memory.save(&args.out)?;

    let (pods, images) = (spec.pods.len(), spec.images.len());
    let locked = memory.held.len();
    let place = args.out.display();
    to_stdout(|out| {
        writeln!(out, "Wrote {place}: {pods} pods, {images} images")?;
        for fault in &faults {
            writeln!(out, "{fault}")?;
        }
        match locked {
            0 => Ok(()),
            _ => writeln!(
                out,
                "{locked} of the pods are locked only while `rkt-sim hold {place}` runs"
            ),
        }
    })
    .map_err(Error::Print)
}

/// The host that a spec file describes.
pub fn read(path: PathBuf) -> Result<HostSpec, Error> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Err(Error::Read { path, error }),
    };
    HostSpec::from_json(&text).map_err(|error| Error::Spec { path, error })
}
