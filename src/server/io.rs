//! The sockets of clients, such that calls can cut them (see [`Connection`]).

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use crate::service::{Connection, Peer};

/// A socket, and the connection that it is to the calls that come by it.
pub(super) struct Cuttable<S> {
    socket: S,
    connection: Connection,
    /// `None` when the connection was cut.
    cut: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// A socket that can be closed without waiting for what was sent to be read.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Who is at the other end.
    fn peer(&self) -> Peer;

    /// Has closing drop what was not read.
    fn forget_unread(&self);
}

impl Socket for TcpStream {
    fn peer(&self) -> Peer {
        self.peer_addr().map_or(Peer::Unknown, Peer::Tcp)
    }

    fn forget_unread(&self) {
        // Else the system keeps it, and tries to send it for minutes.
        if let Err(error) = self.set_zero_linger() {
            tracing::warn!(%error, "a connection is closed slowly");
        }
    }
}

impl Socket for UnixStream {
    fn peer(&self) -> Peer {
        Peer::Unix
    }

    fn forget_unread(&self) {}
}

impl<S: Socket> Cuttable<S> {
    pub(super) fn new(socket: S) -> Self {
        let connection = Connection::with(socket.peer());
        let cut = Some(Box::pin(connection.clone().when_cut()) as Pin<Box<_>>);
        Self {
            socket,
            connection,
            cut,
        }
    }

    /// What the socket is to the calls that come by it.
    pub(super) fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// An error when the connection was cut; else the task is woken when it is.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if let Some(cut) = &mut self.cut {
            if cut.as_mut().poll(context).is_pending() {
                return Ok(());
            }
            self.cut = None;
            self.socket.forget_unread();
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    fn write<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.check(context)?;
        let written = write(Pin::new(&mut self.socket), context);
        self.connection.set_stuck(written.is_pending());
        written
    }
}

impl<S: Socket> AsyncRead for Cuttable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: Socket> AsyncWrite for Cuttable<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |socket, context| socket.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |socket, context| {
            socket.poll_write_vectored(context, slices)
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
