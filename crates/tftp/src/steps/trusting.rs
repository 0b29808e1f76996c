//! Step 1, trusting: every packet arrives.
//!
//! The tutorial's server: it sends a block, waits for an ACK, and sends the next one. *Still wrong:*
//! when either is lost, both ends wait for each other for ever. The next step is `insistent`.

use super::{End, Step};

/// Sends the next block for each ACK, and waits for ever.
pub struct Trusting {
    block: u64,
    blocks: u64,
}

impl Step for Trusting {
    fn new(blocks: u64) -> Self {
        Self { block: 1, blocks }
    }

    fn wait(&self, _now: u64) -> Option<u64> {
        None
    }

    fn received(&mut self, _now: u64, _ack: u64) -> Option<u64> {
        self.block += 1;
        (self.block <= self.blocks).then_some(self.block)
    }

    fn nothing_came(&mut self, _now: u64) -> Option<u64> {
        None
    }

    fn end(&self) -> Option<End> {
        (self.block > self.blocks).then_some(End::Whole)
    }
}
