//! The files of a pod's journal, opened.

use std::{fs::File, sync::Arc};

use uuid::Uuid;

use super::Logs;
use crate::{
    formats::journal::read::Journal,
    host::{FileId, JournalDirs, JournalFile, LogsError},
};

/// A file to read.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) id: FileId,
    pub(super) name: String,
    pub(super) file: Arc<File>,
    /// Whether it may still be written.
    pub(super) is_active: bool,
}

/// Opens `files`. What cannot be opened is missing, unless it is the server that cannot go on; and
/// whether one is that was removed or renamed meanwhile.
pub(super) fn open<'a>(
    logs: &Logs,
    pod: Uuid,
    dirs: &JournalDirs,
    files: impl Iterator<Item = &'a JournalFile>,
) -> Result<(Vec<Source>, bool), LogsError> {
    let mut sources = Vec::new();
    let mut has_moved = false;
    for file in files {
        match dirs.open(file) {
            Ok(Some(opened)) => sources.push(Source {
                id: file.id,
                name: file.name.clone(),
                file: Arc::new(opened),
                is_active: file.is_active(),
            }),
            Ok(None) => has_moved = true,
            Err(fault) if fault.distress().is_some() => return Err(LogsError::Fault(fault)),
            Err(fault) => logs.report(pod, fault),
        }
    }
    Ok((sources, has_moved))
}

/// Whether one of the files has a line of `identifier`.
pub(crate) fn has_identifier(sources: &[Source], identifier: &str) -> bool {
    let payload = identifier_payload(identifier);
    sources.iter().any(|source| {
        let journal = Journal::open(&*source.file);
        journal.is_ok_and(|mut journal| journal.has(&payload))
    })
}

/// The field by which the lines of an app are told (L-2).
pub(super) fn identifier_payload(identifier: &str) -> Vec<u8> {
    format!("SYSLOG_IDENTIFIER={identifier}").into_bytes()
}
