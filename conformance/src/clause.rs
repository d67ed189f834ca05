//! The clauses: constants for those who name them in code, and the words of `clauses.toml`, which
//! are what counts. How a clause is checked is in [`crate::cases`].

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The clauses in words.
const FILE: &str = include_str!("../clauses.toml");

/// How much a clause binds, as in RFC 2119.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// The API's document says so.
    Must,
    /// The document is silent, clients care, and the contract decided.
    Should,
    /// The server is free; what it does is recorded.
    May,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
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
    pub gist: &'static str,
}

/// What `clauses.toml` says of a clause.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a test compares it with the constant")
    )]
    level: Level,
    section: String,
    text: String,
    rkt_1_30: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    clause: Vec<Entry>,
}

/// By id. A file that does not parse would leave clauses without words; a test sees to that.
static ENTRIES: LazyLock<BTreeMap<String, Entry>> = LazyLock::new(|| {
    let file = toml::from_str::<File>(FILE);
    let clauses = file.map(|file| file.clause).unwrap_or_default();
    let by_id = clauses.into_iter().map(|entry| (entry.id.clone(), entry));
    by_id.collect()
});

impl Clause {
    /// The whole clause, in paragraphs with empty lines between them. Those that begin with
    /// `Decided:` go beyond the API's document.
    pub fn text(&self) -> &'static str {
        self.entry().map_or("", |entry| entry.text.trim_end())
    }

    /// The section of the API's document that the clause is read out of: the name of a message,
    /// of an enum or of the service, or `api.proto` for all of it.
    pub fn section(&self) -> &'static str {
        self.entry().map_or("", |entry| &entry.section)
    }

    /// What rkt 1.30.0 did otherwise, where that is known. The profile of that name expects the
    /// same, up to the words `Not copied:`.
    pub fn rkt_1_30(&self) -> Option<&'static str> {
        self.entry()?.rkt_1_30.as_deref()
    }

    fn entry(&self) -> Option<&'static Entry> {
        ENTRIES.get(self.id)
    }
}

macro_rules! clauses {
    ($($name:ident $id:literal $level:ident $gist:literal)+) => {
        $(
            #[doc = concat!($id, ": ", $gist, ".")]
            pub static $name: Clause = Clause {
                id: $id,
                level: Level::$level,
                gist: $gist,
            };
        )+

        /// All clauses, in the order of `clauses.toml`.
        pub static ALL: &[&Clause] = &[$(&$name),+];
    };
}

clauses! {
    W_1 "W-1" Must "the service is v1alpha.PublicAPI, proto3, with seven methods; ListenEvents and GetLogs stream"
    W_2 "W-2" Must "messages have the published proto's field numbers and types"
    W_3 "W-3" Must "what cannot be answered is an error; on OK the required messages are present"
    W_4 "W-4" Should "unknown enum values in a filter match nothing and are no error; unknown fields are ignored"
    W_5 "W-5" Must "no call changes anything under the data directory"
    W_6 "W-6" Should "a client that hangs up costs nothing afterwards"
    W_7 "W-7" Should "times that are not positive are not set; any positive time is legal"
    W_8 "W-8" Should "values in filters are literal and case-sensitive, the empty one like any other; duplicates and order have no effect"

    SV_1 "SV-1" Should "by default the server listens on localhost:15441, both loopback families"
    SV_2 "SV-2" Should "it says that it runs, and ends in good order on SIGTERM"
    SV_3 "SV-3" Should "GetInfo answers without touching the disk"

    I_1 "I-1" Must "rkt_version, appc_version and api_version are valid Semantic Versioning 2.0.0"
    I_2 "I-2" Must "global_flags repeats the flags that the server was started with"

    S_1 "S-1" Must "a pod in embryo/ is EMBRYO [rkt-1.30: not listed]"
    S_2 "S-2" Must "a locked pod in prepare/ is PREPARING"
    S_3 "S-3" Must "an unlocked pod in prepare/ is ABORTED_PREPARE"
    S_4 "S-4" Must "a pod in prepared/ is PREPARED"
    S_5 "S-5" Must "a locked pod in run/ is RUNNING"
    S_6 "S-6" Must "an unlocked pod in run/ is EXITED"
    S_7 "S-7" Must "a locked pod in exited-garbage/ is DELETING [rkt-1.30: UNDEFINED, with nothing of its run]"
    S_8 "S-8" Must "an unlocked pod in exited-garbage/ is GARBAGE"
    S_9 "S-9" Must "a locked pod in garbage/ is DELETING [rkt-1.30: not listed]"
    S_10 "S-10" Must "an unlocked pod in garbage/ is GARBAGE [rkt-1.30: not listed]"
    S_11 "S-11" Must "every pod is listed exactly once"
    S_12 "S-12" Should "entries that are no pods are passed over"
    S_13 "S-13" Should "an answer is never older than the call"
    S_14 "S-14" Should "no pod delays or breaks the answer for the others"

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
    P_15 "P-15" Should "a pod of which something is missing or broken is still listed with the rest"
    P_16 "P-16" Should "ListPods orders by id"
    P_17 "P-17" Must "InspectPod takes the pod's UUID, in any letter case, or an unambiguous beginning"

    F_P0 "F-P0" Must "conditions in one filter are ANDed, filters ORed; none matches every pod"
    F_P1 "F-P1" Must "ids: the pod's id is one of them"
    F_P2 "F-P2" Must "states: the pod's state is one of them"
    F_P3 "F-P3" Must "app_names: all of them are apps of the pod"
    F_P4 "F-P4" Must "image_ids: all of them are images of the pod's apps"
    F_P5 "F-P5" Must "network_names: the pod is in all of them"
    F_P6 "F-P6" Must "annotations: the pod has all of them, key and value"
    F_P7 "F-P7" Must "cgroups: the pod's cgroup is one of them"
    F_P8 "F-P8" Must "pod_sub_cgroups: one of them begins with the pod's cgroup"
    F_P9 "F-P9" Must "every subset of the eight fields combines by AND, filters by OR, for both values of detail"

    IM_1 "IM-1" Must "an image has id, name, version, import time in seconds and size"
    IM_2 "IM-2" Must "labels and annotations are those of the image manifest"
    IM_3 "IM-3" Must "manifest is the image manifest as JSON"
    IM_4 "IM-4" Must "base_format is the image's original format, never undefined"
    IM_5 "IM-5" Should "an image that cannot be answered is left out, the others are answered"
    IM_6 "IM-6" Should "InspectImage takes the id, or an unambiguous beginning of it"
    IM_7 "IM-7" Should "images imported before the call are answered, removed ones are not; a locked index is waited for, then the last picture counts"
    IM_8 "IM-8" Should "an index that cannot be read leaves the last good picture, or UNAVAILABLE"
    IM_9 "IM-9" May "images come in any order"

    F_I0 "F-I0" Must "conditions in one filter are ANDed, filters ORed; none matches every image"
    F_I1 "F-I1" Must "ids, full_names: any, exact"
    F_I2 "F-I2" Must "prefixes: any is the beginning of the name"
    F_I3 "F-I3" Must "base_names: any equals the last element of the name"
    F_I4 "F-I4" Must "keywords: any is part of the name"
    F_I5 "F-I5" Must "labels, annotations: all, key and value"
    F_I6 "F-I6" Must "imported_after, imported_before: strictly, in whole seconds"
    F_I7 "F-I7" Must "every subset of the nine fields combines by AND, filters by OR, for both values of detail"

    E_1 "E-1" Must "every event has its type and cause"
    E_2 "E-2" Must "id is the pod's UUID, or the image's id"
    E_3 "E-3" Must "from is the pod's, the app's or the image's name"
    E_4 "E-4" Must "time is when it happened, in whole seconds, never decreasing in a stream"
    E_5 "E-5" Should "data has exit codes, images of apps, versions of images"
    E_6 "E-6" Must "types, ids and names are each any-of, and combine with the times by AND"
    E_7 "E-7" Must "since_time: only later events; past ones are replayed first"
    E_8 "E-8" Must "a since_time in the future: no events until then"
    E_9 "E-9" Must "until_time: only earlier events; then the stream ends with OK"
    E_10 "E-10" Should "ends and beginnings by the clock are kept within 250 ms"
    E_11 "E-11" Should "without since_time the stream begins with the call"
    E_12 "E-12" Should "nothing is lost and nothing comes twice; per pod the order is causal"
    E_13 "E-13" Should "from replay to live there is no gap and no overlap"
    E_14 "E-14" Should "a listener that is too slow is ended and slows no other"
    E_15 "E-15" May "events that come together share a message"

    L_1 "L-1" Must "pod_id is required; an unknown pod or app is an error"
    L_2 "L-2" Must "without app_name the lines of all apps, with it only that app's"
    L_3 "L-3" Must "lines: the most recent that many of those that the other conditions leave; 0 is all"
    L_4 "L-4" Must "since_time and until_time: strictly after, strictly before; they combine with lines"
    L_5 "L-5" Must "without follow the stream ends after what is there"
    L_6 "L-6" Must "with follow new lines come as they are written, until the client goes"
    L_7 "L-7" Should "follow and the clock: a past until_time ends at once, a future since_time holds lines back"
    L_8 "L-8" Should "a line is the entry's time, MESSAGE=, and the message, split at newlines"
    L_9 "L-9" Should "without follow everything comes in one response below 4 MiB"
    L_10 "L-10" Should "rotated, compressed and torn journals are read as far as they go"
    L_11 "L-11" Should "ends and beginnings by the clock are kept within 250 ms"
    L_12 "L-12" Should "in whatever state the pod is, its journal is served while it is there"
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;
    use rkt_api::api;

    use super::*;

    #[test]
    fn constants_and_file_have_the_same_clauses() {
        let file: File = toml::from_str(FILE).unwrap();
        let in_file: Vec<_> = file
            .clause
            .iter()
            .map(|e| (e.id.as_str(), e.level))
            .collect();
        let in_code: Vec<_> = ALL.iter().map(|clause| (clause.id, clause.level)).collect();
        assert_eq!(in_file, in_code);
    }

    #[test]
    fn every_clause_has_words() {
        for clause in ALL {
            let text = clause.text();
            assert!(text.ends_with('.') || text.ends_with(')'), "{}", clause.id);
            assert!(!clause.gist.ends_with('.'), "{}", clause.id);
            assert!(clause.rkt_1_30().is_none_or(|text| text.ends_with('.')));
        }
    }

    #[test]
    fn only_what_is_a_must_has_parts_that_were_decided() {
        for clause in ALL.iter().filter(|clause| clause.level != Level::Must) {
            assert!(!clause.text().contains("Decided:"), "{}", clause.id);
        }
    }

    #[test]
    fn sections_are_those_of_the_document() {
        let pool = DescriptorPool::decode(api::FILE_DESCRIPTOR_SET).unwrap();
        let messages = pool.all_messages().map(|message| message.name().to_owned());
        let enums = pool.all_enums().map(|one| one.name().to_owned());
        let services = pool.services().map(|service| service.name().to_owned());
        let mut sections: Vec<_> = messages.chain(enums).chain(services).collect();
        sections.push("api.proto".to_owned());
        for clause in ALL {
            let section = clause.section().to_owned();
            assert!(sections.contains(&section), "{}: {section:?}", clause.id);
        }
    }

    #[test]
    fn references_are_to_clauses() {
        let ids: Vec<_> = ALL.iter().map(|clause| clause.id).collect();
        for clause in ALL {
            let words = [clause.text(), clause.rkt_1_30().unwrap_or_default()].join(" ");
            let words = words.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            let prefixes = [
                "W-", "SV-", "I-", "S-", "P-", "F-P", "IM-", "F-I", "E-", "L-",
            ];
            let is_reference = |word: &&str| {
                prefixes.iter().any(|prefix| {
                    let number = word.strip_prefix(prefix);
                    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
                })
            };
            for word in words.filter(is_reference) {
                assert!(ids.contains(&word), "{}: {word}", clause.id);
            }
        }
    }
}
