//! `cargo xtask book`: builds the book, checks it, serves it.
//!
//! ```text
//!  crates/*/src  demos  ──┐ {{#include}}
//!  docs/en/src/*.md ──────┼──▶ mdbook ──▶ target/book/*.html ──▶ links into the repository
//!  programs' --help ──────┘                                      made to work there too
//!   help.rs: help/*.txt                                          listing.rs: files/**
//!  demos, recorded ───────┘
//!   ladders.rs: **/ladders/*.svg
//!   lanes.rs: **/lanes/*.svg
//!
//!  checked before: pages and anchors (markdown.rs, anchor.rs, sources.rs)
//!  checked after:  what mdbook said, every link and #fragment (html.rs, links.rs)
//! ```
//!
//! *Read:* [`sources`] → [`help`] → [`ladders`] → [`lanes`] → [`links`] → [`serve`]; [`markdown`], [`anchor`] and [`html`]
//! read text and touch no file.
//!
//! A page's link to a source file is relative, as a code host wants it. In the built book there
//! is no such file, so a listing of it is put there and the link is turned to the listing.

pub mod anchor;
pub mod help;
pub mod ladders;
pub mod lanes;
pub mod html;
mod json;
pub mod links;
pub mod listing;
pub mod markdown;
pub mod serve;
pub mod sources;

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, anyhow, bail};
use cli::{Advice, count, note, say};

use crate::demo::{self, engine::Outcome};
use crate::workspace;

/// The pages, from the root.
pub const PAGES: &str = "docs/en/src";

/// How to get the mdBook that the book is written for.
const INSTALL: &str = "install it with: cargo install mdbook --version 0.5.4 --locked";

/// Builds the book, checks it, serves it
#[derive(Clone, Copy, clap::Args)]
pub struct Args {
    /// Fail on whatever is broken or out of date; change nothing but target/book
    #[arg(long, conflicts_with = "serve")]
    check: bool,
    /// Serve the book; a page that is loaded again is built again if a source has changed
    #[arg(long)]
    serve: bool,
    /// Where to serve it
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:3000", requires = "serve")]
    bind: SocketAddr,
}

/// Something about the book that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// From the root of the repository.
    pub file: PathBuf,
    /// Counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Problem {
    pub(crate) fn new(
        file: impl Into<PathBuf>,
        line: impl Into<Option<usize>>,
        what: impl Into<String>,
    ) -> Self {
        Self { file: file.into(), line: line.into(), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&slashed(&self.file))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Runs.
///
/// # Errors
/// When the book cannot be built, or `--check` finds a problem.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { check, serve, bind } = args;
    let root = workspace::root();
    let mut problems = help::update(root, check)?;
    problems.extend(ladders::update(root, check)?);
    problems.extend(lanes::update(root, check)?);
    let start = SystemTime::now();
    let built = build(root)?;
    problems.extend(built.problems);
    if check {
        problems.extend(sessions_out_of_date(root)?);
    }
    problems.sort();
    problems.dedup();
    for problem in &problems {
        note!("{problem}");
    }
    let found = count(problems.len(), "problem");
    if check && !problems.is_empty() {
        return Err(anyhow!("the book has {found}"))
            .hint("`cargo xtask book` brings help texts and pictures up to date; the rest is for you to mend");
    }
    if !built.complete {
        bail!("mdbook could not build the book");
    }
    say!("{}: {found}", output(root).join("index.html").display())?;
    if serve { serve::run(root, bind, start) } else { Ok(()) }
}

/// The sessions that differ from what the programs say today: every lesson is replayed.
fn sessions_out_of_date(root: &Path) -> anyhow::Result<Vec<Problem>> {
    let replayed = demo::replay_all()?;
    Ok(replayed
        .into_iter()
        .filter_map(|(transcript, outcome)| {
            let Outcome::Failed(failure) = outcome else { return None };
            let file = transcript.strip_prefix(root).unwrap_or(&transcript).to_owned();
            let what = format!("the session is out of date: {}", failure.headline());
            Some(Problem::new(file, None, what))
        })
        .collect())
}

/// What came of building the book.
pub struct Built {
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// Whether there is a book to read.
    pub complete: bool,
}

/// Builds the pages into `target/book`.
///
/// # Errors
/// When mdbook is missing, or a file cannot be read or written.
pub fn build(root: &Path) -> anyhow::Result<Built> {
    let mut problems = sources::check(root)?;
    let (complete, said) = mdbook(root)?;
    // What the summary or an include lacks is reported above, by file and line.
    let known = problems.iter().any(|problem| {
        problem.what.contains("#include") || problem.what.starts_with("there is no page")
    });
    let repeats = |line: &str| line.contains("{{#include") || line.contains("failed to read");
    problems.extend(
        complaints(&said)
            .into_iter()
            .filter(|line| !(known && repeats(line)))
            .map(|line| Problem::new("docs/en", None, format!("mdbook says: {line}"))),
    );
    if complete {
        problems.extend(links::repair_and_check(root, &output(root))?);
    }
    Ok(Built { problems, complete })
}

/// Where the built book lies.
fn output(root: &Path) -> PathBuf {
    root.join("target/book")
}

/// Runs mdbook; returns whether it succeeded, and what it said.
fn mdbook(root: &Path) -> anyhow::Result<(bool, String)> {
    let built = Command::new("mdbook")
        .arg("build")
        .arg(root.join("docs/en"))
        .arg("--dest-dir")
        .arg(output(root))
        .env("NO_COLOR", "1")
        .env_remove("RUST_LOG")
        .env_remove("RUST_BACKTRACE")
        .output();
    let built = match built {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(error).context("mdbook is not installed").hint(INSTALL);
        }
        built => built.context("cannot run mdbook").hint(INSTALL)?,
    };
    let mut said = String::from_utf8_lossy(&built.stderr).into_owned();
    if !built.status.success() && complaints(&said).is_empty() {
        said = format!("ERROR {} and says why: {}", built.status, said.trim());
    }
    Ok((built.status.success(), said))
}

/// The warnings and errors among mdbook's log lines. What follows one without a level of its own,
/// or as its cause, belongs to it.
fn complaints(log: &str) -> Vec<String> {
    let mut complaints: Vec<String> = Vec::new();
    let mut inside = false;
    for line in log.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (level, text) = line.split_once(' ').unwrap_or((line, ""));
        let continued = text.starts_with("Caused By") && inside;
        match level {
            "WARN" | "ERROR" if !continued => {
                complaints.push(text.trim().to_owned());
                inside = true;
            }
            "INFO" | "DEBUG" | "TRACE" => inside = false,
            _ if inside => {
                let more = if continued { text } else { line };
                if let Some(last) = complaints.last_mut() {
                    last.push_str("; ");
                    last.push_str(more);
                }
            }
            _ => {}
        }
    }
    complaints
}

/// Every file below `dir` whose name ends in one of `endings`, sorted; all if there are none.
pub(crate) fn files_below(dir: &Path, endings: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if endings.is_empty() || endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `path` without `.` and `..`, as text alone decides; `None` if it leads above its start.
pub(crate) fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !normal.pop() {
                    return None;
                }
            }
            other => normal.push(other),
        }
    }
    Some(normal)
}

/// The path as links and people write it, on Windows too.
pub(crate) fn slashed(path: &Path) -> String {
    path.display().to_string().replace(std::path::MAIN_SEPARATOR, "/")
}

pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_without_complaints_is_silent() {
        check("", &[]);
        check(" INFO Book building has started\n INFO Running the html backend\n", &[]);
    }

    #[test]
    fn a_warning_and_an_error_are_each_a_complaint() {
        check(" INFO a\n WARN odd heading\nERROR no file\n INFO b\n", &["odd heading", "no file"]);
    }

    #[test]
    fn causes_and_further_lines_belong_to_the_complaint_before_them() {
        check(
            "ERROR bad link\n WARN Caused By: failed\n  because so\n INFO b\n  not this\n",
            &["bad link; Caused By: failed; because so"],
        );
    }

    #[test]
    fn a_path_is_made_normal_unless_it_leads_above_its_start() {
        for (path, want) in [
            ("a/../b/./c", Some("b/c")),
            ("a/..", Some("")),
            ("a/../../b", None),
            ("docs/en/src/x/../../../../crates/y", Some("crates/y")),
        ] {
            assert_eq!(normal(Path::new(path)), want.map(PathBuf::from), "{path}");
        }
    }

    #[test]
    fn a_problem_says_where_as_an_editor_understands_it() {
        assert_eq!(Problem::new("a.md", 3, "bad").to_string(), "a.md:3: bad");
        assert_eq!(Problem::new("a.md", None, "bad").to_string(), "a.md: bad");
    }

    #[track_caller]
    fn check(log: &str, want: &[&str]) {
        assert_eq!(complaints(log), want);
    }
}
