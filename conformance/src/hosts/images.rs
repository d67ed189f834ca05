//! A host for the fields of images: whatever they depend on, one thing at a time. Each image
//! has a label, by which cases name it.

use rkt_sim::spec::{Dependency, HostSpec, Image, Remote, SET_UP_AT_S};

use super::{
    HostDef,
    parts::{docker, pair, pairs},
};

/// Images with everything that their fields depend on.
pub static IMAGES: HostDef = HostDef {
    name: "images",
    about: "an image for whatever an image's fields depend on, no pods",
    spec: || HostSpec {
        images: images().into_iter().map(|(_, image)| image).collect(),
        ..HostSpec::default()
    },
};

/// The images with their labels, in the order in which they were imported.
pub(crate) fn images() -> Vec<(&'static str, Image)> {
    let mut images: Vec<(&str, Image)> = VARIATIONS
        .iter()
        .enumerate()
        .map(|(number, (label, vary))| {
            let mut image = Image::new(format!("example.com/{label}"), "1.2.3");
            // Two of a second each, so that some are neighbours in time and some of one age.
            image.imported_at_s = SET_UP_AT_S + i64::try_from(number / 2).unwrap_or(0);
            image.annotations = pairs(&[("team", "blue")]);
            vary(&mut image);
            (*label, image)
        })
        .collect();
    images.sort_by_key(|(_, image)| image.imported_at_s);
    images
}

type Variation = (&'static str, fn(&mut Image));

static VARIATIONS: &[Variation] = &[
    ("plain", |_| {}),
    ("name-without-slash", |image| image.name = "etcd".to_owned()),
    ("name-deep", |image| {
        image.name = "a.example/b/c-d/e.f/etcd".to_owned()
    }),
    ("no-labels", |image| image.labels.clear()),
    ("no-version", |image| {
        image.labels.retain(|(name, _)| name != "version")
    }),
    ("version-empty", |image| {
        if let Some((_, version)) = image.labels.first_mut() {
            version.clear();
        }
    }),
    ("version-last", |image| image.labels.reverse()),
    ("no-version-latest", |image| {
        image.labels.retain(|(name, _)| name != "version");
        image.latest = true;
    }),
    ("labels-many", |image| {
        let many = (0..40).map(|n| pair(&format!("label-{n}"), &format!("{}", n * n)));
        image.labels.extend(many);
    }),
    ("no-annotations", |image| image.annotations.clear()),
    ("annotations-twice", |image| {
        image.annotations = pairs(&[
            ("team", "red"),
            ("team", "blue"),
            ("team", "red"),
            ("a", ""),
        ]);
    }),
    ("annotations-to-escape", |image| {
        image.annotations = pairs(&[("note", "<a & \"b\"> \\ é \u{2028} \n")]);
    }),
    ("docker-v1", |image| {
        image.annotations = docker("library/one", "4e8db158f18dc713").annotations;
    }),
    ("docker-v2", |image| {
        image.annotations = docker("library/two", "sha256:4e8db158f18dc713").annotations;
    }),
    ("docker-without-id", |image| {
        image.annotations = pairs(&[("appc.io/docker/repository", "library/none")]);
    }),
    ("docker-other-id", |image| {
        // That the value looks like one of the second version is not enough.
        image.annotations = pairs(&[("appc.io/docker/parentimageid", "sha256:4e8db158f18dc713")]);
    }),
    ("almost-docker", |image| {
        image.annotations = pairs(&[("appc.io/dockerized", "sha256:4e8db158f18dc713")]);
    }),
    ("size", |image| image.size_bytes = Some(44_511_232)),
    ("size-zero", |image| image.size_bytes = Some(0)),
    ("size-with-tree", |image| {
        image.size_bytes = Some(44_511_232);
        image.tree_store_size_bytes = 121_634_816;
    }),
    ("size-beyond-32-bits", |image| {
        image.size_bytes = Some(5_000_000_000);
        image.tree_store_size_bytes = 6_000_000_000;
    }),
    ("no-app", |image| image.exec.clear()),
    ("dependencies", |image| {
        image.dependencies = vec![Dependency {
            image: Image::new("example.com/plain", "1.2.3"),
            by_id: false,
            size_bytes: Some(7),
        }];
    }),
    ("fetched", |image| {
        image.remotes = vec![Remote {
            aci_url: "https://example.com/fetched.aci".to_owned(),
            sig_url: "https://example.com/fetched.aci.asc".to_owned(),
            etag: "\"1\"".to_owned(),
            cache_max_age_s: 600,
            downloaded_at_s: SET_UP_AT_S + 7,
        }];
    }),
    ("imported-first", |image| image.imported_at_s = 1),
    ("imported-late", |image| image.imported_at_s = 4_102_444_800),
];
