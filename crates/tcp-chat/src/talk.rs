//! Lesson `talk`: two people, strictly in turns.
//!
//! ```text
//!  server                                                    client
//!  listen, accept … waits                                    connect
//!  ┌▶ read … waits     ◀──────────── 你好 ────────────────── write what is typed ◀┐
//!  │  show it                                                                     │
//!  │  type the answer                                                             │
//!  └─ write it         ───────────── 你好吗 ──────────────▶  read … waits, show it ┘
//!     until one of them says exit, q or bye, or closes the connection
//! ```
//!
//! The tutorials' chat, on the tutorials' wire: what one send(2) gave is taken for one message, and
//! nothing on the wire says where it ends. One thread, one client at a time; the next waits in the
//! backlog of listen(2).
//!
//! What it still gets wrong: two quick sends are heard as one message, a long one is heard as
//! several, and one person holds up all others. The next step, [`duplex`](crate::duplex), does away
//! with the turns. System calls: socket(2), bind(2), listen(2), accept(2), read(2), write(2).

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::str::FromStr;

use anyhow::Context;
use cli::failure::describe;
use cli::output::StdoutError;
use cli::{Stop, ask, escape, note, say};

/// The most that one read takes, as in tutorial 2's `recv(4096)`; the others take 1024.
const WORDS_LEN_MAX: usize = 4096;

/// Two people, strictly in turns
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Talks with one client after the other; what you type is the answer
    Server {
        /// Address to listen on; port 0 takes any free one
        #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:8008")]
        bind: SocketAddr,
        #[command(flatten)]
        leave: LeaveArgs,
    },
    /// Talks with the server, and begins
    Client {
        /// The server's address
        #[arg(value_name = "IP:PORT", value_parser = cli::peer, default_value = "127.0.0.1:8008")]
        server: SocketAddr,
        #[command(flatten)]
        leave: LeaveArgs,
    },
}

#[derive(clap::Args)]
struct LeaveArgs {
    /// What ends the talk; may be repeated. The end of input says the first
    #[arg(long = "quit-word", value_name = "WORD", default_values = ["exit", "q", "bye"])]
    quit_words: Vec<QuitWord>,
}

/// A message that ends the talk.
#[derive(Clone, Debug)]
struct QuitWord(String);

impl FromStr for QuitWord {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "" => Err("an empty message is never heard; say something"),
            word => Ok(Self(word.to_owned())),
        }
    }
}

// ANCHOR: dialects
impl QuitWord {
    /// What whoever hears the word says last. `q` and `exit` are not answered: the tutorials'
    /// programs close the connection at once. Their server has an answer to `bye`, and waits for one
    /// to its own.
    fn answer(&self, side: Side) -> Option<&'static str> {
        match (self.0.as_str(), side) {
            ("bye", Side::Server) => Some("OK!bye"),
            ("bye", Side::Client) => Some("bye"),
            _ => None,
        }
    }
}
// ANCHOR_END: dialects

/// Which end this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}

/// Runs the end that the command line asks for.
///
/// # Errors
/// When a call fails.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.role {
        Role::Server { bind, leave } => server(bind, &leave.quit_words),
        Role::Client { server, leave } => client(server, &leave.quit_words),
    }
}

// ANCHOR: server
fn server(bind: SocketAddr, quit_words: &[QuitWord]) -> anyhow::Result<()> {
    let stop = Stop::server()?;
    let listener = TcpListener::bind(bind)
        .map_err(cli::at_bind)
        .with_context(|| format!("cannot listen on {bind}"))?;
    cli::ready(listener.local_addr()?)?;

    loop {
        // Simplified: a server that is to stay up must outlive a failing accept. The room does.
        let (connection, client) = listener.accept().context("cannot accept a connection")?;
        let _in_hand = stop.in_hand(format_args!("the talk with {client}"));
        say!("connected: {client}")?;
        // Whoever connects from here on waits in the backlog until this talk is over.
        match take_turns(&mut End { connection, side: Side::Server, quit_words }) {
            Over::Farewell => say!("the talk with {client} is over")?,
            Over::Closed => say!("{client} has closed the connection")?,
            // One client's trouble is no reason to leave the others standing in the backlog.
            Over::Lost(error) => say!("lost {client}: {}", describe(&error))?,
            Over::Failed(error) => return Err(error),
        }
    }
}
// ANCHOR_END: server

// ANCHOR: client
fn client(server: SocketAddr, quit_words: &[QuitWord]) -> anyhow::Result<()> {
    let connection =
        TcpStream::connect(server).with_context(|| format!("cannot connect to {server}"))?;
    say!("connected: {server}")?;

    match take_turns(&mut End { connection, side: Side::Client, quit_words }) {
        Over::Farewell => Ok(say!("the talk with {server} is over")?),
        Over::Closed => Ok(say!("{server} has closed the connection")?),
        Over::Lost(error) => Err(error).with_context(|| format!("lost {server}")),
        Over::Failed(error) => Err(error),
    }
}
// ANCHOR_END: client

// ANCHOR: turns
/// One waits while the other thinks. The client begins.
fn take_turns(end: &mut End<'_>) -> Over {
    let turns = |end: &mut End<'_>| -> Result<Infallible, Over> {
        if end.side == Side::Client {
            end.speak()?;
        }
        loop {
            end.hear()?;
            end.speak()?;
        }
    };
    // Infallible has no value: nothing but an error leads out of the loop.
    let Err(over) = turns(end);
    over
}

/// Why there is no further turn.
#[derive(Debug)]
enum Over {
    /// One of the two has said so.
    Farewell,
    /// The peer has closed the connection.
    Closed,
    /// The connection is broken.
    Lost(io::Error),
    /// This program cannot go on.
    Failed(anyhow::Error),
}

impl From<StdoutError> for Over {
    fn from(error: StdoutError) -> Self {
        Self::Failed(error.into())
    }
}

/// One end of a talk.
struct End<'a> {
    connection: TcpStream,
    side: Side,
    quit_words: &'a [QuitWord],
}

impl End<'_> {
    fn hear(&mut self) -> Result<(), Over> {
        let words = self.read_once()?;
        say!("heard: {}", escape(&words))?;
        let Some(quit) = self.quit_word(&words) else { return Ok(()) };
        if let Some(answer) = quit.answer(self.side) {
            // A courtesy. Whoever has gone without waiting for it has not missed anything.
            let _ = self.connection.write_all(answer.as_bytes());
        }
        Err(Over::Farewell)
    }

    fn speak(&mut self) -> Result<(), Over> {
        let words = self.typed_words().map_err(Over::Failed)?;
        self.connection.write_all(words.as_bytes()).map_err(Over::Lost)?;
        if self.quit_word(words.as_bytes()).is_none() {
            return Ok(());
        }
        // The last word is the other's: an answer, or the end of the stream. To close at once would
        // be to hang up on it, and what it says then would be answered by a reset.
        if let Ok(answer) = self.read_once() {
            say!("heard: {}", escape(&answer))?;
        }
        Err(Over::Farewell)
    }

    /// What one read gives.
    ///
    /// Simplified: taken for one message, which it is only as long as both ends wait for each other.
    ///
    /// There is no limit to the wait: a person may think for an hour. A peer whose machine was
    /// switched off looks the same, and for that the room has keepalive.
    fn read_once(&mut self) -> Result<Vec<u8>, Over> {
        let mut words = vec![0; WORDS_LEN_MAX];
        match self.connection.read(&mut words) {
            // The end of the stream: the peer has closed its end, or its program has ended.
            Ok(0) => Err(Over::Closed),
            Ok(len) => {
                if len == WORDS_LEN_MAX {
                    note!(
                        "one read takes {len} bytes; if more was said, it is heard as the next message"
                    );
                }
                words.truncate(len);
                Ok(words)
            }
            Err(error) => Err(Over::Lost(error)),
        }
    }

    fn quit_word(&self, words: &[u8]) -> Option<&QuitWord> {
        self.quit_words.iter().find(|quit| quit.0.as_bytes() == words)
    }

    /// The next line that can be sent. Whoever has nothing more to say takes leave, or the other
    /// would wait in vain.
    fn typed_words(&self) -> anyhow::Result<String> {
        loop {
            match ask(">>> ")? {
                // Sending no bytes sends nothing, and both ends would wait for each other.
                Some(words) if words.is_empty() => {
                    note!("an empty line cannot be sent; type something");
                }
                Some(words) => return Ok(words),
                None => {
                    let leave = self.quit_words.first().map_or("exit", |word| &word.0);
                    note!("the end of input: {leave}");
                    return Ok(leave.to_owned());
                }
            }
        }
    }
}
// ANCHOR_END: turns

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    // ANCHOR: bugs
    #[test]
    fn two_quick_sends_are_heard_as_one_message() {
        check(&["nice to meet you", "bye"], &["nice to meet youbye"]);
    }

    #[test]
    fn one_long_message_is_heard_as_several() {
        let long = "x".repeat(4097);
        check(&[&long], &[&long[..4096], "x"]);
    }

    #[test]
    fn a_character_is_torn_where_the_read_ends() {
        let words = format!("{}爱", "x".repeat(4095));
        // This is where Python's `recv(4096).decode('UTF-8')` ends the program.
        check(&[&words], &[&format!("{}\\xe7", "x".repeat(4095)), "\\x88\\xb1"]);
    }
    // ANCHOR_END: bugs

    #[test]
    fn the_end_of_the_stream_is_no_message() {
        let (mut end, peer) = pair(&[]);
        drop(peer);
        assert!(matches!(end.read_once(), Err(Over::Closed)));
    }

    #[test]
    fn a_reset_is_a_loss_and_no_farewell() {
        let (mut end, peer) = pair(&[]);
        let peer = socket2::Socket::from(peer);
        // Closing sends RST instead of FIN.
        peer.set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(peer);
        assert!(matches!(end.read_once(), Err(Over::Lost(_))));
    }

    #[test]
    fn only_bye_is_answered_and_each_side_answers_as_the_tutorial_has_it() {
        for (word, side, answer) in [
            ("q", Side::Server, None),
            ("q", Side::Client, None),
            ("exit", Side::Server, None),
            ("exit", Side::Client, None),
            ("bye", Side::Server, Some("OK!bye")),
            ("bye", Side::Client, Some("bye")),
            ("再见", Side::Server, None),
        ] {
            let quit_words = [word.parse().unwrap()];
            let (connection, mut peer) = connect();
            peer.write_all(word.as_bytes()).unwrap();
            let mut end = End { connection, side, quit_words: &quit_words };
            assert!(matches!(end.hear(), Err(Over::Farewell)), "{word}");
            drop(end);
            let mut heard = String::new();
            peer.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, answer.unwrap_or_default(), "{word} {side:?}");
        }
    }

    #[test]
    fn no_word_is_empty() {
        assert!("".parse::<QuitWord>().is_err());
    }

    /// What is `sent`, each by a write of its own, before the other end reads anything.
    #[track_caller]
    fn check(sent: &[&str], heard: &[&str]) {
        let (mut end, mut peer) = pair(&[]);
        for words in sent {
            peer.write_all(words.as_bytes()).unwrap();
        }
        wait_for(&end.connection, sent.concat().len());
        for want in heard {
            let got = end.read_once().unwrap();
            assert_eq!(escape(&got).to_string(), *want);
        }
        drop(peer);
        assert!(matches!(end.read_once(), Err(Over::Closed)), "nothing else was said");
    }

    /// Waits until so many bytes lie ready to be read, and leaves them there.
    fn wait_for(connection: &TcpStream, len: usize) {
        let mut bytes = vec![0; len];
        while connection.peek(&mut bytes).unwrap() < len {
            thread::yield_now();
        }
    }

    fn pair(quit_words: &[QuitWord]) -> (End<'_>, TcpStream) {
        let (connection, peer) = connect();
        (End { connection, side: Side::Server, quit_words }, peer)
    }

    fn connect() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, peer)
    }
}
