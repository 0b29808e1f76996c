//! A sender and a receiver with a bad network between them, in virtual time: no socket, no clock,
//! nothing that waits. A transfer of an hour takes milliseconds, and the same seed gives the same
//! one again.

use std::time::{Duration, Instant};

use faults::{Direction, Link, Settings};
use tftp::netascii::{Decoder, Encoder};
use tftp::receiver::{self, Received, Receiver};
use tftp::sender::{self, Sender, Sent};
use tftp::transfer::{Terms, TransferError};
use tftp::wire::{Mode, Packet};

/// What a transfer came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the receiver wrote.
    pub(crate) written: Vec<u8>,
    /// What the sender did.
    pub(crate) sent: Sent,
    /// What the receiver did.
    pub(crate) received: Received,
    /// How the sender ended.
    pub(crate) sender: Result<(), TransferError>,
    /// How the receiver ended.
    pub(crate) receiver: Result<(), TransferError>,
    /// How long it took until the file was whole, on the world's clock.
    pub(crate) took: Duration,
}

/// How the first packet goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// The sender answers a request with an OACK, the receiver begins when that comes.
    Download,
    /// The receiver answers a request with an OACK; the sender has had it once.
    Upload,
}

struct World {
    now: Instant,
    start: Instant,
    blocks: Vec<Vec<u8>>,
    mode: Mode,
    terms: Terms,
    link: Link<Vec<u8>>,
    sender: Sender,
    sender_ends: Option<Result<(), TransferError>>,
    /// In a download there is none before the OACK has come.
    receiver: Option<Receiver>,
    receiver_ends: Option<Result<(), TransferError>>,
    decoder: Decoder,
    written: Vec<u8>,
    whole_after: Duration,
    /// For packets on their way into the link.
    buffer: Vec<u8>,
}

const TO_RECEIVER: Direction = Direction::ToClient;
const TO_SENDER: Direction = Direction::ToServer;

/// Transfers `file`. More rounds than this mean that the two never come to an end.
pub(crate) fn transfer(
    file: &[u8],
    mode: Mode,
    terms: Terms,
    kind: Kind,
    settings: Settings,
    seed: u64,
) -> Outcome {
    let start = Instant::now();
    let blocks = blocks_of(file, mode, terms.agreed.blksize.into());
    let rounds_max = 2_000 + 200 * blocks.len();
    // What a client measures with its request.
    let measured = Some(settings.delay.base() * 2 + Duration::from_millis(1));
    let (sender_terms, sender_starts, receiver) = match kind {
        Kind::Download => (terms, sender::Start::Oack, None),
        Kind::Upload => {
            let mut receiver = Receiver::new(start, &terms, receiver::Start::Oack);
            receiver.poll_transmit(start);
            (Terms { round_trip: measured, ..terms }, sender::Start::Data, Some(receiver))
        }
    };
    let mut sender = Sender::new(start, &sender_terms, sender_starts);
    sender.ends_at(u64::try_from(blocks.len()).unwrap());
    let mut world = World {
        now: start,
        start,
        blocks,
        mode,
        terms,
        link: Link::new(settings, seed),
        sender,
        sender_ends: None,
        receiver,
        receiver_ends: None,
        decoder: Decoder::default(),
        written: Vec::new(),
        whole_after: Duration::ZERO,
        buffer: vec![0; 70_000],
    };
    for _ in 0..rounds_max {
        if !world.round() {
            return world.outcome();
        }
    }
    panic!("no end after {rounds_max} rounds and {:?}: {:?}", world.now - start, world.sender);
}

/// The file as it goes into DATA: full blocks, and a last one that is shorter.
fn blocks_of(file: &[u8], mode: Mode, blksize: usize) -> Vec<Vec<u8>> {
    let mut bytes = file.to_vec();
    if mode == Mode::Netascii {
        bytes = vec![0; 2 * file.len()];
        let progress = Encoder::default().encode(file, &mut bytes);
        bytes.truncate(progress.written);
    }
    let mut blocks: Vec<Vec<u8>> = bytes.chunks(blksize).map(<[u8]>::to_vec).collect();
    if bytes.len().is_multiple_of(blksize) {
        blocks.push(Vec::new());
    }
    blocks
}

impl World {
    /// One round of both drivers; `false` when nothing is left to happen.
    fn round(&mut self) -> bool {
        self.transmit();
        let receiver = self.receiver.as_ref().filter(|_| self.receiver_ends.is_none());
        let sender = Some(&self.sender).filter(|_| self.sender_ends.is_none());
        let next = [
            sender.and_then(Sender::poll_timeout),
            receiver.and_then(Receiver::poll_timeout),
            self.link.poll_timeout(),
        ];
        let Some(next) = next.into_iter().flatten().min() else { return false };
        self.now = self.now.max(next);
        while let Some(arrived) = self.link.poll_transmit(self.now) {
            if arrived.direction == TO_RECEIVER {
                self.at_receiver(&arrived.payload);
            } else if self.sender_ends.is_none() {
                let ended = self.sender.handle_datagram(self.now, &arrived.payload);
                self.sender_ends = ended.err().map(Err).or(self.sender_ends.take());
            }
        }
        if self.sender_ends.is_none() {
            let ended = self.sender.handle_timeout(self.now);
            self.sender_ends = ended.err().map(Err);
        }
        if let (Some(receiver), None) = (&mut self.receiver, &self.receiver_ends) {
            let ended = receiver.handle_timeout(self.now);
            self.receiver_ends = ended.err().map(Err);
        }
        true
    }

    fn transmit(&mut self) {
        let (now, bytes) = (self.now, &mut self.buffer);
        while self.sender_ends.is_none() {
            // A driver with GSO sends at most 64 at once.
            let Some(what) = self.sender.poll_transmit(now, 64) else { break };
            let packets: Vec<Packet<'_>> = match what {
                sender::Transmit::Oack => vec![Packet::Oack(Default::default())],
                sender::Transmit::Data(range) => range
                    .map(|block| Packet::Data {
                        block: self.terms.agreed.rollover.number(block),
                        payload: &self.blocks[usize::try_from(block - 1).unwrap()],
                    })
                    .collect(),
            };
            for packet in packets {
                let len = packet.encode(bytes).unwrap();
                self.link.handle_datagram(now, 1, TO_RECEIVER, bytes[..len].to_vec());
            }
        }
        while let (Some(receiver), None) = (&mut self.receiver, &self.receiver_ends) {
            let packet = match receiver.poll_transmit(now) {
                None => break,
                Some(receiver::Transmit::Oack) => Packet::Oack(Default::default()),
                Some(receiver::Transmit::Ack(block)) => Packet::Ack { block },
            };
            let len = packet.encode(bytes).unwrap();
            self.link.handle_datagram(now, 1, TO_SENDER, bytes[..len].to_vec());
        }
    }

    fn at_receiver(&mut self, datagram: &[u8]) {
        let (now, terms) = (self.now, &self.terms);
        // As a client that is sent an OACK.
        let receiver =
            self.receiver.get_or_insert_with(|| Receiver::new(now, terms, receiver::Start::Ack));
        if self.receiver_ends.is_some() {
            return;
        }
        match receiver.handle_datagram(now, datagram) {
            Err(error) => self.receiver_ends = Some(Err(error)),
            Ok(None) => {}
            Ok(Some(block)) => {
                let mut is_last = block.is_last;
                write(&mut self.written, &mut self.decoder, self.mode, block.payload);
                while let Some(block) = receiver.kept(now) {
                    is_last = block.is_last;
                    write(&mut self.written, &mut self.decoder, self.mode, block.payload);
                }
                if is_last {
                    self.written.extend(self.decoder.finish());
                    receiver.committed(now);
                    self.whole_after = now - self.start;
                }
            }
        }
    }

    fn outcome(self) -> Outcome {
        let unfinished = |done| if done { Ok(()) } else { panic!("ended without a result") };
        let receiver = self.receiver.unwrap();
        Outcome {
            written: self.written,
            sent: self.sender.sent(),
            received: receiver.received(),
            sender: self.sender_ends.unwrap_or_else(|| unfinished(self.sender.is_done())),
            receiver: self.receiver_ends.unwrap_or_else(|| unfinished(receiver.is_committed())),
            took: self.whole_after,
        }
    }
}

fn write(file: &mut Vec<u8>, decoder: &mut Decoder, mode: Mode, payload: &[u8]) {
    match mode {
        Mode::Octet => file.extend(payload),
        Mode::Netascii => {
            let mut text = vec![0; payload.len() + 1];
            let progress = decoder.decode(payload, &mut text);
            file.extend(&text[..progress.written]);
        }
    }
}
