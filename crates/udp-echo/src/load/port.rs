//! How questions leave and answers arrive: many in one system call, where the system can.
//!
//! A load generator shares the machine with the server that it measures, so it must not be the
//! slower of the two: questions and answers go through recvmmsg(2) and sendmmsg(2), and bursts
//! through GSO and GRO, as in the server's fast modes. Sockets are non-blocking and waited for
//! together, by poll(2).

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Context;

use crate::client::any_address_like;
use crate::server::mmsg::Batch;

/// Datagrams in a system call.
const SLOTS: usize = 64;

/// As much as the system gives.
const RECEIVE_BUFFER_LEN: usize = 4 << 20;

/// One port to ask from.
#[derive(Debug)]
pub struct Port {
    socket: UdpSocket,
    #[cfg(target_os = "linux")]
    state: Option<quinn_udp::UdpSocketState>,
}

/// What all ports send and receive with, one after another.
pub struct Gear {
    size: usize,
    incoming: Batch,
    outgoing: Batch,
    #[cfg(target_os = "linux")]
    bursts: Option<bursts::Gear>,
}

impl Gear {
    /// For datagrams of `size` bytes, so many in a burst.
    #[must_use]
    pub fn new(size: usize, burst: usize) -> Self {
        #[cfg(not(target_os = "linux"))]
        let _ = burst;
        Self {
            size,
            // One byte more, so that an answer that is too long shows.
            incoming: Batch::new(SLOTS, size + 1),
            outgoing: Batch::new(SLOTS, size),
            #[cfg(target_os = "linux")]
            bursts: (burst > 1).then(|| bursts::Gear::new(size, burst)),
        }
    }

    /// Another port that asks `server`.
    ///
    /// # Errors
    /// When the system gives no more sockets, or knows no way there.
    pub fn open(&self, server: SocketAddr) -> anyhow::Result<Port> {
        let socket = UdpSocket::bind(any_address_like(server))
            .context("cannot make a socket (`ulimit -n` says how many a program may have)")?;
        // Answers that come in a burst must wait somewhere, or it is we who lose them.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_LEN);
        socket.connect(server).with_context(|| format!("cannot send to {server}"))?;
        socket.set_nonblocking(true)?;
        Ok(Port {
            #[cfg(target_os = "linux")]
            state: match &self.bursts {
                Some(_) => Some(quinn_udp::UdpSocketState::new((&socket).into())?),
                None => None,
            },
            socket,
        })
    }

    /// Sends `count` datagrams, which `write` fills. When there is no room in the socket's buffer,
    /// that is waited for.
    ///
    /// # Errors
    /// As send(2).
    pub fn send(
        &mut self,
        port: &Port,
        count: usize,
        mut write: impl FnMut(&mut [u8]),
    ) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let (Some(bursts), Some(state)) = (&mut self.bursts, &port.state) {
            return bursts.send(&port.socket, state, count, write);
        }
        let mut left = count;
        while left > 0 {
            while left > 0 {
                let Some(datagram) = self.outgoing.put(self.size) else { break };
                write(datagram);
                left -= 1;
            }
            while self.outgoing.pending() > 0 {
                match self.outgoing.send(&port.socket) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        wait_for_room(&port.socket)?;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => {
                        self.outgoing.clear();
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Shows what has arrived, as much as one call brings. Returns whether there may be more.
    ///
    /// # Errors
    /// As recv(2); `WouldBlock` when nothing has.
    pub fn receive(&mut self, port: &Port, mut show: impl FnMut(&[u8])) -> io::Result<bool> {
        #[cfg(target_os = "linux")]
        if let (Some(bursts), Some(state)) = (&mut self.bursts, &port.state) {
            return bursts.receive(&port.socket, state, show);
        }
        let count = self.incoming.receive(&port.socket)?;
        for i in 0..count {
            show(self.incoming.datagram(i).bytes);
        }
        Ok(count == self.incoming.slots())
    }
}

/// Waits until an answer comes to one of `ports`, but not longer than `timeout`.
///
/// # Errors
/// As poll(2).
#[cfg(unix)]
pub fn wait(ports: &[Port], timeout: Duration) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags};
    let mut waiting: Vec<PollFd<'_>> =
        ports.iter().map(|port| PollFd::new(&port.socket, PollFlags::IN)).collect();
    poll(&mut waiting, Some(timeout))
}

#[cfg(unix)]
fn wait_for_room(socket: &UdpSocket) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags};
    poll(&mut [PollFd::new(socket, PollFlags::OUT)], None)
}

#[cfg(unix)]
fn poll(waiting: &mut [rustix::event::PollFd<'_>], timeout: Option<Duration>) -> io::Result<()> {
    let timeout = timeout.and_then(|timeout| rustix::event::Timespec::try_from(timeout).ok());
    match rustix::event::poll(waiting, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Simplified: where there is no poll(2), it asks again and again.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn wait(_ports: &[Port], _timeout: Duration) -> io::Result<()> {
    std::thread::yield_now();
    Ok(())
}

#[cfg(not(unix))]
fn wait_for_room(_socket: &UdpSocket) -> io::Result<()> {
    std::thread::yield_now();
    Ok(())
}

#[cfg(target_os = "linux")]
mod bursts {
    //! Bursts as one: GSO out, GRO in.

    use std::io::{self, ErrorKind, IoSliceMut};
    use std::net::UdpSocket;

    use quinn_udp::{RecvMeta, Transmit, UdpSocketState};

    use super::wait_for_room;

    /// Runs that one call receives.
    const RUNS: usize = 8;
    const ROOM: usize = 1 << 16;

    pub(super) struct Gear {
        size: usize,
        burst: usize,
        data: Vec<u8>,
        buffers: Vec<u8>,
    }

    impl Gear {
        pub(super) fn new(size: usize, burst: usize) -> Self {
            Self { size, burst, data: vec![0; size * burst], buffers: vec![0; RUNS * ROOM] }
        }

        pub(super) fn send(
            &mut self,
            socket: &UdpSocket,
            state: &UdpSocketState,
            count: usize,
            mut write: impl FnMut(&mut [u8]),
        ) -> io::Result<()> {
            let mut left = count;
            while left > 0 {
                let now = left.min(self.burst);
                let contents = &mut self.data[..now * self.size];
                contents.chunks_mut(self.size).for_each(&mut write);
                let transmit = Transmit {
                    destination: socket.peer_addr()?,
                    ecn: None,
                    contents,
                    segment_size: (now > 1).then_some(self.size),
                    src_ip: None,
                };
                while let Err(error) = state.try_send(socket.into(), &transmit) {
                    match error.kind() {
                        ErrorKind::WouldBlock => wait_for_room(socket)?,
                        _ => return Err(error),
                    }
                }
                left -= now;
            }
            Ok(())
        }

        pub(super) fn receive(
            &mut self,
            socket: &UdpSocket,
            state: &UdpSocketState,
            mut show: impl FnMut(&[u8]),
        ) -> io::Result<bool> {
            let mut metas = [RecvMeta::default(); RUNS];
            let mut buffers = self.buffers.chunks_exact_mut(ROOM);
            let mut slices: [IoSliceMut<'_>; RUNS] =
                std::array::from_fn(|_| IoSliceMut::new(buffers.next().unwrap_or_default()));
            let count = state.recv(socket.into(), &mut slices, &mut metas)?;
            for (buffer, meta) in self.buffers.chunks_exact(ROOM).zip(&metas[..count]) {
                let run = &buffer[..meta.len.min(ROOM)];
                if run.is_empty() {
                    show(run);
                }
                run.chunks(meta.stride.max(1)).for_each(&mut show);
            }
            Ok(count == RUNS)
        }
    }
}
