//! Every exit code, and the sentence that comes with it.

use std::{io::pipe, net::TcpListener, os::unix::process::ExitStatusExt as _, pin::Pin};

use rkt_api::api::{
    GetInfoRequest, GetInfoResponse, GetLogsRequest, GetLogsResponse, InspectImageRequest,
    InspectImageResponse, InspectPodRequest, InspectPodResponse, ListImagesRequest,
    ListImagesResponse, ListPodsRequest, ListPodsResponse, ListenEventsRequest,
    ListenEventsResponse,
    public_api_server::{PublicApi, PublicApiServer},
};
use tokio_stream::Stream;
use tonic::{
    Code, Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    host::{Demo, POD},
    program::{Follower, fails, rktctl},
};

/// A server that answers with the status whose number it's asked for, and with nothing else.
pub struct Refuses;

type Messages<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

#[tonic::async_trait]
impl PublicApi for Refuses {
    type ListenEventsStream = Messages<ListenEventsResponse>;
    type GetLogsStream = Messages<GetLogsResponse>;

    async fn get_info(
        &self,
        _: Request<GetInfoRequest>,
    ) -> Result<Response<GetInfoResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn list_pods(
        &self,
        _: Request<ListPodsRequest>,
    ) -> Result<Response<ListPodsResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn inspect_pod(
        &self,
        request: Request<InspectPodRequest>,
    ) -> Result<Response<InspectPodResponse>, Status> {
        let number = request.into_inner().id.parse().unwrap();
        Err(Status::new(Code::from_i32(number), "no \u{1b}[2J"))
    }

    async fn list_images(
        &self,
        _: Request<ListImagesRequest>,
    ) -> Result<Response<ListImagesResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn inspect_image(
        &self,
        _: Request<InspectImageRequest>,
    ) -> Result<Response<InspectImageResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn listen_events(
        &self,
        _: Request<ListenEventsRequest>,
    ) -> Result<Response<Self::ListenEventsStream>, Status> {
        Ok(Response::new(Box::pin(tokio_stream::empty())))
    }

    async fn get_logs(
        &self,
        _: Request<GetLogsRequest>,
    ) -> Result<Response<Self::GetLogsStream>, Status> {
        Ok(Response::new(Box::pin(tokio_stream::pending())))
    }
}

/// Serves as `server` is set up, and gives the address.
pub async fn serve(mut server: Server) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = server.add_service(PublicApiServer::new(Refuses));
    tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn every_status_has_a_code() {
    let address = serve(Server::builder()).await;
    for number in 1..=16 {
        let stderr = fails(&address, &["pod", &number.to_string()], 10 + number);
        assert!(stderr.starts_with(r"rktctl: no \u{1b}[2J ("), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_in_an_answer_is_said() {
    let address = serve(Server::builder()).await;
    let stderr = fails(&address, &["info"], 23);
    assert_eq!(
        stderr,
        "rktctl: the server's answer has no info (INTERNAL)\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_that_do_not_come_are_not_waited_for() {
    let address = serve(Server::builder()).await;
    let stderr = fails(&address, &["logs", POD, "--timeout=300ms"], 14);
    assert_eq!(
        stderr,
        "rktctl: no answer within 300ms (DEADLINE_EXCEEDED)\n"
    );
}

#[test]
fn the_servers_own_words_arrive() {
    let demo = Demo::start();
    let address = demo.address();
    fails(&address, &["pod", "no-uuid"], 13);
    fails(&address, &["pod", "ffffffff"], 15);
    fails(&address, &["image", "ffffffff"], 15);
    fails(&address, &["logs", POD, "none"], 15);
    // This one has no journal.
    let stderr = fails(&address, &["logs", "8a4d9e60"], 19);
    assert!(stderr.ends_with(" (FAILED_PRECONDITION)\n"), "{stderr}");
}

#[test]
fn a_wrong_command_line_is_2() {
    for args in [
        &[][..],
        &["pods", "--state=happy"],
        &["pods", "--annotation=k"],
        &["pods", "--watch", "-o=json"],
        &["logs"],
        &["logs", POD, "--tail=0"],
        &["events", "--since=soon"],
        &["info", "--address=nowhere"],
        &["info", "--timeout=0s"],
        &["info", "--tls-ca=/does/not/exist"],
        &["info", "--tls-cert=/does/not/exist"],
        &[
            "info",
            "--address=http://localhost:1",
            "--tls-server-name=a",
        ],
    ] {
        // There is nobody: what is wrong is found out before anything is asked.
        let stderr = fails("localhost:1", args, 2);
        assert!(!stderr.is_empty());
    }
}

#[test]
fn nobody_there_is_3() {
    let stderr = fails("localhost:1", &["info"], 3);
    let words = "rktctl: no connection to a server at localhost:1: ";
    assert!(stderr.starts_with(words), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    fails("unix:/does/not/exist", &["info"], 3);
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    fails(&address, &["info", "--timeout=300ms"], 14);
}

#[test]
fn a_pipe_that_nobody_reads_is_no_news() {
    let demo = Demo::start();
    for args in [&["pods"][..], &["--generate", "man"]] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = rktctl(&demo.address(), args);
        let output = command.stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn a_full_disk_is_1() {
    let demo = Demo::start();
    for (args, what) in [
        (&["pods"][..], "answer"),
        (&["--generate", "man"], "document"),
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let mut command = rktctl(&demo.address(), args);
        let output = command.stdout(full.unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let words = format!("rktctl: failed to write the {what}: ");
        assert!(stderr.starts_with(&words), "{stderr}");
    }
}

#[test]
fn ctrl_c_ends_a_follower() {
    let demo = Demo::start();
    let events = Follower::start(&demo.address(), &["events"]);
    events.wait_for("the headings", |line| line.starts_with("TIME"));
    // Which shells show as 130.
    assert_eq!(events.interrupt().signal(), Some(2));
}

#[test]
fn a_connection_that_breaks_is_3() {
    let demo = Demo::start();
    let address = demo.address();
    let events = Follower::start(&address, &["events"]);
    events.wait_for("the headings", |line| line.starts_with("TIME"));
    // The server is killed.
    drop(demo);
    let (status, stderr) = events.wait();
    assert_eq!(status.code(), Some(3), "{stderr}");
    let words = format!("rktctl: no connection to a server at {address}: ");
    assert!(stderr.starts_with(&words), "{stderr}");
}

#[test]
fn a_server_that_ends_is_24() {
    let demo = Demo::start();
    let events = Follower::start(&demo.address(), &["events"]);
    events.wait_for("the headings", |line| line.starts_with("TIME"));
    demo.end_server();
    let (status, stderr) = events.wait();
    assert_eq!(status.code(), Some(24), "{stderr}");
    assert!(stderr.ends_with(" (UNAVAILABLE)\n"), "{stderr}");
}
