//! What was measured, for a person or as JSON.

use std::time::Duration;

use anyhow::Context;
use cli::{note, say};
use hdrhistogram::Histogram;
use serde_json::json;

/// What was measured.
#[derive(Debug)]
pub struct Report {
    /// Questions sent.
    pub asked: u64,
    /// Questions answered rightly, in time.
    pub answered: u64,
    /// Questions without an answer.
    pub lost: u64,
    /// Answers that came twice, or after they were given up.
    pub strays: u64,
    /// Answers that were not what was asked.
    pub wrong: u64,
    /// From the beginning to the last answer.
    pub elapsed: Duration,
    latencies: Histogram<u64>,
}

/// Latencies in nanoseconds, up to a minute, with three digits. That takes half a megabyte,
/// however many are recorded.
const LATENCY_MAX: u64 = 60_000_000_000;

impl Report {
    /// Nothing yet.
    ///
    /// # Errors
    /// Never: the bounds are right.
    pub fn new() -> anyhow::Result<Self> {
        let latencies = Histogram::new_with_bounds(1, LATENCY_MAX, 3).context("no histogram")?;
        Ok(Self {
            asked: 0,
            answered: 0,
            lost: 0,
            strays: 0,
            wrong: 0,
            elapsed: Duration::ZERO,
            latencies,
        })
    }

    /// An answer that took so long has come `now`.
    pub fn answer(&mut self, latency: Duration, now: Duration) {
        self.answered += 1;
        self.elapsed = now;
        self.latencies.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Answers per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate has not so many digits")]
        let answered = self.answered as f64;
        if self.elapsed.is_zero() { 0.0 } else { answered / self.elapsed.as_secs_f64() }
    }

    /// A line for the time in which it runs.
    #[must_use]
    pub fn in_short(&self, now: Duration) -> String {
        format!("{} s  {:.0}/s  lost {}", now.as_secs(), self.rate(), self.lost)
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
        say!("asked {}, answered {}, lost {}", self.asked, self.answered, self.lost)?;
        say!("{:.0} replies/s over {:.2} s", self.rate(), self.elapsed.as_secs_f64())?;
        if self.answered > 0 {
            say!(
                "latency: min {}, p50 {}, p99 {}, p99.9 {}, max {}",
                shown(self.latencies.min()),
                shown(self.quantile(0.5)),
                shown(self.quantile(0.99)),
                shown(self.quantile(0.999)),
                shown(self.latencies.max())
            )?;
        }
        if self.strays > 0 {
            note!("{} answers came twice, or too late", self.strays);
        }
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "asked": self.asked,
            "answered": self.answered,
            "lost": self.lost,
            "strays": self.strays,
            "wrong": self.wrong,
            "seconds": self.elapsed.as_secs_f64(),
            "replies_per_second": self.rate(),
            "latency_ns": {
                "min": self.latencies.min(),
                "p50": self.quantile(0.5),
                "p99": self.quantile(0.99),
                "p99.9": self.quantile(0.999),
                "max": self.latencies.max(),
            },
        })
    }

    fn quantile(&self, quantile: f64) -> u64 {
        self.latencies.value_at_quantile(quantile)
    }
}

/// Nanoseconds in a unit that a person reads.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
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
        let mut report = Report::new().unwrap();
        for n in 1..=1000 {
            report.answer(Duration::from_micros(n), Duration::from_secs(2));
        }
        let json = report.json();
        let micros = |name: &str| json["latency_ns"][name].as_u64().unwrap() / 1000;
        assert_eq!(["min", "p50", "p99", "p99.9"].map(micros), [1, 500, 990, 999]);
        assert_eq!(json["replies_per_second"].as_f64(), Some(500.0));
    }

    #[test]
    fn a_latency_without_end_is_recorded_as_a_minute() {
        let mut report = Report::new().unwrap();
        report.answer(Duration::MAX, Duration::from_secs(1));
        assert_eq!(shown(report.quantile(0.5) / 1_000_000_000 * 1_000_000_000), "60.00 s");
    }

    #[test]
    fn nothing_answered_is_no_rate() {
        let report = Report::new().unwrap();
        assert_eq!(report.rate().to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn a_time_has_a_unit_that_a_person_reads() {
        for (nanos, want) in [(950, "0.9 µs"), (12_345, "12.3 µs"), (1_500_000, "1.50 ms")] {
            assert_eq!(shown(nanos), want);
        }
    }
}
