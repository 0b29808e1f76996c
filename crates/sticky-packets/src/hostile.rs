//! Lesson `hostile`: a length of four gigabytes, a message that never ends, half a message and
//! silence.
//!
//! ```text
//!   ff ff ff ff               "four gigabytes follow"      what is reserved?    for how long?
//!   aaaaaaaaaaaaaaaaaaaa…     and no line feed             what is kept?
//!   00 00 03 e8 a a a a       and nothing more             who waits?
//! ```
//!
//! Whoever can connect can send these. A decoder here has a limit, looks at it when the length is
//! read, keeps what really came, and gives memory back that it does not need; see
//! [`decoder`](crate::decoder). Memory is measured as the capacity of its buffers
//! ([`Status::held`](crate::decoder::Status)): all that it has. Silence is not its business: it has
//! no clock. That is the socket's: SO_RCVTIMEO in socket(7).
//!
//! `hostile trusting` is the old way, `vec![0; len]`: malloc(3), mmap(2), setrlimit(2).

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use cli::{count, say};

use crate::decoder::{Decode, Policy, Status};
use crate::encode::to_vec;
use crate::frame::{FrameError, Why};
use crate::framed::{FramedReader, ReadError};
use crate::framings::Name;
use crate::loopback::{self, timed_out};

mod trusting;

/// A message may have so many bytes.
const LIMIT: usize = 64 << 10;

/// One read takes so many.
const READ_LEN: usize = 4 << 10;

/// A message that is sent by half.
const HALVED: usize = 1000;

/// How long a connection may be silent. Short, because somebody watches.
const SILENCE_MAX: Duration = Duration::from_millis(100);

/// A length of 4 GiB, a line without an end, half a message: what it costs
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    other: Option<Other>,
}

#[derive(clap::Subcommand)]
enum Other {
    /// The old way: a buffer as long as a stranger says
    Trusting(trusting::Args),
}

/// Attacks every framing and shows what each did.
///
/// # Errors
/// When a call fails, or a framing does what it must not.
pub fn run(args: Args) -> anyhow::Result<()> {
    if let Some(Other::Trusting(args)) = args.other {
        return trusting::run(args);
    }
    say!("messages of at most {LIMIT} bytes, reads of {READ_LEN}")?;
    say!("a length of {} is announced", u32::MAX)?;
    for (name, header) in TOO_LONG {
        say!("  {name:<11}{}", attack(name, header, header.len())?)?;
    }
    say!("a length of {LIMIT}, which passes, and 5 bytes come")?;
    for (name, header) in LONGEST {
        say!("  {name:<11}{}", attack(name, header, header.len() + 5)?)?;
    }
    say!("a message that never ends, 1 MiB of it")?;
    for name in [Name::Line, Name::Delimiter, Name::Cobs] {
        say!("  {name:<11}{}", attack(name, b"", 1 << 20)?)?;
    }
    say!("half a message of {HALVED} bytes, and then silence")?;
    for name in Name::ALL {
        say!("  {name:<11}{}", half(name)?)?;
    }
    say!("the same over TCP, where somebody looks at the clock")?;
    say!("  {:<11}{}", Name::Length, silence()?)?;
    Ok(())
}

/// The length of 4 GiB less one byte, as it is on the wire.
const TOO_LONG: [(Name, &[u8]); 2] =
    [(Name::Length, b"\xff\xff\xff\xff"), (Name::Varint, b"\xff\xff\xff\xff\x0f")];

/// The length of a message that is just not too long.
const LONGEST: [(Name, &[u8]); 2] =
    [(Name::Length, b"\0\x01\0\0"), (Name::Varint, b"\x80\x80\x04")];

// ANCHOR: attack
/// Sends a beginning and then `a` after `a`, `len` bytes in all, and says what became of them.
fn attack(name: Name, beginning: &[u8], len: usize) -> anyhow::Result<String> {
    let mut wire = beginning.to_vec();
    wire.resize(len, b'a');
    let mut decoder = name.decoder(LIMIT, Policy::Close);
    for mut read in wire.chunks(READ_LEN) {
        match decoder.next_in(&mut read) {
            Ok(None) => {}
            Ok(Some(_)) => bail!("{name} made a message of it"),
            Err(error) => {
                let Status { taken, held, .. } = decoder.status();
                return Ok(format!(
                    "refused after {taken} bytes, {held} bytes of memory: {}",
                    error.why
                ));
            }
        }
    }
    waiting(&mut *decoder)
}

/// What a decoder has that waits for more.
fn waiting(decoder: &mut dyn Decode) -> anyhow::Result<String> {
    let held = decoder.status().held;
    match decoder.finish() {
        Err(FrameError { why: Why::Ended { have, want }, .. }) => {
            let of = want.map_or(String::new(), |want| format!(" of {want}"));
            Ok(format!("waits: it has {have}{of} bytes, and {held} bytes of memory"))
        }
        _ => bail!("half a message was taken for a whole one"),
    }
}
// ANCHOR_END: attack

/// The first half of a message, and what the decoder says to it.
fn half(name: Name) -> anyhow::Result<String> {
    let wire = half_of(name)?;
    let mut decoder = name.decoder(LIMIT, Policy::Close);
    if let Some(frame) = decoder.next_in(&mut wire.as_slice())? {
        return Ok(format!("takes {} for the message", count(frame.bytes().len(), "byte")));
    }
    waiting(&mut *decoder)
}

fn half_of(name: Name) -> anyhow::Result<Vec<u8>> {
    let mut wire = to_vec(&*name.encoder(LIMIT), &[b'a'; HALVED])?;
    wire.truncate(HALVED / 2);
    Ok(wire)
}

// ANCHOR: silence
/// A client that sends half a message and stays, and a server that gives it up.
fn silence() -> anyhow::Result<String> {
    let (mut client, connection) = loopback::pair()?;
    client.write_all(&half_of(Name::Length)?).context("cannot send")?;

    connection.set_read_timeout(Some(SILENCE_MAX))?;
    let mut reader = FramedReader::new(connection, Name::Length.decoder(LIMIT, Policy::Close));
    match reader.read_frame() {
        Err(ReadError::Io(error)) if timed_out(&error) => {}
        Err(error) => return Err(error).context("cannot read"),
        Ok(_) => bail!("half a message was taken for a whole one"),
    }
    let pending = reader.decoder().status().pending;
    // The client is still connected; if it goes on now, what came is not lost.
    Ok(format!(
        "nothing came for {} ms: given up, with {pending} bytes in hand",
        SILENCE_MAX.as_millis()
    ))
}
// ANCHOR_END: silence

#[cfg(test)]
mod tests {
    use tokio_util::bytes::BytesMut;
    use tokio_util::codec::{Decoder as _, LengthDelimitedCodec};

    use super::*;

    #[test]
    fn nothing_is_reserved_for_what_is_announced() {
        let refused = |bytes| {
            format!(
                "refused after {bytes} bytes, 0 bytes of memory: a length of 4294967295 is longer than the limit of 65536"
            )
        };
        let [(length, four), (varint, five)] = TOO_LONG;
        assert_eq!(attack(length, four, 4).unwrap(), refused(4));
        assert_eq!(attack(varint, five, 5).unwrap(), refused(5));
        for (name, header) in LONGEST {
            let told = attack(name, header, header.len() + 5).unwrap();
            assert!(told.starts_with("waits") && memory(&told) < 64, "{name}: {told}");
        }
    }

    #[test]
    fn a_message_without_an_end_costs_twice_the_limit_at_most() {
        for name in [Name::Line, Name::Delimiter, Name::Cobs] {
            let told = attack(name, b"", 1 << 20).unwrap();
            assert!(told.starts_with("refused after 65"), "{name}: {told}");
            assert!(memory(&told) <= 2 * LIMIT, "{name}: {told}");
        }
    }

    #[test]
    fn only_naive_takes_a_half_for_a_whole() {
        for name in Name::ALL {
            let told = half(name).unwrap();
            assert_eq!(told.starts_with("waits"), name != Name::Naive, "{name}: {told}");
        }
    }

    fn memory(told: &str) -> usize {
        told.split(" bytes of memory").next().unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    #[test]
    fn silence_is_given_up_and_nothing_lost() {
        assert!(silence().unwrap().ends_with("given up, with 500 bytes in hand"));
    }

    // What the page says about tokio-util.
    #[test]
    fn tokio_util_reserves_what_is_announced() {
        let mut buffer = BytesMut::from(&b"\x00\x80\x00\x00"[..]);
        let decoded = LengthDelimitedCodec::new().decode(&mut buffer).unwrap();
        assert!(decoded.is_none() && buffer.is_empty());
        assert!(buffer.capacity() >= 8 << 20, "{}", buffer.capacity());
    }
}
