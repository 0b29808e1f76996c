//! recvmmsg(2) and sendmmsg(2): many datagrams in one system call. The only unsafe code here.
//!
//! ```text
//!  headers[i] ──┬─▶ names[i]      who sent it
//!               ├─▶ iovecs[i] ──▶ data[i]        what it says
//!               └─▶ controls[i]   what else the system knows: the address that was asked
//!                                 (IP_PKTINFO), how many were dropped (SO_RXQ_OVFL)
//! ```
//!
//! It is our own because no kept crate does both right: quinn-udp has no sendmmsg, rustix no
//! recvmmsg, and nix 0.31 leaves the lengths that one receive wrote standing for the next. See
//! also cmsg(3), ip(7), ipv6(7) and socket(7).
//!
//! Three facts that the code rests on:
//!
//! - A receive overwrites `msg_namelen`, `msg_controllen`, and by `answer` here also `iov_len`.
//!   They are input as well as output, so all three are set again before the next receive.
//! - Without `MSG_WAITFORONE`, a blocking recvmmsg waits until *every* slot is full.
//! - sendmmsg stops at the first datagram that fails and returns how many went before it. The
//!   error itself is only told when the failing one stands first.
#![expect(unsafe_code, reason = "system calls with pointers in their arguments")]

use std::io;
use std::mem::{self, offset_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;
use std::slice;

use libc::{c_int, c_uint, c_void};

/// Slots for datagrams that are received and sent together.
///
/// Everything is allocated once. The vectors never grow, and what lies in them is reached through
/// pointers taken by `as_mut_ptr`, which stay valid for as long as the vectors stand.
pub(crate) struct Batch {
    /// Bytes in each slot.
    room: usize,
    data: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    iovecs: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    /// How many of `headers` the last receive may have written to.
    touched: usize,
    /// How many datagrams the last receive brought.
    received: usize,
    /// What is to be sent; these point to the same slots.
    outgoing: Vec<libc::mmsghdr>,
    /// The slot of each of `outgoing`.
    answers: Vec<usize>,
    /// How many of `outgoing` have left, or were given up.
    done: usize,
    /// What SO_RXQ_OVFL said last: it counts from the socket's beginning, and wraps.
    dropped: u32,
}

/// One datagram of a batch.
pub(crate) struct Datagram<'a> {
    /// Who sent it; `None` if the system gave no internet address.
    pub(crate) source: Option<SocketAddr>,
    /// The address of ours to answer from, where [`tell_asked`] has asked for it.
    pub(crate) asked: Option<IpAddr>,
    /// What it says.
    pub(crate) bytes: &'a [u8],
}

/// Room for control messages, aligned as their headers need it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_LEN]);

/// An `in6_pktinfo` takes 40 bytes, the number of drops 24.
const CONTROL_LEN: usize = 128;

const _: () = assert!(align_of::<Control>() >= align_of::<libc::cmsghdr>());

/// Whether the system has recvmmsg(2) at all. Old kernels and some sandboxes have not.
pub(crate) fn is_available(socket: &UdpSocket) -> bool {
    // SAFETY: with a vector of length 0 the pointer is not used.
    let received =
        unsafe { libc::recvmmsg(socket.as_raw_fd(), ptr::null_mut(), 0, 0, ptr::null_mut()) };
    received >= 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS)
}

/// Lets the system say with each datagram how many were dropped before it.
pub(crate) fn tell_drops(socket: &impl AsRawFd) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)
}

/// Lets the system say with each datagram which address of ours was asked. It notes that when the
/// datagram arrives, so a socket must be told before it is bound to `address`.
pub(crate) fn tell_asked(socket: &impl AsRawFd, address: SocketAddr) -> io::Result<()> {
    match address {
        // A socket with one address answers from it anyway, and need not pay for being told.
        one if !one.ip().is_unspecified() => Ok(()),
        SocketAddr::V4(_) => set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        SocketAddr::V6(_) => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}

/// Lets the system cut datagrams that are larger than the way allows, as it does by default.
/// quinn-udp forbids it, and then an answer over Ethernet could have 1472 bytes at most.
pub(crate) fn allow_fragments(socket: &UdpSocket) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_WANT)?;
    if socket.local_addr()?.is_ipv6() {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_WANT)?;
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 0)?;
    }
    Ok(())
}

/// How many datagrams the system has dropped because the socket's buffer was full; `None` where
/// it cannot be asked. It is the ninth number of SO_MEMINFO.
pub(crate) fn drops(socket: &UdpSocket) -> Option<u32> {
    const DROPS: usize = 8;
    let mut numbers = [0_u32; 16];
    let mut len = libc::socklen_t::try_from(size_of_val(&numbers)).ok()?;
    // SAFETY: the system writes at most `len` bytes, which is the size of `numbers`.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            numbers.as_mut_ptr().cast::<c_void>(),
            &raw mut len,
        )
    };
    (failed == 0 && len as usize > DROPS * size_of::<u32>()).then(|| numbers[DROPS])
}

impl Batch {
    /// `slots` slots for datagrams of at most `room` bytes; what is longer is cut off.
    pub(crate) fn new(slots: usize, room: usize) -> Self {
        // SAFETY: all of these are structures of integers and pointers, for which zero is a value.
        let (name, header, iovec) = unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        let mut batch = Self {
            room,
            data: vec![0; slots * room],
            names: vec![name; slots],
            controls: vec![Control([0; CONTROL_LEN]); slots],
            iovecs: vec![iovec; slots],
            headers: vec![header; slots],
            touched: slots,
            received: 0,
            outgoing: Vec::with_capacity(slots),
            answers: Vec::with_capacity(slots),
            done: 0,
            dropped: 0,
        };
        batch.reset();
        batch
    }

    /// The number of slots.
    pub(crate) fn slots(&self) -> usize {
        self.headers.len()
    }

    // ANCHOR: receive
    /// Takes what is there, up to the number of slots; a blocking socket waits for the first. One
    /// system call.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.reset();
        self.received = 0;
        let slots = c_uint::try_from(self.slots()).unwrap_or(c_uint::MAX);
        // SAFETY: each of the `slots` headers points to its own name, iovec, data and control
        // block, all owned by `self` and with the lengths that `reset` has just set. Nothing else
        // refers to them while `self` is borrowed mutably.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                slots,
                libc::MSG_WAITFORONE,
                // Not used: a blocked call looks at its timeout only when a datagram arrives.
                ptr::null_mut(),
            )
        };
        // Not the error's place for arithmetic: the one after the last may have been tried.
        let result = usize::try_from(received).map_err(|_| io::Error::last_os_error());
        self.received = *result.as_ref().unwrap_or(&0);
        self.touched = (self.received + 1).min(self.slots());
        result
    }
    // ANCHOR_END: receive

    /// The `i`-th datagram of the last receive.
    pub(crate) fn datagram(&self, i: usize) -> Datagram<'_> {
        // Invariant: the caller counts up to what `receive` returned; no peer chooses `i`.
        assert!(i < self.received, "only what was received can be looked at");
        let len = (self.headers[i].msg_len as usize).min(self.room);
        // SAFETY: slot `i` begins `i * room` bytes into `data` and is `room` bytes long, `len` is
        // no more, and the system has no call running that would write there.
        let bytes = unsafe { slice::from_raw_parts(self.data.as_ptr().add(i * self.room), len) };
        Datagram { source: address(&self.names[i]), asked: self.asked(i), bytes }
    }

    /// How many more datagrams the system has dropped before the last one of this receive than
    /// before the last one of the receive before it.
    pub(crate) fn newly_dropped(&mut self) -> u32 {
        let mut latest = None;
        for i in 0..self.received {
            self.each_control(i, |level, kind, data| {
                if (level, kind) == (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) {
                    latest = data.first_chunk().copied().map(u32::from_ne_bytes).or(latest);
                }
            });
        }
        let latest = latest.unwrap_or(self.dropped);
        latest.wrapping_sub(mem::replace(&mut self.dropped, latest))
    }

    /// Puts the `i`-th datagram among what is to be sent: to its sender, from the address that
    /// was asked, as long as it came.
    pub(crate) fn answer(&mut self, i: usize) {
        // Invariant: the caller counts up to what `receive` returned; no peer chooses `i`.
        assert!(i < self.received, "only what was received can be answered");
        let mut header = self.headers[i];
        self.iovecs[i].iov_len = (header.msg_len as usize).min(self.room);
        header.msg_hdr.msg_flags = 0;
        match self.asked(i) {
            Some(asked) => {
                header.msg_hdr.msg_control = self.controls.as_mut_ptr().wrapping_add(i).cast();
                header.msg_hdr.msg_controllen = write_source(&mut self.controls[i], asked);
            }
            None => {
                header.msg_hdr.msg_control = ptr::null_mut();
                header.msg_hdr.msg_controllen = 0;
            }
        }
        self.outgoing.push(header);
        self.answers.push(i);
    }

    /// Puts a datagram of `len` bytes, to be written by the caller, among what is to be sent to
    /// the peer that the socket is connected to; `None` when all slots are taken. A batch that
    /// sends so must not be received into.
    pub(crate) fn put(&mut self, len: usize) -> Option<&mut [u8]> {
        let slot = self.outgoing.len();
        if slot == self.slots() || len > self.room {
            return None;
        }
        let mut header = self.headers[slot];
        self.iovecs[slot].iov_len = len;
        header.msg_hdr.msg_name = ptr::null_mut();
        header.msg_hdr.msg_namelen = 0;
        header.msg_hdr.msg_control = ptr::null_mut();
        header.msg_hdr.msg_controllen = 0;
        self.outgoing.push(header);
        self.answers.push(slot);
        // SAFETY: slot `slot` begins `slot * room` bytes into `data` and is `room` bytes long,
        // `len` is no more, and `self` stays borrowed for as long as the slice is.
        Some(unsafe {
            slice::from_raw_parts_mut(self.data.as_mut_ptr().add(slot * self.room), len)
        })
    }

    /// How many datagrams wait to be sent.
    pub(crate) fn pending(&self) -> usize {
        self.outgoing.len() - self.done
    }

    /// Sends what is pending, in one system call, and says how many have left. An error is that
    /// of the first pending one, and leaves all of them pending.
    pub(crate) fn send(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let pending = c_uint::try_from(self.pending()).unwrap_or(c_uint::MAX);
        // SAFETY: `done` is at most the length of `outgoing`, and `pending` the rest of it. The
        // headers point to slots that `self` owns, with lengths within their room. The system
        // reads them, and writes to `msg_len` alone.
        let sent = unsafe {
            let first = self.outgoing.as_mut_ptr().add(self.done);
            libc::sendmmsg(socket.as_raw_fd(), first, pending, 0)
        };
        let sent = usize::try_from(sent).map_err(|_| io::Error::last_os_error())?;
        self.advance(sent);
        Ok(sent)
    }

    /// Where the first pending datagram was to go.
    pub(crate) fn first_pending(&self) -> Option<SocketAddr> {
        self.answers.get(self.done).and_then(|slot| address(&self.names[*slot]))
    }

    /// Gives up the first pending datagram.
    pub(crate) fn skip(&mut self) {
        self.advance(1.min(self.pending()));
    }

    /// Gives up everything that is pending.
    pub(crate) fn clear(&mut self) {
        self.advance(self.pending());
    }

    fn advance(&mut self, sent: usize) {
        self.done += sent;
        if self.done == self.outgoing.len() {
            self.outgoing.clear();
            self.answers.clear();
            self.done = 0;
        }
    }

    /// Makes the slots ready for the next receive: those that the last one may have written to.
    fn reset(&mut self) {
        for i in 0..self.touched {
            self.iovecs[i] = libc::iovec {
                iov_base: self.data.as_mut_ptr().wrapping_add(i * self.room).cast(),
                iov_len: self.room,
            };
            let header = &mut self.headers[i].msg_hdr;
            header.msg_name = self.names.as_mut_ptr().wrapping_add(i).cast();
            header.msg_namelen = NAME_LEN;
            header.msg_iov = self.iovecs.as_mut_ptr().wrapping_add(i);
            header.msg_iovlen = 1;
            header.msg_control = self.controls.as_mut_ptr().wrapping_add(i).cast();
            header.msg_controllen = CONTROL_LEN;
            header.msg_flags = 0;
        }
    }

    /// The address of ours to answer the `i`-th datagram from. For one that came by broadcast,
    /// that is not the address it was sent to.
    fn asked(&self, i: usize) -> Option<IpAddr> {
        let mut asked = None;
        self.each_control(i, |level, kind, data| match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let octets = data.get(offset_of!(libc::in_pktinfo, ipi_spec_dst)..);
                let octets: Option<&[u8; 4]> = octets.and_then(<[u8]>::first_chunk);
                let address = octets.map(|octets| Ipv4Addr::from(*octets));
                asked = address.filter(|address| !address.is_unspecified()).map(IpAddr::V4);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                // The address is the first field of an in6_pktinfo.
                let octets: Option<&[u8; 16]> = data.first_chunk();
                let address = octets.map(|octets| Ipv6Addr::from(*octets));
                // One that came by multicast is answered from whatever the system chooses.
                asked = address.filter(|address| !address.is_multicast()).map(IpAddr::V6);
            }
            _ => {}
        });
        asked
    }

    /// Shows level, type and data of the control messages that came with the `i`-th datagram.
    fn each_control(&self, i: usize, mut show: impl FnMut(c_int, c_int, &[u8])) {
        let header = &self.headers[i].msg_hdr;
        if header.msg_controllen == 0 {
            return;
        }
        // SAFETY: after a receive, the first `msg_controllen` bytes of the control block hold
        // control messages. CMSG_FIRSTHDR and CMSG_NXTHDR stay within them, and give null at the
        // end. `cmsg_len` counts the header and the data behind it, of which the system has
        // written all, cut at the end of the block if there was no more room.
        unsafe {
            let mut control = libc::CMSG_FIRSTHDR(header);
            while let Some(found) = control.as_ref() {
                let len = found.cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
                let data = slice::from_raw_parts(libc::CMSG_DATA(control), len);
                show(found.cmsg_level, found.cmsg_type, data);
                control = libc::CMSG_NXTHDR(header, control);
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "128 bytes")]
const NAME_LEN: libc::socklen_t = size_of::<libc::sockaddr_storage>() as libc::socklen_t;

/// Writes one control message: send from `address`. Returns the length of what was written.
fn write_source(control: &mut Control, address: IpAddr) -> usize {
    match address {
        IpAddr::V4(address) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from(address).to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            write_control(control, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
        }
        IpAddr::V6(address) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
                ipi6_ifindex: 0,
            };
            write_control(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
        }
    }
}

fn write_control<T: Copy>(control: &mut Control, level: c_int, kind: c_int, data: T) -> usize {
    // Invariant: the program itself chooses what it puts in, from the constants of this file.
    const { assert!(size_of::<T>() <= 32, "with its header of 16 bytes it must fit the block") };
    #[expect(clippy::cast_possible_truncation, reason = "at most 32")]
    let len = size_of::<T>() as c_uint;
    let header = ptr::from_mut(control).cast::<libc::cmsghdr>();
    // SAFETY: the block is aligned for a header, and large enough for one with 32 bytes of data,
    // as asserted above. CMSG_DATA points behind the header, within the block.
    unsafe {
        (*header).cmsg_level = level;
        (*header).cmsg_type = kind;
        (*header).cmsg_len = libc::CMSG_LEN(len) as usize;
        libc::CMSG_DATA(header).cast::<T>().write_unaligned(data);
        libc::CMSG_SPACE(len) as usize
    }
}

/// The internet address in `name`.
fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: a name of this family is a sockaddr_in, and the storage is large and aligned
            // enough for every kind of name.
            let name = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, with sockaddr_in6.
            let name = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            let (flow, scope) = (name.sin6_flowinfo, name.sin6_scope_id);
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(name.sin6_port), flow, scope).into())
        }
        _ => None,
    }
}

fn set_option(socket: &impl AsRawFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    #[expect(clippy::cast_possible_truncation, reason = "4")]
    let len = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the system reads `len` bytes, the size of `value`.
    let failed = unsafe {
        let value = (&raw const value).cast::<c_void>();
        libc::setsockopt(socket.as_raw_fd(), level, name, value, len)
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_takes_all_that_is_there_and_one_call_answers() {
        let (server, clients) = (bind("127.0.0.1:0"), [bind("127.0.0.1:0"), bind("127.0.0.1:0")]);
        for (client, text) in [(0, "one"), (1, ""), (0, "three")] {
            clients[client].send_to(text.as_bytes(), server.local_addr().unwrap()).unwrap();
        }
        let mut batch = Batch::new(8, 100);
        assert_eq!(batch.receive(&server).unwrap(), 3);
        assert_eq!(texts(&batch), ["one", "", "three"]);
        assert_eq!(batch.datagram(1).source, Some(clients[1].local_addr().unwrap()));
        batch.answer(1);
        batch.answer(2);
        assert_eq!((batch.pending(), batch.send(&server).unwrap(), batch.pending()), (2, 2, 0));
        assert_eq!(next(&clients[1]), "");
        assert_eq!(next(&clients[0]), "three");
    }

    #[test]
    fn lengths_that_one_receive_and_answer_left_do_not_cut_the_next() {
        let (server, client) = (bind("[::1]:0"), bind("[::1]:0"));
        let mut batch = Batch::new(2, 100);
        for text in ["x", "longer than the one before", "", "and again a long one"] {
            client.send_to(text.as_bytes(), server.local_addr().unwrap()).unwrap();
            assert_eq!(batch.receive(&server).unwrap(), 1);
            assert_eq!(texts(&batch), [text]);
            assert_eq!(batch.datagram(0).source, Some(client.local_addr().unwrap()));
            batch.answer(0);
            assert_eq!(batch.send(&server).unwrap(), 1);
            assert_eq!(next(&client), text);
        }
    }

    #[test]
    fn a_server_on_all_addresses_answers_from_the_one_that_was_asked() {
        for (any, asked, own) in [
            ("0.0.0.0:0", "127.0.0.77", "127.0.0.1:0"),
            ("[::]:0", "::1", "[::1]:0"),
            // An IPv6 socket for both families sees IPv4 as ::ffff:a.b.c.d.
            ("[::]:0", "127.0.0.78", "127.0.0.1:0"),
        ] {
            let (server, client) = (bind_told(any), bind(own));
            let mut batch = Batch::new(2, 100);
            let asked: IpAddr = asked.parse().unwrap();
            let asked = SocketAddr::new(asked, server.local_addr().unwrap().port());
            for _ in 0..2 {
                client.send_to(b"who are you?", asked).unwrap();
                batch.receive(&server).unwrap();
                let said = batch.datagram(0).asked.map(|ip| ip.to_canonical());
                assert_eq!(said, Some(asked.ip()), "{any}");
                batch.answer(0);
                batch.send(&server).unwrap();
                assert_eq!(client.recv_from(&mut [0; 100]).unwrap().1, asked);
            }
        }
    }

    #[test]
    fn an_error_is_that_of_the_first_pending_and_skipping_it_lets_the_others_go() {
        let (server, client) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
        client.send_to(b"hello", server.local_addr().unwrap()).unwrap();
        client.send_to(b"again", server.local_addr().unwrap()).unwrap();
        let mut batch = Batch::new(2, 100);
        assert_eq!(batch.receive(&server).unwrap(), 2);
        // A sender whom no answer can reach: the system lets nobody send to port 0.
        // SAFETY: it is an AF_INET name, since the server's socket is.
        let name = unsafe { &mut *ptr::from_mut(&mut batch.names[0]).cast::<libc::sockaddr_in>() };
        name.sin_port = 0;
        batch.answer(0);
        batch.answer(1);
        assert!(batch.send(&server).is_err());
        let unreachable = SocketAddr::new(client.local_addr().unwrap().ip(), 0);
        assert_eq!((batch.pending(), batch.first_pending()), (2, Some(unreachable)));
        batch.skip();
        assert_eq!((batch.send(&server).unwrap(), batch.pending()), (1, 0));
        assert_eq!(next(&client), "again");
    }

    #[test]
    fn datagrams_that_the_system_dropped_are_counted_once() {
        let (server, client) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
        tell_drops(&server).unwrap();
        let address = server.local_addr().unwrap();
        // More than the largest buffer that a socket gets by default on any Linux.
        for _ in 0..4000 {
            client.send_to(&[0; 1000], address).unwrap();
        }
        let dropped = drops(&server).unwrap();
        assert!(dropped > 0);
        server.set_nonblocking(true).unwrap();
        let mut batch = Batch::new(64, 1000);
        let mut counted = 0;
        while batch.receive(&server).is_ok() {
            counted += batch.newly_dropped();
        }
        // The count travels with the datagrams that were let in after a drop.
        client.send_to(b"after", address).unwrap();
        batch.receive(&server).unwrap();
        counted += batch.newly_dropped();
        assert_eq!((counted, batch.newly_dropped()), (dropped, 0));
    }

    #[test]
    fn what_is_put_in_goes_to_the_peer() {
        let (a, b) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
        a.connect(b.local_addr().unwrap()).unwrap();
        let mut batch = Batch::new(2, 5);
        for _ in 0..2 {
            batch.put(5).unwrap().copy_from_slice(b"first");
            assert!(batch.put(6).is_none(), "no room");
            batch.put(0).unwrap();
            assert!(batch.put(1).is_none(), "no slot");
            assert_eq!(batch.send(&a).unwrap(), 2);
            assert_eq!((next(&b), next(&b)), ("first".to_owned(), String::new()));
        }
    }

    fn bind(address: &str) -> UdpSocket {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        socket
    }

    fn bind_told(address: &str) -> UdpSocket {
        let address: SocketAddr = address.parse().unwrap();
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, None).unwrap();
        tell_asked(&socket, address).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.into()
    }

    fn next(socket: &UdpSocket) -> String {
        let mut buffer = [0; 100];
        let len = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    fn texts(batch: &Batch) -> Vec<String> {
        let text = |i| String::from_utf8(batch.datagram(i).bytes.to_vec()).unwrap();
        (0..batch.received).map(text).collect()
    }
}
