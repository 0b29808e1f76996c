//! State machine: which questions are on their way, and since when. No socket, no clock.
//!
//! ```text
//!  launch ──▶ in the air ── land ──▶ answered, after so long
//!                 │
//!                 └── expire ──▶ lost; what lands after that is a stray
//! ```
//!
//! Each question has a slot, and its number says which: number modulo slots. A slot's next number
//! is one round further, so an answer that comes twice, or too late, is known by its number.
//!
//! In a closed loop a slot belongs to one source port, and is free again once its answer has come
//! or is given up: that is what keeps the number in flight constant. In an open loop the slots are
//! a ring, as long as answers are waited for, and whoever comes round takes the slot.

use std::time::Duration;

/// See the head of this file.
#[derive(Debug)]
pub struct Flight {
    slots: Vec<Slot>,
    in_the_air: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The number of the question that is, or was last, in this slot.
    sequence: u64,
    /// When it was due; `None`: the slot is free.
    since: Option<Duration>,
}

#[derive(Debug)]
enum Kind {
    /// The free slots of each source.
    Closed { free: Vec<Vec<usize>> },
    /// The next number.
    Open { next: u64 },
}

/// A question that may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Its number.
    pub sequence: u64,
    /// Whether an older question is given up for it, since nobody would remember both.
    pub loses: bool,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// The one that was waited for, so long.
    Answer(Duration),
    /// One that comes twice, or when it was already counted as lost.
    Stray,
}

impl Flight {
    /// At most `in_flight` questions are on their way, shared out among `sources`.
    #[must_use]
    pub fn closed(in_flight: u32, sources: u32) -> Self {
        let sources = sources.max(1) as usize;
        let slots = in_flight as usize;
        let mut free = vec![Vec::new(); sources];
        for slot in (0..slots).rev() {
            // In bounds: there is a list for each source, and at least one.
            free[slot % sources].push(slot);
        }
        Self { slots: numbered(slots), in_the_air: 0, kind: Kind::Closed { free } }
    }

    /// However many are on their way, the latest `slots` of them are remembered.
    #[must_use]
    pub fn open(slots: u64) -> Self {
        let slots = usize::try_from(slots.max(1)).unwrap_or(usize::MAX);
        Self { slots: numbered(slots), in_the_air: 0, kind: Kind::Open { next: 0 } }
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.in_the_air == 0
    }

    /// How many questions `source` may ask now.
    #[must_use]
    pub fn room(&self, source: usize) -> usize {
        match &self.kind {
            Kind::Closed { free } => free.get(source).map_or(0, Vec::len),
            Kind::Open { .. } => self.slots.len(),
        }
    }

    /// Takes a slot for a question of `source` that is due at `due`; `None` when it has no
    /// [`room`](Self::room).
    pub fn launch(&mut self, source: usize, due: Duration) -> Option<Launch> {
        let round = self.slots.len() as u64;
        let (slot, sequence) = match &mut self.kind {
            Kind::Closed { free } => {
                let slot = free.get_mut(source)?.pop()?;
                // In bounds: only numbers of slots are ever put into the lists.
                (slot, self.slots[slot].sequence + round)
            }
            Kind::Open { next } => {
                let sequence = *next;
                *next += 1;
                (slot_of(sequence, round), sequence)
            }
        };
        // In bounds: as above, or a remainder by the number of slots.
        let loses = self.slots[slot].since.is_some();
        if !loses {
            self.in_the_air += 1;
        }
        // In bounds: the same slot.
        self.slots[slot] = Slot { sequence, since: Some(due) };
        Some(Launch { sequence, loses })
    }

    /// Answer number `sequence` has come to `source`.
    pub fn land(&mut self, source: usize, sequence: u64, now: Duration) -> Landing {
        let slot_number = slot_of(sequence, self.slots.len() as u64);
        // In bounds: a remainder by the number of slots, whatever the peer sent.
        let slot = &mut self.slots[slot_number];
        let Some(since) = slot.since.filter(|_| slot.sequence == sequence) else {
            return Landing::Stray;
        };
        if let Kind::Closed { free } = &mut self.kind {
            // One port's answer that comes to another has lost its way.
            if slot_number % free.len() != source {
                return Landing::Stray;
            }
            // In bounds: it equals a remainder by the number of lists.
            free[source].push(slot_number);
        }
        slot.since = None;
        self.in_the_air -= 1;
        Landing::Answer(now.saturating_sub(since))
    }

    /// Gives up what has been on its way for longer than `timeout`, and returns how many that is.
    pub fn expire(&mut self, now: Duration, timeout: Duration) -> u64 {
        if self.in_the_air == 0 {
            return 0;
        }
        let mut lost = 0;
        for (number, slot) in self.slots.iter_mut().enumerate() {
            if slot.since.is_some_and(|since| now.saturating_sub(since) > timeout) {
                slot.since = None;
                lost += 1;
                if let Kind::Closed { free } = &mut self.kind {
                    let source = number % free.len();
                    // In bounds: a remainder by the number of lists.
                    free[source].push(number);
                }
            }
        }
        self.in_the_air -= lost;
        lost as u64
    }
}

/// Slots as they are before their first question: in a closed loop, the first number of slot `i`
/// is one round after `i`.
fn numbered(slots: usize) -> Vec<Slot> {
    (0..slots as u64).map(|sequence| Slot { sequence, since: None }).collect()
}

/// Slot of a number. A slot's index was a `usize` before it became a number.
#[expect(clippy::cast_possible_truncation, reason = "less than the number of slots")]
fn slot_of(sequence: u64, slots: u64) -> usize {
    (sequence % slots) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_loop_keeps_so_many_in_flight() {
        let mut flight = Flight::closed(4, 2);
        assert_eq!((flight.room(0), flight.room(1)), (2, 2));
        let first = launch(&mut flight, 0, 0);
        let second = launch(&mut flight, 0, 0);
        assert_eq!(flight.launch(0, ms(1)), None);
        assert_eq!((flight.room(0), flight.room(1)), (0, 2));
        assert_eq!(flight.land(0, second, ms(3)), Landing::Answer(ms(3)));
        assert_eq!(flight.room(0), 1);
        let third = launch(&mut flight, 0, 4);
        assert_eq!(third, second + 4, "the same slot, one round later");
        assert_eq!(flight.land(0, first, ms(5)), Landing::Answer(ms(5)));
        assert_eq!(flight.land(0, third, ms(5)), Landing::Answer(ms(1)));
        assert!(flight.is_empty());
    }

    #[test]
    fn an_answer_counts_once() {
        let mut flight = Flight::closed(1, 1);
        let first = launch(&mut flight, 0, 0);
        assert_eq!(flight.land(0, first, ms(1)), Landing::Answer(ms(1)));
        assert_eq!(flight.land(0, first, ms(1)), Landing::Stray);
        let second = launch(&mut flight, 0, 2);
        assert_eq!(flight.land(0, first, ms(3)), Landing::Stray, "of the round before");
        assert_eq!(flight.land(0, second + 1, ms(3)), Landing::Stray, "never asked");
        assert_eq!(flight.land(0, second, ms(3)), Landing::Answer(ms(1)));
    }

    #[test]
    fn an_answer_that_comes_to_another_port_is_a_stray() {
        let mut flight = Flight::closed(2, 2);
        let asked = launch(&mut flight, 0, 0);
        assert_eq!(flight.land(1, asked, ms(1)), Landing::Stray);
        assert_eq!(flight.land(0, asked, ms(1)), Landing::Answer(ms(1)));
    }

    #[test]
    fn what_takes_longer_than_the_timeout_is_lost_and_makes_room() {
        let mut flight = Flight::closed(2, 1);
        let (early, late) = (launch(&mut flight, 0, 0), launch(&mut flight, 0, 1));
        assert_eq!(flight.expire(ms(10), ms(10)), 0);
        assert_eq!(flight.expire(ms(11), ms(10)), 1);
        assert_eq!((flight.room(0), flight.is_empty()), (1, false));
        assert_eq!(flight.land(0, early, ms(11)), Landing::Stray);
        assert_eq!(flight.land(0, late, ms(11)), Landing::Answer(ms(10)));
        assert_eq!((flight.room(0), flight.is_empty()), (2, true));
    }

    #[test]
    fn an_open_loop_gives_up_what_is_a_whole_round_behind() {
        let mut flight = Flight::open(2);
        let launches: Vec<Launch> = (0..3).map(|n| flight.launch(0, ms(n)).unwrap()).collect();
        let loses: Vec<bool> = launches.iter().map(|launch| launch.loses).collect();
        assert_eq!(loses, [false, false, true]);
        assert_eq!(flight.land(0, 0, ms(9)), Landing::Stray);
        assert_eq!(flight.land(0, 1, ms(9)), Landing::Answer(ms(8)));
        assert_eq!(flight.land(0, 2, ms(9)), Landing::Answer(ms(7)));
        assert!(flight.is_empty());
    }

    #[test]
    fn an_answer_before_its_time_took_none() {
        // The clock was read before the question that was due later left in the same round.
        let mut flight = Flight::open(8);
        flight.launch(0, ms(5));
        assert_eq!(flight.land(0, 0, ms(4)), Landing::Answer(Duration::ZERO));
    }

    fn launch(flight: &mut Flight, source: usize, at: u64) -> u64 {
        let launch = flight.launch(source, ms(at)).unwrap();
        assert!(!launch.loses);
        launch.sequence
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }
}
