//! What `ping` says at its end, to a person and to a program. No socket, no clock.

use std::fmt;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::pinger::Tally;

/// The counts of one run, with what only the driver knows.
pub struct Summary<'a> {
    /// Whom it was sent to.
    pub server: SocketAddr,
    /// How often the system said that the datagram cannot be delivered.
    pub refused: u64,
    /// All else.
    pub tally: &'a Tally,
}

// ANCHOR: summary
impl fmt::Display for Summary<'_> {
    /// As ping(8) does it, with a line more: here a ping may be several datagrams.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { pings, answered, lost, sent, returned, .. } = self.tally;
        let Tally { duplicates, reordered, late, strange, .. } = self.tally;
        let waiting = pings - answered - lost;
        writeln!(f, "--- {} ping statistics ---", self.server)?;
        write!(f, "{}: {answered} answered, {lost} lost", count(u64::from(*pings), "ping"))?;
        if waiting > 0 {
            write!(f, ", {waiting} still waiting")?;
        }
        let gone = sent - returned;
        let datagrams = count(*sent, "datagram");
        write!(f, "\n{datagrams} sent: {returned} came back, {gone} did not")?;
        write!(f, " ({}% loss)", percent(gone, *sent))?;
        write!(
            f,
            "\n{duplicates} twice, {reordered} out of order, {late} late, {strange} strange"
        )?;
        if self.refused > 0 {
            write!(f, ", {} refused", self.refused)?;
        }
        if !self.tally.round_trips.is_empty() {
            let [min, median, p99, max] = self.round_trips().map(millis);
            write!(f, "\nround trip min/median/p99/max = {min}/{median}/{p99}/{max} ms")?;
        }
        Ok(())
    }
}
// ANCHOR_END: summary

impl Summary<'_> {
    /// The same as one JSON object. Times are in whole nanoseconds, and null when nothing came.
    #[must_use]
    pub fn json(&self) -> Value {
        let tally = self.tally;
        let [min, median, p99, max] = self.round_trips();
        let times = json!({ "min": min, "median": median, "p99": p99, "max": max });
        json!({
            "server": self.server.to_string(),
            "pings": tally.pings,
            "answered": tally.answered,
            "lost": tally.lost,
            "sent": tally.sent,
            "returned": tally.returned,
            "duplicates": tally.duplicates,
            "reordered": tally.reordered,
            "late": tally.late,
            "strange": tally.strange,
            "refused": self.refused,
            "round_trip_ns": if tally.round_trips.is_empty() { Value::Null } else { times },
        })
    }

    /// Minimum, median, 99th percentile and maximum in nanoseconds.
    fn round_trips(&self) -> [u64; 4] {
        let times = &self.tally.round_trips;
        [times.min(), times.value_at_quantile(0.5), times.value_at_quantile(0.99), times.max()]
    }
}

/// As [`cli::count`], for numbers that need not fit in memory.
fn count(number: u64, noun: &str) -> String {
    cli::count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

/// Whole percent of `all`, a half and more rounded up.
fn percent(part: u64, all: u64) -> u64 {
    (part * 100 + all / 2).checked_div(all).unwrap_or_default()
}

/// Nanoseconds as milliseconds with three digits, as ping(8) shows them.
pub(super) fn millis(nanos: u64) -> String {
    let micros = nanos.saturating_add(500) / 1000;
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_pings_and_datagrams() {
        let mut tally = Tally::new().unwrap();
        check(
            &tally,
            0,
            "
            --- 127.0.0.1:9 ping statistics ---
            0 pings: 0 answered, 0 lost
            0 datagrams sent: 0 came back, 0 did not (0% loss)
            0 twice, 0 out of order, 0 late, 0 strange",
        );
        (tally.pings, tally.answered, tally.lost, tally.sent, tally.returned) = (10, 8, 1, 13, 9);
        (tally.duplicates, tally.reordered, tally.late, tally.strange) = (2, 3, 1, 4);
        for nanos in [40_000, 50_000, 2_000_000] {
            tally.round_trips.record(nanos).unwrap();
        }
        check(
            &tally,
            5,
            "
            --- 127.0.0.1:9 ping statistics ---
            10 pings: 8 answered, 1 lost, 1 still waiting
            13 datagrams sent: 9 came back, 4 did not (31% loss)
            2 twice, 3 out of order, 1 late, 4 strange, 5 refused
            round trip min/median/p99/max = 0.040/0.050/2.001/2.001 ms",
        );
    }

    #[test]
    fn a_program_gets_the_same_numbers() {
        let mut tally = Tally::new().unwrap();
        let shown = |tally: &Tally| summary(tally, 5).json().to_string();
        assert!(shown(&tally).contains(r#""round_trip_ns":null"#), "{}", shown(&tally));
        tally.pings = 1;
        tally.round_trips.record(1000).unwrap();
        assert_eq!(
            shown(&tally),
            concat!(
                r#"{"answered":0,"duplicates":0,"late":0,"lost":0,"pings":1,"refused":5,"#,
                r#""reordered":0,"returned":0,"#,
                r#""round_trip_ns":{"max":1000,"median":1000,"min":1000,"p99":1000},"#,
                r#""sent":0,"server":"127.0.0.1:9","strange":0}"#
            )
        );
    }

    #[test]
    fn percent_and_milliseconds_are_rounded() {
        assert_eq!([percent(0, 0), percent(1, 3), percent(2, 3), percent(3, 3)], [0, 33, 67, 100]);
        assert_eq!(millis(499), "0.000");
        assert_eq!(millis(500), "0.001");
        assert_eq!(millis(1_234_567_890), "1234.568");
    }

    #[track_caller]
    fn check(tally: &Tally, refused: u64, want: &str) {
        let want: Vec<&str> = want.trim().lines().map(str::trim).collect();
        let got = summary(tally, refused).to_string();
        assert!(got == want.join("\n"), "\n{got}");
    }

    fn summary(tally: &Tally, refused: u64) -> Summary<'_> {
        // Port 9 is nobody's business here: it is only shown.
        Summary { server: ([127, 0, 0, 1], 9).into(), refused, tally }
    }
}
