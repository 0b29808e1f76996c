//! Datagrams in batches: many to one peer in one call, and many from one.
//!
//! ```text
//!  blocks 1 to 45 in one buffer                                             GSO: UDP_SEGMENT
//! ┌────┬────────┬────┬────────┬────┬──────┐  one sendmsg(2)   the system cuts it every
//! │head│ block 1│head│ block 2│head│ …    │ ────────────────▶ `segment` bytes, as late as it can
//! └────┴────────┴────┴────────┴────┴──────┘
//!                                                             GRO: UDP_GRO
//!  one recvmsg(2) ◀── the system has joined what came from one peer in datagrams of one length
//! ```
//!
//! A datagram costs its sender about a microsecond, most of it the same for any length; at 1428
//! bytes that microsecond is what limits a transfer. Both are Linux's; where they are missing
//! or a route refuses them, quinn-udp and [`Port::send`] send one datagram at a time.
//!
//! A [`Port`] never blocks in a call: it waits by poll(2), which unlike SO_RCVTIMEO keeps pauses of
//! a fraction of a millisecond. See udp(7), ip(7), poll(2).

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// The most that one call sends: what a UDP datagram can have over IPv4, as the system cuts it
/// only after it has passed as one.
pub const BATCH_LEN_MAX: usize = 65_507;

/// The most that one receive call puts into one buffer: a joined datagram is never longer.
pub const SLOT_LEN: usize = 1 << 16;

/// What a socket's buffers are asked to hold. The system gives what it allows; Linux 208 KiB
/// (net.core.rmem_max) unless told otherwise, counted twice to cover its own overhead.
const SOCKET_BUFFER: usize = 4 << 20;

/// A socket that sends and receives in batches. Can be shared between threads.
pub struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
    calls: AtomicU64,
}

/// What waiting for datagrams came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Some came.
    Datagrams,
    /// The time is over.
    Nothing,
    /// The system was told that nobody listens where something was sent to (ICMP).
    Unreachable,
}

/// Where a datagram came from, and which address of this machine it was sent to.
#[derive(Clone, Copy, Debug)]
pub struct From {
    /// The sender. An IPv4 address is one also on a socket for IPv6.
    pub peer: SocketAddr,
    /// Where it was sent to; `None` where the system does not say.
    pub local: Option<IpAddr>,
}

impl Port {
    /// Binds a socket.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        // `[::]` takes IPv4 too, everywhere; the system's default differs.
        if address.ip() == IpAddr::from([0; 16]) {
            let _ = socket.set_only_v6(false);
        }
        // The system gives less than asked for without a word, and that has to do.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        allow_fragments(&socket, address);
        // Without it a Linux socket that is not connected never hears that nobody listens.
        #[cfg(unix)]
        let _ = state.enable_transport_errors(UdpSockRef::from(&socket));
        Ok(Self { socket, state, calls: AtomicU64::new(0) })
    }

    /// The address that the system gave it.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// How many bytes of datagrams wait in the socket at most, its overhead left aside.
    #[must_use]
    pub fn room(&self) -> usize {
        let room = SockRef::from(&self.socket).recv_buffer_size().unwrap_or(64 << 10);
        if cfg!(target_os = "linux") { room / 2 } else { room }
    }

    /// How many datagrams of `len` bytes one call sends at most.
    #[must_use]
    pub fn batch(&self, len: usize) -> usize {
        self.state.max_gso_segments().min(BATCH_LEN_MAX / len.max(1)).max(1)
    }

    /// How many system calls were made on the socket.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Sends `bytes`, cut every `segment` bytes, from `local` where that is given. Waits while the
    /// socket's buffer is full. What the network refuses counts as lost.
    ///
    /// # Errors
    /// When the system refuses for another reason than a full buffer: the route is missing, say.
    pub fn send(
        &self,
        to: SocketAddr,
        local: Option<IpAddr>,
        bytes: &[u8],
        segment: usize,
    ) -> io::Result<()> {
        if bytes.len() <= segment {
            return self.send_one(to, local, bytes, None);
        }
        if bytes.len() <= segment * self.batch(segment) {
            // The route or its device may not be able to cut. quinn-udp remembers some of these;
            // a segment longer than the route's MTU is another (EMSGSIZE).
            if self.send_one(to, local, bytes, Some(segment)).is_ok() {
                return Ok(());
            }
        }
        bytes.chunks(segment).try_for_each(|one| self.send_one(to, local, one, None))
    }

    fn send_one(
        &self,
        to: SocketAddr,
        local: Option<IpAddr>,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let transmit =
            Transmit { destination: to, ecn: None, contents, segment_size, src_ip: local };
        // Each error of an earlier datagram comes once, in the place of this one.
        for _ in 0..8 {
            self.count();
            let sent = self.state.try_send(UdpSockRef::from(&self.socket), &transmit);
            let Err(error) = sent else { return Ok(()) };
            match error.kind() {
                io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::OUT, Instant::now() + Duration::from_millis(100))?;
                }
                io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {}
                _ if is_no_buffer(&error) => return Ok(()),
                _ => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits for datagrams until `until`, and hands each of them on. `slots` holds what one call
    /// brings, in pieces of [`SLOT_LEN`] or less.
    ///
    /// # Errors
    /// When the system refuses to wait or to receive.
    pub fn receive(
        &self,
        until: Instant,
        slots: &mut Slots,
        on: &mut dyn FnMut(From, &[u8]),
    ) -> io::Result<Heard> {
        let events = self.wait(PollFlags::IN, until)?;
        if events.is_empty() {
            return Ok(Heard::Nothing);
        }
        // First, as otherwise the report would come in the place of a datagram: the last ACK of a
        // peer that has gone, say.
        let mut refused = events.contains(PollFlags::ERR) && self.pending_errors()?;
        if events.contains(PollFlags::IN) {
            self.count();
            match slots.fill(&self.socket, &self.state) {
                Ok(count) => {
                    slots.each(count, on);
                    return Ok(Heard::Datagrams);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // What the network said meanwhile about an earlier datagram.
                Err(error) if is_of_the_network(&error) => refused |= self.pending_errors()?,
                Err(error) => return Err(error),
            }
        }
        // Datagrams that are meant for nobody are no reason to wait any longer than told.
        Ok(if refused { Heard::Unreachable } else { Heard::Datagrams })
    }

    /// Takes what ICMP has reported, and says whether it was that nobody listens.
    #[cfg(unix)]
    fn pending_errors(&self) -> io::Result<bool> {
        let mut refused = false;
        self.count();
        while let Some(error) = self.state.recv_transport_error(UdpSockRef::from(&self.socket))? {
            let kind = io::Error::from_raw_os_error(error.raw_errno).kind();
            refused |= matches!(error.payload, quinn_udp::TransportErrorPayload::Unreachable)
                && kind == io::ErrorKind::ConnectionRefused;
        }
        Ok(refused)
    }

    /// Windows reports it in the place of a datagram, and does not say about whom.
    #[cfg(not(unix))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "elsewhere there is a queue")]
    fn pending_errors(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn wait(&self, events: PollFlags, until: Instant) -> io::Result<PollFlags> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // A time that the system cannot count is as good as none.
            let timeout = Timespec::try_from(left).ok();
            let mut polled = [PollFd::new(&self.socket, events)];
            self.count();
            match poll(&mut polled, timeout.as_ref()) {
                Ok(_) => return Ok(polled[0].revents()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where received datagrams lie: one buffer, cut into as many slots as one call fills.
pub struct Slots {
    bytes: Vec<u8>,
    slot_len: usize,
    metas: [RecvMeta; SLOTS_MAX],
}

/// More slots would not make a call cheaper.
pub const SLOTS_MAX: usize = 4;

impl Slots {
    /// Room for `count` joined datagrams of at most `slot_len` bytes. What is longer is cut off.
    #[must_use]
    pub fn new(count: usize, slot_len: usize) -> Self {
        let (count, slot_len) = (count.clamp(1, SLOTS_MAX), slot_len.clamp(1, SLOT_LEN));
        Self { bytes: vec![0; count * slot_len], slot_len, metas: Default::default() }
    }

    fn fill(&mut self, socket: &UdpSocket, state: &UdpSocketState) -> io::Result<usize> {
        let count = self.bytes.len() / self.slot_len;
        let mut rest = self.bytes.chunks_mut(self.slot_len);
        let mut slots: [IoSliceMut<'_>; SLOTS_MAX] =
            std::array::from_fn(|_| IoSliceMut::new(rest.next().unwrap_or_default()));
        let slots = slots.get_mut(..count).unwrap_or_default();
        state.recv(UdpSockRef::from(socket), slots, &mut self.metas)
    }

    fn each(&self, count: usize, on: &mut dyn FnMut(From, &[u8])) {
        for (slot, meta) in self.bytes.chunks(self.slot_len).zip(&self.metas).take(count) {
            let from =
                From { peer: canonical(meta.addr), local: meta.dst_ip.map(|ip| ip.to_canonical()) };
            let bytes = slot.get(..meta.len).unwrap_or(slot);
            if bytes.is_empty() {
                // A datagram of no bytes has no stride.
                on(from, bytes);
            }
            for datagram in bytes.chunks(meta.stride.max(1)) {
                on(from, datagram);
            }
        }
    }
}

/// An IPv4 address as itself, also when it came through a socket for IPv6.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    }
}

/// The bytes that a datagram to `server` can carry without being cut into fragments, as far as this
/// machine knows the path.
#[must_use]
pub fn path_len(server: SocketAddr) -> Option<usize> {
    const UDP_HEADER: usize = 8;
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0; 16], 0)),
    };
    let socket = UdpSocket::bind(any).ok()?;
    // Sends nothing: it only chooses the route.
    socket.connect(server).ok()?;
    let ip_header = if server.is_ipv4() { 20 } else { 40 };
    let mtu = usize::try_from(mtu_of(&socket, server)?).ok()?;
    mtu.checked_sub(ip_header + UDP_HEADER)
}

#[cfg(target_os = "linux")]
fn mtu_of(socket: &UdpSocket, server: SocketAddr) -> Option<u32> {
    use rustix::net::sockopt::{ip_mtu, ipv6_mtu};

    if server.is_ipv4() { ip_mtu(socket) } else { ipv6_mtu(socket) }.ok()
}

#[cfg(not(target_os = "linux"))]
fn mtu_of(_socket: &UdpSocket, _server: SocketAddr) -> Option<u32> {
    None
}

/// quinn-udp forbids fragments, as QUIC demands. Here a block may be larger than the path's MTU: its
/// size is the peer's to choose. What cannot be set was not forbidden either.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn allow_fragments(socket: &UdpSocket, address: SocketAddr) {
    use nix::sys::socket::{setsockopt, sockopt};

    #[cfg(target_os = "linux")]
    {
        use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};

        let _ = sockopt::set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::WANT);
        if address.is_ipv6() {
            let _ = sockopt::set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::WANT);
        }
    }
    #[cfg(target_os = "macos")]
    if address.is_ipv4() {
        let _ = setsockopt(socket, sockopt::IpDontFrag, &false);
    }
    if address.is_ipv6() {
        let _ = setsockopt(socket, sockopt::Ipv6DontFrag, &false);
    }
}

// Simplified: elsewhere quinn-udp's choice stays, and blocks larger than the path's MTU are lost.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn allow_fragments(_socket: &UdpSocket, _address: SocketAddr) {}

/// The device's queue is full (macOS and the BSDs say so): the datagram is lost, as others are.
#[cfg(unix)]
fn is_no_buffer(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error())
}

#[cfg(not(unix))]
fn is_no_buffer(_error: &io::Error) -> bool {
    false
}

/// What ICMP reported about a datagram that was sent earlier.
fn is_of_the_network(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;

    matches!(
        error.kind(),
        Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
    ) || quinn_udp::is_msg_size_err(error)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_said_before_it_went_is_heard_before_that_it_has_gone() {
        // S-32: the last ACK and the report that nobody listens any more wait side by side.
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let port = Port::bind(any).unwrap();
        let peer = UdpSocket::bind(any).unwrap();
        let gone = peer.local_addr().unwrap();
        peer.send_to(b"last words", port.local_addr().unwrap()).unwrap();
        drop(peer);
        port.send(gone, None, b"anybody?", 8).unwrap();
        let mut slots = Slots::new(1, 100);
        let mut heard = Vec::new();
        let until = Instant::now() + Duration::from_secs(60);
        let got = port.receive(until, &mut slots, &mut |_, bytes| heard = bytes.to_vec());
        assert_eq!((got.unwrap(), heard.as_slice()), (Heard::Datagrams, &b"last words"[..]));
        port.send(gone, None, b"anybody?", 8).unwrap();
        let got = port.receive(until, &mut slots, &mut |_, _| ());
        assert_eq!(got.unwrap(), Heard::Unreachable);
    }

    #[test]
    fn what_is_cut_by_the_system_is_what_was_meant() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (from, to) = (Port::bind(any).unwrap(), UdpSocket::bind(any).unwrap());
        let bytes: Vec<u8> = (0..=255).cycle().take(2500).collect();
        from.send(to.local_addr().unwrap(), None, &bytes, 1000).unwrap();
        let mut buffer = [0; 3000];
        for piece in bytes.chunks(1000) {
            let len = to.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], piece);
        }
    }

    #[test]
    fn a_datagram_to_this_machine_need_not_be_small() {
        let loopback = path_len(SocketAddr::from(([127, 0, 0, 1], 9)));
        assert!(loopback > Some(10_000), "{loopback:?}");
    }
}
