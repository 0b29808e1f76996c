//! The load as a program, against small rooms that are right, and some that are wrong on purpose.
#![allow(clippy::unwrap_used, reason = "a panic is the failure")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

#[test]
fn in_a_room_that_is_right_everybody_hears_everything_in_every_scenario() {
    let room = Room::open(|line| vec![line.to_owned()]);
    for (args, said, connections) in [
        (&["--in-flight", "4", "--count", "100"][..], 100, 21),
        (&["--rate", "2000", "--count", "100", "--talkers", "3"], 100, 23),
        (&["--scenario", "slow", "--slow-readers", "2", "--count", "20"], 20, 21),
        (&["--scenario", "storm"], 1, 21),
        (&["--scenario", "hold", "--duration", "50ms"], 1, 21),
        (&["--scenario", "churn", "--duration", "50ms", "--in-flight", "3"], 1, 21),
        (&["--scenario", "churn", "--duration", "50ms", "--rate", "100"], 1, 21),
    ] {
        let json = json(&load(room, &[&["--listeners", "20"], args].concat()));
        let number = |name: &str| json[name].as_u64().unwrap();
        assert_eq!(
            (number("said"), number("connections")),
            (said, connections),
            "{args:?}: {json}"
        );
        assert_eq!(number("expected"), said * (connections - 1), "{json}");
        assert_eq!(number("received"), number("expected"), "{args:?}: {json}");
        assert_eq!((number("altered"), number("repeated"), number("closed")), (0, 0, 0), "{json}");
        assert_eq!(number("visits") > 0, args.contains(&"churn"), "{json}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn people_come_from_as_many_addresses_as_are_wanted() {
    let room = Room::open(|line| vec![line.to_owned()]);
    let output = load(room, &["--listeners", "20", "--sources", "3", "--count", "5"]);
    assert_eq!(json(&output)["received"].as_u64(), Some(100));
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_process_costs_is_told() {
    let room = Room::open(|line| vec![line.to_owned()]);
    let me = std::process::id().to_string();
    let json = json(&load(room, &["--listeners", "2", "--count", "5", "--pid", &me]));
    assert!(json["server_cpu_seconds"].is_f64(), "{json}");
    assert!(json["server_memory_bytes"].as_u64() > Some(0), "{json}");
}

#[test]
fn lines_that_never_come_are_missing_in_the_reach() {
    // Every second line goes to nobody; the last one is heard, so nobody waits for ever.
    let odd = |line: &str| match number_of(line) {
        Some(number) if number % 2 == 0 => Vec::new(),
        _ => vec![line.to_owned()],
    };
    let output = load(Room::open(odd), &["--listeners", "5", "--count", "100"]);
    let json = json(&output);
    assert_eq!(json["reach"].as_f64(), Some(0.5), "{json}");
}

#[test]
fn lines_that_come_twice_count_once() {
    let room = Room::open(|line| vec![line.to_owned(), line.to_owned()]);
    let json = json(&load(room, &["--listeners", "5", "--count", "100", "--in-flight", "1"]));
    assert_eq!(json["received"].as_u64(), Some(500), "{json}");
    assert!(json["repeated"].as_u64() > Some(0), "{json}");
}

#[test]
fn a_line_that_was_altered_is_an_error() {
    let altered = |line: &str| match number_of(line) {
        Some(7) => vec![format!("{}!", &line[..line.len() - 1])],
        _ => vec![line.to_owned()],
    };
    let output = load(Room::open(altered), &["--listeners", "5", "--count", "10"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("not what was said"));
}

#[test]
fn a_room_where_nothing_is_heard_is_an_error_in_time() {
    let deaf = Room::open(|_| Vec::new());
    let output = load(deaf, &["--listeners", "5", "--timeout", "300ms"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("do not hear the first talker"));
}

#[test]
fn nobody_there_is_an_error() {
    // Bound and closed again: nobody has it, and nobody else is given it so soon.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scenario in ["fan-out", "storm"] {
        let output = load(closed, &["--scenario", scenario, "--listeners", "5"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("ECONNREFUSED"));
    }
}

/// A room of blocking threads, as simple as can be.
#[derive(Clone)]
struct Room {
    people: Arc<Mutex<Vec<Option<TcpStream>>>>,
    /// What is made of a line that somebody says.
    pass: Arc<Pass>,
}

type Pass = dyn Fn(&str) -> Vec<String> + Send + Sync;

impl Room {
    fn open(pass: impl Fn(&str) -> Vec<String> + Send + Sync + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let room = Self { people: Arc::default(), pass: Arc::new(pass) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (room, stream) = (room.clone(), stream.unwrap());
                thread::spawn(move || room.hold(&stream));
            }
        });
        address
    }

    fn hold(&self, stream: &TcpStream) -> Option<()> {
        (&*stream).write_all(b"* What is your name?\n").ok()?;
        let mut lines = BufReader::new(stream).lines();
        let name = lines.next()?.ok()?;
        (&*stream).write_all(format!("* Hello, {name}\n").as_bytes()).ok()?;
        let me = {
            let mut people = self.people.lock().unwrap();
            people.push(Some(stream.try_clone().unwrap()));
            people.len() - 1
        };
        while let Some(Ok(line)) = lines.next() {
            for line in (self.pass)(&line) {
                let line = format!("{name}: {line}\n");
                let people = self.people.lock().unwrap();
                let others = people.iter().enumerate().filter(|(who, _)| *who != me);
                for (_, mut other) in others.filter_map(|(who, other)| Some((who, other.as_ref()?)))
                {
                    let _ = other.write_all(line.as_bytes());
                }
            }
        }
        self.people.lock().unwrap()[me] = None;
        Some(())
    }
}

/// The number in `~key.talker.number.letters`, and none for a call.
fn number_of(line: &str) -> Option<u64> {
    let mut fields = line.split('.').skip(1);
    let talker = fields.next()?;
    let number = u64::from_str_radix(fields.next()?, 16).ok()?;
    (talker != "ffff").then_some(number)
}

fn load(server: SocketAddr, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tcp-chat"))
        .args(["load", &server.to_string(), "--json"])
        .args(args)
        .output()
        .unwrap()
}

#[track_caller]
fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}
