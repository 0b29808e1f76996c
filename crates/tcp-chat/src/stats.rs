//! What is counted, and why people go.

use std::fmt;

use serde_json::{Value, json};

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// They closed it, or their end of it.
    Closed,
    /// `/quit`.
    Quit,
    /// The operator's `/kick`.
    Kicked,
    /// More waited for them than may wait.
    TooSlow,
    /// They said too much for too long.
    Flooding,
    /// They said nothing for too long.
    Idle,
    /// They said no name in time.
    NoName,
    /// Their system has not answered for too long.
    TimedOut,
    /// Their system knows nothing of the connection, or they wanted it dead.
    Reset,
    /// The server is stopping.
    Stopping,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Closed,
        Self::Quit,
        Self::Kicked,
        Self::TooSlow,
        Self::Flooding,
        Self::Idle,
        Self::NoName,
        Self::TimedOut,
        Self::Reset,
        Self::Stopping,
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Quit => "quit",
            Self::Kicked => "kicked",
            Self::TooSlow => "too slow",
            Self::Flooding => "flooding",
            Self::Idle => "idle",
            Self::NoName => "no name",
            Self::TimedOut => "timed out",
            Self::Reset => "reset",
            Self::Stopping => "the server is stopping",
        })
    }
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections at the moment.
    pub connections: u64,
    /// The most there were at once.
    pub connections_max: u64,
    /// How many there were in all.
    pub accepted: u64,
    /// Connections turned away: the house was full.
    pub refused_full: u64,
    /// Connections turned away: too many from their address.
    pub refused_address: u64,
    /// How often accept(2) failed for want of descriptors or memory.
    pub accept_failed: u64,
    /// Lines that came.
    pub lines_in: u64,
    /// Lines that were delivered, one to a thousand listeners counted a thousand times.
    pub lines_out: u64,
    /// Bytes that came.
    pub bytes_in: u64,
    /// Bytes that were delivered.
    pub bytes_out: u64,
    /// System calls that wrote to clients.
    pub writes: u64,
    /// System calls that read from them.
    pub reads: u64,
    /// Lines that came and were longer than a line may be.
    pub too_long: u64,
    /// Lines that came and were not UTF-8.
    pub not_utf8: u64,
    /// How often somebody was told that they say too much.
    pub throttled: u64,
    /// Lines that slow readers lost (`--slow drop`).
    pub dropped: u64,
    /// Lines that still waited for connections when these ended.
    pub undelivered: u64,
    /// The most bytes that waited for one reader who did not read.
    pub queue_max: u64,
    /// The most bytes that the log held for all of them.
    pub log_max: u64,
    /// Ends, by [`Reason::ALL`].
    ended: [u64; Reason::ALL.len()],
}

impl Stats {
    /// Counts an end.
    pub fn end(&mut self, reason: Reason) {
        for (count, each) in self.ended.iter_mut().zip(Reason::ALL) {
            *count += u64::from(each == reason);
        }
    }

    /// How often it ended so.
    #[must_use]
    pub fn ended(&self, reason: Reason) -> u64 {
        self.ends().find(|(each, _)| *each == reason).map_or(0, |(_, count)| count)
    }

    /// One object for a program.
    #[must_use]
    pub fn json(&self) -> Value {
        let ended: serde_json::Map<_, _> =
            self.ends().map(|(reason, count)| (reason.to_string(), json!(count))).collect();
        json!({
            "connections": self.connections,
            "connections_max": self.connections_max,
            "accepted": self.accepted,
            "refused_full": self.refused_full,
            "refused_address": self.refused_address,
            "accept_failed": self.accept_failed,
            "lines_in": self.lines_in,
            "lines_out": self.lines_out,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "writes": self.writes,
            "reads": self.reads,
            "too_long": self.too_long,
            "not_utf8": self.not_utf8,
            "throttled": self.throttled,
            "dropped": self.dropped,
            "undelivered": self.undelivered,
            "queue_max": self.queue_max,
            "log_max": self.log_max,
            "ended": ended,
        })
    }

    fn ends(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.ended)
    }
}

impl fmt::Display for Stats {
    /// Lines for a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, connections_max, accepted, .. } = self;
        writeln!(
            f,
            "connections: {connections} now, {connections_max} at most, {accepted} in all"
        )?;
        let Self { refused_full, refused_address, accept_failed, .. } = self;
        writeln!(
            f,
            "refused: {refused_full} full, {refused_address} too many from one address; \
             accept failed {accept_failed} times"
        )?;
        let Self { lines_in, lines_out, bytes_in, bytes_out, reads, writes, .. } = self;
        writeln!(f, "in: {lines_in} lines, {bytes_in} bytes, {reads} reads")?;
        writeln!(f, "out: {lines_out} lines, {bytes_out} bytes, {writes} writes")?;
        let Self { too_long, not_utf8, throttled, .. } = self;
        writeln!(
            f,
            "bad lines: {too_long} too long, {not_utf8} not UTF-8; throttled {throttled} times"
        )?;
        let Self { queue_max, log_max, dropped, undelivered, .. } = self;
        writeln!(
            f,
            "queues: {queue_max} bytes at most for one, {log_max} for all; \
             {dropped} lines dropped, {undelivered} undelivered"
        )?;
        f.write_str("ended:")?;
        let mut between = " ";
        for (reason, count) in self.ends().filter(|(_, count)| *count > 0) {
            write!(f, "{between}{count} {reason}")?;
            between = ", ";
        }
        if between == " " {
            f.write_str(" none")?;
        }
        Ok(())
    }
}
