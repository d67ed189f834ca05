//! Servers that are wrong on purpose: the suite must find them out, by a case of the clause
//! that is broken. Which lies there are is said in `rkt_conformance::lies`.

use rkt_api::{api::public_api_client::PublicApiClient, server::Dialect};
use rkt_conformance::{
    lies::{self, Forward, Liar},
    model::server,
};
use tokio::net::TcpListener;

use crate::support::{Served, program, run};

/// Lies that show on any host, also one that nobody has described, and cases that find them out
/// there.
const ON_ANY_HOST: [(&str, &str); 21] = [
    ("F-P3/app-names-ignored", "ListPods/F-P9/ids+app_names/"),
    ("F-P9/or-for-and", "ListPods/F-P9/ids+states/"),
    ("F-P9/and-for-or", "ListPods/F-P9/or:ids,states/"),
    ("F-P5/any-for-all", "ListPods/F-P9/network_names/"),
    ("F-P8/the-other-way-round", "ListPods/F-P9/pod_sub_cgroups/"),
    ("P-2/detail-reversed", "ListPods/P-2/"),
    ("P-16/pods-in-reverse", "ListPods/P-16/"),
    ("S-11/a-pod-twice", "ListPods/S-11/"),
    ("P-7/created-missing", "ListPods/P-7/"),
    ("P-10/no-annotations-in-lists", "ListPods/P-10/"),
    ("P-8/started-in-seconds", "InspectPod/P-8/"),
    ("P-5/networks-after-the-exit", "ListPods/P-5/"),
    ("P-13/states-in-lists", "ListPods/P-13/"),
    ("W-3/unknown-pods-are-empty", "InspectPod/W-3/"),
    ("W-3/known-pods-are-empty", "InspectPod/W-3/"),
    ("I-1/version-of-two-numbers", "GetInfo/I-1/"),
    ("F-I6/after-inclusive", "ListImages/F-I7/imported_after/"),
    ("F-I3/parts-of-base-names", "ListImages/F-I7/base_names/"),
    ("F-I0/empty-filter-takes-nothing", "ListImages/F-I0/"),
    ("IM-3/no-manifest-inspected", "InspectImage/IM-3/"),
    ("IM-4/format-missing", "InspectImage/IM-4/"),
];

/// A liar before the server at `address`, until the test's runtime ends. Returns its own
/// address.
async fn liar(address: &str, title: &str) -> String {
    let mut all = lies::all().into_iter();
    let lie = all.find(|lie| lie.title() == title);
    let lie = lie.unwrap_or_else(|| panic!("there is no lie {title}"));
    let real = PublicApiClient::connect(format!("http://{address}"));
    let liar = Liar::new(Forward::new(real.await.unwrap()), lie.how);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(server::serve(liar, listener, std::future::pending()));
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_before_the_real_server_are_found_out() {
    let server = Served::start(Dialect::Documented).await;
    for (title, cases) in ON_ANY_HOST {
        let address = liar(&server.address, title).await;
        let ran = run(&address, &["--strict", cases]).await;
        assert_eq!(ran.exit, 1, "{title}: {ran:?}");
        assert!(!ran.failed().is_empty(), "{title}: {ran:?}");
    }
}

/// What needs no time to pass. All others are tried by `rkt-conformance self-test`.
#[tokio::test(flavor = "multi_thread")]
async fn lies_about_hosts_that_stand_still_are_found_out() {
    let args = [
        "self-test",
        "--skip-honest",
        "I-",
        "S-1/",
        "P-",
        "F-",
        "IM-1/",
        "IM-4/",
    ];
    let ran = program(&args).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(ran.stdout.contains(" 0 not caught"), "{ran:?}");
}
