//! Bytes and packets: TFTP's datagrams. No socket, no clock.
//!
//! Every datagram begins with two bytes that say what it is. Numbers are big-endian, texts end in a
//! zero byte (RFC 1350 §5, RFC 2347):
//!
//! ```text
//!             2 bytes   text    1   text  1   text    1   text  1
//!            ┌────────┬────────┬───┬──────┬───┬────────┬───┬─────┬───┐
//! RRQ, WRQ   │ 1 or 2 │  name  │ 0 │ mode │ 0 │ option │ 0 │value│ 0 │ …
//!            └────────┴────────┴───┴──────┴───┴────────┴───┴─────┴───┘
//!             2 bytes  2 bytes   0 to blksize bytes
//!            ┌────────┬────────┬──────────────────┐
//! DATA       │   3    │ block  │     payload      │   shorter than blksize: the last
//!            ├────────┼────────┼──────────────────┘
//! ACK        │   4    │ block  │
//!            ├────────┼────────┼─────────┬───┐
//! ERROR      │   5    │  code  │  text   │ 0 │
//!            ├────────┼────────┼───┬─────┼───┤
//! OACK       │   6    │ option │ 0 │value│ 0 │ …
//!            └────────┴────────┴───┴─────┴───┘
//! ```
//!
//! A [`Packet`] borrows from the datagram that it was read from; [`Packet::encode`] writes into a
//! buffer of the caller's. Neither allocates. What is read is what can be written: the tests have
//! one table for both.

use byteorder::{BigEndian, ByteOrder};

/// What stands before the payload of a DATA: opcode and block number.
pub const DATA_HEADER_LEN: usize = 4;

/// RFC 2347: "the maximum size of a request packet is 512 octets".
pub const REQUEST_LEN_MAX: usize = 512;

const RRQ: u16 = 1;
const WRQ: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// A datagram, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ: send me this file.
    Read(Request<'a>),
    /// WRQ: take this file.
    Write(Request<'a>),
    /// DATA: a piece of the file.
    Data {
        /// Its number, of 16 bits; [`rollover`](crate::rollover) knows which block that is.
        block: u16,
        /// The bytes of the file.
        payload: &'a [u8],
    },
    /// ACK: this piece, and all before it, arrived.
    Ack {
        /// Its number.
        block: u16,
    },
    /// ERROR: it is over. Never acknowledged, never answered (RFC 1350 §7).
    Error {
        /// What kind of error.
        code: ErrorCode,
        /// For a person. Show it only through `cli::escape`.
        message: &'a [u8],
    },
    /// OACK: of the options you asked for, these, with these values (RFC 2347).
    Oack(Options<'a>),
}

/// What an RRQ or a WRQ asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The file's name: not empty, no zero byte, otherwise anything. Show it only through
    /// `cli::escape`.
    pub filename: &'a [u8],
    /// How the file's bytes are to be understood.
    pub mode: Mode,
    /// What else is asked for.
    pub options: Options<'a>,
}

/// How a file's bytes stand for its contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As text whose lines end in CR LF; see [`netascii`](crate::netascii).
    Netascii,
    /// As they are.
    #[default]
    Octet,
}

/// Names and values, each with a zero byte behind it, as they lie in the datagram.
///
/// What remains after the last whole pair is ignored, as boot ROMs pad their requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'a>(&'a [u8]);

/// The number in an ERROR. Those above 8 mean nothing known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub u16);

/// Why a datagram is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not even an opcode.
    #[error("{got} bytes are no packet: an opcode alone has 2")]
    Empty {
        /// The datagram's length.
        got: usize,
    },
    /// The opcode is none of the six.
    #[error("opcode {0} means nothing in TFTP")]
    Opcode(u16),
    /// Shorter than its fixed part.
    #[error("{kind} needs {need} bytes, the datagram has {got}")]
    Truncated {
        /// Which packet.
        kind: &'static str,
        /// The length of its fixed part.
        need: usize,
        /// The datagram's length.
        got: usize,
    },
    /// A request longer than [`REQUEST_LEN_MAX`].
    #[error("a request has at most {REQUEST_LEN_MAX} bytes, this one {got}")]
    RequestTooLong {
        /// The datagram's length.
        got: usize,
    },
    /// A text of a request whose zero byte is missing.
    #[error("the {what} of the request does not end")]
    Unterminated {
        /// Which text.
        what: &'static str,
    },
    /// A request for nothing.
    #[error("the request names no file")]
    NoFilename,
    /// A mode that is neither netascii nor octet.
    #[error("the request's mode is neither netascii nor octet")]
    Mode,
}

/// Why a packet cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The buffer is too small.
    #[error("the packet needs {need} bytes, the buffer has {got}")]
    NoRoom {
        /// The packet's length.
        need: usize,
        /// The buffer's length.
        got: usize,
    },
    /// A zero byte within a text would end it.
    #[error("a zero byte within the {what} would end it")]
    Zero {
        /// Which text.
        what: &'static str,
    },
    /// A request longer than [`REQUEST_LEN_MAX`], which the server may cut short or refuse.
    #[error("the request would have {got} bytes, and {REQUEST_LEN_MAX} is the most")]
    RequestTooLong {
        /// The length that it would have.
        got: usize,
    },
    /// A request for nothing.
    #[error("the file's name is empty")]
    NoFilename,
}

impl<'a> Packet<'a> {
    /// Reads a whole datagram.
    ///
    /// Trailing bytes behind an ACK are ignored (RFC 1350 does not forbid them, and some send them).
    ///
    /// # Errors
    /// [`WireError`] says what is missing or unknown; [`WireError::answer`] says what a listening
    /// port answers to that.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, WireError> {
        let [high, low, body @ ..] = datagram else {
            return Err(WireError::Empty { got: datagram.len() });
        };
        let number = |kind| match body {
            [high, low, rest @ ..] => Ok((u16::from_be_bytes([*high, *low]), rest)),
            _ => Err(WireError::Truncated { kind, need: 4, got: datagram.len() }),
        };
        match u16::from_be_bytes([*high, *low]) {
            RRQ => Ok(Self::Read(Request::decode(body)?)),
            WRQ => Ok(Self::Write(Request::decode(body)?)),
            DATA => number("DATA").map(|(block, payload)| Self::Data { block, payload }),
            ACK => number("ACK").map(|(block, _)| Self::Ack { block }),
            ERROR => number("ERROR").map(|(code, text)| {
                // A message whose zero byte is missing is still worth showing.
                let (message, _) = until_zero(text).unwrap_or((text, &[]));
                Self::Error { code: ErrorCode(code), message }
            }),
            OACK => Ok(Self::Oack(Options(body))),
            opcode => Err(WireError::Opcode(opcode)),
        }
    }

    /// Writes the packet to the front of `out`, and returns its length.
    ///
    /// # Errors
    /// When it does not fit, or could not be read again as what it is.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer { out, len: 0 };
        match self {
            Self::Read(request) => request.encode(RRQ, &mut writer)?,
            Self::Write(request) => request.encode(WRQ, &mut writer)?,
            Self::Data { block, payload } => {
                writer.number(DATA);
                writer.number(*block);
                writer.bytes(payload);
            }
            Self::Ack { block } => {
                writer.number(ACK);
                writer.number(*block);
            }
            Self::Error { code, message } => {
                writer.number(ERROR);
                writer.number(code.0);
                writer.text("message", message)?;
            }
            Self::Oack(options) => {
                writer.number(OACK);
                writer.bytes(options.0);
            }
        }
        writer.finish()
    }
}

/// The four bytes before the payload of a DATA, for a driver that reads the file straight into its
/// send buffer, behind them.
#[must_use]
pub fn data_header(block: u16) -> [u8; DATA_HEADER_LEN] {
    let mut header = [0; DATA_HEADER_LEN];
    let (opcode, number) = header.split_at_mut(2);
    BigEndian::write_u16(opcode, DATA);
    BigEndian::write_u16(number, block);
    header
}

impl<'a> Request<'a> {
    /// `body` is what follows the opcode.
    fn decode(body: &'a [u8]) -> Result<Self, WireError> {
        let got = body.len() + 2;
        if got > REQUEST_LEN_MAX {
            return Err(WireError::RequestTooLong { got });
        }
        let unterminated = |what| WireError::Unterminated { what };
        let (filename, rest) = until_zero(body).ok_or(unterminated("file name"))?;
        let (mode, rest) = until_zero(rest).ok_or(unterminated("mode"))?;
        if filename.is_empty() {
            return Err(WireError::NoFilename);
        }
        let mode = Mode::from_name(mode).ok_or(WireError::Mode)?;
        Ok(Self { filename, mode, options: Options(rest) })
    }

    fn encode(&self, opcode: u16, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        if self.filename.is_empty() {
            return Err(EncodeError::NoFilename);
        }
        writer.number(opcode);
        writer.text("file name", self.filename)?;
        writer.text("mode", self.mode.name().as_bytes())?;
        writer.bytes(self.options.0);
        match writer.len {
            got if got > REQUEST_LEN_MAX => Err(EncodeError::RequestTooLong { got }),
            _ => Ok(()),
        }
    }
}

impl Mode {
    /// The mode's name, as RFC 1350 writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Netascii => "netascii",
            Self::Octet => "octet",
        }
    }

    /// RFC 1350 §5: "any combination of upper and lower case".
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Netascii, Self::Octet]
            .into_iter()
            .find(|mode| name.eq_ignore_ascii_case(mode.name().as_bytes()))
    }
}

impl<'a> Options<'a> {
    /// Options that already lie one behind the other as they do in a datagram.
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Names and values in the order in which they were sent, whole pairs only.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (name, behind) = until_zero(rest)?;
            let (value, behind) = until_zero(behind)?;
            rest = behind;
            Some((name, value))
        })
    }

    /// Whether there is not one whole pair.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }
}

impl ErrorCode {
    /// The message says what.
    pub const NOT_DEFINED: Self = Self(0);
    /// File not found.
    pub const NOT_FOUND: Self = Self(1);
    /// Access violation.
    pub const ACCESS: Self = Self(2);
    /// Disk full or allocation exceeded.
    pub const DISK_FULL: Self = Self(3);
    /// Illegal TFTP operation.
    pub const ILLEGAL: Self = Self(4);
    /// Unknown transfer ID: the answer to a stranger, the only one that ends no transfer.
    pub const UNKNOWN_TID: Self = Self(5);
    /// File already exists.
    pub const EXISTS: Self = Self(6);
    /// No such user; of the mode `mail`.
    pub const NO_USER: Self = Self(7);
    /// Options are not acceptable (RFC 2347).
    pub const OPTIONS: Self = Self(8);

    /// What the RFC calls it.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::NOT_DEFINED => "not defined",
            Self::NOT_FOUND => "file not found",
            Self::ACCESS => "access violation",
            Self::DISK_FULL => "disk full",
            Self::ILLEGAL => "illegal operation",
            Self::UNKNOWN_TID => "unknown transfer ID",
            Self::EXISTS => "file already exists",
            Self::NO_USER => "no such user",
            Self::OPTIONS => "options not acceptable",
            _ => "unknown code",
        }
    }
}

impl WireError {
    /// What a listening port answers. Only what was meant as a request gets an answer: who answers
    /// ERRORs with ERRORs can be set against another such server for ever (CVE-2024-2169).
    #[must_use]
    pub fn answer(&self) -> Option<ErrorCode> {
        match self {
            Self::RequestTooLong { .. }
            | Self::Unterminated { .. }
            | Self::NoFilename
            | Self::Mode => Some(ErrorCode::ILLEGAL),
            Self::Empty { .. } | Self::Opcode(_) | Self::Truncated { .. } => None,
        }
    }
}

/// What stands before the first zero byte, and what behind it.
fn until_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// Counts all that is written, and writes what there is room for: so the error can say how much
/// room it takes.
struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    fn number(&mut self, number: u16) {
        self.bytes(&number.to_be_bytes());
    }

    fn text(&mut self, what: &'static str, text: &[u8]) -> Result<(), EncodeError> {
        if text.contains(&0) {
            return Err(EncodeError::Zero { what });
        }
        self.bytes(text);
        self.bytes(&[0]);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if let Some(room) = self.out.get_mut(self.len..end) {
            room.copy_from_slice(bytes);
        }
        self.len = end;
    }

    fn finish(self) -> Result<usize, EncodeError> {
        match self.len {
            need if need > self.out.len() => Err(EncodeError::NoRoom { need, got: self.out.len() }),
            len => Ok(len),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Packets and their bytes, right in both directions.
    const PACKETS: [(Packet<'_>, &[u8]); 14] = [
        (Packet::Read(request(b"hello.txt", Mode::Octet, b"")), b"\0\x01hello.txt\0octet\0"),
        (Packet::Write(request(b"a", Mode::Netascii, b"")), b"\0\x02a\0netascii\0"),
        (
            Packet::Read(request(b"a b/\xff", Mode::Octet, b"blksize\x001428\0tsize\x000\0")),
            b"\0\x01a b/\xff\0octet\0blksize\x001428\0tsize\x000\0",
        ),
        (Packet::Data { block: 1, payload: b"hi" }, b"\0\x03\0\x01hi"),
        (Packet::Data { block: 0xffff, payload: b"" }, b"\0\x03\xff\xff"),
        (Packet::Data { block: 0, payload: b"\0" }, b"\0\x03\0\0\0"),
        (Packet::Ack { block: 0 }, b"\0\x04\0\0"),
        (Packet::Ack { block: 0x0102 }, b"\0\x04\x01\x02"),
        (error(0, b""), b"\0\x05\0\0\0"),
        (error(1, b"file not found"), b"\0\x05\0\x01file not found\0"),
        (error(0xffff, "不".as_bytes()), b"\0\x05\xff\xff\xe4\xb8\x8d\0"),
        (Packet::Oack(Options(b"")), b"\0\x06"),
        (Packet::Oack(Options(b"blksize\x001428\0")), b"\0\x06blksize\x001428\0"),
        (Packet::Oack(Options(b"broken")), b"\0\x06broken"),
    ];

    #[test]
    fn what_is_written_is_what_is_read() {
        for (packet, bytes) in PACKETS {
            assert_eq!(Packet::decode(bytes), Ok(packet));
            let mut out = [0xaa; 600];
            let len = packet.encode(&mut out).unwrap();
            assert_eq!(&out[..len], bytes, "{packet:?}");
        }
    }

    #[test]
    fn a_buffer_of_the_packets_length_is_large_enough_and_one_byte_less_is_not() {
        for (packet, bytes) in PACKETS {
            let mut out = vec![0; bytes.len()];
            assert_eq!(packet.encode(&mut out), Ok(bytes.len()));
            out.pop();
            let want = EncodeError::NoRoom { need: bytes.len(), got: bytes.len() - 1 };
            assert_eq!(packet.encode(&mut out), Err(want), "{packet:?}");
        }
    }

    #[test]
    fn what_peers_send_beyond_the_rules_is_understood() {
        // S-02: any case. S-09: a tail that is no pair. S-30: an ACK with something behind it.
        // C-07: a message that does not end.
        for (bytes, want) in [
            (&b"\0\x01a\0OcTeT\0"[..], Packet::Read(request(b"a", Mode::Octet, b""))),
            (b"\0\x01a\0NETASCII\0", Packet::Read(request(b"a", Mode::Netascii, b""))),
            (b"\0\x01a\0octet\0junk", Packet::Read(request(b"a", Mode::Octet, b"junk"))),
            (b"\0\x04\0\x07junk", Packet::Ack { block: 7 }),
            (b"\0\x05\0\x01gone", error(1, b"gone")),
            (b"\0\x05\0\x01", error(1, b"")),
            (b"\0\x05\0\x01gone\0junk", error(1, b"gone")),
        ] {
            assert_eq!(Packet::decode(bytes), Ok(want));
        }
    }

    #[test]
    fn a_request_without_its_parts_is_illegal() {
        // S-03, S-04, S-06.
        let unterminated = |what| WireError::Unterminated { what };
        for (bytes, want) in [
            (&b"\0\x01"[..], unterminated("file name")),
            (b"\0\x01name", unterminated("file name")),
            (b"\0\x01name\0", unterminated("mode")),
            (b"\0\x01name\0octet", unterminated("mode")),
            (b"\0\x01\0octet\0", WireError::NoFilename),
            (b"\0\x02name\0mail\0", WireError::Mode),
            (b"\0\x02name\0bogus\0", WireError::Mode),
            (b"\0\x02name\0\0", WireError::Mode),
            (b"\0\x02name\0octet2\0", WireError::Mode),
        ] {
            assert_eq!(Packet::decode(bytes), Err(want), "{bytes:?}");
            assert_eq!(want.answer(), Some(ErrorCode::ILLEGAL));
        }
    }

    #[test]
    fn what_is_no_request_gets_no_answer() {
        // S-05, S-10: on a listening port silence is the only answer that cannot go round and round.
        let truncated = |kind, got| WireError::Truncated { kind, need: 4, got };
        for (bytes, want) in [
            (&b""[..], WireError::Empty { got: 0 }),
            (b"\0", WireError::Empty { got: 1 }),
            (b"\0\x00", WireError::Opcode(0)),
            (b"\0\x07rest", WireError::Opcode(7)),
            (b"\x01\x00name\0octet\0", WireError::Opcode(256)),
            (b"\xff\xff", WireError::Opcode(0xffff)),
            (b"\0\x03\0", truncated("DATA", 3)),
            (b"\0\x04\0", truncated("ACK", 3)),
            (b"\0\x05", truncated("ERROR", 2)),
        ] {
            assert_eq!(Packet::decode(bytes), Err(want), "{bytes:?}");
            assert_eq!(want.answer(), None);
        }
    }

    #[test]
    fn a_request_has_at_most_512_bytes_to_read_and_to_write() {
        // S-07 and C-19. 2 for the opcode, 7 for the mode with both zero bytes.
        for (name_len, fits) in [(255, true), (503, true), (504, false), (505, false)] {
            let name = vec![b'n'; name_len];
            let packet = Packet::Read(request(&name, Mode::Octet, b""));
            let got = name_len + 9;
            let mut out = [0; 600];
            let want = if fits { Ok(got) } else { Err(EncodeError::RequestTooLong { got }) };
            assert_eq!(packet.encode(&mut out), want);
            let bytes = [b"\0\x01", &name[..], b"\0octet\0"].concat();
            let want = if fits { Ok(packet) } else { Err(WireError::RequestTooLong { got }) };
            assert_eq!(Packet::decode(&bytes), want);
        }
    }

    #[test]
    fn a_text_with_a_zero_byte_is_not_written() {
        let zero = |what| Err(EncodeError::Zero { what });
        let mut out = [0; 64];
        let packet = Packet::Read(request(b"a\0b", Mode::Octet, b""));
        assert_eq!(packet.encode(&mut out), zero("file name"));
        assert_eq!(error(0, b"a\0").encode(&mut out), zero("message"));
        let packet = Packet::Write(request(b"", Mode::Octet, b""));
        assert_eq!(packet.encode(&mut out), Err(EncodeError::NoFilename));
    }

    #[test]
    fn options_are_whole_pairs_in_order() {
        let check = |bytes, want: &[(&[u8], &[u8])]| {
            let got: Vec<_> = Options::from_bytes(bytes).iter().collect();
            assert_eq!(got, want);
            assert_eq!(Options::from_bytes(bytes).is_empty(), want.is_empty());
        };
        check(b"", &[]);
        check(b"blksize", &[]);
        check(b"blksize\0", &[]);
        check(b"blksize\x008", &[]);
        check(b"blksize\x008\0", &[(b"blksize", b"8")]);
        check(b"a\0b\0c\0d\0e", &[(b"a", b"b"), (b"c", b"d")]);
        check(b"\0\0\0\0", &[(b"", b""), (b"", b"")]);
    }

    #[test]
    fn the_header_of_a_data_is_the_front_of_the_packet() {
        for block in [0, 1, 0x1234, 0xffff] {
            let mut out = [0; 8];
            let len = Packet::Data { block, payload: b"" }.encode(&mut out).unwrap();
            assert_eq!(data_header(block), out[..len]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn no_datagram_breaks_the_reader(mut bytes in prop::collection::vec(any::<u8>(), 0..600), opcode in 0..9_u8) {
            let _ = Packet::decode(&bytes).map(|packet| packet.encode(&mut [0; 700]));
            // Few arbitrary datagrams have an opcode that means something, so help.
            if let [high, low, ..] = &mut bytes[..] {
                (*high, *low) = (0, opcode);
            }
            if let Ok(packet) = Packet::decode(&bytes) {
                let mut out = [0; 700];
                let len = packet.encode(&mut out).unwrap();
                prop_assert_eq!(Packet::decode(&out[..len]), Ok(packet));
            }
        }
    }

    const fn request<'a>(filename: &'a [u8], mode: Mode, options: &'a [u8]) -> Request<'a> {
        Request { filename, mode, options: Options(options) }
    }

    const fn error(code: u16, message: &[u8]) -> Packet<'_> {
        Packet::Error { code: ErrorCode(code), message }
    }
}
