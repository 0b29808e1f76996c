//! stdout carries the conversation, stderr all else; a closed pipe is a normal end.
//!
//! `println!` panics when the reader of a pipe has gone (`server | head -1`), because Rust
//! programs start with SIGPIPE ignored and get `EPIPE` from write(2) instead. So programs here
//! write with [`say!`](crate::say), which hands the error back, and [`run`](crate::run) ends the
//! program with exit code 0 when it sees it.

use std::fmt;
use std::io::{self, Write};

/// Announces that a server can be reached: `listening on 127.0.0.1:40123`, the first line on
/// stdout, flushed. Whoever started the server may wait for exactly this line.
///
/// `address` is what `local_addr` says, not what was asked for: after a bind to port 0 only the
/// system knows which port it gave. For a Unix socket it is the path of its file.
///
/// # Errors
/// [`StdoutError`] when stdout cannot be written.
pub fn ready(address: impl fmt::Display) -> Result<(), StdoutError> {
    say_line(format_args!("listening on {address}"))
}

/// Writes one line of the conversation to stdout. Takes what `println!` takes; returns
/// `Result<(), StdoutError>`.
#[macro_export]
macro_rules! say {
    ($($format:tt)*) => { $crate::output::say_line(::std::format_args!($($format)*)) };
}

/// Writes one line about the program itself to stderr: what it can do, what it counted, what it
/// let pass. A stderr that cannot be written is nothing to fail for.
#[macro_export]
macro_rules! note {
    ($($format:tt)*) => { $crate::output::note_line(::std::format_args!($($format)*)) };
}

/// What [`say!`](crate::say) expands to.
///
/// # Errors
/// [`StdoutError`] when stdout cannot be written.
pub fn say_line(line: fmt::Arguments<'_>) -> Result<(), StdoutError> {
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(StdoutError)
}

/// What [`note!`](crate::note) expands to.
pub fn note_line(line: fmt::Arguments<'_>) {
    // Nowhere is left to report that reporting failed.
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// stdout could not be written. A type of its own, so that a pipe closed by the *reader of our
/// output* is never mistaken for a connection closed by a *peer*: both are `EPIPE`.
#[derive(Debug)]
pub struct StdoutError(io::Error);

impl StdoutError {
    /// Whether the reader of a pipe has gone, which is a normal end.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

impl fmt::Display for StdoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot write to stdout")
    }
}

impl std::error::Error for StdoutError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl From<io::Error> for StdoutError {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

/// `1 byte`, `2 bytes`: a count with its noun.
#[must_use]
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pipe_whose_reader_has_gone_is_a_normal_end() {
        for (kind, normal) in
            [(io::ErrorKind::BrokenPipe, true), (io::ErrorKind::StorageFull, false)]
        {
            assert_eq!(StdoutError::from(io::Error::from(kind)).is_closed_pipe(), normal);
        }
    }

    #[test]
    fn one_is_singular() {
        let counts = [0, 1, 2].map(|n| count(n, "byte"));
        assert_eq!(counts, ["0 bytes", "1 byte", "2 bytes"]);
    }
}
