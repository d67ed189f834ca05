//! Everything that a server says about its host, asked for call by call, and a text of it for
//! snapshots: a line for each pod, each app and each image, of all fields that are set.
//!
//! What ListPods and ListImages give follows from InspectPod and InspectImage by the
//! contract's rules. It is compared with that here, and not in the text again.

use std::{collections::BTreeSet, fmt::Write as _};

use pretty_assertions::assert_eq;
use prost_reflect::prost::Message;
use rkt_api::{
    api::{
        App, AppState, GetInfoRequest, Image, ImageFilter, ImageFormat, ImageType, Info,
        InspectImageRequest, InspectPodRequest, KeyValue, ListImagesRequest, ListPodsRequest,
        Network, Pod, PodFilter, PodState,
    },
    server::Dialect,
};

use crate::support::Client;

/// Everything that a server says.
pub struct Answers {
    pub info: Info,
    /// As InspectPod gives them, in ListPods' order.
    pub pods: Vec<Pod>,
    /// As InspectImage gives them, in ListImages' order.
    pub images: Vec<Image>,
    /// Every message that went to and fro: its name, and itself encoded.
    pub messages: Vec<(&'static str, Vec<u8>)>,
    cgroups_of_processes: BTreeSet<String>,
}

/// How much a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Everything, manifests too.
    Whole,
    /// Everything but manifests, of which it gives the length.
    Brief,
    /// Of manifests the length, of labels and annotations the number, of ids the beginning.
    Compact,
}

impl Answers {
    /// Asks for everything. The cgroups of the pods `cgroups_of_processes` are left out of
    /// it: they are those of processes, which are others on every machine.
    pub async fn gather(
        client: &mut Client,
        dialect: Dialect,
        cgroups_of_processes: BTreeSet<String>,
    ) -> Self {
        let mut messages = Vec::new();
        macro_rules! call {
            ($call:ident, $method:literal, $request:expr) => {{
                let request = $request;
                messages.push((concat!($method, "Request"), request.encode_to_vec()));
                let answer = client.$call(request).await.unwrap().into_inner();
                messages.push((concat!($method, "Response"), answer.encode_to_vec()));
                answer
            }};
        }
        let without = |mut pod: Pod| {
            if cgroups_of_processes.contains(&pod.id) {
                pod.cgroup.clear();
            }
            pod
        };
        macro_rules! list_pods {
            ($filters:expr, $detail:literal) => {{
                let (filters, detail) = ($filters, $detail);
                let request = ListPodsRequest { filters, detail };
                let pods = call!(list_pods, "ListPods", request).pods;
                pods.into_iter().map(&without).collect::<Vec<_>>()
            }};
        }
        macro_rules! list_images {
            ($filters:expr, $detail:literal) => {{
                let (filters, detail) = ($filters, $detail);
                let request = ListImagesRequest { filters, detail };
                call!(list_images, "ListImages", request).images
            }};
        }

        let info = call!(get_info, "GetInfo", GetInfoRequest {}).info.unwrap();

        let detailed = list_pods!(vec![], true);
        let mut pods = Vec::new();
        for pod in &detailed {
            let id = pod.id.clone();
            let answer = call!(inspect_pod, "InspectPod", InspectPodRequest { id });
            pods.push(without(answer.pod.unwrap()));
        }
        let mut expected = pods.clone();
        if dialect == Dialect::Documented {
            // P-13, P-14: only InspectPod has the states of apps.
            for app in expected.iter_mut().flat_map(|pod| &mut pod.apps) {
                app.state = 0;
                app.exit_code = 0;
            }
        }
        assert_eq!(detailed, expected);
        // P-2: what detail is for.
        for pod in &mut expected {
            pod.manifest.clear();
            if dialect == Dialect::Documented {
                pod.apps.clear();
            }
        }
        assert_eq!(list_pods!(vec![], false), expected);
        // F-P0: whatever detail says.
        let filters: Vec<_> = pods.iter().map(pod_filter).collect();
        assert_eq!(list_pods!(filters, false), expected);

        let detailed = list_images!(vec![], true);
        let mut images = Vec::new();
        for image in &detailed {
            let id = image.id.clone();
            let answer = call!(inspect_image, "InspectImage", InspectImageRequest { id });
            images.push(answer.image.unwrap());
        }
        assert_eq!(detailed, images);
        // IM-3: what detail is for.
        let mut expected = images.clone();
        for image in &mut expected {
            image.manifest.clear();
        }
        assert_eq!(list_images!(vec![], false), expected);
        let filters: Vec<_> = images.iter().map(image_filter).collect();
        assert_eq!(list_images!(filters, false), expected);

        Self {
            info,
            pods,
            images,
            messages,
            cgroups_of_processes,
        }
    }

    /// The pods as text.
    pub fn render_pods(&self, form: Form) -> String {
        let mut out = String::new();
        for pod in &self.pods {
            render_pod(
                &mut out,
                form,
                pod,
                self.cgroups_of_processes.contains(&pod.id),
            );
        }
        out
    }

    /// The images as text.
    pub fn render_images(&self, form: Form) -> String {
        let mut out = String::new();
        for image in &self.images {
            render_image(&mut out, form, image);
        }
        out
    }
}

/// A filter with everything that is known of a pod for its conditions.
fn pod_filter(pod: &Pod) -> PodFilter {
    let apps = pod.apps.iter();
    let cgroups: Vec<_> = Some(&pod.cgroup)
        .filter(|cgroup| !cgroup.is_empty())
        .into_iter()
        .collect();
    PodFilter {
        ids: vec![pod.id.clone()],
        states: vec![pod.state],
        app_names: apps.clone().map(|app| app.name.clone()).collect(),
        image_ids: apps
            .flat_map(|app| &app.image)
            .map(|image| image.id.clone())
            .collect(),
        network_names: pod
            .networks
            .iter()
            .map(|network| network.name.clone())
            .collect(),
        annotations: pod.annotations.clone(),
        pod_sub_cgroups: cgroups.iter().map(|cgroup| format!("{cgroup}/a")).collect(),
        cgroups: cgroups.into_iter().cloned().collect(),
    }
}

/// A filter with everything that is known of an image for its conditions.
fn image_filter(image: &Image) -> ImageFilter {
    let base_name = image.name.rsplit('/').next().unwrap();
    ImageFilter {
        ids: vec![image.id.clone()],
        prefixes: vec![image.name.clone()],
        base_names: vec![base_name.to_owned()],
        keywords: vec![image.name.clone()],
        labels: image.labels.clone(),
        imported_after: image.import_timestamp - 1,
        imported_before: image.import_timestamp + 1,
        annotations: image.annotations.clone(),
        full_names: vec![image.name.clone()],
    }
}

fn render_pod(out: &mut String, form: Form, pod: &Pod, has_cgroup_of_process: bool) {
    let state = PodState::try_from(pod.state).unwrap().as_str_name();
    let state = state.trim_start_matches("POD_STATE_");
    write!(out, "pod {} {state}", pod.id).unwrap();
    for (name, value) in [
        ("pid", i64::from(pod.pid)),
        ("created", pod.created_at),
        ("started", pod.started_at),
    ] {
        if value != 0 {
            write!(out, " {name} {value}").unwrap();
        }
    }
    // The change time of a directory is the moment when it was written.
    if pod.gc_marked_at != 0 {
        out.push_str(" [gc_marked_at]");
    }
    if has_cgroup_of_process {
        out.push_str(" [cgroup of a process]");
    }
    if !pod.cgroup.is_empty() {
        write!(out, " cgroup {:?}", pod.cgroup).unwrap();
    }
    for Network { name, ipv4, ipv6 } in &pod.networks {
        write!(out, " network {name:?} {ipv4:?} {ipv6:?}").unwrap();
    }
    render_pairs(out, form, "annotation", &pod.annotations);
    render_manifest(out, form, &pod.manifest);
    for app in &pod.apps {
        render_app(out, form, app);
    }
}

fn render_app(out: &mut String, form: Form, app: &App) {
    let state = AppState::try_from(app.state).unwrap().as_str_name();
    let state = state.trim_start_matches("APP_STATE_");
    write!(out, "  app {:?} {state}", app.name).unwrap();
    if app.exit_code != 0 {
        write!(out, " exit code {}", app.exit_code).unwrap();
    }
    render_pairs(out, form, "annotation", &app.annotations);
    out.push_str("\n    ");
    render_image(out, form, app.image.as_ref().unwrap());
}

fn render_image(out: &mut String, form: Form, image: &Image) {
    let mut id = image.id.clone();
    if form == Form::Compact {
        id.truncate("sha512-01234567".len());
    }
    write!(out, "image {id} {:?} {:?}", image.name, image.version).unwrap();
    let ImageFormat {
        r#type: kind,
        version,
    } = image.base_format.as_ref().unwrap();
    let kind = ImageType::try_from(*kind).unwrap().as_str_name();
    let kind = kind.trim_start_matches("IMAGE_TYPE_");
    write!(out, " {kind} {version}").unwrap();
    for (name, value) in [("imported", image.import_timestamp), ("size", image.size)] {
        if value != 0 {
            write!(out, " {name} {value}").unwrap();
        }
    }
    render_pairs(out, form, "label", &image.labels);
    render_pairs(out, form, "annotation", &image.annotations);
    render_manifest(out, form, &image.manifest);
}

fn render_pairs(out: &mut String, form: Form, what: &str, pairs: &[KeyValue]) {
    if form == Form::Compact {
        if !pairs.is_empty() {
            write!(out, " {what}s {}", pairs.len()).unwrap();
        }
        return;
    }
    for KeyValue { key, value } in pairs {
        write!(out, " {what} {key:?}={value:?}").unwrap();
    }
}

fn render_manifest(out: &mut String, form: Form, manifest: &[u8]) {
    match (manifest, form) {
        ([], _) => {}
        (manifest, Form::Whole) => {
            write!(out, "\n    manifest {}", String::from_utf8_lossy(manifest)).unwrap();
        }
        (manifest, _) => write!(out, " manifest of {} bytes", manifest.len()).unwrap(),
    }
    out.push('\n');
}
