//! What is in a file: bytes, and long runs of zeros that nobody has to hold in memory.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Seek as _, SeekFrom, Write},
};

/// As many zeros as are handed on at once.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The content of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Bytes(Vec<u8>),
    Zeros(u64),
}

impl Content {
    /// So many zeros.
    pub(crate) fn zeros(size_bytes: u64) -> Self {
        Self(vec![Part::Zeros(size_bytes)])
    }

    /// Adds something at the end.
    pub(crate) fn push(&mut self, more: impl Into<Self>) {
        self.0.extend(more.into().0);
    }

    /// The length in bytes.
    pub(crate) fn size_bytes(&self) -> u64 {
        let size = |part: &Part| match part {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::Zeros(size_bytes) => *size_bytes,
        };
        self.0.iter().map(size).sum()
    }

    /// All of it at once.
    pub(crate) fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        if let [Part::Bytes(bytes)] = self.0.as_slice() {
            return Ok(bytes.into());
        }
        let mut all = Vec::new();
        self.write_to(&mut all)?;
        Ok(all.into())
    }

    /// Hands it on piece by piece.
    pub(crate) fn write_to(&self, to: &mut impl Write) -> io::Result<()> {
        for part in &self.0 {
            match part {
                Part::Bytes(bytes) => to.write_all(bytes)?,
                Part::Zeros(size_bytes) => {
                    let mut left = *size_bytes;
                    while left > 0 {
                        let now = left.min(ZEROS.len() as u64);
                        to.write_all(&ZEROS[..now as usize])?;
                        left -= now;
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes it the content of an empty file. Zeros become holes, which take no blocks.
    pub(crate) fn fill(&self, file: &mut File) -> io::Result<()> {
        for part in &self.0 {
            match part {
                Part::Bytes(bytes) => file.write_all(bytes)?,
                Part::Zeros(size_bytes) => {
                    let distance = i64::try_from(*size_bytes).map_err(io::Error::other)?;
                    file.seek(SeekFrom::Current(distance))?;
                }
            }
        }
        match self.0.last() {
            Some(Part::Zeros(_)) => file.set_len(self.size_bytes()),
            _ => Ok(()),
        }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self(vec![Part::Bytes(bytes)])
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        text.as_bytes().to_vec().into()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn zeros_are_the_same_wherever_they_are_written() {
        let mut content = Content::from("before");
        content.push(Content::zeros(100_000));
        content.push("between");
        content.push(Content::zeros(5));
        let expected = [&b"before"[..], &[0; 100_000], b"between", &[0; 5]].concat();
        assert_eq!(content.size_bytes(), expected.len() as u64);
        assert_eq!(*content.bytes().unwrap(), expected);

        let mut file = tempfile::tempfile().unwrap();
        content.fill(&mut file).unwrap();
        file.rewind().unwrap();
        let mut read = Vec::new();
        file.read_to_end(&mut read).unwrap();
        assert_eq!(read, expected);
    }
}
