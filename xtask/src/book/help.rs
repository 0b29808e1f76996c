//! The programs' `--help`, as files that pages include: `docs/en/src/help/*.txt`, and the page
//! `docs/en/src/help.md` that lists them all. They are in the repository, so that a code host
//! shows them, and `--check` says when they are not what the programs say.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::{PAGES, Problem, files_below, read, write};
use crate::workspace;

/// Brings the help texts up to date, or only says which are not.
///
/// # Errors
/// When a program cannot be built or asked, or a file cannot be written.
pub fn update(root: &Path, only_check: bool) -> anyhow::Result<Vec<Problem>> {
    let mut programs = vec![Program { name: "cargo xtask".into(), binary: env::current_exe()? }];
    programs.extend(chapters(root)?);
    let texts = texts(&programs, &|program, words| ask(program, words))?;

    let pages = Path::new(PAGES);
    let mut problems = Vec::new();
    for (name, text) in &texts {
        let file = pages.join(name);
        // An old text is compared as git may have checked it out: with other line endings.
        let old = read(&root.join(&file)).unwrap_or_default().replace("\r\n", "\n");
        if old == *text {
            continue;
        }
        if only_check {
            problems.push(Problem::new(file, None, "is not what the program says today"));
        } else {
            write(&root.join(file), text)?;
        }
    }
    for path in files_below(&root.join(pages), &[".txt"])? {
        let file = path.strip_prefix(root).unwrap_or(&path);
        let name = file.strip_prefix(pages).unwrap_or(file);
        if name.starts_with("help") && !texts.contains_key(name) {
            problems.push(Problem::new(file, None, "is the help of no program; delete it"));
        }
    }
    Ok(problems)
}

struct Program {
    /// What a person types.
    name: String,
    binary: PathBuf,
}

/// The chapters' programs, built.
fn chapters(root: &Path) -> anyhow::Result<Vec<Program>> {
    let chapters = workspace::chapters(root)?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--quiet"]);
    for chapter in &chapters {
        cargo.args(["--package", &chapter.name]);
    }
    if !cargo.status().context("cannot run cargo")?.success() {
        bail!("the programs whose help the book shows do not build");
    }
    // Cargo puts every binary of the workspace beside this one.
    let here = env::current_exe()?;
    let folder = here.parent().context("this program lies in no folder")?;
    let binary = |name: &str| folder.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    Ok(chapters
        .into_iter()
        .map(|chapter| Program { binary: binary(&chapter.name), name: chapter.name })
        .collect())
}

fn ask(program: &Program, words: &[String]) -> anyhow::Result<String> {
    let output = Command::new(&program.binary)
        .args(words)
        .arg("--help")
        .env("COLUMNS", "80")
        .env("NO_COLOR", "1")
        .env_remove("CLICOLOR_FORCE")
        .output()
        .with_context(|| format!("cannot run {}", program.binary.display()))?;
    if !output.status.success() {
        bail!("{} {} --help failed: {}", program.name, words.join(" "), output.status);
    }
    let help = String::from_utf8(output.stdout).context("help that is not UTF-8")?;
    Ok(help.replace("\r\n", "\n"))
}

/// The files to be written: a text for each program and each of its subcommands, with what lies
/// below a subcommand in the same text; and the page.
fn texts(
    programs: &[Program],
    ask: &dyn Fn(&Program, &[String]) -> anyhow::Result<String>,
) -> anyhow::Result<BTreeMap<PathBuf, String>> {
    let mut texts = BTreeMap::new();
    let mut page = String::from(
        "<!-- Written by `cargo xtask book` from what the programs say. -->\n\n# Every command's help\n",
    );
    for program in programs {
        let file = program.name.replace(' ', "-");
        let top = ask(program, &[])?;
        add(
            &mut texts,
            &mut page,
            &file,
            &format!("## {}", program.name),
            &session(program, &[], &top),
        );
        for word in subcommands(&top) {
            let text = everything_below(program, std::slice::from_ref(&word), ask)?;
            add(
                &mut texts,
                &mut page,
                &format!("{file}-{word}"),
                &format!("### {} {word}", program.name),
                &text,
            );
        }
    }
    texts.insert("help.md".into(), page);
    Ok(texts)
}

fn add(
    texts: &mut BTreeMap<PathBuf, String>,
    page: &mut String,
    file: &str,
    heading: &str,
    text: &str,
) {
    let path = format!("help/{file}.txt");
    // Writing to a String cannot fail.
    let _ = write!(page, "\n{heading}\n\n```text\n{{{{#include {path}}}}}\n```\n");
    texts.insert(path.into(), text.to_owned());
}

/// The help of the subcommand that `words` name, and of those below it.
fn everything_below(
    program: &Program,
    words: &[String],
    ask: &dyn Fn(&Program, &[String]) -> anyhow::Result<String>,
) -> anyhow::Result<String> {
    let help = ask(program, words)?;
    let mut text = session(program, words, &help);
    for word in subcommands(&help) {
        let below: Vec<_> = words.iter().cloned().chain([word]).collect();
        text += "\n";
        text += &everything_below(program, &below, ask)?;
    }
    Ok(text)
}

/// The help as it looks after typing the command.
fn session(program: &Program, words: &[String], help: &str) -> String {
    let command: Vec<_> = [program.name.as_str()]
        .into_iter()
        .chain(words.iter().map(String::as_str))
        .chain(["--help"])
        .collect();
    let lines: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    format!("$ {}\n{}\n", command.join(" "), lines.join("\n"))
}

/// The names under `Commands:`, or on the shelves that a chapter has instead, without the `help`
/// that clap adds.
fn subcommands(help: &str) -> Vec<String> {
    let sections = help.lines().skip_while(|line| !line.starts_with("Usage:")).skip(1);
    let mut in_commands = false;
    let mut names = Vec::new();
    for line in sections {
        if let Some(heading) = line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            if heading == "Options" {
                // What a program says behind its options is about something else.
                break;
            }
            in_commands = heading != "Arguments";
        // What is indented further goes on with the text of the command above.
        } else if in_commands && line.starts_with("  ") && !line.starts_with("   ") {
            names.extend(line.split_whitespace().next().map(str::to_owned));
        } else if !line.starts_with(' ') && !line.is_empty() {
            in_commands = false;
        }
    }
    names.retain(|name| name != "help");
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: &str = "Top.\n\nUsage: x <COMMAND>\n\nCommands:\n  one   First\n        of all\n  \
                       two   Second\n  help  Print this\n\nOptions:\n  -h, --help  Print help\n";

    #[test]
    fn the_subcommands_are_those_under_commands() {
        assert_eq!(subcommands(TOP), ["one", "two"]);
        let shelves = "Usage: x\n\nFirst hour:\n  one  First\n\nCorners:\n  two  Second\n\n\
                       Options:\n  -h, --help\n\nWhat you type:\n  text  words\n";
        assert_eq!(subcommands(shelves), ["one", "two"]);
        assert_eq!(subcommands("Usage: x\n\nOptions:\n  -h\n"), [""; 0]);
    }

    #[test]
    fn each_subcommand_has_a_text_with_all_that_lies_below_it() {
        let program = Program { name: "cargo x".into(), binary: PathBuf::new() };
        let texts = texts(&[program], &|_, words| {
            Ok(match words.join(" ").as_str() {
                "" => TOP.to_owned(),
                "one" => "Usage: one\n\nCommands:\n  deep  Deeper\n".to_owned(),
                other => format!("Help of {other}.  \n"),
            })
        })
        .unwrap();
        let text = |name: &str| texts[Path::new(name)].as_str();
        assert_eq!(texts.len(), 4);
        assert_eq!(text("help/cargo-x.txt"), format!("$ cargo x --help\n{TOP}"));
        assert_eq!(
            text("help/cargo-x-one.txt"),
            "$ cargo x one --help\nUsage: one\n\nCommands:\n  deep  Deeper\n\n\
             $ cargo x one deep --help\nHelp of one deep.\n"
        );
        assert!(
            text("help.md")
                .contains("\n### cargo x two\n\n```text\n{{#include help/cargo-x-two.txt}}\n```\n")
        );
    }
}
