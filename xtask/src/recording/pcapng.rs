//! What passed, as a capture that Wireshark opens: pcapng, written by hand.
//!
//! ```text
//!  ┌─────────┬────────────────────┬─────────┐
//!  │ section │ interface: ann     │ packet  │   every block: type, length, body, length
//!  │ header  │ interface: server  │ packet  │   in a body: fixed fields, then options
//!  │         │                    │ …       │   an option: code, length, value
//!  └─────────┴────────────────────┴─────────┘
//! ```
//!
//! (draft-ietf-opsawg-pcapng.) An interface for each actor: a packet is as its sender let it go,
//! before the cable could injure it, and what the cable did is the packet's comment.
//!
//! What is real: payloads, addresses and ports, times. What is made up, and said so in the file:
//! MAC addresses, all of the IP header but addresses and lengths, and for streams what the system
//! does by itself: where segments begin and end, their numbers, the acknowledgements. A relay sees
//! none of that.

use std::time::{Duration, UNIX_EPOCH};

use faults::Direction;

use super::Recording;
use super::frame::{self, ACK, Ends, FIN, PSH, RST, SYN, Segment};
use crate::cable::trace::{What, words};
use crate::cable::traffic::{Passed, Traffic};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;

/// Whoever reads this number the wrong way round has to swap all others.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const ETHERNET: u16 = 1;

const COMMENT: u16 = 1;
const SECTION_PROGRAM: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_MAC: u16 = 6;
/// A power of ten: 9 for nanoseconds.
const INTERFACE_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;
const OUTBOUND: u32 = 2;

/// What fits into an Ethernet frame, beside the headers.
const SEGMENT_LEN_MAX: usize = 1460;

/// Chapters whose protocol Wireshark knows by another port than the one that the demo has.
const PROTOCOLS: [(&str, &str); 1] = [("tftp/", "tftp")];

/// The capture.
#[must_use]
pub fn write(recording: &Recording) -> Vec<u8> {
    let traffic = &recording.traffic;
    let mut out = Vec::new();
    section(&mut out, recording);
    for (number, name) in traffic.actors.iter().enumerate() {
        interface(&mut out, number, name);
    }
    let mut streams = vec![Stream::default(); traffic.flows.len()];
    for passed in &traffic.passed {
        let Some(flow) = traffic.flows.get(passed.flow) else { continue };
        let (from, to) = match passed.direction {
            Direction::ToServer => (flow.client, flow.server),
            Direction::ToClient => (flow.server, flow.client),
        };
        let ends = Ends { from: (passed.from, from), to: (passed.to, to) };
        let at = nanoseconds(traffic, passed);
        let comment = comment(passed);
        if let What::Datagram(bytes) = &passed.what {
            packet(&mut out, passed.from, at, &frame::udp(ends, bytes), &comment);
            continue;
        }
        let segments = streams[passed.flow].segments(passed, ends);
        for (number, (sender, frame)) in segments.iter().enumerate() {
            packet(&mut out, *sender, at, frame, if number == 0 { &comment } else { "" });
        }
    }
    out
}

/// How Wireshark is told what protocol it is; `None` where it knows by itself.
#[must_use]
pub fn decode_as(recording: &Recording) -> Option<String> {
    let (_, protocol) = PROTOCOLS.iter().find(|(demos, _)| recording.demo.starts_with(demos))?;
    let port = recording.traffic.flows.first()?.server.port();
    Some(format!("-d udp.port=={port},{protocol}"))
}

// --- blocks ---------------------------------------------------------------------------------

fn section(out: &mut Vec<u8>, recording: &Recording) {
    let mut about = format!(
        "What passed in the demo {}, as its sender let it go. What the cable did to a packet then \
         is its comment. Payloads, ports and times are real; MAC addresses and IP headers are made \
         up, and for TCP the sequence numbers, the acknowledgements and where segments begin and \
         end: a relay sees none of these.",
        recording.demo
    );
    let faults = recording.faults_in_words();
    for more in recording.traffic.missing().into_iter().chain([faults]).filter(|t| !t.is_empty()) {
        about.push_str(&format!("\n{more}"));
    }
    if let Some(flag) = decode_as(recording) {
        about.push_str(&format!("\nTo have the protocol read: wireshark {flag}"));
    }
    let mut body = BYTE_ORDER.to_be_bytes().to_vec();
    // Version 1.0; how long the section is may stay open.
    body.extend([0, 1, 0, 0]);
    body.extend((-1_i64).to_be_bytes());
    option(&mut body, COMMENT, about.as_bytes());
    option(&mut body, SECTION_PROGRAM, recording.command.as_bytes());
    block(out, SECTION_HEADER, body);
}

fn interface(out: &mut Vec<u8>, actor: usize, name: &str) {
    let mut body = ETHERNET.to_be_bytes().to_vec();
    // Reserved; no limit to the length of a packet.
    body.extend([0; 6]);
    option(&mut body, INTERFACE_NAME, name.as_bytes());
    option(&mut body, INTERFACE_MAC, &frame::mac(actor));
    option(&mut body, INTERFACE_RESOLUTION, &[9]);
    block(out, INTERFACE, body);
}

fn packet(out: &mut Vec<u8>, sender: usize, at: u64, frame: &[u8], comment: &str) {
    let mut body = len32(sender).to_vec();
    // The upper half of the time, then the lower.
    body.extend(at.to_be_bytes());
    body.extend(len32(frame.len()));
    body.extend(len32(frame.len()));
    body.extend(frame);
    pad(&mut body);
    if !comment.is_empty() {
        option(&mut body, COMMENT, comment.as_bytes());
    }
    option(&mut body, PACKET_FLAGS, &OUTBOUND.to_be_bytes());
    block(out, PACKET, body);
}

/// A block, whose options end here.
fn block(out: &mut Vec<u8>, kind: u32, mut body: Vec<u8>) {
    option(&mut body, 0, &[]);
    let len = len32(12 + body.len());
    out.extend(kind.to_be_bytes());
    out.extend(len);
    out.extend(body);
    // Once more, so that a file can be read backwards.
    out.extend(len);
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    body.extend(code.to_be_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
    body.extend(value);
    pad(body);
}

/// Everything begins at a multiple of four bytes.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

fn len32(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()
}

fn nanoseconds(traffic: &Traffic, passed: &Passed) -> u64 {
    let began = traffic.began.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from((began + passed.at).as_nanos()).unwrap_or(u64::MAX)
}

/// What the cable did to it: empty for most.
fn comment(passed: &Passed) -> String {
    match (passed.done.is_empty(), passed.is_lost()) {
        (true, _) => String::new(),
        (false, true) => format!("cable: {}; it never arrived", words(&passed.done)),
        (false, false) => format!("cable: {}", words(&passed.done)),
    }
}

// --- streams --------------------------------------------------------------------------------

/// The numbers of a connection, made up: each end counts from 0, and its SYN is number 0.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// What the client sends next, and the server.
    next: [u32; 2],
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    New,
    Open,
    Reset,
}

/// Who sends it, and the frame.
type Sent = (usize, Vec<u8>);

impl Stream {
    /// What the ends' systems would have sent.
    fn segments(&mut self, passed: &Passed, ends: Ends) -> Vec<Sent> {
        let me = usize::from(passed.direction == Direction::ToClient);
        let back = Ends { from: ends.to, to: ends.from };
        let mut sent = Vec::new();
        let mut send = |stream: &mut Self, who: usize, flags: u8, payload: &[u8]| {
            let ends = if who == me { ends } else { back };
            let acknowledged = if flags & ACK == 0 { 0 } else { stream.next[1 - who] };
            let segment = Segment { sequence: stream.next[who], acknowledged, flags };
            sent.push((ends.from.0, frame::tcp(ends, segment, payload)));
            // SYN and FIN count like a byte each.
            let counted = payload.len() + usize::from(flags & (SYN | FIN) != 0);
            let counted = u32::try_from(counted).unwrap_or_default();
            stream.next[who] = stream.next[who].wrapping_add(counted);
        };
        let other = 1 - me;
        let before = self.state;
        self.state = if passed.what == What::Reset { State::Reset } else { State::Open };
        match &passed.what {
            What::Opened => {
                self.next = [0, 0];
                send(self, me, SYN, &[]);
                send(self, other, SYN | ACK, &[]);
                send(self, me, ACK, &[]);
            }
            // Both ends may say so.
            _ if before == State::Reset => {}
            What::Piece(bytes) if bytes.is_empty() => send(self, me, ACK, &[]),
            What::Piece(bytes) => {
                for part in bytes.chunks(SEGMENT_LEN_MAX) {
                    send(self, me, PSH | ACK, part);
                    send(self, other, ACK, &[]);
                }
            }
            What::Closed => {
                send(self, me, FIN | ACK, &[]);
                send(self, other, ACK, &[]);
            }
            // The server could not be reached: it is the client that is told.
            What::Reset if before == State::New => {
                send(self, other, SYN, &[]);
                send(self, me, RST | ACK, &[]);
            }
            What::Reset => send(self, me, RST | ACK, &[]),
            What::Datagram(_) => {}
        }
        sent
    }
}
