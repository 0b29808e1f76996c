//! The runner: starts the programs of a lesson, shows what each says, and checks it.
//!
//! *Read:* [`workspace`] (what chapters and lessons there are) → [`demo`] → [`recording`] → [`book`] → [`bench`]; [`svg`] and
//! [`plot`] draw; the rules of the workspace are in `tidy.rs`, a test.
//!
//! *Left out:* the book's server rebuilds when a page is asked for, and does not tell the browser;
//! a free address could be taken by another program before the one that is to have it.
//!
//! It depends on no chapter: a cold `cargo xtask demo sockets-basics` builds nothing that only a
//! later chapter needs. Keep its own dependencies few, for the same reason.

pub mod bench;
pub mod book;
pub mod cable;
pub mod demo;
pub mod plot;
pub mod recording;
pub mod svg;
#[cfg(test)]
mod tidy;
pub mod workspace;
