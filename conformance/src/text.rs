//! How requests and answers read in a report. Nothing here judges them.

use std::{borrow::Cow, fmt, sync::LazyLock};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use rkt_api::api;
use serde_json::{Map, Value};
use tonic::{Code, Status};

use crate::case::Method;

static DESCRIPTORS: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(api::FILE_DESCRIPTOR_SET).ok());

/// How many things a list names before it only counts.
const NAMED: usize = 6;

/// How many characters of an answer are shown: manifests can be megabytes long. Requests are
/// shown whole, so that they can be sent again.
const READ_CHARS: usize = 1000;

/// A request: the method and the message as JSON, which clients such as grpcurl take.
pub(crate) fn request<M: Message + fmt::Debug>(method: Method, message: &M) -> String {
    match json(
        &format!("v1alpha.{method}Request"),
        &message.encode_to_vec(),
    ) {
        Some(json) => format!("{method} {json}"),
        // A report that reads worse is better than none.
        None => format!("{method} {message:?}"),
    }
}

/// An encoded message as JSON; `None` when it is no message of this type.
pub(crate) fn json(message_type: &str, message: &[u8]) -> Option<String> {
    let mut json = serde_json::Serializer::new(Vec::new());
    let dynamic = dynamic(message_type, message)?;
    dynamic.serialize_with_options(&mut json, &options()).ok()?;
    String::from_utf8(json.into_inner()).ok()
}

/// The names of a message's fields, in the order of the proto; none when there is no such message.
pub(crate) fn fields(message_type: &str) -> Vec<String> {
    let descriptors = DESCRIPTORS.as_ref();
    let message = descriptors.and_then(|pool| pool.get_message_by_name(message_type));
    let fields = message.iter().flat_map(|message| message.fields());
    fields.map(|field| field.name().to_owned()).collect()
}

fn options() -> SerializeOptions {
    SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
}

/// The fields of a message that are set, by name, as JSON has them.
pub(crate) fn set_fields<M: Message>(
    message_type: &str,
    message: &M,
) -> Option<Map<String, Value>> {
    let dynamic = dynamic(message_type, &message.encode_to_vec())?;
    let json = serde_json::value::Serializer;
    match dynamic.serialize_with_options(json, &options()).ok()? {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

/// A message as it came over the wire, read by the published descriptors. `None` where it is
/// no such message.
pub(crate) fn dynamic(message_type: &str, bytes: &[u8]) -> Option<DynamicMessage> {
    let descriptor = DESCRIPTORS.as_ref()?.get_message_by_name(message_type)?;
    DynamicMessage::decode(descriptor, bytes).ok()
}

/// An error: its code as gRPC writes it, and its message.
pub(crate) fn status(status: &Status) -> String {
    format!("{}: {:?}", code(status.code()), status.message())
}

/// A code as gRPC writes it, such as `NOT_FOUND`.
pub(crate) fn code(code: Code) -> String {
    let mut text = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

/// A list, which is cut when it is long.
pub(crate) fn list<T: fmt::Display>(items: &[T]) -> String {
    let mut text: Vec<String> = items.iter().take(NAMED).map(ToString::to_string).collect();
    if items.len() > NAMED {
        text.push(format!("and {} more", items.len() - NAMED));
    }
    format!("[{}]", text.join(", "))
}

/// A text that fits into a line which people read.
pub(crate) fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(READ_CHARS) {
        None => text.into(),
        Some((end, _)) => format!("{}... ({} bytes in all)", &text[..end], text.len()).into(),
    }
}

#[cfg(test)]
mod tests {
    use rkt_api::api::{KeyValue, ListPodsRequest, PodFilter};

    use super::*;

    #[test]
    fn requests_read_as_clients_take_them() {
        let filter = PodFilter {
            states: vec![4, 4711],
            annotations: vec![KeyValue {
                key: "k".to_owned(),
                value: String::new(),
            }],
            ..PodFilter::default()
        };
        let message = ListPodsRequest {
            filters: vec![filter],
            detail: true,
        };
        assert_eq!(
            request(Method::ListPods, &message),
            r#"ListPods {"filters":[{"states":["POD_STATE_RUNNING",4711],"annotations":[{"Key":"k"}]}],"detail":true}"#
        );
    }

    #[test]
    fn codes_read_as_grpc_writes_them() {
        assert_eq!(code(Code::NotFound), "NOT_FOUND");
        assert_eq!(code(Code::Ok), "OK");
    }

    #[test]
    fn long_texts_are_cut() {
        let text = "é".repeat(READ_CHARS);
        assert_eq!(short(&text), text);
        let cut = format!("{text}... ({} bytes in all)", 2 * READ_CHARS + 1);
        assert_eq!(short(&format!("{text}x")), cut);
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(list(&[1, 2]), "[1, 2]");
        assert_eq!(
            list(&(1..=8).collect::<Vec<_>>()),
            "[1, 2, 3, 4, 5, 6, and 2 more]"
        );
    }
}
