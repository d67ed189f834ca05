//! Pod manifests, image manifests and `net-info.json`, in the order and form in which rkt
//! 1.30.0 writes them.
//!
//! rkt writes them with Go's `encoding/json` from the types of the appc specification; seen on
//! directories that it wrote. Only the fields that a description has anything to say about are
//! here, and those that rkt never leaves out.

use std::io;

use serde::Serialize;

use crate::{
    go_json,
    spec::{self, Image, Network, Pod},
};

/// rkt puts its own version where the specification wants that of appc.
const POD_AC_VERSION: &str = "1.30.0";

/// The appc version of the image manifests that rkt 1.30.0 writes.
const IMAGE_AC_VERSION: &str = "0.8.11";

/// The pod manifest.
pub(crate) fn pod(pod: &Pod) -> io::Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest<'a> {
        ac_version: &'a str,
        ac_kind: &'a str,
        apps: Vec<RuntimeApp<'a>>,
        volumes: (),
        isolators: (),
        annotations: Vec<NameValue<'a>>,
        ports: [(); 0],
    }

    #[derive(Serialize)]
    struct RuntimeApp<'a> {
        name: &'a str,
        image: RuntimeImage<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        app: Option<AppSection<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        annotations: Vec<NameValue<'a>>,
    }

    #[derive(Serialize)]
    struct RuntimeImage<'a> {
        name: &'a str,
        id: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        labels: Vec<NameValue<'a>>,
    }

    fn app(app: &spec::App) -> io::Result<RuntimeApp<'_>> {
        let id = match &app.image_id {
            Some(id) => id.clone(),
            None => app.image.blob_key()?,
        };
        Ok(RuntimeApp {
            name: &app.name,
            image: RuntimeImage {
                name: &app.image.name,
                id,
                labels: name_values(&app.image.labels),
            },
            app: app_section(&app.image),
            annotations: name_values(&app.annotations),
        })
    }

    go_json::to_vec(&Manifest {
        ac_version: POD_AC_VERSION,
        ac_kind: "PodManifest",
        apps: pod.apps.iter().map(app).collect::<io::Result<_>>()?,
        volumes: (),
        isolators: (),
        annotations: name_values(&pod.annotations),
        ports: [],
    })
}

/// The image manifest: one and the same in the image, in the store and in a pod.
pub(crate) fn image(image: &Image) -> io::Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest<'a> {
        ac_kind: &'a str,
        ac_version: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        labels: Vec<NameValue<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        app: Option<AppSection<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        annotations: Vec<NameValue<'a>>,
    }

    go_json::to_vec(&Manifest {
        ac_kind: "ImageManifest",
        ac_version: IMAGE_AC_VERSION,
        name: &image.name,
        labels: name_values(&image.labels),
        app: app_section(image),
        annotations: name_values(&image.annotations),
    })
}

/// The list of networks, as rkt's networking writes it when the pod starts.
pub(crate) fn net_info(networks: &[Network]) -> io::Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct NetInfo<'a> {
        net_name: &'a str,
        net_conf: String,
        plugin_path: &'a str,
        if_name: String,
        ip: String,
        args: &'a str,
        mask: &'a str,
    }

    fn net_info((index, network): (usize, &Network)) -> NetInfo<'_> {
        // Go does not tell an IPv4 address from the IPv6 one that stands for it.
        let ip = network.ip.map(|ip| ip.to_canonical());
        NetInfo {
            net_name: &network.name,
            net_conf: format!("net/99-{}.conf", network.name),
            plugin_path: "stage1/rootfs/usr/lib/rkt/plugins/net/ptp",
            if_name: format!("eth{index}"),
            ip: ip.map(|ip| ip.to_string()).unwrap_or_default(),
            args: "",
            mask: match ip {
                None => "",
                Some(ip) if ip.is_ipv4() => "255.255.255.0",
                Some(_) => "ffff:ffff:ffff:ffff::",
            },
        }
    }

    let list: Vec<_> = networks.iter().enumerate().map(net_info).collect();
    go_json::to_vec(&list)
}

/// An annotation or a label.
#[derive(Serialize)]
struct NameValue<'a> {
    name: &'a str,
    value: &'a str,
}

fn name_values(pairs: &[(String, String)]) -> Vec<NameValue<'_>> {
    let pairs = pairs.iter().map(|(name, value)| NameValue { name, value });
    pairs.collect()
}

/// What is to run. rkt copies it from the image into the pod manifest.
#[derive(Serialize)]
struct AppSection<'a> {
    exec: &'a [String],
    user: &'a str,
    group: &'a str,
}

fn app_section(image: &Image) -> Option<AppSection<'_>> {
    (!image.exec.is_empty()).then_some(AppSection {
        exec: &image.exec,
        user: "0",
        group: "0",
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use uuid::Uuid;

    use super::*;
    use crate::spec::{App, Phase};

    fn text(json: io::Result<Vec<u8>>) -> String {
        String::from_utf8(json.unwrap()).unwrap()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(n, v): &(&str, &str)| (str::to_owned(n), str::to_owned(v));
        pairs.iter().map(owned).collect()
    }

    // The expected texts are manifests that rkt 1.30.0 wrote, less their `environment`.

    #[test]
    fn image_manifests_are_those_of_rkt() {
        let hello = Image {
            exec: ["/bin/sh", "-c", "echo hello from rkt; exit 0"]
                .map(str::to_owned)
                .into(),
            annotations: pairs(&[
                ("created", "2017-01-02T03:04:05Z"),
                ("authors", "Lab <lab@example.com>"),
                ("homepage", "https://example.com/hello"),
            ]),
            ..Image::new("example.com/hello", "1.0.0")
        };
        assert_eq!(
            text(image(&hello)),
            r#"{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/hello","labels":[{"name":"version","value":"1.0.0"},{"name":"os","value":"linux"},{"name":"arch","value":"amd64"}],"app":{"exec":["/bin/sh","-c","echo hello from rkt; exit 0"],"user":"0","group":"0"},"annotations":[{"name":"created","value":"2017-01-02T03:04:05Z"},{"name":"authors","value":"Lab \u003clab@example.com\u003e"},{"name":"homepage","value":"https://example.com/hello"}]}"#
        );
    }

    #[test]
    fn pod_manifests_are_those_of_rkt() {
        let sleeper = Image {
            exec: ["/bin/sleep", "100000"].map(str::to_owned).into(),
            ..Image::new("example.com/sleeper", "0.3.0")
        };
        let key = sleeper.blob_key().unwrap();
        let described = Pod {
            apps: vec![App {
                annotations: pairs(&[("role", "worker")]),
                ..App::new("sleeper", sleeper)
            }],
            ..Pod::new(Uuid::nil(), Phase::Run)
        };
        let expected = r#"{"acVersion":"1.30.0","acKind":"PodManifest","apps":[{"name":"sleeper","image":{"name":"example.com/sleeper","id":"KEY","labels":[{"name":"version","value":"0.3.0"},{"name":"os","value":"linux"},{"name":"arch","value":"amd64"}]},"app":{"exec":["/bin/sleep","100000"],"user":"0","group":"0"},"annotations":[{"name":"role","value":"worker"}]}],"volumes":null,"isolators":null,"annotations":[{"name":"coreos.com/rkt/stage1/mutable","value":"false"}],"ports":[]}"#;
        assert_eq!(text(pod(&described)), expected.replace("KEY", &key));
    }

    #[test]
    fn networks_have_addresses_of_either_kind_or_none() {
        let networks = [
            Network::new("default", Ipv4Addr::new(172, 16, 28, 27)),
            Network::new("v6", "fd00::5".parse::<Ipv6Addr>().unwrap()),
            Network {
                name: "noip".to_owned(),
                ip: None,
            },
        ];
        let json = text(net_info(&networks));
        assert!(
            json.starts_with(
                r#"[{"netName":"default","netConf":"net/99-default.conf","pluginPath":"stage1/rootfs/usr/lib/rkt/plugins/net/ptp","ifName":"eth0","ip":"172.16.28.27","args":"","mask":"255.255.255.0"},{"#
            ),
            "{json}"
        );
        let read = rkt_api::formats::netinfo::parse(json.as_bytes()).unwrap();
        let read: Vec<_> = read.into_iter().map(|n| (n.name, n.address)).collect();
        let expected: Vec<_> = networks.into_iter().map(|n| (n.name, n.ip)).collect();
        assert_eq!(read, expected);
        assert_eq!(text(net_info(&[])), "[]");
    }
}
