//! A host from its description to a data directory with its locks held, before any server is
//! there.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use rkt_sim::{
    host::{Hold, Host},
    live::{OpenError, Player, memory::Memory},
    spec::HostSpec,
};
use tempfile::TempDir;

use crate::{environment, lent, source::Source};

/// The name of the data directory in a room of its own.
const DATA_DIR: &str = "rkt";

/// Why a host was not made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The system does not let it be written, or keeps no locks.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Nobody can play on it.
    #[error(transparent)]
    Player(#[from] OpenError),
    /// The directory in which it is to be is not the suite's.
    #[error(transparent)]
    Lent(#[from] lent::LentError),
}

/// A host on disk.
pub(crate) struct Made {
    pub(crate) spec: HostSpec,
    pub(crate) data_dir: PathBuf,
    /// Plays steps on it, and holds its locks.
    pub(crate) player: Player,
    /// The locks that no player can hold: those of pods that lie in two directories.
    pub(crate) holds: Vec<Hold>,
    /// The temporary directory that it is in.
    pub(crate) room: Option<TempDir>,
}

impl Made {
    /// Makes a host where `source` has its server look for one, otherwise below `room`.
    pub(crate) fn make(source: &Source, room: &Path, spec: HostSpec) -> Result<Self, MakeError> {
        let (data_dir, room) = match source {
            Source::Lent { data_dir, .. } => {
                lent::clear(data_dir)?;
                (data_dir.clone(), None)
            }
            Source::Unknown(_) | Source::Launch(_) | Source::Here(_) | Source::Described(_) => {
                let room = TempDir::with_prefix_in("host-", room)?;
                (room.path().join(DATA_DIR), Some(room))
            }
        };
        let (player, holds) = match source {
            Source::Described(_) => write(&data_dir, &HostSpec::default())?,
            _ => write(&data_dir, &spec)?,
        };
        Ok(Self {
            spec,
            data_dir,
            player,
            holds,
            room,
        })
    }
}

/// Writes the host, takes its locks, and then breaks what the description has broken: a
/// player can only begin on a host that is sound. Beside the directory stands a note of the
/// locks, by which `rkt-sim hold` takes them again.
///
/// # Errors
///
/// [`MakeError`]; what was written until then stays.
pub fn write(data_dir: &Path, spec: &HostSpec) -> Result<(Player, Vec<Hold>), MakeError> {
    let host = Host::create(data_dir)?;
    environment::locks_work(data_dir)?;
    host.write_images(&spec.images)?;
    spec.pods.iter().try_for_each(|pod| host.write_pod(pod))?;

    let mut places = BTreeMap::<_, usize>::new();
    for pod in &spec.pods {
        *places.entry(pod.id).or_default() += 1;
    }
    let locked = spec.pods.iter().filter(|pod| pod.locked);
    let (single, manifold): (Vec<_>, Vec<_>) = locked.partition(|pod| places[&pod.id] == 1);
    let held = single.into_iter().map(|pod| pod.id).collect();
    Memory { held }.save(data_dir)?;
    let player = Player::open(data_dir)?;
    let holds = manifold
        .into_iter()
        .map(|pod| host.hold(pod))
        .collect::<Result<_, _>>()?;

    for fault in &spec.faults {
        host.make_fault(fault)?;
    }
    Ok((player, holds))
}
