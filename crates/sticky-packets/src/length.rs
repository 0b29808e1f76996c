//! Framing `length`: a number in front says how long the message is.
//!
//! ```text
//!            offset   width   rest of the header
//!           ┌───────┬────────┬──────┬───────────────────┐
//!           │       │ number │      │      message      │
//!           └───────┴────────┴──────┴───────────────────┘
//!           │       │        │      │◀─ Counts::From(n) │   a place, from which the number
//!           │                │◀─────── Counts::Payload ─│   counts to the end of the frame
//!           │◀──────────────────────────── Counts::Frame │
//!           │                │◀─ what comes out: all behind the first `strip` bytes
//! ```
//!
//! Three settings are what all the "length field parameters" of other libraries come to: where the
//! number stands, from where it counts, and what is stripped. [`words`](crate::words) says the same
//! in netty's and in tokio's.
//!
//! The number is a stranger's. It is checked against the limit when it is read: nothing is reserved
//! for it, and nothing is waited for that would be refused anyway. Any byte may be in a message, and
//! no byte of it is looked at.
//!
//! *Still wrong:* four bytes for "hi", and both ends must agree on how many and in which order.
//! Next: [`varint`](crate::varint). And one byte lost is all lost: the next number is read from the
//! middle of a message. Last: [`cobs`](crate::cobs).

use std::fmt;

use thiserror::Error;

use crate::decoder::{Framing, Scan, Unfit};
use crate::encode::{Encode, EncodeError, Room};
use crate::frame::{Flaw, Frame};

/// A number in front, and where.
#[derive(Clone, Debug)]
pub struct Length {
    layout: Layout,
    /// How many bytes end with the number.
    head: usize,
    /// From which byte it counts.
    from: u64,
    /// How long the shortest frame is.
    least: u64,
    /// How much of the frame was scanned.
    scanned: u64,
    /// The bytes of the number, as far as they came.
    number: u64,
    /// How long the frame is, once its header has come.
    total: u64,
}

/// Where the number stands, what it counts, and what comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    offset: usize,
    width: usize,
    endian: Endian,
    counts: Counts,
    strip: usize,
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Endian {
    /// The one that counts most: network byte order.
    #[default]
    Big,
    /// The one that counts least.
    Little,
}

/// From where the number counts, to the end of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counts {
    /// From behind the number.
    #[default]
    Payload,
    /// From the first byte of the frame: the header counts too.
    Frame,
    /// From this byte of the frame. A place behind the number leaves out what lies between, or a
    /// checksum of that length at the end.
    From(usize),
}

/// A layout that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// Numbers have 1 to 8 bytes.
    #[error("a number of {0} bytes; it has 1 to 8")]
    Width(usize),
    /// A header is a small thing.
    #[error("{0} bytes in front of a message; {max} at most", max = Layout::HEADER_MAX)]
    Header(usize),
}

impl Layout {
    /// More than this lies in front of no message.
    pub const HEADER_MAX: usize = 64 << 10;

    /// A number of so many bytes at the beginning, big-endian, that counts what follows it, which is
    /// what comes out.
    ///
    /// # Errors
    /// When the number has no bytes or more than eight.
    pub fn new(width: usize) -> Result<Self, LayoutError> {
        if !(1..=8).contains(&width) {
            return Err(LayoutError::Width(width));
        }
        let (endian, counts) = (Endian::default(), Counts::default());
        Ok(Self { offset: 0, width, endian, counts, strip: width })
    }

    /// So many bytes come before the number. They are stripped too, if the number is.
    ///
    /// # Errors
    /// When there are too many.
    pub fn offset(mut self, offset: usize) -> Result<Self, LayoutError> {
        let stripped = self.strip == self.head();
        self.offset = small(offset)?;
        if stripped {
            self.strip = self.head();
        }
        Ok(self)
    }

    /// Which byte of the number comes first.
    #[must_use]
    pub fn endian(mut self, endian: Endian) -> Self {
        self.endian = endian;
        self
    }

    /// What the number counts.
    ///
    /// # Errors
    /// When it counts from too far behind the beginning.
    pub fn counts(mut self, counts: Counts) -> Result<Self, LayoutError> {
        if let Counts::From(place) = counts {
            small(place)?;
        }
        self.counts = counts;
        Ok(self)
    }

    /// What comes out begins behind so many bytes.
    ///
    /// # Errors
    /// When there are too many.
    pub fn strip(mut self, strip: usize) -> Result<Self, LayoutError> {
        self.strip = small(strip)?;
        Ok(self)
    }

    /// The header comes out too.
    #[must_use]
    pub fn keep_header(mut self) -> Self {
        self.strip = 0;
        self
    }

    /// Where the number stands, and how many bytes it has.
    #[must_use]
    pub fn field(&self) -> (usize, usize) {
        (self.offset, self.width)
    }

    /// Which byte of the number comes first.
    #[must_use]
    pub fn byte_order(&self) -> Endian {
        self.endian
    }

    /// How many bytes end with the number.
    #[must_use]
    #[inline]
    pub fn head(&self) -> usize {
        self.offset + self.width
    }

    /// From which byte of the frame the number counts.
    #[must_use]
    #[inline]
    pub fn counts_from(&self) -> usize {
        match self.counts {
            Counts::Payload => self.head(),
            Counts::Frame => 0,
            Counts::From(place) => place,
        }
    }

    /// How many bytes are stripped.
    #[must_use]
    pub fn stripped(&self) -> usize {
        self.strip
    }

    /// The number in these bytes, of which there are `width`.
    #[inline]
    fn number(&self, field: &[u8]) -> u64 {
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        // The widths that are common are one load each.
        match (self.endian, field) {
            (Endian::Big, &[a, b, c, d]) => u32::from_be_bytes([a, b, c, d]).into(),
            (Endian::Big, &[a, b]) => u16::from_be_bytes([a, b]).into(),
            (Endian::Little, &[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]).into(),
            (Endian::Little, &[a, b]) => u16::from_le_bytes([a, b]).into(),
            (Endian::Big, field) => field.iter().fold(0, join),
            (Endian::Little, field) => field.iter().rev().fold(0, join),
        }
    }
}

/// Four bytes, big-endian, that count what follows them.
impl Default for Layout {
    fn default() -> Self {
        let (endian, counts) = (Endian::default(), Counts::default());
        Self { offset: 0, width: 4, endian, counts, strip: 4 }
    }
}

fn small(len: usize) -> Result<usize, LayoutError> {
    if len > Layout::HEADER_MAX { Err(LayoutError::Header(len)) } else { Ok(len) }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endian = match (self.width, self.endian) {
            (1, _) => "",
            (_, Endian::Big) => ", big-endian",
            (_, Endian::Little) => ", little-endian",
        };
        let (offset, width) = self.field();
        let (from, strip) = (self.counts_from(), self.strip);
        write!(f, "a number of {} at byte {offset}{endian}", cli::count(width, "byte"))?;
        write!(f, ", counted from byte {from}; the first {strip} stripped")
    }
}

impl Length {
    /// Frames of this layout.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        let (head, from) = (layout.head(), layout.counts_from() as u64);
        let least = head.max(layout.strip) as u64;
        Self { layout, head, from, least, scanned: 0, number: 0, total: 0 }
    }

    // ANCHOR: total
    /// How long a frame is that begins with this number, if that can be.
    #[inline]
    fn total(&self, number: u64, limit: u64) -> Option<u64> {
        let total = self.from.saturating_add(number);
        let len = total.checked_sub(self.layout.strip as u64)?;
        (total >= self.least && len <= limit).then_some(total)
    }
    // ANCHOR_END: total

    /// The header, or its rest, when it comes in pieces.
    #[cold]
    fn scan_header(&mut self, new: &[u8], limit: u64) -> Scan {
        let (offset, head) = (self.layout.offset as u64, self.layout.head() as u64);
        let mut seen = 0;
        for byte in new {
            if self.scanned >= offset {
                let place = match self.layout.endian {
                    Endian::Big => head - 1 - self.scanned,
                    Endian::Little => self.scanned - offset,
                };
                self.number |= u64::from(*byte) << (8 * place);
            }
            self.scanned += 1;
            seen += 1;
            if self.scanned == head {
                break;
            }
        }
        if self.scanned < head {
            return Scan::More;
        }
        let number = std::mem::take(&mut self.number);
        match self.total(number, limit) {
            Some(total) => {
                self.total = total;
                let rest = new.get(seen..).unwrap_or_default();
                match self.scan_body(rest) {
                    Scan::End(end) => Scan::End(seen + end),
                    scan => scan,
                }
            }
            None => self.refused(number, seen),
        }
    }

    /// A frame of which something was scanned before.
    fn scan_on(&mut self, new: &[u8], limit: u64) -> Scan {
        if self.scanned < self.head as u64 {
            self.scan_header(new, limit)
        } else {
            self.scan_body(new)
        }
    }

    /// The header has come.
    fn scan_body(&mut self, new: &[u8]) -> Scan {
        let missing = self.total - self.scanned;
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

    /// What remains of a frame that is too long will be scanned with no limit.
    #[cold]
    fn refused(&mut self, number: u64, seen: usize) -> Scan {
        self.scanned = self.head as u64;
        self.total = self.from.saturating_add(number);
        if self.total < self.least {
            let header = self.head.max(self.layout.strip);
            return Scan::Broken {
                seen,
                flaw: Flaw::ShorterThanHeader { declared: number, header },
            };
        }
        Scan::TooLong { seen, declared: Some(number) }
    }
}

impl Framing for Length {
    #[inline]
    fn scan(&mut self, new: &[u8], limit: u64) -> Scan {
        if self.scanned != 0 {
            return self.scan_on(new, limit);
        }
        let Some(field) = new.get(self.layout.offset..self.head) else {
            return self.scan_header(new, limit);
        };
        let number = self.layout.number(field);
        match self.total(number, limit) {
            // What is no more than a `usize` fits into one.
            Some(total) if total <= new.len() as u64 => {
                Scan::End(usize::try_from(total).unwrap_or(new.len()))
            }
            Some(total) => {
                (self.total, self.scanned) = (total, new.len() as u64);
                Scan::More
            }
            None => self.refused(number, self.head),
        }
    }

    #[inline]
    fn open<'a>(&self, raw: &'a [u8], _: &'a mut Vec<u8>, _: usize) -> Result<Frame<'a>, Unfit> {
        Ok(Frame::Bytes(raw.get(self.layout.strip..).unwrap_or_default()))
    }

    fn opens_by_looking(&self) -> bool {
        false
    }

    fn wanted(&self) -> Option<u64> {
        (self.scanned >= self.head as u64).then_some(self.total)
    }
}

impl Encode for Length {
    /// Bytes in front of the number, and between it and the message, are zeros.
    fn pieces<'a>(
        &self,
        message: &'a [u8],
        room: &'a mut Room,
    ) -> Result<[&'a [u8]; 3], EncodeError> {
        let Layout { offset, width, endian, strip, .. } = self.layout;
        if strip < self.layout.head() {
            return Err(EncodeError::KeepsHeader);
        }
        let (from, len) = (self.layout.counts_from(), message.len());
        let number = (strip.saturating_add(len)).checked_sub(from);
        let number = number.ok_or(EncodeError::TooShort { len })? as u64;
        let greatest = u64::MAX >> (64 - 8 * width);
        if number > greatest {
            let max = greatest.saturating_add(from as u64).saturating_sub(strip as u64);
            return Err(EncodeError::TooLong { len, max });
        }
        room.zeros(strip);
        let field = room.around.iter_mut().skip(offset).take(width);
        match endian {
            Endian::Little => put(field, number),
            Endian::Big => put(field.rev(), number),
        }
        Ok([&room.around, message, &[]])
    }
}

/// The byte that counts least first.
fn put<'a>(places: impl Iterator<Item = &'a mut u8>, number: u64) {
    for (place, byte) in places.zip(number.to_le_bytes()) {
        *place = byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::{Decode, Decoder, Policy};
    use crate::encode::to_vec;
    use crate::frame::Why;

    fn layout(width: usize) -> Layout {
        Layout::new(width).unwrap()
    }

    /// All messages of `stream`, whole and byte by byte.
    #[track_caller]
    fn check(layout: Layout, stream: &[u8], want: &[&[u8]]) {
        for piece in [stream.len(), 1, 2, 3] {
            let mut decoder = Decoder::new(Length::new(layout), 100);
            let mut said = Vec::new();
            for mut input in stream.chunks(piece) {
                while let Some(frame) = decoder.next_in(&mut input).unwrap() {
                    said.push(frame.bytes().to_vec());
                }
            }
            assert_eq!(said, want, "reads of {piece}");
            assert_eq!(decoder.finish(), Ok(None));
        }
    }

    /// The drawings in netty's documentation of its `LengthFieldBasedFrameDecoder`.
    #[test]
    fn what_the_number_counts_and_what_is_stripped_is_a_matter_of_the_protocol() {
        let hello = b"HELLO, WORLD";
        let two = layout(2);
        check(two, b"\0\x0cHELLO, WORLD\0\0\0\x01x", &[hello, b"", b"x"]);
        check(two.keep_header(), b"\0\x0cHELLO, WORLD", &[b"\0\x0cHELLO, WORLD"]);
        let frame = two.counts(Counts::Frame).unwrap();
        check(frame, b"\0\x0eHELLO, WORLD\0\x02", &[hello, b""]);
        let first = layout(3).offset(2).unwrap();
        check(first, b"\xca\xfe\0\0\x0cHELLO, WORLD", &[hello]);
        check(first.keep_header(), b"\xca\xfe\0\0\x01x", &[b"\xca\xfe\0\0\x01x"]);
        let between = layout(3).counts(Counts::From(5)).unwrap();
        check(between, b"\0\0\x0c\xca\xfeHELLO, WORLD", &[b"\xca\xfeHELLO, WORLD"]);
        let both = two.offset(1).unwrap().strip(3).unwrap();
        let payload = both.counts(Counts::From(4)).unwrap();
        check(payload, b"\xca\0\x0c\xfeHELLO, WORLD", &[b"\xfeHELLO, WORLD"]);
        let whole = both.counts(Counts::Frame).unwrap();
        check(whole, b"\xca\0\x10\xfeHELLO, WORLD", &[b"\xfeHELLO, WORLD"]);
    }

    #[test]
    fn numbers_have_one_to_eight_bytes_in_either_order() {
        for width in 1..=8 {
            for endian in [Endian::Big, Endian::Little] {
                let layout = layout(width).endian(endian);
                let mut stream = to_vec(&Length::new(layout), b"hello").unwrap();
                let mut number = vec![0; width];
                number[if endian == Endian::Big { width - 1 } else { 0 }] = 5;
                assert_eq!(stream, [&number[..], b"hello"].concat());
                stream.extend_from_within(..);
                check(layout, &stream, &[b"hello", b"hello"]);
            }
        }
        assert_eq!(Layout::new(0), Err(LayoutError::Width(0)));
        assert_eq!(Layout::new(9), Err(LayoutError::Width(9)));
    }

    #[track_caller]
    fn refused(layout: Layout, policy: Policy, stream: &[u8]) -> (Why, String) {
        let mut whys = Vec::new();
        for piece in [stream.len(), 1] {
            let mut decoder = Decoder::new(Length::new(layout), 100).policy(policy);
            let errors = stream.chunks(piece).filter_map(|mut input| {
                let error = decoder.next_in(&mut input).err();
                error.map(|error| (error.why, error.excerpt.to_string()))
            });
            whys.extend(errors.take(1));
            // Nothing was reserved for what was announced.
            assert!(decoder.status().held <= 64, "{:?}", decoder.status());
        }
        assert_eq!(whys[0].0, whys[1].0);
        whys.remove(0)
    }

    #[test]
    fn a_number_over_the_limit_is_refused_before_anything_is_reserved() {
        let four = layout(4);
        let long = |declared| Why::TooLong { declared: Some(declared), limit: 100 };
        let want = (long(538_976_288), "\"    \"".to_owned());
        assert_eq!(refused(four, Policy::Close, b"    "), want);
        assert_eq!(refused(four, Policy::Close, b"\xff\xff\xff\xff").0, long(u32::MAX.into()));
        assert_eq!(refused(layout(8), Policy::Skip, &[0xff; 8]).0, long(u64::MAX));
        let beyond = layout(8).counts(Counts::From(100)).unwrap();
        assert_eq!(refused(beyond, Policy::Skip, &[0xff; 8]).0, long(u64::MAX));
    }

    #[test]
    fn a_number_that_leaves_no_room_for_its_own_header_is_broken() {
        let frame = layout(4).counts(Counts::Frame).unwrap();
        let broken = Why::Broken(Flaw::ShorterThanHeader { declared: 3, header: 4 });
        assert_eq!(refused(frame, Policy::Skip, b"\0\0\0\x03").0, broken);
    }

    #[test]
    fn a_frame_that_is_too_long_is_passed_over_to_its_declared_end() {
        let mut decoder = Decoder::new(Length::new(layout(2)), 3).policy(Policy::Skip);
        decoder.feed(b"\0\x05hello\0\x03you");
        let error = decoder.next().unwrap_err();
        assert_eq!((error.offset, error.goes_on), (0, true));
        assert_eq!(decoder.next().unwrap().unwrap().bytes(), b"you");
    }

    #[test]
    fn an_end_in_mid_frame_says_how_much_is_missing_once_that_is_known() {
        for (stream, have, want) in [(&b"\0"[..], 1, None), (b"\0\x05hel", 5, Some(7))] {
            let mut decoder = Decoder::new(Length::new(layout(2)), 9);
            decoder.feed(stream);
            assert_eq!(decoder.next(), Ok(None));
            assert_eq!(decoder.finish().unwrap_err().why, Why::Ended { have, want });
        }
    }

    #[test]
    fn a_message_that_the_number_cannot_say_is_refused() {
        let encode = |layout, message: &[u8]| to_vec(&Length::new(layout), message);
        let too_long = EncodeError::TooLong { len: 256, max: 255 };
        assert_eq!(encode(layout(1), &[0; 256]), Err(too_long));
        let frame = layout(1).counts(Counts::Frame).unwrap();
        assert_eq!(encode(frame, &[0; 255]), Err(EncodeError::TooLong { len: 255, max: 254 }));
        assert_eq!(encode(layout(1).keep_header(), b"x"), Err(EncodeError::KeepsHeader));
        let beyond = layout(1).counts(Counts::From(3)).unwrap();
        assert_eq!(encode(beyond, b"x"), Err(EncodeError::TooShort { len: 1 }));
        assert_eq!(encode(beyond, b"xyz").unwrap(), b"\x01xyz");
    }
}
