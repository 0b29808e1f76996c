//! What passed through a cable: a record with a limit, and what each thing that passed is called.
//!
//! A record holds whole datagrams and pieces, so that it can be drawn ([`super::ladder`]), read by
//! a transcript (`cable > lost …`), or written as a capture.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use faults::{Deed, Direction};

/// More bytes than this are not kept; the oldest go first.
pub const BYTES_MAX: usize = 16 << 20;

/// More events than this are not kept; the oldest go first.
pub const EVENTS_MAX: usize = 20_000;

/// Something that passed, or should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Since the cable was laid.
    pub at: Duration,
    /// Whose: an index into [`Record::flows`].
    pub flow: usize,
    /// Which way.
    pub direction: Direction,
    /// What it was.
    pub what: What,
    /// What the cable did to it.
    pub done: Vec<Done>,
}

/// See [`Event`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A datagram, whole.
    Datagram(Vec<u8>),
    /// Bytes of a stream, as the cable read them at once. What the end wrote at once may have been
    /// more or less.
    Piece(Vec<u8>),
    /// A connection was made.
    Opened,
    /// One end has said all that it had to say.
    Closed,
    /// One end has broken the connection off.
    Reset,
}

/// What the cable did: `lost`, `late 20 ms`, `twice`, `overtook 1`, `stalled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// To a datagram.
    Deed(Deed),
    /// From here on nothing of the stream passes.
    Stalled,
    /// It broke the connection off.
    Reset,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deed(deed) => deed.fmt(f),
            Self::Stalled => f.write_str("stalled"),
            Self::Reset => f.write_str("reset"),
        }
    }
}

/// All that was done to one thing, in words.
#[must_use]
pub fn words(done: &[Done]) -> String {
    done.iter().map(Done::to_string).collect::<Vec<_>>().join(", ")
}

impl What {
    /// The bytes of a datagram or a piece.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Datagram(bytes) | Self::Piece(bytes) => Some(bytes),
            Self::Opened | Self::Closed | Self::Reset => None,
        }
    }
}

/// One client's conversation with one port of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The client's address.
    pub client: SocketAddr,
    /// The server's, behind the cable.
    pub server: SocketAddr,
    /// What the client is called.
    pub client_name: String,
    /// What the server is called.
    pub server_name: String,
}

/// Who the two ends of a cable are.
pub struct Names {
    /// What the server is called.
    pub server: String,
    /// What the client at an address is called.
    pub client: Box<dyn Fn(SocketAddr) -> String + Send + Sync>,
}

/// What was recorded so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Who spoke with whom, in the order of their first word.
    pub flows: Vec<Flow>,
    /// What passed, oldest first.
    pub events: VecDeque<Event>,
    /// How many events are not kept any more.
    pub forgotten: u64,
    /// How many datagrams were dropped because there were too many clients.
    pub refused: u64,
    bytes: usize,
}

/// Somebody who is told of each event as it happens.
pub type Listener = Box<dyn Fn(&Event, &Flow) + Send + Sync>;

/// A record that several relays write into.
pub struct Trace {
    begin: Instant,
    began: SystemTime,
    record: Mutex<Record>,
    keeps_bytes: bool,
    listener: Option<Listener>,
}

impl Trace {
    /// A record that is empty. Without `keeps_bytes`, and without a listener, it only counts.
    #[must_use]
    pub fn new(keeps_bytes: bool, listener: Option<Listener>) -> Self {
        let keeps_bytes = keeps_bytes || listener.is_some();
        let (begin, began) = (Instant::now(), SystemTime::now());
        Self { begin, began, record: Mutex::default(), keeps_bytes, listener }
    }

    /// Whether it wants to know what passes.
    #[must_use]
    pub fn keeps_bytes(&self) -> bool {
        self.keeps_bytes
    }

    /// What time it was at zero on the record's clock.
    #[must_use]
    pub fn began(&self) -> SystemTime {
        self.began
    }

    /// A datagram was dropped because there were too many clients.
    pub fn count_refused(&self) {
        self.lock().refused += 1;
    }

    /// The number of the flow between `client` and `server`, a new one if need be.
    pub fn flow(&self, client: SocketAddr, server: SocketAddr, names: &Names) -> usize {
        let same = |flow: &Flow| flow.client == client && flow.server == server;
        // The last are the likeliest.
        if let Some(known) = self.lock().flows.iter().rposition(same) {
            return known;
        }
        let known = self.lock().flows.iter().rev().find(|flow| flow.client == client).cloned();
        // Not under the lock: finding out who has an address takes a while, and on a machine with
        // ten thousand sockets so long that it would be seen on the ladder.
        let client_name = known.map_or_else(|| (names.client)(client), |flow| flow.client_name);
        let server_name = names.server.clone();
        let mut record = self.lock();
        record.flows.push(Flow { client, server, client_name, server_name });
        record.flows.len() - 1
    }

    /// Notes that something passed just now.
    pub fn note(&self, flow: usize, direction: Direction, what: What, done: Vec<Done>) {
        self.note_at(Instant::now(), flow, direction, what, done);
    }

    /// Notes that something passed, at the time from which its delays were counted.
    pub fn note_at(
        &self,
        now: Instant,
        flow: usize,
        direction: Direction,
        what: What,
        done: Vec<Done>,
    ) {
        if !self.keeps_bytes {
            return;
        }
        let at = now.saturating_duration_since(self.begin);
        let event = Event { at, flow, direction, what, done };
        let mut record = self.lock();
        if let (Some(listener), Some(flow)) = (&self.listener, record.flows.get(flow)) {
            listener(&event, flow);
        }
        record.push(event);
    }

    /// What was recorded so far.
    #[must_use]
    pub fn record(&self) -> Record {
        self.lock().clone()
    }

    /// Whether a connection was made of which an end is not seen yet.
    #[must_use]
    pub fn has_open_streams(&self) -> bool {
        self.lock().has_open_streams()
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        // A record is whole after every statement that holds the lock.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn has_open_streams(&self) -> bool {
        let mut open = vec![0_i32; self.flows.len()];
        for event in &self.events {
            let Some(open) = open.get_mut(event.flow) else { continue };
            match event.what {
                What::Opened => *open = 2,
                What::Closed => *open -= 1,
                What::Reset => *open = 0,
                What::Datagram(_) | What::Piece(_) => {}
            }
        }
        open.iter().any(|open| *open > 0)
    }

    fn push(&mut self, event: Event) {
        self.bytes += event.what.bytes().map_or(0, <[u8]>::len);
        self.events.push_back(event);
        while self.bytes > BYTES_MAX || self.events.len() > EVENTS_MAX {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.what.bytes().map_or(0, <[u8]>::len);
            self.forgotten += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_the_newest_and_counts_what_it_forgets() {
        let trace = Trace::new(true, None);
        let end = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let names = Names { server: "server".to_owned(), client: Box::new(|_| "ann".to_owned()) };
        let flow = trace.flow(end(1), end(2), &names);
        assert_eq!(trace.flow(end(1), end(2), &names), flow);
        assert_ne!(trace.flow(end(1), end(3), &names), flow);
        for number in 0..=EVENTS_MAX {
            let bytes = number.to_be_bytes().to_vec();
            trace.note(flow, Direction::ToServer, What::Datagram(bytes), Vec::new());
        }
        let record = trace.record();
        assert_eq!((record.events.len(), record.forgotten), (EVENTS_MAX, 1));
        assert_eq!(record.events[0].what, What::Datagram(1_usize.to_be_bytes().to_vec()));

        trace.note(flow, Direction::ToClient, What::Piece(vec![0; BYTES_MAX - 8]), Vec::new());
        let record = trace.record();
        assert_eq!((record.events.len(), record.forgotten), (2, EVENTS_MAX as u64));
    }
}
