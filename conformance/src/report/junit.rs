//! The report for machines that build and test: JUnit's XML. A method is a test suite, a clause
//! a class.

use std::{collections::BTreeMap, io, time::Duration};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    Status,
    document::{CaseReport, Document},
};
use crate::clause::Level;

/// Writes the document.
pub(super) fn write(document: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for case in &document.cases {
        let suite = suites.entry(case.method());
        let suite = suite.or_insert_with(|| TestSuite::new(case.method()));
        suite.add_test_case(test_case(document, case));
    }
    if !document.summary.stale.is_empty() {
        let mut suite = TestSuite::new("known failures");
        suite.add_test_cases(document.summary.stale.iter().map(|entry| stale(entry)));
        suites.insert("known failures", suite);
    }
    let mut report = Report::new("rkt-conformance");
    report.set_time(Duration::from_millis(document.duration_ms));
    for mut suite in suites.into_values() {
        suite.add_property(("target", document.target.as_str()));
        suite.add_property(("profile", document.profile.as_str()));
        report.add_test_suite(suite);
    }
    report.serialize(out).map_err(io::Error::other)
}

fn test_case(document: &Document, case: &CaseReport) -> TestCase {
    let mut status = match case.status {
        Status::Passed => TestCaseStatus::success(),
        Status::Skipped | Status::Known => TestCaseStatus::skipped(),
        Status::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Status::Broken => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    let clause = document.clauses.iter().find(|one| one.id == case.clause);
    let gist = clause.map_or("", |clause| clause.gist);
    match (case.status, case.reason.as_deref().unwrap_or_default()) {
        (Status::Passed, _) => {}
        (Status::Failed, _) => drop(status.set_message(gist)),
        (Status::Known, reason) => {
            status.set_message(format!("fails, which is known: {reason}"));
        }
        (Status::Skipped, reason) => drop(status.set_message(reason)),
        (Status::Broken, reason) => {
            status.set_message(format!("the case itself failed: {reason}"));
        }
    }
    if !matches!(case.status, Status::Passed | Status::Skipped) {
        status.set_type(case.level.to_string());
    }
    if let Some(failure) = &case.failure {
        status.set_description(format!(
            "request: {}\nexpected: {}\nactual: {}",
            failure.request, failure.expected, failure.actual
        ));
    }
    let mut test_case = TestCase::new(case.name.as_str(), status);
    test_case.set_classname(case.clause);
    test_case.set_time(Duration::from_micros(case.duration_us));
    test_case.add_property(("level", case.level.to_string().as_str()));
    if !case.exchanges.is_empty() {
        let exchanges = case.exchanges.iter();
        let exchanges = exchanges.map(|one| format!("> {}\n< {}\n", one.request, one.answer));
        test_case.set_system_out(exchanges.collect::<String>());
    }
    if !case.server_output.is_empty() {
        test_case.set_system_err(case.server_output.as_str());
    }
    test_case
}

/// An entry of the list of known failures that is out of date.
fn stale(entry: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message("no case of this entry fails any more");
    status.set_type(Level::Must.to_string());
    TestCase::new(entry, status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_run_reads_as_before() {
        let mut xml = Vec::new();
        write(&sample::document(), &mut xml).unwrap();
        insta::assert_snapshot!(String::from_utf8(xml).unwrap());
    }
}
