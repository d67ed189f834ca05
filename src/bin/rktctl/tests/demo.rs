//! The demo's host, served in this process, and `rktctl` beside it with what it prints caught.

use std::{
    cell::RefCell,
    io::{self, Write},
    rc::Rc,
};

use clap::Parser as _;
use jiff::Timestamp;
use rkt_api::{
    api::{EventFilter, ListenEventsRequest, public_api_client::PublicApiClient},
    server::{Config, Server},
};
use rkt_sim::{
    example,
    live::{
        Player,
        step::{Ending, Step},
    },
    spec::{HostSpec, SET_UP_AT_S},
};
use tempfile::TempDir;

use crate::{
    cli::Cli,
    commands,
    environment::{Environment, Size},
    error::Error,
};

/// Pages that are tried: a pipe, a usual terminal, a wide one.
pub const WIDTHS: [Option<usize>; 3] = [None, Some(80), Some(200)];

/// The time on the demo's host: a little after its newest pod was created.
pub const NOW_S: i64 = SET_UP_AT_S + 9 * 3600 + 125 * 60;

/// The demo's host and its server, which ends with the test's runtime.
pub struct Demo {
    temp: TempDir,
    address: String,
    player: RefCell<Player>,
}

impl Demo {
    /// Writes the host, and serves it.
    pub async fn start() -> Self {
        Self::start_with(example::host()).await
    }

    /// The same with a host that is not quite the demo's.
    pub async fn start_with(spec: HostSpec) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("rkt");
        let player = Player::begin(&dir, &spec).unwrap();
        let config = Config {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            ..Config::new(dir)
        };
        let server = Server::bind(config).await.unwrap();
        let address = server.addresses().remove(0);
        tokio::spawn(server.serve(std::future::pending()));
        Self {
            temp,
            address,
            player: player.into(),
        }
    }

    /// The data directory.
    pub fn dir(&self) -> String {
        self.temp.path().join("rkt").display().to_string()
    }

    /// What `rktctl` prints with these arguments on a terminal of this width, or on a pipe.
    pub async fn rktctl(&self, args: &[&str], width: Option<usize>) -> String {
        let (text, ended) = self.run(args, around(width)).await;
        ended.unwrap_or_else(|error| panic!("{args:?}: {error}"));
        text
    }

    /// The same on a terminal that has colours.
    pub async fn rktctl_in_colour(&self, args: &[&str]) -> String {
        let around = Environment {
            has_colour: true,
            ..around(Some(80))
        };
        self.run(args, around).await.0
    }

    /// What is seen on a terminal of 100 columns, errors and all.
    pub async fn said(&self, args: &[&str]) -> String {
        self.said_in(args, around(Some(100))).await
    }

    /// The same by the real clock, by which things happen.
    pub async fn said_now(&self, args: &[&str]) -> String {
        let around = Environment {
            now: Timestamp::now,
            ..around(Some(100))
        };
        self.said_in(args, around).await
    }

    async fn said_in(&self, args: &[&str], around: Environment) -> String {
        match self.run(args, around).await {
            (text, Ok(())) => text,
            (text, Err(error)) => format!("{text}rktctl: {error}\n"),
        }
    }

    async fn run(&self, args: &[&str], mut around: Environment) -> (String, Result<(), Error>) {
        let program = ["rktctl", "--address", self.address.as_str()];
        let cli = Cli::try_parse_from(program.iter().chain(args));
        let cli = cli.unwrap_or_else(|error| panic!("{error}"));
        let printed = Printed::default();
        around.out = Box::new(printed.clone());
        let ended = commands::run(cli, &mut around).await;
        (String::from_utf8(printed.0.take()).unwrap(), ended)
    }

    /// Lets pods and images go, and waits until the server has told of it. It tells real times:
    /// the answer is the second after the last.
    pub async fn live(&self) -> i64 {
        let pod = "3f0b52c1-8c1d-4a7e-9d26-6e1f07a4c5b8".parse().unwrap();
        let waiting = "1d9508ef-c37a-4260-b1f4-88096e5da3c7".parse().unwrap();
        let images = self.rktctl(&["images", "--base-name=etcd", "-o=name"], None);
        let image = images.await.trim_end().to_owned();
        let address = format!("http://{}", self.address);
        let mut client = PublicApiClient::connect(address).await.unwrap();
        let request = ListenEventsRequest {
            filter: Some(EventFilter::default()),
        };
        let stream = client.listen_events(request).await.unwrap();
        let mut stream = stream.into_inner();
        let mut last_s = 0;
        // Each is told before the next: their order is that of the steps.
        for (step, events) in [
            (
                Step::Exit {
                    pod,
                    by: Ending::default(),
                },
                2,
            ),
            (Step::Mark { pod }, 1),
            (Step::Mark { pod: waiting }, 1),
            (
                Step::Remove {
                    image: image.parse().unwrap(),
                    via: Default::default(),
                },
                1,
            ),
        ] {
            self.player.borrow_mut().play(&step).unwrap();
            let mut told = 0;
            while told < events {
                let message = stream.message().await.unwrap().unwrap();
                told += message.events.len();
                last_s = message.events.last().map_or(last_s, |event| event.time);
            }
        }
        last_s + 1
    }
}

/// A terminal of this width, or a pipe, at the time of the host.
fn around(width: Option<usize>) -> Environment {
    const fn terminal(width: usize) -> Option<Size> {
        Some(Size { width, height: 24 })
    }
    Environment {
        out: Box::new(io::sink()),
        size: match width {
            None => || None,
            Some(80) => || terminal(80),
            Some(100) => || terminal(100),
            Some(200) => || terminal(200),
            Some(other) => panic!("no page of {other} columns"),
        },
        has_colour: false,
        now: || Timestamp::from_second(NOW_S).unwrap(),
    }
}

/// What has been printed.
#[derive(Clone, Default)]
struct Printed(Rc<RefCell<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
