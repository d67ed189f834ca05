//! Pod manifests, image manifests and `net-info.json`, in the order and form in which rkt
//! 1.30.0 writes them.
//!
//! rkt writes them with Go's `encoding/json` from the types of the appc specification; seen on
//! directories that it wrote. Only the fields that a description has anything to say about are
//! here, and those that rkt never leaves out.

use std::{collections::BTreeMap, io, ops::Not};

use serde::{Serialize, Serializer};

use crate::{
    aci::Known,
    go_json,
    spec::{
        self, Dependency, ExposedPort, Image, Isolator, Mount, MountPoint, Network, Pod, Port,
        Settings, Volume,
    },
};

/// rkt puts its own version where the specification wants that of appc.
const POD_AC_VERSION: &str = "1.30.0";

/// The appc version of the image manifests that rkt 1.30.0 writes.
const IMAGE_AC_VERSION: &str = "0.8.11";

/// The pod manifest.
pub(crate) fn pod(pod: &Pod, known: &mut Known) -> io::Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest<'a> {
        ac_version: &'a str,
        ac_kind: &'a str,
        apps: Vec<RuntimeApp<'a>>,
        volumes: NullIfEmpty<'a, Volume>,
        isolators: NullIfEmpty<'a, Isolator>,
        annotations: Vec<NameValue<'a>>,
        ports: &'a [ExposedPort],
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        user_annotations: &'a BTreeMap<String, String>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        user_labels: &'a BTreeMap<String, String>,
    }

    #[derive(Serialize)]
    struct RuntimeApp<'a> {
        name: &'a str,
        image: RuntimeImage<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        app: Option<AppSection<'a>>,
        #[serde(rename = "readOnlyRootFS", skip_serializing_if = "Not::not")]
        read_only_root_fs: bool,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        mounts: &'a [Mount],
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

    fn app<'a>(app: &'a spec::App, known: &mut Known) -> io::Result<RuntimeApp<'a>> {
        let id = match &app.image_id {
            Some(id) => id.clone(),
            None => known.facts(&app.image)?.blob_key.clone(),
        };
        Ok(RuntimeApp {
            name: &app.name,
            image: RuntimeImage {
                name: &app.image.name,
                id,
                labels: name_values(&app.image.labels),
            },
            app: app_section(
                app.exec.as_ref().unwrap_or(&app.image.exec),
                app.settings.as_ref().unwrap_or(&app.image.settings),
            ),
            read_only_root_fs: app.read_only_root_fs,
            mounts: &app.mounts,
            annotations: name_values(&app.annotations),
        })
    }

    go_json::to_vec(&Manifest {
        ac_version: POD_AC_VERSION,
        ac_kind: "PodManifest",
        apps: pod
            .apps
            .iter()
            .map(|a| app(a, known))
            .collect::<io::Result<_>>()?,
        volumes: NullIfEmpty(&pod.volumes),
        isolators: NullIfEmpty(&pod.isolators),
        annotations: name_values(&pod.annotations),
        ports: &pod.ports,
        user_annotations: &pod.user_annotations,
        user_labels: &pod.user_labels,
    })
}

/// The image manifest: one and the same in the image, in the store and in a pod.
pub(crate) fn image(image: &Image, known: &mut Known) -> io::Result<Vec<u8>> {
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
        dependencies: Vec<ImageDependency<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        annotations: Vec<NameValue<'a>>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ImageDependency<'a> {
        image_name: &'a str,
        #[serde(rename = "imageID", skip_serializing_if = "Option::is_none")]
        image_id: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        labels: Vec<NameValue<'a>>,
        #[serde(rename = "size", skip_serializing_if = "Option::is_none")]
        size_bytes: Option<u64>,
    }

    fn dependency<'a>(
        dependency: &'a Dependency,
        known: &mut Known,
    ) -> io::Result<ImageDependency<'a>> {
        let image = &dependency.image;
        let image_id = match dependency.by_id {
            true => Some(known.facts(image)?.blob_key.clone()),
            false => None,
        };
        Ok(ImageDependency {
            image_name: &image.name,
            image_id,
            labels: name_values(&image.labels),
            size_bytes: dependency.size_bytes,
        })
    }

    let dependencies = image.dependencies.iter();
    let dependencies = dependencies.map(|on| dependency(on, known));
    go_json::to_vec(&Manifest {
        ac_kind: "ImageManifest",
        ac_version: IMAGE_AC_VERSION,
        name: &image.name,
        labels: name_values(&image.labels),
        app: app_section(&image.exec, &image.settings),
        dependencies: dependencies.collect::<io::Result<_>>()?,
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

/// A list that Go writes as `null` when there is nothing in it.
struct NullIfEmpty<'a, T>(&'a [T]);

impl<T: Serialize> Serialize for NullIfEmpty<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [] => serializer.serialize_unit(),
            list => list.serialize(serializer),
        }
    }
}

impl Pod {
    /// The bytes of the pod manifest, whether the pod has come far enough to have one or not.
    ///
    /// # Errors
    ///
    /// When an app's image cannot be put into a tar, which decides its id.
    pub fn manifest_json(&self) -> io::Result<Vec<u8>> {
        pod(self, &mut Known::default())
    }
}

impl Image {
    /// The bytes of the image manifest.
    ///
    /// # Errors
    ///
    /// As [`Image::blob_key`], for an image that this one depends on by its id.
    pub fn manifest_json(&self) -> io::Result<Vec<u8>> {
        image(self, &mut Known::default())
    }
}

/// What is to run. rkt copies it from the image into the pod manifest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AppSection<'a> {
    exec: &'a [String],
    user: &'a str,
    group: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_directory: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environment: Vec<NameValue<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mount_points: &'a [MountPoint],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ports: &'a [Port],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    isolators: &'a [Isolator],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    user_annotations: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    user_labels: &'a BTreeMap<String, String>,
}

fn app_section<'a>(exec: &'a [String], settings: &'a Settings) -> Option<AppSection<'a>> {
    (!exec.is_empty()).then_some(AppSection {
        exec,
        user: &settings.user,
        group: &settings.group,
        working_directory: settings.working_directory.as_deref(),
        environment: name_values(&settings.environment),
        mount_points: &settings.mount_points,
        ports: &settings.ports,
        isolators: &settings.isolators,
        user_annotations: &settings.user_annotations,
        user_labels: &settings.user_labels,
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
            text(image(&hello, &mut Known::default())),
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
        assert_eq!(
            text(pod(&described, &mut Known::default())),
            expected.replace("KEY", &key)
        );
    }

    #[test]
    fn what_is_seldom_said_stands_where_go_puts_it() {
        let base = Image::new("example.com/base", "1");
        let key = base.blob_key().unwrap();
        let port = Port {
            name: "http".to_owned(),
            protocol: "tcp".to_owned(),
            port: 8080,
            count: 1,
            socket_activated: false,
        };
        let web = Image {
            settings: Settings {
                working_directory: Some("/srv".to_owned()),
                environment: pairs(&[("TZ", "UTC")]),
                mount_points: vec![MountPoint {
                    name: "data".to_owned(),
                    path: "/data".to_owned(),
                    read_only: true,
                }],
                ports: vec![port],
                ..Settings::default()
            },
            dependencies: vec![Dependency {
                image: base,
                by_id: true,
                size_bytes: Some(7),
            }],
            ..Image::new("example.com/web", "2")
        };
        let section = r#"{"exec":["/usr/bin/web"],"user":"0","group":"0","workingDirectory":"/srv","environment":[{"name":"TZ","value":"UTC"}],"mountPoints":[{"name":"data","path":"/data","readOnly":true}],"ports":[{"name":"http","protocol":"tcp","port":8080,"count":1,"socketActivated":false}]}"#;
        let dependencies = r#"[{"imageName":"example.com/base","imageID":"KEY","labels":[{"name":"version","value":"1"},{"name":"os","value":"linux"},{"name":"arch","value":"amd64"}],"size":7}]"#;
        let shown = text(image(&web, &mut Known::default()));
        let expected = format!(r#""app":{section},"dependencies":{dependencies}}}"#);
        assert!(shown.ends_with(&expected.replace("KEY", &key)), "{shown}");

        let described = Pod {
            volumes: vec![Volume {
                name: "data".to_owned(),
                kind: spec::VolumeKind::Host,
                source: Some("/srv/data".to_owned()),
                read_only: Some(false),
                recursive: None,
                mode: None,
                uid: None,
                gid: None,
            }],
            isolators: vec![Isolator {
                name: "resource/memory".to_owned(),
                value: serde_json::json!({"limit": "1G"}),
            }],
            ports: vec![ExposedPort {
                name: "http".to_owned(),
                host_port: 80,
                host_ip: Some(Ipv4Addr::LOCALHOST.into()),
                pod_port: None,
            }],
            user_labels: BTreeMap::from([("tier".to_owned(), "web".to_owned())]),
            apps: vec![App {
                mounts: vec![Mount {
                    volume: "data".to_owned(),
                    path: "/data".to_owned(),
                }],
                read_only_root_fs: true,
                ..App::new("web", web)
            }],
            ..Pod::new(Uuid::nil(), Phase::Run)
        };
        let shown = text(pod(&described, &mut Known::default()));
        for part in [
            &format!(
                r#""app":{section},"readOnlyRootFS":true,"mounts":[{{"volume":"data","path":"/data"}}]}}],"volumes""#
            ),
            r#""volumes":[{"name":"data","kind":"host","source":"/srv/data","readOnly":false}],"isolators":[{"name":"resource/memory","value":{"limit":"1G"}}],"annotations""#,
            r#""ports":[{"name":"http","hostPort":80,"hostIP":"127.0.0.1"}],"userLabels":{"tier":"web"}}"#,
        ] {
            assert!(shown.contains(part), "{part}\nis not in\n{shown}");
        }
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
