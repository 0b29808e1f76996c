//! The same layout in other libraries' words: netty's five parameters, tokio's four.
//!
//! All three say from which byte the number counts and what is stripped. They differ in where they
//! begin to count, and in what the limit is for:
//!
//! ```text
//!            whole frame =                           limit is for
//!  ours      from + number                           what comes out
//!  netty     offset + width + number + adjustment    the whole frame, header included
//!  tokio     num_skip + number + adjustment          the number itself, before the adjustment
//! ```
//!
//! So netty's adjustment is `from − (offset + width)` and tokio's is `from − num_skip`: the same
//! frame has two adjustments, and who copies one over gets frames that are a header too long or too
//! short.

use std::fmt;

use thiserror::Error;

use crate::length::{Counts, Endian, Layout, LayoutError};

/// Java's greatest `int`.
const INT_MAX: u64 = 0x7fff_ffff;

/// The parameters of netty's `LengthFieldBasedFrameDecoder`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Netty {
    /// Which byte of the number comes first.
    pub byte_order: Endian,
    /// No frame is longer than this, header included. An `int` in Java: 2 GiB less one at most.
    pub max_frame_length: u64,
    /// Where the number stands.
    pub length_field_offset: usize,
    /// How many bytes it has: 1, 2, 3, 4 or 8.
    pub length_field_length: usize,
    /// What is added to it for what follows the number.
    pub length_adjustment: i64,
    /// How many bytes are stripped.
    pub initial_bytes_to_strip: usize,
}

/// The settings of tokio-util's `LengthDelimitedCodec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokio {
    /// Which byte of the number comes first.
    pub byte_order: Endian,
    /// No number is greater than this.
    pub max_frame_length: u64,
    /// Where the number stands.
    pub length_field_offset: usize,
    /// How many bytes it has.
    pub length_field_length: usize,
    /// What is added to it for what follows what is skipped.
    pub length_adjustment: i64,
    /// How many bytes are skipped.
    pub num_skip: usize,
}

/// Settings that mean no layout of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WordsError {
    /// The number would count from before the frame.
    #[error("the length would count from {0} bytes before the frame")]
    BeforeTheFrame(u64),
    /// One of the settings is out of range.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

impl Netty {
    /// What these are in netty's words, for messages of at most `limit` bytes.
    #[must_use]
    pub fn new(layout: &Layout, limit: u64) -> Self {
        let (length_field_offset, length_field_length) = layout.field();
        Self {
            byte_order: layout.byte_order(),
            max_frame_length: limit.saturating_add(layout.stripped() as u64).min(INT_MAX),
            length_field_offset,
            length_field_length,
            length_adjustment: less(layout.counts_from(), layout.head()),
            initial_bytes_to_strip: layout.stripped(),
        }
    }

    /// Whether netty can read a number of so many bytes.
    #[must_use]
    pub fn exists(&self) -> bool {
        matches!(self.length_field_length, 1..=4 | 8)
    }

    /// What these are in ours.
    ///
    /// # Errors
    /// When they mean no layout of ours.
    pub fn layout(&self) -> Result<Layout, WordsError> {
        let head = self.length_field_offset.saturating_add(self.length_field_length);
        Layout::new(self.length_field_length)?
            .offset(self.length_field_offset)?
            .counts(Counts::From(place(head, self.length_adjustment)?))?
            .strip(self.initial_bytes_to_strip)
            .map(|layout| layout.endian(self.byte_order))
            .map_err(WordsError::from)
    }
}

impl Tokio {
    /// What these are in tokio's words, for messages of at most `limit` bytes.
    #[must_use]
    pub fn new(layout: &Layout, limit: u64) -> Self {
        let (length_field_offset, length_field_length) = layout.field();
        let (from, strip) = (layout.counts_from(), layout.stripped());
        Self {
            byte_order: layout.byte_order(),
            max_frame_length: limit.saturating_add(strip as u64).saturating_sub(from as u64),
            length_field_offset,
            length_field_length,
            length_adjustment: less(from, strip),
            num_skip: strip,
        }
    }

    /// What these are in ours.
    ///
    /// # Errors
    /// When they mean no layout of ours.
    pub fn layout(&self) -> Result<Layout, WordsError> {
        Layout::new(self.length_field_length)?
            .offset(self.length_field_offset)?
            .counts(Counts::From(place(self.num_skip, self.length_adjustment)?))?
            .strip(self.num_skip)
            .map(|layout| layout.endian(self.byte_order))
            .map_err(WordsError::from)
    }
}

/// `a − b`, for what is as small as a header.
fn less(a: usize, b: usize) -> i64 {
    let signed = |len| i64::try_from(len).unwrap_or(i64::MAX);
    signed(a).saturating_sub(signed(b))
}

/// From where the number counts.
fn place(base: usize, adjustment: i64) -> Result<usize, WordsError> {
    let base = i64::try_from(base).unwrap_or(i64::MAX);
    let place = base.saturating_add(adjustment);
    usize::try_from(place).map_err(|_| WordsError::BeforeTheFrame(place.unsigned_abs()))
}

/// As it stands in a program in Java.
impl fmt::Display for Netty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.byte_order {
            Endian::Big => "BIG_ENDIAN",
            Endian::Little => "LITTLE_ENDIAN",
        };
        let Self { max_frame_length, length_field_offset, length_field_length, .. } = self;
        let Self { length_adjustment, initial_bytes_to_strip, .. } = self;
        write!(f, "new LengthFieldBasedFrameDecoder(ByteOrder.{order}, {max_frame_length}, ")?;
        write!(f, "{length_field_offset}, {length_field_length}, {length_adjustment}, ")?;
        write!(f, "{initial_bytes_to_strip}, true)")
    }
}

/// As it stands in a program in Rust.
impl fmt::Display for Tokio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.byte_order {
            Endian::Big => "big_endian",
            Endian::Little => "little_endian",
        };
        write!(f, "LengthDelimitedCodec::builder().{order}()")?;
        write!(f, ".length_field_offset({})", self.length_field_offset)?;
        write!(f, ".length_field_length({})", self.length_field_length)?;
        write!(f, ".length_adjustment({})", self.length_adjustment)?;
        write!(f, ".num_skip({}).max_frame_length({})", self.num_skip, self.max_frame_length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offset, width, from, strip; netty's adjustment; tokio's.
    #[track_caller]
    fn check(ours: [usize; 4], netty: i64, tokio: i64) {
        let [offset, width, from, strip] = ours;
        let layout = Layout::new(width).unwrap().offset(offset).unwrap();
        let layout = layout.counts(Counts::From(from)).unwrap().strip(strip).unwrap();
        let layout = layout.endian(Endian::Little);
        let words = Netty::new(&layout, 1000);
        assert_eq!(words.length_adjustment, netty);
        assert_eq!(words.max_frame_length, 1000 + strip as u64);
        assert_eq!(words.layout().unwrap(), layout);
        let words = Tokio::new(&layout, 1000);
        assert_eq!(words.length_adjustment, tokio);
        assert_eq!(words.layout().unwrap(), layout);
        let greatest = i64::try_from(words.max_frame_length).unwrap() + tokio;
        assert_eq!(greatest, 1000, "what tokio lets pass");
    }

    #[test]
    fn the_examples_in_the_documentation_of_both_come_out_the_same() {
        // netty's seven; tokio's documentation has the same frames.
        check([0, 2, 2, 0], 0, 2);
        check([0, 2, 2, 2], 0, 0);
        check([0, 2, 0, 0], -2, 0);
        check([2, 3, 5, 0], 0, 5);
        check([0, 3, 5, 0], 2, 5);
        check([1, 2, 4, 3], 1, 1);
        check([1, 2, 0, 3], -3, -3);
    }

    #[test]
    fn what_counts_from_before_the_frame_is_refused() {
        let netty = Netty::new(&Layout::default(), 9);
        let wrong = Netty { length_adjustment: -5, ..netty };
        assert_eq!(wrong.layout(), Err(WordsError::BeforeTheFrame(1)));
        let wide = Netty { length_field_length: 9, ..netty };
        assert_eq!(wide.layout(), Err(WordsError::Layout(LayoutError::Width(9))));
        let far = Tokio { num_skip: usize::MAX, ..Tokio::new(&Layout::default(), 9) };
        assert!(far.layout().is_err());
    }

    #[test]
    fn they_are_shown_as_in_a_program() {
        let layout = Layout::new(2).unwrap().counts(Counts::Frame).unwrap();
        assert_eq!(
            Netty::new(&layout, 65_536).to_string(),
            "new LengthFieldBasedFrameDecoder(ByteOrder.BIG_ENDIAN, 65538, 0, 2, -2, 2, true)"
        );
        assert_eq!(
            Tokio::new(&layout, 65_536).to_string(),
            "LengthDelimitedCodec::builder().big_endian().length_field_offset(0).length_field_length(2).length_adjustment(-2).num_skip(2).max_frame_length(65538)"
        );
        assert_eq!(
            layout.to_string(),
            "a number of 2 bytes at byte 0, big-endian, counted from byte 0; the first 2 stripped"
        );
        assert_eq!(Netty::new(&layout, (1 << 31) - 3).max_frame_length, (1 << 31) - 1);
        assert_eq!(Netty::new(&layout, 1 << 31).max_frame_length, (1 << 31) - 1);
        let five = Layout::new(5).unwrap();
        assert!(Netty::new(&layout, 9).exists() && !Netty::new(&five, 9).exists());
    }
}
