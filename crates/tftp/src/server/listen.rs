//! The listening socket: which datagrams begin a transfer, and how many there may be.
//!
//! Before a thread is started or a buffer allocated, a stranger has cost nothing but an entry in a
//! table, at most `--max-transfers` of them with at most 512 bytes each; anybody can write
//! another's address on a request.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use cli::Stop;

use super::log::Log;
use super::mailbox::Mailbox;
use super::{Config, Ports, transfer};
use crate::io::{From, Port, SLOT_LEN, Slots};
use crate::root::Root;
use crate::wire::{ErrorCode, Packet, WireError};

/// A server that is bound.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
}

/// What all transfers have in common.
pub struct Shared {
    pub(super) config: Config,
    pub(super) root: Root,
    pub(super) port: Arc<Port>,
    pub(super) log: Log,
    stop: Stop,
    running: Mutex<Running>,
    /// Where in the port range to look next.
    next_port: AtomicU16,
}

#[derive(Default)]
struct Running {
    by_peer: HashMap<SocketAddr, Entry>,
    /// Also those whose place in the table another one of the same peer has taken.
    count: usize,
    next_id: u64,
}

/// A transfer, as the listening thread knows it.
struct Entry {
    id: u64,
    /// Its request, to know it again when it comes twice (S-14, S-16).
    request: Box<[u8]>,
    mailbox: Option<Arc<Mailbox>>,
}

/// Room for a request, and a few joined ones.
const REQUESTS_LEN: usize = 4096;

/// How long it may take until a stop of the program's own is noticed.
const TICK: Duration = Duration::from_millis(500);

/// The stack of a transfer's thread. Only what is used of it takes memory.
const STACK_LEN: usize = 512 << 10;

impl Server {
    /// Binds the listening socket.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn bind(config: Config, root: Root, stop: Stop) -> io::Result<Self> {
        let port = Port::bind(config.bind)?;
        let address = port.local_addr()?;
        let log = Log::new(config.json);
        let shared = Shared {
            config,
            root,
            port: Arc::new(port),
            log,
            stop,
            running: Mutex::default(),
            next_port: AtomicU16::new(0),
        };
        Ok(Self { shared: Arc::new(shared), address })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves for ever.
    ///
    /// # Errors
    /// When the socket fails, or the reader of stdout has gone.
    pub fn serve(&self) -> anyhow::Result<()> {
        let shared = &self.shared;
        let len = if shared.config.ports == Ports::Single { SLOT_LEN } else { REQUESTS_LEN };
        let mut slots = Slots::new(1, len);
        let mut stats_due = shared.config.stats_every.map(|every| Instant::now() + every);
        loop {
            let until = Instant::now() + TICK;
            let until = stats_due.map_or(until, |due| until.min(due));
            shared
                .port
                .receive(until, &mut slots, &mut |from, datagram| shared.hear(from, datagram))
                .with_context(|| format!("cannot receive on {}", self.address))?;
            shared.log.check()?;
            if let (Some(due), Some(every)) = (stats_due, shared.config.stats_every)
                && Instant::now() >= due
            {
                shared.log.stats(shared.running().count);
                stats_due = Some(due + every);
            }
        }
    }
}

impl Shared {
    fn hear(self: &Arc<Self>, from: From, datagram: &[u8]) {
        if self.is_for_a_running_transfer(from, datagram) {
            return;
        }
        // ANCHOR: silence
        match Packet::decode(datagram) {
            // A server that is about to end begins nothing; the client asks again, and may then
            // meet its successor.
            _ if self.stop.is_stopping() => self.log.ignored(),
            // RFC 1123 (4.2.3.5): a request to everybody is answered by nobody.
            Ok(Packet::Read(_) | Packet::Write(_)) if self.is_for_many(from) => self.log.ignored(),
            Ok(Packet::Read(_) | Packet::Write(_)) => self.begin(from, datagram),
            Err(error) if error.answer().is_some() && !self.is_for_many(from) => {
                self.answer(from, &error);
            }
            // ERROR, ACK, DATA, OACK and whatever means nothing: no answer could not be answered.
            _ => self.log.ignored(),
        }
        // ANCHOR_END: silence
    }

    /// Only a socket that is bound to all addresses hears what is sent to many.
    fn is_for_many(&self, from: From) -> bool {
        self.config.bind.ip().is_unspecified() && from.local.is_some_and(is_for_many)
    }

    /// The same request again, or with a single port what comes for a transfer.
    fn is_for_a_running_transfer(&self, from: From, datagram: &[u8]) -> bool {
        let mut running = self.running();
        let Some(entry) = running.by_peer.get(&from.peer) else { return false };
        if *entry.request == *datagram {
            // The machine's clock repeats what may have been lost.
            return true;
        }
        let Some(mailbox) = &entry.mailbox else { return false };
        if matches!(Packet::decode(datagram), Ok(Packet::Read(_) | Packet::Write(_))) {
            // The peer has given up the old one and begins anew; nothing else could tell their
            // datagrams apart.
            mailbox.close();
            running.by_peer.remove(&from.peer);
            return false;
        }
        mailbox.deliver(datagram);
        true
    }

    fn begin(self: &Arc<Self>, from: From, request: &[u8]) {
        let single = self.config.ports == Ports::Single;
        let mailbox = single.then(Arc::<Mailbox>::default);
        let Some(place) = self.take_place(from.peer, request, mailbox.clone()) else {
            return self.refuse(from, ErrorCode::NOT_DEFINED, b"busy, try again later");
        };
        let name = format!("tftp {}", from.peer);
        let request: Box<[u8]> = request.into();
        let in_hand = self.stop.in_hand(format_args!("a transfer with {}", from.peer));
        let spawned = thread::Builder::new().name(name).stack_size(STACK_LEN).spawn(move || {
            transfer::run(&place, from, &request, mailbox, in_hand);
        });
        if spawned.is_err() {
            // The system has no more threads. The place was dropped with the closure.
            self.refuse(from, ErrorCode::NOT_DEFINED, b"busy, try again later");
        }
    }

    fn take_place(
        self: &Arc<Self>,
        peer: SocketAddr,
        request: &[u8],
        mailbox: Option<Arc<Mailbox>>,
    ) -> Option<Place> {
        let mut running = self.running();
        if running.count >= self.config.max_transfers {
            return None;
        }
        let id = running.next_id;
        running.next_id += 1;
        running.count += 1;
        running.by_peer.insert(peer, Entry { id, request: request.into(), mailbox });
        Some(Place { shared: Arc::clone(self), peer, id, left: Cell::new(false) })
    }

    fn answer(&self, from: From, error: &WireError) {
        if let Some(code) = error.answer() {
            self.refuse(from, code, error.to_string().as_bytes());
        }
    }

    /// Refuses what was asked, without a thread.
    pub(super) fn refuse(&self, from: From, code: ErrorCode, message: &[u8]) {
        let packet = Packet::Error { code, message };
        let mut bytes = [0; 256];
        let Ok(len) = packet.encode(&mut bytes) else { return };
        let bytes = bytes.get(..len).unwrap_or_default();
        // What cannot be sent is lost, as others are.
        let _ = match self.open_port(from) {
            Ok(Some(port)) => port.send(from.peer, None, bytes, len),
            Ok(None) => self.port.send(from.peer, from.local, bytes, len),
            Err(_) => return,
        };
    }

    /// A port from which to answer; `None` where that is the listening one.
    pub(super) fn open_port(&self, from: From) -> io::Result<Option<Port>> {
        let ip = self.answering_ip(from);
        match &self.config.ports {
            Ports::Single => Ok(None),
            Ports::Any => Port::bind(SocketAddr::new(ip, 0)).map(Some),
            Ports::Range(range) => {
                let count = u32::from(range.end() - range.start()) + 1;
                let turn = u32::from(self.next_port.fetch_add(1, Ordering::Relaxed));
                let ports = (0..count).filter_map(|step| {
                    u16::try_from(u32::from(*range.start()) + (turn + step) % count).ok()
                });
                let mut last = io::Error::from(io::ErrorKind::AddrInUse);
                for port in ports {
                    match Port::bind(SocketAddr::new(ip, port)) {
                        Ok(port) => return Ok(Some(port)),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }

    /// The address that was asked answers: a client takes no other's word (S-17).
    fn answering_ip(&self, from: From) -> IpAddr {
        let bound = self.config.bind.ip();
        let any = match from.peer {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::from([0; 16]),
        };
        // A link-local address is none without its interface; there the system chooses.
        let usable = |ip: &IpAddr| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        match from.local {
            Some(ip) => Some(ip).filter(usable).unwrap_or(any),
            None if bound.is_unspecified() => any,
            None => bound,
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        // The table is whole after every statement that holds the lock.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transfer's place in the table. Dropped, it is free for another.
pub(super) struct Place {
    pub(super) shared: Arc<Shared>,
    peer: SocketAddr,
    id: u64,
    left: Cell<bool>,
}

impl Place {
    /// The file is kept. From here on the same request means a new transfer, while this one stays
    /// to repeat its last ACK.
    pub(super) fn forget_request(&self) {
        let mut running = self.shared.running();
        if let Some(entry) = running.by_peer.get_mut(&self.peer)
            && entry.id == self.id
        {
            entry.request = Box::default();
        }
    }
}

impl Place {
    /// Frees it: before anybody is told that the transfer is over, as he may ask for it.
    pub(super) fn leave(&self) {
        if self.left.replace(true) {
            return;
        }
        let mut running = self.shared.running();
        running.count -= 1;
        if running.by_peer.get(&self.peer).is_some_and(|entry| entry.id == self.id) {
            running.by_peer.remove(&self.peer);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Whether an address means many hosts.
fn is_for_many(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) || is_broadcast_here(ip)
}

/// Each IPv4 network has a broadcast address of its own, and only the system knows which. It refuses
/// to connect to one (EACCES) as long as SO_BROADCAST is not set; connecting sends nothing.
fn is_broadcast_here(ip: IpAddr) -> bool {
    let connected = |socket: UdpSocket| socket.connect((ip, 9));
    let refused = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(connected).err();
    ip.is_ipv4() && refused.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}
