//! `--bless`: rewrites the expectations of a transcript from what a run said.
//!
//! Lines that still match stay as they are, with their wildcards and captures. A line that came
//! instead replaces the one that was expected, one that did not come is taken out, and one that
//! came besides is put in. What a name stands for is written as the name.

use std::collections::BTreeMap;

use super::pattern::{Names, Pattern};
use super::transcript::{Action, Actor, Step};

/// A line is taken to be gone after this part of the time that it would be waited for otherwise.
pub const PATIENCE_DIVISOR: u32 = 5;

/// The changes that a run asks for.
#[derive(Clone, Debug, Default)]
pub struct Blessing {
    edits: BTreeMap<usize, Option<String>>,
    before: BTreeMap<usize, Vec<String>>,
    after: BTreeMap<usize, Vec<String>>,
}

impl Blessing {
    /// Takes the line of `step` out.
    pub fn delete(&mut self, step: Option<&Step>) {
        if let Some(step) = step {
            self.edits.insert(step.line, None);
        }
    }

    /// Puts `text` in the place of what stands after the mark in the line of `step`.
    pub fn replace(&mut self, step: Option<&Step>, mark: &str, text: &str) {
        if let Some(step) = step {
            self.edits.insert(step.line, Some(with_text(&step.source, mark, text)));
        }
    }

    /// The same for a line that came.
    pub fn replace_line(&mut self, step: Option<&Step>, mark: &str, line: &str, names: &Names) {
        self.replace(step, mark, &pattern_of(line, names));
    }

    /// Puts a line in that came before the one of `step`.
    pub fn insert_before(&mut self, step: Option<&Step>, mark: &str, line: &str, names: &Names) {
        if let Some(step) = step {
            let text = with_text(&step.source, mark, &pattern_of(line, names));
            self.before.entry(step.line).or_default().push(text);
        }
    }

    /// Puts a line in that came besides, after the last line of this life that is about the actor,
    /// whose padded name is given.
    pub fn append(
        &mut self,
        actor: Actor,
        life: &[Step],
        name: &str,
        mark: &str,
        line: &str,
        names: &Names,
    ) {
        let about_actor = |step: &&Step| match &step.action {
            Action::Start { actor: who, .. } => *who == actor,
            Action::Type(who, _)
            | Action::CloseInput(who)
            | Action::Expect(who, ..)
            | Action::AnyLines(who, _)
            | Action::Somewhere(who, _)
            | Action::Interrupt(who) => *who == actor,
            _ => false,
        };
        let Some(last) = life.iter().rfind(about_actor) else { return };
        let text = format!("{name} {mark} {}", pattern_of(line, names));
        self.after.entry(last.line).or_default().push(text);
    }

    /// Whether the transcript is right as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.before.is_empty() && self.after.is_empty()
    }

    /// The transcript as it should read.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            lines.extend(self.before.get(&(index + 1)).into_iter().flatten().cloned());
            match self.edits.get(&(index + 1)) {
                None => lines.push(line.to_owned()),
                Some(Some(new)) => lines.push(new.clone()),
                Some(None) => {}
            }
            lines.extend(self.after.get(&(index + 1)).into_iter().flatten().cloned());
        }
        lines.join("\n") + "\n"
    }
}

/// The source line with another text after its mark.
fn with_text(source: &str, mark: &str, text: &str) -> String {
    let actor_len = source.find(' ').unwrap_or(source.len());
    let mark_end =
        source[actor_len..].find(mark).map_or(source.len(), |at| actor_len + at + mark.len());
    format!("{} {text}", &source[..mark_end])
}

/// The pattern that fits `line`, with names for the values that have one.
fn pattern_of(line: &str, names: &Names) -> String {
    let mut pattern = Pattern::literal(line);
    for (name, value) in names {
        // Shorter values would be found by chance.
        if value.len() >= NAMED_LEN_MIN {
            pattern = pattern.replace(value.as_str(), &format!("{{{name}}}"));
        }
    }
    pattern
}

/// `127.0.0.1:1` has eleven bytes.
const NAMED_LEN_MIN: usize = 8;
