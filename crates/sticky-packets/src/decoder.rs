//! State machine: the decoder, which is the same for every framing. No socket, no clock.
//!
//! A [`Framing`] knows one thing: where a frame ends. It is shown every byte once, and never an old
//! one again, so it cannot scan anything twice. All else is done here, once:
//!
//! ```text
//!   what was read        ├─ end ─┤── frame ──┤── frame ──┤─ begin ─┤
//!                            │        │           │           │
//!                            ▼        ▼           ▼           ▼
//!            partial ── + ── copied   borrowed    borrowed    copied ──▶ partial
//!                       │
//!                       ▼
//!                     frame
//! ```
//!
//! A frame that came whole is never copied. What is copied is what must outlive the read: the
//! beginning of a frame whose end has not come. A decoder between two frames keeps nothing, and
//! after [`release`](Decode::release) not even an empty buffer: ten thousand connections that are
//! idle share the one buffer of the loop that reads them.
//!
//! Memory grows with bytes that came, up to the limit and never with a length that was announced.

use crate::frame::{Excerpt, Flaw, Frame, FrameError, Why};

/// Bytes in, frames out.
pub trait Decode {
    /// The next frame of what was [fed](Decode::feed), and then of `input`, of which it takes what
    /// it used. `Ok(None)`: all is used, and no whole frame is left; read on.
    ///
    /// ```text
    /// let mut input = &buffer[..read];
    /// while let Some(frame) = decoder.next_in(&mut input)? { … }
    /// ```
    ///
    /// # Errors
    /// When a frame is broken or too long. If the error [`goes_on`](FrameError::goes_on), so may
    /// the caller: the next call gives the frame behind it. If not, nothing more is taken.
    #[inline]
    fn next_in<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<Frame<'a>>, FrameError> {
        let source = *input;
        let (used, found) = self.find(source);
        *input = source.get(used..).unwrap_or_default();
        match found? {
            Some(whole) => self.open(whole, source).map(Some),
            None => Ok(None),
        }
    }

    /// The first half of [`next_in`](Decode::next_in), which borrows nothing: how much of `input`
    /// it takes, and where the frame lies. For those who read on in a loop when there is none.
    ///
    /// # Errors
    /// Those of [`next_in`](Decode::next_in).
    fn find(&mut self, input: &[u8]) -> (usize, Result<Option<Whole>, FrameError>);

    /// The second half: the frame that was just found, with the same `input`.
    ///
    /// # Errors
    /// When its content is broken.
    fn open<'a>(&'a mut self, whole: Whole, input: &'a [u8]) -> Result<Frame<'a>, FrameError>;

    /// Keeps a copy of these bytes for [`next`](Decode::next): one copy more than
    /// [`next_in`](Decode::next_in), and one borrow less.
    fn feed(&mut self, bytes: &[u8]);

    /// The next frame of what was fed.
    ///
    /// # Errors
    /// Those of [`next_in`](Decode::next_in).
    fn next(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        self.next_in(&mut [].as_slice())
    }

    /// The stream has ended. To be called when there is no next frame. A framing whose last frame
    /// needs no end gives it here.
    ///
    /// # Errors
    /// When it ended in mid-frame; or, where the end makes a last frame, when that is broken. Of a
    /// frame that was too long nothing is said again.
    fn finish(&mut self) -> Result<Option<Frame<'_>>, FrameError>;

    /// Gives back the memory of buffers that hold nothing.
    fn release(&mut self);

    /// What it holds now.
    fn status(&self) -> Status;
}

/// What a decoder holds, and what it has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Bytes of a frame whose end has not come, and of what was fed and not taken.
    pub pending: usize,
    /// Bytes of memory, used or not.
    pub held: usize,
    /// Bytes of the stream that were taken.
    pub taken: u64,
    /// Bytes that were looked at, each time counted.
    pub examined: u64,
}

/// What happens after a frame that is too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nothing more is decoded. A peer that breaks the limit by mistake is rare.
    #[default]
    Close,
    /// The frame is passed over, and nothing of it is kept. With a length in front that is a
    /// promise of the peer's, which it may take its time to fulfil.
    Skip,
}

/// Where a whole frame lies.
#[derive(Clone, Copy, Debug)]
pub enum Whole {
    /// With the decoder: it came in several reads.
    Kept,
    /// In what was fed, from here to there.
    Fed(usize, usize),
    /// In what was read.
    Read(usize, usize),
}

/// Where a frame ends.
pub trait Framing {
    /// Goes on with a frame, in bytes that have not been looked at; there is at least one. After
    /// [`Scan::End`] what is shown next is the beginning of a frame.
    fn scan(&mut self, new: &[u8], limit: u64) -> Scan;

    /// What a whole frame says. `scratch` is for messages that are not on the wire as they are.
    ///
    /// # Errors
    /// When its content is broken, or turns out to be too long. Its end is known: the next is not
    /// affected.
    fn open<'a>(
        &self,
        raw: &'a [u8],
        scratch: &'a mut Vec<u8>,
        limit: usize,
    ) -> Result<Frame<'a>, Unfit>;

    /// Whether [`open`](Framing::open) looks at every byte.
    fn opens_by_looking(&self) -> bool;

    /// How many bytes [`scan`](Framing::scan) has looked at more than once.
    fn examined_again(&self) -> u64 {
        0
    }

    /// How long the frame is that is being scanned, if that is known.
    fn wanted(&self) -> Option<u64> {
        None
    }

    /// Whether the end of the stream is the end of a frame.
    fn ends_with_the_stream(&self) -> bool {
        false
    }
}

// ANCHOR: scan
/// What a framing found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// No end; all that was shown belongs to the frame.
    More,
    /// The frame ends after so many bytes, at least one.
    End(usize),
    /// It is too long. Seen after `seen` bytes; what follows them is scanned with no limit.
    TooLong {
        /// How many bytes were looked at.
        seen: usize,
        /// How long it says it is.
        declared: Option<u64>,
    },
    /// There is no telling where it ends.
    Broken {
        /// How many bytes were looked at.
        seen: usize,
        /// What is wrong.
        flaw: Flaw,
    },
}
// ANCHOR_END: scan

/// Why a whole frame is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Its content is not what the framing prescribes.
    Broken(Flaw),
    /// It is longer than its wire form let expect.
    TooLong,
}

impl Unfit {
    #[cold]
    fn error(self, offset: u64, raw: &[u8], limit: usize, policy: Policy) -> FrameError {
        let (why, goes_on) = match self {
            Self::Broken(flaw) => (Why::Broken(flaw), true),
            Self::TooLong => (Why::TooLong { declared: None, limit }, policy == Policy::Skip),
        };
        FrameError { offset, why, excerpt: Excerpt::of(&[raw]), goes_on }
    }
}

/// A framing, and what is remembered between reads.
#[derive(Clone, Debug)]
pub struct Decoder<F> {
    core: Core<F>,
    /// What was fed, and how much of it is taken.
    fed: Vec<u8>,
    fed_taken: usize,
}

/// What is fed lies outside, so that it can be borrowed while this goes on.
#[derive(Clone, Debug)]
struct Core<F> {
    state: State<F>,
    /// The beginning of a frame; or all of it, if it is lent out.
    partial: Vec<u8>,
    lent: bool,
}

/// What is kept lies outside, for the same reason.
#[derive(Clone, Debug)]
struct State<F> {
    framing: F,
    limit: usize,
    policy: Policy,
    scratch: Vec<u8>,
    /// Whether the frame that is being scanned was too long.
    skipping: bool,
    /// Where in the stream that frame begins, and how much of it was scanned.
    offset: u64,
    scanned: u64,
    /// How many bytes of whole frames were looked at once more.
    opened: u64,
    dead: Option<FrameError>,
    /// Nothing is unread, pending, skipped or dead: the next byte begins a frame. Almost always so,
    /// and then the short way is taken.
    calm: bool,
}

impl<F: Framing> Decoder<F> {
    /// A decoder whose messages have at most `limit` bytes each: the message itself, without
    /// header, delimiter or escapes.
    pub fn new(framing: F, limit: usize) -> Self {
        let state = State {
            framing,
            limit,
            policy: Policy::default(),
            scratch: Vec::new(),
            skipping: false,
            offset: 0,
            scanned: 0,
            opened: 0,
            dead: None,
            calm: true,
        };
        let core = Core { state, partial: Vec::new(), lent: false };
        Self { core, fed: Vec::new(), fed_taken: 0 }
    }

    /// What happens after a frame that is too long.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.core.state.policy = policy;
        self
    }

    /// The first bytes of `input` begin a frame, but no frame is whole.
    #[cold]
    fn stumble(&mut self, scan: Scan, input: &[u8]) -> (usize, Result<Option<Whole>, FrameError>) {
        self.core.state.calm = false;
        self.core.settle();
        match scan {
            Scan::More => (input.len(), Ok(self.core.keep(input))),
            unfit => self.core.refuse(unfit, 0, input),
        }
    }

    /// What was fed and is not taken.
    fn unread(&self) -> &[u8] {
        self.fed.get(self.fed_taken..).unwrap_or_default()
    }
}

impl<F: Framing> Decode for Decoder<F> {
    #[inline]
    fn next_in<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<Frame<'a>>, FrameError> {
        let source = *input;
        if self.core.state.calm && !source.is_empty() {
            let limit = wide(self.core.state.limit);
            match self.core.state.framing.scan(source, limit) {
                Scan::End(end) => {
                    let (raw, rest) = source.split_at_checked(end).unwrap_or((source, &[]));
                    *input = rest;
                    let state = &mut self.core.state;
                    state.scanned = wide(raw.len());
                    return state.open(raw).map(Some);
                }
                scan => {
                    let (used, found) = self.stumble(scan, source);
                    *input = source.get(used..).unwrap_or_default();
                    return found.map(|_| None);
                }
            }
        }
        let (used, found) = self.find(source);
        *input = source.get(used..).unwrap_or_default();
        match found? {
            Some(whole) => self.open(whole, source).map(Some),
            None => Ok(None),
        }
    }

    fn find(&mut self, input: &[u8]) -> (usize, Result<Option<Whole>, FrameError>) {
        if self.unread().is_empty() {
            let found = self.core.advance(input);
            self.core.state.calm = self.core.is_calm();
            return found;
        }
        let unread = self.fed.get(self.fed_taken..).unwrap_or_default();
        let (used, found) = self.core.advance(unread);
        let before = self.fed_taken;
        self.fed_taken += used;
        match found {
            Ok(Some(Whole::Read(from, to))) => {
                (0, Ok(Some(Whole::Fed(before + from, before + to))))
            }
            Ok(None) => self.find(input),
            found => (0, found),
        }
    }

    #[inline]
    fn open<'a>(&'a mut self, whole: Whole, input: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        let raw = match whole {
            Whole::Read(from, to) => input.get(from..to),
            Whole::Fed(from, to) => self.fed.get(from..to),
            Whole::Kept => {
                self.core.lent = true;
                self.core.state.calm = self.fed_taken == self.fed.len();
                Some(self.core.partial.as_slice())
            }
        };
        self.core.state.open(raw.unwrap_or_default())
    }

    fn feed(&mut self, bytes: &[u8]) {
        // What is taken goes when it is at least half: a byte moves at most once for each that
        // is fed.
        if self.fed_taken * 2 >= self.fed.len() {
            self.fed.drain(..self.fed_taken);
            self.fed_taken = 0;
        }
        self.fed.extend_from_slice(bytes);
        self.core.state.calm &= self.fed.is_empty();
    }

    fn finish(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        if let Some(error) = self.core.state.dead {
            return Err(error);
        }
        self.core.settle();
        let unread = self.unread().len();
        let state = &self.core.state;
        if state.skipping || (state.scanned == 0 && unread == 0) {
            return Ok(None);
        }
        if unread == 0 && state.framing.ends_with_the_stream() {
            return self.open(Whole::Kept, &[]).map(Some);
        }
        let why = Why::Ended { have: state.scanned + wide(unread), want: state.framing.wanted() };
        let excerpt = Excerpt::of(&[&self.core.partial, self.unread()]);
        Err(self.core.state.error(why, excerpt, false))
    }

    fn release(&mut self) {
        if self.unread().is_empty() {
            (self.fed, self.fed_taken) = (Vec::new(), 0);
        }
        self.core.settle();
        if self.core.partial.is_empty() {
            self.core.partial = Vec::new();
        }
        self.core.state.scratch = Vec::new();
    }

    fn status(&self) -> Status {
        let Core { state, partial, lent } = &self.core;
        let kept = if *lent { 0 } else { partial.len() };
        let taken = state.offset + state.scanned;
        Status {
            pending: kept + self.unread().len(),
            held: partial.capacity() + state.scratch.capacity() + self.fed.capacity(),
            taken,
            // What is taken was scanned, once: no framing is shown a byte again.
            examined: taken + state.opened + state.framing.examined_again(),
        }
    }
}

impl<F: Framing> Core<F> {
    /// Scans until a frame is whole. Says how much of `input` it took.
    fn advance(&mut self, input: &[u8]) -> (usize, Result<Option<Whole>, FrameError>) {
        if let Some(error) = self.state.dead {
            return (0, Err(error));
        }
        self.settle();
        let mut at = 0;
        loop {
            let new = input.get(at..).unwrap_or_default();
            if new.is_empty() {
                return (at, Ok(None));
            }
            let state = &mut self.state;
            let limit = if state.skipping { u64::MAX } else { wide(state.limit) };
            match state.framing.scan(new, limit) {
                Scan::End(end) => {
                    state.count(end);
                    at += end;
                    if state.skipping {
                        state.skipping = false;
                        state.begin();
                    } else {
                        return (at, Ok(Some(self.whole(at, new.get(..end).unwrap_or_default()))));
                    }
                }
                Scan::More => return (input.len(), Ok(self.keep(new))),
                unfit => return self.refuse(unfit, at, new),
            }
        }
    }

    /// These bytes belong to a frame whose end has not come.
    fn keep(&mut self, new: &[u8]) -> Option<Whole> {
        self.state.count(new.len());
        if !self.state.skipping {
            self.partial.extend_from_slice(new);
        }
        None
    }

    /// Whether the next byte begins a frame, and nothing else is to be thought of.
    fn is_calm(&self) -> bool {
        let Self { state, partial, .. } = self;
        partial.is_empty() && !state.skipping && state.dead.is_none()
    }

    /// A frame has ended with these bytes, which end at `at` of the input. Says where it lies.
    fn whole(&mut self, at: usize, last: &[u8]) -> Whole {
        if self.partial.is_empty() {
            return Whole::Read(at - last.len(), at);
        }
        self.partial.extend_from_slice(last);
        Whole::Kept
    }

    /// There will be no frame: it is too long, or broken.
    #[cold]
    fn refuse(
        &mut self,
        scan: Scan,
        at: usize,
        new: &[u8],
    ) -> (usize, Result<Option<Whole>, FrameError>) {
        let state = &mut self.state;
        let (seen, why, goes_on) = match scan {
            Scan::More | Scan::End(_) => return (at, Ok(None)),
            Scan::Broken { seen, flaw } => (seen, Why::Broken(flaw), false),
            Scan::TooLong { seen, declared } => {
                let why = Why::TooLong { declared, limit: state.limit };
                (seen, why, state.policy == Policy::Skip)
            }
        };
        let error = state.error(why, Excerpt::of(&[&self.partial, new]), goes_on);
        state.count(seen);
        state.skipping = true;
        self.partial.clear();
        (at + seen, Err(error))
    }

    /// What was lent out has come back: the borrow is over.
    #[inline]
    fn settle(&mut self) {
        if self.lent {
            self.lent = false;
            self.partial.clear();
        }
    }
}

impl<F: Framing> State<F> {
    /// What the frame says that has just ended.
    #[inline]
    fn open<'a>(&'a mut self, raw: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        if self.framing.opens_by_looking() {
            self.opened += wide(raw.len());
        }
        let offset = self.offset;
        self.begin();
        match self.framing.open(raw, &mut self.scratch, self.limit) {
            Ok(frame) => Ok(frame),
            Err(unfit) => {
                let error = unfit.error(offset, raw, self.limit, self.policy);
                self.dead = (!error.goes_on).then_some(error);
                self.calm &= error.goes_on;
                Err(error)
            }
        }
    }

    /// An error in the frame that is being scanned.
    fn error(&mut self, why: Why, excerpt: Excerpt, goes_on: bool) -> FrameError {
        let error = FrameError { offset: self.offset, why, excerpt, goes_on };
        self.dead = (!goes_on).then_some(error);
        self.calm &= goes_on;
        error
    }

    #[inline]
    fn count(&mut self, seen: usize) {
        self.scanned += wide(seen);
    }

    /// The next byte is the first of a frame.
    #[inline]
    fn begin(&mut self) {
        self.offset += self.scanned;
        self.scanned = 0;
    }
}

impl<D: Decode + ?Sized> Decode for Box<D> {
    fn find(&mut self, input: &[u8]) -> (usize, Result<Option<Whole>, FrameError>) {
        (**self).find(input)
    }

    fn open<'a>(&'a mut self, whole: Whole, input: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        (**self).open(whole, input)
    }

    fn feed(&mut self, bytes: &[u8]) {
        (**self).feed(bytes);
    }

    fn finish(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        (**self).finish()
    }

    fn release(&mut self) {
        (**self).release();
    }

    fn status(&self) -> Status {
        (**self).status()
    }
}

/// No machine that Rust runs on has a longer `usize`.
#[inline]
fn wide(len: usize) -> u64 {
    len as u64
}
