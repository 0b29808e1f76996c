//! What a bad network does to datagrams and streams, as pure decisions.
//!
//! *Question:* how can a program be shown a network that loses, repeats, reorders and delays, so
//! that the same thing happens again tomorrow?
//!
//! ```text
//!  "loss=10%,delay=20ms±5ms" ──▶ Settings ─┐
//!                                    seed ─┼─▶ Fate of the n-th datagram of a flow and direction
//!                                          │
//!       a datagram, and the time ──▶ ┌─────┴──────┐ ──▶ what was done to it: lost, late, twice …
//!                                    │    Link    │ ──▶ what leaves now
//!                the time again ──▶  └─────┬──────┘ ──▶ when to be asked again
//!       bytes, and the time ───────▶ StreamFaults  ──▶ the same for one direction of a stream
//! ```
//!
//! Nothing here opens a socket, reads a clock or keeps a thread: time is an argument, and std is
//! all it needs. Whoever owns the sockets (the lesson `relay` of chapter 2, for one) puts a driver
//! around it.
//!
//! *Read:* [`settings`] (what can be asked for) → [`quantity`] (its numbers as text) → [`fate`]
//! (what the seed says) → [`link`] (datagrams) → [`stream`] (bytes).
//!
//! *Left out:* bytes that are changed on the way. UDP and TCP have checksums, so a program sees a
//! damaged datagram as a lost one. Losses in bursts, too: each datagram's fate is its own.

pub mod settings;
pub mod quantity;
pub mod fate;
pub mod link;
pub mod stream;

pub use fate::{Direction, Fate};
pub use link::{Deed, Link, Report, Transmit};
pub use quantity::{Cut, Delay, Percent, Rate, Size, ValueError};
pub use settings::{Settings, SettingsError};
pub use stream::{Outgoing, StreamFaults};
