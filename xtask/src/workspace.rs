//! What chapters and lessons there are, read from the tree itself.
//!
//! The order of chapters is that of `members` in the root `Cargo.toml`, the order of lessons that
//! of the `pub mod` lines in the chapter's `lib.rs`, and behind them come the sessions, which have no
//! module, as the book's table of contents has them: each is written down once.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The folder of the root `Cargo.toml`.
///
/// # Panics
/// Never: xtask lies one folder below the root.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A chapter: a crate with demos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// Folder, crate, binary and book page share it.
    pub name: String,
    /// The crate's `description`.
    pub about: String,
    /// The crate's folder.
    pub dir: PathBuf,
    /// In teaching order.
    pub lessons: Vec<Lesson>,
    /// The names of all its lessons, whatever is left in `lessons` by somebody's choice.
    pub order: Vec<String>,
}

impl Chapter {
    /// The lessons' demos, or the pairs with the tutorials' Python programs.
    #[must_use]
    pub fn demos(&self, peers: bool) -> Vec<Lesson> {
        if !peers {
            return self.lessons.clone();
        }
        // A chapter without a tutorial's programs has no such folder.
        demos_in(&self.dir.join("peers")).unwrap_or_default()
    }

    /// What to read of `lesson`, as a path below the root: its program, or its page where it is a
    /// session of programs that other lessons are about.
    #[must_use]
    pub fn to_read(&self, root: &Path, lesson: &str) -> String {
        let name = &self.name;
        let program = format!("crates/{name}/src/{}.rs", lesson.replace('-', "_"));
        let page = format!("{BOOK}/{name}/{lesson}.md");
        let front = format!("crates/{name}/src/lib.rs");
        let there = [program, page].into_iter().find(|file| root.join(file).is_file());
        there.unwrap_or(front)
    }
}

/// Where the book's pages are.
const BOOK: &str = "docs/en/src";

/// What is taught after this lesson, as `chapter/lesson`: the next one, or the next chapter's first.
#[must_use]
pub fn after(chapters: &[Chapter], chapter: &str, lesson: &str) -> Option<String> {
    let lessons = |chapter: &Chapter| {
        let name = chapter.name.clone();
        chapter.order.clone().into_iter().map(move |lesson| format!("{name}/{lesson}"))
    };
    let this = format!("{chapter}/{lesson}");
    chapters.iter().flat_map(lessons).skip_while(|known| *known != this).nth(1)
}

impl Lesson {
    /// The first line of its transcript, which is its title.
    #[must_use]
    pub fn title(&self) -> String {
        let text = fs::read_to_string(&self.demo).unwrap_or_default();
        text.lines().next().unwrap_or_default().trim_start_matches('#').trim().to_owned()
    }
}

/// A lesson: a demo, and the module and subcommand of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// `tcp-hello`
    pub name: String,
    /// Its transcript.
    pub demo: PathBuf,
}

/// The chapters in the order in which they are taught.
///
/// # Errors
/// When a file that must be there is not, or does not say what it must.
pub fn chapters(root: &Path) -> anyhow::Result<Vec<Chapter>> {
    let manifest = read(&root.join("Cargo.toml"))?;
    // A workspace without a book has no order of its sessions but their names.
    let contents = fs::read_to_string(root.join(BOOK).join("SUMMARY.md")).unwrap_or_default();
    let mut chapters = Vec::new();
    for member in members(&manifest) {
        let dir = root.join(member);
        if !dir.join("demos").is_dir() {
            continue;
        }
        let name = member.rsplit('/').next().unwrap_or(member).to_owned();
        let about = string_value(&read(&dir.join("Cargo.toml"))?, "description")
            .with_context(|| format!("{member}/Cargo.toml has no description"))?;
        let lessons = lessons(&dir, &pages(&contents, &name))?;
        let order = lessons.iter().map(|lesson| lesson.name.clone()).collect();
        chapters.push(Chapter { name, about, dir, lessons, order });
    }
    if chapters.is_empty() {
        bail!("no chapter found below {}", root.display());
    }
    Ok(chapters)
}

/// The strings of the `members` array of a workspace's manifest.
fn members(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .skip_while(|line| !line.starts_with("members = ["))
        .skip(1)
        .take_while(|line| !line.starts_with(']'))
        .filter_map(|line| line.trim().trim_end_matches(',').strip_prefix('"')?.strip_suffix('"'))
}

/// The value of a line `key = "value"`.
fn string_value(manifest: &str, key: &str) -> Option<String> {
    manifest.lines().find_map(|line| {
        let (left, right) = line.split_once('=')?;
        let value = right.trim().strip_prefix('"')?.strip_suffix('"')?;
        (left.trim() == key).then(|| value.to_owned())
    })
}

/// The names of a chapter's pages, in the order of the book's table of contents.
fn pages(contents: &str, chapter: &str) -> Vec<String> {
    let page = |line: &str| {
        let (_, path) = line.rsplit_once("](")?;
        let path = path.trim_end().strip_suffix(".md)")?;
        Some(path.strip_prefix(chapter)?.strip_prefix('/')?.to_owned())
    };
    contents.lines().filter_map(page).collect()
}

/// The chapter's demos: those that have a module first, in the order of the modules, then the
/// others, in the order of `pages`.
fn lessons(dir: &Path, pages: &[String]) -> anyhow::Result<Vec<Lesson>> {
    let lib = read(&dir.join("src/lib.rs"))?;
    let modules: Vec<String> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(|module| module.replace('_', "-"))
        .collect();
    let mut lessons = demos_in(&dir.join("demos"))?;
    lessons.sort_by_key(|lesson| {
        let place = |names: &[String]| {
            names.iter().position(|name| *name == lesson.name).unwrap_or(usize::MAX)
        };
        (place(&modules), place(pages), lesson.name.clone())
    });
    Ok(lessons)
}

/// The transcripts in a folder, by name.
fn demos_in(dir: &Path) -> anyhow::Result<Vec<Lesson>> {
    let mut lessons = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let demo = entry?.path();
        if demo.extension().is_some_and(|extension| extension == "demo") {
            let name = demo.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            lessons.push(Lesson { name, demo });
        }
    }
    lessons.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(lessons)
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_the_order_of_the_manifest() {
        let manifest =
            "[workspace]\nmembers = [\n  \"crates/b\",\n  \"crates/a\",\n]\nx = [\"c\"]\n";
        assert_eq!(members(manifest).collect::<Vec<_>>(), ["crates/b", "crates/a"]);
    }

    #[test]
    fn pages_come_in_the_order_of_the_books_contents() {
        let contents = "# Contents\n\n- [One](one.md)\n  - [b](one/b.md)\n  - [a](one/a.md)\n\
                        - [Two](one-two.md)\n  - [c](one-two/c.md)\n";
        assert_eq!(pages(contents, "one"), ["b", "a"]);
        assert_eq!(pages(contents, "one-two"), ["c"]);
        assert_eq!(pages("", "one"), [""; 0]);
    }

    #[test]
    fn behind_a_chapters_last_lesson_comes_the_next_chapters_first() {
        let chapter = |name: &str, lessons: &[&str]| Chapter {
            name: name.to_owned(),
            about: String::new(),
            dir: PathBuf::new(),
            lessons: Vec::new(),
            order: lessons.iter().map(|lesson| (*lesson).to_owned()).collect(),
        };
        let chapters = [chapter("one", &["b", "a"]), chapter("none", &[]), chapter("two", &["c"])];
        for (chapter, lesson, next) in [
            ("one", "b", Some("one/a")),
            ("one", "a", Some("two/c")),
            ("two", "c", None),
            ("two", "a", None),
        ] {
            assert_eq!(after(&chapters, chapter, lesson).as_deref(), next, "{chapter}/{lesson}");
        }
    }

    #[test]
    fn a_session_comes_behind_the_lessons_and_its_page_is_to_be_read() {
        let chapters = chapters(root()).unwrap();
        let tftp = chapters.iter().find(|chapter| chapter.name == "tftp").unwrap();
        assert_eq!(after(&chapters, "tftp", "trusting").as_deref(), Some("tftp/get"));
        assert_eq!(tftp.to_read(root(), "trusting"), "crates/tftp/src/trusting.rs");
        assert_eq!(tftp.to_read(root(), "two-clients"), "docs/en/src/tftp/two-clients.md");
        assert_eq!(tftp.to_read(root(), "neither"), "crates/tftp/src/lib.rs");
    }

    #[test]
    fn this_workspace_starts_with_sockets_basics_and_its_tcp_hello() {
        let chapters = chapters(root()).unwrap();
        assert_eq!(chapters[0].name, "sockets-basics");
        assert_eq!(chapters[0].lessons[0].name, "tcp-hello");
    }
}
