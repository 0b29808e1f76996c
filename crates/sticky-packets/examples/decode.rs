//! Decodes 64 MiB again and again and prints what came of it as JSON: one turn of
//! `cargo xtask bench sticky-packets`.
//!
//! ```text
//!  64 MiB of frames ──copy, as read(2) would──▶ buffer ──▶ decoder ──▶ each frame's length,
//!                                                                      first and last byte
//! ```
//!
//! The copy is part of every turn; alone it is the limit that no decoder can pass. An example, not
//! a subcommand, because tokio-util is only for tests and benches. It has `unsafe`: an allocator
//! that counts, as every allocator must.
#![expect(unsafe_code, reason = "an allocator that counts is a global one")]

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};
use sticky_packets::decoder::{Decode, Decoder, Framing};
use sticky_packets::delimiter::Delimiter;
use sticky_packets::encode::{Encode, Room, write_frame};
use sticky_packets::length::{Layout, Length};
use sticky_packets::line::Line;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{self, AnyDelimiterCodec, LengthDelimitedCodec, LinesCodec};

/// Decodes 64 MiB again and again
#[derive(Parser)]
struct Args {
    /// Whose decoder
    #[arg(value_enum)]
    who: Who,
    /// Which framing
    #[arg(value_enum)]
    what: What,
    /// Bytes in a message: a number, or `mix`
    size: String,
    /// Bytes in a read
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 24))]
    read: u64,
    /// Milliseconds of the processor's time
    turn: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Who {
    Ours,
    Tokio,
    Memcpy,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    Length,
    Line,
    Delimiter,
}

struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// Counting would cost those who allocate, so it is done in a pass that is not measured.
fn count() {
    if COUNTS.load(Ordering::Relaxed) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: all is left to the system's allocator; counting does not touch the memory.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the caller keeps the contract of `GlobalAlloc`, here and below.
    unsafe fn alloc(&self, layout: Memory) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as for `alloc`.
    unsafe fn dealloc(&self, memory: *mut u8, layout: Memory) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    // SAFETY: as for `alloc`.
    unsafe fn realloc(&self, memory: *mut u8, layout: Memory, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const STREAM_LEN: usize = 64 << 20;
const LIMIT: usize = 64 << 10;

/// What tokio's codec has as default.
const MARKS: &[u8] = b",;\n\r";

fn main() -> ExitCode {
    cli::run(|| run(&Args::parse()))
}

fn run(args: &Args) -> anyhow::Result<()> {
    let (stream, frames) = match args.what {
        What::Length => stream(&Length::new(Layout::default()), &args.size)?,
        What::Line => stream(&Line::new(), &args.size)?,
        What::Delimiter => stream(&Delimiter::any(MARKS)?, &args.size)?,
    };
    let turn = Turn { read: usize::try_from(args.read)?, time: Duration::from_millis(args.turn) };
    let measured = match (args.who, args.what) {
        (Who::Memcpy, _) => turn.memcpy(&stream),
        (Who::Ours, What::Length) => turn.ours(&stream, &Length::new(Layout::default())),
        (Who::Ours, What::Line) => turn.ours(&stream, &Line::new()),
        (Who::Ours, What::Delimiter) => turn.ours(&stream, &Delimiter::any(MARKS)?),
        (Who::Tokio, What::Length) => turn.tokio(&stream, LengthDelimitedCodec::new),
        (Who::Tokio, What::Line) => turn.tokio(&stream, || LinesCodec::new_with_max_length(LIMIT)),
        (Who::Tokio, What::Delimiter) => turn.tokio(&stream, || {
            AnyDelimiterCodec::new_with_max_length(MARKS.to_vec(), vec![b','], LIMIT)
        }),
    };
    let Measured { seen, passes, time, allocations } = measured;
    let is_memcpy = matches!(args.who, Who::Memcpy);
    ensure!(is_memcpy || seen == frames, "{seen} frames instead of {frames}");
    // Below 2^53 nothing is rounded.
    #[expect(clippy::cast_precision_loss, reason = "a rate in three digits")]
    let per = |number: u64, by: f64| number as f64 / by;
    let seconds = time.as_secs_f64() / per(passes, 1.0);
    let bytes = u64::try_from(stream.len())?;
    let report = serde_json::json!({
        "gigabytes_per_second": per(bytes, seconds * 1e9),
        "frames_per_second": if is_memcpy { None } else { Some(per(frames, seconds)) },
        "allocations_per_frame": per(allocations, per(frames, 1.0)),
    });
    cli::say!("{report}")?;
    Ok(())
}

/// 64 MiB of frames, and how many. What is in them is text without a delimiter.
fn stream(encode: &impl Encode, size: &str) -> anyhow::Result<(Vec<u8>, u64)> {
    let sizes = match size {
        "mix" => None,
        size => Some(size.parse::<usize>().context("the size is a number, or `mix`")?),
    };
    let text: Vec<u8> = (b'a'..=b'z').cycle().take(LIMIT).collect();
    let (mut stream, mut room) = (Vec::with_capacity(STREAM_LEN + LIMIT), Room::default());
    let (mut frames, mut random) = (0, 1u64);
    while stream.len() < STREAM_LEN {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // As many short ones as middling ones, and a long one now and then; none alike.
        let len = sizes.unwrap_or_else(|| match (random >> 60, random >> 33) {
            (0..8, more) => 16 + usize::try_from(more % 32).unwrap_or_default(),
            (8..15, more) => 256 + usize::try_from(more % 512).unwrap_or_default(),
            (_, more) => 16_384 + usize::try_from(more % 1024).unwrap_or_default(),
        });
        let message = text.get(..len).context("a size of 64 KiB at most")?;
        write_frame(&mut stream, encode, message, &mut room)?;
        frames += 1;
    }
    Ok((stream, frames))
}

/// The processor's time that went into this process: others on the machine do not count.
#[cfg(unix)]
fn spent() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(not(unix))]
fn spent() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;

    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGIN.elapsed()
}

struct Turn {
    read: usize,
    time: Duration,
}

struct Measured {
    /// Frames in a pass.
    seen: u64,
    passes: u64,
    time: Duration,
    /// Allocations in a pass.
    allocations: u64,
}

/// Looks at a frame.
#[inline]
fn look(sum: &mut u64, frame: &[u8]) {
    let ends = [frame.first(), frame.last()].map(|byte| u64::from(byte.copied().unwrap_or(1)));
    *sum = sum.wrapping_add(ends[0] ^ ends[1] << 8 ^ (frame.len() as u64) << 16);
}

impl Turn {
    /// One pass to warm up, one to count, and as many as there is time for.
    fn measure(&self, mut pass: impl FnMut() -> u64) -> Measured {
        pass();
        COUNTS.store(true, Ordering::Relaxed);
        let seen = pass();
        COUNTS.store(false, Ordering::Relaxed);
        let allocations = ALLOCATIONS.load(Ordering::Relaxed);
        let (begin, mut passes) = (spent(), 0);
        loop {
            black_box(pass());
            passes += 1;
            let time = spent().saturating_sub(begin);
            if time >= self.time {
                return Measured { seen, passes, time, allocations };
            }
        }
    }

    fn memcpy(&self, stream: &[u8]) -> Measured {
        let mut buffer = vec![0; self.read];
        self.measure(|| {
            for read in stream.chunks(self.read) {
                // In bounds: a chunk is not longer than that.
                buffer[..read.len()].copy_from_slice(read);
                black_box(&buffer);
            }
            0
        })
    }

    fn ours<F: Framing + Clone>(&self, stream: &[u8], framing: &F) -> Measured {
        let mut buffer = vec![0; self.read];
        let mut decoder = Decoder::new(framing.clone(), LIMIT);
        self.measure(|| {
            let (mut frames, mut sum) = (0, 0);
            for read in stream.chunks(self.read) {
                let mut input = if let Some(room) = decoder.spare(read.len()) {
                    room.copy_from_slice(read);
                    decoder.filled(read.len());
                    &[]
                } else {
                    // In bounds: a chunk is not longer than that.
                    let room = &mut buffer[..read.len()];
                    room.copy_from_slice(read);
                    black_box(&*room)
                };
                while let Ok(Some(frame)) = decoder.next_in(&mut input) {
                    look(&mut sum, frame.bytes());
                    frames += 1;
                }
            }
            black_box(sum);
            frames
        })
    }

    fn tokio<C: codec::Decoder>(&self, stream: &[u8], make: impl Fn() -> C) -> Measured
    where
        C::Item: AsRef<[u8]>,
    {
        let mut codec = make();
        // What FramedRead does: it reads into this buffer.
        let mut buffer = BytesMut::with_capacity(self.read);
        self.measure(|| {
            let (mut frames, mut sum) = (0, 0);
            for read in stream.chunks(self.read) {
                buffer.extend_from_slice(read);
                black_box(&buffer);
                while let Ok(Some(frame)) = codec.decode(&mut buffer) {
                    look(&mut sum, frame.as_ref());
                    frames += 1;
                }
            }
            black_box(sum);
            frames
        })
    }
}
