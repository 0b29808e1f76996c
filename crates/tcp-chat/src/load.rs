//! Tool `load`: how many people does a chat server hold, and how soon does everybody have a line?
//!
//! ```text
//!                       ┌──────────┐ ──▶ listener 1  ─┐
//!  talker ── line 7 ──▶ │  server  │ ──▶ listener 2   │ the load is all of them,
//!     ▲                 └──────────┘ ──▶ …            │ in one process
//!     │                              ──▶ listener 1000┘
//!     └──── line 8, when everybody has the oldest of those on their way (--in-flight),
//!           or when it is due (--rate)
//! ```
//!
//! A closed loop (`--in-flight`) finds out how much a server can do: it is never asked for more. An
//! open loop (`--rate`) finds out how long a line takes at a given load. There the time is counted
//! from the instant at which the line was *due*: a server that lets the talker wait must not shorten
//! its own figures by it. (Gil Tene calls that coordinated omission.)
//!
//! *Reach* is lines heard ÷ lines that should have been heard: each by everybody but the one who
//! said it. A server that is fast because it leaves somebody out has a reach below 1. Every line is
//! compared, letter by letter.
//!
//! Before anything is measured the first talker calls until everybody has heard it: so all are
//! really in, and whatever was said when they came is behind them.
//!
//! *Read:* [`stamp`] (what a line says) → [`ledger`] (who waits for which) → [`login`] and [`crowd`]
//! (the connections) → [`cost`] and [`report`].

pub mod stamp;
pub mod ledger;
pub mod login;
pub mod crowd;
pub mod cost;
pub mod report;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;
use cli::{Advice, Exit, Period, note};

use cost::Cost;
use crowd::{Crowd, Heard, Manner};
use ledger::{Landing, Ledger};
use login::Login;
use report::{Latencies, Phase, Report};
use stamp::{Stamp, Stamps};

/// Fills a room with people, lets some talk, and measures who hears what, and when
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(after_help = "\
Scenarios: fan-out  everybody listens while talkers talk
           slow     the same, and some read nothing
           hold     nobody talks for a while, then one line goes to all
           storm    all come at once
           churn    people come, say a line and leave, all the time
Exit code: 0 it was measured, whatever came out · 3 a line was altered
           4 nothing happened for --timeout")]
pub struct Args {
    /// The server's address
    #[arg(value_name = "IP:PORT", value_parser = cli::peer, default_value = "127.0.0.1:8008")]
    server: SocketAddr,
    /// What to play
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Scenario::FanOut, hide_possible_values = true)]
    scenario: Scenario,
    /// How many only listen
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    listeners: u32,
    /// How many talk; they listen too
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    talkers: u16,
    /// Closed loop: so many lines of each talker are on their way, or so many people at the door
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1 << 16), conflicts_with = "rate")]
    in_flight: u32,
    /// Open loop: so many lines a second in all, whatever is heard
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: Option<u64>,
    /// Bytes in a line as it is said, its line feed included
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(stamp::LEN_MIN..=4096))]
    size: u32,
    /// How long to talk, to idle (hold) or to come and go (churn)
    #[arg(long, value_name = "PERIOD", default_value = "5s")]
    duration: Period,
    /// How many lines to say at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// How many read nothing, in the scenario slow
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    slow_readers: u32,
    /// Connect from so many addresses, 127.0.0.1 and up: one has some 28,000 ports (Linux)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=250))]
    sources: u8,
    /// How one gets in: ours, tokio (its examples/chat.rs), ncat (--chat), none
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Login::Ours, hide_possible_values = true)]
    login: Login,
    /// The server's process, to see what it costs
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// When to stop waiting for something to happen
    #[arg(long, value_name = "PERIOD", default_value = "10s")]
    timeout: Period,
    /// Print the results as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    FanOut,
    Slow,
    Hold,
    Storm,
    Churn,
}

/// How often the first talker calls until all have heard it.
const CALL_EVERY: Duration = Duration::from_millis(100);

/// Nothing waits longer than this before it looks at the clock.
const TICK: Duration = Duration::from_millis(50);

/// The most lines that are kept in mind: an open loop may run ahead of the server.
const WAITING_MAX: usize = 1 << 20;

/// When nothing came for so long, nobody has anything more to say.
const QUIET: Duration = Duration::from_millis(300);

/// How long a visitor who is due may have to wait for the load.
const VISIT_TICK: Duration = Duration::from_millis(1);

/// The most pairs of listener and talker.
const PAIRS_MAX: u64 = 50_000_000;

/// Files that are open beside the connections.
const OTHER_FILES: u64 = 16;

/// Runs the load.
///
/// # Errors
/// When the server is not there, does not let anybody in, or alters lines.
pub fn run(args: Args) -> anyhow::Result<()> {
    check(&args)?;
    let mut load = Load::new(&args)?;
    match args.scenario {
        Scenario::FanOut | Scenario::Slow => load.fan_out()?,
        Scenario::Hold => load.hold()?,
        Scenario::Storm => load.storm()?,
        Scenario::Churn => load.churn()?,
    }
    load.report.show(args.json)?;
    match load.report.altered {
        0 if load.stalled => Err(anyhow!("nothing was heard for {}", args.timeout))
            .hint("some who were in did not hear all; the reach says how much is missing")
            .exit(Exit::TimedOut),
        0 => Ok(()),
        altered => Err(anyhow!("{altered} lines were not what was said")).exit(Exit::Protocol),
    }
}

struct Load<'a> {
    args: &'a Args,
    crowd: Crowd,
    stamps: Stamps,
    ledger: Ledger,
    /// Who the talkers are.
    speakers: Vec<usize>,
    slow: Vec<usize>,
    /// How many names were given out.
    names: usize,
    /// Some lines never came to an end.
    stalled: bool,
    report: Report,
}

/// How lines follow each other.
#[derive(Clone, Copy)]
enum Pace {
    Closed(usize),
    Open(u64),
}

impl<'a> Load<'a> {
    fn new(args: &'a Args) -> anyhow::Result<Self> {
        make_room(args)?;
        // std seeds its hash tables at random, and that is random enough here.
        let key = RandomState::new().hash_one(std::process::id()) & u64::from(u32::MAX);
        let mut report = Report::new(args.scenario.name())?;
        report.before = args.pid.and_then(Cost::of);
        if args.pid.is_some() && report.before.is_none() {
            note!("nothing is known about that process: no such process, or no proc(5) here");
        }
        Ok(Self {
            args,
            crowd: Crowd::new(args.server, args.login, args.sources)
                .context("cannot watch connections")?,
            stamps: Stamps::new(u32::try_from(key).unwrap_or_default(), args.size as usize),
            ledger: Ledger::new(Vec::new(), Vec::new()),
            speakers: Vec::new(),
            slow: Vec::new(),
            names: 0,
            stalled: false,
            report,
        })
    }

    fn fan_out(&mut self) -> anyhow::Result<()> {
        self.fill_the_room(self.args.login.at_the_door())?;
        let pace = self.args.rate.map_or(Pace::Closed(self.args.in_flight as usize), Pace::Open);
        self.talk(pace, self.args.duration.duration(), self.args.count.unwrap_or(u64::MAX))?;
        if !self.slow.is_empty() {
            let closed = self.slow.iter().filter(|who| self.crowd.was_closed(**who)).count();
            self.report.slow = Some((self.slow.len(), closed));
        }
        Ok(())
    }

    fn hold(&mut self) -> anyhow::Result<()> {
        self.fill_the_room(self.args.login.at_the_door())?;
        self.settle()?;
        let meter = Meter::start(self.args.pid, &self.crowd);
        let begin = Instant::now();
        let mut closed = None;
        while let left = self.args.duration.duration().saturating_sub(begin.elapsed())
            && !left.is_zero()
        {
            let ledger = &mut self.ledger;
            self.crowd.turn(left.min(TICK), |who, heard| {
                if let Heard::Gone(why) = heard {
                    ledger.gone(who, |_| {});
                    closed = Some(why);
                }
            })?;
        }
        self.report.idling = Some(meter.read(&self.crowd).0);
        self.report.why = closed;
        self.talk(Pace::Closed(1), Duration::MAX, 1)
    }

    /// Waits until the last who came are old news: what a server still has to say about them is no
    /// idling.
    fn settle(&mut self) -> anyhow::Result<()> {
        let begin = Instant::now();
        let mut last = begin;
        while last.elapsed() < QUIET && begin.elapsed() < self.args.timeout.duration() {
            self.crowd.turn(TICK, |_, _| last = Instant::now())?;
        }
        Ok(())
    }

    fn storm(&mut self) -> anyhow::Result<()> {
        self.fill_the_room(usize::MAX)?;
        self.talk(Pace::Closed(1), Duration::MAX, 1)
    }

    /// Visitors come, say a line, and leave, while the others stay and must hear the last word.
    fn churn(&mut self) -> anyhow::Result<()> {
        self.fill_the_room(self.args.login.at_the_door())?;
        let meter = Meter::start(self.args.pid, &self.crowd);
        self.visits()?;
        self.report.idling = Some(meter.read(&self.crowd).0);
        self.talk(Pace::Closed(1), Duration::MAX, 1)
    }

    /// Lets all in who hear everything, and then those who read nothing.
    fn fill_the_room(&mut self, at_the_door: usize) -> anyhow::Result<()> {
        let begin = Instant::now();
        let mut in_room = self.gather(self.args.listeners as usize, Manner::Reads, at_the_door)?;
        self.speakers = self.gather(
            usize::from(self.args.talkers),
            Manner::Reads,
            self.args.login.at_the_door(),
        )?;
        in_room.extend(&self.speakers);
        self.report.gathering = begin.elapsed();
        self.report.connections = in_room.len();
        let mut present = vec![false; self.crowd.len()];
        for who in &in_room {
            present[*who] = true;
        }
        self.ledger = Ledger::new(present, self.speakers.clone());
        self.call(&in_room)?;
        if self.args.scenario == Scenario::Slow {
            let slow = self.args.slow_readers as usize;
            self.slow = self.gather(slow, Manner::Slow, self.args.login.at_the_door())?;
            for who in &self.slow {
                self.crowd.ignore(*who)?;
            }
        }
        self.report.gathered = self.args.pid.and_then(Cost::of);
        Ok(())
    }

    /// Lets `count` people in, so many at a time. Returns who they are.
    fn gather(
        &mut self,
        count: usize,
        manner: Manner,
        at_the_door: usize,
    ) -> anyhow::Result<Vec<usize>> {
        let mut came: Vec<Option<Instant>> = Vec::new();
        let (mut in_room, mut waiting, mut begun) = (Vec::new(), 0, 0);
        let mut last = Instant::now();
        while begun < count || waiting > 0 {
            while begun < count && waiting < at_the_door {
                let who = self.connect(manner)?;
                came.resize(came.len().max(who + 1), None);
                came[who] = Some(Instant::now());
                begun += 1;
                waiting += 1;
            }
            let (report, mut closed) = (&mut self.report, None);
            self.crowd.turn(TICK, |who, heard| {
                let since = came.get_mut(who).and_then(Option::take);
                match (heard, since) {
                    (Heard::In, Some(since)) => {
                        last = Instant::now();
                        report.logins.record(last - since);
                        in_room.push(who);
                        waiting -= 1;
                    }
                    (Heard::Gone(why), Some(_)) => {
                        last = Instant::now();
                        report.refused += 1;
                        waiting -= 1;
                        closed = Some(why);
                    }
                    (Heard::Gone(why), None) => closed = Some(format!("one who was in: {why}")),
                    (_, Some(since)) => came[who] = Some(since),
                    (_, None) => {}
                }
            })?;
            if let Some(why) = closed {
                self.turned_away(in_room.len(), why)?;
            }
            if last.elapsed() > self.args.timeout.duration() {
                bail_timed_out(format!("{} are in, and then nothing happened", in_room.len()))?;
            }
        }
        Ok(in_room)
    }

    fn connect(&mut self, manner: Manner) -> anyhow::Result<usize> {
        let name = format!("load{}-{}", std::process::id(), self.names);
        self.names += 1;
        self.crowd
            .connect(&name, manner)
            .with_context(|| format!("cannot connect to {} again", self.args.server))
            .hint("one address has some 28,000 ports to connect from (Linux): --sources 4")
    }

    /// In a storm that is what is to be found out; else nothing can be measured.
    fn turned_away(&mut self, in_room: usize, why: String) -> anyhow::Result<()> {
        if self.args.scenario != Scenario::Storm {
            let (what, hint) = match in_room {
                0 => ("lets nobody in".to_owned(), "does a server listen there? see also --login"),
                _ => (
                    format!("lets {in_room} in and then not"),
                    "see the server's limits, for all and for each address, and --login",
                ),
            };
            return Err(anyhow!("{why}"))
                .with_context(|| format!("{} {what}", self.args.server))
                .hint(hint);
        }
        self.report.why = Some(why);
        Ok(())
    }

    /// The first talker calls until everybody has heard it.
    fn call(&mut self, in_room: &[usize]) -> anyhow::Result<()> {
        let Some(first) = self.speakers.first().copied() else {
            bail!("nobody can get in: {}", self.report.why.as_deref().unwrap_or("no reason given"))
        };
        let mut deaf = vec![false; self.crowd.len()];
        for who in in_room.iter().filter(|who| **who != first) {
            deaf[*who] = true;
        }
        let mut left = in_room.len() - 1;
        let (mut last, mut next, mut pause) = (Instant::now(), Instant::now(), CALL_EVERY);
        let mut line = Vec::new();
        self.stamps.write(Stamp::Call, &mut line);
        while left > 0 {
            if Instant::now() >= next {
                self.crowd.say(first, &line);
                // A room that is still busy with those who came is not to be kept busy by calls.
                next += pause;
                pause *= 2;
            }
            let (stamps, mut closed) = (&self.stamps, None);
            self.crowd.turn(TICK, |who, heard| match heard {
                Heard::Line(line, at) => {
                    let is_call = stamps.read(line) == Ok(Some(Stamp::Call));
                    if is_call && deaf.get_mut(who).is_some_and(std::mem::take) {
                        left -= 1;
                        last = at;
                    }
                }
                Heard::Gone(why) => closed = Some(format!("one who was in: {why}")),
                Heard::In => {}
            })?;
            if let Some(why) = closed {
                return Err(anyhow!("{why}")).context("not everybody stays");
            }
            if last.elapsed() > self.args.timeout.duration() {
                let all = in_room.len() - 1;
                bail_timed_out(format!("{left} of {all} do not hear the first talker"))?;
            }
        }
        Ok(())
    }

    /// Says lines for so long, at most so many, and waits until all are heard.
    fn talk(&mut self, pace: Pace, duration: Duration, most: u64) -> anyhow::Result<()> {
        let meter = Meter::start(self.args.pid, &self.crowd);
        let begin = Instant::now();
        let mut last = begin;
        loop {
            let now = begin.elapsed();
            let talking = now < duration && self.ledger.said() < most;
            let settled = self.ledger.is_settled();
            if settled && (!talking || self.ledger.is_over()) {
                break;
            }
            if settled {
                last = Instant::now();
            }
            if last.elapsed() > self.args.timeout.duration() {
                self.stalled = true;
                break;
            }
            let next = if talking { self.say(pace, now, most) } else { now + TICK };
            self.listen(next.saturating_sub(begin.elapsed()).min(TICK), begin, &mut last)?;
        }
        let report = &mut self.report;
        report.talking = last.saturating_duration_since(begin);
        (report.said, report.expected) = (self.ledger.said(), self.ledger.expected());
        (report.received, report.repeated) = (self.ledger.received, self.ledger.repeated);
        report.closed = self.ledger.lost_people();
        (report.talk, report.busy) = meter.read(&self.crowd);
        Ok(())
    }

    /// Says what is to be said now. Returns when something is to be said next.
    fn say(&mut self, pace: Pace, now: Duration, most: u64) -> Duration {
        match pace {
            Pace::Closed(in_flight) => {
                for talker in 0..self.speakers.len() {
                    // A line that waits in front of the server is on its way to nobody.
                    if self.crowd.is_heard_out(self.speakers[talker]) {
                        let room = in_flight.saturating_sub(self.ledger.waiting(talker)) as u64;
                        let lines = room.min(most - self.ledger.said());
                        self.say_lines(talker, (0..lines).map(|_| now));
                    }
                }
                now + TICK
            }
            Pace::Open(rate) => loop {
                let number = self.ledger.said();
                let due = due_at(number, rate);
                let talker = number % self.speakers.len() as u64;
                let talker = usize::try_from(talker).unwrap_or_default();
                let is_full = self.ledger.waiting(talker) >= WAITING_MAX;
                if due > now || number >= most || is_full {
                    return due.max(now);
                }
                self.say_lines(talker, std::iter::once(due));
            },
        }
    }

    fn say_lines(&mut self, talker: usize, dues: impl Iterator<Item = Duration>) {
        let mut lines = Vec::new();
        for due in dues {
            let number = self.ledger.say(talker, due);
            let talker = u16::try_from(talker).unwrap_or_default();
            self.stamps.write(Stamp::Line { talker, number }, &mut lines);
        }
        self.crowd.say(self.speakers[talker], &lines);
    }

    fn listen(&mut self, wait: Duration, begin: Instant, last: &mut Instant) -> anyhow::Result<()> {
        let (ledger, report, stamps) = (&mut self.ledger, &mut self.report, &self.stamps);
        self.crowd.turn(wait, |who, heard| match heard {
            Heard::Line(line, at) => {
                let now = at.saturating_duration_since(begin);
                let (to_one, to_all) = (&mut report.to_one, &mut report.to_all);
                let ended = |due| to_all.record(now.saturating_sub(due));
                let landing = match stamps.read(line) {
                    Ok(Some(Stamp::Line { talker, number })) => {
                        ledger.heard(who, usize::from(talker), number, ended)
                    }
                    Ok(Some(Stamp::Call) | None) => return,
                    Err(_) => Landing::Unknown,
                };
                match landing {
                    Landing::Heard(due) => {
                        *last = at;
                        to_one.record(now.saturating_sub(due));
                    }
                    Landing::Unknown => report.altered += 1,
                    Landing::Repeated | Landing::NotExpected => {}
                }
            }
            Heard::Gone(why) => {
                // What was said to them is waited for no more, and that is no latency.
                ledger.gone(who, |_| {});
                report.why = Some(why);
            }
            Heard::In => {}
        })?;
        Ok(())
    }

    /// Visitors come, say a line, say that they say no more, and are gone when the server is done
    /// with them.
    fn visits(&mut self) -> anyhow::Result<()> {
        self.report.logins = Latencies::new()?;
        let (begin, mut last) = (Instant::now(), Instant::now());
        // Since when they stand at the door, and `None` once they are in.
        let mut visitors: HashMap<usize, Option<Instant>> = HashMap::new();
        loop {
            let now = begin.elapsed();
            if now < self.args.duration.duration() {
                self.let_visitors_come(&mut visitors, begin, now)?;
            } else if visitors.is_empty() {
                break;
            }
            let (mut came, mut gone) = (Vec::new(), Vec::new());
            self.crowd.turn(VISIT_TICK, |who, heard| match heard {
                Heard::In => came.push(who),
                Heard::Gone(why) => gone.push((who, why)),
                Heard::Line(..) => {}
            })?;
            for who in came {
                last = Instant::now();
                if let Some(since) = visitors.get_mut(&who).and_then(Option::take) {
                    self.report.logins.record(last.saturating_duration_since(since));
                }
                self.crowd.say(who, b"hello and good-bye\n");
                self.crowd.finish(who);
            }
            for (who, why) in gone {
                last = Instant::now();
                self.visitor_gone(who, visitors.remove(&who), why);
            }
            if last.elapsed() > self.args.timeout.duration() {
                bail_timed_out(format!("{} visitors neither get in nor out", visitors.len()))?;
            }
        }
        self.report.visiting = begin.elapsed();
        Ok(())
    }

    fn let_visitors_come(
        &mut self,
        visitors: &mut HashMap<usize, Option<Instant>>,
        begin: Instant,
        now: Duration,
    ) -> anyhow::Result<()> {
        loop {
            let number = self.report.visits + self.report.refused as u64 + visitors.len() as u64;
            let due = match self.args.rate {
                Some(rate) => due_at(number, rate),
                None if visitors.len() < self.args.in_flight as usize => now,
                None => return Ok(()),
            };
            if due > now {
                return Ok(());
            }
            visitors.insert(self.connect(Manner::Reads)?, Some(begin + due));
        }
    }

    fn visitor_gone(&mut self, who: usize, visitor: Option<Option<Instant>>, why: String) {
        match visitor {
            Some(None) => self.report.visits += 1,
            Some(Some(_)) => {
                self.report.refused += 1;
                self.report.why = Some(why);
            }
            None => {
                self.ledger.gone(who, |_| {});
                self.report.why = Some(why);
                return;
            }
        }
        self.crowd.leave(who);
    }
}

/// Looks at what the server and the load cost, from here until it is read.
struct Meter {
    pid: Option<u32>,
    begin: Instant,
    server: Option<Cost>,
    own: Duration,
    idle: Duration,
}

impl Meter {
    fn start(pid: Option<u32>, crowd: &Crowd) -> Self {
        let server = pid.and_then(Cost::of);
        Self { pid, begin: Instant::now(), server, own: cost::own_cpu(), idle: crowd.idle() }
    }

    /// What it cost, and which part of the time the load had something to do.
    fn read(&self, crowd: &Crowd) -> (Phase, f64) {
        let length = self.begin.elapsed();
        let server = self.server.zip(self.pid.and_then(Cost::of));
        let own_cpu = cost::own_cpu().saturating_sub(self.own);
        let idle = crowd.idle().saturating_sub(self.idle).as_secs_f64();
        let busy = if length.is_zero() { 0.0 } else { 1.0 - idle / length.as_secs_f64() };
        (Phase { length, server, own_cpu }, busy.clamp(0.0, 1.0))
    }
}

/// When the `number`-th of an open loop is due.
fn due_at(number: u64, rate: u64) -> Duration {
    let nanos = u128::from(number) * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A socket is a file, and ten thousand are more than most systems give without being asked.
fn make_room(args: &Args) -> anyhow::Result<()> {
    let wanted = u64::from(args.listeners)
        + u64::from(args.talkers)
        + if args.scenario == Scenario::Slow { u64::from(args.slow_readers) } else { 0 }
        + if args.scenario == Scenario::Churn { u64::from(args.in_flight) } else { 0 }
        + OTHER_FILES;
    let most = cost::raise_files(wanted).context("cannot tell how many files may be open")?;
    if most < wanted {
        return Err(anyhow!("that takes {wanted} open files, and the system allows {most}"))
            .hint("ulimit -Hn shows the limit; an administrator can raise it (limits.conf(5))");
    }
    Ok(())
}

/// What clap cannot check: numbers that must fit each other.
fn check(args: &Args) -> anyhow::Result<()> {
    let pairs = u64::from(args.listeners) * u64::from(args.talkers);
    if pairs > PAIRS_MAX {
        bail_usage(format!(
            "who has heard whom takes 8 bytes for each pair, and {pairs} pairs are too many; at \
             most {PAIRS_MAX}"
        ))?;
    }
    if args.sources > 1 && !(args.server.is_ipv4() && args.server.ip().is_loopback()) {
        bail_usage("--sources are addresses of this machine: the server's must be one too".into())?;
    }
    Ok(())
}

fn bail_usage(message: String) -> anyhow::Result<()> {
    Err(anyhow!(message)).exit(Exit::Usage)
}

fn bail_timed_out(message: String) -> anyhow::Result<()> {
    Err(anyhow!(message))
        .hint("does the server ask for a name in this way (--login), and do its limits allow this?")
        .exit(Exit::TimedOut)
}

impl Scenario {
    fn name(self) -> &'static str {
        match self {
            Self::FanOut => "fan-out",
            Self::Slow => "slow",
            Self::Hold => "hold",
            Self::Storm => "storm",
            Self::Churn => "churn",
        }
    }
}
