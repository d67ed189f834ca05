//! Calls without messages: bytes in, bytes out. So what is measured is the server, not what a
//! client makes of its answer.

use bytes::{Buf as _, BufMut as _, Bytes};
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http,
    transport::{Channel, Endpoint},
};

/// A method's path.
pub type Method = &'static str;

pub const LIST_PODS: Method = "/v1alpha.PublicAPI/ListPods";
pub const INSPECT_POD: Method = "/v1alpha.PublicAPI/InspectPod";
pub const LIST_IMAGES: Method = "/v1alpha.PublicAPI/ListImages";

/// Messages as they are on the wire.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(item.len());
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// A client on a connection of its own.
#[derive(Clone, Debug)]
pub struct Client(Grpc<Channel>);

impl Client {
    /// Connects to an address such as `unix:/run/api.sock`.
    pub async fn connect(address: String) -> Self {
        let endpoint = Endpoint::from_shared(address).expect("an address");
        let channel = endpoint.connect().await.expect("a connection");
        Self(Grpc::new(channel).max_decoding_message_size(usize::MAX))
    }

    pub async fn call(&mut self, method: Method, request: Bytes) -> Bytes {
        self.0.ready().await.expect("a connection");
        let path = http::uri::PathAndQuery::from_static(method);
        let answer = self.0.unary(Request::new(request), path, Raw).await;
        answer.expect("an answer").into_inner()
    }
}
