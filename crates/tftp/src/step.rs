//! Tool `step`: a server that sends with one of the [`steps`](crate::steps), so that what the step
//! gets wrong can be seen on a wire.
//!
//! ```text
//!  RRQ ──▶ a socket of its own ──▶ loop: wait as long as the step says
//!                                        an ACK  ──▶ step.received ──┐
//!                                        nothing ──▶ step.nothing_came ──▶ the block to send
//! ```
//!
//! One client after the other, only `octet`, no options. System calls: socket(2), recvfrom(2) with
//! SO_RCVTIMEO (socket(7)), sendto(2).

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Context;
use cli::{Stop, escape, say};

use crate::steps::calm::Calm;
use crate::steps::insistent::Insistent;
use crate::steps::punctual::Punctual;
use crate::steps::{End, Step};
use crate::trusting::plain_name;
use crate::wire::{Mode, Packet, Request};

/// A block, when it is not the last.
const BLOCK_LEN: u64 = 512;

/// A longer datagram is no packet of a client's.
const DATAGRAM_LEN_MAX: usize = 1024;

/// Serves the files of the current directory with one of the steps, mistakes included
#[derive(Clone, Copy, clap::Args)]
pub struct Args {
    /// How it sends
    #[arg(value_name = "STEP")]
    step: Which,
    /// Address to receive requests on; port 0 takes any free one
    #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:6969")]
    bind: SocketAddr,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Which {
    /// Repeats, and answers every ACK
    Insistent,
    /// Answers only the ACK that it waits for
    Calm,
    /// Looks at the clock in every round
    Punctual,
}

/// Serves until it is stopped.
///
/// # Errors
/// When a call fails.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { step, bind } = args;
    let _stop = Stop::server()?;
    let socket = UdpSocket::bind(bind).with_context(|| format!("cannot bind {bind}"))?;
    cli::ready(socket.local_addr()?)?;
    let mut datagram = [0; DATAGRAM_LEN_MAX];
    loop {
        let (len, client) = socket.recv_from(&mut datagram).context("cannot receive")?;
        let request = Packet::decode(datagram.get(..len).unwrap_or_default());
        let Ok(Packet::Read(Request { filename, mode: Mode::Octet, .. })) = request else {
            continue;
        };
        let Some(file) = plain_name(filename).and_then(|name| File::open(name).ok()) else {
            say!("{client} asks for {}, which is not there", escape(filename))?;
            continue;
        };
        let end = match step {
            Which::Insistent => send::<Insistent>(bind, client, file),
            Which::Calm => send::<Calm>(bind, client, file),
            Which::Punctual => send::<Punctual>(bind, client, file),
        };
        let end = end.with_context(|| format!("cannot send to {client}"))?;
        let end = if end == End::Whole { "has it all" } else { "is silent; given up" };
        say!("{client} {end}")?;
    }
}

/// Sends a file to a client, from a port of its own.
fn send<S: Step>(bind: SocketAddr, client: SocketAddr, mut file: File) -> anyhow::Result<End> {
    let socket = UdpSocket::bind((bind.ip(), 0)).context("cannot make a second socket")?;
    // Of others' datagrams the system tells us nothing then.
    socket.connect(client)?;
    let blocks = file.metadata()?.len() / BLOCK_LEN + 1;
    let begin = Instant::now();
    let now = || u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut step = S::new(blocks);
    let mut wanted = Some(1);
    let mut datagram = [0; DATAGRAM_LEN_MAX];
    loop {
        if let Some(block) = wanted.take() {
            send_block(&socket, &mut file, block)?;
        }
        if let Some(end) = step.end() {
            return Ok(end);
        }
        // A wait of nothing would be one without end (socket(7)).
        let wait = step.wait(now()).map(|millis| Duration::from_millis(millis.max(1)));
        socket.set_read_timeout(wait)?;
        wanted = match socket.recv(&mut datagram) {
            Ok(len) => match Packet::decode(datagram.get(..len).unwrap_or_default()) {
                Ok(Packet::Ack { block }) => step.received(now(), block.into()),
                _ => None,
            },
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                step.nothing_came(now())
            }
            // The client has gone, and its system says so: silence will be the end of it.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
            Err(error) => return Err(error.into()),
        };
    }
}

/// Simplified: block numbers end at 65535, 32 MiB.
fn send_block(socket: &UdpSocket, file: &mut File, block: u64) -> anyhow::Result<()> {
    let number = u16::try_from(block).context("the file has more than 65535 blocks")?;
    file.seek(SeekFrom::Start((block - 1) * BLOCK_LEN))?;
    let mut payload = Vec::new();
    file.take(BLOCK_LEN).read_to_end(&mut payload)?;
    let mut buffer = [0; DATAGRAM_LEN_MAX];
    let len = Packet::Data { block: number, payload: &payload }.encode(&mut buffer)?;
    match socket.send(buffer.get(..len).unwrap_or_default()) {
        // The same about an earlier block.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        sent => Ok(sent.map(drop)?),
    }
}
