//! Lesson `packets`: where the network does keep boundaries.
//!
//! ```text
//!  three sends: one, two, three          what one receive with room for 100 gives
//!
//!  TCP             SOCK_STREAM           onetwothree     a stream of bytes
//!  UDP             SOCK_DGRAM            one             a datagram; it may be lost
//!  a Unix socket   SOCK_SEQPACKET        one             a record; none is lost, none overtakes
//! ```
//!
//! The type of a socket says it, socket(2): a stream has no boundaries, a datagram is one, and
//! SOCK_SEQPACKET is a connection like TCP's that keeps them. Linux has it between two processes of
//! one machine, unix(7); over a network it would be SCTP (RFC 9260), which few routers let pass.
//! recv(2) says for all but streams: what does not fit into the buffer is thrown away.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use cli::failure::describe;
use cli::{count, escape, say};
use socket2::{Domain, Socket, Type};

use crate::loopback;

const WORDS: [&str; 3] = ["one", "two", "three"];

/// One more than any IPv4 packet can carry.
const LARGE: usize = 65_536;

/// A thousand sends of a thousand bytes: more than the buffers hold.
const SENDS: u32 = 1000;
const SEND_LEN: usize = 1000;

/// Where the network keeps boundaries: UDP and SOCK_SEQPACKET, beside TCP
#[derive(clap::Args)]
pub struct Args {}

/// Sends the same through every kind of socket, and shows what comes out.
///
/// # Errors
/// When a call fails that the lesson is not about.
pub fn run(Args {}: Args) -> anyhow::Result<()> {
    for kind in Kind::ALL.iter().copied() {
        say!("{}", kind.name())?;
        say!("  three sends, room for 100    {}", received(kind, &WORDS, 100)?)?;
        say!("  three sends, room for 4      {}", received(kind, &WORDS, 4)?)?;
        say!("  one, nothing, three          {}", received(kind, &["one", "", "three"], 100)?)?;
        say!("  64 KiB in one send           {}", large(kind)?)?;
        say!("  the sender has closed        {}", after_the_end(kind)?)?;
        say!("  nobody reads, 1000 sends     {}", unread(kind)?)?;
    }
    Ok(())
}

/// The kinds of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tcp,
    Udp,
    /// macOS has the name, and no such socket.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    SeqPacket,
}

impl Kind {
    const ALL: &[Self] = &[
        Self::Tcp,
        Self::Udp,
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        Self::SeqPacket,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP, a stream",
            Self::Udp => "UDP, datagrams",
            #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
            Self::SeqPacket => "AF_UNIX with SOCK_SEQPACKET, records",
        }
    }

    // ANCHOR: pair
    /// A socket that sends, and one that receives.
    fn pair(self) -> anyhow::Result<(Socket, Socket)> {
        match self {
            Self::Tcp => {
                let (writer, reader) = loopback::pair()?;
                Ok((writer.into(), reader.into()))
            }
            Self::Udp => {
                let bind = || -> io::Result<Socket> {
                    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
                    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
                    socket.set_read_timeout(Some(loopback::PATIENCE))?;
                    Ok(socket)
                };
                let (from, to) = (bind()?, bind()?);
                // Each takes datagrams of the other only: no stranger's come in between.
                from.connect(&to.local_addr()?)?;
                to.connect(&from.local_addr()?)?;
                Ok((from, to))
            }
            #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
            Self::SeqPacket => {
                // socketpair(2): connected from the start, and without a name.
                let (from, to) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
                to.set_read_timeout(Some(loopback::PATIENCE))?;
                Ok((from, to))
            }
        }
    }
    // ANCHOR_END: pair
}

// ANCHOR: received
/// Sends all of `messages`, and then shows what each receive gives.
fn received(kind: Kind, messages: &[&str], room: usize) -> anyhow::Result<String> {
    let (from, to) = kind.pair()?;
    for message in messages {
        from.send(message.as_bytes()).context("cannot send")?;
    }
    let mut left: usize = messages.iter().map(|message| message.len()).sum();
    let mut receives = Vec::new();
    if kind == Kind::Tcp {
        let to = to.try_clone()?.into();
        loopback::wait_for(&to, left).context("not all of it came")?;
    }
    // A datagram or a record is one receive; a stream is read until nothing is left of it.
    while if kind == Kind::Tcp { left > 0 } else { receives.len() < messages.len() } {
        let got = receive(&to, room)?;
        left = left.saturating_sub(got.len());
        receives.push(if got.is_empty() {
            "(0 bytes)".to_owned()
        } else {
            escape(&got).to_string()
        });
    }
    Ok(receives.join(" | "))
}
// ANCHOR_END: received

/// recv(2).
fn receive(mut socket: &Socket, room: usize) -> anyhow::Result<Vec<u8>> {
    let mut buffer = vec![0; room];
    let len = socket.read(&mut buffer).context("cannot receive")?;
    buffer.truncate(len);
    Ok(buffer)
}

/// One send of more than a datagram can be.
fn large(kind: Kind) -> anyhow::Result<String> {
    let (from, to) = kind.pair()?;
    let taken = match from.send(&vec![b'x'; LARGE]) {
        Ok(taken) => taken,
        Err(error) => return Ok(format!("refused: {}", describe(&error))),
    };
    if kind == Kind::Tcp {
        return Ok(format!("{taken} taken; in how many pieces they come, nothing says"));
    }
    Ok(format!("{taken} taken, {} received in one", receive(&to, LARGE + 1)?.len()))
}

/// What a receive gives when whoever sent has closed.
fn after_the_end(kind: Kind) -> anyhow::Result<String> {
    let (from, to) = kind.pair()?;
    drop(from);
    if kind == Kind::Udp {
        to.set_nonblocking(true)?;
    }
    match (&to).read(&mut [0; 100]) {
        Ok(len) => Ok(format!("{} received: the end", count(len, "byte"))),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Ok("nothing, and nobody says so: a receive would wait".to_owned())
        }
        Err(error) => Err(error).context("cannot receive"),
    }
}

// ANCHOR: unread
/// A sender that does not stop, and a receiver that begins when the sender has.
fn unread(kind: Kind) -> anyhow::Result<String> {
    let (from, to) = kind.pair()?;
    from.set_send_buffer_size(8192)?;
    to.set_recv_buffer_size(8192)?;
    from.set_nonblocking(true)?;
    let mut taken = 0;
    let mut waits = false;
    for _ in 0..SENDS {
        match from.send(&[b'x'; SEND_LEN]) {
            Ok(len) => taken += len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                waits = true;
                break;
            }
            Err(error) => return Err(error).context("cannot send"),
        }
    }
    let came = all(kind, &to, taken)?;
    let lost = taken - came;
    Ok(match (waits, lost) {
        (true, 0) => format!("the sender has to wait; of {taken} bytes taken none is lost"),
        (true, _) => format!("the sender has to wait; of {taken} bytes taken {lost} are lost"),
        (false, 0) => format!("all {taken} bytes taken, and none is lost"),
        (false, _) => format!("all {taken} bytes taken, and {lost} are lost; nobody is told"),
    })
}
// ANCHOR_END: unread

/// How many of `taken` bytes come.
fn all(kind: Kind, to: &Socket, taken: usize) -> anyhow::Result<usize> {
    // What was lost is not waited for.
    to.set_nonblocking(kind == Kind::Udp)?;
    let mut came = 0;
    let mut buffer = [0; SEND_LEN];
    while came < taken {
        match (&*to).read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => came += len,
            Err(error) if kind == Kind::Udp && error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error).context("cannot receive"),
        }
    }
    Ok(came)
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_a_stream_keep_what_a_send_was() {
        check(Kind::Tcp, &WORDS, 100, "onetwothree");
        check(Kind::Udp, &WORDS, 100, "one | two | three");
        check(Kind::SeqPacket, &WORDS, 100, "one | two | three");
    }

    #[test]
    fn only_a_stream_keeps_what_does_not_fit() {
        check(Kind::Tcp, &WORDS, 4, "onet | woth | ree");
        check(Kind::Udp, &WORDS, 4, "one | two | thre");
        check(Kind::SeqPacket, &WORDS, 4, "one | two | thre");
    }

    #[test]
    fn a_strangers_datagram_does_not_come_in_between() {
        let (from, to) = Kind::Udp.pair().unwrap();
        let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = to.local_addr().unwrap().as_socket().unwrap();
        stranger.send_to(b"strange", address).unwrap();
        from.send(b"ours").unwrap();
        assert_eq!(receive(&to, 100).unwrap(), b"ours");
    }

    #[test]
    fn nothing_is_something_but_for_a_stream() {
        check(Kind::Tcp, &["one", "", "three"], 100, "onethree");
        check(Kind::Udp, &["one", "", "three"], 100, "one | (0 bytes) | three");
        check(Kind::SeqPacket, &["one", "", "three"], 100, "one | (0 bytes) | three");
    }

    #[test]
    fn who_has_a_connection_makes_the_sender_wait() {
        for (kind, want) in [
            (Kind::Tcp, "the sender has to wait;"),
            (Kind::Udp, "all 1000000 bytes taken, and"),
            (Kind::SeqPacket, "the sender has to wait;"),
        ] {
            let told = unread(kind).unwrap();
            assert!(told.starts_with(want), "{told}");
            assert_eq!(told.contains("none is lost"), kind != Kind::Udp, "{told}");
        }
    }

    #[track_caller]
    fn check(kind: Kind, messages: &[&str], room: usize, want: &str) {
        assert_eq!(received(kind, messages, room).unwrap(), want, "{kind:?}");
    }
}
