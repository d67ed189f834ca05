//! The images of a host: those that are listed, those that are only counted, and those that
//! pods name without anybody having listed them.

use std::collections::{BTreeMap, BTreeSet};

use fake::{Fake as _, faker::internet::en::SafeEmail, faker::name::en::Name};
use jiff::Timestamp;

use super::{
    Clock, Error, Mistake, Stream, is_name,
    stream::Dice,
    words::{self, Software},
};
use crate::{
    aci,
    spec::{Dependency, Image, MountPoint, Port, Remote, Settings},
    spec_file::{DockerSpec, ImageSpec, Path, RemoteSpec, SpecFile},
};

/// How long before the base time images were imported, at the least and the most.
const IMPORTED_BEFORE_S: (i64, i64) = (31 * 86_400, 45 * 86_400);

const MIB: i64 = 1 << 20;

/// The most content that an image can have: 1 TiB, which takes long enough to hash.
const MAX_CONTENT_BYTES: u64 = 1 << 40;

/// The annotations of Docker's images begin with this.
const DOCKER: &str = "appc.io/docker/";

/// The registries that people pull from by Docker's protocol.
const DOCKER_REGISTRIES: [&str; 3] = ["registry-1.docker.io/", "gcr.io/", "quay.io/"];

/// All images that the host has to do with.
pub(super) struct Images<'a> {
    stream: &'a Stream,
    clock: &'a Clock,
    /// The images of the file's list, in its order.
    listed: Vec<Known>,
    /// Those that are only counted.
    counted: Vec<Image>,
    /// Those that were named without being listed, by what they were called.
    named: BTreeMap<String, Image>,
    /// Whether the file says what is in the store.
    store_is_said: bool,
}

/// An image of the file's list.
struct Known {
    image: Image,
    removed: bool,
    at: Path,
}

impl<'a> Images<'a> {
    /// The images that the file lists and counts.
    pub(super) fn new(
        file: &SpecFile,
        stream: &'a Stream,
        clock: &'a Clock,
    ) -> Result<Self, Error> {
        let mut images = Self {
            stream,
            clock,
            listed: Vec::new(),
            counted: Vec::new(),
            named: BTreeMap::new(),
            store_is_said: file.images.is_some() || file.generate.images.is_some(),
        };
        let specs = file.images.as_deref().unwrap_or_default();
        for (index, spec) in specs.iter().enumerate() {
            let at = Path::default().key("images").index(index);
            let later = specs.get(index + 1..).unwrap_or_default();
            images.list(spec, later, index, at)?;
        }
        images.count(file.generate.images.unwrap_or(0))?;
        Ok(images)
    }

    fn list(
        &mut self,
        spec: &ImageSpec,
        later: &[ImageSpec],
        index: usize,
        at: Path,
    ) -> Result<(), Error> {
        let stream = match &spec.name {
            // An image that has a name is the same wherever in the list it stands.
            Some(name) => {
                let alike = self.listed.iter().filter(|known| known.image.name == *name);
                let nth = alike.count();
                self.stream.child(&format!("image {name}"), nth)
            }
            None => self.stream.child("image", index),
        };
        let mut dependencies = Vec::new();
        for (index, dependency) in spec.dependencies.iter().enumerate() {
            let at = at.key("dependencies").index(index).key("image");
            let wanted = &dependency.0.image;
            let is_later = |spec: &ImageSpec| {
                let version = spec.version.as_ref().or_else(|| None).map(String::as_str);
                spec.name
                    .as_deref()
                    .is_some_and(|name| matches(wanted, name, version))
            };
            if self.find(wanted).is_none() && later.iter().any(is_later) {
                return Err(Mistake::ListedLater(wanted.clone()).at(at));
            }
            dependencies.push(Dependency {
                image: self.called(wanted, &at)?,
                by_id: dependency.0.by_id,
                size_bytes: dependency.0.size_bytes,
            });
        }
        let mut image = Maker::new(&stream, self.clock, spec, &at).make()?;
        image.dependencies = dependencies;
        self.listed.push(Known {
            image,
            removed: spec.removed,
            at,
        });
        Ok(())
    }

    /// Adds so many images that nothing is said of.
    fn count(&mut self, count: u32) -> Result<(), Error> {
        let id = |image: &Image| (image.name.clone(), version(image).map(str::to_owned));
        let listed = self.listed.iter().map(|known| id(&known.image));
        let mut taken: BTreeSet<_> = listed.collect();
        for index in 0..count as usize {
            let at = Path::default().key("generate").key("images");
            let mut attempt = 0;
            // There are far more names and versions than images that can be asked for.
            let image = loop {
                let stream = self.stream.child("counted image", index);
                let stream = stream.child("attempt", attempt);
                let spec = made_up(&stream);
                let image = Maker::new(&stream, self.clock, &spec, &at).make()?;
                if taken.insert(id(&image)) {
                    break image;
                }
                attempt += 1;
            };
            self.counted.push(image);
        }
        Ok(())
    }

    /// The image that is listed under this name, `NAME` or `NAME:VERSION`.
    fn find(&self, wanted: &str) -> Option<&Image> {
        let images = self.listed.iter().map(|known| &known.image);
        let mut images = images.chain(&self.counted);
        images.find(|image| matches(wanted, &image.name, version(image)))
    }

    /// The image of this name, `NAME` or `NAME:VERSION`: one that is listed, else one that is
    /// made up, the same for all who name it.
    pub(super) fn called(&mut self, wanted: &str, at: &Path) -> Result<Image, Error> {
        if let Some(image) = self.find(wanted).or_else(|| self.named.get(wanted)) {
            return Ok(image.clone());
        }
        let (name, version) = split(wanted);
        let is_docker = DOCKER_REGISTRIES
            .iter()
            .any(|registry| name.starts_with(registry));
        let mut spec = ImageSpec {
            name: Some(name.to_owned()),
            docker: is_docker.then(DockerSpec::default),
            ..ImageSpec::default()
        };
        if let Some(version) = version {
            spec.version = crate::spec_file::Given::Value(version.to_owned());
        }
        let stream = self.stream.child(&format!("named image {wanted}"), 0);
        let image = Maker::new(&stream, self.clock, &spec, at).make()?;
        self.named.insert(wanted.to_owned(), image.clone());
        Ok(image)
    }

    /// An image that an app could be made from of which none is said.
    pub(super) fn any(&mut self, dice: &mut Dice, docker: bool) -> Result<Image, Error> {
        let known = self.listed.iter().map(|known| &known.image);
        let known = known
            .chain(&self.counted)
            .filter(|image| !image.exec.is_empty());
        let (fit, rest): (Vec<_>, Vec<_>) = known.partition(|image| is_docker(image) == docker);
        let choice = if fit.is_empty() { rest } else { fit };
        if let Some(image) = dice.pick(&choice) {
            return Ok((*image).clone());
        }
        let software = dice.pick(words::SOFTWARE);
        let name = software.map_or("example.org/busybox", |software| {
            if docker {
                software.docker
            } else {
                software.aci
            }
        });
        self.called(name, &Path::default())
    }

    /// The images that are in the store, in the order in which they were imported.
    pub(super) fn into_store(self) -> Result<Vec<Image>, Error> {
        let mut keys = BTreeSet::new();
        let mut known = aci::Known::default();
        let mut stored = Vec::new();
        let mut store = |image: Image, at: &Path| {
            let facts = known.facts(&image);
            let facts = facts.map_err(|error| Mistake::Image(error.to_string()).at(at.clone()))?;
            let key = facts.blob_key.clone();
            if keys.contains(&key) {
                return Err(Mistake::SameImage(key).at(at.clone()));
            }
            keys.insert(key);
            stored.push(image);
            Ok(())
        };
        for known in self.listed {
            if !known.removed {
                store(known.image, &known.at)?;
            }
        }
        for image in self.counted {
            store(image, &Path::default().key("generate").key("images"))?;
        }
        if !self.store_is_said {
            store(Image::stage1(), &Path::default())?;
            for image in self.named.into_values() {
                // Under another name it may be there already.
                match store(image, &Path::default()) {
                    Ok(())
                    | Err(Error {
                        mistake: Mistake::SameImage(_),
                        ..
                    }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        stored.sort_by_key(|image| image.imported_at_s);
        // The store keeps for each address only the image that came from there last.
        let mut urls = BTreeSet::new();
        for image in stored.iter_mut().rev() {
            image
                .remotes
                .retain(|remote| urls.insert(remote.aci_url.clone()));
        }
        Ok(stored)
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

/// Name and version of `NAME:VERSION`; the colon before a port is part of the name.
fn split(wanted: &str) -> (&str, Option<&str>) {
    match wanted.rsplit_once(':') {
        Some((name, version)) if !version.contains('/') => (name, Some(version)),
        _ => (wanted, None),
    }
}

fn matches(wanted: &str, name: &str, version: Option<&str>) -> bool {
    match split(wanted) {
        (wanted, None) => wanted == name,
        (wanted, Some(wanted_version)) => wanted == name && Some(wanted_version) == version,
    }
}

/// An image that nothing is said of: what it could be called, and whose it was.
fn made_up(stream: &Stream) -> ImageSpec {
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

/// Makes one image.
struct Maker<'a> {
    stream: &'a Stream,
    clock: &'a Clock,
    spec: &'a ImageSpec,
    at: &'a Path,
}

impl<'a> Maker<'a> {
    fn new(stream: &'a Stream, clock: &'a Clock, spec: &'a ImageSpec, at: &'a Path) -> Self {
        Self {
            stream,
            clock,
            spec,
            at,
        }
    }

    /// The image, without what it builds on.
    fn make(&self) -> Result<Image, Error> {
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
