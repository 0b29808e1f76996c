//! What both machines share: the terms of a transfer, its ends, and the measuring of time. No
//! socket, no clock.
//!
//! # How a driver uses a machine
//!
//! [`Sender`](crate::sender::Sender) and [`Receiver`](crate::receiver::Receiver) are driven alike,
//! at a server and at a client:
//!
//! ```text
//! loop {
//!     // 1. Send everything it wants sent.
//!     while let Some(what) = machine.poll_transmit(now) { … }
//!     // 2. Ask how long we may sleep; no time means that the transfer is over.
//!     let Some(when) = machine.poll_timeout() else { break };
//!     // 3. Feed it what came from the peer's address before `when`. What came from elsewhere is
//!     //    answered with ERROR 5, and the machine hears nothing of it.
//!     machine.handle_datagram(now, bytes)?;
//!     // 4. Time passes whether or not a datagram came.
//!     machine.handle_timeout(now)?;
//! }
//! ```
//!
//! An `Err` ends the transfer: send the ERROR that [`TransferError::answer`] names, if any, and
//! drop the machine.

use std::time::{Duration, Instant};

use crate::options::Agreed;
use crate::wire::ErrorCode;

/// Of a peer's ERROR no more is kept than this.
pub const PEER_MESSAGE_LEN_MAX: usize = 512;

/// How long to wait, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until the first answer is missed, while no round trip was measured. RFC 6298 (2) says 1 s.
    pub first: Duration,
    /// How often the clock may run out with nothing gained in between. Waits shorter than `first`,
    /// to which short round trips lead, do not count: a peer may be busy for a second.
    pub retries: u32,
    /// How long the whole transfer may take; a peer could otherwise draw it out for ever.
    pub whole: Duration,
    /// Whether a receiver stays to repeat its last ACK, in case that got lost.
    pub dally: Dally,
}

/// How long a receiver stays when the file is whole, to repeat its last ACK in case that got lost.
///
/// "The acknowledger will know that the ACK has been lost if it receives the final DATA packet
/// again" (RFC 1350 §6): so it would have to stay for as long as the sender's clock runs, which is
/// the sender's affair. Whoever serves others has time, and a client wants to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dally {
    /// So long in every case. A sender that does not hear that its file was kept takes it for lost.
    Always(Duration),
    /// Only where something got lost before, and three times as long as the sender ever was silent,
    /// at most so long. Its longest silence was its clock, if anything had to be repeated; three
    /// times as long is time for a repeat that gets lost too, and for the one after twice the time.
    AfterLosses {
        /// The longest stay.
        most: Duration,
    },
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            retries: 6,
            whole: Duration::from_secs(24 * 3600),
            dally: Dally::Always(Duration::from_secs(5)),
        }
    }
}

/// All that a machine must know before its first packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What both ends agreed on; [`Agreed::default`] where no option was.
    pub agreed: Agreed,
    /// What this end puts up with.
    pub patience: Patience,
    /// What is known of the round trip: a client measures one with its request.
    pub round_trip: Option<Duration>,
}

/// Why a transfer ended before its time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// The peer sent an ERROR. Show the message only through `cli::escape`.
    #[error("the peer ended the transfer with ERROR {}, {}", code.0, code.meaning())]
    Peer {
        /// Its code.
        code: ErrorCode,
        /// Its text, cut to [`PEER_MESSAGE_LEN_MAX`].
        message: Box<[u8]>,
    },
    /// The clock ran out too often for the same block.
    #[error("nothing came from the peer for block {block}, tried {tries} times")]
    GaveUp {
        /// The first block that is missing, or not acknowledged.
        block: u64,
        /// How often it was sent, or asked for.
        tries: u32,
        /// All was sent, and only the ACK of the last window is missing: the peer may have the file
        /// (RFC 1350 §6). Some, like the tutorial's client, never send it.
        only_last_ack: bool,
    },
    /// [`Patience::whole`] is over.
    #[error("the transfer took longer than {} s", after.as_secs())]
    TooSlow {
        /// How long it was allowed to take.
        after: Duration,
    },
    /// A DATA with more in it than agreed.
    #[error("block {block} has {got} bytes, {blksize} were agreed")]
    BlockTooLong {
        /// Which block.
        block: u64,
        /// Its length.
        got: usize,
        /// What was agreed.
        blksize: u16,
    },
}

impl TransferError {
    /// The ERROR to send the peer. An ERROR is never answered (RFC 1350 §7), and who has gone needs
    /// none.
    #[must_use]
    pub fn answer(&self) -> Option<ErrorCode> {
        match self {
            Self::Peer { .. } | Self::GaveUp { .. } => None,
            Self::TooSlow { .. } => Some(ErrorCode::NOT_DEFINED),
            Self::BlockTooLong { .. } => Some(ErrorCode::ILLEGAL),
        }
    }

    pub(crate) fn from_peer(code: ErrorCode, message: &[u8]) -> Self {
        let message = message.get(..PEER_MESSAGE_LEN_MAX).unwrap_or(message);
        Self::Peer { code, message: message.into() }
    }
}

/// How long an answer may take: from measured round trips, doubled with every miss.
///
/// RFC 6298 has the arithmetic, RFC 1123 (4.2.3.2) demands it of TFTP: "an adaptive timeout", and
/// "at least an exponential backoff".
///
/// ```text
/// average   moves by 1/8 of what the newest differs from it
/// spread    moves by 1/4
/// timeout = (average + 4 × spread) × 2^misses
/// ```
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    /// An agreed timeout (RFC 2349) is what the first wait lasts, whatever was measured.
    agreed: Option<Duration>,
    first: Duration,
    least: Duration,
    measured: Option<Measured>,
    misses: u32,
    /// Of the misses, how many count.
    tries: u32,
    retries: u32,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    average: Duration,
    spread: Duration,
    least: Duration,
}

impl Measured {
    /// RFC 6298 (2.2).
    fn first(round_trip: Duration) -> Self {
        Self { average: round_trip, spread: round_trip / 2, least: round_trip }
    }

    /// What hardly any round trip exceeds.
    fn longest(&self) -> Duration {
        self.average + self.spread * 4
    }
}

/// No wait is longer than so many times [`Patience::first`], however often was doubled. Where more
/// than every second packet is lost, waits without a limit would grow faster than luck helps.
const FIRSTS_MAX: u32 = 4;

impl Timer {
    /// `least` is the shortest timeout that measuring can lead to.
    pub(crate) fn new(terms: &Terms, least: Duration) -> Self {
        let Patience { first, retries, .. } = terms.patience;
        let agreed = terms.agreed.timeout.map(|seconds| Duration::from_secs(seconds.into()));
        let mut timer = Self { agreed, first, least, measured: None, misses: 0, tries: 0, retries };
        if let Some(round_trip) = terms.round_trip {
            timer.sample(round_trip);
        }
        timer
    }

    /// A round trip was measured, of something that was sent once: of two copies nobody knows which
    /// one was answered (Karn's rule, RFC 6298 (3)).
    pub(crate) fn sample(&mut self, round_trip: Duration) {
        let measured = match self.measured {
            None => Measured::first(round_trip),
            Some(Measured { average, spread, least }) => Measured {
                average: (average * 7 + round_trip) / 8,
                spread: (spread * 3 + average.abs_diff(round_trip)) / 4,
                least: least.min(round_trip),
            },
        };
        self.measured = Some(measured);
    }

    /// The round trip is at most this long: the answer may have waited for something. Under heavy loss
    /// there is no better measure, so one that is far below what is believed counts as if it were
    /// the first.
    pub(crate) fn at_most(&mut self, round_trip: Duration) {
        let first = Measured::first(round_trip);
        if first.longest() < self.base() {
            let least = self.measured.map_or(round_trip, |known| known.least.min(round_trip));
            self.measured = Some(Measured { least, ..first });
        }
    }

    /// How long to wait for an answer.
    pub(crate) fn timeout(&self) -> Duration {
        let base = self.base();
        // 2^16 of the shortest times are above the limit already.
        base.saturating_mul(1 << self.misses.min(16))
            .min(self.first.saturating_mul(FIRSTS_MAX).max(base))
    }

    /// How long to wait for the first time.
    fn base(&self) -> Duration {
        let measured = self.round_trip_max().map(|longest| longest.max(self.least));
        self.agreed.or(measured).unwrap_or(self.first)
    }

    /// The average round trip, where one was measured.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.measured.map(|measured| measured.average)
    }

    /// What hardly any round trip exceeds.
    pub(crate) fn round_trip_max(&self) -> Option<Duration> {
        self.measured.map(|measured| measured.longest())
    }

    /// The shortest round trip; zero where none was measured.
    pub(crate) fn round_trip_min(&self) -> Duration {
        self.measured.map(|measured| measured.least).unwrap_or_default()
    }

    /// Something new came: the budget is whole again.
    pub(crate) fn gained(&mut self) {
        self.misses = 0;
        self.tries = 0;
    }

    /// The clock ran out. `Err` says how often was tried, when that was the last time.
    pub(crate) fn missed(&mut self) -> Result<(), u32> {
        self.tries += u32::from(self.timeout() >= self.first);
        self.misses += 1;
        if self.tries > self.retries { Err(self.misses) } else { Ok(()) }
    }

    /// How often the clock ran out since something new came.
    pub(crate) fn misses(&self) -> u32 {
        self.misses
    }
}

/// When a transfer must be over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    after: Duration,
}

impl Deadline {
    pub(crate) fn new(now: Instant, terms: &Terms) -> Self {
        let after = terms.patience.whole;
        // A time so far away that the clock cannot name it never comes; a century is as good.
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        Self { at: now.checked_add(after).unwrap_or_else(|| now + century), after }
    }

    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    pub(crate) fn check(&self, now: Instant) -> Result<(), TransferError> {
        if now >= self.at { Err(TransferError::TooSlow { after: self.after }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn without_a_round_trip_the_first_wait_is_as_told_and_doubles() {
        let mut timer = Timer::new(&Terms::default(), 20 * MS);
        let mut waits = Vec::new();
        for _ in 0..6 {
            waits.push(timer.timeout().as_secs());
            assert_eq!(timer.missed(), Ok(()));
        }
        waits.push(timer.timeout().as_secs());
        assert_eq!(waits, [1, 2, 4, 4, 4, 4, 4]);
        assert_eq!(timer.missed(), Err(7));
        timer.gained();
        assert_eq!(timer.timeout(), Duration::from_secs(1));
    }

    #[test]
    fn the_timeout_follows_the_round_trips_down_to_its_least() {
        let mut timer = Timer::new(&Terms::default(), 20 * MS);
        timer.sample(100 * MS);
        assert_eq!(timer.timeout(), 300 * MS);
        for _ in 0..100 {
            timer.sample(10 * MS);
        }
        assert_eq!(timer.timeout(), 20 * MS);
        assert_eq!(timer.round_trip_min(), 10 * MS);
    }

    #[test]
    fn waits_that_are_short_because_the_network_is_fast_cost_no_try() {
        let terms = Terms { round_trip: Some(MS), ..Terms::default() };
        let mut timer = Timer::new(&terms, 30 * MS);
        let mut waits = Vec::new();
        while timer.missed().is_ok() {
            waits.push(timer.timeout().as_millis());
        }
        let short = [60, 120, 240, 480, 960, 1920];
        assert_eq!(waits, [&short[..], &[3840, 4000, 4000, 4000, 4000, 4000]].concat());
    }

    #[test]
    fn an_agreed_timeout_is_kept_to_the_second() {
        // S-63: whatever was measured.
        for seconds in [1, 255] {
            let agreed = Agreed { timeout: Some(seconds), ..Agreed::default() };
            let terms = Terms { agreed, ..Terms::default() };
            let mut timer = Timer::new(&terms, 20 * MS);
            timer.sample(10 * MS);
            assert_eq!(timer.timeout(), Duration::from_secs(seconds.into()));
        }
    }

    #[test]
    fn a_whole_transfer_may_take_as_long_as_told_and_no_longer() {
        let start = Instant::now();
        let patience = Patience { whole: 5 * MS, ..Patience::default() };
        let deadline = Deadline::new(start, &Terms { patience, ..Terms::default() });
        assert_eq!(deadline.check(start + 4 * MS), Ok(()));
        let want = Err(TransferError::TooSlow { after: 5 * MS });
        assert_eq!(deadline.check(start + 5 * MS), want);
        let patience = Patience { whole: Duration::MAX, ..Patience::default() };
        let terms = Terms { patience, ..Terms::default() };
        assert_eq!(Deadline::new(start, &terms).check(start), Ok(()));
    }
}
