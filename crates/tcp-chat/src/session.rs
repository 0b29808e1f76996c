//! State machine: one person's side of the conversation. No socket, no clock.
//!
//! ```text
//!            a name that is free           the end of their input, /quit, a limit
//!   Naming ──────────────────────▶ Talking ──────────────────────────▶ Parting
//!     │                                                                    ▲
//!     └── --login is over, the end of their input, /quit ──────────────────┘
//!  bytes ──▶ telnet ──▶ lines ──▶ one Request at a time, as the rate allows
//! ```
//!
//! Who else is there, and what becomes of a request, is the [room](crate::room)'s affair.

use std::time::Instant;

use sticky_packets::decoder::{Decode, Policy as AfterTooLong};
use sticky_packets::frame::{FrameError, Why};
use sticky_packets::line::{Line, Lines};

use crate::name::Name;
use crate::policy::{LINE_LEN_MAX, Network, Policy, TELL_AFTER};
use crate::queue::Queue;
use crate::rate::Bucket;
use crate::stats::Reason;
use crate::telnet::Telnet;

/// One connection.
pub struct Session {
    /// Where it comes from.
    pub network: Network,
    /// How far the conversation is.
    pub stage: Stage,
    /// What waits for it.
    pub queue: Queue,
    /// Whether the system takes no more bytes for it at the moment.
    pub blocked: bool,
    /// Whether it has yet to take what waited for it when the room last settled.
    pub behind: bool,
    /// What was taken for it, and is being written.
    pub in_hand: Option<InHand>,
    /// Lines that it lost since it was last told so.
    pub missed: u64,
    /// Whether the room has it among those who may have said something.
    pub queued: bool,
    /// When the room looks at its deadlines.
    pub armed: Option<Instant>,
    telnet: Telnet,
    lines: Lines,
    input: Input,
    /// Bytes since the last line, of which every so many count as one.
    unbroken: usize,
    /// Whether some of these were counted, and the tokens for it have not come yet.
    in_debt: bool,
    bucket: Bucket,
    /// Why it is not listened to, and until when.
    paused_until: Option<Instant>,
    throttled_since: Option<Instant>,
    told: bool,
    /// Whether they have had nothing more to say since they were last kept waiting.
    ran_dry: bool,
    came: Instant,
    heard: Instant,
}

/// What an engine is writing.
#[derive(Clone, Copy, Debug)]
pub struct InHand {
    /// How many bytes.
    pub bytes: u64,
    /// How many line feeds of the queue's among them.
    pub lines: u64,
}

/// How far a conversation is.
#[derive(Debug)]
pub enum Stage {
    /// They are asked for a name.
    Naming,
    /// They are in the room.
    Talking(Name),
    /// They are out of it, and hear what still waits for them, until then.
    Parting(Instant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    /// They have closed their end. What they said before is still to be answered.
    Ended,
    /// … and was answered.
    Over,
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// To be called so: the answer to the first question, or `/nick`.
    Name(String),
    /// Everybody to hear it.
    Say(String),
    /// One to hear it: name and text.
    Tell(String, String),
    /// To know who is there.
    Who,
    /// To know what was said.
    History,
    /// To know what can be typed.
    Help,
    /// To go.
    Quit,
    /// A command that there is not, or not so.
    Unclear(String),
    /// A line longer than a line may be.
    TooLong,
    /// A line that is no text.
    NotUtf8,
    /// Their end of the connection is closed.
    End,
    /// To be told that they say too much.
    Warn,
    /// To be thrown out for it.
    Flood,
}

impl Session {
    /// A connection that begins now.
    #[must_use]
    pub fn new(now: Instant, network: Network) -> Self {
        Self {
            network,
            stage: Stage::Naming,
            queue: Queue::default(),
            blocked: false,
            behind: false,
            in_hand: None,
            missed: 0,
            queued: false,
            armed: None,
            telnet: Telnet::default(),
            lines: Lines::new(Line::new().or_the_end(), LINE_LEN_MAX).policy(AfterTooLong::Skip),
            input: Input::Open,
            unbroken: 0,
            in_debt: false,
            bucket: Bucket::full(now),
            paused_until: None,
            throttled_since: None,
            told: false,
            ran_dry: true,
            came: now,
            heard: now,
        }
    }

    /// Takes what was read. The bytes may be changed on the way.
    pub fn feed(&mut self, bytes: &mut [u8]) {
        if self.input != Input::Open || self.is_parting() {
            return;
        }
        let kept = self.telnet.strip(bytes);
        self.unbroken = self.unbroken.saturating_add(bytes.len());
        self.lines.feed(bytes.get(..kept).unwrap_or_default());
    }

    /// They have closed their end.
    pub fn end_of_input(&mut self) {
        if self.input == Input::Open {
            self.input = Input::Ended;
        }
    }

    /// Whether they may still say something.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.input == Input::Open
    }

    /// Whether they are on their way out.
    #[must_use]
    pub fn is_parting(&self) -> bool {
        matches!(self.stage, Stage::Parting(_))
    }

    /// Whether reading on is of use: not while more is there already than they may say.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.paused_until.is_none() && !self.queued
    }

    /// What they want next, if anything, and if they may.
    pub fn poll_request(&mut self, now: Instant, policy: &Policy) -> Option<Request> {
        if self.is_parting() || self.paused_until.is_some() {
            return None;
        }
        if let Some(held) = self.hold(now, policy) {
            return held;
        }
        let talking = matches!(self.stage, Stage::Talking(_));
        let request = match self.lines.next() {
            Ok(Some(frame)) => Some(understand(talking, frame.text())),
            Ok(None) => None,
            Err(error) => Some(refused(&error)),
        };
        if let Some(request) = request {
            self.spend(now, policy);
            return Some(request);
        }
        self.lines.release();
        self.ran_dry = true;
        let told = self.settle_debt(now, policy);
        if told.is_some() || self.paused_until.is_some() {
            return told;
        }
        self.last_request(talking)
    }

    /// Keeps them waiting if they have said more than they may; or tells them, or has enough of it.
    /// `Some(None)`: nothing is taken from them now.
    fn hold(&mut self, now: Instant, policy: &Policy) -> Option<Option<Request>> {
        let rate = policy.rate?;
        if self.lines.status().pending == 0 && self.input == Input::Open {
            return None;
        }
        let Some(until) = self.bucket.wait(now, rate) else {
            // A server that was held up has let tokens come; the flood is over only if it was no
            // longer there to be let in.
            if self.ran_dry && self.bucket.is_half_full(now, rate) {
                (self.throttled_since, self.told) = (None, false);
            }
            return None;
        };
        Some(self.pause(now, until, policy))
    }

    /// Does not listen until then; unless it has been so for long enough to tell them, or to part.
    fn pause(&mut self, now: Instant, until: Instant, policy: &Policy) -> Option<Request> {
        let since = *self.throttled_since.get_or_insert(now);
        let so_far = now.saturating_duration_since(since);
        if policy.flood.is_some_and(|flood| so_far >= flood) {
            return Some(Request::Flood);
        }
        if so_far >= TELL_AFTER && !self.told {
            self.told = true;
            return Some(Request::Warn);
        }
        (self.paused_until, self.ran_dry) = (Some(until), false);
        None
    }

    /// What comes when no whole line is left: the line that their end cuts short.
    fn last_request(&mut self, talking: bool) -> Option<Request> {
        match self.input {
            Input::Open => None,
            Input::Over => Some(Request::End),
            Input::Ended => {
                self.input = Input::Over;
                Some(match self.lines.finish() {
                    Ok(Some(frame)) => understand(talking, frame.text()),
                    Ok(None) => Request::End,
                    Err(error) => refused(&error),
                })
            }
        }
    }

    fn spend(&mut self, now: Instant, policy: &Policy) {
        self.heard = now;
        self.unbroken = 0;
        if let Some(rate) = policy.rate {
            self.bucket.take(now, rate);
        }
    }

    /// Bytes without a line are not free: as many as the longest line has count as one.
    fn settle_debt(&mut self, now: Instant, policy: &Policy) -> Option<Request> {
        let rate = policy.rate.filter(|_| self.input == Input::Open)?;
        while self.unbroken > LINE_LEN_MAX {
            self.unbroken -= LINE_LEN_MAX;
            self.bucket.take(now, rate);
            self.in_debt = true;
        }
        let until = self.bucket.wait(now, rate).filter(|_| self.in_debt);
        self.in_debt = until.is_some();
        self.pause(now, until?, policy)
    }

    /// When its time is up for something, if nothing happens before.
    #[must_use]
    pub fn deadline(&self, policy: &Policy) -> Option<Instant> {
        let limit = match self.stage {
            Stage::Parting(until) => return Some(until),
            Stage::Naming => policy.login.map(|limit| self.came + limit),
            Stage::Talking(_) => policy.idle.map(|limit| self.heard + limit),
        };
        match (limit, self.paused_until) {
            (Some(limit), Some(paused)) => Some(limit.min(paused)),
            (limit, paused) => limit.or(paused),
        }
    }

    /// The pause is over, if it was for no longer.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
        }
    }

    /// Why it has to end, if its time is up.
    #[must_use]
    pub fn overdue(&self, now: Instant, policy: &Policy) -> Option<Reason> {
        let (limit, reason) = match self.stage {
            Stage::Naming => (self.came + policy.login?, Reason::NoName),
            Stage::Talking(_) => (self.heard + policy.idle?, Reason::Idle),
            Stage::Parting(_) => return None,
        };
        (now >= limit).then_some(reason)
    }
}

/// Names are taken as they were typed, and judged as such; what is said is escaped here, once for
/// all who will hear it: only text passes, whatever shell or terminal it was meant for.
fn understand(talking: bool, line: Option<&str>) -> Request {
    let line = line.unwrap_or_default();
    match (talking, line.trim()) {
        (true, _) => command(line).unwrap_or_else(|| Request::Say(escaped(line))),
        (false, "/quit") => Request::Quit,
        (false, "/help") => Request::Help,
        (false, name) => Request::Name(name.to_owned()),
    }
}

fn escaped(text: &str) -> String {
    cli::escape(text.as_bytes()).to_string()
}

fn refused(error: &FrameError) -> Request {
    match error.why {
        Why::TooLong { .. } => Request::TooLong,
        Why::Broken(_) | Why::Ended { .. } => Request::NotUtf8,
    }
}

/// A line that begins with a slash; `None`: it is none, and means itself. Two slashes are for
/// whoever wants to say one.
fn command(line: &str) -> Option<Request> {
    let rest = line.strip_prefix('/')?;
    if let Some(said) = rest.strip_prefix('/') {
        return Some(Request::Say(escaped(&format!("/{said}"))));
    }
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let rest = rest.trim();
    Some(match (word, rest) {
        ("nick", name) if !name.is_empty() => Request::Name(name.to_owned()),
        ("nick", _) => Request::Unclear("/nick NAME".to_owned()),
        ("msg", rest) => match rest.split_once(' ') {
            Some((name, text)) => Request::Tell(name.to_owned(), escaped(text.trim())),
            None => Request::Unclear("/msg NAME TEXT".to_owned()),
        },
        ("who", _) => Request::Who,
        ("history", _) => Request::History,
        ("help", _) => Request::Help,
        ("quit", _) => Request::Quit,
        _ => Request::Unclear(String::new()),
    })
}
