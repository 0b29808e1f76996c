//! What a question says: a number, and then a pattern that only this question has.
//!
//! ```text
//!  0        8                                        size
//!  ├────────┼─────────────────────────────────────────┤
//!  │ number │ words made of the number and the run's key │
//! ```
//!
//! So an answer shows which question it belongs to, and that nothing in it has changed, been cut
//! off, or been taken from another. Numbers of the run before have another key.

use byteorder::{BigEndian, ByteOrder};

/// The number alone.
pub const LEN_MIN: i64 = NUMBER_LEN as i64;

const NUMBER_LEN: usize = 8;

/// Writes question number `sequence` into `datagram`, which is at least [`LEN_MIN`] long.
pub fn write(datagram: &mut [u8], key: u64, sequence: u64) {
    let Some((number, pattern)) = datagram.split_at_mut_checked(NUMBER_LEN) else { return };
    BigEndian::write_u64(number, sequence ^ key);
    let mut words = Words::new(key, sequence);
    for piece in pattern.chunks_mut(8) {
        piece.copy_from_slice(&words.next()[..piece.len()]);
    }
}

/// The number of the question that `datagram` is the answer to.
///
/// # Errors
/// When it is no answer to a question of this run, or not the whole of it.
pub fn read(datagram: &[u8], key: u64, size: usize) -> Result<u64, StampError> {
    if datagram.len() != size {
        return Err(StampError::Len { got: datagram.len(), want: size });
    }
    let Some((number, pattern)) = datagram.split_at_checked(NUMBER_LEN) else {
        return Err(StampError::Len { got: datagram.len(), want: NUMBER_LEN });
    };
    let sequence = BigEndian::read_u64(number) ^ key;
    let mut words = Words::new(key, sequence);
    let same = pattern.chunks(8).all(|piece| *piece == words.next()[..piece.len()]);
    if same { Ok(sequence) } else { Err(StampError::Pattern) }
}

/// Why a datagram is not the answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    /// It is longer or shorter than any question.
    #[error("{got} bytes came back, and {want} were sent")]
    Len {
        /// Its length.
        got: usize,
        /// A question's.
        want: usize,
    },
    /// The pattern does not belong to the number.
    #[error("the bytes are not those that were sent")]
    Pattern,
}

/// Words that differ in every bit from one question to the next: splitmix64, one step for each.
struct Words(u64);

impl Words {
    fn new(key: u64, sequence: u64) -> Self {
        Self(key.rotate_left(32) ^ sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> [u8; 8] {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).to_ne_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: u64 = 0x0123_4567_89ab_cdef;

    #[test]
    fn what_is_written_is_read() {
        for size in [8, 9, 15, 16, 17, 64, 1200, 65_507] {
            for sequence in [0, 1, 255, u64::MAX] {
                let question = question(size, sequence);
                assert_eq!(read(&question, KEY, size), Ok(sequence), "{size} {sequence}");
            }
        }
    }

    #[test]
    fn any_changed_byte_of_the_pattern_is_seen() {
        let size = 29;
        for place in 0..size {
            let mut answer = question(size, 7);
            answer[place] ^= 1;
            assert_eq!(read(&answer, KEY, size), Err(StampError::Pattern), "byte {place}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_padded_or_of_another_run_is_seen() {
        let answer = question(64, 7);
        let short = StampError::Len { got: 63, want: 64 };
        assert_eq!(read(&answer[..63], KEY, 64), Err(short));
        let long = StampError::Len { got: 64, want: 63 };
        assert_eq!(read(&answer, KEY, 63), Err(long));
        assert_eq!(read(&[], KEY, 0), Err(StampError::Len { got: 0, want: 8 }));
        assert_eq!(read(&answer, KEY + 1, 64), Err(StampError::Pattern));
    }

    fn question(size: usize, sequence: u64) -> Vec<u8> {
        let mut datagram = vec![0; size];
        write(&mut datagram, KEY, sequence);
        datagram
    }
}
