//! The command that starts a server under test, with blanks for what differs from start to
//! start. Starting it is `process`'s business.

use std::{path::Path, str::FromStr};

use crate::profile::Profile;

/// The blanks that have to be there: a server that cannot be told these two would be tried on
/// another host, or not be found.
const NEEDED: [&str; 2] = ["{data_dir}", "{listen}"];

/// A command line with blanks: `{data_dir}`, `{listen}` (as HOST:PORT), and `{profile}` or
/// `{dialect}`, which are two names of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    line: String,
    words: Vec<String>,
}

/// Why a command line cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// It cannot be split into words.
    #[error("a quote is not closed in {0:?}")]
    Quotes(String),
    /// There is nothing to start.
    #[error("there is no command")]
    Empty,
    /// The server could not be told where its host is, or where to listen.
    #[error("{0} does not occur in the command; see --help")]
    Missing(&'static str),
}

impl FromStr for Launch {
    type Err = LaunchError;

    /// Splits a line as a shell does, without expanding anything.
    fn from_str(line: &str) -> Result<Self, LaunchError> {
        let words = shell_words::split(line);
        let words = words.map_err(|_| LaunchError::Quotes(line.to_owned()))?;
        let line = line.to_owned();
        Ok(Self {
            line,
            ..Self::from_words(words)?
        })
    }
}

impl Launch {
    /// A command that has been split already: the program and its arguments.
    ///
    /// # Errors
    ///
    /// When a blank that is needed is missing.
    pub fn from_words(words: Vec<String>) -> Result<Self, LaunchError> {
        if words.is_empty() {
            return Err(LaunchError::Empty);
        }
        for blank in NEEDED {
            if !words.iter().any(|word| word.contains(blank)) {
                return Err(LaunchError::Missing(blank));
            }
        }
        Ok(Self {
            line: shell_words::join(&words),
            words,
        })
    }

    /// The command as a line, blanks and all.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The program and its arguments, filled in.
    pub(crate) fn fill(&self, data_dir: &Path, listen: &str, profile: Profile) -> Vec<String> {
        let data_dir = data_dir.to_string_lossy();
        let profile = profile.to_string();
        let fill = |word: &String| {
            word.replace("{data_dir}", &data_dir)
                .replace("{listen}", listen)
                .replace("{profile}", &profile)
                .replace("{dialect}", &profile)
        };
        self.words.iter().map(fill).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_filled() {
        let launch: Launch = "'my server' --dir={data_dir} -l {listen} --{dialect}={profile}"
            .parse()
            .unwrap();
        assert_eq!(
            launch.fill(Path::new("/a b"), "127.0.0.1:1", Profile::Rkt130),
            [
                "my server",
                "--dir=/a b",
                "-l",
                "127.0.0.1:1",
                "--rkt-1.30=rkt-1.30"
            ]
        );
        assert_eq!(launch.line().parse::<Launch>().unwrap(), launch);
        let words = launch.words.clone();
        let again: Launch = Launch::from_words(words).unwrap().line().parse().unwrap();
        assert_eq!(again.words, launch.words);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let error = |line: &str| line.parse::<Launch>().unwrap_err().to_string();
        assert_eq!(error(""), "there is no command");
        assert_eq!(error("'a"), r#"a quote is not closed in "'a""#);
        assert!(error("server {listen}").starts_with("{data_dir} does not occur"));
        assert!(error("server {data_dir}").starts_with("{listen} does not occur"));
    }
}
