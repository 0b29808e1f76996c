//! Errors as a person reads them, and exit codes as a script reads them.
//!
//! ```text
//! error: cannot listen on 127.0.0.1:8898
//! caused by: Address already in use (EADDRINUSE, os error 98)
//! hint: another program has this port; stop it, or choose another with --bind
//! ```

use std::fmt;
use std::io;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use crate::output::StdoutError;

/// Runs a program: its errors go to stderr with causes and a hint, and become an exit code.
///
/// | exit code | when |
/// | --- | --- |
/// | 0 | `program` returned `Ok`, or the reader of stdout has gone |
/// | 1 | it failed |
/// | 2 | the command line was wrong (clap sees to that before `program` runs) |
/// | 3, 4 | as the error says by [`Advice::exit`], or an `io::Error` that timed out |
pub fn run(program: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
    match program() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_stdout(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(exit_of(&error) as u8)
        }
    }
}

/// Why a program ends, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It failed.
    Failed = 1,
    /// The command line was wrong.
    Usage = 2,
    /// The peer broke the protocol.
    Protocol = 3,
    /// What was waited for did not come in time.
    TimedOut = 4,
}

/// Adds to an error what its reader needs beside the cause.
pub trait Advice<T> {
    /// What to try, as one line. It replaces the hint that the cause itself would give.
    ///
    /// # Errors
    /// The error it was given, with the hint.
    fn hint(self, hint: impl fmt::Display) -> anyhow::Result<T>;

    /// The exit code that this error ends the program with.
    ///
    /// # Errors
    /// The error it was given, with the exit code.
    fn exit(self, exit: Exit) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Advice<T> for Result<T, E> {
    fn hint(self, hint: impl fmt::Display) -> anyhow::Result<T> {
        self.map_err(|error| {
            let mut advised = Advised::new(error.into());
            advised.hint = Some(hint.to_string());
            advised.into()
        })
    }

    fn exit(self, exit: Exit) -> anyhow::Result<T> {
        self.map_err(|error| {
            let mut advised = Advised::new(error.into());
            advised.exit = Some(exit);
            advised.into()
        })
    }
}

/// The text of an `io::Error` with the name that man pages give it:
/// `Connection refused (ECONNREFUSED, os error 111)`.
#[must_use]
pub fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    // EPERM shares its kind with EACCES; its number, 1, is the same on every Unix.
    let is_eperm = cfg!(unix) && error.raw_os_error() == Some(1);
    match errno_name(error.kind()).map(|name| if is_eperm { "EPERM" } else { name }) {
        Some(name) => text.replacen("(os error", &format!("({name}, os error"), 1),
        None => text,
    }
}

/// An error that carries advice and otherwise reads as the error inside.
#[derive(Debug)]
struct Advised {
    inner: anyhow::Error,
    hint: Option<String>,
    exit: Option<Exit>,
}

impl Advised {
    fn new(inner: anyhow::Error) -> Self {
        Self { inner, hint: None, exit: None }
    }
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl std::error::Error for Advised {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source()
    }
}

/// Writes `error:`, a line for each cause, and `hint:`.
fn report(error: &anyhow::Error) {
    let bold_red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
    let bold_green = Style::new().fg_color(Some(AnsiColor::Green.into())).bold();
    for (depth, line) in lines(error).into_iter().enumerate() {
        let label = if depth == 0 { "error" } else { "caused by" };
        crate::note!("{bold_red}{label}:{bold_red:#} {line}");
    }
    if let Some(hint) = hint_of(error) {
        crate::note!("{bold_green}hint:{bold_green:#} {hint}");
    }
}

/// The messages from the outermost to the first cause, without one that repeats its neighbour.
fn lines(error: &anyhow::Error) -> Vec<String> {
    let mut lines = Vec::new();
    for cause in error.chain() {
        let line = cause.downcast_ref().map_or_else(|| cause.to_string(), describe);
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines
}

fn is_closed_stdout(error: &anyhow::Error) -> bool {
    find(error, &|cause| Some(cause.downcast_ref::<StdoutError>()?.is_closed_pipe())) == Some(true)
}

fn exit_of(error: &anyhow::Error) -> Exit {
    let advised = find(error, &|cause| cause.downcast_ref::<Advised>()?.exit);
    let timed_out = find(error, &|cause| {
        // Unix says `WouldBlock` when a read with a timeout runs out, Windows says `TimedOut`.
        let kind = cause.downcast_ref::<io::Error>()?.kind();
        matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
            .then_some(Exit::TimedOut)
    });
    advised.or(timed_out).unwrap_or(Exit::Failed)
}

fn hint_of(error: &anyhow::Error) -> Option<String> {
    let advised = find(error, &|cause| cause.downcast_ref::<Advised>()?.hint.clone());
    let usual = || find(error, &|cause| usual_hint(cause.downcast_ref::<io::Error>()?.kind()));
    advised.or_else(|| usual().map(str::to_owned))
}

/// The first answer that `ask` gives for the error or one of its causes, from the outermost in.
fn find<T>(
    error: &anyhow::Error,
    ask: &dyn Fn(&(dyn std::error::Error + 'static)) -> Option<T>,
) -> Option<T> {
    error.chain().find_map(|cause| {
        // What an `Advised` wraps is not among its sources, so it is asked separately.
        let inside = || find(&cause.downcast_ref::<Advised>()?.inner, ask);
        ask(cause).or_else(inside)
    })
}

/// What helps most people who meet this error for the first time.
fn usual_hint(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::AddrInUse => {
            "another program has this port; stop it, or choose another with --bind (port 0 takes any free one)"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address; 127.0.0.1 always exists"
        }
        io::ErrorKind::ConnectionRefused => {
            "nobody listens at that address; start the server first, and compare the port with its first line"
        }
        io::ErrorKind::ConnectionReset => {
            "the other end closed the connection before it had read everything, or it crashed"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need privileges on most systems: take a higher one, such as 8080; \
             a file needs its owner's leave"
        }
        io::ErrorKind::BrokenPipe => "the other end has closed the connection",
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            "this machine knows no way to that address; look at the address, then at the network"
        }
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            "nothing came in time; is the other end running, and is it waiting for you?"
        }
        _ => return None,
    })
}

/// The symbolic name in errno(3).
fn errno_name(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::AddrInUse => "EADDRINUSE",
        io::ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        io::ErrorKind::AlreadyExists => "EEXIST",
        io::ErrorKind::BrokenPipe => "EPIPE",
        io::ErrorKind::ConnectionAborted => "ECONNABORTED",
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::ConnectionReset => "ECONNRESET",
        io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
        io::ErrorKind::Interrupted => "EINTR",
        io::ErrorKind::InvalidInput => "EINVAL",
        io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
        io::ErrorKind::NotConnected => "ENOTCONN",
        io::ErrorKind::NotFound => "ENOENT",
        io::ErrorKind::PermissionDenied => "EACCES",
        io::ErrorKind::TimedOut => "ETIMEDOUT",
        io::ErrorKind::WouldBlock => "EAGAIN",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_from_the_system_is_named_and_brings_its_usual_hint() {
        let error = refused().context("cannot connect to 127.0.0.1:9").unwrap_err();
        check(
            &error,
            &["cannot connect to 127.0.0.1:9", "connection refused"],
            Some("nobody listens at that address"),
            Exit::Failed,
        );
    }

    #[test]
    fn advice_beats_the_usual_hint_and_is_found_under_any_context() {
        let error = refused()
            .hint("ask the teacher")
            .exit(Exit::Protocol)
            .context("outermost")
            .unwrap_err();
        check(
            &error,
            &["outermost", "connection refused"],
            Some("ask the teacher"),
            Exit::Protocol,
        );
    }

    #[test]
    fn a_read_that_ran_out_of_time_exits_with_4() {
        for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut] {
            let error = anyhow::Error::from(io::Error::from(kind)).context("no answer");
            assert_eq!(exit_of(&error), Exit::TimedOut);
        }
    }

    #[test]
    fn only_a_closed_stdout_is_a_normal_end() {
        let closed_by_peer = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(!is_closed_stdout(&closed_by_peer.context("cannot send")));
    }

    #[cfg(unix)]
    #[test]
    fn an_errno_is_shown_with_the_name_that_man_pages_give_it() {
        // 13 is EACCES on every Unix.
        let shown = describe(&io::Error::from_raw_os_error(13));
        assert_eq!(shown, "Permission denied (EACCES, os error 13)");
    }

    fn refused() -> Result<(), io::Error> {
        Err(io::Error::from(io::ErrorKind::ConnectionRefused))
    }

    #[track_caller]
    fn check(error: &anyhow::Error, want: &[&str], hint: Option<&str>, exit: Exit) {
        assert_eq!(lines(error), want);
        match (hint_of(error), hint) {
            (Some(got), Some(want)) => assert!(got.starts_with(want), "{got}"),
            (got, want) => assert_eq!(got.as_deref(), want),
        }
        assert_eq!(exit_of(error), exit);
    }
}
