//! Lesson `talk`: chapter 4's talk of two, mended.
//!
//! ```text
//!  chapter 4   ├─ I am Eve. ── Are you there? ─┤                   one read, one message
//!  here        ├ 9 ┤─ I am Eve. ─├ 14 ┤─ Are you there? ─┤         two messages, however they come
//! ```
//!
//! The same program with a length in front of what is said ([`by_hand`](crate::by_hand)): two calls
//! that write and one that reads are other calls, and the warning that a message may be torn is
//! gone. Nothing else differs, and a test below compares the two files.
//!
//! It is another wire. Who has no length in front is not understood, and is told so.
//! System calls: those of chapter 4.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::str::FromStr;

use anyhow::Context;
use cli::failure::describe;
use cli::output::StdoutError;
use cli::{Stop, ask, escape, note, say};

use crate::by_hand::{read_message, write_message};

/// There is so much room to begin with. A longer message makes more, up to its limit.
const WORDS_LEN_MAX: usize = 4096;

/// Chapter 4's talk between two, mended: a length in front of what is said
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
            let _ = write_message(&mut self.connection, answer.as_bytes());
        }
        Err(Over::Farewell)
    }

    fn speak(&mut self) -> Result<(), Over> {
        let words = self.typed_words().map_err(Over::Failed)?;
        write_message(&mut self.connection, words.as_bytes()).map_err(Over::Lost)?;
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

    /// One message, whatever the reads give.
    ///
    /// There is no limit to the wait: a person may think for an hour. A peer whose machine was
    /// switched off looks the same, and for that the room has keepalive.
    fn read_once(&mut self) -> Result<Vec<u8>, Over> {
        let mut words = vec![0; WORDS_LEN_MAX];
        match read_message(&mut self.connection, &mut words) {
            // The end of the stream: the peer has closed its end, or its program has ended.
            Ok(0) => Err(Over::Closed),
            Ok(len) => {
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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn two_quick_sends_are_heard_as_two_messages() {
        check(&["nice to meet you", "bye"]);
    }

    #[test]
    fn one_long_message_is_heard_as_one() {
        check(&[&"x".repeat(4097), &"x".repeat(65_536)]);
    }

    #[test]
    fn no_character_is_torn() {
        check(&[&format!("{}爱", "x".repeat(4095))]);
    }

    #[test]
    fn whoever_has_no_length_in_front_is_told_so() {
        let (mut end, peer) = pair();
        io::Write::write_all(&mut &peer, b"hello!").unwrap();
        let Err(Over::Lost(error)) = end.read_once() else { panic!("that is no message") };
        assert!(error.to_string().contains("as text it is \"hell\""), "{error}");
    }

    /// Whatever is sent in one go comes out as it was said.
    #[track_caller]
    fn check(sent: &[&str]) {
        let (mut end, mut peer) = pair();
        thread::scope(|scope| {
            scope.spawn(move || {
                for words in sent {
                    write_message(&mut peer, words.as_bytes()).unwrap();
                }
            });
            for want in sent {
                assert_eq!(end.read_once().unwrap(), want.as_bytes());
            }
            assert!(matches!(end.read_once(), Err(Over::Closed)), "nothing else was said");
        });
    }

    fn pair() -> (End<'static>, TcpStream) {
        let (peer, connection) = crate::loopback::pair().unwrap();
        (End { connection, side: Side::Server, quit_words: &[] }, peer)
    }
}
