//! A help text in which the lessons stand on shelves.
//!
//! clap lists subcommands in one row, however many there are. A chapter has a dozen lessons, and
//! a beginner needs to see which to take first.

use std::fmt::Write as _;

use clap::Command;

/// Names of shelves, each with the lessons on it, in the order in which they are to be read.
pub type Shelves = &'static [(&'static str, &'static [&'static str])];

/// Gives `command` a help text that lists its subcommands by shelf, each with its own one line.
/// A subcommand that is on no shelf is not listed.
#[must_use]
pub fn shelve(command: Command, shelves: Shelves) -> Command {
    let widest = shelves.iter().flat_map(|(_, lessons)| *lessons).map(|l| l.len()).max();
    let widest = widest.unwrap_or_default();
    let heading = command.get_styles().get_header().to_owned();
    let literal = command.get_styles().get_literal().to_owned();
    let mut listed = String::new();
    for (shelf, lessons) in shelves {
        let _ = writeln!(listed, "{heading}{shelf}:{heading:#}");
        for lesson in *lessons {
            let about = command.find_subcommand(lesson).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(listed, "  {literal}{lesson:widest$}{literal:#}  {about}");
        }
        listed.push('\n');
    }
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{listed}{heading}Options:{heading:#}\n{{options}}{{after-help}}"
    );
    command.help_template(template)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lessons_are_listed_by_shelf_with_their_one_line() {
        let command = Command::new("chapter")
            .about("What it is about")
            .subcommand(Command::new("hello").about("Says hello"))
            .subcommand(Command::new("good-bye").about("Says good-bye"));
        let shelves: Shelves = &[("First hour", &["good-bye"]), ("Corners", &["hello"])];
        let help = shelve(command, shelves).render_help().to_string();
        assert_eq!(
            help,
            "What it is about\n\nUsage: chapter [COMMAND]\n\nFirst hour:\n  good-bye  Says good-bye\n\n\
             Corners:\n  hello     Says hello\n\nOptions:\n  -h, --help  Print help\n"
        );
    }
}
