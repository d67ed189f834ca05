//! What a server is to answer, with the leeway that a description leaves, times that only the
//! disk or the server's clock knows, and that which the contract leaves. Everything else has to
//! be equal.

use std::ops::RangeInclusive;

use rkt_api::api::{Image, Pod};
use tonic::Code;

/// A message that is expected, but for times and what the contract leaves free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected<M: Timed> {
    /// The message; each time in it is one that would be right.
    pub message: M,
    /// Between what the times in it may lie, and what else may differ.
    pub times: M::Times,
}

/// A message with times in it that a description does not fix.
pub trait Timed: Clone + PartialEq + std::fmt::Debug {
    /// The ranges of these times, and what else may differ.
    type Times: Clone + Default + PartialEq + Eq + std::fmt::Debug;

    /// The same message with what `observed` has where `times` leaves it free.
    fn with_times_of(&self, observed: &Self, times: &Self::Times) -> Self;
}

impl<M: Timed> Expected<M> {
    /// The message to compare `observed` with: equal to it if and only if it is as expected.
    pub fn seen_as(&self, observed: &M) -> M {
        self.message.with_times_of(observed, &self.times)
    }
}

impl<M: Timed> From<M> for Expected<M> {
    /// Exactly this message.
    fn from(message: M) -> Self {
        Self {
            message,
            times: M::Times::default(),
        }
    }
}

/// The ranges of a pod's times, nanoseconds since the epoch; `None` where only the message's
/// own is right. And the names of its apps' images, where they may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodTimes {
    /// `created_at`
    pub created_at: Option<RangeInclusive<i64>>,
    /// `started_at`
    pub started_at: Option<RangeInclusive<i64>>,
    /// `gc_marked_at`
    pub gc_marked_at: Option<RangeInclusive<i64>>,
    /// For each app, by place: what its image's name and version may be instead of empty, which
    /// is what the message has (P-12). None at all where only the message's are right.
    pub image_names: Vec<ImageNames>,
}

/// The name and version of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageNames {
    /// `name`
    pub name: String,
    /// `version`
    pub version: String,
}

impl Timed for Pod {
    type Times = PodTimes;

    fn with_times_of(&self, observed: &Self, times: &PodTimes) -> Self {
        let take = |own: i64, seen: i64, range: &Option<RangeInclusive<i64>>| match range {
            Some(range) if range.contains(&seen) => seen,
            _ => own,
        };
        let mut apps = self.apps.clone();
        let free = apps.iter_mut().zip(&observed.apps).zip(&times.image_names);
        for ((app, seen), names) in free {
            let (Some(image), Some(seen)) = (&mut app.image, &seen.image) else {
                continue;
            };
            if seen.name == names.name {
                image.name.clone_from(&names.name);
            }
            if seen.version == names.version {
                image.version.clone_from(&names.version);
            }
        }
        Self {
            apps,
            created_at: take(self.created_at, observed.created_at, &times.created_at),
            started_at: take(self.started_at, observed.started_at, &times.started_at),
            gc_marked_at: take(
                self.gc_marked_at,
                observed.gc_marked_at,
                &times.gc_marked_at,
            ),
            ..self.clone()
        }
    }
}

/// The range of an image's import time, seconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageTimes {
    /// `import_timestamp`
    pub import_timestamp: Option<RangeInclusive<i64>>,
}

impl Timed for Image {
    type Times = ImageTimes;

    fn with_times_of(&self, observed: &Self, times: &ImageTimes) -> Self {
        let seen = observed.import_timestamp;
        let is_right = times
            .import_timestamp
            .as_ref()
            .is_some_and(|range| range.contains(&seen));
        Self {
            import_timestamp: if is_right {
                seen
            } else {
                self.import_timestamp
            },
            ..self.clone()
        }
    }
}

/// An error that is expected instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// Whether any other code would do, too: the contract wants an error and names none.
    pub is_any_code: bool,
    /// What the message has to name; the model server's message is made of it.
    pub names: String,
}

impl Refusal {
    /// An error with this code, about `names`.
    pub fn new(code: Code, names: impl Into<String>) -> Self {
        Self {
            code,
            is_any_code: false,
            names: names.into(),
        }
    }

    /// An error with a code of the server's choice.
    pub fn any(code: Code, names: impl Into<String>) -> Self {
        Self {
            is_any_code: true,
            ..Self::new(code, names)
        }
    }

    /// Whether `code` is that of an error as it is expected.
    pub fn takes(&self, code: Code) -> bool {
        code == self.code || self.is_any_code && code != Code::Ok
    }
}

#[cfg(test)]
mod tests {
    use rkt_api::api::App;

    use super::*;

    fn pod(name: &str, version: &str, created_at: i64) -> Pod {
        let image = Image {
            name: name.to_owned(),
            version: version.to_owned(),
            ..Image::default()
        };
        let app = App {
            image: Some(image),
            ..App::default()
        };
        Pod {
            apps: vec![app],
            created_at,
            ..Pod::default()
        }
    }

    #[test]
    fn only_what_is_free_may_differ() {
        let names = ImageNames {
            name: "a".to_owned(),
            version: "1".to_owned(),
        };
        let expected = Expected {
            message: pod("", "", 5),
            times: PodTimes {
                created_at: Some(5..=7),
                image_names: vec![names],
                ..PodTimes::default()
            },
        };
        for (seen, is_right) in [
            (pod("", "", 5), true),
            (pod("a", "1", 7), true),
            (pod("a", "1", 8), false),
            (pod("b", "1", 5), false),
            (pod("a", "2", 5), false),
            (
                Pod {
                    pid: 1,
                    ..pod("", "", 5)
                },
                false,
            ),
            (
                Pod {
                    apps: Vec::new(),
                    ..pod("", "", 5)
                },
                false,
            ),
        ] {
            assert_eq!(expected.seen_as(&seen) == seen, is_right, "{seen:?}");
        }
        assert_ne!(
            Expected::from(pod("", "", 5)).seen_as(&pod("a", "", 5)),
            pod("a", "", 5)
        );
    }

    #[test]
    fn some_errors_may_have_any_code() {
        let not_found = Refusal::new(Code::NotFound, "x");
        assert!(not_found.takes(Code::NotFound) && !not_found.takes(Code::Internal));
        let any = Refusal::any(Code::DataLoss, "x");
        assert!(any.takes(Code::Internal) && !any.takes(Code::Ok));
    }
}
