//! Both machines against each other through a bad network: every file arrives whole, and what is
//! sent for it stays within a bound.

use faults::Settings;
use proptest::prelude::*;
use tftp::options::Agreed;
use tftp::rollover::Rollover;
use tftp::transfer::{Patience, Terms};
use tftp::wire::Mode;

mod world;

use world::{Kind, Outcome, transfer};

const SEEDS: u64 = 60;

#[test]
fn explore() {
    for (faults, blksize, window) in [
        ("", 512, 1),
        ("", 512, 16),
        ("delay=5ms", 1428, 64),
        ("loss=1%,delay=5ms", 1428, 64),
        ("loss=10%", 512, 1),
        ("loss=10%", 512, 4),
        ("loss=10%", 512, 16),
        ("loss=10%,delay=5ms", 512, 16),
        ("loss=10%", 512, 64),
        ("loss=30%", 512, 1),
        ("loss=30%", 512, 4),
        ("loss=30%", 512, 16),
        ("loss=30%,delay=5ms", 512, 16),
        ("loss=30%", 512, 64),
        ("duplicate=20%", 512, 1),
        ("duplicate=20%,delay=1ms", 512, 1),
        ("duplicate=20%", 512, 16),
        ("duplicate=20%,delay=1ms", 512, 16),
        ("reorder=20%", 512, 1),
        ("reorder=20%", 512, 16),
        ("reorder=20%,delay=1ms", 512, 16),
        ("delay=20ms±20ms", 512, 1),
        ("delay=20ms±20ms", 512, 16),
        ("loss=10%,duplicate=10%,reorder=10%,delay=20ms±10ms", 512, 1),
        ("loss=10%,duplicate=10%,reorder=10%,delay=20ms±10ms", 512, 16),
        ("rate=100MB/s,delay=1ms", 65464, 16),
        ("rate=100MB/s", 65464, 16),
        ("rate=100MB/s", 8192, 64),
        ("rate=100MB/s", 1428, 64),
    ] {
        let (mut ratio, mut worst, mut took, mut worst_took, mut timeouts, mut reports) =
            (0.0, 0.0_f64, 0.0, 0.0_f64, 0, 0);
        let blocks = 200_u64;
        for seed in 0..SEEDS {
            let len = blksize as usize * (blocks as usize - 1) + 7;
            let kind =
                if seed % 2 == 0 { Kind::DownloadWithOptions } else { Kind::UploadWithOptions };
            let out = run(faults, len, blksize, window, kind, seed);
            let r = out.sent.data as f64 / blocks as f64;
            ratio += r / SEEDS as f64;
            worst = worst.max(r);
            let t = out.took.as_secs_f64();
            took += t / SEEDS as f64;
            worst_took = worst_took.max(t);
            timeouts += out.sent.timeouts;
            reports += out.sent.reports;
        }
        println!(
            "{faults:55} {blksize:5}x{window:3} ratio {ratio:.3} worst {worst:.3} took {took:.3} worst {worst_took:.3} timeouts {:.1} reports {:.1}",
            timeouts as f64 / SEEDS as f64,
            reports as f64 / SEEDS as f64
        );
    }
}

#[track_caller]
fn run(faults: &str, len: usize, blksize: u16, windowsize: u16, kind: Kind, seed: u64) -> Outcome {
    let settings: Settings = faults.parse().unwrap();
    let file: Vec<u8> = (0..len).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect();
    let agreed = Agreed { blksize, windowsize, ..Agreed::default() };
    let patience = Patience { retries: 20, ..Patience::default() };
    let terms = Terms { agreed, patience, ..Terms::default() };
    let out = transfer(&file, Mode::Octet, terms, kind, settings, seed);
    assert!(out.written == file, "{faults} seed {seed}: {} of {len}", out.written.len());
    out
}
