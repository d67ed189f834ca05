//! `logs`: flags to a request.

use clap::{Args, value_parser};
use jiff::Timestamp;
use rkt_api::api::GetLogsRequest;

use super::{
    PlainOutput,
    values::{WHEN, When, unix_s},
};

/// Show the log lines of a pod
///
/// Lines come as the server sends them: the time, MESSAGE= and the message, of which further lines
/// follow bare. On a terminal, control characters are shown as such and not obeyed; on a pipe
/// nothing is changed.
#[derive(Debug, Args)]
pub struct LogsArgs {
    #[command(flatten)]
    pub output: PlainOutput,

    /// Go on, and show further lines as they are written. Until Ctrl-C, or the end of --until
    #[arg(long, short)]
    pub follow: bool,

    /// Show at most this many of the lines that are there, the newest
    #[arg(
        long,
        short = 'n',
        value_name = "LINES",
        value_parser = value_parser!(i32).range(1..)
    )]
    pub tail: Option<i32>,

    /// Only lines written after this second: 10m, an RFC 3339 time, or seconds since the epoch
    #[arg(long, value_name = WHEN)]
    pub since: Option<When>,

    /// Only lines written before this second
    #[arg(long, value_name = WHEN)]
    pub until: Option<When>,

    /// The pod's id, or a beginning that only one pod has
    #[arg(value_name = "POD")]
    pub pod_id: String,

    /// Only this app's lines [default: those of all apps]
    #[arg(value_name = "APP")]
    pub app_name: Option<String>,
}

impl LogsArgs {
    /// The request that says the same.
    pub fn request(&self, now: Timestamp) -> GetLogsRequest {
        GetLogsRequest {
            pod_id: self.pod_id.clone(),
            app_name: self.app_name.clone().unwrap_or_default(),
            lines: self.tail.unwrap_or_default(),
            follow: self.follow,
            since_time: unix_s(self.since, now),
            until_time: unix_s(self.until, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parsed;

    fn request(args: &[&str]) -> GetLogsRequest {
        let now = Timestamp::from_second(1_523_880_000).unwrap();
        parsed::<LogsArgs>(args).unwrap().request(now)
    }

    #[test]
    fn every_flag_arrives() {
        let args = [
            "3f0b52c1",
            "etcd",
            "-f",
            "-n20",
            "--since=1m",
            "--until=+1m",
        ];
        let expected = GetLogsRequest {
            pod_id: "3f0b52c1".to_owned(),
            app_name: "etcd".to_owned(),
            lines: 20,
            follow: true,
            since_time: 1_523_879_940,
            until_time: 1_523_880_060,
        };
        assert_eq!(request(&args), expected);
        let expected = GetLogsRequest {
            pod_id: "3f0b52c1".to_owned(),
            ..GetLogsRequest::default()
        };
        assert_eq!(request(&["3f0b52c1"]), expected);
    }

    /// To the API no lines are all lines, which is not what was said.
    #[test]
    fn no_lines_cannot_be_asked_for() {
        for tail in ["--tail=0", "--tail=-1"] {
            assert!(parsed::<LogsArgs>(&["3f0b52c1", tail]).is_err(), "{tail}");
        }
    }
}
