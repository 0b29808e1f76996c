//! The loop around a machine: a way to the peer, a file and a clock. A server and a client drive
//! alike.
//!
//! ```text
//!            ┌─────────────────────── send_file, receive_file ───────────────────────┐
//!            │ 1. send all that the machine wants sent                                │
//!  Channel ◀─┤    and read, or write, the file while the peer is busy with that       ├─▶ Source
//!  own port  │ 2. ask until when it waits; no time: it is over                        │   Sink
//!  mailbox ─▶│ 3. hand it what comes from the peer until then                         │
//!            │ 4. tell it the time, in every round                                    │
//!            └────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! In steady state nothing is allocated: a batch of blocks is read into one buffer, sent from there,
//! and received into another.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::io::{Heard, Port, Slots};
use crate::options::OptionsBuf;
use crate::receiver::{self, Receiver};
use crate::root::Denied;
use crate::sender::{self, Sender};
use crate::transfer::TransferError;
use crate::wire::{ErrorCode, Packet};

pub mod sink;
pub mod source;

pub use sink::{Sink, Store};
pub use source::Source;

/// A way to one peer.
pub trait Channel {
    /// Sends `bytes`, cut every `segment` bytes.
    ///
    /// # Errors
    /// When the system refuses.
    fn send(&mut self, bytes: &[u8], segment: usize) -> io::Result<()>;

    /// How many datagrams of `len` bytes go well into one [`send`](Self::send).
    fn batch(&self, len: usize) -> usize;

    /// Hands on what comes from the peer, until `until` at the latest.
    ///
    /// # Errors
    /// When the system refuses.
    fn receive(&mut self, until: Instant, on: &mut dyn FnMut(&[u8])) -> io::Result<Heard>;

    /// How many system calls were made for it.
    fn calls(&self) -> u64;
}

/// Why a transfer did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The peer, or its silence.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] Denied),
    /// The file has become shorter since it was opened.
    #[error("the file changed while it was being sent")]
    Changed,
    /// The network.
    #[error("cannot use the socket")]
    Socket(#[source] io::Error),
    /// Nobody listens at the peer's port.
    #[error("the peer has gone: nobody listens at its port")]
    Unreachable,
    /// A peer that was never heard of, and need not exist.
    #[error("the peer never answered")]
    Unverified,
}

impl DriveError {
    /// The ERROR to send the peer, if one is of use.
    #[must_use]
    pub fn answer(&self) -> Option<ErrorCode> {
        match self {
            Self::Transfer(error) => error.answer(),
            Self::Disk(denied) => Some(denied.code()),
            Self::Changed => Some(ErrorCode::NOT_DEFINED),
            Self::Socket(_) | Self::Unreachable | Self::Unverified => None,
        }
    }
}

/// How often the clock may run out for a peer that was not heard of. Anybody can write another's
/// address on a request, and that one gets what we send: so few tries (RFC 1350 has no handshake),
/// and fewest where what is sent is longer than a request, a DATA.
const UNVERIFIED_TIMEOUTS_DATA: u64 = 3;

/// The same where it is no longer than the request: an OACK, an ACK. Where three of ten are lost each
/// way, half of all tries are in vain, and a peer that has heard an OACK asks no more.
const UNVERIFIED_TIMEOUTS: u64 = 6;

/// Sends a file until all of it is acknowledged. `verified`: the peer was heard of already, so it is
/// what it says. `progress` is told how many bytes are acknowledged.
///
/// # Errors
/// When it ends otherwise.
pub fn send_file(
    channel: &mut dyn Channel,
    machine: &mut Sender,
    source: &mut Source,
    oack: Option<&OptionsBuf>,
    mut verified: bool,
    progress: &mut dyn FnMut(u64),
) -> Result<(), DriveError> {
    let blksize = source.blksize();
    let at_most = channel.batch(source.datagram_len());
    if let Some(last) = source.last() {
        machine.ends_at(last);
    }
    loop {
        // 1. Send everything it wants sent, and have the next blocks ready when their turn comes.
        while let Some(what) = machine.poll_transmit(Instant::now(), at_most) {
            match what {
                sender::Transmit::Oack => send_oack(channel, oack)?,
                sender::Transmit::Data(blocks) => send_data(channel, machine, source, blocks)?,
            }
        }
        source.read_ahead(at_most)?;
        // 2. Ask how long we may sleep.
        let Some(when) = machine.poll_timeout() else { return Ok(()) };
        // 3. Feed it what came.
        let mut result = Ok(());
        let event = channel.receive(when, &mut |datagram| {
            verified = true;
            if result.is_ok() {
                result = machine.handle_datagram(Instant::now(), datagram);
            }
        });
        result?;
        match event.map_err(DriveError::Socket)? {
            Heard::Unreachable => return Err(DriveError::Unreachable),
            Heard::Datagrams => progress(blksize * (machine.base() - 1)),
            Heard::Nothing => {}
        }
        let most = if oack.is_some() { UNVERIFIED_TIMEOUTS } else { UNVERIFIED_TIMEOUTS_DATA };
        if !verified && machine.sent().timeouts >= most {
            return Err(DriveError::Unverified);
        }
        // 4. Time passes whether or not a datagram came.
        machine.handle_timeout(Instant::now())?;
    }
}

fn send_oack(channel: &mut dyn Channel, oack: Option<&OptionsBuf>) -> Result<(), DriveError> {
    let options = oack.copied().unwrap_or_default();
    send_packet(channel, &Packet::Oack(options.as_options()))
}

fn send_data(
    channel: &mut dyn Channel,
    machine: &mut Sender,
    source: &mut Source,
    blocks: Range<u64>,
) -> Result<(), DriveError> {
    let segment = source.datagram_len();
    let (bytes, last) = source.datagrams(blocks)?;
    let sent = channel.send(bytes, segment).map_err(DriveError::Socket);
    if let Some(last) = last {
        machine.ends_at(last);
    }
    sent
}

/// Receives a file until it is whole, kept, and its sender knows that. `first` is a datagram that
/// came already. `kept` is called once the last ACK is
/// out: from then on the transfer cannot fail any more.
///
/// # Errors
/// When it ends otherwise.
pub fn receive_file(
    channel: &mut dyn Channel,
    machine: &mut Receiver,
    sink: &mut Sink,
    oack: Option<&OptionsBuf>,
    first: Option<&[u8]>,
    events: &mut dyn ReceiveEvents,
) -> Result<(), DriveError> {
    let (mut heard, mut told) = (first.is_some(), false);
    if let Some(datagram) = first {
        take(machine, sink, datagram)?;
    }
    loop {
        if machine.is_whole() && !machine.is_committed() {
            sink.commit()?;
            machine.committed(Instant::now());
        }
        // 1. Send everything it wants sent. Only then write: meanwhile the peer can send.
        while let Some(what) = machine.poll_transmit(Instant::now()) {
            match what {
                receiver::Transmit::Oack => send_oack(channel, oack)?,
                receiver::Transmit::Ack(block) => send_packet(channel, &Packet::Ack { block })?,
            }
        }
        if machine.is_committed() && !std::mem::replace(&mut told, true) {
            // Only now: whoever waits for this end may end the process.
            events.kept(machine, sink.len(), channel.calls());
        }
        sink.flush()?;
        events.progress(sink.len());
        // 2. Ask how long we may sleep.
        let Some(when) = machine.poll_timeout() else { return Ok(()) };
        // 3. Feed it what came.
        let mut result = Ok(());
        let event = channel.receive(when, &mut |datagram| {
            heard = true;
            if result.is_ok() {
                result = take(machine, sink, datagram);
            }
        });
        // What goes wrong while dallying is nobody's loss.
        if machine.is_committed() && !matches!(event, Ok(Heard::Datagrams | Heard::Nothing)) {
            return Ok(());
        }
        result?;
        if event.map_err(DriveError::Socket)? == Heard::Unreachable {
            return Err(DriveError::Unreachable);
        }
        if !heard && machine.received().timeouts >= UNVERIFIED_TIMEOUTS {
            return Err(DriveError::Unverified);
        }
        // 4. Time passes whether or not a datagram came.
        machine.handle_timeout(Instant::now())?;
    }
}

/// What a receiving end does beside receiving.
pub trait ReceiveEvents {
    /// So many bytes are there.
    fn progress(&mut self, bytes: u64) {
        let _ = bytes;
    }

    /// The file is whole and where it belongs, after so many system calls on the socket.
    fn kept(&mut self, machine: &Receiver, bytes: u64, calls: u64);
}

fn take(machine: &mut Receiver, sink: &mut Sink, datagram: &[u8]) -> Result<(), DriveError> {
    let now = Instant::now();
    if let Some(block) = machine.handle_datagram(now, datagram)? {
        sink.append(block.payload)?;
        while let Some(block) = machine.kept(now) {
            sink.append(block.payload)?;
        }
    }
    Ok(())
}

/// Sends one small packet.
///
/// # Errors
/// When the system refuses.
pub fn send_packet(channel: &mut dyn Channel, packet: &Packet<'_>) -> Result<(), DriveError> {
    let mut bytes = [0; 256];
    let len = packet
        .encode(&mut bytes)
        .map_err(|error| DriveError::Socket(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    channel.send(bytes.get(..len).unwrap_or(&bytes), len).map_err(DriveError::Socket)
}

/// Tells the peer that it is over, if that is of use. It may get lost: then the peer waits in vain.
pub fn send_error(channel: &mut dyn Channel, error: &DriveError) {
    if let Some(code) = error.answer() {
        let _ = send_packet(channel, &Packet::Error { code, message: code.meaning().as_bytes() });
    }
}

/// A port of the transfer's own: its number is what the RFC calls our transfer identifier, TID.
pub struct OwnPort {
    port: Arc<Port>,
    peer: SocketAddr,
    slots: Slots,
    strangers: bool,
}

impl OwnPort {
    /// From here on, whoever is not `peer` is a stranger.
    #[must_use]
    pub fn new(port: Arc<Port>, peer: SocketAddr, slots: Slots) -> Self {
        Self { port, peer, slots, strangers: false }
    }
}

impl Channel for OwnPort {
    fn send(&mut self, bytes: &[u8], segment: usize) -> io::Result<()> {
        self.port.send(self.peer, None, bytes, segment)
    }

    fn batch(&self, len: usize) -> usize {
        self.port.batch(len)
    }

    fn receive(&mut self, until: Instant, on: &mut dyn FnMut(&[u8])) -> io::Result<Heard> {
        let (port, peer, strangers) = (&self.port, self.peer, &mut self.strangers);
        // Once in a round is enough: strangers that chatter do not stop the clock, as every round
        // tells the machine the time.
        let heard = port.receive(until, &mut self.slots, &mut |from, datagram| {
            if from.peer == peer {
                on(datagram);
            } else {
                *strangers = true;
                turn_away(port, from.peer, None, datagram);
            }
        })?;
        // ICMP does not say about which peer it speaks.
        let of_a_stranger = heard == Heard::Unreachable && self.strangers;
        Ok(if of_a_stranger { Heard::Datagrams } else { heard })
    }

    fn calls(&self) -> u64 {
        self.port.calls()
    }
}

/// Answers a datagram that belongs to no transfer of its sender's: "unknown transfer ID", the only
/// ERROR that ends nothing (RFC 1350 §4). An ERROR is never answered.
pub fn turn_away(port: &Port, stranger: SocketAddr, local: Option<IpAddr>, datagram: &[u8]) {
    if !matches!(
        Packet::decode(datagram),
        Ok(Packet::Data { .. } | Packet::Ack { .. } | Packet::Oack(_))
    ) {
        return;
    }
    let code = ErrorCode::UNKNOWN_TID;
    let packet = Packet::Error { code, message: code.meaning().as_bytes() };
    let mut bytes = [0; 64];
    if let Ok(len) = packet.encode(&mut bytes) {
        let _ = port.send(stranger, local, bytes.get(..len).unwrap_or_default(), len);
    }
}

/// Bytes in a second.
#[must_use]
pub fn rate(bytes: u64, took: Duration) -> u64 {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    let rate = u128::from(bytes) * 1_000_000 / u128::from(micros);
    u64::try_from(rate).unwrap_or(u64::MAX)
}
