//! Lesson `phone`: a connection is a telephone call, and every step of a call has its function.
//!
//! ```text
//!  server                                       client
//!  socket   buy a telephone                     socket   buy a telephone
//!  bind     give it a number
//!  listen   stand by
//!  accept   … rings, pick up  ◀───── call ────  connect  dial
//!  recv     listen            ◀───── words ───  send     speak
//!  send     speak             ────── WORDS ──▶  recv     listen
//!  close    hang up           ◀──────────────▶  close    hang up
//!  close    switch it off
//! ```
//!
//! The lesson `tcp-hello` left it to std to make three of these calls in one. Here `socket2` makes
//! them one by one: socket(2), bind(2), listen(2), accept(2), connect(2), recv(2), send(2),
//! close(2). A call that does not come about fails in connect(2), whose man page lists the reasons
//! by their errno names; `wrong-numbers` meets four of them.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use cli::failure::describe;
use cli::{Advice, Exit, Stop, count, escape, note, say, uninterrupted};
use socket2::{Domain, Protocol, Socket, Type};

use crate::message::{MESSAGE_LEN_MAX, Message};

/// How many callers may wait for `accept`, as in the tutorial's `listen(5)`.
const BACKLOG: i32 = 5;

/// A caller who says nothing must not hold the line for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A telephone call: each step, its function, and what happens when nobody picks up
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Takes one call, answers in capitals, and hangs up
    Server {
        /// The number: address to listen on; port 0 takes any free one
        #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:9000")]
        bind: SocketAddr,
    },
    /// Calls the server, says something and shows the answer
    Client {
        /// The number to dial
        #[arg(value_name = "IP:PORT", value_parser = cli::peer, default_value = "127.0.0.1:9000")]
        server: SocketAddr,
        /// What to say
        #[arg(long, value_name = "TEXT", default_value = "dream is handsome")]
        message: Message,
    },
    /// Dials four numbers where nobody picks up, and says why
    WrongNumbers,
}

/// Runs the end that the command line asks for.
///
/// # Errors
/// When a call fails, or the peer hangs up without a word.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.role {
        Role::Server { bind } => server(bind),
        Role::Client { server, message } => client(server, &message),
        Role::WrongNumbers => wrong_numbers(),
    }
}

// ANCHOR: server
fn server(bind: SocketAddr) -> anyhow::Result<()> {
    let stop = Stop::server()?;
    step("socket", "buy a telephone");
    let telephone = new_telephone(bind)?;
    telephone
        .bind(&bind.into())
        .map_err(cli::at_bind)
        .with_context(|| format!("cannot bind {bind}"))?;
    step("bind", "give it a number");
    telephone.listen(BACKLOG).with_context(|| format!("cannot listen on {bind}"))?;
    step("listen", format_args!("stand by; up to {BACKLOG} callers may wait"));
    let telephone = TcpListener::from(telephone);
    cli::ready(telephone.local_addr()?)?;

    // A second socket: the first one goes on standing by, this one is the call.
    let (mut call, caller) = telephone.accept().context("cannot accept a call")?;
    step("accept", "it rings: pick up");
    say!("a call from {caller}")?;
    let _in_hand = stop.in_hand(format_args!("the call from {caller}"));

    let words = listen(&mut call).with_context(|| format!("heard nothing from {caller}"))?;
    say!("heard {}: {}", count(words.len(), "byte"), escape(&words))?;

    let answer = in_capitals(&words);
    step("send", "answer in capitals");
    call.write_all(&answer).with_context(|| format!("cannot answer {caller}"))?;
    say!("said {}: {}", count(answer.len(), "byte"), escape(&answer))?;

    drop(call);
    step("close", "hang up");
    drop(telephone);
    step("close", "switch the telephone off");
    Ok(())
}
// ANCHOR_END: server

// ANCHOR: client
fn client(server: SocketAddr, message: &Message) -> anyhow::Result<()> {
    step("socket", "buy a telephone");
    let telephone = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))
        .context("cannot make a socket")?;
    step("connect", format_args!("dial {server}"));
    // Python's connect_ex returns the errno, and whoever forgets to look at it speaks into a dead
    // line. A Result is not forgotten: the compiler asks what becomes of it.
    telephone
        .connect(&server.into())
        .with_context(|| format!("the call to {server} did not come about"))?;
    let mut call = TcpStream::from(telephone);

    step("send", "speak");
    let words = message.as_bytes();
    call.write_all(words).with_context(|| format!("cannot speak to {server}"))?;
    say!("said {}: {}", count(words.len(), "byte"), escape(words))?;

    let answer = listen(&mut call).with_context(|| format!("heard nothing from {server}"))?;
    say!("heard {}: {}", count(answer.len(), "byte"), escape(&answer))?;
    drop(call);
    step("close", "hang up");
    Ok(())
}
// ANCHOR_END: client

/// Names a step of the call with the function that takes it.
fn step(function: &str, meaning: impl fmt::Display) {
    note!("{function:<8} {meaning}");
}

/// A socket that can be bound to `number`.
fn new_telephone(number: SocketAddr) -> anyhow::Result<Socket> {
    let socket = Socket::new(Domain::for_address(number), Type::STREAM, Some(Protocol::TCP))
        .context("cannot make a socket")?;
    // The end that hangs up first keeps the number in TIME_WAIT for a while, and here that is the
    // server. Without this option its next start would find the port in use. std sets it too; the
    // lesson reuse-addr shows what happens without. On Windows it would let two programs share
    // the port.
    #[cfg(unix)]
    socket.set_reuse_address(true).context("cannot set SO_REUSEADDR")?;
    Ok(socket)
}

/// Waits for the other end to say something.
///
/// Simplified: takes what one `recv` gives for all that is said. TCP does not promise that
/// (chapter 5).
fn listen(call: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    step("recv", "listen");
    call.set_read_timeout(Some(PATIENCE))?;
    let mut words = vec![0; MESSAGE_LEN_MAX];
    let len = uninterrupted(|| call.read(&mut words))?;
    if len == 0 {
        return Err(anyhow!("the other end hung up before it said anything"))
            .hint("the other program ended, or crashed; look at its terminal")
            .exit(Exit::Protocol);
    }
    if len == MESSAGE_LEN_MAX {
        note!("one recv takes at most {MESSAGE_LEN_MAX} bytes; if more was said, it is lost");
    }
    words.truncate(len);
    Ok(words)
}

/// The answer, byte for byte what Python's `bytes.upper()` makes: ASCII letters become capitals,
/// all other bytes stay. `str::to_uppercase` would be another protocol: it makes `É` of `é`, and
/// of `ß` two letters, `SS`.
fn in_capitals(words: &[u8]) -> Vec<u8> {
    words.to_ascii_uppercase()
}

// ANCHOR: wrong-numbers
fn wrong_numbers() -> anyhow::Result<()> {
    // Bound and not listening: the port belongs to this socket, so nobody else can pick up there.
    let silent = bound_telephone()?;
    let number = own_number(&silent)?;
    say!("dial {number}: nobody listens on that port")?;
    say_why(dial(number))?;
    say!("  the machine was reached, and it said no at once")?;

    say!("dial 255.255.255.255:9: every machine at once")?;
    say_why(dial((Ipv4Addr::BROADCAST, 9).into()))?;
    say!("  a connection has one other end, so the system did not even try")?;

    say!("dial {IMPOSSIBLE_NAME}: a name that nobody can have")?;
    say_why((IMPOSSIBLE_NAME, 9000).to_socket_addrs().map(drop))?;
    say!("  no errno: a name is looked up by getaddrinfo(3) first, and nothing was dialled")?;

    let busy = bound_telephone()?;
    busy.listen(0).context("cannot listen")?;
    let number = own_number(&busy)?;
    say!("dial {number}: too many callers wait there already")?;
    if cfg!(target_os = "linux") {
        say_why(dial_until_nobody_picks_up(number))?;
        say!("  no answer at all, neither yes nor no, and the system stopped trying")?;
    } else {
        say!("  skipped: only Linux lets a call ring when the backlog is full")?;
    }
    Ok(())
}
// ANCHOR_END: wrong-numbers

/// A name with an empty label. RFC 1035 §3.1 keeps that for the root, at the end of a name, so the
/// system turns this one down by itself: no question leaves the machine, as one about any
/// well-formed name could.
const IMPOSSIBLE_NAME: &str = "nobody..example";

/// Says why a call did not come about, which is what is expected of it.
fn say_why(call: io::Result<()>) -> anyhow::Result<()> {
    match call {
        Ok(()) => bail!("somebody picked up, where nobody should"),
        Err(error) => Ok(say!("  {}", describe(&error))?),
    }
}

fn dial(number: SocketAddr) -> io::Result<()> {
    let telephone = Socket::new(Domain::for_address(number), Type::STREAM, Some(Protocol::TCP))?;
    telephone.connect(&number.into())
}

/// Calls `number` again and again, keeping every call, until one is not answered.
///
/// A listener's system answers calls by itself and lets them wait for `accept`, up to the backlog
/// (Linux: one more). When that is full, Linux leaves further calls without an answer, in the hope
/// that there is room when the caller tries again.
fn dial_until_nobody_picks_up(number: SocketAddr) -> io::Result<()> {
    const CALLERS_MAX: usize = 16;
    let mut waiting = Vec::new();
    for _ in 0..CALLERS_MAX {
        let telephone =
            Socket::new(Domain::for_address(number), Type::STREAM, Some(Protocol::TCP))?;
        // The system would try for two minutes (tcp_syn_retries in tcp(7)). With this it gives up
        // when its first second of waiting is over.
        #[cfg(target_os = "linux")]
        telephone.set_tcp_user_timeout(Some(Duration::from_millis(500)))?;
        telephone.connect(&number.into())?;
        waiting.push(telephone);
    }
    Ok(())
}

/// A telephone with any free number on this machine.
fn bound_telephone() -> anyhow::Result<Socket> {
    let any_free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let telephone = new_telephone(any_free)?;
    telephone.bind(&any_free.into()).with_context(|| format!("cannot bind {any_free}"))?;
    Ok(telephone)
}

fn own_number(telephone: &Socket) -> anyhow::Result<SocketAddr> {
    telephone.local_addr()?.as_socket().context("the socket has no IP address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_what_bytes_upper_makes_in_python() {
        for (words, capitals) in [
            ("dream is handsome", "DREAM IS HANDSOME"),
            ("Ab9!", "AB9!"),
            ("naïve straße", "NAïVE STRAßE"),
            ("我爱你 you", "我爱你 YOU"),
        ] {
            assert_eq!(in_capitals(words.as_bytes()), capitals.as_bytes());
        }
        assert_eq!(in_capitals(b"\xffa\xe9"), b"\xffA\xe9");
    }

    #[test]
    fn a_port_where_nobody_listens_refuses_the_call() {
        let silent = bound_telephone().unwrap();
        let error = dial(own_number(&silent).unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn an_impossible_name_is_not_found() {
        assert!((IMPOSSIBLE_NAME, 9000).to_socket_addrs().is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_knows_no_way_to_every_machine_at_once() {
        let error = dial((Ipv4Addr::BROADCAST, 9).into()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NetworkUnreachable);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_backlog_on_linux_leaves_the_call_unanswered() {
        let busy = bound_telephone().unwrap();
        busy.listen(0).unwrap();
        let error = dial_until_nobody_picks_up(own_number(&busy).unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
