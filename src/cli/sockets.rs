//! Who may connect to the server's Unix sockets, by flags.

use clap::Args;
use rkt_api::server::SocketPermissions;

#[derive(Debug, Args)]
#[command(next_help_heading = "Unix sockets")]
pub struct Sockets {
    /// Mode of the Unix sockets that the server makes, in octal, such as 0660 [default: what the
    /// umask leaves]
    #[arg(long, value_name = "MODE", value_parser = mode)]
    socket_mode: Option<u32>,

    /// Group of the Unix sockets that the server makes, by name or number [default: that of the
    /// process]
    #[arg(long, value_name = "GROUP")]
    socket_group: Option<String>,
}

impl From<Sockets> for SocketPermissions {
    fn from(flags: Sockets) -> Self {
        Self {
            mode: flags.socket_mode,
            group: flags.socket_group,
        }
    }
}

/// The permissions of a file, in octal.
fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("a mode is an octal number up to 0777".to_owned()),
    }
}
