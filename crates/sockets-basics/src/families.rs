//! Lesson `families`: which sockets this machine makes, and what a handle on one is.
//!
//! ```text
//!   socket(family,            type,                       protocol)
//!          │                  │                           │
//!          whose addresses    what it carries             by which rules; 0: the usual ones
//!          AF_INET   IPv4     SOCK_STREAM    bytes        IPPROTO_TCP
//!          AF_INET6  IPv6     SOCK_DGRAM     messages     IPPROTO_UDP
//!          AF_UNIX   files    SOCK_SEQPACKET messages, in order, over a connection
//!          …                  SOCK_RAW       what lies beneath
//! ```
//!
//! Not every row of the table exists, and not every system knows every row, so each is tried:
//! socket(2), and close(2) when its value is dropped. The second half is about the number that
//! socket(2) returns, which Python calls `fileno`: dup(2), fcntl(2).

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Context;
use cli::failure::describe;
use cli::{escape, say};
use socket2::{Domain, Protocol, Socket, Type};

/// Both ends are in this process, so what is to come comes at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which sockets this machine makes, and what a handle on one is
#[derive(clap::Args)]
pub struct Args {}

/// Tries every kind of socket, then duplicates one.
///
/// # Errors
/// When the sockets of the second half cannot be made.
pub fn run(Args {}: Args) -> anyhow::Result<()> {
    for &(family, kinds) in KINDS {
        for (kind, protocol) in kinds {
            let outcome = outcome(family, *kind, *protocol);
            say!("{:<10} {:<14} {:<15} {outcome}", family.name(), kind.0, protocol.0)?;
        }
    }
    let clone = two_handles()?;
    one_handle(clone)
}

/// A type's name, and its value on this system.
type Kind = (&'static str, Type);

/// A protocol's name and its number, which is the same on every system.
type Rules = (&'static str, i32);

const STREAM: Kind = ("SOCK_STREAM", Type::STREAM);
const DGRAM: Kind = ("SOCK_DGRAM", Type::DGRAM);
const RAW: Kind = ("SOCK_RAW", Type::RAW);
const SEQPACKET: Kind = ("SOCK_SEQPACKET", Type::SEQPACKET);

const USUAL: Rules = ("0", 0);
const TCP: Rules = ("IPPROTO_TCP", 6);
const UDP: Rules = ("IPPROTO_UDP", 17);
const ICMP: Rules = ("IPPROTO_ICMP", 1);
const ICMPV6: Rules = ("IPPROTO_ICMPV6", 58);
const CAN_RAW: Rules = ("CAN_RAW", 1);
const CAN_BCM: Rules = ("CAN_BCM", 2);

/// The tutorials' families with every type, and the protocols that they or their readers try.
// ANCHOR: kinds
const KINDS: &[(Family, &[(Kind, Rules)])] = &[
    (Family::Inet, &[(STREAM, USUAL), (STREAM, TCP), (STREAM, UDP)]),
    (Family::Inet, &[(DGRAM, USUAL), (DGRAM, UDP), (DGRAM, TCP), (DGRAM, ICMP)]),
    (Family::Inet, &[(RAW, USUAL), (RAW, ICMP), (SEQPACKET, USUAL)]),
    (Family::Inet6, &[(STREAM, USUAL), (DGRAM, USUAL), (RAW, ICMPV6), (SEQPACKET, USUAL)]),
    (Family::Unix, &[(STREAM, USUAL), (DGRAM, USUAL), (RAW, USUAL), (SEQPACKET, USUAL)]),
    (Family::Netlink, &[(STREAM, USUAL), (DGRAM, USUAL), (RAW, USUAL), (SEQPACKET, USUAL)]),
    (Family::Can, &[(STREAM, USUAL), (DGRAM, CAN_BCM), (RAW, CAN_RAW), (SEQPACKET, USUAL)]),
    (Family::Rds, &[(STREAM, USUAL), (DGRAM, USUAL), (RAW, USUAL), (SEQPACKET, USUAL)]),
];
// ANCHOR_END: kinds

/// Whose addresses a socket has.
#[derive(Clone, Copy)]
enum Family {
    Inet,
    Inet6,
    Unix,
    Netlink,
    Can,
    Rds,
}

impl Family {
    fn name(self) -> &'static str {
        match self {
            Self::Inet => "AF_INET",
            Self::Inet6 => "AF_INET6",
            Self::Unix => "AF_UNIX",
            Self::Netlink => "AF_NETLINK",
            Self::Can => "AF_CAN",
            Self::Rds => "AF_RDS",
        }
    }

    fn domain(self) -> Option<Domain> {
        match self {
            Self::Inet => Some(Domain::IPV4),
            Self::Inet6 => Some(Domain::IPV6),
            Self::Unix => Some(Domain::UNIX),
            Self::Netlink => on_linux(16),
            Self::Can => on_linux(29),
            Self::Rds => on_linux(21),
        }
    }
}

/// A family that socket2 has no name for, by its number in Linux's `bits/socket.h`. On another
/// system the number may mean another family.
fn on_linux(number: i32) -> Option<Domain> {
    cfg!(any(target_os = "linux", target_os = "android")).then(|| Domain::from(number))
}

/// Opens a socket, closes it again, and says what came of it.
// ANCHOR: open
fn outcome(family: Family, (_, kind): Kind, (_, protocol): Rules) -> String {
    let Some(domain) = family.domain() else { return "not on this system".to_owned() };
    match Socket::new(domain, kind, Some(Protocol::from(protocol))) {
        Ok(socket) => match socket.r#type() {
            // Linux makes a datagram socket of AF_UNIX's SOCK_RAW, and says so only when asked
            // (SO_TYPE).
            Ok(got) if got != kind => format!("ok, but as {}", name_of(got)),
            _ => "ok".to_owned(),
        },
        Err(error) => refusal(&error),
    }
}
// ANCHOR_END: open

fn name_of(kind: Type) -> &'static str {
    let known = [STREAM, DGRAM, RAW, SEQPACKET].into_iter().find(|(_, value)| *value == kind);
    known.map_or("another type", |(name, _)| name)
}

/// The errors of socket(2): number on this system, name, and what it says about the three
/// arguments. (Linux has other numbers on MIPS and SPARC; there the system's text has to do.)
#[cfg(any(target_os = "linux", target_os = "android"))]
const REFUSALS: &[(i32, &str, &str)] = &[
    (1, "EPERM", NOT_ALLOWED),
    (13, "EACCES", NOT_ALLOWED),
    (93, "EPROTONOSUPPORT", NO_PROTOCOL),
    (94, "ESOCKTNOSUPPORT", NO_TYPE),
    (97, "EAFNOSUPPORT", NO_FAMILY),
];
#[cfg(windows)]
const REFUSALS: &[(i32, &str, &str)] = &[
    (10013, "WSAEACCES", NOT_ALLOWED),
    (10041, "WSAEPROTOTYPE", NO_PROTOCOL),
    (10043, "WSAEPROTONOSUPPORT", NO_PROTOCOL),
    (10044, "WSAESOCKTNOSUPPORT", NO_TYPE),
    (10047, "WSAEAFNOSUPPORT", NO_FAMILY),
];
#[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
const REFUSALS: &[(i32, &str, &str)] = &[
    (1, "EPERM", NOT_ALLOWED),
    (13, "EACCES", NOT_ALLOWED),
    (41, "EPROTOTYPE", NO_PROTOCOL),
    (43, "EPROTONOSUPPORT", NO_PROTOCOL),
    (44, "ESOCKTNOSUPPORT", NO_TYPE),
    (47, "EAFNOSUPPORT", NO_FAMILY),
];

const NOT_ALLOWED: &str = "this user may not";
const NO_PROTOCOL: &str = "no such protocol for this family and type";
const NO_TYPE: &str = "the family has no such type";
const NO_FAMILY: &str = "this system does not have the family";

fn refusal(error: &io::Error) -> String {
    let code = error.raw_os_error();
    match REFUSALS.iter().find(|(number, ..)| Some(*number) == code) {
        Some((_, name, meaning)) => format!("{name}: {meaning}"),
        None => describe(error),
    }
}

/// What socket(2) returns is a number that stands for a socket. dup(2) makes a second number for
/// the *same* socket, which is closed when the last one is. (`try_clone` says
/// fcntl(F_DUPFD_CLOEXEC), so that a started program does not inherit it.)
// ANCHOR: clone
fn two_handles() -> anyhow::Result<TcpListener> {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
    let address = first.local_addr()?;
    say!("bind: handle {} has {address}", handle(&first))?;
    let clone = first.try_clone().context("cannot duplicate the handle")?;
    say!("try_clone: handle {} has {}", handle(&clone), clone.local_addr()?)?;

    drop(first);
    say!("the first handle is closed")?;
    let mut client = TcpStream::connect(address).context("cannot connect")?;
    client.write_all(b"anybody there?")?;
    let (mut connection, _) = clone.accept().context("cannot accept")?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut heard = [0; 14];
    connection.read_exact(&mut heard)?;
    say!("the second still accepts, and hears: {}", escape(&heard))?;
    Ok(clone)
}
// ANCHOR_END: clone

/// Python's `socket.socket(fileno=n)`: another object around the same number, and no new number.
/// In Rust the old value is gone after that, so that nobody can close the number twice.
// ANCHOR: moved
fn one_handle(listener: TcpListener) -> anyhow::Result<()> {
    let socket = Socket::from(listener);
    say!("moved into a socket2::Socket: handle {}", handle(&socket))?;
    Ok(())
}
// ANCHOR_END: moved

/// The number behind a socket: `fileno()` in Python.
#[cfg(unix)]
fn handle(socket: &impl std::os::fd::AsRawFd) -> impl fmt::Display {
    socket.as_raw_fd()
}

/// Windows has a SOCKET instead, a number of another kind.
#[cfg(windows)]
fn handle(socket: &impl std::os::windows::io::AsRawSocket) -> impl fmt::Display {
    socket.as_raw_socket()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_tcp_and_udp() {
        for (kind, protocol) in [(STREAM, USUAL), (STREAM, TCP), (DGRAM, USUAL), (DGRAM, UDP)] {
            assert_eq!(outcome(Family::Inet, kind, protocol), "ok");
        }
    }

    #[test]
    fn a_protocol_of_another_type_is_refused_by_name() {
        for (kind, protocol) in [(STREAM, UDP), (DGRAM, TCP)] {
            let outcome = outcome(Family::Inet, kind, protocol);
            assert!(outcome.ends_with(NO_PROTOCOL), "{outcome}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_makes_a_datagram_socket_of_a_raw_unix_socket() {
        assert_eq!(outcome(Family::Unix, RAW, USUAL), "ok, but as SOCK_DGRAM");
    }

    #[cfg(unix)]
    #[test]
    fn eperm_and_eacces_are_told_apart() {
        let shown = [1, 13].map(|number| refusal(&io::Error::from_raw_os_error(number)));
        assert_eq!(shown, ["EPERM: this user may not", "EACCES: this user may not"]);
    }

    #[test]
    fn a_clone_has_a_number_of_its_own_and_a_moved_socket_keeps_it() {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let clone = first.try_clone().unwrap();
        let number = handle(&first).to_string();
        assert_ne!(handle(&clone).to_string(), number);
        assert_eq!(clone.local_addr().unwrap(), first.local_addr().unwrap());
        assert_eq!(handle(&Socket::from(first)).to_string(), number);
    }
}
