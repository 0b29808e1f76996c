//! `cargo xtask demo`: starts the matched programs of a lesson, shows what each says, checks it.
//!
//! ```text
//!  demos/*.demo ─▶ transcript ─▶ engine ─▶ outcome ─▶ a tick or a cross, JUnit, JSON
//!                  (parse)       │ ▲
//!                                ▼ │ lines, judged by patterns
//!                              processes
//! ```
//!
//! *Read:* [`transcript`] → [`pattern`] → [`lines`](mod@lines) → [`engine`] → [`failure`] →
//! [`process`]; then [`ready`], [`needs`], [`bless`], [`show`], [`report`].

pub mod bless;
pub mod build;
pub mod engine;
pub mod failure;
#[cfg(unix)]
pub mod heed;
pub mod lines;
pub mod needs;
pub mod pattern;
mod plan;
pub mod process;
pub mod ready;
pub mod report;
pub mod scratch;
pub mod show;
pub mod transcript;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use unicode_width::UnicodeWidthStr;

use crate::cable::{self, FaultArgs, ladder::Look};
use crate::recording::{Recording, pcapng};
use crate::workspace;
use bless::Blessing;
pub use build::build;
use engine::{CableOptions, Options, Outcome};
use failure::Failure;
use needs::Binaries;
use pattern::Pattern;
use plan::{Demo, Plan, quoted};
use report::{DemoResult, Report};
use show::Session;
use transcript::{RESERVED, Transcript};

/// Starts the programs of the lessons, shows what each says, and checks it
#[derive(clap::Args, Clone, Debug, Default)]
#[command(after_help = "\
Exit code: 0 all passed, or were skipped for a reason · 1 a demo failed · 2 wrong usage
           3 the runner itself could not work (the build broke, a transcript is unreadable)")]
pub struct Args {
    /// What to run: everything, a chapter (sockets-basics), or a lesson (sockets-basics/tcp-hello)
    #[arg(value_name = "CHAPTER[/LESSON]")]
    what: Vec<String>,
    /// Run this transcript instead: one of your own, anywhere
    #[arg(long, value_name = "FILE", conflicts_with_all = ["what", "peers", "list"])]
    file: Option<PathBuf>,
    /// Show the chapters and lessons with a line on each
    #[arg(long)]
    list: bool,
    /// Rewrite the transcripts' expectations from what the run says
    #[arg(long, conflicts_with_all = ["repeat", "replace", "junit", "json"])]
    bless: bool,
    /// Show the sessions, however many demos run
    #[arg(long, short, conflicts_with = "quiet")]
    verbose: bool,
    /// Show the summary only
    #[arg(long, short)]
    quiet: bool,
    /// Write the results as JUnit XML, one test case per demo
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print the results as one JSON object, and nothing else on stdout
    #[arg(long)]
    json: bool,
    /// Run every demo N times, to find the ones that pass only sometimes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Give every line X times as long to come, on a slow machine
    #[arg(long, value_name = "X", default_value = "1", value_parser = scale)]
    timeout_scale: Option<f64>,
    /// Run your own program as ACTOR, in any language; {server} and {bind} are filled in
    #[arg(long, value_name = "ACTOR='COMMAND'", value_parser = replacement)]
    replace: Vec<(String, String)>,
    /// Draw what passed between the ends, after the session
    #[arg(long)]
    trace: bool,
    /// Write the session, the ladder as a picture, and a capture for Wireshark into this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["repeat", "bless", "list"])]
    save: Option<PathBuf>,
    /// Draw it with ASCII characters only
    #[arg(long, requires = "trace")]
    ascii: bool,
    #[command(flatten)]
    cable: FaultArgs,
    /// Run the pairs with the tutorials' Python programs instead of the lessons
    #[arg(long)]
    peers: bool,
    /// Count a skipped demo as failed: for a CI that must not miss one
    #[arg(long)]
    deny_skips: bool,
}

/// How long a line is waited for.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long a program is given to end once it has been told to.
const GRACE: Duration = Duration::from_secs(3);

/// Runs the demos that were asked for.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let plan = match Plan::make(args, workspace::root()) {
        Ok(plan) => plan,
        Err(error) => return give_up(&error, 2),
    };
    if args.list {
        plan.list();
        return ExitCode::SUCCESS;
    }
    let demos = match plan.load() {
        Ok(demos) => demos,
        Err(error) => return give_up(&error, 3),
    };
    if let Err(error) = check_replacements(&demos, &args.replace) {
        return give_up(&error, 2);
    }
    match build_and_run(&plan, &demos, args).and_then(|report| publish(report, args)) {
        Ok(report) => ExitCode::from(u8::from(!report.is_good(args.deny_skips))),
        Err(error) => give_up(&error, 3),
    }
}

fn build_and_run(plan: &Plan, demos: &[Demo], args: &Args) -> anyhow::Result<Report> {
    let binaries = build(&plan.programs(demos)?, args.quiet || args.json)?;
    process::stop_everything_on_signals().context("cannot watch for signals")?;
    run_all(demos, args, &binaries)
}

/// Reports why nothing was run.
fn give_up(error: &anyhow::Error, code: u8) -> ExitCode {
    for (depth, cause) in error.chain().enumerate() {
        cli::note!("{}: {cause}", if depth == 0 { "error" } else { "caused by" });
    }
    ExitCode::from(code)
}

/// The columns that `text` takes on a terminal.
#[must_use]
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Replays every lesson in silence: where its transcript is, and how it ended.
///
/// # Errors
/// When the programs cannot be built, or a transcript cannot be read.
pub fn replay_all() -> anyhow::Result<Vec<(PathBuf, Outcome)>> {
    let args = Args { quiet: true, repeat: 1, ..Args::default() };
    let plan = Plan::make(&args, workspace::root())?;
    let demos = plan.load()?;
    let report = build_and_run(&plan, &demos, &args)?;
    let outcomes = report.results.into_iter().map(|result| result.outcome);
    Ok(demos.into_iter().map(|demo| demo.path).zip(outcomes).collect())
}

/// Demos that are run for what passes, not for what is said.
pub struct Recorder {
    demos: Vec<Demo>,
    binaries: Binaries,
}

impl Recorder {
    /// Reads the transcripts, and builds what they start.
    ///
    /// # Errors
    /// When a transcript cannot be read, or a program cannot be built.
    pub fn prepare(transcripts: &[PathBuf]) -> anyhow::Result<Self> {
        let demos = transcripts.iter().map(|file| plan::load_file(file));
        let demos: Vec<Demo> = demos.collect::<anyhow::Result<_>>()?;
        let plan = Plan::make(&Args::default(), workspace::root())?;
        let binaries = build(&plan.programs(&demos)?, true)?;
        process::stop_everything_on_signals().context("cannot watch for signals")?;
        Ok(Self { demos, binaries })
    }

    /// Runs one of them.
    ///
    /// # Errors
    /// When it does not pass, and why.
    pub fn record(&self, number: usize) -> Result<Recording, String> {
        let demo = self.demos.get(number).ok_or("there is no such demo")?;
        let mut options = options(demo, &Args::default(), &self.binaries);
        options.cable.keep = true;
        let mut session = Session::new(&demo.transcript.actors, false);
        let outcome = engine::replay(&demo.transcript, &options, &mut session);
        match &outcome {
            Outcome::Passed => {}
            Outcome::Failed(failure) => return Err(format!("failed: {}", failure.headline())),
            Outcome::Skipped(reason) => return Err(format!("was skipped: {reason}")),
        }
        let result = demo.result(outcome, Duration::ZERO, session.text());
        recording(demo, &options, &result, &mut session)
            .ok_or_else(|| "nothing was recorded".to_owned())
    }
}

fn run_all(demos: &[Demo], args: &Args, binaries: &Binaries) -> anyhow::Result<Report> {
    let few = !args.what.is_empty() || args.file.is_some();
    let watched = args.verbose || (few && !args.quiet && args.repeat == 1);
    let live = watched && !args.json;
    let begin = Instant::now();
    let mut report = Report::default();
    for (number, demo) in demos.iter().enumerate() {
        let options = options(demo, args, binaries);
        let mut result = None;
        for _ in 0..args.repeat {
            if live {
                announce(demo, number);
            }
            let mut session = Session::new(&demo.transcript.actors, live);
            let begin = Instant::now();
            let outcome = if args.bless {
                bless(demo, &options, &mut session)?
            } else {
                engine::replay(&demo.transcript, &options, &mut session)
            };
            let one = demo.result(outcome, begin.elapsed(), session.text());
            if live && args.repeat > 1 {
                let _ = cli::say!("{}", one.verdict());
            }
            if let Some(dir) = &args.save {
                save(demo, &options, &one, &mut session, &place(dir, demo, demos))?;
            }
            let all = result.get_or_insert_with(|| one.clone());
            all.add_run(one);
        }
        let Some(result) = result else { continue };
        if !args.json && !args.quiet {
            show_result(&result, live, demos);
        }
        report.results.push(result);
    }
    report.elapsed = begin.elapsed();
    if live && let [demo] = demos {
        suggest(demo, &report);
    }
    Ok(report)
}

/// The folder for what a demo leaves behind: the one that was named, or one below it for each of
/// many.
fn place(dir: &Path, demo: &Demo, demos: &[Demo]) -> PathBuf {
    match demos {
        [_] => dir.to_owned(),
        _ => dir.join(&demo.chapter).join(&demo.lesson),
    }
}

fn save(
    demo: &Demo,
    options: &Options,
    result: &DemoResult,
    session: &mut Session,
    dir: &Path,
) -> anyhow::Result<()> {
    let Some(recording) = recording(demo, options, result, session) else {
        return Ok(());
    };
    recording.save(dir)?;
    cli::note!("saved: {}", dir.display());
    if let Some(flag) = pcapng::decode_as(&recording) {
        cli::note!("open it: wireshark {flag} {}", dir.join("trace.pcapng").display());
    }
    Ok(())
}

/// What there is to keep of a run; `None` if it was skipped.
fn recording(
    demo: &Demo,
    options: &Options,
    result: &DemoResult,
    session: &mut Session,
) -> Option<Recording> {
    let (traffic, faults) = session.take_kept()?;
    let verdict = match &result.outcome {
        Outcome::Passed => "passed".to_owned(),
        Outcome::Failed(failure) => format!("failed: {}", failure.headline()),
        Outcome::Skipped(_) => return None,
    };
    Some(Recording {
        demo: format!("{}/{}", demo.chapter, demo.lesson),
        title: result.title.clone(),
        command: options.again.clone(),
        faults,
        verdict,
        session: result.session.clone(),
        traffic,
    })
}

/// A `--replace` that names nobody, or a placeholder that stands for nothing, would pass without
/// having checked anything.
fn check_replacements(demos: &[Demo], replace: &[(String, String)]) -> anyhow::Result<()> {
    let list = |mut names: Vec<String>| {
        names.sort();
        names.dedup();
        names.join(", ")
    };
    for (actor, command) in replace {
        let actors: Vec<String> = demos.iter().flat_map(|d| d.transcript.actors.clone()).collect();
        if !actors.contains(actor) {
            bail!("--replace {actor}: there is no such actor; there are: {}", list(actors));
        }
        let command = Pattern::parse(command, &|_| true).map_err(|error| anyhow!(error.message))?;
        let mut known: Vec<String> = demos.iter().flat_map(|d| d.transcript.names()).collect();
        known.extend(RESERVED.map(str::to_owned));
        if let Some(unknown) = command.names().find(|name| !known.iter().any(|k| k == name)) {
            let known = known.iter().map(|name| format!("{{{name}}}")).collect();
            bail!(
                "--replace {actor}: `{{{unknown}}}` stands for nothing; there are: {}",
                list(known)
            );
        }
    }
    Ok(())
}

fn options(demo: &Demo, args: &Args, binaries: &Binaries) -> Options {
    let scale = args.timeout_scale.unwrap_or(1.0);
    let mut again = demo.again.clone();
    for (actor, command) in &args.replace {
        again.push_str(&format!(" --replace {actor}={}", quoted(command)));
    }
    if let Some(faults) = args.cable.faults {
        // The fate is the seed's, so the command must name it even where nobody chose it.
        let seed = args.cable.seed.unwrap_or(cable::SEED);
        again.push_str(&format!(" --faults {faults} --seed {seed}"));
    } else if let Some(seed) = args.cable.seed {
        again.push_str(&format!(" --seed {seed}"));
    }
    if args.trace {
        again.push_str(" --trace");
    }
    if (scale - 1.0).abs() > f64::EPSILON {
        again.push_str(&format!(" --timeout-scale {scale}"));
    }
    Options {
        deadline: DEADLINE.mul_f64(scale),
        grace: GRACE.mul_f64(scale),
        replace: args.replace.iter().map(|(actor, it)| (actor.clone(), from_here(it))).collect(),
        binaries: binaries.clone(),
        file: demo.path.strip_prefix(workspace::root()).unwrap_or(&demo.path).display().to_string(),
        here: demo.path.parent().unwrap_or(Path::new(".")).display().to_string(),
        again,
        cable: CableOptions {
            trace: args.trace.then(|| Look { width: terminal_width(), ascii: args.ascii }),
            keep: args.save.is_some(),
            faults: args.cable.faults,
            seed: args.cable.seed,
            decoder: demo
                .transcript
                .first_of(&binaries.names)
                .and_then(|name| binaries.find_own(name)),
        },
    }
}

/// A command in which files are named as seen from where it was typed, made fit for the demo's
/// own folder, where it will run.
fn from_here(command: &str) -> String {
    let Some(words) = shlex::split(command) else { return command.to_owned() };
    let words = words.into_iter().map(|word| match std::path::absolute(&word) {
        Ok(path) if path.is_file() => path.to_string_lossy().into_owned(),
        _ => word,
    });
    let words: Vec<String> = words.collect();
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| command.to_owned())
}

/// How wide the terminal is: what COLUMNS says, or stty(1), or 80.
fn terminal_width() -> usize {
    let from_stty = || {
        let stty = Command::new("stty").arg("size").stdin(Stdio::inherit()).output().ok()?;
        let size = String::from_utf8(stty.stdout).ok()?;
        size.split_whitespace().nth(1)?.parse().ok()
    };
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.or_else(from_stty).unwrap_or(80)
}

/// Replays, rewrites the transcript from what was said, and keeps it if it passes as rewritten.
fn bless(demo: &Demo, options: &Options, session: &mut Session) -> anyhow::Result<Outcome> {
    let (outcome, blessing) =
        engine::replay_and(&demo.transcript, options, session, Some(Blessing::default()));
    let Some(blessing) = blessing.filter(|blessing| !blessing.is_empty()) else {
        return Ok(outcome);
    };
    if outcome != Outcome::Passed {
        return Ok(outcome);
    }
    let text = blessing.apply(&demo.text);
    let transcript = match Transcript::parse(&text) {
        Ok(transcript) => transcript,
        Err(error) => {
            let message = format!("what was said makes no transcript: {}", error.message);
            return Ok(Outcome::Failed(Failure::of_nobody(options, message)));
        }
    };
    let mut again = Session::new(&transcript.actors, false);
    let outcome = engine::replay(&transcript, options, &mut again);
    if outcome == Outcome::Passed {
        fs::write(&demo.path, &text)
            .with_context(|| format!("cannot write {}", demo.path.display()))?;
        let _ = cli::say!("rewritten: {}", options.file);
    }
    Ok(outcome)
}

impl Demo {
    fn result(&self, outcome: Outcome, elapsed: Duration, session: &str) -> DemoResult {
        DemoResult {
            chapter: self.chapter.clone(),
            lesson: self.lesson.clone(),
            title: self.transcript.title.clone(),
            outcome,
            elapsed,
            session: session.to_owned(),
            runs: 0,
            failed_runs: 0,
        }
    }
}

fn announce(demo: &Demo, number: usize) {
    let bold = anstyle::Style::new().bold().underline();
    let gap = if number > 0 { "\n" } else { "" };
    let _ = cli::say!("{gap}{bold}{}/{}{bold:#}", demo.chapter, demo.lesson);
}

fn show_result(result: &DemoResult, live: bool, demos: &[Demo]) {
    let longest = demos.iter().map(|d| d.chapter.len() + d.lesson.len() + 1).max().unwrap_or(0);
    let _ = cli::say!("{}", if live { result.verdict() } else { result.line(longest) });
    if let Outcome::Failed(failure) = &result.outcome {
        let painted = show::paint(&failure.to_string());
        let _ = cli::say!("\n{painted}");
    }
}

/// After a single lesson: what to do with it, and what comes next.
fn suggest(demo: &Demo, report: &Report) {
    // Others than lessons have nothing to be read.
    let Some(file) = demo.to_read.as_ref().filter(|_| report.is_good(false)) else { return };
    let bold = anstyle::Style::new().bold();
    let _ = cli::say!("\n{bold}Try it yourself{bold:#}, each line in a terminal of its own:");
    for command in demo.transcript.commands_by_hand(&demo.chapter) {
        let _ = cli::say!("  {command}");
    }
    let _ = cli::say!("{bold}Read it{bold:#}: {file}");
    let _ = match &demo.next {
        Some(next) => cli::say!("{bold}Next{bold:#}: cargo xtask demo {next}"),
        None => cli::say!("{bold}Next{bold:#}: cargo xtask demo --list"),
    };
}

/// A report that cannot be written is the runner's failure, but nobody is to lose the table for
/// it.
fn publish(report: Report, args: &Args) -> anyhow::Result<Report> {
    let said = if args.json {
        cli::say!("{}", report.json())
    } else if report.results.len() > 1 || args.quiet || args.repeat > 1 {
        cli::say!("{}", report.table(args.deny_skips))
    } else {
        Ok(())
    };
    if let Err(error) = said
        && !error.is_closed_pipe()
    {
        return Err(error.into());
    }
    if let Some(path) = &args.junit {
        fs::write(path, report.junit())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(report)
}

/// `--timeout-scale`: a number that gives every line some time, and not for ever.
fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|_| "a number is wanted, such as 3 or 0.5".to_owned())?;
    match scale {
        scale if (0.01..=1000.0).contains(&scale) => Ok(scale),
        _ => Err("a number from 0.01 to 1000 is wanted".to_owned()),
    }
}

/// `--replace ACTOR='COMMAND'`.
fn replacement(text: &str) -> Result<(String, String), String> {
    let wanted = "write ACTOR='COMMAND', such as server='python3 server.py {bind}'";
    let (actor, command) = text.split_once('=').ok_or(wanted)?;
    if actor.is_empty() || command.trim().is_empty() {
        return Err(wanted.to_owned());
    }
    Ok((actor.to_owned(), command.to_owned()))
}
