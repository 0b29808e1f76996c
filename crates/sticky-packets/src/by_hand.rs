//! A length in front, by hand: all it takes where a program may wait for every byte.
//!
//! ```text
//!   00 00 00 05  h e l l o  00 00 00 02  h i
//!  └─ 4 bytes ─┘└─ 5 ────┘ └─ 4 bytes ─┘└ 2 ┘
//!    read_header   read_to_end of take(5)
//! ```
//!
//! Four things are easily forgotten, and each is a line here: the limit, which comes before any
//! memory; the end between two messages, which is no error; the end within one, which is; and one
//! write for both parts, not two.
//!
//! It is right as long as nothing interrupts it. Whoever gives up in the middle, because a timeout
//! came or `select!` took another branch, has lost the bytes that were read, and with them the
//! boundary. [`framed`](crate::framed) keeps them.

use std::io::{self, Read, Write};

use cli::escape;

/// No message is longer.
pub const MESSAGE_LEN_MAX: u32 = 64 << 10;

// ANCHOR: write
/// Writes a message.
///
/// # Errors
/// `InvalidInput` when it is too long; otherwise what the writer says.
pub fn write_message(out: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let len = match u32::try_from(message.len()) {
        Ok(len) if len <= MESSAGE_LEN_MAX => len,
        _ => {
            let what = format!("a message has at most {MESSAGE_LEN_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
    };
    // In one write: a second one would wait for the acknowledgement of the first.
    out.write_all(&[&len.to_be_bytes(), message].concat())
}
// ANCHOR_END: write

// ANCHOR: read
/// Reads a message, in place of what was in `message`, and says how long it is. 0 is the end of the
/// stream: a message that is empty is passed over.
///
/// # Errors
/// `InvalidData` when it is too long; `UnexpectedEof` when the stream ends before it does; otherwise
/// what the reader says.
pub fn read_message(input: &mut impl Read, message: &mut Vec<u8>) -> io::Result<usize> {
    message.clear();
    while message.is_empty() {
        let Some(header) = read_header(input)? else { return Ok(0) };
        let len = u32::from_be_bytes(header);
        if len > MESSAGE_LEN_MAX {
            return Err(too_long(len, header));
        }
        // Not vec![0; len]: memory grows with what comes, not with what is announced.
        let came = input.take(len.into()).read_to_end(message)?;
        if came < len as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(message.len())
}

/// The four bytes of a length; `None` where the stream ends before them.
fn read_header(input: &mut impl Read) -> io::Result<Option<[u8; 4]>> {
    let mut header = [0; 4];
    let mut came = 0;
    while came < header.len() {
        match input.read(&mut header[came..]) {
            Ok(0) if came == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => came += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(header))
}
// ANCHOR_END: read

fn too_long(len: u32, header: [u8; 4]) -> io::Error {
    let text = escape(&header);
    let what = format!(
        "a length of {len} is more than the limit of {MESSAGE_LEN_MAX}; as text it is \"{text}\""
    );
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in_whatever_a_read_gives() {
        let messages = ["hello", "你好", "x"].map(str::as_bytes);
        let mut stream = Vec::new();
        for message in messages {
            write_message(&mut stream, message).unwrap();
            write_message(&mut stream, b"").unwrap();
        }
        for size in 1..=stream.len() {
            let mut reader = Pieces(&stream, size);
            let mut message = Vec::new();
            for want in messages {
                assert_eq!(read_message(&mut reader, &mut message).unwrap(), want.len());
                assert_eq!(message, want);
            }
            assert_eq!(read_message(&mut reader, &mut message).unwrap(), 0);
        }
    }

    #[test]
    fn what_is_announced_costs_nothing() {
        let refused = |mut stream: &[u8]| {
            let mut message = Vec::new();
            let error = read_message(&mut stream, &mut message).unwrap_err();
            assert!(message.capacity() <= 1024, "{}", message.capacity());
            error
        };
        let error = refused(b"    ");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let text = "a length of 538976288 is more than the limit of 65536; as text it is \"    \"";
        assert_eq!(error.to_string(), text);
        assert_eq!(refused(b"\0\x01\0\x01").kind(), io::ErrorKind::InvalidData);
        // This one passes, and is not reserved either.
        assert_eq!(refused(b"\0\x01\0\0hello").kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn an_end_between_two_messages_is_no_error_and_one_within_is() {
        let mut message = Vec::new();
        assert_eq!(read_message(&mut [].as_slice(), &mut message).unwrap(), 0);
        for stream in [&b"\0"[..], b"\0\0\0\x02", b"\0\0\0\x02x"] {
            let error = read_message(&mut { stream }, &mut message).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn a_message_that_would_be_refused_is_not_written() {
        let mut stream = Vec::new();
        let long = vec![0; MESSAGE_LEN_MAX as usize + 1];
        let error = write_message(&mut stream, &long).unwrap_err();
        assert_eq!((error.kind(), stream.len()), (io::ErrorKind::InvalidInput, 0));
        write_message(&mut stream, &long[1..]).unwrap();
    }

    /// Gives so many bytes at once at most.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = buffer.len().min(self.1);
            self.0.read(&mut buffer[..len])
        }
    }
}
