//! Lesson `ports`: which there are, what they are for, and who listens here now.
//!
//! ```text
//!   0 ── system ── 1023 │ 1024 ── user ── 49151 │ 49152 ── dynamic ── 65535
//!   80: HTTP, everywhere      8080: a habit            a client's end, for a while
//! ```
//!
//! Linux shows its sockets as text in /proc/net/tcp, tcp6, udp and udp6 (proc_pid_net(5)), a line
//! each; netstat(8) and ss(8) show the same in other words:
//!
//! ```text
//!   sl  local_address rem_address   st tx_queue rx_queue … uid timeout inode
//!    0: 0100007F:22C2 00000000:0000 0A 00000000:00000000 …   0       0 10629
//!       │        │                  │                                  └ the socket's number
//!       │        └ port, 0x22c2     └ 0A: LISTEN
//!       └ 127.0.0.1, as this machine's processor would print the number
//! ```
//!
//! The kernel stores the four bytes of an address in network order, and prints them as one
//! number: a little-endian processor, which most are, takes the last byte for the highest.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, bail};
use cli::{Advice, escape, say};

use crate::socket_table::{self, State};

/// Which ports there are, what they are for, and who listens here now
#[derive(clap::Args)]
pub struct Args {}

/// Shows the ranges, the services, and the sockets of this machine.
///
/// # Errors
/// When the system's table cannot be read.
pub fn run(_args: Args) -> anyhow::Result<()> {
    say!("ranges (RFC 6335)")?;
    for range in [Range::System, Range::User, Range::Dynamic] {
        say!("  {:>11}  {}", range.limits(), range.what())?;
    }
    let (limits, source) = ephemeral_range()?;
    say!("  {limits:>11}  taken by this machine when a program does not choose ({source})")?;

    say!("services (IANA's registry)")?;
    for Service { port, protocol, name, what } in SERVICES {
        say!("  {port:>5}  {protocol:7}  {name:6}  {what}")?;
    }

    if cfg!(target_os = "linux") {
        say!("waiting here now (/proc/net)")?;
        say_waiting()
    } else {
        say!("waiting here now (netstat -an)")?;
        say_netstat()
    }
}

/// What a port may be used for, by its number alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    System,
    User,
    Dynamic,
}

impl Range {
    fn of(port: u16) -> Self {
        match port {
            0..=1023 => Self::System,
            1024..=49151 => Self::User,
            49152..=65535 => Self::Dynamic,
        }
    }

    fn limits(self) -> &'static str {
        match self {
            Self::System => "0-1023",
            Self::User => "1024-49151",
            Self::Dynamic => "49152-65535",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::System => {
                "system, well known: IANA gives them out; on Linux only root may listen"
            }
            Self::User => "user, registered: IANA notes them for who asks",
            Self::Dynamic => "dynamic, private: never given out, for a client's end",
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::System => "system",
            Self::User => "user",
            Self::Dynamic => "dynamic",
        })
    }
}

struct Service {
    port: u16,
    protocol: &'static str,
    name: &'static str,
    what: &'static str,
}

const fn service(
    port: u16,
    protocol: &'static str,
    name: &'static str,
    what: &'static str,
) -> Service {
    Service { port, protocol, name, what }
}

/// The services that the tutorials name, and the two without which their table has a hole: DNS
/// and HTTPS.
const SERVICES: &[Service] = &[
    service(20, "TCP", "FTP", "data, in active mode: the server's end (RFC 959)"),
    service(21, "TCP", "FTP", "commands and answers (RFC 959)"),
    service(22, "TCP", "SSH", "a shell, and file transfer as SFTP inside it (RFC 4253)"),
    service(23, "TCP", "Telnet", "a shell that anyone on the way can read (RFC 854)"),
    service(25, "TCP", "SMTP", "mail from server to server (RFC 5321)"),
    service(53, "UDP,TCP", "DNS", "names to addresses (RFC 1035)"),
    service(69, "UDP", "TFTP", "files, without a login (RFC 1350): chapter 3"),
    service(70, "TCP", "Gopher", "menus, from before the web (RFC 1436)"),
    service(80, "TCP", "HTTP", "the web (RFC 9112)"),
    service(110, "TCP", "POP3", "mail, fetched from a server (RFC 1939)"),
    service(119, "TCP", "NNTP", "news, as in newsgroups (RFC 3977)"),
    service(143, "TCP", "IMAP", "mail, read on a server (RFC 9051)"),
    service(161, "UDP", "SNMP", "watching routers and the like (RFC 3411)"),
    service(443, "TCP,UDP", "HTTPS", "the web, encrypted; UDP is HTTP/3 (RFC 9110)"),
    service(520, "UDP", "RIP", "routers tell each other the ways (RFC 2453)"),
];

/// From which ports connect(2) and bind(2) to port 0 take theirs, and where that is written.
fn ephemeral_range() -> anyhow::Result<(String, &'static str)> {
    const FILE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
    if cfg!(target_os = "linux") {
        let text = fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
        let (low, high) = parse_port_range(&text)
            .with_context(|| format!("{FILE} does not hold two ports: {text:?}"))?;
        Ok((format!("{low}-{high}"), FILE))
    } else if cfg!(windows) {
        Ok(("unknown".to_owned(), "ask: netsh int ipv4 show dynamicport tcp"))
    } else {
        Ok(("unknown".to_owned(), "ask: sysctl net.inet.ip.portrange"))
    }
}

fn parse_port_range(text: &str) -> Option<(u16, u16)> {
    let mut ports = text.split_whitespace().map(str::parse);
    match (ports.next(), ports.next(), ports.next()) {
        (Some(Ok(low)), Some(Ok(high)), None) if low <= high => Some((low, high)),
        _ => None,
    }
}

/// Linux: every socket that waits, with the program that has it where we may know it.
fn say_waiting() -> anyhow::Result<()> {
    let waiting = waiting()?;
    let programs = programs(&waiting.iter().map(|socket| socket.inode).collect());
    for Waiting { protocol, address, inode } in &waiting {
        let (address, range) = (address.to_string(), Range::of(address.port()));
        let program = programs.get(inode).map_or("not ours to look into", String::as_str);
        say!("  {protocol} {address:21}  {range:7}  {program}")?;
    }
    if waiting.is_empty() {
        say!("  nobody")?;
    }
    Ok(())
}

/// The sockets of all four tables, by port.
fn waiting() -> anyhow::Result<Vec<Waiting>> {
    let mut waiting = Vec::new();
    for (file, protocol) in [
        ("/proc/net/tcp", Protocol::Tcp),
        ("/proc/net/tcp6", Protocol::Tcp),
        ("/proc/net/udp", Protocol::Udp),
        ("/proc/net/udp6", Protocol::Udp),
    ] {
        let text = match fs::read_to_string(file) {
            // A kernel without IPv6 lacks the files whose names end in 6.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            read => read.with_context(|| format!("cannot read {file}"))?,
        };
        waiting.extend(waiting_in(protocol, &text));
    }
    waiting.sort_by_key(|socket| (socket.address.port(), socket.protocol, socket.address));
    Ok(waiting)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Protocol {
    Tcp,
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// A socket that strangers can send to.
#[derive(Debug, PartialEq, Eq)]
struct Waiting {
    protocol: Protocol,
    address: SocketAddr,
    inode: u64,
}

/// Those sockets of the kernel's table that wait to be sent to.
fn waiting_in(protocol: Protocol, table: &str) -> impl Iterator<Item = Waiting> {
    // A UDP socket that is connected counts as established; one that takes datagrams from anybody
    // counts as closed.
    let waits = match protocol {
        Protocol::Tcp => State::Listen,
        Protocol::Udp => State::Close,
    };
    let rows = socket_table::parse(table).into_iter().filter(move |row| row.state == waits);
    rows.map(move |row| Waiting { protocol, address: row.local, inode: row.inode })
}

/// Which program has each of these sockets. `/proc/PID/fd/N` of a socket is a link to
/// `socket:[INODE]`; only root may read it for the programs of others, so what cannot be read is
/// passed over.
fn programs(inodes: &BTreeSet<u64>) -> HashMap<u64, String> {
    let mut programs = HashMap::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        // Beside the processes, /proc holds `self`, which is this one, and much else.
        let Ok(pid) = process.file_name().to_string_lossy().parse::<u32>() else { continue };
        let files = fs::read_dir(process.path().join("fd"));
        for file in files.into_iter().flatten().flatten() {
            let link = fs::read_link(file.path()).unwrap_or_default();
            let inode = inode_of(&link.to_string_lossy()).filter(|inode| inodes.contains(inode));
            let Some(inode) = inode else { continue };
            let name = fs::read(process.path().join("comm")).unwrap_or_default();
            let name = escape(name.trim_ascii_end()).to_string();
            programs.entry(inode).or_insert(format!("{name} (process {pid})"));
        }
    }
    programs
}

fn inode_of(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Elsewhere than on Linux: the lines of netstat(1) that are about sockets that wait.
fn say_netstat() -> anyhow::Result<()> {
    let netstat = Command::new("netstat").arg("-an").output();
    let netstat = netstat
        .context("cannot run netstat -an")
        .hint("netstat comes with macOS and Windows; elsewhere the package is called net-tools")?;
    if !netstat.status.success() {
        let said = escape(netstat.stderr.trim_ascii()).to_string();
        bail!("netstat -an ended with {}: {said}", netstat.status);
    }
    for line in netstat.stdout.split(|byte| *byte == b'\n').filter(|line| is_waiting(line)) {
        say!("  {}", escape(line.trim_ascii()))?;
    }
    Ok(())
}

/// Simplified: UDP has no state in netstat's list, so connected UDP sockets are shown too, and a
/// netstat that speaks another language than English has another word for LISTEN.
fn is_waiting(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line).to_ascii_uppercase();
    let protocol = line.split_whitespace().next().unwrap_or_default();
    match protocol {
        "TCP" | "TCP4" | "TCP6" | "TCP46" => line.contains("LISTEN"),
        "UDP" | "UDP4" | "UDP6" | "UDP46" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
