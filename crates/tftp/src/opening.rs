//! State machine: a client's first exchange, from the request to the first answer that counts. No
//! socket, no clock.
//!
//! ```text
//!                ┌──────────────────────────────┐  clock, half of the tries: the same again
//!        ┌──────▶│  Asking with options         │──────────────┐
//!   new ─┤       └──────────────────────────────┘              │
//!        │         │ ERROR that may be about the options,      │
//!        │         │ or nothing at all in half of the tries    │
//!        │         ▼                                           │
//!        │       ┌──────────────────────────────┐  clock: the same again
//!        └──────▶│  Asking plainly              │──────────────┤
//!                └──────────────────────────────┘              ▼
//!                  │ download: DATA 1, OACK      clock too often, another ERROR,
//!                  │ upload:   ACK 0, OACK       an OACK that was not asked for: an error
//!                  ▼
//!                Opened: a receiver or a sender takes over
//! ```
//!
//! Silence can mean that the server drops requests with options: the tutorial's does. So half of the
//! tries are made without.
//!
//! **The driver** sends the request to the server's well-known port from one socket. The first
//! answer may come from any port of that host, and that port is the peer's from then on (RFC 1350
//! §4): feed the machine whatever comes from the server's address. When it has [`Opened`], later
//! datagrams from other ports are answered with ERROR 5 (C-01, C-02). When it ends with a
//! [`Refusal`], the driver sends the ERROR of [`Refusal::code`].

use std::time::Instant;

use crate::options::{Agreed, Refusal, Wanted, may_be_the_options};
use crate::transfer::{Deadline, Patience, Terms, Timer, TransferError};
use crate::wire::{ErrorCode, Packet};
use crate::{receiver, sender};

/// Which way the file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// RRQ: to the client.
    Download,
    /// WRQ: to the server.
    Upload,
}

/// The request that is to be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// With the options of [`Wanted::encode`].
    WithOptions,
    /// Without any.
    Plainly,
}

/// The server's answer, and what goes on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// A download. With [`receiver::Start::Silence`] the datagram was DATA 1: feed it to the
    /// receiver.
    Receive(Agreed, receiver::Start),
    /// An upload.
    Send(Agreed, sender::Start),
}

/// Why there is no transfer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The server said ERROR.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// Its OACK is not acceptable.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// Nothing came that could be the answer.
    #[error("no answer to {tries} requests")]
    Silence {
        /// How often was asked.
        tries: u32,
    },
}

/// A client's first exchange.
#[derive(Debug)]
pub struct Opening {
    direction: Direction,
    wanted: Wanted,
    patience: Patience,
    timer: Timer,
    deadline: Deadline,
    /// How the request is written now.
    ask: Ask,
    /// Whether one with options went out: an OACK may still answer it.
    asked_with_options: bool,
    send: bool,
    over: bool,
    due: Instant,
}

impl Opening {
    /// An exchange that begins now.
    #[must_use]
    pub fn new(now: Instant, direction: Direction, wanted: Wanted, patience: Patience) -> Self {
        let terms = Terms { patience, ..Terms::default() };
        let timer = Timer::new(&terms, patience.first);
        let ask = if wanted.is_nothing() { Ask::Plainly } else { Ask::WithOptions };
        Self {
            direction,
            wanted,
            patience,
            due: now + timer.timeout(),
            timer,
            deadline: Deadline::new(now, &terms),
            ask,
            asked_with_options: false,
            send: true,
            over: false,
        }
    }

    /// The request to send now. Ask again until it is `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Ask> {
        if self.over || !std::mem::take(&mut self.send) {
            return None;
        }
        self.asked_with_options |= self.ask == Ask::WithOptions;
        self.due = now + self.timer.timeout();
        Some(self.ask)
    }

    /// A datagram came from the server's host.
    ///
    /// # Errors
    /// When it ends the exchange.
    pub fn handle_datagram(&mut self, datagram: &[u8]) -> Result<Option<Opened>, OpenError> {
        if self.over {
            return Ok(None);
        }
        let opened = match Packet::decode(datagram) {
            Ok(Packet::Data { block: 1, .. }) if self.direction == Direction::Download => {
                Opened::Receive(self.wanted.without_oack(), receiver::Start::Silence)
            }
            Ok(Packet::Ack { block: 0 }) if self.direction == Direction::Upload => {
                Opened::Send(self.wanted.without_oack(), sender::Start::Data)
            }
            Ok(Packet::Oack(options)) => {
                let wanted = if self.asked_with_options { self.wanted } else { Wanted::default() };
                let agreed = wanted.check(options).inspect_err(|_| self.over = true)?;
                match self.direction {
                    Direction::Download => Opened::Receive(agreed, receiver::Start::Ack),
                    Direction::Upload => Opened::Send(agreed, sender::Start::Data),
                }
            }
            Ok(Packet::Error { code, message }) => {
                return self.refused(code, message).map(|()| None);
            }
            _ => return Ok(None),
        };
        self.over = true;
        Ok(Some(opened))
    }

    /// An ERROR to a request with options may be about these: ask once without (RFC 2347 allows it).
    fn refused(&mut self, code: ErrorCode, message: &[u8]) -> Result<(), OpenError> {
        if self.ask == Ask::WithOptions && may_be_the_options(code) {
            self.ask = Ask::Plainly;
            self.send = true;
            self.timer.gained();
            return Ok(());
        }
        self.over = true;
        Err(TransferError::from_peer(code, message).into())
    }

    /// Time has passed.
    ///
    /// # Errors
    /// When the server was silent too often.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), OpenError> {
        if self.over {
            return Ok(());
        }
        self.deadline.check(now).inspect_err(|_| self.over = true)?;
        if self.send || now < self.due {
            return Ok(());
        }
        if let Err(tries) = self.timer.missed() {
            self.over = true;
            return Err(OpenError::Silence { tries });
        }
        if self.timer.misses() > self.patience.retries / 2 {
            self.ask = Ask::Plainly;
        }
        self.send = true;
        Ok(())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called again; `None` when the exchange
    /// is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.over).then(|| self.due.min(self.deadline.at()))
    }
}

#[cfg(test)]
mod tests;
