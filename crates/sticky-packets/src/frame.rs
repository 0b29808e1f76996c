//! What a decoder gives: a frame, or the reason why there is none.
//!
//! Four things are not the same, and programs that take one for another hang or fall out of step:
//!
//! | what | how it is told | what to do |
//! | --- | --- | --- |
//! | not yet | `Ok(None)` | read on |
//! | broken | [`Why::Broken`] | no bytes that may follow can mend it |
//! | too long | [`Why::TooLong`] | as [`Policy`](crate::decoder::Policy) says; told before the bytes came |
//! | ended in mid-frame | [`Why::Ended`] | the peer went away too early |

use std::fmt;

use thiserror::Error;

/// A message, borrowed: from the bytes that were read, or from the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Bytes of any kind.
    Bytes(&'a [u8]),
    /// Text: a framing that checks for UTF-8 has done so.
    Text(&'a str),
}

impl<'a> Frame<'a> {
    /// The message's bytes, without header, delimiter or escapes.
    #[must_use]
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }

    /// The message's text, if the framing is one of text.
    #[must_use]
    #[inline]
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Bytes(_) => None,
            Self::Text(text) => Some(text),
        }
    }
}

/// Why there is no frame, and where in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("at byte {offset} of the stream: {why}; it begins {excerpt}")]
pub struct FrameError {
    /// How many bytes of the stream lie before the frame.
    pub offset: u64,
    /// What is wrong with it.
    pub why: Why,
    /// How the frame begins, header included. A length that is text shows itself here.
    pub excerpt: Excerpt,
    /// Whether the decoder knows where the next frame begins. If it does not, it gives this same
    /// error from now on.
    pub goes_on: bool,
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Why {
    /// It is longer than the limit.
    #[error("{} is longer than the limit of {limit}", Declared(*declared))]
    TooLong {
        /// How long it says it is; `None` where a framing tells its length only by its end.
        declared: Option<u64>,
        /// How many bytes a message may have.
        limit: usize,
    },
    /// It is not what the framing prescribes, whatever follows.
    #[error("the frame is broken: {0}")]
    Broken(Flaw),
    /// The stream ended before the frame did.
    #[error("the stream ended in mid-frame, after {have} of {}", Wanted(*want))]
    Ended {
        /// How many bytes of the frame came, header included.
        have: u64,
        /// How many it has, where that is known.
        want: Option<u64>,
    },
}

/// What is broken about a broken frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    /// Text that is none.
    #[error("it is not UTF-8 from its byte {valid} on")]
    NotUtf8 {
        /// How many of its bytes are UTF-8.
        valid: usize,
    },
    /// A length that is less than the header in which it stands.
    #[error("its length of {declared} leaves no room for its own header of {header} bytes")]
    ShorterThanHeader {
        /// How long it says it is.
        declared: u64,
        /// How many bytes come before the message.
        header: usize,
    },
    /// A varint whose number does not fit into 64 bits.
    #[error("its varint does not end within 64 bits")]
    VarintTooLong,
    /// COBS: two zeros with nothing between them.
    #[error("there is nothing between two zeros")]
    CobsEmpty,
    /// COBS: a code that points beyond the frame's end.
    #[error("a code of {code} points beyond its end, {left} bytes away")]
    CobsBeyond {
        /// The code.
        code: u8,
        /// How many bytes follow it.
        left: usize,
    },
}

/// The first bytes of a frame: enough for any header, few enough for a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Excerpt {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Excerpt {
    /// So many bytes it has at most.
    pub const MAX: usize = 16;

    /// The first bytes of what several pieces are together.
    #[must_use]
    pub fn of(pieces: &[&[u8]]) -> Self {
        let mut excerpt = Self { bytes: [0; Self::MAX], len: 0 };
        let bytes = pieces.iter().copied().flatten();
        for (place, byte) in excerpt.bytes.iter_mut().zip(bytes) {
            *place = *byte;
            excerpt.len += 1;
        }
        excerpt
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }
}

/// As text where it is text: a length of 538976288 is `"    "`.
impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", cli::escape(self.bytes()))
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Declared(Option<u64>);

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(len) => write!(f, "a length of {len}"),
            None => f.write_str("the frame"),
        }
    }
}

struct Wanted(Option<u64>);

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(len) => write!(f, "{len} bytes"),
            None => f.write_str("nobody knows how many bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_is_text_shows_itself() {
        let why = Why::TooLong { declared: Some(538_976_288), limit: 65_536 };
        let excerpt = Excerpt::of(&[b"  ", b"  "]);
        let error = FrameError { offset: 12, why, excerpt, goes_on: false };
        assert_eq!(
            error.to_string(),
            "at byte 12 of the stream: a length of 538976288 is longer than the limit of 65536; it begins \"    \""
        );
    }

    #[test]
    fn an_excerpt_is_short_and_cannot_reach_a_terminal() {
        let excerpt = Excerpt::of(&[b"\x1b[2J", b"", &[b'x'; 100]]);
        assert_eq!(excerpt.bytes(), b"\x1b[2Jxxxxxxxxxxxx");
        assert_eq!(excerpt.to_string(), r#""\u{1b}[2Jxxxxxxxxxxxx""#);
        assert_eq!(Excerpt::of(&[]).to_string(), r#""""#);
    }

    #[test]
    fn an_end_in_mid_frame_says_how_much_came() {
        for (want, text) in [
            (Some(7), "the stream ended in mid-frame, after 3 of 7 bytes"),
            (None, "the stream ended in mid-frame, after 3 of nobody knows how many bytes"),
        ] {
            assert_eq!(Why::Ended { have: 3, want }.to_string(), text);
        }
    }
}
