//! Lesson `once`: one letter, and what is on the envelope.
//!
//! ```text
//!  server                                            client
//!  socket                                            socket
//!  bind 127.0.0.1:8090   an address to be found at      │    no bind: the system picks a port
//!  recvfrom … waits    ◀── e6 88 91 e7 88 b1 e4 bd a0 ── sendto
//!      │                   from 127.0.0.1:52236          close
//!  data and sender
//! ```
//!
//! A letter goes one way, and nobody answers. What arrives is bytes; that they are text is an
//! agreement between the two ends. System calls: socket(2), bind(2), sendto(2), recvfrom(2); see
//! udp(7).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str;

use anyhow::Context;
use cli::{Advice, Stop, ask, count, escape, note, say};

/// The most that is read of a datagram, as in the tutorial's `recvfrom(1024)`.
const DATAGRAM_LEN_MAX: usize = 1024;

/// One datagram: who sent it, its bytes, its text
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Waits for one datagram, shows it, and ends
    Server {
        /// Address to receive on; port 0 takes any free one
        #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:8090")]
        bind: SocketAddr,
    },
    /// Sends one datagram and ends
    Client {
        /// The server's address
        #[arg(value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:8090")]
        server: SocketAddr,
        /// What to send; without it, a line of stdin
        #[arg(long, value_name = "TEXT")]
        message: Option<String>,
    },
}

/// Runs the end that the command line asks for.
///
/// # Errors
/// When a call fails.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.role {
        Role::Server { bind } => server(bind),
        Role::Client { server, message } => client(server, message),
    }
}

// ANCHOR: server
fn server(bind: SocketAddr) -> anyhow::Result<()> {
    let _stop = Stop::server()?;
    // Without an address of its own choice nobody could find it.
    let socket = UdpSocket::bind(bind).with_context(|| format!("cannot bind {bind}"))?;
    cli::ready(socket.local_addr()?)?;

    // One byte more than is wanted: if it is used, the datagram was too long.
    let mut datagram = [0; DATAGRAM_LEN_MAX + 1];
    let (len, sender) = socket.recv_from(&mut datagram).context("cannot receive")?;
    if len > DATAGRAM_LEN_MAX {
        note!("only the first {DATAGRAM_LEN_MAX} bytes are read; the rest of the datagram is lost");
    }
    let data = &datagram[..len.min(DATAGRAM_LEN_MAX)];
    say!("received {} from {sender}", count(data.len(), "byte"))?;
    say!("bytes: b'{}'", data.escape_ascii())?;
    match str::from_utf8(data) {
        Ok(_) => say!("text:  {}", escape(data))?,
        Err(error) => say!("text:  none; not UTF-8 from byte {} on", error.valid_up_to())?,
    }
    Ok(())
}
// ANCHOR_END: server

// ANCHOR: client
fn client(server: SocketAddr, message: Option<String>) -> anyhow::Result<()> {
    let typed = match message {
        Some(message) => Some(message),
        None => ask("message: ")?,
    };
    let Some(message) = typed else { return Ok(()) };

    // No address of its own choice: any port will do, since nobody looks for this end. To bind
    // port 0 says so; in Python and C the first sendto does it unasked.
    let socket = UdpSocket::bind(any_address_like(server)).context("cannot make a socket")?;
    let sent = socket
        .send_to(message.as_bytes(), server)
        .with_context(|| format!("cannot send {} to {server}", count(message.len(), "byte")));
    match message.len() {
        0..=65_507 => sent,
        _ => {
            sent.hint("65,507 bytes are the most that a datagram holds: see the lesson boundaries")
        }
    }?;
    let port = socket.local_addr()?.port();
    say!("sent {} to {server} from port {port}", count(message.len(), "byte"))?;
    Ok(())
}
// ANCHOR_END: client

/// Any address of this machine, any port, in the family of `peer`: an IPv4 socket cannot send to
/// an IPv6 address.
pub(crate) fn any_address_like(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
