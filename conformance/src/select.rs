//! Naming cases: by the beginning of their names, or by globs.

use globset::{Glob, GlobMatcher};

use crate::case::Case;

/// What makes a text a glob. No name of a case has any of these.
const GLOB_CHARACTERS: [char; 4] = ['*', '?', '[', '{'];

/// Cases, by name.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    glob: Option<GlobMatcher>,
}

impl std::str::FromStr for Pattern {
    type Err = globset::Error;

    fn from_str(text: &str) -> Result<Self, globset::Error> {
        let glob = match text.contains(GLOB_CHARACTERS) {
            true => Some(Glob::new(text)?.compile_matcher()),
            false => None,
        };
        let text = text.to_owned();
        Ok(Self { text, glob })
    }
}

impl Pattern {
    /// The pattern as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the case is meant: a glob has to match its whole name, anything else begins it.
    /// `*` stands for slashes, too.
    pub fn matches(&self, case: &Case) -> bool {
        match &self.glob {
            Some(glob) => glob.is_match(case.name()),
            None => case.name().starts_with(&self.text),
        }
    }
}

/// A pattern under which there is nothing.
#[derive(Debug, thiserror::Error)]
#[error("no case is named {0:?} or begins so; `list` has the names")]
pub struct Unmatched(pub String);

/// The cases that any of the patterns means, in their own order; all where there is none.
///
/// # Errors
///
/// When there is a pattern that means none: part of what was asked for would not be run.
pub fn select<'a>(all: &'a [Case], patterns: &[Pattern]) -> Result<Vec<&'a Case>, Unmatched> {
    let mut patterns_alone = patterns.iter();
    let unmatched = patterns_alone.find(|pattern| !all.iter().any(|case| pattern.matches(case)));
    if let Some(pattern) = unmatched {
        return Err(Unmatched(pattern.text().to_owned()));
    }
    let is_meant =
        |case: &&Case| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(case));
    Ok(all.iter().filter(is_meant).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{case::Method, cases, clause};

    fn selected(patterns: &[&str]) -> Result<Vec<String>, Unmatched> {
        let case = |content| {
            Case::new(Method::ListPods, &clause::P_16, content, |_| async {
                Ok(())
            })
        };
        let all = ["a", "b/c", "b/d"].map(case);
        let patterns: Vec<Pattern> = patterns.iter().map(|text| text.parse().unwrap()).collect();
        let names = select(&all, &patterns)?.into_iter().map(Case::name);
        Ok(names.map(str::to_owned).collect())
    }

    #[test]
    fn cases_are_named_by_beginnings_and_globs() {
        assert_eq!(selected(&[]).unwrap().len(), 3);
        assert_eq!(
            selected(&["ListPods/P-16/b", "*/a"]).unwrap(),
            ["ListPods/P-16/a", "ListPods/P-16/b/c", "ListPods/P-16/b/d"]
        );
        assert_eq!(
            selected(&["*/P-{16,17}/?/d"]).unwrap(),
            ["ListPods/P-16/b/d"]
        );
        assert_eq!(selected(&["ListPods", "b"]).unwrap_err().0, "b");
        assert_eq!(selected(&["*/P-16"]).unwrap_err().0, "*/P-16");
        assert!("[".parse::<Pattern>().is_err());
    }

    #[test]
    fn no_name_is_a_glob() {
        for case in cases::all() {
            assert!(!case.name().contains(GLOB_CHARACTERS), "{case:?}");
        }
    }
}
