//! What monitoring sees: requests over HTTP, and the metrics taken apart.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
};

use crate::support::{DEADLINE, Server, eventually};

/// A connection to the endpoint at `address`, as the server's log has it.
pub fn connect(address: &str) -> Box<dyn Socket> {
    match address.strip_prefix("unix:") {
        Some(path) => {
            let socket = UnixStream::connect(path).unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            Box::new(socket)
        }
        None => {
            let socket = TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            Box::new(socket)
        }
    }
}

pub trait Socket: Read + Write + Send {}

impl<S: Read + Write + Send> Socket for S {}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// What the endpoint answers to these bytes. `None` when it hangs up without a word.
pub fn send(address: &str, request: &str) -> Option<Answer> {
    let mut socket = connect(address);
    // It may have hung up before all is written.
    let _ = socket.write_all(request.as_bytes());
    let mut answer = Vec::new();
    // An answer may be followed by a reset, when not all of the request was read.
    if let Err(error) = socket.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Answer {
        status,
        head: head.to_lowercase(),
        body: body.to_owned(),
    })
}

/// The page at `path`.
pub fn page(address: &str, path: &str) -> Answer {
    send(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: server\r\n\r\n"),
    )
    .unwrap()
}

/// Waits until a sample, named with its labels, has this value: who is concerned may know of it
/// before it is counted.
pub fn becomes(server: &Server, sample: &str, value: f64) {
    eventually(&format!("{sample} is {value}"), || {
        Metrics::of(server).value(sample) == value
    });
}

/// Waits until so many connections were refused for this reason.
pub fn refused_connections(server: &Server, reason: &str, count: f64) {
    let sample = format!("rkt_api_connections_refused_total{{reason=\"{reason}\"}}");
    becomes(server, &sample, count);
}

/// The metrics at one moment.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub text: String,
    samples: BTreeMap<String, f64>,
    /// The type of each metric, by name without `_total` and its like.
    pub types: BTreeMap<String, String>,
    pub helped: BTreeSet<String>,
}

impl Metrics {
    pub fn of(server: &Server) -> Self {
        Self::at(&server.metrics_address())
    }

    pub fn at(address: &str) -> Self {
        let Answer { status, head, body } = page(address, "/metrics");
        assert_eq!(status, 200, "{head}");
        assert!(head.contains("application/openmetrics-text"), "{head}");
        assert!(body.ends_with("# EOF\n"), "{body}");
        let mut metrics = Self {
            text: body.clone(),
            samples: BTreeMap::new(),
            types: BTreeMap::new(),
            helped: BTreeSet::new(),
        };
        for line in body.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                match (words.next().unwrap(), words.next(), words.next()) {
                    ("TYPE", Some(name), Some(kind)) => {
                        let before = metrics.types.insert(name.to_owned(), kind.to_owned());
                        assert_eq!(before, None, "{name} twice");
                    }
                    ("HELP", Some(name), Some(help)) => {
                        assert!(!help.trim().is_empty(), "{name}");
                        metrics.helped.insert(name.to_owned());
                    }
                    ("UNIT", Some(name), Some(unit)) => {
                        assert!(name.ends_with(&format!("_{unit}")), "{line}");
                    }
                    ("EOF", None, None) => {}
                    _ => panic!("{line}"),
                }
            } else {
                let (name, value) = line.rsplit_once(' ').unwrap();
                let value = value.parse().unwrap();
                let before = metrics.samples.insert(name.to_owned(), value);
                assert_eq!(before, None, "{name} twice");
            }
        }
        metrics
    }

    /// The value of a sample, named with its labels; `None` when it is not there.
    pub fn get(&self, sample: &str) -> Option<f64> {
        self.samples.get(sample).copied()
    }

    /// The value of a sample that is there.
    pub fn value(&self, sample: &str) -> f64 {
        let value = self.get(sample);
        value.unwrap_or_else(|| panic!("no {sample} in\n{}", self.text))
    }

    /// The sum of all samples with this name, whatever their labels.
    pub fn sum(&self, name: &str) -> f64 {
        let of_name = self.samples.iter().filter(|(sample, _)| {
            let rest = sample.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        });
        of_name.map(|(_, value)| value).sum()
    }

    /// How many calls of `method` have ended with `code`.
    pub fn requests(&self, method: &str, code: &str) -> f64 {
        let sample = format!("rkt_api_requests_total{{method=\"{method}\",code=\"{code}\"}}");
        self.get(&sample).unwrap_or_default()
    }

    /// How many calls have met the limit that `reason` names.
    pub fn calls_refused(&self, reason: &str) -> f64 {
        self.value(&format!(
            "rkt_api_calls_refused_total{{reason=\"{reason}\"}}"
        ))
    }

    /// All names that samples have, with `_total` and its like.
    pub fn names(&self) -> BTreeSet<&str> {
        let names = self.samples.keys();
        names.map(|name| name.split('{').next().unwrap()).collect()
    }

    /// The samples that may only grow.
    pub fn growing(&self) -> impl Iterator<Item = (&str, f64)> {
        let samples = self.samples.iter();
        let growing = samples.filter(|(sample, _)| {
            let name = sample.split('{').next().unwrap();
            ["_total", "_bucket", "_count", "_sum"]
                .iter()
                .any(|end| name.ends_with(end))
        });
        growing.map(|(sample, value)| (sample.as_str(), *value))
    }
}
