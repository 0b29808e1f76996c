//! Step 4, punctual: the time to act is fixed when a block is sent, and looked at in every round.
//!
//! Nothing is wrong with it: in every network it ends, and sends nothing in vain. *Still dear:* 512
//! bytes cost a round trip. What the next three steps change is only that. The next one is
//! `agreeable`.

use super::{End, Step, TIMEOUT, TRIES};

/// Knows when it has waited enough, whatever comes meanwhile.
pub struct Punctual {
    block: u64,
    blocks: u64,
    tries: u32,
    due: u64,
}

impl Step for Punctual {
    fn new(blocks: u64) -> Self {
        Self { block: 1, blocks, tries: 1, due: TIMEOUT }
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
