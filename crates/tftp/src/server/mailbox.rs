//! Many transfers on one port: the listening thread sorts what comes by who sent it.
//!
//! ```text
//!                 ┌─▶ mailbox of 10.0.0.7:2070 ─▶ its thread ─┐
//!  one port ──────┼─▶ mailbox of 10.0.0.8:4711 ─▶ its thread ─┼─▶ the same port
//!                 └─▶ a request: a new one                    ┘
//! ```
//!
//! For networks that let only one port through, such as containers and some firewalls. The price is
//! a copy of every datagram, a second thread on its way, and that a stranger cannot be told so.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::drive::Channel;
use crate::io::{Heard, Port};

/// What one peer can have waiting here: as much as in a socket's buffer. What comes beyond is lost.
pub const MAILBOX_LEN_MAX: usize = 128 << 10;

/// The shortest datagrams are four bytes; their number is limited too.
const LETTERS_MAX: usize = 1024;

/// What came for one transfer.
#[derive(Default)]
pub struct Mailbox {
    letters: Mutex<Letters>,
    changed: Condvar,
}

#[derive(Default)]
struct Letters {
    /// One datagram behind the other.
    bytes: Vec<u8>,
    lens: Vec<usize>,
    closed: bool,
}

impl Mailbox {
    /// Puts a datagram in, or loses it.
    pub fn deliver(&self, datagram: &[u8]) {
        let mut letters = self.lock();
        let len = letters.bytes.len() + datagram.len();
        if len <= MAILBOX_LEN_MAX && letters.lens.len() < LETTERS_MAX {
            letters.bytes.extend_from_slice(datagram);
            letters.lens.push(datagram.len());
            self.changed.notify_one();
        }
    }

    /// The peer has begun something else.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Swaps all that came for `empty`, as soon as there is something.
    fn collect(&self, until: Instant, empty: &mut Letters) -> Heard {
        let mut letters = self.lock();
        loop {
            if letters.closed {
                return Heard::Unreachable;
            }
            if !letters.lens.is_empty() {
                std::mem::swap(&mut *letters, empty);
                return Heard::Datagrams;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Heard::Nothing;
            }
            let waited = self.changed.wait_timeout(letters, left);
            letters = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to a peer through the listening port.
pub struct SharedPort {
    port: Arc<Port>,
    peer: SocketAddr,
    local: Option<IpAddr>,
    mailbox: Arc<Mailbox>,
    taken: Letters,
    calls: u64,
}

impl SharedPort {
    /// `local` is the address that was asked, and from which to answer.
    #[must_use]
    pub fn new(
        port: Arc<Port>,
        peer: SocketAddr,
        local: Option<IpAddr>,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        Self { port, peer, local, mailbox, taken: Letters::default(), calls: 0 }
    }
}

impl Channel for SharedPort {
    fn send(&mut self, bytes: &[u8], segment: usize) -> io::Result<()> {
        self.calls += 1;
        self.port.send(self.peer, self.local, bytes, segment)
    }

    fn batch(&self, len: usize) -> usize {
        self.port.batch(len)
    }

    fn receive(&mut self, until: Instant, on: &mut dyn FnMut(&[u8])) -> io::Result<Heard> {
        let heard = self.mailbox.collect(until, &mut self.taken);
        let mut rest = self.taken.bytes.as_slice();
        for len in self.taken.lens.drain(..) {
            let (datagram, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            on(datagram);
            rest = behind;
        }
        self.taken.bytes.clear();
        Ok(heard)
    }

    fn calls(&self) -> u64 {
        self.calls
    }
}
