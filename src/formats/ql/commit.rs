//! A transaction as the engine carries it out: which bytes of the file it changes, and the
//! write-ahead log that says so beforehand.

use bytes::Bytes;

use super::{
    block::{ATOM, HEADER_LEN},
    create::NewFile,
    error::Flaw,
    scalar::{self, Scalar},
};

/// The engine writes pages of this size, counted without the file header.
const PAGE: usize = 512;

/// What turns one database file into another, in place.
///
/// To carry it out so that a crash at any moment leaves either the one or the other: write
/// [`Commit::log`] to the write-ahead log and flush it; write over the file as
/// [`Commit::writes`] says, set its length to [`Commit::file_len`] and flush it; cut the log to
/// length 0 and flush it.
#[derive(Debug, Clone)]
pub struct Commit {
    writes: Vec<(u64, Bytes)>,
    file_len: u64,
}

impl Commit {
    /// The changes from `before` to `after`, two whole database files. A file that is still
    /// empty has to become [`initialised`] first: the engine does that without a log.
    #[must_use]
    pub fn between(before: &[u8], after: &[u8]) -> Self {
        let after = Bytes::copy_from_slice(after);
        let mut writes = Vec::new();
        for start in (HEADER_LEN..after.len()).step_by(PAGE) {
            let page = after.slice(start..after.len().min(start + PAGE));
            if before.get(start..start + page.len()) != Some(&page) {
                writes.push((start as u64, page));
            }
        }
        Self {
            writes,
            file_len: after.len() as u64,
        }
    }

    /// The pages that change, at most 512 bytes each, with where in the file they begin.
    pub fn writes(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let writes = self.writes.iter();
        writes.map(|(offset, bytes)| (*offset, bytes.as_ref()))
    }

    /// The length of the file afterwards, in bytes.
    #[must_use]
    pub fn file_len(&self) -> u64 {
        self.file_len
    }

    /// The content of the write-ahead log.
    #[must_use]
    pub fn log(&self) -> Vec<u8> {
        // Positions do not count the file header.
        let position = |offset: u64| {
            let position = offset.saturating_sub(HEADER_LEN as u64);
            Scalar::Int(i64::try_from(position).unwrap_or(i64::MAX))
        };
        let mut log = Vec::new();
        let header = [Scalar::Int(0), Scalar::Int(0), Scalar::Text(Bytes::new())];
        packet(&header, &mut log);
        for (offset, bytes) in &self.writes {
            let bytes = Scalar::Bytes(bytes.clone());
            packet(&[Scalar::Int(1), bytes, position(*offset)], &mut log);
        }
        packet(&[Scalar::Int(2), position(self.file_len)], &mut log);
        log
    }
}

/// The file that the engine makes of an empty one when it first opens it: a database without
/// tables.
///
/// # Panics
///
/// Never: both of its blocks are small.
#[must_use]
pub fn initialised() -> Vec<u8> {
    let mut file = NewFile::new();
    let blocks: Result<(), Flaw> = (|| {
        file.append(&[0x55])?;
        file.append(&[0; 8])?;
        Ok(())
    })();
    blocks.expect("blocks of 1 and 8 bytes are in bounds");
    file.into_bytes()
}

/// Appends a packet: its length, the vector, and zeros up to a whole atom.
fn packet(scalars: &[Scalar], log: &mut Vec<u8>) {
    let vector = scalar::encode(scalars).expect("a page is shorter than the longest bytes");
    log.extend((vector.len() as u32).to_be_bytes());
    log.extend(vector);
    log.resize(log.len().next_multiple_of(ATOM), 0);
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{
        super::log::{self, tests::LOG},
        *,
    };

    #[test]
    fn the_log_is_the_engines() {
        // The engine's own of the sample transaction has a page of one atom.
        let commit = Commit {
            writes: vec![(208, Bytes::copy_from_slice(&LOG[22..38]))],
            file_len: 2592,
        };
        assert_eq!(commit.log(), LOG);
    }

    #[test]
    fn an_initialised_database_is_160_bytes() {
        let file = initialised();
        assert_eq!(file.len(), 160);
        assert_eq!(&file[128..130], [1, 0x55]);
        let db = super::super::Database::open(file, None).unwrap();
        assert!(db.tables().is_empty());
    }

    proptest! {
        #[test]
        fn log_and_writes_both_lead_to_the_new_file(
            before in vec(0..3_u8, 16..3000),
            after in vec(0..3_u8, 16..3000),
            common in 0..3000_usize,
        ) {
            let mut after = after;
            let common = common.min(before.len()).min(after.len()).max(HEADER_LEN);
            after[..common].copy_from_slice(&before[..common]);
            let commit = Commit::between(&before, &after);

            let logged = log::apply(before.clone().into(), &commit.log()).unwrap();
            prop_assert_eq!(&logged[..], &after[..]);

            let mut file = before;
            file.resize(after.len().max(file.len()), 0xEE);
            for (offset, bytes) in commit.writes() {
                let start = offset as usize;
                file[start..start + bytes.len()].copy_from_slice(bytes);
            }
            file.truncate(commit.file_len() as usize);
            prop_assert_eq!(file, after);
        }
    }
}
