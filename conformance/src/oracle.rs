//! The model's word on one server: what the answers about pods and images have to be, and how
//! far a message may differ from the model's and still be right. The model itself is
//! [`crate::model`]; which cases ask it is said in [`crate::cases`].

use std::{collections::BTreeSet, sync::Arc};

use rkt_api::api::{Image, ImageFormat, ImageType, Pod};

use crate::{
    case::Objection,
    model::{Expected, Refusal, World},
    profile::Profile,
    resource::{self, Resource},
    stage::Stage,
    text,
};

/// The model of the host that a server answers from.
#[derive(Clone)]
pub(crate) struct Oracle {
    world: Arc<World>,
    profile: Profile,
    /// What the server gives as the version of its appc (IM-4).
    appc_version: Arc<str>,
}

impl Oracle {
    /// The model of what is on `stage`. `None` where nobody has described the host.
    pub(crate) async fn of(stage: &Stage) -> Result<Option<Self>, Objection> {
        let Some(world) = stage.world() else {
            return Ok(None);
        };
        Ok(Some(Self {
            world,
            profile: stage.profile(),
            appc_version: resource::appc_version(stage).await?,
        }))
    }

    /// The same where the host has to be known.
    ///
    /// # Errors
    ///
    /// The case is skipped where it is not.
    pub(crate) async fn required(stage: &Stage) -> Result<Self, Objection> {
        let oracle = Self::of(stage).await?;
        oracle.ok_or_else(|| Objection::skip("it needs a host that is described"))
    }

    /// The host.
    pub(crate) fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// The answer to a list.
    pub(crate) fn list<R: Resource>(
        &self,
        filters: &[R::Filter],
        detail: bool,
    ) -> Vec<Expected<R>> {
        R::expected(&self.world, self.profile, filters, detail)
    }

    /// The answer about one.
    pub(crate) fn inspect<R: Resource>(&self, id: &str) -> Result<Expected<R>, Refusal> {
        R::expected_one(&self.world, self.profile, id)
    }

    /// What `observed` has to be equal to.
    pub(crate) fn right<R: Resource>(&self, expected: &Expected<R>, observed: &R) -> R {
        let mut right = expected.seen_as(observed);
        right.formats(&mut |format| self.set_appc_version(format));
        right
    }

    fn set_appc_version(&self, format: &mut ImageFormat) {
        if format.r#type() == ImageType::Appc {
            self.appc_version.as_ref().clone_into(&mut format.version);
        }
    }
}

/// A message with formats of images in it.
pub(crate) trait Formats {
    /// Visits them.
    fn formats(&mut self, visit: &mut dyn FnMut(&mut ImageFormat));
}

impl Formats for Image {
    fn formats(&mut self, visit: &mut dyn FnMut(&mut ImageFormat)) {
        self.base_format.iter_mut().for_each(visit);
    }
}

impl Formats for Pod {
    fn formats(&mut self, visit: &mut dyn FnMut(&mut ImageFormat)) {
        let images = self.apps.iter_mut().filter_map(|app| app.image.as_mut());
        images.for_each(|image| image.formats(visit));
    }
}

/// The fields in which two messages about one pod or image differ, as both have them.
pub(crate) fn difference<R: Resource>(right: &R, actual: &R) -> (String, String) {
    let name = format!("v1alpha.{}", R::TYPE);
    let (Some(right_fields), Some(actual_fields)) = (
        text::set_fields(&name, right),
        text::set_fields(&name, actual),
    ) else {
        return (format!("{right:?}"), format!("{actual:?}"));
    };
    let names: BTreeSet<&String> = right_fields.keys().chain(actual_fields.keys()).collect();
    let mut texts = [String::new(), String::new()];
    for name in names {
        let values = [(right, &right_fields), (actual, &actual_fields)];
        if right_fields.get(name) == actual_fields.get(name) {
            continue;
        }
        for (text, (message, fields)) in texts.iter_mut().zip(values) {
            let between = if text.is_empty() { "" } else { ", " };
            let value = match (name.as_str(), fields.get(name)) {
                (_, None) => "not set".to_owned(),
                // JSON has bytes in base64.
                ("manifest", _) => String::from_utf8_lossy(message.manifest()).into_owned(),
                (_, Some(value)) => value.to_string(),
            };
            text.push_str(&format!("{between}{name} {value}"));
        }
    }
    texts.into()
}

#[cfg(test)]
mod tests {
    use rkt_api::api::PodState;

    use super::*;

    #[test]
    fn differences_are_told_field_by_field() {
        let right = Pod {
            pid: -1,
            state: PodState::Running.into(),
            ..Pod::default()
        };
        let actual = Pod {
            pid: 0,
            manifest: b"{}".as_slice().into(),
            ..right.clone()
        };
        let (right, actual) = difference(&right, &actual);
        assert_eq!(right, "manifest not set, pid -1");
        assert_eq!(actual, "manifest {}, pid not set");
    }
}
