//! From a description with gaps to one without: what a spec file does not say is made up from
//! its seed.
//!
//! The same file makes the same host on any machine: nothing here looks at the clock, the
//! environment or the disk. Each fact comes from a stream of random numbers of its own, so
//! adding a pod, or saying one thing more, leaves the rest of the host as it was.

mod app;
mod error;
mod image;
mod images;
mod journal;
mod pod;
mod stream;
mod time;
mod words;

use std::collections::BTreeSet;

pub use error::{Error, Mistake};
use uuid::Uuid;
pub(crate) use {app::log_line, stream::Dice};

use crate::{
    faults::Kind,
    spec::{Fault, HostSpec},
    spec_file::{self, Brief, FaultSpec, GenerateSpec, Path, SpecFile},
};
use images::Images;
use pod::Pods;
use stream::Stream;
use time::Clock;

impl HostSpec {
    /// The host that a spec file describes.
    ///
    /// # Errors
    ///
    /// When the text is not of a spec file's form, or says what no host can be.
    pub fn from_json(text: &str) -> Result<Self, spec_file::Error> {
        let file = SpecFile::parse(text)?;
        resolve(&file).map_err(|error| spec_file::Error::at(text, &error.path, error.mistake))
    }

    /// A host of so many pods and images, in every state, all made up from the seed.
    ///
    /// # Errors
    ///
    /// [`Mistake::TooMany`] for more than [`GenerateSpec::MAX`] of either.
    pub fn random(pods: u32, images: u32, seed: u64) -> Result<Self, Error> {
        resolve(&SpecFile {
            seed,
            generate: GenerateSpec {
                pods: Some(pods),
                images: Some(images),
                ..GenerateSpec::default()
            },
            ..SpecFile::default()
        })
    }
}

/// The host that the file describes, with everything made up that it does not say.
///
/// # Errors
///
/// When the file says what no host can be.
pub fn resolve(file: &SpecFile) -> Result<HostSpec, Error> {
    let at = Path::default();
    check_counts(&file.generate, &at.key("generate"))?;
    let clock = Clock::of(file)?;
    let stream = Stream::new(file.seed);

    let mut images = Images::new(file, &stream, &clock)?;
    let pods = Pods {
        file,
        stream: &stream,
        clock: &clock,
    };
    let pods = pods.resolve(&mut images)?;
    let images = images.into_store()?;

    let ids: BTreeSet<_> = pods.iter().map(|pod| pod.id).collect();
    let faults = faults(file, &stream, &ids)?;
    Ok(HostSpec {
        pods,
        images,
        faults,
    })
}

fn faults(file: &SpecFile, stream: &Stream, ids: &BTreeSet<Uuid>) -> Result<Vec<Fault>, Error> {
    let at = Path::default().key("faults");
    let fault = |(index, Brief(spec)): (usize, &Brief<FaultSpec>)| {
        let at = at.index(index);
        let kind = spec.kind.parse::<Kind>();
        let kind = kind.map_err(|error| Mistake::NoFault(error).at(at.key("kind")))?;
        if let Some(pod) = spec.pod {
            if !kind.is_about_pod() {
                return Err(Mistake::NotAboutPod(kind).at(at.key("pod")));
            }
            if !ids.contains(&pod) {
                return Err(Mistake::NoPod(pod).at(at.key("pod")));
            }
        }
        Ok(Fault {
            kind,
            pod: spec.pod,
            seed: stream.child("fault", index).of("seed").seed(),
        })
    };
    file.faults.iter().enumerate().map(fault).collect()
}

fn check_counts(generate: &GenerateSpec, at: &Path) -> Result<(), Error> {
    let counts = [
        ("pods", generate.pods),
        ("images", generate.images),
        ("logLines", generate.log_lines),
    ];
    for (key, count) in counts {
        if let Some(count) = count.filter(|count| *count > GenerateSpec::MAX) {
            return Err(Mistake::TooMany(count.into()).at(at.key(key)));
        }
    }
    Ok(())
}

/// Whether the text is words of lower-case letters and digits with single separators between
/// them, which is the form of appc's names.
fn is_name(text: &str, separators: &str) -> bool {
    let mut words = text.split(|c| separators.contains(c));
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    words.all(|word| !word.is_empty() && word.chars().all(is_letter))
}
