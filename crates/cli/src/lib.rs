//! What every program of the course does at its edges, written once.
//!
//! *Question:* what does a program owe to the person at the terminal, and to the script that
//! runs it?
//!
//! ```text
//!             ┌─────────────────────── a lesson ──────────────────────┐
//!  stdin ───▶ │ ask()                                                 │
//!             │                 sockets, protocols: the lesson itself │ ◀──▶ network
//! stdout ◀─── │ ready(), say!   escape() for all that a peer sent     │
//! stderr ◀─── │ note!, errors with causes and a hint                  │
//!   exit ◀─── │ run(): 0 · 1 · 2 · 3 · 4       Stop: SIGINT, SIGTERM  │
//!             └───────────────────────────────────────────────────────┘
//! ```
//!
//! *Read:* [`output`] → [`escape`] → [`failure`] → [`stop`] → [`input`] → [`again`] → [`address`](mod@address) → [`color`] → [`period`]
//! → [`shelves`].
//!
//! *Left out:* line editing and progress bars; they come with the chapters that need them.
//! On Windows [`Stop`] does nothing: Ctrl-C ends a program the system's way.

pub mod output;
pub mod escape;
pub mod failure;
pub mod stop;
pub mod input;
pub mod again;
pub mod address;
pub mod color;
pub mod period;
pub mod shelves;

pub use address::{address, peer};
pub use again::uninterrupted;
pub use color::ColorArgs;
pub use escape::escape;
pub use failure::{Advice, Exit, at_bind, at_send, run};
pub use input::{ask, ask_bytes};
pub use output::{count, ready};
pub use period::Period;
pub use shelves::{Shelves, shelve};
pub use stop::Stop;
