//! Why a demo failed, in words that a beginner understands.
//!
//! A failure says which line of the transcript was not met, what was expected over what came,
//! with a caret at the first difference, or what was awaited and for how long; then the last
//! lines of each actor, a hint for the usual causes, and the command that replays just this.

use std::fmt;
use std::time::Duration;

use super::engine::Options;
use super::width;

/// A demo that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// File name and line of the transcript: `tcp-hello.demo:7`.
    pub place: String,
    /// The actor that it is about; empty where there is none.
    pub actor: String,
    /// What went wrong.
    pub kind: Kind,
    /// What the actors said last.
    pub last_words: Vec<LastWords>,
    /// The command that runs only this demo.
    pub again: String,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Another line came than the one that was awaited.
    Differs {
        /// What was awaited, names filled in.
        expected: String,
        /// What came.
        got: String,
        /// The byte of `got` from which on it differs.
        at: usize,
    },
    /// The line is not text.
    NotUtf8 {
        /// The line, escaped.
        got: String,
    },
    /// A line came that the transcript does not have.
    Unknown {
        /// The line.
        got: String,
    },
    /// The awaited line did not come in time.
    Silent {
        /// What was awaited.
        expected: String,
        /// For how long.
        waited: Duration,
        /// What was written without a line ending.
        tail: Vec<u8>,
    },
    /// The program ended before the awaited line came.
    EndedBefore {
        /// What was awaited.
        expected: String,
        /// Its exit code.
        code: i32,
    },
    /// It did not come to listen in time.
    NeverListened {
        /// Where it should have listened, or how it should have said so.
        awaited: String,
        /// For how long.
        waited: Duration,
    },
    /// It did not end in time.
    StillRuns {
        /// For how long.
        waited: Duration,
    },
    /// It ended otherwise than the transcript says.
    WrongExit {
        /// The exit codes that would be right, in words.
        expected: String,
        /// The one that came.
        code: i32,
    },
    /// It did not end when it was interrupted, and was killed.
    IgnoresSignals {
        /// How long it was given after each signal.
        waited: Duration,
    },
    /// It ended and left programs behind that it had started.
    LeftBehind,
    /// It panicked.
    Panicked {
        /// The message.
        message: String,
    },
    /// It wrote more than a demo may.
    Flooded,
    /// There is no such program.
    NoSuchProgram {
        /// Its name.
        program: String,
    },
    /// It could not be started, or a file could not be made.
    System {
        /// What the system says.
        message: String,
    },
    /// The cable did not do what was awaited.
    CableSilent {
        /// What was awaited.
        expected: String,
        /// What it did instead.
        did: Vec<String>,
        /// For how long.
        waited: Duration,
    },
    /// It had ended when something was to be typed, or it was to be interrupted.
    Gone,
    /// Two files that must be the same are not.
    NotSame {
        /// How they differ.
        message: String,
    },
}

/// What an actor said last, and how it fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWords {
    /// Its name.
    pub actor: String,
    /// The program that runs in its place, if one was given with `--replace`.
    pub replaced: Option<String>,
    /// Its last lines, with their marks `>` and `!`.
    pub lines: Vec<(char, String)>,
    /// Its exit code, if it has ended.
    pub code: Option<i32>,
}

/// How many lines of each actor are shown.
pub const LAST_WORDS_MAX: usize = 6;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.place, self.headline())?;
        self.details(f)?;
        if !self.last_words.is_empty() {
            writeln!(f, "\nwhat each said last")?;
        }
        for words in &self.last_words {
            words.fmt(f)?;
        }
        writeln!(f)?;
        if let Some(hint) = self.hint() {
            writeln!(f, "hint: {hint}")?;
        }
        write!(f, "again: {}", self.again)
    }
}

impl Failure {
    /// One that no actor is to blame for.
    #[must_use]
    pub fn of_nobody(options: &Options, message: String) -> Box<Self> {
        Box::new(Self {
            place: options.file.clone(),
            actor: String::new(),
            kind: Kind::System { message },
            last_words: Vec::new(),
            again: options.again.clone(),
        })
    }

    /// What happened, in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        let who = &self.actor;
        match &self.kind {
            Kind::Differs { .. } => format!("{who} said something else"),
            Kind::NotUtf8 { .. } => format!("{who} wrote bytes that are not UTF-8"),
            Kind::Unknown { .. } => {
                format!("{who} said something that the transcript does not have")
            }
            Kind::Silent { waited, tail, .. } if tail.is_empty() => {
                format!("{who} did not say this within {}", seconds(*waited))
            }
            Kind::Silent { waited, .. } => {
                format!("{who} did not finish its line within {}", seconds(*waited))
            }
            Kind::EndedBefore { code, .. } => {
                format!("{who} ended ({}) before it said this", exit(*code))
            }
            Kind::NeverListened { waited, .. } => {
                format!("{who} did not come to listen within {}", seconds(*waited))
            }
            Kind::StillRuns { waited } => format!("{who} still runs after {}", seconds(*waited)),
            Kind::WrongExit { code, .. } => format!("{who} ended with {}", exit(*code)),
            Kind::IgnoresSignals { waited } => format!(
                "{who} did not end when it was interrupted (SIGINT, then SIGTERM, {} each), and was killed",
                seconds(*waited)
            ),
            Kind::LeftBehind => {
                format!("{who} ended and left a program behind that it had started")
            }
            Kind::Panicked { .. } => format!("{who} panicked"),
            Kind::Flooded => format!(
                "{who} wrote more than {} KiB; the rest was not looked at",
                super::lines::OUTPUT_LEN_MAX >> 10
            ),
            Kind::NoSuchProgram { program } => format!(
                "{who} cannot be started: `{program}` is neither a program of this workspace nor in the PATH"
            ),
            Kind::System { message } if who.is_empty() => message.clone(),
            Kind::System { message } => format!("{who} cannot be started: {message}"),
            Kind::CableSilent { waited, .. } => {
                format!("the cable did not do this within {}", seconds(*waited))
            }
            Kind::Gone => format!("{who} had already ended"),
            Kind::NotSame { message } => message.clone(),
        }
    }

    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Differs { expected, got, at } => {
                // What both have in common need not be shown in full.
                let from = start_of_window(got, *at);
                let from = if expected.get(..from) == got.get(..from) { from } else { 0 };
                let mark = if from > 0 { "… " } else { "" };
                writeln!(f, "\n  expected  {mark}{}", shown(&expected[from..]))?;
                writeln!(f, "       got  {mark}{}", shown(&got[from..]))?;
                let common = shown(got.get(from..*at).unwrap_or_default());
                let indent = " ".repeat(width(mark) + width(&common));
                writeln!(f, "            {indent}^ differs from here on")
            }
            Kind::NotUtf8 { got } | Kind::Unknown { got } => {
                writeln!(f, "\n  expected  nothing of the kind\n       got  {}", shown(got))
            }
            Kind::Silent { expected, tail, .. } => {
                writeln!(f, "\n   awaited  {}", shown(expected))?;
                if tail.is_empty() {
                    return writeln!(f, "       got  nothing more");
                }
                let tail = shown(&String::from_utf8_lossy(tail));
                writeln!(f, "       got  {tail} and no end of line")
            }
            Kind::CableSilent { expected, did, .. } => {
                writeln!(f, "\n   awaited  {}", shown(expected))?;
                did.iter().try_for_each(|line| writeln!(f, "       did  {}", shown(line)))
            }
            Kind::EndedBefore { expected, .. } => writeln!(f, "\n   awaited  {}", shown(expected)),
            Kind::NeverListened { awaited, .. } => writeln!(f, "\n   awaited  {awaited}"),
            Kind::WrongExit { expected, code } => {
                writeln!(f, "\n  expected  {expected}\n       got  {}", exit(*code))
            }
            Kind::Panicked { message } => {
                writeln!(f)?;
                message.lines().try_for_each(|line| writeln!(f, "  {}", shown(line)))
            }
            _ => Ok(()),
        }
    }

    /// Whether the line came from a program of the course, and the program at the other end is
    /// somebody's own.
    fn peer_is_replaced(&self) -> bool {
        let replaced = |own: bool| {
            self.last_words.iter().any(|w| w.replaced.is_some() && (w.actor == self.actor) == own)
        };
        replaced(false) && !replaced(true)
    }

    /// What usually helps, from what happened and from what the actors said.
    fn hint(&self) -> Option<String> {
        let said = |needle: &str| {
            self.last_words.iter().any(|w| w.lines.iter().any(|(_, line)| line.contains(needle)))
        };
        let by_words = SAID.iter().find(|(needle, _)| said(needle)).map(|(_, hint)| *hint);
        let by_kind = match &self.kind {
            Kind::Silent { tail, .. } if !tail.is_empty() => {
                Some("end the line with a newline; a prompt belongs on a terminal only")
            }
            Kind::NotUtf8 { .. } => {
                Some("bytes from the network must be decoded or escaped before they are printed")
            }
            Kind::NeverListened { .. } => Some(
                "does it bind and listen on the address it was given? a server that prints \
                 `listening on ADDRESS` must flush that line",
            ),
            Kind::LeftBehind => Some("wait for the programs that you start before you end"),
            Kind::IgnoresSignals { .. } => {
                Some("do not catch or block SIGINT and SIGTERM without ending")
            }
            Kind::Differs { .. } if self.peer_is_replaced() => Some(
                "this end is the course's own program and shows what it received: compare it with \
                 what yours sends",
            ),
            Kind::System { message } if message.contains("ermission denied") => {
                Some("is the file a program that you may run? chmod +x makes it one")
            }
            Kind::Gone => Some("the transcript types to a program after its end; see why it ended"),
            _ => None,
        };
        let waiting = match &self.kind {
            Kind::Silent { .. } | Kind::StillRuns { .. } => Some(
                "it may be waiting for the other end: did that answer, and was its output flushed?",
            ),
            _ => None,
        };
        let by_faults = self.again.contains(" --faults ").then_some(
            "the session was written for a way without these faults; that they change it is what they are for",
        );
        by_faults.or(by_kind).or(by_words).or(waiting).map(str::to_owned)
    }
}

const IN_USE: &str =
    "another program has this port; a server that is given port 0 or {bind} never meets it";
const REFUSED: &str =
    "nobody listened at that address: did the server listen on the address it was given?";

/// What programs say in the usual cases, in any language, and what helps.
const SAID: &[(&str, &str)] = &[
    ("Address already in use", IN_USE),
    ("EADDRINUSE", IN_USE),
    ("ConnectionRefusedError", REFUSED),
    ("ECONNREFUSED", REFUSED),
    ("a bytes-like object is required", "sockets carry bytes: text.encode() before sending"),
    ("EOFError", "it reads more lines than were typed: end when input ends"),
    (
        "UnicodeDecodeError",
        "what was received is not UTF-8, or a character was cut in half by the read",
    ),
    (
        "Traceback (most recent call last)",
        "the program crashed; the last line of the traceback says why",
    ),
    (
        "was closed before",
        "the other end closed the connection without an answer: send first, then close",
    ),
    ("ECONNRESET", "the other end closed the connection before it had read everything, or crashed"),
];

impl fmt::Display for LastWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { actor, replaced, lines, code } = self;
        if let Some(command) = replaced {
            writeln!(f, "  {actor} is your program: {}", shown(command))?;
        }
        if lines.is_empty() {
            writeln!(f, "  {actor} said nothing")?;
        }
        for (mark, line) in lines {
            writeln!(f, "  {actor} {mark} {}", shown(line))?;
        }
        match code {
            Some(code) => writeln!(f, "  {actor} = {code}"),
            None => Ok(()),
        }
    }
}

/// Where to begin to show a line that differs at `at`, so that the difference is to be seen.
fn start_of_window(line: &str, at: usize) -> usize {
    let wanted = at.saturating_sub(COMMON_LEN_MAX);
    (wanted..=at).find(|start| line.is_char_boundary(*start)).unwrap_or(at)
}

/// `exit code 1`, and for signals their name.
fn exit(code: i32) -> String {
    let signal = match code {
        130 => " (SIGINT)",
        134 => " (SIGABRT)",
        137 => " (SIGKILL)",
        139 => " (SIGSEGV)",
        143 => " (SIGTERM)",
        _ => "",
    };
    format!("exit code {code}{signal}")
}

/// `10 s`, `0.3 s`.
pub fn seconds(duration: Duration) -> String {
    format!("{} s", (duration.as_secs_f64() * 10.0).round() / 10.0)
}

/// Nothing reaches a terminal raw, and nothing fills it.
pub fn shown(text: &str) -> String {
    let escaped = cli::escape(text.as_bytes()).to_string();
    if escaped.chars().count() <= SHOWN_LEN_MAX {
        return escaped;
    }
    let start: String = escaped.chars().take(SHOWN_LEN_MAX).collect();
    format!("{start} … ({} characters)", escaped.chars().count())
}

/// How much is shown of what was still right, in bytes.
const COMMON_LEN_MAX: usize = 200;

/// Longer lines are cut where they are shown.
const SHOWN_LEN_MAX: usize = 400;
