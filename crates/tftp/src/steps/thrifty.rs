//! Step 7, thrifty: the blocks of a window leave together, in one system call (GSO in udp(7)).
//!
//! ```text
//!  eager     send(1) send(2) send(3) send(4)   recv(ACK 4)
//!  thrifty   send(1 2 3 4)                     recv(ACK 4)
//! ```
//!
//! The datagrams are the same, so not a line of the protocol changes: all is left to `eager`. At the
//! other end GRO hands over together what was sent together.
//!
//! *Still wrong:* it takes no measure. It waits a second where a round trip takes a millisecond; it
//! sends a whole window whether or not the receiver's socket has room for one; when the first block of
//! a window is lost the receiver says so, by ACK base - 1, and it does not dare to listen, since a
//! copy of an old ACK looks the same; after silence it repeats all, where the last block alone would
//! make the receiver speak. And its numbers have no end, where those of TFTP have 16 bits. All that
//! is mended in `sender.rs`.

use super::eager::Eager;
use super::{End, Step};

/// Sends what `eager` sends, in fewer calls.
pub struct Thrifty(Eager);

impl Step for Thrifty {
    const BLKSIZE: u64 = Eager::BLKSIZE;
    const FIRST: u64 = Eager::FIRST;
    const WINDOW: u64 = Eager::WINDOW;
    // As many as pass for one datagram: the system cuts them only after it has taken them as one.
    const BATCH: u64 = 65_507 / (4 + Self::BLKSIZE);

    fn new(blocks: u64) -> Self {
        Self(Eager::new(blocks))
    }

    fn wait(&self, now: u64) -> Option<u64> {
        self.0.wait(now)
    }

    fn received(&mut self, now: u64, ack: u64) -> Option<u64> {
        self.0.received(now, ack)
    }

    fn nothing_came(&mut self, now: u64) -> Option<u64> {
        self.0.nothing_came(now)
    }

    fn more(&mut self) -> Option<u64> {
        self.0.more()
    }

    fn end(&self) -> Option<End> {
        self.0.end()
    }
}
