//! The lists of known failures that come with the suite.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rkt_conformance::{
    case::{Case, Method, On},
    cases,
    known::KnownFailing,
    profile::Profile,
    report::{self, CaseResult, ReportError, Reporter, Status, Summary},
    run::{self, Options},
    setting::Props,
    source::Source,
};

use crate::historical::Historical;

/// What stands in the list of rkt 1.30.0 before the entries that no model can vouch for.
const BEYOND_THE_MODEL: &str = "\n# Beyond the model:";

fn lists() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("known");
    let lists = fs::read_dir(dir).unwrap();
    lists.map(|entry| entry.unwrap().path()).collect()
}

fn rkt_1_30() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("known/rkt-1.30.0.txt");
    fs::read_to_string(path).unwrap()
}

#[test]
fn every_entry_means_a_case() {
    let all = cases::all();
    let lists = lists();
    assert!(!lists.is_empty());
    for path in lists {
        let list: KnownFailing = fs::read_to_string(&path).unwrap().parse().unwrap();
        // Where nothing was run, only what means no case is out of date.
        let meaningless = list.stale(&all, &[]);
        assert!(
            meaningless.is_empty(),
            "{}: {meaningless:?}",
            path.display()
        );
    }
}

/// The cases that failed, and are not known to.
#[derive(Default)]
struct Failures(Vec<String>);

impl Reporter for Failures {
    fn started(&mut self, _run: &report::Run) -> Result<(), ReportError> {
        Ok(())
    }

    fn finished(&mut self, result: &CaseResult<'_>) -> Result<(), ReportError> {
        if matches!(result.status(), Status::Failed | Status::Broken) {
            self.0.push(result.case.name().to_owned());
        }
        Ok(())
    }

    fn ended(&mut self, _summary: &Summary) -> Result<(), ReportError> {
        Ok(())
    }
}

/// Holds rkt 1.30.0, as the model knows it, to the API's document. Returns the failures that are
/// not `known`, and the entries under which nothing fails.
async fn judge(known: KnownFailing) -> (Vec<String>, Vec<String>) {
    let room = tempfile::tempdir().unwrap();
    let options = Options {
        props: Arc::new(Props {
            source: Source::serving(|model| Historical::new(&model)),
            profile: Profile::Documented,
            patience: Duration::from_secs(60),
            room: room.path().to_owned(),
        }),
        jobs: NonZeroUsize::MIN.saturating_add(3),
        scenes: None,
        known,
        keeps_exchanges: false,
    };
    let about = report::Run {
        target: "rkt 1.30.0".to_owned(),
        profile: Profile::Documented,
        replay: Vec::new(),
        cases: 0,
    };
    let all = cases::all();
    let wanted: Vec<_> = all.iter().filter(|case| needs_no_time(case)).collect();
    let mut failures = Failures::default();
    let judged = run::run(&options, &about, &all, &wanted, &mut failures).await;
    (failures.0, judged.unwrap().summary.stale)
}

/// What is asked in one call, of hosts that stand still: the model answers at once.
fn needs_no_time(case: &Case) -> bool {
    let is_still = matches!(case.host(), On::Any(_) | On::Still(_));
    let is_stream = matches!(case.method(), Method::ListenEvents | Method::GetLogs);
    case.is_quick() && is_still && !is_stream
}

#[tokio::test(flavor = "multi_thread")]
async fn rkt_fails_where_the_list_says() {
    let text = rkt_1_30();
    let (vouched, _) = text.split_once(BEYOND_THE_MODEL).unwrap();
    let (unlisted, stale) = judge(vouched.parse().unwrap()).await;
    assert_eq!(unlisted, [""; 0]);
    assert_eq!(stale, [""; 0]);
}
