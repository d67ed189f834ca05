//! Reports that are files: the run is gathered in one [`Document`], and written when it is over
//! in each form that is wanted.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    time::Instant,
};

use jiff::Timestamp;

use super::{CaseResult, ReportError, Reporter, Run, Summary, document::Document};

/// Writes a document in one form.
pub(super) type Write = fn(&Document, &mut dyn io::Write) -> io::Result<()>;

/// Gathers a run, and writes it to files.
#[derive(Default)]
pub(super) struct Files {
    files: Vec<Output>,
    gathered: Option<(Document, Instant)>,
}

struct Output {
    path: PathBuf,
    file: File,
    write: Write,
}

impl Files {
    /// Adds a file, and makes it at once.
    pub(super) fn add(&mut self, path: &Path, write: Write) -> Result<(), ReportError> {
        let file = File::create(path).map_err(|cause| ReportError::File {
            path: path.to_owned(),
            cause,
        })?;
        self.files.push(Output {
            path: path.to_owned(),
            file,
            write,
        });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

impl Output {
    fn write(&self, document: &Document) -> Result<(), ReportError> {
        let mut out = BufWriter::new(&self.file);
        let written = (self.write)(document, &mut out).and_then(|()| out.flush());
        written.map_err(|cause| ReportError::File {
            path: self.path.clone(),
            cause,
        })
    }
}

impl Reporter for Files {
    fn started(&mut self, run: &Run) -> Result<(), ReportError> {
        self.gathered = Some((Document::new(run, Timestamp::now()), Instant::now()));
        Ok(())
    }

    fn finished(&mut self, result: &CaseResult<'_>) -> Result<(), ReportError> {
        if let Some((document, _)) = &mut self.gathered {
            document.add(result);
        }
        Ok(())
    }

    fn ended(&mut self, summary: &Summary) -> Result<(), ReportError> {
        let Some((mut document, began)) = self.gathered.take() else {
            return Ok(());
        };
        let duration_ms = began.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        document.end(summary, duration_ms);
        super::first_error(self.files.iter().map(|file| file.write(&document)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{json, sample};

    #[test]
    fn every_file_is_written_though_one_cannot_be() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::default();
        files
            .add(&dir.path().join("bad"), |_, _| {
                Err(io::ErrorKind::StorageFull.into())
            })
            .unwrap();
        files.add(&dir.path().join("good"), json::write).unwrap();
        let error = sample::tell(&mut files).unwrap_err().to_string();
        assert!(error.starts_with("failed to write the report "), "{error}");
        assert!(error.contains("/bad: "), "{error}");
        let good = std::fs::read(dir.path().join("good")).unwrap();
        let good: serde_json::Value = serde_json::from_slice(&good).unwrap();
        assert_eq!(good["summary"]["total"], 8);
    }

    #[test]
    fn a_file_that_cannot_be_made_is_told_of_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none/report.json");
        let error = Files::default().add(&path, json::write).unwrap_err();
        assert!(error.to_string().contains("none/report.json"), "{error}");
    }
}
