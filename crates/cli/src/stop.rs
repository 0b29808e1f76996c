//! SIGINT and SIGTERM stop a server in order.
//!
//! A server spends its life blocked in accept(2) or recvfrom(2), so nothing returns for it to look
//! at a flag. A thread of its own waits for the signals instead, says what is dropped, and ends the
//! process with exit code 0.
//!
//! ```text
//! SIGINT ──▶ ╳ blocked in every thread that serves: no call of theirs ever fails with EINTR
//!        ──▶ sigwait(3) in a thread that does nothing else ──▶ dropped: …, cleanup, exit 0
//! ```
//!
//! A handler instead of sigwait would run in whichever thread the system picks, and a read with a
//! timeout that it meets is not restarted (signal(7)): the server would report an error where it
//! was asked to stop.
//!
//! A server whose conversations are short lets them end first ([`Stop::server_that_finishes`]).
//!
//! Most clients need none of this: the system's own way to end them on Ctrl-C is exit code 130. One
//! that must clean up says so ([`Stop::client`]), and ends with the same code.

use std::fmt::Display;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

/// Stops a server on SIGINT or SIGTERM. See signal(7).
///
/// ```text
/// let stop = Stop::server()?;
/// let _in_hand = stop.in_hand(format_args!("the conversation with {peer}"));
/// ```
#[derive(Clone, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

/// Names what the server is doing, until it is dropped.
pub struct InHand {
    shared: Arc<Shared>,
    id: u64,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something is no longer in hand.
    finished: Condvar,
}

#[derive(Default)]
struct State {
    in_hand: Vec<(u64, String)>,
    next_id: u64,
    stopping: bool,
    told: Option<Box<dyn FnOnce() + Send>>,
    cleanup: Option<Box<dyn FnOnce() + Send>>,
}

/// How a program ends that was told to.
#[derive(Clone, Copy)]
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing is waited for there"))]
enum Manner {
    /// After what is in hand, if that takes no longer than this; with 0.
    Server(Duration),
    /// At once, with 130 or 143, as if the signal had ended it.
    Client,
}

impl Stop {
    /// From here on, SIGINT and SIGTERM end the process with exit code 0, after a line on stderr
    /// for everything that is [in hand](Self::in_hand). A second signal ends it at once.
    ///
    /// Call it before any thread is started: threads inherit which signals are blocked.
    ///
    /// # Errors
    /// When the system does not let the signals be blocked.
    pub fn server() -> anyhow::Result<Self> {
        Self::server_that_finishes(Duration::ZERO)
    }

    /// The same, but what is in hand may end first, for as long as `grace`. Begin nothing new once
    /// it [`is_stopping`](Self::is_stopping).
    ///
    /// # Errors
    /// When the system does not let the signals be blocked.
    pub fn server_that_finishes(grace: Duration) -> anyhow::Result<Self> {
        Self::watched(Manner::Server(grace))
    }

    /// For a client that must not go without its [`cleanup`](Self::cleanup): after that, SIGINT ends
    /// it with 130 and SIGTERM with 143, as a shell reports a program that the signal itself ended.
    ///
    /// # Errors
    /// When the system does not let the signals be blocked.
    pub fn client() -> anyhow::Result<Self> {
        Self::watched(Manner::Client)
    }

    /// Whether the program was told to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        lock(&self.shared.state).stopping
    }

    #[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "there is nothing to block"))]
    fn watched(manner: Manner) -> anyhow::Result<Self> {
        let stop = Self::default();
        #[cfg(unix)]
        stop.clone().watch(manner)?;
        #[cfg(not(unix))]
        let _ = manner;
        Ok(stop)
    }

    /// Says what would be dropped if the server stopped now.
    #[must_use = "it counts only as long as it is held"]
    pub fn in_hand(&self, what: impl Display) -> InHand {
        let mut state = lock(&self.shared.state);
        let id = state.next_id;
        state.next_id += 1;
        state.in_hand.push((id, what.to_string()));
        InHand { shared: Arc::clone(&self.shared), id }
    }

    /// What is to be done as soon as the program is told to end, before anything is waited for: wake
    /// a loop that sleeps, say.
    pub fn when_told(&self, told: impl FnOnce() + Send + 'static) {
        lock(&self.shared.state).told = Some(Box::new(told));
    }

    /// What must be done before the process ends, whatever happens: remove a file, say.
    pub fn cleanup(&self, cleanup: impl FnOnce() + Send + 'static) {
        lock(&self.shared.state).cleanup = Some(Box::new(cleanup));
    }

    #[cfg(unix)]
    fn watch(self, manner: Manner) -> anyhow::Result<()> {
        use anyhow::Context;
        use nix::sys::signal::{SigSet, Signal};

        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block().context("cannot block SIGINT and SIGTERM")?;
        std::thread::spawn(move || {
            if let Ok(first) = signals.wait() {
                std::thread::spawn(move || self.end(first, manner));
            }
            // A second signal meets the system's default in this thread, and that ends the process
            // at once: without the cleanup and the flushing that the first end may hang in.
            let _ = signals.thread_unblock();
            loop {
                std::thread::park();
            }
        });
        Ok(())
    }

    #[cfg(unix)]
    fn end(&self, signal: nix::sys::signal::Signal, manner: Manner) -> ! {
        let mut state = lock(&self.shared.state);
        state.stopping = true;
        if let Some(told) = state.told.take() {
            told();
        }
        let code = match manner {
            Manner::Server(grace) => {
                crate::note!("stopped by {}", signal.as_str());
                state = self.wait_for_the_end(state, grace);
                0
            }
            // 128 and the signal's number.
            Manner::Client => 128 + signal as i32,
        };
        let (in_hand, cleanup) = (std::mem::take(&mut state.in_hand), state.cleanup.take());
        drop(state);
        for (_, what) in in_hand {
            crate::note!("dropped: {what}");
        }
        if let Some(cleanup) = cleanup {
            cleanup();
        }
        if let Manner::Client = manner {
            clear_line();
        }
        std::process::exit(code)
    }

    #[cfg(unix)]
    fn wait_for_the_end<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        grace: Duration,
    ) -> MutexGuard<'a, State> {
        let until = Instant::now() + grace;
        if !grace.is_zero() && !state.in_hand.is_empty() {
            let count = crate::count(state.in_hand.len(), "conversation");
            crate::note!("{count} may still finish; a second signal stops at once");
        }
        while !state.in_hand.is_empty() && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            let waited = self.shared.finished.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

/// A progress bar may stand there, and the shell's next prompt would follow it on the same line.
#[cfg(unix)]
fn clear_line() {
    use std::io::{IsTerminal, Write, stderr};

    if stderr().is_terminal() {
        // To the first column, and erase the line (ECMA-48).
        let _ = stderr().write_all(b"\r\x1b[2K");
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        lock(&self.shared.state).in_hand.retain(|(id, _)| *id != self.id);
        self.shared.finished.notify_all();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // The list is whole after every statement that holds the lock, so a panic elsewhere is no
    // reason to stop stopping.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
