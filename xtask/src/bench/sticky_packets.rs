//! The bench of chapter 5: its decoders beside tokio-util's codecs.
//!
//! ```text
//!  memcpy       reads, copied: no decoder can be faster
//!  tokio-util   LengthDelimitedCodec, LinesCodec, AnyDelimiterCodec
//!  ours         length, line, delimiter
//! ```
//!
//! Each turn is a process of its own: the chapter's example `decode`, which is where tokio-util may
//! be used. Every frame is looked at. What is measured is the processor's time, since a decoder waits
//! for nothing.
//!
//! The copy that a read makes is in every figure. tokio-util reads into the buffer that it decodes, one
//! for each connection; ours reads into one that all connections may share, and past it in the middle of
//! a message that is longer.

use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};

use super::contest::{Bench, Column, Contest, Entry};
use super::process::pinned;
use super::udp_echo::{json_number, text};
use super::{Args, build_release_example};

const COLUMNS: &[Column] = &[
    Column { name: "GB/s", digits: 2 },
    Column { name: "frames/s", digits: 0 },
    Column { name: "allocations/frame", digits: 2 },
];

/// How many bytes a read gives: a large buffer, and a segment.
const READS: [u32; 2] = [64 << 10, 1460];

/// A framing, and how many times as fast as tokio-util's it is to be with messages of these sizes.
const FRAMINGS: [(&str, [(&str, Goal); 4]); 3] = [
    (
        "length",
        [
            ("16", Goal::Tokio(5.0)),
            ("256", Goal::Tokio(3.0)),
            ("16384", Goal::Memcpy(0.8)),
            ("mix", Goal::Tokio(1.0)),
        ],
    ),
    (
        "line",
        [
            ("16", Goal::Tokio(2.0)),
            ("256", Goal::Tokio(2.0)),
            ("16384", Goal::Tokio(1.0)),
            ("mix", Goal::Tokio(1.0)),
        ],
    ),
    (
        "delimiter",
        [
            ("16", Goal::Tokio(2.0)),
            ("256", Goal::Tokio(5.0)),
            ("16384", Goal::Tokio(5.0)),
            ("mix", Goal::Tokio(1.0)),
        ],
    ),
];

/// Along the curves.
const SIZES: [&str; 6] = ["16", "64", "256", "1024", "4096", "16384"];

#[derive(Clone, Copy)]
enum Goal {
    /// So many times tokio-util's.
    Tokio(f64),
    /// This part of what copying makes.
    Memcpy(f64),
}

/// Builds what takes part.
///
/// # Errors
/// When the example does not build.
pub fn prepare(args: &Args) -> anyhow::Result<Bench> {
    let decode: Rc<Path> = build_release_example("sticky-packets", "decode")?.into();
    // There are many turns, and a pass takes a tenth of a second.
    let turn = args.turn.duration() / 5;
    let mut contests = Vec::new();
    for (what, sizes) in FRAMINGS {
        for (size, goal) in sizes {
            for read in READS {
                contests.push(contest(&decode, what, size, goal, read, turn));
            }
        }
    }
    for (what, _) in FRAMINGS {
        for (name, who) in [("ours", "ours"), ("tokio-util", "tokio")] {
            contests.push(curve(&decode, what, name, who, turn));
        }
    }
    Ok(Bench { contests, skipped: Vec::new() })
}

/// GB/s for messages of each size, in large reads.
fn curve(
    decode: &Rc<Path>,
    what: &'static str,
    name: &str,
    who: &'static str,
    turn: Duration,
) -> Contest {
    let read = READS[0];
    let entry = |size: &'static str| {
        let decode = Rc::clone(decode);
        let turn = move || measure(&decode, [who, what, size], read, turn);
        Entry::new(format!("bytes in a message {size}"), turn)
    };
    Contest {
        title: format!("curve: in reads of {read}, {what}, {name}"),
        columns: COLUMNS,
        entries: SIZES.map(entry).into(),
    }
}

fn contest(
    decode: &Rc<Path>,
    what: &'static str,
    size: &'static str,
    goal: Goal,
    read: u32,
    turn: Duration,
) -> Contest {
    let entry = |name: &str, who: &'static str| {
        let decode = Rc::clone(decode);
        Entry::new(name, move || measure(&decode, [who, what, size], read, turn))
    };
    let ours = entry("ours", "ours");
    let ours = match goal {
        Goal::Tokio(goal) => ours.against("tokio-util", goal),
        Goal::Memcpy(goal) => ours.against("memcpy", goal),
    };
    let messages = match size {
        "mix" => "of 16 bytes to 17 KiB".to_owned(),
        size => format!("of {size} bytes"),
    };
    Contest {
        title: format!("{what}: messages {messages}, in reads of {read}"),
        columns: COLUMNS,
        entries: vec![entry("memcpy", "memcpy"), entry("tokio-util", "tokio"), ours],
    }
}

fn measure(
    decode: &Path,
    what: [&str; 3],
    read: u32,
    turn: Duration,
) -> anyhow::Result<Vec<Option<f64>>> {
    let mut words = vec![text(decode)];
    words.extend(what.map(str::to_owned));
    words.extend([read.to_string(), turn.as_millis().to_string()]);
    let mut command: Command = pinned(1, &words)?;
    let output = command.output().context("cannot start the example")?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{}", errors.lines().next().unwrap_or("it failed").trim());
    }
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let figure = |name: &str| json_number(&report, name);
    let frames = figure("frames_per_second");
    let allocations = frames.and(figure("allocations_per_frame"));
    Ok(vec![figure("gigabytes_per_second"), frames, allocations])
}
