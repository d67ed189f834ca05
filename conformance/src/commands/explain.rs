//! `rkt-conformance explain`: what a clause wants, and what a case asks.
//!
//! What is expected of a case's answers is shown by asking the reference model: its answers
//! are those that every server should give.

use std::{
    io::{self, Write},
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};

use rkt_conformance::{
    case::{Case, On},
    cases,
    clause::{self, Clause},
    exit::Exit,
    known::KnownFailing,
    profile::Profile,
    report::{self, CaseResult, Exchange, ReportError, Reporter, Summary},
    run::{self, Options, Outcome},
    select,
    setting::Props,
    source::Source,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{Error, to_stdout};
use crate::cli::Explain;

/// How long the model may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// Explains a clause or a case.
pub fn explain(args: &Explain) -> Result<Exit, Error> {
    let all = cases::all();
    let is_meant = |clause: &&&Clause| clause.id.eq_ignore_ascii_case(&args.what);
    if let Some(clause) = clause::ALL.iter().find(is_meant) {
        return to_stdout(|out| {
            print_clause(out, clause)?;
            let cases = all.iter().filter(|case| case.clause() == *clause);
            let pattern = format!("*/{}/*", clause.id);
            writeln!(out, "\n{} cases: list '{pattern}'", cases.count())
        });
    }
    let case = select::one(&all, &args.what)?;
    let asked = ask(case, args.profile)?;
    to_stdout(|out| print_case(out, case, &asked))
}

fn print_clause(out: &mut dyn Write, clause: &Clause) -> io::Result<()> {
    writeln!(out, "{} ({}): {}\n", clause.id, clause.level, clause.gist)?;
    writeln!(out, "{}\n", clause.text())?;
    writeln!(out, "In the document: {}", clause.section())?;
    match clause.rkt_1_30() {
        Some(otherwise) => writeln!(out, "rkt 1.30.0: {}", otherwise.trim_end()),
        None => Ok(()),
    }
}

fn print_case(out: &mut dyn Write, case: &Case, asked: &Asked) -> io::Result<()> {
    writeln!(out, "{} ({})\n", case.name(), case.level())?;
    print_clause(out, case.clause())?;
    let host = case.host().host();
    let use_ = match case.host() {
        On::Any(_) => "any host will do; the suite makes this one".to_owned(),
        On::Still(_) => "nobody changes it".to_owned(),
        On::Own(_) => "the case changes it".to_owned(),
        On::Scene(scene) => format!("the scene {} is played on it", scene.name),
    };
    writeln!(out, "\nHost: {}, {} ({use_})", host.name, host.about)?;
    let end = match &asked.outcome {
        Outcome::Passed => return print_exchanges(out, &asked.exchanges),
        Outcome::Failed(failure) => &failure.actual,
        Outcome::Skipped(why) | Outcome::Broken(why) => why,
    };
    writeln!(out, "\nThe reference model does not get through it: {end}")?;
    print_exchanges(out, &asked.exchanges)
}

fn print_exchanges(out: &mut dyn Write, exchanges: &[Exchange]) -> io::Result<()> {
    if !exchanges.is_empty() {
        writeln!(out, "\nAsked, and answered by the reference model:")?;
    }
    for Exchange { request, answer } in exchanges {
        writeln!(out, "\n{request}\n-> {answer}")?;
    }
    Ok(())
}

/// What came of asking the model.
struct Asked {
    outcome: Outcome,
    exchanges: Vec<Exchange>,
}

/// Runs the case against the model.
fn ask(case: &Case, profile: Profile) -> Result<Asked, Error> {
    let room = TempDir::with_prefix("rkt-conformance-").map_err(Error::Begin)?;
    let options = Options {
        props: Arc::new(Props {
            source: Source::model(),
            profile,
            patience: PATIENCE,
            room: room.path().to_owned(),
        }),
        jobs: NonZeroUsize::MIN,
        scenes: None,
        known: KnownFailing::default(),
        keeps_exchanges: true,
    };
    let about = report::Run {
        target: options.props.source.to_string(),
        profile,
        replay: Vec::new(),
        cases: 1,
    };
    let mut listener = Listener(None);
    let runtime = Runtime::new().map_err(Error::Begin)?;
    runtime.block_on(run::run(&options, &about, &[], &[case], &mut listener))?;
    Ok(listener.0.unwrap_or(Asked {
        outcome: Outcome::Broken("nothing came of it".to_owned()),
        exchanges: Vec::new(),
    }))
}

/// Remembers the one result.
struct Listener(Option<Asked>);

impl Reporter for Listener {
    fn started(&mut self, _run: &report::Run) -> Result<(), ReportError> {
        Ok(())
    }

    fn finished(&mut self, result: &CaseResult<'_>) -> Result<(), ReportError> {
        self.0 = Some(Asked {
            outcome: result.outcome.clone(),
            exchanges: result.exchanges.clone(),
        });
        Ok(())
    }

    fn ended(&mut self, _summary: &Summary) -> Result<(), ReportError> {
        Ok(())
    }
}
