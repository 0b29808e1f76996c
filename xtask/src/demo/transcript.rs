//! The transcript language: what a person would see in a few terminals side by side, as steps.
//!
//! ```text
//! # Whatever you send comes back.                 narration; the first line is the title
//! server $ udp-echo server --bind 127.0.0.1:0     start
//! server > listening on {server}                  its stdout says
//! ann    $ udp-echo client {server}
//! ann    < 我爱你                                  type
//! ann    > 我爱你
//! ```
//!
//! The page `docs/en/src/transcripts.md` specifies it; its examples are tested.

use std::fmt;

use faults::{Settings, SettingsError};

use super::pattern::{Match, Names, Pattern};

/// A transcript that can be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The first line of narration.
    pub title: String,
    /// Names of the actors, in the order of their first start.
    pub actors: Vec<String>,
    /// What is to be done and to be seen, from top to bottom.
    pub steps: Vec<Step>,
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number in the file, from 1.
    pub line: usize,
    /// The line as it stands in the file.
    pub source: String,
    /// What it means.
    pub action: Action,
}

/// Which of a program's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// `>`
    Stdout,
    /// `!`
    Stderr,
}

/// An index into [`Transcript::actors`].
pub type Actor = usize;

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `# …`
    Narrate(String),
    /// `needs linux`
    Need(String),
    /// `file hello.txt 600`, `file hello.txt "text"`
    File {
        /// Its name, relative to the demo's folder.
        name: String,
        /// What is in it.
        content: Vec<u8>,
    },
    /// `same a.txt b.txt`
    Same(String, String),
    /// `ann $ program argument …`
    Start {
        /// Who.
        actor: Actor,
        /// The program and its arguments.
        words: Vec<Pattern>,
    },
    /// `ann < text`
    Type(Actor, Pattern),
    /// `ann <EOF`
    CloseInput(Actor),
    /// `ann > line`, `ann ! line`
    Expect(Actor, Stream, Pattern),
    /// `ann > ...`, `ann ! ...`
    AnyLines(Actor, Stream),
    /// `ann >* line`
    Somewhere(Actor, Pattern),
    /// `ann = 0`
    End(Actor, i32),
    /// `ann ^C`
    Interrupt(Actor),
    /// `cable ~ loss=30% seed=7`
    Lay(Settings, Option<u64>),
    /// `cable > lost …`
    CableSays(Pattern),
}

/// Why a transcript cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Number of the line, from 1.
    pub line: usize,
    /// Characters before the fault.
    pub column: usize,
    /// How many characters are at fault.
    pub width: usize,
    /// The line itself.
    pub source: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// How a server's ready line begins.
pub const READY: &str = "listening on ";

/// Names that need no capture: the runner knows what they stand for.
pub const RESERVED: [&str; 2] = ["bind", "here"];

impl Transcript {
    /// Reads a transcript.
    ///
    /// # Errors
    /// At the first line that means nothing, or that could never come true.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut parser = Parser::default();
        // Some editors put a byte order mark before the first line.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, source) in text.lines().enumerate() {
            if source.trim().is_empty() {
                continue;
            }
            let line = Line { number: index + 1, source };
            let action = parser.action(line)?;
            parser.steps.push(Step { line: line.number, source: source.to_owned(), action });
        }
        parser.finish()
    }

    /// From the step `start`, which starts `actor`, up to where it is started again: its life.
    #[must_use]
    pub fn life(&self, actor: Actor, start: usize) -> &[Step] {
        let starts_again =
            |step: &Step| matches!(step.action, Action::Start { actor: who, .. } if who == actor);
        let rest = &self.steps[start.min(self.steps.len())..];
        let len = rest.iter().skip(1).position(starts_again).map_or(rest.len(), |len| len + 1);
        &rest[..len]
    }

    /// Whether the actor is a server in these steps: it says a ready line, or is given a free address.
    #[must_use]
    pub fn is_server(steps: &[Step], actor: Actor) -> bool {
        steps.iter().any(|step| match &step.action {
            Action::Expect(who, Stream::Stdout, pattern) => {
                *who == actor && pattern.fill(&Names::new()).starts_with(READY)
            }
            Action::Start { actor: who, words } => {
                *who == actor && words.iter().any(|word| word.names().any(|name| name == "bind"))
            }
            _ => false,
        })
    }
}

impl Transcript {
    /// The names that are captured, and `server`.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let captured = self.steps.iter().flat_map(|step| match &step.action {
            Action::Expect(_, _, pattern) => pattern.names().map(str::to_owned).collect(),
            _ => Vec::new(),
        });
        captured.chain(["server".to_owned()]).collect()
    }

    /// The first of `programs` that a step starts.
    #[must_use]
    pub fn first_of<'a>(&self, programs: &'a [String]) -> Option<&'a str> {
        programs.iter().map(String::as_str).find(|program| self.starts(program))
    }

    /// Whether a step starts `program`.
    #[must_use]
    pub fn starts(&self, program: &str) -> bool {
        self.steps.iter().any(|step| match &step.action {
            Action::Start { words, .. } => words[0].fill(&Names::new()) == program,
            _ => false,
        })
    }

    /// The commands as a person would type them, each server with a port of its own. All addresses
    /// are named, because not every client has a default. `chapter` is run with cargo, other
    /// programs by their name.
    #[must_use]
    pub fn commands_by_hand(&self, chapter: &str) -> Vec<String> {
        let starts = self.steps.iter().enumerate().filter_map(|(at, step)| match &step.action {
            Action::Start { actor, words } => Some((at, *actor, words)),
            _ => None,
        });
        let mut names = Names::new();
        let mut commands = Vec::new();
        for (at, actor, words) in starts {
            let port = BY_HAND_PORT + commands.len();
            let bind = words.iter().map(|word| word.fill(&names)).find(|word| word.ends_with(":0"));
            let address = bind.map(|bind| format!("{}:{port}", bind.trim_end_matches(":0")));
            if let (Some(line), Some(address)) = (self.ready_line(actor, at), &address)
                && let Match::Fits(captured) = line.matches(&format!("{READY}{address}"), &names)
            {
                names.extend(captured);
            }
            commands.push((words, address));
        }
        commands
            .iter()
            .map(|(words, address)| by_hand(words, address.as_deref(), &names, chapter))
            .collect()
    }

    /// The ready line that the actor says in the life that begins at step `start`.
    fn ready_line(&self, actor: Actor, start: usize) -> Option<&Pattern> {
        self.life(actor, start).iter().find_map(|step| match &step.action {
            Action::Expect(who, Stream::Stdout, line)
                if *who == actor && line.fill(&Names::new()).starts_with(READY) =>
            {
                Some(line)
            }
            _ => None,
        })
    }
}

/// The first port that commands by hand use; none that a lesson has for its default.
const BY_HAND_PORT: usize = 9500;

fn by_hand(words: &[Pattern], address: Option<&str>, names: &Names, chapter: &str) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| match (word.fill(names), address) {
            (text, Some(address)) if text.ends_with(":0") => address.to_owned(),
            (text, _) => text,
        })
        .collect();
    let arguments = words[1..].iter().map(|word| {
        shlex::try_quote(word).map_or_else(|_| word.clone(), std::borrow::Cow::into_owned)
    });
    let program = if words[0] == chapter {
        format!("cargo run -q -p {chapter} --")
    } else {
        words[0].clone()
    };
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// A line of the file, for messages.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    source: &'a str,
}

#[derive(Default)]
struct Parser {
    actors: Vec<String>,
    running: Vec<bool>,
    input_closed: Vec<bool>,
    names: Vec<String>,
    steps: Vec<Step>,
}

/// The marks, longest first where one begins another.
const MARKS: [&str; 9] = ["<EOF", "^C", ">*", "$", "<", ">", "!", "=", "~"];

impl Parser {
    fn action(&mut self, line: Line<'_>) -> Result<Action, ParseError> {
        if let Some(narration) = line.source.strip_prefix('#') {
            return Ok(Action::Narrate(narration.trim().to_owned()));
        }
        if line.source.starts_with(char::is_whitespace) {
            return Err(line.at(
                0,
                "",
                "a line begins with `#`, an actor or a keyword",
                "remove the space",
            ));
        }
        let (first, rest) = line.source.split_once(' ').unwrap_or((line.source, ""));
        match first {
            "needs" => Ok(Action::Need(line.one_word(rest)?)),
            "file" => line.file(rest),
            "same" => line.same(rest),
            actor => self.actor_action(line, actor),
        }
    }

    /// `ann > text`: an actor, a mark, and the rest.
    fn actor_action(&mut self, line: Line<'_>, actor: &str) -> Result<Action, ParseError> {
        if !is_actor_name(actor) {
            let help = "actors are called with small letters, digits and `-`: server, ann, bob-2";
            return Err(line.at(0, actor, "this is no actor's name", help));
        }
        let after = line.source[actor.len()..].trim_start();
        let column = line.column_of(after);
        let Some(mark) = MARKS.into_iter().find(|mark| after.starts_with(mark)) else {
            let help = "after the actor comes one of $ < <EOF > >* ! = ^C ~";
            let got = after.split(' ').next().unwrap_or_default();
            return Err(line.at(column, got, "this is no mark", help));
        };
        let rest = &after[mark.len()..];
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        if actor == "cable" {
            return self.cable_action(line, mark, rest);
        }
        if mark == "~" {
            let help = "write: cable ~ loss=30% seed=7";
            return Err(line.at(0, actor, "only the cable has faults", help));
        }
        if mark == "$" {
            return self.start(line, actor, rest);
        }
        let Some(who) = self.actors.iter().position(|known| known == actor) else {
            let message = format!("`{actor}` has not been started");
            return Err(line.at(
                0,
                actor,
                &message,
                &format!("start it first: {actor} $ program …"),
            ));
        };
        self.mark_action(line, who, mark, rest)
    }

    /// `cable ~ loss=30% seed=7`, `cable > lost …`.
    fn cable_action(&self, line: Line<'_>, mark: &str, rest: &str) -> Result<Action, ParseError> {
        let column = line.column_of(rest);
        let wrong = |fault: &str, message: &str, help: &str| line.at(column, fault, message, help);
        match mark {
            "~" => {
                let (faults, seed) = match rest.trim().split_once(" seed=") {
                    Some((faults, seed)) => (faults.trim_end(), Some(seed)),
                    None => (rest.trim(), None),
                };
                let help = "write: cable ~ loss=30%,delay=20ms seed=7";
                let settings = faults
                    .parse()
                    .map_err(|error: SettingsError| wrong(rest, &error.to_string(), help))?;
                let seed = seed.map(str::parse).transpose();
                Ok(Action::Lay(settings, seed.map_err(|_| wrong(rest, "this is no seed", help))?))
            }
            ">" => {
                let known = |name: &str| self.is_known(name);
                let pattern =
                    Pattern::parse(rest, &known).map_err(|error| line.pattern(rest, error))?;
                self.names_known(line, rest, &pattern)?;
                Ok(Action::CableSays(pattern))
            }
            _ => Err(wrong(
                rest,
                "a cable has only ~ and >",
                "write: cable ~ loss=30%, or: cable > lost …",
            )),
        }
    }

    fn start(&mut self, line: Line<'_>, actor: &str, rest: &str) -> Result<Action, ParseError> {
        let column = line.column_of(rest);
        let Some(split) = shlex::split(rest) else {
            return Err(line.at(column, rest, "a quote is opened and not closed", "close it"));
        };
        if split.is_empty() {
            let help = "write the program and its arguments";
            return Err(line.at(column, "", "nothing to start", help));
        }
        let words = split
            .iter()
            .map(|word| Pattern::parse(word, &|_| true).map_err(|error| line.pattern(rest, error)))
            .collect::<Result<Vec<_>, _>>()?;
        for word in &words {
            self.names_known(line, rest, word)?;
        }
        let who = match self.actors.iter().position(|known| known == actor) {
            Some(who) if self.running[who] => {
                let help = format!("wait for its end first: {actor} = 0");
                return Err(line.at(0, actor, &format!("`{actor}` may still be running"), &help));
            }
            Some(who) => who,
            None => {
                self.actors.push(actor.to_owned());
                self.running.push(false);
                self.input_closed.push(false);
                self.actors.len() - 1
            }
        };
        self.running[who] = true;
        self.input_closed[who] = false;
        if words.iter().any(|word| word.names().any(|name| name == "bind")) {
            // An actor that is given a free address is a server there.
            self.names.push("server".to_owned());
        }
        Ok(Action::Start { actor: who, words })
    }

    fn mark_action(
        &mut self,
        line: Line<'_>,
        who: Actor,
        mark: &str,
        rest: &str,
    ) -> Result<Action, ParseError> {
        let known = |name: &str| self.is_known(name);
        let pattern = Pattern::parse(rest, &known).map_err(|error| line.pattern(rest, error));
        Ok(match mark {
            "<EOF" if !rest.is_empty() => {
                let help = "write <EOF alone, or a space between < and the text";
                return Err(line.at(
                    line.column_of(rest),
                    rest,
                    "nothing stands behind <EOF",
                    help,
                ));
            }
            "<EOF" => {
                self.input_closed[who] = true;
                Action::CloseInput(who)
            }
            "<" if self.input_closed[who] => {
                let help = "take the <EOF further up away, or this line";
                return Err(line.at(0, line.source, "its input is closed", help));
            }
            "^C" => Action::Interrupt(who),
            "<" => {
                let text = pattern?;
                self.names_known(line, rest, &text)?;
                Action::Type(who, text)
            }
            ">" | "!" => {
                let stream = if mark == ">" { Stream::Stdout } else { Stream::Stderr };
                if rest == "..." {
                    return Ok(Action::AnyLines(who, stream));
                }
                let line = pattern?;
                self.names.extend(line.names().map(str::to_owned));
                Action::Expect(who, stream, line)
            }
            ">*" => {
                let text = pattern?;
                self.names_known(line, rest, &text)?;
                if text.is_anything() {
                    let help = "say what is certain of the line";
                    return Err(line.at(line.column_of(rest), rest, "this fits every line", help));
                }
                Action::Somewhere(who, text)
            }
            _ => {
                self.running[who] = false;
                Action::End(who, line.exit_code(rest)?)
            }
        })
    }

    /// Whether all names in `pattern` stand for something by now.
    fn names_known(&self, line: Line<'_>, rest: &str, pattern: &Pattern) -> Result<(), ParseError> {
        let Some(unknown) = pattern.names().find(|name| !self.is_known(name)) else {
            return Ok(());
        };
        let written = format!("{{{unknown}}}");
        let before = rest.find(&written).map_or(0, |at| rest[..at].chars().count());
        let message = format!("`{written}` stands for nothing yet");
        let help = format!("capture it in a `>` line further up: server > … {written}");
        Err(line.at(line.column_of(rest) + before, &written, &message, &help))
    }

    fn is_known(&self, name: &str) -> bool {
        RESERVED.contains(&name) || self.names.iter().any(|known| known == name)
    }

    fn finish(self) -> Result<Transcript, ParseError> {
        let first = self.steps.first();
        let whole = Line { number: 1, source: first.map_or("", |step| &step.source) };
        let Some(Action::Narrate(title)) = first.map(|step| &step.action) else {
            let help = "write what the lesson shows: # One question, one answer.";
            return Err(whole.at(0, "", "the first line must be the title", help));
        };
        let title = title.clone();
        if self.actors.is_empty() && !self.steps.iter().any(|s| matches!(s.action, Action::Lay(..)))
        {
            return Err(whole.at(0, "", "nothing is started", "start a program: server $ …"));
        }
        let judges = |step: &Step| match &step.action {
            Action::Expect(_, _, pattern) => !pattern.is_only_wildcards(),
            Action::Somewhere(..) | Action::Same(..) | Action::CableSays(_) => true,
            _ => false,
        };
        if !self.steps.iter().any(judges) {
            let help = "add a line that must come: server > listening on {server}";
            return Err(whole.at(0, "", "nothing is checked", help));
        }
        Ok(Transcript { title, actors: self.actors, steps: self.steps })
    }
}

impl Line<'_> {
    fn exit_code(self, rest: &str) -> Result<i32, ParseError> {
        let code = rest.trim().parse().ok().filter(|code| (0..=255).contains(code));
        let help = "an exit code is a number from 0 to 255";
        code.ok_or_else(|| self.at(self.column_of(rest), rest, "this is no exit code", help))
    }

    fn one_word(self, rest: &str) -> Result<String, ParseError> {
        let word = rest.trim();
        let (what, _reason) = word.split_once(": ").unwrap_or((word, ""));
        if what.is_empty() || what.contains(' ') {
            let help = "one thing a line: needs linux, needs ipv6, needs curl";
            return Err(self.at(self.column_of(rest), rest, "one word is wanted here", help));
        }
        Ok(word.to_owned())
    }

    fn file(self, rest: &str) -> Result<Action, ParseError> {
        let help =
            "write a length in bytes, or a text: file hello.txt 600, file hello.txt \"hi\\n\"";
        let wrong = |message: &str| self.at(self.column_of(rest), rest, message, help);
        let (name, what) = rest
            .trim()
            .split_once(' ')
            .ok_or_else(|| wrong("a name and a content are wanted here"))?;
        self.inside(rest, name)?;
        let what = what.trim();
        let content = match what.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(text) => unescape(text).into_bytes(),
            None => {
                let len = what.parse().map_err(|_| wrong("this is neither a length nor a text"))?;
                if len > FILE_LEN_MAX {
                    return Err(wrong("a demo's file may have 64 MiB at most"));
                }
                filler(len)
            }
        };
        Ok(Action::File { name: name.to_owned(), content })
    }

    fn same(self, rest: &str) -> Result<Action, ParseError> {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [a, b] = words[..] else {
            let help = "same hello.txt copy.txt";
            return Err(self.at(
                self.column_of(rest),
                rest,
                "two file names are wanted here",
                help,
            ));
        };
        self.inside(rest, a)?;
        self.inside(rest, b)?;
        Ok(Action::Same(a.to_owned(), b.to_owned()))
    }

    /// A demo's files lie in the demo's own folder and nowhere else.
    fn inside(self, rest: &str, name: &str) -> Result<(), ParseError> {
        let path = std::path::Path::new(name);
        if path.components().all(|part| matches!(part, std::path::Component::Normal(_))) {
            return Ok(());
        }
        let help = "give a name below the demo's own folder";
        Err(self.at(self.column_of(rest), name, "this file lies elsewhere", help))
    }

    fn pattern(self, rest: &str, error: super::pattern::PatternError) -> ParseError {
        let help = "put the text between them that the program prints there";
        self.at(self.column_of(rest) + error.column, "", error.message, help)
    }

    /// Characters before `rest`, a part of this line.
    fn column_of(self, rest: &str) -> usize {
        let bytes = self.source.len().saturating_sub(rest.len());
        self.source.get(..bytes).map_or(0, |before| before.chars().count())
    }

    fn at(self, column: usize, fault: &str, message: &str, help: &str) -> ParseError {
        ParseError {
            line: self.number,
            column,
            width: fault.chars().count().max(1),
            source: self.source.to_owned(),
            message: message.to_owned(),
            help: help.to_owned(),
        }
    }
}

/// More would be a test of the disk.
const FILE_LEN_MAX: usize = 64 << 20;

/// `len` bytes that differ from line to line, so that a lost or repeated block shows.
fn filler(len: usize) -> Vec<u8> {
    (1..)
        .flat_map(|line: u32| format!("line {line} of the file\n").into_bytes())
        .take(len)
        .collect()
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}

fn is_actor_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gutter = self.line.to_string().len();
        let before: String = self.source.chars().take(self.column).collect();
        let indent = " ".repeat(super::width(&before));
        let caret = "^".repeat(self.width);
        writeln!(f, "line {}, column {}: {}", self.line, self.column + 1, self.message)?;
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{} | {}", self.line, self.source)?;
        writeln!(f, "{:gutter$} | {indent}{caret} {}", "", self.help)
    }
}

impl std::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "# Title.\nann $ echo\n";

    #[test]
    fn every_mark_is_read() {
        let text = "# Title.\n\nneeds linux\nfile a.txt 3\nfile b.txt \"x\\n\"\nann   $ cat 'a b' {here}\n\
                    ann   > on {at}\nann   < {at}\nann   <EOF\nann   ! oops\nann   > ...\nann   >* far\n\
                    ann   ^C\nann   = 130\nsame a.txt b.txt\ncable ~ loss=30% seed=7\n\
                    cable ~ delay=20ms\ncable > lost [..] 2\n";
        let transcript = Transcript::parse(text).unwrap();
        let pattern = |text: &str| Pattern::parse(text, &|_| true).unwrap();
        let actions: Vec<Action> = transcript.steps.into_iter().map(|step| step.action).collect();
        assert_eq!(
            actions,
            [
                Action::Narrate("Title.".into()),
                Action::Need("linux".into()),
                Action::File { name: "a.txt".into(), content: b"lin".into() },
                Action::File { name: "b.txt".into(), content: b"x\n".into() },
                Action::Start { actor: 0, words: ["cat", "a b", "{here}"].map(pattern).into() },
                Action::Expect(0, Stream::Stdout, pattern("on {at}")),
                Action::Type(0, pattern("{at}")),
                Action::CloseInput(0),
                Action::Expect(0, Stream::Stderr, pattern("oops")),
                Action::AnyLines(0, Stream::Stdout),
                Action::Somewhere(0, pattern("far")),
                Action::Interrupt(0),
                Action::End(0, 130),
                Action::Same("a.txt".into(), "b.txt".into()),
                Action::Lay("loss=30%".parse().unwrap(), Some(7)),
                Action::Lay("delay=20ms".parse().unwrap(), None),
                Action::CableSays(pattern("lost [..] 2")),
            ]
        );
    }

    #[test]
    fn what_cannot_be_replayed_is_refused_with_a_caret() {
        check(
            &format!("{START}bob > hi"),
            "line 3, column 1: `bob` has not been started
  |
3 | bob > hi
  | ^^^ start it first: bob $ program …",
        );
        check(
            &format!("{START}ann % hi"),
            "line 3, column 5: this is no mark
  |
3 | ann % hi
  |     ^ after the actor comes one of $ < <EOF > >* ! = ^C ~",
        );
        check(
            &format!("{START}ann > 我爱 {{a}}[..]"),
            "line 3, column 13: two wildcards side by side: nothing says where one ends
  |
3 | ann > 我爱 {a}[..]
  |               ^ put the text between them that the program prints there",
        );
        check(
            &format!("{START}ann < to {{server}}"),
            "line 3, column 10: `{server}` stands for nothing yet
  |
3 | ann < to {server}
  |          ^^^^^^^^ capture it in a `>` line further up: server > … {server}",
        );
    }

    #[test]
    fn every_other_mistake_is_named() {
        for (line, message) in [
            ("ann $ again", "`ann` may still be running"),
            ("bob $ ", "nothing to start"),
            ("bob $ echo 'x", "a quote is opened and not closed"),
            ("ann = no", "this is no exit code"),
            ("ann = 256", "this is no exit code"),
            (" ann > x", "a line begins with `#`, an actor or a keyword"),
            ("Ann > x", "this is no actor's name"),
            ("needs one two", "one word is wanted here"),
            ("needs", "one word is wanted here"),
            ("file x", "a name and a content are wanted here"),
            ("file x many", "this is neither a length nor a text"),
            ("file x 99999999999", "a demo's file may have 64 MiB at most"),
            ("file ../x 3", "this file lies elsewhere"),
            ("file /x 3", "this file lies elsewhere"),
            ("same x", "two file names are wanted here"),
            ("ann >* [..]", "this fits every line"),
            ("ann <EOFoo", "nothing stands behind <EOF"),
            ("ann <EOF bar", "nothing stands behind <EOF"),
            ("ann ~ loss=1%", "only the cable has faults"),
            (
                "cable ~ loss=x",
                "`loss=x`: write a percentage from 0% to 100%, such as 10% or 0.5%, with at most four digits after the point",
            ),
            ("cable ~ loss=1% seed=x", "this is no seed"),
            ("cable $ echo", "a cable has only ~ and >"),
            ("ann >* at {x}", "`{x}` stands for nothing yet"),
        ] {
            let error = Transcript::parse(&format!("{START}{line}\nann > x")).unwrap_err();
            assert_eq!((error.line, error.message.as_str()), (3, message), "{line}");
        }
        for (text, message) in [
            ("# Title.\nann $ echo\nann <EOF\nann < x\nann > x", "its input is closed"),
            ("ann $ echo\nann > x", "the first line must be the title"),
            ("# Title.", "nothing is started"),
            ("# Title.\nann $ echo\nann > ...\nann = 0", "nothing is checked"),
            ("# Title.\nann $ echo\nann > [..]", "nothing is checked"),
            ("", "the first line must be the title"),
        ] {
            assert_eq!(Transcript::parse(text).unwrap_err().message, message, "{text}");
        }
    }

    #[test]
    fn commands_by_hand_name_the_program_and_its_server() {
        by_hand(
            "server $ udp-echo chat server --bind 127.0.0.1:0\nserver > listening on {server}\n\
             ann $ udp-echo chat client {server} --name 'Ann B'\nann = 0",
            &[
                "cargo run -q -p udp-echo -- chat server --bind 127.0.0.1:9500",
                "cargo run -q -p udp-echo -- chat client 127.0.0.1:9500 --name 'Ann B'",
            ],
        );
        by_hand(
            "server $ udp-echo server --bind 127.0.0.1:0\nserver > listening on {server}\n\
             ann $ socat - UDP:{server}\nann = 0",
            &[
                "cargo run -q -p udp-echo -- server --bind 127.0.0.1:9500",
                "socat - UDP:127.0.0.1:9500",
            ],
        );
    }

    #[test]
    fn commands_by_hand_name_every_address_where_one_default_is_not_enough() {
        by_hand(
            "server $ udp-echo server --bind 127.0.0.1:0\nserver > listening on {server}\n\
             relay $ udp-echo relay --to {server} --bind 127.0.0.1:0\nrelay > listening on {relay}\n\
             ann $ udp-echo client {relay}\nann = 0",
            &[
                "cargo run -q -p udp-echo -- server --bind 127.0.0.1:9500",
                "cargo run -q -p udp-echo -- relay --to 127.0.0.1:9500 --bind 127.0.0.1:9501",
                "cargo run -q -p udp-echo -- client 127.0.0.1:9501",
            ],
        );
        by_hand(
            "oak $ x discover server --bind 239.255.77.77:0\noak > listening on {group}\n\
             elm $ x discover server --bind {group}\nelm > listening on {group}",
            &[
                "x discover server --bind 239.255.77.77:9500",
                "x discover server --bind 239.255.77.77:9500",
            ],
        );
    }

    #[track_caller]
    fn by_hand(steps: &str, want: &[&str]) {
        let transcript = Transcript::parse(&format!("# T.\n{steps}")).unwrap();
        assert_eq!(transcript.commands_by_hand("udp-echo"), want);
    }

    #[track_caller]
    fn check(text: &str, want: &str) {
        let got = Transcript::parse(text).unwrap_err().to_string();
        assert!(got.trim_end() == want, "got:\n{got}\nwant:\n{want}");
    }
}
