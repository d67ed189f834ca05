//! A small run with every outcome there is, made up for the tests of the reporters.

use std::time::Duration;

use jiff::Timestamp;

use super::{CaseResult, Exchange, ReportError, Reporter, Run, Summary, document::Document};
use crate::{
    case::{Case, Failure, Method},
    clause::{self, Level},
    profile::Profile,
    run::Outcome,
};

/// Answers that are longer than a line.
const EXPECTED: &str = r#"[{"id":"a0c3","state":"POD_STATE_RUNNING","pid":4711},{"id":"b1d4","state":"POD_STATE_EXITED"}]"#;
const ACTUAL: &str = r#"[{"id":"a0c3","state":"POD_STATE_RUNNING","pid":-1},{"id":"b1d4","state":"POD_STATE_EXITED"}]"#;

pub(super) fn run() -> Run {
    Run {
        target: "localhost:15441".to_owned(),
        profile: Profile::Documented,
        replay: ["rkt-conformance", "run", "--connect", "localhost:15441"]
            .map(str::to_owned)
            .into(),
        cases: 8,
    }
}

fn cases() -> Vec<(Case, Outcome, Option<&'static str>)> {
    let case =
        |method, clause, content: &str| Case::new(method, clause, content, |_| async { Ok(()) });
    let failed = |request: &str, expected: &str, actual: &str| {
        Outcome::Failed(Failure {
            request: request.to_owned(),
            expected: expected.to_owned(),
            actual: actual.to_owned(),
        })
    };
    let no_pod = || Outcome::Skipped("no pod is listed".to_owned());
    vec![
        (
            case(Method::GetInfo, &clause::I_1, "semver"),
            Outcome::Passed,
            None,
        ),
        (
            case(Method::ListPods, &clause::P_4, "pid"),
            failed(r#"ListPods {"detail":true}"#, EXPECTED, ACTUAL),
            None,
        ),
        (
            case(Method::ListPods, &clause::P_16, "sorted"),
            failed(
                "ListPods {}",
                "pods [a0c3, b1d4] in order",
                "pods [b1d4, a0c3] in order",
            ),
            None,
        ),
        (
            case(Method::ListPods, &clause::F_P9, "ids+states/hit"),
            Outcome::Passed,
            None,
        ),
        (
            case(Method::ListPods, &clause::F_P9, "ids+states/miss:ids"),
            failed(
                r#"ListPods {"filters":[{"ids":["</script><script>alert(1)</script>"]}]}"#,
                "0 pods []",
                "1, with [</script><b>&amp;]",
            ),
            None,
        ),
        (
            case(Method::InspectPod, &clause::P_5, "addresses"),
            no_pod(),
            None,
        ),
        (
            case(Method::InspectImage, &clause::IM_4, "docker"),
            Outcome::Broken("task 7 panicked with message \"a bug\"".to_owned()),
            None,
        ),
        (
            case(Method::ListenEvents, &clause::E_10, "end"),
            failed(
                r#"ListenEvents {"filter":{"until_time":5}}"#,
                "an end by 5.25",
                "none by 6",
            ),
            Some("its clock is coarse"),
        ),
    ]
}

/// Tells `reporter` of the run.
pub(super) fn tell(reporter: &mut dyn Reporter) -> Result<(), ReportError> {
    let mut summary = Summary::default();
    reporter.started(&run())?;
    for (case, outcome, known) in &cases() {
        let result = CaseResult {
            case,
            outcome: outcome.clone(),
            duration: Duration::from_micros(12_345),
            exchanges: vec![Exchange {
                request: "GetInfo {}".to_owned(),
                answer: r#"{"info":{"rkt_version":"1.30.0"}}"#.to_owned(),
            }],
            server_output: "API service running\n".to_owned(),
            known: known.map(str::to_owned),
        };
        reporter.finished(&result)?;
        summary.add(&result);
    }
    summary.stale.push("GetInfo/I-1/*".to_owned());
    reporter.ended(&summary)
}

/// The run as a document, at no particular time and by no particular version.
pub(super) fn document() -> Document {
    struct Gathering(Document);

    impl Reporter for Gathering {
        fn started(&mut self, _run: &Run) -> Result<(), ReportError> {
            Ok(())
        }

        fn finished(&mut self, result: &CaseResult<'_>) -> Result<(), ReportError> {
            self.0.add(result);
            Ok(())
        }

        fn ended(&mut self, summary: &Summary) -> Result<(), ReportError> {
            self.0.end(summary, 98);
            Ok(())
        }
    }

    let mut gathering = Gathering(Document::new(&run(), Timestamp::UNIX_EPOCH));
    tell(&mut gathering).unwrap();
    gathering.0.suite_version = "1.2.3".to_owned();
    gathering.0
}

/// All cases of the suite, of which some have failed.
pub(super) fn large_document() -> Document {
    let cases = crate::cases::all();
    let mut document = Document::new(&run(), Timestamp::UNIX_EPOCH);
    let mut summary = Summary::default();
    for (nth, case) in cases.iter().enumerate() {
        let name = case.name();
        let failed = || {
            Outcome::Failed(Failure {
                request: "ListPods {}".to_owned(),
                expected: EXPECTED.to_owned(),
                actual: ACTUAL.to_owned(),
            })
        };
        let outcome = match nth % 23 {
            _ if name.contains("network_names") && name.contains("cgroups") => {
                Outcome::Skipped("no pod is listed that network_names can pick".to_owned())
            }
            _ if name.contains("miss:keywords") || name.contains("states+app_names/") => failed(),
            0 if case.level() == Level::Should => failed(),
            1 if case.clause().id == "P-12" => Outcome::Broken("a bug".to_owned()),
            _ => Outcome::Passed,
        };
        let result = CaseResult {
            case,
            outcome,
            duration: Duration::from_micros(900),
            exchanges: Vec::new(),
            server_output: String::new(),
            known: (nth % 46 == 0).then(|| "of old".to_owned()),
        };
        document.add(&result);
        summary.add(&result);
    }
    document.end(&summary, 9_876);
    document
}
