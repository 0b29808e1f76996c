//! Writers: a message, and what a framing puts around it.
//!
//! ```text
//!            ┌────────┬──────────────────────┬──────┐
//!  on the    │  head  │         body         │ tail │    one writev(2): no copy, and no
//!  wire      └────────┴──────────────────────┴──────┘    small write for Nagle to hold back
//! ```
//!
//! Head and body in two writes would be two segments, the second of which waits for the ACK of the
//! first (lesson `nagle`); put together in a buffer first, they cost a copy. A vectored write does
//! neither. It may take a part of what it is given, like every write; [`write_frame`] goes on with
//! the rest.

use std::io::{self, IoSlice, Write};

use thiserror::Error;

/// What a framing writes.
pub trait Encode {
    /// Head, body and tail of the frame that carries `message`; any may be empty. `room` is where
    /// they are made that are not the message itself.
    ///
    /// # Errors
    /// When the framing cannot carry this message.
    fn pieces<'a>(
        &self,
        message: &'a [u8],
        room: &'a mut Room,
    ) -> Result<[&'a [u8]; 3], EncodeError>;
}

impl<E: Encode + ?Sized> Encode for Box<E> {
    fn pieces<'a>(
        &self,
        message: &'a [u8],
        room: &'a mut Room,
    ) -> Result<[&'a [u8]; 3], EncodeError> {
        (**self).pieces(message, room)
    }
}

/// Why a message cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// It is longer than can be said.
    #[error("a message of {len} bytes, and this framing can say {max} at most")]
    TooLong {
        /// Its bytes.
        len: usize,
        /// How many there may be.
        max: u64,
    },
    /// It contains what would end it.
    #[error(
        "the message has a delimiter in it, at its byte {at}, and this framing cannot escape it"
    )]
    Delimiter {
        /// Where.
        at: usize,
    },
    /// What fills up a block would be lost from its end.
    #[error("the message ends in a zero, which would be taken for padding")]
    EndsInZero,
    /// Text was wanted.
    #[error("the message is not UTF-8 from its byte {valid} on")]
    NotUtf8 {
        /// How many of its bytes are UTF-8.
        valid: usize,
    },
    /// The number would be less than zero.
    #[error("a message of {len} bytes is too short: what is subtracted from its length is more")]
    TooShort {
        /// Its bytes.
        len: usize,
    },
    /// A frame whose reader keeps the header is written by whoever makes headers.
    #[error("this framing keeps the header, so the message has one already: write it as it is")]
    KeepsHeader,
}

/// Memory for what stands around a message, or for a message in another form. Used again and again.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// What stands before, or after.
    pub around: Vec<u8>,
    /// The message in another form.
    pub body: Vec<u8>,
}

impl Room {
    /// So many zeros.
    pub fn zeros(&mut self, len: usize) -> &[u8] {
        self.around.clear();
        self.around.resize(len, 0);
        &self.around
    }
}

/// The whole frame in one piece: for tests, and where it is to be looked at.
///
/// # Errors
/// When the framing cannot carry this message.
pub fn to_vec<E: Encode + ?Sized>(encode: &E, message: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let mut room = Room::default();
    Ok(encode.pieces(message, &mut room)?.concat())
}

/// Writes a frame with as few system calls as the system allows: one, if it takes all.
///
/// # Errors
/// `InvalidInput` with an [`EncodeError`] inside when the framing cannot carry the message; nothing
/// is written then. Otherwise what the writer says.
pub fn write_frame<E: Encode + ?Sized>(
    out: &mut (impl Write + ?Sized),
    encode: &E,
    message: &[u8],
    room: &mut Room,
) -> io::Result<()> {
    let refused = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let [head, body, tail] = encode.pieces(message, room).map_err(refused)?;
    let mut pieces = [IoSlice::new(head), IoSlice::new(body), IoSlice::new(tail)];
    write_all_vectored(out, &mut pieces)
}

/// What `Write::write_all_vectored` will be once it is stable.
fn write_all_vectored(
    out: &mut (impl Write + ?Sized),
    mut pieces: &mut [IoSlice<'_>],
) -> io::Result<()> {
    // Empty pieces in front are nothing to write; a write of nothing would look like a full disk.
    IoSlice::advance_slices(&mut pieces, 0);
    while !pieces.is_empty() {
        match out.write_vectored(pieces) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => IoSlice::advance_slices(&mut pieces, len),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sandwich;

    impl Encode for Sandwich {
        fn pieces<'a>(
            &self,
            message: &'a [u8],
            _: &'a mut Room,
        ) -> Result<[&'a [u8]; 3], EncodeError> {
            match message {
                b"bad" => Err(EncodeError::EndsInZero),
                _ => Ok([b"<", message, b">"]),
            }
        }
    }

    /// Takes `most` bytes at a time, and is interrupted before each.
    struct Slow {
        most: usize,
        interrupted: bool,
        calls: u32,
        got: Vec<u8>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.calls += 1;
            let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
            let len = all.len().min(self.most);
            self.got.extend_from_slice(&all[..len]);
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[track_caller]
    fn check(most: usize, calls: u32) {
        let mut slow = Slow { most, interrupted: false, calls: 0, got: Vec::new() };
        write_frame(&mut slow, &Sandwich, b"hello", &mut Room::default()).unwrap();
        assert_eq!((slow.got.as_slice(), slow.calls), (&b"<hello>"[..], calls), "{most}");
    }

    #[test]
    fn a_frame_is_one_write_or_as_many_as_the_writer_wants() {
        check(100, 1);
        check(7, 1);
        check(6, 2);
        check(3, 3);
        check(1, 7);
    }

    #[test]
    fn a_writer_that_takes_nothing_is_an_error() {
        let mut slow = Slow { most: 0, interrupted: false, calls: 0, got: Vec::new() };
        let error = write_frame(&mut slow, &Sandwich, b"hello", &mut Room::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }

    #[test]
    fn of_a_message_that_cannot_be_carried_nothing_is_written() {
        let mut out = Vec::new();
        let error = write_frame(&mut out, &Sandwich, b"bad", &mut Room::default()).unwrap_err();
        assert_eq!((error.kind(), out.len()), (io::ErrorKind::InvalidInput, 0));
        assert!(error.to_string().contains("ends in a zero"), "{error}");
    }
}
