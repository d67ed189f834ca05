//! What the recorded data directories say in the documented dialect, judged by hand against
//! the contract. A snapshot has a line for each pod, each app and each image, of all fields
//! that are set; what ListPods and ListImages give follows from it by the contract's rules,
//! and is compared with that.

use std::fmt::Write as _;

use insta::assert_snapshot;
use rkt_api::api::{
    App, AppState, Image, ImageType, InspectImageRequest, InspectPodRequest, KeyValue,
    ListImagesRequest, ListPodsRequest, Network, Pod, PodState,
};

use crate::{
    golden,
    support::{Client, Server},
};

#[tokio::test]
#[ignore = "needs RKT_GOLDEN_DIR"]
async fn documented_answers() {
    for name in golden::HOSTS {
        let host = golden::Host::unpack(name);
        let server = Server::start(host.dir(), &[]);
        let mut client = server.client().await;
        let mut answers = String::new();
        for pod in pods(&mut client).await {
            render_pod(&mut answers, &pod);
        }
        for image in images(&mut client).await {
            render_image(&mut answers, &image);
        }
        assert_snapshot!(name, answers);
    }
}

/// Every pod as InspectPod gives it.
async fn pods(client: &mut Client) -> Vec<Pod> {
    let mut list = async |detail| {
        let filters = Vec::new();
        let answer = client.list_pods(ListPodsRequest { filters, detail }).await;
        answer.unwrap().into_inner().pods
    };
    let (brief, detailed) = (list(false).await, list(true).await);
    let mut inspected = Vec::new();
    for pod in &detailed {
        let id = pod.id.clone();
        let answer = client.inspect_pod(InspectPodRequest { id }).await;
        inspected.push(answer.unwrap().into_inner().pod.unwrap());
    }

    // P-13, P-14: only InspectPod has the states of apps.
    let mut expected = inspected.clone();
    for app in expected.iter_mut().flat_map(|pod| &mut pod.apps) {
        app.state = 0;
        app.exit_code = 0;
    }
    assert_eq!(detailed, expected);
    // P-2: what detail is for.
    for pod in &mut expected {
        pod.apps.clear();
        pod.manifest.clear();
    }
    assert_eq!(brief, expected);
    inspected
}

/// Every image as InspectImage gives it.
async fn images(client: &mut Client) -> Vec<Image> {
    let mut list = async |detail| {
        let filters = Vec::new();
        let answer = client
            .list_images(ListImagesRequest { filters, detail })
            .await;
        answer.unwrap().into_inner().images
    };
    let (brief, detailed) = (list(false).await, list(true).await);
    let mut inspected = Vec::new();
    for image in &detailed {
        let id = image.id.clone();
        let answer = client.inspect_image(InspectImageRequest { id }).await;
        inspected.push(answer.unwrap().into_inner().image.unwrap());
    }
    assert_eq!(detailed, inspected);
    // IM-3: what detail is for.
    let mut expected = inspected.clone();
    for image in &mut expected {
        image.manifest.clear();
    }
    assert_eq!(brief, expected);
    inspected
}

fn render_pod(out: &mut String, pod: &Pod) {
    let state = PodState::try_from(pod.state).unwrap().as_str_name();
    write!(
        out,
        "pod {} {}",
        pod.id,
        state.trim_start_matches("POD_STATE_")
    )
    .unwrap();
    for (name, value) in [
        ("pid", i64::from(pod.pid)),
        ("created", pod.created_at),
        ("started", pod.started_at),
    ] {
        if value != 0 {
            write!(out, " {name} {value}").unwrap();
        }
    }
    // The change time of a directory is the moment when it was unpacked.
    if pod.gc_marked_at != 0 {
        out.push_str(" marked");
    }
    let of_a_process = golden::CGROUP_OF_A_PROCESS.contains(&pod.id.as_str());
    if !pod.cgroup.is_empty() && !of_a_process {
        write!(out, " cgroup {:?}", pod.cgroup).unwrap();
    }
    for Network { name, ipv4, ipv6 } in &pod.networks {
        write!(out, " network {name:?} {ipv4:?} {ipv6:?}").unwrap();
    }
    render_pairs(out, "annotation", &pod.annotations);
    render_manifest(out, &pod.manifest);
    for app in &pod.apps {
        render_app(out, app);
    }
}

fn render_app(out: &mut String, app: &App) {
    let state = AppState::try_from(app.state).unwrap().as_str_name();
    let state = state.trim_start_matches("APP_STATE_");
    write!(out, "  app {:?} {state}", app.name).unwrap();
    if app.exit_code != 0 {
        write!(out, " exit code {}", app.exit_code).unwrap();
    }
    render_pairs(out, "annotation", &app.annotations);
    out.push_str("\n    ");
    render_image(out, app.image.as_ref().unwrap());
}

fn render_image(out: &mut String, image: &Image) {
    write!(
        out,
        "image {} {:?} {:?}",
        image.id, image.name, image.version
    )
    .unwrap();
    let format = image.base_format.as_ref().unwrap();
    let kind = ImageType::try_from(format.r#type).unwrap().as_str_name();
    let kind = kind.trim_start_matches("IMAGE_TYPE_");
    write!(out, " {kind} {}", format.version).unwrap();
    for (name, value) in [("imported", image.import_timestamp), ("size", image.size)] {
        if value != 0 {
            write!(out, " {name} {value}").unwrap();
        }
    }
    render_pairs(out, "label", &image.labels);
    render_pairs(out, "annotation", &image.annotations);
    render_manifest(out, &image.manifest);
}

fn render_pairs(out: &mut String, what: &str, pairs: &[KeyValue]) {
    for KeyValue { key, value } in pairs {
        write!(out, " {what} {key:?}={value:?}").unwrap();
    }
}

/// Manifests are the files' bytes, and the recorded answers have them whole: their length
/// says which is which.
fn render_manifest(out: &mut String, manifest: &[u8]) {
    if !manifest.is_empty() {
        write!(out, " manifest of {} bytes", manifest.len()).unwrap();
    }
    out.push('\n');
}
