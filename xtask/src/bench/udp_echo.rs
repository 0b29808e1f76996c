//! The bench of chapter 2: how many replies does an echo server give for a second of processor
//! time?
//!
//! ```text
//!  processor 0: the server ◀── 64 ports, 256 in flight ──▶ processor 1: udp-echo load
//! ```
//!
//! Replies per second tell as much about the load and the machine's other work as about the
//! server, so the first column is replies per second *of the server's own processor time*. On
//! loopback that includes the way of its answers into the client's socket.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, bail};

use super::contest::{Bench, Column, Contest, Entry};
use super::process::{Server, pinned};
use super::{Args, build_c, build_release};
use crate::demo::needs::in_path;
use crate::workspace;

const COLUMNS: &[Column] = &[
    Column { name: "replies per CPU s", digits: 0 },
    Column { name: "replies/s", digits: 0 },
    Column { name: "p99 µs", digits: 0 },
    Column { name: "lost %", digits: 2 },
    Column { name: "calls/datagram", digits: 2 },
];

/// Bytes in a datagram: a word, and as much as fits through most networks in one piece.
const SIZES: [u32; 2] = [64, 1200];

/// Builds what takes part.
///
/// # Errors
/// When our own program does not build.
pub fn prepare(args: &Args) -> anyhow::Result<Bench> {
    let ours: Rc<Path> = build_release("udp-echo")?.into();
    let mut bench = Bench { contests: Vec::new(), skipped: Vec::new() };
    let peers = peers(args, &mut bench);
    let turn = format!("{}ms", args.turn.duration().as_millis());
    for size in SIZES {
        let load = words(&format!("--sources 64 --in-flight 256 --size {size} --duration {turn}"));
        let entry = |name: &str, server: Vec<String>| entry(name, server, &ours, &load);
        let mut entries = Vec::new();
        let c = |name: &str| peers.iter().find(|(known, _)| *known == name);
        for (mode, peer) in
            [("simple", Some("C recvfrom")), ("batch", Some("C recvmmsg")), ("offload", None)]
        {
            let peer = peer.and_then(c);
            entries.extend(peer.map(|(name, words)| entry(name, words.clone())));
            let ours = entry(mode, server(&ours, mode));
            entries.push(match peer {
                Some((name, _)) => ours.against(name, 0.95),
                None => ours,
            });
        }
        let others = peers.iter().filter(|(name, _)| !name.starts_with("C "));
        entries.extend(others.map(|(name, words)| entry(name, words.clone())));
        let title = format!("{size} bytes, 64 source ports, 256 in flight");
        bench.contests.push(Contest { title, columns: COLUMNS, entries });
    }
    for size in SIZES {
        let load = words(&format!("--burst 50 --in-flight 250 --size {size} --duration {turn}"));
        let entry = |mode: &str| entry(mode, server(&ours, mode), &ours, &load);
        let offload = entry("offload").against("simple", 3.5);
        let entries = vec![entry("simple"), entry("batch"), offload];
        let title = format!("{size} bytes, one source port, bursts of 50 by GSO");
        bench.contests.push(Contest { title, columns: COLUMNS, entries });
    }
    Ok(bench)
}

/// Other programs, by the names in the table: those in C, those on this machine, those given.
fn peers(args: &Args, bench: &mut Bench) -> Vec<(String, Vec<String>)> {
    let mut peers = Vec::new();
    for name in ["recvfrom", "recvmmsg"] {
        let file = format!("crates/udp-echo/bench/{name}.c");
        match build_c(&workspace::root().join(file)) {
            Ok(program) => peers.push((format!("C {name}"), vec![text(&program)])),
            Err(error) => bench.skipped.push((format!("C {name}"), format!("{error:#}"))),
        }
    }
    for (name, command) in [
        // A process for each datagram: a pipe would join two that come together.
        ("socat", "socat UDP4-RECVFROM:{port},bind={ip},fork PIPE"),
        ("ncat", "ncat -u -l -k -e /bin/cat {ip} {port}"),
    ] {
        match in_path(name) {
            Some(_) => peers.push((name.to_owned(), words(command))),
            None => bench.skipped.push((name.to_owned(), "not installed".to_owned())),
        }
    }
    peers.extend(args.peer.iter().map(|peer| (peer.name.clone(), peer.words.clone())));
    peers
}

fn server(program: &Path, mode: &str) -> Vec<String> {
    let mut server = vec![text(program)];
    server.extend(words(&format!("server --bind 127.0.0.1:0 --quiet --mode {mode}")));
    server
}

fn entry(name: &str, server: Vec<String>, ours: &Rc<Path>, load: &[String]) -> Entry {
    let (ours, load) = (Rc::clone(ours), load.to_vec());
    Entry::new(name, move || measure(&server, &ours, &load))
}

/// Starts the server, lets the load run, and looks at what both say.
fn measure(server: &[String], ours: &Path, load: &[String]) -> anyhow::Result<Vec<Option<f64>>> {
    let server = Server::start(server)?;
    let mut words = vec![text(ours), "load".to_owned(), server.address.to_string()];
    words.push("--json".to_owned());
    words.extend_from_slice(load);
    let before = server.cpu();
    let output = pinned(1, &words)?.output().context("cannot start the load")?;
    let after = server.cpu();
    let said = server.stop()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{}", errors.lines().next().unwrap_or("the load failed").trim());
    }
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let figure = |name: &str| json_number(&report, name);
    let cpu = after.zip(before).map(|(after, before)| after.saturating_sub(before).as_secs_f64());
    let answered = figure("answered");
    let calls =
        |said: &str| Some(number_after(said, "system calls ")? / number_after(said, "datagrams ")?);
    Ok(vec![
        answered.zip(cpu).map(|(answered, cpu)| answered / cpu),
        figure("replies_per_second"),
        figure("p99").map(|nanos| nanos / 1e3),
        figure("lost").zip(figure("asked")).map(|(lost, asked)| 100.0 * lost / asked),
        calls(&said),
    ])
}

/// The number that stands under `name` in a JSON text. `udp-echo load` writes it, each name once:
/// reading that is no reason to build a JSON library.
pub(super) fn json_number(json: &str, name: &str) -> Option<f64> {
    number_after(json, &format!("\"{name}\":"))
}

/// The number that follows the first `words`.
fn number_after(text: &str, words: &str) -> Option<f64> {
    let (_, rest) = text.split_once(words)?;
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | '+' | 'e' | 'E'));
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

pub(super) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

pub(super) fn text(path: &Path) -> String {
    PathBuf::from(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_what_the_programs_say() {
        let json = r#"{"answered":3,"latency_ns":{"p99":1200,"p99.9":1500},"rate":1.5e6}"#;
        for (name, want) in
            [("answered", Some(3.0)), ("p99", Some(1200.0)), ("rate", Some(1.5e6)), ("p9", None)]
        {
            assert_eq!(json_number(json, name), want, "{name}");
        }
        let said =
            "can\nstatistics: datagrams 10, bytes 5, system calls 20, datagrams per call 0.5";
        assert_eq!(number_after(said, "datagrams "), Some(10.0));
        assert_eq!(number_after(said, "system calls "), Some(20.0));
        assert_eq!(number_after(said, "send errors "), None);
    }
}
