//! Lesson `refused`: who hears that nobody is there, and what `connect` means on UDP.
//!
//! ```text
//!  a socket, free to send anywhere            a socket connected to 127.0.0.1:P
//!     │── hello ──▶ 127.0.0.1:P                  │── hello ──▶ 127.0.0.1:P
//!     │      ╳◀──── ICMP port unreachable        │ ◀────────── ICMP port unreachable
//!     │  for whom? it has sent to many           │  the next call: ECONNREFUSED
//! ```
//!
//! connect(2) sends nothing on a datagram socket. It notes one peer: send needs no address, other
//! senders are not heard, and the peer's errors find their way here. See connect(2), udp(7), icmp(7),
//! and RFC 1122 (4.1.3.3), which wants such errors passed on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, bail};
use cli::failure::describe;
use cli::{count, escape, say, uninterrupted};

/// All ends are in this process, so what is to come comes at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who hears that nobody listens, and what connect means on UDP
#[derive(clap::Args)]
pub struct Args {}

/// Sends to a closed port, unconnected and connected, and to a connected socket as a stranger.
///
/// # Errors
/// When a call fails that the lesson is not about.
pub fn run(Args {}: Args) -> anyhow::Result<()> {
    unconnected()?;
    connected()?;
    strangers()
}

// ANCHOR: unconnected
fn unconnected() -> anyhow::Result<()> {
    say!("a socket that may send to anybody")?;
    let closed = ClosedPort::new()?;
    let (socket, friend) = (socket()?, socket()?);
    for _ in 0..2 {
        show("send to the closed port", socket.send_to(b"hello", closed.address))?;
    }
    // What it hears next is not about the closed port.
    friend.send_to(b"from a friend", socket.local_addr()?)?;
    show_received("receive", receive(&socket))
}
// ANCHOR_END: unconnected

// ANCHOR: connected
fn connected() -> anyhow::Result<()> {
    say!("a socket connected to the closed port")?;
    let closed = ClosedPort::new()?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    say!("  before: sends from {}", socket.local_addr()?.ip())?;
    // Fixes the other end, and with it the address of this one: the one that the way there begins at.
    socket.connect(closed.address).context("cannot connect")?;
    say!("  connect: sends from {}, and nothing was sent", socket.local_addr()?.ip())?;
    for _ in 0..2 {
        // The send succeeds. The answer to it, an ICMP message, makes the *next* call fail, once.
        show("send", socket.send(b"hello"))?;
        show_received("receive", receive(&socket))?;
    }
    Ok(())
}
// ANCHOR_END: connected

// ANCHOR: strangers
fn strangers() -> anyhow::Result<()> {
    say!("a socket connected to a friend")?;
    let (socket, friend, stranger) = (socket()?, socket()?, socket()?);
    let address = socket.local_addr()?;
    socket.connect(friend.local_addr()?).context("cannot connect")?;

    stranger.connect(address).context("cannot connect")?;
    show("a stranger sends first", stranger.send(b"from a stranger"))?;
    friend.send_to(b"from a friend", address)?;
    show_received("receive", receive(&socket))?;
    // To everybody but the friend the port is closed.
    show_received("the stranger receives", receive(&stranger))
}
// ANCHOR_END: strangers

/// A port at which nobody receives, and which nobody can take while the lesson runs.
struct ClosedPort {
    address: SocketAddr,
    _holder: UdpSocket,
}

impl ClosedPort {
    /// A socket that is connected to itself hears nobody else: the system answers all others as if
    /// there were none. A socket bound and closed again would leave the port to the next program.
    fn new() -> anyhow::Result<Self> {
        let holder = socket()?;
        let address = holder.local_addr()?;
        holder.connect(address).context("cannot connect")?;
        Ok(Self { address, _holder: holder })
    }
}

fn socket() -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot make a socket")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn receive(socket: &UdpSocket) -> io::Result<Vec<u8>> {
    let mut datagram = [0; 64];
    let len = uninterrupted(|| socket.recv(&mut datagram))?;
    Ok(datagram[..len].to_vec())
}

fn show(what: &str, outcome: io::Result<usize>) -> anyhow::Result<()> {
    match outcome {
        Ok(len) => say!("  {what}: {}", count(len, "byte"))?,
        Err(error) => say!("  {what}: {}", describe(&error))?,
    }
    Ok(())
}

fn show_received(what: &str, outcome: io::Result<Vec<u8>>) -> anyhow::Result<()> {
    match outcome {
        Ok(data) => say!("  {what}: {}", escape(&data))?,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            bail!("{what}: nothing came within {} s", PATIENCE.as_secs())
        }
        Err(error) => say!("  {what}: {}", describe(&error))?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unconnected_socket_hears_nothing_of_a_closed_port() {
        let closed = ClosedPort::new().unwrap();
        let (socket, friend) = (socket().unwrap(), socket().unwrap());
        assert_eq!(socket.send_to(b"hello", closed.address).unwrap(), 5);
        friend.send_to(b"next", socket.local_addr().unwrap()).unwrap();
        check(receive(&socket), Ok("next"));
    }

    #[test]
    fn a_connected_socket_is_told_once_for_each_datagram() {
        let closed = ClosedPort::new().unwrap();
        let socket = socket().unwrap();
        socket.connect(closed.address).unwrap();
        for _ in 0..2 {
            assert_eq!(socket.send(b"hello").unwrap(), 5);
            check(receive(&socket), Err(REFUSED));
        }
    }

    #[test]
    fn a_connected_socket_hears_only_its_peer_and_refuses_strangers() {
        let (socket, friend, stranger) = (socket().unwrap(), socket().unwrap(), socket().unwrap());
        let address = socket.local_addr().unwrap();
        stranger.connect(address).unwrap();
        // Before connect a stranger is heard, and is heard even if connect comes in between.
        stranger.send(b"early").unwrap();
        socket.connect(friend.local_addr().unwrap()).unwrap();
        stranger.send(b"late").unwrap();
        friend.send_to(b"friend", address).unwrap();
        check(receive(&socket), Ok("early"));
        check(receive(&socket), Ok("friend"));
        check(receive(&stranger), Err(REFUSED));
    }

    // ANCHOR: report
    #[cfg(target_os = "linux")]
    #[test]
    fn a_report_comes_before_what_waits_and_a_send_that_brings_one_has_not_sent() {
        let (socket, server) = (socket().unwrap(), socket().unwrap());
        let address = server.local_addr().unwrap();
        socket.connect(address).unwrap();
        server.send_to(b"an answer", socket.local_addr().unwrap()).unwrap();
        // From here on the port is closed to everybody, as in `ClosedPort`.
        server.connect(address).unwrap();

        socket.send(b"lost").unwrap();
        wait_for_report(&socket);
        check(receive(&socket), Err(REFUSED));
        // The answer was there all the time.
        check(receive(&socket), Ok("an answer"));

        socket.send(b"lost").unwrap();
        wait_for_report(&socket);
        // And open again, to this client only.
        server.connect(socket.local_addr().unwrap()).unwrap();
        assert_eq!(socket.send(b"not sent").unwrap_err().kind(), REFUSED);
        assert_eq!(socket.send(b"sent").unwrap(), 4);
        check(receive(&server), Ok("sent"));
    }
    // ANCHOR_END: report

    /// poll(2) tells of an error without using it up, even when nothing else is asked.
    #[cfg(target_os = "linux")]
    fn wait_for_report(socket: &UdpSocket) {
        use rustix::event::{PollFd, PollFlags, poll};

        let mut ends = [PollFd::new(socket, PollFlags::empty())];
        poll(&mut ends, Some(&PATIENCE.try_into().unwrap())).unwrap();
        assert_eq!(ends[0].revents(), PollFlags::ERR);
    }

    // Windows, too, tells a connected socket of a closed port, by another name.
    const REFUSED: io::ErrorKind = if cfg!(windows) {
        io::ErrorKind::ConnectionReset
    } else {
        io::ErrorKind::ConnectionRefused
    };

    #[track_caller]
    fn check(got: io::Result<Vec<u8>>, want: Result<&str, io::ErrorKind>) {
        let got = got.map(|data| String::from_utf8(data).unwrap()).map_err(|error| error.kind());
        assert_eq!(got, want.map(str::to_owned));
    }
}
