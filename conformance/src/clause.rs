//! The clauses of the contract that cases check so far: their ids, levels and gist. Those of
//! the streams, the service and the disk are still to come. How a clause is checked is in
//! [`crate::cases`].

use std::fmt;

/// How much a clause binds, as in RFC 2119.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The API's document says so.
    Must,
    /// The document is silent, clients care, and the contract decided.
    Should,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
        })
    }
}

/// A promise that a server keeps.
#[derive(Debug, PartialEq, Eq)]
pub struct Clause {
    /// Its id in the contract, such as `P-16`.
    pub id: &'static str,
    /// How much it binds. Parts of it that were decided, because the document is silent on
    /// them, bind less: see [`crate::case::Case::decided`].
    pub level: Level,
    /// Its gist in one line.
    pub text: &'static str,
}

macro_rules! clauses {
    ($($name:ident $id:literal $level:ident $text:literal)+) => {
        $(
            #[doc = concat!($id, ": ", $text, ".")]
            pub static $name: Clause = Clause {
                id: $id,
                level: Level::$level,
                text: $text,
            };
        )+

        /// All clauses that cases check, in the contract's order.
        pub static ALL: &[&Clause] = &[$(&$name),+];
    };
}

clauses! {
    W_3 "W-3" Must "what cannot be answered is an error; on OK the required messages are present"
    W_4 "W-4" Should "unknown enum values in a filter match nothing and are no error"
    W_7 "W-7" Should "times that are not positive are not set; any positive time is legal"
    W_8 "W-8" Should "values in filters are literal and case-sensitive, the empty one like any other; duplicates and order have no effect"

    I_1 "I-1" Must "rkt_version, appc_version and api_version are valid Semantic Versioning 2.0.0"
    I_2 "I-2" Must "global_flags repeats the flags that the server was started with"

    S_7 "S-7" Must "a locked pod in exited-garbage/ is DELETING [rkt-1.30: UNDEFINED, with nothing of its run]"
    S_11 "S-11" Must "every pod is listed exactly once"

    P_1 "P-1" Must "pods in EMBRYO, PREPARING and ABORTED_PREPARE have only id and state"
    P_2 "P-2" Must "detail governs manifest and apps alone; InspectPod always has them"
    P_3 "P-3" Must "manifest is the pod manifest as JSON"
    P_4 "P-4" Must "pid is that of stage1 once the pod runs or has run"
    P_5 "P-5" Must "networks are there only while the pod is RUNNING, each with name and address"
    P_6 "P-6" Must "cgroup is there only while the pod is RUNNING"
    P_7 "P-7" Must "created_at is in nanoseconds, from PREPARED on"
    P_8 "P-8" Must "started_at is in nanoseconds, 0 if the pod never started"
    P_9 "P-9" Must "gc_marked_at is in nanoseconds, set only once the pod is marked for removal"
    P_10 "P-10" Must "annotations are those of the pod manifest"
    P_11 "P-11" Must "names and annotations of apps are those of the pod manifest"
    P_12 "P-12" Must "an app has its image, with the manifest's id and a base format"
    P_13 "P-13" Must "app.state is set only by InspectPod"
    P_14 "P-14" Must "app.exit_code is valid only from InspectPod, for an app that has exited"
    P_16 "P-16" Should "ListPods orders by id"
    P_17 "P-17" Must "InspectPod takes the pod's UUID, in any letter case, or an unambiguous beginning"

    F_P0 "F-P0" Must "conditions in one filter are ANDed, filters ORed; none matches every pod"
    F_P9 "F-P9" Must "every subset of the eight fields combines by AND, filters by OR, for both values of detail"

    IM_1 "IM-1" Must "an image has id, name, version, import time in seconds and size"
    IM_2 "IM-2" Must "labels and annotations are those of the image manifest"
    IM_3 "IM-3" Must "manifest is the image manifest as JSON"
    IM_4 "IM-4" Must "base_format is the image's original format, never undefined"
    IM_5 "IM-5" Should "an image that cannot be answered is left out, the others are answered"
    IM_6 "IM-6" Should "InspectImage takes the id, or an unambiguous beginning of it"

    F_I0 "F-I0" Must "conditions in one filter are ANDed, filters ORed; none matches every image"
    F_I7 "F-I7" Must "every subset of the nine fields combines by AND, filters by OR, for both values of detail"
}
