//! A host that has something for every condition to pick and to miss: pods in all states, two
//! and more alike in everything that filters look at, and images that are alike in some fields.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
};

use rkt_api::layout::Phase;
use rkt_sim::{
    host::{Hold, Host},
    spec::{App, Image, Network, Pod, Process, SET_UP_AT_S, Started},
};
use tempfile::TempDir;
use uuid::Uuid;

/// The host on disk. Its locks are held until it is dropped.
pub struct Example {
    pub host: Host,
    _holds: Vec<Hold>,
    _tmp: TempDir,
}

impl Example {
    pub fn write() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let host = Host::create(tmp.path().join("rkt")).unwrap();
        host.write_images(&images()).unwrap();
        let mut holds = Vec::new();
        for pod in pods() {
            host.write_pod(&pod).unwrap();
            if pod.locked {
                holds.push(host.hold(&pod).unwrap());
            }
        }
        Self {
            host,
            _holds: holds,
            _tmp: tmp,
        }
    }

    pub fn dir(&self) -> &Path {
        self.host.dir()
    }
}

/// A pod whose id begins like those of its kin, and has letters in it.
pub fn pod(number: u128, phase: Phase, locked: bool) -> Pod {
    let id = Uuid::from_u128(0xa0c3_0000_1111_4222_8333_4444_5555_0000 + (number << 96) + number);
    Pod {
        locked,
        ..Pod::new(id, phase)
    }
}

fn pods() -> Vec<Pod> {
    let with_manifest = |pod: Pod| Pod {
        manifest: Some(true),
        ..pod
    };
    vec![
        pod(0x01, Phase::Embryo, false),
        pod(0x02, Phase::Prepare, true),
        with_manifest(has_run(0x03, Phase::Prepare, true)),
        pod(0x04, Phase::Prepare, false),
        Pod {
            started: None,
            ..has_run(0x05, Phase::Prepared, false)
        },
        has_run(0x11, Phase::Run, true),
        has_run(0x12, Phase::Run, true),
        Pod {
            networks: None,
            ..has_run(0x13, Phase::Run, true)
        },
        has_run(0x21, Phase::Run, false),
        has_run(0x22, Phase::ExitedGarbage, true),
        has_run(0x23, Phase::ExitedGarbage, false),
        pod(0x24, Phase::Garbage, true),
        pod(0x25, Phase::Garbage, false),
    ]
}

/// A pod with everything, as far as its phase has it. Neighbours share an app, an image, a
/// network and an annotation, and their cgroups begin alike.
fn has_run(number: u128, phase: Phase, locked: bool) -> Pod {
    let mut pod = pod(number, phase, locked);
    let last = u8::try_from(number).unwrap();
    let mut web = App::new("web", Image::new("example.com/web", "1.2"));
    web.annotations = vec![pair("tier", "front")];
    web.exit_code = (phase != Phase::Run || !locked).then_some(i32::from(last));
    let mut own = App::new(format!("own-{number:x}"), docker());
    own.image_id = Some(format!("sha512-{number:064x}"));
    own.exit_code = Some(-1);
    pod.apps = vec![web, own];
    pod.annotations.extend([
        pair("team", "blue"),
        pair("number", &number.to_string()),
        pair("team", "blue"),
    ]);
    pod.created_at_ns += i64::from(last) * 1_000_000_007;
    pod.started = Some(Started {
        process: match number % 2 {
            0 => Process::Pid(30_000 + i32::from(last)),
            _ => Process::Ppid(40_000 + i32::from(last)),
        },
        at_ns: (SET_UP_AT_S + 86_400) * 1_000_000_000 + i64::from(last),
    });
    pod.subcgroup = Some(format!("machine.slice/machine-rkt\\x2d{number:x}.scope"));
    pod.networks = Some(vec![
        Network::new("default", Ipv4Addr::new(172, 16, 28, last)),
        Network::new(
            format!("net-{number:x}"),
            Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last.into()),
        ),
    ]);
    pod
}

fn docker() -> Image {
    let mut image = Image::new("registry-1.docker.io/library/own", "latest");
    image.annotations = vec![
        pair("appc.io/docker/repository", "library/own"),
        pair("appc.io/docker/imageid", "sha256:0123"),
    ];
    image
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Images that are alike in some fields and differ in others. The ids of the first two begin
/// alike.
fn images() -> Vec<Image> {
    let etcd = |domain: &str| Image {
        labels: vec![pair("version", "3.1"), pair("os", "linux")],
        annotations: vec![pair("team", "blue")],
        ..image(&format!("{domain}/etcd"))
    };
    let first = etcd("coreos.com");
    let first_digits = digits(&first);
    let second = |number: u32| Image {
        exec: vec![format!("/etcd-{number}")],
        ..etcd("k8s.io")
    };
    let second = (0..).map(second).find(|i| digits(i) == first_digits);
    vec![
        first,
        second.unwrap(),
        Image {
            labels: vec![pair("os", "linux")],
            annotations: vec![pair("team", "red")],
            ..image("k8s.io/etcd-backup")
        },
        Image {
            labels: vec![pair("version", "1"), pair("os", "linux")],
            annotations: vec![
                pair("appc.io/docker/imageid", "sha256:ab"),
                pair("team", "blue"),
            ],
            ..image("docker.io/library/web")
        },
        image("web"),
    ]
}

/// An image without labels and annotations, imported some seconds after those with shorter
/// names: two are of the same second.
fn image(name: &str) -> Image {
    Image {
        labels: Vec::new(),
        imported_at_s: SET_UP_AT_S + i64::try_from(name.len() / 4).unwrap(),
        ..Image::new(name, "")
    }
}

/// The shortest beginning of an image's id that names it.
fn digits(image: &Image) -> String {
    image.blob_key().unwrap()[.."sha512-00".len()].to_owned()
}
