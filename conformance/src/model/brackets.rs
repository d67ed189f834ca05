//! The square brackets of the contract: everything in which the two dialects differ, in one
//! table. What the words mean is said by the clauses, where they are looked at.

use crate::profile::Profile;

/// How one dialect answers where they differ.
pub(super) struct Brackets {
    /// S-1, S-9, S-10: pods in `embryo/` and `garbage/` are listed.
    pub(super) shows_embryo_and_garbage: bool,
    /// S-7: a locked pod in `exited-garbage/` is DELETING, not UNDEFINED with little else.
    pub(super) names_deleting: bool,
    /// P-1: PREPARING and ABORTED_PREPARE pods have what their manifest says.
    pub(super) shows_unprepared: bool,
    /// P-2: ListPods has apps also without `detail`.
    pub(super) lists_apps_always: bool,
    /// P-4: the pid where there is none.
    pub(super) no_pid: i32,
    /// P-5: EXITED pods are in their networks.
    pub(super) keeps_networks: bool,
    /// P-5: addresses go by their family; else all are `ipv4`, and one is always there.
    pub(super) tells_families: bool,
    /// P-12: ListPods fills name and version of apps' images; else it may.
    pub(super) lists_image_names: bool,
    /// P-12, IM-4: images that were Docker's are told from others.
    pub(super) tells_docker: bool,
    /// P-13, P-14: ListPods has states and exit codes of apps.
    pub(super) lists_app_states: bool,
    /// P-13, P-14: in a RUNNING pod, an app with a status file has EXITED, and only then has
    /// an exit code.
    pub(super) apps_exit_alone: bool,
    /// L-1: an unknown app is an error; else it has no lines.
    pub(super) refuses_unknown_app: bool,
    /// L-2: without `app_name`, the lines of all apps; else those of everybody.
    pub(super) logs_apps_only: bool,
    /// L-3: `lines` counts lines; else entries.
    pub(super) counts_lines: bool,
}

impl From<Profile> for Brackets {
    fn from(profile: Profile) -> Self {
        let is_documented = profile == Profile::Documented;
        Self {
            shows_embryo_and_garbage: is_documented,
            names_deleting: is_documented,
            shows_unprepared: !is_documented,
            lists_apps_always: !is_documented,
            no_pid: if is_documented { 0 } else { -1 },
            keeps_networks: !is_documented,
            tells_families: is_documented,
            lists_image_names: !is_documented,
            tells_docker: is_documented,
            lists_app_states: !is_documented,
            apps_exit_alone: is_documented,
            refuses_unknown_app: is_documented,
            logs_apps_only: is_documented,
            counts_lines: is_documented,
        }
    }
}
