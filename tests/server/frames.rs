//! HTTP/2 by hand (RFC 9113): what goes over the wire as bytes, for tests that do what no client
//! library does. Nothing here reads or writes a socket.

/// What every connection begins with.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first bytes of a connection, and empty SETTINGS.
pub const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Kinds of frames.
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames. What a bit means depends on the kind.
pub mod flag {
    pub const NONE: u8 = 0;
    /// Of SETTINGS and PING.
    pub const ACK: u8 = 1;
    /// Of DATA and HEADERS.
    pub const END_STREAM: u8 = 1;
    /// Of HEADERS and CONTINUATION.
    pub const END_HEADERS: u8 = 4;
    /// Of DATA and HEADERS.
    pub const PADDED: u8 = 8;
}

/// The setting of how many bytes may be sent on a stream before the other side asks for more.
pub const INITIAL_WINDOW_SIZE: u16 = 4;

/// The code of RST_STREAM of a client that does not want an answer any more.
pub const CANCEL: u32 = 8;

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A frame with a number in it, such as RST_STREAM or WINDOW_UPDATE.
pub fn number(kind: u8, stream: u32, number: u32) -> Vec<u8> {
    frame(kind, flag::NONE, stream, &number.to_be_bytes())
}

/// SETTINGS with these values.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let values = values.iter();
    let payload = values.flat_map(|(id, value)| {
        let id = id.to_be_bytes().into_iter();
        id.chain(value.to_be_bytes())
    });
    let payload: Vec<_> = payload.collect();
    frame(kind::SETTINGS, flag::NONE, 0, &payload)
}

/// A header field (RFC 7541, section 6.2.2): neither indexed nor compressed.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    [vec![0], text(name), text(value)].concat()
}

/// A string with its length before it (RFC 7541, sections 5.1 and 5.2).
pub fn text(text: &str) -> Vec<u8> {
    const PREFIX: usize = 127;

    let mut bytes = Vec::new();
    let mut length = text.len();
    if length < PREFIX {
        bytes.push(u8::try_from(length).unwrap());
    } else {
        bytes.push(127);
        length -= PREFIX;
        while length >= 128 {
            bytes.push(u8::try_from(length % 128 + 128).unwrap());
            length /= 128;
        }
        bytes.push(u8::try_from(length).unwrap());
    }
    bytes.extend(text.as_bytes());
    bytes
}

/// The path of a method of the API.
pub fn path(method: &str) -> String {
    format!("/v1alpha.PublicAPI/{method}")
}

/// The header fields of a call of a method of the API.
pub fn call_headers(method: &str) -> Vec<u8> {
    let path = path(method);
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", &path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let fields = fields.map(|(name, value)| field(name, value));
    fields.concat()
}

/// The HEADERS with which a call of a method of the API begins.
pub fn begin_call(stream: u32, method: &str) -> Vec<u8> {
    let headers = call_headers(method);
    frame(kind::HEADERS, flag::END_HEADERS, stream, &headers)
}

/// What a message of gRPC has before it when it is so long, and not compressed.
pub fn message_head(length_bytes: u32) -> Vec<u8> {
    [&[0][..], &length_bytes.to_be_bytes()].concat()
}

/// A whole call of a method of the API with a message that fits into one frame.
pub fn call(stream: u32, method: &str, message: &[u8]) -> Vec<u8> {
    let head = message_head(u32::try_from(message.len()).unwrap());
    let data = frame(
        kind::DATA,
        flag::END_STREAM,
        stream,
        &[&head, message].concat(),
    );
    [begin_call(stream, method), data].concat()
}
