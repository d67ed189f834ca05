//! `pods` and `pod`: flags to filters.

use clap::Args;
use rkt_api::api::{KeyValue, PodFilter, PodState};

use super::{
    Format, Output,
    values::{key_value, words},
};
use crate::error::Error;

/// Pod states by the names that flags and tables have for them.
pub const STATES: [(&str, PodState); 9] = [
    ("embryo", PodState::Embryo),
    ("preparing", PodState::Preparing),
    ("prepared", PodState::Prepared),
    ("running", PodState::Running),
    ("aborted-prepare", PodState::AbortedPrepare),
    ("exited", PodState::Exited),
    ("deleting", PodState::Deleting),
    ("garbage", PodState::Garbage),
    ("undefined", PodState::Undefined),
];

/// List pods
///
/// Without filters, every pod. Different filters narrow each other: a pod must pass all of them.
/// Where one is given more than once, a pod must have one of the values of --id, --state,
/// --cgroup and --sub-cgroup, and all of the values of --app, --image, --network and
/// --annotation: an app can be named beside another, but no pod is in two states.
#[derive(Debug, Args)]
pub struct PodsArgs {
    #[command(flatten)]
    pub output: Output,

    /// Go on, and show the list anew whenever it changes; on a pipe, the pods that have changed.
    /// Until Ctrl-C
    #[arg(long, short)]
    pub watch: bool,

    /// Fill apps and manifests, too, with --output json or yaml
    #[arg(long)]
    pub detail: bool,

    #[command(flatten)]
    pub filter: PodFilterArgs,
}

impl PodsArgs {
    /// Whether the flags go together.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] when they do not.
    pub fn check(&self) -> Result<(), Error> {
        match self.output.format {
            Format::Json | Format::Yaml | Format::Name if self.watch => {
                let text = "--watch shows tables; programs follow a host by 'events -o json'";
                Err(Error::Usage(text.to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// Conditions on pods, before the ids are whole.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters (may be repeated)")]
pub struct PodFilterArgs {
    /// Pods with this id, or this beginning of an id
    #[arg(long = "id", value_name = "ID")]
    pub ids: Vec<String>,

    /// Pods in this state
    #[arg(long = "state", value_name = "STATE", value_parser = words!(STATES), ignore_case = true)]
    pub states: Vec<PodState>,

    /// Pods with an app of this name
    #[arg(long = "app", value_name = "NAME")]
    pub app_names: Vec<String>,

    /// Pods with an app of the image with this id, or this beginning of an id
    #[arg(long = "image", value_name = "ID")]
    pub image_ids: Vec<String>,

    /// Pods in the network of this name
    #[arg(long = "network", value_name = "NAME")]
    pub network_names: Vec<String>,

    /// Pods with this annotation
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = key_value)]
    pub annotations: Vec<KeyValue>,

    /// Pods in this cgroup
    #[arg(long = "cgroup", value_name = "CGROUP")]
    pub cgroups: Vec<String>,

    /// Pods whose cgroup is this, or a beginning of it: the pod that a process with this cgroup
    /// belongs to
    #[arg(long = "sub-cgroup", value_name = "CGROUP")]
    pub sub_cgroups: Vec<String>,
}

impl PodFilterArgs {
    /// The filter that says the same as far as it goes without looking at the host: ids and image
    /// ids as they were given.
    pub fn filter(&self) -> PodFilter {
        PodFilter {
            ids: self.ids.clone(),
            states: self.states.iter().map(|state| (*state).into()).collect(),
            app_names: self.app_names.clone(),
            image_ids: self.image_ids.clone(),
            network_names: self.network_names.clone(),
            annotations: self.annotations.clone(),
            cgroups: self.cgroups.clone(),
            pod_sub_cgroups: self.sub_cgroups.clone(),
        }
    }
}

/// Show everything about one pod
#[derive(Debug, Args)]
pub struct PodArgs {
    #[command(flatten)]
    pub output: Output,

    /// The pod's id, or a beginning that only one pod has
    #[arg(value_name = "ID")]
    pub id: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parsed;

    fn filter(args: &[&str]) -> PodFilter {
        parsed::<PodFilterArgs>(args).unwrap().filter()
    }

    #[test]
    fn every_flag_arrives() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let pair = |key: &str, value: &str| KeyValue {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let args = [
            "--id=a",
            "--id=b",
            "--state=running",
            "--state=Aborted-Prepare",
            "--app=web",
            "--image=sha512-00",
            "--network=default",
            "--annotation=k=v=w",
            "--annotation=l=",
            "--cgroup=/a",
            "--sub-cgroup=/b",
        ];
        let expected = PodFilter {
            ids: words(&["a", "b"]),
            states: vec![PodState::Running.into(), PodState::AbortedPrepare.into()],
            app_names: words(&["web"]),
            image_ids: words(&["sha512-00"]),
            network_names: words(&["default"]),
            annotations: vec![pair("k", "v=w"), pair("l", "")],
            cgroups: words(&["/a"]),
            pod_sub_cgroups: words(&["/b"]),
        };
        assert_eq!(filter(&args), expected);
        assert_eq!(filter(&[]), PodFilter::default());
    }

    #[test]
    fn every_state_has_a_name() {
        for number in 0..=8 {
            let state = PodState::try_from(number).unwrap();
            let names = STATES.iter().filter(|(_, named)| *named == state);
            assert_eq!(names.count(), 1, "{state:?}");
        }
        assert!(PodState::try_from(9).is_err());
    }
}
