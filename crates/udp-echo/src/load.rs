//! Tool `load`: how much does an echo server take, and how long does an answer need?
//!
//! ```text
//!  closed loop: the next question when an answer has come       open loop: by the clock
//!  ┌──────┐ ── 1 2 3 4 ──▶ ┌────────┐                           ── 1 ── 2 ── 3 ── 4 ──▶
//!  │ load │ ◀── 1 2 ────── │ server │                              whatever comes back,
//!  └──────┘ ── 5 6 ──────▶ └────────┘                              and when
//! ```
//!
//! A closed loop (`--in-flight`) finds out how much the server can do: it is never asked for more.
//! An open loop (`--rate`) finds out how long a client waits at a given load. There the wait is
//! counted from the instant at which the question was *due*: a load generator that is held up
//! itself, by a server that answers late, must not leave out the very questions that would have
//! waited longest. (Gil Tene calls that coordinated omission.)
//!
//! Every answer is compared with its question, byte by byte. A server that sends back something
//! else can be as fast as it likes.
//!
//! *Read:* [`stamp`] (what a question says) → [`flight`] (which are on their way) → [`port`] (how
//! they are sent) → [`report`].

pub mod flight;
pub mod stamp;
pub mod port;
pub mod report;

use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use cli::{Advice, Exit, Period};
use indicatif::{ProgressBar, ProgressStyle};

use flight::{Flight, Landing};
use port::{Gear, Port};
use report::Report;

/// Asks an echo server as much as it takes, checks every answer, and measures
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 the answers were right, even if some were lost · 3 an answer was wrong
           4 there was no answer at all")]
pub struct Args {
    /// The server's address
    #[arg(value_name = "IP:PORT", default_value = "127.0.0.1:8090")]
    server: SocketAddr,
    /// Closed loop: so many questions are on their way at any time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1 << 20), conflicts_with = "rate")]
    in_flight: u32,
    /// Open loop: so many questions a second, whatever comes back
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: Option<u64>,
    /// So many datagrams at a time, sent as one where the system can (GSO)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    burst: u32,
    /// From so many ports
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    sources: u32,
    /// Bytes in a datagram
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = clap::value_parser!(u32).range(stamp::LEN_MIN..=65_507))]
    size: u32,
    /// How long to ask
    #[arg(long, value_name = "PERIOD", default_value = "5s")]
    duration: Period,
    /// How many questions to ask at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// When an answer counts as lost
    #[arg(long, value_name = "PERIOD", default_value = "1s")]
    timeout: Period,
    /// Print the results as one JSON object
    #[arg(long)]
    json: bool,
}

/// The most questions that an open loop keeps in mind: 64 MiB of them.
const SLOTS_MAX: u64 = 4 << 20;

/// How often the progress bar moves, and the clock of lost answers is looked at.
const TICK: Duration = Duration::from_millis(50);

/// Runs the load.
///
/// # Errors
/// When the server is not there, or answers wrong.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut load = Load::new(&args)?;
    load.run()?;
    let report = load.report;
    report.show(args.json)?;
    match () {
        () if report.wrong > 0 => {
            Err(anyhow!("{} answers were not what was asked", report.wrong)).exit(Exit::Protocol)
        }
        () if report.answered == 0 => Err(anyhow!("no answer from {}", args.server))
            .hint("UDP does not say whether anybody receives; is the server running, on this port?")
            .exit(Exit::TimedOut),
        () => Ok(()),
    }
}

struct Load<'a> {
    args: &'a Args,
    ports: Vec<Port>,
    gear: Gear,
    flight: Flight,
    report: Report,
    begin: Instant,
    /// What tells this run's questions from another's.
    key: u64,
}

impl<'a> Load<'a> {
    fn new(args: &'a Args) -> anyhow::Result<Self> {
        check(args)?;
        let gear = Gear::new(args.size as usize, args.burst as usize);
        let ports = (0..args.sources)
            .map(|_| gear.open(args.server))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let flight = match args.rate {
            None => Flight::closed(args.in_flight, args.sources),
            Some(rate) => {
                let kept = u128::from(rate) * args.timeout.duration().as_millis() / 1000 + 1;
                let slots = u64::try_from(kept).unwrap_or(u64::MAX).clamp(1, SLOTS_MAX);
                Flight::open(slots)
            }
        };
        let report = Report::new()?;
        // std seeds its hash tables at random, and that is random enough here.
        let key = RandomState::new().hash_one(std::process::id());
        Ok(Self { args, ports, gear, flight, report, begin: Instant::now(), key })
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let progress = self.progress();
        self.begin = Instant::now();
        let mut next_tick = Duration::ZERO;
        loop {
            let elapsed = self.begin.elapsed();
            if elapsed >= next_tick {
                next_tick = elapsed + TICK;
                self.report.lost += self.flight.expire(elapsed, self.args.timeout.duration());
                self.tell(&progress, elapsed);
            }
            let asking = self.is_asking(elapsed);
            if !asking && self.flight.is_empty() {
                break;
            }
            let mut moved = self.receive_all()?;
            if asking {
                moved |= match self.args.rate {
                    None => self.ask_closed(elapsed)?,
                    Some(rate) => self.ask_due(elapsed, rate)?,
                };
            }
            if !moved {
                port::wait(&self.ports, self.until_next(next_tick))?;
            }
        }
        progress.finish_and_clear();
        Ok(())
    }

    fn is_asking(&self, elapsed: Duration) -> bool {
        elapsed < self.args.duration.duration()
            && self.args.count.is_none_or(|count| self.report.asked < count)
    }

    /// How long nothing needs to be done unless an answer comes.
    fn until_next(&self, next_tick: Duration) -> Duration {
        let due = match self.args.rate {
            Some(rate) => due_at(self.report.asked, rate).min(next_tick),
            None => next_tick,
        };
        due.saturating_sub(self.begin.elapsed())
    }

    fn receive_all(&mut self) -> anyhow::Result<bool> {
        let mut moved = false;
        for (source, port) in self.ports.iter().enumerate() {
            loop {
                let (flight, report) = (&mut self.flight, &mut self.report);
                let (begin, key, size) = (self.begin, self.key, self.args.size as usize);
                let mut now = None;
                let result = self.gear.receive(port, |datagram| {
                    // One look at the clock for all that one call brings.
                    let now = *now.get_or_insert_with(|| begin.elapsed());
                    match stamp::read(datagram, key, size) {
                        Err(_) => report.wrong += 1,
                        Ok(sequence) => match flight.land(source, sequence, now) {
                            Landing::Answer(latency) => report.answer(latency, now),
                            Landing::Stray => report.strays += 1,
                        },
                    }
                });
                match result {
                    Ok(full) => {
                        moved = true;
                        if !full {
                            break;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => {
                        return Err(error)
                            .with_context(|| format!("no answer from {}", self.args.server));
                    }
                }
            }
        }
        Ok(moved)
    }

    /// Asks wherever answers have made room for a burst.
    fn ask_closed(&mut self, now: Duration) -> anyhow::Result<bool> {
        let mut moved = false;
        let burst = self.args.burst as usize;
        for source in 0..self.ports.len() {
            let room = self.flight.room(source).min(self.left());
            // The last burst may be smaller, or a count that is no multiple were never reached.
            let whole = if self.left() < burst { room } else { room / burst * burst };
            if whole > 0 {
                self.ask(source, whole, now)?;
                moved = true;
            }
        }
        Ok(moved)
    }

    /// Asks what is due, each burst from the next port.
    fn ask_due(&mut self, now: Duration, rate: u64) -> anyhow::Result<bool> {
        let mut moved = false;
        loop {
            let number = self.report.asked;
            let due = due_at(number, rate);
            let count = (self.args.burst as usize).min(self.left());
            if due > now || count == 0 {
                return Ok(moved);
            }
            let turn = number / u64::from(self.args.burst) % self.ports.len() as u64;
            // All of a burst are due when its first one is.
            self.ask(usize::try_from(turn).unwrap_or_default(), count, due)?;
            moved = true;
        }
    }

    /// Sends `count` questions from `source`, for which there is room.
    fn ask(&mut self, source: usize, count: usize, due: Duration) -> anyhow::Result<()> {
        let (flight, report, key) = (&mut self.flight, &mut self.report, self.key);
        let write = |datagram: &mut [u8]| {
            if let Some(launch) = flight.launch(source, due) {
                stamp::write(datagram, key, launch.sequence);
                report.asked += 1;
                report.lost += u64::from(launch.loses);
            }
        };
        self.gear
            .send(&self.ports[source], count, write)
            .with_context(|| format!("cannot ask {}", self.args.server))
    }

    /// How many questions may still be asked.
    fn left(&self) -> usize {
        let left = self.args.count.map_or(u64::MAX, |count| count - self.report.asked);
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// A bar on a terminal; indicatif draws nothing elsewhere.
    fn progress(&self) -> ProgressBar {
        let total = u64::try_from(self.args.duration.duration().as_millis()).unwrap_or(u64::MAX);
        let progress = ProgressBar::new(total);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {msg}") {
            progress.set_style(style);
        }
        progress
    }

    fn tell(&self, progress: &ProgressBar, elapsed: Duration) {
        if progress.is_hidden() {
            return;
        }
        progress.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        progress.set_message(self.report.in_short(elapsed));
    }
}

/// What clap cannot check: numbers that must fit each other.
fn check(args: &Args) -> anyhow::Result<()> {
    let burst = u64::from(args.burst) * u64::from(args.size);
    if args.burst > 1 && burst > 65_507 {
        bail_usage(format!(
            "a burst of {} datagrams with {} bytes each has {burst} bytes, and at most 65,507 can \
             be sent at once",
            args.burst, args.size
        ))?;
    }
    if args.rate.is_none() && args.in_flight < args.sources.saturating_mul(args.burst) {
        bail_usage(format!(
            "{} ports with bursts of {} need at least --in-flight {}",
            args.sources,
            args.burst,
            args.sources.saturating_mul(args.burst)
        ))?;
    }
    Ok(())
}

fn bail_usage(message: String) -> anyhow::Result<()> {
    Err(anyhow!(message)).exit(Exit::Usage)
}

/// When the `number`-th question of an open loop is due.
fn due_at(number: u64, rate: u64) -> Duration {
    let nanos = u128::from(number) * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
