//! Lesson `boundaries`: a datagram arrives as it was sent, whole, or what does not fit is lost.
//!
//! ```text
//!  sent           one   two   three          0123456789        next
//!                  │     │      │                 │              │
//!  received       one   two   three   recv(4): 0123           next
//!                                              ▲ 456789 is nowhere: not in the next receive either
//! ```
//!
//! Both sockets are in this process, on loopback, where what is sent has arrived in order by the
//! time it is received. System calls: sendto(2), recvfrom(2), recvmsg(2) for MSG_TRUNC; the largest
//! datagram follows from RFC 768 and RFC 791.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Context;
use cli::failure::describe;
use cli::{count, escape, say, uninterrupted};
use socket2::{MaybeUninitSlice, SockRef};

/// The length field of IPv4 counts to 65,535, its own header of 20 bytes and UDP's of 8 included.
const DATAGRAM_LEN_MAX_IPV4: usize = 65_535 - 20 - 8;

/// The length field of IPv6 does not count its own header, so only UDP's 8 bytes go off.
const DATAGRAM_LEN_MAX_IPV6: usize = 65_535 - 8;

#[cfg(unix)]
const EMSGSIZE: i32 = libc::EMSGSIZE;
/// WSAEMSGSIZE, as Windows calls it.
#[cfg(windows)]
const EMSGSIZE: i32 = 10_040;

/// Both ends are in this process, so what is to come comes at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a datagram begins and ends, what is cut off, and how large it may be
#[derive(clap::Args)]
pub struct Args {}

/// Sends datagrams of all sizes from one socket to another and shows what arrives.
///
/// # Errors
/// When a call fails that the lesson is not about.
pub fn run(Args {}: Args) -> anyhow::Result<()> {
    let pair = Pair::new(Ipv4Addr::LOCALHOST)?;
    three_sends(&pair)?;
    an_empty_one(&pair)?;
    a_small_buffer(&pair)?;
    noticing(&pair)?;

    say!("the largest")?;
    largest("IPv4", &pair, DATAGRAM_LEN_MAX_IPV4)?;
    match Pair::new(Ipv6Addr::LOCALHOST) {
        Ok(pair) => largest("IPv6", &pair, DATAGRAM_LEN_MAX_IPV6),
        // A machine without IPv6 loses no more than this line.
        Err(_) => Ok(()),
    }
}

// ANCHOR: three
fn three_sends(pair: &Pair) -> anyhow::Result<()> {
    say!("three sends are three receives")?;
    for word in ["one", "two", "three"] {
        pair.send(word.as_bytes())?;
    }
    let mut buffer = [0; 1024];
    for _ in 0..3 {
        show(pair.receive(&mut buffer)?)?;
    }
    Ok(())
}

fn an_empty_one(pair: &Pair) -> anyhow::Result<()> {
    say!("an empty one arrives too, and ends nothing")?;
    pair.send(b"")?;
    pair.send(b"after it")?;
    let mut buffer = [0; 1024];
    show(pair.receive(&mut buffer)?)?;
    show(pair.receive(&mut buffer)?)
}
// ANCHOR_END: three

// ANCHOR: cut
fn a_small_buffer(pair: &Pair) -> anyhow::Result<()> {
    say!("a buffer of 4 bytes, and a datagram of 10")?;
    pair.send(b"0123456789")?;
    pair.send(b"next")?;
    let mut buffer = [0; 4];
    show(pair.receive(&mut buffer)?)?;
    // Not "4567": the rest of the first was thrown away with it.
    show(pair.receive(&mut buffer)?)
}

/// Two ways to learn that something was cut off: room for one byte more than is wanted, or the
/// flag MSG_TRUNC, which recvmsg(2) hands back and recvfrom(2) does not.
fn noticing(pair: &Pair) -> anyhow::Result<()> {
    say!("noticing it: 4 bytes are wanted, and 10 are sent")?;
    pair.send(b"0123456789")?;
    let mut one_more = [0; 4 + 1];
    let len = pair.receive(&mut one_more)?.len();
    say!("  room for 5: {len} of 5 bytes used, so it was longer than 4")?;

    for sent in ["0123456789", "0123"] {
        pair.send(sent.as_bytes())?;
        let (len, cut) = pair.receive_with_flags(&mut [MaybeUninit::uninit(); 4])?;
        let flag = if cut { "MSG_TRUNC is set" } else { "MSG_TRUNC is not set" };
        say!("  room for 4: {} of {} received, {flag}", len, sent.len())?;
    }
    Ok(())
}
// ANCHOR_END: cut

// ANCHOR: largest
/// One that just fits and one that is a byte longer.
fn largest(family: &str, pair: &Pair, len_max: usize) -> anyhow::Result<()> {
    let datagram = vec![b'x'; len_max + 1];
    for sent in [&datagram[..len_max], &datagram[..]] {
        let outcome = match pair.send_and_receive(sent)? {
            Ok(received) => format!("{received} received"),
            Err(error) if error.raw_os_error() == Some(EMSGSIZE) => format!("EMSGSIZE: {error}"),
            Err(error) => describe(&error),
        };
        say!("  {family}  {} sent → {outcome}", sent.len())?;
    }
    Ok(())
}
// ANCHOR_END: largest

/// A socket that sends to another.
struct Pair {
    from: UdpSocket,
    to: UdpSocket,
    address: SocketAddr,
}

impl Pair {
    fn new(ip: impl Into<IpAddr>) -> anyhow::Result<Self> {
        let ip = ip.into();
        let bind =
            || UdpSocket::bind((ip, 0)).with_context(|| format!("cannot bind a port of {ip}"));
        let (from, to) = (bind()?, bind()?);
        to.set_read_timeout(Some(PATIENCE))?;
        let address = to.local_addr()?;
        Ok(Self { from, to, address })
    }

    /// sendto(2).
    fn send(&self, data: &[u8]) -> anyhow::Result<()> {
        self.from.send_to(data, self.address).context("cannot send")?;
        Ok(())
    }

    /// recvfrom(2), until one of ours comes: any program of this machine may send to the port.
    fn receive<'a>(&self, buffer: &'a mut [u8]) -> anyhow::Result<&'a [u8]> {
        let sender = self.from.local_addr()?;
        loop {
            let (len, from) =
                uninterrupted(|| self.to.recv_from(buffer)).context("cannot receive")?;
            if from == sender {
                return Ok(&buffer[..len]);
            }
        }
    }

    /// recvmsg(2): how many bytes came, and whether more had been sent.
    fn receive_with_flags(&self, buffer: &mut [MaybeUninit<u8>]) -> anyhow::Result<(usize, bool)> {
        let mut buffers = [MaybeUninitSlice::new(buffer)];
        let (len, flags) = uninterrupted(|| SockRef::from(&self.to).recv_vectored(&mut buffers))
            .context("cannot receive")?;
        Ok((len, flags.is_truncated()))
    }

    /// The length that arrives, or the error that the send got.
    fn send_and_receive(&self, data: &[u8]) -> anyhow::Result<io::Result<usize>> {
        if let Err(error) = self.from.send_to(data, self.address) {
            return Ok(Err(error));
        }
        let mut buffer = vec![0; data.len() + 1];
        Ok(Ok(self.receive(&mut buffer)?.len()))
    }
}

fn show(received: &[u8]) -> anyhow::Result<()> {
    match received {
        [] => say!("  received {}", count(0, "byte"))?,
        _ => say!("  received {}: {}", count(received.len(), "byte"), escape(received))?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_takes_one_datagram_or_its_beginning() {
        check(&[b"one", b"two"], 1024, &[b"one", b"two"]);
        check(&[b"", b"after"], 1024, &[b"", b"after"]);
        check(&[b"01234", b"next"], 5, &[b"01234", b"next"]);
        // std hands on what Windows says instead: that the buffer is too small.
        #[cfg(unix)]
        check(&[b"012345", b"next"], 5, &[b"01234", b"next"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_cut_off_shows_in_the_flags() {
        let pair = Pair::new(Ipv4Addr::LOCALHOST).unwrap();
        for (sent, want) in [("0123", (4, false)), ("01234", (4, true)), ("", (0, false))] {
            pair.send(sent.as_bytes()).unwrap();
            let got = pair.receive_with_flags(&mut [MaybeUninit::uninit(); 4]).unwrap();
            assert_eq!(got, want, "{sent:?}");
        }
    }

    // Elsewhere the system's own limit is lower: 9,216 bytes on macOS (net.inet.udp.maxdgram).
    #[cfg(target_os = "linux")]
    #[test]
    fn one_byte_more_than_the_largest_is_refused_and_not_cut() {
        let refused_at = |ip: IpAddr, len_max: usize| {
            let Ok(pair) = Pair::new(ip) else { return };
            let datagram = vec![b'x'; len_max + 1];
            let got = |len| pair.send_and_receive(&datagram[..len]).unwrap();
            assert_eq!(got(len_max).unwrap(), len_max, "{ip}");
            assert_eq!(got(len_max + 1).unwrap_err().raw_os_error(), Some(EMSGSIZE), "{ip}");
        };
        refused_at(Ipv4Addr::LOCALHOST.into(), DATAGRAM_LEN_MAX_IPV4);
        refused_at(Ipv6Addr::LOCALHOST.into(), DATAGRAM_LEN_MAX_IPV6);
    }

    /// Sends all, then receives all with a buffer of `room` bytes.
    #[track_caller]
    fn check(sent: &[&[u8]], room: usize, want: &[&[u8]]) {
        let pair = Pair::new(Ipv4Addr::LOCALHOST).unwrap();
        for datagram in sent {
            pair.send(datagram).unwrap();
        }
        for want in want {
            let mut buffer = vec![0; room];
            assert_eq!(pair.receive(&mut buffer).unwrap(), *want);
        }
    }
}
