//! What passed, with a name for everything: what all pictures of a run are drawn from.
//!
//! ```text
//!  Record: addresses, bytes ──┐
//!                             ├──▶ Traffic: actors, labels ──▶ ladder.rs, and crate::recording
//!  Labels: what bytes mean ───┘
//! ```

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use faults::{Deed, Direction};

use super::label::Labels;
use super::trace::{self, Done, Flow, Record, Trace, What};

/// What stands where a picture would, when there is nothing to be drawn.
pub const NOTHING_PASSED: &str =
    "(nothing passed through a cable: no program was given a server's address)";

/// What passed between the ends of a demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// What time it was when the clock of [`Passed::at`] began.
    pub began: SystemTime,
    /// Clients in the order of their first word, then servers.
    pub actors: Vec<String>,
    /// Who spoke with whom, from which address.
    pub flows: Vec<Flow>,
    /// What passed, oldest first, by the time when it reached the cable.
    pub passed: Vec<Passed>,
    /// How many before these are not kept.
    pub forgotten: u64,
    /// How many datagrams were dropped because there were too many clients.
    pub refused: u64,
}

/// Something that passed, or should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// When.
    pub at: Duration,
    /// Whose: an index into [`Traffic::flows`].
    pub flow: usize,
    /// Which way.
    pub direction: Direction,
    /// Who sent it: an index into [`Traffic::actors`].
    pub from: usize,
    /// For whom it is: likewise.
    pub to: usize,
    /// The bytes, or what happened to the connection.
    pub what: What,
    /// What it means, in a few words.
    pub label: String,
    /// The same bytes have gone the same way before.
    pub again: bool,
    /// What the cable did to it.
    pub done: Vec<Done>,
}

impl Traffic {
    /// What `trace` has recorded so far.
    #[must_use]
    pub fn of(trace: &Trace, labels: &mut Labels) -> Self {
        Self::from_record(&trace.record(), trace.began(), labels)
    }

    fn from_record(record: &Record, began: SystemTime, labels: &mut Labels) -> Self {
        let actors = actors(record);
        let place = |name: &String| actors.iter().position(|known| known == name).unwrap_or(0);
        let mut seen = HashSet::new();
        let mut passed = Vec::new();
        for event in &record.events {
            let Some(flow) = record.flows.get(event.flow) else { continue };
            let (client, server) = (place(&flow.client_name), place(&flow.server_name));
            let (from, to) = match event.direction {
                Direction::ToServer => (client, server),
                Direction::ToClient => (server, client),
            };
            let again = match &event.what {
                What::Datagram(bytes) => !seen.insert((flow.client, event.direction, bytes)),
                _ => false,
            };
            passed.push(Passed {
                at: event.at,
                flow: event.flow,
                direction: event.direction,
                from,
                to,
                what: event.what.clone(),
                label: labels.of(&event.what),
                again,
                done: event.done.clone(),
            });
        }
        let (forgotten, refused) = (record.forgotten, record.refused);
        Self { began, actors, flows: record.flows.clone(), passed, forgotten, refused }
    }

    /// When the first of them passed.
    #[must_use]
    pub fn begin(&self) -> Duration {
        self.passed.first().map(|first| first.at).unwrap_or_default()
    }

    /// What is not here, in words.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.forgotten > 0 {
            lines.push(format!("({} earlier ones are not kept)", self.forgotten));
        }
        if self.refused > 0 {
            lines.push(format!("({} datagrams of too many clients were dropped)", self.refused));
        }
        lines
    }
}

impl Passed {
    /// What is to be said beside it: `again, lost`. Empty for most.
    #[must_use]
    pub fn note(&self) -> String {
        self.note_of(&self.done)
    }

    /// The same, where all are late and it goes without saying.
    #[must_use]
    pub fn note_without_delay(&self) -> String {
        let is_late = |done: &Done| matches!(done, Done::Deed(Deed::Late(_)));
        let rest: Vec<Done> = self.done.iter().copied().filter(|done| !is_late(done)).collect();
        self.note_of(&rest)
    }

    fn note_of(&self, done: &[Done]) -> String {
        let done = trace::words(done);
        match (self.again, done.is_empty()) {
            (true, true) => "again".to_owned(),
            (true, false) => format!("again, {done}"),
            (false, _) => done,
        }
    }

    /// Whether it never arrives.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.done.iter().any(|done| matches!(done, Done::Deed(Deed::Lost | Deed::QueueFull)))
    }

    /// How much later it leaves the cable than it came.
    #[must_use]
    pub fn delay(&self) -> Duration {
        let delay = self.done.iter().find_map(|done| match done {
            Done::Deed(Deed::Late(delay)) => Some(*delay),
            _ => None,
        });
        delay.unwrap_or_default()
    }

    /// How many later ones it lets pass.
    #[must_use]
    pub fn held_for(&self) -> u32 {
        let held = self.done.iter().find_map(|done| match done {
            Done::Deed(Deed::Held(later)) => Some(*later),
            _ => None,
        });
        held.unwrap_or_default()
    }

    /// Whether it arrives twice.
    #[must_use]
    pub fn is_doubled(&self) -> bool {
        self.done.contains(&Done::Deed(Deed::Twice))
    }
}

/// Clients in the order of their first word, then servers.
fn actors(record: &Record) -> Vec<String> {
    let clients = record.flows.iter().map(|flow| &flow.client_name);
    let servers = record.flows.iter().map(|flow| &flow.server_name);
    let mut names: Vec<String> = Vec::new();
    for name in clients.chain(servers) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}
