//! Framing `cobs`: a zero ends a frame, and nowhere else is there a zero.
//!
//! ```text
//!  message      11 22 00 33
//!               └─┬─┘    │      each zero is replaced by the distance to the next; a first code
//!  wire      03 11 22 02 33 00  is put in front, and a zero at the end
//!            │        │
//!            └ 3 on   └ 2 on: the end
//! ```
//!
//! Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999): one byte more, and another for each
//! 254 bytes without a zero, whatever the message is. Compare escaping, which may double it. A code of
//! 255 stands for 254 bytes with *no* zero behind them.
//!
//! Whatever is lost or flipped, the next zero is the end of a frame: at most two messages are lost.
//! Who uses it: serial lines, radios, what is written to flash memory; on TCP, which loses nothing,
//! a length does.
//!
//! *Still wrong:* every byte is looked at and copied, and a flipped byte that is no zero makes
//! another message, not an error. A checksum in the message is for that.

use crate::decoder::{Framing, Scan, Unfit};
use crate::encode::{Encode, EncodeError, Room};
use crate::frame::{Flaw, Frame};

/// So many bytes one code can stand for.
const RUN: usize = 254;

/// Frames that end in a zero.
#[derive(Clone, Debug, Default)]
pub struct Cobs {
    scanned: u64,
}

impl Cobs {
    /// Frames that end in a zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// The longest that a message of `len` bytes can be on the wire, without the zero.
#[must_use]
pub fn wire_max(len: u64) -> u64 {
    len.saturating_add(len / RUN as u64).saturating_add(1)
}

impl Framing for Cobs {
    #[inline]
    fn scan(&mut self, new: &[u8], limit: u64) -> Scan {
        let longest = wire_max(limit);
        let room = longest.saturating_add(1).saturating_sub(self.scanned);
        let window = usize::try_from(room).map_or(new, |room| new.get(..room).unwrap_or(new));
        if let Some(at) = memchr::memchr(0, window) {
            self.scanned = 0;
            return Scan::End(at + 1);
        }
        let seen = window.len();
        self.scanned = self.scanned.saturating_add(seen as u64);
        if self.scanned > longest { Scan::TooLong { seen, declared: None } } else { Scan::More }
    }

    // ANCHOR: open
    fn open<'a>(
        &self,
        raw: &'a [u8],
        scratch: &'a mut Vec<u8>,
        limit: usize,
    ) -> Result<Frame<'a>, Unfit> {
        let mut stuffed = raw.strip_suffix(b"\0").unwrap_or(raw);
        if stuffed.is_empty() {
            return Err(Unfit::Broken(Flaw::CobsEmpty));
        }
        scratch.clear();
        while let [code, rest @ ..] = stuffed {
            let run = usize::from(*code).saturating_sub(1);
            let Some((bytes, rest)) = rest.split_at_checked(run) else {
                let flaw = Flaw::CobsBeyond { code: *code, left: rest.len() };
                return Err(Unfit::Broken(flaw));
            };
            scratch.extend_from_slice(bytes);
            if run < RUN && !rest.is_empty() {
                scratch.push(0);
            }
            stuffed = rest;
        }
        if scratch.len() > limit { Err(Unfit::TooLong) } else { Ok(Frame::Bytes(scratch)) }
    }
    // ANCHOR_END: open

    fn opens_by_looking(&self) -> bool {
        true
    }
}

impl Encode for Cobs {
    fn pieces<'a>(
        &self,
        message: &'a [u8],
        room: &'a mut Room,
    ) -> Result<[&'a [u8]; 3], EncodeError> {
        room.body.clear();
        let mut runs = message.split(|byte| *byte == 0).peekable();
        while let Some(mut rest) = runs.next() {
            let any = !rest.is_empty();
            while let Some((full, more)) = rest.split_at_checked(RUN) {
                room.body.push(u8::MAX);
                room.body.extend_from_slice(full);
                rest = more;
            }
            // After a full run the message may end, but not a zero follow.
            if any && rest.is_empty() && runs.peek().is_none() {
                break;
            }
            // At most 254: what is longer went above.
            room.body.push(u8::try_from(rest.len() + 1).unwrap_or(u8::MAX));
            room.body.extend_from_slice(rest);
        }
        Ok([&[], &room.body, &[0]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::{Decode, Decoder, Policy};
    use crate::encode::to_vec;
    use crate::frame::Why;

    /// The examples of the article on Wikipedia, where they are easy to check.
    #[test]
    fn the_examples_everybody_uses() {
        let run = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
        for (message, wire) in [
            (vec![], vec![1]),
            (vec![0], vec![1, 1]),
            (vec![0, 0], vec![1, 1, 1]),
            (vec![0, 0x11, 0], vec![1, 2, 0x11, 1]),
            (vec![0x11, 0x22, 0, 0x33], vec![3, 0x11, 0x22, 2, 0x33]),
            (vec![0x11, 0x22, 0x33, 0x44], vec![5, 0x11, 0x22, 0x33, 0x44]),
            (vec![0x11, 0, 0, 0], vec![2, 0x11, 1, 1, 1]),
            (run(0, 254), [vec![1, 255], run(1, 254)].concat()),
            (run(1, 255), [vec![255], run(1, 254), vec![2, 255]].concat()),
            ([run(2, 255), vec![0]].concat(), [vec![255], run(2, 255), vec![1, 1]].concat()),
            ([run(3, 255), vec![0, 1]].concat(), [vec![254], run(3, 255), vec![2, 1]].concat()),
        ] {
            let frame = [&wire[..], &[0]].concat();
            assert_eq!(to_vec(&Cobs::new(), &message).unwrap(), frame);
            let mut decoder = Decoder::new(Cobs::new(), message.len());
            decoder.feed(&frame);
            assert_eq!(decoder.next().unwrap().unwrap().bytes(), message);
        }
        // The one that may be written with a byte more, and is read either way.
        let all = run(1, 254);
        let mut decoder = Decoder::new(Cobs::new(), 254);
        decoder.feed(&to_vec(&Cobs::new(), &all).unwrap());
        decoder.feed(&[vec![255], all.clone(), vec![1, 0]].concat());
        assert_eq!(decoder.next().unwrap().unwrap().bytes(), all);
        assert_eq!(decoder.next().unwrap().unwrap().bytes(), all);
    }

    #[test]
    fn what_is_broken_ends_at_the_next_zero() {
        let mut decoder = Decoder::new(Cobs::new(), 9).policy(Policy::Skip);
        decoder.feed(b"\x09hi\0\0\x03ok\0");
        let why = Why::Broken(Flaw::CobsBeyond { code: 9, left: 2 });
        assert_eq!(decoder.next().unwrap_err().why, why);
        assert_eq!(decoder.next().unwrap_err().why, Why::Broken(Flaw::CobsEmpty));
        assert_eq!(decoder.next().unwrap().unwrap().bytes(), b"ok");
    }

    #[test]
    fn what_is_too_long_only_once_it_is_unstuffed_closes_too() {
        // 255 zeros take no more on the wire than 254 bytes may.
        let stream = [to_vec(&Cobs::new(), &[0; 255]).unwrap(), b"\x03ok\0".to_vec()].concat();
        let mut decoder = Decoder::new(Cobs::new(), 254);
        let mut input = stream.as_slice();
        let error = decoder.next_in(&mut input).unwrap_err();
        assert_eq!(error.why, Why::TooLong { declared: None, limit: 254 });
        assert_eq!(decoder.next_in(&mut input), Err(error));
    }

    #[test]
    fn the_limit_is_that_of_the_message_not_of_its_stuffing() {
        for len in [0, 1, 253, 254, 255, 507, 508, 509] {
            for fill in [0, 7] {
                let frame = to_vec(&Cobs::new(), &vec![fill; len]).unwrap();
                assert!(frame.len() as u64 <= wire_max(len as u64) + 1);
                let mut decoder = Decoder::new(Cobs::new(), len);
                decoder.feed(&frame);
                assert_eq!(decoder.next().unwrap().unwrap().bytes().len(), len);
                let Some(less) = len.checked_sub(1) else { continue };
                let mut decoder = Decoder::new(Cobs::new(), less);
                decoder.feed(&frame);
                let why = Why::TooLong { declared: None, limit: less };
                assert_eq!(decoder.next().unwrap_err().why, why, "{len} of {fill}");
            }
        }
    }
}
