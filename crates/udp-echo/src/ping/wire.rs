//! A ping as bytes. No socket, no clock.
//!
//! ```text
//!   byte 0         1         2         3
//!  +---------+---------+---------+---------+
//!  |   'p'   |   'i'   |   'n'   |   'g'   |
//!  +---------+---------+---------+---------+
//!  |    identifier     |       try         |   big-endian, as all numbers on the network
//!  +---------+---------+---------+---------+
//!  |            sequence number            |   big-endian
//!  +---------+---------+---------+---------+
//!  | padding: 0, 1, 2 … 255, 0 … up to the size that was asked for
//!  +---------+----
//! ```
//!
//! Identifier and sequence number are those of an ICMP echo (RFC 792): whose ping it is, and which.
//! The try is ours. A ping that is sent again would otherwise be the same datagram, and nobody
//! could say which of the two an answer answers (Karn's ambiguity, RFC 6298 section 3).

use std::fmt;

use byteorder::{BigEndian, ByteOrder};

/// The shortest ping: a header without padding.
pub const PING_LEN_MIN: usize = 12;

/// The longest datagram that UDP over IPv4 can carry: 65,535 less a header of 20 bytes and one
/// of 8.
pub const PING_LEN_MAX: usize = 65_507;

const MARK: &[u8; 4] = b"ping";

// ANCHOR: wire
/// What a ping says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Whose it is. Two pings from one machine are told apart by their ports too; this also
    /// tells apart two that had the same port one after the other.
    pub identifier: u16,
    /// The how-manieth datagram for this sequence number it is; the first is 1.
    pub attempt: u16,
    /// Which ping it is; the first is 1.
    pub sequence: u32,
}

impl Ping {
    /// The datagram of `len` bytes, or of [`PING_LEN_MIN`] when that is more.
    #[must_use]
    pub fn encode(&self, len: usize) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(len.max(PING_LEN_MIN));
        datagram.extend(MARK);
        datagram.extend(self.identifier.to_be_bytes());
        datagram.extend(self.attempt.to_be_bytes());
        datagram.extend(self.sequence.to_be_bytes());
        datagram.extend((0..=u8::MAX).cycle().take(len.saturating_sub(PING_LEN_MIN)));
        datagram
    }

    /// Reads a datagram. All of it must be as [`encode`](Self::encode) makes it.
    ///
    /// # Errors
    /// [`WireError`] says where it is not a ping.
    pub fn decode(datagram: &[u8]) -> Result<Self, WireError> {
        let Some((header, padding)) = datagram.split_first_chunk::<PING_LEN_MIN>() else {
            return Err(WireError::Short { len: datagram.len() });
        };
        let [b'p', b'i', b'n', b'g', numbers @ ..] = header else {
            return Err(WireError::Mark);
        };
        let wrong = padding.iter().zip((0..=u8::MAX).cycle()).position(|(got, want)| *got != want);
        if let Some(offset) = wrong {
            return Err(WireError::Padding { offset: PING_LEN_MIN + offset });
        }
        // In bounds: eight bytes of the header are left behind its mark.
        let (identifier, attempt, sequence) = (&numbers[..2], &numbers[2..4], &numbers[4..]);
        Ok(Self {
            identifier: BigEndian::read_u16(identifier),
            attempt: BigEndian::read_u16(attempt),
            sequence: BigEndian::read_u32(sequence),
        })
    }
}
// ANCHOR_END: wire

impl fmt::Display for Ping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ping {}", self.sequence)?;
        if self.attempt == 1 { Ok(()) } else { write!(f, ", try {}", self.attempt) }
    }
}

/// Why a datagram is no ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Cut off, or something else.
    #[error("{len} bytes, and a ping has at least {PING_LEN_MIN}")]
    Short {
        /// How many there are.
        len: usize,
    },
    /// It does not begin as a ping does.
    #[error("it does not begin with \"ping\"")]
    Mark,
    /// It was changed on the way, or put together from two.
    #[error("the byte at {offset} is not the padding that was sent")]
    Padding {
        /// The first wrong byte, counted from 0.
        offset: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_twelve_bytes_and_padding() {
        let ping = Ping { identifier: 0x0102, attempt: 0x0304, sequence: 0x0506_0708 };
        check(ping, 12, b"ping\x01\x02\x03\x04\x05\x06\x07\x08");
        check(ping, 15, b"ping\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x02");
        let most = Ping { identifier: u16::MAX, attempt: u16::MAX, sequence: u32::MAX };
        check(most, 12, b"ping\xff\xff\xff\xff\xff\xff\xff\xff");
        for len in [PING_LEN_MIN, PING_LEN_MIN + 257, PING_LEN_MAX] {
            assert_eq!(ping.encode(len).len(), len);
            assert_eq!(Ping::decode(&ping.encode(len)), Ok(ping));
        }
        assert_eq!(ping.encode(0).len(), PING_LEN_MIN);
    }

    #[test]
    fn whatever_is_not_as_it_was_sent_is_refused() {
        let ping = Ping { identifier: 1, attempt: 1, sequence: 1 };
        let good = ping.encode(300);
        for len in 0..PING_LEN_MIN {
            let cut = good.get(..len).unwrap();
            assert_eq!(Ping::decode(cut), Err(WireError::Short { len }));
        }
        for offset in (0..4).chain(PING_LEN_MIN..300) {
            let mut bad = good.clone();
            bad[offset] ^= 1;
            let want = if offset < 4 { WireError::Mark } else { WireError::Padding { offset } };
            assert_eq!(Ping::decode(&bad), Err(want));
        }
    }

    #[track_caller]
    fn check(ping: Ping, len: usize, datagram: &[u8]) {
        assert_eq!(ping.encode(len), datagram);
        assert_eq!(Ping::decode(datagram), Ok(ping));
    }
}
