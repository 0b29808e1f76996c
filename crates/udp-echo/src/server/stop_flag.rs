//! Stopping without a second thread.
//!
//! [`cli::Stop`] waits for signals in a thread of its own. A server that counts nanoseconds cannot
//! afford it: a program with a second thread pays for it in every system call (the C library and
//! the kernel then lock what nobody else could have touched before). Here a handler raises a flag,
//! and the loop looks at it: an interrupted receive is no error, it is the occasion to look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raised by SIGINT or SIGTERM, without a thread. Whoever looks at it must not wait for ever
/// elsewhere: a receive that has a timeout is interrupted by the signal (see signal(7)), and one
/// that began just after it ends with the timeout.
#[derive(Clone, Debug, Default)]
pub struct StopFlag {
    raised: Arc<AtomicBool>,
    #[cfg(unix)]
    signal: Arc<std::sync::atomic::AtomicUsize>,
}

impl StopFlag {
    /// From here on, the first SIGINT or SIGTERM raises the flag, and a second one ends the
    /// process at once.
    ///
    /// # Errors
    /// When the system lets no handler be installed.
    pub fn server() -> anyhow::Result<Self> {
        let flag = Self::default();
        #[cfg(unix)]
        flag.watch()?;
        Ok(flag)
    }

    /// Whether it is raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// Raises it, as a signal would.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    /// Says on stderr which signal has raised it.
    pub fn note(&self) {
        #[cfg(unix)]
        match self.signal.load(Ordering::Relaxed) {
            0 => {}
            2 => cli::note!("stopped by SIGINT"),
            _ => cli::note!("stopped by SIGTERM"),
        }
    }

    #[cfg(unix)]
    fn watch(&self) -> anyhow::Result<()> {
        use anyhow::Context;
        use signal_hook::consts::{SIGINT, SIGTERM};
        use signal_hook::flag;

        for (signal, number) in [(SIGINT, 2), (SIGTERM, 15)] {
            // The order counts: on the first signal, the flag is not yet raised when this looks.
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&self.raised))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&self.signal), number))
                .and_then(|_| flag::register(signal, Arc::clone(&self.raised)))
                .context("cannot watch for signals")?;
        }
        Ok(())
    }
}
