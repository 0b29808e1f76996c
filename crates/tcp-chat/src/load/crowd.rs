//! Ten thousand connections in one thread: connect them, let them in, read all that comes.
//!
//! ```text
//!  connect ──▶ writable: the name goes out ──▶ "* Hello, …" ──▶ in ──▶ lines ──▶ gone
//! ```
//!
//! The same readiness as in the server's engine, epoll(7) on Linux: the system says which sockets
//! have something, and only those cost anything. What one read brings is cut into lines where it
//! lies; only a line that a read ended in is kept.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};
use sticky_packets::decoder::Decode;
use sticky_packets::line::{Line, Lines};

use super::login::{Entry, Login, Progress};

/// All connections of the load.
pub struct Crowd {
    server: SocketAddr,
    login: Login,
    /// From how many addresses.
    sources: u8,
    poll: Poll,
    events: Events,
    people: Vec<Person>,
    /// Places whose connections were [left](Self::leave).
    free: Vec<usize>,
    /// Where reads go.
    room: Vec<u8>,
    /// How long nothing was to be done.
    idle: Duration,
}

/// What a person in the crowd notices.
#[derive(Debug)]
pub enum Heard<'a> {
    /// They are in.
    In,
    /// A line, without its line feed, and when it was read.
    Line(&'a [u8], Instant),
    /// The connection has ended, or could not be made; why.
    Gone(String),
}

struct Person {
    stream: Option<TcpStream>,
    /// What it takes to get in, until they are.
    entry: Option<Entry>,
    connected: bool,
    lines: Lines,
    /// What the socket has not taken yet.
    outgoing: Vec<u8>,
}

/// One read's worth.
const ROOM: usize = 64 << 10;
/// A server that sends more without a line feed is none of those that are measured here.
/// ncat's list of all who are there is one line.
const LINE_MAX: usize = 256 << 10;
const EVENTS: usize = 1024;
/// What a slow reader's socket takes: the least, so that the server notices soon.
const SLOW_BUFFER: usize = 4096;

/// Whether somebody reads what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// They read everything at once.
    Reads,
    /// They read until they are in, and from then on nothing.
    Slow,
}

impl Crowd {
    /// Nobody yet.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub fn new(server: SocketAddr, login: Login, sources: u8) -> io::Result<Self> {
        Ok(Self {
            server,
            login,
            sources,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            people: Vec::new(),
            free: Vec::new(),
            room: vec![0; ROOM],
            idle: Duration::ZERO,
        })
    }

    /// Begins a connection for somebody called `name`. Returns who they are.
    ///
    /// # Errors
    /// As socket(2), bind(2) and connect(2).
    pub fn connect(&mut self, name: &str, manner: Manner) -> io::Result<usize> {
        let who = self.free.pop().unwrap_or(self.people.len());
        let socket =
            Socket::new(Domain::for_address(self.server), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // A line must not wait until the last one is acknowledged (Nagle's algorithm, RFC 896).
        socket.set_tcp_nodelay(true)?;
        if manner == Manner::Slow {
            socket.set_recv_buffer_size(SLOW_BUFFER)?;
        }
        if let Some(source) = self.source(who) {
            socket.bind(&source.into())?;
        }
        match socket.connect(&self.server.into()) {
            Err(error) if !is_in_progress(&error) => return Err(error),
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(who), both)?;
        let entry = Entry::new(self.login);
        let gives_a_name = entry.gives_a_name();
        let mut person = Person::new(Some(stream), Some(entry));
        if gives_a_name {
            person.outgoing.extend_from_slice(name.as_bytes());
            person.outgoing.push(b'\n');
        }
        match self.people.get_mut(who) {
            Some(place) => *place = person,
            None => self.people.push(person),
        }
        Ok(who)
    }

    /// Addresses are dealt in turn; with one, the system chooses.
    fn source(&self, who: usize) -> Option<SocketAddr> {
        let number = u8::try_from(who % usize::from(self.sources.max(1))).ok()?;
        let ip = Ipv4Addr::new(127, 0, 0, number + 1);
        (self.sources > 1).then(|| SocketAddr::new(IpAddr::V4(ip), 0))
    }

    /// Waits until something happens, but not longer than `timeout`, and tells it.
    ///
    /// # Errors
    /// As poll(2).
    pub fn turn(
        &mut self,
        timeout: Duration,
        mut hear: impl FnMut(usize, Heard<'_>),
    ) -> io::Result<()> {
        let begin = Instant::now();
        self.wait(timeout)?;
        self.idle += begin.elapsed();
        for event in &self.events {
            let Token(who) = event.token();
            let Some(person) = self.people.get_mut(who) else { continue };
            if event.is_writable() || event.is_error() {
                person.writable(|heard| hear(who, heard));
            }
            if event.is_readable() || event.is_read_closed() {
                // Behind what is read lies the end, and nothing tells of it a second time.
                let to_the_end = event.is_read_closed() || event.is_error();
                person.readable(&mut self.room, to_the_end, |heard| hear(who, heard));
            }
        }
        Ok(())
    }

    /// epoll_wait(2), which mio calls, counts in milliseconds, and a line that is due may not wait
    /// for the next one: so ppoll(2) waits, and mio only asks.
    #[cfg(unix)]
    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let timeout = Timespec::try_from(timeout).ok();
        if timeout.is_some_and(|timeout| timeout.tv_sec > 0 || timeout.tv_nsec > 0) {
            match poll(&mut [PollFd::new(self.poll.registry(), PollFlags::IN)], timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        interrupted_is_fine(self.poll.poll(&mut self.events, Some(Duration::ZERO)))
    }

    #[cfg(not(unix))]
    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        interrupted_is_fine(self.poll.poll(&mut self.events, Some(timeout)))
    }

    /// `who` says `lines`. What the socket does not take now goes as soon as it can.
    pub fn say(&mut self, who: usize, lines: &[u8]) {
        let Some(person) = self.people.get_mut(who) else { return };
        person.outgoing.extend_from_slice(lines);
        // That it is broken is told by the read that follows.
        let _ = person.flush();
    }

    /// Whether the server has taken all that `who` has said.
    #[must_use]
    pub fn is_heard_out(&self, who: usize) -> bool {
        self.people.get(who).is_none_or(|person| person.outgoing.is_empty())
    }

    /// `who` says nothing more, and still reads.
    pub fn finish(&mut self, who: usize) {
        if let Some(stream) = self.people.get(who).and_then(|person| person.stream.as_ref()) {
            // It has ended already, then.
            let _ = stream.shutdown(Shutdown::Write);
        }
    }

    /// `who` is asked no more whether anything has come.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn ignore(&mut self, who: usize) -> io::Result<()> {
        match self.people.get_mut(who).and_then(|person| person.stream.as_mut()) {
            Some(stream) => self.poll.registry().deregister(stream),
            None => Ok(()),
        }
    }

    /// Whether the server has ended the connection of `who`, whom nobody asked for a while: reads
    /// what is there, and looks whether an end comes behind it.
    #[must_use]
    pub fn was_closed(&mut self, who: usize) -> bool {
        let Some(person) = self.people.get_mut(who) else { return true };
        let Some(stream) = person.stream.as_mut() else { return true };
        loop {
            match stream.read(&mut self.room) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }

    /// Closes the connection of `who`; their place is free for another.
    pub fn leave(&mut self, who: usize) {
        if let Some(person) = self.people.get_mut(who) {
            *person = Person::gone();
            self.free.push(who);
        }
    }

    /// How many places there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether there was never anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// How long there was nothing to do, so far.
    #[must_use]
    pub fn idle(&self) -> Duration {
        self.idle
    }
}

impl Person {
    fn new(stream: Option<TcpStream>, entry: Option<Entry>) -> Self {
        let lines = Lines::new(Line::new(), LINE_MAX);
        Self { stream, entry, connected: false, lines, outgoing: Vec::new() }
    }

    fn gone() -> Self {
        Self::new(None, None)
    }

    fn writable(&mut self, mut hear: impl FnMut(Heard<'_>)) {
        let Some(stream) = &self.stream else { return };
        if !self.connected {
            // Writable is what a socket is when connect(2) has ended, one way or the other.
            match stream.take_error().and_then(|error| error.map_or(Ok(()), Err)) {
                Err(error) => return self.end(&cli::failure::describe(&error), hear),
                Ok(()) if stream.peer_addr().is_err() => return,
                Ok(()) => self.connected = true,
            }
            if self.entry.as_ref().is_some_and(|entry| entry.connected() == Progress::In) {
                self.entry = None;
                hear(Heard::In);
            }
        }
        // That it is broken is told by the read that follows.
        let _ = self.flush();
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(stream) = self.stream.as_mut().filter(|_| self.connected) else { return Ok(()) };
        while !self.outgoing.is_empty() {
            match stream.write(&self.outgoing) {
                Ok(len) => drop(self.outgoing.drain(..len)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        // Ten thousand names that were said take room for nothing.
        if self.outgoing.capacity() > 0 && self.entry.is_some() {
            self.outgoing = Vec::new();
        }
        Ok(())
    }

    fn readable(&mut self, room: &mut [u8], to_the_end: bool, mut hear: impl FnMut(Heard<'_>)) {
        loop {
            let Some(stream) = &mut self.stream else { return };
            let result = stream.read(room);
            let at = Instant::now();
            match result {
                Ok(0) => {
                    let why = match self.entry.as_ref().map(Entry::last) {
                        Some(last) if !last.is_empty() => {
                            format!("the server has closed it: {last}")
                        }
                        _ => "the server has closed it".to_owned(),
                    };
                    return self.end(&why, hear);
                }
                Ok(len) => {
                    let Some(bytes) = room.get(..len) else { return };
                    self.take(bytes, at, &mut hear);
                    // Less than there was room for is all there is (epoll(7), questions and
                    // answers, 9); what comes later is told anew.
                    if cfg!(unix) && len < room.len() && !to_the_end {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.end(&cli::failure::describe(&error), hear),
            }
        }
    }

    /// Cuts `bytes` into lines.
    fn take(&mut self, mut bytes: &[u8], at: Instant, mut hear: impl FnMut(Heard<'_>)) {
        let mut ended = None;
        while ended.is_none() {
            let line = match self.lines.next_in(&mut bytes) {
                Ok(Some(frame)) => frame.bytes(),
                Ok(None) => break,
                Err(error) => {
                    ended = Some(format!("what the server sends is no line: {error}"));
                    break;
                }
            };
            match self.entry.as_mut().map(|entry| entry.heard(line)) {
                None => hear(Heard::Line(line, at)),
                Some(Progress::Waiting) => {}
                Some(Progress::In) => {
                    self.entry = None;
                    hear(Heard::In);
                }
                Some(Progress::Refused(why)) => {
                    ended = Some(format!("the server does not take the name: {why}"));
                }
            }
        }
        // Ten thousand that hear nothing share the one buffer that is read into.
        self.lines.release();
        if let Some(why) = ended {
            self.end(&why, hear);
        }
    }

    fn end(&mut self, why: &str, mut hear: impl FnMut(Heard<'_>)) {
        *self = Self::gone();
        hear(Heard::Gone(why.to_owned()));
    }
}

fn interrupted_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        other => other,
    }
}

/// Unix says EINPROGRESS, which std has no stable kind for, Windows `WouldBlock`.
fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) {
        return true;
    }
    error.kind() == ErrorKind::WouldBlock
}
