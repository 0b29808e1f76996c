//! Lesson `options`: what a socket is set to, what was asked, and what the kernel really took.
//!
//! ```text
//!   getsockopt ──▶ before ──▶ setsockopt(what is asked) ──▶ getsockopt ──▶ after
//!                                                                            │
//!            asked = after?  often; but the kernel may double, raise, cut or round it
//! ```
//!
//! Each option has a function of its own here, which names the two calls of socket2 that set and
//! get it; the system calls beneath are setsockopt(2) and getsockopt(2) every time. The options
//! are described in socket(7), ip(7) and tcp(7).

use std::io;
use std::time::Duration;

use anyhow::Context;
use cli::say;
use socket2::{Domain, Socket, Type};

/// A socket's options: before, asked for, and what the kernel really took
#[derive(clap::Args)]
pub struct Args {}

/// Sets each option on a new socket of its own and shows the difference.
///
/// # Errors
/// When the system refuses an option.
pub fn run(Args {}: Args) -> anyhow::Result<()> {
    say!("{:<13} {:<10} {:<13} {:<13} after", "option", "man page", "before", "asked")?;
    for (name, page, option) in OPTIONS {
        let Change { before, asked, after } =
            option().with_context(|| format!("cannot set {name}, see {page}"))?;
        say!("{name:<13} {page:<10} {before:<13} {asked:<13} {after}")?;
    }
    Ok(())
}

/// Sets one option on a new socket.
type SetOption = fn() -> io::Result<Change>;

const OPTIONS: &[(&str, &str, SetOption)] = &[
    ("SO_RCVBUF", "socket(7)", receive_buffer),
    ("SO_RCVBUF", "socket(7)", tiny_receive_buffer),
    ("SO_SNDBUF", "socket(7)", send_buffer),
    ("SO_RCVTIMEO", "socket(7)", receive_timeout),
    ("SO_REUSEADDR", "socket(7)", reuse_address),
    ("SO_KEEPALIVE", "socket(7)", keepalive),
    ("SO_LINGER", "socket(7)", linger),
    ("SO_BROADCAST", "socket(7)", broadcast),
    ("IP_TTL", "ip(7)", time_to_live),
    ("TCP_NODELAY", "tcp(7)", no_delay),
];

/// An option before and after it was set, and what was asked, as a person reads it.
#[derive(Debug)]
struct Change {
    before: String,
    asked: String,
    after: String,
}

// ANCHOR: buffers
/// SO_RCVBUF: how many bytes may have come and not been read. Linux cuts what is asked to
/// `net.core.rmem_max` and then doubles it, the second half for its own bookkeeping. Set it before
/// connect or listen: the handshake tells the peer how much room there can ever be. Linux stops
/// adjusting the buffer by itself once a program has set it.
fn receive_buffer() -> io::Result<Change> {
    change(&tcp()?, Socket::recv_buffer_size, Socket::set_recv_buffer_size, 100_000)
}

/// SO_RCVBUF again: nobody gets a buffer of one byte. The call succeeds all the same.
fn tiny_receive_buffer() -> io::Result<Change> {
    change(&tcp()?, Socket::recv_buffer_size, Socket::set_recv_buffer_size, 1)
}

/// SO_SNDBUF: how many bytes may wait to be sent and acknowledged. Cut to
/// `net.core.wmem_max` and doubled likewise.
fn send_buffer() -> io::Result<Change> {
    change(&tcp()?, Socket::send_buffer_size, Socket::set_send_buffer_size, 100_000)
}
// ANCHOR_END: buffers

// ANCHOR: rest
/// SO_RCVTIMEO: how long a read waits. Linux counts in ticks of its clock, of which there are
/// 100 to 1000 in a second, and rounds up. (Python's `settimeout` does not use this option.)
fn receive_timeout() -> io::Result<Change> {
    let asked = Some(Duration::from_millis(1));
    change(&tcp()?, Socket::read_timeout, Socket::set_read_timeout, asked)
}

/// SO_REUSEADDR: whether bind takes an address that the system still remembers; see the lesson
/// `reuse-addr`.
fn reuse_address() -> io::Result<Change> {
    change(&tcp()?, Socket::reuse_address, Socket::set_reuse_address, true)
}

/// SO_KEEPALIVE: whether a silent connection is probed from time to time, to find out that the
/// peer has gone. On Linux first after two hours (`TCP_KEEPIDLE`, tcp(7)).
fn keepalive() -> io::Result<Change> {
    change(&tcp()?, Socket::keepalive, Socket::set_keepalive, true)
}

/// SO_LINGER: how long close(2) waits for what is still to be sent. Unset, close returns at once
/// and the system goes on sending; with 0 seconds it throws the bytes away and resets.
fn linger() -> io::Result<Change> {
    change(&tcp()?, Socket::linger, Socket::set_linger, Some(Duration::from_secs(5)))
}

/// SO_BROADCAST: whether datagrams may be sent to everybody. A safety catch: without it such a
/// send fails with EACCES.
fn broadcast() -> io::Result<Change> {
    change(&udp()?, Socket::broadcast, Socket::set_broadcast, true)
}

/// IP_TTL: over how many routers a packet may pass. traceroute(8) counts it up from 1.
fn time_to_live() -> io::Result<Change> {
    change(&tcp()?, Socket::ttl_v4, Socket::set_ttl_v4, 3)
}

/// TCP_NODELAY: whether a small piece is sent at once although an earlier one is not yet
/// acknowledged. Off, such pieces are collected (Nagle's algorithm, RFC 896).
fn no_delay() -> io::Result<Change> {
    change(&tcp()?, Socket::tcp_nodelay, Socket::set_tcp_nodelay, true)
}
// ANCHOR_END: rest

fn tcp() -> io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::STREAM, None)
}

fn udp() -> io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::DGRAM, None)
}

/// getsockopt(2), setsockopt(2), and getsockopt(2) again: that a set succeeds does not say what
/// it did.
// ANCHOR: change
fn change<T: Shown>(
    socket: &Socket,
    get: fn(&Socket) -> io::Result<T>,
    set: fn(&Socket, T) -> io::Result<()>,
    asked: T,
) -> io::Result<Change> {
    let before = get(socket)?.shown();
    let shown = asked.shown();
    set(socket, asked)?;
    let after = get(socket)?.shown();
    Ok(Change { before, asked: shown, after })
}
// ANCHOR_END: change

/// An option's value, as a person reads it.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for bool {
    fn shown(&self) -> String {
        if *self { "on" } else { "off" }.to_owned()
    }
}

impl Shown for u32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for usize {
    fn shown(&self) -> String {
        cli::count(*self, "byte")
    }
}

impl Shown for Option<Duration> {
    fn shown(&self) -> String {
        self.map_or_else(|| "none".to_owned(), |time| format!("{time:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_asks_for_something_else_and_the_kernel_changes_it() {
        for (name, _, option) in OPTIONS {
            let change = option().unwrap();
            assert_ne!(change.before, change.asked, "{name} would show nothing");
            assert_ne!(change.before, change.after, "{name} was not set");
        }
    }

    #[test]
    fn switches_and_numbers_are_taken_as_they_were_asked() {
        for option in [reuse_address, keepalive, linger, broadcast, time_to_live, no_delay] {
            let change = option().unwrap();
            assert_eq!(change.asked, change.after);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_doubles_a_buffer_and_refuses_to_make_it_tiny() {
        for option in [receive_buffer, send_buffer] {
            let change = option().unwrap();
            assert_eq!([change.asked, change.after], ["100000 bytes", "200000 bytes"]);
        }
        let change = tiny_receive_buffer().unwrap();
        assert_eq!(change.asked, "1 byte");
        assert_ne!(change.after, "2 bytes");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_timeout_is_rounded_up_and_never_down() {
        let socket = tcp().unwrap();
        for asked in [1, 3, 5, 1001].map(Duration::from_millis) {
            socket.set_read_timeout(Some(asked)).unwrap();
            assert!(socket.read_timeout().unwrap().unwrap() >= asked);
        }
    }
}
