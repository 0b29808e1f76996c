//! Lesson `sleeping`: "sleep between the sends" and "turn Nagle off" look like cures, until a reader
//! reads later.
//!
//! ```text
//!  writer   one ─ sleep ─ two ─ sleep ─ three
//!  reader   one           two           three          at once: it looks fixed
//!  reader                                     onetwothree     later: it is not
//! ```
//!
//! Both cures are at the wrong end. What is glued in the reader's buffer was never glued on the way:
//! three segments came, one after the other, and a read takes what is there (recv(2), tcp(7)). The
//! writer cannot know when the reader reads.
//!
//! One thread plays both ends, so when the reader reads is decided here and not by luck.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::Context;
use cli::{Period, escape, say};

use crate::decoder::Policy;
use crate::framed::FramedReader;
use crate::framings::Name;
use crate::loopback::{self, Critical};
use crate::queues;

const WORDS: [&str; 3] = ["one", "two", "three"];

/// More than any word here has.
const LINE_LEN_MAX: usize = 100;

/// Sleeping between sends, and turning Nagle off: why neither helps
#[derive(clap::Args)]
pub struct Args {
    /// How long to sleep between two sends; try 5s
    #[arg(long, value_name = "TIME", default_value = "50ms")]
    pause: Period,
}

/// Sends three words in every way, to a reader that reads at once and to one that reads later.
///
/// # Errors
/// When a call fails.
pub fn run(Args { pause }: Args) -> anyhow::Result<()> {
    let pause = pause.duration();
    say!("{:<21}{:<22}one that reads later", "three sends", "who reads at once")?;
    for cure in [Cure::None, Cure::NoDelay, Cure::Sleep(pause), Cure::Both(pause)] {
        let prompt = converse(cure, Reader::Prompt)?.join(" | ");
        let late = converse(cure, Reader::Late { room: 1024 })?.join(" | ");
        say!("{:<21}{prompt:<22}{late}", cure.name())?;
    }
    let torn = converse(Cure::Both(pause), Reader::Late { room: 4 })?;
    say!("both, room for 4     {:<22}{}", "", torn.join(" | "))?;
    let lines = framed(4).context("cannot read lines")?;
    say!("as lines, room for 4 {:<22}{}", "", lines.join(" | "))?;
    Ok(())
}

/// What the writer does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cure {
    None,
    NoDelay,
    Sleep(Duration),
    Both(Duration),
}

/// When the reader reads, and with how much room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// As soon as something is there.
    Prompt,
    /// When all is there.
    Late { room: usize },
}

// ANCHOR: converse
/// What each read gives.
fn converse(cure: Cure, reader: Reader) -> anyhow::Result<Vec<String>> {
    loopback::undisturbed(|| {
        let (mut writer, mut connection) = loopback::pair()?;
        loopback::delay_acknowledgements(&connection)?;
        writer.set_nodelay(matches!(cure, Cure::NoDelay | Cure::Both(_)))?;

        let mut reads = Vec::new();
        let start = Instant::now();
        for (sent, word) in WORDS.iter().enumerate() {
            if sent > 0 {
                cure.sleep();
            }
            writer.write_all(word.as_bytes()).context("cannot write")?;
            if reader == Reader::Prompt && comes_now(&writer, cure)? {
                reads.push(read(&mut connection, 1024)?);
            }
        }
        let critical = match cure {
            // What goes when is decided by the writer's pauses, however long they get.
            Cure::Sleep(_) | Cure::Both(_) => Critical::none(),
            Cure::None | Cure::NoDelay => Critical::since(start),
        };
        drop(writer);
        rest(&mut connection, reader, &mut reads)?;
        Ok((reads, critical))
    })
}

/// Whether the word is on its way: then the reader, who has nothing else to do, reads it now. In a
/// sleep there is time for it to come, even if Nagle's algorithm holds it for a while.
fn comes_now(writer: &TcpStream, cure: Cure) -> anyhow::Result<bool> {
    let slept = matches!(cure, Cure::Sleep(_) | Cure::Both(_));
    Ok(slept || queues::unsent(writer)?.unwrap_or_default() == 0)
}

/// The reads until the writer's end.
fn rest(connection: &mut TcpStream, reader: Reader, reads: &mut Vec<String>) -> anyhow::Result<()> {
    let sent: usize = WORDS.iter().map(|word| word.len()).sum();
    let got: usize = reads.iter().map(String::len).sum();
    // All of it is there before any of it is read.
    loopback::wait_for(connection, sent - got).context("not all of it came")?;
    let room = match reader {
        Reader::Prompt => 1024,
        Reader::Late { room } => room,
    };
    loop {
        match read(connection, room)? {
            end if end.is_empty() => return Ok(()),
            text => reads.push(text),
        }
    }
}

fn read(connection: &mut TcpStream, room: usize) -> anyhow::Result<String> {
    let mut buffer = vec![0; room];
    let len = connection.read(&mut buffer).context("cannot read")?;
    Ok(escape(&buffer[..len]).to_string())
}
// ANCHOR_END: converse

// ANCHOR: framed
/// The three words as lines, in one write, read with as little room: and each comes out whole.
fn framed(room: usize) -> anyhow::Result<Vec<String>> {
    let (mut writer, connection) = loopback::pair()?;
    let text = WORDS.map(|word| format!("{word}\n")).concat();
    writer.write_all(text.as_bytes()).context("cannot write")?;
    drop(writer);

    let decoder = Name::Line.decoder(LINE_LEN_MAX, Policy::Close);
    let mut reader = FramedReader::with_buffer(connection, decoder, room);
    let mut lines = Vec::new();
    while let Some(line) = reader.read_frame()? {
        lines.push(escape(line.bytes()).to_string());
    }
    Ok(lines)
}
// ANCHOR_END: framed

impl Cure {
    fn name(self) -> &'static str {
        match self {
            Self::None => "nothing done",
            Self::NoDelay => "TCP_NODELAY",
            Self::Sleep(_) => "sleep in between",
            Self::Both(_) => "both",
        }
    }

    /// The advice, followed to the letter.
    fn sleep(self) {
        if let Self::Sleep(pause) | Self::Both(pause) = self {
            #[expect(clippy::disallowed_methods, reason = "that this does not help is the lesson")]
            std::thread::sleep(pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_reads_later_gets_all_in_one() {
        for cure in cures() {
            check(cure, Reader::Late { room: 1024 }, &["onetwothree"]);
        }
    }

    #[test]
    fn whoever_has_little_room_gets_pieces() {
        for cure in cures() {
            check(cure, Reader::Late { room: 4 }, &["onet", "woth", "ree"]);
        }
    }

    #[test]
    fn whoever_reads_at_once_is_deceived() {
        for cure in &cures()[1..] {
            check(*cure, Reader::Prompt, &["one", "two", "three"]);
        }
    }

    // Elsewhere nothing says what is held back, and the reader waits for it.
    #[cfg(target_os = "linux")]
    #[test]
    fn nagle_glues_what_waits_for_an_acknowledgement() {
        check(Cure::None, Reader::Prompt, &["one", "twothree"]);
    }

    #[test]
    fn lines_stay_lines_whatever_the_room() {
        for room in 1..16 {
            assert_eq!(framed(room).unwrap(), WORDS);
        }
    }

    fn cures() -> [Cure; 4] {
        [Cure::None, Cure::NoDelay, Cure::Sleep(Duration::ZERO), Cure::Both(Duration::ZERO)]
    }

    #[track_caller]
    fn check(cure: Cure, reader: Reader, want: &[&str]) {
        assert_eq!(converse(cure, reader).unwrap(), want, "{cure:?}");
    }
}
