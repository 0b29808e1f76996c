//! Lesson `duplex`: both may speak at any time.
//!
//! ```text
//!            ┌──────────── one end ────────────┐
//!  keyboard ─┼─▶ thread: read a line, write it ─┼─▶ ───────────────────────▶
//!            │                                  │      one connection, two streams
//!    screen ◀┼── thread: read, show it        ◀─┼── ◀───────────────────────
//!            └──────────────────────────────────┘
//!  end of input   ──▶ shutdown(SHUT_WR) ──▶ the other's read returns 0, and it may go on speaking
//! ```
//!
//! A connection is two streams, one each way, and each ends for itself. So each gets a thread that
//! does nothing but wait for it: read(2) on the keyboard and write(2) to the peer in one, read(2)
//! from the peer in the other. No word is needed to take leave. shutdown(2) with SHUT_WR says that
//! nothing more will come; it is over when both have said so.
//!
//! What it still gets wrong: without turns nothing keeps two messages apart any more, and they run
//! together whenever the reader is slower than the writer. What is heard is printed into the middle
//! of the line that is being typed. And it is for two people. The next step is the room, whose
//! messages are lines.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::resume_unwind;
use std::thread;

use anyhow::Context;
use cli::{Stop, ask, escape, note, say};

/// The most that one read takes, as in `talk`.
const WORDS_LEN_MAX: usize = 4096;

/// Both may speak at any time
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Talks with one client, and ends with the talk
    Server {
        /// Address to listen on; port 0 takes any free one
        #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:8008")]
        bind: SocketAddr,
    },
    /// Talks with the server; the end of input ends your half of it
    Client {
        /// The server's address
        #[arg(value_name = "IP:PORT", value_parser = cli::peer, default_value = "127.0.0.1:8008")]
        server: SocketAddr,
    },
}

/// Runs the end that the command line asks for.
///
/// # Errors
/// When a call fails.
pub fn run(Args { role }: Args) -> anyhow::Result<()> {
    match role {
        Role::Server { bind } => server(bind),
        Role::Client { server } => client(server),
    }
}

fn server(bind: SocketAddr) -> anyhow::Result<()> {
    let stop = Stop::server()?;
    let listener = TcpListener::bind(bind)
        .map_err(cli::at_bind)
        .with_context(|| format!("cannot listen on {bind}"))?;
    cli::ready(listener.local_addr()?)?;

    let (connection, client) = listener.accept().context("cannot accept a connection")?;
    // Nobody else will be served, so nobody else is to wait: the next is refused at once.
    drop(listener);
    say!("connected: {client}")?;
    let _in_hand = stop.in_hand(format_args!("the talk with {client}"));
    both_ways(connection, client)
}

fn client(server: SocketAddr) -> anyhow::Result<()> {
    let connection =
        TcpStream::connect(server).with_context(|| format!("cannot connect to {server}"))?;
    say!("connected: {server}")?;
    both_ways(connection, server)
}

// ANCHOR: both-ways
/// Speaks and hears at the same time, until both ends have nothing more to say.
fn both_ways(mut hearing: TcpStream, peer: SocketAddr) -> anyhow::Result<()> {
    note!("both may speak at any time; the end of input (Ctrl-D) ends your half");
    // The same socket under a second descriptor, for the second thread.
    let speaking = hearing.try_clone().context("cannot share the connection with a thread")?;
    let speaker = thread::spawn(move || speak_all(speaking, peer));

    // If this fails the program ends, and the thread with it. Nothing else could end it: it waits
    // for the keyboard, and that wait cannot be broken off.
    hear_all(&mut hearing, peer)?;
    say!("{peer} has nothing more to say")?;
    speaker.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Until the peer's half has ended.
///
/// Simplified: takes what one read gives for one message. In `talk` the turns made that nearly true.
fn hear_all(connection: &mut TcpStream, peer: SocketAddr) -> anyhow::Result<()> {
    let mut words = vec![0; WORDS_LEN_MAX];
    loop {
        let len = connection.read(&mut words).with_context(|| format!("lost {peer}"))?;
        if len == 0 {
            return Ok(());
        }
        say!("heard: {}", escape(&words[..len]))?;
    }
}

/// Until the keyboard's half has ended.
fn speak_all(mut connection: TcpStream, peer: SocketAddr) -> anyhow::Result<()> {
    // No prompt: what is heard would be printed behind it.
    while let Some(words) = ask("")? {
        if words.is_empty() {
            note!("an empty line cannot be sent; type something");
            continue;
        }
        connection
            .write_all(words.as_bytes())
            .with_context(|| format!("cannot speak to {peer}"))?;
    }
    // Dropping this descriptor would close nothing: the other thread has the socket open as well.
    match connection.shutdown(Shutdown::Write) {
        Err(error) if error.kind() != ErrorKind::NotConnected => {
            Err(error).with_context(|| format!("cannot take leave of {peer}"))
        }
        // A peer that has reset the connection needs no leave; the other thread reports it.
        _ => {
            note!("the end of input: {peer} is told, and may go on");
            Ok(())
        }
    }
}
// ANCHOR_END: both-ways
