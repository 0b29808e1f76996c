//! Calls that the system broke off, made again.
//!
//! ```text
//! read, with a timeout ── Ctrl-Z ── fg ──▶ EINTR: "Interrupted system call"
//!                      ╰─ made again ───▶ what came meanwhile
//! ```
//!
//! Linux breaks off a receive that has a timeout (SO_RCVTIMEO) when the program is stopped and
//! continued, although no handler ran, and SA_RESTART does not help (signal(7)). A receive that has
//! none goes on by itself. std's `read_exact`, `write_all` and their like call again; its `read`,
//! `recv` and `recv_from` say what the system said.

use std::io;

/// Makes the call again as long as it is broken off (EINTR). A timeout begins anew with each.
///
/// ```text
/// let len = uninterrupted(|| connection.read(&mut buffer))?;
/// ```
///
/// # Errors
/// Any other error of the call.
pub fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::ErrorKind::{Interrupted, WouldBlock};

    #[test]
    fn what_was_broken_off_is_done_again_and_nothing_else_is() {
        check(&[Ok(7)], Ok(7));
        check(&[Err(Interrupted), Err(Interrupted), Ok(7)], Ok(7));
        check(&[Err(Interrupted), Err(WouldBlock)], Err(WouldBlock));
        check(&[Err(WouldBlock)], Err(WouldBlock));
    }

    #[track_caller]
    fn check(outcomes: &[Result<u8, io::ErrorKind>], want: Result<u8, io::ErrorKind>) {
        let mut left = outcomes.iter();
        let got = uninterrupted(|| left.next().unwrap().map_err(io::Error::from));
        assert_eq!((got.map_err(|error| error.kind()), left.len()), (want, 0), "{outcomes:?}");
    }
}
