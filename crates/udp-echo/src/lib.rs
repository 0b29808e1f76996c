//! Chapter 2, udp-echo: what does a datagram keep, and what does it not promise?
//!
//! ```text
//!   ann ── 我爱你 ──────────▶ ┌────────┐
//!       ◀────────── 我爱你 ── │ server │ ◀── hello ── bob
//!                            └────────┘ ── hello ──▶
//!   kept: where a message begins and ends, and who sent it
//!   not promised: that it arrives, when, in which order, how often
//! ```
//!
//! *Read*, from one letter to a million a second:
//!
//! - Letters: [`once`] → [`server`] and [`client`] → [`chat`].
//! - The small print: [`boundaries`] → [`refused`] → [`ping`].
//! - Further afield: [`discover`] → [`relay`].
//! - Tools: [`load`].
//!
//! *Run:* `cargo xtask demo udp-echo`, or in two terminals
//! `cargo run -q -p udp-echo -- server` and the same with `client`.
//!
//! *Left out:* everything that would make datagrams reliable (chapter 3 does it for files), and
//! messages that are longer than one datagram. Nothing here is encrypted, and nobody proves who he
//! is: the sender's address can be forged, and a name is what its bearer says.

// Letters.
pub mod once;
pub mod server;
pub mod client;
pub mod chat;

// The small print.
pub mod boundaries;
pub mod refused;
pub mod ping;

// Further afield.
pub mod discover;
pub mod relay;

// Tools.
pub mod load;
// A tool.
pub mod decode;
