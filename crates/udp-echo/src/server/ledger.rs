//! What a server's thread writes down about its work, and what all of them did together.
//!
//! ```text
//!  thread 1 ── Ledger ──▶ Counters ──┐
//!  thread 2 ── Ledger ──▶ Counters ──┼──▶ Totals ──▶ "statistics: datagrams 12, …" on stderr
//! ```
//!
//! Every mode of the server passes what it receives through [`Ledger::received`], so that all of
//! them count, show and refuse alike.

use std::fmt;
use std::io::{
    self,
    ErrorKind::{Interrupted, TimedOut, WouldBlock},
};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use cli::{count, escape, note, say};

use super::stop_flag::StopFlag;

use super::policy;

/// The longest datagram that is shown; of a longer one, only its length.
const SHOWN_LEN_MAX: usize = 1024;

/// So many failed receives without a single good one between them are no longer news about
/// somebody's datagram: the socket itself is broken. A batch of answers that nobody wanted can
/// bring as many ICMP messages as it had datagrams.
const FAILURES_MAX: u32 = 1000;

/// One thread's numbers. Only that thread writes them, so counting needs no locked instruction;
/// the alignment keeps neighbours from sharing a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    datagrams: AtomicU64,
    bytes: AtomicU64,
    answered: AtomicU64,
    calls: AtomicU64,
    refused: AtomicU64,
    send_errors: AtomicU64,
    receive_errors: AtomicU64,
    kernel_drops: AtomicU64,
}

/// Where one thread of the server writes down what it does.
#[derive(Debug)]
pub struct Ledger {
    counters: Arc<Counters>,
    own: SocketAddr,
    quiet: bool,
    stop: StopFlag,
    failures: u32,
    told_send_error: bool,
}

impl Ledger {
    /// An empty one, for a server that is bound to `own` and ends when `stop` is raised. If
    /// `quiet`, datagrams are not shown.
    #[must_use]
    pub fn new(own: SocketAddr, quiet: bool, stop: StopFlag) -> Self {
        Self { counters: Arc::default(), own, quiet, stop, failures: 0, told_send_error: false }
    }

    /// Its numbers, for another thread to read.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// The address that the server is bound to.
    #[must_use]
    pub fn own(&self) -> SocketAddr {
        self.own
    }

    /// Whether the server has not been told to stop.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.stop.is_raised()
    }

    /// A system call is about to be made.
    pub fn call(&self) {
        add(&self.counters.calls, 1);
    }

    /// Counts and shows a datagram, and says whether it may be answered. `asked` is the address
    /// of ours to which it came, where that is known.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn received(
        &mut self,
        source: SocketAddr,
        asked: Option<IpAddr>,
        datagram: &[u8],
    ) -> anyhow::Result<bool> {
        self.received_run(source, asked, datagram, datagram.len())
    }

    /// The same for several datagrams of one sender, which stand in `run` one after another, each
    /// `stride` bytes long but for the last.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn received_run(
        &mut self,
        source: SocketAddr,
        asked: Option<IpAddr>,
        run: &[u8],
        stride: usize,
    ) -> anyhow::Result<bool> {
        let datagrams = datagrams_in(run.len(), stride);
        self.failures = 0;
        add(&self.counters.datagrams, datagrams);
        add(&self.counters.bytes, run.len() as u64);
        let own = asked.map_or(self.own, |ip| SocketAddr::new(ip, self.own.port()));
        let refusal = policy::refusal(source, own);
        if refusal.is_some() {
            add(&self.counters.refused, datagrams);
        }
        if !self.quiet {
            show(source, run, stride)?;
            if let Some(why) = refusal {
                note!("{source} gets no answer: {why}");
            }
        }
        Ok(refusal.is_none())
    }

    /// Makes the system call `send`, and once more if it fails: an error may be news of an older
    /// answer that nobody wanted, by ICMP. Being told clears it, so a second try is owed to
    /// this answer.
    ///
    /// # Errors
    /// That of the second try.
    pub fn try_twice<T>(&self, mut send: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        self.call();
        send().or_else(|_| {
            self.call();
            send()
        })
    }

    /// So many answers have left.
    pub fn sent(&self, answers: usize) {
        add(&self.counters.answered, answers as u64);
    }

    /// An answer could not be sent, and was given up.
    pub fn send_failed(&mut self, client: Option<SocketAddr>, error: &io::Error) {
        add(&self.counters.send_errors, 1);
        // Under load, one line says it; the statistics say how often.
        if !self.quiet || !self.told_send_error {
            self.told_send_error = true;
            let client = client.map_or_else(|| "somebody".to_owned(), |client| client.to_string());
            note!("cannot answer {client}: {}", cli::failure::describe(error));
        }
    }

    /// A receive failed. That is no reason to stop: what fails may be an answer of long ago, of
    /// which an ICMP message says now that nobody wanted it.
    ///
    /// # Errors
    /// The error itself, when nothing else has come for long.
    pub fn receive_failed(&mut self, error: io::Error) -> anyhow::Result<()> {
        // A signal, or nothing to do for a while: either way it is time to look up.
        if matches!(error.kind(), Interrupted | WouldBlock | TimedOut) {
            return Ok(());
        }
        add(&self.counters.receive_errors, 1);
        self.failures += 1;
        if self.failures >= FAILURES_MAX {
            return Err(error).context(format!("{FAILURES_MAX} receives in a row have failed"));
        }
        if !self.quiet {
            note!("a receive failed: {}", cli::failure::describe(&error));
        }
        Ok(())
    }

    /// The system has dropped so many datagrams more.
    pub fn kernel_dropped(&self, datagrams: u32) {
        if datagrams > 0 {
            add(&self.counters.kernel_drops, u64::from(datagrams));
        }
    }
}

/// What all threads have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Datagrams received.
    pub datagrams: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Answers sent.
    pub answered: u64,
    /// System calls made.
    pub calls: u64,
    /// Datagrams that got no answer, for what their sender's address is.
    pub refused: u64,
    /// Answers that the system did not take.
    pub send_errors: u64,
    /// Receives that failed.
    pub receive_errors: u64,
    /// Datagrams that the system dropped before we could take them; `None`: it was not asked.
    pub kernel_drops: Option<u64>,
}

impl Totals {
    /// The sum of `counters`. Kernel drops are known or not.
    #[must_use]
    pub fn of(counters: &[Arc<Counters>], knows_drops: bool) -> Self {
        let sum = |pick: fn(&Counters) -> &AtomicU64| {
            counters.iter().map(|one| pick(one).load(Ordering::Relaxed)).sum()
        };
        Self {
            datagrams: sum(|one| &one.datagrams),
            bytes: sum(|one| &one.bytes),
            answered: sum(|one| &one.answered),
            calls: sum(|one| &one.calls),
            refused: sum(|one| &one.refused),
            send_errors: sum(|one| &one.send_errors),
            receive_errors: sum(|one| &one.receive_errors),
            kernel_drops: knows_drops.then(|| sum(|one| &one.kernel_drops)),
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
        let per_call = self.datagrams as f64 / self.calls.max(1) as f64;
        write!(
            f,
            "datagrams {}, bytes {}, answered {}, system calls {}, datagrams per call {per_call:.2}, \
             refused {}, send errors {}, receive errors {}, kernel drops ",
            self.datagrams,
            self.bytes,
            self.answered,
            self.calls,
            self.refused,
            self.send_errors,
            self.receive_errors
        )?;
        match self.kernel_drops {
            Some(drops) => write!(f, "{drops}"),
            None => f.write_str("unknown"),
        }
    }
}

/// How many datagrams stand in `len` bytes, each `stride` long but for the last. An empty one is
/// one as well.
fn datagrams_in(len: usize, stride: usize) -> u64 {
    len.div_ceil(stride.max(1)).max(1) as u64
}

fn show(source: SocketAddr, run: &[u8], stride: usize) -> anyhow::Result<()> {
    if run.is_empty() {
        say!("{source} said: ")?;
    }
    for datagram in run.chunks(stride.max(1)) {
        match datagram.len() {
            0..=SHOWN_LEN_MAX => say!("{source} said: {}", escape(datagram))?,
            len => say!("{source} said: ({})", count(len, "byte"))?,
        }
    }
    Ok(())
}

fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_counts_for_the_datagrams_in_it() {
        for (len, stride, want) in
            [(0, 0, 1), (0, 8, 1), (1, 1, 1), (64, 64, 1), (128, 64, 2), (129, 64, 3), (1, 64, 1)]
        {
            assert_eq!(datagrams_in(len, stride), want, "{len} bytes by {stride}");
        }
    }

    #[test]
    fn what_is_refused_counts_as_received_and_not_as_answered() {
        let mut ledger = Ledger::new("127.0.0.1:8090".parse().unwrap(), true, StopFlag::default());
        assert!(ledger.received("127.0.0.1:5000".parse().unwrap(), None, b"hello").unwrap());
        ledger.sent(1);
        assert!(!ledger.received_run("127.0.0.1:7".parse().unwrap(), None, b"aabbc", 2).unwrap());
        let want = Totals {
            datagrams: 4,
            bytes: 10,
            answered: 1,
            refused: 3,
            kernel_drops: Some(0),
            ..Totals::default()
        };
        assert_eq!(Totals::of(&[ledger.counters()], true), want);
    }

    #[test]
    fn a_send_is_tried_twice_and_not_more() {
        let want: [&[Option<u8>]; 3] = [&[Some(1)], &[None, Some(2)], &[None, None]];
        for outcomes in want {
            let own = "127.0.0.1:8090".parse().unwrap();
            let ledger = Ledger::new(own, true, StopFlag::default());
            let mut left = outcomes.iter();
            let sent = ledger.try_twice(|| {
                left.next().unwrap().ok_or_else(|| io::Error::from(io::ErrorKind::HostUnreachable))
            });
            assert_eq!(sent.ok(), *outcomes.last().unwrap());
            let calls = Totals::of(&[ledger.counters()], false).calls;
            assert_eq!((calls, left.len()), (outcomes.len() as u64, 0));
        }
    }

    #[test]
    fn a_thousand_failures_in_a_row_end_the_server_and_fewer_do_not() {
        let mut ledger = Ledger::new("127.0.0.1:8090".parse().unwrap(), true, StopFlag::default());
        let fail = |ledger: &mut Ledger, times: u32| {
            (0..times)
                .all(|_| ledger.receive_failed(io::ErrorKind::ConnectionRefused.into()).is_ok())
        };
        assert!(fail(&mut ledger, FAILURES_MAX - 1));
        ledger.received("127.0.0.1:5000".parse().unwrap(), None, b"").unwrap();
        assert!(fail(&mut ledger, FAILURES_MAX - 1));
        assert!(ledger.receive_failed(Interrupted.into()).is_ok());
        assert!(!fail(&mut ledger, 1));
    }

    #[test]
    fn the_statistics_are_names_with_numbers() {
        let totals = Totals {
            datagrams: 3,
            bytes: 10,
            answered: 2,
            calls: 4,
            refused: 1,
            send_errors: 5,
            receive_errors: 6,
            kernel_drops: None,
        };
        assert_eq!(
            totals.to_string(),
            "datagrams 3, bytes 10, answered 2, system calls 4, datagrams per call 0.75, \
             refused 1, send errors 5, receive errors 6, kernel drops unknown"
        );
    }
}
