//! What is printed on a pipe, and what becomes of it when it is pasted.

use crate::{
    host::Demo,
    program::{fails, printed, rktctl},
};

/// The first column of a table.
fn first_column(table: &str) -> Vec<&str> {
    let rows = table.lines().skip(1);
    rows.map(|row| row.split_whitespace().next().unwrap())
        .collect()
}

#[test]
fn short_ids_can_be_pasted_back() {
    let demo = Demo::start();
    let address = demo.address();
    for (list, one) in [("pods", "pod"), ("images", "image")] {
        let whole = printed(&address, &[list, "-o", "name"]);
        let mut whole: Vec<_> = whole.lines().collect();
        let table = printed(&address, &[list]);
        let mut pasted = Vec::new();
        for short in first_column(&table) {
            let id = printed(&address, &[one, short, "-o", "name"]);
            let listed = printed(&address, &[list, "--id", short, "-o", "name"]);
            assert_eq!(listed, id);
            assert!(id.starts_with(short) && id.trim_end().len() > short.len());
            pasted.push(id.trim_end().to_owned());
        }
        whole.sort_unstable();
        pasted.sort_unstable();
        assert_eq!(pasted, whole);
    }
}

#[test]
fn a_unix_socket_and_a_port_answer_the_same() {
    let demo = Demo::start();
    for args in [&["info", "-o", "json"][..], &["pods"], &["images"]] {
        let answer = printed(&demo.socket(), args);
        // As gRPC spells it.
        let url = demo.socket().replace("unix:", "unix://");
        assert_eq!(answer, printed(&url, args));
        assert_eq!(answer, printed(&demo.address(), args));
        assert_eq!(answer, printed(&format!("http://{}", demo.address()), args));
    }
}

#[test]
fn the_flag_goes_before_the_environment() {
    let demo = Demo::start();
    let args = ["pods", "-o=name", "--address", &demo.address()];
    assert_ne!(printed("localhost:1", &args), "");
    // The connection can be told before the command as well.
    let args = ["--address", &demo.address(), "pods", "-o=name"];
    assert_ne!(printed("localhost:1", &args), "");
}

#[test]
fn nothing_is_coloured_or_cut_on_a_pipe() {
    let demo = Demo::start();
    let output = rktctl(&demo.address(), &["pods", "-o", "wide"])
        .env("COLUMNS", "40")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(['\u{1b}', '…']), "{text}");
    let unit = "/system.slice/k8s_8a4d9e60-27f3-4b15-a3c8-f1d052b97e46.service";
    assert!(text.contains(unit), "{text}");
}

#[test]
fn documents_can_be_read() {
    let demo = Demo::start();
    let address = demo.address();
    for args in [
        &["info"][..],
        &["pods", "--detail"],
        &["pod", "3f0b52c1"],
        &["images", "--detail"],
    ] {
        let json = printed(&address, &[args, &["-o", "json"]].concat());
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(json.is_object(), "{args:?}");
    }
}

#[test]
fn an_event_of_nothing_known_is_not_waited_for() {
    let demo = Demo::start();
    let stderr = fails(&demo.address(), &["events", "--id=ffff"], 15);
    assert_eq!(
        stderr,
        "rktctl: no pod and no image has an id that begins with \"ffff\" (NOT_FOUND)\n"
    );
}
