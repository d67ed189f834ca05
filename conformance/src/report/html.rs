//! The report for browsers: one page that brings along all that it needs. What it shows is drawn
//! by `html/script.js` from the data that is put in here.

use std::{collections::BTreeMap, io};

use serde::Serialize;

use super::{
    Status,
    diff::{self, Line},
    document::Document,
};
use crate::{case::Method, clause, text};

#[cfg(test)]
mod browser;

const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");

/// Of how many cases of one clause that did not pass the page has the calls and what the server
/// wrote: a page with all of them would be too large for a browser.
const TOLD_IN_FULL: usize = 50;

/// The columns of the matrix.
const METHODS: [Method; 7] = [
    Method::GetInfo,
    Method::ListPods,
    Method::InspectPod,
    Method::ListImages,
    Method::InspectImage,
    Method::ListenEvents,
    Method::GetLogs,
];

/// What the page is drawn from.
#[derive(Serialize)]
struct Page {
    run: Document,
    methods: Vec<String>,
    lattices: Vec<Lattice>,
    /// How what was expected and what came differ, by the case's place in the document.
    diffs: BTreeMap<usize, Vec<Line>>,
}

/// A filter, whose fields' subsets are tried one by one.
#[derive(Serialize)]
struct Lattice {
    clause: &'static str,
    filter: &'static str,
    fields: Vec<String>,
}

/// Writes the document.
pub(super) fn write(document: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    let json = serde_json::to_string(&page(document))?;
    // Nothing in a script's text ends it, or begins a comment, but what begins so.
    let json = json.replace('<', "\\u003c");
    let page = PAGE.replace("{{style}}", STYLE);
    let page = page.replace("{{script}}", SCRIPT);
    let (before, after) = page.split_once("{{data}}").unwrap_or((&page, ""));
    out.write_all(before.as_bytes())?;
    out.write_all(json.as_bytes())?;
    out.write_all(after.as_bytes())
}

fn page(document: &Document) -> Page {
    let mut run = document.clone();
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &mut run.cases {
        if !matches!(case.status, Status::Passed | Status::Skipped) {
            let told = told.entry(case.clause).or_default();
            *told += 1;
            if *told > TOLD_IN_FULL {
                case.exchanges.clear();
                case.server_output.clear();
            }
        }
    }
    let diffs = document.cases.iter().enumerate().filter_map(|(at, case)| {
        let failure = case.failure.as_ref()?;
        Some((at, diff::lines(&failure.expected, &failure.actual)))
    });
    let lattice = |clause: &clause::Clause, filter| Lattice {
        clause: clause.id,
        filter,
        fields: text::fields(&format!("v1alpha.{filter}")),
    };
    Page {
        diffs: diffs.collect(),
        methods: METHODS.iter().map(ToString::to_string).collect(),
        lattices: vec![
            lattice(&clause::F_P9, "PodFilter"),
            lattice(&clause::F_I7, "ImageFilter"),
            lattice(&clause::E_6, "EventFilter"),
        ],
        run,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn written() -> String {
        let mut html = Vec::new();
        write(&sample::document(), &mut html).unwrap();
        String::from_utf8(html).unwrap()
    }

    #[test]
    fn the_page_has_its_style_script_and_data() {
        let html = written();
        assert!(!html.contains("{{"), "a part is missing");
        assert!(html.contains(STYLE) && html.contains(SCRIPT));
    }

    #[test]
    fn no_text_gets_out_of_the_data() {
        let html = written();
        let (_, data) = html
            .split_once(r#"<script type="application/json" id="data">"#)
            .unwrap();
        let (data, _) = data.split_once("</script>").unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        let request = data["run"]["cases"][4]["failure"]["request"]
            .as_str()
            .unwrap();
        assert!(
            request.contains("</script><script>alert(1)</script>"),
            "{request}"
        );
        assert!(!html.contains("<script>alert"));
    }

    #[test]
    fn the_lattices_have_the_fields_of_the_proto() {
        let lattices = page(&sample::document()).lattices;
        let numbers = lattices.iter().map(|lattice| lattice.fields.len());
        assert_eq!(numbers.collect::<Vec<_>>(), [8, 9, 5]);
    }

    #[test]
    fn pages_stay_small() {
        let mut document = sample::document();
        let failed = document.cases[4].clone();
        document.cases = vec![failed; TOLD_IN_FULL + 1];
        let cases = page(&document).run.cases;
        assert!(!cases[TOLD_IN_FULL - 1].exchanges.is_empty());
        assert!(cases[TOLD_IN_FULL].exchanges.is_empty());
    }
}
