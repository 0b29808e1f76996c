//! The operator's terminal: what the room says on stdout, what the operator types from stdin.
//!
//! Two threads stand between it and the room. A terminal that is stopped with Ctrl-S, and a pipe
//! that nobody reads, block whoever writes to them; that must not be the thread that serves ten
//! thousand people. And nobody can wait for a socket and for stdin alike on every system.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::policy::LINE_LEN_MAX;
use crate::room::Room;

/// So many lines wait for a terminal that takes none.
const LINES_WAITING_MAX: usize = 4096;

/// How long the last lines may take to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What the operator wants, or a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Say this to everybody.
    Say(String),
    /// Throw somebody out.
    Kick(String),
    /// Tell what was counted.
    Stats,
    /// Tell what can be typed.
    Help,
    /// The server has to end.
    Stop,
}

impl Command {
    /// Reads a line that the operator has typed.
    #[must_use]
    pub fn read(line: &str) -> Self {
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        match (word, rest.trim()) {
            ("/stats", _) => Self::Stats,
            ("/kick", name) if !name.is_empty() => Self::Kick(name.to_owned()),
            (word, _) if word.starts_with('/') => Self::Help,
            _ => Self::Say(line.to_owned()),
        }
    }
}

/// Commands on their way to the engine, which sleeps until it is woken.
pub struct Inbox {
    commands: Mutex<Vec<Command>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Inbox {
    /// An empty one, which calls `wake` when it is not.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { commands: Mutex::default(), wake: Box::new(wake) })
    }

    /// Puts a command in.
    pub fn put(&self, command: Command) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).push(command);
        (self.wake)();
    }

    /// Takes all out.
    pub fn take(&self) -> Vec<Command> {
        std::mem::take(&mut *self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts in what is typed, until the end of input.
    pub fn read_stdin(self: &Arc<Self>) {
        let inbox = Arc::clone(self);
        thread::spawn(move || {
            while let Ok(Some(line)) = cli::ask("") {
                inbox.put(Command::read(&line));
            }
        });
    }
}

/// The way to the operator's terminal.
pub struct Console {
    lines: SyncSender<Out>,
    written: Receiver<()>,
    lost: u64,
}

enum Out {
    Say(String),
    Note(String),
}

impl Console {
    /// Starts the thread that writes.
    #[must_use]
    pub fn start() -> Self {
        let (lines, waiting) = sync_channel(LINES_WAITING_MAX);
        let (done, written) = sync_channel(1);
        thread::spawn(move || {
            write(&waiting);
            let _ = done.send(());
        });
        Self { lines, written, lost: 0 }
    }

    /// Shows a line of the conversation. Never waits.
    pub fn say(&mut self, line: String) {
        self.put(Out::Say(line));
    }

    /// Shows a line about the server. Never waits.
    pub fn note(&mut self, line: String) {
        self.put(Out::Note(line));
    }

    fn put(&mut self, line: Out) {
        if self.lost > 0 {
            let lost = usize::try_from(self.lost).unwrap_or(usize::MAX);
            let told = Out::Note(format!("{} not shown", cli::count(lost, "line")));
            if self.lines.try_send(told).is_ok() {
                self.lost = 0;
            }
        }
        match self.lines.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.lost += 1,
            // stdout is closed, as by `| head`. The room lives on.
            Err(TrySendError::Disconnected(_)) => {}
        }
    }

    /// Waits until all is shown, but not for ever.
    pub fn finish(self) {
        drop(self.lines);
        let (Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)) =
            self.written.recv_timeout(LAST_LINES);
    }
}

fn write(waiting: &Receiver<Out>) {
    for line in waiting {
        match line {
            Out::Say(line) if cli::say!("{line}").is_err() => return,
            Out::Say(_) => {}
            Out::Note(line) => cli::note!("{line}"),
        }
    }
}

/// Does what the operator wants. Both engines do it so.
pub fn obey(
    room: &mut Room,
    console: &mut Console,
    now: Instant,
    grace: Duration,
    command: Command,
) {
    match command {
        Command::Say(text) => {
            if !room.operator_says(&text) {
                console.note(format!("not said: {LINE_LEN_MAX} bytes at most"));
            }
        }
        Command::Kick(name) => {
            if !room.kick(now, &name) {
                console.note(format!("nobody here is called {}", cli::escape(name.as_bytes())));
            }
        }
        Command::Stats => console.note(room.stats().to_string()),
        Command::Help => console.note(
            "/stats: what was counted. /kick NAME: throws somebody out. \
             All else is said to everybody."
                .to_owned(),
        ),
        Command::Stop => room.stop(now, grace),
    }
}

/// Shows what the room has heard.
pub fn show(room: &mut Room, console: &mut Console) {
    while let Some(line) = room.poll_line() {
        console.say(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_types_is_said_unless_it_begins_with_a_slash() {
        for (line, want) in [
            ("hello all", Command::Say("hello all".to_owned())),
            ("/stats", Command::Stats),
            (" /stats ", Command::Stats),
            ("/kick 小明", Command::Kick("小明".to_owned())),
            ("/kick", Command::Help),
            ("/quit", Command::Help),
        ] {
            assert_eq!(Command::read(line), want, "{line:?}");
        }
    }
}
