//! A run as one document: what the JSON report writes, and what the other files are made of.
//! Its form is published as `report.schema.json`; a change that readers could trip over is a new
//! [`FORMAT`].

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{CaseResult, Exchange, Run, Status, Summary};
use crate::{
    clause::{self, Clause, Level},
    run::Outcome,
    text,
};

/// The number of the document's form.
pub const FORMAT: u32 = 1;

/// How many exchanges of a case are kept: the last ones, since cases end with what they object
/// to.
const EXCHANGES_KEPT: usize = 8;

/// A run of rkt-conformance, a suite that checks servers of rkt's v1alpha.PublicAPI.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Document {
    /// The number of this document's form: 1.
    pub format: u32,
    /// The version of the suite.
    pub suite_version: String,
    /// When the run began.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The server under test, as the command line names it.
    pub target: String,
    /// What was expected of it: `documented` or `rkt-1.30`.
    pub profile: String,
    /// The words of the command line for a run against the same target. Names of cases are to
    /// be added.
    pub replay: Vec<String>,
    /// How the run went.
    pub summary: Totals,
    /// The clauses that the cases check, in the order of the contract.
    pub clauses: Vec<ClauseText>,
    /// The cases, in the order in which they came to their ends.
    pub cases: Vec<CaseReport>,
}

/// How a run went, in numbers of cases.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Totals {
    /// All.
    pub total: usize,
    /// Those that passed.
    pub passed: usize,
    /// Those of level MUST that failed and were not known to.
    pub failed_must: usize,
    /// Those of levels SHOULD and MAY that failed and were not known to.
    pub failed_should: usize,
    /// Those that failed as the list of known failures says.
    pub known: usize,
    /// Those that could not be tried.
    pub skipped: usize,
    /// Those that failed themselves: bugs of the suite.
    pub broken: usize,
    /// Entries of the list of known failures under which no case failed.
    pub stale: Vec<String>,
}

/// A clause in words.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ClauseText {
    /// Its id, such as `P-16`.
    pub id: &'static str,
    /// How much it binds.
    pub level: Level,
    /// Its gist in one line.
    pub gist: &'static str,
    /// The whole clause, in paragraphs with empty lines between them.
    pub text: &'static str,
    /// The section of the API's document that it is read out of.
    pub section: &'static str,
    /// What rkt 1.30.0 did otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rkt_1_30: Option<&'static str>,
}

/// What came of a case.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CaseReport {
    /// Its name, `METHOD/CLAUSE/content`.
    pub name: String,
    /// The id of the clause that it checks.
    pub clause: &'static str,
    /// How much that binds; decided parts of MUST clauses are SHOULD.
    pub level: Level,
    /// What it came to.
    pub status: Status,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Why it was skipped, why its failure is known, or how it broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How the server broke the clause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureReport>,
    /// The last calls that a case made which did not pass; long answers are cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<Exchange>,
    /// What the server wrote on its standard output and error while a case ran that did not
    /// pass.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server_output: String,
}

/// How a server broke a clause.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FailureReport {
    /// The request: the method and the message as JSON.
    pub request: String,
    /// What the contract wants.
    pub expected: String,
    /// What the server did.
    pub actual: String,
}

impl Document {
    /// A run that begins.
    pub fn new(run: &Run, started_at: Timestamp) -> Self {
        Self {
            format: FORMAT,
            suite_version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at,
            duration_ms: 0,
            target: run.target.clone(),
            profile: run.profile.to_string(),
            replay: run.replay.clone(),
            summary: Totals::default(),
            clauses: Vec::new(),
            cases: Vec::with_capacity(run.cases),
        }
    }

    /// Adds a case.
    pub fn add(&mut self, result: &CaseResult<'_>) {
        let status = result.status();
        let (failure, reason) = match &result.outcome {
            Outcome::Passed => (None, None),
            Outcome::Failed(failure) => (Some(failure), result.known.clone()),
            Outcome::Skipped(why) | Outcome::Broken(why) => (None, Some(why.clone())),
        };
        let is_news = !matches!(status, Status::Passed | Status::Skipped);
        let forgotten = result.exchanges.len().saturating_sub(EXCHANGES_KEPT);
        let exchanges = &result.exchanges[forgotten..];
        self.cases.push(CaseReport {
            name: result.case.name().to_owned(),
            clause: result.case.clause().id,
            level: result.case.level(),
            status,
            duration_us: result.duration.as_micros().try_into().unwrap_or(u64::MAX),
            reason,
            failure: failure.map(|failure| FailureReport {
                request: failure.request.clone(),
                expected: failure.expected.clone(),
                actual: failure.actual.clone(),
            }),
            exchanges: match is_news {
                true => exchanges.iter().map(cut).collect(),
                false => Vec::new(),
            },
            server_output: match is_news {
                true => result.server_output.clone(),
                false => String::new(),
            },
        });
    }

    /// The run has come to its end.
    pub fn end(&mut self, summary: &Summary, duration_ms: u64) {
        self.duration_ms = duration_ms;
        self.summary = Totals {
            total: summary.total(),
            passed: summary.passed,
            failed_must: summary.failed_must,
            failed_should: summary.failed_should,
            known: summary.known,
            skipped: summary.skipped,
            broken: summary.broken,
            stale: summary.stale.clone(),
        };
        let is_checked = |clause: &&&Clause| self.cases.iter().any(|c| c.clause == clause.id);
        let clauses = clause::ALL.iter().filter(is_checked);
        self.clauses = clauses.map(|clause| ClauseText::new(clause)).collect();
    }
}

impl ClauseText {
    fn new(clause: &Clause) -> Self {
        Self {
            id: clause.id,
            level: clause.level,
            gist: clause.gist,
            text: clause.text(),
            section: clause.section(),
            rkt_1_30: clause.rkt_1_30(),
        }
    }
}

impl CaseReport {
    /// The method that the case is about.
    pub fn method(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

fn cut(exchange: &Exchange) -> Exchange {
    Exchange {
        request: text::short(&exchange.request).into_owned(),
        answer: text::short(&exchange.answer).into_owned(),
    }
}
