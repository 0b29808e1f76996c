//! A line that is being typed, and others that come meanwhile.
//!
//! ```text
//!  keyboard thread:  readline ── line ──▶ server        the editor owns the terminal
//!                       ▲
//!                       │ print this above your line
//!  main thread:      server ── line
//! ```
//!
//! A terminal is one stream of characters: who prints while somebody types tears the line apart. So
//! one thread owns it, rustyline's editor, and what others say is handed to that one: it wipes its
//! line, prints, and draws its line again.

use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Config, Editor, ExternalPrinter};

use super::Outbox;
use super::names::Look;

const PROMPT: &str = "> ";

/// Up a line and down again: something to show that shows nothing.
const NOTHING: &str = "\u{1b}[A\n";

/// How long the editor has for drawing its line for the last time.
const REDRAW: Duration = Duration::from_millis(20);

/// Where a person types.
pub struct Keyboard(Editor<(), DefaultHistory>);

/// Where what others say is shown. When it goes out of scope, the terminal is as it was before.
pub struct Screen {
    printer: Box<dyn ExternalPrinter + Send>,
    look: Look,
    in_color: bool,
    #[cfg(unix)]
    before: Option<nix::sys::termios::Termios>,
}

/// Both, or none where the terminal cannot do what that takes (`TERM=dumb`).
#[must_use]
pub fn open(look: Look) -> Option<(Keyboard, Screen)> {
    #[cfg(unix)]
    let before = nix::sys::termios::tcgetattr(std::io::stdin()).ok();
    // Lines that are pasted are to go as if they were typed, each for itself.
    let config = Config::builder().bracketed_paste(false).build();
    let mut editor = Editor::with_config(config).ok()?;
    let printer = Box::new(editor.create_external_printer().ok()?);
    let choice = anstream::AutoStream::choice(&std::io::stdout());
    let in_color = choice != anstream::ColorChoice::Never;
    stop_in(StopIn::Others);
    let screen = Screen {
        printer,
        look,
        in_color,
        #[cfg(unix)]
        before,
    };
    Some((Keyboard(editor), screen))
}

impl Keyboard {
    /// Sends each line that is typed, from now on.
    pub fn type_into(self, outbox: Outbox) {
        thread::spawn(move || {
            stop_in(StopIn::This);
            self.type_all(&outbox);
        });
    }

    fn type_all(mut self, outbox: &Outbox) {
        loop {
            match self.0.readline(PROMPT) {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => {
                    // Only for the arrow keys; a line that is not kept is no loss.
                    let _ = self.0.add_history_entry(&line);
                    // Why it does not go is told by the thread that reads.
                    if outbox.say(line.as_bytes()).is_err() {
                        return;
                    }
                }
                Err(ReadlineError::Interrupted) => interrupt(),
                // Ctrl-D, or a terminal that was closed.
                Err(_) => return outbox.finish(),
            }
        }
    }
}

/// Where Ctrl-Z stops the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StopIn {
    This,
    Others,
}

/// Sees to it that Ctrl-Z stops the program in the thread that has the editor: signal(7) lets any
/// thread take a signal that does not block it. The editor gives the terminal back, sends SIGTSTP, and
/// takes the terminal again when it goes on. If another thread took the signal, the editor would go
/// on for an instant before all stop, take the terminal from the shell, and after `fg` have none.
fn stop_in(which: StopIn) {
    #[cfg(unix)]
    {
        use nix::sys::signal::{SigSet, Signal};
        let stop = SigSet::from(Signal::SIGTSTP);
        // It fails for a signal that there is not.
        let _ = if which == StopIn::This { stop.thread_unblock() } else { stop.thread_block() };
    }
    #[cfg(not(unix))]
    let _ = which == StopIn::This;
}

/// The editor takes Ctrl-C for itself. Whoever started us shall see what it sees of other programs.
fn interrupt() -> ! {
    #[cfg(unix)]
    let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGINT);
    std::process::exit(130)
}

impl Screen {
    /// Shows a line above the one that is being typed.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn show(&mut self, line: &str) -> anyhow::Result<()> {
        let mut text = self.look.painted(line);
        if !self.in_color {
            text = anstream::adapter::strip_str(&text).to_string();
        }
        text.push('\n');
        // Simplified: a line that comes in the instant in which Enter is pressed may be shown one
        // line late, because rustyline looks at its queue only while it edits.
        self.printer.print(text).map_err(|error| anyhow!(error).context("cannot show a line"))
    }
}

impl Drop for Screen {
    /// The editor may be in the middle of a line, and then the terminal is in its mode.
    fn drop(&mut self) {
        // The editor may not have shown the last line, and that one says why a server stops. Its
        // queue has room for one: when it takes the second, it is done with all before the first.
        for _ in 0..2 {
            // If the editor has ended, all is shown.
            let _ = self.printer.print(NOTHING.to_owned());
        }
        // Only the looks depend on this: what we say next stands below its line.
        thread::park_timeout(REDRAW);
        #[cfg(unix)]
        if let Some(before) = &self.before {
            use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
            let now = tcgetattr(std::io::stdin()).ok();
            if now.is_some_and(|now| now.local_flags != before.local_flags) {
                let _ = tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, before);
                // What follows begins on a line of its own.
                let _ = cli::say!("");
            }
        }
    }
}
