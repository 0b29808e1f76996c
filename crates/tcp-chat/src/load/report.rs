//! What was measured, for a person or as JSON.

use std::time::Duration;

use anyhow::Context;
use cli::{count, note, say};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::cost::Cost;

/// What was measured.
#[derive(Debug)]
pub struct Report {
    /// What was played.
    pub scenario: &'static str,
    /// Connections that were in when the talk began.
    pub connections: usize,
    /// From the first connection until all were in.
    pub gathering: Duration,
    /// How long each needed to get in.
    pub logins: Latencies,
    /// Those that could not get in, and why the last one could not.
    pub refused: usize,
    /// Why the last one could not, or was closed.
    pub why: Option<String>,
    /// Visitors who came, spoke and left.
    pub visits: u64,
    /// In this time.
    pub visiting: Duration,
    /// Lines said.
    pub said: u64,
    /// Lines heard, once by each.
    pub received: u64,
    /// Lines that should have been heard.
    pub expected: u64,
    /// Lines that were heard again.
    pub repeated: u64,
    /// Lines that were heard otherwise than they were said.
    pub altered: u64,
    /// Connections that the server closed.
    pub closed: usize,
    /// From the first line's due time to the last that was heard.
    pub talking: Duration,
    /// From a line's due time until one listener had it.
    pub to_one: Latencies,
    /// And until all had it.
    pub to_all: Latencies,
    /// Readers who read nothing, and how many of these the server closed.
    pub slow: Option<(usize, usize)>,
    /// What came before the talk: nobody spoke (hold), or people came and went (churn).
    pub idling: Option<Phase>,
    /// The server before anybody came.
    pub before: Option<Cost>,
    /// The server when all were in.
    pub gathered: Option<Cost>,
    /// The talk.
    pub talk: Phase,
    /// How much of the talk the load itself had something to do.
    pub busy: f64,
}

/// A stretch of the run, and what it cost the server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Phase {
    /// How long it was.
    pub length: Duration,
    /// The server at its begin and end.
    pub server: Option<(Cost, Cost)>,
    /// Processor time of the load.
    pub own_cpu: Duration,
}

/// How long many things took.
#[derive(Debug)]
pub struct Latencies(Histogram<u64>);

/// In nanoseconds, up to a minute, with three digits. That takes half a megabyte, however many are
/// recorded.
const LATENCY_MAX: u64 = 60_000_000_000;

impl Latencies {
    /// Nothing yet.
    ///
    /// # Errors
    /// Never: the bounds are right.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LATENCY_MAX, 3).context("no histogram")?))
    }

    /// Something took so long.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    fn quantile(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    fn line(&self) -> String {
        format!(
            "p50 {}, p99 {}, p99.9 {}, max {}",
            shown(self.quantile(0.5)),
            shown(self.quantile(0.99)),
            shown(self.quantile(0.999)),
            shown(self.0.max())
        )
    }
}

impl Phase {
    /// What the server used of the processor, in seconds.
    #[must_use]
    pub fn server_cpu(&self) -> Option<f64> {
        let (begin, end) = self.server?;
        Some(end.cpu.saturating_sub(begin.cpu).as_secs_f64())
    }

    fn share(&self, seconds: f64) -> f64 {
        if self.length.is_zero() { 0.0 } else { 100.0 * seconds / self.length.as_secs_f64() }
    }
}

impl Report {
    /// Nothing yet.
    ///
    /// # Errors
    /// Never.
    pub fn new(scenario: &'static str) -> anyhow::Result<Self> {
        Ok(Self {
            scenario,
            connections: 0,
            gathering: Duration::ZERO,
            logins: Latencies::new()?,
            refused: 0,
            why: None,
            visits: 0,
            visiting: Duration::ZERO,
            said: 0,
            received: 0,
            expected: 0,
            repeated: 0,
            altered: 0,
            closed: 0,
            talking: Duration::ZERO,
            to_one: Latencies::new()?,
            to_all: Latencies::new()?,
            slow: None,
            idling: None,
            before: None,
            gathered: None,
            talk: Phase::default(),
            busy: 0.0,
        })
    }

    /// Received ÷ expected; 1 when nothing was expected.
    #[must_use]
    pub fn reach(&self) -> f64 {
        if self.expected == 0 { 1.0 } else { self.received as f64 / self.expected as f64 }
    }

    /// Lines heard per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.talking.is_zero() { 0.0 } else { self.received as f64 / self.talking.as_secs_f64() }
    }

    /// Lines heard for a second of the server's processor time. Of less than a tenth of a second,
    /// which the system counts in hundredths, nothing is said.
    fn per_cpu_second(&self) -> Option<f64> {
        let cpu = self.talk.server_cpu().filter(|cpu| *cpu >= 0.1)?;
        Some(self.received as f64 / cpu)
    }

    /// The server's memory for a connection, in bytes.
    fn memory_each(&self) -> Option<f64> {
        let (before, gathered) = (self.before?, self.gathered?);
        let grown = gathered.memory.saturating_sub(before.memory) * 1024;
        (self.connections > 0).then(|| grown as f64 / self.connections as f64)
    }

    /// Shows it.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn show(&self, as_json: bool) -> anyhow::Result<()> {
        if as_json {
            say!("{}", self.json())?;
            return Ok(());
        }
        self.show_gathering()?;
        if self.said > 0 {
            self.show_talk()?;
        }
        self.show_server()?;
        let own = self.talk.own_cpu.as_secs_f64();
        say!("load: {own:.2} CPU s, busy {:.0} % of the time", 100.0 * self.busy)?;
        if self.busy > 0.95 {
            note!("the load itself had no time left: rates and latencies may be its own");
        }
        Ok(())
    }

    fn show_gathering(&self) -> anyhow::Result<()> {
        say!(
            "{}: {} in after {:.2} s",
            self.scenario,
            count(self.connections, "connection"),
            self.gathering.as_secs_f64()
        )?;
        say!("logging in: {}", self.logins.line())?;
        if self.visits > 0 {
            let seconds = self.visiting.as_secs_f64();
            say!("visits: {}, {:.0} a second", self.visits, self.visits as f64 / seconds)?;
        }
        if self.refused > 0 {
            say!("could not get in: {}", self.refused)?;
        }
        if let Some((slow, closed)) = self.slow {
            say!("slow readers: {slow}, of whom the server closed {closed}")?;
        }
        if let Some(why) = &self.why {
            note!("the last that was closed: {why}");
        }
        Ok(())
    }

    fn show_talk(&self) -> anyhow::Result<()> {
        say!(
            "said {}, heard {} of {}: reach {:.6}",
            self.said,
            self.received,
            self.expected,
            self.reach()
        )?;
        say!("{:.0} deliveries/s over {:.2} s", self.rate(), self.talking.as_secs_f64())?;
        say!("until one has it: {}", self.to_one.line())?;
        say!("until all have it: {}", self.to_all.line())?;
        if self.closed > 0 {
            say!("closed by the server: {}", count(self.closed, "connection"))?;
        }
        if self.repeated > 0 {
            say!("heard again: {}", self.repeated)?;
        }
        Ok(())
    }

    fn show_server(&self) -> anyhow::Result<()> {
        if let Some((phase, cpu)) = self.idling.as_ref().and_then(|p| Some((p, p.server_cpu()?))) {
            let (seconds, share) = (phase.length.as_secs_f64(), phase.share(cpu));
            say!("server, before the last line: {cpu:.2} CPU s in {seconds:.1} s ({share:.1} %)")?;
        }
        if let Some(cpu) = self.talk.server_cpu() {
            let share = self.talk.share(cpu);
            match self.per_cpu_second() {
                Some(each) => {
                    say!("server: {cpu:.2} CPU s ({share:.0} %), {each:.0} deliveries per CPU s")?;
                }
                None => say!("server: {cpu:.2} CPU s ({share:.0} %)")?,
            }
        }
        if let (Some(gathered), Some(each)) = (self.gathered, self.memory_each()) {
            let peak = self.talk.server.map_or(gathered.peak, |(_, end)| end.peak);
            say!(
                "server's memory: {:.1} MiB, {:.1} KiB for each connection, at most {:.1} MiB",
                gathered.memory as f64 / 1024.0,
                each / 1024.0,
                peak as f64 / 1024.0
            )?;
        }
        Ok(())
    }

    /// Flat, and each name once, so that it can be read without a JSON library.
    fn json(&self) -> Value {
        let mut json = json!({
            "scenario": self.scenario,
            "connections": self.connections,
            "gathering_seconds": self.gathering.as_secs_f64(),
            "refused": self.refused,
            "visits": self.visits,
            "visiting_seconds": self.visiting.as_secs_f64(),
            "said": self.said,
            "received": self.received,
            "expected": self.expected,
            "reach": self.reach(),
            "repeated": self.repeated,
            "altered": self.altered,
            "closed": self.closed,
            "talking_seconds": self.talking.as_secs_f64(),
            "deliveries_per_second": self.rate(),
            "deliveries_per_cpu_second": self.per_cpu_second(),
            "slow_readers": self.slow.map(|(slow, _)| slow),
            "slow_readers_closed": self.slow.map(|(_, closed)| closed),
            "idle_seconds": self.idling.map(|phase| phase.length.as_secs_f64()),
            "idle_cpu_seconds": self.idling.and_then(|phase| phase.server_cpu()),
            "server_cpu_seconds": self.talk.server_cpu(),
            "server_memory_bytes": self.gathered.map(|cost| cost.memory * 1024),
            "server_memory_each": self.memory_each(),
            "server_memory_peak": self.talk.server.map(|(_, end)| end.peak * 1024),
            "load_cpu_seconds": self.talk.own_cpu.as_secs_f64(),
            "load_busy": self.busy,
        });
        let all = [("login", &self.logins), ("one", &self.to_one), ("all", &self.to_all)];
        for (name, latencies) in all {
            for (quantile, at) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
                json[format!("{name}_{quantile}_ns")] = latencies.quantile(at).into();
            }
        }
        json
    }
}

/// Nanoseconds in a unit that a person reads.
fn shown(nanos: u64) -> String {
    match nanos {
        0..=999_999 => format!("{:.1} µs", nanos as f64 / 1e3),
        1_000_000..=999_999_999 => format!("{:.2} ms", nanos as f64 / 1e6),
        _ => format!("{:.2} s", nanos as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut report = Report::new("fan-out").unwrap();
        for n in 1..=1000 {
            report.to_one.record(Duration::from_micros(n));
        }
        let json = report.json();
        let micros = |name: &str| json[name].as_u64().unwrap() / 1000;
        let got = ["one_p50_ns", "one_p99_ns", "one_p99.9_ns"].map(micros);
        assert_eq!(got, [500, 990, 999]);
        assert_eq!(json["deliveries_per_cpu_second"], Value::Null);
    }

    #[test]
    fn what_a_server_costs_is_what_it_has_grown() {
        let mut report = Report::new("fan-out").unwrap();
        let cost = |cpu, memory| Cost { cpu: Duration::from_millis(cpu), memory, peak: memory };
        (report.before, report.gathered) = (Some(cost(10, 1000)), Some(cost(20, 3000)));
        report.connections = 1000;
        report.talk.server = Some((cost(20, 3000), cost(520, 5000)));
        report.received = 1_000_000;
        let json = report.json();
        assert_eq!(json["server_memory_each"].as_f64(), Some(2048.0));
        assert_eq!(json["deliveries_per_cpu_second"].as_f64(), Some(2_000_000.0));
        assert_eq!(json["server_memory_peak"].as_u64(), Some(5000 * 1024));
    }

    #[test]
    fn reach_is_what_was_heard_of_what_was_to_be_heard() {
        let mut report = Report::new("fan-out").unwrap();
        assert_eq!(report.reach().to_bits(), 1.0_f64.to_bits());
        (report.received, report.expected) = (3, 4);
        assert_eq!(report.reach().to_bits(), 0.75_f64.to_bits());
    }

    #[test]
    fn a_time_has_a_unit_that_a_person_reads() {
        for (nanos, want) in [(950, "0.9 µs"), (12_345, "12.3 µs"), (1_500_000, "1.50 ms")] {
            assert_eq!(shown(nanos), want);
        }
    }
}
