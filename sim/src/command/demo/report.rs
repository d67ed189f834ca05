//! What the server answered, for people, and what they can ask it next.

use std::{fmt, path::Path};

use jiff::Timestamp;
use rkt_api::api::{Image, ImageType, Info, Network, Pod};

use crate::command::table::Table;

/// The answers of one server.
pub struct Report<'a> {
    /// The data directory that it serves.
    pub dir: &'a Path,
    /// Where it listens, `HOST:PORT` or `unix:PATH`.
    pub address: &'a str,
    /// Its answer to GetInfo.
    pub info: Info,
    /// Its answer to ListPods, with details.
    pub pods: Vec<Pod>,
    /// Its answer to ListImages.
    pub images: Vec<Image>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Info {
            rkt_version,
            appc_version,
            api_version,
            ..
        } = &self.info;
        writeln!(f, "A simulated rkt host in {}\n", self.dir.display())?;
        writeln!(f, "GetInfo")?;
        writeln!(
            f,
            "rkt {rkt_version}, appc {appc_version}, API {api_version}\n"
        )?;
        writeln!(f, "ListPods\n{}", pods(&self.pods))?;
        writeln!(f, "ListImages\n{}", images(&self.images))?;

        let mut commands = vec![
            grpcurl(self.address, "", "describe v1alpha.PublicAPI"),
            grpcurl(self.address, "", "v1alpha.PublicAPI/ListPods"),
        ];
        if let Some(running) = self.pods.iter().find(|pod| !pod.cgroup.is_empty()) {
            let id = format!(r#"{{"id": "{}"}}"#, short(&running.id));
            commands.push(grpcurl(self.address, &id, "v1alpha.PublicAPI/InspectPod"));
        }
        writeln!(
            f,
            "Ask it yourself; its reflection tells grpcurl what there is to ask:"
        )?;
        for command in commands {
            writeln!(f, "  {command}")?;
        }
        writeln!(f, "\nServing on {} until Ctrl-C", self.address)
    }
}

/// The line that asks with grpcurl, to be typed into a shell. `data` is JSON or nothing.
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

fn pods(pods: &[Pod]) -> Table<5> {
    let mut table = Table::new(["UUID", "STATE", "APPS", "STARTED", "NETWORKS"]);
    for pod in pods {
        let apps: Vec<_> = pod.apps.iter().map(|app| app.name.as_str()).collect();
        let networks: Vec<_> = pod.networks.iter().map(network).collect();
        let state = pod.state().as_str_name();
        table.row([
            short(&pod.id).to_owned(),
            state.trim_start_matches("POD_STATE_").to_owned(),
            apps.join(", "),
            time(i128::from(pod.started_at)),
            networks.join(", "),
        ]);
    }
    table
}

fn images(images: &[Image]) -> Table<6> {
    let mut table = Table::new(["ID", "NAME", "VERSION", "FORMAT", "SIZE", "IMPORTED"]);
    for image in images {
        let format = image.base_format.as_ref().map(|format| format.r#type());
        let format = format.unwrap_or(ImageType::Undefined).as_str_name();
        table.row([
            short_key(&image.id).to_owned(),
            image.name.clone(),
            image.version.clone(),
            format.trim_start_matches("IMAGE_TYPE_").to_owned(),
            size(image.size),
            time(i128::from(image.import_timestamp) * 1_000_000_000),
        ]);
    }
    table
}

/// The beginning of a UUID, which calls take for the whole.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// The beginning of an image's id, likewise: as long as rkt shows it.
fn short_key(key: &str) -> &str {
    key.get(..19).unwrap_or(key)
}

fn network(network: &Network) -> String {
    let Network { name, ipv4, ipv6 } = network;
    format!("{name} {ipv4}{ipv6}").trim_end().to_owned()
}

/// A time in whole seconds UTC; empty for none.
fn time(unix_ns: i128) -> String {
    match Timestamp::from_nanosecond(unix_ns) {
        Ok(time) if unix_ns != 0 => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        _ => String::new(),
    }
}

/// A size in the largest unit that leaves a whole number, rounded down.
fn size(bytes: i64) -> String {
    match bytes {
        ..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
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
    fn values_are_readable() {
        assert_eq!(time(0), "");
        assert_eq!(time(1_523_870_501_720_000_000), "2018-04-16 09:21:41");
        assert_eq!(time(i128::MAX), "");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(2048), "2 KiB");
        assert_eq!(size(44_511_232), "42 MiB");
        assert_eq!(short("é"), "é");
    }
}
