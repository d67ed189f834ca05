//! The cases about unary calls and the random ones on hosts that the suite makes: the model
//! passes them all in both dialects, and what fails on a random host is told in a small form.

use rkt_conformance::{
    case::Case,
    known::KnownFailing,
    lies::{self, Liar},
    profile::Profile,
    random::RandomArgs,
    report::{self, CaseResult, ReportError, Reporter, Summary},
    run::{self, Options, Outcome},
    setting::Props,
    source::Source,
};

use crate::support::program;

#[tokio::test(flavor = "multi_thread")]
async fn the_model_passes_in_both_profiles() {
    for profile in ["documented", "rkt-1.30"] {
        let calls = [
            "GetInfo",
            "ListPods",
            "InspectPod",
            "ListImages",
            "InspectImage",
        ];
        let args = [
            "run",
            "--model",
            "--quick",
            "--strict",
            "--profile",
            profile,
        ];
        let ran = program(&[&args[..], &calls].concat()).await;
        assert_eq!(ran.exit, 0, "{profile}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_passes_on_random_hosts() {
    for profile in ["documented", "rkt-1.30"] {
        let random = ["--random", "16", "--seed", "1"];
        let args = ["run", "--model", "--strict", "--profile", profile];
        let ran = program(&[&args[..], &random].concat()).await;
        assert_eq!(ran.exit, 0, "{profile}: {ran:?}");
        assert!(ran.stdout.contains("16 cases: 16 passed"), "{ran:?}");
    }
}

#[tokio::test]
async fn a_random_host_can_be_named() {
    let ran = program(&["run", "--model", "ListPods/F-P9/random/8"]).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(ran.stdout.contains("1 cases: 1 passed"), "{ran:?}");
}

/// Keeps what came of the cases.
#[derive(Default)]
struct Outcomes(Vec<Outcome>);

impl Reporter for Outcomes {
    fn started(&mut self, _run: &report::Run) -> Result<(), ReportError> {
        Ok(())
    }

    fn finished(&mut self, result: &CaseResult<'_>) -> Result<(), ReportError> {
        self.0.push(result.outcome.clone());
        Ok(())
    }

    fn ended(&mut self, _summary: &Summary) -> Result<(), ReportError> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_on_a_random_host_is_made_small() {
    let room = tempfile::tempdir().unwrap();
    let mut all = lies::all().into_iter();
    // The model, with one condition passed over.
    let lie = all.find(|lie| lie.title() == "F-P3/app-names-ignored");
    let how = lie.unwrap().how;
    let options = Options {
        props: std::sync::Arc::new(Props {
            source: Source::serving(move |model| Liar::new(model, how)),
            profile: Profile::Documented,
            patience: std::time::Duration::from_secs(60),
            room: room.path().to_owned(),
        }),
        jobs: std::num::NonZeroUsize::MIN,
        scenes: None,
        known: KnownFailing::default(),
        keeps_exchanges: false,
    };
    // Every fourth host is for lists of pods.
    let args = RandomArgs {
        random: Some(1),
        seed: 8,
    };
    let all = args.cases().unwrap();
    let cases: Vec<&Case> = all.iter().collect();
    let about = report::Run {
        target: options.props.source.to_string(),
        profile: Profile::Documented,
        replay: Vec::new(),
        cases: cases.len(),
    };
    let mut outcomes = Outcomes::default();
    run::run(&options, &about, &all, &cases, &mut outcomes)
        .await
        .unwrap();
    let [Outcome::Failed(failure)] = outcomes.0.as_slice() else {
        panic!("{:?}", outcomes.0);
    };
    let request = &failure.request;
    assert!(
        request.contains("again: rkt-conformance run --random 1 --seed 8"),
        "{request}"
    );
    // Of all conditions only the one is left, and of the host no more than what it takes.
    let (filters, host) = request.split_once(", on a host with ").unwrap();
    assert_eq!(filters.matches("\":[").count(), 2, "{request}");
    assert!(
        filters.contains(r#"{"filters":[{"app_names":[""#),
        "{request}"
    );
    assert!(host.contains("and the images []"), "{request}");
    // A slash stands in what is said of each pod.
    assert_eq!(host.matches('/').count(), 1, "{request}");
}
