//! Step 6, eager: a window of blocks is under way (RFC 7440).
//!
//! ```text
//!        base       next
//!         ▼           ▼
//!  ▓▓▓▓▓▓▓░░░░░░░░░░░░·········      ▓ acknowledged   ░ under way   · to come
//!  ACK n, for one that is under way: all up to n has arrived, and what is behind n was thrown away
//! ```
//!
//! *Still dear:* each block costs its sender a system call, and its own way through the system: once a
//! window fills the line, that is what limits the rate. The next step is `thrifty`.

use super::{End, Step, TIMEOUT, TRIES};

/// Has more than one block under way.
pub struct Eager {
    base: u64,
    next: u64,
    blocks: u64,
    tries: u32,
    due: u64,
}

impl Step for Eager {
    const BLKSIZE: u64 = 1428;
    const FIRST: u64 = 0;
    const WINDOW: u64 = 4;

    fn new(blocks: u64) -> Self {
        Self { base: Self::FIRST, next: Self::FIRST + 1, blocks, tries: 1, due: TIMEOUT }
    }

    fn wait(&self, now: u64) -> Option<u64> {
        Some(self.due.saturating_sub(now))
    }

    fn received(&mut self, now: u64, ack: u64) -> Option<u64> {
        if !(self.base..self.next).contains(&ack) {
            return if now >= self.due { self.nothing_came(now) } else { None };
        }
        self.base = ack + 1;
        self.next = self.base;
        self.tries = 1;
        self.due = now + TIMEOUT;
        self.more()
    }

    fn nothing_came(&mut self, now: u64) -> Option<u64> {
        self.tries += 1;
        self.due = now + TIMEOUT;
        self.next = self.base;
        if self.tries > TRIES { None } else { self.more() }
    }

    fn more(&mut self) -> Option<u64> {
        // Until the OACK is acknowledged nobody has agreed to a window, and nobody has shown that he
        // is at the address which the request claims.
        let window = if self.base == Self::FIRST { 1 } else { Self::WINDOW };
        let end = (self.base + window).min(self.blocks + 1);
        let block = self.next;
        self.next = end.min(block + 1);
        (block < end).then_some(block)
    }

    fn end(&self) -> Option<End> {
        match self {
            Self { base, blocks, .. } if base > blocks => Some(End::Whole),
            Self { tries, .. } if *tries > TRIES => Some(End::GaveUp),
            _ => None,
        }
    }
}
