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
    match errno_name(error) {
        Some(name) => text.replacen("(os error", &format!("({name}, os error"), 1),
        None => text,
    }
}

/// For the `map_err` of a bind: says why the system may keep a port from us.
#[must_use]
pub fn at_bind(error: io::Error) -> anyhow::Error {
    if_not_permitted(
        error,
        "ports below 1024 need privileges on most systems: take a higher one, such as 8080",
    )
}

/// For the `map_err` of a UDP send or connect: says why the system may not send for us.
#[must_use]
pub fn at_send(error: io::Error) -> anyhow::Error {
    if_not_permitted(
        error,
        "to send to everybody a socket needs SO_BROADCAST (lesson options of chapter 1); \
         to anybody else, a firewall may forbid it",
    )
}

/// EACCES and EPERM are the answer to many calls, and only the caller knows which one it made.
fn if_not_permitted(error: io::Error, hint: &str) -> anyhow::Error {
    let not_permitted = error.kind() == io::ErrorKind::PermissionDenied;
    let mut advised = Advised::new(error.into());
    advised.hint = not_permitted.then(|| hint.to_owned());
    advised.into()
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
        let line = match from_system(cause) {
            // "Resource temporarily unavailable" is what the call says that ran out of time
            // (SO_RCVTIMEO in socket(7)), because it is what a call says that may not wait at all.
            Some(error) if error.kind() == io::ErrorKind::WouldBlock => out_of_time(error),
            Some(error) => describe(error),
            None => cause.to_string(),
        };
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines
}

/// The error of a system call that `cause` is, or that it wraps with advice.
fn from_system<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    let inside = || from_system(cause.downcast_ref::<Advised>()?.inner.as_ref());
    cause.downcast_ref::<io::Error>().or_else(inside)
}

fn out_of_time(error: &io::Error) -> String {
    match (errno_name(error), error.raw_os_error()) {
        (Some(name), Some(number)) => format!("it took too long ({name}, os error {number})"),
        _ => "it took too long".to_owned(),
    }
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
    let usual = || find(error, &|cause| usual_hint(cause.downcast_ref::<io::Error>()?));
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
fn usual_hint(error: &io::Error) -> Option<&'static str> {
    if errno_name(error).as_deref() == Some("EMSGSIZE") {
        return Some("a datagram holds at most 65,507 bytes over IPv4; send less");
    }
    Some(match error.kind() {
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
            "this user may not do that; what a file's permissions say, its owner can change"
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
#[cfg(unix)]
fn errno_name(error: &io::Error) -> Option<String> {
    use nix::errno::Errno;

    match Errno::from_raw(error.raw_os_error()?) {
        Errno::UnknownErrno => None,
        errno => Some(format!("{errno:?}")),
    }
}

/// The symbolic name in errno(3) of what Windows numbers otherwise.
#[cfg(not(unix))]
fn errno_name(error: &io::Error) -> Option<String> {
    /// WSAEMSGSIZE and WSAEINPROGRESS, for which std has no kind.
    const MESSAGE_TOO_LONG: i32 = 10040;
    const IN_PROGRESS: i32 = 10036;

    let name = match (error.raw_os_error(), error.kind()) {
        (Some(MESSAGE_TOO_LONG), _) => "EMSGSIZE",
        (Some(IN_PROGRESS), _) => "EINPROGRESS",
        (_, io::ErrorKind::AddrInUse) => "EADDRINUSE",
        (_, io::ErrorKind::AddrNotAvailable) => "EADDRNOTAVAIL",
        (_, io::ErrorKind::AlreadyExists) => "EEXIST",
        (_, io::ErrorKind::BrokenPipe) => "EPIPE",
        (_, io::ErrorKind::ConnectionAborted) => "ECONNABORTED",
        (_, io::ErrorKind::ConnectionRefused) => "ECONNREFUSED",
        (_, io::ErrorKind::ConnectionReset) => "ECONNRESET",
        (_, io::ErrorKind::HostUnreachable) => "EHOSTUNREACH",
        (_, io::ErrorKind::Interrupted) => "EINTR",
        (_, io::ErrorKind::InvalidInput) => "EINVAL",
        (_, io::ErrorKind::NetworkUnreachable) => "ENETUNREACH",
        (_, io::ErrorKind::NotConnected) => "ENOTCONN",
        (_, io::ErrorKind::NotFound) => "ENOENT",
        (_, io::ErrorKind::PermissionDenied) => "EACCES",
        (_, io::ErrorKind::TimedOut) => "ETIMEDOUT",
        (_, io::ErrorKind::WouldBlock) => "EAGAIN",
        _ => return None,
    };
    Some(name.to_owned())
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
        use nix::errno::Errno;

        for errno in [Errno::EACCES, Errno::EPERM, Errno::EMSGSIZE, Errno::EINPROGRESS] {
            let shown = describe(&io::Error::from(errno));
            let want = format!("({errno:?}, os error {})", errno as i32);
            assert!(shown.ends_with(&want), "{shown}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_wait_that_ran_out_is_told_as_one_also_under_advice() {
        let again = || io::Error::from(nix::errno::Errno::EAGAIN);
        for error in [
            anyhow::Error::from(again()),
            Err::<(), _>(again()).hint("wait longer").context("no answer").unwrap_err(),
        ] {
            let number = nix::errno::Errno::EAGAIN as i32;
            let want = format!("it took too long (EAGAIN, os error {number})");
            assert_eq!(lines(&error).last(), Some(&want));
        }
    }

    #[test]
    fn what_is_not_permitted_depends_on_the_call() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        for (error, hint) in [
            (at_bind(denied()), "ports below 1024"),
            (at_send(denied()), "to send to everybody a socket needs SO_BROADCAST"),
            (denied().into(), "this user may not do that"),
        ] {
            let got = hint_of(&error.context("cannot")).unwrap();
            assert!(got.starts_with(hint), "{got}");
        }
        let refused = at_send(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert!(hint_of(&refused).unwrap().starts_with("nobody listens"));
    }

    #[cfg(unix)]
    #[test]
    fn a_datagram_that_is_too_long_is_told_the_most() {
        let error = anyhow::Error::from(io::Error::from(nix::errno::Errno::EMSGSIZE));
        assert!(hint_of(&error).unwrap().starts_with("a datagram holds at most 65,507 bytes"));
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
