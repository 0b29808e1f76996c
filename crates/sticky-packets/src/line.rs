//! Framing `line`: a message ends with a line feed. UTF-8, at most so many bytes.
//!
//! ```text
//!   h e l l o \n w o r l d \r \n
//!  └── frame ──┘└─── frame ─────┘     "\r\n" ends a line too, as on the web, in mail, in telnet
//! ```
//!
//! The limit is that of the text, without its ending. A line that is longer is told once, as soon
//! as it is seen, and what remains of it is passed over (with
//! [`Policy::Skip`](crate::decoder::Policy::Skip)) without being kept.
//! Whether the text is UTF-8 is asked when the line is whole, so no character is ever cut in two by
//! a read; a line that is not UTF-8 is an error of that line only.
//!
//! *Still wrong:* a message cannot contain a line feed. Next:
//! [`delimiter`](crate::delimiter), which can escape it.

use crate::decoder::{Decoder, Framing, Scan, Unfit};
use crate::encode::{Encode, EncodeError, Room};
use crate::frame::{Flaw, Frame};

/// Lines of text.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// How much of a line was scanned without finding its end.
    scanned: u64,
    /// Whether the last byte of that is a carriage return.
    cr: bool,
    unended: bool,
}

/// A decoder of lines.
pub type Lines = Decoder<Line>;

impl Line {
    /// Lines that end in `\n` or `\r\n`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The end of the stream ends a line too: `printf hello | nc` says hello.
    #[must_use]
    pub fn or_the_end(mut self) -> Self {
        self.unended = true;
        self
    }
}

impl Framing for Line {
    // ANCHOR: scan
    #[inline]
    fn scan(&mut self, new: &[u8], limit: u64) -> Scan {
        // A line of the greatest length, its carriage return, and its line feed.
        let room = limit.saturating_add(2).saturating_sub(self.scanned);
        let window = usize::try_from(room).map_or(new, |room| new.get(..room).unwrap_or(new));
        let Some(at) = memchr::memchr(b'\n', window) else {
            return self.no_end(window, limit);
        };
        let cr = match at.checked_sub(1) {
            Some(before) => window.get(before) == Some(&b'\r'),
            None => self.cr,
        };
        if (self.scanned + at as u64).saturating_sub(u64::from(cr)) > limit {
            // The line feed is left for the scan that skips the line.
            return self.too_long(at);
        }
        (self.scanned, self.cr) = (0, false);
        Scan::End(at + 1)
    }
    // ANCHOR_END: scan

    #[inline]
    fn open<'a>(&self, raw: &'a [u8], _: &'a mut Vec<u8>, _: usize) -> Result<Frame<'a>, Unfit> {
        let line = raw.strip_suffix(b"\n").unwrap_or(raw);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match utf8(line) {
            Ok(text) => Ok(Frame::Text(text)),
            Err(valid) => Err(Unfit::Broken(Flaw::NotUtf8 { valid })),
        }
    }

    fn opens_by_looking(&self) -> bool {
        true
    }

    fn ends_with_the_stream(&self) -> bool {
        self.unended
    }
}

impl Encode for Line {
    /// A message that ends in a carriage return would lose it.
    fn pieces<'a>(&self, message: &'a [u8], _: &'a mut Room) -> Result<[&'a [u8]; 3], EncodeError> {
        if let Err(error) = str::from_utf8(message) {
            return Err(EncodeError::NotUtf8 { valid: error.valid_up_to() });
        }
        if let Some(at) = memchr::memchr(b'\n', message) {
            return Err(EncodeError::Delimiter { at });
        }
        match message {
            [rest @ .., b'\r'] => Err(EncodeError::Delimiter { at: rest.len() }),
            _ => Ok([&[], message, b"\n"]),
        }
    }
}

/// From so many bytes on it pays to check many at a time.
const WIDE: usize = 24;

/// The text, or how many of the bytes are some.
#[inline]
fn utf8(line: &[u8]) -> Result<&str, usize> {
    if line.len() >= WIDE {
        // What it says of an error is only that there is one.
        if let Ok(text) = simdutf8::basic::from_utf8(line) {
            return Ok(text);
        }
    }
    str::from_utf8(line).map_err(|error| error.valid_up_to())
}

impl Line {
    /// There is no line feed in what may belong to the line.
    fn no_end(&mut self, window: &[u8], limit: u64) -> Scan {
        let cr = window.last() == Some(&b'\r');
        let len = self.scanned.saturating_add(window.len() as u64);
        if len.saturating_sub(u64::from(cr)) > limit {
            return self.too_long(window.len());
        }
        (self.scanned, self.cr) = (len, cr);
        Scan::More
    }

    fn too_long(&mut self, seen: usize) -> Scan {
        self.scanned = self.scanned.saturating_add(seen as u64);
        Scan::TooLong { seen, declared: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::{Decode, Policy};
    use crate::frame::{FrameError, Why};

    /// What comes out of these reads: texts, and errors as `!` and their reason.
    fn decode(line: Line, limit: usize, reads: &[&[u8]]) -> (Vec<String>, Decoder<Line>) {
        let mut decoder = Decoder::new(line, limit).policy(Policy::Skip);
        let mut said = Vec::new();
        for read in reads {
            let mut input = *read;
            loop {
                match decoder.next_in(&mut input) {
                    Ok(Some(frame)) => said.push(frame.text().unwrap().to_owned()),
                    Ok(None) => break,
                    Err(error) => said.push(short(&error)),
                }
            }
            assert!(input.is_empty());
        }
        (said, decoder)
    }

    fn short(error: &FrameError) -> String {
        match error.why {
            Why::TooLong { .. } => format!("!long at {}", error.offset),
            Why::Broken(Flaw::NotUtf8 { valid }) => format!("!utf8 {valid} at {}", error.offset),
            why => format!("!{why}"),
        }
    }

    #[track_caller]
    fn check(limit: usize, stream: &[u8], want: &[&str]) {
        for cut in 0..=stream.len() {
            let (before, after) = stream.split_at(cut);
            let (said, _) = decode(Line::new(), limit, &[before, after]);
            assert_eq!(said, want, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(decode(Line::new(), limit, &bytes).0, want, "byte by byte");
    }

    #[test]
    fn lines_end_in_a_line_feed_with_or_without_carriage_return() {
        check(99, b"hello\nworld\r\n\n\r\nend\n", &["hello", "world", "", "", "end"]);
        check(99, b"a\rb\r\r\nc\n", &["a\rb\r", "c"]);
        check(99, b"not yet", &[]);
    }

    #[test]
    fn a_character_that_a_read_cuts_in_two_survives() {
        check(99, "你好\n🦀\r\n".as_bytes(), &["你好", "🦀"]);
    }

    #[test]
    fn a_line_that_is_not_utf8_is_an_error_of_its_own() {
        check(99, b"a\nb\xffc\n\xe4\xbd\nd\n", &["a", "!utf8 1 at 2", "!utf8 0 at 6", "d"]);
    }

    #[test]
    fn the_limit_is_that_of_the_text_without_its_ending() {
        check(4, b"1234\n1234\r\n5\n", &["1234", "1234", "5"]);
        check(4, b"a\n12345\nb\n", &["a", "!long at 2", "b"]);
        check(4, b"1234\r5\nb\n", &["!long at 0", "b"]);
        check(4, b"12345\r\nb\n", &["!long at 0", "b"]);
        check(0, b"\n\r\nx\n\n", &["", "", "!long at 3", ""]);
    }

    #[test]
    fn what_would_come_back_as_something_else_is_not_written() {
        let encode = |message: &[u8]| crate::encode::to_vec(&Line::new(), message);
        assert_eq!(encode("你好".as_bytes()).unwrap(), "你好\n".as_bytes());
        assert_eq!(encode(b"a\rb").unwrap(), b"a\rb\n");
        assert_eq!(encode(b"ab\ncd"), Err(EncodeError::Delimiter { at: 2 }));
        assert_eq!(encode(b"ab\r"), Err(EncodeError::Delimiter { at: 2 }));
        assert_eq!(encode(b"ab\xff"), Err(EncodeError::NotUtf8 { valid: 2 }));
    }

    #[test]
    fn a_megabyte_without_a_line_feed_is_one_error_and_takes_no_memory() {
        let megabyte = vec![b'x'; 1 << 20];
        let mut reads: Vec<&[u8]> = megabyte.chunks(1460).collect();
        reads.extend([b"y\n".as_slice(), b"next\n"]);
        let (said, decoder) = decode(Line::new(), 4096, &reads);
        assert_eq!(said, ["!long at 0", "next"]);
        let status = decoder.status();
        assert!(status.held <= 8192, "{status:?}");
        // Each byte for its line feed once, and "next\n" once more for UTF-8.
        assert_eq!(status.examined, status.taken + 5);
    }

    #[test]
    fn a_decoder_between_two_lines_holds_no_memory() {
        let (_, mut decoder) = decode(Line::new(), 4096, &[b"hello\nwor", b"ld\n"]);
        decoder.release();
        assert_eq!((decoder.status().pending, decoder.status().held), (0, 0));
        let (said, mut decoder) = decode(Line::new(), 4096, &[b"hello\nwor"]);
        decoder.release();
        assert_eq!((said.as_slice(), decoder.status().pending), (&["hello".to_owned()][..], 3));
        assert_eq!(decoder.next_in(&mut &b"ld\n"[..]).unwrap().unwrap().text(), Some("world"));
    }

    #[test]
    fn what_was_fed_is_as_good_as_what_is_lent() {
        let mut decoder = Decoder::new(Line::new(), 99);
        decoder.feed(b"hel");
        assert_eq!(decoder.next(), Ok(None));
        decoder.feed(b"lo\nwor");
        decoder.feed(b"ld\nx");
        for want in ["hello", "world"] {
            assert_eq!(decoder.next().unwrap().unwrap().text(), Some(want));
        }
        assert_eq!(decoder.next_in(&mut &b"y\n"[..]).unwrap().unwrap().text(), Some("xy"));
        // What was fed comes first.
        decoder.feed(b"one\ntw");
        let mut input = &b"o\n"[..];
        for want in ["one", "two"] {
            assert_eq!(decoder.next_in(&mut input).unwrap().unwrap().text(), Some(want));
        }
        assert_eq!(decoder.next(), Ok(None));
        assert_eq!(decoder.status().pending, 0);
    }

    #[test]
    fn the_end_in_mid_line_is_an_error_or_an_end() {
        let ended = |line: Line, stream: &[u8]| {
            let (_, mut decoder) = decode(line, 99, &[stream]);
            let last = decoder.finish();
            last.map(|frame| frame.map(|frame| frame.text().unwrap().to_owned()))
                .map_err(|error| (error.offset, error.why))
        };
        let why = Why::Ended { have: 3, want: None };
        assert_eq!(ended(Line::new(), b"hello\nwor"), Err((6, why)));
        assert_eq!(ended(Line::new(), b"hello\n"), Ok(None));
        assert_eq!(ended(Line::new().or_the_end(), b"hello\nwor"), Ok(Some("wor".to_owned())));
        assert_eq!(ended(Line::new().or_the_end(), b"hello\nwor\r"), Ok(Some("wor".to_owned())));
        assert_eq!(ended(Line::new().or_the_end(), b"hello\n"), Ok(None));
    }

    #[test]
    fn a_decoder_that_closed_keeps_nothing_that_is_fed() {
        let mut decoder = Decoder::new(Line::new(), 4);
        decoder.feed(b"too long\n");
        decoder.next().unwrap_err();
        let held = decoder.status().held;
        for _ in 0..100 {
            decoder.feed(&[b'x'; 1000]);
            assert!(decoder.spare(1).is_none());
            decoder.next().unwrap_err();
        }
        assert_eq!(decoder.status().held, held);
    }

    #[test]
    fn a_decoder_that_closes_says_the_same_error_for_ever() {
        let mut decoder = Decoder::new(Line::new(), 4);
        let mut input = &b"12345678\nok\n"[..];
        let error = decoder.next_in(&mut input).unwrap_err();
        assert!(!error.goes_on);
        let left = input.len();
        assert_eq!(decoder.next_in(&mut input), Err(error));
        assert_eq!((input.len(), decoder.finish()), (left, Err(error)));
    }
}
