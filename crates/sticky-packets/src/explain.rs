//! Lesson `explain`: a length field and some bytes. Do they fit, and if not, what would?
//!
//! ```text
//!  --length-field 1,2 --counts frame --strip 3
//!
//!   ca │ 00 10 │ fe 48 45 4c 4c 4f …      16 bytes from the first on, of which 3 are stripped
//!      │ number│
//! ```
//!
//! The same settings are said in netty's words and in tokio's, and can be given in them. Where the
//! bytes do not fit, the number is shown as the text that it may be, and other settings are tried.
//!
//! No socket: the bytes are an argument, or come from a file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, anyhow, ensure};
use cli::{Advice, Exit, count, escape, say};

use crate::choose::{Bytes, LayoutArgs};
use crate::decoder::{Decode, Decoder};
use crate::frame::{FrameError, Why};
use crate::length::{Counts, Endian, Layout, Length};
use crate::line::Line;
use crate::words::{Netty, Tokio, WordsError};

/// No more than this is read from a file.
const FILE_LEN_MAX: u64 = 1 << 20;

/// No more frames are shown.
const SHOWN_MAX: usize = 8;

/// So many bytes of a message are shown.
const MESSAGE_SHOWN: usize = 16;

/// No more other settings are shown.
const OTHERS_MAX: usize = 6;

/// A length field, in three libraries' words, and whether some bytes fit
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    layout: LayoutArgs,
    /// The settings in netty's words: lengthFieldOffset, lengthFieldLength, lengthAdjustment,
    /// initialBytesToStrip
    #[arg(
        long,
        value_name = "4 NUMBERS",
        conflicts_with_all = ["length_field", "counts", "strip", "tokio"]
    )]
    netty: Option<Four>,
    /// The settings in tokio-util's words: length_field_offset, length_field_length,
    /// length_adjustment, num_skip
    #[arg(
        long,
        value_name = "4 NUMBERS",
        conflicts_with_all = ["length_field", "counts", "strip"]
    )]
    tokio: Option<Four>,
    /// The longest message that is taken, in bytes
    #[arg(long, value_name = "BYTES", default_value = "65536")]
    max_frame: NonZeroUsize,
    /// The bytes as text, with \r, \n, \t, \0, \\ and \x1e
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["file", "hex"])]
    text: Option<Bytes>,
    /// The bytes of this file; - is stdin
    #[arg(long, value_name = "PATH", conflicts_with = "hex")]
    file: Option<PathBuf>,
    /// The bytes in hexadecimal digits, as in 0005 68656c6c6f
    #[arg(value_name = "HEX")]
    hex: Vec<Hex>,
}

/// Says the settings, and whether the bytes fit.
///
/// # Errors
/// When the settings are none, the file cannot be read, or the bytes do not fit.
pub fn run(args: Args) -> anyhow::Result<()> {
    let (layout, limit) = (args.layout()?, args.max_frame.get());
    say!("{layout}")?;
    let netty = Netty::new(&layout, limit as u64);
    match netty.exists() {
        true => say!("netty  {netty}")?,
        false => say!("netty  has no numbers of {} bytes", netty.length_field_length)?,
    }
    say!("tokio  {}", Tokio::new(&layout, limit as u64))?;

    let bytes = args.bytes()?;
    if bytes.is_empty() {
        return Ok(());
    }
    let fit = Fit::new(layout, limit, &bytes);
    fit.show(&bytes)?;
    let Some(wrong) = fit.wrong else { return Ok(()) };
    for line in what_it_may_be(&bytes) {
        say!("{line}")?;
    }
    show_others(&layout, limit, &bytes)?;
    match wrong.why {
        // More may come: that is no mistake of anybody's.
        Why::Ended { .. } => Ok(()),
        _ => Err(anyhow!(wrong)).context("the bytes do not fit").exit(Exit::Protocol),
    }
}

impl Args {
    fn layout(&self) -> anyhow::Result<Layout> {
        let plain = self.layout.layout()?;
        let byte_order = plain.byte_order();
        let layout: Result<Layout, WordsError> = match (self.netty, self.tokio) {
            (Some(Four(offset, width, length_adjustment, strip)), _) => Netty {
                byte_order,
                max_frame_length: 0,
                length_field_offset: offset,
                length_field_length: width,
                length_adjustment,
                initial_bytes_to_strip: strip,
            }
            .layout(),
            (_, Some(Four(offset, width, length_adjustment, num_skip))) => Tokio {
                byte_order,
                max_frame_length: 0,
                length_field_offset: offset,
                length_field_length: width,
                length_adjustment,
                num_skip,
            }
            .layout(),
            (None, None) => Ok(plain),
        };
        layout.context("no such layout").exit(Exit::Usage)
    }

    fn bytes(self) -> anyhow::Result<Vec<u8>> {
        match (self.text, self.file) {
            (Some(Bytes(bytes)), _) => Ok(bytes),
            (_, Some(path)) => {
                read(&path).with_context(|| format!("cannot read {}", path.display()))
            }
            (None, None) => Ok(self.hex.into_iter().flat_map(|hex| hex.0).collect()),
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = FILE_LEN_MAX + 1;
    match path.to_str() {
        Some("-") => io::stdin().lock().take(most).read_to_end(&mut bytes)?,
        _ => File::open(path)?.take(most).read_to_end(&mut bytes)?,
    };
    // Its beginning alone would look like a stream that ends in mid-frame.
    ensure!(bytes.len() as u64 <= FILE_LEN_MAX, "it has more than {FILE_LEN_MAX} bytes");
    Ok(bytes)
}

/// How some bytes fit a layout.
struct Fit {
    layout: Layout,
    /// Where each frame begins and ends.
    frames: Vec<(usize, usize)>,
    wrong: Option<FrameError>,
}

impl Fit {
    // ANCHOR: fit
    fn new(layout: Layout, limit: usize, bytes: &[u8]) -> Self {
        let mut decoder = Decoder::new(Length::new(layout), limit);
        let mut rest = bytes;
        let mut frames = Vec::new();
        let wrong = loop {
            let begin = bytes.len() - rest.len();
            match decoder.next_in(&mut rest) {
                Ok(Some(_)) => frames.push((begin, bytes.len() - rest.len())),
                Ok(None) => break decoder.finish().err(),
                Err(error) => break Some(error),
            }
        };
        Self { layout, frames, wrong }
    }
    // ANCHOR_END: fit

    fn show(&self, bytes: &[u8]) -> anyhow::Result<()> {
        for (number, (begin, end)) in (1..).zip(&self.frames).take(SHOWN_MAX) {
            say!("frame {number}, {}", count(end - begin, "byte"))?;
            self.show_frame(*begin, bytes.get(*begin..*end).unwrap_or_default())?;
        }
        if let Some(more) = self.frames.len().checked_sub(SHOWN_MAX + 1) {
            say!("and {} more", count(more + 1, "frame"))?;
        }
        let Some(wrong) = &self.wrong else { return Ok(()) };
        let begin = usize::try_from(wrong.offset).unwrap_or(usize::MAX);
        say!("frame {}", self.frames.len() + 1)?;
        self.show_frame(begin, bytes.get(begin..).unwrap_or_default())?;
        Ok(say!("  {}", wrong.why)?)
    }

    /// The parts of a frame, each with the place at which it begins.
    fn show_frame(&self, begin: usize, frame: &[u8]) -> anyhow::Result<()> {
        let (offset, head) = (self.layout.field().0, self.layout.head());
        let strip = self.layout.stripped();
        let part = |from: usize, to: usize| frame.get(from..to.min(frame.len()));
        let show = |from: usize, bytes: &[u8], what: &str| match bytes {
            [] => Ok(()),
            _ => say!("{:6}  {:<49}  {what}", begin + from, dump(bytes)),
        };
        if let Some(bytes) = part(0, offset) {
            show(0, bytes, "before the number")?;
        }
        let Some(field) = part(offset, head) else { return Ok(()) };
        if field.len() < head - offset {
            return Ok(show(offset, field, "the number, as far as it came")?);
        }
        let number = number(field, self.layout.byte_order());
        let text = escape(field).to_string();
        let as_text = field.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let as_text = if as_text { format!(", or the text \"{text}\"") } else { String::new() };
        show(offset, field, &format!("the number: {number}{as_text}"))?;
        if strip > head {
            show(head, part(head, strip).unwrap_or_default(), "behind the number, stripped")?;
        }
        let from = strip.max(head);
        let body = part(from, frame.len()).unwrap_or_default();
        let what = match strip < head {
            true => "behind the number; what comes out begins before",
            false => "the message",
        };
        let shown = beginning(body);
        let more = if shown.len() < body.len() { "…" } else { "" };
        show(from, body, &format!("{what}: {}{more}", escape(shown)))?;
        Ok(())
    }
}

/// As much as is shown, without a character that this would cut in two.
fn beginning(message: &[u8]) -> &[u8] {
    let Some(cut) = message.get(..MESSAGE_SHOWN) else { return message };
    match str::from_utf8(cut) {
        Err(error) if cut.len() < message.len() && error.error_len().is_none() => {
            cut.get(..error.valid_up_to()).unwrap_or(cut)
        }
        _ => cut,
    }
}

fn number(field: &[u8], order: Endian) -> u64 {
    let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match order {
        Endian::Big => field.iter().fold(0, join),
        Endian::Little => field.iter().rev().fold(0, join),
    }
}

/// The first bytes as hexadecimal digits.
fn dump(bytes: &[u8]) -> String {
    let shown: Vec<String> =
        bytes.iter().take(MESSAGE_SHOWN).map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > MESSAGE_SHOWN { " …" } else { "" };
    shown.join(" ") + more
}

/// What bytes often are that are no length.
fn what_it_may_be(bytes: &[u8]) -> Vec<&'static str> {
    let lines = || {
        let mut decoder = Decoder::new(Line::new(), bytes.len());
        let mut rest = bytes;
        loop {
            match decoder.next_in(&mut rest) {
                Ok(Some(_)) => {}
                Ok(None) => break matches!(decoder.finish(), Ok(None)),
                Err(_) => break false,
            }
        }
    };
    let known: [(bool, &str); 4] = [
        (bytes.starts_with(&[0x16, 3]), "it begins as TLS does (16 03): speak TLS, or turn it off"),
        (bytes.starts_with(b"HTTP/"), "it begins as an answer over HTTP does"),
        (
            [&b"GET "[..], b"POST ", b"HEAD "].iter().any(|verb| bytes.starts_with(verb)),
            "it begins as a request over HTTP does",
        ),
        (lines(), "all of it is lines of text: --framing line"),
    ];
    known.into_iter().filter(|(fits, _)| *fits).map(|(_, what)| what).collect()
}

fn show_others(layout: &Layout, limit: usize, bytes: &[u8]) -> anyhow::Result<()> {
    let others = others(layout, limit, bytes);
    match others.is_empty() {
        true => say!("no other length field in the first bytes fits all of them")?,
        false => say!("what would fit:")?,
    }
    for Other { layout, frames, .. } in others.iter().take(OTHERS_MAX) {
        say!("  {:<52}  {}", Words(layout).to_string(), count(*frames, "frame"))?;
    }
    Ok(())
}

/// Another layout, that fits.
struct Other {
    layout: Layout,
    frames: usize,
    /// How many of them have no message in them.
    empty: usize,
}

// ANCHOR: others
/// The layouts that leave no byte over: those with more messages first, because one fits by chance
/// easily, and with fewer empty ones; among them those that differ least from what was tried.
fn others(tried: &Layout, limit: usize, bytes: &[u8]) -> Vec<Other> {
    let mut ways = vec![Counts::Payload, Counts::Frame];
    let from = tried.counts_from();
    if from != 0 && from != tried.head() {
        ways.push(Counts::From(from));
    }
    let mut others = Vec::new();
    for width in [1, 2, 3, 4, 8] {
        for offset in 0..=8 {
            for endian in [Endian::Big, Endian::Little] {
                for counts in ways.iter().copied() {
                    let layout = Layout::new(width)
                        .and_then(|layout| layout.offset(offset))
                        .and_then(|layout| layout.endian(endian).counts(counts));
                    others.extend(layout.ok().and_then(|layout| Other::of(layout, limit, bytes)));
                }
            }
        }
    }
    let differences = |layout: &Layout| {
        let same = [
            layout.field().0 == tried.field().0,
            layout.field().1 == tried.field().1,
            layout.byte_order() == tried.byte_order(),
            layout.counts_from() == tried.counts_from(),
        ];
        same.into_iter().filter(|same| !same).count()
    };
    others.sort_by_key(|Other { layout, frames, empty }| {
        (std::cmp::Reverse(frames - empty), *empty, differences(layout))
    });
    others.dedup_by_key(|other| (other.layout.field(), other.layout.counts_from()));
    others
}
// ANCHOR_END: others

impl Other {
    fn of(layout: Layout, limit: usize, bytes: &[u8]) -> Option<Self> {
        // One byte has no order.
        if layout.field().1 == 1 && layout.byte_order() == Endian::Little {
            return None;
        }
        let fit = Fit::new(layout, limit, bytes);
        let frames = fit.frames.len();
        let empty = fit.frames.iter().filter(|(begin, end)| end - begin <= layout.head()).count();
        // Nothing but empty messages is what zeros look like, which are no lengths.
        let fits = fit.wrong.is_none() && empty < frames;
        fits.then_some(Self { layout, frames, empty })
    }
}

/// A layout as it is asked for.
struct Words<'a>(&'a Layout);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (offset, width) = self.0.field();
        match offset {
            0 => write!(f, "--length-field {width}")?,
            _ => write!(f, "--length-field {offset},{width}")?,
        }
        if self.0.byte_order() == Endian::Little {
            f.write_str(" --endian little")?;
        }
        match self.0.counts_from() {
            0 => f.write_str(" --counts frame"),
            from if from == self.0.head() => Ok(()),
            from => write!(f, " --counts {from}"),
        }
    }
}

/// Four settings, as in `1,2,-3,3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Four(usize, usize, i64, usize);

impl FromStr for Four {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let four = || {
            let mut parts = text.split(',').map(str::trim);
            let offset = parts.next()?.parse().ok()?;
            let width = parts.next()?.parse().ok()?;
            let adjustment = parts.next()?.parse().ok()?;
            let strip = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(Self(offset, width, adjustment, strip))
        };
        four().ok_or("write four numbers, as 1,2,-3,3: offset, width, adjustment, strip")
    }
}

/// Bytes in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hex(Vec<u8>);

impl FromStr for Hex {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: Option<Vec<u8>> = text
            .chars()
            .filter(|character| !matches!(character, ':' | ' '))
            .map(|character| character.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let digits = digits.ok_or("hexadecimal digits are 0 to 9 and a to f; or say --text")?;
        let (pairs, rest) = digits.as_chunks::<2>();
        match rest {
            [] => Ok(Self(pairs.iter().map(|[high, low]| high << 4 | low).collect())),
            _ => Err("a byte has two hexadecimal digits"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_fit_is_found() {
        let two = Layout::new(2).unwrap();
        for (right, tried) in [
            (two.endian(Endian::Little), two),
            (two.counts(Counts::Frame).unwrap(), two),
            (Layout::new(1).unwrap(), two),
            (two.offset(1).unwrap(), two),
        ] {
            let mut bytes = Vec::new();
            for message in ["hello", "how are you?", "fine"] {
                bytes.extend(
                    crate::encode::to_vec(&Length::new(right), message.as_bytes()).unwrap(),
                );
            }
            assert!(Fit::new(tried, 100, &bytes).wrong.is_some());
            let others = others(&tried, 100, &bytes);
            assert_eq!(others[0].layout, right, "{right}");
            assert_eq!(others[0].frames, 3);
        }
    }

    #[test]
    fn a_message_is_not_shown_with_half_a_character() {
        for (message, shown) in [
            ("hello", "hello"),
            ("0123456789abcdef", "0123456789abcdef"),
            ("0123456789abcdefg", "0123456789abcdef"),
            ("0123456789abcde爱", "0123456789abcde"),
            ("你好你好你好", "你好你好你"),
        ] {
            assert_eq!(beginning(message.as_bytes()), shown.as_bytes());
        }
        // What is half a character in the message itself is shown.
        for bytes in [&b"0123456789abcde\xe7"[..], b"0123456789abcd\xff\xe7"] {
            assert_eq!(beginning(bytes), bytes);
        }
    }

    #[test]
    fn zeros_are_no_lengths() {
        let two = Layout::new(2).unwrap();
        assert!(others(&two, 100, &[0; 24]).is_empty());
    }

    #[test]
    fn the_settings_can_be_given_in_anybodys_words() {
        #[derive(clap::Parser)]
        struct Program {
            #[command(flatten)]
            args: Args,
        }
        let want = Layout::new(2).unwrap().offset(1).unwrap().strip(3).unwrap();
        let want = want.counts(Counts::From(0)).unwrap().endian(Endian::Little);
        for words in ["--netty 1,2,-3,3", "--tokio 1,2,-3,3", "--length-field 1,2 --counts 0"] {
            let words = format!("x --endian little {words}");
            let program: Program = clap::Parser::try_parse_from(words.split(' ')).unwrap();
            assert_eq!(program.args.layout().unwrap(), want, "{words}");
        }
    }

    #[test]
    fn what_often_is_no_length_is_known() {
        for (bytes, want) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], 2),
            (b"HTTP/1.1 200 OK", 1),
            (b"\x16\x03\x01\x02\0", 1),
            (b"hello\n", 1),
            (b"hello\n\xff\n", 0),
            (b"hello", 0),
        ] {
            assert_eq!(what_it_may_be(bytes).len(), want, "{bytes:?}");
        }
    }

    #[test]
    fn arguments_are_what_they_look_like() {
        assert_eq!("1,2,-3,3".parse(), Ok(Four(1, 2, -3, 3)));
        for text in ["", "1,2,3", "1,2,3,4,5", "1,-2,3,4", "a,b,c,d"] {
            assert!(text.parse::<Four>().is_err(), "{text}");
        }
        assert_eq!("00:0a ff".parse(), Ok(Hex(vec![0, 10, 255])));
        assert!("0".parse::<Hex>().is_err() && "0g".parse::<Hex>().is_err());
    }

    #[test]
    fn settings_are_said_as_they_are_asked_for() {
        let layout = Layout::new(2).unwrap();
        let words = |layout: Layout| Words(&layout).to_string();
        assert_eq!(words(layout), "--length-field 2");
        let whole = layout.offset(1).unwrap().counts(Counts::Frame).unwrap();
        assert_eq!(
            words(whole.endian(Endian::Little)),
            "--length-field 1,2 --endian little --counts frame"
        );
        assert_eq!(words(layout.counts(Counts::From(4)).unwrap()), "--length-field 2 --counts 4");
    }
}
