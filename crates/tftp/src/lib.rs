//! Chapter 3, tftp: how does a file get whole over a network that loses things?
//!
//! ```text
//!   client                                                 server
//!  ┌────────┐  RRQ hello.txt ───────────────▶ port 69      ┌────────┐
//!  │  file  │                                 new port ◀── │  file  │
//!  │   ▲    │ ◀──────────────────── DATA 1, 512 bytes      │   │    │
//!  │receiver│  ACK 1 ───────────────▶                      │ sender │
//!  │        │       ╳ ◀──────────── DATA 2: lost           │        │
//!  │        │ ◀──────────────────── DATA 2: the clock said │        │
//!  └────────┘  ACK 2 ───────────────▶                      └────────┘
//!   who notices that something is missing, and what may they do about it?
//! ```
//!
//! *Read*, from the tutorial's program to the real one:
//!
//! - On the wire: [`wire`] (packets) → [`rollover`] (block numbers) → [`netascii`].
//! - One mistake mended at a time: [`trusting`] → [`steps`], which [`step`] puts on a wire.
//! - The machines, without socket or clock: [`transfer`] (what they share: time) → [`sender`] →
//!   [`receiver`] → [`options`] → [`opening`] (a client's first exchange).
//! - The drivers around them: [`root`] (the only door to the disk) → [`size`] → [`io`] (datagrams in batches) →
//!   [`drive`] (the loop around a machine) → [`server`] → [`client`].
//!
//! Beside them: [`decode`] shows a packet in a line, for the cable.
//!
//! *Run:* `cargo xtask demo tftp`, or in two terminals `cargo run -q -p tftp -- server --root DIR`
//! and `cargo run -q -p tftp -- get 127.0.0.1:6969 hello.txt`.
//!
//! *Left out:* multicast (RFC 2090), which two peers speak and none recovers losses well; the mode
//! `mail`, which RFC 1123 (4.2.2.1) advises against; authentication, which TFTP does not have.

// On the wire.
pub mod wire;
pub mod rollover;
pub mod netascii;

// One mistake mended at a time.
pub mod trusting;
pub mod steps;
pub mod step;

// The machines.
pub mod transfer;
pub mod sender;
pub mod receiver;
pub mod options;
pub mod opening;

// The drivers.
pub mod root;
pub mod size;
pub mod io;
pub mod drive;
pub mod server;
pub mod client;

// What the cable shows.
pub mod decode;
