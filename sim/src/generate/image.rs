//! One image: what its description says, and what is made up where it says nothing.

use fake::{Fake as _, faker::internet::en::SafeEmail, faker::name::en::Name};
use jiff::Timestamp;

use super::{
    Clock, Error, Mistake, Stream, is_name,
    stream::Dice,
    words::{self, Software},
};
use crate::{
    spec::{Image, MountPoint, Port, Remote, Settings},
    spec_file::{DockerSpec, ImageSpec, Path, RemoteSpec},
};

/// How long before the base time images were imported, at the least and the most.
const IMPORTED_BEFORE_S: (i64, i64) = (31 * 86_400, 45 * 86_400);

const MIB: i64 = 1 << 20;

/// The most content that an image can have: 1 TiB, which takes long enough to hash.
const MAX_CONTENT_BYTES: u64 = 1 << 40;

/// The annotations of Docker's images begin with this.
const DOCKER: &str = "appc.io/docker/";

/// Makes one image.
pub(super) struct Maker<'a> {
    stream: &'a Stream,
    clock: &'a Clock,
    spec: &'a ImageSpec,
    at: &'a Path,
}

impl<'a> Maker<'a> {
    pub(super) fn new(
        stream: &'a Stream,
        clock: &'a Clock,
        spec: &'a ImageSpec,
        at: &'a Path,
    ) -> Self {
        Self {
            stream,
            clock,
            spec,
            at,
        }
    }

    /// The image, without what it builds on.
    pub(super) fn make(&self) -> Result<Image, Error> {
        let spec = self.spec;
        let made_up;
        let name = match &spec.name {
            Some(name) => name,
            None => {
                made_up = made_up_name(self.stream, spec.docker.is_some());
                &made_up
            }
        };
        if !is_name(name, "-._~/") {
            return Err(Mistake::ImageName(name.clone()).at(self.at.key("name")));
        }
        let usual = Image::stage1();
        let stage1 = (*name == usual.name).then_some(usual);
        let software = words::software_of(name);
        let version = self.version(stage1.as_ref(), software);
        let imported_at_s = match spec.imported {
            Some(time) => self.clock.s(time, &self.at.key("imported"))?,
            None => self.imported_at_s(),
        };

        let mut image = Image::new(name, "");
        if let Some(exec) = &spec.exec {
            image.exec.clone_from(exec);
        } else if stage1.is_some() {
            image.exec.clear();
        } else if let Some(software) = software {
            image.exec = software.exec.iter().map(|&word| word.to_owned()).collect();
        }
        image.annotations = match (&spec.annotations, &stage1) {
            (Some(annotations), _) => annotations.0.clone(),
            (None, Some(stage1)) => stage1.annotations.clone(),
            (None, None) => self.annotations(imported_at_s),
        };
        if let Some(docker) = &spec.docker {
            let noted = Docker {
                stream: self.stream,
                spec: docker,
                name,
                version: version.as_deref(),
                exec: &image.exec,
            };
            image.annotations.extend(noted.annotations());
        }
        image.latest = spec.latest.unwrap_or(version.is_none());
        image.labels = self.labels(version, stage1.is_some());
        image.imported_at_s = imported_at_s;
        image.settings = self.settings(software, image.exec.is_empty());
        self.sizes(&mut image, software)?;
        image.remotes = self.remotes(&image)?;
        Ok(image)
    }

    fn version(&self, stage1: Option<&Image>, software: Option<&Software>) -> Option<String> {
        let made_up = || {
            if let Some(version) = stage1.and_then(version) {
                return Some(version.to_owned());
            }
            let mut dice = self.stream.of("version");
            Some(match software {
                Some(software) => dice.word(software.versions).to_owned(),
                None if dice.percent(25) => {
                    let (month, day) = (dice.number(1, 5), dice.number(1, 29));
                    format!("2018{month:02}{day:02}-{}", dice.hex(7))
                }
                None => {
                    let [major, minor, patch] = [4, 30, 20].map(|high| dice.number(0, high));
                    format!("{major}.{minor}.{patch}")
                }
            })
        };
        match self.spec.labels.get("version") {
            // Said among the labels: there it stays.
            Some(version) => Some(version.to_owned()),
            None => self.spec.version.clone().or_else(made_up),
        }
    }

    fn labels(&self, version: Option<String>, is_stage1: bool) -> Vec<(String, String)> {
        let said = &self.spec.labels;
        let usual = [
            ("version", version),
            ("os", Some("linux".to_owned())),
            ("arch", Some("amd64".to_owned())),
        ];
        let usual = usual
            .into_iter()
            .filter(|(name, _)| said.get(name).is_none());
        let usual = usual.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let mut labels: Vec<_> = usual.collect();
        let mut dice = self.stream.of("labels");
        if self.spec.name.is_none() && !is_stage1 && said.is_empty() && dice.percent(30) {
            labels.extend(one_of(&mut dice, words::LABELS));
        }
        labels.extend(said.0.iter().cloned());
        labels
    }

    fn annotations(&self, imported_at_s: i64) -> Vec<(String, String)> {
        let mut dice = self.stream.of("annotations");
        let built_s = imported_at_s.saturating_sub(dice.magnitude(3600, 90 * 86_400));
        let built = Timestamp::from_second(built_s).unwrap_or_default();
        let mut annotations = vec![("created".to_owned(), built.to_string())];
        if dice.percent(50) {
            let name: String = Name().fake_with_rng(dice.rng());
            let mail: String = SafeEmail().fake_with_rng(dice.rng());
            annotations.push(("authors".to_owned(), format!("{name} <{mail}>")));
        }
        if dice.percent(25) {
            let page = format!("https://git.example.com/{}", dice.hex(8));
            annotations.push(("homepage".to_owned(), page));
        }
        annotations
    }

    fn imported_at_s(&self) -> i64 {
        let (least, most) = IMPORTED_BEFORE_S;
        let before_s = self.stream.of("imported").number(least, most);
        self.clock.base_ns() / 1_000_000_000 - before_s
    }

    fn settings(&self, software: Option<&Software>, no_app: bool) -> Settings {
        let software = software.filter(|_| !no_app);
        let port = software
            .map(|software| software.port)
            .filter(|(_, port)| *port != 0);
        let port = port.map(|(name, port)| Port {
            name: name.to_owned(),
            protocol: "tcp".to_owned(),
            port,
            count: 1,
            socket_activated: false,
        });
        let data = software
            .map(|software| software.data)
            .filter(|path| !path.is_empty());
        let data = data.map(|path| MountPoint {
            name: "data".to_owned(),
            path: path.to_owned(),
            read_only: false,
        });
        let spec = self.spec;
        Settings {
            environment: spec.environment.0.clone(),
            ports: spec
                .ports
                .clone()
                .unwrap_or_else(|| port.into_iter().collect()),
            mount_points: spec
                .mount_points
                .clone()
                .unwrap_or_else(|| data.into_iter().collect()),
            ..Settings::default()
        }
    }

    fn sizes(&self, image: &mut Image, software: Option<&Software>) -> Result<(), Error> {
        // A tar is a whole number of blocks.
        const BLOCK: i64 = 512;

        let spec = self.spec;
        let size = |bytes: u64, key| {
            let size = i64::try_from(bytes);
            size.map_err(|_| Mistake::TooMany(bytes).at(self.at.key(key)))
        };
        image.content_bytes = match spec.content_bytes {
            Some(bytes) if bytes > MAX_CONTENT_BYTES => {
                return Err(Mistake::TooMany(bytes).at(self.at.key("contentBytes")));
            }
            bytes => bytes.unwrap_or_default(),
        };
        let said = spec.size_bytes.as_ref();
        let said_size = match said.or_else(|| None) {
            Some(bytes) => Some(size(*bytes, "sizeBytes")?),
            None => None,
        };
        let mut dice = self.stream.of("size");
        let made_up = match software {
            Some(software) => {
                let bytes = software.size_mib * MIB;
                bytes + dice.number(0, bytes / 8)
            }
            None => dice.magnitude(2 * MIB, 900 * MIB),
        };
        image.size_bytes = if said.is_unsaid() {
            Some(made_up / BLOCK * BLOCK)
        } else {
            said_size
        };
        image.tree_store_size_bytes = match spec.tree_store_size_bytes {
            Some(bytes) => size(bytes, "treeStoreSizeBytes")?,
            // Rendered where it was run, and a little larger then.
            None if dice.percent(50) => {
                let size = image.size_bytes.unwrap_or_default();
                size.saturating_add(dice.number(0, size / 16 + 1))
            }
            None => 0,
        };
        Ok(())
    }

    /// Where the image was fetched from. Docker's protocol leaves no trace of that.
    fn remotes(&self, image: &Image) -> Result<Vec<Remote>, Error> {
        let made_up = [RemoteSpec::default()];
        let fetched = !is_docker(image) && self.stream.of("fetched").percent(70);
        let specs = match &self.spec.remotes {
            Some(specs) => specs.as_slice(),
            None if fetched => &made_up,
            None => &[],
        };
        let remote = |(index, spec): (usize, &RemoteSpec)| {
            let at = self.at.key("remotes").index(index).key("downloaded");
            let mut dice = self.stream.child("remote", index).of("etag");
            let (host, path) = image.name.split_once('/').unwrap_or(("", &image.name));
            let version = version(image).unwrap_or("latest");
            let aci_url = spec.aci_url.clone().unwrap_or_else(|| match index {
                0 => format!("https://{host}/{path}-{version}-linux-amd64.aci"),
                _ => format!("https://mirror{index}.{host}/{path}-{version}-linux-amd64.aci"),
            });
            let sig_url = spec
                .sig_url
                .clone()
                .or_else(|| Some(format!("{aci_url}.asc")));
            let etag = || Some(format!("\"{}-{}\"", dice.hex(8), dice.hex(12)));
            Ok(Remote {
                sig_url: sig_url.unwrap_or_default(),
                etag: spec.etag.clone().or_else(etag).unwrap_or_default(),
                cache_max_age_s: spec.cache_max_age_s.unwrap_or_default().into(),
                downloaded_at_s: match spec.downloaded {
                    Some(time) => self.clock.s(time, &at)?,
                    None => image.imported_at_s,
                },
                aci_url,
            })
        };
        specs.iter().enumerate().map(remote).collect()
    }
}

fn made_up_name(stream: &Stream, docker: bool) -> String {
    let name = made_up(stream).name.unwrap_or_default();
    match words::software_of(&name) {
        Some(software) if docker => software.docker.to_owned(),
        Some(software) => software.aci.to_owned(),
        None => name,
    }
}

/// One pair of a list of names, each with the values that it can have.
pub(super) fn one_of(
    dice: &mut Dice,
    pairs: &[(&'static str, &[&'static str])],
) -> Option<(String, String)> {
    let (name, values) = dice.pick(pairs)?;
    Some(((*name).to_owned(), dice.word(values).to_owned()))
}

/// Makes what the converter notes of an image of Docker's.
struct Docker<'a> {
    stream: &'a Stream,
    spec: &'a DockerSpec,
    name: &'a str,
    version: Option<&'a str>,
    exec: &'a [String],
}

impl Docker<'_> {
    fn annotations(&self) -> Vec<(String, String)> {
        let spec = self.spec;
        let (host, path) = self.name.split_once('/').unwrap_or(("", self.name));
        let (registry, repository) = if host.contains('.') {
            (host, path)
        } else {
            ("registry-1.docker.io", self.name)
        };
        let repository = spec.repository.as_deref().unwrap_or(repository);
        let tag = spec.tag.as_deref().or(self.version).unwrap_or("latest");
        let short = match (registry, repository.strip_prefix("library/")) {
            ("registry-1.docker.io", Some(official)) => official.to_owned(),
            ("registry-1.docker.io", None) => repository.to_owned(),
            _ => format!("{registry}/{repository}"),
        };
        let hash = |fact: &str| Some(format!("sha256:{}", self.stream.of(fact).hex(64)));
        let (entrypoint, cmd) = self.exec.split_at(self.exec.len().min(1));
        let command = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
        let json = |words: Vec<String>| serde_json::Value::from(words).to_string();
        let notes = [
            (
                "registryurl",
                Some(spec.registry_url.clone().unwrap_or(registry.to_owned())),
            ),
            ("repository", Some(repository.to_owned())),
            (
                "imageid",
                spec.image_id.clone().or_else(|| hash("docker image")),
            ),
            (
                "parentimageid",
                spec.parent_image_id.clone().or_else(|| None),
            ),
            ("tag", Some(tag.to_owned())),
            (
                "manifesthash",
                spec.manifest_hash
                    .clone()
                    .or_else(|| hash("docker manifest")),
            ),
            (
                "originalname",
                Some(
                    spec.original_name
                        .clone()
                        .unwrap_or_else(|| format!("{short}:{tag}")),
                ),
            ),
            (
                "entrypoint",
                spec.entrypoint
                    .clone()
                    .or_else(|| command(entrypoint))
                    .map(json),
            ),
            ("cmd", spec.cmd.clone().or_else(|| command(cmd)).map(json)),
        ];
        let notes = notes.into_iter();
        notes
            .filter_map(|(name, value)| Some((format!("{DOCKER}{name}"), value?)))
            .collect()
    }
}

/// An image that nothing is said of: what it could be called, and whose it was.
pub(super) fn made_up(stream: &Stream) -> ImageSpec {
    let mut dice = stream.of("name");
    let docker = dice.percent(60);
    let is_known = dice.percent(30);
    let name = match dice.pick(words::SOFTWARE).filter(|_| is_known) {
        Some(software) if docker => software.docker.to_owned(),
        Some(software) => software.aci.to_owned(),
        None => {
            let hosts = if docker {
                words::REGISTRIES
            } else {
                words::PUBLISHERS
            };
            let host = dice.word(hosts);
            let team = dice.word(words::TEAMS);
            format!("{host}/{team}/{}", dice.word(words::SERVICES))
        }
    };
    ImageSpec {
        name: Some(name),
        docker: docker.then(DockerSpec::default),
        ..ImageSpec::default()
    }
}

/// The value of the label `version`.
pub(super) fn version(image: &Image) -> Option<&str> {
    let mut labels = image.labels.iter();
    labels.find_map(|(name, value)| (name == "version").then_some(value.as_str()))
}

/// Whether the image was one of Docker's.
pub(super) fn is_docker(image: &Image) -> bool {
    let mut names = image.annotations.iter().map(|(name, _)| name);
    names.any(|name| name.starts_with(DOCKER))
}
