//! Rules about what depends on what: 6 and 8.

use super::code::impurities;
use super::{File, Tree, Violation};

/// A line `name = …` of a section of dependencies.
struct Dependency<'a> {
    line: usize,
    name: &'a str,
    value: &'a str,
    /// Whether the line above is a comment.
    explained: bool,
}

/// Rule 6: a chapter uses of another what is pure, and says why; the rest of the workspace uses
/// no chapter.
pub(super) fn chapters_keep_apart(tree: &Tree) -> Vec<Violation> {
    let chapters = tree.chapters();
    let mut violations = Vec::new();
    // What the root lists is offered to all, and used by nobody yet.
    for manifest in manifests(tree).filter(|manifest| manifest.path != "Cargo.toml") {
        let folder = manifest.path.trim_end_matches("/Cargo.toml");
        let others = chapters.iter().filter(|chapter| **chapter != folder);
        let others: Vec<(&str, &str)> = others.map(|dir| (*dir, last_part(dir))).collect();
        for dependency in dependencies(manifest) {
            let Some((_, other)) = others.iter().find(|(_, name)| *name == dependency.name) else {
                continue;
            };
            let what = if !chapters.contains(&folder) {
                format!(
                    "depends on chapter `{other}`; only chapters may, or a cold build of one builds all"
                )
            } else if !dependency.explained {
                format!(
                    "depends on chapter `{other}` without a comment; say above which pure part it uses, and where the book says so"
                )
            } else {
                continue;
            };
            violations.push(manifest.violation(dependency.line, 6, what));
        }
        // Who does not depend on a chapter cannot name its modules, only call its own like it.
        let depended: Vec<&str> =
            dependencies(manifest).into_iter().map(|dependency| dependency.name).collect();
        for (dir, other) in others.into_iter().filter(|(_, name)| depended.contains(name)) {
            violations.extend(drivers_used(tree, folder, dir, &other.replace('-', "_")));
        }
    }
    violations
}

/// Where the sources in `folder` name a module of the chapter `name` that does IO.
fn drivers_used(tree: &Tree, folder: &str, dir: &str, name: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let sources = format!("{folder}/");
    for (file, source) in tree.sources().filter(|(file, _)| file.path.starts_with(&sources)) {
        for (at, _) in source.words().filter(|(_, word)| *word == name) {
            let Some(path) = source.code[at + name.len()..].strip_prefix("::") else { continue };
            for module in modules_of(path) {
                let used = tree.get(&format!("{dir}/src/{module}.rs"));
                let pure = used
                    .and_then(|file| file.source.as_ref())
                    .map(|source| impurities(source).is_empty());
                let what = match pure {
                    Some(true) => continue,
                    Some(false) => format!(
                        "`{name}::{module}` does IO; a chapter uses only what is pure of another"
                    ),
                    None => format!(
                        "`{name}::{module}` is no module of that chapter; name the module, so that it can be seen to be pure"
                    ),
                };
                violations.push(file.violation(source.line(at), 6, what));
            }
        }
    }
    violations
}

/// The first names of `wire::Packet` or `{wire::Packet, lines}`.
fn modules_of(path: &str) -> Vec<&str> {
    let name =
        |text: &'_ str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let Some(list) = path.strip_prefix('{') else { return vec![&path[..name(path)]] };
    let (mut depth, mut modules, mut wanted) = (0, Vec::new(), true);
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => wanted = true,
            c if wanted && !c.is_whitespace() => {
                modules.push(&list[at..at + name(&list[at..])]);
                wanted = false;
            }
            _ => {}
        }
    }
    modules
}

/// Rule 8: one line for each dependency, in one place.
pub(super) fn dependencies_say_what_they_are_for(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for manifest in manifests(tree) {
        let root = manifest.path == "Cargo.toml";
        for Dependency { line, name, value, explained } in dependencies(manifest) {
            if root && !explained {
                let what = format!("`{name}` does not say what it is for; put a comment above it");
                violations.push(manifest.violation(line, 8, what));
            }
            let inherited = value.replace(' ', "").contains("workspace=true");
            if !root && !inherited {
                let what = format!(
                    "`{name}` is not from the workspace; list it in the root Cargo.toml, and write `{name}.workspace = true`"
                );
                violations.push(manifest.violation(line, 8, what));
            }
        }
    }
    violations
}

/// The workspace's manifests. Fuzz targets are workspaces of their own, as they build on nightly only:
/// they belong to the crate they lie in, and can inherit nothing.
fn manifests(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| {
        last_part(&file.path) == "Cargo.toml" && !file.path.ends_with("/fuzz/Cargo.toml")
    })
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The entries of all sections of dependencies; `[dependencies.name]` is one too.
fn dependencies(manifest: &File) -> Vec<Dependency<'_>> {
    let (mut found, mut inside, mut depth, mut above) = (Vec::new(), false, 0_i32, "");
    for (line, text) in manifest.lines() {
        let explained = above.starts_with('#');
        let entry = text.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
        if depth == 0 && text.starts_with('[') {
            let section = text.trim_matches(['[', ']']);
            inside = section.ends_with("dependencies");
            if let Some((_, name)) = section.split_once("dependencies.") {
                found.push(Dependency { line, name, value: "", explained });
            }
        } else if let (true, 0, false, Some((key, value))) =
            (inside, depth, text.starts_with('#'), entry)
        {
            let (name, attribute) = key.split_once('.').unwrap_or((key, ""));
            // `x.workspace = true` and `x = { workspace = true }` are the same.
            let value = if attribute == "workspace" { "workspace=true" } else { value };
            found.push(Dependency { line, name, value, explained });
        }
        if !text.starts_with('[') && !text.starts_with('#') {
            depth += balance(text);
        }
        above = text;
    }
    found
}

/// How many brackets a line opens and does not close.
fn balance(line: &str) -> i32 {
    line.chars()
        .map(|c| match c {
            '[' | '{' => 1,
            ']' | '}' => -1,
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    const DEMO_A: (&str, &str) = ("crates/a/demos/x.demo", "");
    const DEMO_B: (&str, &str) = ("crates/b-c/demos/y.demo", "");
    const LINES: (&str, &str) = ("crates/b-c/src/lines.rs", "//! Lines.\nstruct Lines;\n");
    const SERVER: (&str, &str) =
        ("crates/b-c/src/server.rs", "//! Server.\nuse std::net::UdpSocket;\n");

    #[test]
    fn rule_6_wants_a_comment_and_pure_modules() {
        let manifest = ("crates/a/Cargo.toml", "[dependencies]\nb-c.workspace = true\n");
        let source = (
            "crates/a/src/x.rs",
            "//! X.\nuse b_c::{lines::Lines, server::{run, stop}};\nfn f() { b_c::Lines; }\n",
        );
        check(
            chapters_keep_apart,
            &[DEMO_A, DEMO_B, LINES, SERVER, manifest, source],
            &[
                "crates/a/Cargo.toml:2: depends on chapter `b-c` without a comment",
                "crates/a/src/x.rs:2: `b_c::server` does IO",
                "crates/a/src/x.rs:3: `b_c::Lines` is no module of that chapter",
            ],
        );
    }

    #[test]
    fn rules_6_and_8_let_fuzz_targets_be() {
        let fuzz = ("crates/a/fuzz/Cargo.toml", "[dependencies]\na = { path = \"..\" }\n");
        check(chapters_keep_apart, &[DEMO_A, fuzz], &[]);
        check(dependencies_say_what_they_are_for, &[DEMO_A, fuzz], &[]);
    }

    #[test]
    fn rule_6_lets_explained_pure_parts_and_the_chapter_itself_be() {
        let manifest = (
            "crates/a/Cargo.toml",
            "[dependencies]\n# Its line decoder: page a/lines.\nb-c.workspace = true\n",
        );
        let source = ("crates/a/src/x.rs", "//! X.\nuse b_c::lines::Lines;\n// b_c::server\n");
        let own = ("crates/b-c/src/main.rs", "//! B.\nuse b_c::server;\n");
        let own_manifest = ("crates/b-c/Cargo.toml", "[package]\nname = \"b-c\"\n");
        let tree = [DEMO_A, DEMO_B, LINES, SERVER, manifest, source, own, own_manifest];
        check(chapters_keep_apart, &tree, &[]);
    }

    #[test]
    fn rule_6_keeps_the_runner_free_of_chapters() {
        let manifest =
            ("xtask/Cargo.toml", "[dev-dependencies]\n# For a test.\nb-c.workspace = true\n");
        check(
            chapters_keep_apart,
            &[DEMO_B, manifest],
            &["xtask/Cargo.toml:3: depends on chapter"],
        );
    }

    #[test]
    fn rule_8_wants_a_line_above_each_dependency_of_the_workspace() {
        let text = "[workspace.dependencies]\n# Errors.\nanyhow = \"1\"\nclap = { version = \"4\", features = [\n    \"derive\",\n] }\n# Big-endian.\nbyteorder = { version = \"1\" }\n\n[profile.dev]\ndebug = 1\n";
        check(
            dependencies_say_what_they_are_for,
            &[("Cargo.toml", text)],
            &["Cargo.toml:4: `clap` does not say what it is for"],
        );
    }

    #[test]
    fn rule_8_wants_every_crate_to_inherit() {
        let text = "[package]\nname = \"a\"\n[dependencies]\nanyhow.workspace = true\nclap = { workspace = true, features = [\"x\"] }\nlibc = \"0.2\"\n[target.'cfg(unix)'.dev-dependencies]\nnix = { path = \"../nix\" }\n[dependencies.mio]\nversion = \"1\"\n[lints]\nworkspace = true\n";
        check(
            dependencies_say_what_they_are_for,
            &[("crates/a/Cargo.toml", text)],
            &[
                "crates/a/Cargo.toml:6: `libc` is not from the workspace",
                "crates/a/Cargo.toml:8: `nix` is not from the workspace",
                "crates/a/Cargo.toml:9: `mio` is not from the workspace",
            ],
        );
    }
}
