//! A program on a terminal: what the person in front of it sees. For the tests of several crates,
//! which take this file in by its path.
//!
//! ```text
//!  test ── types ──▶ master ┌────────────┐ slave ── stdin ──▶ program
//!       ◀── reads ───       │ a terminal │       ◀── stdout, stderr
//!                           └────────────┘
//! ```
//!
//! See pty(7), openpty(3).

#![allow(dead_code, reason = "not every test file uses all of it")]

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::str::Chars;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};

/// Far beyond what a busy machine needs: it is there for a program that hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// A terminal of 24 lines and 80 columns with a program on it.
pub(crate) struct Terminal {
    child: Child,
    master: File,
    /// All that the program has written, and what the terminal has echoed.
    written: String,
    /// What [`Terminal::until`] has found ends here.
    seen: usize,
}

/// Which ends of the program are the terminal. The others are as the command says.
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

pub(crate) const ALL: Ends = Ends { stdin: true, stdout: true, stderr: true };

impl Terminal {
    pub(crate) fn start(mut command: Command, ends: Ends) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).unwrap();
        // What another test starts meanwhile must not hold this terminal open.
        for end in [&pair.master, &pair.slave] {
            fcntl_setfd(end, FdFlags::CLOEXEC).unwrap();
        }
        let slave = || pair.slave.try_clone().unwrap();
        if ends.stdin {
            command.stdin(slave());
        }
        if ends.stdout {
            command.stdout(slave());
        }
        if ends.stderr {
            command.stderr(slave());
        }
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "FORCE_COLOR"] {
            command.env_remove(name);
        }
        let child = command.env("TERM", "xterm").spawn().unwrap();
        // With it go this process's handles on the slave; at the last one's end the master ends.
        drop(command);
        Self { child, master: pair.master.into(), written: String::new(), seen: 0 }
    }

    /// Types a line. The terminal echoes it.
    pub(crate) fn types(&mut self, line: &str) {
        self.master.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Types Ctrl-D, at the beginning of a line the end of the input.
    pub(crate) fn types_end(&mut self) {
        self.master.write_all(b"\x04").unwrap();
    }

    /// Reads until this text has come, behind what was awaited before.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(place) = self.written[self.seen..].find(text) {
                self.seen += place + text.len();
                return;
            }
            assert!(self.read(deadline), "{text:?} never came: {:?}", self.written);
        }
    }

    /// Waits for its end. Returns the exit code, and the lines that are on the screen then; the last
    /// is empty when the cursor stands at the beginning of a line.
    #[track_caller]
    pub(crate) fn end(&mut self) -> (Option<i32>, Vec<String>) {
        let deadline = Instant::now() + DEADLINE;
        while self.read(deadline) {}
        (self.child.wait().unwrap().code(), screen(&self.written))
    }

    /// All that was written to the terminal so far.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// What Ctrl-C and Ctrl-Z send, and `fg`. The terminal itself sends none: that takes a session,
    /// which only a shell would make.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, signal).unwrap();
    }

    /// Whether there was more.
    #[track_caller]
    fn read(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap();
        let mut ends = [PollFd::new(&self.master, PollFlags::IN)];
        assert!(poll(&mut ends, Some(&left)).unwrap() > 0, "it hangs: {:?}", self.written);
        let mut bytes = [0; 4096];
        // At the end Linux says EIO, others say nothing more.
        match self.master.read(&mut bytes) {
            Ok(0) | Err(_) => false,
            Ok(len) => {
                self.written.push_str(&String::from_utf8_lossy(&bytes[..len]));
                true
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is on the screen when all of `written` has been written: as much of a terminal as a progress
/// bar needs (ECMA-48).
fn screen(written: &str) -> Vec<String> {
    let mut lines = vec![Vec::new()];
    let (mut line, mut column) = (0, 0);
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        match character {
            '\n' => {
                line += 1;
                if line == lines.len() {
                    lines.push(Vec::new());
                }
            }
            '\r' => column = 0,
            '\u{8}' => column -= 1,
            '\u{1b}' => match sequence(&mut characters).as_str() {
                "[2K" => lines[line].clear(),
                "[K" => lines[line].truncate(column),
                "[1A" => line -= 1,
                "[1B" => line += 1,
                color if color.ends_with('m') => {}
                other => panic!("this screen does not know {other:?}"),
            },
            character => {
                if lines[line].len() <= column {
                    lines[line].resize(column + 1, ' ');
                }
                lines[line][column] = character;
                column += 1;
            }
        }
    }
    let text = |line: Vec<char>| line.into_iter().collect::<String>().trim_end().to_owned();
    lines.into_iter().map(text).collect()
}

/// An escape sequence up to the letter that ends it.
fn sequence(characters: &mut Chars<'_>) -> String {
    let mut sequence = String::new();
    for character in characters {
        sequence.push(character);
        if character.is_ascii_alphabetic() {
            break;
        }
    }
    sequence
}
