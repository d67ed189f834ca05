//! What to type next: lines for a shell, the most useful first.

use std::path::PathBuf;

use rkt_api::api::{Pod, PodState};

use super::cells::short;

/// Where the demonstration's host is.
pub struct Place {
    /// The data directory that is served.
    pub dir: PathBuf,
    /// Where the server listens, `HOST:PORT` or `unix:PATH`.
    pub address: String,
}

/// Lines that ask the server or look at the directory.
pub fn commands(place: &Place, pods: &[Pod]) -> Vec<String> {
    let Place { dir, address } = place;
    let rktctl =
        |what: &str| format!("cargo run --release --bin rktctl -- --address {address} {what}");
    let mut commands = vec![rktctl("pods --watch")];
    // Of those that have started, the one that has run longest changes least often.
    let started = |pod: &&Pod| pod.state() == PodState::Running && pod.started_at != 0;
    let running = pods.iter().filter(started);
    if let Some(pod) = running.min_by_key(|pod| (pod.started_at, &pod.id)) {
        commands.push(rktctl(&format!("logs {} -f", short(&pod.id))));
    }
    commands.extend([
        format!("cargo run --release -p rkt-conformance -- run --connect {address}"),
        format!("cargo run --release -p rkt-sim -- show {}", dir.display()),
        format!(
            "grpcurl -plaintext {} v1alpha.PublicAPI/ListPods",
            target(address)
        ),
    ]);
    commands
}

/// An address as grpcurl takes it.
fn target(address: &str) -> String {
    match address.strip_prefix("unix:") {
        Some(path) => format!("-unix {path}"),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpcurl_has_its_own_way_with_sockets() {
        assert_eq!(target("[::1]:1"), "[::1]:1");
        assert_eq!(target("unix:/run/api.sock"), "-unix /run/api.sock");
    }

    #[test]
    fn the_pod_that_has_run_longest_is_followed() {
        let place = Place {
            dir: "/tmp/rkt".into(),
            address: "[::1]:1".to_owned(),
        };
        let pod = |id: &str, state: PodState, started_at| Pod {
            id: id.to_owned(),
            state: state.into(),
            started_at,
            ..Pod::default()
        };
        let pods = [
            pod("aaaaaaaa-1", PodState::Exited, 1),
            pod("bbbbbbbb-2", PodState::Running, 3),
            pod("cccccccc-3", PodState::Running, 2),
            pod("dddddddd-4", PodState::Running, 0),
        ];
        let follows = |pods| {
            let commands = commands(&place, pods);
            commands.into_iter().find(|line| line.contains("logs"))
        };
        let line = "cargo run --release --bin rktctl -- --address [::1]:1 logs cccccccc -f";
        assert_eq!(follows(&pods).as_deref(), Some(line));
        assert_eq!(follows(&pods[..1]), None);
    }
}
