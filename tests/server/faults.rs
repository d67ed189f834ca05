//! What is wrong on a host is logged once, whatever is called how often (P-15, S-12, IM-5).

use std::{fs, os::unix::fs::symlink};

use pretty_assertions::assert_eq;
use rkt_api::{
    api::{GetLogsRequest, InspectPodRequest, ListImagesRequest, ListPodsRequest},
    layout::{pod as names, store},
};
use rkt_sim::spec::{Image, Phase, Pod};
use rustix::process::Signal;

use crate::{
    hosts::{self, TempHost, phase_dir},
    journals::journal_dir,
    metrics::{LISTEN, scrape::Metrics},
    support::{Client, Server, warnings},
};

/// How often each call is made.
const CALLS: usize = 15;

/// How often a file is broken anew, differently each time.
const DAMAGES: usize = 40;

/// Calls for everything there is, of these pods.
async fn call_for_all(client: &mut Client, pods: &[u32]) {
    for detail in [false, true] {
        let filters = vec![];
        let request = ListPodsRequest { filters, detail };
        client.list_pods(request).await.unwrap();
    }
    for id in pods.iter().map(|number| hosts::id(*number).to_string()) {
        let request = InspectPodRequest { id: id.clone() };
        client.inspect_pod(request).await.unwrap();
        let request = GetLogsRequest {
            pod_id: id,
            ..GetLogsRequest::default()
        };
        // Of those pods that have logs.
        if let Ok(lines) = client.get_logs(request).await {
            let mut lines = lines.into_inner();
            while let Some(_lines) = lines.message().await.unwrap() {}
        }
    }
    let images = ListImagesRequest::default();
    client.list_images(images).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_is_said_once() {
    for args in [
        &[][..],
        &["--no-watch"],
        &["--dialect=rkt-1.30"],
        &["--dialect=rkt-1.30", "--no-watch"],
    ] {
        let args = &[args, &[LISTEN]].concat();
        let host = TempHost::create();
        let pods = [1, 2, 3].map(|number| Pod {
            locked: true,
            ..hosts::pod(number, Phase::Run)
        });
        let _holds = pods.each_ref().map(|pod| host.add(pod));
        let [broken, linked] = [0, 1].map(|place| host.pod_dir(&pods[place]));
        fs::write(broken.join(names::PID), "no number").unwrap();
        fs::write(broken.join(names::NET_INFO), "{").unwrap();
        fs::remove_file(linked.join(names::MANIFEST)).unwrap();
        symlink("/etc/passwd", linked.join(names::MANIFEST)).unwrap();
        let journal = journal_dir(host.dir(), Phase::Run, pods[2].id);
        fs::create_dir_all(&journal).unwrap();
        fs::write(journal.join("system@torn.journal"), "no journal").unwrap();
        let images = [
            Image::new("example.com/a", "1"),
            Image::new("example.com/b", "1"),
        ];
        host.write_images(&images).unwrap();
        let manifests = host.dir().join(store::IMAGE_MANIFESTS);
        let manifest = first_file(&manifests);
        fs::write(&manifest, "no manifest").unwrap();
        let prepared = phase_dir(host.dir(), Phase::Prepared);
        fs::write(prepared.join("notes"), "").unwrap();
        fs::create_dir(prepared.join("lost+found")).unwrap();

        let server = Server::start(host.dir(), args);
        let mut client = server.client().await;
        for round in 0..CALLS {
            call_for_all(&mut client, &[1, 2, 3]).await;
            // Everything is read anew; that makes nothing new of it.
            if round % 5 == 0 {
                server.signal(Signal::HUP);
            }
            // Nor does a change of another file.
            fs::write(broken.join("other"), round.to_string()).unwrap();
        }
        drop(client);
        let metrics = Metrics::of(&server);
        for (sample, value) in [
            ("rkt_api_pod_faults_total{cause=\"malformed\"}", 2.0),
            ("rkt_api_pod_faults_total{cause=\"not_regular\"}", 1.0),
            ("rkt_api_images_left_out{cause=\"malformed\"}", 1.0),
        ] {
            assert_eq!(metrics.value(sample), value, "{sample} {args:?}");
        }
        let warnings = warnings(&server.end().await);
        let count = |text: &str| warnings.keys().filter(|line| line.contains(text)).count();
        for text in [
            r#""file":"pid""#,
            names::NET_INFO,
            "torn.journal",
            "leaving out an image",
            "notes",
            "lost+found",
        ] {
            assert_eq!(count(text), 1, "{text} {args:?} in {warnings:#?}");
        }
        let linked = hosts::id(2).to_string();
        assert_eq!(count(&linked), 1, "{args:?} {warnings:#?}");
        for (line, times) in &warnings {
            assert_eq!(*times, 1, "{line} {args:?}");
        }
    }
}

/// The first file below `dir`.
fn first_file(dir: &std::path::Path) -> std::path::PathBuf {
    let entry = fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    match entry.is_dir() {
        true => first_file(&entry),
        false => entry,
    }
}

/// Who can write a file cannot fill the log, nor the server's memory, with what is wrong with it.
#[tokio::test]
async fn a_file_that_is_broken_again_and_again() {
    for args in [&[][..], &["--no-watch"]] {
        let host = TempHost::create();
        let pod = Pod {
            locked: true,
            ..hosts::pod(1, Phase::Run)
        };
        let _hold = host.add(&pod);
        let server = Server::start(host.dir(), args);
        let mut client = server.client().await;
        for number in 0..DAMAGES {
            // The place of the mistake is part of what is said of it.
            let text = format!("{}{{", " ".repeat(number));
            fs::write(host.pod_dir(&pod).join(names::NET_INFO), text).unwrap();
            call_for_all(&mut client, &[1]).await;
        }
        drop(client);
        let warnings = warnings(&server.end().await);
        let about = warnings
            .iter()
            .filter(|(line, _)| line.contains(names::NET_INFO));
        let times: usize = about.map(|(_, times)| times).sum();
        assert_eq!(times, 1, "{args:?} {warnings:#?}");
    }
}
