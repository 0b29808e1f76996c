//! Step 3, calm: only the ACK for the block in flight moves it on.
//!
//! *Still wrong:* the clock runs only in the socket's wait, and each datagram, whatever it is, begins
//! a new wait. A peer that sends an old ACK every half second keeps this sender waiting for ever,
//! and whoever can send it a datagram can do the same. The next step is `punctual`.

use super::{End, Step, TIMEOUT, TRIES};

/// Ignores every ACK but one.
pub struct Calm {
    block: u64,
    blocks: u64,
    tries: u32,
}

impl Step for Calm {
    fn new(blocks: u64) -> Self {
        Self { block: 1, blocks, tries: 1 }
    }

    fn wait(&self, _now: u64) -> Option<u64> {
        Some(TIMEOUT)
    }

    fn received(&mut self, _now: u64, ack: u64) -> Option<u64> {
        if ack != self.block {
            return None;
        }
        self.block += 1;
        self.tries = 1;
        (self.block <= self.blocks).then_some(self.block)
    }

    fn nothing_came(&mut self, _now: u64) -> Option<u64> {
        self.tries += 1;
        (self.tries <= TRIES).then_some(self.block)
    }

    fn end(&self) -> Option<End> {
        match self {
            Self { block, blocks, .. } if block > blocks => Some(End::Whole),
            Self { tries, .. } if *tries > TRIES => Some(End::GaveUp),
            _ => None,
        }
    }
}
