//! Step 3: a run of datagrams as one, through the whole of the system's network code.
//!
//! ```text
//!  GRO:  [datagram][datagram][datagram]…  of one sender, one length ──▶ one buffer and a stride
//!  GSO:  one buffer and a stride ──▶ [datagram][datagram][datagram]…  to one receiver
//! ```
//!
//! Looking up the route, the firewall's rules, the socket's locks: with generic receive and
//! segmentation offload the system does all of it once per run. A run is at most 64 datagrams and
//! 64 KiB. It helps where much goes to *one* peer; for many peers with a datagram each there is
//! nothing to gather, and an answer costs a system call again.
//!
//! quinn-udp knows the socket options and control messages (`UDP_GRO`, `UDP_SEGMENT`, see udp(7)),
//! and which systems have them. It makes the socket non-blocking, so poll(2) waits.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use anyhow::Context;
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{DATAGRAM_LEN_MAX, LOOK_UP, ledger::Ledger, mmsg};

/// A run is at most as long as the longest datagram: the system keeps it as one.
/// The rest keeps buffers from beginning in the same corner of the processor's cache.
const ROOM: usize = DATAGRAM_LEN_MAX + 1 + 17 * 64;

/// Sends back what comes, until the server is told to stop.
///
/// # Errors
/// When the socket is broken, or stdout cannot be written.
pub fn serve(socket: &UdpSocket, ledger: &mut Ledger) -> anyhow::Result<()> {
    let mut output = Output::new(socket)?;
    let mut data = vec![0; BATCH_SIZE * ROOM];
    let mut buffers: Vec<_> = data.chunks_exact_mut(ROOM).map(IoSliceMut::new).collect();
    let mut metas = [RecvMeta::default(); BATCH_SIZE];
    while ledger.is_open() {
        ledger.call();
        let count = match output.state.recv(socket.into(), &mut buffers, &mut metas) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                wait(socket, PollFlags::IN, ledger)?;
                continue;
            }
            Err(error) => {
                ledger.receive_failed(error)?;
                continue;
            }
        };
        for (buffer, meta) in buffers.iter().zip(&metas[..count]) {
            let run = &buffer[..meta.len.min(ROOM)];
            let asked = output.asked(meta);
            if ledger.received_run(meta.addr, asked, run, meta.stride)? {
                output.answer(run, meta, asked, ledger);
            }
        }
        // Not all buffers were needed, so nothing was left: another receive now would only say so.
        if count < BATCH_SIZE {
            wait(socket, PollFlags::IN, ledger)?;
        }
    }
    Ok(())
}

struct Output<'a> {
    socket: &'a UdpSocket,
    state: UdpSocketState,
    /// Whether the socket has several addresses, of which the one that was asked must answer.
    any: bool,
    /// What could be sent at once when last looked.
    segments_max: usize,
}

impl<'a> Output<'a> {
    fn new(socket: &'a UdpSocket) -> anyhow::Result<Self> {
        let state = UdpSocketState::new(socket.into()).context("the socket takes no options")?;
        mmsg::allow_fragments(socket).context("the socket takes no options")?;
        let any = socket.local_addr()?.ip().is_unspecified();
        let segments_max = state.max_gso_segments();
        Ok(Self { socket, state, any, segments_max })
    }

    /// The address to answer from. What came by multicast is answered from whatever the system
    /// chooses, and a socket with one address has no choice.
    fn asked(&self, meta: &RecvMeta) -> Option<IpAddr> {
        meta.dst_ip.filter(|ip| self.any && !ip.is_multicast())
    }

    // ANCHOR: answer
    fn answer(&mut self, run: &[u8], meta: &RecvMeta, asked: Option<IpAddr>, ledger: &mut Ledger) {
        let stride = meta.stride.max(1);
        if run.is_empty() {
            return self.answer_piece(run, stride, meta.addr, asked, ledger);
        }
        for piece in run.chunks(self.segments_max * stride) {
            self.answer_piece(piece, stride, meta.addr, asked, ledger);
        }
    }

    fn answer_piece(
        &mut self,
        piece: &[u8],
        stride: usize,
        client: SocketAddr,
        asked: Option<IpAddr>,
        ledger: &mut Ledger,
    ) {
        let whole = Transmit {
            destination: client,
            ecn: None,
            contents: piece,
            segment_size: (stride < piece.len()).then_some(stride),
            src_ip: asked,
        };
        match self.transmit(&whole, ledger) {
            Ok(()) => return ledger.sent(piece.len().div_ceil(stride).max(1)),
            Err(error) => self.look_again(&error),
        }
        // Some devices refuse runs, and a broadcast address is nobody's to send from. What can
        // still be done is done: one by one, from whatever address the system chooses.
        let one_by_one = piece.chunks(stride).chain(piece.is_empty().then_some(piece));
        for contents in one_by_one {
            let single = Transmit { contents, segment_size: None, src_ip: None, ..whole };
            match self.transmit(&single, ledger) {
                Ok(()) => ledger.sent(1),
                Err(error) => ledger.send_failed(Some(client), &error),
            }
        }
    }
    // ANCHOR_END: answer

    /// Sends, waiting for room if need be.
    fn transmit(&self, transmit: &Transmit<'_>, ledger: &Ledger) -> io::Result<()> {
        loop {
            match ledger.try_twice(|| self.state.try_send(self.socket.into(), transmit)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock && ledger.is_open() => {
                    wait(self.socket, PollFlags::OUT, ledger)?;
                }
                result => return result,
            }
        }
    }

    /// Whether runs are sent at all is found out by sending: quinn-udp gives up after an error
    /// that says they are not.
    fn look_again(&mut self, error: &io::Error) {
        let segments_max = self.state.max_gso_segments();
        if segments_max < self.segments_max {
            self.segments_max = segments_max;
            cli::note!("no gso from here on, the way out refuses it: {error}");
        }
    }
}

/// Waits until the socket can do what `flags` say, or it is time to look up.
fn wait(socket: &UdpSocket, flags: PollFlags, ledger: &Ledger) -> io::Result<()> {
    ledger.call();
    let timeout = Timespec::try_from(LOOK_UP).ok();
    match poll(&mut [PollFd::new(socket, flags)], timeout.as_ref()) {
        // A signal was handled; whoever waits looks again.
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
