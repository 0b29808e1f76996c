//! Lesson `nagle`: two small writes and a read, and the second write waits.
//!
//! ```text
//!  client                          server
//!  write head (4 bytes) ─────────▶ has the head: no whole question, so no answer;
//!  write body (4 bytes)            nothing to send an ACK with, so it waits 40 ms for something
//!   ╳ held back: Nagle says
//!     wait for the ACK
//!                       ◀── ACK ── 40 ms are over
//!  body goes ────────────────────▶ has the question
//!                       ◀────────── answer
//! ```
//!
//! RFC 896 (Nagle): while something is unacknowledged, a segment that is not full waits. RFC 9293
//! (3.8.6.3) lets the receiver delay its ACK. Each is a good idea; together they wait for each
//! other. See TCP_NODELAY, TCP_CORK and TCP_QUICKACK in tcp(7), writev(2), and SIOCOUTQNSD in
//! [`queues`](crate::queues).

use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cli::say;
use socket2::SockRef;

use crate::loopback::{self, Critical};
use crate::queues;

/// A question in two parts, as a program writes it that makes a header first.
const HEAD: &[u8; 4] = b"\0\0\0\x04";
const BODY: &[u8; 4] = b"ping";

/// Two small writes and a read: what waits unsent, and for how long
#[derive(clap::Args)]
pub struct Args {}

/// Asks the same question in every way, and shows what waited.
///
/// # Errors
/// When a call fails, or the system does not say what waits.
pub fn run(Args {}: Args) -> anyhow::Result<()> {
    say!("unsent after   head  body  push   the answer took")?;
    for way in [Way::TwoWrites, Way::NoDelay, Way::Cork, Way::OneWrite] {
        show(way, loopback::undisturbed(|| ask(way, Server::Delays))?)?;
    }
    say!("and if the server acknowledges at once")?;
    show(Way::TwoWrites, loopback::undisturbed(|| ask(Way::TwoWrites, Server::Acknowledges))?)
}

/// How head and body are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    TwoWrites,
    NoDelay,
    Cork,
    OneWrite,
}

/// What the server's system does with a segment that needs no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Delays,
    Acknowledges,
}

/// Bytes that lay unsent: after the first write, after the second, and when all was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unsent {
    head: Option<usize>,
    body: usize,
    pushed: usize,
}

// ANCHOR: ask
/// One question on a connection of its own.
fn ask(way: Way, server: Server) -> anyhow::Result<((Unsent, Duration), Critical)> {
    let (mut client, connection) = loopback::pair()?;
    match server {
        Server::Delays => loopback::delay_acknowledgements(&connection)?,
        // A new connection does so on Linux, which is why a first experiment shows nothing.
        Server::Acknowledges => {}
    }
    client.set_nodelay(way == Way::NoDelay)?;

    let start = Instant::now();
    let unsent = write(&mut client, &connection, way).context("cannot write the question")?;
    let critical = Critical::since(start);
    answer(connection).context("cannot answer")?;
    client.read_exact(&mut [0; 4]).context("no answer")?;
    Ok(((unsent, start.elapsed()), critical))
}

fn write(client: &mut TcpStream, server: &TcpStream, way: Way) -> anyhow::Result<Unsent> {
    if way == Way::OneWrite {
        // writev(2): two pieces of memory, one write, and nothing is copied together first.
        let len = client.write_vectored(&[IoSlice::new(HEAD), IoSlice::new(BODY)])?;
        anyhow::ensure!(len == 8, "the system took {len} of 8 bytes");
        let body = unsent(client)?;
        return Ok(Unsent { head: None, body, pushed: body });
    }
    cork(client, way == Way::Cork)?;
    client.write_all(HEAD)?;
    let head = unsent(client)?;
    if head == 0 {
        // Were it still on its way, Linux might hold the body for another reason (autocorking).
        loopback::wait_for(server, HEAD.len())?;
    }
    client.write_all(BODY)?;
    let body = unsent(client)?;
    cork(client, false)?;
    Ok(Unsent { head: Some(head), body, pushed: unsent(client)? })
}
// ANCHOR_END: ask

/// The server: the answer to a question is possible when all of it has come.
fn answer(mut connection: TcpStream) -> anyhow::Result<()> {
    connection.read_exact(&mut [0; 8])?;
    connection.write_all(b"pong")?;
    Ok(())
}

fn unsent(client: &TcpStream) -> anyhow::Result<usize> {
    match queues::unsent(client)? {
        Some(unsent) => Ok(unsent),
        None => bail!("this system does not say what it has not sent; the lesson needs Linux"),
    }
}

/// TCP_CORK: nothing leaves that is not a full segment, until it is pulled out, or 200 ms are over.
fn cork(client: &TcpStream, corked: bool) -> anyhow::Result<()> {
    #[cfg(target_os = "linux")]
    SockRef::from(client).set_tcp_cork(corked)?;
    // FreeBSD and macOS have TCP_NOPUSH, which is nearly the same.
    #[cfg(not(target_os = "linux"))]
    let _ = (SockRef::from(client), corked);
    Ok(())
}

fn show(way: Way, (unsent, took): (Unsent, Duration)) -> anyhow::Result<()> {
    let name = match way {
        Way::TwoWrites => "two writes",
        Way::NoDelay => "TCP_NODELAY",
        Way::Cork => "TCP_CORK",
        Way::OneWrite => "one writev",
    };
    let head = unsent.head.map_or("-".to_owned(), |head| head.to_string());
    say!(
        "{name:<13} {head:>5} {:>5} {:>5}   {:.1} ms",
        unsent.body,
        unsent.pushed,
        took.as_secs_f64() * 1000.0
    )?;
    Ok(())
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_of_two_plain_writes_the_second_waits() {
        check(Way::TwoWrites, Some(0), 4, 4);
        check(Way::NoDelay, Some(0), 0, 0);
        check(Way::OneWrite, None, 0, 0);
    }

    #[test]
    fn a_cork_holds_both_until_it_is_pulled() {
        check(Way::Cork, Some(4), 8, 0);
    }

    #[track_caller]
    fn check(way: Way, head: Option<usize>, body: usize, pushed: usize) {
        let (unsent, _) = loopback::undisturbed(|| ask(way, Server::Delays)).unwrap();
        assert_eq!(unsent, Unsent { head, body, pushed }, "{way:?}");
    }
}
