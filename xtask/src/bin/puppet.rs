//! A program that does what its arguments say: the runner's tests need ones that misbehave.
//!
//! ```text
//! puppet say "listening on 127.0.0.1:1" read exit 3
//! ```
//!
//! Built for tests only; `cargo xtask` does not build it.

use std::io::{self, BufRead, Write};
use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    match play(&mut std::env::args().skip(1)) {
        Ok(code) => ExitCode::from(code),
        // Its reader has gone: the test is over.
        Err(_) => ExitCode::FAILURE,
    }
}

/// Does one thing after the other; the exit code is that of `exit`, or 0.
fn play(words: &mut impl Iterator<Item = String>) -> io::Result<u8> {
    while let Some(word) = words.next() {
        let mut text = || words.next().unwrap_or_default();
        match word.as_str() {
            "say" => writeln!(io::stdout(), "{}", text())?,
            "err" => writeln!(io::stderr(), "{}", text())?,
            "write" => {
                write!(io::stdout(), "{}", text())?;
                io::stdout().flush()?;
            }
            "bytes" => io::stdout().write_all(b"\xff\xfe\n")?,
            "pid" => writeln!(io::stdout(), "{}", std::process::id())?,
            "env" => writeln!(io::stdout(), "{}", std::env::var(text()).unwrap_or_default())?,
            "read" => {
                io::stdin().lock().read_line(&mut String::new())?;
            }
            "echo" => {
                let mut line = String::new();
                io::stdin().lock().read_line(&mut line)?;
                write!(io::stdout(), "{line}")?;
            }
            "copy" => {
                std::fs::copy(text(), words.next().unwrap_or_default())?;
            }
            "exit" => return Ok(text().parse().unwrap_or(1)),
            "panic" => panics(&text()),
            "flood" => loop {
                writeln!(io::stdout(), "all work and no play makes jack a dull boy")?;
            },
            "ignore-signals" => ignore_signals()?,
            "await" => await_signal(&text())?,
            "grandchild" => spawn(Stdio::inherit())?,
            "quiet-grandchild" => spawn(Stdio::null())?,
            "hang" => loop {
                std::thread::park();
            },
            unknown => writeln!(io::stderr(), "puppet: what is `{unknown}`?")?,
        }
    }
    Ok(0)
}

/// Starts another puppet that outlives this one, and tells its process number.
fn spawn(stdout: Stdio) -> io::Result<()> {
    let child = Command::new(std::env::current_exe()?)
        .arg("hang")
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()?;
    writeln!(io::stdout(), "{}", child.id())
}

#[expect(clippy::panic, reason = "to panic is what it was asked for")]
fn panics(message: &str) {
    panic!("{message}")
}

#[cfg(unix)]
fn ignore_signals() -> io::Result<()> {
    use nix::sys::signal::{SigSet, Signal};
    SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]).thread_block()?;
    Ok(())
}

/// Waits for SIGINT or SIGTERM; the signals must be ignored first.
#[cfg(unix)]
fn await_signal(name: &str) -> io::Result<()> {
    use nix::sys::signal::{SigSet, Signal};
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    while signals.wait()?.as_str() != name {}
    Ok(())
}

#[cfg(not(unix))]
fn await_signal(_name: &str) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn ignore_signals() -> io::Result<()> {
    Ok(())
}
