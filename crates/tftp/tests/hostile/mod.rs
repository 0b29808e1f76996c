//! Bytes from strangers, fed to everything that reads them. Used by the tests and by the fuzz target.
//!
//! ```text
//! bytes: ┌──────┬─────┬───────────┬──────┬─────┬───────────┬──
//!        │ wait │ len │ datagram  │ wait │ len │ datagram  │ …
//!        └──────┴─────┴───────────┴──────┴─────┴───────────┴──
//!          ms     0–255  len bytes, or what is left
//! ```
//!
//! The first byte chooses the window. Whatever the bytes are: no panic, what the receiver hands out
//! comes in order, and no end sends more than the datagrams and its own clock account for.

use std::time::{Duration, Instant};

use tftp::opening::{Direction, Opening};
use tftp::options::{Agreed, Limits, Wanted, answer};
use tftp::receiver::{self, Receiver};
use tftp::rollover::Rollover;
use tftp::sender::{self, Sender};
use tftp::transfer::{Patience, Terms};
use tftp::wire::{Mode, Packet, Request};
use tftp::{decode, netascii};

/// Blocks of the file that is sent.
const BLOCKS: u64 = 40;

/// Feeds all of it to new machines.
pub(crate) fn feed(bytes: &[u8]) {
    let [first, rest @ ..] = bytes else { return };
    let mut ends = Ends::new(first % 16 + 1, first & 0x80 != 0);
    let mut rest = rest;
    while let [wait, len, behind @ ..] = rest {
        let (datagram, behind) = behind.split_at(usize::from(*len).min(behind.len()));
        ends.feed(Duration::from_millis((*wait).into()), datagram);
        rest = behind;
    }
}

/// Every machine, each with the state that the datagrams so far have brought it into.
pub(crate) struct Ends {
    start: Instant,
    now: Instant,
    window: u64,
    sender: Option<Sender>,
    receiver: Option<Receiver>,
    opening: Option<Opening>,
    next: u64,
    datagrams: u64,
}

impl Ends {
    /// New ones.
    pub(crate) fn new(window: u8, one: bool) -> Self {
        let start = Instant::now();
        let rollover = if one { Rollover::One } else { Rollover::Zero };
        let agreed =
            Agreed { windowsize: window.into(), blksize: 8, rollover, ..Agreed::default() };
        let terms = Terms { agreed, ..Terms::default() };
        let wanted = Wanted { blksize: Some(1428), tsize: Some(0), ..Wanted::default() };
        let mut sender = Sender::new(start, &terms, sender::Start::Oack);
        sender.ends_at(BLOCKS);
        Self {
            start,
            now: start,
            window: window.into(),
            sender: Some(sender),
            receiver: Some(Receiver::new(start, &terms, receiver::Start::Oack)),
            opening: Some(Opening::new(start, Direction::Download, wanted, Patience::default())),
            next: 1,
            datagrams: 0,
        }
    }

    /// Whether none of them waits for anything any more.
    pub(crate) fn are_over(&self) -> bool {
        self.sender.is_none() && self.receiver.is_none() && self.opening.is_none()
    }

    /// Time passes, and then a datagram comes.
    pub(crate) fn feed(&mut self, wait: Duration, datagram: &[u8]) {
        self.now += wait;
        self.datagrams += 1;
        parse(datagram);
        self.sender = self.sender.take().and_then(|sender| self.feed_sender(sender, datagram));
        self.receiver =
            self.receiver.take().and_then(|receiver| self.feed_receiver(receiver, datagram));
        self.opening = self.opening.take().and_then(|mut opening| {
            while opening.poll_transmit(self.now).is_some() {}
            opening.handle_datagram(datagram).ok()?;
            opening.handle_timeout(self.now).ok()?;
            opening.poll_timeout().map(|_| opening)
        });
    }

    fn feed_sender(&self, mut sender: Sender, datagram: &[u8]) -> Option<Sender> {
        while sender.poll_transmit(self.now, 64).is_some() {}
        let sent = sender.sent();
        let reasons = sent.reports + sent.timeouts;
        assert!(
            sent.repeated <= reasons * self.window,
            "{sent:?} after {:?}",
            self.now - self.start
        );
        sender.handle_datagram(self.now, datagram).ok()?;
        sender.handle_timeout(self.now).ok()?;
        sender.poll_timeout().map(|_| sender)
    }

    fn feed_receiver(&mut self, mut receiver: Receiver, datagram: &[u8]) -> Option<Receiver> {
        while receiver.poll_transmit(self.now).is_some() {}
        let received = receiver.received();
        assert!(received.acks <= self.datagrams + received.timeouts, "{received:?}");
        if let Some(block) = receiver.handle_datagram(self.now, datagram).ok()? {
            assert_eq!(block.number, self.next);
            assert!(block.payload.len() <= 8);
            self.next += 1;
            if block.is_last {
                receiver.committed(self.now);
            }
        }
        receiver.handle_timeout(self.now).ok()?;
        receiver.poll_timeout().map(|_| receiver)
    }
}

/// All that reads a datagram without remembering the last one.
fn parse(datagram: &[u8]) {
    let shown = decode::show(datagram);
    assert!(!shown.chars().any(char::is_control), "{shown}");
    if let Ok(Packet::Read(request) | Packet::Write(request)) = Packet::decode(datagram) {
        negotiate(&request);
    }
    let mut text = [0; 600];
    let progress = netascii::Decoder::default().decode(datagram, &mut text);
    assert!(progress.read <= datagram.len() && progress.written <= datagram.len() + 1);
}

/// A server's answer is never more than was asked for.
fn negotiate(request: &Request<'_>) {
    let limits = Limits { file_max: 1 << 20, ..Limits::default() };
    for upload in [false, true] {
        let Ok(answer) = answer(request, upload, Some(1000), &limits) else { continue };
        let Agreed { blksize, windowsize, tsize, .. } = answer.agreed;
        let window_bytes = u32::from(blksize) * u32::from(windowsize);
        assert!(window_bytes <= limits.window_bytes_max, "{answer:?}");
        assert!(tsize.is_none_or(|size| size <= limits.file_max));
        let asked = request.options.iter().count();
        let oack = answer.oack.unwrap_or_default();
        assert!(oack.as_options().iter().count() <= asked);
        assert!(request.mode == Mode::Octet || upload || tsize.is_none());
    }
}
