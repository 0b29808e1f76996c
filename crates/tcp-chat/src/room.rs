//! State machine: who is where, and who is to hear what. No socket, no clock.
//!
//! ```text
//!                 admit, feed, end_of_input, broken, handle_timeout
//!                                    │
//!                                    ▼
//!   ┌─ Room ──────────────────────────────────────────────────────┐
//!   │  sessions ── work: one request of each in turn              │
//!   │     │                    │                                  │
//!   │     │ own answers        │ said to all                      │
//!   │     ▼                    ▼                                  │
//!   │  queue queue queue ──▶  log     names   history   deadlines │
//!   └─────┬───────────────────────────────────────────────────────┘
//!         ▼
//!   outgoing, sent, settle      poll_action      poll_line      poll_timeout
//! ```
//!
//! An engine has sockets and a clock. In every round it
//!
//! 1. hands over what happened: `admit`, `feed`, `end_of_input`, `broken`, `set_blocked`;
//! 2. tells the time: `handle_timeout`;
//! 3. until nothing is left: `work`, then writes what is [`outgoing`](Room::outgoing) for
//!    those who have something, says how much was `sent`, and then `settle`s;
//! 4. does what `poll_action` asks for, shows `poll_line`, and reads again from whom
//!    `poll_listening` names;
//! 5. asks `poll_timeout` how long it may sleep.
//!
//! An engine that writes without the room at hand `take`s instead, and says what was `delivered`;
//! it settles when nobody is left to take ([`is_behind`](Room::is_behind)).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::history::History;
use crate::log::Log;
use crate::name::{Folded, Name, OPERATOR};
use crate::policy::{LINE_LEN_MAX, Network, PARTING, Policy, Slow, WHO_NAMES_MAX};
use crate::session::{InHand, Request, Session, Stage};
use crate::stats::{Reason, Stats};

/// After so many bytes the engine has to write before more is taken in: what waits for those who
/// *do* read must never look like the queue of somebody who does not.
const UNWRITTEN_MAX: u64 = 32 << 10;

/// The same in lines.
const UNWRITTEN_LINES_MAX: u64 = 256;

/// What the log's memory shrinks to when it is over with slow readers.
const LOG_LEN_KEPT: usize = 128 << 10;

/// Lines for the operator that nobody has taken. More are not kept: a room does not wait for its
/// window.
const LINES_SHOWN_MAX: usize = 1024;

const QUESTION: &[u8] = b"* What is your name?\n";

const HELP: &[u8] =
    b"* /nick NAME: another name. /msg NAME TEXT: only they hear it. /who: who is here.\n\
* /history: what was said. /quit: good-bye. //TEXT: says /TEXT. All else is said to everybody.\n";

/// A connection. Its index is used again after it, its generation is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    index: u32,
    generation: u32,
}

impl Id {
    /// The first at this index.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self { index, generation: 0 }
    }

    /// A small number, which no other connection has at the same time.
    #[must_use]
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// Why somebody cannot come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// As many are connected as may be.
    Full,
    /// As many from this address.
    Address,
}

impl Refused {
    /// What to tell them, as a line.
    #[must_use]
    pub fn line(self) -> &'static [u8] {
        match self {
            Self::Full => b"* Sorry, the room is full. Try again later.\n",
            Self::Address => b"* Sorry, too many connections from your address.\n",
        }
    }
}

/// What an engine has to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// All is said to them: shutdown(2) for writing, and wait for their end.
    Shutdown(Id),
    /// close(2): both sides have said and heard all. The room has forgotten it.
    Close(Id),
    /// The same at once, whatever is still on its way.
    Abort(Id),
}

/// Who is in, and what they say.
pub struct Room {
    policy: Policy,
    slots: Vec<Slot>,
    free: Vec<u32>,
    names: HashMap<Folded, Id>,
    addresses: HashMap<Network, usize>,
    log: Log,
    history: History,
    /// Sessions that may have a request, in the order in which they are asked.
    ready: VecDeque<Id>,
    /// Sessions for which something of their own was added.
    touched: Vec<Id>,
    /// Where the log ended when the engine last asked for whom there is something to write.
    announced: u64,
    /// Sessions that are listened to again.
    listening: Vec<Id>,
    /// How many sessions have yet to take what they had to when the room last settled.
    behind: usize,
    timers: BTreeSet<(Instant, Id)>,
    actions: VecDeque<Action>,
    shown: VecDeque<String>,
    shown_lost: u64,
    unwritten: Unwritten,
    stopping: bool,
    stats: Stats,
}

struct Slot {
    generation: u32,
    session: Option<Session>,
}

/// What a line is that everybody hears.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Somebody has said it.
    Talk,
    /// Somebody comes or goes.
    Going,
}

/// What has been added since the engine last wrote.
#[derive(Clone, Copy, Debug, Default)]
struct Unwritten {
    /// The end and the next line of the log then.
    end: u64,
    next: u64,
    own: u64,
}

impl Room {
    /// An empty one.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            slots: Vec::new(),
            free: Vec::new(),
            names: HashMap::new(),
            addresses: HashMap::new(),
            log: Log::default(),
            history: History::default(),
            ready: VecDeque::new(),
            touched: Vec::new(),
            announced: 0,
            listening: Vec::new(),
            behind: 0,
            timers: BTreeSet::new(),
            actions: VecDeque::new(),
            shown: VecDeque::new(),
            shown_lost: 0,
            unwritten: Unwritten::default(),
            stopping: false,
            stats: Stats::default(),
        }
    }

    // ── What happened ──────────────────────────────────────────────────────────────────────────

    /// Somebody has connected.
    ///
    /// # Errors
    /// When they cannot come in: tell them [`Refused::line`], and close.
    pub fn admit(&mut self, now: Instant, address: IpAddr) -> Result<Id, Refused> {
        self.stats.accepted += 1;
        let connected = self.slots.len() - self.free.len();
        if self.stopping || self.policy.clients.is_some_and(|most| connected >= most) {
            self.stats.refused_full += 1;
            return Err(Refused::Full);
        }
        let network = Network::from(address);
        let from_there = self.addresses.entry(network).or_default();
        if self.policy.per_address.is_some_and(|most| *from_there >= most) {
            self.stats.refused_address += 1;
            return Err(Refused::Address);
        }
        *from_there += 1;
        let id = self.seat(Session::new(now, network));
        self.stats.connections += 1;
        self.stats.connections_max = self.stats.connections_max.max(self.stats.connections);
        self.tell(id, QUESTION);
        self.arm(id);
        Ok(id)
    }

    /// These bytes were read. They may be changed on the way.
    pub fn feed(&mut self, id: Id, bytes: &mut [u8]) {
        self.stats.reads += 1;
        self.stats.bytes_in += bytes.len() as u64;
        if let Some(session) = self.session_mut(id) {
            session.feed(bytes);
            self.enqueue(id);
        }
    }

    /// They have closed their end, and may still listen.
    pub fn end_of_input(&mut self, id: Id) {
        let Some(session) = self.session_mut(id) else { return };
        session.end_of_input();
        if session.is_parting() {
            // All is said on both sides; unless something still waits.
            self.look_at_parting(id);
        } else {
            self.enqueue(id);
        }
    }

    /// The connection is gone: nothing more can be said or heard.
    pub fn broken(&mut self, now: Instant, id: Id, reason: Reason) {
        self.part(id, reason, now);
        self.forget(id, Action::Abort(id));
    }

    /// Whether the system takes nothing more for them at the moment. Only who is blocked can be
    /// too slow.
    pub fn set_blocked(&mut self, id: Id, blocked: bool) {
        let Self { slots, behind, .. } = self;
        if let Some(session) = lookup_mut(slots, id) {
            session.blocked = blocked;
            catch_up(session, behind);
        }
    }

    /// The clock has moved.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, id)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            let Some(session) = self.session_mut(id) else { continue };
            session.armed = None;
            session.handle_timeout(now);
            if let Stage::Parting(until) = session.stage
                && until <= now
            {
                self.forget(id, Action::Abort(id));
                continue;
            }
            // What is due is done by `work`, which also sets the next deadline.
            self.enqueue(id);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The operator speaks. Says whether that is short enough for a line.
    pub fn operator_says(&mut self, text: &str) -> bool {
        let line = format!("* {OPERATOR}: {}\n", cli::escape(text.as_bytes()));
        let fits = line.len() <= LINE_LEN_MAX + 1;
        if fits && !text.trim().is_empty() {
            self.announce(None, &line, Kind::Talk);
        }
        fits
    }

    /// The operator throws somebody out. Says whether there was somebody of that name.
    pub fn kick(&mut self, now: Instant, name: &str) -> bool {
        let id = self.find(name);
        if let Some(id) = id {
            self.dismiss(now, id, Reason::Kicked);
        }
        id.is_some()
    }

    /// Everybody is told, and may hear what waits for them for so long.
    pub fn stop(&mut self, now: Instant, grace: Duration) {
        self.stopping = true;
        let all: Vec<Id> = self.ids().collect();
        for id in all {
            if self.session(id).is_some_and(|session| !session.is_parting()) {
                self.tell(id, b"* Good-bye: the server is stopping\n");
            }
            self.part(id, Reason::Stopping, now + grace);
            self.look_at_parting(id);
        }
    }

    // ── What to do ─────────────────────────────────────────────────────────────────────────────

    /// Does what people have asked for, one request of each in turn, until nobody asks or the
    /// engine has to write first.
    pub fn work(&mut self, now: Instant) {
        while !self.must_write() {
            let Some(id) = self.ready.pop_front() else { return };
            let Self { policy, slots, .. } = self;
            let Some(session) = lookup_mut(slots, id) else { continue };
            session.queued = false;
            let request = session.poll_request(now, policy);
            let overdue = session.overdue(now, policy);
            match (request, overdue) {
                (Some(request), _) => {
                    self.count(&request);
                    self.enqueue(id);
                    self.obey(now, id, request);
                }
                (None, Some(reason)) => self.dismiss(now, id, reason),
                (None, None) => {}
            }
            self.arm(id);
            if self.wants_input(id) {
                self.listening.push(id);
            }
        }
    }

    /// Who is listened to again, after what they had said was done or their pause was over.
    pub fn poll_listening(&mut self, listening: &mut Vec<Id>) {
        listening.clear();
        listening.append(&mut self.listening);
    }

    /// Whether [`work`](Self::work) has something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether the engine has to write before it hands over more.
    #[must_use]
    pub fn must_write(&self) -> bool {
        let Unwritten { end, next, own } = self.unwritten;
        self.log.end() - end + own >= UNWRITTEN_MAX || self.log.next() - next >= UNWRITTEN_LINES_MAX
    }

    /// For whom there is something new to write: those who were told something, or everybody.
    pub fn poll_readers(&mut self, readers: &mut Vec<Id>) {
        readers.clear();
        if self.log.end() == self.announced {
            readers.append(&mut self.touched);
        } else {
            self.touched.clear();
            self.announced = self.log.end();
            readers.extend(self.ids());
        }
    }

    /// Whether [`poll_readers`](Self::poll_readers) has somebody to tell.
    #[must_use]
    pub fn has_readers(&self) -> bool {
        !self.touched.is_empty() || self.log.end() != self.announced
    }

    /// Whether somebody who reads has yet to [`take`](Self::take) what waited when the room last
    /// settled. Until then there is nothing to settle: the look at everybody that this costs is
    /// had once for all takers, and not once for each.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.behind > 0
    }

    /// Hands over what waits for somebody, piece by piece, until `each` has enough.
    pub fn outgoing<'a>(&'a self, id: Id, each: impl FnMut(&'a [u8]) -> bool) {
        if let Some(session) = self.session(id) {
            session.queue.for_each_piece(&self.log, each);
        }
    }

    /// A system call has written so many of these bytes.
    pub fn sent(&mut self, id: Id, sent: usize) {
        self.stats.writes += 1;
        self.stats.bytes_out += sent as u64;
        let Self { log, slots, stats, .. } = self;
        if let Some(session) = lookup_mut(slots, id) {
            stats.lines_out += session.queue.sent(log, sent);
            if session.is_parting() {
                self.look_at_parting(id);
            }
        }
    }

    /// Moves what waits for somebody into a buffer, `limit` bytes at most: for an
    /// engine that cannot hold on to the room while it writes. Nobody has gone before what they
    /// were to hear is [`delivered`](Self::delivered).
    pub fn take(&mut self, id: Id, buffer: &mut Vec<u8>, limit: usize) {
        buffer.clear();
        self.outgoing(id, |bytes| {
            let room = limit.saturating_sub(buffer.len());
            buffer.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            room > bytes.len()
        });
        let Self { log, slots, behind, .. } = self;
        if let Some(session) = lookup_mut(slots, id) {
            let lines = session.queue.sent(log, buffer.len());
            session.in_hand = Some(InHand { bytes: buffer.len() as u64, lines });
            catch_up(session, behind);
        }
    }

    /// What was taken for somebody is written.
    pub fn delivered(&mut self, id: Id) {
        let Some(session) = lookup_mut(&mut self.slots, id) else { return };
        let Some(InHand { bytes, lines }) = session.in_hand.take() else { return };
        let is_parting = session.is_parting();
        self.stats.writes += 1;
        self.stats.bytes_out += bytes;
        self.stats.lines_out += lines;
        if is_parting {
            self.look_at_parting(id);
        }
    }

    /// Whether the connection is one of the room's.
    #[must_use]
    pub fn knows(&self, id: Id) -> bool {
        self.session(id).is_some()
    }

    /// Whether nothing waits for somebody.
    #[must_use]
    pub fn is_drained(&self, id: Id) -> bool {
        self.session(id).is_none_or(|session| session.queue.is_empty(&self.log))
    }

    /// Whether to read from somebody: not while they say more than they may.
    #[must_use]
    pub fn wants_input(&self, id: Id) -> bool {
        self.session(id).is_some_and(Session::wants_input)
    }

    /// The engine has written what could be written. Judges who does not read, and forgets what
    /// everybody has.
    pub fn settle(&mut self, now: Instant) {
        let (mut slow, mut own, mut behind) = (Vec::new(), 0, 0);
        let mut needed = self.log.end();
        let mut written = self.log.end();
        for (index, slot) in (0..).zip(&mut self.slots) {
            let id = Id { index, generation: slot.generation };
            let Some(session) = &mut slot.session else { continue };
            session.queue.skip_said(&self.log);
            let first = session.queue.needs().unwrap_or(u64::MAX);
            needed = needed.min(first);
            if session.blocked {
                let (len, lines) = (session.queue.len(&self.log), session.queue.lines(&self.log));
                self.stats.queue_max = self.stats.queue_max.max(len);
                if is_too_much(&self.policy, len, lines) {
                    slow.push(id);
                }
            } else {
                written = written.min(first);
                own += session.queue.own_len();
            }
            session.behind =
                !session.blocked && (first < self.log.end() || session.queue.own_len() > 0);
            behind += usize::from(session.behind);
        }
        self.behind = behind;
        self.stats.log_max = self.stats.log_max.max(self.log.len() as u64);
        self.log.forget(needed);
        self.log.shrink(LOG_LEN_KEPT);
        self.unwritten = Unwritten { end: written, next: self.log.line_at(written), own };
        for id in slow {
            self.too_slow(now, id);
        }
    }

    /// Whether the operator has something to see.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        !self.shown.is_empty()
    }

    /// What the engine has to do with a connection next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next line that the room has heard, for the operator.
    pub fn poll_line(&mut self) -> Option<String> {
        if self.shown.is_empty() && self.shown_lost > 0 {
            let lost = std::mem::take(&mut self.shown_lost);
            return Some(format!(
                "* {} not shown",
                cli::count(usize::try_from(lost).unwrap_or(usize::MAX), "line")
            ));
        }
        self.shown.pop_front()
    }

    /// Whether it is stopped, and everybody has gone.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stopping && self.slots.len() == self.free.len()
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// What engines count.
    pub fn stats_mut(&mut self) -> &mut Stats {
        &mut self.stats
    }

    // ── Requests ───────────────────────────────────────────────────────────────────────────────

    fn count(&mut self, request: &Request) {
        match request {
            Request::TooLong => self.stats.too_long += 1,
            Request::NotUtf8 => self.stats.not_utf8 += 1,
            Request::End | Request::Flood => return,
            Request::Warn => {
                self.stats.throttled += 1;
                return;
            }
            _ => {}
        }
        self.stats.lines_in += 1;
    }

    fn obey(&mut self, now: Instant, id: Id, request: Request) {
        match request {
            Request::Name(name) => self.name(id, &name),
            Request::Say(text) => self.say(id, &text),
            Request::Tell(to, text) => self.whisper(id, &to, &text),
            Request::Who => self.who(id),
            Request::History => self.tell_history(id),
            Request::Help => self.tell(id, HELP),
            Request::Quit => self.dismiss(now, id, Reason::Quit),
            Request::Unclear(form) if form.is_empty() => {
                self.tell(id, b"* There is no such command; /help lists them\n");
            }
            Request::Unclear(form) => self.tell(id, format!("* Write it so: {form}\n").as_bytes()),
            Request::TooLong => self.tell(
                id,
                format!("* That line is too long and was not said: {LINE_LEN_MAX} bytes at most\n")
                    .as_bytes(),
            ),
            Request::NotUtf8 => self.tell(id, b"* That line is not UTF-8 and was not said\n"),
            Request::End => self.part(id, Reason::Closed, now + PARTING),
            Request::Warn => self.tell(id, b"* Slowly, please: you say more than you may\n"),
            Request::Flood => self.dismiss(now, id, Reason::Flooding),
        }
    }

    fn name(&mut self, id: Id, wanted: &str) {
        let refusal = match wanted.parse::<Name>() {
            Err(error) => format!("* Not that one: {error}\n"),
            Ok(name) => match self.names.get(&name.folded()) {
                Some(owner) if *owner != id => format!("* {name} is here already\n"),
                _ => return self.take_name(id, &name),
            },
        };
        self.tell(id, refusal.as_bytes());
        if matches!(self.session(id), Some(Session { stage: Stage::Naming, .. })) {
            self.tell(id, QUESTION);
        }
    }

    fn take_name(&mut self, id: Id, name: &Name) {
        let here = self.names.len();
        let Some(session) = lookup_mut(&mut self.slots, id) else { return };
        let before = std::mem::replace(&mut session.stage, Stage::Talking(name.clone()));
        match before {
            Stage::Parting(_) => session.stage = before,
            Stage::Talking(old) => {
                self.names.remove(&old.folded());
                self.names.insert(name.folded(), id);
                self.announce(None, &format!("* {old} is now {name}\n"), Kind::Going);
            }
            Stage::Naming => {
                session.queue.join(id, &self.log);
                self.names.insert(name.folded(), id);
                let others = match here {
                    0 => "Nobody else is here".to_owned(),
                    1 => "One other is here".to_owned(),
                    n => format!("{n} others are here"),
                };
                let hello = format!("* Hello, {name}. {others}; /help says what can be typed\n");
                self.tell(id, hello.as_bytes());
                if self.history.count() > 0 {
                    self.tell_history(id);
                }
                self.announce(Some(id), &format!("* {name} joined\n"), Kind::Going);
            }
        }
    }

    fn say(&mut self, id: Id, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let Some(name) = self.name_of(id) else { return };
        let line = format!("{name}: {text}\n");
        if line.len() > LINE_LEN_MAX + 1 {
            let told = format!(
                "* That makes {} bytes with your name and with what had to be escaped, and was not \
                 said: {LINE_LEN_MAX} at most\n",
                line.len() - 1
            );
            return self.tell(id, told.as_bytes());
        }
        let author = (!self.policy.echo).then_some(id);
        self.announce(author, &line, Kind::Talk);
    }

    fn whisper(&mut self, id: Id, to: &str, text: &str) {
        let Some(name) = self.name_of(id).cloned() else { return };
        let Some((to, other)) = self.find(to).and_then(|id| Some((id, self.name_of(id)?.clone())))
        else {
            return self.tell(id, b"* Nobody here has that name; /who lists who is here\n");
        };
        let line = format!("* {name} to you: {text}\n");
        if line.len() > LINE_LEN_MAX + 1 {
            return self.obey_too_long(id);
        }
        self.tell(to, line.as_bytes());
        if to != id {
            self.tell(id, format!("* You told {other}\n").as_bytes());
        }
    }

    fn obey_too_long(&mut self, id: Id) {
        self.tell(id, b"* That line is too long with your name before it, and was not said\n");
    }

    fn who(&mut self, id: Id) {
        let here = self.names.len();
        let mut answer = format!("* {here} here:");
        let mut line_len = answer.len();
        let mut names: Vec<&str> = self
            .ids()
            .filter_map(|id| Some(self.name_of(id)?.as_str()))
            .take(WHO_NAMES_MAX)
            .collect();
        names.sort_unstable();
        for (number, name) in names.iter().enumerate() {
            if line_len + name.len() > 1000 {
                answer.push_str("\n*  ");
                line_len = 4;
            }
            answer.push_str(if number == 0 || line_len == 4 { " " } else { ", " });
            answer.push_str(name);
            line_len += name.len() + 2;
        }
        if here > WHO_NAMES_MAX {
            answer.push_str(&format!(" and {} more", here - WHO_NAMES_MAX));
        }
        answer.push('\n');
        self.tell(id, answer.as_bytes());
    }

    fn tell_history(&mut self, id: Id) {
        let count = self.history.count();
        let mut told = match count {
            0 => b"* Nothing was said yet\n".to_vec(),
            1 => b"* The last line that was said:\n".to_vec(),
            n => format!("* The last {n} lines that were said:\n").into_bytes(),
        };
        if count > 0 {
            told.extend_from_slice(&self.history.bytes());
            told.extend_from_slice(b"* That was the history\n");
        }
        self.tell(id, &told);
    }

    // ── Saying and hearing ─────────────────────────────────────────────────────────────────────

    /// Says a line to everybody in the room but `author`.
    fn announce(&mut self, author: Option<Id>, line: &str, kind: Kind) {
        let here = self.names.len();
        let is_told = match kind {
            Kind::Talk => here > 0,
            Kind::Going => here > 0 && self.policy.notices.is_none_or(|most| here <= most),
        };
        if is_told {
            self.log.append(author, line.as_bytes());
        }
        if kind == Kind::Talk {
            let lines = self.policy.history_lines.unwrap_or(0);
            self.history.keep(line.as_bytes(), lines);
        }
        if is_told && let Some(session) = author.and_then(|id| lookup_mut(&mut self.slots, id)) {
            session.queue.said(&self.log);
        }
        if self.policy.shown {
            if self.shown.len() < LINES_SHOWN_MAX {
                self.shown.push_back(line.trim_end_matches('\n').to_owned());
            } else {
                self.shown_lost += 1;
            }
        }
    }

    /// Says lines to one.
    fn tell(&mut self, id: Id, lines: &[u8]) {
        let Self { log, slots, .. } = self;
        if let Some(session) = lookup_mut(slots, id) {
            session.queue.push(lines, log);
            self.unwritten.own += lines.len() as u64;
            self.touched.push(id);
        }
    }

    fn too_slow(&mut self, now: Instant, id: Id) {
        let Self { log, slots, .. } = self;
        let Some(session) = lookup_mut(slots, id) else { return };
        let before = session.missed;
        let (lost, untold) = session.queue.drop_all(log);
        self.stats.dropped += lost;
        if session.is_parting() {
            return;
        }
        match self.policy.slow {
            Slow::Drop => {
                session.missed = lost + if untold { before } else { 0 };
                let missed = usize::try_from(session.missed).unwrap_or(usize::MAX);
                let missed = cli::count(missed, "line");
                let gap = format!("* You read too slowly: {missed} lost here\n");
                session.queue.push_gap(gap.as_bytes(), log);
            }
            Slow::Disconnect => self.dismiss(now, id, Reason::TooSlow),
        }
    }

    // ── Coming and going ───────────────────────────────────────────────────────────────────────

    fn seat(&mut self, session: Session) -> Id {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.session = Some(session);
            return Id { index, generation: slot.generation };
        }
        let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot { generation: 0, session: Some(session) });
        Id { index, generation: 0 }
    }

    /// Somebody has to go, and hears why.
    fn dismiss(&mut self, now: Instant, id: Id, reason: Reason) {
        if self.session(id).is_some_and(|session| !session.is_parting()) {
            self.tell(id, format!("* Good-bye: {reason}\n").as_bytes());
            self.part(id, reason, now + PARTING);
        }
    }

    /// Somebody is no longer in the room. What waits for them they may hear until then. The name
    /// is free from here on, even if the connection takes its time to die.
    fn part(&mut self, id: Id, reason: Reason, until: Instant) {
        let Self { log, slots, .. } = self;
        let Some(session) = lookup_mut(slots, id).filter(|session| !session.is_parting()) else {
            return;
        };
        session.queue.leave(log);
        let before = std::mem::replace(&mut session.stage, Stage::Parting(until));
        self.stats.end(reason);
        if let Stage::Talking(name) = before {
            // Never by name alone: a newcomer may have it by then, and would be lost.
            if self.names.get(&name.folded()) == Some(&id) {
                self.names.remove(&name.folded());
            }
            if reason != Reason::Stopping {
                self.announce(None, &format!("* {name} left: {reason}\n"), Kind::Going);
            }
        }
        self.touched.push(id);
        self.look_at_parting(id);
        self.arm(id);
    }

    /// Somebody on their way out has heard all, or has closed their end.
    fn look_at_parting(&mut self, id: Id) {
        let Some(session) = self.session(id) else { return };
        if session.in_hand.is_some() || !session.queue.is_empty(&self.log) {
            return;
        }
        if session.is_open() && !self.stopping {
            // They may still be sending: a close now would be a reset, and reach them before what
            // they were told (RFC 1122, 4.2.2.13). A server that stops does not wait for people who
            // have no reason to close their end.
            self.actions.push_back(Action::Shutdown(id));
        } else {
            self.forget(id, Action::Close(id));
        }
    }

    /// Forgets a connection.
    fn forget(&mut self, id: Id, action: Action) {
        let Some(slot) = self.slots.get_mut(id.index()) else { return };
        if slot.generation != id.generation {
            return;
        }
        let Some(mut session) = slot.session.take() else { return };
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        self.stats.connections -= 1;
        self.behind -= usize::from(std::mem::take(&mut session.behind));
        let in_hand = session.in_hand.map_or(0, |in_hand| in_hand.lines);
        self.stats.undelivered += session.queue.lines(&self.log) + in_hand;
        if let Some(at) = session.armed {
            self.timers.remove(&(at, id));
        }
        if let Some(count) = self.addresses.get_mut(&session.network) {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&session.network);
            }
        }
        self.actions.push_back(action);
    }

    // ── Who is where ───────────────────────────────────────────────────────────────────────────

    fn ids(&self) -> impl Iterator<Item = Id> {
        (0..self.slots.len()).filter_map(|index| Some(seat(&self.slots, index)?.0))
    }

    fn session(&self, id: Id) -> Option<&Session> {
        lookup(&self.slots, id)
    }

    fn session_mut(&mut self, id: Id) -> Option<&mut Session> {
        lookup_mut(&mut self.slots, id)
    }

    fn name_of(&self, id: Id) -> Option<&Name> {
        match &self.session(id)?.stage {
            Stage::Talking(name) => Some(name),
            _ => None,
        }
    }

    fn find(&self, name: &str) -> Option<Id> {
        self.names.get(&name.parse::<Name>().ok()?.folded()).copied()
    }

    fn enqueue(&mut self, id: Id) {
        let Self { slots, ready, .. } = self;
        if let Some(session) = lookup_mut(slots, id)
            && !std::mem::replace(&mut session.queued, true)
        {
            ready.push_back(id);
        }
    }

    /// Sees to it that the clock runs out for somebody no later than it should. It may run out
    /// earlier: most deadlines move on with every line, and a timer that moved with them would cost
    /// more than the look at the time that it saves.
    fn arm(&mut self, id: Id) {
        let Self { policy, slots, timers, .. } = self;
        let Some(session) = lookup_mut(slots, id) else { return };
        let Some(deadline) = session.deadline(policy) else { return };
        if let Some(armed) = session.armed {
            if armed <= deadline {
                return;
            }
            timers.remove(&(armed, id));
        }
        session.armed = Some(deadline);
        timers.insert((deadline, id));
    }
}

/// Counts somebody who is done with what waited for them, or does not read, among those who are
/// not waited for.
fn catch_up(session: &mut Session, behind: &mut usize) {
    *behind -= usize::from(std::mem::take(&mut session.behind));
}

fn is_too_much(policy: &Policy, len: u64, lines: u64) -> bool {
    policy.queue_bytes.is_some_and(|most| len > most as u64)
        || policy.queue_lines.is_some_and(|most| lines > most)
}

fn seat(slots: &[Slot], index: usize) -> Option<(Id, &Session)> {
    let slot = slots.get(index)?;
    let id = Id { index: u32::try_from(index).ok()?, generation: slot.generation };
    Some((id, slot.session.as_ref()?))
}

fn lookup(slots: &[Slot], id: Id) -> Option<&Session> {
    slots.get(id.index()).filter(|slot| slot.generation == id.generation)?.session.as_ref()
}

fn lookup_mut(slots: &mut [Slot], id: Id) -> Option<&mut Session> {
    slots.get_mut(id.index()).filter(|slot| slot.generation == id.generation)?.session.as_mut()
}

#[cfg(test)]
mod tests;
