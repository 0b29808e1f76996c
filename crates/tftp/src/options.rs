//! What is asked for, what is agreed on, and what is refused: RFC 2347, 2348, 2349 and 7440. No
//! socket, no clock.
//!
//! ```text
//!  client                                            server
//!  Wanted ── RRQ … blksize 1428 windowsize 64 ──▶ answer(request, limits, size)
//!                                                     │  unknown or odd: left out
//!                                                     │  too much: less
//!  check(oack) ◀── OACK blksize 1428 windowsize 16 ── Answer
//!     │  not asked for, or more than asked for: ERROR 8
//!     ▼
//!  Agreed ═══════════ the same at both ends ═══════ Agreed
//! ```
//!
//! A server that knows no options answers as if none had been asked for, and [`Agreed::default`]
//! is what counts then. A server never refuses a request for its options (RFC 2347 lets it leave
//! out what it does not like), save an upload that it has no room for.

use crate::rollover::{Rollover, WINDOW_MAX};
use crate::wire::{ErrorCode, Mode, Options, Request};

/// The block size where none was agreed on (RFC 1350 §2).
pub const BLKSIZE_DEFAULT: u16 = 512;

/// The block sizes that can be agreed on (RFC 2348): the largest fills a UDP datagram over IPv4
/// without IP options, and IPv6.
pub const BLKSIZES: std::ops::RangeInclusive<u16> = 8..=65_464;

const BLKSIZE: &str = "blksize";
const TIMEOUT: &str = "timeout";
const TSIZE: &str = "tsize";
const WINDOWSIZE: &str = "windowsize";

/// What both ends act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Bytes in each block but the last.
    pub blksize: u16,
    /// Blocks before an ACK is waited for.
    pub windowsize: u16,
    /// Seconds until something is repeated.
    pub timeout: Option<u8>,
    /// How many bytes the whole file has, as far as its sender said.
    pub tsize: Option<u64>,
    /// What follows block 65535. Not agreed on: each end is told by its operator.
    pub rollover: Rollover,
}

impl Default for Agreed {
    /// What counts when no options were agreed on (RFC 1350).
    fn default() -> Self {
        Self {
            blksize: BLKSIZE_DEFAULT,
            windowsize: 1,
            timeout: None,
            tsize: None,
            rollover: Rollover::Zero,
        }
    }
}

/// What a client asks for; `None` and it does not ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Bytes in each block.
    pub blksize: Option<u16>,
    /// Blocks before an ACK.
    pub windowsize: Option<u16>,
    /// Seconds until something is repeated, not 0.
    pub timeout: Option<u8>,
    /// An upload's size; 0 in a download, to be told it.
    pub tsize: Option<u64>,
    /// What follows block 65535.
    pub rollover: Rollover,
}

/// What a server's operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes in a block, within [`BLKSIZES`].
    pub blksize_max: u16,
    /// The most blocks in a window; [`WINDOW_MAX`] limits it too.
    pub windowsize_max: u16,
    /// The most bytes in a window. A netascii sender keeps a window in memory, and every receiver's
    /// socket buffer must hold one.
    pub window_bytes_max: u32,
    /// The most bytes in an upload.
    pub file_max: u64,
    /// What follows block 65535.
    pub rollover: Rollover,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            blksize_max: *BLKSIZES.end(),
            windowsize_max: 256,
            window_bytes_max: 4 << 20,
            file_max: u64::MAX,
            rollover: Rollover::Zero,
        }
    }
}

/// A server's answer to a request that it will serve.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// What to act on.
    pub agreed: Agreed,
    /// What to send as an OACK; `None` and the transfer begins with DATA 1 or ACK 0, as no option
    /// was asked for that is known here.
    pub oack: Option<OptionsBuf>,
}

/// Why a server does not take an upload, or a client an OACK.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The upload says that it is larger than [`Limits::file_max`].
    #[error("an upload of {tsize} bytes was announced, at most {limit} are taken")]
    TooLarge {
        /// What was announced.
        tsize: u64,
        /// What is allowed.
        limit: u64,
    },
    /// An OACK with an option that was not asked for, or that stands there twice. Show the name
    /// only through `cli::escape`.
    #[error("the OACK has an option that was not asked for, or has it twice")]
    NotAsked {
        /// Its name, at most [`OPTIONS_LEN_MAX`] bytes of it.
        name: Box<[u8]>,
    },
    /// An OACK with a value that the client did not offer.
    #[error("the OACK sets {name} to a value that was not offered")]
    NotOffered {
        /// Of which option.
        name: &'static str,
    },
}

impl Refusal {
    /// The ERROR that says so.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } => ErrorCode::DISK_FULL,
            Self::NotAsked { .. } | Self::NotOffered { .. } => ErrorCode::OPTIONS,
        }
    }
}

/// Answers a request's options.
///
/// `size` is the length of the file that is asked for; `None` in an upload, or when it is not
/// known.
///
/// # Errors
/// [`Refusal::TooLarge`], for an upload with a `tsize` above the limit.
pub fn answer(
    request: &Request<'_>,
    upload: bool,
    size: Option<u64>,
    limits: &Limits,
) -> Result<Answer, Refusal> {
    let mut agreed = Agreed { rollover: limits.rollover, ..Agreed::default() };
    let mut oack = OptionsBuf::default();
    // Block size first: how many blocks fit into a window depends on it, wherever it stands.
    let blksize = request.options.iter().find(|(name, _)| is(name, BLKSIZE));
    let blksize = blksize.and_then(|(_, value)| agree_blksize(value, limits));
    agreed.blksize = blksize.unwrap_or(BLKSIZE_DEFAULT);
    let mut seen = Seen::default();
    for (name, value) in request.options.iter() {
        // "An option may only be specified once" (RFC 2347): the first one counts.
        let known = [BLKSIZE, TIMEOUT, TSIZE, WINDOWSIZE].into_iter().find(|known| is(name, known));
        let Some(known) = known.filter(|known| seen.first(known)) else { continue };
        let agreed_value = match known {
            BLKSIZE => blksize.map(u64::from),
            WINDOWSIZE => agree_windowsize(value, agreed.blksize, limits)
                .inspect(|size| agreed.windowsize = *size)
                .map(u64::from),
            TIMEOUT => agree_timeout(value, upload)
                .inspect(|seconds| agreed.timeout = Some(*seconds))
                .map(u64::from),
            _ => agree_tsize(value, request.mode, upload, size, limits)?
                .inspect(|size| agreed.tsize = Some(*size)),
        };
        if let Some(value) = agreed_value {
            // The name as it was asked for: some clients compare it letter by letter.
            oack.push(name, value);
        }
    }
    Ok(Answer { agreed, oack: (!oack.is_empty()).then_some(oack) })
}

/// Smaller than asked for is legal, larger is not (RFC 2348). What is below the range is left out,
/// what is above it becomes the most that is allowed.
fn agree_blksize(value: &[u8], limits: &Limits) -> Option<u16> {
    let asked = number(value).filter(|asked| *asked >= u64::from(*BLKSIZES.start()))?;
    let most = limits.blksize_max.clamp(*BLKSIZES.start(), *BLKSIZES.end());
    Some(u16::try_from(asked).map_or(most, |asked| asked.min(most)))
}

/// 1 to 65535 can be asked for (RFC 7440 §3), anything up to that can be the answer.
fn agree_windowsize(value: &[u8], blksize: u16, limits: &Limits) -> Option<u16> {
    let asked = number(value).and_then(|asked| u16::try_from(asked).ok()).filter(|a| *a > 0)?;
    let by_bytes = limits.window_bytes_max / u32::from(blksize);
    let by_bytes = u16::try_from(by_bytes).unwrap_or(u16::MAX);
    Some(asked.min(limits.windowsize_max).min(by_bytes).clamp(1, WINDOW_MAX))
}

/// "The number of seconds to wait before retransmitting", 1 to 255, and the answer must be the same
/// number (RFC 2349): another one may not be put in its place, so what is out of range is left out.
///
/// In a download it is left out always, as RFC 2347 allows. It is this end that repeats DATA then,
/// and by RFC 1123 (4.2.3.2) "MUST use an adaptive timeout": to agree would be to wait for whole
/// seconds, curl's 6 for one, where a round trip is known to take milliseconds. In an upload it is
/// the client that repeats DATA, as often as it likes, and our ACK again is not needed before.
fn agree_timeout(value: &[u8], upload: bool) -> Option<u8> {
    let asked = number(value).filter(|_| upload)?;
    u8::try_from(asked).ok().filter(|seconds| *seconds > 0)
}

/// In a download the file's size, in an upload what was announced (RFC 2349).
fn agree_tsize(
    value: &[u8],
    mode: Mode,
    upload: bool,
    size: Option<u64>,
    limits: &Limits,
) -> Result<Option<u64>, Refusal> {
    let Some(asked) = number(value) else { return Ok(None) };
    if upload {
        let limit = limits.file_max;
        return match asked {
            tsize if tsize > limit => Err(Refusal::TooLarge { tsize, limit }),
            tsize => Ok(Some(tsize)),
        };
    }
    // As netascii a text has another length, which nobody knows before it was all read. And curl
    // takes `tsize 0` for an error, so an empty file goes without.
    Ok(size.filter(|size| mode == Mode::Octet && *size > 0))
}

impl Wanted {
    /// The options of a request, as they go into [`Request::options`].
    #[must_use]
    pub fn encode(&self) -> OptionsBuf {
        let mut options = OptionsBuf::default();
        let asked = [
            (TSIZE, self.tsize),
            (BLKSIZE, self.blksize.map(u64::from)),
            (WINDOWSIZE, self.windowsize.map(|size| size.min(WINDOW_MAX).into())),
            (TIMEOUT, self.timeout.map(u64::from)),
        ];
        for (name, value) in asked {
            if let Some(value) = value {
                options.push(name.as_bytes(), value);
            }
        }
        options
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.encode().is_empty()
    }

    /// What counts when the server answers without an OACK: it knows no options (RFC 2347).
    #[must_use]
    pub fn without_oack(&self) -> Agreed {
        Agreed { rollover: self.rollover, ..Agreed::default() }
    }

    /// Reads the server's OACK.
    ///
    /// # Errors
    /// When it holds what was not asked for, or more than that. The client ends the exchange with
    /// ERROR 8 then (RFC 2347).
    pub fn check(&self, oack: Options<'_>) -> Result<Agreed, Refusal> {
        let mut agreed = self.without_oack();
        let mut seen = Seen::default();
        for (name, value) in oack.iter() {
            let not_asked = || {
                let name = name.get(..OPTIONS_LEN_MAX).unwrap_or(name);
                Refusal::NotAsked { name: name.into() }
            };
            let known = [
                (BLKSIZE, self.blksize.is_some()),
                (WINDOWSIZE, self.windowsize.is_some()),
                (TIMEOUT, self.timeout.is_some()),
                (TSIZE, self.tsize.is_some()),
            ];
            let asked = known.into_iter().find(|(known, asked)| *asked && is(name, known));
            let (known, _) = asked.filter(|(known, _)| seen.first(known)).ok_or_else(not_asked)?;
            self.take(known, value, &mut agreed).ok_or(Refusal::NotOffered { name: known })?;
        }
        Ok(agreed)
    }

    /// Takes one value over; `None` when it was not offered.
    fn take(&self, name: &str, value: &[u8], agreed: &mut Agreed) -> Option<()> {
        let value = number(value)?;
        match name {
            BLKSIZE => {
                let size = u16::try_from(value).ok().filter(|size| BLKSIZES.contains(size))?;
                agreed.blksize = Some(size).filter(|size| Some(*size) <= self.blksize)?;
            }
            WINDOWSIZE => {
                let size = u16::try_from(value).ok().filter(|size| *size > 0)?;
                agreed.windowsize = Some(size).filter(|size| Some(*size) <= self.windowsize)?;
            }
            TIMEOUT => {
                let seconds = u8::try_from(value).ok();
                agreed.timeout = Some(seconds.filter(|_| seconds == self.timeout)?);
            }
            _ => agreed.tsize = Some(value),
        }
        Some(())
    }
}

/// Whether to ask again without options, when the answer to a request with some was an ERROR.
///
/// Codes that speak of the file would only come again. The tutorial's server says 5 for a missing
/// file, but answers no request that has options.
#[must_use]
pub fn may_be_the_options(code: ErrorCode) -> bool {
    let of_the_file =
        [ErrorCode::NOT_FOUND, ErrorCode::ACCESS, ErrorCode::DISK_FULL, ErrorCode::EXISTS];
    !of_the_file.contains(&code)
}

/// The most bytes that the known options take: all four names with their longest values.
pub const OPTIONS_LEN_MAX: usize = 96;

/// Options on their way into a packet. Fixed in size, so nothing is allocated for a stranger.
#[derive(Clone, Copy, Debug)]
pub struct OptionsBuf {
    bytes: [u8; OPTIONS_LEN_MAX],
    len: usize,
}

impl Default for OptionsBuf {
    fn default() -> Self {
        Self { bytes: [0; OPTIONS_LEN_MAX], len: 0 }
    }
}

impl OptionsBuf {
    /// For [`Request::options`] and [`Packet::Oack`](crate::wire::Packet::Oack).
    #[must_use]
    pub fn as_options(&self) -> Options<'_> {
        Options::from_bytes(self.bytes.get(..self.len).unwrap_or_default())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a name and its value. What does not fit is left out as a whole; the known options
    /// fit, each once.
    fn push(&mut self, name: &[u8], value: u64) {
        let mut digits = [0; 20];
        let digits = decimal(value, &mut digits);
        let end = self.len + name.len() + digits.len() + 2;
        let Some(room) = self.bytes.get_mut(self.len..end) else { return };
        let bytes = name.iter().chain(&[0]).chain(digits).chain(&[0]);
        for (place, byte) in room.iter_mut().zip(bytes) {
            *place = *byte;
        }
        self.len = end;
    }
}

/// The digits of a number, at the end of `buffer`. `to_string` would allocate.
fn decimal(mut value: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut first = buffer.len();
    for place in buffer.iter_mut().rev() {
        // A digit, which fits.
        *place = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
        first -= 1;
        if value == 0 {
            break;
        }
    }
    buffer.get(first..).unwrap_or_default()
}

/// A number as RFC 2347 has it: decimal digits and nothing else. `None` also when 64 bits do not
/// hold it.
fn number(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Names are compared without regard to case (RFC 2347).
fn is(name: &[u8], known: &str) -> bool {
    name.eq_ignore_ascii_case(known.as_bytes())
}

/// Which options have been there already.
#[derive(Default)]
struct Seen {
    names: [Option<&'static str>; 4],
}

impl Seen {
    /// Whether it is there for the first time.
    fn first(&mut self, name: &'static str) -> bool {
        for seen in &mut self.names {
            match seen {
                Some(seen) if *seen == name => return false,
                Some(_) => {}
                None => {
                    *seen = Some(name);
                    return true;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests;
