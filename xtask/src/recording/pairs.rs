//! Who spoke with whom, in numbers. Pure: traffic in, sums out.
//!
//! ```text
//!     ann              server
//!      │── question ──────▶│  ┐
//!      │── question ──────▶│  │ one round trip: from the first question that arrived
//!      │◀─────── answer ───│  ┘ to the first answer that comes in
//!      │◀─────── answer ───│
//! ```
//!
//! A relay does not know what is a question and what an answer: a round trip here is a turn, the
//! client's word and then the server's. One with something lost, held or said again in it counts
//! but has no time, for nobody can tell which copy was answered (RFC 6298, 3: Karn's algorithm).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use faults::Direction;

use crate::cable::traffic::{Passed, Traffic};

/// A client and a server, over all their connections and ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// An index into [`Traffic::actors`].
    pub client: usize,
    /// Likewise.
    pub server: usize,
    /// What the client sent.
    pub there: Sum,
    /// What the server sent.
    pub back: Sum,
    /// How often the client spoke and then the server.
    pub round_trips: usize,
    /// How long that took, the shortest first, without those that cannot be told.
    pub times: Vec<Duration>,
}

/// What one of them sent the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Datagrams, or pieces of streams.
    pub packets: usize,
    /// The bytes in them.
    pub bytes: usize,
    /// Those of the packets whose bytes had gone that way before.
    pub again: usize,
    /// Those that never arrived.
    pub lost: usize,
}

/// A round trip that has not come to its end.
#[derive(Default)]
struct Turn {
    asked: Option<Duration>,
    is_unclear: bool,
}

/// The sums, in the order of the pairs' first words.
#[must_use]
pub fn pairs(traffic: &Traffic) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    // By the client's address: TFTP's server answers from another port than the one that was asked.
    let mut turns: HashMap<SocketAddr, Turn> = HashMap::new();
    for passed in &traffic.passed {
        let Some(flow) = traffic.flows.get(passed.flow) else { continue };
        let Some(bytes) = passed.what.bytes() else { continue };
        let pair = of_ends(&mut pairs, passed);
        let to_server = passed.direction == Direction::ToServer;
        let sum = if to_server { &mut pair.there } else { &mut pair.back };
        sum.packets += 1;
        sum.bytes += bytes.len();
        sum.again += usize::from(passed.again);
        sum.lost += usize::from(passed.is_lost());
        let turn = turns.entry(flow.client).or_default();
        if to_server {
            turn.ask(passed);
        } else if let Some(time) = turn.answer(passed) {
            pair.round_trips += 1;
            pair.times.extend(time);
        }
    }
    for pair in &mut pairs {
        pair.times.sort();
    }
    pairs
}

impl Pair {
    /// The time in the middle; of two in the middle their mean.
    #[must_use]
    pub fn median(&self) -> Option<Duration> {
        let middle = self.times.len() / 2;
        let upper = *self.times.get(middle)?;
        let is_even = self.times.len().is_multiple_of(2);
        Some(if is_even { (self.times[middle - 1] + upper) / 2 } else { upper })
    }
}

impl Turn {
    fn ask(&mut self, passed: &Passed) {
        let is_unclear = passed.again || passed.held_for() > 0;
        match self.asked {
            Some(_) => self.is_unclear |= is_unclear || passed.is_lost(),
            None if passed.is_lost() => {}
            None => *self = Self { asked: Some(passed.at), is_unclear },
        }
    }

    /// `Some` if it is the answer; in it the time, if that can be told.
    fn answer(&mut self, passed: &Passed) -> Option<Option<Duration>> {
        let asked = self.asked?;
        self.is_unclear |= passed.again || passed.is_lost() || passed.held_for() > 0;
        if passed.is_lost() {
            return None;
        }
        let came_in = passed.at + passed.delay();
        let is_clear = !self.is_unclear;
        *self = Self::default();
        Some(is_clear.then(|| came_in.saturating_sub(asked)))
    }
}

fn of_ends<'a>(pairs: &'a mut Vec<Pair>, passed: &Passed) -> &'a mut Pair {
    let (client, server) = match passed.direction {
        Direction::ToServer => (passed.from, passed.to),
        Direction::ToClient => (passed.to, passed.from),
    };
    let known = pairs.iter().position(|pair| (pair.client, pair.server) == (client, server));
    let place = known.unwrap_or_else(|| {
        let (there, back) = (Sum::default(), Sum::default());
        pairs.push(Pair { client, server, there, back, round_trips: 0, times: Vec::new() });
        pairs.len() - 1
    });
    &mut pairs[place]
}
