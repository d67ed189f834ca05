//! Pods and clients that do harm (S-14): names that lead elsewhere, and far too much of
//! everything.

use std::{fs, net::TcpStream, path::Path, process::Command, time::Duration};

use pretty_assertions::assert_eq;
use rkt_api::{
    api::{InspectImageRequest, InspectPodRequest, ListPodsRequest, Pod as PodMessage},
    layout::pod as names,
};
use rkt_sim::spec::{Phase, Pod};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::{
    hosts::{self, TempHost},
    support::{Client, PROGRAM, Server, at_once, command},
};

async fn inspect(client: &mut Client, pod: &Pod) -> Result<PodMessage, Status> {
    let id = pod.id.to_string();
    let answer = client.inspect_pod(InspectPodRequest { id });
    let answer = at_once("InspectPod", answer).await?;
    Ok(answer.into_inner().pod.unwrap())
}

async fn list(client: &mut Client) -> Vec<PodMessage> {
    let request = ListPodsRequest {
        detail: true,
        filters: vec![],
    };
    let answer = at_once("ListPods", client.list_pods(request)).await;
    answer.unwrap().into_inner().pods
}

fn write_manifest(dir: &Path, apps: &[Value]) {
    let manifest = json!({"acKind": "PodManifest", "acVersion": "1.30.0", "apps": apps});
    fs::write(dir.join(names::MANIFEST), manifest.to_string()).unwrap();
}

/// Apps named after files elsewhere, which would do as manifests and status files; and a tree
/// store id that leads to them.
#[tokio::test]
async fn names_that_lead_elsewhere() {
    let host = TempHost::create();
    let exited = hosts::pod(1, Phase::Run);
    let on_overlayfs = Pod {
        overlay: true,
        ..hosts::pod(2, Phase::Run)
    };
    let other = hosts::pod(3, Phase::Run);
    for pod in [&exited, &on_overlayfs, &other] {
        host.write_pod(pod).unwrap();
    }
    let other_dir = host.pod_dir(&other);
    let app_elsewhere = other_dir.join("appsinfo/web");
    let status_elsewhere = other_dir.join("stage1/rootfs/rkt/status/web");
    let apps = [
        format!("../../{}/appsinfo/web", other.id),
        format!("../../../../{}/stage1/rootfs/rkt/status/web", other.id),
        app_elsewhere.display().to_string(),
        status_elsewhere.display().to_string(),
        "web/../web".to_owned(),
        "./web".to_owned(),
        "web/".to_owned(),
        "web//".to_owned(),
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "we\0b".to_owned(),
        "w".repeat(300),
        "w/".repeat(3000),
    ];
    let named: Vec<_> = apps.iter().map(|name| json!({"name": name})).collect();
    for pod in [&exited, &on_overlayfs] {
        write_manifest(&host.pod_dir(pod), &named);
    }
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    let tree_ids = [
        "..",
        "../../x/upper/..",
        "/",
        "a/../..",
        &"t".repeat(300),
        "a\0b",
    ];
    let to_other = format!("../../{}/stage1", other.id);
    for tree_id in tree_ids.into_iter().chain([&*to_other]) {
        let tree_store_id = host
            .pod_dir(&on_overlayfs)
            .join(names::STAGE1_TREE_STORE_ID);
        fs::write(tree_store_id, tree_id).unwrap();
        for pod in [&exited, &on_overlayfs] {
            let answer = inspect(&mut client, pod).await.unwrap();
            let shown: Vec<_> = answer.apps.iter().map(|app| &app.name).collect();
            assert_eq!(shown, apps.iter().collect::<Vec<_>>(), "{tree_id}");
            for app in &answer.apps {
                let image = app.image.as_ref().unwrap();
                assert_eq!((&*image.name, app.exit_code), ("", 0), "{:?}", app.name);
            }
        }
        // Neither does the other pod change.
        let sound = inspect(&mut client, &other).await.unwrap();
        assert_eq!(sound.apps[0].exit_code, 37);
        assert_eq!(
            sound.apps[0].image.as_ref().unwrap().name,
            "example.com/web"
        );
    }
}

/// As many apps as a manifest can name, nothing of which is there; and as many with one image,
/// whose manifest is as large as can be.
#[tokio::test]
async fn too_many_apps() {
    let host = TempHost::create();
    let [missing, large, sound] = [1, 2, 3].map(|number| hosts::pod(number, Phase::Run));
    for pod in [&missing, &large, &sound] {
        host.write_pod(pod).unwrap();
    }
    let apps: Vec<_> = (0..50_000)
        .map(|number| json!({"name": format!("{number:x}")}))
        .collect();
    write_manifest(&host.pod_dir(&missing), &apps);
    write_manifest(&host.pod_dir(&large), &vec![json!({"name": "web"}); 10_000]);
    let mut image = br#"{"acKind":"ImageManifest","name":"example.com/large"}"#.to_vec();
    image.resize(4 << 20, b' ');
    fs::write(host.pod_dir(&large).join("appsinfo/web/manifest"), image).unwrap();

    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    let answer = inspect(&mut client, &missing).await.unwrap();
    assert_eq!(answer.apps.len(), 50_000);
    let answer = inspect(&mut client, &large).await.unwrap();
    assert_eq!(answer.apps.len(), 10_000);
    let named = |app: &&rkt_api::api::App| !app.image.as_ref().unwrap().name.is_empty();
    assert_eq!(answer.apps.iter().filter(named).count(), 4);
    let pods = list(&mut client).await;
    assert_eq!(pods.len(), 3);
    assert_eq!(pods[2].apps.len(), 2);
    assert_eq!(inspect(&mut client, &sound).await.unwrap().apps.len(), 2);
    drop(client);
    let log = server.end().await;
    assert!(log.lines().count() < 300, "{} lines", log.lines().count());
}

/// What parsers and answers quote is cut: neither the log nor the message of an error grows
/// with it.
#[tokio::test]
async fn messages_that_would_be_too_long() {
    let host = TempHost::create();
    let pod = hosts::pod(1, Phase::Run);
    host.write_pod(&pod).unwrap();
    let long = "x".repeat(1 << 20);
    let manifest = json!({"acKind": long, "apps": []});
    fs::write(
        host.pod_dir(&pod).join(names::MANIFEST),
        manifest.to_string(),
    )
    .unwrap();
    let web = host.pod_dir(&pod).join("appsinfo/web/manifest");
    fs::write(
        web,
        json!({"acKind": "ImageManifest", "labels": long}).to_string(),
    )
    .unwrap();

    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    inspect(&mut client, &pod).await.unwrap();
    for text in ["z", "\u{1f980}", "\n", "\0"] {
        let id = text.repeat(500_000);
        let request = InspectPodRequest { id: id.clone() };
        let error = client.inspect_pod(request).await.unwrap_err();
        assert_eq!(
            error.code(),
            Code::InvalidArgument,
            "{text:?}: {error:.200}"
        );
        let request = InspectImageRequest { id };
        let error = client.inspect_image(request).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound, "{text:?}: {error:.200}");
    }
    drop(client);
    let log = server.end().await;
    assert!(log.len() < 10_000, "{}", log.len());
}

/// Where the server has no descriptors left, it says that it cannot answer: never does it take
/// a file that it cannot open for one that is not there.
#[tokio::test]
async fn too_many_connections() {
    let host = TempHost::create();
    let pod = hosts::pod(1, Phase::Run);
    host.write_pod(&pod).unwrap();
    let server = command(host.dir(), &[]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 40; exec \"$@\"", "sh", PROGRAM]);
    limited.args(server.get_args()).env_remove("RUST_LOG");
    let server = Server::listen(limited);
    let mut client = server.client().await;
    let sound = inspect(&mut client, &pod).await.unwrap();

    let address = &server.addresses()[0];
    let mut connections = vec![];
    let (mut answers, mut errors) = (0, 0);
    for _ in 0..40 {
        connections.push(TcpStream::connect(address).unwrap());
        match inspect(&mut client, &pod).await {
            Ok(answer) => {
                assert_eq!(answer, sound, "with {} connections", connections.len());
                answers += 1;
            }
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status}");
                errors += 1;
            }
        }
    }
    assert!(
        answers > 0 && errors > 0,
        "{answers} answers, {errors} errors"
    );

    drop(connections);
    let again = async {
        while inspect(&mut client, &pod).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(inspect(&mut client, &pod).await.unwrap(), sound);
    };
    at_once("once there are descriptors again", again).await;
}
