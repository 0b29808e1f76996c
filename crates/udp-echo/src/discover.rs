//! Lesson `discover`: one question to everybody, and every server answers for itself.
//!
//! ```text
//!                                     ┌──▶ oak ── "here: oak", from an address of its own ──┐
//!  client ── who is there? ── 1 : n ──┼──▶ elm ── "here: elm" ──────────────────────────────┼──▶ client
//!                                     └──▶ ash ── "here: ash" ──────────────────────────────┘
//!  to 127.255.255.255   broadcast: all of this network
//!  to 239.255.77.77     multicast: all who have joined the group
//! ```
//!
//! The client need not know where the servers are, nor how many. So it cannot know when it has heard
//! the last: only a deadline ends the waiting. System calls: setsockopt(2) with SO_BROADCAST and
//! SO_REUSEADDR (socket(7)), IP_ADD_MEMBERSHIP, IP_MULTICAST_IF and IP_MULTICAST_TTL (ip(7)).

use std::collections::BTreeMap;
use std::fmt;
use std::io::{
    self,
    ErrorKind::{Interrupted, TimedOut, WouldBlock},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::str;
use std::time::Instant;

use anyhow::{Context, anyhow};
use cli::{Advice, Exit, Period, Stop, count, escape, note, say};
use socket2::{Domain, SockRef, Socket, Type};

use crate::once::any_address_like;

/// The question.
const QUESTION: &[u8] = b"who is there?";

/// What stands before a server's name in its answer.
const ANSWER: &[u8] = b"here: ";

/// The longest name, in bytes. An answer must stay short: whoever forges a question's sender makes
/// every server answer to his victim.
const NAME_LEN_MAX: usize = 64;

/// The longest answer, which is longer than the question.
const DATAGRAM_LEN_MAX: usize = ANSWER.len() + NAME_LEN_MAX;

/// A flood of answers fills no more than this.
const SERVERS_MAX: usize = 256;

/// One to many: broadcast and multicast find every server that listens
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Answers whoever asks everybody
    Server {
        /// Broadcast address or group to hear at; port 0 takes any free one
        #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.255.255.255:9898")]
        bind: SocketAddr,
        /// What to answer with
        #[arg(long, value_name = "NAME")]
        name: ServerName,
        /// For an IPv4 group: the address of the interface to join it on
        #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
        interface: Ipv4Addr,
    },
    /// Asks everybody, and lists who answers
    Client {
        /// The address at which everybody is asked
        #[arg(value_name = "IP:PORT", value_parser = cli::address, default_value = "127.255.255.255:9898")]
        everybody: SocketAddr,
        /// How long to wait for answers
        #[arg(long, value_name = "PERIOD", default_value = "1s")]
        wait: Period,
        /// End as soon as this many have answered
        #[arg(long, value_name = "N")]
        count: Option<NonZeroUsize>,
        /// For an IPv4 group: the address of the interface to ask through
        #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
        interface: Ipv4Addr,
    },
}

/// Runs the end that the command line asks for.
///
/// # Errors
/// When a call fails, or nobody answers.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.role {
        Role::Server { bind, name, interface } => server(bind, &name, interface),
        Role::Client { everybody, wait, count, interface } => {
            client(everybody, wait, count, interface)
        }
    }
}

// ANCHOR: server
fn server(bind: SocketAddr, name: &ServerName, interface: Ipv4Addr) -> anyhow::Result<()> {
    let _stop = Stop::server()?;
    let ear =
        ear(bind, interface).with_context(|| format!("cannot hear what is sent to {bind}"))?;
    // The address that all share is where one hears. To be reached, each has an address of its own.
    let mouth = UdpSocket::bind(any_address_like(bind)).context("cannot make a socket")?;
    let mut everybody = bind;
    everybody.set_port(ear.local_addr()?.port());
    cli::ready(everybody)?;

    let answer = [ANSWER, name.0.as_bytes()].concat();
    let mut datagram = [0; DATAGRAM_LEN_MAX + 1];
    loop {
        let (len, client) = match ear.recv_from(&mut datagram) {
            // Windows reports here what became of an answer, and calls a long question an error.
            Err(error) if cfg!(windows) => {
                note!("cannot receive: {error}");
                continue;
            }
            received => received.context("cannot receive")?,
        };
        if &datagram[..len] != QUESTION {
            note!("{client} asks something else: {}", escape(&datagram[..len]));
            continue;
        }
        match mouth.send_to(&answer, client) {
            Ok(_) => say!("{client} asks, and hears: {}", escape(&answer))?,
            Err(error) => note!("cannot answer {client}: {error}"),
        }
    }
}

/// A socket that hears what is sent to everybody.
fn ear(bind: SocketAddr, interface: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(bind), Type::DGRAM, None)?;
    // Each of those who share the port gets a copy, as long as all of them asked to share it.
    socket.set_reuse_address(true)?;
    // The BSDs and macOS have an option of its own for that.
    #[cfg(all(unix, not(target_os = "linux")))]
    socket.set_reuse_port(true)?;
    // Bound to the group itself it hears nothing else. Windows cannot; and without the number of an
    // interface an IPv6 group is no address to bind.
    let local = match bind {
        SocketAddr::V6(v6) if v6.ip().is_multicast() && v6.scope_id() == 0 => {
            (Ipv6Addr::UNSPECIFIED, bind.port()).into()
        }
        _ if cfg!(windows) => SocketAddr::new(any_address_like(bind).ip(), bind.port()),
        _ => bind,
    };
    socket.bind(&local.into())?;
    match bind {
        SocketAddr::V4(v4) if v4.ip().is_multicast() => {
            socket.join_multicast_v4(v4.ip(), &interface)?;
        }
        SocketAddr::V6(v6) if v6.ip().is_multicast() => {
            socket.join_multicast_v6(v6.ip(), v6.scope_id())?;
        }
        // A broadcast reaches everybody, asked or not: nothing is to be joined.
        _ => {}
    }
    Ok(socket.into())
}
// ANCHOR_END: server

// ANCHOR: client
fn client(
    everybody: SocketAddr,
    wait: Period,
    enough: Option<NonZeroUsize>,
    interface: Ipv4Addr,
) -> anyhow::Result<()> {
    let socket = UdpSocket::bind(any_address_like(everybody)).context("cannot make a socket")?;
    permit(&socket, everybody, interface).context("cannot set the socket's options")?;
    // Simplified: asks once. A datagram can be lost, so a real client asks two or three times.
    socket
        .send_to(QUESTION, everybody)
        .with_context(|| format!("cannot ask everybody at {everybody}"))?;
    say!("asked: {everybody}")?;
    if is_one(everybody) {
        note!("{everybody} is neither a broadcast address nor a group: one machine is asked");
    }

    let deadline = Instant::now() + wait.duration();
    // By address, because a datagram can come twice, and a name can belong to two.
    let mut servers: BTreeMap<SocketAddr, String> = BTreeMap::new();
    while enough.is_none_or(|enough| servers.len() < enough.get()) && servers.len() < SERVERS_MAX {
        let Some((datagram, address)) = receive_until(&socket, deadline)? else { break };
        let Some(name) = name_in(&datagram) else {
            note!("{address} answers something else: {}", escape(&datagram));
            continue;
        };
        if servers.insert(address, name.clone()).is_none() {
            say!("{name} is at {address}")?;
        }
    }
    if servers.is_empty() {
        return Err(anyhow!("nobody has answered within {wait}"))
            .hint("is a server running that was given the same address and port?")
            .exit(Exit::TimedOut);
    }
    say!("found {}", count(servers.len(), "server"))?;
    Ok(())
}

/// What a socket needs in order to send to more than one.
fn permit(socket: &UdpSocket, everybody: SocketAddr, interface: Ipv4Addr) -> io::Result<()> {
    let options = SockRef::from(socket);
    match everybody.ip() {
        IpAddr::V4(group) if group.is_multicast() => {
            // Which way out: without it the system takes the default route, off this machine.
            options.set_multicast_if_v4(&interface)?;
            // Over how many routers: 0 does not even leave the machine, 1 stays in the network.
            options.set_multicast_ttl_v4(if interface.is_loopback() { 0 } else { 1 })?;
            // Those on this machine hear it too.
            options.set_multicast_loop_v4(true)
        }
        // How far an IPv6 group reaches is written in its address: ff11 no further than this
        // machine, ff12 no further than this network.
        IpAddr::V6(group) if group.is_multicast() => options.set_multicast_hops_v6(1),
        // A safety catch: without it a send to a broadcast address fails with EACCES. Whether an
        // address is one depends on the network's mask, so this is set for all.
        IpAddr::V4(_) => options.set_broadcast(true),
        IpAddr::V6(_) => Ok(()),
    }
}
// ANCHOR_END: client

/// Whether `address` is known to be that of one machine.
fn is_one(address: SocketAddr) -> bool {
    match address.ip() {
        ip if ip.is_multicast() => false,
        IpAddr::V6(_) => true,
        // Only the system knows the network's mask. Linux refuses to connect to a broadcast
        // address without SO_BROADCAST, and connecting sends nothing; others refuse later.
        IpAddr::V4(_) => {
            cfg!(target_os = "linux")
                && UdpSocket::bind(any_address_like(address))
                    .is_ok_and(|spare| spare.connect(address).is_ok())
        }
    }
}

/// The name in an answer, fit for a terminal; `None` when it is no answer.
fn name_in(datagram: &[u8]) -> Option<String> {
    let name = datagram.strip_prefix(ANSWER)?;
    (!name.is_empty() && name.len() <= NAME_LEN_MAX).then(|| escape(name).to_string())
}

/// The next datagram and its sender, or `None` when none has come by `deadline`.
fn receive_until(
    socket: &UdpSocket,
    deadline: Instant,
) -> anyhow::Result<Option<(Vec<u8>, SocketAddr)>> {
    let mut datagram = [0; DATAGRAM_LEN_MAX + 1];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv_from(&mut datagram) {
            Ok((len, sender)) => return Ok(Some((datagram[..len].to_vec(), sender))),
            // The clock above decides whether the time is really over: the system may round.
            // Unix says `WouldBlock` when a read runs out of time, Windows says `TimedOut`, and
            // Linux says `Interrupted` when the program was stopped meanwhile (signal(7)).
            Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => {}
            Err(error) => return Err(error).context("cannot receive"),
        }
    }
}

/// A name that fits into an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ServerName(String);

/// Why a text is no [`ServerName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum NameError {
    #[error("a name has at least one letter")]
    Empty,
    #[error("{0} bytes are too long for a name: {NAME_LEN_MAX} are read")]
    TooLong(usize),
}

impl str::FromStr for ServerName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.len() {
            0 => Err(NameError::Empty),
            1..=NAME_LEN_MAX => Ok(Self(text.to_owned())),
            len => Err(NameError::TooLong(len)),
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_a_name_fit_for_a_terminal() {
        check(b"here: oak", Some("oak"));
        check("here: 白蜡树".as_bytes(), Some("白蜡树"));
        check(b"here: \x1b[2J", Some(r"\u{1b}[2J"));
        check(format!("here: {}", "n".repeat(64)).as_bytes(), Some(&"n".repeat(64)));
        check(format!("here: {}", "n".repeat(65)).as_bytes(), None);
        for datagram in [&b""[..], b"here: ", b"oak", QUESTION] {
            check(datagram, None);
        }
    }

    #[test]
    fn a_question_to_a_group_stays_on_the_machine_by_default() {
        let group = SocketAddr::from(([239, 255, 77, 77], 9));
        for (interface, ttl) in [(Ipv4Addr::LOCALHOST, 0), (Ipv4Addr::UNSPECIFIED, 1)] {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            // The system's own choice is another, or this would show nothing.
            SockRef::from(&socket).set_multicast_ttl_v4(7).unwrap();
            permit(&socket, group, interface).unwrap();
            assert_eq!(SockRef::from(&socket).multicast_ttl_v4().unwrap(), ttl);
            assert_eq!(SockRef::from(&socket).multicast_if_v4().unwrap(), interface);
        }
    }

    // Other systems do not tell before the send.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_address_of_one_machine_is_told_from_one_of_many() {
        for (ip, one) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("127.255.255.255", false),
            ("239.255.77.77", false),
            ("ff11::7", false),
        ] {
            let address = SocketAddr::new(ip.parse().unwrap(), 9);
            assert_eq!(is_one(address), one, "{address}");
        }
    }

    // Other systems have no broadcast address on their loopback.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_sent_to_a_broadcast_address_reaches_all_who_share_the_port() {
        let everybody = SocketAddr::from(([127, 255, 255, 255], 0));
        let first = ear(everybody, Ipv4Addr::LOCALHOST).unwrap();
        let second = ear(first.local_addr().unwrap(), Ipv4Addr::LOCALHOST).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let refused = client.send_to(QUESTION, first.local_addr().unwrap()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);

        permit(&client, first.local_addr().unwrap(), Ipv4Addr::LOCALHOST).unwrap();
        client.send_to(QUESTION, first.local_addr().unwrap()).unwrap();
        for ear in [first, second] {
            ear.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
            let mut datagram = [0; 64];
            assert_eq!(ear.recv(&mut datagram).unwrap(), QUESTION.len());
        }
    }

    #[track_caller]
    fn check(datagram: &[u8], want: Option<&str>) {
        assert_eq!(name_in(datagram).as_deref(), want);
    }
}
