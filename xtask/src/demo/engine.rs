//! Replays a transcript: starts its programs, types what it types, and compares what they say.
//!
//! ```text
//!  steps of the transcript         events of the programs
//!  $ start  < type  ^C interrupt   wrote · closed · ended
//!        └──────────┬──────────────────────┘
//!             one thread, one channel:
//!             do a step; where it waits for a line, take events until the line has come,
//!             another has come, or the deadline has passed
//! ```
//!
//! Nothing sleeps. What waits, waits for an event, with a deadline that starts with the step.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use faults::Settings;

use super::bless::Blessing;
use super::failure::{Failure, Kind, LAST_WORDS_MAX, LastWords};
use super::lines::{Lines, Verdict};
use super::needs::{self, Binaries};
use super::pattern::{Match, Names, Pattern};
use super::process::{CABLE, Event, Program, What};
use super::ready;
use super::scratch::Scratch;
use super::show::Session;
use super::transcript::{Action, Actor, READY, Step, Stream, Transcript};
use crate::cable::label::Labels;
use crate::cable::ladder::Look;
use crate::cable::owner::Started;
use crate::cable::trace::{Names as Ends, Trace};
use crate::cable::traffic::Traffic;
use crate::cable::{self, Cable};

/// How a transcript is to be replayed.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a line is waited for.
    pub deadline: Duration,
    /// How long a program is given to end once it has been told to.
    pub grace: Duration,
    /// Programs to be run instead of those in the transcript, by actor.
    pub replace: BTreeMap<String, String>,
    /// Where the workspace's programs are.
    pub binaries: Binaries,
    /// The file name of the transcript, for messages.
    pub file: String,
    /// The folder of the transcript: what `{here}` stands for.
    pub here: String,
    /// The command that runs only this demo, for messages.
    pub again: String,
    /// What lies between the ends, if somebody wants to see or to injure what passes.
    pub cable: CableOptions,
}

/// See [`Options::cable`].
#[derive(Clone, Debug, Default)]
pub struct CableOptions {
    /// Draw what passed, like this.
    pub trace: Option<Look>,
    /// Keep what passed, for files that are made of it.
    pub keep: bool,
    /// What it does; it takes the place of what the transcript asks for.
    pub faults: Option<Settings>,
    /// Its seed; likewise.
    pub seed: Option<u64>,
    /// The program that says what the bytes mean.
    pub decoder: Option<PathBuf>,
}

impl CableOptions {
    /// Whether there is to be a cable from the start.
    fn is_wanted(&self) -> bool {
        self.trace.is_some() || self.keep || self.faults.is_some()
    }
}

/// How a demo ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All that the transcript says came true.
    Passed,
    /// Something did not.
    Failed(Box<Failure>),
    /// It cannot run here, and why.
    Skipped(String),
}

/// Replays `transcript`, showing it in `session`.
#[must_use]
pub fn replay(transcript: &Transcript, options: &Options, session: &mut Session) -> Outcome {
    replay_and(transcript, options, session, None).0
}

/// Replays `transcript` and notes in `blessing` how it would have to read to be right.
pub fn replay_and(
    transcript: &Transcript,
    options: &Options,
    session: &mut Session,
    blessing: Option<Blessing>,
) -> (Outcome, Option<Blessing>) {
    if let Some(reason) = reason_to_skip(transcript, options.cable.is_wanted()) {
        return (Outcome::Skipped(reason), blessing);
    }
    let mut replay = match Replay::new(transcript, options, session, blessing) {
        Ok(replay) => replay,
        Err(failure) => return (Outcome::Failed(failure), None),
    };
    let verdict = replay.run();
    replay.draw();
    let blessing = replay.blessing.take();
    match verdict {
        Ok(()) => (Outcome::Passed, blessing),
        Err(failure) => (Outcome::Failed(failure), blessing),
    }
}

fn reason_to_skip(transcript: &Transcript, with_cable: bool) -> Option<String> {
    transcript.steps.iter().find_map(|step| match &step.action {
        Action::Need(need) => needs::missing(need, with_cable),
        Action::Interrupt(_) if cfg!(windows) => {
            Some("needs signals: this system interrupts no program without a console".to_owned())
        }
        _ => None,
    })
}

type Failed = Box<Failure>;

struct Replay<'a> {
    transcript: &'a Transcript,
    options: &'a Options,
    session: &'a mut Session,
    events: Receiver<Event>,
    sender: SyncSender<Event>,
    started: usize,
    actors: Vec<Running>,
    names: Names,
    blessing: Option<Blessing>,
    step: Option<&'a Step>,
    wire: Wire,
    /// The last to be dropped: a folder in which programs still run cannot be removed everywhere.
    dir: Scratch,
}

/// The cables, and what they say.
struct Wire {
    /// What is laid to every server that is ready, and from now on to every new one.
    settings: Option<(Settings, u64)>,
    trace: Arc<Trace>,
    cables: Vec<Cable>,
    /// All that was ever laid, with its seed.
    laid: Vec<(Settings, u64)>,
    started: Started,
    /// The servers that are ready, the names of their addresses, and the addresses themselves.
    servers: Vec<(Actor, String, SocketAddr)>,
    lines: Lines,
    labels: Labels,
}

/// An actor and the program that plays it.
#[derive(Default)]
struct Running {
    program: Option<Program>,
    number: usize,
    replaced: Option<String>,
    stdout: Lines,
    stderr: Lines,
    code: Option<i32>,
    /// The number of its `$` among the steps.
    start: usize,
}

impl Running {
    fn lines(&mut self, stream: Stream) -> &mut Lines {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn runs(&self) -> bool {
        self.program.is_some() && self.code.is_none()
    }

    fn is_done(&self) -> bool {
        self.code.is_some() && self.stdout.closed && self.stderr.closed
    }
}

/// Events that are not taken yet: with chunks of 8 KiB, 2 MiB at most.
const EVENTS_MAX: usize = 256;

/// A failure is told once nothing has been heard for this long, or after `SETTLE_MAX`.
const SETTLE: Duration = Duration::from_millis(50);
const SETTLE_MAX: Duration = Duration::from_millis(500);

/// How much of the time for a line the clients are given to finish under faults.
const FINISH_DIVISOR: u32 = 2;

/// How often the system's socket table is looked at, while a server is awaited.
const TABLE_INTERVAL: Duration = Duration::from_millis(10);

impl<'a> Replay<'a> {
    fn new(
        transcript: &'a Transcript,
        options: &'a Options,
        session: &'a mut Session,
        blessing: Option<Blessing>,
    ) -> Result<Self, Failed> {
        let (sender, events) = sync_channel(EVENTS_MAX);
        let dir = Scratch::new().map_err(|error| {
            Failure::of_nobody(options, format!("cannot make a folder for the demo: {error}"))
        })?;
        let events_of_cables = Mutex::new(sender.clone());
        let listener = Box::new(move |event: &cable::trace::Event, _: &cable::trace::Flow| {
            if !event.done.is_empty()
                && let Ok(events) = events_of_cables.lock()
            {
                let what = What::Passed(Box::new(event.clone()));
                // Nobody listens any more when the demo is over.
                let _ = events.send(Event { program: CABLE, what });
            }
        });
        let CableOptions { trace, keep, faults, seed, decoder } = &options.cable;
        let settings = options.cable.is_wanted().then(|| faults.unwrap_or_default());
        let wire = Wire {
            settings: settings.map(|settings| (settings, seed.unwrap_or(cable::SEED))),
            trace: Arc::new(Trace::new(trace.is_some() || *keep, Some(listener))),
            cables: Vec::new(),
            laid: Vec::new(),
            started: Started::default(),
            servers: Vec::new(),
            lines: Lines::default(),
            labels: decoder.as_deref().map(Labels::from_binary).unwrap_or_default(),
        };
        cable::is_running(trace.map(|look| {
            let (trace, decoder) = (Arc::clone(&wire.trace), decoder.clone());
            cable::Running { trace, look, decoder }
        }));
        let here = ("here".to_owned(), options.here.clone());
        let actors = transcript.actors.iter().map(|_| Running::default()).collect();
        Ok(Self {
            transcript,
            options,
            session,
            dir,
            events,
            sender,
            started: 0,
            actors,
            names: Names::from([here]),
            blessing,
            step: None,
            wire,
        })
    }

    fn run(&mut self) -> Result<(), Failed> {
        for step in &self.transcript.steps {
            self.step = Some(step);
            self.take_step(step)?;
        }
        self.finish()
    }

    fn take_step(&mut self, step: &'a Step) -> Result<(), Failed> {
        match &step.action {
            Action::Narrate(text) => self.session.narrate(text),
            Action::Need(_) => {}
            Action::Lay(settings, seed) => self.lay(*settings, *seed)?,
            Action::CableSays(pattern) => self.expect_of_cable(pattern)?,
            Action::File { name, content } => self.make_file(name, content)?,
            Action::Same(a, b) => self.compare_files(a, b)?,
            Action::Start { actor, words } => self.start(*actor, words)?,
            Action::Type(actor, text) => self.type_line(*actor, text)?,
            Action::CloseInput(actor) => {
                self.session.line(*actor, "<EOF", "");
                if let Some(program) = &mut self.actors[*actor].program {
                    program.close_input();
                }
            }
            Action::Expect(actor, stream, pattern) => self.expect(*actor, *stream, pattern)?,
            Action::AnyLines(actor, stream) => self.actors[*actor].lines(*stream).allow_anything(),
            Action::Somewhere(actor, pattern) => self.expect_somewhere(*actor, pattern)?,
            Action::End(actor, code) => self.expect_end(*actor, *code)?,
            Action::Interrupt(actor) => self.interrupt(*actor)?,
        }
        Ok(())
    }

    // --- starting -----------------------------------------------------------------------------

    fn start(&mut self, actor: Actor, words: &[Pattern]) -> Result<(), Failed> {
        self.judge_leftovers(actor, (usize::MAX, usize::MAX))?;
        let replacement = self.options.replace.get(&self.transcript.actors[actor]).cloned();
        let words = match &replacement {
            None => words.to_vec(),
            Some(command) => replacement_words(command)
                .map_err(|message| self.failure(actor, Kind::System { message }))?,
        };
        let bind = self.free_address_for(actor, &words)?;
        let names = self.names_of(actor);
        let known = |name: &&str| names.contains_key(*name);
        if let Some(unknown) = words.iter().flat_map(Pattern::names).find(|name| !known(name)) {
            let message = format!("`{{{unknown}}}` stands for nothing yet");
            return Err(self.failure(actor, Kind::System { message }));
        }
        let words: Vec<String> = words.iter().map(|word| word.fill(&names)).collect();
        let command = words.join(" ");
        self.session.line(actor, "$", &command);

        let Some(path) = self.options.binaries.find(&words[0]) else {
            let program = words[0].clone();
            return Err(self.failure(actor, Kind::NoSuchProgram { program }));
        };
        self.started += 1;
        let start =
            || Program::start(self.started, &path, &words[1..], self.dir.path(), &self.sender);
        let name = &self.transcript.actors[actor];
        let program = self.wire.started.start(name, start, Program::id).map_err(|error| {
            let message = format!("{}: {error}", path.display());
            self.failure(actor, Kind::System { message })
        })?;
        let mut running = Running {
            program: Some(program),
            number: self.started,
            replaced: replacement.map(|_| command),
            ..Running::default()
        };
        let now = self.step.map_or(0, |step| step.line);
        running.start = self.transcript.steps.iter().position(|s| s.line == now).unwrap_or(0);
        for step in self.transcript.life(actor, running.start) {
            if let Action::Somewhere(who, pattern) = &step.action
                && *who == actor
            {
                running.stdout.add_somewhere(step.line, pattern.clone());
            }
        }
        self.actors[actor] = running;
        self.await_listening(actor, bind)
    }

    /// An address for `{bind}`, where the command wants one.
    fn free_address_for(
        &mut self,
        actor: Actor,
        words: &[Pattern],
    ) -> Result<Option<SocketAddr>, Failed> {
        if !words.iter().any(|word| word.names().any(|name| name == "bind")) {
            return Ok(None);
        }
        let address = ready::free_address().map_err(|error| {
            let message = format!("no free port: {error}");
            self.failure(actor, Kind::System { message })
        })?;
        self.names.insert("bind".to_owned(), address.to_string());
        Ok(Some(address))
    }

    /// A server that is given an address, or that replaces one with a ready line, is waited for;
    /// `{server}` is then its address.
    fn await_listening(&mut self, actor: Actor, bind: Option<SocketAddr>) -> Result<(), Failed> {
        let is_server = Transcript::is_server(self.life(actor), actor);
        let replaces_server = self.actors[actor].replaced.is_some() && is_server;
        if bind.is_none() && !replaces_server {
            return Ok(());
        }
        let deadline = Instant::now() + self.options.deadline;
        let address = loop {
            if let Some(said) = self.ready_line(actor) {
                break said;
            }
            if let Some(address) = bind.filter(|address| ready::is_bound(*address)) {
                break address.to_string();
            }
            if self.actors[actor].is_done() {
                let code = self.actors[actor].code.unwrap_or_default();
                let expected = awaited_listening(bind);
                return Err(self.failure(actor, Kind::EndedBefore { expected, code }));
            }
            let next_look = Instant::now() + TABLE_INTERVAL;
            self.take_event(next_look.min(deadline));
            if Instant::now() >= deadline {
                let kind = Kind::NeverListened {
                    awaited: awaited_listening(bind),
                    waited: self.options.deadline,
                };
                return Err(self.failure(actor, kind));
            }
            self.check_health(actor)?;
        };
        for (name, address) in self.names_of_ready_line(actor, &address) {
            self.names.insert(name.clone(), address.clone());
            self.server_is_ready(actor, &name, &address)?;
        }
        Ok(())
    }

    /// What a program says of its own accord; `listening on port 8898` is no address.
    fn ready_line(&mut self, actor: Actor) -> Option<String> {
        let lines = self.actors[actor].stdout.last(usize::MAX);
        let said = lines.iter().find_map(|line| line.strip_prefix(READY))?.trim();
        (!said.is_empty() && !said.contains(' ')).then(|| said.to_owned())
    }

    /// The names that the transcript's own ready line would have captured from this address.
    fn names_of_ready_line(&self, actor: Actor, address: &str) -> Names {
        let expected = self.life(actor).iter().find_map(|step| match &step.action {
            Action::Expect(who, Stream::Stdout, pattern)
                if *who == actor && pattern.fill(&Names::new()).starts_with(READY) =>
            {
                Some(pattern)
            }
            _ => None,
        });
        let matched = expected.map(|line| line.matches(&format!("{READY}{address}"), &self.names));
        match matched {
            Some(Match::Fits(names)) if !names.is_empty() => names,
            _ => Names::from([("server".to_owned(), address.to_owned())]),
        }
    }

    /// The steps from the present start of `actor` to its next.
    fn life(&self, actor: Actor) -> &'a [Step] {
        self.transcript.life(actor, self.actors[actor].start)
    }

    // --- typing and interrupting --------------------------------------------------------------

    fn type_line(&mut self, actor: Actor, text: &Pattern) -> Result<(), Failed> {
        let text = text.fill(&self.names_of(actor));
        self.session.line(actor, "<", &text);
        let running = &self.actors[actor];
        let typed = running.program.as_ref().is_some_and(|p| p.type_text(&format!("{text}\n")));
        // What is typed to a program that has just ended is lost on a terminal too; only an end
        // that is known is the transcript's mistake.
        if (!typed || running.code.is_some()) && self.blessing.is_none() {
            return Err(self.failure(actor, Kind::Gone));
        }
        Ok(())
    }

    fn interrupt(&mut self, actor: Actor) -> Result<(), Failed> {
        self.session.line(actor, "^C", "");
        if !self.actors[actor].runs() {
            return Err(self.failure(actor, Kind::Gone));
        }
        if let Some(program) = &self.actors[actor].program {
            program.group().interrupt();
        }
        Ok(())
    }

    // --- expecting ----------------------------------------------------------------------------

    fn expect(&mut self, actor: Actor, stream: Stream, pattern: &Pattern) -> Result<(), Failed> {
        if self.actors[actor].replaced.is_some() {
            return Ok(());
        }
        if self.blessing.is_some() {
            return self.bless_line(actor, stream, pattern);
        }
        let deadline = Instant::now() + self.options.deadline;
        loop {
            match self.look(actor, stream, pattern) {
                Verdict::Came { text, names, .. } if text.starts_with(READY) => {
                    for (name, address) in &names {
                        self.server_is_ready(actor, name, address)?;
                    }
                    return Ok(());
                }
                Verdict::Came { .. } => return Ok(()),
                Verdict::Differs { text, utf8: false, .. } => {
                    return Err(self.failure(actor, Kind::NotUtf8 { got: text }));
                }
                Verdict::Differs { text, at, .. } => {
                    let expected = pattern.fill(&self.names_of(actor));
                    return Err(self.failure(actor, Kind::Differs { expected, got: text, at }));
                }
                Verdict::NotYet => {}
            }
            let expected = pattern.fill(&self.names_of(actor));
            self.wait_for_more(actor, stream, &expected, deadline)?;
        }
    }

    /// Looks for the line; when it has come, it is shown and its names are kept.
    fn look(&mut self, actor: Actor, stream: Stream, pattern: &Pattern) -> Verdict {
        let names = self.names_of(actor);
        let verdict = self.actors[actor].lines(stream).next(pattern, &names);
        if let Verdict::Came { text, names, passed } = &verdict {
            let mark = mark(stream);
            for line in passed.iter().chain([text]) {
                // stderr is shown as it comes.
                if stream == Stream::Stdout {
                    self.session.line(actor, mark, line);
                }
            }
            self.names.extend(names.clone());
        }
        verdict
    }

    fn expect_somewhere(&mut self, actor: Actor, pattern: &Pattern) -> Result<(), Failed> {
        let deadline = Instant::now() + self.options.deadline;
        let names = self.names_of(actor);
        let expected = pattern.fill(&names);
        let step = self.step.map_or(0, |step| step.line);
        while !self.actors[actor].stdout.has_somewhere(step, &names) {
            let waited = self.wait_for_more(actor, Stream::Stdout, &expected, deadline);
            if let (Err(_), Some(blessing)) = (&waited, &mut self.blessing) {
                blessing.delete(self.step);
                return Ok(());
            }
            waited?;
        }
        self.session.line(actor, ">*", &expected);
        Ok(())
    }

    /// Takes one event, or says why no more will come.
    fn wait_for_more(
        &mut self,
        actor: Actor,
        stream: Stream,
        expected: &str,
        deadline: Instant,
    ) -> Result<(), Failed> {
        self.check_health(actor)?;
        let running = &mut self.actors[actor];
        if let Some(code) = running.code
            && running.lines(stream).closed
        {
            let expected = expected.to_owned();
            let kind = Kind::EndedBefore { expected, code };
            return Err(self.failure(actor, kind));
        }
        if !self.take_event(deadline) {
            let tail = self.actors[actor].lines(stream).tail().to_vec();
            let expected = expected.to_owned();
            let kind = Kind::Silent { expected, waited: self.options.deadline, tail };
            return Err(self.failure(actor, kind));
        }
        Ok(())
    }

    fn expect_end(&mut self, actor: Actor, code: i32) -> Result<(), Failed> {
        let deadline = Instant::now() + self.options.deadline;
        while self.actors[actor].code.is_none() {
            if !self.take_event(deadline) {
                let waited = self.options.deadline;
                return Err(self.failure(actor, Kind::StillRuns { waited }));
            }
            self.check_health(actor)?;
        }
        self.expect_nobody_left(actor)?;
        let got = self.actors[actor].code.unwrap_or(-1);
        self.session.line(actor, "=", &got.to_string());
        // Other languages have other exit codes: of a replaced program only success counts.
        let right = got == code || (self.actors[actor].replaced.is_some() && code != 0 && got != 0);
        if right {
            return Ok(());
        }
        if let Some(blessing) = &mut self.blessing {
            blessing.replace(self.step, "=", &got.to_string());
            return Ok(());
        }
        let expected = format!("exit code {code}");
        Err(self.failure(actor, Kind::WrongExit { expected, code: got }))
    }

    /// After the end of a program nobody may hold its pipes, and its group must be empty.
    fn expect_nobody_left(&mut self, actor: Actor) -> Result<(), Failed> {
        let deadline = Instant::now() + self.options.grace;
        while !self.actors[actor].is_done() && self.take_event(deadline) {}
        self.check_health(actor)?;
        let left = |replay: &Self| {
            replay.actors[actor].program.as_ref().is_some_and(|p| p.group().has_members())
        };
        // Whoever dies of the same signal needs a moment to be gone.
        while left(self) && Instant::now() < deadline {
            self.take_event((Instant::now() + TABLE_INTERVAL).min(deadline));
        }
        if left(self) || !self.actors[actor].is_done() {
            return Err(self.failure(actor, Kind::LeftBehind));
        }
        Ok(())
    }

    // --- the end ------------------------------------------------------------------------------

    /// Whoever still runs is interrupted, the last started first; then nothing may be left over.
    fn finish(&mut self) -> Result<(), Failed> {
        self.step = None;
        if self.actors.iter().any(Running::runs) {
            // A program that is just ending by itself is to be judged by that.
            self.settle();
        }
        let running: Vec<bool> = self.actors.iter().map(Running::runs).collect();
        // What is said after the first interrupt, by whomever, is not judged.
        let heard: Vec<_> =
            self.actors.iter().map(|a| (a.stdout.count(), a.stderr.count())).collect();
        for actor in (0..self.actors.len()).rev() {
            match running[actor] {
                true => self.stop(actor)?,
                false if self.actors[actor].number > 0 => self.expect_nobody_left(actor)?,
                false => {}
            }
        }
        for actor in (0..self.actors.len()).rev() {
            let judged = if running[actor] { heard[actor] } else { (usize::MAX, usize::MAX) };
            self.judge_leftovers(actor, judged)?;
            self.judge_last_exit(actor, running[actor])?;
        }
        Ok(())
    }

    /// SIGINT, then SIGTERM, then SIGKILL, each with time to obey.
    fn stop(&mut self, actor: Actor) -> Result<(), Failed> {
        for firmly in [false, true] {
            if let Some(program) = &mut self.actors[actor].program {
                program.close_input();
                match firmly {
                    false => program.group().interrupt(),
                    true => program.group().terminate(),
                }
            }
            let deadline = Instant::now() + self.options.grace;
            while self.actors[actor].code.is_none() && self.take_event(deadline) {
                self.check_health(actor)?;
            }
            if self.actors[actor].code.is_some() {
                return self.expect_nobody_left(actor);
            }
        }
        if let Some(program) = &self.actors[actor].program {
            program.group().kill();
        }
        let waited = self.options.grace;
        Err(self.failure(actor, Kind::IgnoresSignals { waited }))
    }

    fn judge_last_exit(&mut self, actor: Actor, was_running: bool) -> Result<(), Failed> {
        let is_end = |step: &Step| matches!(step.action, Action::End(who, _) if who == actor);
        let has_end = self.life(actor).iter().any(is_end);
        let running = &self.actors[actor];
        let Some(code) = running.code.filter(|_| !has_end && running.replaced.is_none()) else {
            return Ok(());
        };
        let is_server = Transcript::is_server(self.life(actor), actor);
        let interrupted = was_running && !is_server && code == 130;
        // A job that was ended on Windows has no exit code to judge.
        if code == 0 || interrupted || (was_running && cfg!(windows)) {
            return Ok(());
        }
        let expected =
            if is_server { "exit code 0" } else { "exit code 0, or 130 at an interrupt" };
        Err(self.failure(actor, Kind::WrongExit { expected: expected.to_owned(), code }))
    }

    /// A line that the transcript does not have is a failure.
    /// `judged` is how many lines of stdout and of stderr count.
    fn judge_leftovers(&mut self, actor: Actor, judged: (usize, usize)) -> Result<(), Failed> {
        if self.actors[actor].replaced.is_some() || self.actors[actor].number == 0 {
            return Ok(());
        }
        let is_about_stderr = |step: &Step| match &step.action {
            Action::Expect(who, Stream::Stderr, _) | Action::AnyLines(who, Stream::Stderr) => {
                *who == actor
            }
            _ => false,
        };
        let life = self.life(actor);
        let name = &self.transcript.actors[actor];
        let padding = self.transcript.actors.iter().map(String::len).max().unwrap_or_default();
        let padded = format!("{name:padding$}");
        let stderr_judged = life.iter().any(is_about_stderr);
        for (stream, judged) in [(Stream::Stdout, judged.0), (Stream::Stderr, judged.1)] {
            if stream == Stream::Stderr && !stderr_judged {
                continue;
            }
            if let Some(blessing) = &mut self.blessing {
                while let Some(line) = self.actors[actor].lines(stream).take_unknown(&self.names) {
                    blessing.append(actor, life, &padded, mark(stream), &line, &self.names);
                }
            } else if let Some(got) = self.actors[actor].lines(stream).unknown(judged, &self.names)
            {
                return Err(self.failure(actor, Kind::Unknown { got }));
            }
        }
        Ok(())
    }

    // --- blessing -----------------------------------------------------------------------------

    /// Takes what really comes for what should come.
    fn bless_line(
        &mut self,
        actor: Actor,
        stream: Stream,
        pattern: &Pattern,
    ) -> Result<(), Failed> {
        let deadline = Instant::now() + self.options.deadline / super::bless::PATIENCE_DIVISOR;
        let expected = pattern.fill(&self.names);
        while !matches!(self.look(actor, stream, pattern), Verdict::Came { .. }) {
            if self.bless_lines_before(actor, stream, pattern) {
                continue;
            }
            let waited = self.wait_for_more(actor, stream, &expected, deadline);
            match waited {
                Ok(()) => continue,
                Err(failure) if matches!(failure.kind, Kind::Panicked { .. } | Kind::Flooded) => {
                    return Err(failure);
                }
                Err(_) => {}
            }
            self.bless_absence(actor, stream);
            return Ok(());
        }
        Ok(())
    }

    /// Where the awaited line has come behind others, those are new. Returns whether it has.
    fn bless_lines_before(&mut self, actor: Actor, stream: Stream, pattern: &Pattern) -> bool {
        let mut ahead = self.actors[actor].lines(stream).clone();
        ahead.allow_anything();
        let Verdict::Came { passed, .. } = ahead.next(pattern, &self.names) else { return false };
        for _ in passed {
            let lines = self.actors[actor].lines(stream);
            let Some(line) = lines.take_unknown(&self.names) else { break };
            if let Some(blessing) = &mut self.blessing {
                blessing.insert_before(self.step, mark(stream), &line, &self.names);
            }
        }
        true
    }

    /// The awaited line did not come: another has come in its place, or it is gone.
    fn bless_absence(&mut self, actor: Actor, stream: Stream) {
        let next = self.next_expected(actor, stream);
        let Some(blessing) = &mut self.blessing else { return };
        let lines = self.actors[actor].lines(stream);
        if next.is_some_and(|next| lines.has_next(next, &self.names)) {
            blessing.delete(self.step);
            return;
        }
        match lines.take_unknown(&self.names) {
            Some(line) => blessing.replace_line(self.step, mark(stream), &line, &self.names),
            None => blessing.delete(self.step),
        }
    }

    /// What the same actor is to say after the present step.
    fn next_expected(&self, actor: Actor, stream: Stream) -> Option<&'a Pattern> {
        let now = self.step?.line;
        self.transcript.steps.iter().find_map(|step| match &step.action {
            Action::Expect(who, where_, pattern)
                if step.line > now && *who == actor && *where_ == stream =>
            {
                Some(pattern)
            }
            _ => None,
        })
    }

    // --- events -------------------------------------------------------------------------------

    /// Waits for the next event until `deadline`; returns whether there was one.
    fn take_event(&mut self, deadline: Instant) -> bool {
        let wait = deadline.saturating_duration_since(Instant::now());
        match self.events.recv_timeout(wait) {
            Ok(event) => {
                self.note(event);
                true
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }

    fn note(&mut self, event: Event) {
        if let What::Passed(passed) = event.what {
            if let Some(line) = cable::deed(&passed, &mut self.wire.labels) {
                self.session.of_cable(&line);
                self.wire.lines.feed(format!("{line}\n").as_bytes());
            }
            return;
        }
        let Some(actor) = self.actors.iter().position(|a| a.number == event.program) else {
            return;
        };
        match event.what {
            What::Wrote(stream, bytes) => {
                let complete = self.actors[actor].lines(stream).feed(&bytes);
                self.show_unjudged(actor, stream, complete);
            }
            What::Closed(stream) => {
                let last = self.actors[actor].lines(stream).close();
                self.show_unjudged(actor, stream, last.into_iter().collect());
            }
            What::Ended(code) => self.actors[actor].code = Some(code),
            What::Passed(_) => {}
        }
    }

    /// Lines that no step shows are shown as they come.
    fn show_unjudged(&mut self, actor: Actor, stream: Stream, lines: Vec<String>) {
        if stream == Stream::Stderr || self.actors[actor].replaced.is_some() || self.step.is_none()
        {
            for line in lines {
                self.session.line(actor, mark(stream), &line);
            }
        }
    }

    /// A panic or a flood fails a demo wherever it happens.
    fn check_health(&mut self, actor: Actor) -> Result<(), Failed> {
        for who in [actor].into_iter().chain(0..self.actors.len()) {
            if let Some(message) = self.actors[who].stderr.panic() {
                return Err(self.failure(who, Kind::Panicked { message }));
            }
            if self.actors[who].stdout.overflowed() || self.actors[who].stderr.overflowed() {
                return Err(self.failure(who, Kind::Flooded));
            }
        }
        Ok(())
    }

    // --- the cable ----------------------------------------------------------------------------

    /// What names stand for where `actor` is concerned: a server knows its own address, all others
    /// know that of the cable.
    fn names_of(&self, actor: Actor) -> Names {
        let mut names = self.names.clone();
        for (server, name, address) in &self.wire.servers {
            if *server == actor && names.contains_key(name) {
                names.insert(name.clone(), address.to_string());
            }
        }
        names
    }

    /// A server has said where it can be reached, under this name.
    fn server_is_ready(&mut self, actor: Actor, name: &str, said: &str) -> Result<(), Failed> {
        // A socket file, or a name that stands for a part of the address, has no cable.
        let Ok(address) = said.parse() else { return Ok(()) };
        self.wire.servers.retain(|(_, known, _)| known != name);
        self.wire.servers.push((actor, name.to_owned(), address));
        match self.wire.settings {
            Some((settings, seed)) => self.lay_one(actor, name, address, settings, seed),
            None => Ok(()),
        }
    }

    /// `cable ~ …`: from here on one lies to every server that is ready. What the command line
    /// asks for goes before what the transcript asks for.
    fn lay(&mut self, settings: Settings, seed: Option<u64>) -> Result<(), Failed> {
        let CableOptions { faults, seed: asked, .. } = &self.options.cable;
        let settings = faults.unwrap_or(settings);
        let seed = asked.or(seed).unwrap_or(cable::SEED);
        self.session.remark(&format!("cable ~ {settings} seed={seed}"));
        self.wire.settings = Some((settings, seed));
        for (actor, name, address) in self.wire.servers.clone() {
            self.lay_one(actor, &name, address, settings, seed)?;
        }
        Ok(())
    }

    fn lay_one(
        &mut self,
        actor: Actor,
        name: &str,
        address: SocketAddr,
        settings: Settings,
        seed: u64,
    ) -> Result<(), Failed> {
        let server = self.transcript.actors[actor].clone();
        let (started, without) = (self.wire.started.clone(), server.clone());
        let client = Box::new(move |client| started.owner(client, &without));
        let ends = Ends { server, client };
        let laid = Cable::lay(address, settings, seed, ends, &self.wire.trace);
        let cable = laid.map_err(|error| {
            let message = format!("no cable can be laid to {address}: {error}");
            self.failure_of_nobody(Kind::System { message })
        })?;
        self.names.insert(name.to_owned(), cable.address().to_string());
        self.wire.cables.push(cable);
        // One that does no harm has no seed that matters.
        let known = self.wire.laid.last() == Some(&(settings, seed));
        if !known && settings != Settings::default() {
            self.wire.laid.push((settings, seed));
        }
        Ok(())
    }

    fn expect_of_cable(&mut self, pattern: &Pattern) -> Result<(), Failed> {
        let deadline = Instant::now() + self.options.deadline;
        loop {
            // What else it did in between is nobody's concern.
            self.wire.lines.allow_anything();
            if let Verdict::Came { .. } = self.wire.lines.next(pattern, &self.names) {
                return Ok(());
            }
            if !self.take_event(deadline) {
                let kind = Kind::CableSilent {
                    expected: pattern.fill(&self.names),
                    did: self.wire.lines.last(LAST_WORDS_MAX),
                    waited: self.options.deadline,
                };
                return Err(self.failure_of_nobody(kind));
            }
        }
    }

    /// What passed, if somebody wants to see it or to keep it.
    fn draw(&mut self) {
        cable::is_running(None);
        let CableOptions { trace, keep, .. } = self.options.cable;
        if trace.is_none() && !keep {
            return;
        }
        // The last words of those that have just ended may still be on their way.
        let end = Instant::now() + SETTLE_MAX;
        while self.wire.trace.has_open_streams() && Instant::now() < end {
            self.take_event((Instant::now() + TABLE_INTERVAL).min(end));
        }
        let traffic = Traffic::of(&self.wire.trace, &mut self.wire.labels);
        if let Some(look) = trace {
            self.session.ladder(&cable::ladder(&traffic, look));
        }
        if keep {
            self.session.keep(traffic, std::mem::take(&mut self.wire.laid));
        }
    }

    // --- files --------------------------------------------------------------------------------

    fn make_file(&mut self, name: &str, content: &[u8]) -> Result<(), Failed> {
        let path = self.dir.path().join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, content)).map_err(|error| {
            let message = format!("cannot make the file {name}: {error}");
            self.failure_of_nobody(Kind::System { message })
        })?;
        self.session.remark(&format!("file {name}, {}", cli::count(content.len(), "byte")));
        Ok(())
    }

    fn compare_files(&mut self, a: &str, b: &str) -> Result<(), Failed> {
        let message = match difference(self.dir.path(), a, b) {
            Ok(None) => {
                self.session.remark(&format!("{a} and {b} are the same"));
                return Ok(());
            }
            Ok(Some(difference)) => difference,
            Err(error) => error,
        };
        Err(self.failure_of_nobody(Kind::NotSame { message }))
    }

    // --- failing ------------------------------------------------------------------------------

    fn failure(&mut self, actor: Actor, kind: Kind) -> Failed {
        let CableOptions { trace, keep, faults, .. } = &self.options.cable;
        if faults.is_some() && (trace.is_some() || *keep) {
            self.let_clients_finish();
        }
        self.settle();
        // A panic explains all that follows from it, and may be heard after it.
        let panic = |running: &Running| running.stderr.panic();
        let panicked = self.actors.iter().position(|running| panic(running).is_some());
        let (actor, kind) = match panicked.and_then(|who| Some((who, panic(&self.actors[who])?))) {
            Some((who, message)) => (who, Kind::Panicked { message }),
            None => (actor, kind),
        };
        let line = self.step.map_or("the end".to_owned(), |step| step.line.to_string());
        let mut last_words = Vec::new();
        for (who, running) in self.actors.iter().enumerate() {
            if running.number > 0 {
                last_words.push(self.last_words(who, running));
            }
        }
        Box::new(Failure {
            place: format!("{}:{line}", self.options.file),
            actor: self.transcript.actors.get(actor).cloned().unwrap_or_default(),
            kind,
            last_words,
            again: self.options.again.clone(),
        })
    }

    /// Under faults that the transcript did not reckon with, a failure is no end: the ladder is to
    /// show how the programs come to terms with what was lost.
    fn let_clients_finish(&mut self) {
        let end = Instant::now() + self.options.deadline / FINISH_DIVISOR;
        let is_client = |replay: &Self, actor: Actor| {
            let running = &replay.actors[actor];
            running.runs() && !Transcript::is_server(replay.life(actor), actor)
        };
        while (0..self.actors.len()).any(|actor| is_client(self, actor)) && self.take_event(end) {}
    }

    /// What explains a failure often comes a moment after it: the other end's error, a traceback.
    fn settle(&mut self) {
        let end = Instant::now() + SETTLE_MAX;
        while Instant::now() < end && self.take_event(Instant::now() + SETTLE) {}
    }

    fn failure_of_nobody(&mut self, kind: Kind) -> Failed {
        self.failure(usize::MAX, kind)
    }

    fn last_words(&self, actor: Actor, running: &Running) -> LastWords {
        let marked = |lines: &Lines, mark: char| -> Vec<(char, String)> {
            lines.last(LAST_WORDS_MAX).into_iter().map(|line| (mark, line)).collect()
        };
        let mut lines = marked(&running.stdout, '>');
        lines.extend(marked(&running.stderr, '!'));
        LastWords {
            actor: self.transcript.actors[actor].clone(),
            replaced: running.replaced.clone(),
            lines,
            code: running.code,
        }
    }
}

fn mark(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => ">",
        Stream::Stderr => "!",
    }
}

/// The words of a `--replace` command.
fn replacement_words(command: &str) -> Result<Vec<Pattern>, String> {
    let words = shlex::split(command)
        .filter(|words| !words.is_empty())
        .ok_or_else(|| format!("`{command}` is no command: a quote is open, or it is empty"))?;
    words
        .iter()
        .map(|word| {
            Pattern::parse(word, &|_| true).map_err(|error| format!("`{word}`: {}", error.message))
        })
        .collect()
}

fn awaited_listening(bind: Option<SocketAddr>) -> String {
    match bind {
        Some(address) => format!("a socket on {address}, or the line `listening on ADDRESS`"),
        None => "the line `listening on ADDRESS` (or put {bind} into the command: a free address)"
            .to_owned(),
    }
}

/// How two files of the demo's folder differ.
fn difference(dir: &Path, a: &str, b: &str) -> Result<Option<String>, String> {
    let read = |name: &str| {
        fs::read(dir.join(name)).map_err(|error| format!("cannot read the file {name}: {error}"))
    };
    let (left, right) = (read(a)?, read(b)?);
    if left == right {
        return Ok(None);
    }
    let same = left.iter().zip(&right).take_while(|(x, y)| x == y).count();
    let (len_a, len_b) = (left.len(), right.len());
    Ok(Some(format!("{a} ({len_a} bytes) and {b} ({len_b} bytes) differ from byte {same} on")))
}
