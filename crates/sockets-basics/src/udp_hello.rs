//! Lesson `udp-hello`: the same in one datagram each way.
//!
//! ```text
//!  server                                          client
//!  bind 127.0.0.1:9000   take an address
//!  recvfrom … waits    ◀── hello, from 127.0.0.1:50112 ──  sendto
//!  sendto that address ── hi, from 127.0.0.1:9000 ───────▶ recvfrom
//! ```
//!
//! No listen, no accept, no connection: each datagram carries the address it came from, and that
//! is all the server knows. One socket serves every client. System calls: socket(2), bind(2),
//! recvfrom(2), sendto(2); see udp(7).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Context;
use cli::{Advice, Stop, count, escape, note, say, uninterrupted};

/// The most that one receive takes, as in the tutorial's `recvfrom(1024)`. What is longer is cut
/// off and lost.
const DATAGRAM_LEN_MAX: usize = 1024;

/// A datagram can get lost, and nobody would tell us.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same in one datagram each way
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Waits for one datagram, answers "hi", and ends
    Server {
        /// Address to receive on; port 0 takes any free one
        #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:9000")]
        bind: SocketAddr,
    },
    /// Sends one datagram and shows the answer
    Client {
        /// The server's address
        #[arg(value_name = "IP:PORT", value_parser = cli::peer, default_value = "127.0.0.1:9000")]
        server: SocketAddr,
        /// What to say
        #[arg(long, value_name = "TEXT", default_value = "hello")]
        message: String,
    },
}

/// Runs the end that the command line asks for.
///
/// # Errors
/// When a call fails, or no answer comes.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.role {
        Role::Server { bind } => server(bind),
        Role::Client { server, message } => client(server, &message),
    }
}

// ANCHOR: server
fn server(bind: SocketAddr) -> anyhow::Result<()> {
    let _stop = Stop::server()?;
    let socket = UdpSocket::bind(bind)
        .map_err(cli::at_bind)
        .with_context(|| format!("cannot bind {bind}"))?;
    cli::ready(socket.local_addr()?)?;

    let mut datagram = [0; DATAGRAM_LEN_MAX];
    let (len, client) = socket.recv_from(&mut datagram).context("cannot receive")?;
    if len == DATAGRAM_LEN_MAX {
        note!("one receive takes at most {DATAGRAM_LEN_MAX} bytes; what was longer is cut off");
    }
    let question = &datagram[..len];
    say!("received {} from {client}: {}", count(len, "byte"), escape(question))?;

    let answer = b"hi";
    socket.send_to(answer, client).with_context(|| format!("cannot answer {client}"))?;
    say!("sent {} to {client}: {}", count(answer.len(), "byte"), escape(answer))?;
    Ok(())
}
// ANCHOR_END: server

// ANCHOR: client
fn client(server: SocketAddr, message: &str) -> anyhow::Result<()> {
    // Binding to port 0 lets the system pick a port. Python's sendto does it silently.
    let socket = UdpSocket::bind(any_address_like(server)).context("cannot make a socket")?;
    socket
        .send_to(message.as_bytes(), server)
        .map_err(cli::at_send)
        .with_context(|| format!("cannot send to {server}"))?;
    say!("sent {} to {server}: {}", count(message.len(), "byte"), escape(message.as_bytes()))?;

    let mut datagram = [0; DATAGRAM_LEN_MAX];
    socket.set_read_timeout(Some(PATIENCE))?;
    // Ctrl-Z and `fg` break off a wait that has a timeout; then it begins anew.
    let (len, sender) = uninterrupted(|| socket.recv_from(&mut datagram))
        .with_context(|| format!("no answer from {server} within {} s", PATIENCE.as_secs()))
        .hint("UDP does not say whether anybody listens; is the server running, on this port?")?;
    say!("received {} from {sender}: {}", count(len, "byte"), escape(&datagram[..len]))?;
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
