//! Lesson `client`: one person's end of the room.
//!
//! ```text
//!  on a terminal                              in a pipe
//!  ┌──────────────────────────┐
//!  │ Ann: 你好                │ ◀── lines ──  lines ──▶ stdout
//!  │ * 小红 joined            │
//!  │ > what I am ty_          │ ── lines ──▶  stdin ──▶ lines
//!  └──────────────────────────┘
//!   the line that is being typed stays below
//! ```
//!
//! The room is lines of text both ways, so `nc` is a client too. What this one adds: it answers the
//! question for the name, it keeps what others say out of the line that is being typed, it gives
//! each name a colour, and it shows nothing that a terminal would obey. Commands such as `/help` are
//! lines like all others, and the server answers them: a client that explained them itself would
//! explain another version's.
//!
//! Two things are waited for at once, the keyboard and the server, and each has a thread. End of
//! input is told to the server by closing one half of the connection, shutdown(2); the other half is
//! read to its end, so that `printf '…' | tcp-chat client` gets its answers.
//!
//! *Read:* [`inbox`] (bytes to lines) → this file → [`names`] (colours) → [`terminal`].

pub mod inbox;
pub mod names;
pub mod terminal;

use std::io::{IsTerminal, Write};
use std::net::{Shutdown, TcpStream};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use cli::{Advice, Exit, ask_bytes, note, say};
use socket2::{SockRef, TcpKeepalive};

use inbox::Inbox;
use names::Look;

/// Takes part in a room
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
/help in the room lists its commands. End of input (Ctrl-D) leaves.
Exit code: 0 we left · 1 the server ended it · 4 the server does not answer")]
pub struct Args {
    /// The server's address, or its name
    #[arg(value_name = "HOST:PORT", default_value = "127.0.0.1:8008")]
    server: Server,
    /// Your name in the room; without it the server's question is yours to answer
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// Show when each line came: local time, HH:MM
    #[arg(long)]
    times: bool,
}

/// Where the server is: an address, or a name that the system looks up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server(String);

/// What the server asks whoever comes.
const QUESTION: &str = "* What is your name?";
/// How its answer to a good name begins.
const WELCOME: &str = "* Hello, ";

/// How long the server may take to ask, and to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// When the system asks a silent server whether it is still there, and how often then.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10));

/// Runs the client.
///
/// # Errors
/// When the server cannot be reached, does not take the name, or ends the conversation.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { server: Server(server), name, times } = args;
    let look = Look { times };
    let stream = TcpStream::connect(server.as_str())
        .with_context(|| format!("cannot connect to {server}"))?;
    // A line is to go when it is typed, not when the one before was acknowledged (RFC 896).
    stream.set_nodelay(true)?;
    // Without it, a server that lost its power would look like a room where nobody speaks.
    SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE)?;
    let mut inbox = Inbox::new(stream.try_clone().context("cannot share the connection")?);
    let outbox = Outbox { stream: Arc::new(stream), leaving: Arc::default() };

    let on_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if let Some(name) = name {
        let deadline = Instant::now() + PATIENCE;
        log_in(&mut inbox, &outbox, &name, look, on_terminal, deadline)
            .with_context(|| format!("cannot enter the room at {server}"))?;
    }
    let screen = if on_terminal { terminal::open(look) } else { None };
    let ended = match screen {
        Some((keyboard, mut screen)) => {
            keyboard.type_into(outbox.clone());
            listen(&mut inbox, |line| screen.show(line))
            // The screen goes out of scope, and the terminal is as it was.
        }
        None => {
            let outbox = outbox.clone();
            thread::spawn(move || pass_on(&outbox));
            listen(&mut inbox, |line| Ok(say!("{}", look.painted(line))?))
        }
    };
    ended.with_context(|| format!("the conversation with {server} broke off"))?;
    if outbox.leaving.load(Ordering::Relaxed) {
        return Ok(());
    }
    Err(anyhow!("{server} has ended the conversation"))
        .hint("its last lines say why, if it had the time; connect again to go on")
}

// ANCHOR: login
/// Answers the server's question. What else it says meanwhile is shown.
fn log_in(
    inbox: &mut Inbox,
    outbox: &Outbox,
    name: &str,
    look: Look,
    can_ask_again: bool,
    deadline: Instant,
) -> anyhow::Result<()> {
    let mut asked = false;
    loop {
        let line = inbox
            .next_until(Some(deadline))
            .context("the server does not ask for a name, or does not answer")
            .hint("another kind of server? without --name, lines pass as they are")?;
        let Some(line) = line else {
            return Err(anyhow!("the server has closed the connection")).exit(Exit::Failed);
        };
        match (line == QUESTION, asked) {
            // The question that we answer ourselves need not be seen.
            (true, false) => {
                asked = true;
                outbox.say(name.as_bytes()).context("cannot say the name")?;
            }
            (true, true) if can_ask_again => {
                say!("{}", look.painted(&line))?;
                return Ok(());
            }
            // What comes from a pipe is meant for the room, and never to become a name.
            (true, true) => {
                return Err(anyhow!("the server does not take this name"))
                    .hint("choose another --name");
            }
            (false, _) => {
                say!("{}", look.painted(&line))?;
                if line.starts_with(WELCOME) {
                    return Ok(());
                }
            }
        }
    }
}
// ANCHOR_END: login

// ANCHOR: listen
/// Shows all that comes, until the server says no more.
fn listen(
    inbox: &mut Inbox,
    mut show: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    while let Some(line) = inbox.next_until(None)? {
        show(&line)?;
    }
    Ok(())
}

/// Sends all that is typed, until there is no more.
fn pass_on(outbox: &Outbox) {
    loop {
        match ask_bytes("") {
            Ok(Some(line)) => {
                // Why it does not go is told by the thread that reads.
                if outbox.say(&line).is_err() {
                    return;
                }
            }
            Ok(None) => return outbox.finish(),
            Err(error) => {
                note!("cannot read more of the input: {error:#}");
                return outbox.finish();
            }
        }
    }
}
// ANCHOR_END: listen

/// Our half of the conversation.
#[derive(Clone, Debug)]
pub struct Outbox {
    stream: Arc<TcpStream>,
    /// We have said that we go, so an end is no surprise.
    leaving: Arc<AtomicBool>,
}

impl Outbox {
    /// Sends a line.
    ///
    /// # Errors
    /// As send(2).
    pub fn say(&self, line: &[u8]) -> std::io::Result<()> {
        if line.trim_ascii() == b"/quit" {
            self.leaving.store(true, Ordering::Relaxed);
        }
        // In one write, or the line and its end would be two packets.
        let mut whole = Vec::with_capacity(line.len() + 1);
        whole.extend_from_slice(line);
        whole.push(b'\n');
        (&*self.stream).write_all(&whole)
    }

    /// Says that no more is said: the server reads 0 bytes, and we can still read.
    pub fn finish(&self) {
        self.leaving.store(true, Ordering::Relaxed);
        // A connection that is gone already needs no end.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let why = match cli::peer(text) {
            Ok(address) => return Ok(Self(address.to_string())),
            Err(why) => why,
        };
        // Unlike elsewhere in the course, a name is looked up.
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        let (host, port) = text.split_once(':').map_or((text, None), |(h, p)| (h, Some(p)));
        let named =
            host.bytes().all(of_name) && host.bytes().any(|byte| byte.is_ascii_alphabetic());
        match port.map(str::parse::<u16>) {
            _ if !named => Err(why),
            None => Err(format!("the port is missing; write it behind the name: {host}:8008")),
            Some(Ok(1..)) => Ok(Self(text.to_owned())),
            Some(_) => Err("a port is a number from 1 to 65535".to_owned()),
        }
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which names are good the server knows. This one must be a line.
fn name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a name has a letter at least".to_owned()),
        name if name.contains(char::is_control) => Err("a name is on one line".to_owned()),
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_server_is_an_address_or_a_name_with_a_port() {
        for text in ["127.0.0.1:8008", "[::1]:8008", "localhost:8008", "chat.example.com:8008"] {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), text);
        }
        for (text, why) in [
            ("127.0.0.1", "the port is missing"),
            ("localhost", "the port is missing; write it behind the name: localhost:8008"),
            ("localhost:0", "a port is a number from 1 to 65535"),
            ("localhost:", "a port is a number from 1 to 65535"),
            ("localhost:1:2", "a port is a number from 1 to 65535"),
            ("256.0.0.1:80", "`256.0.0.1` is no IP address"),
            ("a b:80", "`a b` is no IP address"),
        ] {
            let got = text.parse::<Server>().unwrap_err();
            assert!(got.contains(why), "{text}: {got}");
        }
    }

    #[test]
    fn whoever_never_asks_for_a_name_is_waited_for_until_the_deadline_only() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"220 mail ready\n").unwrap();
        let mut inbox = Inbox::new(stream.try_clone().unwrap());
        let outbox = Outbox { stream: Arc::new(stream), leaving: Arc::default() };
        let soon = Instant::now() + Duration::from_millis(1);
        let late = log_in(&mut inbox, &outbox, "ann", Look::default(), true, soon).unwrap_err();
        assert!(late.to_string().contains("does not ask for a name"), "{late:?}");
        let cause = late.root_cause().downcast_ref::<std::io::Error>().unwrap().kind();
        assert!(matches!(cause, ErrorKind::TimedOut | ErrorKind::WouldBlock), "{late:?}");
    }

    #[test]
    fn a_name_is_one_line() {
        assert_eq!(name(" 小明 ").unwrap(), "小明");
        for wrong in ["", " ", "a\nb", "a\u{1b}b"] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
    }
}
