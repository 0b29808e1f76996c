//! The bench of chapter 3: how fast does a file come, and what does it cost at either end?
//!
//! ```text
//!  processor 0: a server ── big.bin, from the page cache ──▶ processor 1: a client ──▶ a file
//!               ours, in.tftpd, atftpd, --peer                 ours, atftp, curl, …, --peer
//! ```
//!
//! Every server with every client that can do what the contest asks for. Each turn starts a server,
//! fetches, compares the file byte by byte, and stops the server: what both cost is known when
//! they have ended. A pair that does not come to an end within [`PATIENCE`] has stalled, and is out.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::contest::{Bench, Column, Contest, Entry};
use super::process::{Server, cpu_of_ended, peak_memory_of_group, pinned};
use super::udp_echo::{text, words};
use super::{Args, build_release, target};
use crate::demo::needs::in_path;
use crate::demo::process::Group;

/// A transfer that takes longer has stalled: none here has more than a few seconds of work.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often a client's memory is looked at.
const GLANCE: Duration = Duration::from_millis(10);

const COLUMNS: &[Column] = &[
    Column { name: "MB/s", digits: 0 },
    Column { name: "server CPU s/GB", digits: 2 },
    Column { name: "client CPU s/GB", digits: 2 },
    Column { name: "server MiB", digits: 1 },
    Column { name: "client MiB", digits: 1 },
];

const COLUMNS_OF_MANY: &[Column] = &[
    Column { name: "MB/s", digits: 0 },
    Column { name: "server CPU s/GB", digits: 2 },
    Column { name: "client CPU s/GB", digits: 2 },
    Column { name: "server MiB", digits: 1 },
    Column { name: "client MiB", digits: 1 },
    Column { name: "slowest/median", digits: 2 },
];

/// Block sizes and windows that everybody is asked for.
const SHAPES: [(u16, u16); 4] = [(1428, 64), (8192, 8), (65464, 1), (65464, 16)];

/// Clients that a system may have: name, program, its words with and without options, and whether
/// it knows windows.
const CLIENTS: &[(&str, &str, Option<&str>, &str, bool)] = &[
    (
        "atftp",
        "atftp",
        Some(
            "atftp --option 'blksize {blksize}' --option 'windowsize {windowsize}' -g -r {file} -l {out} {ip} {port}",
        ),
        "atftp -g -r {file} -l {out} {ip} {port}",
        true,
    ),
    (
        "curl",
        "curl",
        Some("curl -sS --tftp-blksize {blksize} -o {out} tftp://{ip}:{port}/{file}"),
        "curl -sS -o {out} tftp://{ip}:{port}/{file}",
        false,
    ),
    (
        "busybox",
        "busybox",
        Some("busybox tftp -g -b {blksize} -r {file} -l {out} {ip} {port}"),
        "busybox tftp -g -r {file} -l {out} {ip} {port}",
        false,
    ),
    ("tftp-hpa", "tftp", None, "tftp -m binary {ip} {port} -c get {file} {out}", false),
];

/// One end. `{ip}`, `{port}`, `{bind}`, `{root}`, `{out}`, `{blksize}` and `{windowsize}` are filled in.
#[derive(Clone)]
struct End {
    name: String,
    /// Its words where a block size and a window are asked for; a server has only these.
    asked: Option<String>,
    /// Its words where nothing is asked for.
    plain: String,
    windows: bool,
    /// It leaves transfers to processes that it does not wait for, so nobody knows what they cost.
    leaves: bool,
    /// Without flags it has one block of 512 bytes in each round trip.
    slow: bool,
}

/// What is to be moved, and how.
#[derive(Clone)]
struct Task {
    place: Rc<Place>,
    asked: Option<(u16, u16)>,
    len: u64,
    clients: usize,
    faults: Option<&'static str>,
}

/// Where the files are, and our own programs.
struct Place {
    dir: PathBuf,
    xtask: PathBuf,
}

/// Builds what takes part.
///
/// # Errors
/// When our own programs do not build.
pub fn prepare(args: &Args) -> anyhow::Result<Bench> {
    let ours = text(&build_release("tftp")?);
    let place = Place { dir: target()?.join("bench").join("tftp"), xtask: build_release("xtask")? };
    fs::create_dir_all(&place.dir)
        .with_context(|| format!("cannot make {}", place.dir.display()))?;
    let mut bench = Bench { contests: Vec::new(), skipped: Vec::new() };
    let servers = servers(args, &ours, &mut bench);
    let clients = clients(args, &ours, &mut bench);
    let task =
        Task { place: Rc::new(place), asked: None, len: args.size << 20, clients: 1, faults: None };
    let mut add = |title: String, columns, entries| {
        bench.contests.push(Contest { title, columns, entries });
    };
    for (blksize, window) in SHAPES {
        let task = Task { asked: Some((blksize, window)), ..task.clone() };
        let title = format!("{} MiB, {blksize} × {window}", args.size);
        add(title, COLUMNS, pairs(&servers, &clients, &task));
    }
    let title =
        format!("{} MiB, everyone's defaults (an eighth of it where they mean 512 × 1)", args.size);
    add(title, COLUMNS, pairs(&servers, &clients, &task));
    let many = Task { asked: Some((1428, 64)), len: 4 << 20, clients: 64, ..task.clone() };
    let title = "64 clients at once, 4 MiB each, 1428 × 64".to_owned();
    add(title, COLUMNS_OF_MANY, pairs(&servers, &clients, &many));
    for (asked, kib) in [((1428, 64), 4096), ((1428, 1), 256)] {
        let faults = Some("loss=1%,delay=5ms");
        let task = Task { asked: Some(asked), len: kib << 10, faults, ..task.clone() };
        let (blksize, window) = asked;
        let title = format!("1 % lost, 5 ms each way, {kib} KiB, {blksize} × {window}");
        add(title, COLUMNS, pairs(&servers, &clients, &task));
    }
    for (where_to, faults, mib) in [("loopback", None, 64), ("1 ms each way", Some("delay=1ms"), 4)]
    {
        let task = Task { len: mib << 20, faults, ..task.clone() };
        let title = format!("curve: ours, 1428-byte blocks, {where_to}");
        add(title, COLUMNS, curve(&servers, &clients, &task));
    }
    Ok(bench)
}

fn servers(args: &Args, ours: &str, bench: &mut Bench) -> Vec<End> {
    let server = |name: &str, plain: String, windows| End {
        name: name.to_owned(),
        asked: None,
        plain,
        windows,
        leaves: name == "in.tftpd",
        slow: false,
    };
    let ours = format!("{ours} server --root {{root}} --bind {{bind}} --json");
    let mut servers = vec![server("ours", ours, true)];
    for (name, command, windows) in [
        ("in.tftpd", "in.tftpd -L -a {bind} -u root -s {root}", false),
        (
            "atftpd",
            "atftpd --daemon --no-fork --verbose=0 --logfile /dev/null --maxthread 1000 --user root.root --bind-address {ip} --port {port} {root}",
            true,
        ),
    ] {
        match in_path(name) {
            // Debian's atftpd puts a link with the other's name beside itself.
            Some(program) if is_called(&program) != name => {
                bench.skipped.push((name.to_owned(), format!("is {} here", is_called(&program))));
            }
            Some(program) => {
                let rest = command.split_once(' ').map_or("", |(_, rest)| rest);
                servers.push(server(name, format!("{} {rest}", program.display()), windows));
            }
            None => bench.skipped.push((name.to_owned(), "not installed".to_owned())),
        }
    }
    for peer in args.peer.iter().filter(|peer| !is_client(&peer.words)) {
        servers.push(server(&peer.name, quoted(&peer.words), true));
    }
    if servers.iter().any(|server| server.name == "in.tftpd") {
        let why = "knows no windows up to 5.2; only in contests without";
        bench.skipped.push(("in.tftpd with windows".to_owned(), why.to_owned()));
    }
    servers
}

fn clients(args: &Args, ours: &str, bench: &mut Bench) -> Vec<End> {
    let get = format!("{ours} get {{ip}}:{{port}} {{file}} {{out}} --quiet");
    let asked = format!("{get} --blksize {{blksize}} --windowsize {{windowsize}}");
    let mut clients = vec![End {
        name: "ours".to_owned(),
        asked: Some(asked),
        plain: get,
        windows: true,
        leaves: false,
        slow: false,
    }];
    for &(name, program, asked, plain, windows) in CLIENTS {
        if in_path(program).is_none() {
            bench.skipped.push((name.to_owned(), "not installed".to_owned()));
            continue;
        }
        let (asked, plain) = (asked.map(str::to_owned), plain.to_owned());
        clients.push(End {
            name: name.to_owned(),
            asked,
            plain,
            windows,
            leaves: false,
            slow: true,
        });
    }
    for peer in args.peer.iter().filter(|peer| is_client(&peer.words)) {
        let command = quoted(&peer.words);
        let asked = Some(command.clone()).filter(|words| words.contains("{blksize}"));
        let name = peer.name.clone();
        clients.push(End {
            name,
            asked,
            plain: command,
            windows: true,
            leaves: false,
            slow: false,
        });
    }
    clients
}

/// What a program is called behind all links.
fn is_called(program: &Path) -> String {
    let program = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A peer that writes to a file is a client.
fn is_client(words: &[String]) -> bool {
    words.iter().any(|word| word.contains("{out}"))
}

fn quoted(words: &[String]) -> String {
    let words = words.iter().map(|word| shlex::try_quote(word).unwrap_or_default());
    words.collect::<Vec<_>>().join(" ")
}

/// Every server with every client that can do what is asked.
fn pairs(servers: &[End], clients: &[End], task: &Task) -> Vec<Entry> {
    let mut entries = Vec::new();
    let windows = task.asked.is_some_and(|(_, window)| window > 1);
    let many = task.clients > 1 || task.faults.is_some();
    for server in servers.iter().filter(|server| server.windows || !windows) {
        for client in clients {
            let able = match task.asked {
                Some(_) => client.asked.is_some() && (client.windows || !windows),
                // Of a peer that is told everything, there are no defaults to be seen.
                None => !client.plain.contains("{blksize}"),
            };
            // Where each pair takes long, strangers among themselves say little more.
            let strangers = server.name != "ours" && client.name != "ours";
            if !able || (many && strangers && !belong_together(&server.name, &client.name)) {
                continue;
            }
            let mut task = task.clone();
            if task.asked.is_none() && client.slow {
                task.len = (task.len / 8).max(1 << 20);
            }
            entries.push(entry(server, client, &task));
        }
    }
    entries
}

/// Who comes from the same people, or is what Debian offers beside it.
fn belong_together(server: &str, client: &str) -> bool {
    matches!((server, client), ("atftpd", "atftp") | ("in.tftpd", "curl" | "tftp-hpa"))
}

fn entry(server: &End, client: &End, task: &Task) -> Entry {
    let name = format!("{} → {}", server.name, client.name);
    // What the same turn costs without us at this end.
    let (theirs, goal) = match (server.name.as_str(), client.name.as_str()) {
        ("ours", "ours") if task.asked.is_some_and(|(_, window)| window == 1) => {
            (Some("in.tftpd → curl"), 1.0)
        }
        ("ours", "ours") => (Some("atftpd → atftp"), 3.0),
        ("ours" | "atftpd", "atftp" | "ours") if name != "atftpd → atftp" => {
            (Some("atftpd → atftp"), 1.0)
        }
        ("ours", "curl") | ("in.tftpd", "ours") => (Some("in.tftpd → curl"), 1.0),
        ("ours", "busybox") => (Some("in.tftpd → busybox"), 1.0),
        ("ours", "tftp-hpa") => (Some("in.tftpd → tftp-hpa"), 1.0),
        _ => (None, 1.0),
    };
    let leaves = server.leaves;
    let (server, client, task) = (server.plain.clone(), command(client, task), task.clone());
    let entry = Entry::new(name, move || {
        let mut figures = measure(&server, &client, &task)?;
        if leaves {
            (figures[1], figures[3]) = (None, None);
        }
        Ok(figures)
    });
    match theirs {
        Some(theirs) => entry.against(theirs, goal),
        None => entry,
    }
}

fn command(client: &End, task: &Task) -> String {
    match (task.asked, &client.asked) {
        (Some((blksize, window)), Some(asked)) => asked
            .replace("{blksize}", &blksize.to_string())
            .replace("{windowsize}", &window.to_string()),
        _ => client.plain.clone(),
    }
}

/// Ours with ours, for each window.
fn curve(servers: &[End], clients: &[End], task: &Task) -> Vec<Entry> {
    let (Some(server), Some(client)) = (servers.first(), clients.first()) else {
        return Vec::new();
    };
    let windows = (0..8).map(|exponent| 1_u16 << exponent);
    let entries = windows.map(|window| {
        let task = Task { asked: Some((1428, window)), ..task.clone() };
        let (server, client) = (server.plain.clone(), command(client, &task));
        Entry::new(format!("window {window}"), move || measure(&server, &client, &task))
    });
    entries.collect()
}

/// Starts a server, fetches, compares, stops it.
fn measure(server: &str, client: &str, task: &Task) -> anyhow::Result<Vec<Option<f64>>> {
    let place = &*task.place;
    let file = place.file(task.len)?;
    let dir = place.dir.join("root");
    let mut command = Vec::new();
    for word in shlex::split(server).context("the server's words do not end")? {
        command.push(word.replace("{root}", &text(&dir)));
    }
    let server = Server::start(&command)?;
    let cable = task.faults.map(|faults| place.cable(server.address, faults)).transpose()?;
    let address = cable.as_ref().map_or(server.address, |cable| cable.address);
    let before = cpu_of_ended();
    let fetched = fetch(client, address, &file, task);
    let between = cpu_of_ended();
    let memory = server.peak_memory();
    let stopped = server.stop();
    let after = cpu_of_ended();
    let Fetched { took, each, memory: of_client } = fetched?;
    stopped?;
    let total = megabytes(task.len) * each.len() as f64;
    let cost = |from: Option<Duration>, to: Option<Duration>| {
        Some((to? - from?).as_secs_f64() / (total / 1000.0))
    };
    let mut figures = vec![
        Some(total / took.as_secs_f64()),
        cost(between, after),
        cost(before, between),
        memory,
        of_client,
    ];
    if let [.., slowest] = each[..] {
        figures.push(Some(slowest.as_secs_f64() / each[each.len() / 2].as_secs_f64()));
    }
    Ok(figures)
}

/// Below 2^53 bytes nothing is rounded.
#[expect(clippy::cast_precision_loss, reason = "a rate in three digits")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

struct Fetched {
    took: Duration,
    /// How long each client took, from the quickest to the slowest.
    each: Vec<Duration>,
    memory: Option<f64>,
}

/// Runs the clients, all at once, and compares what they have fetched.
fn fetch(client: &str, address: SocketAddr, file: &Path, task: &Task) -> anyhow::Result<Fetched> {
    let (sender, ends) = mpsc::channel();
    let mut groups = Vec::new();
    let mut outs = Vec::new();
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let began = Instant::now();
    for number in 0..task.clients {
        let out = task.place.dir.join(format!("out-{number}"));
        let _ = fs::remove_file(&out);
        let words = shlex::split(client).context("the client's words do not end")?;
        let fill = |word: &String| {
            word.replace("{ip}", &address.ip().to_string())
                .replace("{port}", &address.port().to_string())
                .replace("{file}", &name)
                .replace("{out}", &text(&out))
        };
        let words: Vec<String> = words.iter().map(fill).collect();
        let mut command = pinned(1, &words)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let (mut child, group) =
            Group::spawn(&mut command).with_context(|| format!("cannot start {}", words[0]))?;
        groups.push((child.id(), group));
        outs.push(out);
        let sender = sender.clone();
        thread::spawn(move || {
            let status = child.wait();
            let _ = sender.send((status, began.elapsed()));
        });
    }
    let mut each = Vec::new();
    let mut memory = None;
    while each.len() < task.clients {
        if let Ok((status, took)) = ends.recv_timeout(GLANCE) {
            let status = status.context("cannot wait for the client")?;
            ensure!(status.success(), "the client failed ({status})");
            each.push(took);
        } else if began.elapsed() > PATIENCE {
            groups.iter_mut().for_each(|(_, group)| group.kill());
            for _ in each.len()..task.clients {
                let _ = ends.recv();
            }
            bail!("stalled: not done after {} s", PATIENCE.as_secs());
        }
        if let Some(now) = groups.first().and_then(|(id, _)| peak_memory_of_group(*id)) {
            memory = Some(now.max(memory.unwrap_or_default()));
        }
    }
    let took = began.elapsed().min(each.iter().max().copied().unwrap_or_default());
    each.sort();
    for out in outs {
        ensure!(same(file, &out)?, "the file did not arrive whole");
        let _ = fs::remove_file(&out);
    }
    Ok(Fetched { took, each, memory })
}

impl Place {
    /// A file of so many bytes; reading it leaves it in the page cache.
    fn file(&self, len: u64) -> anyhow::Result<PathBuf> {
        let root = self.dir.join("root");
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        let path = root.join(format!("{len}.bin"));
        if fs::metadata(&path).is_ok_and(|found| found.len() == len) {
            let mut file = File::open(&path)?;
            std::io::copy(&mut file, &mut std::io::sink())?;
            return Ok(path);
        }
        let mut file =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let mut state = 1_u64;
        let mut piece = Vec::with_capacity(1 << 20);
        let mut left = len;
        while left > 0 {
            piece.clear();
            while piece.len() < 1 << 20 {
                // xorshift64: no two blocks are alike, so one in another's place is noticed.
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                piece.extend_from_slice(&state.to_le_bytes());
            }
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            file.write_all(&piece[..now])?;
            left -= u64::try_from(now)?;
        }
        Ok(path)
    }

    fn cable(&self, server: SocketAddr, faults: &str) -> anyhow::Result<Server> {
        let mut command = vec![text(&self.xtask)];
        let seed = "--seed 1";
        command.extend(words(&format!(
            "cable udp --to {server} --listen {{bind}} --faults {faults} {seed}"
        )));
        Server::start(&command)
    }
}

fn same(left: &Path, right: &Path) -> anyhow::Result<bool> {
    let open = |path: &Path| File::open(path).with_context(|| format!("no {}", path.display()));
    let (mut left, mut right) = (open(left)?, open(right)?);
    if left.metadata()?.len() != right.metadata()?.len() {
        return Ok(false);
    }
    let (mut of_left, mut of_right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let len = left.read(&mut of_left)?;
        if len == 0 {
            return Ok(true);
        }
        right.read_exact(&mut of_right[..len])?;
        if of_left[..len] != of_right[..len] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_compared_byte_by_byte() {
        let dir = std::env::temp_dir().join(format!("bench-tftp-{}", std::process::id()));
        let place = Place { dir: dir.clone(), xtask: PathBuf::new() };
        let file = place.file(3_000_000).unwrap();
        let other = dir.join("other");
        fs::copy(&file, &other).unwrap();
        assert!(same(&file, &other).unwrap());
        let mut bytes = fs::read(&file).unwrap();
        bytes[2_999_999] ^= 1;
        fs::write(&other, &bytes).unwrap();
        assert!(!same(&file, &other).unwrap());
        fs::write(&other, &bytes[1..]).unwrap();
        assert!(!same(&file, &other).unwrap());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_peer_with_a_target_is_a_client() {
        assert!(is_client(&["x".to_owned(), "{out}".to_owned()]));
        assert!(!is_client(&["x".to_owned(), "{bind}".to_owned()]));
        let words = ["a b".to_owned(), "{ip}".to_owned()];
        assert_eq!(shlex::split(&quoted(&words)).unwrap(), words);
    }
}
