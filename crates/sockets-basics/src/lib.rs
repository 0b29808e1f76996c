//! Chapter 1, sockets-basics: how does one program find another, and what passes between them?
//!
//! ```text
//!      client                                                server
//!   ┌───────────┐     127.0.0.1:50112 ──▶ 127.0.0.1:8898   ┌───────────┐
//!   │  process  │                                          │  process  │
//!   │     ▲     │                                          │     ▲     │
//!   │  socket   │ ◀──── a connection, or datagrams ──────▶ │  socket   │
//!   └───────────┘                                          └───────────┘
//!    an address finds the machine, a port finds the socket on it
//! ```
//!
//! *Read*, on three shelves:
//!
//! - First hour: [`tcp_hello`] → [`udp_hello`] → [`phone`] → [`time_sync`] → [`http_hello`].
//! - Under the lid: [`address`] → [`ports`] → [`resolve`] → [`layers`] → [`life`].
//! - Corners: [`unix_hello`] → [`timeouts`] → [`reuse_addr`] → [`families`] → [`options`].
//!
//! Beside them: [`socket_table`] reads the system's table of sockets for `ports` and `life`,
//! [`message`] is what the hello lessons say.
//!
//! *Run:* `cargo xtask demo sockets-basics`, or in two terminals
//! `cargo run -q -p sockets-basics -- tcp-hello server` and the same with `client`.
//!
//! *Left out:* more than one client at a time (chapter 2 does it with datagrams, chapter 4 with
//! connections), and messages longer than one read (chapter 5).

// First hour.
pub mod tcp_hello;
pub mod udp_hello;
pub mod phone;
pub mod time_sync;
pub mod http_hello;

// Under the lid.
pub mod address;
pub mod ports;
pub mod resolve;
pub mod layers;
pub mod life;

// Corners.
#[cfg_attr(not(unix), path = "unix_hello_elsewhere.rs")]
pub mod unix_hello;
pub mod timeouts;
pub mod reuse_addr;
pub mod families;
pub mod options;

// What `ports` and `life` share.
pub mod socket_table;

// What the hello lessons share.
pub mod message;
