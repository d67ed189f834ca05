//! The hosts that servers are measured on.

use std::path::Path;

use rkt_sim::{
    host::Host,
    spec::{App, Image, Network, Phase, Pod, Process, Started},
};
use uuid::Uuid;

/// Writes a host with so many pods and images to this directory, which is made.
pub fn write(dir: &Path, pods: u32, images: u32) -> Host {
    let host = Host::create(dir).expect("a host");
    for number in 0..pods {
        host.write_pod(&pod(number)).expect("a pod");
    }
    let images: Vec<Image> = (0..images).map(image).collect();
    host.write_images(&images).expect("images");
    host
}

/// Ids that are spread over the whole range, the same in every run.
pub fn id(number: u32) -> Uuid {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    Uuid::from_u128(u128::from(number + 1).wrapping_mul(ODD))
}

/// A pod that has exited, with two apps in one network, prepared for overlayfs: what most of
/// the pods on a host are that collects them once an hour.
fn pod(number: u32) -> Pod {
    let mut web = App::new("web", Image::new("example.com/web", "1.2.3"));
    web.exit_code = Some(0);
    let mut log = App::new("log", Image::new("example.com/fluentd", "0.14.5"));
    log.exit_code = Some(137);
    let mut pod = Pod::new(id(number), Phase::Run);
    pod.apps = vec![web, log];
    pod.annotations
        .push(("number".to_owned(), number.to_string()));
    pod.overlay = true;
    pod.started = Some(Started {
        process: Process::Pid(4242),
        at_ns: pod.created_at_ns + 1_000_000_000,
    });
    pod.subcgroup = Some("machine.slice/machine-rkt.scope".to_owned());
    let [.., a, b] = number.to_be_bytes();
    pod.networks = Some(vec![Network::new("default", [172, 16, a, b])]);
    pod
}

fn image(number: u32) -> Image {
    Image::new(
        format!("example.com/team-{}/app-{number}", number % 17),
        "1.2.3",
    )
}
