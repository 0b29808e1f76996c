//! Finds the first of a few bytes: up to three by `memchr`, more by comparing a block at once.
//!
//! A table of 256 answers for one byte at a time. Most bytes are not wanted, so first a whole block is
//! asked whether any of its bytes is, in a form of which compilers make a few vector instructions.

use std::fmt;

/// Which bytes are looked for.
#[derive(Clone)]
pub(crate) enum Set {
    /// This one.
    One(u8),
    /// One of two.
    Two(u8, u8),
    /// One of three.
    Three(u8, u8, u8),
    /// One of more.
    Many(Box<Many>),
}

/// More than three bytes.
#[derive(Clone)]
pub(crate) struct Many {
    list: Vec<u8>,
    table: [bool; 256],
}

/// So many bytes are compared at once with one of many.
const BLOCK: usize = 32;

impl Set {
    /// These bytes, if there are any.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        Some(match *bytes {
            [] => return None,
            [a] => Self::One(a),
            [a, b] => Self::Two(a, b),
            [a, b, c] => Self::Three(a, b, c),
            _ => {
                let mut table = [false; 256];
                for byte in bytes {
                    // In bounds: there are as many as bytes.
                    table[usize::from(*byte)] = true;
                }
                Self::Many(Box::new(Many { list: bytes.to_vec(), table }))
            }
        })
    }

    /// The one that was named first.
    pub(crate) fn first(&self) -> u8 {
        match self {
            Self::One(a) | Self::Two(a, _) | Self::Three(a, _, _) => *a,
            Self::Many(many) => many.list.first().copied().unwrap_or_default(),
        }
    }

    /// Whether it is one of them.
    #[inline]
    pub(crate) fn contains(&self, byte: u8) -> bool {
        match self {
            Self::One(a) => byte == *a,
            Self::Two(a, b) => byte == *a || byte == *b,
            Self::Three(a, b, c) => byte == *a || byte == *b || byte == *c,
            // In bounds: there are as many as bytes.
            Self::Many(many) => many.table[usize::from(byte)],
        }
    }

    /// Where the first of them is.
    #[inline]
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<usize> {
        match *self {
            Self::One(a) => memchr::memchr(a, bytes),
            Self::Two(a, b) => memchr::memchr2(a, b, bytes),
            Self::Three(a, b, c) => memchr::memchr3(a, b, c, bytes),
            Self::Many(ref many) => many.find(bytes),
        }
    }
}

impl Many {
    #[inline]
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        for block in bytes.chunks(BLOCK) {
            if self.hits(block) {
                // In bounds: the table has as many as there are bytes.
                let found = block.iter().position(|byte| self.table[usize::from(*byte)]);
                return found.map(|found| at + found);
            }
            at += block.len();
        }
        None
    }

    /// Whether one of them is among these. Compilers make a few vector instructions of it.
    #[inline]
    fn hits(&self, block: &[u8]) -> bool {
        let Ok(block) = <&[u8; BLOCK]>::try_from(block) else { return true };
        let any = |wanted: &u8| block.iter().fold(false, |hit, byte| hit | (byte == wanted));
        self.list.iter().any(any)
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<u8> = (0..=u8::MAX).filter(|byte| self.contains(*byte)).collect();
        write!(f, "{}", cli::escape(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_found_wherever_it_is() {
        for wanted in [&b","[..], b",;", b",;\n", b",;\n\r", b"abcdefgh\0", b"aaaa;"] {
            let set = Set::new(wanted).unwrap();
            assert_eq!(set.first(), wanted[0]);
            for len in 0..150 {
                let mut bytes = vec![b'x'; len];
                assert_eq!(set.find(&bytes), None);
                for at in (0..len).rev() {
                    bytes[at] = wanted[at % wanted.len()];
                    assert_eq!(set.find(&bytes), Some(at), "{len}");
                }
            }
            for byte in 0..=u8::MAX {
                assert_eq!(set.contains(byte), wanted.contains(&byte));
                assert_eq!(set.find(&[byte; 20]).is_some(), wanted.contains(&byte));
            }
        }
        assert!(Set::new(b"").is_none());
    }
}
