//! Step 2, insistent: what is not acknowledged in time is sent again.
//!
//! *Still wrong:* every ACK is answered by the block behind it. When an ACK is not lost but late, its
//! block goes out twice, is acknowledged twice, and from there on every block is: the Sorcerer's
//! Apprentice (RFC 1123, 4.2.3.1). The next step is `calm`.

use super::{End, Step, TIMEOUT, TRIES};

/// Sends a block again when nothing came for a while.
pub struct Insistent {
    block: u64,
    blocks: u64,
    tries: u32,
}

impl Step for Insistent {
    fn new(blocks: u64) -> Self {
        Self { block: 1, blocks, tries: 1 }
    }

    fn wait(&self, _now: u64) -> Option<u64> {
        Some(TIMEOUT)
    }

    fn received(&mut self, _now: u64, ack: u64) -> Option<u64> {
        self.block = ack + 1;
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
