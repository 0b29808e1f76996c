//! Framing `naive`: what one read gives is one message. It is not.
//!
//! ```text
//!  writes   ├─ hello ─┤├─ world ─┤
//!  reads    ├─ hello ── wo ─┤├─ rld ─┤       any other cut is as good
//! ```
//!
//! `recv(1024)` with nothing around it: the limit takes the place of 1024. It works as long as every
//! write arrives alone and whole, which is what happens on one machine, most of the time, for short
//! messages. Nothing is missing here that more care could add: the boundary is not in the stream.
//!
//! *Wrong:* everything. Next: [`fixed`](crate::fixed), whose boundary both ends know beforehand.

use crate::decoder::{Framing, Scan, Unfit};
use crate::encode::{Encode, EncodeError, Room};
use crate::frame::Frame;

/// A read, taken for a message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Naive;

impl Framing for Naive {
    // ANCHOR: scan
    #[inline]
    fn scan(&mut self, new: &[u8], limit: u64) -> Scan {
        let window = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        Scan::End(new.len().min(window))
    }
    // ANCHOR_END: scan

    #[inline]
    fn open<'a>(&self, raw: &'a [u8], _: &'a mut Vec<u8>, _: usize) -> Result<Frame<'a>, Unfit> {
        Ok(Frame::Bytes(raw))
    }

    fn opens_by_looking(&self) -> bool {
        false
    }
}

impl Encode for Naive {
    fn pieces<'a>(&self, message: &'a [u8], _: &'a mut Room) -> Result<[&'a [u8]; 3], EncodeError> {
        Ok([&[], message, &[]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::{Decode, Decoder};

    #[test]
    fn messages_are_glued_and_torn() {
        let mut decoder = Decoder::new(Naive, 8);
        decoder.feed(b"hello");
        decoder.feed(b"world");
        for want in [Some(&b"hellowor"[..]), Some(b"ld"), None] {
            assert_eq!(decoder.next().unwrap().map(Frame::bytes), want);
        }
        assert_eq!(decoder.finish(), Ok(None));
    }
}
