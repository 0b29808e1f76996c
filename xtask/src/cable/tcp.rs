//! The cable for streams.
//!
//! ```text
//!            read ──▶ ┌──────────────┐ ──▶ write
//!  client ◀─────────▶ │ StreamFaults │ ◀────────▶ server
//!           write ◀── │ twice        │ ◀── read
//!                     └──────────────┘
//! ```
//!
//! A connection has four threads: one reads and one writes for each direction. What is read waits
//! in a [`StreamFaults`], which takes no more than a limit, so a reader that is slow holds the
//! writer up as it would without a cable. The end of a direction is passed on as an end
//! (shutdown(2)), a reset as a reset (SO_LINGER of zero, socket(7)).

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use faults::{Deed, Direction, Outgoing, Settings, StreamFaults};

use super::trace::{Done, Names, Trace, What};

/// More connections at once are refused: each costs four threads.
const CONNECTIONS_MAX: usize = 256;

/// How much is read at once.
const PIECE_LEN_MAX: usize = 64 << 10;

/// How long the server may take to accept.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How often a writer that is held up looks whether the connection is broken.
const WRITE_LOOK: Duration = Duration::from_millis(250);

/// A cable that lies until it is dropped.
pub struct TcpCable {
    shared: Arc<Shared>,
    front: SocketAddr,
}

struct Shared {
    server: SocketAddr,
    settings: Settings,
    seed: u64,
    names: Arc<Names>,
    trace: Arc<Trace>,
    connections: Mutex<Vec<Weak<Connection>>>,
    accepted: AtomicU64,
    over: AtomicBool,
}

/// A client's connection and the one to the server that belongs to it.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    flow: usize,
    trace: Arc<Trace>,
    broken: AtomicBool,
    lanes: [Lane; 2],
}

/// One direction.
struct Lane {
    faults: Mutex<StreamFaults>,
    changed: Condvar,
}

impl TcpCable {
    /// Lays a cable between whoever connects to `front` and `server`.
    ///
    /// # Errors
    /// When `front` has no address.
    pub fn lay(
        front: TcpListener,
        server: SocketAddr,
        settings: Settings,
        seed: u64,
        names: Arc<Names>,
        trace: Arc<Trace>,
    ) -> io::Result<Self> {
        let address = front.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            settings,
            seed,
            names,
            trace,
            connections: Mutex::default(),
            accepted: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept_all(&front));
        Ok(Self { shared, front: address })
    }
}

impl Drop for TcpCable {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Nothing but a connection ends an accept.
        let _ = TcpStream::connect_timeout(&self.front, CONNECT_MAX);
        for connection in self.shared.connections().iter().filter_map(Weak::upgrade) {
            connection.break_off();
        }
    }
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, Vec<Weak<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept_all(self: &Arc<Self>, front: &TcpListener) {
        loop {
            let accepted = front.accept();
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            match accepted {
                Ok((client, address)) => {
                    let shared = Arc::clone(self);
                    thread::spawn(move || shared.connect(client, address));
                }
                Err(error) if super::is_fatal(&error) => return,
                Err(_) => {}
            }
        }
    }

    fn connect(&self, client: TcpStream, address: SocketAddr) {
        let flow = self.trace.flow(address, self.server, &self.names);
        let connected = TcpStream::connect_timeout(&self.server, CONNECT_MAX);
        let mut connections = self.connections();
        connections.retain(|connection| connection.strong_count() > 0);
        let (Ok(server), true) = (connected, connections.len() < CONNECTIONS_MAX) else {
            // The client has a connection already; all that can be done is to break it off.
            self.trace.note(flow, Direction::ToClient, What::Reset, Vec::new());
            let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
            return;
        };
        self.trace.note(flow, Direction::ToServer, What::Opened, Vec::new());
        // Counted from 1 in each cable, as for datagrams.
        let number = self.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        let lane = |direction| Lane {
            faults: Mutex::new(StreamFaults::new(self.settings, self.seed, number, direction)),
            changed: Condvar::new(),
        };
        let connection = Arc::new(Connection {
            client,
            server,
            flow,
            trace: Arc::clone(&self.trace),
            broken: AtomicBool::new(false),
            lanes: [lane(Direction::ToServer), lane(Direction::ToClient)],
        });
        connections.push(Arc::downgrade(&connection));
        drop(connections);
        if self.over.load(Ordering::SeqCst) {
            // The cable was taken up while this was being connected, and did not see it.
            connection.break_off();
        }
        connection.start();
    }
}

impl Connection {
    fn start(self: Arc<Self>) {
        for socket in [&self.client, &self.server] {
            // Small pieces are what the cable was told to pass on as they are.
            let _ = socket.set_nodelay(true);
            let _ = socket.set_write_timeout(Some(WRITE_LOOK));
        }
        for direction in [Direction::ToServer, Direction::ToClient] {
            let (reader, writer) = (Arc::clone(&self), Arc::clone(&self));
            thread::spawn(move || reader.read_all(direction));
            thread::spawn(move || writer.write_all(direction));
        }
    }

    fn lane(&self, direction: Direction) -> (&Lane, &TcpStream, &TcpStream) {
        match direction {
            Direction::ToServer => (&self.lanes[0], &self.client, &self.server),
            Direction::ToClient => (&self.lanes[1], &self.server, &self.client),
        }
    }

    fn read_all(&self, direction: Direction) {
        let (lane, mut source, _) = self.lane(direction);
        let mut piece = vec![0; PIECE_LEN_MAX];
        while let Some(room) = self.wait_for_room(lane) {
            let room = room.min(piece.len());
            let read = source.read(&mut piece[..room]);
            if self.is_broken() {
                return;
            }
            match read {
                Ok(0) => {
                    let mut faults = lane.lock();
                    let now = Instant::now();
                    faults.handle_end(now);
                    self.note(now, direction, What::Closed, &faults);
                    lane.changed.notify_all();
                    return;
                }
                Ok(len) => {
                    let mut faults = lane.lock();
                    let now = Instant::now();
                    faults.handle_bytes(now, &piece[..len]);
                    if self.trace.keeps_bytes() {
                        self.note(now, direction, What::Piece(piece[..len].to_vec()), &faults);
                    }
                    lane.changed.notify_all();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.trace.note(self.flow, direction, What::Reset, Vec::new());
                    self.break_off();
                    return;
                }
            }
        }
    }

    /// Notes what has just been handed to `faults`, which is still locked: so the answer to it cannot
    /// be noted before it.
    fn note(&self, now: Instant, direction: Direction, what: What, faults: &StreamFaults) {
        let late =
            faults.last_due().map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
        let done = if late.is_zero() { Vec::new() } else { vec![Done::Deed(Deed::Late(late))] };
        self.trace.note_at(now, self.flow, direction, what, done);
    }

    /// How much may be read; `None` once the connection is broken.
    fn wait_for_room(&self, lane: &Lane) -> Option<usize> {
        let mut faults = lane.lock();
        loop {
            if self.is_broken() {
                return None;
            }
            let room = faults.room();
            if room > 0 {
                return Some(room);
            }
            faults = lane.changed.wait(faults).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write_all(&self, direction: Direction) {
        let (lane, _, target) = self.lane(direction);
        while let Some(outgoing) = self.wait_for_outgoing(lane) {
            // There is room again.
            lane.changed.notify_all();
            match outgoing {
                Outgoing::Bytes(bytes) => {
                    if self.write_piece(target, &bytes).is_err() {
                        self.break_off();
                        return;
                    }
                }
                Outgoing::End => {
                    let _ = target.shutdown(Shutdown::Write);
                    return;
                }
                Outgoing::Stalled => {
                    let done = vec![Done::Stalled];
                    self.trace.note(self.flow, direction, What::Piece(Vec::new()), done);
                    return;
                }
                Outgoing::Reset => {
                    let done = vec![Done::Reset];
                    self.trace.note(self.flow, direction, What::Reset, done);
                    self.break_off();
                    return;
                }
            }
        }
    }

    fn wait_for_outgoing(&self, lane: &Lane) -> Option<Outgoing> {
        let mut faults = lane.lock();
        loop {
            if self.is_broken() {
                return None;
            }
            let now = Instant::now();
            if let Some(outgoing) = faults.poll_transmit(now) {
                return Some(outgoing);
            }
            faults = match faults.poll_timeout() {
                None => lane.changed.wait(faults).unwrap_or_else(PoisonError::into_inner),
                Some(due) => {
                    let wait = due.saturating_duration_since(now);
                    let woken = lane.changed.wait_timeout(faults, wait);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Writes all of `bytes`, however slowly they are taken, unless the connection is broken.
    fn write_piece(&self, mut target: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match target.write(bytes) {
                Ok(len) => bytes = &bytes[len..],
                Err(error) if super::is_fatal(&error) => return Err(error),
                Err(_) if self.is_broken() => {
                    return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }

    /// Resets both ends. The last thread to let go of the sockets closes them.
    fn break_off(&self) {
        self.broken.store(true, Ordering::SeqCst);
        for socket in [&self.client, &self.server] {
            let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
            // Wakes the thread that reads. The other direction is left alone: shutting it down
            // would say "end" where "reset" is meant.
            let _ = socket.shutdown(Shutdown::Read);
        }
        for lane in &self.lanes {
            // With the lock, so that no thread misses it between its look and its wait.
            let _faults = lane.lock();
            lane.changed.notify_all();
        }
    }
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, StreamFaults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
