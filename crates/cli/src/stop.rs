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
//! Clients need none of this: the system's own way to end them on Ctrl-C is exit code 130.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Stops a server on SIGINT or SIGTERM. See signal(7).
///
/// ```text
/// let stop = Stop::server()?;
/// let _in_hand = stop.in_hand(format_args!("the conversation with {peer}"));
/// ```
#[derive(Clone, Default)]
pub struct Stop {
    state: Arc<Mutex<State>>,
}

/// Names what the server is doing, until it is dropped.
pub struct InHand {
    state: Arc<Mutex<State>>,
    id: u64,
}

#[derive(Default)]
struct State {
    in_hand: Vec<(u64, String)>,
    next_id: u64,
    cleanup: Option<Box<dyn FnOnce() + Send>>,
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
        let stop = Self::default();
        #[cfg(unix)]
        stop.clone().watch()?;
        Ok(stop)
    }

    /// Says what would be dropped if the server stopped now.
    #[must_use = "it counts only as long as it is held"]
    pub fn in_hand(&self, what: impl Display) -> InHand {
        let mut state = lock(&self.state);
        let id = state.next_id;
        state.next_id += 1;
        state.in_hand.push((id, what.to_string()));
        InHand { state: Arc::clone(&self.state), id }
    }

    /// What must be done before the process ends, whatever happens: remove a file, say.
    pub fn cleanup(&self, cleanup: impl FnOnce() + Send + 'static) {
        lock(&self.state).cleanup = Some(Box::new(cleanup));
    }

    #[cfg(unix)]
    fn watch(self) -> anyhow::Result<()> {
        use anyhow::Context;
        use nix::sys::signal::{SigSet, Signal};

        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block().context("cannot block SIGINT and SIGTERM")?;
        std::thread::spawn(move || {
            if let Ok(first) = signals.wait() {
                std::thread::spawn(move || self.end(first.as_str()));
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
    fn end(&self, signal: &str) -> ! {
        let (in_hand, cleanup) = {
            let mut state = lock(&self.state);
            (std::mem::take(&mut state.in_hand), state.cleanup.take())
        };
        crate::note!("stopped by {signal}");
        for (_, what) in in_hand {
            crate::note!("dropped: {what}");
        }
        if let Some(cleanup) = cleanup {
            cleanup();
        }
        std::process::exit(0)
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        lock(&self.state).in_hand.retain(|(id, _)| *id != self.id);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // The list is whole after every statement that holds the lock, so a panic elsewhere is no
    // reason to stop stopping.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
