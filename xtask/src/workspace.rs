//! What chapters and lessons there are, read from the tree itself.
//!
//! The order of chapters is that of `members` in the root `Cargo.toml`, the order of lessons that
//! of the `pub mod` lines in the chapter's `lib.rs`: each is written down once.

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

    /// The lesson that is taught after `lesson`.
    #[must_use]
    pub fn after(&self, lesson: &str) -> Option<String> {
        let place = self.order.iter().position(|known| known == lesson)?;
        self.order.get(place + 1).cloned()
    }
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
    let mut chapters = Vec::new();
    for member in members(&manifest) {
        let dir = root.join(member);
        if !dir.join("demos").is_dir() {
            continue;
        }
        let name = member.rsplit('/').next().unwrap_or(member).to_owned();
        let about = string_value(&read(&dir.join("Cargo.toml"))?, "description")
            .with_context(|| format!("{member}/Cargo.toml has no description"))?;
        let lessons = lessons(&dir)?;
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

/// The chapter's demos: those that have a module first, in the order of the modules.
fn lessons(dir: &Path) -> anyhow::Result<Vec<Lesson>> {
    let lib = read(&dir.join("src/lib.rs"))?;
    let modules: Vec<String> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(|module| module.replace('_', "-"))
        .collect();
    let mut lessons = demos_in(&dir.join("demos"))?;
    lessons.sort_by_key(|lesson| {
        let place = modules.iter().position(|module| *module == lesson.name);
        (place.unwrap_or(usize::MAX), lesson.name.clone())
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
    fn this_workspace_starts_with_sockets_basics_and_its_tcp_hello() {
        let chapters = chapters(root()).unwrap();
        assert_eq!(chapters[0].name, "sockets-basics");
        assert_eq!(chapters[0].lessons[0].name, "tcp-hello");
    }
}
