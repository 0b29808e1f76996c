//! The driver of a client's first exchange.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::target::Target;
use crate::drive::turn_away;
use crate::io::{Heard, Port, SLOT_LEN, Slots, canonical};
use crate::opening::{Ask, Direction, OpenError, Opened, Opening};
use crate::options::{Refusal, Wanted};
use crate::transfer::Patience;
use crate::wire::{EncodeError, Mode, Options, Packet, REQUEST_LEN_MAX, Request};

/// The server has answered.
pub(super) struct Answered {
    /// From here: the server's identifier for this transfer.
    pub(super) peer: SocketAddr,
    /// This is what goes on.
    pub(super) opened: Opened,
    /// The datagram itself.
    pub(super) first: Vec<u8>,
    /// How long it took, if there was one request: of two nobody knows which one was answered.
    pub(super) round_trip: Option<Duration>,
}

/// Why there is no transfer.
pub(super) enum Failed {
    Opening(OpenError),
    Request(EncodeError),
    Socket(io::Error),
    Unreachable,
}

/// Any port of ours, of the server's family.
pub(super) fn any_port_for(server: SocketAddr) -> SocketAddr {
    match server {
        SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0; 16], 0)),
    }
}

/// Asks until there is an answer.
pub(super) fn open(
    port: &Port,
    server: SocketAddr,
    direction: Direction,
    target: &Target,
    wanted: Wanted,
    patience: Patience,
    mode: Mode,
) -> Result<Answered, Failed> {
    let server = canonical(server);
    let mut opening = Opening::new(Instant::now(), direction, wanted, patience);
    let mut slots = Slots::new(1, SLOT_LEN);
    let (mut asked_at, mut asked) = (Instant::now(), 0);
    loop {
        while let Some(ask) = opening.poll_transmit(Instant::now()) {
            let (bytes, len) = encode(direction, target, mode, ask, &wanted)?;
            let bytes = bytes.get(..len).unwrap_or_default();
            (asked_at, asked) = (Instant::now(), asked + 1);
            port.send(server, None, bytes, len).map_err(Failed::Socket)?;
        }
        let Some(when) = opening.poll_timeout() else {
            return Err(Failed::Opening(OpenError::Silence { tries: 0 }));
        };
        let mut answered: Option<Answered> = None;
        let mut error = None;
        let heard = port.receive(when, &mut slots, &mut |from, datagram| {
            match (&answered, &error) {
                // The first answer counts. A second one comes from a second server process, if a
                // request was doubled on its way (RFC 1350 §4).
                (Some(first), _) if first.peer != from.peer => {
                    turn_away(port, from.peer, None, datagram);
                }
                (None, None) if from.peer.ip() == server.ip() => {
                    match opening.handle_datagram(datagram) {
                        Ok(Some(opened)) => {
                            let first = datagram.to_vec();
                            let round_trip = (asked == 1).then(|| asked_at.elapsed());
                            let peer = from.peer;
                            answered = Some(Answered { peer, opened, first, round_trip });
                        }
                        Ok(None) => {}
                        Err(failed) => error = Some((from.peer, failed)),
                    }
                }
                _ => {}
            }
        });
        if let Some((peer, error)) = error {
            refuse(port, peer, &error);
            return Err(Failed::Opening(error));
        }
        if let Some(answered) = answered {
            return Ok(answered);
        }
        if heard.map_err(Failed::Socket)? == Heard::Unreachable {
            return Err(Failed::Unreachable);
        }
        opening.handle_timeout(Instant::now()).map_err(Failed::Opening)?;
    }
}

fn encode(
    direction: Direction,
    target: &Target,
    mode: Mode,
    ask: Ask,
    wanted: &Wanted,
) -> Result<([u8; REQUEST_LEN_MAX], usize), Failed> {
    let options = wanted.encode();
    let options = match ask {
        Ask::WithOptions => options.as_options(),
        Ask::Plainly => Options::default(),
    };
    let request = Request { filename: &target.remote, mode, options };
    let packet = match direction {
        Direction::Download => Packet::Read(request),
        Direction::Upload => Packet::Write(request),
    };
    let mut bytes = [0; REQUEST_LEN_MAX];
    let len = packet.encode(&mut bytes).map_err(Failed::Request)?;
    Ok((bytes, len))
}

/// An OACK that is not acceptable is answered with ERROR 8 (RFC 2347).
fn refuse(port: &Port, peer: SocketAddr, error: &OpenError) {
    let OpenError::Refusal(refusal) = error else { return };
    let message = Refusal::to_string(refusal);
    let packet = Packet::Error { code: refusal.code(), message: message.as_bytes() };
    let mut bytes = [0; 256];
    if let Ok(len) = packet.encode(&mut bytes) {
        let _ = port.send(peer, None, bytes.get(..len).unwrap_or_default(), len);
    }
}
