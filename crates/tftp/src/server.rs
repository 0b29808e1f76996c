//! Role `server`: sockets and a clock around [`sender`](crate::sender) and
//! [`receiver`](crate::receiver).
//!
//! ```text
//!                 listening port              a thread and a port for each transfer
//!  RRQ, WRQ ───▶ ┌──────────────┐  spawn   ┌─────────────────────────────────────────┐
//!  the rest ───▶ │ who, what,   │ ───────▶ │ root ──▶ options ──▶ machine ◀──▶ peer  │
//!  (silence)     │ how many     │          └─────────────────────────────────────────┘
//!                └──────────────┘            at most --max-transfers of them
//! ```
//!
//! **A thread for each transfer**, not one loop for all: a slow disk then holds up one transfer and
//! not the others, the system shares the processors fairly, and a transfer reads from top to bottom.
//! It costs two switches per window, and memory that is bounded: a thread uses some 40 KiB of
//! stack and 128 KiB of buffers, whatever its peer asks for, and a text at most [`TEXT_WINDOW`] more.
//!
//! **The listening port answers requests and nothing else.** Who answers an ERROR, or what it takes
//! for one, can be set against another server like it for ever (CVE-2024-2169). Answers leave from the
//! address that was asked (RFC 1123 has no word on it, but clients ignore others).
//!
//! [`listen`] has the loop, [`transfer`] what a thread does, [`mailbox`] the mode with a single port.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use cli::{Advice, Exit, Period, Stop};

use crate::options::{BLKSIZES, Limits};
use crate::rollover::Rollover;
use crate::root::{Durability, Root};
use crate::size::Size;
use crate::transfer::Patience;

pub mod listen;
pub mod log;
pub mod mailbox;
pub mod transfer;

pub use listen::Server;

/// How much of a text is kept to be sent again.
pub const TEXT_WINDOW: u32 = 64 << 10;

/// Serves the files of one directory
#[derive(clap::Args)]
#[command(after_help = "What is agreed on never exceeds these limits, whatever a client asks for.")]
pub struct Args {
    /// The directory; nothing outside it can be reached
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Where to listen; the RFC's port is 69
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:6969", value_parser = cli::address)]
    bind: SocketAddr,
    /// Uploads: none, new files only, or any
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Write::None)]
    write: Write,
    /// The largest upload
    #[arg(long, value_name = "SIZE", default_value_t = Size(4 << 30))]
    max_file: Size,
    /// How many transfers at once; more are told that it is busy
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    max_transfers: usize,
    /// The largest block
    #[arg(long, value_name = "BYTES", default_value_t = *BLKSIZES.end(), value_parser = clap::value_parser!(u16).range(8..=65_464))]
    max_blksize: u16,
    /// The most bytes that are sent before an ACK
    #[arg(long, value_name = "SIZE", default_value_t = Size(4 << 20))]
    max_window: Size,
    /// How long the first answer may take; later ones as measured
    #[arg(long, value_name = "T", default_value = "1s")]
    timeout: Period,
    /// How often to repeat before giving up
    #[arg(long, value_name = "N", default_value_t = 10)]
    retries: u32,
    /// The number of the block behind number 65535
    #[arg(long, value_name = "0|1", default_value = "0", value_parser = rollover)]
    rollover: Rollover,
    /// Answer from the listening port, for networks that let no other through
    #[arg(long, conflicts_with = "port_range")]
    single_port: bool,
    /// Answer from these ports only
    #[arg(long, value_name = "A-B", value_parser = port_range)]
    port_range: Option<RangeInclusive<u16>>,
    /// Acknowledge an upload when the system has it, not the disk
    #[arg(long)]
    no_sync: bool,
    /// How long running transfers may go on after SIGTERM
    #[arg(long, value_name = "T", default_value = "5s")]
    grace: Period,
    /// One JSON object per line for each transfer, behind the ready line
    #[arg(long)]
    json: bool,
    /// Say what was counted, this often
    #[arg(long, value_name = "T")]
    stats_every: Option<Period>,
}

/// Which uploads are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Write {
    /// They are refused
    None,
    /// Only names that are not taken
    New,
    /// A file of that name is replaced when the new one is whole
    Any,
}

/// What an operator has decided.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub bind: SocketAddr,
    /// Which uploads are taken.
    pub write: Write,
    /// When an upload counts as kept.
    pub durability: Durability,
    /// What is agreed on at most.
    pub limits: Limits,
    /// How long to wait, and how often.
    pub patience: Patience,
    /// How many transfers at once.
    pub max_transfers: usize,
    /// How transfers are reached.
    pub ports: Ports,
    /// Lines for programs instead of for people.
    pub json: bool,
    /// How often to say what was counted.
    pub stats_every: Option<Duration>,
}

/// Which ports transfers have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Any that is free, as RFC 1350 (4) has it.
    Any,
    /// One of these.
    Range(RangeInclusive<u16>),
    /// The listening port.
    Single,
}

impl Config {
    /// What counts without flags, save that the system chooses the port.
    #[must_use]
    pub fn on(ip: IpAddr) -> Self {
        Self {
            bind: SocketAddr::new(ip, 0),
            write: Write::None,
            durability: Durability::Disk,
            limits: Limits::default(),
            patience: Patience { retries: 10, ..Patience::default() },
            max_transfers: 256,
            ports: Ports::Any,
            json: false,
            stats_every: None,
        }
    }
}

/// Serves until it is stopped.
///
/// # Errors
/// When the socket or the root cannot be opened.
pub fn run(args: Args) -> anyhow::Result<()> {
    let stop = Stop::server_that_finishes(args.grace.duration())?;
    let root = Root::open(&args.root)
        .with_context(|| format!("cannot open the root {}", args.root.display()))
        .hint("--root wants a directory that exists")?;
    stop.cleanup({
        let root = root.clone();
        move || root.remove_unfinished()
    });
    let bind = args.bind;
    let server = Server::bind(config_of(args)?, root, stop)
        .with_context(|| format!("cannot listen on {bind}"))?;
    cli::ready(server.local_addr())?;
    server.serve()
}

fn config_of(args: Args) -> anyhow::Result<Config> {
    let window_bytes_max = u32::try_from(args.max_window.0)
        .map_err(|_| anyhow::anyhow!("--max-window is more than 4GiB"))
        .exit(Exit::Usage)?;
    let ports = match (args.single_port, args.port_range) {
        (true, _) => Ports::Single,
        (false, Some(range)) => Ports::Range(range),
        (false, None) => Ports::Any,
    };
    Ok(Config {
        bind: args.bind,
        write: args.write,
        durability: if args.no_sync { Durability::System } else { Durability::Disk },
        limits: Limits {
            blksize_max: args.max_blksize,
            window_bytes_max,
            file_max: args.max_file.0,
            rollover: args.rollover,
            ..Limits::default()
        },
        patience: Patience {
            first: args.timeout.duration(),
            retries: args.retries,
            ..Patience::default()
        },
        max_transfers: args.max_transfers,
        ports,
        json: args.json,
        stats_every: args.stats_every.map(Period::duration),
    })
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a whole number from 1 is wanted".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// Reads `0` or `1`.
pub(crate) fn rollover(text: &str) -> Result<Rollover, String> {
    match text {
        "0" => Ok(Rollover::Zero),
        "1" => Ok(Rollover::One),
        _ => Err("0 or 1 is wanted".to_owned()),
    }
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let ports = text.split_once('-').and_then(|(first, last)| {
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        (0 < first && first <= last).then_some(first..=last)
    });
    ports.ok_or_else(|| "two ports are wanted, the smaller first: 40000-40063".to_owned())
}
