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
//! *Run:* `cargo xtask demo sticky-packets`. *Read*, from what looks right to what is:
//!
//! - The bug, and the least that mends it: [`naive`] (its head) → [`by_hand`] → [`talk`].
//! - What comes out, and what is the same for all: [`frame`] → [`decoder`] → [`encode`].
//! - Framings, each mending the one before: [`naive`] → [`fixed`] → [`line`] → [`delimiter`] →
//!   [`length`] → [`varint`] → [`cobs`].
//! - Around them: [`words`] (the same layout in netty's words and in tokio's) → [`framings`] (by
//!   name) → [`framed`] (around any `Read` and `Write`).
//! - Both ends, under any of them: [`server`] → [`client`], with [`choose`] (their options) and
//!   [`record`] (what they wrote and read).
//! - All there is to try without a socket: [`cuts`] → [`explain`].
//! - Between the ends: [`sleeping`] → [`buffers`] → [`nagle`] → [`hostile`] → [`desync`] →
//!   [`packets`], and what these share, [`loopback`] → [`queues`].
//!
//! *Left out:* the server talks with one client after the other, as chapter 4's `talk`; netstrings,
//! HTTP's chunks and Redis's RESP are exercises.

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
pub mod talk;
pub mod cuts;
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
