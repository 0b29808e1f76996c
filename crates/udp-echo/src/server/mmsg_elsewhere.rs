//! The same as `mmsg.rs` where the system has no recvmmsg(2): batches of one datagram, with std.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// A single slot.
pub(crate) struct Batch {
    data: Vec<u8>,
    len: usize,
    source: Option<SocketAddr>,
    /// Where the datagram is to go; `Some(None)` is the peer that the socket is connected to.
    pending: Option<Option<SocketAddr>>,
}

/// One datagram of a batch.
pub(crate) struct Datagram<'a> {
    /// Who sent it.
    pub(crate) source: Option<SocketAddr>,
    /// Unknown here.
    pub(crate) asked: Option<IpAddr>,
    /// What it says.
    pub(crate) bytes: &'a [u8],
}

/// It is not.
pub(crate) fn is_available(_socket: &UdpSocket) -> bool {
    false
}

/// It does not.
pub(crate) fn tell_drops<T>(_socket: &T) -> io::Result<()> {
    Ok(())
}

/// It does not.
pub(crate) fn tell_asked<T>(_socket: &T, _address: SocketAddr) -> io::Result<()> {
    Ok(())
}

impl Batch {
    /// One slot, however many are asked for, for a datagram of at most `room` bytes.
    pub(crate) fn new(_slots: usize, room: usize) -> Self {
        Self { data: vec![0; room], len: 0, source: None, pending: None }
    }

    /// One.
    pub(crate) fn slots(&self) -> usize {
        1
    }

    /// Takes a datagram.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let (len, source) = socket.recv_from(&mut self.data)?;
        (self.len, self.source) = (len, Some(source));
        Ok(1)
    }

    /// The datagram.
    pub(crate) fn datagram(&self, _i: usize) -> Datagram<'_> {
        Datagram { source: self.source, asked: None, bytes: &self.data[..self.len] }
    }

    /// Unknown here.
    pub(crate) fn newly_dropped(&mut self) -> u32 {
        0
    }

    /// The datagram is to go back to its sender.
    pub(crate) fn answer(&mut self, _i: usize) {
        self.pending = Some(self.source);
    }

    /// A datagram of `len` bytes, to be written by the caller, for the connected peer.
    pub(crate) fn put(&mut self, len: usize) -> Option<&mut [u8]> {
        if self.pending.is_some() || len > self.data.len() {
            return None;
        }
        self.len = len;
        self.pending = Some(None);
        Some(&mut self.data[..len])
    }

    /// 1 or 0.
    pub(crate) fn pending(&self) -> usize {
        usize::from(self.pending.is_some())
    }

    /// Sends the datagram.
    pub(crate) fn send(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let datagram = &self.data[..self.len];
        match self.pending {
            Some(Some(client)) => socket.send_to(datagram, client)?,
            Some(None) => socket.send(datagram)?,
            None => return Ok(0),
        };
        self.pending = None;
        Ok(1)
    }

    /// Where it was to go.
    pub(crate) fn first_pending(&self) -> Option<SocketAddr> {
        self.pending.flatten()
    }

    /// Gives the datagram up.
    pub(crate) fn skip(&mut self) {
        self.pending = None;
    }

    /// Gives the datagram up.
    pub(crate) fn clear(&mut self) {
        self.pending = None;
    }
}
