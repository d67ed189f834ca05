//! Messages as documents for programs: the JSON mapping of Protocol Buffers, and the same in YAML.
//! Fields have their JSON names, all are there, 64-bit numbers are strings and bytes are base64,
//! as the mapping wants it.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions, prost::Message};
use rkt_api::api::{
    Event, FILE_DESCRIPTOR_SET, GetLogsResponse, Image, Info, ListImagesResponse, ListPodsResponse,
    Pod,
};
use serde::{Serialize, Serializer};

use super::text::{is_unseen, printable_flow_yaml, printable_json};

/// Why making documents does not fail.
const DESCRIBED: &str = "the descriptors are of the messages";

/// A message with a name.
pub trait Named: Message {
    /// Its name in the package `v1alpha`.
    const NAME: &str;
}

macro_rules! named {
    ($($message:ident),*) => {
        $(impl Named for $message {
            const NAME: &str = stringify!($message);
        })*
    };
}
named!(
    Event,
    GetLogsResponse,
    Image,
    Info,
    ListImagesResponse,
    ListPodsResponse,
    Pod
);

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// The message as a document alone.
pub fn whole<M: Named>(message: &M, language: Language) -> String {
    let message = Described::new(message);
    match language {
        Language::Json => printable_json(&pretty_json(&message)),
        Language::Yaml => yaml(&message),
    }
}

/// The message as one document of a stream of them: JSON in one line, YAML after a line of
/// dashes.
pub fn one_of_many<M: Named>(message: &M, language: Language) -> String {
    let message = Described::new(message);
    match language {
        Language::Json => {
            let json = serde_json::to_string(&message).expect(DESCRIBED);
            printable_json(&json) + "\n"
        }
        Language::Yaml => format!("---\n{}", yaml(&message)),
    }
}

fn yaml(message: &Described) -> String {
    // Each value in one line, however long.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let yaml = serde_saphyr::to_string_with_options(message, options).expect(DESCRIBED);
    match yaml.chars().any(|char| char != '\n' && is_unseen(char)) {
        // In JSON, which is YAML as well, everything is in quotes, and can be escaped.
        true => printable_flow_yaml(&pretty_json(message)),
        false => yaml,
    }
}

fn pretty_json(message: &Described) -> String {
    serde_json::to_string_pretty(message).expect(DESCRIBED) + "\n"
}

/// A message together with its descriptor.
struct Described(DynamicMessage);

impl Described {
    fn new<M: Named>(message: &M) -> Self {
        static POOL: LazyLock<DescriptorPool> =
            LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect(DESCRIBED));
        let name = format!("v1alpha.{}", M::NAME);
        let descriptor = POOL.get_message_by_name(&name).expect(DESCRIBED);
        let bytes = message.encode_to_vec();
        Self(DynamicMessage::decode(descriptor, bytes.as_slice()).expect(DESCRIBED))
    }
}

impl Serialize for Described {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let options = SerializeOptions::new().skip_default_fields(false);
        self.0.serialize_with_options(serializer, &options)
    }
}

#[cfg(test)]
mod tests {
    use rkt_api::api::{EventType, KeyValue, PodState};

    use super::*;

    fn event() -> Event {
        Event {
            r#type: EventType::AppExited.into(),
            id: "3f0b52c1-8c1d-4a7e-9d26-6e1f07a4c5b8".to_owned(),
            from: "no: a\u{1b}\u{9b}\nb".to_owned(),
            time: 1_523_880_000,
            data: vec![KeyValue {
                key: "exit_code".to_owned(),
                value: "0".to_owned(),
            }],
        }
    }

    /// The same with characters that no YAML library has a mind to escape.
    fn turned_event() -> Event {
        let mut event = event();
        event.from += "\u{202e}c\u{e0041}";
        event
    }

    #[test]
    fn json_is_the_mapping_of_protocol_buffers() {
        assert_eq!(
            one_of_many(&turned_event(), Language::Json),
            concat!(
                r#"{"type":"EVENT_TYPE_APP_EXITED","id":"3f0b52c1-8c1d-4a7e-9d26-6e1f07a4c5b8","#,
                r#""from":"no: a\u001b\u009b\nb\u202ec\udb40\udc41","time":"1523880000","#,
                r#""data":[{"Key":"exit_code","value":"0"}]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn every_field_is_there() {
        let pod = Pod {
            state: PodState::Embryo.into(),
            ..Pod::default()
        };
        insta::assert_snapshot!(whole(&pod, Language::Json) + &whole(&pod, Language::Yaml));
    }

    #[test]
    fn yaml_is_fit_for_terminals_and_for_old_readers() {
        let yaml = [event(), turned_event()].map(|event| one_of_many(&event, Language::Yaml));
        let yaml = yaml.concat();
        insta::assert_snapshot!(yaml);
        assert!(!yaml.chars().any(|char| is_unseen(char) && char != '\n'));
    }
}
