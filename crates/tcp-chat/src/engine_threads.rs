//! Role `server`, with threads: two for each connection. One reads and waits, the other writes and waits.
//!
//! ```text
//!   connection 1   reader ──▶ ┌──────────────┐ ──▶ writer   connection 1
//!   connection 2   reader ──▶ │ one lock,    │ ──▶ writer   connection 2
//!        …                    │ the room     │        …
//!   accept         thread ──▶ └──────▲───────┘
//!                                    │
//!                    the clock and the operator: serve
//! ```
//!
//! Each thread reads from top to bottom, and that is what is good about it. The price: a line for a
//! thousand listeners wakes a thousand threads, and each takes the lock to fetch its copy; a
//! connection costs two stacks; and who is to wait for whom has to be said, below, where an event
//! loop has no one else to wait for.
//!
//! 1. A reader hands over what it has read, and does the room's work; until so much is said that
//!    writers must catch up first.
//! 2. A writer moves what waits for its peer into a buffer of its own, and writes that without the
//!    lock. The last of them to do so goes on with the work. A write that takes longer than
//!    [`PATIENCE`] means that the peer is blocked, and nobody waits for it from then on.
//! 3. Whoever is done with a connection wakes its two threads and nobody else's: a thousand threads
//!    that wake a thousand threads are a server that does nothing else.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::console::{self, Console, Inbox};
use crate::room::{Action, Id, Refused, Room};
use crate::socket::{self, Options};
use crate::stats::Stats;

/// How long a write may take before its peer counts as one that does not read.
pub const PATIENCE: Duration = Duration::from_millis(50);

/// How many connections it serves, whatever else is allowed. Each has two threads, and each thread's
/// stacks, the one for signals and their guard pages included, are four mappings; Linux gives a
/// process 65,530 (`vm.max_map_count`). A thread that finds none left for its own stack of signals
/// ends the process, so half of them is where it stops.
pub const CLIENTS_MAX: usize = 4096;

/// How much a writer takes at once.
const TAKE_LEN: usize = 16 << 10;

const READ_LEN: usize = 8 << 10;

/// What a thread needs here, with as much again to spare.
const STACK_LEN: usize = 128 << 10;

/// How long the door stays shut when there are no descriptors, unless somebody leaves before.
const DOOR_SHUT: Duration = Duration::from_millis(500);

/// The room with all threads around it.
pub struct Engine {
    shared: Arc<Shared>,
    listener: TcpListener,
    options: Options,
    console: Console,
    inbox: Arc<Inbox>,
    grace: Duration,
}

struct Shared {
    state: Mutex<State>,
    /// For the thread that has the clock: a deadline has come nearer, or there is a line to show.
    clock: Condvar,
    /// For the thread that accepts: somebody has left.
    left: Condvar,
}

struct State {
    room: Room,
    connections: Vec<Option<Arc<Connection>>>,
    /// Scratch, for those whom the room names.
    ids: Vec<Id>,
    /// Until when the clock sleeps.
    clock_until: Option<Instant>,
}

struct Connection {
    id: Id,
    stream: TcpStream,
    /// For its writer: there is something to write.
    to_write: Condvar,
    /// For its reader: its peer is listened to again.
    to_read: Condvar,
}

impl Engine {
    /// Takes over a listener.
    #[must_use]
    pub fn new(
        listener: TcpListener,
        options: Options,
        room: Room,
        console: Console,
        grace: Duration,
    ) -> Self {
        let state = State { room, connections: Vec::new(), ids: Vec::new(), clock_until: None };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            clock: Condvar::new(),
            left: Condvar::new(),
        });
        let inbox = Inbox::new({
            let shared = Arc::clone(&shared);
            move || {
                // Under the lock, or it comes between the clock's last look and its sleep.
                let _state = shared.lock();
                shared.clock.notify_all();
            }
        });
        Self { shared, listener, options, console, inbox, grace }
    }

    /// Where commands are put.
    #[must_use]
    pub fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// Serves until it is stopped and everybody has gone.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn serve(mut self) -> anyhow::Result<Stats> {
        let (shared, listener, options) = (Arc::clone(&self.shared), self.listener, self.options);
        thread::Builder::new().spawn(move || shared.accept_all(&listener, &options))?;
        let shared = self.shared;
        let mut state = shared.lock();
        while !state.room.is_over() {
            let now = Instant::now();
            for command in self.inbox.take() {
                console::obey(&mut state.room, &mut self.console, now, self.grace, command);
            }
            state.room.handle_timeout(now);
            shared.turn(&mut state);
            console::show(&mut state.room, &mut self.console);
            if !state.room.is_over() {
                state.clock_until = state.room.poll_timeout();
                state = shared.sleep(state);
            }
        }
        let stats = *state.room.stats();
        drop(state);
        self.console.finish();
        Ok(stats)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panics leaves a room that may be wrong about one person; the others stay.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let Some(until) = state.clock_until else { return wait(&self.clock, state) };
        let left = until.saturating_duration_since(Instant::now());
        let woken = self.clock.wait_timeout(state, left);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Does what was asked, wakes who has something to write, and sees off who goes.
    fn turn(&self, state: &mut State) {
        let now = Instant::now();
        loop {
            state.room.work(now);
            self.wake_writers(state);
            // Whoever is the last to take what waits for them has the next turn.
            if state.room.is_behind() {
                break;
            }
            state.room.settle(now);
            let can_work = state.room.has_work() && !state.room.must_write();
            if !can_work && !state.room.has_readers() {
                break;
            }
        }
        while let Some(action) = state.room.poll_action() {
            self.act(state, action);
        }
        self.wake_readers(state);
        let nearer = match (state.room.poll_timeout(), state.clock_until) {
            (Some(next), Some(until)) => next < until,
            (next, until) => next.is_some() && until.is_none(),
        };
        if nearer || state.room.has_lines() || state.room.is_over() {
            self.clock.notify_all();
        }
    }

    fn wake_writers(&self, state: &mut State) {
        let mut ids = std::mem::take(&mut state.ids);
        state.room.poll_readers(&mut ids);
        for connection in ids.iter().filter_map(|id| state.connection(*id)) {
            connection.to_write.notify_one();
        }
        state.ids = ids;
    }

    fn wake_readers(&self, state: &mut State) {
        let mut ids = std::mem::take(&mut state.ids);
        state.room.poll_listening(&mut ids);
        for connection in ids.iter().filter_map(|id| state.connection(*id)) {
            connection.to_read.notify_one();
        }
        state.ids = ids;
    }

    fn act(&self, state: &mut State, action: Action) {
        let (Action::Shutdown(id) | Action::Close(id) | Action::Abort(id)) = action;
        let Some(connection) = state.connection(id).cloned() else { return };
        // These fail where the peer has gone, and then a read says so. Whoever reads or writes there
        // now returns at once.
        let _ = match action {
            Action::Shutdown(_) => return drop(connection.stream.shutdown(Shutdown::Write)),
            Action::Close(_) | Action::Abort(_) => connection.stream.shutdown(Shutdown::Both),
        };
        if let Some(place) = state.connections.get_mut(id.index()) {
            *place = None;
        }
        connection.to_write.notify_one();
        connection.to_read.notify_one();
        self.left.notify_all();
    }

    fn accept_all(self: &Arc<Self>, listener: &TcpListener, options: &Options) {
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    // Whoever has gone again by now has no options to be set.
                    let _ = self.welcome(stream, peer.ip(), options);
                }
                Err(error) if socket::concerns_one(&error) => {}
                Err(_) => {
                    let mut state = self.lock();
                    state.room.stats_mut().accept_failed += 1;
                    let waited = self.left.wait_timeout(state, DOOR_SHUT);
                    drop(waited.unwrap_or_else(PoisonError::into_inner));
                }
            }
        }
    }

    fn welcome(
        self: &Arc<Self>,
        mut stream: TcpStream,
        from: std::net::IpAddr,
        options: &Options,
    ) -> io::Result<()> {
        options.apply(&SockRef::from(&stream))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut state = self.lock();
        let id = match state.room.admit(Instant::now(), from) {
            Ok(id) => id,
            Err(refused) => {
                drop(state);
                return stream.write_all(refused.line());
            }
        };
        let (to_write, to_read) = (Condvar::new(), Condvar::new());
        let connection = Arc::new(Connection { id, stream, to_write, to_read });
        if state.connections.len() <= id.index() {
            state.connections.resize_with(id.index() + 1, || None);
        }
        if let Some(place) = state.connections.get_mut(id.index()) {
            *place = Some(Arc::clone(&connection));
        }
        // Their time for a name has begun: the clock has to hear of it.
        self.turn(&mut state);
        drop(state);
        let started = self
            .start(&connection, Self::read_all)
            .and_then(|()| self.start(&connection, Self::write_all));
        if let Err(error) = started {
            // No threads are left, or no memory for their stacks. That is one person's bad luck.
            let _ = (&connection.stream).write(Refused::Full.line());
            let mut state = self.lock();
            state.room.stats_mut().accept_failed += 1;
            state.room.broken(Instant::now(), id, socket::reason(&error));
            self.turn(&mut state);
        }
        Ok(())
    }

    fn start(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        run: fn(&Self, &Connection),
    ) -> io::Result<()> {
        let (shared, connection) = (Arc::clone(self), Arc::clone(connection));
        let thread = thread::Builder::new().stack_size(STACK_LEN);
        thread.spawn(move || run(&shared, &connection)).map(drop)
    }

    // ANCHOR: reader
    fn read_all(&self, connection: &Connection) {
        let mut buffer = vec![0; READ_LEN];
        loop {
            let mut state = self.lock();
            while state.room.knows(connection.id) && !state.room.wants_input(connection.id) {
                state = wait(&connection.to_read, state);
            }
            if !state.room.knows(connection.id) {
                return;
            }
            drop(state);
            let read = (&connection.stream).read(&mut buffer);
            let mut state = self.lock();
            match read {
                Ok(0) => state.room.end_of_input(connection.id),
                Ok(read) => {
                    state.room.feed(connection.id, buffer.get_mut(..read).unwrap_or_default());
                }
                Err(ref error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(ref error) => {
                    state.room.broken(Instant::now(), connection.id, socket::reason(error));
                }
            }
            self.turn(&mut state);
            if !matches!(read, Ok(1..)) {
                return;
            }
        }
    }
    // ANCHOR_END: reader

    // ANCHOR: writer
    fn write_all(&self, connection: &Connection) {
        let mut buffer = Vec::new();
        let mut state = self.lock();
        loop {
            while state.room.knows(connection.id) && state.room.is_drained(connection.id) {
                state = wait(&connection.to_write, state);
            }
            if !state.room.knows(connection.id) {
                return;
            }
            state.room.take(connection.id, &mut buffer, TAKE_LEN);
            if !state.room.is_behind() {
                self.turn(&mut state);
            }
            drop(state);
            let written = self.write(connection, &buffer);
            buffer = Vec::new();
            state = self.lock();
            match written {
                Ok(()) => state.room.delivered(connection.id),
                Err(error) => {
                    state.room.broken(Instant::now(), connection.id, socket::reason(&error));
                    self.turn(&mut state);
                }
            }
            // They may have heard their last word with this.
            while let Some(action) = state.room.poll_action() {
                self.act(&mut state, action);
            }
            if state.room.is_over() {
                self.clock.notify_all();
            }
        }
    }
    // ANCHOR_END: writer

    /// Writes all of it, however long it takes. Who takes longer than [`PATIENCE`] is blocked.
    fn write(&self, connection: &Connection, mut rest: &[u8]) -> io::Result<()> {
        let mut blocked = false;
        while !rest.is_empty() {
            match (&connection.stream).write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if !blocked && is_out_of_time(&error) => {}
                Err(error) => return Err(error),
            }
            // A part is written, too, when the time runs out. Who reads a little now and then has to
            // count as blocked, or all would talk at their pace.
            if !rest.is_empty() && !blocked {
                blocked = true;
                connection.stream.set_write_timeout(None)?;
                let mut state = self.lock();
                state.room.set_blocked(connection.id, true);
                self.turn(&mut state);
            }
        }
        if blocked {
            connection.stream.set_write_timeout(Some(PATIENCE))?;
            self.lock().room.set_blocked(connection.id, false);
        }
        Ok(())
    }
}

impl State {
    fn connection(&self, id: Id) -> Option<&Arc<Connection>> {
        self.connections.get(id.index())?.as_ref().filter(|connection| connection.id == id)
    }
}

/// Unix says `WouldBlock` when a timeout runs out, Windows `TimedOut`.
fn is_out_of_time(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition.wait(guard).unwrap_or_else(PoisonError::into_inner)
}
