//! The session as it unfolds, each actor in a colour of its own.

use std::fmt::{Arguments, Write as _};

use anstyle::{AnsiColor, Style};
use faults::Settings;

use super::failure::shown;
use super::transcript::Actor;
use crate::cable::traffic::Traffic;

/// What happens in a demo: kept for reports, and shown at once if somebody watches.
#[derive(Debug, Default)]
pub struct Session {
    actors: Vec<String>,
    live: bool,
    narrated: usize,
    text: String,
    kept: Option<Kept>,
}

/// What passed, and what the cables were told to do, each with its seed.
pub type Kept = (Traffic, Vec<(Settings, u64)>);

/// One colour an actor, in the order of their first start; none that reads as an error.
pub const COLORS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Green,
    AnsiColor::BrightCyan,
];

impl Session {
    /// A session between `actors`, shown as it unfolds if `live`.
    #[must_use]
    pub fn new(actors: &[String], live: bool) -> Self {
        Self { actors: actors.to_vec(), live, narrated: 0, text: String::new(), kept: None }
    }

    /// The session so far, without colours: the transcript with what the names stood for.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The narrator says something. The first line is the title, which the report shows.
    pub fn narrate(&mut self, text: &str) {
        let is_title = self.narrated == 0;
        let style = if is_title { Style::new().bold() } else { Style::new().dimmed().italic() };
        self.narrated += 1;
        let _ = writeln!(self.text, "# {text}");
        let text = if is_title { text.to_owned() } else { format!("# {text}") };
        if self.live {
            show(format_args!("{style}{text}{style:#}"));
        }
    }

    /// An actor starts, types, says something or ends.
    pub fn line(&mut self, actor: Actor, mark: &str, text: &str) {
        let name = self.actors.get(actor).map_or("", String::as_str);
        let width = self.actors.iter().map(String::len).max().unwrap_or_default();
        let text = shown(text);
        let line = format!("{name:width$} {mark} {text}");
        let _ = writeln!(self.text, "{}", line.trim_end());
        if !self.live {
            return;
        }
        let color = COLORS[actor % COLORS.len()];
        let who = Style::new().fg_color(Some(color.into())).bold();
        let what = match mark {
            "$" | "<" => Style::new().bold(),
            "!" => Style::new().fg_color(Some(AnsiColor::Red.into())),
            "=" | "<EOF" | "^C" => Style::new().dimmed(),
            _ => Style::new().fg_color(Some(color.into())),
        };
        show(format_args!("{who}{name:width$}{who:#} {mark} {what}{text}{what:#}"));
    }

    /// What the cable did.
    pub fn of_cable(&mut self, line: &str) {
        let width = self.actors.iter().map(String::len).max().unwrap_or_default();
        let name = "cable";
        let _ = writeln!(self.text, "{name:width$} > {}", shown(line));
        if self.live {
            let style = Style::new().fg_color(Some(AnsiColor::Red.into())).italic();
            show(format_args!("{style}{name:width$} > {}{style:#}", shown(line)));
        }
    }

    /// What passed, drawn.
    pub fn ladder(&mut self, lines: &[String]) {
        self.remark("");
        for line in lines {
            let _ = writeln!(self.text, "{}", anstream::adapter::strip_str(line));
            if self.live {
                show(format_args!("{line}"));
            }
        }
    }

    /// Keeps what passed.
    pub fn keep(&mut self, traffic: Traffic, laid: Vec<(Settings, u64)>) {
        self.kept = Some((traffic, laid));
    }

    /// What passed, if it was kept.
    pub fn take_kept(&mut self) -> Option<Kept> {
        self.kept.take()
    }

    /// Something that no actor does.
    pub fn remark(&mut self, text: &str) {
        let style = Style::new().dimmed();
        let _ = writeln!(self.text, "{text}");
        if self.live {
            show(format_args!("{style}{text}{style:#}"));
        }
    }
}

/// Somebody who has seen enough (`| head -1`) must not end the check.
fn show(line: Arguments<'_>) {
    let _ = cli::output::say_line(line);
}

/// The text of a failure with its parts in colour.
#[must_use]
pub fn paint(failure: &str) -> String {
    let red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
    let green = Style::new().fg_color(Some(AnsiColor::Green.into())).bold();
    let bold = Style::new().bold();
    let mut painted = String::new();
    for (index, line) in failure.lines().enumerate() {
        let style = match line {
            _ if index == 0 => red,
            line if line.trim_start().starts_with("got  ") => red,
            line if line.trim_start().starts_with('^') => red,
            line if line.trim_start().starts_with("expected  ") => green,
            line if line.trim_start().starts_with("awaited  ") => green,
            line if line.starts_with("hint: ") || line.starts_with("again: ") => bold,
            _ => Style::new(),
        };
        let _ = writeln!(painted, "{style}{line}{style:#}");
    }
    painted
}
