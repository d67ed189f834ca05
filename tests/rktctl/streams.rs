//! Following a host that lives.

use rkt_sim::live::step::{Ending, Step};

use crate::{
    host::{Demo, POD},
    program::{Follower, printed},
};

fn exit() -> Step {
    Step::Exit {
        pod: POD.parse().unwrap(),
        by: Ending::default(),
    }
}

fn mark() -> Step {
    Step::Mark {
        pod: POD.parse().unwrap(),
    }
}

fn log(text: &str) -> Step {
    Step::Log {
        pod: POD.parse().unwrap(),
        app: "etcd".to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn events_come_as_they_happen() {
    let mut demo = Demo::start();
    let address = demo.address();
    let table = Follower::start(&address, &["events"]);
    table.wait_for("the headings", |line| line.starts_with("TIME"));
    demo.play(&exit());
    let line = table.wait_for("the exit", |line| line.contains(" pod-exited "));
    assert!(line.ends_with(" 3f0b52c1  rkt-3f0b52c1  -"), "{line}");

    // The past, of one type and one pod, for programs.
    let args = [
        "events",
        "--since=1h",
        "--type=pod-exited",
        "--id=3f0b52c1",
        "-o=json",
    ];
    let documents = Follower::start(&address, &args);
    let line = documents.wait_for("the same once more", |_| true);
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["type"], "EVENT_TYPE_POD_EXITED");
    assert_eq!(event["id"], POD);

    // It ends by itself at a time that was asked for.
    let args = [
        "events",
        "--since=1h",
        "--until=+2s",
        "-o=name",
        "--type=pod-exited",
    ];
    assert_eq!(printed(&address, &args), format!("{POD}\n"));
}

#[test]
fn log_lines_come_as_they_are_written() {
    let mut demo = Demo::start();
    let address = demo.address();
    for line in ["one", "two", "\u{1b}[31mthree"] {
        demo.play(&log(line));
    }
    let follower = Follower::start(&address, &["logs", "3f0b52c1", "etcd", "-f", "--tail=1"]);
    let line = follower.wait_for("the newest line", |_| true);
    assert!(line.ends_with("MESSAGE=\u{1b}[31mthree"), "{line}");
    demo.play(&log("four"));
    let line = follower.wait_for("the next line", |_| true);
    assert!(line.ends_with("MESSAGE=four"), "{line}");

    let text = printed(&address, &["logs", "3f0b", "-n", "2", "--since", "1h"]);
    let lines = text.lines();
    let messages: Vec<_> = lines
        .map(|line| line.split_once("MESSAGE=").unwrap().1)
        .collect();
    assert_eq!(messages, ["\u{1b}[31mthree", "four"]);
}

#[test]
fn watching_on_a_pipe_prints_what_has_changed() {
    let mut demo = Demo::start();
    let watch = Follower::start(&demo.address(), &["pods", "--watch", "--id=3f0b52c"]);
    watch.wait_for("the headings", |line| line.starts_with("POD ID"));
    let row = watch.wait_for("the pod", |_| true);
    assert!(
        row.starts_with("3f0b52c1  running  etcd, backup  "),
        "{row}"
    );
    demo.play(&exit());
    let row = watch.wait_for("its end", |_| true);
    assert!(
        row.starts_with("3f0b52c1  exited   etcd, backup  "),
        "{row}"
    );
    demo.play(&mark());
    watch.wait_for("its mark", |row| {
        row.starts_with("3f0b52c1  garbage  etcd, backup  ")
    });
    demo.play(&Step::Sweep {
        pod: POD.parse().unwrap(),
    });
    watch.wait_for("its going", |row| row.starts_with("3f0b52c1  gone "));
    // Another one whose id begins so.
    demo.play(&Step::Create {
        pod: POD.replace("3f0b52c1", "3f0b52c2").parse().unwrap(),
    });
    watch.wait_for("its coming", |row| row.starts_with("3f0b52c2  embryo "));
}
