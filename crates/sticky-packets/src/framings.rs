//! The framings by name, as a command line chooses them.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use crate::cobs::Cobs;
use crate::decoder::{Decode, Decoder, Framing, Policy};
use crate::delimiter::Delimiter;
use crate::encode::Encode;
use crate::fixed::Fixed;
use crate::length::{Layout, Length};
use crate::line::Line;
use crate::naive::Naive;
use crate::varint::Varint;

/// The framings, each as it is mostly used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// One read is one message.
    Naive,
    /// Blocks as long as the longest message.
    Fixed,
    /// Text up to a line feed.
    Line,
    /// Up to a semicolon; `\;` is one that ends nothing.
    Delimiter,
    /// Four bytes, big-endian, in front.
    Length,
    /// A varint in front.
    Varint,
    /// Up to a zero.
    Cobs,
}

impl Name {
    /// In the order in which they mend one another.
    pub const ALL: [Self; 7] = [
        Self::Naive,
        Self::Fixed,
        Self::Line,
        Self::Delimiter,
        Self::Length,
        Self::Varint,
        Self::Cobs,
    ];

    /// As on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::Fixed => "fixed",
            Self::Line => "line",
            Self::Delimiter => "delimiter",
            Self::Length => "length",
            Self::Varint => "varint",
            Self::Cobs => "cobs",
        }
    }

    /// A decoder for messages of at most `limit` bytes; blocks have exactly as many.
    #[must_use]
    pub fn decoder(self, limit: usize, policy: Policy) -> Box<dyn Decode + Send> {
        fn boxed<F: Framing + Send + 'static>(
            framing: F,
            limit: usize,
            policy: Policy,
        ) -> Box<dyn Decode + Send> {
            Box::new(Decoder::new(framing, limit).policy(policy))
        }
        match self {
            Self::Naive => boxed(Naive, limit, policy),
            Self::Fixed => boxed(Fixed::new(block(limit)), limit, policy),
            Self::Line => boxed(Line::new(), limit, policy),
            Self::Delimiter => boxed(Delimiter::default(), limit, policy),
            Self::Length => boxed(Length::new(Layout::default()), limit, policy),
            Self::Varint => boxed(Varint::new(), limit, policy),
            Self::Cobs => boxed(Cobs::new(), limit, policy),
        }
    }

    /// What writes for that decoder.
    #[must_use]
    pub fn encoder(self, limit: usize) -> Box<dyn Encode + Send> {
        match self {
            Self::Naive => Box::new(Naive),
            Self::Fixed => Box::new(Fixed::new(block(limit))),
            Self::Line => Box::new(Line::new()),
            Self::Delimiter => Box::new(Delimiter::default()),
            Self::Length => Box::new(Length::new(Layout::default())),
            Self::Varint => Box::new(Varint::new()),
            Self::Cobs => Box::new(Cobs::new()),
        }
    }
}

fn block(limit: usize) -> NonZeroUsize {
    NonZeroUsize::new(limit).unwrap_or(NonZeroUsize::MIN)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|name| name.as_str() == text);
        known.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.into_iter().map(Self::as_str).collect();
            format!("no such framing; there are: {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for name in Name::ALL {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        let error = "cbos".parse::<Name>().unwrap_err();
        assert!(error.ends_with("naive, fixed, line, delimiter, length, varint, cobs"), "{error}");
    }
}
