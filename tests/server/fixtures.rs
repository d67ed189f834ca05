//! The example hosts in `fixtures/hosts/`: what the server says of them, in both dialects, and
//! that they leave nothing unsaid that a server can say.

mod coverage;

use std::{collections::BTreeSet, fs, path::Path};

use insta::assert_snapshot;
use pretty_assertions::assert_eq;
use rkt_api::{
    api::{Image, ImageFormat, ImageType},
    server::Dialect,
};
use rkt_sim::spec::{HostSpec, Pod};
use tokio::sync::OnceCell;

use crate::{
    answers::{Answers, Form},
    facts::{self, expected::fixes_cgroup},
    hosts::TempHost,
    support::Server,
};
use coverage::Coverage;

/// The example hosts, with how much of the documented answers snapshots hold.
const FIXTURES: [(&str, Form); 7] = [
    ("build-box", Form::Compact),
    ("empty", Form::Whole),
    ("every-state", Form::Whole),
    ("hostile", Form::Brief),
    ("kubernetes-node", Form::Compact),
    ("logs", Form::Brief),
    ("tiny", Form::Whole),
];

/// Other flags than the defaults, all that GetInfo repeats.
const FLAGS: [&str; 13] = [
    "--dialect",
    "rkt-1.30",
    "--rkt-version",
    "1.31.0",
    "--system-config",
    "/opt/rkt/system",
    "--local-config",
    "/opt/rkt/local",
    "--user-config",
    "/opt/rkt/user",
    "--insecure-options",
    "image,tls",
    "--trust-keys-from-https",
];

/// An example host and what is said of it.
struct Served {
    name: &'static str,
    form: Form,
    /// As documented, by a server with the default flags.
    documented: Answers,
    /// As rkt 1.30.0 had it, by a server with [`FLAGS`].
    rkt: Answers,
}

/// The description of an example host.
pub fn spec(name: &str) -> HostSpec {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hosts");
    let text = fs::read_to_string(dir.join(format!("{name}.json"))).unwrap();
    HostSpec::from_json(&text).unwrap()
}

/// All example hosts, each asked once for everything.
async fn served() -> &'static [Served] {
    static SERVED: OnceCell<Vec<Served>> = OnceCell::const_new();
    let serve_all = async || {
        let mut served = Vec::new();
        for (name, form) in FIXTURES {
            served.push(serve(name, form).await);
        }
        served
    };
    SERVED.get_or_init(serve_all).await
}

async fn serve(name: &'static str, form: Form) -> Served {
    let spec = spec(name);
    let host = TempHost::create();
    host.write(&spec).unwrap();
    let _holds = host.hold_locked(&spec).unwrap();
    let gather = async |args: &[&str], dialect| {
        let server = Server::start(host.dir(), args);
        let mut client = server.client().await;
        let of_processes = cgroups_of_processes(&spec);
        let mut answers = Answers::gather(&mut client, dialect, of_processes).await;
        let flags = answers.info.global_flags.as_mut().unwrap();
        assert_eq!(Some(flags.dir.as_str()), host.dir().to_str());
        flags.dir = "[dir]".to_owned();
        answers
    };
    Served {
        name,
        form,
        documented: gather(&[], Dialect::Documented).await,
        rkt: gather(&FLAGS, Dialect::Rkt130).await,
    }
}

/// The running pods whose cgroup is looked up in `/proc`: they have none noted, or the note
/// cannot be read.
fn cgroups_of_processes(spec: &HostSpec) -> BTreeSet<String> {
    let is_broken = |pod: &Pod| {
        let mut faults = spec.faults.iter();
        faults.any(|fault| fault.pod == Some(pod.id) && fault.kind.name().starts_with("subcgroup/"))
    };
    let pods = spec.pods.iter();
    pods.filter(|pod| !fixes_cgroup(pod) || is_broken(pod))
        .map(|pod| pod.id.to_string())
        .collect()
}

#[tokio::test]
async fn snapshots() {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hosts"));
    assert_eq!(files.unwrap().count(), FIXTURES.len());
    for served in served().await {
        let Served {
            name,
            form,
            documented,
            rkt,
        } = served;
        let info = |answers: &Answers| format!("{:#?}\n", answers.info);
        let mut text = info(documented);
        text += &documented.render_pods(*form);
        text += &documented.render_images(*form);
        assert_snapshot!(format!("{name}.documented"), text);

        // Manifests are bytes of files, whatever the dialect.
        let form = match form {
            Form::Whole => Form::Brief,
            form => *form,
        };
        let text = info(rkt) + &rkt.render_pods(form);
        assert_snapshot!(format!("{name}.rkt-1.30"), text);
        // IM-4: in images it is the original format alone that differs.
        let expected: Vec<_> = documented.images.iter().map(as_appc).collect();
        assert_eq!(rkt.images, expected, "{name}");
    }
}

/// An image as rkt 1.30.0 would show it.
fn as_appc(image: &Image) -> Image {
    Image {
        base_format: Some(ImageFormat {
            r#type: ImageType::Appc.into(),
            version: "0.8.11".to_owned(),
        }),
        ..image.clone()
    }
}

/// What the API has names for and no server that reads rkt's store can say.
const NEVER_SAID: [(&str, &str); 2] = [
    (
        "v1alpha.IMAGE_TYPE_OCI",
        "IM-4: the store has no mark of it",
    ),
    (
        "v1alpha.IMAGE_TYPE_UNDEFINED",
        "IM-4: every image has a format",
    ),
];

/// Every field of the messages of unary calls is somewhere set, and every state and type is
/// somewhere said.
#[tokio::test]
async fn nothing_is_left_unsaid() {
    let mut coverage = Coverage::of_unary_calls();
    for served in served().await {
        for (name, message) in served
            .documented
            .messages
            .iter()
            .chain(&served.rkt.messages)
        {
            coverage.see(name, message);
        }
    }
    assert_eq!(coverage.unseen(), NEVER_SAID.map(|(name, _)| name));
}

/// The facts of example hosts are those of their descriptions.
#[tokio::test]
async fn facts() {
    for (name, _) in FIXTURES {
        let mut spec = spec(name);
        // What breaks changes the facts: the snapshots say how.
        spec.faults.clear();
        facts::check(&spec)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
