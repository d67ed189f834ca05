//! The files of Unix sockets: who may connect, leftovers of servers that were killed, and
//! removal in the end.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use nix::unistd::Group;
use rustix::fs::{CWD, Mode, RenameFlags, fchmod, renameat_with};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::{net::UnixListener, time::sleep};

use super::listen::{BACKLOG, BindError};

/// Who may connect to the Unix sockets that the server makes.
#[derive(Clone, Debug, Default)]
pub struct SocketPermissions {
    /// The mode of a socket's file, as in chmod(2). `None`: what the umask leaves.
    pub mode: Option<u32>,
    /// The group of a socket's file, by name or number. `None`: that of the process.
    pub group: Option<String>,
}

impl SocketPermissions {
    /// These, with the number of the group in place of its name: once the process is confined, it
    /// cannot read what groups there are.
    ///
    /// # Errors
    ///
    /// When there is no such group.
    pub fn look_up(self) -> Result<Self, BindError> {
        let group = self.group.map(|group| match group_id(&group) {
            Ok(id) => Ok(id.to_string()),
            Err(source) => Err(BindError::Group { group, source }),
        });
        Ok(Self {
            group: group.transpose()?,
            ..self
        })
    }
}

/// How long a socket that refuses connections is given to take them: another server may have
/// just made it, and be about to listen.
const STARTING: Duration = Duration::from_millis(100);

/// A socket's file that the server made and removes, unless another has taken its place.
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Option<Identity>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let removed = match identity(&self.path) {
            Ok(there) if there == self.identity => fs::remove_file(&self.path),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            let path = self.path.display();
            tracing::warn!(%path, %error, "failed to remove the socket's file");
        }
    }
}

/// Listens at `path`. A socket there that nobody listens on is replaced.
pub(super) async fn bind(
    path: &Path,
    permissions: &SocketPermissions,
) -> io::Result<(UnixListener, SocketFile)> {
    let group = permissions.group.as_deref().map(group_id).transpose()?;
    let bound = match bind_once(path, permissions.mode) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && remove_leftover(path).await? => {
            tracing::info!(path = %path.display(), "replacing a socket that nobody listens on");
            bind_once(path, permissions.mode)
        }
        bound => bound,
    };
    let socket = bound?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(path)?,
    };
    if let Some(group) = group {
        chown(path, None, Some(group))?;
    }
    if let Some(mode) = permissions.mode {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// Where a mode is to be set later, nobody but root can connect at first.
fn bind_once(path: &Path, mode_to_be: Option<u32>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if mode_to_be.is_some() {
        // Linux gives the file the mode of the socket.
        fchmod(&socket, Mode::empty())?;
    }
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// The number of a group that is given by name or number.
fn group_id(group: &str) -> io::Result<u32> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    match Group::from_name(group)? {
        Some(group) => Ok(group.gid.as_raw()),
        None => Err(io::Error::other(format!("there is no group {group:?}"))),
    }
}

/// Removes the socket at `path` if nobody listens on it. `false` when it is to stay.
async fn remove_leftover(path: &Path) -> io::Result<bool> {
    let Some(left) = identity(path)? else {
        return Ok(false);
    };
    for wait in [Duration::ZERO, STARTING] {
        sleep(wait).await;
        // Blocks no longer than it takes to see that there is no room in the queue.
        match connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            _ => return Ok(false),
        }
    }
    // Another server may be doing the same, and may have put its own there since.
    let aside = beside(path);
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        renamed => renamed?,
    }
    if identity(&aside)? == Some(left) {
        fs::remove_file(&aside)?;
        return Ok(true);
    }
    renameat_with(CWD, &aside, CWD, path, RenameFlags::NOREPLACE)?;
    Ok(false)
}

/// Tries to connect, without waiting for room in the queue of those who are to be accepted.
fn connect(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// What tells a socket from one that takes its place: device, inode, and when it was made.
type Identity = (u64, u64, i64, i64);

/// What is at `path`, if that is a socket. Neither renaming nor another mode changes it.
fn identity(path: &Path) -> io::Result<Option<Identity>> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata?,
    };
    Ok(metadata.file_type().is_socket().then(|| {
        (
            metadata.dev(),
            metadata.ino(),
            metadata.mtime(),
            metadata.mtime_nsec(),
        )
    }))
}

/// A path in the same directory that is no other process's.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", process::id()));
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use tempfile::TempDir;

    use super::*;

    fn directory() -> (TempDir, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("api.sock");
        (temp, path)
    }

    fn names(dir: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(dir.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn only_sockets_that_nobody_listens_on_are_leftovers() {
        let (temp, path) = directory();
        assert!(!remove_leftover(&path).await.unwrap(), "there is none");

        let listener = UnixListener::bind(&path).unwrap();
        assert!(!remove_leftover(&path).await.unwrap(), "it is live");
        drop(listener);
        assert!(remove_leftover(&path).await.unwrap());
        assert!(names(&temp).is_empty());

        fs::write(&path, "precious").unwrap();
        assert!(!remove_leftover(&path).await.unwrap(), "it is a file");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn who_ends_leaves_the_socket_of_who_came_after() {
        let (temp, path) = directory();
        let permissions = SocketPermissions::default();
        let first = bind(&path, &permissions).await.unwrap();
        fs::remove_file(&path).unwrap();
        let second = bind(&path, &permissions).await.unwrap();
        drop(first);
        connect(&path).unwrap();
        drop(second);
        assert!(names(&temp).is_empty());
    }

    #[tokio::test]
    async fn of_many_servers_at_once_one_has_the_leftovers_place() {
        let (temp, path) = directory();
        drop(UnixListener::bind(&path).unwrap());
        let permissions = SocketPermissions::default();
        let starts = [(); 8].map(|()| bind(&path, &permissions));
        let bound = futures_util::future::join_all(starts).await;
        let (bound, refused): (Vec<_>, Vec<_>) = bound.into_iter().partition(Result::is_ok);
        assert_eq!((bound.len(), refused.len()), (1, 7));
        for refused in refused {
            let error = refused.err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        }
        connect(&path).unwrap();
        assert_eq!(names(&temp), ["api.sock"]);
    }

    #[test]
    fn groups_are_names_or_numbers() {
        assert_eq!(group_id("1234").unwrap(), 1234);
        assert_eq!(group_id("root").unwrap(), 0);
        let error = group_id("no such group").unwrap_err();
        assert!(error.to_string().contains("no such group"), "{error}");
    }
}
