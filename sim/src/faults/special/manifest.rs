//! Faults of manifests: well-formed files that say what they should not.

use rand::RngExt as _;
use rkt_api::layout::pod;
use serde_json::{Map, Value, json};

use super::{Special, of_pod};
use crate::faults::{
    Rng,
    change::{Change, Plan, Unfit},
    look::PodDir,
};

pub(super) static TABLE: &[Special] = &[
    of_pod(
        "pod-manifest/other-kind",
        "The pod manifest says that it is an image manifest.",
        |pod, _| edit(pod, |manifest| set(manifest, "acKind", "ImageManifest")),
    ),
    of_pod(
        "pod-manifest/array",
        "The pod manifest is an empty array.",
        |pod, _| replace(pod, b"[]".to_vec()),
    ),
    of_pod(
        "pod-manifest/null",
        "The pod manifest is null.",
        |pod, _| replace(pod, b"null".to_vec()),
    ),
    of_pod(
        "pod-manifest/trailing",
        "Something follows the end of the pod manifest.",
        |pod, _| {
            let mut content = pod.read(pod::MANIFEST)?;
            content.extend(b"}]");
            replace(pod, content)
        },
    ),
    of_pod(
        "pod-manifest/byte-order-mark",
        "The pod manifest begins with a byte order mark.",
        |pod, _| {
            let mut content = b"\xEF\xBB\xBF".to_vec();
            content.extend(pod.read(pod::MANIFEST)?);
            replace(pod, content)
        },
    ),
    of_pod(
        "pod-manifest/no-apps",
        "The pod manifest has no apps.",
        |pod, _| edit(pod, |manifest| set(manifest, "apps", json!([]))),
    ),
    of_pod(
        "pod-manifest/apps-null",
        "The pod manifest's list of apps is null.",
        |pod, _| edit(pod, |manifest| set(manifest, "apps", Value::Null)),
    ),
    of_pod(
        "pod-manifest/many-apps",
        "The pod manifest has a thousand apps, of which nothing else is there.",
        |pod, _| edit(pod, many_apps),
    ),
    of_pod(
        "pod-manifest/huge",
        "The pod manifest has an annotation of 5 MiB.",
        |pod, _| {
            edit(pod, |manifest| {
                annotate(manifest, "huge", &"x".repeat(HUGE_BYTES))
            })
        },
    ),
    of_pod(
        "pod-manifest/duplicate-annotations",
        "The pod manifest has two annotations of one name, with different values.",
        |pod, _| {
            edit(pod, |manifest| {
                annotate(manifest, "twice", "one")?;
                annotate(manifest, "twice", "two")
            })
        },
    ),
    of_pod(
        "app-name/empty",
        "The name of an app is empty.",
        |pod, rng| rename(pod, rng, ""),
    ),
    of_pod(
        "app-name/dots",
        "The name of an app is two dots.",
        |pod, rng| rename(pod, rng, ".."),
    ),
    of_pod(
        "app-name/parent",
        "The name of an app is a path that leads upwards.",
        |pod, rng| rename(pod, rng, "../../x"),
    ),
    of_pod(
        "app-name/slash",
        "The name of an app has a slash in it.",
        |pod, rng| rename(pod, rng, "a/b"),
    ),
    of_pod(
        "app-name/absolute",
        "The name of an app is an absolute path.",
        |pod, rng| rename(pod, rng, "/nonexistent/rkt-sim"),
    ),
    of_pod(
        "app-name/long",
        "The name of an app has 300 bytes, more than a file name can have.",
        |pod, rng| rename(pod, rng, &"x".repeat(300)),
    ),
    of_pod(
        "app-name/nul",
        "The name of an app has a zero byte in it.",
        |pod, rng| rename(pod, rng, "a\0b"),
    ),
    of_pod(
        "app-name/upper-case",
        "The name of an app is no AC name: it has capitals, a blank and an umlaut.",
        |pod, rng| rename(pod, rng, "Äpp X"),
    ),
    of_pod(
        "app-name/duplicate",
        "Two apps have the same name.",
        |pod, _| edit(pod, twin),
    ),
    of_pod(
        "image-id/empty",
        "The image id of an app is empty.",
        |pod, rng| set_image_id(pod, rng, ""),
    ),
    of_pod(
        "image-id/path",
        "The image id of an app is a path that leads upwards.",
        |pod, rng| set_image_id(pod, rng, "sha512-../../../x"),
    ),
    of_pod(
        "app-manifest/other-kind",
        "The manifest of an app's image says that it is a pod manifest.",
        |pod, rng| edit_image(pod, rng, |manifest| set(manifest, "acKind", "PodManifest")),
    ),
    of_pod(
        "app-manifest/huge",
        "The manifest of an app's image has an annotation of 5 MiB.",
        |pod, rng| {
            edit_image(pod, rng, |manifest| {
                annotate(manifest, "huge", &"x".repeat(HUGE_BYTES))
            })
        },
    ),
    of_pod(
        "app-manifest/other-name",
        "The manifest of an app's image is that of another image.",
        |pod, rng| {
            edit_image(pod, rng, |manifest| {
                set(manifest, "name", "example.com/another")
            })
        },
    ),
];

/// The length of a huge annotation: more than gRPC clients take by default.
const HUGE_BYTES: usize = 5 << 20;

/// The number of many apps.
const MANY: usize = 1000;

fn replace(pod: &PodDir<'_>, content: Vec<u8>) -> Plan {
    // There has to be one.
    pod.read(pod::MANIFEST)?;
    Ok(vec![Change::file(pod.at(pod::MANIFEST), content)])
}

/// Changes the pod manifest.
fn edit(pod: &PodDir<'_>, edit: impl FnOnce(&mut Map<String, Value>) -> Result<(), Unfit>) -> Plan {
    let content = edited(&pod.read(pod::MANIFEST)?, edit)?;
    Ok(vec![Change::file(pod.at(pod::MANIFEST), content)])
}

/// Changes the manifest of the image of one of the apps.
fn edit_image(
    pod: &PodDir<'_>,
    rng: &mut Rng,
    edit: impl FnOnce(&mut Map<String, Value>) -> Result<(), Unfit>,
) -> Plan {
    let path = pod.app(rng, |app| pod::app_image_manifest(app).into())?;
    let content = edited(&pod.read(&path)?, edit)?;
    Ok(vec![Change::file(pod.at(path), content)])
}

fn edited(
    manifest: &[u8],
    edit: impl FnOnce(&mut Map<String, Value>) -> Result<(), Unfit>,
) -> Result<Vec<u8>, Unfit> {
    let broken = |_| Unfit("the manifest is broken already".to_owned());
    let mut manifest: Map<String, Value> = serde_json::from_slice(manifest).map_err(broken)?;
    edit(&mut manifest)?;
    serde_json::to_vec(&manifest).map_err(|error| Unfit(error.to_string()))
}

fn set(manifest: &mut Map<String, Value>, key: &str, value: impl Into<Value>) -> Result<(), Unfit> {
    manifest.insert(key.to_owned(), value.into());
    Ok(())
}

fn annotate(manifest: &mut Map<String, Value>, name: &str, value: &str) -> Result<(), Unfit> {
    let annotation = json!({"name": name, "value": value});
    match manifest
        .get_mut("annotations")
        .and_then(Value::as_array_mut)
    {
        Some(annotations) => annotations.push(annotation),
        None => set(manifest, "annotations", json!([annotation]))?,
    }
    Ok(())
}

fn apps(manifest: &mut Map<String, Value>) -> Result<&mut Vec<Value>, Unfit> {
    let apps = manifest.get_mut("apps").and_then(Value::as_array_mut);
    apps.filter(|apps| apps.iter().any(Value::is_object))
        .ok_or_else(|| Unfit("the pod has no apps".to_owned()))
}

fn many_apps(manifest: &mut Map<String, Value>) -> Result<(), Unfit> {
    let apps = apps(manifest)?;
    let Some(model) = apps.first().cloned() else {
        return Ok(());
    };
    for number in apps.len()..MANY {
        let mut app = model.clone();
        app["name"] = json!(format!("app-{number}"));
        apps.push(app);
    }
    Ok(())
}

fn twin(manifest: &mut Map<String, Value>) -> Result<(), Unfit> {
    let apps = apps(manifest)?;
    apps.extend(apps.first().cloned());
    Ok(())
}

/// Gives one of the apps another name, in the pod manifest and nowhere else.
fn rename(pod: &PodDir<'_>, rng: &mut Rng, name: &str) -> Plan {
    edit(pod, |manifest| {
        an_app(manifest, rng)?.insert("name".to_owned(), json!(name));
        Ok(())
    })
}

fn set_image_id(pod: &PodDir<'_>, rng: &mut Rng, id: &str) -> Plan {
    edit(pod, |manifest| {
        let image = an_app(manifest, rng)?.get_mut("image");
        let image = image.and_then(Value::as_object_mut);
        let image = image.ok_or_else(|| Unfit("the app has no image".to_owned()))?;
        image.insert("id".to_owned(), json!(id));
        Ok(())
    })
}

fn an_app<'m>(
    manifest: &'m mut Map<String, Value>,
    rng: &mut Rng,
) -> Result<&'m mut Map<String, Value>, Unfit> {
    let apps = apps(manifest)?;
    let index = rng.random_range(0..apps.len());
    apps[index]
        .as_object_mut()
        .ok_or_else(|| Unfit("the app is no object".to_owned()))
}
