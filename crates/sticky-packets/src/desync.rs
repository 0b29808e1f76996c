//! Lesson `desync`: one byte is lost or flipped. Which framings find the next message again?
//!
//! ```text
//!  length  00 00 00 02 h i  00 00 00 03 y o u       line  h i \n y o u \n
//!                    ╳ lost                               ╳ lost
//!          00 00 00 68: a message of 104 bytes            i is wrong, and then comes "you"
//! ```
//!
//! TCP loses no byte. Programs do: a read that timed out with half of a header in its hands, a write
//! that took a part and was not finished, one function too many that reads from the same socket.
//! After that a mark is found again, because it looks like nothing else; a length looks like
//! anything, and anything looks like a length.

use std::fmt;
use std::ops::Range;

use cli::{escape, say};

use crate::decoder::{Decode, Policy};
use crate::encode::{EncodeError, to_vec};
use crate::frame::{FrameError, Why};
use crate::framings::Name;

/// What is sent. The second is damaged.
const MESSAGES: [&str; 6] = ["hello", "I am ann", "and you?", "    fine", "thanks", "bye"];
const DAMAGED: usize = 1;

/// Enough for these messages, and the length of every `fixed` block.
const LIMIT: usize = 16;

/// The limit that tokio-util's length-prefixed codec has when nobody sets one.
const LIMIT_LARGE: usize = 8 << 20;

/// One byte lost or flipped: which framings find the next message again
#[derive(clap::Args)]
pub struct Args {}

/// Damages a stream under every framing, and shows which messages come out.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(Args {}: Args) -> anyhow::Result<()> {
    say!("six messages; of the second one byte is")?;
    say!("{:<11}{:<20}{:<20}its last lost", "", "its first lost", "one within lost")?;
    table(Damage::Lost)?;
    say!("{:<11}{:<20}{:<20}its last flipped", "", "its first flipped", "one within flipped")?;
    table(Damage::Flipped)?;
    say!(
        "1 to 6: came out right; ?: another message came out; !: an error; …: waits for the rest"
    )?;

    say!("what the errors say")?;
    for (name, limit) in [(Name::Length, LIMIT), (Name::Length, LIMIT_LARGE), (Name::Varint, LIMIT)]
    {
        explain(name, limit)?;
    }
    say!("a read that timed out threw away the header of the fourth message")?;
    say!("  length    {}", headless(3)?)?;
    say!("texts that were taken for a length of four bytes")?;
    for text in [b"    ", b"l_in", b"rtbu", b"HTTP", b"GET ", b"\x16\x03\x01\x02"] {
        say!("  {:<21} {}", format!("\"{}\"", escape(text)), u32::from_be_bytes(*text))?;
    }
    Ok(())
}

/// What happens to a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Lost,
    /// Its lowest bit.
    Flipped,
}

fn table(damage: Damage) -> anyhow::Result<()> {
    for name in Name::ALL.into_iter().skip(1) {
        let cells =
            places(name)?.map(|place| Ok(Outcome::of(name, LIMIT, &damaged(name, place, damage)?)));
        let [first, within, last] =
            cells.map(|cell: Result<Outcome, EncodeError>| cell.map(|o| o.to_string()));
        say!("{name:<11}{:<20}{:<20}{}", first?, within?, last?)?;
    }
    Ok(())
}

// ANCHOR: damage
/// All messages on the wire, and where the damaged one lies.
fn stream(name: Name) -> Result<(Vec<u8>, Range<usize>), EncodeError> {
    let encoder = name.encoder(LIMIT);
    let (mut wire, mut second) = (Vec::new(), 0..0);
    for (index, message) in MESSAGES.iter().enumerate() {
        let start = wire.len();
        wire.extend(to_vec(&*encoder, message.as_bytes())?);
        if index == DAMAGED {
            second = start..wire.len();
        }
    }
    Ok((wire, second))
}

/// The same with one byte damaged.
fn damaged(name: Name, place: usize, damage: Damage) -> Result<Vec<u8>, EncodeError> {
    let (mut wire, _) = stream(name)?;
    match damage {
        Damage::Lost => {
            wire.remove(place);
        }
        Damage::Flipped => wire[place] ^= 1,
    }
    Ok(wire)
}
// ANCHOR_END: damage

/// The first byte of the second frame, one of its message, and its last.
fn places(name: Name) -> Result<[usize; 3], EncodeError> {
    let (_, second) = stream(name)?;
    Ok([second.start, second.start + 5, second.end - 1])
}

/// What a decoder made of a stream.
#[derive(Debug)]
struct Outcome {
    found: Vec<Found>,
    /// What stopped it, or the end in mid-frame.
    error: Option<FrameError>,
}

/// One thing that came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// This message, as it was sent.
    Right(usize),
    /// A message that was not sent.
    Wrong,
    /// Bytes that are no message.
    Error,
    /// No more; it waits for bytes that never come.
    Waits,
}

impl Outcome {
    // ANCHOR: outcome
    /// Decodes the stream to its end. What is too long is passed over, to give everybody a chance.
    fn of(name: Name, limit: usize, wire: &[u8]) -> Self {
        let mut decoder = name.decoder(limit, Policy::Skip);
        let mut outcome = Self { found: Vec::new(), error: None };
        let mut input = wire;
        loop {
            match decoder.next_in(&mut input) {
                Ok(Some(frame)) => outcome.came(frame.bytes()),
                Ok(None) => break,
                Err(error) => {
                    outcome.failed(Found::Error, error);
                    if !error.goes_on {
                        return outcome;
                    }
                }
            }
        }
        match decoder.finish() {
            Ok(Some(frame)) => outcome.came(frame.bytes()),
            Ok(None) => {}
            Err(error) => outcome.failed(Found::Waits, error),
        }
        outcome
    }
    // ANCHOR_END: outcome

    fn came(&mut self, message: &[u8]) {
        let sent = MESSAGES.iter().position(|sent| sent.as_bytes() == message);
        self.found.push(sent.map_or(Found::Wrong, Found::Right));
    }

    fn failed(&mut self, found: Found, error: FrameError) {
        self.found.push(found);
        self.error = Some(error);
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, found) in self.found.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            match found {
                Found::Right(index) => write!(f, "{}", index + 1)?,
                Found::Wrong => f.write_str("?")?,
                Found::Error => f.write_str("!")?,
                Found::Waits => f.write_str("…")?,
            }
        }
        Ok(())
    }
}

/// What is said when a byte within the second message is lost.
fn explain(name: Name, limit: usize) -> anyhow::Result<()> {
    let [_, within, _] = places(name)?;
    let outcome = Outcome::of(name, limit, &damaged(name, within, Damage::Lost)?);
    let what = match outcome.error {
        Some(FrameError { why: Why::Ended { have, want: Some(want) }, .. }) => {
            format!("no error: it has {have} of {want} bytes and waits for the others")
        }
        Some(error) => error.to_string(),
        None => "nothing".to_owned(),
    };
    say!("  {name:<10}limit {limit}: {what}")?;
    Ok(())
}

/// The stream without the header of one message.
fn headless(index: usize) -> anyhow::Result<String> {
    let encoder = Name::Length.encoder(LIMIT);
    let mut wire = Vec::new();
    for (at, message) in MESSAGES.iter().enumerate() {
        let frame = to_vec(&*encoder, message.as_bytes())?;
        let header = frame.len() - message.len();
        wire.extend_from_slice(if at == index { &frame[header..] } else { &frame });
    }
    let outcome = Outcome::of(Name::Length, LIMIT, &wire);
    Ok(outcome.error.map_or_else(|| outcome.to_string(), |error| error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: [Name; 3] = [Name::Line, Name::Delimiter, Name::Cobs];

    #[test]
    fn marks_are_found_again_whatever_byte_is_lost_or_flipped() {
        for name in MARKS {
            for (place, damage) in every_damage(name) {
                let outcome = outcome(name, place, damage);
                // The third may hang on the second, if the mark between them was hit, and be too long.
                let right: Vec<Found> = [3, 4, 5].map(Found::Right).to_vec();
                assert!(outcome.found.ends_with(&right), "{name} {damage:?} {place}: {outcome}");
                assert!(outcome.found.len() >= 5, "{name} {damage:?} {place}: {outcome}");
            }
        }
    }

    #[test]
    fn lengths_never_find_their_place_again() {
        for name in [Name::Length, Name::Varint, Name::Fixed] {
            for (place, damage) in every_damage(name) {
                if damage == Damage::Lost {
                    let outcome = outcome(name, place, damage);
                    let later =
                        outcome.found.iter().any(|found| matches!(found, Found::Right(2..)));
                    assert!(!later, "{name} {place}: {outcome}");
                }
            }
        }
    }

    #[test]
    fn a_flipped_byte_of_text_is_noticed_by_nobody() {
        for name in
            [Name::Fixed, Name::Line, Name::Delimiter, Name::Length, Name::Varint, Name::Cobs]
        {
            let [_, within, _] = places(name).unwrap();
            check(name, within, Damage::Flipped, "1 ? 3 4 5 6");
        }
    }

    #[test]
    fn a_lost_mark_glues_two_messages() {
        check(Name::Line, places(Name::Line).unwrap()[2], Damage::Lost, "1 ? 4 5 6");
        check(Name::Delimiter, places(Name::Delimiter).unwrap()[2], Damage::Lost, "1 ? 4 5 6");
    }

    #[test]
    fn a_length_that_is_text_shows_itself() {
        assert!(headless(3).unwrap().contains("a length of 538976288 is longer"));
        assert!(
            headless(3).unwrap().ends_with("it begins \"    fine\\u{0}\\u{0}\\u{0}\\u{6}than\"")
        );
    }

    #[test]
    fn undamaged_all_come() {
        for name in Name::ALL.into_iter().skip(1) {
            let (wire, _) = stream(name).unwrap();
            assert_eq!(Outcome::of(name, LIMIT, &wire).to_string(), "1 2 3 4 5 6", "{name}");
        }
    }

    fn every_damage(name: Name) -> Vec<(usize, Damage)> {
        let (_, second) = stream(name).unwrap();
        second.flat_map(|place| [(place, Damage::Lost), (place, Damage::Flipped)]).collect()
    }

    fn outcome(name: Name, place: usize, damage: Damage) -> Outcome {
        Outcome::of(name, LIMIT, &damaged(name, place, damage).unwrap())
    }

    #[track_caller]
    fn check(name: Name, place: usize, damage: Damage, want: &str) {
        assert_eq!(outcome(name, place, damage).to_string(), want, "{name}");
    }
}
