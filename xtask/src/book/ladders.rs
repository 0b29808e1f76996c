//! The book's ladders: pictures of what passes, drawn from demos, so that they cannot lie.
//!
//! ```text
//!  tftp.md:  ![…](tftp/ladders/lost-ack.svg)
//!                         │
//!                         ├── docs/en/src/tftp/ladders/lost-ack.demo   if there is one, or
//!                         ├── crates/tftp/demos/lost-ack.demo          the lesson's own
//!                         ▼
//!                     replayed, recorded, drawn
//! ```
//!
//! A page asks for a ladder by showing it: an image in a folder `ladders`. Its name says which
//! demo it is drawn from. The picture is in the repository, so that a code host shows it, and
//! `--check` says when it is not what the demo gives today.
//!
//! That takes demos whose trace is the same every time: the ends take turns, faults are decided by
//! a seed, and where both ends could speak at the same time a `delay` in the cable keeps them apart.
//! Times and ports are not drawn, pauses only roundly. A machine that stood still for a while draws
//! something else, so what differs is drawn again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{PAGES, Problem, files_below, markdown, normal, read, slashed, write};
use crate::cable::traffic::Traffic;
use crate::demo::Recorder;
use crate::recording::Recording;
use crate::recording::ladder::{Clock, draw};

/// The folder, wherever it lies below the pages.
const FOLDER: &str = "ladders";

/// How often a picture that differs is drawn before it is said to differ.
const ATTEMPTS: usize = 3;

/// Draws the ladders that pages show, or only says which are out of date.
///
/// # Errors
/// When a demo's program cannot be built, or a file cannot be read or written.
pub fn update(root: &Path, only_check: bool) -> anyhow::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let mut pictures = Vec::new();
    for (picture, (page, line)) in shown(root)? {
        match source(root, &picture) {
            Some(demo) => pictures.push((picture, demo)),
            None => {
                let what = format!("no demo is called as the ladder {}", slashed(&picture));
                problems.push(Problem::new(page, line, what));
            }
        }
    }
    problems.extend(unused(root, &pictures)?);
    let demos: Vec<PathBuf> = pictures.iter().map(|(_, demo)| root.join(demo)).collect();
    let recorder = Recorder::prepare(&demos)?;
    for (number, (picture, demo)) in pictures.iter().enumerate() {
        // An old picture is compared as git may have checked it out: with other line endings.
        let old = read(&root.join(picture)).unwrap_or_default().replace("\r\n", "\n");
        match redraw(&old, only_check, || recorder.record(number)) {
            Ok(None) => {}
            Ok(Some(_)) if only_check => {
                let what = format!("is not what {} gives today", slashed(demo));
                problems.push(Problem::new(picture, None, what));
            }
            Ok(Some(new)) => write(&root.join(picture), &new)?,
            Err(why) => problems.push(Problem::new(demo, None, why)),
        }
    }
    Ok(problems)
}

/// The picture as it should be, if it is another one than `old`. One that is to be written must
/// have come out the same twice.
fn redraw(
    old: &str,
    only_check: bool,
    mut record: impl FnMut() -> Result<Recording, String>,
) -> Result<Option<String>, String> {
    let mut before: Option<String> = None;
    for _ in 0..ATTEMPTS {
        let new = picture(&record()?);
        if new == old {
            return Ok(None);
        }
        if !only_check && before.as_ref() == Some(&new) {
            return Ok(Some(new));
        }
        before = Some(new);
    }
    match before {
        Some(last) if only_check => Ok(Some(last)),
        _ => Err("gives another ladder every time".to_owned()),
    }
}

fn picture(recording: &Recording) -> String {
    let mut traffic = recording.traffic.clone();
    without_ports(&mut traffic);
    let faults = recording.faults_in_words();
    draw(&traffic, &recording.title, &faults, "cargo xtask book", Clock::Pauses)
}

/// Ports that the system has chosen are others tomorrow.
fn without_ports(traffic: &mut Traffic) {
    for passed in &mut traffic.passed {
        for host in ["127.0.0.1:", "[::1]:"] {
            let mut parts = passed.label.split(host);
            let mut label = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                label.push_str(host);
                label.push('…');
                label.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
            }
            passed.label = label;
        }
    }
}

/// The ladders that pages show, from the root, each with the first page and line that does.
fn shown(root: &Path) -> anyhow::Result<BTreeMap<PathBuf, (PathBuf, usize)>> {
    let mut shown = BTreeMap::new();
    for path in files_below(&root.join(PAGES), &[".md"])? {
        let page = path.strip_prefix(root).unwrap_or(&path).to_owned();
        for link in markdown::links(&read(&path)?) {
            let folder = page.parent().unwrap_or(Path::new(""));
            let Some(target) = normal(&folder.join(&link.target)) else { continue };
            if is_ladder(&target, "svg") {
                shown.entry(target).or_insert((page.clone(), link.line));
            }
        }
    }
    Ok(shown)
}

fn is_ladder(path: &Path, extension: &str) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    folder.is_some_and(|folder| folder == FOLDER)
        && path.extension().is_some_and(|known| known == extension)
}

/// The demo that a ladder is drawn from: the one beside it, or the lesson.
fn source(root: &Path, picture: &Path) -> Option<PathBuf> {
    let beside = picture.with_extension("demo");
    let chapter = picture.parent()?.parent()?.file_name()?;
    let lesson = Path::new("crates").join(chapter).join("demos").join(beside.file_name()?);
    [beside, lesson].into_iter().find(|demo| root.join(demo).is_file())
}

/// What lies among the ladders and belongs to none that a page shows.
fn unused(root: &Path, pictures: &[(PathBuf, PathBuf)]) -> anyhow::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for path in files_below(&root.join(PAGES), &[".svg", ".demo"]).context("no pages")? {
        let file = path.strip_prefix(root).unwrap_or(&path);
        let is_one = is_ladder(file, "svg") || is_ladder(file, "demo");
        let is_shown = pictures.iter().any(|(svg, demo)| svg == file || demo == file);
        if is_one && !is_shown {
            problems.push(Problem::new(file, None, "no page shows this ladder; delete it"));
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::workspace;

    #[test]
    fn a_ladder_is_drawn_from_the_demo_beside_it_or_from_the_lesson() {
        let root = workspace::root();
        for (picture, demo) in [
            ("docs/en/src/tftp/ladders/get.svg", Some("crates/tftp/demos/get.demo")),
            (
                "docs/en/src/tftp/ladders/lost-ack.svg",
                Some("docs/en/src/tftp/ladders/lost-ack.demo"),
            ),
            ("docs/en/src/tftp/ladders/nothing.svg", None),
            ("docs/en/src/ladders/get.svg", None),
        ] {
            assert_eq!(source(root, Path::new(picture)), demo.map(PathBuf::from), "{picture}");
        }
        assert!(is_ladder(Path::new("a/ladders/b.svg"), "svg"));
        assert!(!is_ladder(Path::new("a/b/c.svg"), "svg"));
        assert!(!is_ladder(Path::new("a/ladders/b.png"), "svg"));
    }

    #[test]
    fn one_slow_run_does_not_make_a_ladder_out_of_date_and_three_do() {
        let old = picture(&recording("a"));
        // What the runs give; whether only to check; what comes of it.
        check(&old, "a", true, Ok(false));
        check(&old, "bba", true, Ok(false));
        check(&old, "bbb", true, Ok(true));
        check(&old, "bcb", true, Ok(true));
        check(&old, "bb", false, Ok(true));
        check(&old, "bcc", false, Ok(true));
        check(&old, "bcd", false, Err("gives another ladder every time"));
    }

    #[track_caller]
    fn check(old: &str, runs: &str, only_check: bool, want: Result<bool, &str>) {
        let run = Cell::new(0);
        let got = redraw(old, only_check, || {
            let title = &runs[run.get()..=run.get()];
            run.set(run.get() + 1);
            Ok(recording(title))
        });
        let got = got.map(|new| new.is_some());
        assert_eq!(got.as_ref().map_err(String::as_str), want.as_ref().map_err(|e| *e), "{runs}");
        assert_eq!(run.get(), runs.len(), "{runs}");
    }

    fn recording(title: &str) -> Recording {
        Recording {
            demo: String::new(),
            title: title.to_owned(),
            command: String::new(),
            faults: Vec::new(),
            verdict: String::new(),
            session: String::new(),
            traffic: Traffic {
                began: UNIX_EPOCH,
                actors: Vec::new(),
                flows: Vec::new(),
                passed: Vec::new(),
                forgotten: 0,
                refused: 0,
            },
        }
    }
}
