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
//! *Read* the decoders: [`frame`] (what comes out) → [`decoder`] (what is the same for all) →
//! [`line`].

// The decoders: no socket, no clock.
pub mod frame;
pub mod decoder;
pub mod line;
