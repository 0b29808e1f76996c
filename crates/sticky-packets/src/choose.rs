//! The framings as a command line chooses them: a name, and what can be set for it.
//!
//! An option of another framing is refused, not ignored: who writes `--size 8` beside `--framing
//! length` expects something that will not happen.

use std::num::NonZeroUsize;
use std::str::FromStr;

use anyhow::{Context, anyhow};
use cli::{Advice, Exit};

use crate::cobs::Cobs;
use crate::decoder::{Decode, Decoder, Framing, Policy};
use crate::delimiter::Delimiter;
use crate::encode::Encode;
use crate::fixed::Fixed;
use crate::framings::Name;
use crate::length::{Counts, Endian, Layout, Length};
use crate::line::Line;
use crate::naive::Naive;
use crate::varint::Varint;

/// So many bytes a block has, unless another size is asked for.
const BLOCK_LEN: NonZeroUsize = NonZeroUsize::MIN.saturating_add(31);

/// No block and no buffer that is asked for is longer: its memory is taken at once.
const SIZE_MAX: usize = 16 << 20;

/// Which framing, and how it is set.
#[derive(Clone, Debug, clap::Args)]
pub struct FramingArgs {
    /// How messages are told apart: naive, fixed, line, delimiter, length, varint or cobs
    #[arg(long, value_name = "NAME", default_value = "length")]
    framing: Name,
    #[command(flatten)]
    options: FramingOptions,
}

/// What can be set, each for its framing.
#[derive(Clone, Debug, clap::Args)]
pub struct FramingOptions {
    /// The longest message that is taken, in bytes
    #[arg(long, value_name = "BYTES", default_value = "65536")]
    max_frame: NonZeroUsize,
    /// Pass over a message that is too long, and go on with the next
    #[arg(long)]
    skip_too_long: bool,
    /// fixed: how long each block is; 32 unless given
    #[arg(long, value_name = "BYTES", value_parser = size)]
    size: Option<NonZeroUsize>,
    /// delimiter: what ends a message, such as '\r\n' or '\x1e'; a `;` that `\` escapes unless given
    #[arg(long, value_name = "TEXT")]
    delimiter: Option<Bytes>,
    /// delimiter: what makes a delimiter of one byte a byte like others
    #[arg(long, value_name = "CHARACTER", requires = "delimiter")]
    escape: Option<OneByte>,
    #[command(flatten)]
    layout: LayoutArgs,
}

/// Where the length stands and what it counts.
#[derive(Clone, Debug, clap::Args)]
pub struct LayoutArgs {
    /// length: how many bytes the number has, with its offset before it if that is not 0, as in 1,2
    #[arg(
        long,
        visible_alias = "length-bytes",
        value_name = "[OFFSET,]WIDTH",
        default_value = "4"
    )]
    length_field: Field,
    /// length: which byte of the number comes first, big or little
    #[arg(long, value_name = "ORDER", value_parser = endian, default_value = "big")]
    endian: Endian,
    /// length: what the number counts: payload (all behind it), frame, or from which byte on
    #[arg(long, value_name = "WHAT", value_parser = counts, default_value = "payload")]
    counts: Counts,
    /// length: how many bytes in front do not belong to the message; the number and all before it
    /// unless given
    #[arg(long, value_name = "BYTES")]
    strip: Option<usize>,
}

/// A framing that was chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    name: Name,
    kind: Kind,
    limit: usize,
    policy: Policy,
}

#[derive(Clone, Debug)]
enum Kind {
    Naive,
    Fixed(NonZeroUsize),
    Line,
    Delimiter(Delimiter),
    Length(Layout),
    Varint,
    Cobs,
}

impl FramingArgs {
    /// The framing that was asked for.
    ///
    /// # Errors
    /// When the options do not go together.
    pub fn choose(self) -> anyhow::Result<Choice> {
        self.options.fit(self.framing)?;
        self.options.choose(self.framing)
    }
}

impl FramingOptions {
    /// This framing, with what is set for it.
    ///
    /// # Errors
    /// When its options do not go together.
    pub fn choose(&self, name: Name) -> anyhow::Result<Choice> {
        let kind = match name {
            Name::Naive => Kind::Naive,
            Name::Fixed => Kind::Fixed(self.block_len()?),
            Name::Line => Kind::Line,
            Name::Delimiter => Kind::Delimiter(self.mark()?),
            Name::Length => Kind::Length(self.layout.layout()?),
            Name::Varint => Kind::Varint,
            Name::Cobs => Kind::Cobs,
        };
        let policy = if self.skip_too_long { Policy::Skip } else { Policy::Close };
        Ok(Choice { name, kind, limit: self.max_frame.get(), policy })
    }

    /// Refuses what is set for another framing.
    ///
    /// # Errors
    /// When there is such.
    pub fn fit(&self, name: Name) -> anyhow::Result<()> {
        let LayoutArgs { length_field, endian, counts, strip } = &self.layout;
        let plain = (*length_field, *endian, *counts) == Default::default();
        let given = [
            (Name::Fixed, "--size", self.size.is_some()),
            (Name::Delimiter, "--delimiter", self.delimiter.is_some()),
            (Name::Length, "--length-field and what goes with it", !plain || strip.is_some()),
        ];
        match given.into_iter().find(|(owner, _, given)| *given && *owner != name) {
            None => Ok(()),
            Some((owner, option, _)) => Err(anyhow!("{option} means nothing to {name}"))
                .hint(format_args!("it is for --framing {owner}"))
                .exit(Exit::Usage),
        }
    }

    fn block_len(&self) -> anyhow::Result<NonZeroUsize> {
        match self.size {
            Some(size) if size > self.max_frame => {
                Err(anyhow!("no block of {size} bytes is within the limit of {}", self.max_frame))
                    .hint("raise it with --max-frame")
                    .exit(Exit::Usage)
            }
            size => Ok(size.unwrap_or(BLOCK_LEN)),
        }
    }

    fn mark(&self) -> anyhow::Result<Delimiter> {
        let Some(Bytes(mark)) = &self.delimiter else { return Ok(Delimiter::default()) };
        let delimiter = match &self.escape {
            None => Delimiter::several(mark),
            Some(_) if mark.len() > 1 => {
                return Err(anyhow!("--escape is for a delimiter of one byte")).exit(Exit::Usage);
            }
            Some(OneByte(escape)) => Delimiter::escaped(mark, *escape),
        };
        delimiter.context("no such delimiter").exit(Exit::Usage)
    }
}

impl LayoutArgs {
    /// The layout that was asked for.
    ///
    /// # Errors
    /// When there is none such.
    pub fn layout(&self) -> anyhow::Result<Layout> {
        let Field { offset, width } = self.length_field;
        let layout = Layout::new(width)
            .and_then(|layout| layout.offset(offset))
            .and_then(|layout| layout.endian(self.endian).counts(self.counts))
            .and_then(|layout| match self.strip {
                Some(strip) => layout.strip(strip),
                None => Ok(layout),
            });
        layout.context("no such layout").exit(Exit::Usage)
    }
}

impl Choice {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// What reads it.
    #[must_use]
    pub fn decoder(&self) -> Box<dyn Decode + Send> {
        match &self.kind {
            Kind::Naive => self.boxed(Naive),
            Kind::Fixed(size) => self.boxed(Fixed::new(*size)),
            Kind::Line => self.boxed(Line::new()),
            Kind::Delimiter(delimiter) => self.boxed(delimiter.clone()),
            Kind::Length(layout) => self.boxed(Length::new(*layout)),
            Kind::Varint => self.boxed(Varint::new()),
            Kind::Cobs => self.boxed(Cobs::new()),
        }
    }

    /// What writes it.
    #[must_use]
    pub fn encoder(&self) -> Box<dyn Encode + Send> {
        match &self.kind {
            Kind::Naive => Box::new(Naive),
            Kind::Fixed(size) => Box::new(Fixed::new(*size)),
            Kind::Line => Box::new(Line::new()),
            Kind::Delimiter(delimiter) => Box::new(delimiter.clone()),
            Kind::Length(layout) => Box::new(Length::new(*layout)),
            Kind::Varint => Box::new(Varint::new()),
            Kind::Cobs => Box::new(Cobs::new()),
        }
    }

    fn boxed<F: Framing + Send + 'static>(&self, framing: F) -> Box<dyn Decode + Send> {
        Box::new(Decoder::new(framing, self.limit).policy(self.policy))
    }
}

/// Where a number stands: `4`, or `1,2` for two bytes behind the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    offset: usize,
    width: usize,
}

impl Default for Field {
    fn default() -> Self {
        Self { offset: 0, width: 4 }
    }
}

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (offset, width) = text.split_once(',').unwrap_or(("0", text));
        match (offset.trim().parse(), width.trim().parse()) {
            (Ok(offset), Ok(width)) => {
                let layout = Layout::new(width).and_then(|layout| layout.offset(offset));
                layout.map_err(|error| error.to_string())?;
                Ok(Self { offset, width })
            }
            _ => Err("write a width, as 4, or an offset and a width, as 1,2".to_owned()),
        }
    }
}

/// A size of which there is so much memory. For clap's `value_parser`.
///
/// # Errors
/// When it is no number, or no size.
pub fn size(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(size) if NonZeroUsize::get(size) <= SIZE_MAX => Ok(size),
        _ => Err(format!("write a number of bytes from 1 to {SIZE_MAX}")),
    }
}

fn endian(text: &str) -> Result<Endian, &'static str> {
    match text {
        "big" => Ok(Endian::Big),
        "little" => Ok(Endian::Little),
        _ => Err("there are two orders: big, little"),
    }
}

fn counts(text: &str) -> Result<Counts, &'static str> {
    match text {
        "payload" => Ok(Counts::Payload),
        "frame" => Ok(Counts::Frame),
        place => place
            .parse()
            .map(Counts::From)
            .map_err(|_| "write payload, frame, or the number of the byte from which it counts"),
    }
}

/// Bytes as a person writes them: text, with `\r`, `\n`, `\t`, `\0`, `\\` and `\x1e`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\\') {
            bytes.extend_from_slice(before.as_bytes());
            let (byte, len) = match after.as_bytes() {
                [b'r', ..] => (b'\r', 1),
                [b'n', ..] => (b'\n', 1),
                [b't', ..] => (b'\t', 1),
                [b'0', ..] => (0, 1),
                [b'\\', ..] => (b'\\', 1),
                [b'x', ..] => {
                    let hex = after.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                    (hex.ok_or("\\x wants two hexadecimal digits, as in \\x1e")?, 3)
                }
                _ => return Err(r"a \ is followed by r, n, t, 0, x1e or \".to_owned()),
            };
            bytes.push(byte);
            rest = after.get(len..).unwrap_or_default();
        }
        bytes.extend_from_slice(rest.as_bytes());
        Ok(Self(bytes))
    }
}

/// One byte, written in the same way; a `\` may stand alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OneByte(u8);

impl FromStr for OneByte {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == r"\" {
            return Ok(Self(b'\\'));
        }
        match text.parse::<Bytes>()?.0.as_slice() {
            [byte] => Ok(Self(*byte)),
            _ => Err("write one byte".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::encode::to_vec;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        framing: FramingArgs,
    }

    /// What is on the wire for "hi;".
    #[track_caller]
    fn check(words: &str, wire: &[u8]) {
        let line = Line::try_parse_from(format!("x {words}").split(' ')).unwrap();
        let choice = line.framing.choose().unwrap();
        assert_eq!(to_vec(&choice.encoder(), b"hi;").unwrap(), wire, "{words}");
        let mut decoder = choice.decoder();
        decoder.feed(wire);
        assert_eq!(decoder.next().unwrap().unwrap().bytes(), b"hi;", "{words}");
    }

    #[test]
    fn each_framing_has_its_options() {
        check("--framing naive", b"hi;");
        check("--framing fixed --size 4 --max-frame 4", b"hi;\0");
        check("--framing line", b"hi;\n");
        check("--framing delimiter", b"hi\\;;");
        check(r"--framing delimiter --delimiter \r\n", b"hi;\r\n");
        check(r"--framing delimiter --delimiter \0 --escape \", b"hi;\0");
        check("--framing length", b"\0\0\0\x03hi;");
        check("--framing length --length-bytes 2 --endian little", b"\x03\0hi;");
        check("--length-field 1,2 --counts frame", b"\0\0\x06hi;");
        check("--length-field 2 --counts 3 --strip 3", b"\0\x03\0hi;");
        check("--framing varint", b"\x03hi;");
        check("--framing cobs", b"\x04hi;\0");
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for words in [
            "--framing line --size 4",
            "--framing fixed --size 9 --max-frame 8",
            "--framing cobs --length-bytes 2",
            "--framing length --delimiter ,",
            r"--framing delimiter --delimiter \r\n --escape %",
            "--framing delimiter --delimiter ; --escape ;",
        ] {
            let line = Line::try_parse_from(format!("x {words}").split(' ')).unwrap();
            assert!(line.framing.choose().is_err(), "{words}");
        }
        for words in [
            "--framing cbos",
            "--length-bytes 9",
            "--endian middle",
            r"--delimiter \q",
            "--counts x",
            "--framing fixed --size 0",
            "--framing fixed --size 16777217",
            "--framing fixed --size 18446744073709551616",
        ] {
            let parsed = Line::try_parse_from(format!("x {words}").split(' '));
            assert!(parsed.is_err(), "{words}");
        }
    }

    #[test]
    fn bytes_are_written_as_in_a_program() {
        for (text, want) in [
            (r"\r\n", Ok(&b"\r\n"[..])),
            (r"a\x1eb\0", Ok(b"a\x1eb\0")),
            ("。", Ok("。".as_bytes())),
            (r"\\", Ok(b"\\")),
        ] {
            assert_eq!(text.parse::<Bytes>(), want.map(|bytes| Bytes(bytes.to_vec())));
        }
        for text in [r"\", r"\x", r"\xg1", r"\x1", r"\x你好", r"\你"] {
            text.parse::<Bytes>().map_err(|_: String| text).unwrap_err();
        }
    }
}
