//! Lesson `tcp-hello`: one connection, one question, one answer.
//!
//! ```text
//!  server                                          client
//!  bind 127.0.0.1:8898   take an address
//!  listen                let others call it
//!  accept … waits                                  connect 127.0.0.1:8898
//!  accept returns  ◀──────── connection ────────▶  connect returns
//!  read … waits    ◀──────── 68 65 6c 6c 6f 21 ──  write "hello!"
//!  write "hi"      ──────── 68 69 ──────────────▶  read
//!  close           ◀─────────────────────────────▶ close
//! ```
//!
//! In std `TcpListener::bind` is three system calls in one: socket(2), bind(2), listen(2);
//! `TcpStream::connect` is socket(2) and connect(2). There is no call for close(2): a socket is
//! closed when its value goes out of scope.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, anyhow};
use cli::{Advice, Exit, Stop, count, escape, note, say, uninterrupted};

use crate::message::{MESSAGE_LEN_MAX, Message};

/// A peer that says nothing must not hold us for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection, one question, one answer
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Waits for one client, answers "hi", and ends
    Server {
        /// Address to listen on; port 0 takes any free one
        #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:8898")]
        bind: SocketAddr,
    },
    /// Says something to the server and shows the answer
    Client {
        /// The server's address
        #[arg(value_name = "IP:PORT", value_parser = cli::peer, default_value = "127.0.0.1:8898")]
        server: SocketAddr,
        /// What to say
        #[arg(long, value_name = "TEXT", default_value = "hello!")]
        message: Message,
    },
}

/// Runs the end that the command line asks for.
///
/// # Errors
/// When a call fails, or the peer closes the connection without a word.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.role {
        Role::Server { bind } => server(bind),
        Role::Client { server, message } => client(server, &message),
    }
}

// ANCHOR: server
fn server(bind: SocketAddr) -> anyhow::Result<()> {
    let stop = Stop::server()?;
    let listener = TcpListener::bind(bind)
        .map_err(cli::at_bind)
        .with_context(|| format!("cannot listen on {bind}"))?;
    cli::ready(listener.local_addr()?)?;

    // The listener only ever makes connections; what is said is said on the connection's own
    // socket. A server that wanted more than one client would call accept again.
    let (mut connection, client) = listener.accept().context("cannot accept a connection")?;
    let _in_hand = stop.in_hand(format_args!("the conversation with {client}"));
    say!("connected: {client}")?;

    let question =
        read_once(&mut connection).with_context(|| format!("no question from {client}"))?;
    say!("received {}: {}", count(question.len(), "byte"), escape(&question))?;

    let answer = b"hi";
    connection.write_all(answer).with_context(|| format!("cannot answer {client}"))?;
    say!("sent {}: {}", count(answer.len(), "byte"), escape(answer))?;
    Ok(())
} // Both sockets go out of scope here, and that closes them.
// ANCHOR_END: server

// ANCHOR: client
fn client(server: SocketAddr, message: &Message) -> anyhow::Result<()> {
    // No bind: the system picks a free port for this end.
    let mut connection =
        TcpStream::connect(server).with_context(|| format!("cannot connect to {server}"))?;
    say!("connected: {server}")?;

    connection.write_all(message.as_bytes()).with_context(|| format!("cannot send to {server}"))?;
    say!("sent {}: {}", count(message.len(), "byte"), escape(message.as_bytes()))?;

    let answer = read_once(&mut connection).with_context(|| format!("no answer from {server}"))?;
    say!("received {}: {}", count(answer.len(), "byte"), escape(&answer))?;
    Ok(())
}
// ANCHOR_END: client

/// Waits for the peer to say something and returns it.
///
/// Simplified: takes what one read gives for one message. TCP does not promise that (chapter 5);
/// between two programs that each say one short thing and wait, it is so.
fn read_once(connection: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut message = vec![0; MESSAGE_LEN_MAX];
    // Ctrl-Z and `fg` break off a wait that has a timeout; then it begins anew.
    let len = uninterrupted(|| connection.read(&mut message))?;
    if len == 0 {
        // read(2) returns 0 at the end of the stream: the peer has closed its end.
        return Err(anyhow!("the connection was closed before anything was said"))
            .hint("the other program ended, or crashed; look at its terminal")
            .exit(Exit::Protocol);
    }
    if len == MESSAGE_LEN_MAX {
        note!("one read takes at most {MESSAGE_LEN_MAX} bytes; if more was said, it is not heard");
    }
    message.truncate(len);
    Ok(message)
}
