//! Framing `delimiter`: a mark that you choose ends a message, and can be escaped.
//!
//! ```text
//!  any of ",;"           a b , c d ; , e ,          [ab] [cd] [] [e]
//!  escaped by a "\"      a \ , b , c \ \ ,          [a,b] [c\]
//!  several bytes, "--\n" a - b - - - \n             [a-b-]
//! ```
//!
//! What [`line`](crate::line) is with a line feed, and without text: any bytes. An escape makes the
//! byte behind it a byte like any other, so that every message can be said; the price is that both
//! ends look at every byte and that a message of delimiters takes twice its length.
//!
//! A mark of several bytes may come in several reads, and its beginning may be there in vain (the
//! first `-` above). How much of it was seen last is remembered as a number, as Knuth, Morris and
//! Pratt do, not found by looking back.
//!
//! Who uses it: HTTP's head (`\r\n\r\n`), mail (`\r\n.\r\n`), CSV, shells.
//!
//! *Still wrong:* the reader cannot know how much will come until it has come, and looks at each
//! byte on the way. Next: [`length`](crate::length), which says so beforehand.

use memchr::memmem;
use thiserror::Error;

use crate::decoder::{Framing, Scan, Unfit};
use crate::encode::{Encode, EncodeError, Room};
use crate::frame::Frame;
use crate::search::Set;

/// A mark at the end.
#[derive(Clone, Debug)]
pub struct Delimiter {
    mark: Mark,
    ends_with_the_stream: bool,
}

#[derive(Clone, Debug)]
enum Mark {
    Any(Any),
    Several(Box<Several>),
}

/// Marks that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DelimiterError {
    /// Nothing ends nothing.
    #[error("a delimiter of no bytes")]
    None,
    /// What is escaped and what escapes are told apart.
    #[error("the escape is one of the delimiters")]
    EscapeDelimits,
}

impl Delimiter {
    /// Any one of these bytes ends a message. The first is the one that is written.
    ///
    /// # Errors
    /// When there is none.
    pub fn any(marks: &[u8]) -> Result<Self, DelimiterError> {
        Any::new(marks, None).map(|any| Self::of(Mark::Any(any)))
    }

    /// Any one of these bytes ends a message, unless `escape` stands before it.
    ///
    /// # Errors
    /// When there is none, or `escape` is one.
    pub fn escaped(marks: &[u8], escape: u8) -> Result<Self, DelimiterError> {
        if marks.contains(&escape) {
            return Err(DelimiterError::EscapeDelimits);
        }
        Any::new(marks, Some(escape)).map(|any| Self::of(Mark::Any(any)))
    }

    /// All these bytes, one after another, end a message.
    ///
    /// # Errors
    /// When there is none.
    pub fn several(mark: &[u8]) -> Result<Self, DelimiterError> {
        match mark {
            [] => Err(DelimiterError::None),
            [_] => Self::any(mark),
            _ => Ok(Self::of(Mark::Several(Box::new(Several::new(mark))))),
        }
    }

    /// The end of the stream ends a message too.
    #[must_use]
    pub fn or_the_end(mut self) -> Self {
        self.ends_with_the_stream = true;
        self
    }

    fn of(mark: Mark) -> Self {
        Self { mark, ends_with_the_stream: false }
    }
}

/// A semicolon, escaped by a backslash.
impl Default for Delimiter {
    fn default() -> Self {
        let (set, stops) = (Set::One(b';'), Set::Two(b';', b'\\'));
        Self::of(Mark::Any(Any { set, stops, escape: Some(b'\\'), len: 0, escaped: false }))
    }
}

impl Framing for Delimiter {
    #[inline]
    fn scan(&mut self, new: &[u8], limit: u64) -> Scan {
        match &mut self.mark {
            Mark::Any(any) if any.escape.is_none() => any.scan(new, limit),
            Mark::Any(any) => any.scan_escaped(new, limit),
            Mark::Several(several) => several.scan(new, limit),
        }
    }

    #[inline]
    fn open<'a>(
        &self,
        raw: &'a [u8],
        scratch: &'a mut Vec<u8>,
        limit: usize,
    ) -> Result<Frame<'a>, Unfit> {
        let message = match &self.mark {
            Mark::Any(Any { escape: Some(escape), set, .. }) => {
                unescape(raw, *escape, set, scratch)
            }
            // Without an escape a delimiter is where the frame ends, and nowhere else.
            Mark::Any(any) => match raw {
                [message @ .., last] if any.set.contains(*last) => message,
                message => message,
            },
            Mark::Several(several) => {
                let mark = several.finder.needle();
                raw.strip_suffix(mark).unwrap_or(raw)
            }
        };
        // Where the end of the stream ends it, an escape or half a mark at its end is part of it.
        if message.len() > limit { Err(Unfit::TooLong) } else { Ok(Frame::Bytes(message)) }
    }

    fn opens_by_looking(&self) -> bool {
        matches!(&self.mark, Mark::Any(any) if any.escape.is_some())
    }

    fn examined_again(&self) -> u64 {
        match &self.mark {
            Mark::Any(_) => 0,
            Mark::Several(several) => several.examined_again,
        }
    }

    fn ends_with_the_stream(&self) -> bool {
        self.ends_with_the_stream
    }
}

/// One of several bytes.
#[derive(Clone, Debug)]
struct Any {
    /// What ends a message.
    set: Set,
    /// That, and the escape.
    stops: Set,
    escape: Option<u8>,
    /// How many bytes of the message came, escapes not counted.
    len: u64,
    /// Whether the last byte was an escape.
    escaped: bool,
}

impl Any {
    fn new(marks: &[u8], escape: Option<u8>) -> Result<Self, DelimiterError> {
        let set = Set::new(marks).ok_or(DelimiterError::None)?;
        let mut stops = marks.to_vec();
        stops.extend(escape);
        let stops = Set::new(&stops).ok_or(DelimiterError::None)?;
        Ok(Self { set, stops, escape, len: 0, escaped: false })
    }

    #[inline]
    fn scan(&mut self, new: &[u8], limit: u64) -> Scan {
        let window = self.window(new, limit);
        if let Some(at) = self.set.find(window) {
            self.len = 0;
            return Scan::End(at + 1);
        }
        let seen = window.len();
        self.len = self.len.saturating_add(seen as u64);
        if self.len > limit { Scan::TooLong { seen, declared: None } } else { Scan::More }
    }

    /// What may belong to the message, and one byte more: the delimiter.
    #[inline]
    fn window<'a>(&self, new: &'a [u8], limit: u64) -> &'a [u8] {
        let room = limit.saturating_add(1).saturating_sub(self.len);
        usize::try_from(room).map_or(new, |room| new.get(..room).unwrap_or(new))
    }

    // ANCHOR: scan-escaped
    fn scan_escaped(&mut self, new: &[u8], limit: u64) -> Scan {
        let mut rest = new;
        loop {
            if self.escaped {
                let [_, more @ ..] = rest else { return Scan::More };
                rest = more;
                self.escaped = false;
                self.len = self.len.saturating_add(1);
                if self.len > limit {
                    return Scan::TooLong { seen: new.len() - rest.len(), declared: None };
                }
            }
            let window = self.window(rest, limit);
            let found = self.stops.find(window);
            let plain = found.unwrap_or(window.len());
            self.len = self.len.saturating_add(plain as u64);
            let stop = rest.get(plain).copied();
            rest = rest.get(plain + usize::from(found.is_some())..).unwrap_or_default();
            let seen = new.len() - rest.len();
            match found {
                None if self.len > limit => return Scan::TooLong { seen, declared: None },
                None => return Scan::More,
                Some(_) if stop == self.escape => self.escaped = true,
                Some(_) => {
                    self.len = 0;
                    return Scan::End(seen);
                }
            }
        }
    }
    // ANCHOR_END: scan-escaped
}

/// Takes the escapes out, and the delimiter from the end. Without an escape nothing is copied.
fn unescape<'a>(raw: &'a [u8], escape: u8, marks: &Set, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let Some(first) = memchr::memchr(escape, raw) else {
        return match raw {
            [message @ .., last] if marks.contains(*last) => message,
            message => message,
        };
    };
    scratch.clear();
    let (plain, mut rest) = raw.split_at(first);
    scratch.extend_from_slice(plain);
    loop {
        rest = match rest {
            [byte, literal, more @ ..] if *byte == escape => {
                scratch.push(*literal);
                more
            }
            // What is neither escaped nor a delimiter; of those there is one, the last byte.
            [byte, more @ ..] => {
                if !marks.contains(*byte) {
                    scratch.push(*byte);
                }
                more
            }
            [] => return scratch,
        };
    }
}

/// Several bytes, one after another.
#[derive(Clone, Debug)]
struct Several {
    finder: memmem::Finder<'static>,
    /// For each beginning of the mark: how long is the longest shorter one that it ends with?
    falls: Vec<usize>,
    /// How many bytes came, those of a beginning of the mark counted.
    len: u64,
    /// How many bytes of the mark came last.
    matched: usize,
    examined_again: u64,
}

impl Several {
    fn new(mark: &[u8]) -> Self {
        let finder = memmem::Finder::new(mark).into_owned();
        let mut several = Self { finder, falls: vec![0], len: 0, matched: 0, examined_again: 0 };
        let mut matched = 0;
        for byte in mark.iter().skip(1) {
            matched = several.step(matched, *byte);
            several.falls.push(matched);
        }
        several
    }

    /// So many bytes of the mark have come: how many, when this byte follows?
    fn step(&self, mut matched: usize, byte: u8) -> usize {
        let mark = self.finder.needle();
        loop {
            if mark.get(matched) == Some(&byte) {
                return matched + 1;
            }
            let Some(before) = matched.checked_sub(1) else { return 0 };
            matched = self.falls.get(before).copied().unwrap_or_default();
        }
    }

    fn scan(&mut self, new: &[u8], limit: u64) -> Scan {
        let mark_len = self.finder.needle().len();
        let room = limit.saturating_add(mark_len as u64).saturating_sub(self.len);
        let window = usize::try_from(room).map_or(new, |room| new.get(..room).unwrap_or(new));
        if let Some(end) = self.find(window) {
            (self.len, self.matched) = (0, 0);
            return Scan::End(end);
        }
        let seen = window.len();
        self.len = self.len.saturating_add(seen as u64);
        if self.len - self.matched as u64 > limit {
            return Scan::TooLong { seen, declared: None };
        }
        Scan::More
    }

    /// Where the mark ends. If it does not, what may be its beginning is remembered.
    fn find(&mut self, new: &[u8]) -> Option<usize> {
        let mark_len = self.finder.needle().len();
        // What began in the read before goes on byte by byte, until it is the mark, or nothing.
        let mut at = 0;
        while self.matched > 0 {
            let byte = new.get(at)?;
            at += 1;
            self.matched = self.step(self.matched, *byte);
            if self.matched == mark_len {
                return Some(at);
            }
        }
        let rest = new.get(at..).unwrap_or_default();
        if let Some(found) = self.finder.find(rest) {
            return Some(at + found + mark_len);
        }
        // A beginning of the mark lies in its last bytes, one less than the mark has.
        let tail = rest.get(rest.len().saturating_sub(mark_len - 1)..).unwrap_or_default();
        self.matched = tail.iter().fold(0, |matched, byte| self.step(matched, *byte));
        self.examined_again += tail.len() as u64;
        None
    }
}

impl Encode for Delimiter {
    fn pieces<'a>(
        &self,
        message: &'a [u8],
        room: &'a mut Room,
    ) -> Result<[&'a [u8]; 3], EncodeError> {
        room.around.clear();
        match &self.mark {
            Mark::Several(several) => {
                // A message that ends in the beginning of the mark could end too early with it.
                let mark = several.finder.needle();
                room.around.extend_from_slice(mark);
                room.body.clear();
                room.body.extend_from_slice(message);
                room.body.extend_from_slice(mark);
                match several.finder.find(&room.body) {
                    Some(at) if at < message.len() => Err(EncodeError::Delimiter { at }),
                    _ => Ok([&[], message, &room.around]),
                }
            }
            Mark::Any(any) => {
                room.around.push(any.set.first());
                let Some(at) = any.stops.find(message) else {
                    return Ok([&[], message, &room.around]);
                };
                let Some(escape) = any.escape else { return Err(EncodeError::Delimiter { at }) };
                room.body.clear();
                for byte in message {
                    if any.stops.contains(*byte) {
                        room.body.push(escape);
                    }
                    room.body.push(*byte);
                }
                Ok([&[], &room.body, &room.around])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::{Decode, Decoder, Policy};
    use crate::encode::to_vec;
    use crate::frame::Why;

    /// All messages of `stream`, cut in every place; `!` is one that is too long.
    #[track_caller]
    fn check(framing: &Delimiter, limit: usize, stream: &str, want: &[&str]) {
        for cut in 0..=stream.len() {
            let (before, after) = stream.as_bytes().split_at(cut);
            assert_eq!(decode(framing, limit, &[before, after]), want, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(decode(framing, limit, &bytes), want, "byte by byte");
    }

    fn decode(framing: &Delimiter, limit: usize, reads: &[&[u8]]) -> Vec<String> {
        let mut decoder = Decoder::new(framing.clone(), limit).policy(Policy::Skip);
        let mut said = Vec::new();
        for mut input in reads.iter().copied() {
            loop {
                match decoder.next_in(&mut input) {
                    Ok(Some(frame)) => said.push(String::from_utf8(frame.bytes().into()).unwrap()),
                    Ok(None) => break,
                    Err(error) => {
                        assert!(matches!(error.why, Why::TooLong { .. }));
                        said.push("!".to_owned());
                    }
                }
            }
        }
        said
    }

    #[test]
    fn any_of_some_bytes_ends_a_message() {
        let any = Delimiter::any(b",;").unwrap();
        check(&any, 2, "ab,cd;,e,f", &["ab", "cd", "", "e"]);
        check(&any, 2, "abc,d;efgh;i,", &["!", "d", "!", "i"]);
        let many = Delimiter::any(b",;\n\r").unwrap();
        check(&many, 99, "ab,cd\r\ne;", &["ab", "cd", "", "e"]);
        let long = "x".repeat(70);
        check(&many, 99, &format!("{long};{long},"), &[&long, &long]);
        for marks in [&b","[..], b",;", b",;\n", b",;\n\r", b"abcdefgh"] {
            let framing = Delimiter::any(marks).unwrap();
            let frame = to_vec(&framing, b"xyz").unwrap();
            assert_eq!(frame, [b"xyz", &marks[..1]].concat());
            let last = [b"xy", &marks[marks.len() - 1..]].concat();
            assert_eq!(to_vec(&framing, &last), Err(EncodeError::Delimiter { at: 2 }));
        }
        assert_eq!(Delimiter::any(b"").unwrap_err(), DelimiterError::None);
    }

    #[test]
    fn an_escape_makes_a_delimiter_a_byte_like_any_other() {
        let escaped = Delimiter::escaped(b",;", b'\\').unwrap();
        check(&escaped, 3, r"a\,b,c\\,\;\;\;,,d\e,", &["a,b", r"c\", ";;;", "", "de"]);
        check(&escaped, 3, r"\,\,\,\,,a,bcd\,,e,", &["!", "a", "!", "e"]);
        let frame = to_vec(&escaped, br"a,b\c;").unwrap();
        assert_eq!(frame, br"a\,b\\c\;,");
        let wrong = Delimiter::escaped(b",;", b',').unwrap_err();
        assert_eq!(wrong, DelimiterError::EscapeDelimits);
    }

    #[test]
    fn a_mark_of_several_bytes_may_begin_in_vain() {
        let several = |mark: &[u8]| Delimiter::several(mark).unwrap();
        check(&several(b"--\n"), 4, "a-b-\u{2d}-\nc--\n--\n", &["a-b-", "c", ""]);
        check(&several(b"aab"), 3, "aaaabaab1234aab5aab", &["aa", "", "!", "5"]);
        check(&several(b"\r\n\r\n"), 3, "\r\n\r\r\n\r\nx\r\n\r\n", &["\r\n\r", "x"]);
        check(&several(b"abab"), 2, "abacabab", &["!"]);
        check(&several(b";"), 3, "a;b;", &["a", "b"]);
        assert_eq!(to_vec(&several(b"--"), b"a-b").unwrap(), b"a-b--");
        assert_eq!(to_vec(&several(b"--"), b"a-"), Err(EncodeError::Delimiter { at: 1 }));
        assert_eq!(to_vec(&several(b"--"), b"a--b"), Err(EncodeError::Delimiter { at: 1 }));
    }

    #[test]
    fn the_end_of_the_stream_may_end_a_message_too() {
        for (framing, last) in [
            (Delimiter::any(b",").unwrap().or_the_end(), &b"b--"[..]),
            (Delimiter::escaped(b",", b'\\').unwrap().or_the_end(), b"b--"),
            (Delimiter::several(b"---").unwrap().or_the_end(), b"a,b--"),
        ] {
            let mut decoder = Decoder::new(framing, 9);
            decoder.feed(b"a,b--");
            while decoder.next().unwrap().is_some() {}
            assert_eq!(decoder.finish().unwrap().unwrap().bytes(), last);
        }
    }

    #[test]
    fn half_a_delimiter_at_the_end_counts_towards_the_limit() {
        for (framing, stream) in [
            (Delimiter::several(b"---").unwrap(), &b"abc-"[..]),
            (Delimiter::several(b"---").unwrap(), b"abc--"),
            (Delimiter::escaped(b",", b'\\').unwrap(), b"abc\\"),
        ] {
            let mut decoder = Decoder::new(framing.or_the_end(), 3);
            assert_eq!(decoder.next_in(&mut { stream }), Ok(None));
            let why = Why::TooLong { declared: None, limit: 3 };
            assert_eq!(decoder.finish().unwrap_err().why, why, "{stream:?}");
        }
    }
}
