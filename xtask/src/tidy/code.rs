//! Rules about what stands in a `.rs` file: 1, 2, 4, 5 and 10.

use super::source::{Source, closing, has_word};
use super::{File, Tree, Violation};

/// More lines than this no function has.
const FUNCTION_LINES_MAX: usize = 60;

/// Rule 1.
pub(super) fn pure_files_do_no_io(tree: &Tree) -> Vec<Violation> {
    let pure = tree.sources().filter(|(file, _)| is_declared_pure(file));
    let impure = pure.flat_map(|(file, source)| {
        impurities(source).into_iter().map(move |(line, what)| {
            let what = format!("{what} in a file without sockets and clock; leave it to the driver, and take time as an argument");
            file.violation(line, 1, what)
        })
    });
    impure.collect()
}

/// `wire.rs`, and what calls itself a state machine.
fn is_declared_pure(file: &File) -> bool {
    file.path.ends_with("/wire.rs") || file.text.starts_with("//! State machine:")
}

/// The IO and the clocks of a file outside its tests: where, and what.
pub(super) fn impurities(source: &Source) -> Vec<(usize, String)> {
    const SOCKETS: [&str; 8] = [
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "UnixStream",
        "UnixListener",
        "UnixDatagram",
        "Socket",
        "SockRef",
    ];
    const WORLDS: [&str; 11] = [
        "io",
        "fs",
        "thread",
        "process",
        "env",
        "socket2",
        "rustix",
        "quinn_udp",
        "mio",
        "cap_std",
        "signal_hook",
    ];
    let import = |at: usize| at..closing_semicolon(&source.code, at);
    let imports: Vec<_> =
        source.words().filter(|(_, word)| *word == "use").map(|(at, _)| import(at)).collect();
    let mut found = Vec::new();
    for (at, word) in source.words() {
        let (before, after) = (source.code[..at].trim_end(), &source.code[at + word.len()..]);
        let in_path = before.ends_with("::") || after.starts_with("::");
        let imported = imports.iter().any(|import| import.contains(&at));
        let what = if SOCKETS.contains(&word) {
            format!("`{word}`")
        } else if WORLDS.contains(&word) && (in_path || imported) {
            format!("`{word}::`")
        } else if word == "now" && in_path {
            "`::now`".to_owned()
        } else if matches!(word, "sleep" | "elapsed") && after.starts_with('(') {
            format!("`{word}()`")
        } else if matches!(word, "say" | "note") && after.starts_with('!') {
            format!("`{word}!`")
        } else {
            continue;
        };
        let line = source.line(at);
        // `std::io::Read` is one thing said, not two.
        let said = found.last().is_some_and(|(last, _)| *last == line);
        if !said && !source.is_test(line) {
            found.push((line, what));
        }
    }
    found
}

fn closing_semicolon(code: &str, at: usize) -> usize {
    code[at..].find(';').map_or(code.len(), |end| at + end)
}

/// Rule 2.
pub(super) fn files_open_with_their_purpose(tree: &Tree) -> Vec<Violation> {
    let silent = tree.sources().filter(|(file, _)| {
        let first = file.text.lines().next().unwrap_or_default();
        first.strip_prefix("//!").is_none_or(|purpose| purpose.trim().is_empty())
    });
    let what = "the file does not open with its purpose; begin its first line with `//! `";
    silent.map(|(file, _)| file.violation(1, 2, what)).collect()
}

/// Rule 4, what clippy leaves: macros that panic, and indices into what a peer sent.
pub(super) fn nothing_panics(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, source) in tree.sources() {
        for (at, name) in macros(source) {
            let asserts = name.starts_with("assert") || name.starts_with("debug_assert");
            let panics = matches!(name, "panic" | "unreachable" | "todo" | "unimplemented");
            let line = source.line(at);
            // The same said to clippy, with the reason that it asks for.
            let expected = source.code.contains(&format!("#[expect(clippy::{name},"));
            // A `const _: () = assert!(…)` fails in the compiler, where nobody is hurt.
            let compiled = source.code[source.statement(at)].trim_start().starts_with("const ");
            if (asserts || panics)
                && !(compiled || expected)
                && !source.is_test(line)
                && !source.comment_at(line).contains("Invariant:")
            {
                let what = format!(
                    "`{name}!` outside tests; return an error, or say above in `// Invariant: …` why no input can bring it about"
                );
                violations.push(file.violation(line, 4, what));
            }
        }
        if is_declared_pure(file) {
            violations.extend(indices(file, source));
        }
    }
    violations
}

/// Index expressions that no comment answers for.
fn indices(file: &File, source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, _) in source.code.match_indices('[') {
        let before = source.code[..at].chars().next_back();
        let line = source.line(at);
        let index = before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ')' | ']'));
        if index && !source.is_test(line) && !source.comment_at(line).contains("In bounds:") {
            let what = "an index that may lie outside of what a peer sent; use a slice pattern or `get`, or say above in `// In bounds: …` what has checked the length";
            violations.push(file.violation(line, 4, what));
        }
    }
    violations
}

/// Rule 4: there is one way to stdout and one to stderr.
pub(super) fn nothing_prints(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, source) in tree.sources() {
        for (at, name) in macros(source) {
            let line = source.line(at);
            let instead = match name {
                "print" | "println" => "cli::say!",
                "eprint" | "eprintln" => "cli::note!",
                _ => continue,
            };
            if file.path != "crates/cli/src/output.rs" && !source.is_test(line) {
                let what = format!("`{name}!` panics when its reader has gone; use `{instead}`");
                violations.push(file.violation(line, 4, what));
            }
        }
    }
    violations
}

/// The names of the macros that are called, with their places.
fn macros(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    source.words().filter(|(at, word)| {
        let after = &source.code[at + word.len()..];
        after.starts_with('!') && !after.starts_with("!=")
    })
}

/// Rule 5.
pub(super) fn unsafe_is_declared(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, source) in tree.sources() {
        let mut lines: Vec<usize> = source
            .words()
            .filter(|(_, word)| *word == "unsafe")
            .map(|(at, _)| source.line(at))
            .collect();
        lines.dedup();
        let head = file.text.lines().take_while(|line| line.starts_with("//!"));
        let says_so = head.into_iter().any(|line| has_word(line, "unsafe"));
        if let (Some(first), false) = (lines.first(), says_so) {
            let what = "the file's `//!` head does not say that it is unsafe, and for what";
            violations.push(file.violation(*first, 5, what));
        }
        // rustfmt breaks a long line before `unsafe`: then the reason stands above its beginning.
        let has_reason = |line: usize| source.comment_at(line).contains("SAFETY:");
        let unsound = lines.iter().filter(|line| {
            let broken = code_line(file, line.saturating_sub(1)).ends_with('=');
            !(has_reason(**line) || broken && has_reason(line.saturating_sub(1)))
        });
        let what = "unsafe without a reason; say above in `// SAFETY: …` why it is sound";
        violations.extend(unsound.map(|line| file.violation(*line, 5, what)));
    }
    violations
}

/// The text of a line, counted from 1.
fn code_line(file: &File, line: usize) -> &str {
    file.text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim_end()
}

/// Rule 10.
pub(super) fn functions_are_short(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, source) in tree.sources() {
        for (at, _) in source.words().filter(|(_, word)| *word == "fn") {
            let signature = &source.code[at..];
            let Some(body) = signature.find(['{', ';']) else { continue };
            // `fn(u8)` is a type, and without a body there is nothing to count.
            if signature[2..].starts_with('(') || signature.as_bytes()[body] == b';' {
                continue;
            }
            let (first, last) = (source.line(at), source.line(closing(&source.code, at + body)));
            let lines = last - first + 1;
            if lines > FUNCTION_LINES_MAX {
                let name = signature[2..body].trim().split(['(', '<']).next().unwrap_or_default();
                let what = format!(
                    "`{name}` has {lines} lines, {FUNCTION_LINES_MAX} at most; give a part of it a name"
                );
                violations.push(file.violation(first, 10, what));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    const MACHINE: &str = "crates/a/src/sender.rs";
    const LESSON: &str = "crates/a/src/lesson.rs";

    #[test]
    fn rule_1_bites_on_sockets_streams_and_clocks() {
        let text = "//! State machine: sends.\nuse std::{fmt, io};\nuse std::net::UdpSocket;\nfn f() { Instant::now(); }\nfn g() { start.elapsed(); }\nfn h() { std::thread::sleep(d); }\nfn i(s: &socket2::Socket) {}\n";
        let want = [
            "2: `io::`",
            "3: `UdpSocket`",
            "4: `::now`",
            "5: `elapsed()`",
            "6: `thread::`",
            "7: `socket2::`",
        ];
        let want = want.map(|line| format!("{MACHINE}:{line} in a file without"));
        check(pure_files_do_no_io, &[(MACHINE, text)], &want.each_ref().map(String::as_str));
        let wire = ("crates/a/src/wire.rs", "//! Packets.\nuse std::io::Read;\n");
        check(pure_files_do_no_io, &[wire], &["crates/a/src/wire.rs:2: `io::`"]);
    }

    #[test]
    fn rule_1_lets_addresses_comments_tests_and_drivers_be() {
        let pure = "//! State machine: sends. It never calls Instant::now().\nuse std::net::{IpAddr, SocketAddr};\nuse std::fmt::Write;\n// UdpSocket\nfn f(now: Instant) -> &'static str { let io = now; \"Instant::now()\" }\n#[cfg(test)]\nmod tests {\n    fn f() { Instant::now(); }\n}\n";
        check(pure_files_do_no_io, &[(MACHINE, pure)], &[]);
        check(pure_files_do_no_io, &[(LESSON, "//! Lesson.\nuse std::net::UdpSocket;\n")], &[]);
    }

    #[test]
    fn rule_2_wants_a_purpose_on_the_first_line() {
        let want = "crates/a/src/lesson.rs:1: the file does not open with its purpose";
        for text in ["", "\n//! Late.", "//!\n//! Empty first.", "/// Of the item.", "use a;"] {
            check(files_open_with_their_purpose, &[(LESSON, text)], &[want]);
        }
        check(files_open_with_their_purpose, &[(LESSON, "//! For this.")], &[]);
        check(files_open_with_their_purpose, &[("README.md", "# Title")], &[]);
    }

    #[test]
    fn rule_4_bites_on_macros_that_panic() {
        let text =
            "fn f() { panic!(\"no\") }\nfn g() { unreachable!() }\nfn h() { assert_eq!(a, b) }\n";
        let want = ["1: `panic!`", "2: `unreachable!`", "3: `assert_eq!`"];
        let want = want.map(|line| format!("{LESSON}:{line} outside tests"));
        check(nothing_panics, &[(LESSON, text)], &want.each_ref().map(String::as_str));
    }

    #[test]
    fn rule_4_lets_tests_strings_constants_and_declared_invariants_be() {
        let text = "// panic!\nconst _: () = assert!(A < B);\nfn f() { \"panic!()\"; a != b }\nfn g() {\n    // Invariant: `poll` has just filled it.\n    unreachable!()\n}\n#[expect(clippy::todo, reason = \"asked for\")]\nfn h() { todo!() }\n#[test]\nfn t() { assert!(true) }\n";
        check(nothing_panics, &[(LESSON, text)], &[]);
        check(nothing_panics, &[("crates/a/tests/real.rs", "fn t() { panic!() }")], &[]);
    }

    #[test]
    fn rule_4_bites_on_indices_where_bytes_are_read() {
        let text = "//! Packets.\nfn f(b: &[u8]) -> [u8; 2] { [b[0], f()[1]] }\n#[derive(A)]\nconst A: [u8; 1] = [0];\nfn g(b: &[u8]) {\n    // In bounds: `check_len` has seen to it.\n    b[1];\n}\nfn h() { matches!(b, [1, rest @ ..]); vec![0; 3]; }\n";
        let wire = "crates/a/src/wire.rs";
        let want = format!("{wire}:2: an index that may lie outside");
        check(nothing_panics, &[(wire, text)], &[&want, &want]);
        check(nothing_panics, &[(LESSON, text)], &[]);
    }

    #[test]
    fn rule_4_knows_one_way_to_print() {
        let text =
            "fn f() { println!(); eprint!(\"\"); }\n// println!\n#[test]\nfn t() { println!() }\n";
        let want = [
            "crates/a/src/lesson.rs:1: `eprint!` panics when its reader has gone; use `cli::note!`",
            "crates/a/src/lesson.rs:1: `println!` panics when its reader has gone; use `cli::say!`",
        ];
        check(nothing_prints, &[(LESSON, text)], &want);
        check(nothing_prints, &[("crates/cli/src/output.rs", text)], &[]);
    }

    #[test]
    fn rule_5_wants_a_head_and_a_reason() {
        let text = "//! A call.\nfn f() {\n    unsafe { g() }\n}\n";
        let want = [
            "crates/a/src/lesson.rs:3: the file's `//!` head",
            "crates/a/src/lesson.rs:3: unsafe without a reason",
        ];
        check(unsafe_is_declared, &[(LESSON, text)], &want);
        let text = "//! One call, unsafe because std lacks it.\n// SAFETY: it takes no pointer.\n#[expect(unsafe_code, reason = \"see above\")]\nunsafe { g() }\n";
        check(unsafe_is_declared, &[(LESSON, text)], &[]);
        check(
            unsafe_is_declared,
            &[(LESSON, "//! Safe.\n// unsafe\n\"unsafe\"; unsafe_code;")],
            &[],
        );
    }

    #[test]
    fn rule_10_counts_from_signature_to_brace_in_tests_too() {
        let of =
            |lines: usize| format!("fn long(a: u8) {{\n{}}}\n", "    f();\n".repeat(lines - 2));
        let want = "crates/a/src/lesson.rs:1: `long` has 61 lines, 60 at most";
        check(functions_are_short, &[(LESSON, &of(61))], &[want]);
        check(functions_are_short, &[(LESSON, &of(60))], &[]);
        check(
            functions_are_short,
            &[("crates/a/tests/real.rs", &of(61))],
            &["crates/a/tests/real.rs:1: `long` has 61 lines"],
        );
        check(
            functions_are_short,
            &[(LESSON, "trait A { fn f(&self); }\ntype F = fn(u8);\n")],
            &[],
        );
    }
}
