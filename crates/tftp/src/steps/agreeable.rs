//! Step 5, agreeable: a larger block, where the other end wants one (RFC 2347, RFC 2348).
//!
//! The client has asked for `blksize=1428`, and the server says yes by an OACK, which the client
//! acknowledges as block 0. So the OACK is a block like the others: the same clock repeats it when it
//! is lost, and the same silence meets an ACK that is not for it. A round trip more, and then nearly
//! three times the bytes for each.
//!
//! *Still dear:* one block in a round trip, and it cannot grow for ever. What is larger than a frame of
//! the network goes in fragments, and with one of them the whole block is lost. The next step is
//! `eager`.

use super::{End, Step, TIMEOUT, TRIES};

/// Sends an OACK before the first block, and larger blocks.
pub struct Agreeable {
    block: u64,
    blocks: u64,
    tries: u32,
    due: u64,
}

impl Step for Agreeable {
    const BLKSIZE: u64 = 1428;
    const FIRST: u64 = 0;

    fn new(blocks: u64) -> Self {
        Self { block: Self::FIRST, blocks, tries: 1, due: TIMEOUT }
    }

    fn wait(&self, now: u64) -> Option<u64> {
        Some(self.due.saturating_sub(now))
    }

    fn received(&mut self, now: u64, ack: u64) -> Option<u64> {
        if ack != self.block {
            return if now >= self.due { self.nothing_came(now) } else { None };
        }
        self.block += 1;
        self.tries = 1;
        self.due = now + TIMEOUT;
        (self.block <= self.blocks).then_some(self.block)
    }

    fn nothing_came(&mut self, now: u64) -> Option<u64> {
        self.tries += 1;
        self.due = now + TIMEOUT;
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
