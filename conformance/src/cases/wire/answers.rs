//! Answers read by field number: each value in the field of its number, as its type is
//! written, and no other fields (W-2).

use prost_reflect::{DynamicMessage, ReflectMessage as _, Value as Dynamic};
use rkt_api::api::{Image, ImageFormat, KeyValue, Pod};

use super::{answer, first_id, request_text};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause,
    hosts::{HostDef, IMAGES, STATES, images, states},
    oracle::Oracle,
    resource::Resource,
    stage::Stage,
    text,
    wire::{self, Value, put_bytes, put_varint},
};

/// A field of an answer: its name, the numbers that lead to it, what kind of value it is, and
/// what the model has there.
struct Numbers<R: 'static> {
    name: &'static str,
    path: &'static [u64],
    kind: Kind,
    expected: fn(&R) -> Vec<String>,
}

/// How a value of an answer is read.
#[derive(Clone, Copy)]
enum Kind {
    Int,
    Sint,
    Text,
}

macro_rules! numbers {
    ($table:ident: $message:ty { $($name:literal $path:tt $kind:ident |$one:ident| $value:expr;)+ }) => {
        static $table: &[Numbers<$message>] = &[$(Numbers {
            name: $name,
            path: &$path,
            kind: Kind::$kind,
            expected: |$one| $value.map(|value| value.to_string()).collect(),
        }),+];
    };
}

numbers! { POD: Pod {
    "id" [1] Text |pod| [&pod.id].into_iter();
    "pid" [2] Sint |pod| [pod.pid].into_iter();
    "state" [3] Int |pod| [pod.state].into_iter();
    "apps.name" [4, 1] Text |pod| pod.apps.iter().map(|app| &app.name);
    "apps.image.base_format.type" [4, 2, 1, 1] Int |pod| formats(pod).map(|f| f.r#type);
    "apps.image.base_format.version" [4, 2, 1, 2] Text |pod| formats(pod).map(|f| &f.version);
    "apps.image.id" [4, 2, 2] Text |pod| app_images(pod).map(|image| &image.id);
    "apps.image.name" [4, 2, 3] Text |pod| app_images(pod).map(|image| &image.name);
    "apps.image.version" [4, 2, 4] Text |pod| app_images(pod).map(|image| &image.version);
    "apps.state" [4, 3] Int |pod| pod.apps.iter().map(|app| app.state);
    "apps.exit_code" [4, 4] Sint |pod| pod.apps.iter().map(|app| app.exit_code);
    "apps.annotations.Key" [4, 5, 1] Text |pod| app_notes(pod).map(|note| &note.key);
    "apps.annotations.value" [4, 5, 2] Text |pod| app_notes(pod).map(|note| &note.value);
    "networks.name" [5, 1] Text |pod| pod.networks.iter().map(|net| &net.name);
    "networks.ipv4" [5, 2] Text |pod| pod.networks.iter().map(|net| &net.ipv4);
    "networks.ipv6" [5, 3] Text |pod| pod.networks.iter().map(|net| &net.ipv6);
    "manifest" [6] Text |pod| [String::from_utf8_lossy(&pod.manifest)].into_iter();
    "annotations.Key" [7, 1] Text |pod| pod.annotations.iter().map(|note| &note.key);
    "annotations.value" [7, 2] Text |pod| pod.annotations.iter().map(|note| &note.value);
    "cgroup" [8] Text |pod| [&pod.cgroup].into_iter();
    "created_at" [9] Int |pod| [pod.created_at].into_iter();
    "started_at" [10] Int |pod| [pod.started_at].into_iter();
    "gc_marked_at" [11] Int |pod| [pod.gc_marked_at].into_iter();
} }

numbers! { IMAGE: Image {
    "base_format.type" [1, 1] Int |image| image.base_format.iter().map(|f| f.r#type);
    "base_format.version" [1, 2] Text |image| image.base_format.iter().map(|f| &f.version);
    "id" [2] Text |image| [&image.id].into_iter();
    "name" [3] Text |image| [&image.name].into_iter();
    "version" [4] Text |image| [&image.version].into_iter();
    "import_timestamp" [5] Int |image| [image.import_timestamp].into_iter();
    "manifest" [6] Text |image| [String::from_utf8_lossy(&image.manifest)].into_iter();
    "size" [7] Int |image| [image.size].into_iter();
    "annotations.Key" [8, 1] Text |image| image.annotations.iter().map(|note| &note.key);
    "annotations.value" [8, 2] Text |image| image.annotations.iter().map(|note| &note.value);
    "labels.Key" [9, 1] Text |image| image.labels.iter().map(|label| &label.key);
    "labels.value" [9, 2] Text |image| image.labels.iter().map(|label| &label.value);
} }

fn app_images(pod: &Pod) -> impl Iterator<Item = &Image> {
    pod.apps.iter().filter_map(|app| app.image.as_ref())
}

fn formats(pod: &Pod) -> impl Iterator<Item = &ImageFormat> {
    app_images(pod).filter_map(|image| image.base_format.as_ref())
}

fn app_notes(pod: &Pod) -> impl Iterator<Item = &KeyValue> {
    pod.apps.iter().flat_map(|app| &app.annotations)
}

/// W-2: answers have each value in the field of its number, and no other fields.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Between them they have every field, and negative numbers where these can be.
    for label in ["running/code--1", "exited/code-least", "garbage/ppid"] {
        let pods = states::pods().into_iter();
        for (label, pod) in pods.filter(|(of, _)| of == label) {
            cases.extend(
                POD.iter()
                    .map(|field| by_number(field, &STATES, &label, pod.id.to_string())),
            );
        }
    }
    for (label, image) in images::images() {
        let Ok(id) = image.blob_key() else {
            continue;
        };
        if matches!(label, "docker-v2" | "size-beyond-32-bits") {
            cases.extend(
                IMAGE
                    .iter()
                    .map(|field| by_number(field, &IMAGES, label, id.clone())),
            );
        }
    }
    for (method, host) in [
        (Method::GetInfo, &STATES),
        (Method::ListPods, &STATES),
        (Method::InspectPod, &STATES),
        (Method::ListImages, &IMAGES),
        (Method::InspectImage, &IMAGES),
    ] {
        let check = move |stage| no_other_fields(stage, method);
        let case = Case::new(method, &clause::W_2, "answer/no-other-fields", check);
        cases.push(case.on(On::Still(host)));
    }
    cases
}

fn by_number<R: Resource>(
    field: &'static Numbers<R>,
    host: &'static HostDef,
    label: &str,
    id: String,
) -> Case {
    let content = format!("answer/{}/{label}", field.name);
    let check = move |stage| has_at_number(stage, field, id.clone());
    Case::new(R::INSPECT, &clause::W_2, content, check).on(On::Still(host))
}

async fn has_at_number<R: Resource>(stage: Stage, field: &Numbers<R>, id: String) -> Verdict {
    let oracle = Oracle::required(&stage).await?;
    let Ok(expected) = oracle.inspect::<R>(&id) else {
        let reason = format!("{}s like this are not shown in this profile", R::NOUN);
        return Err(Objection::Skip(reason));
    };
    let mut message = Vec::new();
    put_bytes(&mut message, 1, id.as_bytes());
    let request = R::inspect_text(&id);
    let answer = answer(&stage, R::INSPECT, message).await?;
    // Only times can differ, and these the message itself has to tell.
    let seen = wire::at(&answer, &[1]).and_then(|values| match values.as_slice() {
        [Value::Bytes(one)] => R::decode(one.clone()).ok(),
        _ => None,
    });
    let right = oracle.right(&expected, &seen.unwrap_or_default());
    let is_default = |value: &String| value.is_empty() || value == "0";
    let mut wanted = (field.expected)(&right);
    wanted.retain(|value| !is_default(value));
    let path: Vec<u64> = [1].iter().chain(field.path).copied().collect();
    let values = wire::at(&answer, &path);
    let found: Option<Vec<String>> = values.and_then(|values| {
        let text = |value: &Value| match field.kind {
            Kind::Int => value.int().map(|number| number.to_string()),
            Kind::Sint => value.sint().map(|number| number.to_string()),
            Kind::Text => value.text(),
        };
        values.iter().map(text).collect()
    });
    let found = found.map(|found| {
        let set = found.into_iter().filter(|value| !is_default(value));
        set.collect::<Vec<_>>()
    });
    match found.as_ref() == Some(&wanted) {
        true => Ok(()),
        false => Err(Objection::fail(
            request,
            format!("{wanted:?} in the field {} at {path:?}", field.name),
            format!("{found:?}"),
        )),
    }
}

async fn no_other_fields(stage: Stage, method: Method) -> Verdict {
    let mut message = Vec::new();
    match method {
        Method::ListPods | Method::ListImages => put_varint(&mut message, 2, 1),
        Method::InspectPod => {
            put_bytes(&mut message, 1, first_id::<Pod>(&stage).await?.as_bytes());
        }
        Method::InspectImage => {
            put_bytes(&mut message, 1, first_id::<Image>(&stage).await?.as_bytes());
        }
        Method::GetInfo | Method::ListenEvents | Method::GetLogs => {}
    }
    let request = request_text(method, &message);
    let answer = answer(&stage, method, message).await?;
    let name = format!("v1alpha.{method}Response");
    let unknown = match text::dynamic(&name, &answer) {
        None => Some("what is no such message".to_owned()),
        Some(message) => unknown_field(&message),
    };
    match unknown {
        None => Ok(()),
        Some(actual) => Err(Objection::fail(
            request,
            format!("a {name} with the fields of the proto alone"),
            actual,
        )),
    }
}

/// A field that the proto does not have, or has with another type.
fn unknown_field(message: &DynamicMessage) -> Option<String> {
    if let Some(field) = message.unknown_fields().next() {
        let name = message.descriptor().name().to_owned();
        return Some(format!("the field {} in a {name}", field.number()));
    }
    let in_value = |value: &Dynamic| match value {
        Dynamic::Message(message) => unknown_field(message),
        Dynamic::List(list) => list.iter().find_map(|value| match value {
            Dynamic::Message(message) => unknown_field(message),
            _ => None,
        }),
        _ => None,
    };
    message.fields().find_map(|(_, value)| in_value(value))
}
