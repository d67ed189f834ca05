//! Files that our writer has written, of every kind that there is.

use arbitrary::{Arbitrary, Unstructured};
use uuid::Uuid;

use super::{
    PAYLOADS,
    journal::{Compression, Entry, Field, Ids, Options, Revision, State, Writer},
};

const BOOT_ID: Uuid = Uuid::from_u128(0xb007);

#[derive(Arbitrary, Debug)]
pub(crate) struct Written {
    kind: Kind,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Kind(Options);

#[derive(Arbitrary, Debug)]
struct Line {
    /// Which of the payloads it has.
    payload: bool,
    /// The message is that byte, so many times. To say it all would leave little of an input to
    /// lies.
    byte: u8,
    length: u16,
}

impl<'a> Arbitrary<'a> for Kind {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        const REVISIONS: [Revision; 4] = [
            Revision::V189,
            Revision::V246,
            Revision::V252,
            Revision::V254,
        ];
        const COMPRESSIONS: [Option<Compression>; 4] = [
            None,
            Some(Compression::Xz),
            Some(Compression::Lz4),
            Some(Compression::Zstd),
        ];
        Ok(Self(Options {
            revision: *input.choose(&REVISIONS)?,
            keyed_hash: input.arbitrary()?,
            compact: input.arbitrary()?,
            compression: *input.choose(&COMPRESSIONS)?,
            ..Options::new(Ids {
                file: Uuid::from_u128(0xf11e),
                machine: Uuid::from_u128(0x3ac41e),
                boot: BOOT_ID,
                seqnum: Uuid::from_u128(0x5e9),
            })
        }))
    }
}

impl Written {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(&self.kind.0).expect("the options are good");
        for (line, number) in self.lines.iter().zip(1..) {
            let payload = PAYLOADS[usize::from(line.payload)];
            let (name, value) = payload.split_once('=').expect("it is a field");
            // Some are so long that they are compressed.
            let message = vec![line.byte; usize::from(line.length % 600)];
            let entry = Entry {
                realtime_us: number,
                monotonic_us: number,
                boot_id: BOOT_ID,
                fields: &[
                    Field::new("PRIORITY", "6"),
                    Field::new(name, value),
                    Field::new("MESSAGE", &message),
                ],
            };
            writer.append(&entry).expect("the entry is good");
        }
        writer.finish(State::Offline)
    }
}
