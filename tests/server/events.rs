//! What listeners are told when the server has to find out from little (E-1, E-12): when much
//! has happened between two looks, when the kernel has lost count, when the host is not all
//! there yet.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use pretty_assertions::assert_eq;
use rkt_api::{
    api::{
        Event, EventFilter, EventType, ListImagesRequest, ListPodsRequest, ListenEventsRequest,
        ListenEventsResponse, PodState,
    },
    layout,
};
use rkt_sim::{
    host::Host,
    live::{Player, step},
    spec::{App, Image, Phase, Pod},
};
use rustix::process::Signal;
use tonic::{Code, Status, Streaming};

use crate::{
    hosts::{self, TempHost},
    metrics::{self, scrape::Metrics},
    support::{Client, DEADLINE, Server, eventually},
};

/// One who listens, and what it has heard so far.
pub struct Listener {
    stream: Streaming<ListenEventsResponse>,
    pub heard: Vec<Event>,
}

impl Listener {
    pub async fn open(client: &mut Client, filter: EventFilter) -> Self {
        let filter = Some(filter);
        let stream = client.listen_events(ListenEventsRequest { filter });
        let stream = tokio::time::timeout(DEADLINE, stream).await.unwrap();
        Self {
            stream: stream.unwrap().into_inner(),
            heard: Vec::new(),
        }
    }

    /// Listens until `enough` has been heard.
    pub async fn hear(&mut self, what: &str, enough: impl Fn(&[Event]) -> bool) {
        while !enough(&self.heard) {
            let message = tokio::time::timeout(DEADLINE, self.stream.message()).await;
            let message = message.unwrap_or_else(|_| panic!("{what}: {:#?}", self.heard));
            self.heard.extend(message.unwrap().unwrap().events);
        }
    }

    /// Listens until the stream ends, and gives all that was heard and how it ended.
    pub async fn hear_out(mut self) -> (Vec<Event>, Result<(), Status>) {
        let heard = async {
            loop {
                match self.stream.message().await {
                    Ok(Some(message)) => self.heard.extend(message.events),
                    Ok(None) => return Ok(()),
                    Err(status) => return Err(status),
                }
            }
        };
        let end = tokio::time::timeout(DEADLINE, heard).await.unwrap();
        (self.heard, end)
    }
}

/// An event in short: its type, who it is from, and its exit code.
pub fn short(event: &Event) -> String {
    let kind = event.r#type().as_str_name();
    let kind = kind.trim_start_matches("EVENT_TYPE_");
    let code = event.data.iter().find(|pair| pair.key == "exit_code");
    let code = code.map_or(String::new(), |pair| format!(" {}", pair.value));
    match event.r#type() {
        EventType::AppStarted | EventType::AppExited => format!("{kind} {}{code}", event.from),
        _ => format!("{kind}{code}"),
    }
}

/// What was told of one id.
pub fn told_of(events: &[Event], id: &str) -> Vec<String> {
    let events = events.iter().filter(|event| event.id == id);
    events.map(short).collect()
}

/// Has the server answer, so that it has looked at everything.
pub async fn look(client: &mut Client) {
    let request = ListPodsRequest::default();
    client.list_pods(request).await.unwrap();
    let request = ListImagesRequest::default();
    client.list_images(request).await.unwrap();
}

/// Has all of `act` happen between two looks.
fn unseen<T>(server: &Server, act: impl FnOnce() -> T) -> T {
    server.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", server.pid());
    eventually("the server is stopped", || {
        let stat = fs::read_to_string(&stat).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    });
    let done = act();
    server.signal(Signal::CONT);
    done
}

/// Everything that was told since the server started, when it goes down.
pub async fn history(server: Server, client: &mut Client) -> Vec<Event> {
    look(client).await;
    let since = EventFilter {
        since_time: 1,
        ..EventFilter::default()
    };
    let listener = Listener::open(client, since).await;
    let (end, (heard, status)) = tokio::join!(server.end(), listener.hear_out());
    assert_eq!(status.unwrap_err().code(), Code::Unavailable, "{end}");
    heard
}

fn place(dir: &Path, phase: Phase, id: &str) -> PathBuf {
    hosts::phase_dir(dir, phase).join(id)
}

/// A pod that has not started yet.
fn prepared(number: u32) -> Pod {
    let mut app = App::new("web", Image::new("example.com/web", "1.2"));
    app.exit_code = None;
    Pod {
        apps: vec![app],
        ..Pod::new(hosts::id(number), Phase::Prepared)
    }
}

#[tokio::test]
async fn entries_that_are_no_pods_have_no_lives() {
    let host = TempHost::create();
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    look(&mut client).await;

    let run = host.phase_dir(Phase::Run);
    let file = run.join(hosts::id(1).to_string());
    fs::write(&file, "").unwrap();
    symlink(&run, run.join(hosts::id(2).to_string())).unwrap();
    look(&mut client).await;
    fs::remove_file(&file).unwrap();
    // One that is, by a name that a file had.
    fs::create_dir(&file).unwrap();
    look(&mut client).await;
    server.wait_for_log(&hosts::id(2).to_string());

    let events = history(server, &mut client).await;
    let id = hosts::id(1).to_string();
    assert_eq!(
        told_of(&events, &id),
        ["POD_PREPARED", "POD_STARTED", "POD_EXITED"]
    );
    assert_eq!(events.len(), 3, "{events:#?}");
}

#[tokio::test]
async fn one_that_was_made_anew_between_two_looks_has_two_lives() {
    let host = TempHost::create();
    let pod = prepared(1);
    let id = pod.id.to_string();
    host.write_pod(&pod).unwrap();
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    look(&mut client).await;

    unseen(&server, || {
        let run = place(host.dir(), Phase::Run, &id);
        fs::rename(place(host.dir(), Phase::Prepared, &id), &run).unwrap();
        fs::remove_dir_all(run).unwrap();
        host.write_pod(&pod).unwrap();
    });
    look(&mut client).await;
    // Moved away, and another one in its place by a name that it had.
    unseen(&server, || {
        let prepared = place(host.dir(), Phase::Prepared, &id);
        fs::rename(&prepared, host.beside("away")).unwrap();
        fs::create_dir(place(host.dir(), Phase::Embryo, &id)).unwrap();
    });

    let events = history(server, &mut client).await;
    assert_eq!(
        told_of(&events, &id),
        [
            "POD_STARTED",
            "POD_EXITED",
            "POD_GARBAGE_COLLECTED",
            "POD_PREPARED",
            "POD_GARBAGE_COLLECTED",
        ]
    );
}

#[tokio::test]
async fn a_run_that_nobody_saw_has_its_exit_codes() {
    let host = TempHost::create();
    let pod = prepared(1);
    let id = pod.id.to_string();
    host.write_pod(&pod).unwrap();
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    look(&mut client).await;

    unseen(&server, || {
        let run = place(host.dir(), Phase::Run, &id);
        fs::rename(place(host.dir(), Phase::Prepared, &id), &run).unwrap();
        fs::write(run.join(layout::pod::PID), "4711").unwrap();
        let status = run.join(layout::pod::app_status(layout::pod::STAGE1_ROOTFS, "web"));
        fs::create_dir_all(status.parent().unwrap()).unwrap();
        fs::write(status, "7\n").unwrap();
    });
    look(&mut client).await;
    // Straight to the rubbish: it has exited before that.
    let run = place(host.dir(), Phase::Run, &id);
    fs::rename(run, place(host.dir(), Phase::Garbage, &id)).unwrap();

    let events = history(server, &mut client).await;
    assert_eq!(
        told_of(&events, &id),
        [
            "POD_STARTED",
            "APP_STARTED web",
            "APP_EXITED web 7",
            "POD_EXITED",
            "POD_GARBAGE_COLLECTED",
        ]
    );
}

/// The kernel's own queue overflows, not only what the server keeps of it.
#[tokio::test]
async fn what_the_kernel_does_not_tell_is_found() {
    let host = TempHost::create();
    let pod = prepared(1);
    let id = pod.id.to_string();
    host.write_pod(&pod).unwrap();
    let image = Image::new("example.com/web", "1.2");
    let server = Server::start(host.dir(), &[metrics::LISTEN]);
    let mut client = server.client().await;
    look(&mut client).await;

    let room = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let room: u32 = room.trim().parse().unwrap();
    let [here, there] = ["here", "there"].map(|name| host.phase_dir(Phase::Run).join(name));
    fs::create_dir(&here).unwrap();
    let flood = || {
        for _ in 0..room / 4 + 1 {
            fs::rename(&here, &there).unwrap();
            fs::rename(&there, &here).unwrap();
        }
    };
    unseen(&server, || {
        flood();
        let run = place(host.dir(), Phase::Run, &id);
        fs::rename(place(host.dir(), Phase::Prepared, &id), run).unwrap();
        host.write_images(std::slice::from_ref(&image)).unwrap();
    });
    let state = async |client: &mut Client| {
        let pods = client.list_pods(ListPodsRequest::default()).await.unwrap();
        pods.into_inner().pods[0].state()
    };
    assert_eq!(state(&mut client).await, PodState::Exited);
    let images = client.list_images(ListImagesRequest::default()).await;
    assert_eq!(images.unwrap().into_inner().images.len(), 1);
    unseen(&server, || {
        flood();
        let run = place(host.dir(), Phase::Run, &id);
        fs::rename(run, place(host.dir(), Phase::Garbage, &id)).unwrap();
    });
    assert_eq!(state(&mut client).await, PodState::Garbage);

    let overflows = Metrics::of(&server).value("rkt_api_queue_overflows_total");
    assert_eq!(overflows, 2.0);
    let log = server.log();
    assert_eq!(log.matches("changes came faster").count(), 1, "{log}");
    let events = history(server, &mut client).await;
    assert_eq!(
        told_of(&events, &id),
        ["POD_STARTED", "POD_EXITED", "POD_GARBAGE_COLLECTED"]
    );
    let key = image.blob_key().unwrap();
    assert_eq!(told_of(&events, &key), ["IMAGE_IMPORTED"]);
}

#[tokio::test]
async fn an_exit_code_is_waited_for_but_not_for_long() {
    let host = TempHost::create();
    let mut pod = hosts::pod(1, Phase::Run);
    pod.apps[0].exit_code = None;
    pod.locked = true;
    let _held = host.add(&pod);
    let id = pod.id.to_string();
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    look(&mut client).await;
    let mut listener = Listener::open(&mut client, EventFilter::default()).await;

    let status = |app: &str| {
        let status = layout::pod::app_status(layout::pod::STAGE1_ROOTFS, app);
        place(host.dir(), Phase::Run, &id).join(status)
    };
    fs::create_dir_all(status("web").parent().unwrap()).unwrap();
    // Nobody ever writes anything into this one.
    File::create(status("web")).unwrap();
    look(&mut client).await;
    listener
        .hear("the end of web", |heard| !heard.is_empty())
        .await;
    assert_eq!(told_of(&listener.heard, &id), ["APP_EXITED web"]);
    fs::write(status("db"), "3").unwrap();
    listener
        .hear("the end of db", |heard| heard.len() > 1)
        .await;
    assert_eq!(
        told_of(&listener.heard, &id),
        ["APP_EXITED web", "APP_EXITED db 3"]
    );
}

#[tokio::test]
async fn a_host_that_comes_to_be_is_told_of() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("rkt");
    fs::create_dir(&dir).unwrap();
    let server = Server::start(&dir, &[]);
    let mut client = server.client().await;
    look(&mut client).await;

    let host = Host::create(&dir).unwrap();
    let pod = prepared(1);
    host.write_pod(&pod).unwrap();
    look(&mut client).await;
    let image = Image::new("example.com/web", "1.2");
    host.write_images(std::slice::from_ref(&image)).unwrap();

    let events = history(server, &mut client).await;
    assert_eq!(told_of(&events, &pod.id.to_string()), ["POD_PREPARED"]);
    let key = image.blob_key().unwrap();
    assert_eq!(told_of(&events, &key), ["IMAGE_IMPORTED"]);
}

#[tokio::test]
async fn one_that_was_replaced_is_not() {
    let host = TempHost::create();
    host.write_pod(&hosts::pod(1, Phase::Run)).unwrap();
    let other = Host::create(host.beside("other")).unwrap();
    other.write_pod(&hosts::pod(2, Phase::Run)).unwrap();
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    look(&mut client).await;

    let ids = |pods: Vec<rkt_api::api::Pod>| -> Vec<_> { pods.into_iter().map(|p| p.id).collect() };
    let listed = async |client: &mut Client| {
        let answer = client.list_pods(ListPodsRequest::default()).await;
        ids(answer.unwrap().into_inner().pods)
    };
    // Away and back, between two looks and not.
    fs::rename(host.dir(), host.beside("away")).unwrap();
    fs::rename(host.beside("away"), host.dir()).unwrap();
    assert_eq!(listed(&mut client).await, [hosts::id(1).to_string()]);
    fs::rename(host.dir(), host.beside("away")).unwrap();
    fs::rename(other.dir(), host.dir()).unwrap();
    assert_eq!(listed(&mut client).await, [hosts::id(2).to_string()]);
    // Deleted and made anew.
    fs::remove_dir_all(host.dir()).unwrap();
    assert_eq!(listed(&mut client).await, [""; 0]);
    let host_anew = Host::create(host.dir()).unwrap();
    host_anew.write_pod(&prepared(3)).unwrap();
    assert_eq!(listed(&mut client).await, [hosts::id(3).to_string()]);
    let from = place(host.dir(), Phase::Prepared, &hosts::id(3).to_string());
    let to = place(host.dir(), Phase::Run, &hosts::id(3).to_string());
    fs::rename(from, to).unwrap();

    let events = history(server, &mut client).await;
    for number in 1..=2 {
        let id = hosts::id(number).to_string();
        assert_eq!(told_of(&events, &id), ["POD_GARBAGE_COLLECTED"]);
    }
    let told = told_of(&events, &hosts::id(3).to_string());
    assert!(
        told.ends_with(&["POD_STARTED".into(), "POD_EXITED".into()]),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_hangup_in_the_midst_of_life_loses_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let mut player = Player::open(temp.path().join("rkt")).unwrap();
    let server = Server::start(player.dir(), &[]);
    let mut client = server.client().await;
    look(&mut client).await;
    for number in 0..20 {
        let pod = hosts::id(number);
        let written = step::Write {
            apps: vec![step::App::new(
                "web",
                step::ImageName::new("example.com/web", "1.2"),
            )],
            ..step::Write::new(pod)
        };
        for step in [
            step::Step::Create { pod },
            step::Step::Lock { pod },
            step::Step::Prepare { pod },
            step::Step::Write(written),
            step::Step::Run {
                pod,
                holder: step::Holder::Simulator,
            },
            step::Step::Start(step::Start::new(pod)),
            step::Step::Exit {
                pod,
                by: step::Ending::Close,
            },
        ] {
            server.signal(Signal::HUP);
            player.play(&step).unwrap();
        }
    }
    let events = history(server, &mut client).await;
    for number in 0..20 {
        assert_eq!(
            told_of(&events, &hosts::id(number).to_string()),
            [
                "POD_PREPARED",
                "POD_STARTED",
                "APP_STARTED web",
                "APP_EXITED web",
                "POD_EXITED",
            ]
        );
    }
}

#[tokio::test]
async fn a_file_with_two_names_is_read_at_each_call() {
    let host = TempHost::create();
    let pod = hosts::pod(1, Phase::Run);
    host.write_pod(&pod).unwrap();
    let file = place(host.dir(), Phase::Run, &pod.id.to_string()).join(layout::pod::PID);
    let alias = host.beside("alias");
    fs::hard_link(&file, &alias).unwrap();
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    for pid in [1 << 29, 1 << 28] {
        fs::write(&alias, format!("{pid}")).unwrap();
        let answer = client.list_pods(ListPodsRequest::default()).await.unwrap();
        assert_eq!(answer.into_inner().pods[0].pid, pid);
    }
}

#[tokio::test]
async fn who_reads_is_not_too_slow_however_much_happens_at_once() {
    const PODS: u32 = 300;

    let host = TempHost::create();
    let server = Server::start(host.dir(), &["--stream-buffer=10", "--event-history=5"]);
    let mut client = server.client().await;
    look(&mut client).await;
    let mut listener = Listener::open(&mut client, EventFilter::default()).await;
    for number in 0..PODS {
        host.write_pod(&prepared(number)).unwrap();
        if number % 5 == 0 {
            let all = number as usize + 1;
            listener.hear("every pod", |heard| heard.len() >= all).await;
        }
    }
    let all = PODS as usize;
    listener.hear("every pod", |heard| heard.len() >= all).await;
    assert_eq!(listener.heard.len(), all);

    // What is kept for who is behind is not the past that can be asked for.
    let since = EventFilter {
        since_time: 1,
        ..EventFilter::default()
    };
    let request = ListenEventsRequest {
        filter: Some(since),
    };
    let refused = client.listen_events(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
}

#[tokio::test]
async fn where_nothing_is_watched_events_are_told_all_the_same() {
    let host = TempHost::create();
    let pod = prepared(1);
    host.write_pod(&pod).unwrap();
    let server = Server::start(host.dir(), &["--no-watch"]);
    let mut client = server.client().await;
    let mut listener = Listener::open(&mut client, EventFilter::default()).await;
    let id = pod.id.to_string();
    let run = place(host.dir(), Phase::Run, &id);
    fs::rename(place(host.dir(), Phase::Prepared, &id), &run).unwrap();
    listener.hear("the start", |heard| !heard.is_empty()).await;
    fs::remove_dir_all(&run).unwrap();
    let all = ["POD_STARTED", "POD_EXITED", "POD_GARBAGE_COLLECTED"];
    listener
        .hear("the end", |heard| heard.len() >= all.len())
        .await;
    assert_eq!(told_of(&listener.heard, &id), all);
}
