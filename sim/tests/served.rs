//! A host that the commands write and hold answers like one that the library writes and
//! holds: what is said of the library's is tested with the server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod serving;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use rkt_api::{
    api::{
        Image, InspectImageRequest, InspectPodRequest, ListImagesRequest, ListPodsRequest, Pod,
        PodState,
    },
    server::Dialect,
};
use rkt_sim::{host::Host, spec::HostSpec};
use serving::Serving;

const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/hosts/tiny.json");

/// `rkt-sim hold`, ended when dropped.
struct Holding {
    process: Child,
    out: BufReader<ChildStdout>,
}

impl Holding {
    fn start(dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rkt-sim"));
        command.arg("hold").arg(dir).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        Self { process, out }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        // It is there unless the test has failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Everything that is said of the host's pods and images, less when pods were marked: the
/// change time of a directory is the moment when it was written.
async fn answers(dir: &Path, dialect: Dialect) -> (Vec<Pod>, Vec<Image>) {
    let mut serving = Serving::start(dir, dialect).await;
    let client = &mut serving.client;
    let (mut pods, mut images) = (Vec::new(), Vec::new());
    for detail in [false, true] {
        let filters = Vec::new();
        let answer = client.list_pods(ListPodsRequest { filters, detail }).await;
        pods.extend(answer.unwrap().into_inner().pods);
        let filters = Vec::new();
        let request = ListImagesRequest { filters, detail };
        let answer = client.list_images(request).await;
        images.extend(answer.unwrap().into_inner().images);
    }
    for id in pods.iter().map(|pod| pod.id.clone()).collect::<Vec<_>>() {
        let answer = client.inspect_pod(InspectPodRequest { id }).await;
        pods.push(answer.unwrap().into_inner().pod.unwrap());
    }
    for id in images.iter().map(|i| i.id.clone()).collect::<Vec<_>>() {
        let answer = client.inspect_image(InspectImageRequest { id }).await;
        images.push(answer.unwrap().into_inner().image.unwrap());
    }
    pods.iter_mut().for_each(|pod| pod.gc_marked_at = 0);
    serving.end().await;
    (pods, images)
}

#[tokio::test]
async fn the_commands_hosts_answer_like_the_librarys() {
    let tmp = tempfile::tempdir().unwrap();
    let by_commands = tmp.path().join("by-commands");
    let mut generate = Command::new(env!("CARGO_BIN_EXE_rkt-sim"));
    generate.args(["generate", "--spec", SPEC, "--out"]);
    let generated = generate.arg(&by_commands).output().unwrap();
    assert!(generated.status.success(), "{generated:?}");
    let mut holding = Holding::start(&by_commands);
    let mut said = String::new();
    holding.out.read_line(&mut said).unwrap();
    assert_eq!(said, "holding 1 locks\n");

    let spec = HostSpec::from_json(&fs::read_to_string(SPEC).unwrap()).unwrap();
    let host = Host::create(tmp.path().join("by-library")).unwrap();
    host.write(&spec).unwrap();
    let _holds = host.hold_locked(&spec).unwrap();

    for dialect in [Dialect::Documented, Dialect::Rkt130] {
        let ours = answers(&by_commands, dialect).await;
        assert_eq!(ours, answers(host.dir(), dialect).await);
        let (pods, images) = ours;
        assert!(pods.iter().any(|pod| pod.state() == PodState::Running));
        assert!(!images.is_empty());
    }
}
