//! The rules of the workspace, as a test: what `docs/ARCHITECTURE.md` states under *Rules* and no
//! lint can see.
//!
//! ```text
//!  the tree ──▶ Tree: every file's text, and of every .rs what is code, string, comment, test
//!                 │
//!                 ├─ code.rs       1 pure files · 2 heads · 4 panics and prints · 5 unsafe · 10 length
//!                 ├─ lessons.rs    3 lessons, anchors, includes · 11 what is left out
//!                 ├─ manifests.rs  6 chapters apart · 8 dependencies
//!                 └─ network.rs    7 sleeps, ports, ignored tests · 9 addresses off the machine
//!                 ▼
//!               one line per violation, all at once
//! ```
//!
//! Each rule is a function from a [`Tree`] to violations, so a test can hand it a tree that never
//! was. The rules read text, not syntax trees: they see what a careful reader sees at a glance, and
//! cost no parser to build.

mod code;
mod lessons;
mod manifests;
mod network;
mod source;

use std::fmt;
use std::fs;
use std::path::Path;

use source::Source;

use crate::workspace;

/// Every rule's check; the numbers are those of `docs/ARCHITECTURE.md`.
const RULES: [fn(&Tree) -> Vec<Violation>; 15] = [
    code::pure_files_do_no_io,
    code::files_open_with_their_purpose,
    lessons::lessons_are_complete,
    lessons::includes_and_anchors_meet,
    lessons::minutes_agree,
    code::nothing_panics,
    code::nothing_prints,
    code::unsafe_is_declared,
    manifests::chapters_keep_apart,
    network::nothing_waits_by_the_clock,
    network::no_port_is_fixed,
    manifests::dependencies_say_what_they_are_for,
    network::nothing_leaves_the_machine,
    code::functions_are_short,
    lessons::shortcuts_are_admitted,
];

#[test]
fn the_tree_keeps_the_rules() {
    let tree = Tree::read(workspace::root());
    let mut violations: Vec<_> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    violations.sort();
    let lines: String = violations.iter().map(|violation| format!("{violation}\n")).collect();
    assert!(lines.is_empty(), "\n{lines}");
}

/// The files of the workspace, or of one that a test made up.
struct Tree {
    files: Vec<File>,
}

/// A file, with its path from the root and `/` in it on every system.
struct File {
    path: String,
    text: String,
    /// Of a `.rs` file.
    source: Option<Source>,
}

/// What is wrong where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    path: String,
    line: usize,
    rule: u8,
    what: String,
}

impl Tree {
    /// Reads all that is not built, hidden or made.
    fn read(root: &Path) -> Self {
        let mut paths = Vec::new();
        list(root, root, &mut paths);
        let files = paths.into_iter().map(|path| {
            let bytes = fs::read(root.join(&path)).unwrap();
            (path, String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
        });
        Self::of(files)
    }

    fn of(files: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Self {
        let mut files: Vec<File> =
            files.into_iter().map(|(path, text)| File::new(path.into(), text.into())).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut tree = Self { files };
        tree.mark_test_modules();
        tree
    }

    fn get(&self, path: &str) -> Option<&File> {
        let at = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(&self.files[at])
    }

    /// The `.rs` files with what is known of their text.
    fn sources(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files.iter().filter_map(|file| Some((file, file.source.as_ref()?)))
    }

    /// The crates of the workspace that have demos, in no order: `crates/tftp`.
    fn chapters(&self) -> Vec<&str> {
        let mut chapters: Vec<&str> = self
            .files
            .iter()
            .filter(|file| file.path.ends_with(".demo"))
            .filter_map(|file| Some(file.path.split_once("/demos/")?.0))
            .collect();
        chapters.dedup();
        chapters
    }

    /// `#[cfg(test)] mod tidy;` makes tests of `tidy.rs` and all below `tidy/`.
    fn mark_test_modules(&mut self) {
        let mut modules = Vec::new();
        for (file, source) in self.sources() {
            let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
            let folder = match name {
                "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
                _ => file.path.trim_end_matches(".rs").to_owned(),
            };
            modules.extend(source.test_modules().map(|module| format!("{folder}/{module}")));
        }
        for file in &mut self.files {
            let stem = file.path.trim_end_matches(".rs");
            let of_tests = |module: &String| {
                stem.strip_prefix(module.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if let Some(source) = &mut file.source
                && modules.iter().any(of_tests)
            {
                source.all_is_test();
            }
        }
    }
}

impl File {
    fn new(path: String, text: String) -> Self {
        let source = path.ends_with(".rs").then(|| {
            let mut source = Source::new(&text);
            if path.contains("/tests/") || path.contains("/benches/") || path.ends_with("/tests.rs")
            {
                source.all_is_test();
            }
            source
        });
        Self { path, text, source }
    }

    /// `line` counts from 1.
    fn violation(&self, line: usize, rule: u8, what: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, rule, what: what.into() }
    }

    /// The file's lines, counted from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, what } = self;
        write!(f, "{path}:{line}: rule {rule}: {what} (docs/ARCHITECTURE.md#rules)")
    }
}

/// Appends the paths of the files below `folder`, from `root`.
fn list(root: &Path, folder: &Path, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let relative = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        let name = relative.rsplit('/').next().unwrap_or_default();
        let made = matches!(name, "target" | "__pycache__") || relative == "docs/book";
        if made || name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            list(root, &path, paths);
        } else {
            paths.push(relative);
        }
    }
}

/// Hands `rule` a tree of `files` and compares what it finds with `want`: `path:line: what`, cut
/// where the want ends.
#[track_caller]
fn check(rule: fn(&Tree) -> Vec<Violation>, files: &[(&str, &str)], want: &[&str]) {
    let tree = Tree::of(files.iter().copied());
    let mut found = rule(&tree);
    found.sort();
    let got: Vec<String> = found
        .iter()
        .map(|Violation { path, line, what, .. }| format!("{path}:{line}: {what}"))
        .collect();
    let same =
        got.len() == want.len() && got.iter().zip(want).all(|(got, want)| got.starts_with(want));
    assert!(same, "\n got: {got:#?}\nwant: {want:#?}");
}

#[test]
fn a_violation_is_one_line_that_an_editor_can_follow() {
    let file = File::new("crates/tftp/src/wire.rs".to_owned(), String::new());
    assert_eq!(
        file.violation(7, 1, "reads the clock").to_string(),
        "crates/tftp/src/wire.rs:7: rule 1: reads the clock (docs/ARCHITECTURE.md#rules)"
    );
}

#[test]
fn a_module_declared_for_tests_is_a_test_with_all_below_it() {
    let tree = Tree::of([
        ("a/src/lib.rs", "#[cfg(test)]\nmod judge;\nmod plain;"),
        ("a/src/judge.rs", "fn f() {}"),
        ("a/src/judge/part.rs", "fn f() {}"),
        ("a/src/judged.rs", "fn f() {}"),
        ("a/src/plain.rs", "#[cfg(all(test, unix))]\nmod inner;"),
        ("a/src/plain/inner.rs", "fn f() {}"),
        ("a/tests/real.rs", "fn f() {}"),
    ]);
    let tests: Vec<&str> = tree
        .sources()
        .filter(|(_, source)| source.is_test(1))
        .map(|(file, _)| file.path.as_str())
        .collect();
    assert_eq!(
        tests,
        [
            "a/src/judge.rs",
            "a/src/judge/part.rs",
            "a/src/lib.rs",
            "a/src/plain.rs",
            "a/src/plain/inner.rs",
            "a/tests/real.rs"
        ]
    );
}
