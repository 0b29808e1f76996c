//! What can be checked before anything is built: the summary, includes, anchors, pictures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::markdown::{self, Include};
use super::{PAGES, Problem, anchor, files_below, html, normal, read};

/// Folders whose files a page may show a part of.
const SHOWN: [&str; 2] = ["crates", "xtask"];

/// The problems of the pages of this repository.
///
/// # Errors
/// When a file cannot be read.
pub fn check(root: &Path) -> anyhow::Result<Vec<Problem>> {
    let mut tree = Tree::default();
    for path in files_below(&root.join(PAGES), &[])? {
        let text = if is_page(&path) { read(&path)? } else { String::new() };
        tree.files.insert(relative(root, &path), text);
    }
    for folder in SHOWN {
        for path in files_below(&root.join(folder), &[".rs", ".demo", ".diff", ".toml"])? {
            tree.files.insert(relative(root, &path), read(&path)?);
        }
    }
    Ok(tree.check())
}

fn relative(root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_owned()
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// The files that make the book: those of the book itself, and those that it may show.
#[derive(Default)]
struct Tree {
    /// By path from the root.
    files: BTreeMap<PathBuf, String>,
}

impl Tree {
    fn check(&self) -> Vec<Problem> {
        let mut problems = self.summary();
        let mut used = Used::default();
        for (page, text) in self.pages() {
            for link in markdown::links(text) {
                used.files.extend(beside(page, &html::split(&link.target).0));
            }
            for include in markdown::includes(text) {
                problems.extend(self.include(page, text, &include, &mut used));
            }
        }
        problems.extend(self.anchors(&used));
        problems.extend(self.orphans(&used));
        problems
    }

    fn pages(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.files
            .iter()
            .filter(|(path, _)| path.starts_with(PAGES) && is_page(path))
            .map(|(path, text)| (path.as_path(), text.as_str()))
    }

    /// The summary and the pages must agree: mdBook passes over a page that it does not name.
    fn summary(&self) -> Vec<Problem> {
        let summary = Path::new(PAGES).join("SUMMARY.md");
        let Some(text) = self.files.get(&summary) else {
            return vec![Problem::new(summary, None, "there is no summary")];
        };
        let mut problems = Vec::new();
        let mut named = BTreeSet::new();
        for link in markdown::links(text) {
            match beside(&summary, &link.target).filter(|page| self.files.contains_key(page)) {
                Some(page) => {
                    named.insert(page);
                }
                None => problems.push(Problem::new(
                    &summary,
                    link.line,
                    format!("there is no page {}", link.target),
                )),
            }
        }
        problems.extend(
            self.pages()
                .filter(|(page, _)| *page != summary && !named.contains(*page))
                .map(|(page, _)| Problem::new(page, None, "the page is not in SUMMARY.md")),
        );
        problems
    }

    fn include(
        &self,
        page: &Path,
        text: &str,
        include: &Include,
        used: &mut Used,
    ) -> Option<Problem> {
        let wrong = |what: String| Some(Problem::new(page, include.line, what));
        let name = &include.path;
        let path = beside(page, name);
        let Some((path, shown)) = path.and_then(|path| self.files.get_key_value(&path)) else {
            return wrong(format!("#include of {name}: there is no such file to show"));
        };
        used.files.insert(path.clone());
        if let Some(part) = &include.part {
            if part.starts_with(|c: char| c.is_ascii_digit() || c == ':') {
                return wrong(format!(
                    "#include of lines {part} of {name}: lines move; use an ANCHOR"
                ));
            }
            used.anchors.insert((path.clone(), part.clone()));
            if !anchor::scan(shown).0.iter().any(|anchor| anchor.name == *part) {
                return wrong(format!("#include of {name}: it has no ANCHOR {part}"));
            }
        }
        let linked = || markdown::links(text).iter().any(|link| link.target.starts_with(name));
        if !path.starts_with(PAGES) && !linked() {
            return wrong(format!(
                "{name} is shown, but not linked: a reader on a code host sees neither"
            ));
        }
        None
    }

    fn anchors(&self, used: &Used) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (path, text) in self.files.iter().filter(|(path, _)| !path.starts_with(PAGES)) {
            let (anchors, wrong) = anchor::scan(text);
            problems.extend(wrong.into_iter().map(|(line, what)| Problem::new(path, line, what)));
            problems.extend(
                anchors
                    .into_iter()
                    .filter(|anchor| !used.anchors.contains(&(path.clone(), anchor.name.clone())))
                    .map(|anchor| {
                        let what = format!("no page shows ANCHOR {}", anchor.name);
                        Problem::new(path, anchor.line, what)
                    }),
            );
        }
        problems
    }

    fn orphans(&self, used: &Used) -> Vec<Problem> {
        self.files
            .keys()
            .filter(|path| path.starts_with(PAGES) && !is_page(path) && !used.files.contains(*path))
            .map(|path| Problem::new(path, None, "no page shows this file"))
            .collect()
    }
}

/// What the pages show and link to.
#[derive(Default)]
struct Used {
    files: BTreeSet<PathBuf>,
    anchors: BTreeSet<(PathBuf, String)>,
}

/// The path that `target` means on `page`, from the root; `None` if it leads out of the tree.
fn beside(page: &Path, target: &str) -> Option<PathBuf> {
    normal(&page.parent()?.join(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: (&str, &str) = ("docs/en/src/SUMMARY.md", "- [a](a.md)\n- [later]()\n");

    #[test]
    fn a_book_in_order_has_no_problems() {
        let page = "```rust\n{{#include ../../../crates/x.rs:one}}\n```\n\
                    [x](../../../crates/x.rs)\n![p](p.svg)\n{{#include help/x.txt}}\n";
        check(
            &[
                SUMMARY,
                ("docs/en/src/a.md", page),
                ("docs/en/src/p.svg", ""),
                ("docs/en/src/help/x.txt", ""),
                ("crates/x.rs", "// ANCHOR: one\n// ANCHOR_END: one\n"),
            ],
            &[],
        );
    }

    #[test]
    fn a_page_that_the_summary_names_must_be_there() {
        check(&[SUMMARY], &["docs/en/src/SUMMARY.md:1: there is no page a.md"]);
        check(&[], &["docs/en/src/SUMMARY.md: there is no summary"]);
    }

    #[test]
    fn a_page_must_be_in_the_summary() {
        check(
            &[SUMMARY, ("docs/en/src/a.md", ""), ("docs/en/src/b/c.md", "")],
            &["docs/en/src/b/c.md: the page is not in SUMMARY.md"],
        );
    }

    #[test]
    fn what_is_included_must_be_there() {
        check(
            &[SUMMARY, ("docs/en/src/a.md", "x\n{{#include ../../../crates/no.rs:one}}\n")],
            &["docs/en/src/a.md:2: #include of ../../../crates/no.rs: \
               there is no such file to show"],
        );
    }

    #[test]
    fn an_anchor_that_is_included_must_be_there() {
        check(
            &[
                SUMMARY,
                ("docs/en/src/a.md", "{{#include ../../../crates/x.rs:no}}"),
                ("crates/x.rs", ""),
            ],
            &["docs/en/src/a.md:1: #include of ../../../crates/x.rs: it has no ANCHOR no"],
        );
    }

    #[test]
    fn lines_are_not_included_by_number() {
        check(
            &[
                SUMMARY,
                ("docs/en/src/a.md", "{{#include ../../../crates/x.rs:2:5}}"),
                ("crates/x.rs", ""),
            ],
            &["docs/en/src/a.md:1: #include of lines 2:5 of ../../../crates/x.rs: \
               lines move; use an ANCHOR"],
        );
    }

    #[test]
    fn what_is_shown_is_linked_beside() {
        check(
            &[
                SUMMARY,
                ("docs/en/src/a.md", "{{#include ../../../crates/x.demo}}"),
                ("crates/x.demo", ""),
            ],
            &["docs/en/src/a.md:1: ../../../crates/x.demo is shown, but not linked: \
               a reader on a code host sees neither"],
        );
    }

    #[test]
    fn an_anchor_must_be_shown_and_closed() {
        check(
            &[SUMMARY, ("docs/en/src/a.md", ""), ("crates/x.rs", "\n// ANCHOR: one\n")],
            &[
                "crates/x.rs:2: ANCHOR one has no ANCHOR_END",
                "crates/x.rs:2: no page shows ANCHOR one",
            ],
        );
    }

    #[test]
    fn a_picture_or_help_text_must_be_shown() {
        check(
            &[
                SUMMARY,
                ("docs/en/src/a.md", "`![p](p.svg)`"),
                ("docs/en/src/help/x.txt", ""),
                ("docs/en/src/p.svg", ""),
            ],
            &[
                "docs/en/src/help/x.txt: no page shows this file",
                "docs/en/src/p.svg: no page shows this file",
            ],
        );
    }

    #[track_caller]
    fn check(files: &[(&str, &str)], want: &[&str]) {
        let files = files.iter().map(|(path, text)| (path.into(), (*text).to_owned())).collect();
        let problems: Vec<_> = Tree { files }.check().iter().map(ToString::to_string).collect();
        assert_eq!(problems, want);
    }
}
