//! Around any `Read` and `Write`: frames instead of bytes.
//!
//! ```text
//!  TcpStream ──read(2)──▶ buffer ──▶ Decoder ──▶ read_frame()
//!  TcpStream ◀─writev(2)─ head, body, tail ◀──── write_frame()
//! ```
//!
//! In the middle of a message that is longer than the buffer, a read goes past it, into the decoder.
//!
//! A read that times out or would block is an error of that call only: what came is kept, and the
//! next call goes on where it was. That is what `read_exact` cannot do; who gives up in the middle
//! of it has lost bytes, and with them the boundary.

use std::io::{self, Read, Write};

use thiserror::Error;

use crate::decoder::Decode;
use crate::encode::{Encode, Room, write_frame};
use crate::frame::{Frame, FrameError};

/// So much is read at once, unless another size is asked for.
const BUFFER_LEN: usize = 64 << 10;

/// Frames out of a reader.
#[derive(Debug)]
pub struct FramedReader<R, D> {
    reader: R,
    decoder: D,
    buffer: Box<[u8]>,
    /// What was read and not decoded lies between these.
    at: usize,
    len: usize,
    ended: bool,
}

/// Why there is no frame.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The reader says so. After a timeout the next call goes on.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes are none.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl<R: Read, D: Decode> FramedReader<R, D> {
    /// Reads up to 64 KiB at once.
    pub fn new(reader: R, decoder: D) -> Self {
        Self::with_buffer(reader, decoder, BUFFER_LEN)
    }

    /// Reads up to `len` bytes at once, one at least. A short buffer shows what short reads do.
    pub fn with_buffer(reader: R, decoder: D, len: usize) -> Self {
        let buffer = vec![0; len.max(1)].into_boxed_slice();
        Self { reader, decoder, buffer, at: 0, len: 0, ended: false }
    }

    // ANCHOR: read-frame
    /// The next frame; `None` at the end of the stream.
    ///
    /// # Errors
    /// When reading fails, or what was read is broken, too long, or ends in mid-frame.
    pub fn read_frame(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        loop {
            let unread = self.at..self.len;
            let (used, found) =
                self.decoder.find(self.buffer.get(unread.clone()).unwrap_or_default());
            self.at += used;
            if let Some(whole) = found? {
                let unread = self.buffer.get(unread).unwrap_or_default();
                return Ok(Some(self.decoder.open(whole, unread)?));
            }
            if self.ended {
                return Ok(self.decoder.finish()?);
            }
            self.refill()?;
        }
    }
    // ANCHOR_END: read-frame

    /// The reader, for its settings. What is read from it here is missing there.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The decoder, for its status.
    pub fn decoder(&self) -> &D {
        &self.decoder
    }

    fn refill(&mut self) -> io::Result<()> {
        loop {
            let spare = self.decoder.spare(self.buffer.len());
            let is_spare = spare.is_some();
            match self.reader.read(spare.unwrap_or(&mut self.buffer)) {
                Ok(len) => {
                    self.ended = len == 0;
                    if is_spare {
                        self.decoder.filled(len);
                    } else {
                        (self.at, self.len) = (0, len);
                    }
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Frames into a writer.
#[derive(Debug)]
pub struct FramedWriter<W, E> {
    writer: W,
    encode: E,
    room: Room,
}

impl<W: Write, E: Encode> FramedWriter<W, E> {
    /// Writes each frame at once.
    pub fn new(writer: W, encode: E) -> Self {
        Self { writer, encode, room: Room::default() }
    }

    /// Writes a frame: one vectored write, and more if the writer takes less.
    ///
    /// # Errors
    /// `InvalidInput` when the framing cannot carry the message; otherwise what the writer says.
    pub fn write_frame(&mut self, message: &[u8]) -> io::Result<()> {
        write_frame(&mut self.writer, &self.encode, message, &mut self.room)
    }

    /// The writer, for its settings.
    pub fn get_ref(&self) -> &W {
        &self.writer
    }

    /// The writer back.
    pub fn into_inner(self) -> W {
        self.writer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::Decoder;
    use crate::framings::Name;
    use crate::line::Line;

    /// Gives what it is told to, then the end of the stream.
    struct Script(Vec<io::Result<&'static [u8]>>);

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let bytes = self.0.remove(0)?;
            buffer[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }
    }

    #[test]
    fn what_every_framing_writes_it_reads_back_through_any_buffer() {
        let messages = ["hello", "", "你好", "x"];
        for name in Name::ALL.into_iter().skip(1) {
            let mut writer = FramedWriter::new(Vec::new(), name.encoder(9));
            for message in messages {
                writer.write_frame(message.as_bytes()).unwrap();
            }
            let stream = writer.into_inner();
            for len in [1, 2, 3, 1000] {
                let decoder = name.decoder(9, crate::decoder::Policy::Close);
                let mut reader = FramedReader::with_buffer(stream.as_slice(), decoder, len);
                for message in messages {
                    let frame = reader.read_frame().unwrap().unwrap();
                    assert_eq!(frame.bytes(), message.as_bytes(), "{name}, {len}");
                }
                assert!(reader.read_frame().unwrap().is_none());
                assert!(reader.read_frame().unwrap().is_none());
            }
        }
    }

    #[test]
    fn a_read_that_times_out_loses_nothing() {
        let failed = |kind: io::ErrorKind| Err(kind.into());
        let script = vec![
            Ok(&b"hel"[..]),
            failed(io::ErrorKind::WouldBlock),
            failed(io::ErrorKind::Interrupted),
            Ok(b"lo\nwor"),
        ];
        let mut reader = FramedReader::new(Script(script), Decoder::new(Line::new(), 99));
        match reader.read_frame() {
            Err(ReadError::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            other => panic!("{other:?}"),
        }
        assert_eq!(reader.read_frame().unwrap().unwrap().text(), Some("hello"));
        let error = reader.read_frame().unwrap_err();
        assert!(error.to_string().contains("in mid-frame, after 3 of"), "{error}");
    }
}
