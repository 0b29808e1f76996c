//! Lesson `time-sync`: what time is it there, in the form you ask for?
//!
//! ```text
//!  server                                                client
//!  bind 127.0.0.1:9090
//!  recvfrom … waits  ◀── "%Y-%m-%d %H:%M:%S" ──────────  send
//!  strftime
//!  sendto            ── "2026-11-20 12:00:00" ────────▶  recv, within 5 s
//!  recvfrom … waits                                      … 2 s later, the same again
//! ```
//!
//! A server that lives for many questions lives through bad ones too: a format that is wrong, too
//! long or no text at all gets an answer that says so. The client calls connect(2) on its UDP
//! socket. That sends nothing; it only fixes the other end, so that the system drops datagrams
//! from strangers and reports when nobody is there. See strftime(3), udp(7).

use std::io::{
    self,
    ErrorKind::{Interrupted, TimedOut, WouldBlock},
};
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::str;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use cli::{Advice, Exit, Period, Stop, ask, count, escape, note, say};
use jiff::Zoned;
use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};

use crate::udp_hello::any_address_like;

/// The longest format that is answered: what the tutorial's `recvfrom(1024)` takes.
const FORMAT_LEN_MAX: usize = 1024;

/// The longest answer: what the tutorial's client takes. It also keeps a small question from
/// making a large answer, which somebody could have sent to a victim by forging the sender.
const ANSWER_LEN_MAX: usize = 1024;

/// Room for every UDP datagram, so that one that is too long is seen to be, and not cut off.
const DATAGRAM_LEN_MAX: usize = 65_535;

/// How long to wait for an answer before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

const DEFAULT_FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// UDP: the client sends a time format, the server answers with its local time
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Answers every strftime format with the local time
    Server {
        /// Address to receive on; port 0 takes any free one
        #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:9090")]
        bind: SocketAddr,
    },
    /// Asks for the time again and again
    Client {
        /// The server's address
        #[arg(value_name = "IP:PORT", value_parser = cli::peer, default_value = "127.0.0.1:9090")]
        server: SocketAddr,
        /// The form of the answer; without it, a line of stdin, or else '%Y-%m-%d %H:%M:%S'
        #[arg(long, value_name = "STRFTIME")]
        format: Option<String>,
        /// How often to ask
        #[arg(long, value_name = "PERIOD", default_value = "2s")]
        every: Period,
        /// How many times to ask; without it, until Ctrl-C
        #[arg(long, value_name = "N", value_parser = at_least_one)]
        count: Option<NonZeroU32>,
    },
}

/// std's own error, "number would be zero for non-zero type", speaks of Rust.
fn at_least_one(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| format!("a whole number is wanted, at least 1, at most {}", u32::MAX))
}

/// Runs the end that the command line asks for.
///
/// # Errors
/// When a call fails, or questions stay without an answer.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.role {
        Role::Server { bind } => server(bind),
        Role::Client { server, format, every, count } => client(server, format, every, count),
    }
}

// ANCHOR: server
fn server(bind: SocketAddr) -> anyhow::Result<()> {
    let _stop = Stop::server()?;
    let socket = UdpSocket::bind(bind)
        .map_err(cli::at_bind)
        .with_context(|| format!("cannot bind {bind}"))?;
    cli::ready(socket.local_addr()?)?;

    let mut datagram = vec![0; DATAGRAM_LEN_MAX];
    loop {
        let (len, client) = match socket.recv_from(&mut datagram) {
            // Windows reports here that the answer before went to somebody who has gone.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
            received => received.context("cannot receive")?,
        };
        let format = &datagram[..len];
        match len {
            0..=FORMAT_LEN_MAX => say!("{client} asks: {}", escape(format))?,
            _ => say!("{client} asks: ({})", count(len, "byte"))?,
        }

        let answer = match local_time(format, &Zoned::now()) {
            Ok(time) => time,
            Err(error) => format!("error: {error}"),
        };
        // One client that cannot be reached is no reason to stop serving the others.
        match socket.send_to(answer.as_bytes(), client) {
            Ok(_) => say!("{client} hears: {}", escape(answer.as_bytes()))?,
            Err(error) => note!("cannot answer {client}: {error}"),
        }
    }
}
// ANCHOR_END: server

// ANCHOR: local-time
/// The time `now` in the form that `format` asks for.
fn local_time(format: &[u8], now: &Zoned) -> Result<String, FormatError> {
    if format.len() > FORMAT_LEN_MAX {
        return Err(FormatError::TooLong { len: format.len() });
    }
    let format = str::from_utf8(format)
        .map_err(|error| FormatError::NotUtf8 { valid_len: error.valid_up_to() })?;
    // As Python's strftime does before any locale is set: %c is `Fri Nov 20 12:00:00 2026`.
    let posix = Config::new().custom(PosixCustom::new());
    let time = BrokenDownTime::from(now).to_string_with_config(&posix, format)?;
    if time.len() > ANSWER_LEN_MAX {
        return Err(FormatError::AnswerTooLong { len: time.len() });
    }
    Ok(time)
}

/// Why there is no time in the form that a client asked for.
#[derive(Debug, thiserror::Error)]
enum FormatError {
    /// Longer than anybody needs.
    #[error("the format has {len} bytes, and at most {FORMAT_LEN_MAX} are read")]
    TooLong { len: usize },
    /// No text.
    #[error("the format is not UTF-8 after its first {valid_len} bytes")]
    NotUtf8 { valid_len: usize },
    /// A `%` with something after it that strftime does not know, or with nothing.
    #[error(transparent)]
    Wrong(#[from] jiff::Error),
    /// A short format for a long answer.
    #[error("the answer would have {len} bytes, and at most {ANSWER_LEN_MAX} are sent")]
    AnswerTooLong { len: usize },
}
// ANCHOR_END: local-time

// ANCHOR: client
fn client(
    server: SocketAddr,
    format: Option<String>,
    every: Period,
    count: Option<NonZeroU32>,
) -> anyhow::Result<()> {
    let format = match format {
        Some(format) => format,
        None => typed_format()?,
    };
    let socket = UdpSocket::bind(any_address_like(server)).context("cannot make a socket")?;
    socket
        .connect(server)
        .map_err(cli::at_send)
        .with_context(|| format!("cannot send to {server}"))?;

    let mut lost: u32 = 0;
    for question in 1.. {
        let asked = Instant::now();
        socket
            .send(format.as_bytes())
            .map_err(cli::at_send)
            .with_context(|| format!("cannot send to {server}"))?;
        let answer = receive_until(&socket, asked + PATIENCE)
            .with_context(|| format!("no answer from {server}"))?;
        match answer {
            Some(time) => say!("{}", escape(&time))?,
            None => {
                lost += 1;
                note!("no answer from {server} within {} s", PATIENCE.as_secs());
            }
        }
        if count.is_some_and(|count| question == count.get()) {
            break;
        }
        // Waiting on the socket, not on a clock alone: what comes late must not be taken for the
        // answer to the next question. Nothing in it would tell.
        while let Some(late) = receive_until(&socket, asked + every.duration())? {
            note!("came late, or twice: {}", escape(&late));
        }
    }
    match (lost, count) {
        (1.., Some(count)) => Err(anyhow!("{lost} of {count} questions got no answer"))
            .hint("UDP does not say whether anybody receives; is the server running, on this port?")
            .exit(Exit::TimedOut),
        _ => Ok(()),
    }
}
// ANCHOR_END: client

/// What a person types, or else the usual format.
fn typed_format() -> anyhow::Result<String> {
    let typed = ask(&format!("format ({DEFAULT_FORMAT}): "))?;
    Ok(typed.filter(|line| !line.is_empty()).unwrap_or_else(|| DEFAULT_FORMAT.to_owned()))
}

/// The next datagram, or `None` when none has come by `deadline`.
fn receive_until(socket: &UdpSocket, deadline: Instant) -> io::Result<Option<Vec<u8>>> {
    let mut datagram = vec![0; DATAGRAM_LEN_MAX];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(&mut datagram) {
            Ok(len) => {
                datagram.truncate(len);
                return Ok(Some(datagram));
            }
            // The clock above decides whether the time is really over: the system may round.
            // Unix says `WouldBlock` when a read runs out of time, Windows says `TimedOut`, and
            // Linux says `Interrupted` when the program was stopped meanwhile (signal(7)).
            Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn the_answer_is_the_time_in_the_form_asked_for() {
        check(b"%Y-%m-%d %H:%M:%S", "2026-11-20 09:05:07");
        check(b"%j %a %b %% 100%", "error: strftime formatting failed");
        check(br"%Y-%m\%d", r"2026-11\20");
        check(b"%c", "Fri Nov 20 09:05:07 2026");
        check("今年是%Y年".as_bytes(), "今年是2026年");
        check(b"no percent sign", "no percent sign");
        check(b"", "");
    }

    #[test]
    fn a_bad_format_is_told_what_is_wrong_with_it() {
        check(b"%J", "error: strftime formatting failed");
        check(b"%", "error: strftime formatting failed");
        check(b"%H\xff", "error: the format is not UTF-8 after its first 2 bytes");
        check(&[b'x'; 1024], &"x".repeat(1024));
        check(&[b'x'; 1025], "error: the format has 1025 bytes, and at most 1024 are read");
        check(
            "%c".repeat(512).as_bytes(),
            "error: the answer would have 12288 bytes, and at most 1024 are sent",
        );
    }

    #[test]
    fn no_format_gets_an_answer_longer_than_the_limit() {
        // Padding is what makes a few bytes long; a number of digits asks for it.
        for format in ["%255Y", "%20d", "%9f", "%A", "%Q"] {
            let formats = format.repeat(FORMAT_LEN_MAX / format.len());
            let answer = answer(formats.as_bytes());
            assert!(answer.len() <= ANSWER_LEN_MAX, "{format}: {}", answer.len());
        }
    }

    #[track_caller]
    fn check(format: &[u8], want: &str) {
        let got = answer(format);
        // What jiff says is wrong is its own business; that it says so is ours.
        let same = if want.starts_with("error") { got.starts_with(want) } else { got == want };
        assert!(same, "got  {got}\nwant {want}");
    }

    fn answer(format: &[u8]) -> String {
        let now = date(2026, 11, 20).at(9, 5, 7, 0).to_zoned(TimeZone::UTC).unwrap();
        local_time(format, &now).unwrap_or_else(|error| format!("error: {error}"))
    }
}
