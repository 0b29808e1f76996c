//! The cable for datagrams.
//!
//! ```text
//!  client C1 ──▶ F ─┐                    ┌─ H1 ──▶ S    the server
//!  client C2 ──▶ F ─┤   which client,    ├─ H2 ──▶ S
//!            ◀── F ─┤   which of the     ├─ H1 ◀── S
//!            ◀── G ─┘   server's ports   └─ H1 ◀── S'   the server, from another port
//! ```
//!
//! The server sees a hidden address for each client (H1, H2), so it can tell them apart. A client
//! sees a hidden address for each port of the server (F, G), so a protocol that goes on from
//! another port than the one that was asked (TFTP) passes in both directions.
//!
//! A socket cannot pass on that the other end's system refused a datagram (ICMP): whoever sends
//! through a cable to a port where nobody listens hears nothing.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use faults::{Direction, Link, Settings};

use super::trace::{Done, Names, Trace, What};

/// More clients, and more ports of the server, are not told apart: each costs a socket and a
/// thread. What comes from others is dropped, and said so.
const SOCKETS_MAX: usize = 256;

/// The longest datagram, and one byte more, so that none is cut.
const DATAGRAM_LEN_MAX: usize = 65_536;

/// What the system is asked to keep for us while we are busy; it may give less.
const RECEIVE_BUFFER_LEN: usize = 4 << 20;

/// A cable that lies until it is dropped.
pub struct UdpCable {
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    names: Arc<Names>,
    trace: Arc<Trace>,
    state: Mutex<State>,
    /// Something is due earlier than the timer knows, or the cable is taken up.
    timer: Condvar,
    over: AtomicBool,
}

struct State {
    link: Link<Parcel>,
    /// What clients see: a socket for each address of the server.
    fronts: HashMap<SocketAddr, Arc<UdpSocket>>,
    /// What the server sees: a socket for each client.
    backs: HashMap<SocketAddr, Arc<UdpSocket>>,
    /// The flows of the trace by their number in this cable, which decides their fate: what passed
    /// through others before must not change it.
    numbers: HashMap<usize, u64>,
}

/// A datagram with the way it will leave.
#[derive(Clone)]
struct Parcel {
    bytes: Vec<u8>,
    from: Arc<UdpSocket>,
    to: SocketAddr,
}

impl AsRef<[u8]> for Parcel {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl UdpCable {
    /// Lays a cable between whoever sends to `front` and `server`.
    ///
    /// # Errors
    /// When a socket cannot be prepared.
    pub fn lay(
        front: UdpSocket,
        server: SocketAddr,
        settings: Settings,
        seed: u64,
        names: Arc<Names>,
        trace: Arc<Trace>,
    ) -> io::Result<Self> {
        let state = State {
            link: Link::new(settings, seed),
            fronts: HashMap::new(),
            backs: HashMap::new(),
            numbers: HashMap::new(),
        };
        let shared = Arc::new(Shared {
            server,
            names,
            trace,
            state: Mutex::new(state),
            timer: Condvar::new(),
            over: AtomicBool::new(false),
        });
        let front = prepared(front);
        shared.lock().fronts.insert(server, Arc::clone(&front));
        read_front(Arc::clone(&shared), front, server);
        let timer = Arc::clone(&shared);
        thread::spawn(move || timer.keep_time());
        Ok(Self { shared })
    }
}

impl Drop for UdpCable {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // With the lock, so that the timer does not miss it between its look and its wait.
        let state = self.shared.lock();
        self.shared.timer.notify_all();
        for socket in state.fronts.values().chain(state.backs.values()) {
            // Nothing but a datagram ends a receive.
            if let Ok(own) = socket.local_addr() {
                let _ = socket.send_to(&[], own);
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client has sent `bytes` to the front that stands for `server`.
    fn from_client(self: &Arc<Self>, server: SocketAddr, client: SocketAddr, bytes: &[u8]) {
        let mut state = self.lock();
        let Some(back) = self.back_for(&mut state, client) else { return };
        let parcel = Parcel { bytes: bytes.to_vec(), from: back, to: server };
        self.pass(&mut state, (client, server), Direction::ToServer, parcel);
    }

    /// The server has sent `bytes`, from one of its ports, to the back that stands for `client`.
    fn from_server(self: &Arc<Self>, server: SocketAddr, client: SocketAddr, bytes: &[u8]) {
        let mut state = self.lock();
        let Some(front) = self.front_for(&mut state, server) else { return };
        let parcel = Parcel { bytes: bytes.to_vec(), from: front, to: client };
        self.pass(&mut state, (client, server), Direction::ToClient, parcel);
    }

    fn pass(
        &self,
        state: &mut State,
        (client, server): (SocketAddr, SocketAddr),
        direction: Direction,
        parcel: Parcel,
    ) {
        let flow = self.trace.flow(client, server, &self.names);
        // Finding out whose it is took a while; to the record it was sent just now.
        let now = Instant::now();
        let what = self.trace.keeps_bytes().then(|| What::Datagram(parcel.bytes.clone()));
        let number = state.number_of(flow);
        let report = state.link.handle_datagram(now, number, direction, parcel);
        let done = report.deeds().map(Done::Deed).collect();
        if let Some(what) = what {
            self.trace.note_at(now, flow, direction, what, done);
        }
        state.send_what_is_due(now);
        if state.link.poll_timeout().is_some() {
            self.timer.notify_all();
        }
    }

    fn back_for(self: &Arc<Self>, state: &mut State, client: SocketAddr) -> Option<Arc<UdpSocket>> {
        if let Some(known) = state.backs.get(&client) {
            return Some(Arc::clone(known));
        }
        let socket = self.hidden(state)?;
        state.backs.insert(client, Arc::clone(&socket));
        let (shared, back) = (Arc::clone(self), Arc::clone(&socket));
        thread::spawn(move || {
            receive_all(&shared, &back, |server, bytes| shared.from_server(server, client, bytes));
        });
        Some(socket)
    }

    fn front_for(
        self: &Arc<Self>,
        state: &mut State,
        server: SocketAddr,
    ) -> Option<Arc<UdpSocket>> {
        if let Some(known) = state.fronts.get(&server) {
            return Some(Arc::clone(known));
        }
        let socket = self.hidden(state)?;
        state.fronts.insert(server, Arc::clone(&socket));
        read_front(Arc::clone(self), Arc::clone(&socket), server);
        Some(socket)
    }

    /// Another address of this machine's, as near to the server as its own.
    fn hidden(&self, state: &State) -> Option<Arc<UdpSocket>> {
        if state.fronts.len() + state.backs.len() >= SOCKETS_MAX {
            self.trace.count_refused();
            return None;
        }
        UdpSocket::bind(super::beside(self.server)).ok().map(prepared)
    }

    /// Sends what becomes due, and sleeps in between; without anything on its way, for ever.
    fn keep_time(&self) {
        let mut state = self.lock();
        while !self.over.load(Ordering::SeqCst) {
            let now = Instant::now();
            state.send_what_is_due(now);
            state = match state.link.poll_timeout() {
                None => self.timer.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(due) => {
                    let wait = due.saturating_duration_since(now);
                    let woken = self.timer.wait_timeout(state, wait);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl State {
    /// Counted from 1, as a person counts, and as the lesson `relay` does.
    fn number_of(&mut self, flow: usize) -> u64 {
        let next = u64::try_from(self.numbers.len() + 1).unwrap_or(u64::MAX);
        *self.numbers.entry(flow).or_insert(next)
    }

    fn send_what_is_due(&mut self, now: Instant) {
        while let Some(transmit) = self.link.poll_transmit(now) {
            let Parcel { bytes, from, to } = transmit.payload;
            // A datagram that the system does not take is lost, as on any network.
            let _ = from.send_to(&bytes, to);
        }
    }
}

fn read_front(shared: Arc<Shared>, front: Arc<UdpSocket>, server: SocketAddr) {
    thread::spawn(move || {
        receive_all(&shared, &front, |client, bytes| shared.from_client(server, client, bytes));
    });
}

fn receive_all(shared: &Shared, socket: &UdpSocket, take: impl Fn(SocketAddr, &[u8])) {
    let mut datagram = vec![0; DATAGRAM_LEN_MAX];
    loop {
        // Linux reports here that an earlier datagram was refused. The one who sent it would not
        // have heard of it through any relay; the socket goes on.
        let received = socket.recv_from(&mut datagram);
        if shared.over.load(Ordering::SeqCst) {
            return;
        }
        match received {
            Ok((len, sender)) => take(sender, &datagram[..len]),
            Err(error) if super::is_fatal(&error) => return,
            Err(_) => {}
        }
    }
}

fn prepared(socket: UdpSocket) -> Arc<UdpSocket> {
    // The system's default is enough for most; more only saves datagrams at full speed.
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_LEN);
    Arc::new(socket)
}
