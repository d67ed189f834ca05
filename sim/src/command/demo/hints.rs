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
    let mut commands = vec![
        grpcurl(address, "", "v1alpha.PublicAPI/ListPods"),
        format!("cargo run --release -p rkt-conformance -- run --connect {address}"),
        format!("cargo run --release -p rkt-sim -- show {}", dir.display()),
        grpcurl(address, "", "describe v1alpha.PublicAPI"),
    ];
    // Of those that run, the one that has run longest changes least often.
    let running = pods.iter().filter(|pod| pod.state() == PodState::Running);
    if let Some(pod) = running.min_by_key(|pod| (pod.started_at, &pod.id)) {
        let id = format!(r#"{{"id": "{}"}}"#, short(&pod.id));
        commands.push(grpcurl(address, &id, "v1alpha.PublicAPI/InspectPod"));
    }
    commands
}

/// The line that asks with grpcurl. `data` is JSON or nothing.
fn grpcurl(address: &str, data: &str, what: &str) -> String {
    let mut line = "grpcurl -plaintext".to_owned();
    if !data.is_empty() {
        line += &format!(" -d '{data}'");
    }
    match address.strip_prefix("unix:") {
        Some(path) => line += &format!(" -unix {path}"),
        None => line += &format!(" {address}"),
    }
    line + " " + what
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_fit_the_address() {
        assert_eq!(
            grpcurl("[::1]:1", r#"{"id": "a"}"#, "S/M"),
            r#"grpcurl -plaintext -d '{"id": "a"}' [::1]:1 S/M"#
        );
        assert_eq!(
            grpcurl("unix:/run/api.sock", "", "S/M"),
            "grpcurl -plaintext -unix /run/api.sock S/M"
        );
    }

    #[test]
    fn the_pod_that_has_run_longest_is_inspected() {
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
        ];
        let inspects = |pods| {
            let commands = commands(&place, pods);
            commands.into_iter().find(|line| line.contains("Inspect"))
        };
        let line =
            r#"grpcurl -plaintext -d '{"id": "cccccccc"}' [::1]:1 v1alpha.PublicAPI/InspectPod"#;
        assert_eq!(inspects(&pods).as_deref(), Some(line));
        assert_eq!(inspects(&pods[..1]), None);
    }
}
