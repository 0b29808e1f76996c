//! Role `server`, as an event loop: one thread for all. The system says which sockets are ready, and none
//! is ever waited for.
//!
//! ```text
//!            ┌──────────────── epoll_wait(2): sleep until something is ready ───────────────┐
//!            ▼                                                                              │
//!   accept ──▶ read, one shared buffer ──▶ room.work ──▶ one write for each who has ────────┘
//!                                              ▲             something, then settle │
//!                                              └────────────────────────────────────┘
//! ```
//!
//! mio's readiness comes in edges: it says once that a socket *has become* readable. So a socket that
//! is not read to its end is remembered as `readable`, and read again when the room listens to its
//! peer again, who may have said more than they may. What the system does not take, waits in the room until the socket has become writable.
//!
//! A connection costs its [`Session`](crate::session::Session) and a socket: no thread, no buffer.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::SockRef;

use crate::console::{self, Console, Inbox};
use crate::room::{Action, Id, Room};
use crate::socket::{self, Options};
use crate::stats::Stats;

const LISTENER: Token = Token(usize::MAX - 1);
const WAKER: Token = Token(usize::MAX - 2);

/// One buffer reads for all. That much may also wait in a session whose peer says more than they
/// may, ten thousand of them at once; so it is not larger.
const READ_LEN: usize = 16 << 10;

/// Pieces that one writev(2) takes together.
const PIECES_MAX: usize = 32;

/// Newcomers who are let in before those who are there have their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// How long the door stays shut when there are no descriptors, unless somebody leaves before.
const DOOR_SHUT: Duration = Duration::from_millis(500);

/// The loop and what it looks after.
pub struct Engine {
    poll: Poll,
    listener: mio::net::TcpListener,
    options: Options,
    connections: Vec<Option<Connection>>,
    room: Room,
    console: Console,
    inbox: Arc<Inbox>,
    grace: Duration,
    door: Door,
    /// Who is readable and listened to.
    to_read: Vec<Id>,
    readers: Vec<Id>,
    buffer: Box<[u8]>,
}

struct Connection {
    id: Id,
    stream: TcpStream,
    /// They may have sent something that is not read.
    readable: bool,
    /// The system takes no more until it says so.
    blocked: bool,
    /// They have closed their end, so a read that is short was not the last.
    ended: bool,
}

/// Whether newcomers wait, and whether they are let in.
#[derive(Default)]
struct Door {
    waiting: bool,
    shut_until: Option<Instant>,
}

impl Engine {
    /// Takes over a listener.
    ///
    /// # Errors
    /// When the system has no way to wait for many sockets.
    pub fn new(
        listener: TcpListener,
        options: Options,
        room: Room,
        console: Console,
        grace: Duration,
    ) -> anyhow::Result<Self> {
        let poll = Poll::new().context("cannot wait for sockets")?;
        listener.set_nonblocking(true)?;
        let mut listener = mio::net::TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let inbox = Inbox::new(move || {
            // It fails only where the poll itself is broken, and that is seen there.
            let _ = waker.wake();
        });
        Ok(Self {
            poll,
            listener,
            options,
            connections: Vec::new(),
            room,
            console,
            inbox,
            grace,
            door: Door::default(),
            to_read: Vec::new(),
            readers: Vec::new(),
            buffer: vec![0; READ_LEN].into(),
        })
    }

    /// Where commands are put.
    #[must_use]
    pub fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// Serves until it is stopped and everybody has gone.
    ///
    /// # Errors
    /// When the system can no longer wait for sockets.
    // ANCHOR: serve
    pub fn serve(mut self) -> anyhow::Result<Stats> {
        let mut events = Events::with_capacity(1024);
        while !self.room.is_over() {
            // 1. Sleep until something is ready, or somebody's time is up.
            let timeout = self.timeout(Instant::now());
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                waited => waited.context("cannot wait for sockets")?,
            }
            let now = Instant::now();
            // 2. Hear what happened.
            for event in &events {
                self.note_event(now, event);
            }
            self.hear_operator(now);
            self.accept(now);
            self.read_all(now);
            self.room.handle_timeout(now);
            // 3. Do what was asked, and write what came of it, in turns.
            self.work(now);
            // 4. See off who goes, hear the others, and let the operator see it.
            self.act();
            self.listen();
            console::show(&mut self.room, &mut self.console);
        }
        self.console.finish();
        Ok(*self.room.stats())
    }
    // ANCHOR_END: serve

    fn timeout(&self, now: Instant) -> Option<Duration> {
        if !self.to_read.is_empty() || (self.door.waiting && self.door.shut_until.is_none()) {
            return Some(Duration::ZERO);
        }
        let next = [self.room.poll_timeout(), self.door.shut_until].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(now))
    }

    fn note_event(&mut self, now: Instant, event: &mio::event::Event) {
        match event.token() {
            LISTENER => self.door.waiting = true,
            WAKER => {}
            Token(index) => {
                let Some(Some(connection)) = self.connections.get_mut(index) else { return };
                let id = connection.id;
                if event.is_error()
                    && let Ok(Some(error)) = connection.stream.take_error()
                {
                    self.room.broken(now, id, socket::reason(&error));
                    return;
                }
                connection.ended |= event.is_read_closed();
                if event.is_writable() && std::mem::take(&mut connection.blocked) {
                    self.room.set_blocked(id, false);
                    self.write(now, id);
                }
                // A flag and no search: ten thousand may be readable at once.
                if event.is_readable()
                    && let Some(connection) = known(&mut self.connections, id)
                    && !std::mem::replace(&mut connection.readable, true)
                {
                    self.to_read.push(id);
                }
            }
        }
    }

    fn hear_operator(&mut self, now: Instant) {
        for command in self.inbox.take() {
            console::obey(&mut self.room, &mut self.console, now, self.grace, command);
        }
    }

    // ANCHOR: accept
    fn accept(&mut self, now: Instant) {
        if self.door.shut_until.is_some_and(|until| until <= now) {
            self.door.shut_until = None;
        }
        if !self.door.waiting || self.door.shut_until.is_some() {
            return;
        }
        for _ in 0..ACCEPTS_PER_TURN {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    // Whoever has gone again by now has no options to be set.
                    let _ = self.welcome(now, stream, peer.ip());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.door.waiting = false;
                    return;
                }
                Err(error) if socket::concerns_one(&error) => {}
                Err(_) => {
                    // EMFILE, ENFILE, ENOBUFS, ENOMEM: to try again at once is to fail again, at
                    // full speed. Who waits at the door is let in when somebody leaves.
                    self.room.stats_mut().accept_failed += 1;
                    self.door.shut_until = Some(now + DOOR_SHUT);
                    return;
                }
            }
        }
    }
    // ANCHOR_END: accept

    fn welcome(
        &mut self,
        now: Instant,
        mut stream: TcpStream,
        from: std::net::IpAddr,
    ) -> io::Result<()> {
        self.options.apply(&SockRef::from(&stream))?;
        let id = match self.room.admit(now, from) {
            Ok(id) => id,
            // One attempt: nobody waits for somebody who is not let in.
            Err(refused) => return stream.write_all(refused.line()),
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut stream, Token(id.index()), interest);
        if self.connections.len() <= id.index() {
            self.connections.resize_with(id.index() + 1, || None);
        }
        if let Some(place) = self.connections.get_mut(id.index()) {
            *place = Some(Connection { id, stream, readable: false, blocked: false, ended: false });
        }
        if let Err(error) = registered {
            self.room.broken(now, id, socket::reason(&error));
        }
        Ok(())
    }

    fn read_all(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.to_read) {
            let readable = self.read(now, id);
            if let Some(connection) = known(&mut self.connections, id) {
                connection.readable = readable;
            }
        }
    }

    /// Reads once. Says whether there may be more, for when they are listened to again.
    fn read(&mut self, now: Instant, id: Id) -> bool {
        let Some(connection) = known(&mut self.connections, id) else { return false };
        if !self.room.wants_input(id) {
            return true;
        }
        match read(&mut connection.stream, &mut self.buffer) {
            Ok(0) => {
                self.room.end_of_input(id);
                false
            }
            Ok(read) => {
                self.room.feed(id, self.buffer.get_mut(..read).unwrap_or_default());
                // Less than was asked for is all that there was (epoll(7), question 9), unless the
                // end is still to come. Other systems want to hear "would block".
                let all = read < READ_LEN && !connection.ended && cfg!(target_os = "linux");
                !all
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => {
                self.room.broken(now, id, socket::reason(&error));
                false
            }
        }
    }

    // ANCHOR: work
    fn work(&mut self, now: Instant) {
        while self.room.has_work() || self.room.has_readers() {
            self.room.work(now);
            let mut readers = std::mem::take(&mut self.readers);
            self.room.poll_readers(&mut readers);
            for id in &readers {
                self.write(now, *id);
            }
            self.readers = readers;
            self.room.settle(now);
        }
    }

    /// Writes what waits for somebody: one call, if the system takes it all.
    fn write(&mut self, now: Instant, id: Id) {
        let Some(connection) = known(&mut self.connections, id) else { return };
        while !connection.blocked {
            let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
            let (mut count, mut len) = (0, 0);
            self.room.outgoing(id, |bytes| {
                let Some(piece) = pieces.get_mut(count) else { return false };
                *piece = IoSlice::new(bytes);
                (count, len) = (count + 1, len + bytes.len());
                true
            });
            let written = match pieces.get(..count).unwrap_or_default() {
                [] => return,
                [one] => connection.stream.write(one),
                many => connection.stream.write_vectored(many),
            };
            match written {
                Ok(written) => {
                    self.room.sent(id, written);
                    if written == len && count < PIECES_MAX {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.blocked = true;
                    self.room.set_blocked(id, true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.room.broken(now, id, socket::reason(&error)),
            }
        }
    }
    // ANCHOR_END: work

    /// Reads on, in the next round, from those who had to wait for that.
    fn listen(&mut self) {
        let mut listening = std::mem::take(&mut self.readers);
        self.room.poll_listening(&mut listening);
        for id in listening.drain(..) {
            if known(&mut self.connections, id).is_some_and(|connection| connection.readable) {
                self.to_read.push(id);
            }
        }
        self.readers = listening;
    }

    fn act(&mut self) {
        while let Some(action) = self.room.poll_action() {
            match action {
                Action::Shutdown(id) => {
                    if let Some(connection) = known(&mut self.connections, id) {
                        // It fails where the peer has gone, and then a read says so.
                        let _ = connection.stream.shutdown(Shutdown::Write);
                    }
                }
                Action::Close(id) | Action::Abort(id) => {
                    if known(&mut self.connections, id).is_some()
                        && let Some(place) = self.connections.get_mut(id.index())
                    {
                        *place = None;
                        self.door.shut_until = None;
                    }
                }
            }
        }
    }
}

fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

fn known(connections: &mut [Option<Connection>], id: Id) -> Option<&mut Connection> {
    connections.get_mut(id.index())?.as_mut().filter(|connection| connection.id == id)
}
