//! Role `client`, as `get` and `put`: a socket and a clock around [`opening`](crate::opening),
//! [`sender`](crate::sender) and [`receiver`](crate::receiver).
//!
//! ```text
//!  get  request ──▶ first answer ──▶ receiver ──▶ .tftp-81-3.part ── rename(2) ──▶ LOCAL
//!  put  request ──▶ first answer ──▶ sender  ◀── LOCAL
//! ```
//!
//! Without flags it asks for what suits the way to the server: blocks that just fit the path's MTU,
//! as a fragment that is lost takes the whole block with it, and as many of them in a window as the
//! socket's buffer holds. [`choice`] has the arithmetic, [`target`] reads what was typed,
//! [`exchange`] has the first exchange, [`local`] the file at this end.
//!
//! A client that ends by Ctrl-C tells the server, removes what it began, and ends with 130.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use cli::{Advice, Exit, Period, Stop, escape, note, say};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::drive::{
    DriveError, OwnPort, ReceiveEvents, Sink, Source, rate, receive_file, send_error, send_file,
};
use crate::io::{Port, SLOT_LEN, SLOTS_MAX, Slots};
use crate::opening::{Direction, OpenError, Opened};
use crate::options::{Agreed, Wanted};
use crate::receiver::{self, Receiver};
use crate::rollover::Rollover;
use crate::root::Denied;
use crate::sender::Sender;
use crate::transfer::{Dally, Patience, Terms, TransferError};
use crate::wire::{ErrorCode, Mode, Packet};

pub mod choice;
pub mod exchange;
pub mod local;
pub mod target;

use exchange::{Answered, open};
use local::Local;
use target::Target;

/// Fetches a file from a server
#[derive(clap::Args)]
#[command(
    override_usage = "tftp get [OPTIONS] HOST[:PORT] REMOTE [LOCAL|-]\n       \
                      tftp get [OPTIONS] tftp://HOST[:PORT]/REMOTE[;mode=netascii] [LOCAL|-]",
    after_help = "LOCAL is replaced when the file has come whole, and not touched before; - is stdout."
)]
pub struct GetArgs {
    /// The server, or a URL with the file's name
    #[arg(value_name = "HOST[:PORT]")]
    server: String,
    /// What the server calls the file, and where to put it
    #[arg(value_name = "REMOTE [LOCAL|-]", num_args = 0..=2)]
    names: Vec<OsString>,
    #[command(flatten)]
    options: ClientOptions,
}

/// Stores a file on a server
#[derive(clap::Args)]
#[command(override_usage = "tftp put [OPTIONS] HOST[:PORT] LOCAL [REMOTE]\n       \
                      tftp put [OPTIONS] tftp://HOST[:PORT]/REMOTE[;mode=netascii] LOCAL")]
pub struct PutArgs {
    /// The server, or a URL with the file's name
    #[arg(value_name = "HOST[:PORT]")]
    server: String,
    /// The file here, and what the server is to call it
    #[arg(value_name = "LOCAL [REMOTE]", num_args = 1..=2, required = true)]
    names: Vec<OsString>,
    #[command(flatten)]
    options: ClientOptions,
}

/// What both ways have in common.
#[derive(clap::Args, Clone, Debug)]
pub struct ClientOptions {
    /// Ask for blocks of this size; otherwise as the path allows
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(8..=65_464))]
    blksize: Option<u16>,
    /// Ask for so many blocks before an ACK; otherwise as the socket's buffer allows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=32_767))]
    windowsize: Option<u16>,
    /// How long the first answer may take; whole seconds are asked of the server too
    #[arg(long, value_name = "T")]
    timeout: Option<Period>,
    /// How often to repeat before giving up
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// As text, whose lines end as is the custom here
    #[arg(long)]
    netascii: bool,
    /// Ask for no options, as a client of 1992 would
    #[arg(long, conflicts_with_all = ["blksize", "windowsize"])]
    no_options: bool,
    /// The number of the block behind number 65535
    #[arg(long, value_name = "0|1", default_value = "0", value_parser = crate::server::rollover)]
    rollover: Rollover,
    /// Numbers as one JSON object
    #[arg(long)]
    json: bool,
    /// Say nothing but errors
    #[arg(long)]
    quiet: bool,
}

/// Fetches a file.
///
/// # Errors
/// When the file did not arrive whole.
pub fn get(args: GetArgs) -> anyhow::Result<()> {
    let (target, local) = Target::of_get(&args.server, args.names).exit(Exit::Usage)?;
    let local = Local::new(local, &target.remote)?;
    if args.options.json && local.is_stdout() {
        return Err(anyhow!("stdout cannot have both the file and --json")).exit(Exit::Usage);
    }
    let stop = Stop::client()?;
    let doing = format!("cannot get {} from {}", escape(&target.remote), target.host);
    let client = Client { options: args.options, stop, target };
    client.get(&local).context(doing)
}

/// Stores a file.
///
/// # Errors
/// When the server did not acknowledge the whole file.
pub fn put(args: PutArgs) -> anyhow::Result<()> {
    let (target, path) = Target::of_put(&args.server, args.names).exit(Exit::Usage)?;
    let (file, len) = local::open(&path)?;
    let stop = Stop::client()?;
    let doing = format!("cannot put {} to {}", escape(&target.remote), target.host);
    let client = Client { options: args.options, stop, target };
    client.put(file, len).context(doing)
}

struct Client {
    options: ClientOptions,
    stop: Stop,
    target: Target,
}

/// What a transfer came to.
struct Summary {
    verb: &'static str,
    bytes: u64,
    agreed: Agreed,
    took: Duration,
    data: (u64, u64),
    timeouts: u64,
    calls: u64,
}

/// How often a request is repeated, where nobody says: some twenty seconds.
const OPENING_RETRIES: u32 = 5;

/// How often the clock may run out for a block: some forty seconds, for a server whose disk is slow.
const RETRIES: u32 = 10;

/// The longest stay to repeat the last ACK. A shorter `--timeout` shortens it.
const DALLY: Duration = Duration::from_secs(5);

/// How many received bytes wait to be written, at most.
const PENDING_LEN: usize = 256 << 10;

impl Client {
    fn get(&self, local: &Local) -> anyhow::Result<()> {
        let began = Instant::now();
        // Before the server is asked: it would send in vain.
        let store = local.create()?;
        let peer = Arc::new(Mutex::new(None));
        let (port, answered) = self.first_exchange(Direction::Download, None, local, &peer)?;
        let Answered { peer, opened: Opened::Receive(agreed, start), first, round_trip } = answered
        else {
            return Err(anyhow!("an upload was opened where a download was asked for"));
        };
        let mut sink = Sink::new(store, self.mode(), PENDING_LEN);
        if let (Mode::Octet, Some(tsize)) = (self.mode(), agreed.tsize.filter(|size| *size > 0)) {
            sink.expect(tsize);
        }
        let mut machine = Receiver::new(Instant::now(), &self.terms(agreed, round_trip), start);
        let mut channel = OwnPort::new(port, peer, Slots::new(SLOTS_MAX, SLOT_LEN));
        let mut events = Download { bar: self.bar(agreed.tsize), summary: None, agreed, began };
        let first = (start == receiver::Start::Silence).then_some(first.as_slice());
        let ended = receive_file(&mut channel, &mut machine, &mut sink, None, first, &mut events);
        if let Some(bar) = &events.bar {
            bar.finish_and_clear();
        }
        match (events.summary, ended) {
            // Once the file is kept, nothing can be lost any more.
            (Some(summary), _) => self.say(&summary, local.is_stdout()),
            (None, Err(error)) => {
                send_error(&mut channel, &error);
                if local.is_stdout() && is_closed_pipe(&error) {
                    return Ok(());
                }
                Err(explain(error))
            }
            (None, Ok(())) => Err(anyhow!("the transfer ended without the file")),
        }
    }

    fn put(&self, file: std::fs::File, len: u64) -> anyhow::Result<()> {
        let began = Instant::now();
        let tsize = (self.mode() == Mode::Octet).then_some(len);
        let peer = Arc::new(Mutex::new(None));
        let local = Local::nowhere();
        let (port, answered) = self.first_exchange(Direction::Upload, tsize, &local, &peer)?;
        let Answered { peer, opened: Opened::Send(agreed, start), round_trip, .. } = answered
        else {
            return Err(anyhow!("a download was opened where an upload was asked for"));
        };
        let mut machine = Sender::new(Instant::now(), &self.terms(agreed, round_trip), start);
        let mut source = Source::new(file, len, self.mode(), agreed);
        let mut channel = OwnPort::new(port, peer, Slots::new(1, 2048));
        let bar = self.bar(Some(len));
        let mut sent = 0;
        let ended = send_file(&mut channel, &mut machine, &mut source, None, true, &mut |bytes| {
            sent = bytes;
            if let Some(bar) = &bar {
                bar.set_position(bytes);
            }
        });
        if let Some(bar) = &bar {
            bar.finish_and_clear();
        }
        if let Err(error) = ended {
            send_error(&mut channel, &error);
            return Err(explain(error));
        }
        let counts = machine.sent();
        let summary = Summary {
            verb: "sent",
            bytes: if self.mode() == Mode::Octet { len } else { sent },
            agreed,
            took: began.elapsed(),
            data: (counts.data, counts.repeated),
            timeouts: counts.timeouts,
            calls: crate::drive::Channel::calls(&channel),
        };
        self.say(&summary, false)
    }

    /// Asks each address of the host in turn, until one of them answers.
    fn first_exchange(
        &self,
        direction: Direction,
        tsize: Option<u64>,
        local: &Local,
        peer: &Arc<Mutex<Option<SocketAddr>>>,
    ) -> anyhow::Result<(Arc<Port>, Answered)> {
        let mut last = None;
        for server in self.target.addresses()? {
            let port =
                Port::bind(exchange::any_port_for(server)).context("cannot open a socket")?;
            let port = Arc::new(port);
            self.clean_up_on_signals(&port, local, peer);
            let wanted = self.wanted(direction, tsize, server, &port);
            let patience = self.patience(OPENING_RETRIES);
            let answered =
                open(&port, server, direction, &self.target, wanted, patience, self.mode());
            match answered {
                Ok(answered) => {
                    *peer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answered.peer);
                    return Ok((port, answered));
                }
                Err(exchange::Failed::Unreachable) => {
                    last = Some(anyhow!("nobody listens at {server}"));
                }
                Err(failed) => return Err(explain_opening(failed)),
            }
        }
        Err(last.unwrap_or_else(|| anyhow!("the host has no address")))
            .hint("compare the port with the server's first line; without one it is 69")
    }

    fn wanted(
        &self,
        direction: Direction,
        tsize: Option<u64>,
        server: SocketAddr,
        port: &Port,
    ) -> Wanted {
        let options = &self.options;
        if options.no_options {
            return Wanted { rollover: options.rollover, ..Wanted::default() };
        }
        let blksize = options.blksize.unwrap_or_else(|| choice::blksize(server));
        let windowsize =
            options.windowsize.unwrap_or_else(|| choice::windowsize(port.room(), blksize));
        let download = direction == Direction::Download && self.mode() == Mode::Octet;
        Wanted {
            blksize: Some(blksize),
            windowsize: Some(windowsize).filter(|size| *size > 1),
            timeout: options.timeout.and_then(choice::whole_seconds),
            tsize: if download { Some(0) } else { tsize },
            rollover: options.rollover,
        }
    }

    fn patience(&self, retries: u32) -> Patience {
        let first = self.options.timeout.map_or(Duration::from_secs(1), Period::duration);
        let retries = self.options.retries.unwrap_or(retries);
        // Where nothing got lost, the last ACK most likely did not either, and nobody likes to wait. A
        // server that misses it after all is told by ICMP that we have gone.
        let dally = Dally::AfterLosses { most: DALLY.min(first * 2) };
        Patience { first, retries, dally, ..Patience::default() }
    }

    fn terms(&self, agreed: Agreed, round_trip: Option<Duration>) -> Terms {
        Terms { agreed, patience: self.patience(RETRIES), round_trip }
    }

    fn mode(&self) -> Mode {
        if self.options.netascii { Mode::Netascii } else { self.target.mode }
    }

    fn clean_up_on_signals(
        &self,
        port: &Arc<Port>,
        local: &Local,
        peer: &Arc<Mutex<Option<SocketAddr>>>,
    ) {
        let (port, peer, root) = (Arc::clone(port), Arc::clone(peer), local.root());
        self.stop.cleanup(move || {
            if let Some(root) = root {
                root.remove_unfinished();
            }
            // The server need not wait for somebody who has gone.
            let peer = peer.lock().unwrap_or_else(PoisonError::into_inner);
            let packet = Packet::Error { code: ErrorCode::NOT_DEFINED, message: b"interrupted" };
            let mut bytes = [0; 32];
            if let (Some(peer), Ok(len)) = (*peer, packet.encode(&mut bytes)) {
                let _ = port.send(peer, None, bytes.get(..len).unwrap_or_default(), len);
            }
        });
    }

    fn bar(&self, len: Option<u64>) -> Option<ProgressBar> {
        if self.options.quiet || self.options.json || !std::io::stderr().is_terminal() {
            return None;
        }
        // The templates are constants; one that does not parse would show a plain bar.
        let known = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
        let unknown = "{spinner} {bytes} {bytes_per_sec}";
        let bar = ProgressBar::no_length();
        let template = if len.is_some() { known } else { unknown };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if let Some(len) = len {
            bar.set_length(len);
        }
        Some(bar)
    }

    fn say(&self, summary: &Summary, stdout_is_taken: bool) -> anyhow::Result<()> {
        let Summary { verb, bytes, agreed, took, data, timeouts, calls } = summary;
        if self.options.json {
            let object = json!({
                "file": escape(&self.target.remote).to_string(),
                "bytes": bytes,
                "seconds": took.as_secs_f64(),
                "bytes_per_second": rate(*bytes, *took),
                "blksize": agreed.blksize,
                "windowsize": agreed.windowsize,
                "timeout": agreed.timeout,
                "tsize": agreed.tsize,
                "data": data.0,
                "repeated": data.1,
                "timeouts": timeouts,
                "socket_calls": calls,
            });
            return Ok(say!("{object}")?);
        }
        if self.options.quiet {
            return Ok(());
        }
        let line = format!(
            "{verb} {}: {bytes} byte{}, blksize {}, windowsize {}",
            escape(&self.target.remote),
            if *bytes == 1 { "" } else { "s" },
            agreed.blksize,
            agreed.windowsize,
        );
        if stdout_is_taken {
            note!("{line}");
        } else {
            say!("{line}")?;
        }
        if std::io::stderr().is_terminal() {
            let per_second = rate(*bytes, *took);
            let seconds = took.as_secs_f64();
            note!("{seconds:.3} s, {}.{} MB/s", per_second / 1_000_000, per_second / 100_000 % 10);
        }
        Ok(())
    }
}

struct Download {
    bar: Option<ProgressBar>,
    summary: Option<Summary>,
    agreed: Agreed,
    began: Instant,
}

impl ReceiveEvents for Download {
    fn progress(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
    }

    fn kept(&mut self, machine: &Receiver, bytes: u64, calls: u64) {
        let counts = machine.received();
        self.summary = Some(Summary {
            verb: "received",
            bytes,
            agreed: self.agreed,
            took: self.began.elapsed(),
            data: (counts.blocks + counts.repeated, counts.repeated),
            timeouts: counts.timeouts,
            calls,
        });
    }
}

fn is_closed_pipe(error: &DriveError) -> bool {
    matches!(error, DriveError::Disk(Denied::System(error)) if error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn explain_opening(failed: exchange::Failed) -> anyhow::Error {
    let explained: anyhow::Result<()> = match failed {
        exchange::Failed::Opening(OpenError::Transfer(error)) => {
            return explain(DriveError::Transfer(error));
        }
        exchange::Failed::Opening(OpenError::Refusal(refusal)) => {
            Err(anyhow!(refusal)).exit(Exit::Protocol)
        }
        exchange::Failed::Opening(silence @ OpenError::Silence { .. }) => Err(anyhow!(silence))
            .hint("is the server running, and does a firewall let its answers through? they come from another port")
            .exit(Exit::TimedOut),
        exchange::Failed::Request(error) => Err(anyhow!(error)).exit(Exit::Usage),
        exchange::Failed::Socket(error) => Err(anyhow!(error)),
        exchange::Failed::Unreachable => Err(anyhow!("nobody listens there")),
    };
    explained.err().unwrap_or_else(|| anyhow!("the exchange failed"))
}

/// What a person can do about it, and what a script is told.
fn explain(error: DriveError) -> anyhow::Error {
    let exit = match &error {
        DriveError::Transfer(TransferError::GaveUp { .. } | TransferError::TooSlow { .. }) => {
            Exit::TimedOut
        }
        DriveError::Transfer(TransferError::BlockTooLong { .. })
        | DriveError::Disk(Denied::WrongLength { .. }) => Exit::Protocol,
        _ => Exit::Failed,
    };
    let explained: anyhow::Result<()> = match &error {
        DriveError::Transfer(TransferError::Peer { code, message }) => {
            let said = if message.is_empty() || **message == *code.meaning().as_bytes() {
                anyhow!("the server says ERROR {}, {}", code.0, code.meaning())
            } else {
                let message = escape(message);
                anyhow!("the server says ERROR {}, {}: {message}", code.0, code.meaning())
            };
            match *code {
                ErrorCode::EXISTS => {
                    Err(said).hint("the server keeps what it has; put the file under another name")
                }
                ErrorCode::ACCESS => {
                    Err(said).hint("the server's operator decides what may be read and written")
                }
                _ => Err(said),
            }
        }
        DriveError::Transfer(TransferError::GaveUp { only_last_ack: true, .. }) => {
            Err(anyhow!(error))
                .hint("all was sent, and the server did not say whether it has kept it")
        }
        DriveError::Disk(Denied::WrongLength { .. }) => Err(anyhow!(error))
            .hint("some servers count wrong; --no-options does not ask for the size"),
        _ => Err(anyhow!(error)),
    };
    explained.exit(exit).err().unwrap_or_else(|| anyhow!("the transfer failed"))
}
