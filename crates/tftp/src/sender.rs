//! State machine: sends a file's blocks until all are acknowledged. No socket, no clock, no file.
//!
//! ```text
//!            start with OACK                     start with DATA
//!                  │                                   │
//!                  ▼                                   │
//!           ┌──────────────┐   ACK 0                   │
//!  clock ┌──│   Offering   │───────────┐               │
//!  OACK  └─▶│ OACK is out  │           ▼               ▼
//!           └──────────────┘    ┌──────────────────────────────┐
//!                  │            │           Sending            │──┐ ACK n in the window:
//!                  │            │  base      next        end   │  │   base = n + 1; that one is
//!                  │            │   ▼         ▼           ▼    │  │   sent again, a pause, and then
//!                  │            │ ▓▓░░░░░░░░░░············     │  │   what was sent behind it
//!                  │            │ acked│ sent  │ may be sent   │◀─┤ ACK base - 1, unexplained:
//!                  │            └──────────────────────────────┘  │   the first block is lost
//!                  │                 │                  │         │ clock: the last block again,
//!        clock too often, ERROR      │         ACK of the last    │   then the window from base
//!                  ▼                 ▼                  ▼         └──────────────────────────────
//!                an error          an error           Done
//! ```
//!
//! **Duplicates never multiply** (RFC 1123, 4.2.3.1: the Sorcerer's Apprentice). With a window of 1,
//! an ACK that is not for the block in flight is silence. In larger windows ACK base - 1 has two
//! meanings: an echo of the ACK that moved the window here, or the report that its first block was
//! lost (RFC 7440 §4). A receiver acknowledges block base - 1 at most once for each copy that it was
//! sent, so the machine counts the copies: that many ACKs are explained, and say nothing, while
//! they can still be on their way. Any other is a report, and it is obeyed if it can be one: base
//! must have been sent a round trip ago.
//!
//! **Listening.** RFC 7440 lets a receiver drop what comes behind a gap, and lets it keep that too. So
//! after a report the first block goes out alone, and then there is a pause of a round trip. A
//! receiver that has kept the rest acknowledges it at once when the gap is filled, and the rest
//! need not be sent again. One that keeps nothing says nothing, and is sent the rest. With each
//! report more blocks go out before the pause, as where much is lost one gap in a round trip is
//! slow, and when three pauses in turn were in vain there are no more.
//!
//! **Pace.** The window is what was agreed and stays so: the receiver is silent until it is full. But
//! a window can be larger than the receiver's socket buffer, and then its end is lost each time. So
//! a window goes out in bursts with pauses between them; `Pace` shortens the bursts after a loss and
//! lengthens them when all goes well.
//!
//! **The driver** loops as [`transfer`](crate::transfer) says. It reads the blocks that
//! [`Transmit::Data`] names: block `n` begins at byte `(n - 1) × blksize`, and its number on the wire
//! is `rollover.number(n)`. Blocks before [`Sender::base`] are never asked for again, so a driver
//! that cannot seek (netascii) keeps one window. When it knows which block is the last, the one
//! shorter than blksize, it says so by [`Sender::ends_at`]: at once for a file of known length, or
//! while reading, before it sends. A block that was sent once must be the same when it is asked for
//! again; if it cannot be, the driver ends the transfer with ERROR 0.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::rollover::{Rollover, WINDOW_MAX};
use crate::transfer::{Deadline, Terms, Timer, TransferError};
use crate::wire::Packet;

/// No measured round trip makes the clock shorter: the receiver may be a busy process.
const TIMEOUT_MIN: Duration = Duration::from_millis(30);

/// How a sender begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A server that agreed on options: with an OACK, and ACK 0 is awaited.
    Oack,
    /// A server without options, or a client whose upload was accepted: with DATA 1.
    Data,
}

/// What to send now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// The OACK of [`Answer`](crate::options::Answer).
    Oack,
    /// A DATA for each of these blocks, in this order. Those from [`Sender::ends_at`] + 1 on are not
    /// to be sent, when the driver finds the end while it reads them.
    Data(Range<u64>),
}

/// What a sender has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// DATA that went out, repeated ones included.
    pub data: u64,
    /// DATA that had gone out before.
    pub repeated: u64,
    /// How often the clock ran out.
    pub timeouts: u64,
    /// How often the receiver reported a loss.
    pub reports: u64,
    /// Repeats that turned out needless, as both copies were acknowledged.
    pub needless: u64,
    /// Datagrams that meant nothing here.
    pub ignored: u64,
}

/// Sends a file's blocks until all are acknowledged. The module's head says how to drive it.
#[derive(Debug)]
pub struct Sender {
    rollover: Rollover,
    window: u64,
    timer: Timer,
    deadline: Deadline,
    pace: Pace,
    state: State,
    /// The first block that is not acknowledged.
    base: u64,
    /// The first block that is to be sent next.
    next: u64,
    /// The first block that was never sent.
    fresh: u64,
    /// The last block of the file, once it is known.
    last: Option<u64>,
    /// What is known of each block of the window, and of the OACK; block n is at n modulo window.
    flights: Box<[Flight]>,
    oack: Flight,
    /// How many more ACKs of base - 1 are explained, when the first came, and what it was for.
    echoes: u8,
    advanced: Instant,
    answered: Flight,
    /// How many repeats in turn were needless.
    needless_in_turn: u32,
    /// A single block to repeat, to make a silent receiver speak.
    probe: Option<u64>,
    probed: bool,
    /// Where the blocks that are on their way begin, for `Pace`.
    sent_from: u64,
    /// How many blocks to repeat before listening whether the receiver had kept what follows.
    run: u64,
    /// A pause was made to listen, and nothing was acknowledged since.
    listens: bool,
    /// How often in turn that was in vain.
    doubts: u32,
    /// When a DATA last went out.
    sent_at: Instant,
    /// When the clock runs out.
    due: Instant,
    sent: Sent,
}

/// How often something was sent, and when.
#[derive(Clone, Copy, Debug)]
struct Flight {
    copies: u8,
    first: Instant,
    last: Instant,
}

impl Flight {
    fn none(now: Instant) -> Self {
        Self { copies: 0, first: now, last: now }
    }

    fn sent(&mut self, now: Instant, is_fresh: bool) {
        if is_fresh {
            *self = Self { copies: 1, first: now, last: now };
        } else {
            self.copies = self.copies.saturating_add(1);
            self.last = now;
        }
    }
}

/// So many needless repeats in turn are no chance.
const NEEDLESS_IN_TURN: u32 = 3;

/// So often in turn a pause to listen may be in vain. A receiver that keeps nothing from behind a gap
/// costs as many round trips, and no more.
const DOUBTS_MAX: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `wanted`: the OACK is to be sent now.
    Offering {
        wanted: bool,
    },
    Sending,
    Done,
    Failed,
}

impl Sender {
    /// A sender that begins now. Allocates some bytes for each block of a window, and never again.
    #[must_use]
    pub fn new(now: Instant, terms: &Terms, start: Start) -> Self {
        let window = terms.agreed.windowsize.clamp(1, WINDOW_MAX);
        let timer = Timer::new(terms, TIMEOUT_MIN);
        let state = match start {
            Start::Oack => State::Offering { wanted: true },
            Start::Data => State::Sending,
        };
        Self {
            rollover: terms.agreed.rollover,
            window: window.into(),
            due: now + timer.timeout(),
            timer,
            deadline: Deadline::new(now, terms),
            pace: Pace::new(window, terms.agreed.blksize),
            state,
            base: 1,
            next: 1,
            fresh: 1,
            last: None,
            flights: vec![Flight::none(now); window.into()].into(),
            oack: Flight::none(now),
            echoes: 0,
            advanced: now,
            answered: Flight::none(now),
            needless_in_turn: 0,
            probe: None,
            probed: false,
            sent_from: 1,
            run: 1,
            listens: false,
            doubts: 0,
            sent_at: now,
            sent: Sent::default(),
        }
    }

    /// The file ends in this block: it is the first that is shorter than blksize, and may be empty.
    /// Later blocks that were just asked for count as not sent.
    pub fn ends_at(&mut self, last: u64) {
        self.last = Some(last);
        let too_many = self.next.saturating_sub(last + 1);
        self.sent.data = self.sent.data.saturating_sub(too_many);
        self.next = self.next.min(last + 1);
        self.fresh = self.fresh.min(last + 1);
    }

    /// The first block that is not acknowledged: earlier ones are never asked for again.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Whether the last block was acknowledged.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// What it has done so far.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.sent
    }

    /// What to send now, at most so many blocks at a time. Ask again until it is `None`.
    ///
    /// What is returned counts as sent. A driver that could not send it calls
    /// [`unsent`](Self::unsent), or lets it be: it is then lost, as others are.
    pub fn poll_transmit(&mut self, now: Instant, at_most: usize) -> Option<Transmit> {
        match self.state {
            State::Offering { wanted: true } => {
                self.state = State::Offering { wanted: false };
                self.oack.sent(now, self.oack.copies == 0);
                self.echoes = self.echoes.saturating_add(1);
                self.due = now + self.timer.timeout();
                Some(Transmit::Oack)
            }
            State::Sending => self.data(now, at_most).map(Transmit::Data),
            State::Offering { wanted: false } | State::Done | State::Failed => None,
        }
    }

    fn data(&mut self, now: Instant, at_most: usize) -> Option<Range<u64>> {
        if let Some(probe) = self.probe.take() {
            self.count(probe..probe + 1, now);
            return Some(probe..probe + 1);
        }
        let unsent = self.end().saturating_sub(self.next);
        let at_most = u64::try_from(at_most).unwrap_or(u64::MAX);
        let count = unsent.min(at_most).min(self.pace.allows(now));
        if count == 0 {
            return None;
        }
        if self.listens && self.next > self.sent_from && self.pace.burst_is_new() {
            // Nothing was heard.
            (self.listens, self.doubts) = (false, self.doubts + 1);
        }
        let blocks = self.next..self.next + count;
        self.next = blocks.end;
        self.count(blocks.clone(), now);
        let pause = self.timer.round_trip();
        self.pace.sent(count, unsent > count, now, pause);
        Some(blocks)
    }

    /// Counts copies, and sets the clock.
    fn count(&mut self, blocks: Range<u64>, now: Instant) {
        for block in blocks.clone() {
            let is_fresh = block >= self.fresh;
            if let Some(flight) = self.flight_of(block) {
                flight.sent(now, is_fresh);
            }
            self.sent.data += 1;
            self.sent.repeated += u64::from(!is_fresh);
            if is_fresh {
                self.fresh = block + 1;
            }
        }
        self.sent_at = now;
        self.due = now + self.timer.timeout();
    }

    /// From this block on, nothing of what [`poll_transmit`](Self::poll_transmit) last returned was
    /// sent: the socket's buffer is full, say.
    pub fn unsent(&mut self, from: u64) {
        let from = from.max(self.base);
        if from < self.next {
            let count = self.next - from;
            self.sent.data = self.sent.data.saturating_sub(count);
            self.pace.unsent(count);
            self.next = from;
        }
    }

    /// A datagram came from the peer.
    ///
    /// # Errors
    /// When it is an ERROR.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), TransferError> {
        match Packet::decode(datagram) {
            Ok(Packet::Ack { block }) => {
                if !self.acknowledged(now, block) {
                    self.sent.ignored += 1;
                }
            }
            Ok(Packet::Error { code, message }) if self.state != State::Done => {
                self.state = State::Failed;
                return Err(TransferError::from_peer(code, message));
            }
            // A request again, a DATA, an OACK, bytes that mean nothing: none of it moves a sender,
            // and an answer could be answered again.
            _ => self.sent.ignored += 1,
        }
        Ok(())
    }

    /// Whether the ACK meant something.
    fn acknowledged(&mut self, now: Instant, number: u16) -> bool {
        let Some(block) = self.rollover.block(number, self.base) else { return false };
        match self.state {
            State::Offering { .. } if block == 0 => {
                match self.oack {
                    Flight { copies: 1, last, .. } => {
                        self.timer.sample(now.saturating_duration_since(last));
                    }
                    Flight { first, .. } => {
                        self.timer.at_most(now.saturating_duration_since(first));
                    }
                }
                self.echoes = self.echoes.saturating_sub(1);
                (self.advanced, self.answered) = (now, self.oack);
                self.timer.gained();
                self.state = State::Sending;
                true
            }
            State::Sending if block + 1 == self.base => self.again_or_echo(now),
            State::Sending if (self.base..self.fresh).contains(&block) => {
                self.advance(now, block);
                true
            }
            _ => false,
        }
    }

    /// All up to `block` has arrived.
    fn advance(&mut self, now: Instant, block: u64) {
        let window_full = block + 1 == self.end();
        self.measure(now, block, window_full);
        if self.echoes > 0 {
            // Of the copies before, only one was acknowledged.
            self.needless_in_turn = 0;
        }
        self.answered = self.flight_of(block).copied().unwrap_or(self.answered);
        self.echoes = self.answered.copies.saturating_sub(1);
        if std::mem::take(&mut self.listens) || block >= self.next {
            // It has kept what came behind the gap.
            self.doubts = 0;
        }
        let arrived = (block + 1).saturating_sub(self.sent_from);
        self.base = block + 1;
        self.next = self.next.max(self.base);
        self.advanced = now;
        self.probed = false;
        self.probe = None;
        self.timer.gained();
        self.due = now + self.timer.timeout();
        if self.last == Some(block) {
            self.state = State::Done;
        } else if self.base == self.fresh {
            self.sent_from = self.base;
            self.run = (self.run / 2).max(1);
            self.pace.window_arrived(arrived, window_full);
        } else if !self.is_on_its_way(now) {
            self.sent.reports += 1;
            self.again(now, arrived);
        }
    }

    /// Whether an ACK that comes now cannot know yet of the copy of base that was sent last.
    fn is_on_its_way(&mut self, now: Instant) -> bool {
        let round_trip = self.timer.round_trip_min();
        let base = self.base;
        self.flight_of(base).is_some_and(|flight| now < flight.last + round_trip)
    }

    /// ACK base - 1 came: an echo, or the report that the window's first block is missing. Whether
    /// it was a report.
    fn again_or_echo(&mut self, now: Instant) -> bool {
        // The first answer came no sooner than a round trip after the first copy, so the answers to all
        // copies are here when as much time has passed since the last one.
        let Flight { first, last, .. } = self.answered;
        let most = last + self.advanced.saturating_duration_since(first);
        if self.echoes > 0 && now <= most {
            self.echoes -= 1;
            self.was_needless(now, first, last.saturating_duration_since(first));
            return false;
        }
        // Only the ACK for the block in flight moves a sender on. Answering an old one with another
        // DATA would double every later packet (RFC 1123, 4.2.3.1), so an old ACK is silence.
        if self.window == 1 {
            return false;
        }
        // Nobody can miss what was not sent, or not yet have it after less than a round trip.
        if self.next == self.base || self.is_on_its_way(now) {
            return false;
        }
        self.sent.reports += 1;
        self.again(now, 0);
        true
    }

    /// Both copies of something were acknowledged, so none was lost: the clock ran out too early. Now
    /// and then that happens where a peer is busy, and costs one block. When it happens every time
    /// the clock is wrong, and Karn's rule would leave it so, as nothing is sent once any more. But
    /// when the second ACK comes as long after the first as the copies went out one after the other,
    /// the network has not doubled it. Then the first ACK was for the first copy, and is a measure
    /// after all: what Eifel (RFC 3522) does for TCP.
    fn was_needless(&mut self, now: Instant, first: Instant, between: Duration) {
        self.sent.needless += 1;
        self.needless_in_turn += 1;
        if self.needless_in_turn >= NEEDLESS_IN_TURN && now >= self.advanced + between / 2 {
            self.timer.sample(self.advanced.saturating_duration_since(first));
        }
    }

    /// Sends again from base on. `arrived` blocks of what was sent last had come through.
    fn again(&mut self, now: Instant, arrived: u64) {
        self.next = self.base;
        self.sent_from = self.base;
        self.pace.lost(arrived, now, self.timer.round_trip());
        // A receiver that has kept what came behind the gap says so when the gap is filled. Where no
        // round trip was measured, the one that has led to this report will do.
        if self.window > 1 && self.doubts < DOUBTS_MAX {
            let base = self.base;
            let sent = self.flight_of(base).map_or(now, |flight| flight.last);
            let since = now.saturating_duration_since(sent);
            let pause = self.timer.round_trip_max().unwrap_or(since).max(PAUSE_MIN);
            self.pace.listen(self.run, pause);
            self.listens = true;
            self.run = (self.run * 2).min(self.window);
        }
    }

    /// Time has passed.
    ///
    /// # Errors
    /// When the peer was silent too often, or the transfer took too long.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), TransferError> {
        let waits = match self.state {
            State::Done | State::Failed => return Ok(()),
            State::Offering { wanted } => !wanted,
            State::Sending => self.next >= self.end() && self.probe.is_none(),
        };
        self.deadline.check(now).inspect_err(|_| self.state = State::Failed)?;
        if !waits || now < self.due {
            return Ok(());
        }
        if let Err(tries) = self.timer.missed() {
            self.state = State::Failed;
            let only_last_ack = self.last.is_some_and(|last| self.fresh > last);
            return Err(TransferError::GaveUp { block: self.base, tries, only_last_ack });
        }
        self.sent.timeouts += 1;
        self.due = now + self.timer.timeout();
        if let State::Offering { wanted } = &mut self.state {
            *wanted = true;
        } else if self.next - self.base > 1 && !self.probed {
            // The receiver is silent until its window is full. Its last block makes it speak in
            // every case: it acknowledges the window if only that ACK was lost, it reports the gap
            // if more was, and the window goes on if nothing else was.
            self.probed = true;
            self.probe = Some(self.next - 1);
        } else {
            self.probed = false;
            self.again(now, 0);
            // The silence was a pause already, and who listens then hears nothing.
            self.pace.all_at_once();
            self.listens = false;
        }
        Ok(())
    }

    /// When [`poll_transmit`](Self::poll_transmit) or [`handle_timeout`](Self::handle_timeout) is
    /// to be called again; `None` when the transfer is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = match self.state {
            State::Done | State::Failed => return None,
            State::Sending if self.next < self.end() => self.pace.pause_until.unwrap_or(self.due),
            State::Sending | State::Offering { .. } => self.due,
        };
        Some(due.min(self.deadline.at()))
    }

    /// One behind the last block that may be sent.
    fn end(&self) -> u64 {
        let window = self.base.saturating_add(self.window);
        self.last.map_or(window, |last| window.min(last + 1))
    }

    fn flight_of(&mut self, block: u64) -> Option<&mut Flight> {
        let place = usize::try_from(block % self.window).ok()?;
        self.flights.get_mut(place)
    }

    /// The ACK of `block` has come. All up to it has arrived before the ACK was sent: so the round trip
    /// is no longer than since the latest of these was sent, if that was once. Of two copies nobody
    /// knows which one arrived (Karn's rule). It is that long where the ACK had nothing to wait for.
    fn measure(&mut self, now: Instant, block: u64, window_full: bool) {
        let sent_at = self.sent_at;
        let prompt = window_full
            && self.flight_of(block).is_some_and(|it| it.copies == 1 && it.last == sent_at);
        let mut latest = None;
        for block in self.base..=block {
            let once = self.flight_of(block).filter(|flight| flight.copies == 1);
            latest = latest.max(once.map(|flight| flight.last));
        }
        let Some(latest) = latest else { return };
        let round_trip = now.saturating_duration_since(latest);
        if prompt {
            self.timer.sample(round_trip);
        } else {
            self.timer.at_most(round_trip);
        }
    }
}

/// How many blocks go out at once, and how long to wait before the next ones.
///
/// ```text
/// window of 16:   ▓▓▓▓ pause ▓▓▓▓ pause ▓▓▓▓ pause ▓▓▓▓ ACK 16 ▓▓▓▓ …
/// all arrived     double the burst; after a first loss, add a quarter now and then
/// a loss          after fewer blocks than a burst: that becomes nearly the burst's length; if it
///                 is short already, the pause doubles. After more: bad luck, the first few times
/// ```
#[derive(Debug)]
struct Pace {
    window: u64,
    burst: u64,
    /// No burst is shorter.
    least: u64,
    /// What is left of this burst.
    left: u64,
    pause: Duration,
    pause_until: Option<Instant>,
    /// The pause after this burst is to be so long.
    listen: Option<Duration>,
    /// Blocks that came through one behind the other, in bursts of this length or shorter.
    run: u64,
    /// Losses since a whole window came through.
    losses: u32,
    /// Whole windows since the last change, and how many are wanted before the burst grows. Every
    /// loss after a short run doubles them: who finds the limit once need not run into it again and
    /// again.
    arrived: u32,
    wanted: u32,
}

/// What the first burst has at most: half of the smallest socket buffer in common use (Linux:
/// 208 KiB, and it counts its own overhead).
const FIRST_BURST_BYTES: u64 = 128 << 10;

/// No buffer is so small that it does not take so many blocks, when they are short …
const LEAST_BURST: u64 = 4;

/// … and have no more bytes than this together.
const LEAST_BURST_BYTES: u64 = 8 << 10;

const PAUSE_MIN: Duration = Duration::from_micros(200);
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// So many losses, and no window whole in between, are no bad luck.
const LOSSES_MAX: u32 = 4;

const WINDOWS_WANTED_MAX: u32 = 256;

impl Pace {
    fn new(window: u16, blksize: u16) -> Self {
        let window = u64::from(window);
        let burst = (FIRST_BURST_BYTES / u64::from(blksize.max(1))).clamp(1, window);
        Self {
            window,
            burst,
            least: (LEAST_BURST_BYTES / u64::from(blksize.max(1)))
                .clamp(1, LEAST_BURST.min(window)),
            left: burst,
            pause: PAUSE_MIN,
            pause_until: None,
            listen: None,
            run: 0,
            losses: 0,
            arrived: 0,
            wanted: 1,
        }
    }

    /// How many blocks may go out now.
    fn allows(&mut self, now: Instant) -> u64 {
        match self.pause_until {
            Some(until) if now < until => 0,
            _ => {
                self.pause_until = None;
                self.left
            }
        }
    }

    fn sent(&mut self, count: u64, more: bool, now: Instant, round_trip: Option<Duration>) {
        self.left = self.left.saturating_sub(count);
        if self.left == 0 {
            self.left = self.burst;
            let usual = self.pause.min(pause_max(round_trip));
            let pause = self.listen.take().unwrap_or(usual);
            self.pause_until = more.then(|| now + pause);
        }
    }

    /// Nothing of the next burst was sent yet.
    fn burst_is_new(&self) -> bool {
        self.left == self.burst
    }

    /// After so many blocks a pause of this length is made once.
    fn listen(&mut self, blocks: u64, pause: Duration) {
        self.left = self.left.min(blocks);
        self.listen = Some(pause);
    }

    /// No pause now, and none to listen.
    fn all_at_once(&mut self) {
        (self.pause_until, self.listen) = (None, None);
        self.left = self.burst;
    }

    /// So many of what was just counted were not sent.
    fn unsent(&mut self, count: u64) {
        self.left = (self.left + count).min(self.burst);
        self.pause_until = None;
    }

    /// So many blocks have come through, and nothing is on its way any more. A whole window without
    /// a loss lets the burst grow.
    fn window_arrived(&mut self, blocks: u64, whole: bool) {
        self.left = self.burst;
        (self.pause_until, self.listen) = (None, None);
        self.run = self.run.saturating_add(blocks);
        if whole {
            self.losses = 0;
            // Shorter little by little, as it was lengthened by a few losses that may have been luck.
            self.pause = (self.pause - self.pause / 8).max(PAUSE_MIN);
        }
        if !whole || self.burst == self.window {
            return;
        }
        self.arrived += 1;
        if self.arrived >= self.wanted {
            let more = if self.wanted == 1 { self.burst } else { self.burst / 4 };
            self.burst = (self.burst + more.max(1)).min(self.window);
            // What shorter bursts achieved says nothing about longer ones.
            (self.run, self.arrived) = (0, 0);
        }
    }

    /// So many blocks have come through, and then something was lost. After a long run that was bad
    /// luck; after a short one the burst was too long, and time after time the pause too short.
    fn lost(&mut self, blocks: u64, now: Instant, round_trip: Option<Duration>) {
        let run = self.run.saturating_add(blocks);
        self.losses = self.losses.saturating_add(1);
        self.pause_until = None;
        let too_long = run < self.burst;
        let too_short = self.losses >= LOSSES_MAX || too_long && self.burst <= self.least.max(2);
        if too_short {
            // What was lost is sent at once, unless that did not help the last time.
            self.pause_until = (self.pause > PAUSE_MIN).then(|| now + self.pause);
            self.pause = (self.pause * 2).min(pause_max(round_trip));
        }
        if too_long {
            self.burst = ((self.burst + 3 * run) / 4).max(self.least);
        } else if !too_short {
            self.burst = (self.burst + (run - self.burst) / 4).min(self.window);
        }
        if too_long || too_short {
            self.wanted = (self.wanted * 2).min(WINDOWS_WANTED_MAX);
        }
        (self.run, self.arrived) = (0, 0);
        self.left = self.burst;
    }
}

/// A pause as long as a round trip is long enough for whatever is to be emptied.
fn pause_max(round_trip: Option<Duration>) -> Duration {
    round_trip.unwrap_or_default().clamp(Duration::from_millis(1), PAUSE_MAX)
}

#[cfg(test)]
mod tests;
