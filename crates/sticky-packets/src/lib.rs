//! Chapter 5: TCP carries bytes. Where does one message end?
//!
//! ```text
//!  reads      ┌───────────┬────┬──────────────────────────┐
//!             │ 3 h e l 3 │ ho │ w 3 a r e 3 y o u        │     cut anywhere
//!             └───────────┴────┴──────────────────────────┘
//!                              ▼  Decoder: what is left of one read waits for the next
//!  messages      [hel]  [how]  [are]  [you]
//! ```
//!
//! *Read*, from what looks right to what is:
//!
//! - What comes out, and what is the same for all: [`frame`] → [`decoder`] → [`encode`].
//! - Framings, each mending the one before: [`naive`] → [`fixed`] → [`line`] → [`delimiter`] →
//!   [`length`] → [`varint`] → [`cobs`].
//! - Around them: [`words`] (the same layout in netty's words and in tokio's) → [`framings`] (by
//!   name) → [`framed`] (around any `Read` and `Write`).
//! - Between the ends: [`sleeping`] → [`buffers`] → [`nagle`] → [`hostile`] → [`desync`] →
//!   [`packets`], and what these share, [`loopback`] → [`queues`].

// The decoders: no socket, no clock.
pub mod frame;
pub mod decoder;
pub mod encode;
mod search;
pub mod naive;
pub mod fixed;
pub mod line;
pub mod delimiter;
pub mod length;
pub mod varint;
pub mod cobs;
pub mod words;
pub mod framings;

// Around them.
pub mod framed;
pub mod by_hand;
pub mod choose;
pub mod record;

// The two ends, and what is done with them.
pub mod server;
pub mod client;
pub mod cuts;
pub mod talk;
pub mod explain;

// Between the ends, and what goes wrong there.
pub mod sleeping;
pub mod buffers;
pub mod nagle;
pub mod hostile;
pub mod desync;
pub mod packets;

// What these lessons share.
pub mod loopback;
pub mod queues;
