//! State machine: one direction of a bad stream. Std only: no IO, and time is an argument.
//!
//! ```text
//!                 delay                 cut, rate
//!  handle_bytes ────────▶ BUFFERED ────────────────▶ poll_transmit: bytes, piece by piece
//!  handle_end             at most BUFFER_BYTES_MAX                  then the end
//!
//!            after so many bytes, whichever comes first:
//!            stall-after ──▶ STALLED   nothing leaves any more, and soon nothing is taken
//!            reset-after ──▶ RESET     the caller resets both ends
//! ```
//!
//! No byte is lost, changed or put before another: that is TCP's promise, and a bad network does
//! not break it. What it does is all that is left: bytes come late, in other pieces than they were
//! written in, or at some point not at all. The caller makes one for each direction:
//!
//! ```text
//! let taken = faults.handle_bytes(now, &bytes[..len.min(faults.room())]);
//! while let Some(outgoing) = faults.poll_transmit(now) { … }
//! let deadline = faults.poll_timeout();
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::fate::{Dice, Direction, Question};
use crate::quantity::{Cut, Size};
use crate::settings::Settings;

/// How many bytes are under way at the same time. More are not taken: the caller reads no further,
/// and the sender is held back as by any full connection.
pub const BUFFER_BYTES_MAX: usize = 256 * 1024;

/// In how many portions they may have come, since each costs memory too.
pub const PORTIONS_MAX: usize = 4096;

/// The longest piece of a stream that is cut at random. Short, so that even a greeting is cut.
pub const CUT_LEN_MAX: u64 = 16;

/// The time between two pieces of a stream that is cut, so that a reader who is waiting sees each
/// by itself. One that is busy finds several at once: no network can forbid that.
pub const CUT_GAP: Duration = Duration::from_millis(1);

/// With a rate, a piece is no longer than what the wire takes in this time.
const RATE_PIECE: Duration = Duration::from_millis(10);

/// One direction of a stream.
#[derive(Debug)]
pub struct StreamFaults {
    settings: Settings,
    dice: Dice,
    portions: VecDeque<Portion>,
    buffered: usize,
    /// When the end leaves, once it has come.
    end_due: Option<Instant>,
    /// Bytes that came in, and that went out.
    received: u64,
    sent: u64,
    /// Nothing leaves before its portion is due, or before this.
    not_before: Option<Instant>,
    last_due: Option<Instant>,
    /// The place of the next cut, counted from the start of the stream, and how many were before.
    next_cut: u64,
    cuts: u64,
    /// What the faults do to the stream after its last byte, and when that byte left.
    breaks: Option<(Instant, Outgoing)>,
    /// The stream has said its last: its end, its reset, or that it is stalled.
    over: bool,
}

/// Bytes that came together.
#[derive(Debug)]
struct Portion {
    due: Instant,
    bytes: Vec<u8>,
    sent: usize,
}

/// What leaves a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A piece, to be written by itself.
    Bytes(Vec<u8>),
    /// The end: nothing more will be written, the other direction may live on.
    End,
    /// From here on nothing leaves, and nobody is told.
    Stalled,
    /// Both directions are over: reset both ends.
    Reset,
}

impl StreamFaults {
    /// One direction of the stream `flow`; the caller numbers the streams.
    #[must_use]
    pub fn new(settings: Settings, seed: u64, flow: u64, direction: Direction) -> Self {
        let mut faults = Self {
            settings,
            dice: Dice::new(seed, flow, direction),
            portions: VecDeque::new(),
            buffered: 0,
            end_due: None,
            received: 0,
            sent: 0,
            not_before: None,
            last_due: None,
            next_cut: 0,
            cuts: 0,
            breaks: None,
            over: false,
        };
        faults.choose_next_cut();
        faults
    }

    /// How many bytes are taken now; 0: read no further until something has left.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.portions.len() < PORTIONS_MAX { BUFFER_BYTES_MAX - self.buffered } else { 0 }
    }

    /// Takes bytes that came, and returns how many: at most [`room`](Self::room), and none after
    /// the end.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let (taken, _) = bytes.split_at(bytes.len().min(self.room()));
        if taken.is_empty() || self.end_due.is_some() {
            return 0;
        }
        let due = self.next_due(now);
        self.portions.push_back(Portion { due, bytes: taken.to_vec(), sent: 0 });
        self.buffered += taken.len();
        self.received += widen(taken.len());
        taken.len()
    }

    /// The sender will write no more.
    pub fn handle_end(&mut self, now: Instant) {
        let due = self.next_due(now);
        self.end_due.get_or_insert(due);
    }

    /// When what came last is due; `None` before anything came.
    #[must_use]
    pub fn last_due(&self) -> Option<Instant> {
        self.last_due
    }

    /// What leaves now. To be called until it says `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Outgoing> {
        if self.poll_timeout()? > now {
            return None;
        }
        if let Some((_, last)) = self.breaks.take() {
            self.over = true;
            return Some(last);
        }
        let Some(piece) = self.take_piece(now) else {
            self.over = true;
            return Some(Outgoing::End);
        };
        self.break_at_the_limit(now);
        Some(Outgoing::Bytes(piece))
    }

    /// When to call [`poll_transmit`](Self::poll_transmit) again. `None`: not before more comes,
    /// or never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        if let Some((at, _)) = self.breaks {
            return Some(at);
        }
        let due = match self.portions.front() {
            Some(portion) => portion.due,
            None => self.end_due?,
        };
        Some(self.not_before.map_or(due, |not_before| not_before.max(due)))
    }

    /// When what comes now is due: not before what came before it.
    fn next_due(&mut self, now: Instant) -> Instant {
        // Chosen by the place in the stream, a delay does not depend on the portions before.
        let due = now + self.dice.delay(self.received, &self.settings);
        *self.last_due.insert(self.last_due.map_or(due, |last| last.max(due)))
    }

    /// The next piece; `None` when nothing is buffered.
    fn take_piece(&mut self, now: Instant) -> Option<Vec<u8>> {
        let len = self.piece_len_max();
        let portion = self.portions.front_mut()?;
        let (_, rest) = portion.bytes.split_at_checked(portion.sent)?;
        let (piece, rest) = rest.split_at(len.min(rest.len()));
        let (piece, is_last) = (piece.to_vec(), rest.is_empty());
        portion.sent += piece.len();
        let due = portion.due;
        if is_last {
            self.portions.pop_front();
        }
        self.buffered -= piece.len();
        self.sent += widen(piece.len());
        self.pace(now, due, piece.len());
        if self.sent == self.next_cut {
            self.choose_next_cut();
        }
        Some(piece)
    }

    /// How long the next piece can be: up to the next cut, to where the stream breaks, and to what
    /// the wire takes at once.
    fn piece_len_max(&self) -> usize {
        let limit = [self.settings.stall_after, self.settings.reset_after];
        let limit = limit.into_iter().flatten().map(|size| size.bytes()).min().unwrap_or(u64::MAX);
        let len = self.next_cut.min(limit) - self.sent;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        match self.settings.rate {
            Some(rate) => len.min(rate.bytes_in(RATE_PIECE).max(1)),
            None => len,
        }
    }

    /// Notes when the next piece may leave.
    fn pace(&mut self, now: Instant, due: Instant, len: usize) {
        let gap = self.settings.cut.map(|_| now + CUT_GAP);
        // From when it should have left: a caller who comes late does not slow the wire down.
        let should = self.not_before.map_or(due, |not_before| not_before.max(due));
        let free = self.settings.rate.map(|rate| should + rate.time_for(len));
        self.not_before = gap.max(free);
    }

    fn choose_next_cut(&mut self) {
        self.next_cut = match self.settings.cut {
            None => u64::MAX,
            Some(Cut::EveryByte) => self.sent + 1,
            Some(Cut::Random) => {
                self.sent + 1 + self.dice.below(self.cuts, Question::Cut, CUT_LEN_MAX)
            }
        };
        self.cuts += 1;
    }

    /// Where both limits are the same, the reset is what the ends can see.
    fn break_at_the_limit(&mut self, now: Instant) {
        let reached = |size: Option<Size>| size.is_some_and(|size| self.sent >= size.bytes());
        if reached(self.settings.reset_after) {
            self.breaks = Some((now, Outgoing::Reset));
        } else if reached(self.settings.stall_after) {
            self.breaks = Some((now, Outgoing::Stalled));
        }
    }
}

/// `usize` has at most 64 bits on every system that Rust has std for.
fn widen(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
