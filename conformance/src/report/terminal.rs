//! The report that people read: a line for each case as it ends, as far as they want them, and at
//! the end every failure once more with all that helps to understand it, clause by clause.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use clap::ValueEnum;
use console::Style;
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    CaseResult, ReportError, Reporter, Run, Status, Summary,
    diff::{self, Line, Mark},
};
use crate::{
    case::Failure,
    clause::{self, Clause, Level},
    profile::Profile,
    run::Outcome,
    text,
};

/// How many skipped cases of one reason are named, unless all are to be.
const SKIPS_NAMED: usize = 3;

/// How many failures of one clause are told in full, unless all are to be. All have had their
/// lines before.
const FAILURES_TOLD: usize = 5;

/// How many lines of what the server wrote are shown, the last ones.
const OUTPUT_LINES: usize = 10;

/// Which cases get a line when they end. Each level has those of the levels before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum StatusLevel {
    /// None
    None,
    /// Those that failed
    #[default]
    Fail,
    /// Those that passed
    Pass,
    /// Those that were skipped, and failures that are known
    Skip,
    /// All
    All,
}

/// Which cases are told of when all have ended. Each level has those of the levels before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum FinalStatusLevel {
    /// None, only their numbers
    None,
    /// Those that failed, in full; of those that were skipped, the reasons
    #[default]
    Fail,
    /// Those that were skipped, and failures that are known
    Skip,
    /// Those that passed
    Pass,
    /// All, however many failed in the same way
    All,
}

impl StatusLevel {
    fn shows(self, status: Status) -> bool {
        self >= match status {
            Status::Failed | Status::Broken => Self::Fail,
            Status::Passed => Self::Pass,
            Status::Skipped | Status::Known => Self::Skip,
        }
    }
}

/// Tells people, line by line.
pub struct Terminal<W> {
    out: W,
    look: Look,
    level: StatusLevel,
    final_level: FinalStatusLevel,
    bar: ProgressBar,
    profile: Profile,
    replay: Vec<String>,
    skips: BTreeMap<String, Vec<String>>,
    told: BTreeMap<&'static str, Vec<Told>>,
    passed: Vec<String>,
}

/// What is left to tell of a case at the end.
struct Told {
    name: String,
    level: Level,
    status: Status,
    failure: Option<Failure>,
    reason: Option<String>,
    server_output: String,
}

/// The styles of a terminal, or none.
struct Look {
    good: Style,
    bad: Style,
    middling: Style,
    strong: Style,
    faint: Style,
}

impl Look {
    fn new(has_colours: bool) -> Self {
        let style = || Style::new().force_styling(has_colours);
        Self {
            good: style().green(),
            bad: style().red().bold(),
            middling: style().yellow(),
            strong: style().bold(),
            faint: style().dim(),
        }
    }

    fn status(&self, status: Status, level: Level) -> &Style {
        match (status, level) {
            (Status::Passed, _) => &self.good,
            (Status::Failed, Level::Must) | (Status::Broken, _) => &self.bad,
            _ => &self.middling,
        }
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Passed => "pass",
        Status::Failed => "FAIL",
        Status::Known => "know",
        Status::Skipped => "skip",
        Status::Broken => "BUG ",
    }
}

impl<W: Write> Terminal<W> {
    /// A reporter that writes to `out`.
    pub fn new(out: W, level: StatusLevel, final_level: FinalStatusLevel) -> Self {
        Self {
            out,
            look: Look::new(false),
            level,
            final_level,
            bar: ProgressBar::hidden(),
            profile: Profile::default(),
            replay: Vec::new(),
            skips: BTreeMap::new(),
            told: BTreeMap::new(),
            passed: Vec::new(),
        }
    }

    /// The same with colours.
    pub fn coloured(self) -> Self {
        Self {
            look: Look::new(true),
            ..self
        }
    }

    /// The same with a bar on standard error that shows how far the run has come.
    pub fn with_progress(self) -> Self {
        Self {
            bar: ProgressBar::no_length(),
            ..self
        }
    }

    fn line(&mut self, result: &CaseResult<'_>) -> io::Result<()> {
        let (status, level) = (result.status(), result.case.level());
        let style = self.look.status(status, level);
        let head = style.apply_to(format!("{} {level:6}", word(status)));
        let duration = self.look.faint.apply_to(seconds(result.duration));
        let name = result.case.name();
        let reason = match &result.outcome {
            Outcome::Skipped(why) | Outcome::Broken(why) => format!(": {why}"),
            Outcome::Passed | Outcome::Failed(_) => String::new(),
        };
        let out = &mut self.out;
        self.bar
            .suspend(|| writeln!(out, "{head} {name} {duration}{reason}"))
    }

    fn clauses(&mut self) -> io::Result<()> {
        for clause in clause::ALL {
            if let Some(told) = self.told.remove(clause.id) {
                self.clause(clause, &told)?;
            }
        }
        Ok(())
    }

    fn clause(&mut self, clause: &Clause, told: &[Told]) -> io::Result<()> {
        let head = format!("{} {}: {}", clause.id, clause.level, clause.gist);
        writeln!(self.out, "\n{}", self.look.strong.apply_to(head))?;
        for line in clause.text().lines() {
            match line {
                "" => writeln!(self.out)?,
                _ => writeln!(self.out, "  {}", self.look.faint.apply_to(line))?,
            }
        }
        let differs = clause.rkt_1_30();
        if let Some(difference) = differs.filter(|_| self.profile == Profile::Rkt130) {
            let line = format!("rkt 1.30.0: {difference}");
            writeln!(self.out, "\n  {}", self.look.faint.apply_to(line))?;
        }
        let full = match self.final_level {
            FinalStatusLevel::All => told.len(),
            _ => told.len().min(FAILURES_TOLD),
        };
        for one in &told[..full] {
            self.failure(one)?;
        }
        if full < told.len() {
            let more = told.len() - full;
            let replay = self.replay_line(&clause_prefix(&told[full].name));
            writeln!(self.out, "\n  and {more} more, all of them by: {replay}")?;
        }
        Ok(())
    }

    fn failure(&mut self, told: &Told) -> io::Result<()> {
        let style = self.look.status(told.status, told.level);
        let head = style.apply_to(format!("{} {}", word(told.status), told.level));
        writeln!(self.out, "\n  {head} {}", told.name)?;
        if let Some(reason) = &told.reason {
            let says = match told.status {
                Status::Known => "known",
                _ => "the case itself failed",
            };
            writeln!(self.out, "    {says}: {reason}")?;
        }
        if let Some(failure) = &told.failure {
            writeln!(self.out, "    request: {}", failure.request)?;
            let bad = self.look.bad.apply_to("+ actual");
            let good = self.look.good.apply_to("- expected");
            writeln!(self.out, "    {good}, {bad}:")?;
            for line in diff::lines(&failure.expected, &failure.actual) {
                let line = self.diff_line(&line);
                writeln!(self.out, "    {line}")?;
            }
        }
        let lines: Vec<&str> = told.server_output.lines().collect();
        if !lines.is_empty() {
            writeln!(self.out, "    the server wrote:")?;
            for line in &lines[lines.len().saturating_sub(OUTPUT_LINES)..] {
                writeln!(self.out, "    | {}", text::short(line))?;
            }
        }
        writeln!(self.out, "    again: {}", self.replay_line(&told.name))
    }

    fn diff_line(&self, line: &Line) -> String {
        let (sign, style) = match line.mark {
            Mark::Same => (' ', &self.look.faint),
            Mark::Expected => ('-', &self.look.good),
            Mark::Actual => ('+', &self.look.bad),
            Mark::LeftOut => (' ', &self.look.faint),
        };
        let mut text = style.apply_to(format_args!("{sign} ")).to_string();
        for (is_marked, piece) in &line.pieces {
            let piece = text::short(piece);
            match is_marked {
                true => text.push_str(&style.clone().underlined().apply_to(piece).to_string()),
                false => text.push_str(&style.apply_to(piece).to_string()),
            }
        }
        text
    }

    fn replay_line(&self, name: &str) -> String {
        let words = self.replay.iter().map(String::as_str).chain([name]);
        shell_words::join(words)
    }

    fn skips(&mut self) -> io::Result<()> {
        for (reason, names) in &self.skips {
            let shown = match self.final_level >= FinalStatusLevel::Skip {
                true => names.len(),
                false => names.len().min(SKIPS_NAMED),
            };
            let mut named = names[..shown].join(", ");
            if names.len() > shown {
                named = format!("{named} and {} more", names.len() - shown);
            }
            writeln!(self.out, "skipped, because {reason}: {named}")?;
        }
        Ok(())
    }

    fn totals(&mut self, summary: &Summary) -> io::Result<()> {
        let count = |number: usize, text: String, style: &Style| match number {
            0 => text,
            _ => style.apply_to(text).to_string(),
        };
        let (look, failed) = (&self.look, summary.failed());
        let bad = match summary.failed_must {
            0 => &look.middling,
            _ => &look.bad,
        };
        let mut parts = vec![
            count(
                summary.passed,
                format!("{} passed", summary.passed),
                &look.good,
            ),
            count(
                failed,
                format!(
                    "{failed} failed ({} MUST, {} SHOULD)",
                    summary.failed_must, summary.failed_should
                ),
                bad,
            ),
        ];
        if summary.known > 0 {
            parts.push(format!("{} failed as known", summary.known));
        }
        if summary.broken > 0 {
            let text = format!("{} broken by bugs of the suite", summary.broken);
            parts.push(look.bad.apply_to(text).to_string());
        }
        parts.push(format!("{} skipped", summary.skipped));
        writeln!(self.out, "{} cases: {}", summary.total(), parts.join(", "))
    }
}

impl<W: Write> Reporter for Terminal<W> {
    fn started(&mut self, run: &Run) -> Result<(), ReportError> {
        self.profile = run.profile;
        self.replay.clone_from(&run.replay);
        if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg} {elapsed}") {
            self.bar.set_style(style);
        }
        self.bar.set_length(run.cases as u64);
        Ok(())
    }

    fn finished(&mut self, result: &CaseResult<'_>) -> Result<(), ReportError> {
        let status = result.status();
        let name = result.case.name();
        if self.level.shows(status) {
            self.line(result)?;
        }
        match (status, &result.outcome) {
            (Status::Passed, _) => self.passed.push(name.to_owned()),
            (_, Outcome::Skipped(reason)) => {
                let names = self.skips.entry(reason.clone()).or_default();
                names.push(name.to_owned());
            }
            (_, outcome) => {
                let (failure, reason) = match outcome {
                    Outcome::Failed(failure) => (Some(failure.clone()), result.known.clone()),
                    Outcome::Broken(why) => (None, Some(why.clone())),
                    Outcome::Passed | Outcome::Skipped(_) => (None, None),
                };
                let is_told = match status {
                    Status::Known => self.final_level >= FinalStatusLevel::Skip,
                    _ => self.final_level >= FinalStatusLevel::Fail,
                };
                if is_told {
                    let told = self.told.entry(result.case.clause().id).or_default();
                    told.push(Told {
                        name: name.to_owned(),
                        level: result.case.level(),
                        status,
                        failure,
                        reason,
                        server_output: result.server_output.clone(),
                    });
                }
            }
        }
        self.bar.inc(1);
        self.bar.set_message(result.case.clause().id);
        Ok(())
    }

    fn ended(&mut self, summary: &Summary) -> Result<(), ReportError> {
        self.bar.finish_and_clear();
        if self.final_level >= FinalStatusLevel::Pass {
            for name in &self.passed {
                writeln!(self.out, "passed: {name}")?;
            }
        }
        let has_details = !self.told.is_empty();
        self.clauses()?;
        if has_details {
            writeln!(self.out)?;
        }
        if self.final_level >= FinalStatusLevel::Fail {
            self.skips()?;
        }
        for entry in &summary.stale {
            let head = self.look.bad.apply_to("known failure that is none");
            writeln!(self.out, "{head}: {entry}: take it out of the list")?;
        }
        self.totals(summary)?;
        Ok(self.out.flush()?)
    }
}

/// A duration for people.
fn seconds(duration: Duration) -> String {
    format!("({:.3} s)", duration.as_secs_f64())
}

/// What the names of all cases of the same method and clause begin with.
fn clause_prefix(name: &str) -> String {
    let parts: Vec<&str> = name.splitn(3, '/').take(2).collect();
    format!("{}/", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        case::{Case, Method},
        report::sample,
    };

    fn report(make: impl FnOnce(Terminal<&mut Vec<u8>>) -> Terminal<&mut Vec<u8>>) -> String {
        let mut out = Vec::new();
        let terminal = Terminal::new(&mut out, StatusLevel::Fail, FinalStatusLevel::Fail);
        sample::tell(&mut make(terminal)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_run_reads_as_before() {
        insta::assert_snapshot!(report(|terminal| terminal));
    }

    #[test]
    fn with_all_levels_every_case_is_told_of() {
        insta::assert_snapshot!(report(|terminal| Terminal {
            level: StatusLevel::All,
            final_level: FinalStatusLevel::All,
            ..terminal
        }));
    }

    #[test]
    fn without_levels_only_numbers_are_left() {
        let text = report(|terminal| Terminal {
            level: StatusLevel::None,
            final_level: FinalStatusLevel::None,
            ..terminal
        });
        assert_eq!(
            text,
            "known failure that is none: GetInfo/I-1/*: take it out of the list\n\
             8 cases: 2 passed, 3 failed (2 MUST, 1 SHOULD), 1 failed as known, \
             1 broken by bugs of the suite, 1 skipped\n"
        );
    }

    #[test]
    fn colours_add_nothing_but_colours() {
        let coloured = report(|terminal| terminal.coloured());
        assert!(coloured.contains("\u{1b}["));
        let plain = console::strip_ansi_codes(&coloured).into_owned();
        assert_eq!(plain, report(|terminal| terminal));
    }

    #[test]
    fn what_rkt_did_is_told_where_it_is_expected() {
        let told = |profile| {
            let mut out = Vec::new();
            let mut terminal = Terminal::new(&mut out, StatusLevel::None, FinalStatusLevel::Fail);
            terminal.profile = profile;
            terminal.clause(&clause::P_4, &[]).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(
            told(Profile::Rkt130).contains("  rkt 1.30.0: Where there was none, `pid` was -1.")
        );
        assert!(!told(Profile::Documented).contains("rkt 1.30.0"));
    }

    #[test]
    fn many_failures_of_a_clause_are_counted() {
        let mut out = Vec::new();
        let mut terminal = Terminal::new(&mut out, StatusLevel::None, FinalStatusLevel::Fail);
        terminal.started(&sample::run()).unwrap();
        for nth in 0..FAILURES_TOLD + 2 {
            let case = Case::new(Method::ListPods, &clause::P_16, nth, |_| async { Ok(()) });
            let result = CaseResult {
                case: &case,
                outcome: Outcome::Broken("a bug".to_owned()),
                duration: Duration::ZERO,
                exchanges: Vec::new(),
                server_output: String::new(),
                known: None,
            };
            terminal.finished(&result).unwrap();
        }
        terminal.ended(&Summary::default()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let more = "and 2 more, all of them by: \
                    rkt-conformance run --connect localhost:15441 ListPods/P-16/\n";
        assert!(text.contains(more), "{text}");
    }
}
