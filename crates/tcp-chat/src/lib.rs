//! Chapter 4, tcp-chat: how does one server talk with many people at once, and stay up?
//!
//! ```text
//!   小明 ── lines ──▶ ┌────────────────── server ───────────────────┐ ◀── lines ── Ann
//!       ◀── lines ── │  engine: which sockets can be read or       │ ── lines ──▶
//!                    │          written now?  threads, or poll     │
//!                    │     │ bytes                    ▲ bytes      │
//!                    │     ▼                          │            │
//!                    │  line ──▶ session ──▶ room ──▶ queues ──────┼── slow reader:
//!                    │  no socket, no clock: the same in both      │   a full queue
//!                    └─────────────────────────────────────────────┘
//!    nobody who is slow, silent, loud or gone may hold up the others
//! ```
//!
//! *Read*, from two people who take turns to a room of ten thousand:
//!
//! - Steps: [`talk`] → [`duplex`].
//! - The room, without socket or clock. What it allows: [`policy`] (the limits) → [`name`] → [`rate`].
//!   What comes: [`telnet`] → [`sticky_packets::line`] (bytes to lines; chapter 5's, to be taken on
//!   trust here) → [`session`] (one client). What goes: [`log`] (said to all) → [`queue`] (what
//!   waits for one) → [`history`]. And [`room`]: all of them.
//! - The engines around it: [`socket`] and [`console`] (what both need) → [`engine_poll`] (one thread
//!   for all) → [`engine_threads`] (two threads for each client) → [`server`] (its flags, and which
//!   engine) → [`client`]. [`stats`] is what they count.
//!
//! In a hurry: [`room`]'s head says what an engine does in a round, and [`engine_poll`] does it.
//!
//! Beside them: [`load`] talks and listens a thousandfold and measures; [`decode`] shows a line of the
//! room for the cable.
//!
//! *Run:* `cargo xtask demo tcp-chat`, or in two terminals `cargo run -q -p tcp-chat -- talk server`
//! and the same with `client`.
//!
//! *Left out:* many rooms, which add code and no idea about networks; accounts and passwords; secrecy,
//! which a program in front of the server adds (socat or stunnel, with TLS).

// Steps.
pub mod talk;
pub mod duplex;

// The room: no socket, no clock.
pub mod policy;
pub mod name;
pub mod telnet;
pub mod rate;
pub mod log;
pub mod queue;
pub mod history;
pub mod session;
pub mod room;
pub mod stats;

// The drivers around it: sockets and a clock.
pub mod socket;
pub mod console;
pub mod engine_poll;
pub mod engine_threads;
pub mod server;
pub mod client;

// Tools.
pub mod load;
pub mod decode;
