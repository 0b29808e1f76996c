//! State machine: a bad link for datagrams. Std only: no IO, and time is an argument.
//!
//! ```text
//!                    ┌─ lost ─────────────▶ ╳
//!                    │
//!  handle_datagram ──┼─ the wire is full ─▶ ╳                 (only with a rate)
//!                    │
//!                    ├─ held for 2 ─────▶ HELD ── two later ones have passed ──┐
//!                    │                      │ or HOLD_MAX is over              │
//!                    │                      ▼                                  ▼
//!                    └─ all others ───▶ WAITING, by time due ──▶ poll_transmit, once or twice
//! ```
//!
//! The caller hands in what came with the time, is told at once what will be done to it, takes out
//! what is due, and asks when to come again:
//!
//! ```text
//! let report = link.handle_datagram(now, flow, direction, bytes);   // "late 20 ms, twice"
//! while let Some(transmit) = link.poll_transmit(now) { … send … }
//! let deadline = link.poll_timeout();                               // None: nothing is waiting
//! ```
//!
//! Only what is held is overtaken. A jitter makes some datagrams later than others and never
//! changes their order, unlike netem's (tc-netem(8)): so who overtakes whom is the seed's choice,
//! and the same tomorrow.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use crate::fate::{Direction, Fate};
use crate::quantity::Rate;
use crate::settings::Settings;

/// How long a datagram is held at most when too few later ones come: the last of a conversation
/// must not be held for ever. Shorter than the timeout of most protocols, so that to be held is
/// not to be lost.
pub const HOLD_MAX: Duration = Duration::from_millis(200);

/// How many bytes wait in front of the wire, in each direction, when they come faster than its
/// rate. It is what a small router has, and more than the longest datagram.
pub const WIRE_QUEUE_BYTES_MAX: usize = 64 * 1024;

/// How many datagrams are on their way at the same time. What comes beyond is dropped, and said
/// so.
pub const WAITING_DATAGRAMS_MAX: usize = 16 * 1024;

/// How many bytes are on their way at the same time.
pub const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many flows are told apart, each direction counting for itself. Beyond it the one with the
/// lowest number is forgotten: when it speaks again its count starts from 1, and so do its fates.
pub const LANES_MAX: usize = 8 * 1024;

/// A link that takes datagrams at one end and lets them out at the other, later, or not, or twice.
///
/// `T` is what the caller keeps a datagram in. It is cloned only for those that arrive twice.
#[derive(Debug)]
pub struct Link<T> {
    settings: Settings,
    seed: u64,
    /// One for each flow and direction.
    lanes: BTreeMap<(u64, Direction), Lane>,
    /// All that will leave, by the time it is due, and in the order of coming where that is equal.
    waiting: BTreeMap<Place, Waiting<T>>,
    waiting_bytes: usize,
    next_place: u64,
    /// One for each direction: the whole link has the rate, not every flow.
    wires: [Wire; 2],
}

/// The time when something is due, and a number that no other has.
type Place = (Instant, u64);

/// What has passed in one direction of one flow.
#[derive(Debug, Default)]
struct Lane {
    count: u64,
    /// Nothing but what is held may leave after what came later.
    last_due: Option<Instant>,
    held: Vec<Held>,
}

/// A datagram that stands in `waiting` at the end of its patience, to be called forward.
#[derive(Debug)]
struct Held {
    number: u64,
    /// How many later ones it still lets pass.
    left: u32,
    place: Place,
}

#[derive(Debug)]
struct Waiting<T> {
    transmit: Transmit<T>,
    len: usize,
    /// How often it has yet to leave.
    copies: u8,
}

/// A datagram that leaves the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit<T> {
    /// Whose it is.
    pub flow: u64,
    /// Which way it goes.
    pub direction: Direction,
    /// The how-manieth of its flow and direction it was when it came; the first is 1.
    pub number: u64,
    /// Whether it has left before.
    pub again: bool,
    /// The datagram.
    pub payload: T,
}

impl<T: AsRef<[u8]> + Clone> Link<T> {
    /// A link on which nothing is under way.
    #[must_use]
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            seed,
            lanes: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            next_place: 0,
            wires: [Wire::default(), Wire::default()],
        }
    }

    /// Takes a datagram and says what is done to it. Flows are numbered by the caller, upwards in
    /// the order in which they appear.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        flow: u64,
        direction: Direction,
        payload: T,
    ) -> Report {
        let number = self.lane(flow, direction).next_number();
        let fate = Fate::of(&self.settings, self.seed, flow, direction, number);
        let mut report = Report::new(number);
        if fate.lost {
            report.add(Deed::Lost);
            return report;
        }
        let len = payload.as_ref().len();
        let Some(departure) = self.depart(now, direction, len) else {
            report.add(Deed::QueueFull);
            return report;
        };
        if !fate.delay.is_zero() {
            report.add(Deed::Late(fate.delay));
        }
        if fate.twice {
            report.add(Deed::Twice);
        }
        let copies = if fate.twice { 2 } else { 1 };
        let transmit = Transmit { flow, direction, number, again: false, payload };
        let waiting = Waiting { transmit, len, copies };
        self.waiting_bytes += len;
        if fate.held_for > 0 {
            report.add(Deed::Held(fate.held_for));
            self.hold(departure + fate.delay, fate.held_for, waiting);
        } else {
            let overtaken = self.lane(flow, direction).held.len();
            if overtaken > 0 {
                report.add(Deed::Overtook(overtaken));
            }
            self.pass(departure + fate.delay, waiting);
        }
        report
    }

    /// What leaves now. To be called until it says `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<T>> {
        let mut first = self.waiting.first_entry().filter(|first| first.key().0 <= now)?;
        let waiting = first.get_mut();
        if waiting.copies > 1 {
            waiting.copies -= 1;
            let transmit = waiting.transmit.clone();
            waiting.transmit.again = true;
            return Some(transmit);
        }
        let (place, waiting) = first.remove_entry();
        self.waiting_bytes -= waiting.len;
        let transmit = waiting.transmit;
        // It may have been held, and its patience is over.
        if let Some(lane) = self.lanes.get_mut(&(transmit.flow, transmit.direction)) {
            lane.held.retain(|held| held.place != place);
        }
        Some(transmit)
    }

    /// When to call [`poll_transmit`](Self::poll_transmit) again; `None`: nothing is under way.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ((due, _), _) = self.waiting.first_key_value()?;
        Some(*due)
    }

    /// The lane of a flow and direction, which is new if it has not been heard of.
    fn lane(&mut self, flow: u64, direction: Direction) -> &mut Lane {
        let key = (flow, direction);
        if self.lanes.len() >= LANES_MAX && !self.lanes.contains_key(&key) {
            // What it held stays in `waiting`, and leaves when its patience is over.
            self.lanes.pop_first();
        }
        self.lanes.entry(key).or_default()
    }

    /// When a datagram of this length has left the wire; `None` when there is no room for it.
    fn depart(&mut self, now: Instant, direction: Direction, len: usize) -> Option<Instant> {
        let room = WAITING_BYTES_MAX - self.waiting_bytes;
        if self.waiting.len() >= WAITING_DATAGRAMS_MAX || len > room {
            return None;
        }
        let Some(rate) = self.settings.rate else { return Some(now) };
        let [to_server, to_client] = &mut self.wires;
        match direction {
            Direction::ToServer => to_server.depart(now, rate, len),
            Direction::ToClient => to_client.depart(now, rate, len),
        }
    }

    /// Lets a datagram wait for later ones.
    fn hold(&mut self, due: Instant, left: u32, waiting: Waiting<T>) {
        let Transmit { flow, direction, number, .. } = waiting.transmit;
        let place = self.place(due + HOLD_MAX);
        self.lane(flow, direction).held.push(Held { number, left, place });
        self.waiting.insert(place, waiting);
    }

    /// Lets a datagram go when it is due, and right behind it those that were held for just this.
    fn pass(&mut self, due: Instant, waiting: Waiting<T>) {
        let Transmit { flow, direction, number, .. } = waiting.transmit;
        let lane = self.lane(flow, direction);
        let due = lane.last_due.map_or(due, |last| last.max(due));
        lane.last_due = Some(due);
        let place = self.place(due);
        self.waiting.insert(place, waiting);

        // One that is let go is itself a later one that passes those held before it.
        let mut passing = VecDeque::from([number]);
        while let Some(number) = passing.pop_front() {
            for held in self.lane(flow, direction).call_forward(number) {
                let Some(waiting) = self.waiting.remove(&held.place) else { continue };
                let place = self.place(due);
                self.waiting.insert(place, waiting);
                passing.push_back(held.number);
            }
        }
    }

    fn place(&mut self, due: Instant) -> Place {
        self.next_place += 1;
        (due, self.next_place)
    }
}

impl Lane {
    fn next_number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Tells those held that `number` passes, and returns the ones that have waited long enough.
    fn call_forward(&mut self, number: u64) -> Vec<Held> {
        for held in self.held.iter_mut().filter(|held| held.number < number) {
            held.left = held.left.saturating_sub(1);
        }
        self.held.extract_if(.., |held| held.left == 0).collect()
    }
}

/// A wire that carries one datagram after the other.
#[derive(Debug, Default)]
struct Wire {
    free_at: Option<Instant>,
}

impl Wire {
    /// When a datagram of this length, queued `now`, has left; `None` when the queue is too long.
    fn depart(&mut self, now: Instant, rate: Rate, len: usize) -> Option<Instant> {
        let starts_at = self.free_at.map_or(now, |free_at| free_at.max(now));
        let queued = rate.bytes_in(starts_at - now);
        if len > WIRE_QUEUE_BYTES_MAX.saturating_sub(queued) {
            return None;
        }
        let free_at = starts_at + rate.time_for(len);
        self.free_at = Some(free_at);
        Some(free_at)
    }
}

/// What is done to one datagram. Shown, it reads `late 20 ms, twice`, or `passed` when nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    number: u64,
    deeds: [Option<Deed>; 3],
}

impl Report {
    fn new(number: u64) -> Self {
        Self { number, deeds: [None; 3] }
    }

    fn add(&mut self, deed: Deed) {
        // Never more than three: late, twice, and held or having overtaken.
        if let Some(free) = self.deeds.iter_mut().find(|deed| deed.is_none()) {
            *free = Some(deed);
        }
    }

    /// The how-manieth datagram of its flow and direction it is; the first is 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What is done to it.
    pub fn deeds(&self) -> impl Iterator<Item = Deed> {
        self.deeds.into_iter().flatten()
    }

    /// Whether it will never arrive.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.deeds().any(|deed| matches!(deed, Deed::Lost | Deed::QueueFull))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for deed in self.deeds() {
            write!(f, "{separator}{deed}")?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("passed") } else { Ok(()) }
    }
}

/// One thing that is done to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It is gone.
    Lost,
    /// There was no room for it: it came faster than the rate for too long.
    QueueFull,
    /// It leaves this much later than it came, or than the wire let it through.
    Late(Duration),
    /// It leaves twice, once right after the other.
    Twice,
    /// It waits until this many later ones have passed.
    Held(u32),
    /// It leaves before this many that came earlier.
    Overtook(usize),
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("lost"),
            Self::QueueFull => f.write_str("dropped, the queue is full"),
            Self::Late(delay) => {
                // In tenths of a millisecond, which is what a reader can tell apart.
                let tenths = (delay.as_micros() + 50) / 100;
                match (tenths / 10, tenths % 10) {
                    (0, 0) => write!(f, "late {} µs", delay.as_micros()),
                    (millis, 0) => write!(f, "late {millis} ms"),
                    (millis, tenth) => write!(f, "late {millis}.{tenth} ms"),
                }
            }
            Self::Twice => f.write_str("twice"),
            Self::Held(later) => write!(f, "held for {later}"),
            Self::Overtook(earlier) => write!(f, "overtook {earlier}"),
        }
    }
}

#[cfg(test)]
mod tests;
