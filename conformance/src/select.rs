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

/// A name that means many cases where one is wanted.
#[derive(Debug, thiserror::Error)]
#[error("{count} cases begin with {name:?}, such as {first} and {second}")]
pub struct Ambiguous {
    name: String,
    count: usize,
    first: String,
    second: String,
}

/// Why there is no one case of a name.
#[derive(Debug, thiserror::Error)]
pub enum NotOne {
    /// There is none.
    #[error(transparent)]
    Unmatched(#[from] Unmatched),
    /// There are many.
    #[error(transparent)]
    Ambiguous(#[from] Ambiguous),
}

/// The case of this name, or the only one whose name begins so.
///
/// # Errors
///
/// When there is none, or more than one.
pub fn one<'a>(all: &'a [Case], name: &str) -> Result<&'a Case, NotOne> {
    if let Some(case) = all.iter().find(|case| case.name() == name) {
        return Ok(case);
    }
    let begun: Vec<_> = all
        .iter()
        .filter(|case| case.name().starts_with(name))
        .collect();
    match begun.as_slice() {
        [] => Err(Unmatched(name.to_owned()).into()),
        [case] => Ok(case),
        [first, second, ..] => Err(Ambiguous {
            name: name.to_owned(),
            count: begun.len(),
            first: first.name().to_owned(),
            second: second.name().to_owned(),
        }
        .into()),
    }
}

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
    use crate::{case::Method, clause};

    fn three() -> [Case; 3] {
        let case = |content| {
            Case::new(Method::ListPods, &clause::P_16, content, |_| async {
                Ok(())
            })
        };
        ["a", "b/c", "b/cd"].map(case)
    }

    fn selected(patterns: &[&str]) -> Result<Vec<String>, Unmatched> {
        let all = three();
        let patterns: Vec<Pattern> = patterns.iter().map(|text| text.parse().unwrap()).collect();
        let names = select(&all, &patterns)?.into_iter().map(Case::name);
        Ok(names.map(str::to_owned).collect())
    }

    #[test]
    fn cases_are_named_by_beginnings_and_globs() {
        assert_eq!(selected(&[]).unwrap().len(), 3);
        assert_eq!(
            selected(&["ListPods/P-16/b", "*/a"]).unwrap(),
            ["ListPods/P-16/a", "ListPods/P-16/b/c", "ListPods/P-16/b/cd"]
        );
        assert_eq!(
            selected(&["*/P-{16,17}/?/cd"]).unwrap(),
            ["ListPods/P-16/b/cd"]
        );
        assert_eq!(selected(&["ListPods", "b"]).unwrap_err().0, "b");
        assert_eq!(selected(&["*/P-16"]).unwrap_err().0, "*/P-16");
        assert!("[".parse::<Pattern>().is_err());
    }

    #[test]
    fn one_case_is_named_by_as_much_as_tells_it() {
        let all = three();
        let one = |name| {
            one(&all, name)
                .map(Case::name)
                .map_err(|error| error.to_string())
        };
        assert_eq!(one("ListPods/P-16/a").unwrap(), "ListPods/P-16/a");
        assert_eq!(one("ListPods/P-16/b/c").unwrap(), "ListPods/P-16/b/c");
        assert!(
            one("ListPods/P-16/b")
                .unwrap_err()
                .starts_with("2 cases begin with")
        );
        assert!(one("b").unwrap_err().starts_with("no case"));
    }

    #[test]
    fn no_name_is_a_glob() {
        for case in crate::cases::all() {
            assert!(!case.name().contains(GLOB_CHARACTERS), "{case:?}");
        }
    }
}
