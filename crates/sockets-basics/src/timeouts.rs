//! Lesson `timeouts`: a chat in which nobody waits for ever.
//!
//! ```text
//!  server                          waits at most        client
//!  accept                ◀──────── --accept 10s
//!                         --connect 10s ──────────────▶ connect
//!  read                  ◀──────── --read 10s    hello  write
//!  write  hi                         --read 10s ──────▶ read
//!  read                  ◀──────────────────────── bye  write
//!  close, without a word ────────────────────────────▶  read returns 0
//! ```
//!
//! Each socket call that waits has its own way to a deadline: SO_RCVTIMEO and SO_SNDTIMEO in
//! socket(7) for read and write; for connect(2) a socket that does not block, and poll(2), which
//! is what `TcpStream::connect_timeout` does. For accept(2) std has none.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, anyhow};
use cli::{Advice, Exit, Period, Stop, ask, escape, note, say, uninterrupted};
use socket2::{Domain, Protocol, Socket, Type};

/// How many callers may wait for `accept`, as in the tutorial's `listen(12)`.
const BACKLOG: i32 = 12;

/// The most that one read takes, as in the tutorial's `recv(4096)`.
const WORDS_LEN_MAX: usize = 4096;

/// What ends the chat.
const BYE: &str = "bye";

/// A chat until `bye`, with a deadline on accept, connect and read
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Chats with one client; what you type is the answer
    Server {
        /// Address to listen on; port 0 takes any free one
        #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:8888")]
        bind: SocketAddr,
        /// How long to wait for a client
        #[arg(long, value_name = "PERIOD", default_value = "10s")]
        accept: Period,
        /// How long to wait for the client's next words
        #[arg(long, value_name = "PERIOD", default_value = "10s")]
        read: Period,
    },
    /// Chats with the server; `bye`, or the end of input, ends it
    Client {
        /// The server's address
        #[arg(value_name = "IP:PORT", value_parser = cli::peer, default_value = "127.0.0.1:8888")]
        server: SocketAddr,
        /// How long to wait for the connection
        #[arg(long, value_name = "PERIOD", default_value = "10s")]
        connect: Period,
        /// How long to wait for an answer
        #[arg(long, value_name = "PERIOD", default_value = "10s")]
        read: Period,
    },
}

/// Runs the end that the command line asks for.
///
/// # Errors
/// When a call fails, or what it waits for does not come in time.
pub fn run(Args { role }: Args) -> anyhow::Result<()> {
    match role {
        Role::Server { bind, accept, read } => server(bind, accept, read),
        Role::Client { server, connect, read } => client(server, connect, read),
    }
}

// ANCHOR: server
fn server(bind: SocketAddr, accept: Period, read: Period) -> anyhow::Result<()> {
    let stop = Stop::server()?;
    let listener =
        listen(bind).map_err(cli::at_bind).with_context(|| format!("cannot listen on {bind}"))?;
    cli::ready(listener.local_addr()?)?;

    let (mut connection, client, _listener) = accept_within(accept, listener)?;
    say!("connected: {client}")?;
    let _in_hand = stop.in_hand(format_args!("the chat with {client}"));

    let mut somebody_types = true;
    while let Some(words) = hear(&mut connection, client, read)? {
        say!("heard: {}", escape(&words))?;
        if words == BYE.as_bytes() {
            return Ok(()); // Without an answer, as the tutorial has it.
        }
        if somebody_types {
            match typed_words()? {
                Some(answer) => speak(&mut connection, client, read, &answer)?,
                None => {
                    somebody_types = false;
                    note!("the end of input: nobody here answers any more");
                }
            }
        }
    }
    say!("{client} has closed the connection")?;
    Ok(())
}
// ANCHOR_END: server

fn client(server: SocketAddr, connect: Period, read: Period) -> anyhow::Result<()> {
    let mut connection = connect_within(connect, server)?;
    say!("connected: {server}")?;
    loop {
        // Whoever has nothing more to say takes leave, or the server would wait in vain.
        let words = typed_words()?.unwrap_or_else(|| BYE.to_owned());
        speak(&mut connection, server, read, &words)?;
        let Some(answer) = hear(&mut connection, server, read)? else {
            say!("{server} has closed the connection")?;
            return Ok(());
        };
        say!("heard: {}", escape(&answer))?;
        if words == BYE || answer == BYE.as_bytes() {
            return Ok(());
        }
    }
}

/// What `TcpListener::bind` does, with a backlog of one's own choice: std's is 128 or more.
fn listen(bind: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(bind), Type::STREAM, Some(Protocol::TCP))?;
    // std sets it too, on Unix: the port can be used again at once. See the lesson reuse-addr.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&bind.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

// ANCHOR: deadlines
/// Waits for a client in a thread of its own, and for that thread no longer than `accept`.
///
/// SO_RCVTIMEO on the listener would do on Linux; elsewhere accept(2) does not heed it. A listener
/// that does not block needs poll(2), which std does not have. If nobody comes the thread is left
/// waiting, and ends with the process.
fn accept_within(
    accept: Period,
    listener: TcpListener,
) -> anyhow::Result<(TcpStream, SocketAddr, TcpListener)> {
    let (sender, accepted) = mpsc::channel();
    thread::spawn(move || {
        // Nobody receives it when it comes too late.
        let _ = sender.send((listener.accept(), listener));
    });
    match accepted.recv_timeout(accept.duration()) {
        Ok((accepted, listener)) => {
            let (connection, client) = accepted.context("cannot accept a connection")?;
            // Deadlines belong to a socket: each connection gets its own.
            Ok((connection, client, listener))
        }
        Err(_) => Err(anyhow!("waited {accept} for a client, and none has connected"))
            .hint("start the client in another terminal, or wait longer with --accept")
            .exit(Exit::TimedOut),
    }
}

fn connect_within(connect: Period, server: SocketAddr) -> anyhow::Result<TcpStream> {
    match TcpStream::connect_timeout(&server, connect.duration()) {
        Err(error) if is_timeout(&error) => {
            Err(anyhow!("waited {connect} for {server} to take the call, and it has not"))
                .hint("neither yes nor no came: a wrong address, a firewall, or a server too busy")
                .exit(Exit::TimedOut)
        }
        connected => connected.with_context(|| format!("cannot connect to {server}")),
    }
}

/// What the peer says next; `None` when it has closed the connection.
///
/// Simplified: takes what one read gives for one message (chapter 5). That also makes the deadline
/// simple: the first byte ends the wait.
fn hear(
    connection: &mut TcpStream,
    peer: SocketAddr,
    read: Period,
) -> anyhow::Result<Option<Vec<u8>>> {
    connection.set_read_timeout(Some(read.duration()))?;
    let mut words = vec![0; WORDS_LEN_MAX];
    // Whoever stops this program (Ctrl-Z) and lets it go on has broken off the wait: EINTR, on Linux.
    // It then begins anew, with the whole deadline.
    match uninterrupted(|| connection.read(&mut words)) {
        Ok(0) => Ok(None),
        Ok(len) => {
            words.truncate(len);
            Ok(Some(words))
        }
        Err(error) if is_timeout(&error) => {
            Err(anyhow!("waited {read} for {peer} to say something, and it has not"))
                .hint("is somebody typing there? wait longer with --read")
                .exit(Exit::TimedOut)
        }
        Err(error) => Err(error).with_context(|| format!("cannot hear {peer}")),
    }
}
// ANCHOR_END: deadlines

fn speak(
    connection: &mut TcpStream,
    peer: SocketAddr,
    patience: Period,
    words: &str,
) -> anyhow::Result<()> {
    // A write waits as well, once the peer reads nothing and the buffers on the way are full.
    connection.set_write_timeout(Some(patience.duration()))?;
    connection.write_all(words.as_bytes()).with_context(|| format!("cannot speak to {peer}"))
}

/// The next line that can be sent; `None` at the end of input.
fn typed_words() -> anyhow::Result<Option<String>> {
    loop {
        let Some(words) = ask(">>> ")? else { return Ok(None) };
        match words.len() {
            // Sending no bytes sends nothing, and both ends would wait for each other.
            0 => note!("an empty line cannot be sent; type something"),
            1..=WORDS_LEN_MAX => return Ok(Some(words)),
            len => note!("not sent: {len} bytes, and the other end reads {WORDS_LEN_MAX} at once"),
        }
    }
}

/// Unix says `WouldBlock` when a read runs out of time, Windows says `TimedOut`; so does connect.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
