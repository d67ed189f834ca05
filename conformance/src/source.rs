//! Where servers under test come from.

use std::{fmt, path::PathBuf, sync::Arc};

use rkt_api::api::public_api_server::{PublicApi, PublicApiServer};
use tonic::service::Routes;

use crate::{launch::Launch, model::ModelServer, target::Address};

/// Makes a service of the model's. What it makes is served in this process, and reached over
/// TCP like any other: the model itself, or one that is wrong on purpose.
pub type Serve = Arc<dyn Fn(ModelServer) -> Routes + Send + Sync>;

/// Where servers under test come from.
#[derive(Clone)]
pub enum Source {
    /// One runs already, on a host that nobody has described.
    Unknown(Address),
    /// One runs already, on a data directory in which the suite may put one host after the
    /// other.
    Lent {
        /// Where it listens.
        address: Address,
        /// Its data directory.
        data_dir: PathBuf,
    },
    /// A command, which is started for each host.
    Launch(Launch),
    /// This process.
    Here(Serve),
    /// This process, where hosts are described and not written: for cases that change nothing,
    /// before servers that look at no disk.
    Described(Serve),
}

impl Source {
    /// The same, without a disk, if it can do without.
    pub fn described(self) -> Self {
        match self {
            Self::Here(serve) => Self::Described(serve),
            other => other,
        }
    }

    /// How many descriptors of this process a connection to the server takes.
    pub(crate) fn descriptors_a_connection(&self) -> usize {
        match self {
            Self::Unknown(_) | Self::Lent { .. } | Self::Launch(_) => 1,
            Self::Here(_) | Self::Described(_) => 2,
        }
    }

    /// The model itself, which conforms.
    pub fn model() -> Self {
        Self::serving(|model| model)
    }

    /// What `wrap` makes of the model.
    pub fn serving<S: PublicApi>(wrap: impl Fn(ModelServer) -> S + Send + Sync + 'static) -> Self {
        let serve = move |model| Routes::new(PublicApiServer::new(wrap(model)));
        Self::Here(Arc::new(serve))
    }
}

impl fmt::Display for Source {
    /// As reports name the target.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(address) => write!(f, "{address}"),
            Self::Lent { address, data_dir } => {
                write!(f, "{address} on {}", data_dir.display())
            }
            Self::Launch(launch) => f.write_str(launch.line()),
            Self::Here(_) | Self::Described(_) => f.write_str("the model in this process"),
        }
    }
}
