//! The bench of the cable: what does it cost to see what passes?
//!
//! ```text
//!  udp-echo load ──▶ cable ──▶ udp-echo server      both ways, so each reply passes it twice
//!  a writer      ──▶ cable ──▶ a reader             64 KiB at once
//! ```
//!
//! The cable is the release build of this very program, in a process of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::contest::{Bench, Column, Contest, Entry};
use super::process::{Server, pinned};
use super::udp_echo::{json_number, text, words};
use super::{Args, build_release};

const DATAGRAMS: &[Column] = &[
    Column { name: "datagrams/s", digits: 0 },
    Column { name: "lost %", digits: 3 },
    Column { name: "p99 µs", digits: 0 },
];

const STREAM: &[Column] = &[Column { name: "MB/s", digits: 0 }];

/// Replies a second: each is two datagrams that pass the cable.
const RATE: u32 = 50_000;

/// How much is written and read at once.
const PIECE_LEN: usize = 64 << 10;

/// Builds what takes part.
///
/// # Errors
/// When our own programs do not build.
pub fn prepare(args: &Args) -> anyhow::Result<Bench> {
    let echo: Rc<Path> = build_release("udp-echo")?.into();
    let xtask: Rc<Path> = build_release("xtask")?.into();
    let turn = args.turn.duration();
    let datagrams = |name: &str, cable: Option<&'static str>| {
        let (echo, xtask) = (Rc::clone(&echo), Rc::clone(&xtask));
        Entry::new(name, move || measure_datagrams(&echo, &xtask, cable, turn))
    };
    let stream = |name: &str, cable: Option<&'static str>| {
        let xtask = Rc::clone(&xtask);
        Entry::new(name, move || measure_stream(&xtask, cable, turn))
    };
    let contests = vec![
        Contest {
            title: format!("echo of 64 bytes, {RATE} a second asked for, 16 source ports"),
            columns: DATAGRAMS,
            entries: vec![
                datagrams("direct", None),
                datagrams("cable", Some("")).against("direct", 1.0),
                datagrams("cable, loss=0.001%", Some("--faults loss=0.001%"))
                    .against("direct", 1.0),
            ],
        },
        Contest {
            title: "a stream, 64 KiB at once".to_owned(),
            columns: STREAM,
            entries: vec![
                stream("direct", None),
                stream("cable", Some("")).against("direct", 0.1),
                stream("cable, delay=1ms", Some("--faults delay=1ms")).against("direct", 0.1),
            ],
        },
    ];
    Ok(Bench { contests, skipped: Vec::new() })
}

/// Lays a cable with these flags to `server`, if there is to be one.
fn lay(
    xtask: &Path,
    kind: &str,
    server: SocketAddr,
    flags: Option<&str>,
) -> anyhow::Result<Option<Server>> {
    let Some(flags) = flags else { return Ok(None) };
    let mut command = vec![text(xtask)];
    command.extend(words(&format!("cable {kind} --to {server} --listen {{bind}} {flags}")));
    Server::start(&command).map(Some)
}

fn measure_datagrams(
    echo: &Path,
    xtask: &Path,
    cable: Option<&str>,
    turn: Duration,
) -> anyhow::Result<Vec<Option<f64>>> {
    let mut server = vec![text(echo)];
    server.extend(words("server --bind 127.0.0.1:0 --quiet"));
    let server = Server::start(&server)?;
    let cable = lay(xtask, "udp", server.address, cable)?;
    let address = cable.as_ref().map_or(server.address, |cable| cable.address);
    let mut load = vec![text(echo)];
    let turn = turn.as_millis();
    load.extend(words(&format!(
        "load {address} --json --sources 16 --size 64 --rate {RATE} --duration {turn}ms"
    )));
    let output = pinned(1, &load)?.output().context("cannot start the load")?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{}", errors.lines().next().unwrap_or("the load failed").trim());
    }
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let figure = |name: &str| json_number(&report, name);
    Ok(vec![
        figure("replies_per_second").map(|replies| replies * 2.0),
        figure("lost").zip(figure("asked")).map(|(lost, asked)| 100.0 * lost / asked),
        figure("p99").map(|nanos| nanos / 1e3),
    ])
}

fn measure_stream(
    xtask: &Path,
    cable: Option<&str>,
    turn: Duration,
) -> anyhow::Result<Vec<Option<f64>>> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
    let cable = lay(xtask, "tcp", listener.local_addr()?, cable)?;
    let address = match &cable {
        Some(cable) => cable.address,
        None => listener.local_addr()?,
    };
    let reader = thread::spawn(move || -> std::io::Result<u64> {
        let (mut stream, _) = listener.accept()?;
        let mut piece = vec![0; PIECE_LEN];
        let mut total = 0;
        loop {
            match stream.read(&mut piece)? {
                0 => return Ok(total),
                len => total += u64::try_from(len).unwrap_or_default(),
            }
        }
    });
    let mut stream = TcpStream::connect(address).context("cannot connect")?;
    let piece = vec![7; PIECE_LEN];
    let begin = Instant::now();
    while begin.elapsed() < turn {
        stream.write_all(&piece).context("cannot write")?;
    }
    drop(stream);
    let Ok(total) = reader.join() else { bail!("the reader failed") };
    // The end is when all has been read. Below 2^53 bytes nothing is rounded.
    #[expect(clippy::cast_precision_loss, reason = "a rate in three digits")]
    let megabytes = total.context("cannot read")? as f64 / 1e6;
    Ok(vec![Some(megabytes / begin.elapsed().as_secs_f64())])
}
