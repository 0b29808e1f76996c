//! Both machines against each other through a bad network, in virtual time: every file arrives
//! whole, and what is sent for it stays within a bound.
//!
//! The bound is for each single transfer, as DATA sent over blocks of the file. The receiver keeps
//! what comes from behind a gap, but can only name the first one: so what is repeated grows with the
//! loss, and hardly with the window.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]

use faults::Settings;
use proptest::prelude::*;
use tftp::options::Agreed;
use tftp::rollover::Rollover;
use tftp::transfer::{Patience, Terms, TransferError};
use tftp::wire::Mode;

mod world;

use world::{Kind, Outcome, transfer};

const SEEDS: u64 = 200;

/// Blocks of the file in each transfer.
const BLOCKS: u64 = 60;

#[test]
fn a_good_network_sees_every_block_once() {
    for window in [1, 4, 16, 64, 1000] {
        for faults in ["", "delay=5ms", "delay=300ms"] {
            for seed in [0, 1] {
                let out = run(faults, 512, window, seed);
                assert_eq!(out.sent.data, BLOCKS, "{faults} window {window}");
                assert_eq!(out.received.blocks, BLOCKS);
                let acks = BLOCKS.div_ceil(window.into()) + 1;
                assert!(out.received.acks <= acks, "{} ACKs", out.received.acks);
            }
        }
    }
}

#[test]
fn duplicates_never_multiply() {
    // W-04, W-06, S-22, S-25: not one DATA is sent for all the packets that come twice.
    for faults in ["duplicate=50%", "duplicate=100%", "duplicate=50%,delay=20ms"] {
        bound(faults, [(1, 1.0), (4, 1.0), (16, 1.0), (64, 1.0)]);
    }
}

#[test]
fn with_one_loss_in_ten_the_file_is_whole() {
    bound("loss=10%", [(1, 1.6), (4, 2.2), (16, 3.0), (64, 3.5)]);
    bound("loss=10%,delay=5ms", [(1, 1.6), (4, 2.2), (16, 3.0), (64, 3.5)]);
}

#[test]
fn with_three_losses_in_ten_the_file_is_whole() {
    bound("loss=30%", [(1, 3.0), (4, 4.0), (16, 4.5), (64, 16.0)]);
}

#[test]
fn with_packets_that_overtake_others_the_file_is_whole() {
    // W-08.
    bound("reorder=20%", [(1, 2.0), (4, 2.5), (16, 2.5), (64, 2.5)]);
}

#[test]
fn with_delays_that_differ_the_file_is_whole() {
    bound("delay=20ms±20ms", [(1, 1.5), (4, 1.5), (16, 1.5), (64, 1.5)]);
}

#[test]
fn with_everything_at_once_the_file_is_whole() {
    // W-12.
    let faults = "loss=10%,duplicate=10%,reorder=10%,delay=20ms±10ms";
    bound(faults, [(1, 2.0), (4, 2.5), (16, 3.5), (64, 5.0)]);
}

#[test]
fn no_block_size_and_window_stalls() {
    // The wire takes 100 MB/s, and 64 KiB wait in front of it: one block of the largest size, where
    // a window has 16. At the wire's speed the file takes `blocks × (blksize + 4) / 100 MB/s`; the
    // limit is four times that, and a second for whoever has to learn that the buffer is small.
    for (blksize, window) in [(65_464, 16), (65_464, 64), (8192, 64), (1428, 64), (1428, 1000)] {
        for seed in 0..2 {
            let out = run("rate=100MB/s", blksize, window, seed);
            let wire = f64::from(u32::try_from(BLOCKS).unwrap()) * f64::from(blksize) / 100e6;
            let limit = 4.0 * wire + 1.0;
            let took = out.took.as_secs_f64();
            assert!(took < limit, "{blksize} × {window}: {took:.3} s, limit {limit:.3} s");
        }
    }
}

/// 200 transfers with each window: DATA sent for each is at most so many times the file's blocks.
#[track_caller]
fn bound(faults: &str, bounds: [(u16, f64); 4]) {
    for (window, bound) in bounds {
        let (mut worst, mut worst_seed) = (0, 0);
        for seed in 0..SEEDS {
            let sent = run(faults, 512, window, seed).sent.data;
            if sent > worst {
                (worst, worst_seed) = (sent, seed);
            }
        }
        let ratio = f64::from(u32::try_from(worst).unwrap()) / 60.0;
        assert!(
            ratio <= bound,
            "{faults}, window {window}: {worst} DATA for {BLOCKS} blocks, {ratio:.2} of {bound} times, with seed {worst_seed}"
        );
    }
}

/// A transfer of [`BLOCKS`] blocks, the last with 7 bytes: with an even seed a download, with an odd
/// one an upload.
#[track_caller]
fn run(faults: &str, blksize: u16, windowsize: u16, seed: u64) -> Outcome {
    let kind = if seed.is_multiple_of(2) { Kind::Download } else { Kind::Upload };
    let len = usize::from(blksize) * (usize::try_from(BLOCKS).unwrap() - 1) + 7;
    let agreed = Agreed { blksize, windowsize, ..Agreed::default() };
    check(&contents(len), Mode::Octet, agreed, kind, faults.parse().unwrap(), seed)
}

/// Asserts that the file arrived whole, and that both ends know.
#[track_caller]
fn check(
    file: &[u8],
    mode: Mode,
    agreed: Agreed,
    kind: Kind,
    settings: Settings,
    seed: u64,
) -> Outcome {
    let patience = Patience { retries: 20, ..Patience::default() };
    let terms = Terms { agreed, patience, ..Terms::default() };
    let out = transfer(file, mode, terms, kind, settings, seed);
    assert_eq!(out.receiver, Ok(()), "{settings} seed {seed}");
    assert!(out.written == file, "{settings} seed {seed}: {} bytes", out.written.len());
    // All ACKs of the last block may be lost, until the receiver no longer repeats them.
    let sure =
        matches!(out.sender, Ok(()) | Err(TransferError::GaveUp { only_last_ack: true, .. }));
    assert!(sure, "{settings} seed {seed}: {:?}", out.sender);
    out
}

fn contents(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_file_arrives_whole_with_any_options(
        len in prop_oneof![0..600_usize, 0..5000_usize],
        edge in prop_oneof![Just(None), (0..3_usize, 1..40_usize).prop_map(Some)],
        blksize in prop_oneof![Just(8_u16), Just(512), 9..1500_u16],
        windowsize in prop_oneof![Just(1_u16), 1..20_u16, Just(64)],
        netascii in any::<bool>(),
        one in any::<bool>(),
        upload in any::<bool>(),
        faults in prop::sample::select(&[
            "", "loss=10%", "loss=30%", "duplicate=30%", "reorder=30%", "delay=50ms±50ms",
            "loss=10%,duplicate=10%,reorder=10%,delay=20ms±10ms",
        ][..]),
        seed in any::<u64>(),
    ) {
        // S-20, S-41, W-11: often just at the edge of a block, one below, one above.
        let len = edge.map_or(len, |(off, blocks)| blocks * usize::from(blksize) + off - 1);
        let len = len.min(40 * usize::from(blksize));
        let (mode, file) = match netascii {
            true => (Mode::Netascii, contents(len).iter().map(|byte| b"\r\n\0ab"[usize::from(byte % 5)]).collect()),
            false => (Mode::Octet, contents(len)),
        };
        let rollover = if one { Rollover::One } else { Rollover::Zero };
        let agreed = Agreed { blksize, windowsize, rollover, ..Agreed::default() };
        let kind = if upload { Kind::Upload } else { Kind::Download };
        check(&file, mode, agreed, kind, faults.parse().unwrap(), seed);
    }
}

#[test]
fn the_numbers_go_round_inside_a_window() {
    // S-33, W-10: more than 65 535 blocks of 8 bytes, with and without losses.
    let file = contents(8 * 66_000 + 3);
    for (rollover, windowsize, faults) in [
        (Rollover::Zero, 1, ""),
        (Rollover::One, 1, ""),
        (Rollover::Zero, 24, "loss=1%,duplicate=1%"),
        (Rollover::One, 24, "loss=1%,duplicate=1%"),
    ] {
        let agreed = Agreed { blksize: 8, windowsize, rollover, ..Agreed::default() };
        check(&file, Mode::Octet, agreed, Kind::Download, faults.parse().unwrap(), 7);
    }
}
