//! State machine: what is said to all, encoded once and shared by all. No socket, no clock.
//!
//! ```text
//!              start                                        end
//!                │                                           │
//!   forgotten    ▼  a\n   ann: hello\n   * bob joined\n      ▼   to be said
//!  ┄┄┄┄┄┄┄┄┄┄┄┄┄┌──────┬──────────────┬────────────────────┐
//!               └──────┴──────────────┴────────────────────┘
//!                  ▲          ▲                            ▲
//!                 dan        cem                 everybody who keeps up
//! ```
//!
//! A line for a thousand listeners is not put into a thousand queues: it is put here, and each
//! listener has a place in the log. Whoever keeps up stands at its end. So a line costs the same
//! however many listen, and a thousand slow readers keep one copy of what they miss, not a thousand.
//! What nobody needs any more is forgotten ([`Log::forget`]).

use std::collections::VecDeque;
use std::ops::Range;

use crate::room::Id;

/// The lines that somebody has still to get.
#[derive(Debug, Default)]
pub struct Log {
    bytes: VecDeque<u8>,
    lines: VecDeque<Line>,
    /// Where the first byte stands, counted from the first that ever was.
    start: u64,
    /// The number of the first line, counted likewise.
    first: u64,
}

/// A line in the log.
#[derive(Clone, Copy, Debug)]
struct Line {
    end: u64,
    /// Who gets it not, having said it.
    author: Option<Id>,
}

impl Log {
    /// Where the next byte will stand.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The number that the next line will have.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether everybody has everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds a line, its line feed included, that `author` does not get.
    pub fn append(&mut self, author: Option<Id>, line: &[u8]) {
        self.bytes.extend(line);
        self.lines.push_back(Line { end: self.end(), author });
    }

    /// Forgets what stands before `needed`, as far as it is whole lines.
    pub fn forget(&mut self, needed: u64) {
        if needed >= self.end() {
            (self.start, self.first) = (self.end(), self.next());
            self.bytes.clear();
            self.lines.clear();
            return;
        }
        let mut forgotten = 0;
        while let Some(line) = self.lines.front()
            && line.end <= needed
        {
            forgotten = line.end - self.start;
            self.lines.pop_front();
            self.first += 1;
        }
        let forgotten = usize::try_from(forgotten).unwrap_or(usize::MAX).min(self.bytes.len());
        self.bytes.drain(..forgotten);
        self.start += forgotten as u64;
    }

    /// Gives back memory, once a crowd of slow readers has gone.
    pub fn shrink(&mut self, to: usize) {
        if self.bytes.capacity() > to && self.bytes.len() <= to / 2 {
            self.bytes.shrink_to(to);
            self.lines.shrink_to(to / size_of::<Line>());
        }
    }

    /// The bytes from here to there: two pieces where they reach around the end of the ring.
    #[must_use]
    pub fn bytes(&self, range: Range<u64>) -> [&[u8]; 2] {
        let index = |at: u64| usize::try_from(at.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let (from, to) = (index(range.start), index(range.end));
        let (front, back) = self.bytes.as_slices();
        let clip = |slice: &[u8], before: usize| {
            let at = |place: usize| place.saturating_sub(before).min(slice.len());
            at(from)..at(to)
        };
        [
            front.get(clip(front, 0)).unwrap_or_default(),
            back.get(clip(back, front.len())).unwrap_or_default(),
        ]
    }

    /// The number of the line in which a byte stands.
    #[must_use]
    pub fn line_at(&self, at: u64) -> u64 {
        self.first + self.lines.partition_point(|line| line.end <= at) as u64
    }

    /// Where a line ends.
    #[must_use]
    pub fn line_end(&self, number: u64) -> u64 {
        self.line(number).map_or(self.end(), |line| line.end)
    }

    /// Where a line begins.
    #[must_use]
    pub fn line_start(&self, number: u64) -> u64 {
        match number.checked_sub(1) {
            Some(before) if before >= self.first => self.line_end(before),
            _ => self.start,
        }
    }

    /// Whether `reader` is to get a line: whether somebody else has said it.
    #[must_use]
    pub fn is_for(&self, number: u64, reader: Id) -> bool {
        self.line(number).is_none_or(|line| line.author != Some(reader))
    }

    fn line(&self, number: u64) -> Option<&Line> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.lines.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_has_is_forgotten_by_whole_lines() {
        let mut log = log(&["one\n", "two\n", "three\n"]);
        assert_eq!((log.end(), log.next(), log.len()), (14, 3, 14));
        log.forget(6);
        assert_eq!((log.end(), log.next(), log.len()), (14, 3, 10));
        assert_eq!(text(&log, 6..14), "o\nthree\n");
        log.forget(14);
        assert_eq!((log.end(), log.next(), log.len()), (14, 3, 0));
        log.append(None, b"four\n");
        assert_eq!(text(&log, 14..19), "four\n");
        assert_eq!((log.line_at(14), log.line_start(3), log.line_end(3)), (3, 14, 19));
    }

    #[test]
    fn a_line_is_found_by_any_of_its_bytes() {
        let log = log(&["one\n", "two\n", "three\n"]);
        for (at, line) in [(0, 0), (3, 0), (4, 1), (7, 1), (8, 2), (13, 2), (14, 3)] {
            assert_eq!(log.line_at(at), line, "{at}");
        }
        assert_eq!((log.line_start(1), log.line_end(1)), (4, 8));
    }

    #[test]
    fn bytes_are_found_where_the_ring_has_gone_around() {
        let mut log = Log::default();
        let mut all = Vec::new();
        for number in 0..1000 {
            let line = format!("line {number}\n");
            log.append(None, line.as_bytes());
            all.extend_from_slice(line.as_bytes());
            let from = log.end().saturating_sub(60);
            log.forget(from);
            let want = String::from_utf8(all[usize::try_from(from).unwrap()..].to_vec()).unwrap();
            assert_eq!(text(&log, from..log.end()), want);
        }
        assert!(log.len() < 80);
    }

    fn log(lines: &[&str]) -> Log {
        let mut log = Log::default();
        for line in lines {
            log.append(None, line.as_bytes());
        }
        log
    }

    fn text(log: &Log, range: Range<u64>) -> String {
        String::from_utf8(log.bytes(range).concat()).unwrap()
    }
}
