//! Answers about pods and images as they go over the wire: messages that are encoded already,
//! one after the other.

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{self, DecodeContext, WireType},
};

/// The service as tonic sees it, its answers about pods and images being [`Items`].
#[allow(missing_docs)]
pub(crate) mod serving {
    include!(concat!(env!("OUT_DIR"), "/serving/v1alpha.rs"));
}

/// The number of the one field of the answers about pods and images: `pods`, `pod`, `images`,
/// `image`.
const FIELD: u32 = 1;

/// An answer about pods or images: messages that were encoded before, in order. On the wire it
/// is the response of ListPods, InspectPod, ListImages and InspectImage alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Items(Vec<Bytes>);

impl FromIterator<Bytes> for Items {
    /// Of pieces that [`piece`] or [`append`] has made.
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        Self(pieces.into_iter().collect())
    }
}

impl Items {
    /// The answer that is about `item` alone.
    pub(super) fn one(item: &impl Message) -> Self {
        Self(vec![piece(item)])
    }
}

/// `item` as a piece of an answer.
pub(super) fn piece(item: &impl Message) -> Bytes {
    let mut piece = Vec::new();
    append(item, &mut piece);
    piece.into()
}

/// Appends `item` to a piece of an answer.
pub(super) fn append(item: &impl Message, piece: &mut Vec<u8>) {
    encoding::message::encode(FIELD, item, piece);
}

impl Message for Items {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        for piece in &self.0 {
            buffer.put_slice(piece);
        }
    }

    fn encoded_len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            FIELD => {
                let mut item = Vec::new();
                encoding::bytes::merge(wire_type, &mut item, buffer, context)?;
                let mut piece = Vec::new();
                encoding::bytes::encode(FIELD, &item, &mut piece);
                self.0.push(piece.into());
                Ok(())
            }
            _ => encoding::skip_field(wire_type, tag, buffer, context),
        }
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{KeyValue, ListPodsResponse, Pod};

    #[test]
    fn items_are_the_response_on_the_wire() {
        let pod = |id: &str| Pod {
            id: id.to_owned(),
            annotations: vec![KeyValue {
                key: "k".repeat(200),
                value: String::new(),
            }],
            ..Pod::default()
        };
        for pods in [vec![], vec![Pod::default()], vec![pod("a"), pod("b")]] {
            let items: Items = pods.iter().map(piece).collect();
            let response = ListPodsResponse { pods };
            assert_eq!(items.encoded_len(), response.encoded_len());
            let encoded = items.encode_to_vec();
            assert_eq!(encoded, response.encode_to_vec());
            assert_eq!(Items::decode(encoded.as_slice()).unwrap(), items);
        }
    }
}
