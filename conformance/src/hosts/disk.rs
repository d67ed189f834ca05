//! Hosts that cases change and break.

use std::net::{Ipv4Addr, Ipv6Addr};

use rkt_sim::spec::{
    App, HostSpec, Image, LogLine, Network, Phase, Pod, Process, SET_UP_AT_S, Started,
};
use uuid::Uuid;

use super::HostDef;

/// A pod in every state, and a few images.
pub static SMALL: HostDef = HostDef {
    name: "small",
    about: "a pod in every state, and three images",
    spec: small,
};

/// Pods to be broken one by one.
pub static VICTIMS: HostDef = HostDef {
    name: "victims",
    about: "many pods that run or have run, and one of every other state",
    spec: victims,
};

/// Two apps in two networks; one of the apps has exited. Stage1 noted its pid.
pub const RUNNING: Uuid = Uuid::from_u128(0x1c2f_5a70_86b4_4d19_a3e2_07d9_4b61_f8c5);
/// One app, with host networking. Stage1 noted the parent's pid.
pub const RUNNING_BY_PARENT: Uuid = Uuid::from_u128(0x2d8e_4b91_37c0_4fa6_95d3_6a1f_82e7_04bc);
/// EXITED, without overlayfs.
pub const EXITED: Uuid = Uuid::from_u128(0x3ea1_7c62_d05b_4e83_b417_f95c_28a6_31de);
/// PREPARED.
pub const PREPARED: Uuid = Uuid::from_u128(0x4f93_2db8_65e1_4a7c_8c09_1e74_d3b5_a926);
/// EMBRYO.
pub const EMBRYO: Uuid = Uuid::from_u128(0x50b7_e9c4_1f28_4d36_9ae5_73c1_06fd_b842);
/// PREPARING.
pub const PREPARING: Uuid = Uuid::from_u128(0x61c8_0fd5_a943_4be7_8f16_2d90_e57a_3cb1);
/// ABORTED_PREPARE.
pub const ABORTED: Uuid = Uuid::from_u128(0x72d9_61e3_0b8f_4c54_b2a8_c407_9ed1_56f3);
/// GARBAGE that has run.
pub const MARKED: Uuid = Uuid::from_u128(0x83ea_b274_5c96_4105_a7d9_50e8_1f3b_c26d);
/// DELETING.
pub const DELETING: Uuid = Uuid::from_u128(0x94fb_0385_6da7_4216_98ea_61f9_204c_d37e);
/// GARBAGE that has never run.
pub const NEVER_RAN: Uuid = Uuid::from_u128(0xa50c_1496_7eb8_4327_89fb_720a_315d_e48f);

/// How many victims run.
pub const RUNNING_VICTIMS: u32 = 26;
/// How many victims run of which stage1 noted the parent's pid.
pub const PARENT_VICTIMS: u32 = 16;
/// How many victims have run.
pub const EXITED_VICTIMS: u32 = 12;

/// A victim that runs, like [`RUNNING`], by its number.
pub fn running_victim(number: u32) -> Uuid {
    Uuid::from_u128(0xb61d_25a7_8fc9_4438_9a0c_8310_0000_0000 + u128::from(number))
}

/// A victim that runs, like [`RUNNING_BY_PARENT`], by its number.
pub fn parent_victim(number: u32) -> Uuid {
    Uuid::from_u128(0xb71d_25a7_8fc9_4438_9a0c_8310_0000_0000 + u128::from(number))
}

/// A victim that has run, like [`EXITED`], by its number.
pub fn exited_victim(number: u32) -> Uuid {
    Uuid::from_u128(0xc72e_36b8_90da_4549_ab1d_9421_0000_0000 + u128::from(number))
}

/// Process ids beyond those that Linux gives.
const FIRST_PID: i32 = 5_000_000;

fn small() -> HostSpec {
    let unstarted = |id, phase, locked| Pod {
        locked,
        apps: vec![App::new("web", web())],
        ..Pod::new(id, phase)
    };
    let marked = |id, locked| Pod {
        locked,
        apps: vec![exited("job", job(), 3)],
        ..started(id, Phase::ExitedGarbage, 4)
    };
    HostSpec {
        pods: vec![
            running(RUNNING, 1),
            by_parent(RUNNING_BY_PARENT, 2),
            Pod {
                overlay: false,
                ..has_run(EXITED, 3)
            },
            unstarted(PREPARED, Phase::Prepared, false),
            unstarted(EMBRYO, Phase::Embryo, true),
            unstarted(PREPARING, Phase::Prepare, true),
            unstarted(ABORTED, Phase::Prepare, false),
            marked(MARKED, false),
            marked(DELETING, true),
            unstarted(NEVER_RAN, Phase::Garbage, false),
        ],
        images: vec![web(), job(), cache()],
        faults: Vec::new(),
    }
}

fn victims() -> HostSpec {
    let mut host = small();
    let run = (0..RUNNING_VICTIMS).map(|number| running(running_victim(number), 10));
    let parents = (0..PARENT_VICTIMS).map(|number| by_parent(parent_victim(number), 20));
    let exited = (0..EXITED_VICTIMS).map(|number| has_run(exited_victim(number), 30));
    host.pods.extend(run.chain(parents).chain(exited));
    host
}

const START_NS: i64 = (SET_UP_AT_S + 36_000) * 1_000_000_000 + 318_000_000;

/// A pod of which everything is there that any part of the API shows.
fn running(id: Uuid, pid: i32) -> Pod {
    let mut web = App::new("web", web());
    web.annotations = vec![("example.com/role".to_owned(), "front".to_owned())];
    web.logs = vec![LogLine {
        at_us: START_NS / 1000 + 500,
        message: "listening on :80".to_owned(),
    }];
    Pod {
        locked: true,
        apps: vec![web, exited("job", job(), 3)],
        ..started(id, Phase::Run, pid)
    }
}

fn by_parent(id: Uuid, pid: i32) -> Pod {
    Pod {
        locked: true,
        apps: vec![App::new("cache", cache())],
        started: Some(Started {
            process: Process::Ppid(FIRST_PID + pid),
            at_ns: START_NS,
        }),
        networks: None,
        ..started(id, Phase::Run, pid)
    }
}

fn has_run(id: Uuid, pid: i32) -> Pod {
    let mut job = exited("job", job(), 3);
    job.logs = vec![LogLine {
        at_us: START_NS / 1000 + 700,
        message: "nothing to do".to_owned(),
    }];
    Pod {
        apps: vec![job],
        ..started(id, Phase::Run, pid)
    }
}

fn started(id: Uuid, phase: Phase, pid: i32) -> Pod {
    let name = id.to_string().replace('-', r"\x2d");
    Pod {
        overlay: true,
        created_at_ns: START_NS - 1_500_000_000,
        started: Some(Started {
            process: Process::Pid(FIRST_PID + pid),
            at_ns: START_NS,
        }),
        subcgroup: Some(format!(r"machine.slice/machine-rkt\x2d{name}.scope")),
        networks: Some(vec![
            Network::new("default", Ipv4Addr::new(172, 16, 28, 9)),
            Network::new("cluster", Ipv6Addr::new(0xfd00, 0x5e, 0, 0, 0, 0, 0, 9)),
        ]),
        ..Pod::new(id, phase)
    }
}

fn exited(name: &str, image: Image, code: i32) -> App {
    App {
        exit_code: Some(code),
        ..App::new(name, image)
    }
}

fn web() -> Image {
    Image::new("example.com/shop/web", "2.1.7")
}

fn job() -> Image {
    let mut image = Image::new("example.com/tools/job", "0.9.0");
    image.annotations = vec![("authors".to_owned(), "Example <dev@example.com>".to_owned())];
    image
}

fn cache() -> Image {
    let mut image = Image::new("registry-1.docker.io/library/redis", "4.0.9");
    let docker = [("repository", "library/redis"), ("tag", "4.0.9")];
    let docker = docker.map(|(name, value)| (format!("appc.io/docker/{name}"), value.to_owned()));
    image.annotations = docker.into();
    image
}
