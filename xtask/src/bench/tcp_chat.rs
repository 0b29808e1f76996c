//! The bench of chapter 4: how many lines does a chat server deliver for a second of processor
//! time, what does a connection cost it, and how long does a line take?
//!
//! ```text
//!  processor 0: the server ◀── 1 talker, 1,000 listeners ──▶ processor 1: tcp-chat load
//! ```
//!
//! Deliveries per second tell as much about the load and the machine's other work as about the
//! server, so the first column is deliveries per second *of the server's own processor time*. On
//! loopback that includes the way of each line into the listener's socket.
//!
//! A `--peer` speaks plain lines, and its name says how one gets in: `tokio…` asks as tokio's
//! examples/chat.rs does, `ncat…` as ncat --chat, `ours…` as our own, and all others ask nothing.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, bail, ensure};

use super::contest::{Bench, Column, Contest, Entry};
use super::process::{Server, pinned, raise_files};
use super::udp_echo::{json_number, text, words};
use super::{Args, build_release};
use crate::demo::needs::in_path;

const FAN_OUT: &[Column] = &[
    Column { name: "per CPU second", digits: 0 },
    Column { name: "deliveries/s", digits: 0 },
    Column { name: "p99 ms", digits: 2 },
    Column { name: "reach", digits: 4 },
    Column { name: "KiB each", digits: 1 },
    Column { name: "load busy %", digits: 0 },
];

const IDLE: &[Column] = &[
    Column { name: "KiB each", digits: 2 },
    Column { name: "idle CPU %", digits: 1 },
    Column { name: "reach of a line", digits: 4 },
    Column { name: "all have it ms", digits: 1 },
];

const LATENCY: &[Column] = &[
    Column { name: "p99 ms", digits: 2 },
    Column { name: "p99.9 ms", digits: 2 },
    Column { name: "p50 ms", digits: 2 },
    Column { name: "lines/s", digits: 0 },
    Column { name: "reach", digits: 4 },
];

/// The middle of all first: of few lines, on a machine that others use, p99 is the others'.
const CURVES: &[Column] = &[
    Column { name: "p50 ms", digits: 2 },
    Column { name: "p99 ms", digits: 2 },
    Column { name: "p99.9 ms", digits: 2 },
    Column { name: "lines/s", digits: 0 },
    Column { name: "reach", digits: 4 },
];

const ENGINES: [&str; 2] = ["poll", "threads"];
const LISTENERS: usize = 1000;
const IDLERS: usize = 10_000;
/// Both ends have a file for each connection, and some more.
const FILES_MORE: u64 = 100;
/// How many listeners the curve has, and how many lines a second they hear: so few that even the
/// most do not keep a server busy, for the curve is to show what a line costs and not a queue.
const CURVE: [usize; 7] = [1, 4, 16, 64, 256, 1024, 2048];
const CURVE_RATE: usize = 20;

/// A server, and how one gets into it.
#[derive(Clone)]
struct Room {
    name: String,
    words: Vec<String>,
    login: &'static str,
}

/// What all turns need.
#[derive(Clone)]
struct Place {
    ours: Rc<Path>,
    turn: String,
}

/// Builds what takes part.
///
/// # Errors
/// When our own program does not build.
pub fn prepare(args: &Args) -> anyhow::Result<Bench> {
    let ours: Rc<Path> = build_release("tcp-chat")?.into();
    let turn = format!("{}ms", args.turn.duration().as_millis());
    let place = Place { ours, turn };
    let mut bench = Bench { contests: Vec::new(), skipped: Vec::new() };
    let peers = peers(args, &mut bench);
    for (in_flight, goal) in [(16, 4.0), (1, 1.5)] {
        bench.contests.push(fan_out(&place, &peers, in_flight, goal));
    }
    let files = raise_files(IDLERS as u64 + FILES_MORE)?;
    if files < IDLERS as u64 + FILES_MORE {
        let why = format!("the system allows {files} open files, and that takes more");
        bench.skipped.push((format!("{IDLERS} idle connections"), why));
    } else {
        bench.contests.push(idle(&place, &peers));
    }
    bench.contests.push(latency(&place));
    bench.contests.extend(ENGINES.map(|engine| curve(&place, engine)));
    Ok(bench)
}

/// Others: ncat if it is installed, and those given.
fn peers(args: &Args, bench: &mut Bench) -> Vec<Room> {
    let mut peers = Vec::new();
    match in_path("ncat") {
        Some(_) => {
            let words = words("ncat --chat --listen --max-conns 1010 {ip} {port}");
            peers.push(Room { name: "ncat".to_owned(), words, login: "ncat" });
        }
        None => bench.skipped.push(("ncat".to_owned(), "not installed".to_owned())),
    }
    peers.extend(args.peer.iter().map(|peer| {
        Room {
            name: peer.name.clone(),
            words: peer.words.clone(),
            login: ["tokio", "ncat", "ours"]
                .into_iter()
                .find(|way| peer.name.starts_with(way))
                .unwrap_or("none"),
        }
    }));
    peers
}

fn fan_out(place: &Place, peers: &[Room], in_flight: u32, goal: f64) -> Contest {
    let load = format!("--listeners {LISTENERS} --in-flight {in_flight}");
    let entry = |room: Room| {
        let (place, load, name) = (place.clone(), load.clone(), room.name.clone());
        Entry::new(name, move || {
            let json = measure(&place, &room, &load)?;
            let figure = |name: &str| json_number(&json, name);
            Ok(vec![
                figure("deliveries_per_cpu_second"),
                figure("deliveries_per_second"),
                millis(&json, "one_p99_ns"),
                figure("reach"),
                figure("server_memory_each").map(|bytes| bytes / 1024.0),
                figure("load_busy").map(|share| 100.0 * share),
            ])
        })
    };
    let poll = entry(ours(place, "poll"));
    // tokio's example is the one to beat; without it, nothing is.
    let poll = match peers.iter().find(|peer| peer.login == "tokio") {
        Some(tokio) => poll.against(&tokio.name, goal),
        None => poll,
    };
    let mut entries = vec![poll, entry(ours(place, "threads"))];
    entries.extend(peers.iter().cloned().map(entry));
    let title = format!("1 talker, 1,000 listeners, lines of 100 bytes, {in_flight} in flight");
    Contest { title, columns: FAN_OUT, entries }
}

fn idle(place: &Place, peers: &[Room]) -> Contest {
    let load = format!("--scenario hold --listeners {} --timeout 60s", IDLERS - 1);
    let entry = |room: Room| {
        let (place, load, name) = (place.clone(), load.clone(), room.name.clone());
        Entry::new(name, move || {
            let json = measure(&place, &room, &load)?;
            let figure = |name: &str| json_number(&json, name);
            let idle = figure("idle_cpu_seconds").zip(figure("idle_seconds"));
            Ok(vec![
                figure("server_memory_each").map(|bytes| bytes / 1024.0),
                idle.map(|(cpu, seconds)| 100.0 * cpu / seconds),
                figure("reach"),
                millis(&json, "all_max_ns"),
            ])
        })
    };
    // ncat waits by select(2), which knows no file above 1,023.
    let others = peers.iter().filter(|peer| peer.login != "ncat").cloned();
    let entries = [ours(place, "poll")].into_iter().chain(others).map(entry).collect();
    let title =
        "10,000 connections that say nothing, and then one line to all (goal: at most 4 KiB each)";
    Contest { title: title.to_owned(), columns: IDLE, entries }
}

fn latency(place: &Place) -> Contest {
    // At the same rate, which both can hold: half of what threads deliver in a closed loop.
    let rate: Rc<Cell<Option<u64>>> = Rc::default();
    let entry = |engine: &str| {
        let (place, rate, room) = (place.clone(), Rc::clone(&rate), ours(place, engine));
        Entry::new(engine, move || {
            let half = half_of_saturation(&place, &rate)?;
            let json = measure(&place, &room, &format!("--listeners {LISTENERS} --rate {half}"))?;
            Ok(latencies(&json, half as f64))
        })
    };
    let poll = entry("poll").against("threads", 0.5);
    let title =
        "1 talker, 1,000 listeners, at half the rate that saturates threads (less is better)";
    Contest { title: title.to_owned(), columns: LATENCY, entries: vec![poll, entry("threads")] }
}

fn half_of_saturation(place: &Place, rate: &Cell<Option<u64>>) -> anyhow::Result<u64> {
    if let Some(rate) = rate.get() {
        return Ok(rate);
    }
    let load = format!("--listeners {LISTENERS} --in-flight 16");
    let json = measure(place, &ours(place, "threads"), &load)?;
    let figure = |name: &str| json_number(&json, name).context("the load does not tell");
    let half = figure("said")? / figure("talking_seconds")? / 2.0;
    ensure!(half >= 1.0, "less than two lines a second");
    // A whole number far below what 64 bits hold.
    let half = format!("{half:.0}").parse().context("no rate")?;
    rate.set(Some(half));
    Ok(half)
}

fn curve(place: &Place, engine: &'static str) -> Contest {
    let entry = |listeners: usize| {
        let (place, room) = (place.clone(), ours(place, engine));
        Entry::new(format!("listeners {listeners}"), move || {
            let load = format!("--listeners {listeners} --rate {CURVE_RATE}");
            let json = measure(&place, &room, &load)?;
            let mut figures = latencies(&json, CURVE_RATE as f64);
            figures[..3].rotate_right(1);
            Ok(figures)
        })
    };
    let title = format!("curve: {engine}");
    Contest { title, columns: CURVES, entries: CURVE.map(entry).into() }
}

fn latencies(json: &str, rate: f64) -> Vec<Option<f64>> {
    let [p99, p999, p50] = ["one_p99_ns", "one_p99.9_ns", "one_p50_ns"].map(|n| millis(json, n));
    vec![p99, p999, p50, Some(rate), json_number(json, "reach")]
}

fn millis(json: &str, name: &str) -> Option<f64> {
    json_number(json, name).map(|nanos| nanos / 1e6)
}

fn ours(place: &Place, engine: &str) -> Room {
    let mut server = vec![text(&place.ours)];
    // One address has a thousand connections here, and one of these says all there is to hear.
    let limits = "--rate off --per-address off --max-clients off";
    server.extend(words(&format!("server --bind 127.0.0.1:0 --quiet --engine {engine} {limits}")));
    Room { name: engine.to_owned(), words: server, login: "ours" }
}

/// Starts the server, lets the load run, and returns what it says.
fn measure(place: &Place, room: &Room, load: &str) -> anyhow::Result<String> {
    let server = Server::start(&room.words)?;
    let mut line = vec![text(&place.ours), "load".to_owned(), server.address.to_string()];
    line.extend(words(&format!(
        "--json --login {} --pid {} --duration {} {load}",
        room.login,
        server.pid(),
        place.turn
    )));
    let output = pinned(1, &line)?.output().context("cannot start the load")?;
    server.stop()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = errors.lines().take(2).map(str::trim).collect();
        bail!("{}", lines.join("; "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
