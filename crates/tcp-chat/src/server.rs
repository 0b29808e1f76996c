//! Lesson `server`: a room for many, with two engines around one core.
//!
//! ```text
//!   who is there, who hears what, who has to go      room.rs and what it stands on
//!   ──────────────────────────────────────────
//!   --engine poll       one thread, an event loop        engine_poll.rs
//!   --engine threads    two threads for each connection  engine_threads.rs
//! ```
//!
//! The operator sees the talk on stdout, speaks from stdin, and asks `/stats` there.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use cli::{Advice, Exit, Period, Stop};

use crate::console::{Command, Console, Inbox};
use crate::policy::{Policy, Slow};
use crate::rate::Rate;
use crate::room::Room;
use crate::socket::{self, Options};
use crate::{engine_poll, engine_threads};

/// What the process may take longer than the room to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A room for many: nc, telnet and socat are full clients of it
#[derive(Clone, Copy, clap::Args)]
#[command(
    after_help = "What is typed here is said to everybody; /stats and /kick NAME are for the operator.\n\
                  Every limit can be `off`, but not --burst, --grace."
)]
pub struct Args {
    /// Address to listen on; port 0 takes any free one
    #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:8008")]
    bind: SocketAddr,
    /// How connections are served; what is said is the same
    #[arg(long, value_enum, default_value_t = Engine::Poll)]
    engine: Engine,
    /// How much may wait for a reader who does not read
    #[arg(long, value_name = "SIZE", default_value = "96KiB", value_parser = Limit::<usize>::size)]
    queue: Limit<usize>,
    /// The same, in lines
    #[arg(long, value_name = "N", default_value = "1000", value_parser = Limit::<u64>::count)]
    queue_lines: Limit<u64>,
    /// What happens to a reader for whom more waits
    #[arg(long, value_enum, default_value_t = Slow::Disconnect)]
    slow: Slow,
    /// Lines that somebody may say in a second, in the long run
    #[arg(long, value_name = "N", default_value = "5", value_parser = Limit::<NonZeroU32>::rate)]
    rate: Limit<NonZeroU32>,
    /// Lines that somebody may say at once
    #[arg(long, value_name = "N", default_value = "20")]
    burst: NonZeroU32,
    /// How long somebody may go on saying more than that
    #[arg(long, value_name = "T", default_value = "30s", value_parser = Limit::<Duration>::time)]
    flood: Limit<Duration>,
    /// How long somebody may take to say a name
    #[arg(long, value_name = "T", default_value = "60s", value_parser = Limit::<Duration>::time)]
    login: Limit<Duration>,
    /// How long somebody may say nothing; people listen
    #[arg(long, value_name = "T", default_value = "off", value_parser = Limit::<Duration>::time)]
    idle: Limit<Duration>,
    /// How many may be connected; 4096 at most with threads
    #[arg(long, value_name = "N", default_value = "16384", value_parser = Limit::<usize>::some)]
    max_clients: Limit<usize>,
    /// How many from one address (from one /64 of IPv6); behind a proxy all have the proxy's
    #[arg(long, value_name = "N", default_value = "64", value_parser = Limit::<usize>::some)]
    per_address: Limit<usize>,
    /// In how large a room everybody is told who comes and goes
    #[arg(long, value_name = "N", default_value = "1000", value_parser = Limit::<usize>::some)]
    notices: Limit<usize>,
    /// How many of the last lines newcomers get
    #[arg(long, value_name = "N", default_value = "100", value_parser = Limit::<usize>::some)]
    history: Limit<usize>,
    /// After how much silence the system asks whether a peer is still there
    #[arg(long, value_name = "T", default_value = "60s", value_parser = Limit::<Duration>::time)]
    keepalive: Limit<Duration>,
    /// How long a peer may leave unacknowledged what was sent to it (Linux)
    #[arg(long, value_name = "T", default_value = "60s", value_parser = Limit::<Duration>::time)]
    user_timeout: Limit<Duration>,
    /// What the system keeps for a peer beside our queue
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = Limit::<usize>::size)]
    send_buffer: Limit<usize>,
    /// Whoever says something hears it too
    #[arg(long)]
    echo: bool,
    /// Do not show here what is said
    #[arg(long, short)]
    quiet: bool,
    /// At the end, one JSON object of what was counted, and nothing else but the ready line
    #[arg(long)]
    json: bool,
    /// How long people may take to hear the last words after SIGTERM
    #[arg(long, value_name = "T", default_value = "5s")]
    grace: Period,
}

/// How connections are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// One thread for all, an event loop
    Poll,
    /// Two threads for each connection
    Threads,
}

/// Serves until it is stopped.
///
/// # Errors
/// When the address cannot be had, or the system can no longer wait for sockets.
pub fn run(args: Args) -> anyhow::Result<()> {
    let grace = args.grace.duration();
    let stop = Stop::server_that_finishes(grace + LAST_WORDS)?;
    // Held until all is said, or the process would end under our hands.
    let _in_hand = stop.in_hand("what was said to those who do not read");
    socket::raise_descriptors();
    args.options()
        .try_out(args.bind)
        .context("the system refuses an option for connections")
        .hint("see --keepalive (on Linux 1s to 9h), --user-timeout and --send-buffer")
        .exit(Exit::Usage)?;
    let listener = socket::listen(args.bind)
        .map_err(cli::at_bind)
        .with_context(|| format!("cannot listen on {}", args.bind))?;
    let address = listener.local_addr()?;
    let (room, options) = (Room::new(args.policy()), args.options());
    let console = Console::start();
    let stats = match args.engine {
        Engine::Poll => {
            let engine = engine_poll::Engine::new(listener, options, room, console, grace)?;
            open(&stop, &engine.inbox(), address)?;
            engine.serve()?
        }
        Engine::Threads => {
            let engine = engine_threads::Engine::new(listener, options, room, console, grace);
            open(&stop, &engine.inbox(), address)?;
            engine.serve()?
        }
    };
    if args.json {
        cli::say!("{}", stats.json())?;
    } else {
        cli::note!("{stats}");
    }
    Ok(())
}

/// The engine can be reached from here on: by clients, by the operator, by signals.
fn open(stop: &Stop, inbox: &std::sync::Arc<Inbox>, address: SocketAddr) -> anyhow::Result<()> {
    stop.when_told({
        let inbox = std::sync::Arc::clone(inbox);
        move || inbox.put(Command::Stop)
    });
    cli::ready(address)?;
    inbox.read_stdin();
    Ok(())
}

impl Args {
    fn policy(&self) -> Policy {
        Policy {
            queue_bytes: self.queue.0,
            queue_lines: self.queue_lines.0,
            slow: self.slow,
            rate: self.rate.0.map(|per_second| Rate { burst: self.burst, per_second }),
            flood: self.flood.0,
            login: self.login.0,
            idle: self.idle.0,
            clients: match self.engine {
                Engine::Poll => self.max_clients.0,
                Engine::Threads => {
                    let most = engine_threads::CLIENTS_MAX;
                    Some(self.max_clients.0.map_or(most, |asked| asked.min(most)))
                }
            },
            per_address: self.per_address.0,
            notices: self.notices.0,
            history_lines: self.history.0,
            echo: self.echo,
            shown: !self.quiet && !self.json,
        }
    }

    fn options(&self) -> Options {
        Options {
            keepalive: self.keepalive.0,
            user_timeout: self.user_timeout.0,
            send_buffer: self.send_buffer.0,
        }
    }
}

/// A limit, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit<T>(Option<T>);

impl<T> Limit<T> {
    fn read(text: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Self, String> {
        if text == "off" { Ok(Self(None)) } else { read(text).map(Some).map(Self) }
    }
}

impl Limit<usize> {
    /// At least one.
    fn some(text: &str) -> Result<Self, String> {
        Self::read(text, |text| match text.parse() {
            Ok(0) | Err(_) => Err("a whole number from 1 is wanted, or `off`".to_owned()),
            Ok(number) => Ok(number),
        })
    }

    /// Bytes.
    fn size(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, usize); 3] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
        Self::read(text, |text| {
            let (number, unit) = UNITS
                .iter()
                .find_map(|(name, bytes)| Some((text.strip_suffix(name)?, *bytes)))
                .unwrap_or((text, 1));
            let number = number.trim_end().parse::<usize>().ok();
            let size = number.and_then(|number| number.checked_mul(unit)).filter(|size| *size > 0);
            // More cannot be handed to setsockopt(2).
            size.filter(|size| i32::try_from(*size).is_ok())
                .ok_or_else(|| "write 96KiB, 1MiB or 4096, up to 2047MiB, or `off`".to_owned())
        })
    }
}

impl Limit<u64> {
    fn count(text: &str) -> Result<Self, String> {
        Limit::<usize>::some(text).map(|limit| Self(limit.0.map(|number| number as u64)))
    }
}

impl Limit<NonZeroU32> {
    /// A thousand million tokens a second are still a nanosecond each.
    fn rate(text: &str) -> Result<Self, String> {
        Self::read(text, |text| {
            let number = text.parse::<NonZeroU32>().ok().filter(|n| n.get() <= 1_000_000);
            number.ok_or_else(|| "a whole number from 1 to 1000000 is wanted, or `off`".to_owned())
        })
    }
}

impl Limit<Duration> {
    fn time(text: &str) -> Result<Self, String> {
        Self::read(text, |text| match text.parse::<Period>() {
            Ok(period) => Ok(period.duration()),
            Err(error) => Err(format!("{error}, or `off`")),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn no_more_threads_are_started_than_the_system_has_room_for() {
        for (engine, asked, most) in [
            ("poll", "16384", Some(16_384)),
            ("poll", "off", None),
            ("threads", "16384", Some(4096)),
            ("threads", "off", Some(4096)),
            ("threads", "100", Some(100)),
        ] {
            let line = ["server", "--engine", engine, "--max-clients", asked];
            let policy = Program::parse_from(line).args.policy();
            assert_eq!(policy.clients, most, "{line:?}");
        }
    }

    #[test]
    fn every_limit_can_be_off() {
        assert_eq!(Limit::<usize>::size("off"), Ok(Limit(None)));
        assert_eq!(Limit::<usize>::some("off"), Ok(Limit(None)));
        assert_eq!(Limit::<u64>::count("off"), Ok(Limit(None)));
        assert_eq!(Limit::<NonZeroU32>::rate("off"), Ok(Limit(None)));
        assert_eq!(Limit::<Duration>::time("off"), Ok(Limit(None)));
    }

    #[test]
    fn a_size_has_a_unit_or_is_bytes() {
        for (text, size) in [("96KiB", 98_304), ("1MiB", 1 << 20), ("17", 17), ("17 B", 17)] {
            assert_eq!(Limit::<usize>::size(text), Ok(Limit(Some(size))), "{text}");
        }
        for text in ["", "0", "-1", "1kB", "3000MiB", "99999999999999999999999MiB", "KiB"] {
            assert!(Limit::<usize>::size(text).is_err(), "{text}");
        }
        assert!(Limit::<usize>::some("0").is_err());
        assert!(Limit::<NonZeroU32>::rate("1000001").is_err());
    }
}
