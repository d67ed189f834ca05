//! A connection on which an attacker says what it likes, and hears what the server makes of it.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::{
    frames::{self, PREFACE, flag, frame, kind},
    support::DEADLINE,
};

/// What the PING has in it that asks whether the server is still there.
const STILL_THERE: &[u8; 8] = b"are you?";

/// How long to wait for a place in the system's queue of those who want to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a connection is tried, and how long it is between two attempts.
const ATTEMPTS: usize = 20;
const RETRY: Duration = Duration::from_millis(200);

/// The codes of RST_STREAM and GOAWAY, in order.
const CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// A frame that the server has sent.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// What comes next from the server.
#[derive(Debug)]
pub enum Heard {
    Frame(Frame),
    /// It has hung up.
    Closed,
    /// Nothing, so far.
    Nothing,
}

impl Frame {
    /// The name of the error in a RST_STREAM or GOAWAY.
    pub fn code(&self) -> &'static str {
        let at = if self.kind == kind::GOAWAY { 4 } else { 0 };
        let code = self.payload.get(at..at + 4);
        let code = code.map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap()));
        let code = code.and_then(|code| CODES.get(usize::try_from(code).ok()?));
        code.unwrap_or(&"unknown code")
    }

    /// Whether it answers a call, or refuses to.
    pub fn is_answer(&self) -> bool {
        [kind::HEADERS, kind::RST_STREAM].contains(&self.kind)
    }

    /// Whether nothing more comes on its stream.
    pub fn ends_stream(&self) -> bool {
        let can_end = [kind::DATA, kind::HEADERS].contains(&self.kind);
        self.kind == kind::RST_STREAM || can_end && self.flags & flag::END_STREAM != 0
    }
}

pub struct Wire {
    socket: TcpStream,
    received: Vec<u8>,
}

impl Wire {
    /// Connects, and says nothing. `None` when there is no room.
    pub async fn open(address: &str) -> Option<Self> {
        let socket = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
        let socket = socket.ok()?.ok()?;
        // Else the system remembers each connection for a minute, and runs out of ports.
        socket.set_zero_linger().unwrap();
        Some(Self {
            socket,
            received: Vec::new(),
        })
    }

    /// Connects, says what HTTP/2 begins with, and waits until the server does so too. Where many
    /// come at once, those who are slow to speak make room: then it is tried again. `None` when
    /// there is no room for long.
    pub async fn greet(address: &str, settings: &[(u16, u32)]) -> Option<Self> {
        let hello = [&PREFACE[..], &frames::settings(settings)].concat();
        for _ in 0..ATTEMPTS {
            if let Some(mut wire) = Self::open(address).await {
                wire.send(&hello).await;
                let heard = wire.hear(Instant::now() + DEADLINE).await;
                if matches!(heard, Heard::Frame(heard) if heard.kind == kind::SETTINGS) {
                    return Some(wire);
                }
            }
            sleep(RETRY).await;
        }
        None
    }

    /// Sends `bytes`; whether the server has taken them all.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = timeout(DEADLINE, self.socket.write_all(bytes)).await;
        matches!(sent, Ok(Ok(())))
    }

    /// Says that nothing more comes from this side.
    pub async fn end(&mut self) {
        // It may have been hung up on.
        let _ = self.socket.shutdown().await;
    }

    /// What comes next, until so long.
    pub async fn hear(&mut self, until: Instant) -> Heard {
        loop {
            if let Some(frame) = self.take_frame() {
                return Heard::Frame(frame);
            }
            match timeout_at(until, self.socket.read_buf(&mut self.received)).await {
                Ok(Ok(0)) => return Heard::Closed,
                Ok(Ok(_)) => {}
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(_)) => return Heard::Closed,
                Err(_) => return Heard::Nothing,
            }
        }
    }

    /// Everything that comes until the server hangs up, or until so long.
    pub async fn hear_out(mut self, until: Instant) -> Vec<u8> {
        loop {
            match timeout_at(until, self.socket.read_buf(&mut self.received)).await {
                Ok(Ok(1..)) => {}
                _ => return self.received,
            }
        }
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let head: [u8; 9] = self.received.get(..9)?.try_into().unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let end = 9 + usize::try_from(length).unwrap();
        let payload = self.received.get(9..end)?.to_vec();
        self.received.drain(..end);
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// Waits until the server hangs up, and answers it when it asks whether anybody is there;
    /// whether it did so.
    pub async fn is_closed(&mut self, until: Instant) -> bool {
        loop {
            match self.hear(until).await {
                Heard::Closed => return true,
                Heard::Nothing => return false,
                Heard::Frame(heard) => self.acknowledge(&heard).await,
            }
        }
    }

    /// Answers a PING.
    pub async fn acknowledge(&mut self, heard: &Frame) {
        if heard.kind == kind::PING && heard.flags & flag::ACK == 0 {
            let pong = frame(kind::PING, flag::ACK, 0, &heard.payload);
            self.send(&pong).await;
        }
    }

    /// What the server makes of everything that was sent: it says goodbye (`GOAWAY` and why),
    /// hangs up (`closed`), or goes on as if nothing were (`ignored`).
    pub async fn fate(&mut self) -> String {
        self.send(&frame(kind::PING, flag::NONE, 0, STILL_THERE))
            .await;
        self.fate_or(|heard| {
            (heard.kind == kind::PING && heard.payload == STILL_THERE).then_some("ignored")
        })
        .await
    }

    /// What becomes of a call that was begun: as [`Wire::fate`] has it, or it is ended
    /// (`RST_STREAM`) or answered (`answered`).
    pub async fn fate_of_call(&mut self) -> String {
        self.fate_or(|heard| match heard.kind {
            kind::HEADERS => Some("answered"),
            kind::RST_STREAM => Some("RST_STREAM"),
            _ => None,
        })
        .await
    }

    async fn fate_or(&mut self, decides: impl Fn(&Frame) -> Option<&'static str>) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            match self.hear(until).await {
                Heard::Closed => return "closed".to_owned(),
                Heard::Nothing => return "left alone".to_owned(),
                Heard::Frame(heard) if heard.kind == kind::GOAWAY => {
                    return format!("GOAWAY {}", heard.code());
                }
                Heard::Frame(heard) => match decides(&heard) {
                    Some("RST_STREAM") => return format!("RST_STREAM {}", heard.code()),
                    Some(fate) => return fate.to_owned(),
                    None => self.acknowledge(&heard).await,
                },
            }
        }
    }
}
