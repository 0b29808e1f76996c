//! State machine: what waits for one listener, and how much it is. No socket, no clock.
//!
//! A place in the [`Log`] that all share, and what is meant for this listener alone: answers,
//! private words, the history. The two are one queue, in the order in which they were said:
//!
//! ```text
//!   log    ──── ann: hi ──┬── bob: well ─────────┬── cem: bye ──
//!                         │                      │
//!   own               * 3 are here          * (ann to you) psst
//! ```
//!
//! An empty queue holds no memory.

use std::collections::VecDeque;

use crate::log::Log;
use crate::room::Id;

/// What waits for one listener.
#[derive(Debug, Default)]
pub struct Queue {
    /// Who it is for, and where in the log they are; `None`: they do not listen to the room.
    place: Option<Place>,
    own: VecDeque<Own>,
    /// How much of the first of them is sent.
    own_sent: usize,
    own_len: usize,
    own_lines: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    reader: Id,
    /// The first byte that is not sent.
    at: u64,
    /// How many lines of the log stand before it, whole.
    line: u64,
    /// The end of the last line in the log that is the reader's own.
    said: u64,
}

/// What is for this listener alone.
#[derive(Debug)]
struct Own {
    /// Where it belongs in the log: between two lines.
    at: u64,
    bytes: Vec<u8>,
    /// Whether it is the line that tells of a gap.
    is_gap: bool,
    /// Whether its first line has begun, and this is the rest.
    is_rest: bool,
}

/// A part of the queue: bytes of the log, or what is left of one of its own.
enum Piece {
    Log(u64, u64),
    Own,
}

/// How far along the queue a walk is.
#[derive(Clone, Copy)]
struct Walk {
    at: u64,
    own: usize,
    own_sent: usize,
}

impl Queue {
    /// From here on, all that is said is for `reader`.
    pub fn join(&mut self, reader: Id, log: &Log) {
        self.place = Some(Place { reader, at: log.end(), line: log.next(), said: 0 });
    }

    /// From here on, nothing more is. What was said until here still waits.
    pub fn leave(&mut self, log: &Log) {
        let (rest, begun) = (self.pieces(log, usize::MAX).concat(), !self.begun(log).is_empty());
        *self = Self::default();
        self.push_rest(&rest, begun, log);
    }

    /// The reader has said the last line in the log, and does not get it.
    pub fn said(&mut self, log: &Log) {
        if let Some(place) = &mut self.place {
            place.said = log.end();
        }
    }

    /// Adds lines for this listener alone.
    pub fn push(&mut self, lines: &[u8], log: &Log) {
        let at = self.place.map_or(0, |_| log.end());
        self.own_len += lines.len();
        self.own_lines += line_feeds(lines);
        match self.own.back_mut() {
            Some(last) if last.at == at && !last.is_gap => last.bytes.extend_from_slice(lines),
            _ => {
                self.own.push_back(Own { at, bytes: lines.to_vec(), is_gap: false, is_rest: false })
            }
        }
    }

    /// Adds the line that tells of a gap.
    pub fn push_gap(&mut self, line: &[u8], log: &Log) {
        let at = self.place.map_or(0, |_| log.end());
        self.own_len += line.len();
        self.own_lines += 1;
        self.own.push_back(Own { at, bytes: line.to_vec(), is_gap: true, is_rest: false });
    }

    /// Passes over what the reader has said, if nothing else waits.
    pub fn skip_said(&mut self, log: &Log) {
        if let Some(place) = self.place
            && place.said > place.at
            && self.is_empty(log)
        {
            self.place = Some(Place { at: log.end(), line: log.next(), ..place });
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self, log: &Log) -> bool {
        self.next(log, &mut self.walk()).is_none()
    }

    /// How many bytes wait.
    #[must_use]
    pub fn len(&self, log: &Log) -> u64 {
        let behind = self.place.map_or(0, |place| log.end() - place.at);
        behind + self.own_len as u64
    }

    /// How many lines wait, one that is sent in part included.
    #[must_use]
    pub fn lines(&self, log: &Log) -> u64 {
        let behind = self.place.map_or(0, |place| log.next() - place.line);
        behind + self.own_lines
    }

    /// How many of these bytes are for this listener alone.
    #[must_use]
    pub fn own_len(&self) -> u64 {
        self.own_len as u64
    }

    /// The first byte of the log that it needs; `None`: it needs none.
    #[must_use]
    pub fn needs(&self) -> Option<u64> {
        self.place.map(|place| place.at)
    }

    /// What waits, up to some more than `limit` bytes.
    #[must_use]
    pub fn pieces<'a>(&'a self, log: &'a Log, limit: usize) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        let mut len = 0;
        self.for_each_piece(log, |bytes| {
            pieces.push(bytes);
            len += bytes.len();
            len < limit
        });
        pieces
    }

    /// Hands over what waits, piece by piece, until `each` has enough.
    pub fn for_each_piece<'a>(&'a self, log: &'a Log, mut each: impl FnMut(&'a [u8]) -> bool) {
        let mut walk = self.walk();
        loop {
            let Walk { own, own_sent, .. } = walk;
            match self.next(log, &mut walk) {
                None => return,
                Some(Piece::Own) => {
                    let bytes = self.own.get(own).and_then(|own| own.bytes.get(own_sent..));
                    if !each(bytes.unwrap_or_default()) {
                        return;
                    }
                }
                Some(Piece::Log(from, to)) => {
                    let bytes = log.bytes(from..to);
                    if !bytes.into_iter().filter(|part| !part.is_empty()).all(&mut each) {
                        return;
                    }
                }
            }
        }
    }

    /// So many bytes are sent. Says how many lines are thereby whole.
    pub fn sent(&mut self, log: &Log, sent: usize) -> u64 {
        // Mostly all is sent, to somebody who has not spoken: then there is nothing to walk along.
        if let Some(place) = &mut self.place
            && self.own.is_empty()
            && place.said <= place.at
            && log.end() - place.at == sent as u64
        {
            let lines = log.next() - place.line;
            (place.at, place.line) = (log.end(), log.next());
            return lines;
        }
        self.walk_along(log, sent as u64)
    }

    /// Forgets all that waits, save the rest of a line that is sent in part. Says how many lines,
    /// and whether one of them, not counted, was to tell of an earlier gap.
    pub fn drop_all(&mut self, log: &Log) -> (u64, bool) {
        let rest = self.begun(log);
        let all = self.pieces(log, usize::MAX).into_iter().map(line_feeds).sum::<u64>();
        let untold = self
            .own
            .iter()
            .enumerate()
            .any(|(place, own)| own.is_gap && (place > 0 || self.own_sent == 0));
        if let Some(place) = &mut self.place {
            (place.at, place.line) = (log.end(), log.next());
        }
        (self.own, self.own_sent, self.own_len, self.own_lines) = (VecDeque::new(), 0, 0, 0);
        self.push_rest(&rest, true, log);
        (all - u64::from(!rest.is_empty()) - u64::from(untold), untold)
    }

    /// Keeps what is left for a queue that is empty. A line in it that has `begun` must not be cut
    /// either when all is dropped again before the system takes another byte.
    fn push_rest(&mut self, rest: &[u8], begun: bool, log: &Log) {
        if rest.is_empty() {
            return;
        }
        self.push(rest, log);
        if let Some(first) = self.own.front_mut() {
            first.is_rest = begun;
        }
    }

    /// The rest of a line that is sent in part.
    fn begun(&self, log: &Log) -> Vec<u8> {
        if let Some(place) = self.place
            && place.at > log.line_start(place.line)
            && place.line < log.next()
        {
            return log.bytes(place.at..log.line_end(place.line)).concat();
        }
        let first = self.own.front().filter(|own| self.own_sent > 0 || own.is_rest);
        let Some(first) = first else { return Vec::new() };
        let (sent, rest) = first.bytes.split_at_checked(self.own_sent).unwrap_or_default();
        if sent.ends_with(b"\n") {
            return Vec::new();
        }
        rest.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default().to_vec()
    }

    fn walk_along(&mut self, log: &Log, mut sent: u64) -> u64 {
        let waiting = self.lines(log);
        let mut skipped = 0;
        let mut walk = self.walk();
        loop {
            let before = walk;
            let Some(piece) = self.next(log, &mut walk) else {
                // The rest of the log is the reader's own lines.
                self.move_to(log, walk, &mut skipped);
                break;
            };
            let len = self.piece_len(&piece, before.own_sent);
            if len <= sent {
                sent -= len;
                self.move_to(log, walk, &mut skipped);
                walk = self.walk();
                continue;
            }
            walk = before;
            match piece {
                Piece::Log(from, _) => walk.at = from + sent,
                Piece::Own => walk.own_sent += usize::try_from(sent).unwrap_or_default(),
            }
            self.move_to(log, walk, &mut skipped);
            break;
        }
        (waiting - self.lines(log)).saturating_sub(skipped)
    }

    /// Goes to where a walk has come. Counts the reader's own lines among those passed.
    fn move_to(&mut self, log: &Log, walk: Walk, skipped: &mut u64) {
        if let Some(place) = &mut self.place {
            let line = log.line_at(walk.at);
            if place.said > place.at {
                let passed = place.line..line;
                *skipped += passed.filter(|line| !log.is_for(*line, place.reader)).count() as u64;
            }
            (place.at, place.line) = (walk.at, line);
        }
        for _ in 0..walk.own {
            if let Some(own) = self.own.pop_front() {
                let rest = own.bytes.get(self.own_sent..).unwrap_or_default();
                self.own_len -= rest.len();
                self.own_lines -= line_feeds(rest);
                self.own_sent = 0;
            }
        }
        if let Some(first) = self.own.front() {
            let sent = first.bytes.get(self.own_sent..walk.own_sent).unwrap_or_default();
            self.own_len -= sent.len();
            self.own_lines -= line_feeds(sent);
        } else {
            self.own = VecDeque::new();
        }
        self.own_sent = walk.own_sent;
    }

    fn walk(&self) -> Walk {
        Walk { at: self.place.map_or(0, |place| place.at), own: 0, own_sent: self.own_sent }
    }

    /// The next piece behind a walk, which goes on to behind that piece.
    fn next(&self, log: &Log, walk: &mut Walk) -> Option<Piece> {
        let own = self.own.get(walk.own);
        if let Some(own) = own
            && own.at <= walk.at
        {
            (walk.own, walk.own_sent) = (walk.own + 1, 0);
            return Some(Piece::Own);
        }
        let place = self.place?;
        let until = own.map_or(log.end(), |own| own.at);
        if place.said <= walk.at {
            let from = std::mem::replace(&mut walk.at, until);
            return (from < until).then_some(Piece::Log(from, until));
        }
        // Lines of the reader's own lie ahead.
        let mut line = log.line_at(walk.at);
        while walk.at < until && !log.is_for(line, place.reader) {
            walk.at = log.line_end(line);
            line += 1;
        }
        if walk.at >= until {
            return own.and_then(|_| self.next(log, walk));
        }
        let from = walk.at;
        while walk.at < until && log.is_for(line, place.reader) {
            walk.at = log.line_end(line);
            line += 1;
        }
        Some(Piece::Log(from, walk.at))
    }

    fn piece_len(&self, piece: &Piece, own_sent: usize) -> u64 {
        match piece {
            Piece::Log(from, to) => to - from,
            Piece::Own => {
                let first = self.own.front().map_or(0, |own| own.bytes.len());
                (first - own_sent) as u64
            }
        }
    }
}

fn line_feeds(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Id = Id::new(1);
    const BOB: Id = Id::new(2);

    #[test]
    fn a_listener_gets_what_others_say_and_what_is_theirs_alone_in_order() {
        let (mut log, mut queue) = joined();
        log.append(Some(BOB), b"b1\n");
        queue.push(b"*own1\n", &log);
        say(&mut log, &mut queue, b"a1\n");
        log.append(Some(BOB), b"b2\n");
        log.append(None, b"*n\n");
        queue.push(b"*own2\n", &log);
        queue.push(b"*own3\n", &log);
        say(&mut log, &mut queue, b"a2\n");
        let all = "b1\n*own1\nb2\n*n\n*own2\n*own3\n";
        assert_eq!(text(&queue, &log), all);

        // Sent in any two portions, and byte by byte, it is the same.
        for portion in 1..=all.len() {
            let (_, mut queue) = joined();
            let mut log = Log::default();
            queue.join(ANN, &log);
            log.append(Some(BOB), b"b1\n");
            queue.push(b"*own1\n", &log);
            say(&mut log, &mut queue, b"a1\n");
            log.append(Some(BOB), b"b2\n");
            log.append(None, b"*n\n");
            queue.push(b"*own2\n", &log);
            queue.push(b"*own3\n", &log);
            say(&mut log, &mut queue, b"a2\n");
            let (mut got, mut lines) = (String::new(), 0);
            while !queue.is_empty(&log) {
                let rest = text(&queue, &log);
                let now = portion.min(rest.len());
                got.push_str(&rest[..now]);
                lines += queue.sent(&log, now);
            }
            assert_eq!((got.as_str(), lines), (all, 6), "{portion} at a time");
            assert_eq!((queue.len(&log), queue.lines(&log)), (0, 0));
            assert_eq!(queue.own.capacity(), 0, "an empty queue holds no memory");
        }
    }

    #[test]
    fn what_was_said_before_somebody_leaves_still_waits() {
        let (mut log, mut queue) = joined();
        log.append(Some(BOB), b"b1\n");
        queue.push(b"*own\n", &log);
        log.append(Some(BOB), b"b2\n");
        queue.sent(&log, 1);
        queue.leave(&log);
        log.append(Some(BOB), b"b3\n");
        queue.push(b"*bye\n", &log);
        assert_eq!(text(&queue, &log), "1\n*own\nb2\n*bye\n");
        assert_eq!((queue.lines(&log), queue.needs()), (4, None));
        assert_eq!(queue.sent(&log, 15), 4);
    }

    #[test]
    fn a_line_that_has_begun_is_never_cut() {
        for sent in 0..=12 {
            let (mut log, mut queue) = joined();
            log.append(Some(BOB), b"b1\n");
            queue.push(b"*o\n*p\n", &log);
            log.append(Some(BOB), b"b2\n");
            let all = text(&queue, &log);
            let whole = queue.sent(&log, sent);
            let begun = all[..sent].lines().count() as u64;
            let dropped = queue.drop_all(&log);
            assert_eq!(dropped, (4 - begun, false), "{sent} sent");
            let rest = text(&queue, &log);
            assert_eq!(queue.lines(&log), begun - whole);
            // Nor is it when all is dropped again before another byte is sent.
            queue.push_gap(b"*gap\n", &log);
            log.append(Some(BOB), b"b3\n");
            assert_eq!(queue.drop_all(&log), (1, true), "{sent} sent");
            assert_eq!(text(&queue, &log), rest);
            queue.push(b"*end\n", &log);
            let got = format!("{}{}", &all[..sent], text(&queue, &log));
            assert!(
                got.lines().all(|line| ["b1", "*o", "*p", "b2", "*end"].contains(&line)),
                "{got}"
            );
            assert_eq!(rest.is_empty(), all[..sent].ends_with('\n') || sent == 0);
        }
    }

    fn joined() -> (Log, Queue) {
        let (log, mut queue) = (Log::default(), Queue::default());
        queue.join(ANN, &log);
        (log, queue)
    }

    fn say(log: &mut Log, queue: &mut Queue, line: &[u8]) {
        log.append(Some(ANN), line);
        queue.said(log);
    }

    fn text(queue: &Queue, log: &Log) -> String {
        String::from_utf8(queue.pieces(log, usize::MAX).concat()).unwrap()
    }
}
