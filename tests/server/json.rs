//! Messages as JSON with the proto's field names, all fields present, 64-bit numbers as
//! strings and bytes in base64; and calls by the name of their method.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions, prost::Message};
use rkt_api::api::{self, FILE_DESCRIPTOR_SET};
use serde_json::Value;
use tonic::Status;

use crate::support::Client;

/// Calls the unary method `method` with a request in JSON.
pub async fn call(client: &mut Client, method: &str, request: &Value) -> Result<Value, Status> {
    macro_rules! call {
        ($call:ident, $request:ident) => {{
            let request: api::$request = from_json(stringify!($request), request);
            let response = client.$call(request).await?.into_inner();
            to_json(&format!("{method}Response"), &response)
        }};
    }
    Ok(match method {
        "GetInfo" => call!(get_info, GetInfoRequest),
        "ListPods" => call!(list_pods, ListPodsRequest),
        "InspectPod" => call!(inspect_pod, InspectPodRequest),
        "ListImages" => call!(list_images, ListImagesRequest),
        "InspectImage" => call!(inspect_image, InspectImageRequest),
        other => panic!("no unary method {other}"),
    })
}

/// The message `name` of package `v1alpha` in JSON.
pub fn to_json(name: &str, message: &impl Message) -> Value {
    let bytes = message.encode_to_vec();
    let message = DynamicMessage::decode(descriptor(name), bytes.as_slice()).unwrap();
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .unwrap()
}

/// A `bytes` field in JSON.
pub fn bytes(bytes: Vec<u8>) -> Value {
    let pod = api::Pod {
        manifest: bytes.into(),
        ..api::Pod::default()
    };
    to_json("Pod", &pod)["manifest"].take()
}

fn from_json<M: Message + Default>(name: &str, json: &Value) -> M {
    let message = DynamicMessage::deserialize(descriptor(name), json).unwrap();
    M::decode(message.encode_to_vec().as_slice()).unwrap()
}

/// The descriptor of the message `name` of package `v1alpha`.
pub fn descriptor(name: &str) -> prost_reflect::MessageDescriptor {
    let name = format!("v1alpha.{name}");
    pool().get_message_by_name(&name).unwrap()
}

/// The descriptors of the API.
pub fn pool() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap());
    &POOL
}
