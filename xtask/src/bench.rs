//! `cargo xtask bench <chapter>`: ours and others, in turn, in the same run.
//!
//! ```text
//!  chapter's bench ──▶ contests ──▶ rounds: every entry of every contest, again and again
//!  (one file each)                    │
//!                                     ▼
//!                                   medians, ratios ──▶ tables, or JSON
//! ```
//!
//! A machine is never the same twice: it warms up, and others use it. So the entries take turns,
//! several rounds of them, and a ratio is the median of the ratios within each round. Nothing here
//! fails because something is slow. What could not be run is listed, with the reason.
//!
//! *Read:* [`contest`] (what is compared) → [`process`] (a server and what it costs) → one file
//! for each chapter: [`udp_echo`], [`tftp`], [`tcp_chat`], [`sticky_packets`]; [`cable`] is the
//! runner's own; [`curve`] draws. A new chapter adds a file and a line in [`CHAPTERS`].

pub mod cable;
pub mod contest;
pub mod curve;
pub mod process;
pub mod sticky_packets;
pub mod tcp_chat;
pub mod tftp;
pub mod udp_echo;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, anyhow, bail};
use cli::{Advice, Exit, Period, note, say};

use crate::demo;
use crate::demo::needs::in_path;
use crate::workspace;
use contest::Bench;

/// Measures a chapter's programs beside others, in turn, several rounds
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Figures depend on the machine and on what else it does; ratios less so. Nothing fails for being slow.")]
pub struct Args {
    /// The chapter
    #[arg(value_name = "CHAPTER")]
    chapter: String,
    /// Measure this program too; {bind} is filled in. It is reached at its ready line, or when
    /// the system's socket table shows the port
    #[arg(long, value_name = "NAME='COMMAND'", value_parser = peer)]
    peer: Vec<Peer>,
    /// How often each takes its turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How long each turn lasts
    #[arg(long, value_name = "PERIOD", default_value = "1500ms")]
    turn: Period,
    /// How large the file of the tftp bench is
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=4096))]
    size: u64,
    /// Draw this output of --json as an SVG, its curves or else bars, and measure nothing
    #[arg(long, value_name = "FILE")]
    draw: Option<PathBuf>,
    /// Only the contests whose title has this in it
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Print everything as one JSON object, and nothing else on stdout
    #[arg(long)]
    json: bool,
    /// Write that object to this file too, beside the tables: both from one run
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    save: Option<PathBuf>,
}

/// A program of somebody else's.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What the table calls it.
    pub name: String,
    /// Its words, with `{bind}` where the address goes.
    pub words: Vec<String>,
}

/// What makes a chapter's bench.
type Prepare = fn(&Args) -> anyhow::Result<Bench>;

/// The chapters that have one.
const CHAPTERS: &[(&str, Prepare)] = &[
    ("udp-echo", udp_echo::prepare),
    ("tftp", tftp::prepare),
    ("tcp-chat", tcp_chat::prepare),
    ("sticky-packets", sticky_packets::prepare),
    ("cable", cable::prepare),
];

/// Runs the bench.
///
/// # Errors
/// When there is no such chapter, or its programs do not build.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(path) = &args.draw {
        let json = fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))
            .exit(Exit::Usage)?;
        return Ok(say!("{}", curve::svg(&json)?.trim_end())?);
    }
    let prepare = CHAPTERS.iter().find(|(name, _)| *name == args.chapter).map(|(_, make)| make);
    let names: Vec<&str> = CHAPTERS.iter().map(|(name, _)| *name).collect();
    let prepare = prepare
        .ok_or_else(|| anyhow!("no chapter `{}` has a bench", args.chapter))
        .hint(format!("there are: {}", names.join(", ")))
        .exit(Exit::Usage)?;
    demo::process::stop_everything_on_signals().context("cannot watch for signals")?;
    let mut bench = prepare(args)?;
    if let Some(only) = &args.only {
        bench.contests.retain(|contest| contest.title.contains(only.as_str()));
    }
    for round in 1..=args.rounds {
        note!("round {round} of {}", args.rounds);
        bench.play();
    }
    let machine = machine();
    if let Some(path) = &args.save {
        fs::write(path, bench.json(&machine, args.rounds) + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        say!("{}", bench.json(&machine, args.rounds))?;
    } else {
        say!("{machine}; medians of {} rounds\n\n{}", args.rounds, bench.tables())?;
    }
    Ok(())
}

/// Builds the program of a chapter as it is meant to be used, and says where it is.
fn build_release(package: &str) -> anyhow::Result<PathBuf> {
    build_cargo(package, &["--bins"])?;
    Ok(target()?.join("release").join(format!("{package}{}", env::consts::EXE_SUFFIX)))
}

/// The same for one of its examples, which may use what is only for tests and benches.
fn build_release_example(package: &str, example: &str) -> anyhow::Result<PathBuf> {
    build_cargo(package, &["--example", example])?;
    let file = format!("{example}{}", env::consts::EXE_SUFFIX);
    Ok(target()?.join("release").join("examples").join(file))
}

fn build_cargo(package: &str, what: &[&str]) -> anyhow::Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(workspace::root())
        .args(["build", "--release", "--package", package])
        .args(what)
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("{package} could not be built (see above)");
    }
    Ok(())
}

/// Compiles a C program, where there is a C compiler.
fn build_c(source: &Path) -> anyhow::Result<PathBuf> {
    let compiler = ["cc", "gcc", "clang"].into_iter().find_map(in_path);
    let compiler = compiler.context("no C compiler (cc, gcc or clang) in the PATH")?;
    let dir = target()?.join("bench");
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let program = dir.join(source.file_stem().unwrap_or_default());
    let output = Command::new(&compiler)
        .args(["-O2", "-Wall", "-o"])
        .args([&program, source])
        .output()
        .with_context(|| format!("cannot start {}", compiler.display()))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("does not compile here: {}", why.lines().next().unwrap_or_default());
    }
    Ok(program)
}

/// The folder that cargo builds into: this program lies in `debug` or `release` below it.
fn target() -> anyhow::Result<PathBuf> {
    let me = env::current_exe().context("cannot tell where this program lies")?;
    let target = me.parent().and_then(Path::parent).context("this program lies nowhere")?;
    Ok(target.to_owned())
}

/// What the figures were measured on.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let release = read("/proc/sys/kernel/osrelease");
    let system = format!("{} {}", env::consts::OS, release.trim());
    format!("{model}, {}, {}", cli::count(cores, "core"), system.trim())
}

fn peer(text: &str) -> Result<Peer, String> {
    let form = "write NAME='COMMAND', for instance mine='python3 echo.py {bind}'";
    let (name, command) = text.split_once('=').ok_or(form)?;
    let words = shlex::split(command).filter(|words| !words.is_empty()).ok_or(form)?;
    if name.is_empty() {
        return Err(form.to_owned());
    }
    Ok(Peer { name: name.to_owned(), words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_name_and_a_command() {
        let mine = peer("mine=python3 'my echo.py' {bind}").unwrap();
        assert_eq!((mine.name.as_str(), mine.words.len()), ("mine", 3));
        for wrong in ["", "mine", "mine=", "=x", "mine='x"] {
            assert!(peer(wrong).is_err(), "{wrong}");
        }
    }
}
