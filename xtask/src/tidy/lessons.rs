//! Rules about what belongs together across files: 3 and 11.
//!
//! A chapter's subcommands say in the first line of their module what they are:
//!
//! ```text
//! //! Lesson `time-sync`: …    module, subcommand, demo and page, all of this name
//! //! Role `server`: …         one end of a chapter that is one program (chapters 2 to 4)
//! //! Tool `load`: …           has no demo of its own
//! ```
//!
//! Where a chapter's programs are roles, a demo can be a session of these: it has a page of its name,
//! and neither module nor subcommand.

use std::collections::BTreeSet;

use super::source::Source;
use super::{File, Tree, Violation};

const SUMMARY: &str = "docs/en/src/SUMMARY.md";

/// Rule 3: subcommand, module, demo and page.
pub(super) fn lessons_are_complete(tree: &Tree) -> Vec<Violation> {
    tree.chapters().into_iter().flat_map(|chapter| chapter_is_complete(tree, chapter)).collect()
}

fn chapter_is_complete(tree: &Tree, chapter: &str) -> Vec<Violation> {
    let main = format!("{chapter}/src/main.rs");
    let subcommands = tree.get(&main).map(subcommands).unwrap_or_default();
    let declared: Vec<&str> = lessons_by_module(tree, chapter);
    let demos = names_in(tree, &format!("{chapter}/demos/"), ".demo");
    let has_roles = has_roles(tree, chapter);
    let mut violations = Vec::new();
    for lesson in declared.iter().chain(&demos).collect::<BTreeSet<_>>() {
        let missing = |path: &str, what: &str| Violation {
            path: path.to_owned(),
            line: 1,
            rule: 3,
            what: format!("lesson `{lesson}` {what}"),
        };
        let module = format!("{chapter}/src/{}.rs", lesson.replace('-', "_"));
        let is_session = has_roles && !declared.contains(lesson) && tree.get(&module).is_none();
        if is_session {
            violations
                .extend(page(tree, chapter, lesson).map(|(path, what)| missing(&path, &what)));
            continue;
        }
        if !declared.contains(lesson) {
            let what = format!("has a demo and no module; open it with `//! Lesson `{lesson}`: …`");
            violations.push(missing(&module, &what));
        }
        if !demos.contains(lesson) {
            let demo = format!("{chapter}/demos/{lesson}.demo");
            violations.push(missing(&demo, "has no demo; write its session down here"));
        }
        if !subcommands.iter().any(|(_, name)| name == lesson) {
            violations.push(missing(&main, "has no subcommand; add it to the enum"));
        }
        violations.extend(page(tree, chapter, lesson).map(|(path, what)| missing(&path, &what)));
    }
    let undeclared = subcommands.iter().filter(|(_, name)| {
        let path = format!("{chapter}/src/{}.rs", name.replace('-', "_"));
        let known = tree.get(&path).is_some_and(|file| {
            ["Lesson", "Role", "Tool"].iter().any(|kind| head_names(file, kind, name))
        });
        !known && !demos.iter().any(|demo| demo == name)
    });
    violations.extend(undeclared.map(|(line, name)| Violation {
        path: main.clone(),
        line: *line,
        rule: 3,
        what: format!("subcommand `{name}` is not said to be a lesson; open its module with `//! Lesson `{name}`: …` (or `Role`, or `Tool`)"),
    }));
    violations
}

/// What is wrong with a lesson's page, and where.
fn page(tree: &Tree, chapter: &str, lesson: &str) -> Option<(String, String)> {
    let chapter = chapter.rsplit('/').next().unwrap_or(chapter);
    let link = format!("{chapter}/{lesson}.md");
    let path = format!("docs/en/src/{link}");
    let title = format!("# {lesson}");
    let Some(page) = tree.get(&path) else {
        return Some((path, format!("has no page; write one with the title `{title}`")));
    };
    if page.text.lines().next() != Some(&title) {
        return Some((path, format!("has a page with another title; make it `{title}`")));
    }
    let listed = tree.get(SUMMARY).is_some_and(|file| file.text.contains(&link));
    (!listed).then(|| {
        (SUMMARY.to_owned(), format!("has a page that the book does not list; add `{link}`"))
    })
}

/// Rule 3: a lesson takes as many minutes on its page as in the table that lists it.
pub(super) fn minutes_agree(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for table in tree.files.iter().filter(|file| file.path.starts_with("docs/")) {
        for (line, text) in table.lines() {
            let Some((link, listed)) = listed_minutes(text) else { continue };
            let page = tree.get(&resolve(&table.path, link));
            let said = page.and_then(|page| page.text.lines().find_map(minutes_said));
            if said != Some(listed) {
                let said = said.map_or("none".to_owned(), |said| said.to_string());
                let what = format!("`{link}` takes {listed} minutes here, and on its page {said}");
                violations.push(table.violation(line, 3, what));
            }
        }
    }
    violations
}

/// `| [phone](phone.md) | 15 | …`
fn listed_minutes(row: &str) -> Option<(&str, u32)> {
    let (_, row) = row.strip_prefix("| [")?.split_once("](")?;
    let (link, row) = row.split_once(") | ")?;
    Some((link, row.split(' ').next()?.parse().ok()?))
}

/// `*15 minutes · …`
fn minutes_said(line: &str) -> Option<u32> {
    line.strip_prefix('*')?.split_once(" minutes")?.0.parse().ok()
}

/// The chapter's modules that call themselves lessons, by the lesson's name.
fn lessons_by_module<'a>(tree: &'a Tree, chapter: &str) -> Vec<&'a str> {
    let sources = format!("{chapter}/src/");
    let own = tree.files.iter().filter(|file| file.path.starts_with(&sources));
    own.filter_map(|file| {
        let name = file.text.strip_prefix("//! Lesson `")?.split('`').next()?;
        file.path[sources.len()..]
            .strip_suffix(".rs")
            .filter(|stem| *stem == name.replace('-', "_"))?;
        Some(name)
    })
    .collect()
}

/// Whether the chapter is a program whose ends are modules of their own.
fn has_roles(tree: &Tree, chapter: &str) -> bool {
    let sources = format!("{chapter}/src/");
    tree.files
        .iter()
        .any(|file| file.path.starts_with(&sources) && file.text.starts_with("//! Role `"))
}

fn head_names(file: &File, kind: &str, name: &str) -> bool {
    file.text.starts_with(&format!("//! {kind} `{name}`"))
}

/// The variants `TimeSync(time_sync::Args)` of a `main.rs`: line, and the name that clap makes.
fn subcommands(main: &File) -> Vec<(usize, String)> {
    let lines = main.lines().filter_map(|(line, text)| {
        let (variant, rest) = text.trim().split_once('(')?;
        rest.trim_end_matches(',').strip_suffix("::Args)")?;
        let mut name = String::new();
        for character in variant.chars() {
            if character.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.extend(character.to_lowercase());
        }
        Some((line, name))
    });
    lines.collect()
}

/// The names of the files directly in `folder` that end in `suffix`, without it.
fn names_in<'a>(tree: &'a Tree, folder: &str, suffix: &str) -> Vec<&'a str> {
    let files = tree.files.iter().filter_map(|file| {
        let name = file.path.strip_prefix(folder)?.strip_suffix(suffix)?;
        (!name.contains('/')).then_some(name)
    });
    files.collect()
}

/// Rule 3: every include resolves, and every anchor is used.
pub(super) fn includes_and_anchors_meet(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut used = BTreeSet::new();
    let pages = tree.files.iter().filter(|file| {
        file.path.starts_with("docs/") && file.path.contains("/src/") && file.path.ends_with(".md")
    });
    for page in pages {
        for (line, include) in includes(page) {
            let (path, anchor) = include.split_once(':').unwrap_or((include, ""));
            let path = resolve(&page.path, path);
            let broken = match tree.get(&path) {
                None => Some(format!("`{path}` is included and does not exist")),
                Some(_) if anchor.starts_with(|c: char| c.is_ascii_digit() || c == ':') => {
                    Some("an include by line numbers shows other lines after the next edit; use an anchor".to_owned())
                }
                Some(file) if !anchor.is_empty() && !has_anchor(file, anchor) => {
                    Some(format!("`{path}` has no `ANCHOR: {anchor}` with its `ANCHOR_END`"))
                }
                Some(_) => None,
            };
            violations.extend(broken.map(|what| page.violation(line, 3, what)));
            used.insert((path, anchor.to_owned()));
        }
    }
    for (file, source) in tree.sources() {
        for (line, anchor) in anchors(source) {
            if !used.contains(&(file.path.clone(), anchor.to_owned())) {
                let what =
                    format!("no page shows `ANCHOR: {anchor}`; include it, or take the anchor out");
                violations.push(file.violation(line, 3, what));
            }
        }
    }
    violations
}

/// `path:anchor` of each `{{#include …}}`, with its line; one with a backslash before it is text.
fn includes(page: &File) -> Vec<(usize, &str)> {
    let mut includes = Vec::new();
    for (line, text) in page.lines() {
        for (at, _) in text.match_indices("{{#") {
            let escaped = text[..at].ends_with('\\');
            let (keyword, rest) = text[at + 3..].split_once(' ').unwrap_or_default();
            let known = matches!(keyword, "include" | "rustdoc_include" | "playground");
            if let (true, false, Some((target, _))) = (known, escaped, rest.split_once("}}")) {
                includes.push((line, target.trim()));
            }
        }
    }
    includes
}

/// The path from the root of what `page` calls `path`.
fn resolve(page: &str, path: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn has_anchor(file: &File, anchor: &str) -> bool {
    let ends_with = |mark: &str| {
        file.text
            .lines()
            .any(|line| line.split_once(mark).is_some_and(|(_, name)| name.trim() == anchor))
    };
    ends_with("ANCHOR: ") && ends_with("ANCHOR_END: ")
}

/// The names in comments `// ANCHOR: name`, with their lines.
fn anchors(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(source.comments.lines())
        .filter_map(|(line, comment)| Some((line, comment.trim().strip_prefix("// ANCHOR: ")?)))
}

/// Rule 11: a crate that takes shortcuts says in its front page what it leaves out.
pub(super) fn shortcuts_are_admitted(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, source) in tree.sources() {
        let Some((folder, _)) = file.path.split_once("/src/") else { continue };
        let mark =
            (1..).zip(source.comments.lines()).find(|(_, comment)| comment.contains("Simplified:"));
        let front = tree.get(&format!("{folder}/src/lib.rs"));
        let admits = front.is_some_and(|front| front.text.contains("//! *Left out:*"));
        if let (Some((line, _)), false) = (mark, admits) {
            let what =
                format!("a shortcut, and {folder}/src/lib.rs has no paragraph `*Left out:*`");
            violations.push(file.violation(line, 11, what));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    const MAIN: (&str, &str) =
        ("crates/a/src/main.rs", "enum Lesson {\n    TimeSync(time_sync::Args),\n}\n");
    const MODULE: (&str, &str) =
        ("crates/a/src/time_sync.rs", "//! Lesson `time-sync`: the time.\n");
    const DEMO: (&str, &str) = ("crates/a/demos/time-sync.demo", "# The time.\n");
    const PAGE: (&str, &str) = ("docs/en/src/a/time-sync.md", "# time-sync\n");
    const BOOK: (&str, &str) = (SUMMARY, "- [time-sync](a/time-sync.md)\n");

    #[test]
    fn rule_3_is_content_with_a_whole_lesson() {
        check(lessons_are_complete, &[MAIN, MODULE, DEMO, PAGE, BOOK], &[]);
        // What is not a lesson needs nothing but to say so.
        let main =
            ("crates/a/src/main.rs", "    TimeSync(time_sync::Args),\n    Load(load::Args),\n");
        let tool = ("crates/a/src/load.rs", "//! Tool `load`: asks a lot.\n");
        let wire = ("crates/a/src/wire.rs", "//! Packets.\n");
        check(lessons_are_complete, &[main, tool, wire, MODULE, DEMO, PAGE, BOOK], &[]);
    }

    #[test]
    fn rule_3_wants_only_a_page_for_a_session_of_roles() {
        let role = ("crates/a/src/server.rs", "//! Role `server`: it serves.\n");
        check(lessons_are_complete, &[role, DEMO, PAGE, BOOK], &[]);
        check(
            lessons_are_complete,
            &[role, DEMO, BOOK],
            &["docs/en/src/a/time-sync.md:1: lesson `time-sync` has no page"],
        );
    }

    #[test]
    fn rule_3_names_the_part_that_a_lesson_lacks() {
        check(
            lessons_are_complete,
            &[MODULE, DEMO, PAGE, BOOK],
            &["crates/a/src/main.rs:1: lesson `time-sync` has no subcommand"],
        );
        check(
            lessons_are_complete,
            &[MAIN, DEMO, PAGE, BOOK],
            &["crates/a/src/time_sync.rs:1: lesson `time-sync` has a demo and no module"],
        );
        check(
            lessons_are_complete,
            &[MAIN, MODULE, DEMO, BOOK],
            &["docs/en/src/a/time-sync.md:1: lesson `time-sync` has no page"],
        );
        check(
            lessons_are_complete,
            &[MAIN, MODULE, DEMO, (PAGE.0, "# Time\n"), BOOK],
            &["docs/en/src/a/time-sync.md:1: lesson `time-sync` has a page with another title"],
        );
        check(
            lessons_are_complete,
            &[MAIN, MODULE, DEMO, PAGE],
            &[
                "docs/en/src/SUMMARY.md:1: lesson `time-sync` has a page that the book does not list",
            ],
        );
    }

    #[test]
    fn rule_3_sees_a_lesson_without_demo_and_a_subcommand_that_says_nothing() {
        let other = ("crates/a/demos/phone.demo", "# Ring.\n");
        let got = Tree::of([MAIN, MODULE, other, PAGE, BOOK]);
        let demo = lessons_are_complete(&got).into_iter().find(|found| found.path == DEMO.0);
        assert_eq!(
            demo.unwrap().what,
            "lesson `time-sync` has no demo; write its session down here"
        );
        let mute =
            ("crates/a/src/main.rs", "    TimeSync(time_sync::Args),\n    Load(load::Args),\n");
        check(
            lessons_are_complete,
            &[mute, MODULE, DEMO, PAGE, BOOK],
            &["crates/a/src/main.rs:2: subcommand `load` is not said to be a lesson"],
        );
    }

    #[test]
    fn rule_3_wants_includes_that_resolve_and_anchors_that_are_shown() {
        let source = (
            "crates/a/src/x.rs",
            "//! X.\n// ANCHOR: server\n// ANCHOR_END: server\n// ANCHOR: lost\n// ANCHOR_END: lost\n",
        );
        let page = (
            "docs/en/src/a/x.md",
            "{{#include ../../../../crates/a/src/x.rs:server}}\n{{#include ../../../../crates/a/src/x.rs:client}}\n{{#include gone.txt}}\n{{#include x.md:2:3}}\n",
        );
        check(
            includes_and_anchors_meet,
            &[source, page],
            &[
                "crates/a/src/x.rs:4: no page shows `ANCHOR: lost`",
                "docs/en/src/a/x.md:2: `crates/a/src/x.rs` has no `ANCHOR: client`",
                "docs/en/src/a/x.md:3: `docs/en/src/a/gone.txt` is included and does not exist",
                "docs/en/src/a/x.md:4: an include by line numbers",
            ],
        );
    }

    #[test]
    fn rule_3_lets_written_about_includes_and_anchors_be() {
        let source = (
            "crates/a/src/x.rs",
            "//! `ANCHOR: a` marks one.\nconst A: &str = \"\n// ANCHOR: b\n\";\n",
        );
        let page =
            ("docs/en/src/x.md", "Write \\{{#include gone.rs:a}} to show it. {{#title A}}\n");
        check(includes_and_anchors_meet, &[source, page], &[]);
    }

    #[test]
    fn rule_3_wants_a_lesson_to_take_as_long_everywhere() {
        let table = (
            "docs/en/src/a/first.md",
            "| lesson | minutes |\n| [x](x.md) | 10 | a |\n| [y](y.md) | 5 | b |\n| [z](z.md) | c |\n",
        );
        let page = ("docs/en/src/a/x.md", "# x\n\n*10 minutes, or 15 minutes · from a*\n");
        let other = ("docs/en/src/a/y.md", "# y\n\n*50 minutes*\n");
        let want = "docs/en/src/a/first.md:3: `y.md` takes 5 minutes here, and on its page 50";
        check(minutes_agree, &[table, page, other], &[want]);
        let mute = ("docs/en/src/a/y.md", "# y\n\nSoon.\n");
        let want = "docs/en/src/a/first.md:3: `y.md` takes 5 minutes here, and on its page none";
        check(minutes_agree, &[table, page, mute], &[want]);
    }

    #[test]
    fn rule_11_wants_shortcuts_admitted() {
        let source = ("crates/a/src/x.rs", "//! X.\n// Simplified: one read.\n");
        let text = ("crates/a/src/y.rs", "//! Y.\nconst A: &str = \"Simplified: \";\n");
        let want = "crates/a/src/x.rs:2: a shortcut, and crates/a/src/lib.rs has no paragraph";
        check(shortcuts_are_admitted, &[source, text], &[want]);
        let front = ("crates/a/src/lib.rs", "//! A.\n//!\n//! *Left out:* long messages.\n");
        check(shortcuts_are_admitted, &[source, text, front], &[]);
    }
}
