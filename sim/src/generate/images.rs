//! The images of a host: those that are listed, those that are only counted, and those that
//! pods name without anybody having listed them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Clock, Error, Mistake, Stream,
    image::{Maker, is_docker, made_up, version},
    stream::Dice,
    words,
};
use crate::{
    aci,
    spec::{Dependency, Image},
    spec_file::{DockerSpec, ImageSpec, Path, SpecFile},
};

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
