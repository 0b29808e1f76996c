//! Makes programs heed Ctrl-C, whoever started the runner. Has `unsafe`: what happens between
//! fork(2) and execve(2) must be async-signal-safe, and no wrapper can promise that.
//!
//! Two things pass through execve(2) that would make a program deaf. Signals that are *blocked*
//! stay blocked, and the runner blocks those that it waits for. Signals that are *ignored* stay
//! ignored, and a shell starts the background jobs of a script with SIGINT ignored. A client that
//! a transcript interrupts would go on for ever.

#![expect(unsafe_code, reason = "pre_exec and sigaction(2)")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Makes what `command` starts treat signals as if it had been started from a terminal.
pub fn heed_signals(command: &mut Command) {
    // SAFETY: `as_from_a_terminal` makes system calls only: sigaction(2) and pthread_sigmask(3)
    // are async-signal-safe (signal-safety(7)); nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(as_from_a_terminal) };
}

fn as_from_a_terminal() -> io::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: SIG_DFL runs no code of ours that could be unfit for a handler.
        unsafe { sigaction(signal, &default) }?;
    }
    SigSet::empty().thread_set_mask()?;
    Ok(())
}
