//! One mistake mended at a time: four senders in lockstep, side by side, judged by the same test.
//!
//! | step | what it does | what it still gets wrong |
//! | --- | --- | --- |
//! | [`trusting`] | waits for an ACK, sends the next block | one lost packet, and both wait for ever |
//! | [`insistent`] | sends the block again when nothing comes | two ACKs make two DATA, from there to the end |
//! | [`calm`] | only the ACK it waits for moves it on | a peer that chatters stops its clock |
//! | [`punctual`] | looks at the clock in every round | one block in a round trip: nothing wrong, but slow |
//!
//! Read each with its neighbour: the difference is the lesson. Behind the last come
//! [`options`](crate::options), larger blocks; windows, in [`sender`](crate::sender), which is
//! `punctual` with more than one block under way; and batches, in the driver, which hands the system
//! many blocks at once.
//!
//! Time is a number of milliseconds here, and packets are block numbers.

pub mod trusting;
pub mod insistent;
pub mod calm;
pub mod punctual;

/// What every step's sender can be asked. The test plays the network and the socket.
pub trait Step {
    /// A sender of so many blocks, that has just sent the first.
    fn new(blocks: u64) -> Self;

    /// How long the socket is to wait for the next datagram; `None`: for ever.
    fn wait(&self, now: u64) -> Option<u64>;

    /// An ACK came. Returns the block to send.
    fn received(&mut self, now: u64, ack: u64) -> Option<u64>;

    /// The socket has waited, and nothing came. Returns the block to send.
    fn nothing_came(&mut self, now: u64) -> Option<u64>;

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
