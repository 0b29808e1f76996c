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
    fn next_in<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<Frame<'a>>, FrameError>;

    /// Keeps a copy of these bytes for [`next`](Decode::next): one copy more than
    /// [`next_in`](Decode::next_in), and one borrow less.
    fn feed(&mut self, bytes: &[u8]);

    /// The next frame of what was fed.
    ///
    /// # Errors
    /// Those of [`next_in`](Decode::next_in).
    fn next(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        self.next_in(&mut &[][..])
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

    /// How long the frame is that is being scanned, if that is known.
    fn wanted(&self) -> Option<u64> {
        None
    }

    /// Whether the end of the stream is the end of a frame.
    fn ends_with_the_stream(&self) -> bool {
        false
    }
}

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

/// Why a whole frame is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Its content is not what the framing prescribes.
    Broken(Flaw),
    /// It is longer than its wire form let expect.
    TooLong,
}

/// A framing, and what it needs to remember between reads.
#[derive(Clone, Debug)]
pub struct Decoder<F> {
    core: Core<F>,
    /// What was fed, and how much of it is taken.
    fed: Vec<u8>,
    fed_taken: usize,
}

#[derive(Clone, Debug)]
struct Core<F> {
    framing: F,
    limit: usize,
    policy: Policy,
    /// The beginning of a frame; or all of it, if it is lent out.
    partial: Vec<u8>,
    lent: bool,
    scratch: Vec<u8>,
    /// Whether the frame that is being scanned was too long.
    skipping: bool,
    /// Where in the stream that frame begins, and how much of it was scanned.
    offset: u64,
    scanned: u64,
    examined: u64,
    dead: Option<FrameError>,
}

/// Where a whole frame lies.
#[derive(Clone, Copy, Debug)]
enum Whole {
    /// In `partial`.
    Kept,
    /// In what was read, from here to there.
    Read(usize, usize),
}

impl<F: Framing> Decoder<F> {
    /// A decoder whose messages have at most `limit` bytes each: the message itself, without
    /// header, delimiter or escapes.
    pub fn new(framing: F, limit: usize) -> Self {
        let core = Core {
            framing,
            limit,
            policy: Policy::default(),
            partial: Vec::new(),
            lent: false,
            scratch: Vec::new(),
            skipping: false,
            offset: 0,
            scanned: 0,
            examined: 0,
            dead: None,
        };
        Self { core, fed: Vec::new(), fed_taken: 0 }
    }

    /// What happens after a frame that is too long.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.core.policy = policy;
        self
    }
}

impl<F: Framing> Decode for Decoder<F> {
    #[inline]
    fn next_in<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<Frame<'a>>, FrameError> {
        let mut source: &'a [u8] = input;
        let mut found = (0, Ok(None));
        if self.fed_taken < self.fed.len() {
            source = self.fed.get(self.fed_taken..).unwrap_or_default();
            found = self.core.advance(source);
            self.fed_taken += found.0;
        }
        if matches!(found.1, Ok(None)) {
            source = input;
            found = self.core.advance(source);
            *input = input.get(found.0..).unwrap_or_default();
        }
        match found.1? {
            Some(whole) => self.core.open(whole, source).map(Some),
            None => Ok(None),
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        // What is taken goes when it is at least half: a byte moves at most once for each that
        // is fed.
        if self.fed_taken * 2 >= self.fed.len() {
            self.fed.drain(..self.fed_taken);
            self.fed_taken = 0;
        }
        self.fed.extend_from_slice(bytes);
    }

    fn finish(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let unread = self.fed.get(self.fed_taken..).unwrap_or_default();
        self.core.finish(unread)
    }

    fn release(&mut self) {
        if self.fed_taken == self.fed.len() {
            (self.fed, self.fed_taken) = (Vec::new(), 0);
        }
        self.core.settle();
        if self.core.partial.is_empty() {
            self.core.partial = Vec::new();
        }
        self.core.scratch = Vec::new();
    }

    fn status(&self) -> Status {
        let core = &self.core;
        let partial = if core.lent { 0 } else { core.partial.len() };
        Status {
            pending: partial + self.fed.len() - self.fed_taken,
            held: core.partial.capacity() + core.scratch.capacity() + self.fed.capacity(),
            taken: core.offset + core.scanned,
            examined: core.examined,
        }
    }
}

impl<F: Framing> Core<F> {
    /// Scans until a frame is whole. Says how much of `input` it took.
    #[inline]
    fn advance(&mut self, input: &[u8]) -> (usize, Result<Option<Whole>, FrameError>) {
        if let Some(error) = self.dead {
            return (0, Err(error));
        }
        self.settle();
        let mut at = 0;
        loop {
            let new = input.get(at..).unwrap_or_default();
            if new.is_empty() {
                return (at, Ok(None));
            }
            let limit = if self.skipping { u64::MAX } else { wide(self.limit) };
            match self.framing.scan(new, limit) {
                Scan::End(end) => {
                    at += end;
                    self.count(end);
                    if let Some(whole) = self.end(at, new.get(..end).unwrap_or_default()) {
                        return (at, Ok(Some(whole)));
                    }
                }
                Scan::More => {
                    self.count(new.len());
                    if !self.skipping {
                        self.partial.extend_from_slice(new);
                    }
                    return (input.len(), Ok(None));
                }
                Scan::TooLong { seen, declared } => {
                    let why = Why::TooLong { declared, limit: self.limit };
                    let error = self.error(why, new, self.policy == Policy::Skip);
                    self.count(seen);
                    self.skipping = true;
                    self.partial.clear();
                    return (at + seen, Err(error));
                }
                Scan::Broken { seen, flaw } => {
                    let error = self.error(Why::Broken(flaw), new, false);
                    self.count(seen);
                    return (at + seen, Err(error));
                }
            }
        }
    }

    /// A frame has ended with these bytes, which end at `at` of the input. Says where it lies,
    /// unless it is one that is skipped.
    #[inline]
    fn end(&mut self, at: usize, last: &[u8]) -> Option<Whole> {
        if self.skipping {
            self.skipping = false;
            self.begin();
            return None;
        }
        if self.partial.is_empty() {
            return Some(Whole::Read(at - last.len(), at));
        }
        self.partial.extend_from_slice(last);
        Some(Whole::Kept)
    }

    /// What the frame says.
    #[inline]
    fn open<'a>(&'a mut self, whole: Whole, source: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        let raw = match whole {
            Whole::Kept => {
                self.lent = true;
                &self.partial[..]
            }
            Whole::Read(from, to) => source.get(from..to).unwrap_or_default(),
        };
        if self.framing.opens_by_looking() {
            self.examined += wide(raw.len());
        }
        let offset = self.offset;
        self.offset += self.scanned;
        self.scanned = 0;
        let unfit = match self.framing.open(raw, &mut self.scratch, self.limit) {
            Ok(frame) => return Ok(frame),
            Err(unfit) => unfit,
        };
        let excerpt = Excerpt::of(&[raw]);
        let (why, goes_on) = match unfit {
            Unfit::Broken(flaw) => (Why::Broken(flaw), true),
            Unfit::TooLong => {
                let why = Why::TooLong { declared: None, limit: self.limit };
                (why, self.policy == Policy::Skip)
            }
        };
        let error = FrameError { offset, why, excerpt, goes_on };
        self.dead = (!goes_on).then_some(error);
        Err(error)
    }

    fn finish(&mut self, unread: &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
        if let Some(error) = self.dead {
            return Err(error);
        }
        self.settle();
        if self.skipping || (self.scanned == 0 && unread.is_empty()) {
            return Ok(None);
        }
        if unread.is_empty() && self.framing.ends_with_the_stream() {
            return self.open(Whole::Kept, &[]).map(Some);
        }
        let why =
            Why::Ended { have: self.scanned + wide(unread.len()), want: self.framing.wanted() };
        Err(self.error(why, unread, false))
    }

    /// An error in the frame that is being scanned; `new` is what follows what is kept of it.
    #[cold]
    fn error(&mut self, why: Why, new: &[u8], goes_on: bool) -> FrameError {
        let excerpt = Excerpt::of(&[&self.partial, new]);
        let error = FrameError { offset: self.offset, why, excerpt, goes_on };
        self.dead = (!goes_on).then_some(error);
        error
    }

    #[inline]
    fn count(&mut self, seen: usize) {
        self.scanned += wide(seen);
        self.examined += wide(seen);
    }

    /// The next byte is the first of a frame.
    fn begin(&mut self) {
        self.offset += self.scanned;
        self.scanned = 0;
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

/// No machine that Rust runs on has a longer `usize`.
#[inline]
fn wide(len: usize) -> u64 {
    len as u64
}
