//! The hashes that journal files use: Jenkins' lookup3, and SipHash-2-4 with a key.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher24;

/// What a file's hash tables are sorted by.
#[derive(Debug, Clone, Copy)]
pub(super) enum FileHash {
    Jenkins,
    /// With the file's id as key.
    Sip([u8; 16]),
}

impl FileHash {
    /// The hash of a payload, before any compression.
    pub(super) fn of(self, payload: &[u8]) -> u64 {
        match self {
            Self::Jenkins => jenkins(payload),
            Self::Sip(key) => {
                let mut hasher = SipHasher24::new_with_key(&key);
                hasher.write(payload);
                hasher.finish()
            }
        }
    }
}

/// Jenkins' hash as journals have it: both results of `hashlittle2`, the first one on top.
pub(super) fn jenkins(payload: &[u8]) -> u64 {
    let (first, second) = hashlittle2(payload, 0, 0);
    u64::from(first) << 32 | u64::from(second)
}

/// Bob Jenkins' lookup3, the function `hashlittle2`, which is in the public domain.
///
/// Takes and gives two numbers, there called `c` and `b`.
fn hashlittle2(bytes: &[u8], seed_c: u32, seed_b: u32) -> (u32, u32) {
    // The length counts modulo 2^32, as in the original.
    let start = 0xdead_beef_u32
        .wrapping_add(bytes.len() as u32)
        .wrapping_add(seed_c);
    let mut state = [start, start, start.wrapping_add(seed_b)];

    // The last block, of 1 to 12 bytes, is treated differently; only the empty text has none.
    let mut rest = bytes;
    while let Some((block, more)) = rest.split_first_chunk::<12>() {
        if more.is_empty() {
            break;
        }
        add(&mut state, block);
        mix(&mut state);
        rest = more;
    }
    if rest.is_empty() {
        return (state[2], state[1]);
    }
    let mut block = [0; 12];
    block[..rest.len()].copy_from_slice(rest);
    add(&mut state, &block);
    finish(state)
}

/// Adds a block's three words to the state.
fn add(state: &mut [u32; 3], block: &[u8; 12]) {
    let (words, _) = block.as_chunks::<4>();
    for (sum, word) in state.iter_mut().zip(words) {
        *sum = sum.wrapping_add(u32::from_le_bytes(*word));
    }
}

/// Mixes the state between blocks.
///
/// The original spells out six lines that differ in who plays whose part. Here the parts stay
/// and the players change places: after six steps each is back in its own.
fn mix(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    for bits in [4, 6, 8, 16, 19, 4] {
        let mixed = a.wrapping_sub(c) ^ c.rotate_left(bits);
        (a, b, c) = (b, c.wrapping_add(b), mixed);
    }
    *state = [a, b, c];
}

/// Mixes the state after the last block: the results, `c` and `b`.
fn finish([mut a, mut b, mut c]: [u32; 3]) -> (u32, u32) {
    for bits in [14, 11, 25, 16, 4, 14, 24] {
        let mixed = (c ^ b).wrapping_sub(b.rotate_left(bits));
        (a, b, c) = (b, mixed, a);
    }
    // Seven steps are one more than two rounds: `c` has moved to `b`, and `b` to `a`.
    (b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples in the comments and the self-test of Jenkins' lookup3.c.
    #[test]
    fn lookup3_gives_its_authors_results() {
        let text: &[u8] = b"Four score and seven years ago";
        for (bytes, seeds, results) in [
            (&b""[..], (0, 0), (0xdead_beef, 0xdead_beef)),
            (b"", (0, 0xdead_beef), (0xbd5b_7dde, 0xdead_beef)),
            (b"", (0xdead_beef, 0xdead_beef), (0x9c09_3ccd, 0xbd5b_7dde)),
            (text, (0, 0), (0x1777_0551, 0xce72_26e6)),
            (text, (0, 1), (0xe360_7cae, 0xbd37_1de4)),
            (text, (1, 0), (0xcd62_8161, 0x6cbe_a4b3)),
        ] {
            assert_eq!(hashlittle2(bytes, seeds.0, seeds.1), results, "{seeds:?}");
        }
    }

    /// Hashes found in a file that systemd 252 wrote: below, at, and above a block's length.
    #[test]
    fn jenkins_gives_systemds_hashes() {
        for (payload, hash) in [
            ("MESSAGE=", 0x81a6_1d56_14c5_82a5),
            ("PRIORITY", 0x46f7_260d_7000_57a3),
            ("MESSAGE=last", 0x410c_992e_900f_610f),
            ("MESSAGE=tenth", 0x8736_93b6_5701_3cb6),
            ("SYSLOG_IDENTIFIER=web", 0xb99b_669d_3aab_6dbd),
            (
                "_BOOT_ID=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
                0x29a4_9ef2_1978_01b2,
            ),
        ] {
            assert_eq!(jenkins(payload.as_bytes()), hash, "{payload}");
        }
    }

    /// The first and last few vectors of the reference implementation: the key is 00 to 0f, the
    /// text of vector n is the bytes 00 to n-1.
    #[test]
    fn siphash_gives_the_reference_vectors() {
        let key = std::array::from_fn(|at| at as u8);
        let text: Vec<u8> = (0..64).collect();
        for (length, hash) in [
            (0, 0x726f_db47_dd0e_0e31),
            (1, 0x74f8_39c5_93dc_67fd),
            (2, 0x0d6c_8009_d9a9_4f5a),
            (3, 0x8567_6696_d7fb_7e2d),
            (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5),
            (63, 0x958a_324c_eb06_4572),
        ] {
            assert_eq!(FileHash::Sip(key).of(&text[..length]), hash, "{length}");
        }
    }
}
