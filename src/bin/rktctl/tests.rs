//! Commands against a server of the demo's host: from a command line to what is printed, at a
//! time that stands still.

mod demo;
mod tour;

use std::fmt::Write as _;

use demo::{Demo, WIDTHS};
use insta::{assert_snapshot, with_settings};
use rkt_sim::example;

/// The pod with most to say, as tables show it.
const POD: &str = "3f0b52c1";

/// Runs `f` with filters for what differs from one run to the next.
fn stable(demo: &Demo, f: impl FnOnce()) {
    let dir = demo.dir();
    with_settings!({
        filters => vec![
            (dir.as_str(), "/var/lib/rkt"),
            // When the kernel saw the directory move.
            (r"(?m)^(Marked: +)\d.*", "${1}[time]"),
            (r#"("gcMarkedAt": )"[1-9]\d*""#, r#"${1}"[time]""#),
            (r#"(gcMarkedAt: )"[1-9]\d*""#, r#"${1}"[time]""#),
        ],
        omit_expression => true,
    }, { f() });
}

/// What a command prints, on pages of every width.
async fn on_all_pages(demo: &Demo, args: &[&str]) -> String {
    let mut all = String::new();
    for width in WIDTHS {
        let page = match width {
            Some(width) => format!("{width} columns"),
            None => "a pipe".to_owned(),
        };
        let text = demo.rktctl(args, width).await;
        write!(all, "$ rktctl {}  # on {page}\n{text}\n", args.join(" ")).unwrap();
        for line in text.lines() {
            let columns = crate::show::text::width(line);
            assert!(width.is_none_or(|width| columns <= width), "{line}");
        }
    }
    all
}

/// What a command prints in each of these formats, on a pipe.
async fn in_formats(demo: &Demo, args: &[&str], formats: &[&str]) -> String {
    let mut all = String::new();
    for format in formats {
        let args = [args, &["-o", format]].concat();
        let text = demo.rktctl(&args, None).await;
        // What is for programs does not depend on where it is shown.
        assert_eq!(demo.rktctl(&args, Some(80)).await, text);
        write!(all, "$ rktctl {}\n{text}\n", args.join(" ")).unwrap();
    }
    all
}

#[tokio::test]
async fn info() {
    let demo = Demo::start().await;
    let mut all = on_all_pages(&demo, &["info"]).await;
    all += &in_formats(&demo, &["info"], &["json", "yaml"]).await;
    assert_eq!(
        demo.rktctl(&["info", "-o", "wide"], None).await,
        demo.rktctl(&["info"], None).await
    );
    stable(&demo, || assert_snapshot!(all));
}

#[tokio::test]
async fn pods() {
    let demo = Demo::start().await;
    let mut all = on_all_pages(&demo, &["pods"]).await;
    all += &on_all_pages(&demo, &["pods", "-o", "wide"]).await;
    let args = ["pods", "--state=running"];
    all += &in_formats(&demo, &args, &["json", "yaml", "name"]).await;
    stable(&demo, || assert_snapshot!(all));
}

#[tokio::test]
async fn pods_with_details() {
    let demo = Demo::start().await;
    let args = ["pods", "--id", POD, "--detail"];
    let all = in_formats(&demo, &args, &["json", "yaml"]).await;
    stable(&demo, || assert_snapshot!(all));
}

#[tokio::test]
async fn a_pod() {
    let demo = Demo::start().await;
    let mut all = on_all_pages(&demo, &["pod", POD]).await;
    all += &on_all_pages(&demo, &["pod", "8a4d9e60", "-o", "wide"]).await;
    all += &in_formats(&demo, &["pod", POD], &["json", "yaml", "name"]).await;
    // Marked as garbage; without anything but a state.
    for id in ["70b3c4e9", "5b82f61d"] {
        let text = demo.rktctl(&["pod", id], None).await;
        write!(all, "$ rktctl pod {id}\n{text}\n").unwrap();
    }
    stable(&demo, || assert_snapshot!(all));
}

#[tokio::test]
async fn images() {
    let demo = Demo::start().await;
    let mut all = on_all_pages(&demo, &["images"]).await;
    all += &on_all_pages(&demo, &["images", "-o", "wide"]).await;
    all += &in_formats(&demo, &["images"], &["json", "yaml", "name"]).await;
    let args = ["images", "--base-name=etcd", "--detail"];
    all += &in_formats(&demo, &args, &["json", "yaml"]).await;
    stable(&demo, || assert_snapshot!(all));
}

#[tokio::test]
async fn an_image() {
    let demo = Demo::start().await;
    let id = demo.rktctl(&["images", "--keyword=redis", "-o=name"], None);
    let id = &id.await[..19];
    let mut all = on_all_pages(&demo, &["image", id]).await;
    all += &on_all_pages(&demo, &["image", id, "-o", "wide"]).await;
    all += &in_formats(&demo, &["image", id], &["json", "yaml", "name"]).await;
    stable(&demo, || assert_snapshot!(all));
}

#[tokio::test]
async fn events() {
    let demo = Demo::start().await;
    let until = format!("--until={}", demo.live().await);
    let past = ["events", "--since=1", until.as_str()];
    let mut all = on_all_pages(&demo, &past).await;
    all += &on_all_pages(&demo, &[&past[..], &["-o", "wide"]].concat()).await;
    all += &in_formats(&demo, &past, &["json", "yaml", "name"]).await;
    let filtered = [&past[..], &["--type=app-exited", "--id", POD]].concat();
    all += &on_all_pages(&demo, &filtered).await;
    with_settings!({
        filters => vec![
            (r"--until=\d+", "--until=[now]"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[when it happened]  "),
            (r#"("?time"?: ?)"\d+""#, r#"${1}"[time]""#),
        ],
        omit_expression => true,
    }, { assert_snapshot!(all) });
}

#[tokio::test]
async fn logs() {
    let demo = Demo::start().await;
    let mut all = String::new();
    for args in [
        &["logs", POD][..],
        &["logs", POD, "etcd"],
        &["logs", POD, "-n1"],
        &["logs", POD, "--since=100m", "--until=2018-04-16T10:00:00Z"],
        &["logs", POD, "etcd", "-o", "json"],
        &["logs", POD, "backup", "-o", "yaml"],
    ] {
        let text = demo.rktctl(args, None).await;
        write!(all, "$ rktctl {}\n{text}\n", args.join(" ")).unwrap();
    }
    assert!(all.contains('\u{1b}'), "it's given as it is: {all}");
    let text = demo.rktctl(&["logs", POD], Some(80)).await;
    assert!(!text.contains('\u{1b}'), "{text}");
    // Lines are as long as they are, wherever they are shown.
    for args in [&["logs", POD][..], &["logs", POD, "-o", "wide"]] {
        assert_eq!(demo.rktctl(args, Some(200)).await, text);
    }
    write!(all, "$ rktctl logs {POD}  # on a terminal\n{text}").unwrap();
    assert_snapshot!(all.replace('\u{1b}', "␛"));
}

#[tokio::test]
async fn colours_and_whole_ids() {
    let demo = Demo::start().await;
    let mut all = String::new();
    for args in [
        &["pods"][..],
        &["pod", POD],
        &["pods", "--no-trunc", "--state=running", "-o=wide"],
        &["images", "--no-trunc"],
    ] {
        let text = demo.rktctl_in_colour(args).await;
        write!(
            all,
            "$ rktctl {}  # on a terminal\n{text}\n",
            args.join(" ")
        )
        .unwrap();
    }
    stable(&demo, || assert_snapshot!(all.replace('\u{1b}', "␛")));
}

#[tokio::test]
async fn every_filter_filters() {
    let demo = Demo::start().await;
    let images = demo.rktctl(&["images", "--base-name=etcd", "-o=name"], None);
    let etcd = images.await.trim_end().to_owned();
    let digits = &etcd["sha512-".len()..][..12];
    let cluster_member = "3f0b52c1-8c1d-4a7e-9d26-6e1f07a4c5b8";
    let kubernetes = "8a4d9e60-27f3-4b15-a3c8-f1d052b97e46";
    let exited = "c61e7a94-5b02-4f8d-8e77-3a90d4c126fb";
    let unit = format!("/system.slice/k8s_{kubernetes}.service");
    let slice = format!("--cgroup={unit}");
    let below = format!("--sub-cgroup={unit}/system.slice/web.service");
    let by_image = format!("--image={digits}");
    for (args, ids) in [
        (
            &["--id=3F0B52C1", "--id=8a4d"][..],
            &[cluster_member, kubernetes][..],
        ),
        (&["--id", exited], &[exited]),
        (&["--id=ffff"], &[]),
        (&["--state=running"], &[cluster_member, kubernetes]),
        (
            &["--state=running", "--state=exited"],
            &[cluster_member, kubernetes, exited],
        ),
        (&["--app=web"], &[kubernetes]),
        (&["--app=web", "--app=cache"], &[kubernetes]),
        (&["--app=web", "--app=etcd"], &[]),
        (&["--app=web", "--state=exited"], &[]),
        (&[by_image.as_str()], &[cluster_member]),
        (&["--network=default"], &[cluster_member]),
        (
            &["--annotation=io.kubernetes.pod.namespace=default"],
            &[kubernetes],
        ),
        (&[slice.as_str()], &[kubernetes]),
        (&[below.as_str()], &[kubernetes]),
    ] {
        let args = [&["pods", "-o", "name"], args].concat();
        assert_eq!(lines(&demo.rktctl(&args, None).await), ids, "{args:?}");
    }

    let etcd = etcd.as_str();
    let by_id = format!("--id={digits}");
    for (args, names) in [
        (&[by_id.as_str()][..], &["coreos.com/etcd"][..]),
        (&["--id", etcd], &["coreos.com/etcd"]),
        (&["--id=ffff"], &[]),
        (&["--name=coreos.com/etcd"], &["coreos.com/etcd"]),
        (&["--prefix=example.com/shop/w"], &["example.com/shop/web"]),
        (
            &["--base-name=redis"],
            &["registry-1.docker.io/library/redis"],
        ),
        (&["--keyword=backup"], &["example.com/tools/etcd-backup"]),
        (
            &["--label=tier=backend"],
            &["example.com/tools/etcd-backup"],
        ),
        (
            &["--annotation=appc.io/docker/tag=4.0.9"],
            &["registry-1.docker.io/library/redis"],
        ),
        // It came 94 minutes ago, and the one before it 95.
        (
            &["--imported-after=95m", "--imported-before=93m"],
            &["example.com/shop/web"],
        ),
    ] {
        let args = [&["images", "-o", "json"], args].concat();
        let answer = demo.rktctl(&args, None).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let answer = answer["images"].as_array().unwrap().iter();
        let found: Vec<_> = answer
            .map(|image| image["name"].as_str().unwrap())
            .collect();
        assert_eq!(found, names, "{args:?}");
    }
}

#[tokio::test]
async fn an_image_is_found_whatever_pods_call_it() {
    let mut spec = example::host();
    let app = &mut spec.pods[0].apps[0];
    let whole = app.image.blob_key().unwrap();
    // Who writes a manifest may shorten it.
    app.image_id = Some(whole[..19].to_owned());
    let demo = Demo::start_with(spec).await;
    let digits = &whole["sha512-".len()..];
    for image in [whole.as_str(), digits, &digits[..30], &digits[..4]] {
        for more in [&[][..], &["--id=3f0b52c1"]] {
            let args = [&["pods", "-o", "name", "--image", image], more].concat();
            let pods = demo.rktctl(&args, None).await;
            assert_eq!(
                lines(&pods),
                ["3f0b52c1-8c1d-4a7e-9d26-6e1f07a4c5b8"],
                "{args:?}"
            );
        }
    }
}

#[tokio::test]
async fn nothing_is_a_line_of_headings() {
    let demo = Demo::start().await;
    let text = demo.rktctl(&["pods", "--app=none"], None).await;
    assert_eq!(text, "POD ID  STATE  APPS  CREATED  STARTED  NETWORKS\n");
    let text = demo.rktctl(&["images", "--name=none"], None).await;
    assert_eq!(text, "IMAGE ID  NAME  VERSION  SIZE  IMPORTED\n");
    assert_eq!(
        demo.rktctl(&["pods", "--app=none", "-o=name"], None).await,
        ""
    );
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}
