//! State machine: which lines are on their way, and who has not heard them yet.
//!
//! ```text
//!  talker 0:   7 said ─▶   4   5   6        lines that somebody still waits for
//!                          │   │   │
//!              waiting:    2   9   9        listeners each
//! ```
//!
//! A stream keeps its order, so who hears line 6 of a talker will not hear 5 any more: a gap is a
//! line that was missed. Who is gone misses what was said before and what comes after. So every
//! line ends, and a load in a closed loop goes on whatever a server drops.

use std::collections::VecDeque;
use std::time::Duration;

/// Who waits for what. People are numbers from 0 on; talkers are numbers of their own.
#[derive(Debug)]
pub struct Ledger {
    /// The person that each talker is.
    speakers: Vec<usize>,
    talks: Vec<Talk>,
    /// For each person and talker, which line must come next.
    next: Vec<u64>,
    present: Vec<bool>,
    /// How many of them are.
    here: usize,
    /// How many were in the beginning.
    began: usize,
    /// Lines heard, once by each.
    pub received: u64,
    /// Lines that came to somebody who had them already, or had heard a later one.
    pub repeated: u64,
}

#[derive(Debug, Default)]
struct Talk {
    /// How many lines were said.
    said: u64,
    /// Those that somebody waits for, in their order; the last one has the number `said` - 1.
    waiting: VecDeque<Line>,
}

#[derive(Debug)]
struct Line {
    due: Duration,
    listeners: usize,
}

/// What it means that somebody heard a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// The line was due at this time.
    Heard(Duration),
    /// It was said, and this listener had it already.
    Repeated,
    /// Who heard it is none of those it is for: they came later, or said it themselves.
    NotExpected,
    /// Nobody said it.
    Unknown,
}

impl Ledger {
    /// For each person whether they are there; `speakers` are those who talk.
    #[must_use]
    pub fn new(present: Vec<bool>, speakers: Vec<usize>) -> Self {
        let here = present.iter().filter(|present| **present).count();
        let talks: Vec<Talk> = speakers.iter().map(|_| Talk::default()).collect();
        Self {
            next: vec![0; present.len() * talks.len()],
            present,
            here,
            began: here,
            speakers,
            talks,
            received: 0,
            repeated: 0,
        }
    }

    /// `talker` says a line that was due at `due`. Returns its number.
    pub fn say(&mut self, talker: usize, due: Duration) -> u64 {
        let speaks = self.speakers.get(talker).and_then(|speaker| self.present.get(*speaker));
        // Nobody hears what they say themselves.
        let listeners = self.here.saturating_sub(usize::from(speaks == Some(&true)));
        let Some(talk) = self.talks.get_mut(talker) else { return 0 };
        talk.said += 1;
        talk.waiting.push_back(Line { due, listeners });
        talk.finish(|_| {});
        talk.said - 1
    }

    /// `who` has heard line `number` of `talker`. Calls `ended` with the time at which a line was
    /// due for each that nobody waits for any more.
    pub fn heard(
        &mut self,
        who: usize,
        talker: usize,
        number: u64,
        ended: impl FnMut(Duration),
    ) -> Landing {
        let at = who * self.talks.len() + talker;
        let Some(talk) = self.talks.get_mut(talker) else { return Landing::Unknown };
        let (Some(next), Some(true)) = (self.next.get_mut(at), self.present.get(who)) else {
            return Landing::NotExpected;
        };
        if self.speakers.get(talker) == Some(&who) {
            return Landing::NotExpected;
        }
        if number >= talk.said {
            return Landing::Unknown;
        }
        if number < *next {
            self.repeated += 1;
            return Landing::Repeated;
        }
        let Some(due) = talk.line(number).map(|line| line.due) else { return Landing::Unknown };
        talk.strike(*next..number + 1);
        *next = number + 1;
        talk.finish(ended);
        self.received += 1;
        Landing::Heard(due)
    }

    /// `who` hears nothing more.
    pub fn gone(&mut self, who: usize, mut ended: impl FnMut(Duration)) {
        let Some(present) = self.present.get_mut(who) else { return };
        if !std::mem::take(present) {
            return;
        }
        self.here -= 1;
        let talkers = self.talks.len();
        for (number, talk) in self.talks.iter_mut().enumerate() {
            if self.speakers.get(number) == Some(&who) {
                continue;
            }
            if let Some(next) = self.next.get(who * talkers + number) {
                talk.strike(*next..talk.said);
                talk.finish(&mut ended);
            }
        }
    }

    /// How many lines of `talker` somebody still waits for.
    #[must_use]
    pub fn waiting(&self, talker: usize) -> usize {
        self.talks.get(talker).map_or(0, |talk| talk.waiting.len())
    }

    /// Whether nobody waits for anything.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.talks.iter().all(|talk| talk.waiting.is_empty())
    }

    /// Whether nobody is left who could hear another.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.here < 2
    }

    /// How many lines were said.
    #[must_use]
    pub fn said(&self) -> u64 {
        self.talks.iter().map(|talk| talk.said).sum()
    }

    /// How often lines should have been heard: each by all who were there in the beginning, but
    /// for the one who said it.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.said() * (self.began as u64).saturating_sub(1)
    }

    /// How many were there in the beginning and are gone.
    #[must_use]
    pub fn lost_people(&self) -> usize {
        self.began - self.here
    }
}

impl Talk {
    fn line(&mut self, number: u64) -> Option<&mut Line> {
        let first = self.said - self.waiting.len() as u64;
        self.waiting.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// One listener less waits for each of `numbers`.
    fn strike(&mut self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            if let Some(line) = self.line(number) {
                line.listeners = line.listeners.saturating_sub(1);
            }
        }
    }

    /// Lines end in their order, because each listener hears them in their order.
    fn finish(&mut self, mut ended: impl FnMut(Duration)) {
        while self.waiting.front().is_some_and(|line| line.listeners == 0) {
            if let Some(line) = self.waiting.pop_front() {
                ended(line.due);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_line_ends_when_everybody_else_has_it() {
        // Person 2 talks to 0 and 1.
        let mut ledger = Ledger::new(vec![true; 3], vec![2]);
        assert_eq!(ledger.say(0, SECOND), 0);
        assert_eq!((ledger.waiting(0), ledger.expected()), (1, 2));
        let mut ends = Vec::new();
        let first = ledger.heard(0, 0, 0, |due| ends.push(due));
        assert_eq!((first, ledger.is_settled()), (Landing::Heard(SECOND), false));
        ledger.heard(1, 0, 0, |due| ends.push(due));
        assert_eq!((ends, ledger.is_settled(), ledger.received), (vec![SECOND], true, 2));
    }

    #[test]
    fn a_gap_is_a_line_that_was_missed() {
        let mut ledger = Ledger::new(vec![true; 2], vec![1]);
        for _ in 0..3 {
            ledger.say(0, SECOND);
        }
        ledger.heard(0, 0, 2, |_| {});
        assert!(ledger.is_settled());
        assert_eq!((ledger.received, ledger.expected()), (1, 3));
    }

    #[test]
    fn a_line_that_comes_again_or_late_counts_once() {
        let mut ledger = Ledger::new(vec![true; 3], vec![2]);
        ledger.say(0, SECOND);
        ledger.say(0, SECOND);
        for (number, want) in [
            (1, Landing::Heard(SECOND)),
            (1, Landing::Repeated),
            (0, Landing::Repeated),
            (2, Landing::Unknown),
        ] {
            assert_eq!(ledger.heard(0, 0, number, |_| {}), want);
        }
        assert_eq!((ledger.received, ledger.repeated), (1, 2));
        for (who, talker, want) in
            [(0, 1, Landing::Unknown), (9, 0, Landing::NotExpected), (2, 0, Landing::NotExpected)]
        {
            assert_eq!(ledger.heard(who, talker, 0, |_| {}), want);
        }
    }

    #[test]
    fn who_is_gone_is_not_waited_for_and_missed() {
        let mut ledger = Ledger::new(vec![true; 3], vec![2]);
        ledger.say(0, SECOND);
        ledger.heard(0, 0, 0, |_| {});
        let mut ends = 0;
        ledger.gone(1, |_| ends += 1);
        ledger.gone(1, |_| ends += 1);
        assert_eq!((ends, ledger.is_settled(), ledger.lost_people()), (1, true, 1));
        ledger.say(0, SECOND);
        ledger.heard(0, 0, 1, |_| {});
        assert!(ledger.is_settled());
        assert_eq!((ledger.received, ledger.expected()), (2, 4));
    }

    #[test]
    fn talkers_hear_each_other() {
        let mut ledger = Ledger::new(vec![true; 2], vec![0, 1]);
        ledger.say(0, SECOND);
        ledger.say(1, SECOND);
        ledger.heard(1, 0, 0, |_| {});
        // Who is gone is still waited for by nobody, also as a talker.
        ledger.gone(0, |_| {});
        assert!(ledger.is_settled());
    }

    #[test]
    fn with_nobody_there_a_line_ends_at_once() {
        let mut ledger = Ledger::new(vec![true; 1], vec![0]);
        ledger.say(0, SECOND);
        assert!(ledger.is_settled());
        ledger.gone(0, |_| {});
        ledger.say(0, SECOND);
        assert!(ledger.is_settled());
    }
}
