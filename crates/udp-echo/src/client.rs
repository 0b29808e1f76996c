//! Role `client`, the other end of the lesson `server`: sends each line of stdin and shows what comes back.
//!
//! ```text
//!  a line of stdin ── send ──▶ server
//!  a line of stdout ◀── recv ── whatever comes next
//! ```
//!
//! It is the tutorial's client, and it has the tutorial's faith: after each line it waits for an
//! answer, for as long as it takes. If a datagram is lost, here or there, that is for ever. And it
//! takes whatever comes for the answer: if one comes twice, the next line gets it. Lesson `ping`
//! mends both, with a number in each datagram and a clock. System calls: connect(2) on a datagram
//! socket, send(2), recv(2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use anyhow::Context;
use cli::{Advice, ask_bytes, count, escape, say};

use crate::server::DATAGRAM_LEN_MAX;

/// What the length field of an IPv4 header leaves after that header and UDP's.
const PAYLOAD_LEN_MAX: usize = 65_535 - 20 - 8;

/// Sends each line of stdin and shows what comes back; exit ends it
#[derive(Clone, Copy, clap::Args)]
#[command(after_help = "\
It waits for each answer without a limit, as the tutorial's client does: when a datagram is lost,
it hangs. Ctrl-C ends it.")]
pub struct Args {
    /// The server's address
    #[arg(value_name = "IP:PORT", default_value = "127.0.0.1:8090")]
    server: SocketAddr,
}

// ANCHOR: client
/// Runs the client.
///
/// # Errors
/// When a call fails, for instance because nobody is there.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { server } = args;
    let socket = UdpSocket::bind(any_address_like(server)).context("cannot make a socket")?;
    // This sends nothing. It lets the system drop what strangers send, and tell us if it hears
    // that nobody has that port.
    socket.connect(server).with_context(|| format!("cannot send to {server}"))?;

    let mut buffer = vec![0; DATAGRAM_LEN_MAX];
    while let Some(line) = ask_bytes("say: ")? {
        let sent = socket
            .send(&line)
            .with_context(|| format!("cannot send {} to {server}", count(line.len(), "byte")));
        match line.len() {
            0..=PAYLOAD_LEN_MAX => sent,
            _ => sent.hint("one datagram carries 65,507 bytes at most over IPv4"),
        }?;
        let len = socket.recv(&mut buffer).with_context(|| format!("no answer from {server}"))?;
        say!("{}", escape(&buffer[..len]))?;
        if line == b"exit" {
            break;
        }
    }
    Ok(())
}
// ANCHOR_END: client

/// Any address of this machine, any port, in the family of `peer`.
pub(crate) fn any_address_like(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
