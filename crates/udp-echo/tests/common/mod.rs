//! Servers that run in a thread of the test, and clients that do not wait for ever. Has `unsafe`
//! for an option that no crate here sets.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is the failure")]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use udp_echo::server::ledger::{Counters, Ledger, Totals};
use udp_echo::server::stop_flag::StopFlag;
use udp_echo::server::{self, Mode};

/// Whoever waits longer waits for what will not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[cfg(target_os = "linux")]
pub(crate) const MODES: [Mode; 3] = [Mode::Simple, Mode::Batch, Mode::Offload];
#[cfg(not(target_os = "linux"))]
pub(crate) const MODES: [Mode; 2] = [Mode::Simple, Mode::Batch];

/// A server in a thread, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: StopFlag,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Server {
    pub(crate) fn start(mode: Mode, bind: &str) -> Self {
        Self::start_with(mode, bind, |_| ())
    }

    /// `prepare` does something to the socket before it is served.
    pub(crate) fn start_with(mode: Mode, bind: &str, prepare: impl FnOnce(&UdpSocket)) -> Self {
        let socket = server::bind(bind.parse().unwrap(), 1, mode).unwrap().remove(0);
        prepare(&socket);
        let address = socket.local_addr().unwrap();
        let stop = StopFlag::default();
        let mut ledger = Ledger::new(address, true, stop.clone());
        let counters = ledger.counters();
        let thread = Some(thread::spawn(move || mode.serve(&socket, &mut ledger)));
        Self { address, stop, counters, thread }
    }

    /// Ends it, and returns what it has counted.
    pub(crate) fn stop(mut self) -> Totals {
        self.end();
        Totals::of(&[Arc::clone(&self.counters)], true)
    }

    fn end(&mut self) {
        self.stop.raise();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.end();
        }
    }
}

/// A client of `server`.
pub(crate) fn client(server: &Server) -> UdpSocket {
    client_of(server.address)
}

/// A client of whoever is at `address`. It hears nobody else.
pub(crate) fn client_of(address: SocketAddr) -> UdpSocket {
    let own = if address.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(own).unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The next datagram.
#[track_caller]
pub(crate) fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let len = socket.recv(&mut buffer).expect("nothing came");
    buffer.truncate(len);
    buffer
}

/// A datagram whose answer finds a closed port. The system then says so by ICMP.
pub(crate) fn send_and_close(server: &Server) {
    client(server).send(b"no answer, please").unwrap();
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no crate here sets this option")]
pub(crate) fn report_icmp_errors(socket: &UdpSocket) {
    use std::os::fd::AsRawFd;
    let on: libc::c_int = 1;
    let len = libc::socklen_t::try_from(size_of_val(&on)).unwrap();
    // SAFETY: the system reads `len` bytes, the size of `on`.
    let failed = unsafe {
        let on = (&raw const on).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, libc::IP_RECVERR, on, len)
    };
    assert_eq!(failed, 0);
}
