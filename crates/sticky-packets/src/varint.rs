//! Framing `varint`: the length in front takes as many bytes as it needs.
//!
//! ```text
//!   05  h e l l o          5 = 000_0101            one byte below 128
//!   ac 02  … 300 bytes   300 = 10 010_1100         seven bits in each byte, the lowest first;
//!                              │└────┴─ ac = 1_0101100   a high bit that is set: more follows
//!                              └─────── 02 = 0_0000010
//! ```
//!
//! Who uses it: Protocol Buffers (LEB128), and so everything that writes one message of those after
//! another, which by themselves do not say where they end. Up to ten bytes for 64 bits. A number
//! that could be shorter (`80 00`) is taken, as Protocol Buffers do; one that does not end within 64
//! bits is broken, whatever follows. "Not yet" and "broken" are two things: libraries that know only
//! one of them make callers guess.
//!
//! *Still wrong:* one byte lost, and the next length is read from the middle of a message, as with
//! every number in front. Next: [`cobs`](crate::cobs), which finds its place again.

use crate::decoder::{Framing, Scan, Unfit};
use crate::encode::{Encode, EncodeError, Room};
use crate::frame::{Flaw, Frame};

/// So many bits a number has.
const BITS: u32 = 64;

/// A number in front, of seven bits in each byte.
#[derive(Clone, Debug, Default)]
pub struct Varint {
    number: u64,
    /// How many bits of the number came.
    bits: u32,
    /// How many bytes of the message are missing, once the number has ended.
    missing: Option<u64>,
}

impl Varint {
    /// Lengths as Protocol Buffers write them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number's end has come.
    #[inline]
    fn body(&mut self, new: &[u8], missing: u64) -> Scan {
        match usize::try_from(missing) {
            Ok(missing) if missing <= new.len() => {
                (self.number, self.bits, self.missing) = (0, 0, None);
                Scan::End(missing)
            }
            _ => {
                self.missing = Some(missing - new.len() as u64);
                Scan::More
            }
        }
    }
}

impl Framing for Varint {
    // ANCHOR: scan
    #[inline]
    fn scan(&mut self, new: &[u8], limit: u64) -> Scan {
        if let Some(missing) = self.missing {
            return self.body(new, missing);
        }
        for (at, byte) in new.iter().enumerate() {
            let seen = at + 1;
            let part = u64::from(byte & 0x7f);
            if part << self.bits >> self.bits != part {
                return Scan::Broken { seen, flaw: Flaw::VarintTooLong };
            }
            self.number |= part << self.bits;
            self.bits += 7;
            if byte & 0x80 != 0 {
                if self.bits >= BITS {
                    return Scan::Broken { seen, flaw: Flaw::VarintTooLong };
                }
                continue;
            }
            let number = self.number;
            if number > limit {
                self.missing = Some(number);
                return Scan::TooLong { seen, declared: Some(number) };
            }
            let rest = new.get(seen..).unwrap_or_default();
            return match self.body(rest, number) {
                Scan::End(end) => Scan::End(seen + end),
                scan => scan,
            };
        }
        Scan::More
    }
    // ANCHOR_END: scan

    #[inline]
    fn open<'a>(&self, raw: &'a [u8], _: &'a mut Vec<u8>, _: usize) -> Result<Frame<'a>, Unfit> {
        let head = raw.iter().position(|byte| byte & 0x80 == 0).map_or(raw.len(), |at| at + 1);
        Ok(Frame::Bytes(raw.get(head..).unwrap_or_default()))
    }

    fn opens_by_looking(&self) -> bool {
        false
    }

    fn wanted(&self) -> Option<u64> {
        self.missing.map(|_| self.number.saturating_add(u64::from(self.bits / 7)))
    }
}

impl Encode for Varint {
    fn pieces<'a>(
        &self,
        message: &'a [u8],
        room: &'a mut Room,
    ) -> Result<[&'a [u8]; 3], EncodeError> {
        room.around.clear();
        let mut number = message.len() as u64;
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                room.around.push(low & 0x7f);
                return Ok([&room.around, message, &[]]);
            }
            room.around.push(low | 0x80);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::{Decode, Decoder, Policy};
    use crate::encode::to_vec;
    use crate::frame::Why;

    #[track_caller]
    fn check(stream: &[u8], want: Result<&[u8], Why>) {
        for piece in [stream.len(), 1] {
            let mut decoder = Decoder::new(Varint::new(), 300).policy(Policy::Skip);
            let mut said = None;
            for mut input in stream.chunks(piece) {
                match decoder.next_in(&mut input) {
                    Ok(None) => {}
                    Ok(Some(frame)) => said = Some(Ok(frame.bytes().to_vec())),
                    Err(error) => said = said.or(Some(Err(error.why))),
                }
            }
            assert_eq!(said.unwrap(), want.map(<[u8]>::to_vec), "reads of {piece}");
        }
    }

    #[test]
    fn the_length_takes_as_many_bytes_as_it_needs() {
        check(b"\x05hello", Ok(b"hello"));
        check(b"\0", Ok(b""));
        check(b"\x85\x80\0hello", Ok(b"hello"));
        check(&[&b"\xac\x02"[..], &[b'x'; 300]].concat(), Ok(&[b'x'; 300]));
        for (len, head) in [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3)] {
            let frame = to_vec(&Varint::new(), &vec![7; len]).unwrap();
            assert_eq!(frame.len(), head + len);
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_broken_and_the_greatest_is_too_long() {
        let long = |declared| Err(Why::TooLong { declared: Some(declared), limit: 300 });
        let broken = Err(Why::Broken(Flaw::VarintTooLong));
        check(b"\xad\x02", long(301));
        check(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", long(u64::MAX));
        check(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", broken);
        check(b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", broken);
    }

    #[test]
    fn an_end_in_mid_frame_says_how_much_is_missing() {
        for (stream, have, want) in [(&b"\xac"[..], 1, None), (b"\xac\x02hello", 7, Some(302))] {
            let mut decoder = Decoder::new(Varint::new(), 300);
            decoder.feed(stream);
            assert_eq!(decoder.next(), Ok(None));
            assert_eq!(decoder.finish().unwrap_err().why, Why::Ended { have, want });
        }
    }
}
