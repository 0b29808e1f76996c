//! Framing `fixed`: every message takes the same number of bytes, and zeros fill it up.
//!
//! ```text
//!   h e l l o 0 0 0 w o r l d ! 0 0
//!  └──── 8 bytes ──┘└──── 8 bytes ──┘
//! ```
//!
//! Who uses it: sectors of a disk, cells of ATM (53 bytes), records of old files. Reading it needs
//! a `read_exact` and nothing else.
//!
//! *Still wrong:* a short message costs as much as the longest, a longer one cannot be said, a
//! message cannot end in a zero, and one byte too many shifts all that follows, unnoticed. Next:
//! [`line`](crate::line), which marks where a message ends.

use std::num::NonZeroUsize;

use crate::decoder::{Framing, Scan, Unfit};
use crate::encode::{Encode, EncodeError, Room};
use crate::frame::Frame;

/// Blocks of one size.
#[derive(Clone, Debug)]
pub struct Fixed {
    size: NonZeroUsize,
    scanned: u64,
}

impl Fixed {
    /// Blocks of this size. A decoder whose limit is less refuses every one.
    #[must_use]
    pub fn new(size: NonZeroUsize) -> Self {
        Self { size, scanned: 0 }
    }
}

impl Framing for Fixed {
    // ANCHOR: scan
    #[inline]
    fn scan(&mut self, new: &[u8], limit: u64) -> Scan {
        let size = self.size.get() as u64;
        if size > limit {
            return Scan::TooLong { seen: 0, declared: Some(size) };
        }
        let missing = size - self.scanned;
        match usize::try_from(missing) {
            Ok(missing) if missing <= new.len() => {
                self.scanned = 0;
                Scan::End(missing)
            }
            _ => {
                self.scanned += new.len() as u64;
                Scan::More
            }
        }
    }
    // ANCHOR_END: scan

    #[inline]
    fn open<'a>(&self, raw: &'a [u8], _: &'a mut Vec<u8>, _: usize) -> Result<Frame<'a>, Unfit> {
        let len = raw.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Ok(Frame::Bytes(raw.get(..len).unwrap_or(raw)))
    }

    /// At the zeros, which may be all.
    fn opens_by_looking(&self) -> bool {
        true
    }

    fn wanted(&self) -> Option<u64> {
        Some(self.size.get() as u64)
    }
}

impl Encode for Fixed {
    fn pieces<'a>(
        &self,
        message: &'a [u8],
        room: &'a mut Room,
    ) -> Result<[&'a [u8]; 3], EncodeError> {
        let size = self.size.get();
        let Some(padding) = size.checked_sub(message.len()) else {
            return Err(EncodeError::TooLong { len: message.len(), max: size as u64 });
        };
        if message.last() == Some(&0) {
            return Err(EncodeError::EndsInZero);
        }
        Ok([&[], message, room.zeros(padding)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::{Decode, Decoder, Policy};
    use crate::frame::Why;

    fn eight() -> Fixed {
        Fixed::new(NonZeroUsize::new(8).unwrap())
    }

    #[test]
    fn a_block_loses_its_zeros() {
        let mut decoder = Decoder::new(eight(), 8);
        decoder.feed(b"hello\0\0\0a\0b\0\0\0\0\0\0\0\0\0\0\0\0\0eightbyt");
        for want in [Some(&b"hello"[..]), Some(b"a\0b"), Some(b""), Some(b"eightbyt"), None] {
            assert_eq!(decoder.next().unwrap().map(Frame::bytes), want);
        }
    }

    #[test]
    fn blocks_longer_than_the_limit_are_refused_at_once() {
        let mut decoder = Decoder::new(eight(), 7).policy(Policy::Skip);
        decoder.feed(b"12345678");
        let why = Why::TooLong { declared: Some(8), limit: 7 };
        assert_eq!(decoder.next().unwrap_err().why, why);
        assert_eq!(decoder.next(), Ok(None));
    }

    #[test]
    fn what_a_block_cannot_hold_is_refused() {
        let encode = |message: &[u8]| crate::encode::to_vec(&eight(), message);
        assert_eq!(encode(b"hello").unwrap(), b"hello\0\0\0");
        assert_eq!(encode(b"ninebytes"), Err(EncodeError::TooLong { len: 9, max: 8 }));
        assert_eq!(encode(b"zero\0"), Err(EncodeError::EndsInZero));
    }
}
