//! State machine: when to send a ping, when to send it again, and what an answer means.
//!
//! ```text
//!                 every interval                 no answer within timeout, 2 × timeout …
//!  not yet sent ─────────────────▶ WAITING, try 1 ─────▶ WAITING, try 2 ─▶ … ─────▶ LOST
//!                                     │                     │
//!                                     │ answer to try 1     │ answer to either
//!                                     ▼                     ▼
//!                                  ANSWERED ◀───────────────┘
//! ```
//!
//! One of these for each sequence number; they do not wait for each other. An answer that comes to
//! an ANSWERED ping is counted: as a duplicate when this very datagram was answered before, else as
//! late. So is one that comes to a LOST ping, which stays lost: whoever waited has gone.
//!
//! No socket and no clock: `now` is an argument. The driver is in [`super`].

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use hdrhistogram::{CreationError, Histogram};

use super::wire::Ping;

/// How many pings are remembered, answered or not: enough to know an answer that comes twice, and
/// no more memory after a week than after a minute. While the oldest of so many still waits, no
/// new one is sent.
pub const REMEMBERED_MAX: usize = 1024;

/// The most tries: behind the seventh one waits 64 times as long as behind the first.
pub const TRIES_MAX: u16 = 7;

/// A longer round trip is counted as this. With the limit the histogram has one size, a quarter of
/// a megabyte, however many answers there are.
pub const ROUND_TRIP_MAX: Duration = Duration::from_secs(3600);

/// What a person asked for.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many pings; `None`: until interrupted.
    pub count: Option<NonZeroU32>,
    /// The time from one to the next, longer than nothing.
    pub interval: Duration,
    /// The bytes of a datagram.
    pub size: usize,
    /// How long to wait for the answer to the first try, longer than nothing; twice as long for
    /// each further one.
    pub timeout: Duration,
    /// How often to send a ping at most; no more than [`TRIES_MAX`].
    pub tries: u16,
    /// What tells our datagrams from those of others.
    pub identifier: u16,
}

/// What became of everything that was sent.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Sequence numbers that were sent.
    pub pings: u32,
    /// Of these, answered in time.
    pub answered: u32,
    /// Of these, given up.
    pub lost: u32,
    /// Datagrams that were sent.
    pub sent: u64,
    /// Datagrams that came back, each counted once.
    pub returned: u64,
    /// Answers that had been there before.
    pub duplicates: u64,
    /// Answers that were overtaken by one to a datagram that was sent later (RFC 4737). A
    /// duplicate is not counted here.
    pub reordered: u64,
    /// Answers to pings that were answered already, by another try, or given up.
    pub late: u64,
    /// Datagrams that are no answer to anything that is remembered.
    pub strange: u64,
    /// The times from sending to the answer, in nanoseconds.
    pub round_trips: Histogram<u64>,
}

impl Tally {
    /// Nothing was sent.
    ///
    /// # Errors
    /// Never, as long as hdrhistogram takes three digits and a nanosecond to an hour.
    pub fn new() -> Result<Self, CreationError> {
        let nanos_max = u64::try_from(ROUND_TRIP_MAX.as_nanos()).unwrap_or(u64::MAX);
        let round_trips = Histogram::new_with_bounds(1, nanos_max, 3)?;
        Ok(Self {
            pings: 0,
            answered: 0,
            lost: 0,
            sent: 0,
            returned: 0,
            duplicates: 0,
            reordered: 0,
            late: 0,
            strange: 0,
            round_trips,
        })
    }
}

/// What a person wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An answer.
    Answer {
        /// To what.
        ping: Ping,
        /// How long it took.
        round_trip: Duration,
        /// An answer to a datagram that was sent later came before.
        out_of_order: bool,
        /// The ping was answered or given up before.
        late: bool,
    },
    /// An answer that had come before.
    Duplicate(Ping),
    /// Nothing came back in time.
    TimedOut {
        /// To what.
        ping: Ping,
        /// In which time.
        waited: Duration,
        /// Whether it is sent again.
        again: bool,
    },
    /// Something that is no answer.
    Strange {
        /// How many bytes it has.
        len: usize,
    },
}

/// All pings to one server.
#[derive(Debug)]
pub struct Pinger {
    plan: Plan,
    /// When the next sequence number is due; `None`: there are no more.
    next_at: Option<Instant>,
    sequence: u32,
    remembered: BTreeMap<u32, State>,
    /// The place, in the order of sending, of the latest datagram that was answered.
    latest_answered: u64,
    transmits: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    tally: Tally,
}

/// One sequence number.
#[derive(Debug)]
struct State {
    /// Its datagrams, in the order of sending.
    tries: Vec<Try>,
    /// When the try in flight is given up; `None`: answered or lost.
    deadline: Option<Instant>,
}

#[derive(Debug)]
struct Try {
    sent_at: Instant,
    /// Its place in the order of sending; the first is 1.
    place: u64,
    answered: bool,
}

impl Pinger {
    /// The first ping is due at once.
    #[must_use]
    pub fn new(now: Instant, plan: Plan, tally: Tally) -> Self {
        Self {
            plan,
            next_at: Some(now),
            sequence: 0,
            remembered: BTreeMap::new(),
            latest_answered: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            tally,
        }
    }

    /// What has been counted so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    // ANCHOR: machine
    /// The time is `now`: whatever is due by then is done, in the order in which it was due.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Every round moves what was due beyond `now`, or ends it.
        while let Some((_, what)) = self.next_due().filter(|(due, _)| *due <= now) {
            match what {
                Due::New => self.send_new(now),
                Due::Answer(sequence) => self.give_up_try(now, sequence),
            }
        }
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let event = self.answer(now, datagram).unwrap_or_else(|| {
            self.tally.strange += 1;
            Event::Strange { len: datagram.len() }
        });
        self.events.push_back(event);
    }

    /// What to send now.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    /// What to tell.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None`: every ping is answered or
    /// lost, and there are no more.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_due().map(|(due, _)| due)
    }
    // ANCHOR_END: machine

    /// What is due first.
    fn next_due(&self) -> Option<(Instant, Due)> {
        let answers = self.remembered.iter();
        let answers = answers.filter_map(|(n, state)| Some((state.deadline?, Due::Answer(*n))));
        let new = self.next_at.filter(|_| self.has_room()).map(|at| (at, Due::New));
        answers.chain(new).min()
    }

    /// Whether one more can be remembered, if need be in place of the oldest.
    fn has_room(&self) -> bool {
        let oldest_waits = self.remembered.values().next().is_some_and(|s| s.deadline.is_some());
        self.remembered.len() < REMEMBERED_MAX || !oldest_waits
    }

    fn send_new(&mut self, now: Instant) {
        if self.remembered.len() >= REMEMBERED_MAX {
            self.remembered.pop_first();
        }
        self.sequence += 1;
        self.tally.pings += 1;
        self.remembered.insert(self.sequence, State { tries: Vec::new(), deadline: None });
        // From when it is sent: a driver that was held up does not send a burst to make up for it.
        let last = self.plan.count.map_or(u32::MAX, NonZeroU32::get);
        self.next_at = (self.sequence < last).then(|| now + self.plan.interval);
        self.send(now, self.sequence);
    }

    /// Sends a ping, once more or for the first time.
    fn send(&mut self, now: Instant, sequence: u32) {
        let Some(state) = self.remembered.get_mut(&sequence) else { return };
        self.tally.sent += 1;
        state.tries.push(Try { sent_at: now, place: self.tally.sent, answered: false });
        let attempt = u16::try_from(state.tries.len()).unwrap_or(u16::MAX);
        state.deadline = Some(now + self.plan.timeout_of(attempt));
        let ping = Ping { identifier: self.plan.identifier, attempt, sequence };
        self.transmits.push_back(ping.encode(self.plan.size));
    }

    /// The time for the try in flight is over.
    fn give_up_try(&mut self, now: Instant, sequence: u32) {
        let Some(state) = self.remembered.get_mut(&sequence) else { return };
        state.deadline = None;
        let attempt = u16::try_from(state.tries.len()).unwrap_or(u16::MAX);
        let again = attempt < self.plan.tries;
        let ping = Ping { identifier: self.plan.identifier, attempt, sequence };
        let waited = self.plan.timeout_of(attempt);
        self.events.push_back(Event::TimedOut { ping, waited, again });
        if again {
            self.send(now, sequence);
        } else {
            self.tally.lost += 1;
        }
    }

    /// What a datagram means; `None`: it is no answer to anything that is remembered.
    fn answer(&mut self, now: Instant, datagram: &[u8]) -> Option<Event> {
        let ping = Ping::decode(datagram).ok()?;
        if ping.identifier != self.plan.identifier || datagram.len() != self.plan.size {
            return None;
        }
        let state = self.remembered.get_mut(&ping.sequence)?;
        let index = usize::from(ping.attempt).checked_sub(1)?;
        let sent = state.tries.get_mut(index)?;
        if sent.answered {
            self.tally.duplicates += 1;
            return Some(Event::Duplicate(ping));
        }
        sent.answered = true;
        self.tally.returned += 1;
        let late = state.deadline.take().is_none();
        if late {
            self.tally.late += 1;
        } else {
            self.tally.answered += 1;
        }
        let out_of_order = sent.place < self.latest_answered;
        self.tally.reordered += u64::from(out_of_order);
        self.latest_answered = self.latest_answered.max(sent.place);
        let round_trip = now.saturating_duration_since(sent.sent_at);
        // A histogram that left the late ones out would make a slow network look fast.
        let nanos = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
        self.tally.round_trips.saturating_record(nanos);
        Some(Event::Answer { ping, round_trip, out_of_order, late })
    }
}

/// What can be due, the more urgent first where both are due at the same time: without an order
/// between them, what is sent would depend on chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The answer to this sequence number.
    Answer(u32),
    /// A new ping.
    New,
}

impl Plan {
    /// How long to wait for the answer to a try: twice as long as for the one before, because a
    /// network that is slow or full is not helped by more datagrams (RFC 8085 section 3.1.1).
    fn timeout_of(&self, attempt: u16) -> Duration {
        let doublings = u32::from(attempt.clamp(1, TRIES_MAX) - 1);
        self.timeout.saturating_mul(1 << doublings)
    }
}

#[cfg(test)]
mod tests;
