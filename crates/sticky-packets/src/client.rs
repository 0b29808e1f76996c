//! Role `client`: says what is typed, a message for each line, under any framing.
//!
//! ```text
//!  typed lines ──▶ encoder ──▶ one writev(2) for each     or, with --one-write,
//!                                                         one write(2) for all of them
//!  "server: …" ◀── decoder ◀── read(2)                    in a thread of its own
//! ```
//!
//! `--one-write` is not a trick to provoke a mistake. It is what Nagle's algorithm, a busy
//! processor or a buffering library do whenever they like, done on purpose.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, anyhow, bail};
use cli::{Advice, Exit, Period, ask_bytes, count, escape, note, say};
use serde_json::{Value, json};

use crate::choose::{self, Choice, FramingArgs};
use crate::decoder::Decode;
use crate::encode::{Room, write_frame};
use crate::frame::FrameError;
use crate::framed::{FramedReader, ReadError};
use crate::record::{Calls, Kept, Recorder, hex};

/// More than this is not gathered for one write.
const GATHERED_MAX: usize = 16 << 20;

/// Says what is typed, a message for each line
#[derive(clap::Args)]
pub struct Args {
    /// The server's address
    #[arg(value_name = "IP:PORT", value_parser = cli::peer, default_value = "127.0.0.1:8005")]
    server: SocketAddr,
    #[command(flatten)]
    framing: FramingArgs,
    /// Write all messages at once, at the end of input
    #[arg(long)]
    one_write: bool,
    /// The most that one read takes
    #[arg(long, value_name = "BYTES", value_parser = choose::size, default_value = "1024")]
    read_size: NonZeroUsize,
    /// How long the server may say nothing
    #[arg(long, value_name = "TIME", default_value = "10min")]
    patience: Period,
    /// Show the writes and the reads as JSON, and nothing else
    #[arg(long)]
    json: bool,
}

/// Says everything, and shows what the server says.
///
/// # Errors
/// When a call fails, a message cannot be sent, or the server breaks the framing.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { server, framing, one_write, read_size, patience, json } = args;
    let choice = framing.choose()?;
    let connection =
        TcpStream::connect(server).with_context(|| format!("cannot connect to {server}"))?;
    connection.set_read_timeout(Some(patience.duration()))?;
    // Nothing is held back: what a message costs is to be seen, and not what Nagle makes of it.
    connection.set_nodelay(true)?;
    let has_ended = Arc::new(AtomicBool::new(false));
    let speaker = Speaker {
        // The same socket under a second descriptor, for the second thread.
        recorder: Recorder::new(connection.try_clone()?, json),
        choice: choice.clone(),
        one_write,
        has_ended: Arc::clone(&has_ended),
        said: Said { keep: json, ..Said::default() },
    };
    let speaker = thread::spawn(move || speaker.speak());

    // If this fails the program ends, and the thread with it: nothing can end its wait for the
    // keyboard.
    let mut reader = FramedReader::with_buffer(
        Recorder::new(&connection, json),
        choice.decoder(),
        read_size.get(),
    );
    hear(&mut reader, server, json)?;
    let heard = reader.get_ref().calls().json();
    if !has_ended.load(Ordering::Acquire) {
        bail!("{server} has closed the connection before all was said");
    }
    let (said, writes) = speaker.join().unwrap_or_else(|panic| resume_unwind(panic))?;
    if json {
        say!("{}", object(&choice, &said, &writes, &heard))?;
    }
    match said.refused {
        0 => Ok(()),
        refused => {
            Err(anyhow!("{} could not be sent", count(refused, "message"))).exit(Exit::Failed)
        }
    }
}

/// The thread that writes.
struct Speaker {
    recorder: Recorder<TcpStream>,
    choice: Choice,
    one_write: bool,
    /// It waits for the keyboard no more: it can be joined.
    has_ended: Arc<AtomicBool>,
    said: Said,
}

/// What was sent.
#[derive(Default)]
struct Said {
    /// With `--json`: each message, and where it lies in the stream.
    keep: bool,
    messages: Kept,
    written: usize,
    refused: usize,
}

impl Speaker {
    /// Says everything, and tells the thread that hears when it has ended.
    fn speak(mut self) -> anyhow::Result<(Said, Calls)> {
        let said = self.say_all();
        self.has_ended.store(true, Ordering::Release);
        // Also where not all could be said: or both ends would wait for each other.
        let leave = self.take_leave();
        said.and(leave)?;
        let calls = self.recorder.calls();
        Ok((self.said, calls))
    }

    // ANCHOR: speak
    /// Until the end of input.
    fn say_all(&mut self) -> anyhow::Result<()> {
        let encoder = self.choice.encoder();
        let (mut room, mut all) = (Room::default(), Vec::new());
        while let Some(message) = ask_bytes("")? {
            let pieces = match encoder.pieces(&message, &mut room) {
                Ok(pieces) => pieces.map(<[u8]>::len),
                Err(error) => {
                    note!("not sent: {error}");
                    self.said.refused += 1;
                    continue;
                }
            };
            self.said.note(&message, pieces);
            if self.one_write {
                write_frame(&mut all, &encoder, &message, &mut room)?;
                if all.len() > GATHERED_MAX {
                    bail!("more than {GATHERED_MAX} bytes for one write");
                }
            } else {
                write_frame(&mut self.recorder, &encoder, &message, &mut room)
                    .context("cannot send")?;
            }
        }
        self.recorder.write_all(&all).context("cannot send")
    }
    // ANCHOR_END: speak

    /// The end of this half: the server sees it as a read of 0 bytes.
    fn take_leave(&self) -> anyhow::Result<()> {
        match self.recorder.get_ref().shutdown(Shutdown::Write) {
            // A connection that is reset needs no leave; whoever reads it reports that.
            Err(error) if error.kind() != io::ErrorKind::NotConnected => {
                Err(error).context("cannot take leave")
            }
            _ => Ok(()),
        }
    }
}

impl Said {
    /// A message of which head, body and tail go on the wire.
    fn note(&mut self, message: &[u8], [head, body, tail]: [usize; 3]) {
        let begin = self.written;
        self.written += head + body + tail;
        if !self.keep {
            return;
        }
        self.messages.push(message.len(), || {
            json!({
                "begin": begin,
                "end": self.written,
                "body": [begin + head, begin + head + body],
                "hex": hex(message),
                "text": escape(message).to_string(),
            })
        });
    }
}

/// Shows what the server says, until its half ends.
fn hear(
    reader: &mut FramedReader<Recorder<&TcpStream>, Box<dyn Decode + Send>>,
    server: SocketAddr,
    silent: bool,
) -> anyhow::Result<()> {
    loop {
        match reader.read_frame() {
            Ok(Some(message)) if !silent => say!("server: {}", escape(message.bytes()))?,
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(ReadError::Frame(error)) if error.goes_on => note!("not understood: {error}"),
            Err(ReadError::Frame(error)) => return broken(error, server),
            Err(ReadError::Io(error)) => {
                return Err(error).with_context(|| format!("lost {server}"));
            }
        }
    }
}

fn broken(error: FrameError, server: SocketAddr) -> anyhow::Result<()> {
    Err(anyhow!(error))
        .with_context(|| format!("what {server} says cannot be understood"))
        .hint("do both ends use the same framing? `explain` helps with lengths")
        .exit(Exit::Protocol)
}

fn object(choice: &Choice, said: &Said, writes: &Calls, reads: &Value) -> Value {
    json!({
        "role": "client",
        "framing": choice.name().as_str(),
        "messages": said.messages.json(),
        "writes": writes.json(),
        "reads": reads,
    })
}
