//! Lesson `buffers`: what lies where between a write and a read, until the writer blocks.
//!
//! ```text
//!   writer ──▶ ┌ send buffer ┐ ══ network ══▶ ┌ receive buffer ┐ ──▶ reader
//!              │  E D D D d  │                │   D C C B B A  │     takes what is there,
//!   write      └─────────────┘                └────────────────┘     not what was written
//!   returns      SIOCOUTQ                       FIONREAD
//!   here           d: sent, and kept until it is acknowledged
//! ```
//!
//! Two buffers in two kernels, and both ends know only their own: send(2) returns when the bytes are
//! in the first, recv(2) takes them out of the second. Neither remembers where one write ended.
//! When the reader does not read, the second fills, then the first, and then write(2) waits: that
//! is how TCP slows a writer down (RFC 9293, 3.8.6). The sizes are SO_SNDBUF and SO_RCVBUF,
//! socket(7); the counts are ioctls, see [`queues`](crate::queues).

use std::io::{self, Read, Write};
use std::net::TcpStream;

use anyhow::{Context, bail, ensure};
use cli::say;
use socket2::SockRef;

use crate::loopback::{self, Buffers};
use crate::queues;

mod picture;

use picture::{Picture, State};

/// What every segment can carry (RFC 9293, 3.7.1).
const SEGMENT_LEN_MIN: usize = 536;

/// So wide are both buffers together.
const CELLS: usize = 64;

/// What lies in the send and the receive buffer, until the writer blocks
#[derive(clap::Args)]
pub struct Args {
    /// Bytes of each message
    #[arg(long, value_name = "BYTES", default_value = "1024", value_parser = clap::value_parser!(u32).range(16..=65_536))]
    message: u32,
    /// Bytes that one read takes at most
    #[arg(long, value_name = "BYTES", default_value = "1500", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    read: u32,
    /// SO_SNDBUF of the writer; Linux doubles it
    #[arg(long, value_name = "BYTES", default_value = "4096", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    send_buffer: u32,
    /// SO_RCVBUF of the reader; Linux doubles it
    #[arg(long, value_name = "BYTES", default_value = "4096", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    receive_buffer: u32,
}

/// Writes until the writer would wait, then reads, and shows both buffers after every step.
///
/// # Errors
/// When a call fails, or a byte comes out that does not belong there.
pub fn run(Args { message, read, send_buffer, receive_buffer }: Args) -> anyhow::Result<()> {
    let size = |bytes: u32| usize::try_from(bytes).context("a size that no buffer can have");
    let mut stream = Stream::new(
        size(message)?,
        Buffers { send: Some(size(send_buffer)?), receive: Some(size(receive_buffer)?) },
    )?;
    say!("{}", stream.heading())?;
    let mut show = |row: String| Ok(say!("{row}")?);
    let rest = fill(&mut stream, &mut show)?;
    say!("the writer has to wait: {} written, and nobody has read one", stream.written)?;
    drain(&mut stream, rest, size(read)?, &mut show)?;
    say!("every byte came, in its order; that there were messages, only the letters tell")?;
    Ok(())
}

/// What becomes of a row.
type Show<'a> = &'a mut dyn FnMut(String) -> anyhow::Result<()>;

// ANCHOR: fill
/// Writes message after message until a write would have to wait. Returns how much of the last
/// message was not taken.
fn fill(stream: &mut Stream, show: Show<'_>) -> anyhow::Result<usize> {
    loop {
        let message = stream.next_message();
        let taken = stream.write(message.as_bytes())?;
        if stream.written == taken {
            // The first message is waited for, or at least the first of its segments: no network
            // makes them smaller, and there is always room for one.
            let first = taken.min(SEGMENT_LEN_MIN);
            loopback::wait_for(&stream.reader, first).context("nothing of the first came")?;
        }
        let name = &message[..1];
        let rest = message.len() - taken;
        match taken {
            0 => return Ok(rest),
            _ if rest == 0 => show(stream.row(&format!("write {name}"))?)?,
            _ => show(stream.row(&format!("write {name}: {taken} taken"))?)?,
        }
        if rest > 0 {
            return Ok(rest);
        }
    }
}

/// Reads until all was read. As soon as there is room, the torn message gets its end.
fn drain(stream: &mut Stream, mut rest: usize, room: usize, show: Show<'_>) -> anyhow::Result<()> {
    // Nothing of a message whose first byte was not taken: it is not missed.
    if stream.written.is_multiple_of(stream.message) {
        rest = 0;
    }
    while stream.read < stream.written || rest > 0 {
        let got = stream.read(room)?;
        show(stream.row(&format!("read {got}"))?)?;
        if rest > 0 {
            let end = stream.next_message();
            let taken = stream.write(&end.as_bytes()[end.len() - rest..])?;
            rest -= taken;
            if taken > 0 {
                show(stream.row(&format!("write {}: {taken} more", &end[..1]))?)?;
            }
        }
    }
    Ok(())
}
// ANCHOR_END: fill

/// A connection, and how much of it has gone where.
struct Stream {
    writer: TcpStream,
    reader: TcpStream,
    /// Bytes of each message.
    message: usize,
    written: usize,
    read: usize,
    picture: Picture,
}

impl Stream {
    fn new(message: usize, asked: Buffers) -> anyhow::Result<Self> {
        let (writer, reader) = loopback::pair_with(asked)?;
        // Nothing but full buffers is to hold anything back.
        writer.set_nodelay(true)?;
        // "Would block" instead of waiting: the reader is this same thread.
        writer.set_nonblocking(true)?;
        let send = SockRef::from(&writer).send_buffer_size()?;
        let receive = SockRef::from(&reader).recv_buffer_size()?;
        let cell = (send + receive).div_ceil(CELLS);
        Ok(Self {
            writer,
            reader,
            message,
            written: 0,
            read: 0,
            picture: Picture { message, cell },
        })
    }

    fn heading(&self) -> String {
        let Picture { message, cell } = self.picture;
        format!(
            "messages of {message} bytes; a letter stands for {cell}, a small one for what was sent and is kept"
        )
    }

    /// The message in which the next byte to be written lies.
    fn next_message(&self) -> String {
        picture::letter(self.written / self.message).to_string().repeat(self.message)
    }

    /// write(2), as much as there is room for.
    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<usize> {
        let taken = match (&self.writer).write(bytes) {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error).context("cannot write"),
        };
        self.written += taken;
        Ok(taken)
    }

    /// One read(2). Says what came, by message: `1024 of A, 476 of B`.
    fn read(&mut self, room: usize) -> anyhow::Result<String> {
        let mut buffer = vec![0; room];
        let len = (&self.reader).read(&mut buffer).context("cannot read")?;
        if len == 0 {
            bail!("the stream ended after {} of {} bytes", self.read, self.written);
        }
        let mut parts = Vec::new();
        let mut got = &buffer[..len];
        while !got.is_empty() {
            let index = self.read / self.message;
            let letter = picture::letter(index);
            let part = got.len().min((index + 1) * self.message - self.read);
            let (these, others) = got.split_at(part);
            ensure!(
                these.iter().all(|byte| char::from(*byte) == letter),
                "a byte of another message"
            );
            parts.push(format!("{part} of {letter}"));
            self.read += part;
            got = others;
        }
        Ok(format!("{len}: {}", parts.join(", ")))
    }

    // ANCHOR: state
    /// Asks both kernels' buffers. What was written is somewhere: read, or in one of them, or in both.
    fn state(&self) -> anyhow::Result<State> {
        let unsent = queues::unsent(&self.writer)?.unwrap_or_default();
        let kept = queues::unacknowledged(&self.writer)?;
        let unread = queues::unread(&self.reader)?.context("this system does not say what came")?;
        let (written, read) = (self.written, self.read);
        // Where the system does not count it, what has not come is called kept.
        let kept = kept.unwrap_or(written.saturating_sub(read + unread));
        ensure!(read + unread + kept >= written, "bytes are missing: {read} {unread} {kept}");
        Ok(State { written, read, unsent: unsent.min(kept), kept, unread })
    }
    // ANCHOR_END: state

    fn row(&self, what: &str) -> anyhow::Result<String> {
        let (send, receive) = self.picture.draw(self.state()?);
        Ok(format!("{what:<32}│{send}│ ▶ │{receive}│"))
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_whose_reader_does_not_read_has_to_wait() {
        check(1024, 4096, 4096, 1500);
        check(1000, 4096, 8192, 333);
        check(65_536, 1, 1, 65_536);
        check(3000, 4096, 1, 1000);
        check(1, 1, 1, 7);
    }

    #[track_caller]
    fn check(message: usize, send: usize, receive: usize, room: usize) {
        let mut stream =
            Stream::new(message, Buffers { send: Some(send), receive: Some(receive) }).unwrap();
        let mut rows = 0;
        let mut show = |_| {
            rows += 1;
            Ok(())
        };
        let rest = fill(&mut stream, &mut show).unwrap();
        assert!(stream.written > 0 && stream.read == 0);
        let state = stream.state().unwrap();
        assert!(state.unread > 0 && state.unread <= stream.written, "{state:?}");
        let begun = stream.written.div_ceil(message);
        drain(&mut stream, rest, room, &mut show).unwrap();
        assert_eq!(stream.read, stream.written);
        assert_eq!(stream.written, begun * message, "what was begun was finished, and no more");
        assert!(rows > 1, "{rows}");
    }
}
