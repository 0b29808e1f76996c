//! Chapter 4: how does one server talk with many people at once, and stay up?

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
