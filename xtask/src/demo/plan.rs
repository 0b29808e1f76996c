//! What a command line asks for: chapters, lessons, their transcripts.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::Args;
use super::transcript::Transcript;
use crate::workspace::{self, Chapter, Lesson};

/// The demos that a command line asks for.
pub(super) struct Plan {
    chapters: Vec<Chapter>,
    /// All that there are, whatever was asked for.
    all: Vec<Chapter>,
    peers: bool,
    file: Option<PathBuf>,
}

/// A demo that can be run.
pub(super) struct Demo {
    pub(super) chapter: String,
    pub(super) lesson: String,
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) transcript: Transcript,
    pub(super) again: String,
    /// The file to read after it.
    pub(super) to_read: Option<String>,
    /// What is taught after it, as `chapter/lesson`.
    pub(super) next: Option<String>,
}

impl Plan {
    pub(super) fn make(args: &Args, root: &Path) -> anyhow::Result<Self> {
        let all = workspace::chapters(root)?;
        let mut chapters: Vec<Chapter> = Vec::new();
        for what in &args.what {
            let (name, lesson) =
                what.split_once('/').map_or((what.as_str(), None), |(c, l)| (c, Some(l)));
            let Some(chapter) = all.iter().find(|chapter| chapter.name == name) else {
                bail!("there is no chapter `{name}`; there are: {}", names(&all));
            };
            let mut chapter = chapter.clone();
            chapter.lessons = chapter.demos(args.peers);
            if let Some(lesson) = lesson {
                let known: Vec<&str> = chapter.lessons.iter().map(|l| l.name.as_str()).collect();
                let known = known.join(", ");
                chapter.lessons.retain(|known| known.name == lesson);
                if chapter.lessons.is_empty() {
                    bail!("there is no lesson `{lesson}` in {name}; there are: {known}");
                }
            }
            match chapters.iter_mut().find(|chapter| chapter.name == name) {
                Some(known) => known.lessons.extend(chapter.lessons),
                None => chapters.push(chapter),
            }
        }
        if args.what.is_empty() {
            chapters = all.clone();
            for chapter in &mut chapters {
                chapter.lessons = chapter.demos(args.peers);
            }
        }
        for chapter in &mut chapters {
            // A chapter and one of its lessons may both have been named.
            let mut seen = Vec::new();
            chapter.lessons.retain(|lesson| {
                let is_new = !seen.contains(&lesson.name);
                seen.push(lesson.name.clone());
                is_new
            });
        }
        if args.file.is_none() && chapters.iter().all(|chapter| chapter.lessons.is_empty()) {
            bail!("nothing to run: {} has no pairs with the tutorials' programs", names(&chapters));
        }
        Ok(Self { chapters, all, peers: args.peers, file: args.file.clone() })
    }

    /// The chapters whose programs the demos start: what has to be built.
    pub(super) fn programs(&self, demos: &[Demo]) -> anyhow::Result<Vec<String>> {
        let mut programs: Vec<String> = workspace::chapters(workspace::root())?
            .into_iter()
            .map(|chapter| chapter.name)
            .collect();
        programs.retain(|program| demos.iter().any(|demo| demo.transcript.starts(program)));
        Ok(programs)
    }

    pub(super) fn list(&self) {
        for (number, chapter) in self.chapters.iter().enumerate() {
            let gap = if number > 0 { "\n" } else { "" };
            let _ = cli::say!("{gap}{}  {}", chapter.name, chapter.about);
            let longest = chapter.lessons.iter().map(|l| l.name.len()).max().unwrap_or_default();
            for lesson in &chapter.lessons {
                let _ = cli::say!("  {:longest$}  {}", lesson.name, lesson.title());
            }
        }
    }

    /// Reads the transcripts. One that cannot be read keeps all from running: a check that
    /// silently checks less is worse than none.
    pub(super) fn load(&self) -> anyhow::Result<Vec<Demo>> {
        if let Some(file) = &self.file {
            return Ok(vec![load_file(file)?]);
        }
        let mut demos = Vec::new();
        for chapter in &self.chapters {
            for lesson in &chapter.lessons {
                demos.push(self.load_lesson(chapter, lesson)?);
            }
        }
        Ok(demos)
    }

    fn load_lesson(&self, chapter: &Chapter, lesson: &Lesson) -> anyhow::Result<Demo> {
        let (text, transcript) = read(&lesson.demo)?;
        let name = format!("{}/{}", chapter.name, lesson.name);
        let again = format!("cargo xtask demo {name}{}", if self.peers { " --peers" } else { "" });
        Ok(Demo {
            chapter: chapter.name.clone(),
            lesson: lesson.name.clone(),
            path: lesson.demo.clone(),
            text,
            transcript,
            again,
            to_read: (!self.peers).then(|| chapter.to_read(workspace::root(), &lesson.name)),
            next: workspace::after(&self.all, &chapter.name, &lesson.name),
        })
    }
}

/// A transcript that belongs to no chapter.
pub(super) fn load_file(file: &Path) -> anyhow::Result<Demo> {
    let (text, transcript) = read(file)?;
    let path = std::path::absolute(file).context("cannot tell where the file lies")?;
    Ok(Demo {
        chapter: "file".to_owned(),
        lesson: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        again: format!("cargo xtask demo --file {}", quoted(&file.to_string_lossy())),
        path,
        text,
        transcript,
        to_read: None,
        next: None,
    })
}

fn read(file: &Path) -> anyhow::Result<(String, Transcript)> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let transcript =
        Transcript::parse(&text).with_context(|| format!("{} is no transcript", file.display()))?;
    Ok((text, transcript))
}

fn names(chapters: &[Chapter]) -> String {
    chapters.iter().map(|chapter| chapter.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// A command as one word of another.
pub(super) fn quoted(command: &str) -> String {
    shlex::try_quote(command).map_or_else(|_| format!("'{command}'"), |text| text.into_owned())
}
