//! State machine: the decoder, which is the same for every framing. No socket, no clock.
//!
//! A [`Framing`] knows one thing: where a frame ends. It is shown every byte once, and never an old
//! one again, so it cannot scan anything twice. All else is done here, once:
//!
//! ```text
//!   what was read        ├─ end ─┤── frame ──┤── frame ──┤─ begin ─┤
//!                            │        │           │           │
//!                            ▼        ▼           ▼           ▼
//!            own buffer ── + ── copied   borrowed    borrowed    copied ──▶ own buffer
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
//! A frame that is much longer than a read would be copied twice, by the read and then by the
//! decoder. So in the middle of one the next read goes straight into the decoder's buffer, if the
//! caller asks for that with [`spare`](Decode::spare).
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
    /// [`next_in`](Decode::next_in), and one borrow less. After an error that does not go on,
    /// nothing is kept: nobody would ever take it.
    fn feed(&mut self, bytes: &[u8]);

    /// Room for a read of `len` bytes in the decoder itself, if it is in the middle of a frame of
    /// which as many have come: that saves a copy of them. `None`: read into a buffer of your own,
    /// which is then the better place.
    ///
    /// ```text
    /// let mut input = match decoder.spare(buffer.len()) {
    ///     Some(room) => { let len = stream.read(room)?; decoder.filled(len); &[][..] }
    ///     None => { let len = stream.read(&mut buffer)?; &buffer[..len] }
    /// };
    /// ```
    fn spare(&mut self, len: usize) -> Option<&mut [u8]>;

    /// The first `len` bytes of what was [`spare`](Decode::spare) are read: they are as good as fed.
    fn filled(&mut self, len: usize);

    /// The next frame of what was fed or filled.
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
    /// In the decoder's own buffer, from here to there.
    Own(usize, usize),
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
    state: State<F>,
    /// Outside, so that it can be borrowed while the state goes on.
    own: Buffer,
}

#[derive(Clone, Debug)]
struct State<F> {
    framing: F,
    limit: usize,
    policy: Policy,
    scratch: Vec<u8>,
    /// The next byte begins a frame, nothing is skipped or dead. Almost always so, and then the
    /// short way is taken.
    calm: bool,
    /// Whether the frame that is being scanned was too long.
    skipping: bool,
    /// Where in the stream that frame begins, and how much of it was scanned.
    offset: u64,
    scanned: u64,
    /// How many bytes of whole frames were looked at once more.
    opened: u64,
    dead: Option<FrameError>,
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
            calm: true,
            skipping: false,
            offset: 0,
            scanned: 0,
            opened: 0,
            dead: None,
        };
        Self { state, own: Buffer::default() }
    }

    /// What happens after a frame that is too long.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.state.policy = policy;
        self
    }

    /// Scans until a frame is whole, or all is scanned: what it holds, and then `input` from `used`
    /// on. Says how much of `input` is used.
    fn advance(
        &mut self,
        mut used: usize,
        input: &[u8],
    ) -> (usize, Result<Option<Whole>, FrameError>) {
        if let Some(error) = self.state.dead {
            return (used, Err(error));
        }
        loop {
            let unread = self.own.unread();
            let rest = input.get(used..).unwrap_or_default();
            let new = if unread.is_empty() { rest } else { unread };
            if new.is_empty() {
                return (used, Ok(None));
            }
            let state = &mut self.state;
            let limit = if state.skipping { u64::MAX } else { wide(state.limit) };
            let scan = state.framing.scan(new, limit);
            match self.scanned(scan, &mut used, input) {
                Ok(None) => {}
                found => return (used, found),
            }
        }
    }

    /// What was scanned is now part of a frame, or its end, or to be passed over, or refused.
    fn scanned(
        &mut self,
        scan: Scan,
        used: &mut usize,
        input: &[u8],
    ) -> Result<Option<Whole>, FrameError> {
        let is_own = !self.own.unread().is_empty();
        let rest = input.get(*used..).unwrap_or_default();
        let (len, ended, refused) = match scan {
            Scan::End(len) => (len, true, None),
            Scan::More if is_own => (self.own.unread().len(), false, None),
            Scan::More => (rest.len(), false, None),
            Scan::TooLong { seen, declared } => {
                let why = Why::TooLong { declared, limit: self.state.limit };
                (seen, false, Some(self.refuse(why, rest)))
            }
            Scan::Broken { seen, flaw } => {
                (seen, false, Some(self.refuse(Why::Broken(flaw), rest)))
            }
        };
        self.state.scanned += wide(len);
        self.state.calm = ended;
        *used += if is_own { 0 } else { len };
        let is_whole = ended && !self.state.skipping;
        if is_whole && !is_own && self.own.begun().is_empty() {
            return Ok(Some(Whole::Read(*used - len, *used)));
        }
        if is_own {
            self.own.at += len;
        } else if !self.state.skipping {
            self.own.append(rest.get(..len).unwrap_or_default());
            self.own.at = self.own.end;
        }
        if is_whole {
            let from = self.own.begin;
            self.own.drop_begun();
            return Ok(Some(Whole::Own(from, self.own.at)));
        }
        if self.state.skipping {
            self.own.drop_begun();
        }
        if ended {
            self.state.skipping = false;
            self.state.begin();
        }
        refused.map_or(Ok(None), Err)
    }

    /// There will be no frame: it is too long, or broken.
    #[cold]
    fn refuse(&mut self, why: Why, rest: &[u8]) -> FrameError {
        let state = &mut self.state;
        let goes_on = matches!(why, Why::TooLong { .. }) && state.policy == Policy::Skip;
        state.skipping = true;
        state.error(why, Excerpt::of(&[self.own.held(), rest]), goes_on)
    }

    /// The long way; after the short one, if that has scanned and found no end.
    #[cold]
    fn slowly<'a, 'b: 'a>(
        &'a mut self,
        scan: Option<Scan>,
        input: &mut &'b [u8],
    ) -> Result<Option<Frame<'a>>, FrameError> {
        let (source, mut used) = (*input, 0);
        let found = scan.map_or(Ok(None), |scan| self.scanned(scan, &mut used, source));
        let (used, found) = match found {
            Ok(None) => self.advance(used, source),
            found => (used, found),
        };
        *input = source.get(used..).unwrap_or_default();
        match found? {
            Some(whole) => self.open(whole, source).map(Some),
            None => Ok(None),
        }
    }
}

impl<F: Framing> Decode for Decoder<F> {
    #[inline]
    fn next_in<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<Frame<'a>>, FrameError> {
        let source = *input;
        if !self.state.calm || source.is_empty() || self.own.at < self.own.end {
            return self.slowly(None, input);
        }
        match self.state.framing.scan(source, wide(self.state.limit)) {
            Scan::End(end) => {
                let (raw, rest) = source.split_at_checked(end).unwrap_or((source, &[]));
                *input = rest;
                self.state.scanned = wide(end);
                self.state.open(raw).map(Some)
            }
            scan => self.slowly(Some(scan), input),
        }
    }

    fn find(&mut self, input: &[u8]) -> (usize, Result<Option<Whole>, FrameError>) {
        self.advance(0, input)
    }

    #[inline]
    fn open<'a>(&'a mut self, whole: Whole, input: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        let raw = match whole {
            Whole::Own(from, to) => self.own.bytes.get(from..to),
            Whole::Read(from, to) => input.get(from..to),
        };
        self.state.open(raw.unwrap_or_default())
    }

    fn feed(&mut self, bytes: &[u8]) {
        if self.state.dead.is_none() {
            self.own.append(bytes);
        }
    }

    fn spare(&mut self, len: usize) -> Option<&mut [u8]> {
        // What was announced counts for nothing here.
        let counts = self.state.dead.is_none() && self.own.held().len() >= len;
        if counts { self.own.spare(len) } else { None }
    }

    fn filled(&mut self, len: usize) {
        self.own.end = self.own.end.saturating_add(len).min(self.own.bytes.len());
    }

    fn finish(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        if let Some(error) = self.state.dead {
            return Err(error);
        }
        let unread = self.own.unread().len();
        let state = &mut self.state;
        if state.skipping || (state.scanned == 0 && unread == 0) {
            return Ok(None);
        }
        if unread == 0 && state.framing.ends_with_the_stream() {
            let last = self.own.take(0);
            return state.open(last).map(Some);
        }
        let why = Why::Ended { have: state.scanned + wide(unread), want: state.framing.wanted() };
        let excerpt = Excerpt::of(&[self.own.held()]);
        Err(state.error(why, excerpt, false))
    }

    fn release(&mut self) {
        if self.own.held().is_empty() {
            self.own = Buffer::default();
        }
        self.state.scratch = Vec::new();
    }

    fn status(&self) -> Status {
        let Self { state, own } = self;
        let taken = state.offset + state.scanned;
        Status {
            pending: own.held().len(),
            held: own.bytes.capacity() + state.scratch.capacity(),
            taken,
            // What is taken was scanned, once: no framing is shown a byte again.
            examined: taken + state.opened + state.framing.examined_again(),
        }
    }
}

/// Bytes in a row: `begin` ≤ `at` ≤ `end`.
///
/// ```text
///   │ taken │ begun, all scanned │ unread │ to be read into │
///   0     begin                 at       end       bytes.len()
/// ```
#[derive(Clone, Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    begin: usize,
    at: usize,
    end: usize,
}

impl Buffer {
    /// What was fed and not scanned.
    #[inline]
    fn unread(&self) -> &[u8] {
        self.bytes.get(self.at..self.end).unwrap_or_default()
    }

    /// The beginning of a frame.
    fn begun(&self) -> &[u8] {
        self.bytes.get(self.begin..self.at).unwrap_or_default()
    }

    /// Both.
    fn held(&self) -> &[u8] {
        self.bytes.get(self.begin..self.end).unwrap_or_default()
    }

    fn drop_begun(&mut self) {
        self.begin = self.at;
    }

    /// What is begun, and `len` bytes more: a frame. They stay where they are until more is added.
    #[inline]
    fn take(&mut self, len: usize) -> &[u8] {
        let from = self.begin;
        self.at += len;
        self.begin = self.at;
        self.bytes.get(from..self.at).unwrap_or_default()
    }

    fn append(&mut self, bytes: &[u8]) {
        if let Some(room) = self.spare(bytes.len()) {
            room.copy_from_slice(bytes);
            self.end += bytes.len();
        }
    }

    /// Zeros are written once for each byte of memory, not once for each read: `bytes` gets no
    /// shorter.
    #[inline]
    fn spare(&mut self, len: usize) -> Option<&mut [u8]> {
        self.tidy();
        let end = self.end.saturating_add(len);
        if end > self.bytes.len() {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.end..end)
    }

    /// What is taken goes when it is at least half: a byte moves at most once for each that is added.
    #[inline]
    fn tidy(&mut self) {
        if self.begin >= self.end - self.begin && self.begin > 0 {
            self.bytes.copy_within(self.begin..self.end, 0);
            (self.at, self.end) = (self.at - self.begin, self.end - self.begin);
            self.begin = 0;
        }
    }
}

impl<F: Framing> State<F> {
    /// What the frame says that has just ended.
    #[inline(always)]
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

    /// The next byte is the first of a frame.
    #[inline]
    fn begin(&mut self) {
        self.offset += self.scanned;
        self.scanned = 0;
    }
}

impl<D: Decode + ?Sized> Decode for Box<D> {
    fn next_in<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<Frame<'a>>, FrameError> {
        (**self).next_in(input)
    }

    fn find(&mut self, input: &[u8]) -> (usize, Result<Option<Whole>, FrameError>) {
        (**self).find(input)
    }

    fn open<'a>(&'a mut self, whole: Whole, input: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        (**self).open(whole, input)
    }

    fn feed(&mut self, bytes: &[u8]) {
        (**self).feed(bytes);
    }

    fn spare(&mut self, len: usize) -> Option<&mut [u8]> {
        (**self).spare(len)
    }

    fn filled(&mut self, len: usize) {
        (**self).filled(len);
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
