//! Answers that were encoded before: what a pod or image looks like in each call, made once
//! for as long as the facts hold, and copied into every answer that has it.

use std::sync::OnceLock;

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, encode_key, encode_varint, encoded_len_varint, key_len},
};

use super::view::{PodCall, View};
use crate::{
    api::{Image, Pod},
    host::{ImageFacts, PodFacts},
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
    fn from_iter<I: IntoIterator<Item = Bytes>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl From<Bytes> for Items {
    fn from(item: Bytes) -> Self {
        Self(vec![item])
    }
}

impl Message for Items {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        for item in &self.0 {
            encode_key(FIELD, WireType::LengthDelimited, buffer);
            encode_varint(item.len() as u64, buffer);
            buffer.put_slice(item);
        }
    }

    fn encoded_len(&self) -> usize {
        let framed = |item: &Bytes| encoded_len_varint(item.len() as u64) + item.len();
        let items: usize = self.0.iter().map(framed).sum();
        items + self.0.len() * key_len(FIELD)
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
                let mut item = Bytes::new();
                prost::encoding::bytes::merge(wire_type, &mut item, buffer, context)?;
                self.0.push(item);
                Ok(())
            }
            _ => prost::encoding::skip_field(wire_type, tag, buffer, context),
        }
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// What was made of a pod. The inventory keeps it beside the facts that it was made of.
#[derive(Debug, Default)]
pub(crate) struct PreparedPod {
    /// As listed, with everything that filters look at; only there when one has looked. Here
    /// and below: `None` when the dialect does not show the pod.
    listed: OnceLock<Option<Pod>>,
    brief: OnceLock<Option<Bytes>>,
    detailed: OnceLock<Option<Bytes>>,
    inspected: OnceLock<Option<Bytes>>,
}

impl PreparedPod {
    /// The pod as listed, before anything is cut off that `detail` does not ask for.
    pub(super) fn listed(&self, view: &View, facts: &PodFacts, detail: bool) -> Option<&Pod> {
        let listed = || view.pod(facts, None, PodCall::List { detail });
        self.listed.get_or_init(listed).as_ref()
    }

    /// The pod as listed, encoded. `None` when the dialect does not show it.
    pub(super) fn encoded(&self, view: &View, facts: &PodFacts, detail: bool) -> Option<Bytes> {
        let call = PodCall::List { detail };
        let encoded = match detail {
            true => &self.detailed,
            false => &self.brief,
        };
        let encode = || Some(encode(&view.cut(view.pod(facts, None, call)?, call)));
        encoded.get_or_init(encode).clone()
    }

    /// The pod as inspected, encoded. `None` when the dialect does not show it.
    pub(super) fn inspected(&self, view: &View, facts: &PodFacts) -> Option<Bytes> {
        let inspected = || Some(encode(&view.pod(facts, None, PodCall::Inspect)?));
        self.inspected.get_or_init(inspected).clone()
    }
}

/// What was made of an image.
#[derive(Debug, Default)]
pub(crate) struct PreparedImage {
    image: OnceLock<Image>,
    brief: OnceLock<Bytes>,
    detailed: OnceLock<Bytes>,
}

impl PreparedImage {
    /// The image, with its manifest.
    pub(super) fn image(&self, view: &View, facts: &ImageFacts) -> &Image {
        self.image.get_or_init(|| view.image(facts))
    }

    /// [`Self::image`], encoded, with its manifest or without.
    pub(super) fn encoded(&self, view: &View, facts: &ImageFacts, detail: bool) -> Bytes {
        let image = self.image(view, facts);
        let encoded = match detail {
            true => self.detailed.get_or_init(|| encode(image)),
            false => self.brief.get_or_init(|| {
                encode(&Image {
                    manifest: Bytes::new(),
                    ..image.clone()
                })
            }),
        };
        encoded.clone()
    }
}

/// The message's bytes.
pub(super) fn encode(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{KeyValue, ListPodsResponse};

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
            let items: Items = pods.iter().map(encode).collect();
            let response = ListPodsResponse { pods };
            assert_eq!(items.encoded_len(), response.encoded_len());
            let encoded = items.encode_to_vec();
            assert_eq!(encoded, response.encode_to_vec());
            assert_eq!(Items::decode(encoded.as_slice()).unwrap(), items);
        }
    }
}
