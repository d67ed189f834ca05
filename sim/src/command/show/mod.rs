//! `rkt-sim show`: what is on a host, in numbers, from its description or from its data
//! directory.

mod dir;

use std::{error::Error, fmt, path::PathBuf};

use rkt_sim::{
    spec::{HostSpec, Phase},
    spec_file::State,
};

use crate::command::{generate, print::to_stdout, table::Table};

/// Show what is on a host: pods by state, images, sizes.
///
/// Of a data directory, what it says at this moment: which pods are locked, too.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A data directory, or a spec file
    #[arg(value_name = "DIR|SPEC")]
    path: PathBuf,
}

/// Prints it.
pub fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let summary = if args.path.is_dir() {
        dir::read(&args.path)?
    } else {
        Summary::from(&generate::read(args.path)?)
    };
    Ok(to_stdout(|out| write!(out, "{summary}"))?)
}

/// What is on a host.
#[derive(Debug, Default)]
struct Summary {
    /// The state of each pod, and how many apps it has.
    pods: Vec<(State, usize)>,
    images: Vec<Image>,
}

/// An image in the store.
#[derive(Debug)]
struct Image {
    name: String,
    /// The label `version`; empty where it has none.
    version: String,
    /// `None` for what is yet to be written.
    size_bytes: Option<i64>,
    tree_store_size_bytes: i64,
}

impl From<&HostSpec> for Summary {
    fn from(spec: &HostSpec) -> Self {
        let pods = spec.pods.iter();
        let images = spec.images.iter().map(|image| {
            let version = image.labels.iter().find(|(name, _)| name == "version");
            Image {
                name: image.name.clone(),
                version: version.map(|(_, value)| value.clone()).unwrap_or_default(),
                size_bytes: image.size_bytes,
                tree_store_size_bytes: image.tree_store_size_bytes,
            }
        });
        Self {
            pods: pods
                .map(|pod| {
                    // Apps are known by the manifest.
                    let usual = !matches!(pod.phase, Phase::Embryo | Phase::Prepare);
                    let known = pod.manifest.unwrap_or(usual);
                    let apps = if known { pod.apps.len() } else { 0 };
                    (State::of(pod.phase, pod.locked), apps)
                })
                .collect(),
            images: images.collect(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", pods(&self.pods))?;
        images(f, &self.images)
    }
}

fn pods(pods: &[(State, usize)]) -> Table<3> {
    let mut table = Table::new(["STATE", "PODS", "APPS"]);
    let mut row = |name: &str, pods: &mut dyn Iterator<Item = usize>| {
        let (count, apps) = pods.fold((0, 0), |(count, sum), apps| (count + 1, sum + apps));
        let cells = [name.to_owned(), count.to_string(), apps.to_string()];
        // What there is none of is no news, but for the sum.
        if count > 0 || name == "all" {
            table.row(cells);
        }
    };
    for state in State::ALL {
        let of_state = pods.iter().filter(|(of, _)| *of == state);
        row(state.api_name(), &mut of_state.map(|(_, apps)| *apps));
    }
    row("all", &mut pods.iter().map(|(_, apps)| *apps));
    table
}

fn images(f: &mut fmt::Formatter<'_>, images: &[Image]) -> fmt::Result {
    /// How many images are listed, the largest ones.
    const LISTED: usize = 20;

    let mut largest: Vec<_> = images.iter().collect();
    largest.sort_by_key(|image| std::cmp::Reverse(image.size_bytes));
    let mut table = Table::new(["IMAGE", "VERSION", "SIZE", "RENDERED"]);
    let rendered = |bytes: i64| {
        if bytes == 0 {
            String::new()
        } else {
            size(bytes)
        }
    };
    for image in largest.iter().take(LISTED) {
        table.row([
            image.name.clone(),
            image.version.clone(),
            image.size_bytes.map(size).unwrap_or_default(),
            rendered(image.tree_store_size_bytes),
        ]);
    }
    let rest = largest.get(LISTED..).unwrap_or_default();
    for (name, images) in [("others", rest), ("all", &largest)] {
        if images.is_empty() && name == "others" {
            continue;
        }
        let sum = |sizes: &mut dyn Iterator<Item = i64>| sizes.fold(0, i64::saturating_add);
        table.row([
            format!("{name} ({})", images.len()),
            String::new(),
            size(sum(&mut images.iter().filter_map(|i| i.size_bytes))),
            rendered(sum(&mut images.iter().map(|i| i.tree_store_size_bytes))),
        ]);
    }
    write!(f, "{table}")
}

/// A size in the largest unit that leaves a whole number, rounded down.
fn size(bytes: i64) -> String {
    match bytes {
        ..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x100_0000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_counted_by_state_and_images_by_size() {
        let image = |name: &str, size_bytes| Image {
            name: name.to_owned(),
            version: "1".to_owned(),
            size_bytes,
            tree_store_size_bytes: 0,
        };
        let summary = Summary {
            pods: vec![(State::Exited, 1), (State::Running, 2), (State::Exited, 0)],
            images: vec![
                image("a", Some(2048)),
                image("b", Some(5 << 20)),
                image("c", None),
            ],
        };
        assert_eq!(
            summary.to_string(),
            "STATE    PODS  APPS\n\
             RUNNING  1     2\n\
             EXITED   2     1\n\
             all      3     3\n\
             \n\
             IMAGE    VERSION  SIZE   RENDERED\n\
             b        1        5 MiB  -\n\
             a        1        2 KiB  -\n\
             c        1        -      -\n\
             all (3)  -        5 MiB  -\n"
        );
    }
}
