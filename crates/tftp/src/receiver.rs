//! State machine: takes a file's blocks in order and acknowledges them. No socket, no clock, no
//! file.
//!
//! ```text
//!   start with OACK, ACK 0, or nothing (a client that has DATA 1 in hand)
//!                     │
//!                     ▼
//!         ┌───────────────────────┐──┐ the block that is expected: hand it out;
//!         │       Receiving       │  │   the window is full: ACK it
//!         │  acked     expected   │  │ a later one: something is missing: ACK what is there, once
//!         │    ▼          ▼       │  │ the one acknowledged last: ACK it again
//!         │ ▓▓▓▓░░░░░░░░░░·······  │◀─┤ clock: ACK what is there
//!         └───────────────────────┘  └────────────────────────────────────────────────────────
//!                     │ the last block, shorter than blksize: hand it out
//!                     ▼
//!         ┌───────────────────────┐
//!         │      Committing       │ says nothing: the driver has the bytes, not yet the disk
//!         └───────────────────────┘
//!                     │ committed(): ACK the last block
//!                     ▼
//!         ┌───────────────────────┐──┐ the last block again: its ACK was lost: ACK it again
//!         │       Dallying        │◀─┘
//!         └───────────────────────┘
//!                     │ clock
//!                     ▼
//!                   Done               from any state: ERROR, or the clock too often: an error
//! ```
//!
//! **The final ACK is a promise** that the file is there. So the machine holds it back until the
//! driver says, by [`Receiver::committed`], that every byte is where it will stay. A driver that
//! cannot keep the promise (the disk is full) sends ERROR 3 and drops the machine.
//!
//! **Within a window the receiver is silent** (RFC 7440 §4). Only a gap makes it speak, once: the
//! blocks behind the gap, each of which would be a reason, are taken without a word, as the sender
//! begins anew behind the ACK. It repeats a report that must have been lost: the sender goes on, or
//! begins anew at the wrong place, or is silent until the clock runs out.
//!
//! **What came behind a gap is kept**, in [`Kept`], where a window is small enough. When the gap is
//! filled the machine acknowledges at once all that it has then, so that the sender can go on behind
//! that, and hears of the next gap. To a sender that follows RFC 7440 it is an ACK like any other: it
//! names the last block before which nothing is missing, and "the beginning \[of the next window\]
//! MUST be set based on the ACK received out of sequence".
//!
//! **The driver** loops as [`transfer`](crate::transfer) says, and writes each [`Block`] that
//! [`handle_datagram`](Receiver::handle_datagram) hands out: they come in order, each once, and
//! borrow from the datagram. After each it asks [`kept`](Receiver::kept) for those that follow, until
//! there is none. Of many datagrams in one buffer (GRO) it feeds one after the other and
//! asks for what is to be sent after the last.

use std::time::{Duration, Instant};

use crate::rollover::{Rollover, WINDOW_MAX};
use crate::transfer::{Dally, Deadline, Terms, Timer, TransferError};
use crate::wire::Packet;

mod kept;

use kept::Kept;

/// No measured round trip makes the clock shorter. The sender's own clock is shorter, so that it
/// repeats before the receiver asks: both at once would cost two packets for one loss.
const TIMEOUT_MIN: Duration = Duration::from_millis(300);

/// Nobody dallies for a shorter time: our own sender's clock runs for 30 ms at least, and then for 60.
const DALLY_MIN: Duration = Duration::from_millis(100);

/// A gap is reported again only after so many more blocks from behind it …
const REPORT_AGAIN_STRAYS: u32 = 4;

/// … and when more than this, or two round trips, has passed.
const REPORT_AGAIN_MIN: Duration = Duration::from_millis(2);

/// What comes less than a round trip after an ACK, and this, was sent before the ACK was heard.
const ON_ITS_WAY_MIN: Duration = Duration::from_millis(2);

/// How a receiver begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A server that agreed on options: with an OACK.
    Oack,
    /// A server without options: with ACK 0. A client that was sent an OACK: with ACK 0 too.
    Ack,
    /// A client that was sent DATA 1, and feeds it next: with nothing.
    Silence,
}

/// What to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// The OACK of [`Answer`](crate::options::Answer).
    Oack,
    /// An ACK with this number.
    Ack(u16),
}

/// A piece of the file, to be appended to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Its number, from 1, without rollover.
    pub number: u64,
    /// Its bytes.
    pub payload: &'a [u8],
    /// It is the last: commit the file, then call [`Receiver::committed`].
    pub is_last: bool,
}

/// What a receiver has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Blocks that were handed out.
    pub blocks: u64,
    /// DATA that had come before, or came too early to be kept.
    pub repeated: u64,
    /// How often something seems to have got lost: gaps, and blocks repeated for want of an ACK.
    pub losses: u64,
    /// ACKs that went out, repeated ones included.
    pub acks: u64,
    /// How often the clock ran out.
    pub timeouts: u64,
    /// Datagrams that meant nothing here.
    pub ignored: u64,
}

/// Takes a file's blocks in order. The module's head says how to drive it.
#[derive(Debug)]
pub struct Receiver {
    blksize: u16,
    rollover: Rollover,
    window: u64,
    timer: Timer,
    deadline: Deadline,
    dally: Dally,
    start: Start,
    state: State,
    /// The block that is to come next.
    expected: u64,
    /// The last block that was acknowledged: the window ends a window behind it.
    acked: u64,
    /// The gap before `expected` was reported.
    report: Option<Report>,
    /// What came from behind a gap.
    kept: Kept,
    /// What came last has filled a gap.
    filled: bool,
    /// Something is to be sent now.
    wanted: bool,
    /// The next ACK opens a window, with nothing on its way: what comes for it is a measure.
    opens: bool,
    /// When that ACK was first sent, and whether it was again, while nothing has come for it.
    timing: Option<(Instant, bool)>,
    /// When an ACK was last sent.
    acked_at: Instant,
    /// When a DATA last came, and how long at most none did.
    heard_at: Instant,
    silence: Duration,
    due: Instant,
    received: Received,
}

/// That a gap was reported, and what came since.
#[derive(Clone, Copy, Debug)]
struct Report {
    at: Instant,
    /// The latest block that came behind the gap.
    latest: u64,
    /// How many came.
    strays: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Receiving,
    Committing,
    Dallying,
    Done,
    Failed,
}

impl Receiver {
    /// A receiver that begins now.
    #[must_use]
    pub fn new(now: Instant, terms: &Terms, start: Start) -> Self {
        let timer = Timer::new(terms, TIMEOUT_MIN);
        Self {
            blksize: terms.agreed.blksize,
            rollover: terms.agreed.rollover,
            window: terms.agreed.windowsize.clamp(1, WINDOW_MAX).into(),
            due: now + timer.timeout(),
            timer,
            deadline: Deadline::new(now, terms),
            dally: terms.patience.dally,
            start,
            state: State::Receiving,
            expected: 1,
            acked: 0,
            report: None,
            kept: Kept::new(terms.agreed.windowsize, terms.agreed.blksize),
            filled: false,
            wanted: start != Start::Silence,
            opens: start != Start::Silence,
            timing: None,
            acked_at: now,
            heard_at: now,
            silence: Duration::ZERO,
            received: Received::default(),
        }
    }

    /// Whether the final ACK went out, or is about to: the file is whole and committed. What remains
    /// is dallying, which a driver may cut short.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        matches!(self.state, State::Dallying | State::Done)
    }

    /// Whether the last block has come.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !matches!(self.state, State::Receiving | State::Failed)
    }

    /// What it has done so far.
    #[must_use]
    pub fn received(&self) -> Received {
        self.received
    }

    /// What to send now. Ask again until it is `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if !std::mem::take(&mut self.wanted) {
            return None;
        }
        self.received.acks += 1;
        self.acked_at = now;
        if self.state == State::Receiving {
            self.due = now + self.timer.timeout();
            self.timing = match self.timing {
                _ if std::mem::take(&mut self.opens) => Some((now, false)),
                timing => timing.map(|(first, _)| (first, true)),
            };
        }
        if self.expected == 1 && self.start == Start::Oack && !self.is_whole() {
            return Some(Transmit::Oack);
        }
        Some(Transmit::Ack(self.rollover.number(self.acked)))
    }

    /// A datagram came from the peer. What it returns is to be appended to the file.
    ///
    /// # Errors
    /// When it is an ERROR, or a block longer than agreed.
    pub fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        datagram: &'a [u8],
    ) -> Result<Option<Block<'a>>, TransferError> {
        match Packet::decode(datagram) {
            Ok(Packet::Data { block, payload }) => return self.data(now, block, payload),
            // An OACK again: ACK 0 got lost (C-08).
            Ok(Packet::Oack(_)) if self.expected == 1 && self.start == Start::Ack => {
                self.wanted = self.state == State::Receiving;
            }
            // Once the file is whole an ERROR no longer matters.
            Ok(Packet::Error { code, message }) if self.state == State::Receiving => {
                self.state = State::Failed;
                return Err(TransferError::from_peer(code, message));
            }
            _ => self.received.ignored += 1,
        }
        Ok(None)
    }

    /// The request came once more, from the same peer: what was answered got lost, unless a block
    /// has come since.
    pub fn handle_repeated_request(&mut self) {
        if self.expected == 1 && self.state == State::Receiving && self.start != Start::Silence {
            self.wanted = true;
        }
    }

    fn data<'a>(
        &mut self,
        now: Instant,
        number: u16,
        payload: &'a [u8],
    ) -> Result<Option<Block<'a>>, TransferError> {
        let Some(block) = self.rollover.block(number, self.expected) else {
            self.received.ignored += 1;
            return Ok(None);
        };
        self.silence = self.silence.max(now.saturating_duration_since(self.heard_at));
        self.heard_at = now;
        let is_new = block > self.acked && block <= self.acked + self.window;
        if is_new && let Some((first, repeated)) = self.timing.take() {
            let round_trip = now.saturating_duration_since(first);
            if repeated {
                self.timer.at_most(round_trip);
            } else {
                self.timer.sample(round_trip);
            }
        }
        if self.state == State::Receiving && block == self.expected {
            return self.accept(now, block, payload).map(Some);
        }
        if self.state == State::Receiving && is_new && block > self.expected {
            self.received.repeated += u64::from(!self.kept.keep(block, payload));
            self.gap(now, block);
            return Ok(None);
        }
        self.received.repeated += 1;
        if block + 1 == self.expected && block == self.acked && self.report.is_none() {
            self.last_again(now);
        } else if self.window == 1 && self.state == State::Receiving && block < self.expected {
            // In lockstep every DATA is answered (RFC 1123, 4.2.3.1 forbids it to senders only).
            self.wanted = true;
        }
        Ok(None)
    }

    /// The block that was acknowledged last came again. It ends what was sent, so that ACK may have
    /// been lost. Behind a gap it does not, and what follows it speaks for itself.
    fn last_again(&mut self, now: Instant) {
        let round_trip = self.timer.round_trip().unwrap_or_default().max(ON_ITS_WAY_MIN);
        let on_its_way = self.wanted || now < self.acked_at + round_trip;
        if !on_its_way {
            self.received.losses += 1;
        }
        match self.state {
            // What is sent behind a gap is sent whole by some, also what was acknowledged meanwhile.
            State::Receiving => self.wanted |= self.window == 1 || !on_its_way,
            State::Dallying => {
                self.wanted = true;
                // The sender is still there, so its next clock may run out as late as the last one.
                self.due = now + self.stay();
            }
            // While the file is being committed, there was no ACK.
            State::Committing | State::Done | State::Failed => {}
        }
    }

    /// A block came that is not to come yet: those before it are missing.
    fn gap(&mut self, now: Instant, block: u64) {
        let lost = self.report.as_mut().is_some_and(|report| {
            // The sender goes on without having heard. Numbers that do not grow mean that it has
            // begun anew, and many strays after more than a round trip that it has not.
            let anew = block <= report.latest;
            report.latest = block;
            report.strays += 1;
            let patience = (self.timer.round_trip().unwrap_or_default() * 2).max(REPORT_AGAIN_MIN);
            anew || report.strays >= REPORT_AGAIN_STRAYS && now >= report.at + patience
        });
        if lost || self.report.is_none() {
            self.report = Some(Report { at: now, latest: block, strays: 0 });
            self.received.losses += 1;
            self.acknowledge();
        }
    }

    fn accept<'a>(
        &mut self,
        now: Instant,
        block: u64,
        payload: &'a [u8],
    ) -> Result<Block<'a>, TransferError> {
        let (got, blksize) = (payload.len(), self.blksize);
        if got > usize::from(blksize) {
            self.state = State::Failed;
            return Err(TransferError::BlockTooLong { block, got, blksize });
        }
        self.due = now + self.timer.timeout();
        self.filled = !self.kept.is_empty();
        let is_last = self.hand_out(got);
        Ok(Block { number: block, payload, is_last })
    }

    /// Counts the block that was expected. Whether it is the last.
    fn hand_out(&mut self, len: usize) -> bool {
        self.timer.gained();
        self.received.blocks += 1;
        self.expected += 1;
        self.report = None;
        let is_last = len < usize::from(self.blksize);
        if is_last {
            self.state = State::Committing;
            self.wanted = false;
        }
        is_last
    }

    /// A block that was kept, and whose turn has come with the last one that was handed out. Ask again
    /// until there is none.
    pub fn kept(&mut self, now: Instant) -> Option<Block<'_>> {
        if self.state != State::Receiving {
            return None;
        }
        let number = self.expected;
        let Some(len) = self.kept.take(number) else {
            self.settle(now);
            return None;
        };
        let is_last = self.hand_out(len);
        Some(Block { number, payload: self.kept.payload(number, len), is_last })
    }

    /// All that can be handed out has been: is it to be acknowledged?
    fn settle(&mut self, now: Instant) {
        let filled = std::mem::take(&mut self.filled);
        if self.expected > self.acked + self.window {
            self.acknowledge();
            self.opens = true;
        } else if filled {
            self.acknowledge();
            if let Some(latest) = self.kept.latest() {
                // The ACK reports the next gap.
                self.report = Some(Report { at: now, latest, strays: 0 });
            }
        }
    }

    /// ACKs all that is there; a new window begins behind it.
    fn acknowledge(&mut self) {
        self.acked = self.expected - 1;
        self.wanted = true;
    }

    /// The file is whole where it will stay: the last block can be acknowledged. Call it once,
    /// after the [`Block`] that `is_last`.
    pub fn committed(&mut self, now: Instant) {
        if self.state == State::Committing {
            self.acknowledge();
            let nobody_lost = self.received.losses == 0 && self.received.timeouts == 0;
            if matches!(self.dally, Dally::AfterLosses { .. }) && nobody_lost {
                self.state = State::Done;
            } else {
                self.state = State::Dallying;
                self.due = now + self.stay();
            }
        }
    }

    /// How long to stay for a repeated last block.
    fn stay(&self) -> Duration {
        match self.dally {
            Dally::Always(time) => time,
            Dally::AfterLosses { most } => (self.silence * 3).max(DALLY_MIN).min(most),
        }
    }

    /// Time has passed.
    ///
    /// # Errors
    /// When the peer was silent too often, or the transfer took too long.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), TransferError> {
        match self.state {
            // Only the driver can end committing, and it knows how long it may take.
            State::Committing | State::Done | State::Failed => {}
            State::Dallying => {
                if now >= self.due.min(self.deadline.at()) {
                    self.state = State::Done;
                }
            }
            State::Receiving => {
                self.deadline.check(now).inspect_err(|_| self.state = State::Failed)?;
                if self.wanted || now < self.due {
                    return Ok(());
                }
                if let Err(tries) = self.timer.missed() {
                    self.state = State::Failed;
                    let block = self.expected;
                    return Err(TransferError::GaveUp { block, tries, only_last_ack: false });
                }
                self.received.timeouts += 1;
                self.report = None;
                self.acknowledge();
            }
        }
        Ok(())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called again; `None` when the transfer
    /// is over. While the file is being committed there is nothing to wait for but that.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Done | State::Failed => None,
            State::Receiving | State::Dallying => Some(self.due.min(self.deadline.at())),
            State::Committing => Some(self.deadline.at()),
        }
    }
}

#[cfg(test)]
mod tests;
