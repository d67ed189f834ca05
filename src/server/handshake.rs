//! What a connection begins with: TLS, where there is any, and the first bytes of HTTP/2; and
//! what tonic gets of a connection that has begun so.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::transport::server::Connected;

use super::{
    counters::Refusal,
    io::{Cuttable, Socket},
    places::Place,
};
use crate::service::Connection;

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What bytes of a connection go through.
pub(super) enum Wire<S> {
    Plain(Cuttable<S>),
    Tls(Box<TlsStream<Cuttable<S>>>),
}

/// Why a client cannot be served.
pub(super) struct Misspoken {
    pub(super) reason: Refusal,
    pub(super) error: io::Error,
}

/// Waits until the client has said that it speaks TLS, where there is a `tls`, and HTTP/2.
///
/// # Errors
///
/// When it says something else, or hangs up.
pub(super) async fn establish<S: Socket>(
    socket: S,
    tls: Option<TlsAcceptor>,
) -> Result<Wire<S>, Misspoken> {
    let misspoken = |reason| move |error| Misspoken { reason, error };
    let socket = Cuttable::new(socket);
    let mut wire = match tls {
        None => Wire::Plain(socket),
        Some(tls) => {
            let stream = tls.accept(socket).await;
            Wire::Tls(Box::new(stream.map_err(misspoken(Refusal::Tls))?))
        }
    };
    let spoken = read_preface(&mut wire).await;
    spoken.map_err(misspoken(Refusal::Protocol))?;
    Ok(wire)
}

async fn read_preface(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut read = [0; PREFACE.len()];
    let mut length = 0;
    while length < PREFACE.len() {
        match stream.read(&mut read[length..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => length += more,
        }
        if !PREFACE.starts_with(&read[..length]) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not HTTP/2"));
        }
    }
    Ok(())
}

/// A connection that calls can come by, for as long as it keeps its place.
pub(super) struct Stream<S> {
    wire: Wire<S>,
    /// What has been read already and is to be read again.
    preface: &'static [u8],
    place: Place,
    /// When something came from the client last; `None` when nothing can any more.
    heard_at: Option<Instant>,
}

impl<S: Socket> Stream<S> {
    pub(super) fn new(wire: Wire<S>, place: Place) -> Self {
        Self {
            wire,
            preface: PREFACE,
            place,
            heard_at: Some(Instant::now()),
        }
    }
}

impl<S> Drop for Stream<S> {
    fn drop(&mut self) {
        if let Some(heard_at) = self.heard_at {
            self.place.leave_client_silent_for(heard_at.elapsed());
        }
    }
}

impl<S: Socket> Connected for Stream<S> {
    type ConnectInfo = Connection;

    fn connect_info(&self) -> Connection {
        self.wire.connection()
    }
}

impl<S: Socket> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.preface.is_empty() {
            let before = buffer.filled().len();
            let read = ready!(Pin::new(&mut self.wire).poll_read(context, buffer));
            let has_come = read.is_ok() && buffer.filled().len() > before;
            self.heard_at = has_come.then(Instant::now);
            return Poll::Ready(read);
        }
        let (now, later) = self
            .preface
            .split_at(self.preface.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.preface = later;
        Poll::Ready(Ok(()))
    }
}

impl<S: Socket> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(context)
    }
}

impl<S: Socket> Wire<S> {
    /// What it is to the calls that come by it.
    pub(super) fn connection(&self) -> Connection {
        match self {
            Self::Plain(socket) => socket.connection(),
            Self::Tls(stream) => stream.get_ref().0.connection(),
        }
    }
}

impl<S: Socket> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl<S: Socket> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// What comes of these bytes, one at a time, and the end.
    async fn read(bytes: &[u8]) -> io::Result<()> {
        let (mut ours, mut theirs) = tokio::io::duplex(1);
        let reading = async move { read_preface(&mut theirs).await };
        let writing = async move {
            for byte in bytes {
                // It is not read to the end where it begins wrongly.
                let _ = ours.write_all(&[*byte]).await;
            }
        };
        tokio::join!(reading, writing).0
    }

    #[tokio::test]
    async fn only_http2_begins_like_http2() {
        read(PREFACE).await.unwrap();
        for (bytes, kind) in [
            (&b""[..], io::ErrorKind::UnexpectedEof),
            (&PREFACE[..23], io::ErrorKind::UnexpectedEof),
            (b"GET / HTTP/1.1\r\n", io::ErrorKind::InvalidData),
            (b"PRI * HTTP/2.1", io::ErrorKind::InvalidData),
            (b"\x16\x03\x01", io::ErrorKind::InvalidData),
        ] {
            assert_eq!(read(bytes).await.unwrap_err().kind(), kind, "{bytes:?}");
        }
    }
}
