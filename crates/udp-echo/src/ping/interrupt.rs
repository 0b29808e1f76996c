//! Ctrl-C, noticed between two answers, so that the summary can still be shown.
//!
//! ```text
//! SIGINT ──▶ ╳ blocked: no call of the driver fails with EINTR
//!        ──▶ sigwait(3) in a thread that does nothing else ──▶ a flag ──▶ summary, exit 130
//! ```
//!
//! Most clients need none of this: the system's own way to end them is exit code 130 too.
//! Elsewhere than on Unix ping ends that way, without its summary.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether SIGINT came. See signal(7).
#[derive(Debug, Default)]
pub struct Interrupt {
    came: Arc<AtomicBool>,
}

impl Interrupt {
    /// From here on the first SIGINT is only noted. The second one ends the process.
    ///
    /// Call it before any thread is started: threads inherit which signals are blocked.
    ///
    /// # Errors
    /// When the system does not let the signal be blocked.
    pub fn watch() -> anyhow::Result<Self> {
        let came = Arc::new(AtomicBool::new(false));
        #[cfg(unix)]
        wait_for_sigint(Arc::clone(&came))?;
        Ok(Self { came })
    }

    /// Whether it came.
    #[must_use]
    pub fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }
}

#[cfg(unix)]
fn wait_for_sigint(came: Arc<AtomicBool>) -> anyhow::Result<()> {
    use anyhow::Context;
    use nix::sys::signal::{SigSet, Signal};

    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.thread_block().context("cannot block SIGINT")?;
    std::thread::spawn(move || {
        if signals.wait().is_ok() {
            came.store(true, Ordering::Relaxed);
        }
        // A second signal meets the system's default in this thread, and that ends the process.
        let _ = signals.thread_unblock();
        loop {
            std::thread::park();
        }
    });
    Ok(())
}
