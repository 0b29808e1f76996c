//! Role `server`: hears messages under any framing, and says how many it heard.
//!
//! ```text
//!  client                                  server
//!  message, message, message  ──────────▶  read … at most --read-size bytes at once
//!  end of my half             ──────────▶    decoder ──▶ "heard: …" for each message
//!                             ◀──────────  one message: "heard 3"
//! ```
//!
//! The framing is all that differs from one run to the next. With `--echo` each message goes back
//! at once, for those who try their own program. System calls: read(2), writev(2).

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;

use anyhow::{Context, anyhow};
use cli::failure::describe;
use cli::output::StdoutError;
use cli::{Advice, Exit, Period, Stop, escape, note, say};
use serde_json::{Value, json};
use thiserror::Error;

use crate::choose::{self, Choice, FramingArgs};
use crate::decoder::Decode;
use crate::encode::{Encode, EncodeError};
use crate::frame::{FrameError, Why};
use crate::framed::{FramedReader, FramedWriter, ReadError};
use crate::loopback::timed_out;
use crate::record::{Kept, Recorder, hex};

/// Hears messages, and says how many it heard
#[derive(clap::Args)]
pub struct Args {
    /// Address to listen on; port 0 takes any free one
    #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:8005")]
    bind: SocketAddr,
    #[command(flatten)]
    framing: FramingArgs,
    /// The most that one read takes, as the 1024 in the tutorials' recv(1024)
    #[arg(long, value_name = "BYTES", value_parser = choose::size, default_value = "1024")]
    read_size: NonZeroUsize,
    /// Send each message back at once, instead of a count at the end
    #[arg(long)]
    echo: bool,
    /// How long a client may say nothing
    #[arg(long, value_name = "TIME", default_value = "10min")]
    patience: Period,
    /// End after one client
    #[arg(long)]
    once: bool,
    /// End after one client, with its reads and messages as JSON; all else goes to stderr
    #[arg(long)]
    json: bool,
}

/// Serves one client after the other.
///
/// # Errors
/// When a call fails; with `--once` and `--json` also when the client breaks the framing.
pub fn run(args: Args) -> anyhow::Result<()> {
    let choice = args.framing.clone().choose()?;
    Server { args, choice }.serve()
}

struct Server {
    args: Args,
    choice: Choice,
}

impl Server {
    fn serve(&self) -> anyhow::Result<()> {
        let args = &self.args;
        let stop = Stop::server()?;
        let listener = TcpListener::bind(args.bind)
            .map_err(cli::at_bind)
            .with_context(|| format!("cannot listen on {}", args.bind))?;
        let address = listener.local_addr()?;
        match args.json {
            true => note!("listening on {address}"),
            false => cli::ready(address)?,
        }

        loop {
            // Simplified: one client at a time, and a failing accept ends it, as in chapter 4's
            // `talk`. The room has neither fault.
            let (connection, client) = listener.accept().context("cannot accept a connection")?;
            let _in_hand = stop.in_hand(format_args!("the conversation with {client}"));
            let heard = self.hold(&connection);
            if args.json {
                say!("{}", heard.json(&self.choice))?;
            }
            match heard.ended {
                Err(Over::Stdout(error)) => return Err(error.into()),
                Err(over) if args.once || args.json => return over.report(client),
                Err(over) => say!("lost {client}: {over}")?,
                Ok(()) if !args.json => say!("the end; heard {}", heard.messages.total)?,
                Ok(()) => {}
            }
            if args.once || args.json {
                return Ok(());
            }
        }
    }

    fn hold(&self, connection: &TcpStream) -> Heard {
        let (Args { json, read_size, .. }, choice) = (&self.args, &self.choice);
        let recorder = || Recorder::new(connection, *json);
        let mut reader = FramedReader::with_buffer(recorder(), choice.decoder(), read_size.get());
        let mut writer = FramedWriter::new(recorder(), choice.encoder());
        let mut messages = Messages::new(*json);
        let patience = Some(self.args.patience.duration());
        let ended = connection
            .set_read_timeout(patience)
            .and_then(|()| connection.set_write_timeout(patience))
            .map_err(Over::Lost)
            .and_then(|()| self.hear(&mut reader, &mut writer, &mut messages));
        let (reads, writes) = (reader.get_ref().calls(), writer.get_ref().calls());
        Heard { messages, reads: reads.json(), writes: writes.json(), ended }
    }

    // ANCHOR: hear
    /// Until the client's half ends.
    fn hear<R: io::Read, W: io::Write>(
        &self,
        reader: &mut FramedReader<R, Box<dyn Decode + Send>>,
        writer: &mut FramedWriter<W, Box<dyn Encode + Send>>,
        messages: &mut Messages,
    ) -> Result<(), Over> {
        let mut begin = Some(0);
        loop {
            let mut passed_over = false;
            match reader.read_frame() {
                Ok(Some(message)) => {
                    messages.heard(message.bytes())?;
                    if self.args.echo {
                        answer(writer, message.bytes())?;
                    }
                }
                Ok(None) => break,
                // What is wrong is known, and where the next message begins: it goes on there.
                Err(ReadError::Frame(error)) if error.goes_on => {
                    begin = Some(error.offset);
                    passed_over = matches!(error.why, Why::TooLong { .. });
                    messages.refused(&error)?;
                }
                Err(ReadError::Frame(error)) => return Err(Over::Frame(error)),
                Err(ReadError::Io(error)) => return Err(Over::Lost(error)),
            }
            let end = reader.decoder().status().taken;
            messages.place(begin, end);
            // What is too long is refused before its end, so where the next begins nobody has said.
            begin = (!passed_over).then_some(end);
        }
        if !self.args.echo {
            answer(writer, format!("heard {}", messages.total).as_bytes())?;
        }
        Ok(())
    }
    // ANCHOR_END: hear
}

/// What a client said.
struct Heard {
    messages: Messages,
    reads: Value,
    writes: Value,
    ended: Result<(), Over>,
}

/// Why a conversation ended before its end.
#[derive(Debug, Error)]
enum Over {
    #[error("{0}")]
    Frame(FrameError),
    #[error("{}", trouble(.0))]
    Lost(io::Error),
    #[error(transparent)]
    Stdout(#[from] StdoutError),
}

/// What the system says, but of a wait that ran out: that would be "try again".
fn trouble(error: &io::Error) -> String {
    match timed_out(error) {
        true => "it has said nothing for too long, or taken nothing".to_owned(),
        false => describe(error),
    }
}

/// Says something, if the framing can.
fn answer<W: io::Write>(
    writer: &mut FramedWriter<W, Box<dyn Encode + Send>>,
    message: &[u8],
) -> Result<(), Over> {
    match writer.write_frame(message) {
        Err(error) if error.get_ref().is_some_and(|inner| inner.is::<EncodeError>()) => {
            note!("cannot answer: {error}");
            Ok(())
        }
        result => result.map_err(Over::Lost),
    }
}

/// The messages of one client.
struct Messages {
    total: u64,
    /// With `--json`: what the object will say.
    kept: Option<Kept>,
}

impl Messages {
    fn new(kept: bool) -> Self {
        Self { total: 0, kept: kept.then(Kept::default) }
    }

    fn heard(&mut self, message: &[u8]) -> Result<(), StdoutError> {
        self.total += 1;
        let Some(kept) = &mut self.kept else { return say!("heard: {}", escape(message)) };
        kept.push(
            message.len(),
            || json!({ "hex": hex(message), "text": escape(message).to_string() }),
        );
        Ok(())
    }

    fn refused(&mut self, error: &FrameError) -> Result<(), StdoutError> {
        let Some(kept) = &mut self.kept else { return say!("not heard: {error}") };
        let text = error.to_string();
        kept.push(text.len(), || json!({ "error": text }));
        Ok(())
    }

    /// Where in the stream the last one lay, as far as that is known.
    fn place(&mut self, begin: Option<u64>, end: u64) {
        if let Some(Value::Object(last)) = self.kept.as_mut().and_then(Kept::last_mut) {
            // One that has its place has kept it, and what came behind it was not kept.
            if !last.contains_key("end") {
                last.insert("begin".to_owned(), begin.into());
                last.insert("end".to_owned(), end.into());
            }
        }
    }
}

impl Heard {
    fn json(&self, choice: &Choice) -> Value {
        let error = self.ended.as_ref().err().map(ToString::to_string);
        json!({
            "role": "server",
            "framing": choice.name().as_str(),
            "reads": self.reads,
            "messages": self.messages.kept.as_ref().map(Kept::json),
            "heard": self.messages.total,
            "writes": self.writes,
            "error": error,
        })
    }
}

impl Over {
    fn report(self, client: SocketAddr) -> anyhow::Result<()> {
        match self {
            Self::Frame(error) => Err(anyhow!(error))
                .with_context(|| format!("what {client} says cannot be understood"))
                .hint("do both ends use the same framing? `explain` helps with lengths")
                .exit(Exit::Protocol),
            Self::Lost(error) => Err(error).with_context(|| format!("lost {client}")),
            Self::Stdout(error) => Err(error.into()),
        }
    }
}
