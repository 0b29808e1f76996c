//! One thing at a time: seven senders, side by side, judged by the same test. The first four mend a
//! mistake each; the last three save a cost each.
//!
//! | step | what it does | what it still gets wrong |
//! | --- | --- | --- |
//! | [`trusting`] | waits for an ACK, sends the next block | one lost packet, and both wait for ever |
//! | [`insistent`] | sends the block again when nothing comes | two ACKs make two DATA, from there to the end |
//! | [`calm`] | only the ACK it waits for moves it on | a peer that chatters stops its clock |
//! | [`punctual`] | looks at the clock in every round | nothing, but 512 bytes in a round trip are few |
//! | [`agreeable`] | agrees on larger blocks first: options | still one block in a round trip |
//! | [`eager`] | has four blocks under way: windows | a system call, and a way through the system, for each |
//! | [`thrifty`] | hands over many blocks at once: batches | takes no measure of the network |
//!
//! Read each with its neighbour: the difference is the lesson. The real one, which does measure, is
//! [`sender`](crate::sender); options are read and written in [`options`](crate::options), and the
//! batches are those of [`io`](crate::io).
//!
//! Time is a number of milliseconds here, and packets are block numbers. An OACK is block 0: it is
//! repeated and acknowledged as a block is.

pub mod trusting;
pub mod insistent;
pub mod calm;
pub mod punctual;
pub mod agreeable;
pub mod eager;
pub mod thrifty;

/// What every step's sender can be asked. The test plays the network, the socket and the receiver.
pub trait Step {
    /// The bytes of a block. The first steps have what there is without options.
    const BLKSIZE: u64 = 512;

    /// What it sends first: block 1, or the OACK.
    const FIRST: u64 = 1;

    /// How many blocks the receiver awaits before it acknowledges the last of them.
    const WINDOW: u64 = 1;

    /// How many blocks one system call sends at most.
    const BATCH: u64 = 1;

    /// A sender of so many blocks, that has just sent [`Self::FIRST`].
    fn new(blocks: u64) -> Self;

    /// How long the socket is to wait for the next datagram; `None`: for ever.
    fn wait(&self, now: u64) -> Option<u64>;

    /// An ACK came. Returns the block to send.
    fn received(&mut self, now: u64, ack: u64) -> Option<u64>;

    /// The socket has waited, and nothing came. Returns the block to send.
    fn nothing_came(&mut self, now: u64) -> Option<u64>;

    /// Another block to send, behind the one that was just returned and before any waiting.
    fn more(&mut self) -> Option<u64> {
        None
    }

    /// Whether, and how, it is over.
    fn end(&self) -> Option<End>;
}

/// How a step's transfer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every block was acknowledged.
    Whole,
    /// The peer was silent too often.
    GaveUp,
}

/// How long the steps wait for an ACK.
pub const TIMEOUT: u64 = 1000;

/// How often they send the same block.
pub const TRIES: u32 = 5;

#[cfg(test)]
mod tests;
