//! A plain evaluation of pod and image filters: what a server must answer, given what it says
//! of every pod and image. Written to be read beside the contract, not to be fast.

use rkt_api::api::{Image, ImageFilter, KeyValue, Pod, PodFilter};

/// What conditions on pods look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// The pod's id.
    pub id: String,
    /// The number of its state.
    pub state: i32,
    /// The names of its apps.
    pub app_names: Vec<String>,
    /// The ids of its apps' images.
    pub image_ids: Vec<String>,
    /// The names of its networks.
    pub network_names: Vec<String>,
    /// Its annotations.
    pub annotations: Vec<KeyValue>,
    /// Its cgroup; empty where it has none.
    pub cgroup: String,
}

impl From<&Pod> for PodFacts {
    /// `pod` has to come with detail.
    fn from(pod: &Pod) -> Self {
        let images = pod.apps.iter().filter_map(|app| app.image.as_ref());
        Self {
            id: pod.id.clone(),
            state: pod.state,
            app_names: pod.apps.iter().map(|app| app.name.clone()).collect(),
            image_ids: images.map(|image| image.id.clone()).collect(),
            network_names: pod.networks.iter().map(|net| net.name.clone()).collect(),
            annotations: pod.annotations.clone(),
            cgroup: pod.cgroup.clone(),
        }
    }
}

/// What conditions on images look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// The image's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version, which no condition looks at, to be tried where it must not fit.
    pub version: String,
    /// Its labels.
    pub labels: Vec<KeyValue>,
    /// Its annotations.
    pub annotations: Vec<KeyValue>,
    /// When it was imported, in seconds.
    pub imported_s: i64,
}

impl From<&Image> for ImageFacts {
    fn from(image: &Image) -> Self {
        Self {
            id: image.id.clone(),
            name: image.name.clone(),
            version: image.version.clone(),
            labels: image.labels.clone(),
            annotations: image.annotations.clone(),
            imported_s: image.import_timestamp,
        }
    }
}

/// Whether a pod meets all conditions of a filter (F-P1 to F-P8).
pub fn pod_meets(filter: &PodFilter, pod: &PodFacts) -> bool {
    let PodFilter {
        ids,
        states,
        app_names,
        image_ids,
        network_names,
        annotations,
        cgroups,
        pod_sub_cgroups,
    } = filter;
    let is_below = |cgroup: &String| !pod.cgroup.is_empty() && cgroup.starts_with(&pod.cgroup);
    any(ids, |id| *id == pod.id)
        && any(states, |state| *state == pod.state)
        && app_names.iter().all(|name| pod.app_names.contains(name))
        && image_ids.iter().all(|id| pod.image_ids.contains(id))
        && network_names
            .iter()
            .all(|name| pod.network_names.contains(name))
        && annotations
            .iter()
            .all(|pair| pod.annotations.contains(pair))
        && any(cgroups, |cgroup| *cgroup == pod.cgroup)
        && any(pod_sub_cgroups, is_below)
}

/// Whether an image meets all conditions of a filter (F-I1 to F-I6).
pub fn image_meets(filter: &ImageFilter, image: &ImageFacts) -> bool {
    let ImageFilter {
        ids,
        prefixes,
        base_names,
        keywords,
        labels,
        imported_after,
        imported_before,
        annotations,
        full_names,
    } = filter;
    any(ids, |id| *id == image.id)
        && any(full_names, |name| *name == image.name)
        && any(prefixes, |prefix| image.name.starts_with(prefix))
        && any(base_names, |name| name == base_name(&image.name))
        && any(keywords, |keyword| image.name.contains(keyword))
        && labels.iter().all(|pair| image.labels.contains(pair))
        && annotations
            .iter()
            .all(|pair| image.annotations.contains(pair))
        && (*imported_after <= 0 || image.imported_s > *imported_after)
        && (*imported_before <= 0 || image.imported_s < *imported_before)
}

/// The last element of an image's name.
pub fn base_name(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, base)| base)
}

/// Whether one of `values` fits; a list without values is no condition.
fn any<T>(values: &[T], fits: impl Fn(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
        let pair = |(key, value): &(&str, &str)| KeyValue {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn conditions_on_pods() {
        let pod = PodFacts {
            id: "p".to_owned(),
            state: 4,
            app_names: strings(&["a", "b"]),
            image_ids: strings(&["i"]),
            network_names: strings(&["n", "m"]),
            annotations: pairs(&[("k", "1"), ("k", "2")]),
            cgroup: "/c".to_owned(),
        };
        let check = |condition: fn(&mut PodFilter, Vec<String>), values: &[&str], meets| {
            let mut filter = PodFilter::default();
            condition(&mut filter, strings(values));
            assert_eq!(pod_meets(&filter, &pod), meets, "{filter:?}");
        };
        check(|_, _| {}, &[], true);
        check(|f, v| f.ids = v, &["x", "p"], true);
        check(|f, v| f.ids = v, &["x", "P"], false);
        check(|f, v| f.app_names = v, &["b", "a", "a"], true);
        check(|f, v| f.app_names = v, &["a", "c"], false);
        check(|f, v| f.image_ids = v, &["i"], true);
        check(|f, v| f.image_ids = v, &["i", ""], false);
        check(|f, v| f.network_names = v, &["m"], true);
        check(|f, v| f.network_names = v, &["m", "o"], false);
        check(|f, v| f.cgroups = v, &["/d", "/c"], true);
        check(|f, v| f.cgroups = v, &["/c/d", "/"], false);
        check(|f, v| f.pod_sub_cgroups = v, &["/d", "/c/d"], true);
        check(|f, v| f.pod_sub_cgroups = v, &["/cd"], true);
        check(|f, v| f.pod_sub_cgroups = v, &["/", ""], false);
        check(|f, _| f.states = vec![1, 4], &[], true);
        check(|f, _| f.states = vec![4711], &[], false);
        check(|f, _| f.annotations = pairs(&[("k", "2")]), &[], true);
        check(|f, _| f.annotations = pairs(&[("k", "3")]), &[], false);

        let bare = PodFacts::default();
        let below = PodFilter {
            pod_sub_cgroups: strings(&["", "/c"]),
            ..PodFilter::default()
        };
        assert!(!pod_meets(&below, &bare));
    }

    #[test]
    fn conditions_on_images() {
        let image = ImageFacts {
            id: "i".to_owned(),
            name: "k8s.io/etcd".to_owned(),
            version: "3".to_owned(),
            labels: pairs(&[("os", "linux")]),
            annotations: pairs(&[("k", "v")]),
            imported_s: 10,
        };
        let check = |condition: fn(&mut ImageFilter, Vec<String>), values: &[&str], meets| {
            let mut filter = ImageFilter::default();
            condition(&mut filter, strings(values));
            assert_eq!(image_meets(&filter, &image), meets, "{filter:?}");
        };
        check(|_, _| {}, &[], true);
        check(|f, v| f.ids = v, &["i", "j"], true);
        check(|f, v| f.ids = v, &["I"], false);
        check(|f, v| f.full_names = v, &["k8s.io/etcd"], true);
        check(|f, v| f.full_names = v, &["etcd", "k8s.io/etcd:3"], false);
        check(|f, v| f.prefixes = v, &["x", "k8s."], true);
        check(|f, v| f.prefixes = v, &[""], true);
        check(|f, v| f.prefixes = v, &["etcd"], false);
        check(|f, v| f.base_names = v, &["etcd"], true);
        check(|f, v| f.base_names = v, &["k8s.io/etcd", "etc", ""], false);
        check(|f, v| f.keywords = v, &["io/e"], true);
        check(|f, v| f.keywords = v, &["3"], false);
        check(|f, _| f.labels = pairs(&[("os", "linux")]), &[], true);
        check(|f, _| f.labels = pairs(&[("os", "Linux")]), &[], false);
        check(|f, _| f.annotations = pairs(&[("k", "v")]), &[], true);
        check(|f, _| f.annotations = pairs(&[("", "v")]), &[], false);
        check(|f, _| f.imported_after = 9, &[], true);
        check(|f, _| f.imported_after = 10, &[], false);
        check(|f, _| f.imported_before = 11, &[], true);
        check(|f, _| f.imported_before = 10, &[], false);
        check(|f, _| f.imported_before = -1, &[], true);
    }
}
