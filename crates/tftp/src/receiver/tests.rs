//! The receiver, as conversations: what comes in at which millisecond, what is written, and what
//! goes out.

use proptest::prelude::*;

use super::*;
use crate::options::Agreed;
use crate::transfer::{Dally, Patience};

const MS: Duration = Duration::from_millis(1);

#[test]
fn every_block_is_written_and_acknowledged() {
    // S-36, C-05.
    let script = [(10, "data 1"), (20, "data 2"), (30, "last 3"), (31, "commit")];
    let want = "0 ACK 0\n10 wrote 1\n10 ACK 1\n20 wrote 2\n20 ACK 2\n30 wrote 3\n31 ACK 3";
    check(1, Start::Ack, &script, want);
    let silent = want.replace("0 ACK 0\n10", "10");
    check(1, Start::Silence, &script, &silent);
}

#[test]
fn the_last_ack_waits_until_the_bytes_are_committed() {
    // S-44b: meanwhile the sender repeats its last block, and hears nothing.
    let script =
        [(10, "last 1"), (40, "last 1"), (100, "last 1"), (5000, "tick"), (6000, "commit")];
    check(1, Start::Ack, &script, "0 ACK 0\n10 wrote 1\n6000 ACK 1");
}

#[test]
fn a_repeated_last_block_is_acknowledged_again_until_the_sender_is_silent_for_long() {
    // S-39, C-10: the clock of the dallying begins anew with each.
    let script = [
        (10, "last 1"),
        (11, "commit"),
        (4000, "last 1"),
        (8999, "tick"),
        (9000, "tick"),
        (9001, "last 1"),
    ];
    let want = "0 ACK 0\n10 wrote 1\n11 ACK 1\n4000 ACK 1\n9000 done";
    check(1, Start::Ack, &script, want);
}

#[test]
fn a_block_that_comes_twice_is_written_once_and_acknowledged_twice() {
    // S-37, S-38: also one from before.
    let script = [
        (10, "data 1"),
        (11, "data 1"),
        (20, "data 2"),
        (21, "data 1"),
        (22, "data 4"),
        (30, "last 3"),
        (31, "commit"),
    ];
    let want = "0 ACK 0\n10 wrote 1\n10 ACK 1\n11 ACK 1\n20 wrote 2\n20 ACK 2\n21 ACK 2\n30 wrote 3\n31 ACK 3";
    check(1, Start::Ack, &script, want);
}

#[test]
fn an_oack_stands_until_the_first_block_comes() {
    // S-16, S-57: the request again means that it got lost.
    let script = [(5, "request"), (10, "data 1"), (15, "request"), (20, "last 2"), (21, "commit")];
    let want = "0 OACK\n5 OACK\n10 wrote 1\n10 ACK 1\n20 wrote 2\n21 ACK 2";
    check(1, Start::Oack, &script, want);
}

#[test]
fn a_client_answers_an_oack_again_until_a_block_comes() {
    // C-08.
    let script = [(5, "oack"), (10, "data 1"), (15, "oack"), (20, "last 2"), (21, "commit")];
    let want = "0 ACK 0\n5 ACK 0\n10 wrote 1\n10 ACK 1\n20 wrote 2\n21 ACK 2";
    check(1, Start::Ack, &script, want);
}

#[test]
fn a_window_is_acknowledged_at_its_end() {
    // W-01, W-02, S-41: the file may end anywhere in it, and with an empty block.
    let script = [
        (1, "data 1"),
        (2, "data 2"),
        (3, "data 3"),
        (4, "data 4"),
        (5, "data 5"),
        (6, "empty 6"),
        (7, "commit"),
    ];
    let want = "0 ACK 0\n1 wrote 1\n2 wrote 2\n3 wrote 3\n4 wrote 4\n4 ACK 4\n5 wrote 5\n6 wrote 6\n7 ACK 6";
    check(4, Start::Ack, &script, want);
}

#[test]
fn a_gap_is_reported_once() {
    // W-07, W-03: block 2 is lost; 3 and 4 are strays. Then the sender begins anew, and block 4 was all
    // that it could have known of.
    let script = [
        (1, "data 1"),
        (3, "data 3"),
        (3, "data 4"),
        (10, "data 2"),
        (11, "data 3"),
        (11, "data 4"),
        (13, "data 5"),
    ];
    let want =
        "0 ACK 0\n1 wrote 1\n3 ACK 1\n10 wrote 2\n10 wrote 3\n10 wrote 4\n10 ACK 4\n13 wrote 5";
    check(4, Start::Ack, &script, want);
    // What does not fit is not kept, and the sender sends it again.
    let large = Agreed { windowsize: 300, ..Agreed::default() };
    let got = talk(&Terms { agreed: large, ..Terms::default() }, Start::Ack, &script);
    assert_eq!(got, "0 ACK 0\n1 wrote 1\n3 ACK 1\n10 wrote 2\n11 wrote 3\n11 wrote 4\n13 wrote 5");
}

#[test]
fn a_gap_that_is_filled_is_acknowledged_up_to_the_next_one() {
    // Blocks 2, 4 and the last, 6, come late; what is sent again behind a gap says nothing more.
    let script = [
        (1, "data 1"),
        (3, "data 3"),
        (3, "data 5"),
        (10, "data 2"),
        (11, "data 3"),
        (12, "data 4"),
        (12, "data 5"),
        (20, "last 6"),
        (21, "commit"),
    ];
    let want = "0 ACK 0\n1 wrote 1\n3 ACK 1\n10 wrote 2\n10 wrote 3\n10 ACK 3\n\
                12 wrote 4\n12 wrote 5\n12 ACK 5\n20 wrote 6\n21 ACK 6";
    check(8, Start::Ack, &script, want);
    // The last block may be among those that were kept.
    let script = [(1, "data 1"), (3, "last 3"), (10, "data 2"), (11, "commit")];
    let want = "0 ACK 0\n1 wrote 1\n3 ACK 1\n10 wrote 2\n10 wrote 3\n11 ACK 3";
    check(8, Start::Ack, &script, want);
    // It is the report of the next gap: block 6 has nothing to add. Block 5 again has, the sender has
    // begun anew somewhere else.
    let script = [
        (1, "data 1"),
        (3, "data 5"),
        (4, "data 3"),
        (10, "data 2"),
        (11, "data 6"),
        (20, "data 5"),
        (30, "data 4"),
    ];
    let want = "0 ACK 0\n1 wrote 1\n3 ACK 1\n4 ACK 1\n10 wrote 2\n10 wrote 3\n10 ACK 3\n20 ACK 3\n\
                30 wrote 4\n30 wrote 5\n30 wrote 6\n30 ACK 6";
    check(8, Start::Ack, &script, want);
    let script = [(1, "data 1"), (3, "data 5"), (4, "data 3"), (10, "data 2"), (20, "data 5")];
    let want = "0 ACK 0\n1 wrote 1\n3 ACK 1\n4 ACK 1\n10 wrote 2\n10 wrote 3\n10 ACK 3\n20 ACK 3";
    check(8, Start::Ack, &script, want);
    // One that is longer than agreed is not kept, and ends it when its turn comes.
    let script = [(1, "data 1"), (3, "long 3"), (10, "data 2"), (11, "long 3")];
    let want = "0 ACK 0\n1 wrote 1\n3 ACK 1\n10 wrote 2\n11 block 3 has 513 bytes, 512 were agreed";
    check(8, Start::Ack, &script, want);
}

#[test]
fn what_was_on_its_way_when_its_ack_left_is_not_answered() {
    // A sender that begins anew behind a gap sends all of the window: block 3 again at 12 cannot be
    // for want of ACK 3, and a second one would be a report to it.
    let script = [(1, "data 1"), (3, "data 3"), (10, "data 2"), (11, "data 3"), (40, "data 3")];
    let want = "0 ACK 0\n1 wrote 1\n3 ACK 1\n10 wrote 2\n10 wrote 3\n10 ACK 3\n40 ACK 3";
    check(8, Start::Ack, &script, want);
}

#[test]
fn a_client_dallies_where_something_got_lost_for_as_long_as_the_sender_was_silent() {
    // RFC 1350 §6. Nothing lost, or only something that came twice before the ACK can have arrived.
    let whole = [(10, "data 1"), (10, "data 1"), (11, "data 2"), (11, "data 2"), (20, "last 3")];
    dallies(4, &whole, None);
    // A gap: three times the longest silence, 130 ms before block 2 came.
    let gap = [(10, "data 1"), (11, "data 3"), (141, "data 2"), (150, "last 4")];
    dallies(4, &gap, Some(390));
    // A gap that was soon filled: the sender's clock has a least, and so has the dallying.
    dallies(4, &[(10, "data 1"), (11, "last 3"), (12, "data 2")], Some(100));
    // In lockstep there are no gaps: a block that comes again, when the ACK must have arrived.
    dallies(1, &[(10, "data 1"), (60, "data 1"), (70, "last 2")], Some(150));
    // Our own clock.
    dallies(1, &[(10, "data 1"), (310, "tick"), (320, "last 2")], Some(930));
    // However silent the sender was, there is an end.
    dallies(1, &[(10, "data 1"), (900, "tick"), (2900, "last 2")], Some(2000));
}

#[track_caller]
fn dallies(windowsize: u16, script: &[(u64, &str)], want: Option<u64>) {
    let agreed = Agreed { windowsize, ..Agreed::default() };
    let dally = Dally::AfterLosses { most: 2000 * MS };
    let patience = Patience { dally, ..Patience::default() };
    let end = script.last().unwrap().0;
    let mut script = script.to_vec();
    script.push((end, "commit"));
    let wait = want.unwrap_or_default();
    script.extend([(end + wait.saturating_sub(1), "tick"), (end + wait, "tick")]);
    let got = talk(&Terms { agreed, patience, ..Terms::default() }, Start::Ack, &script);
    assert!(got.ends_with(&format!("\n{} done", end + wait)), "{got}");
}

#[test]
fn an_ack_that_was_repeated_does_not_shorten_the_clock() {
    // ACK 0 again at 1000, and the answer to the first at 1050: the round trip is not 50 ms.
    let script = [(1000, "tick"), (1050, "data 1"), (1500, "tick"), (2050, "tick")];
    let want = "0 ACK 0\n1000 ACK 0\n1050 wrote 1\n1050 ACK 1\n2050 ACK 1";
    check(1, Start::Ack, &script, want);
}

#[test]
fn a_report_that_got_lost_is_repeated() {
    // The sender probes with a block that came before: it has not heard.
    let script = [(1, "data 1"), (3, "data 4"), (33, "data 4"), (40, "data 2")];
    check(4, Start::Ack, &script, "0 ACK 0\n1 wrote 1\n3 ACK 1\n33 ACK 1\n40 wrote 2\n40 ACK 2");
    // Or it goes on and on: long after a round trip, and after some more strays.
    let script = [
        (1, "data 1"),
        (3, "data 3"),
        (20, "data 4"),
        (21, "data 5"),
        (22, "data 6"),
        (23, "data 7"),
        (24, "data 8"),
    ];
    check(16, Start::Ack, &script, "0 ACK 0\n1 wrote 1\n3 ACK 1\n23 ACK 1");
    // Or nobody says anything.
    let script = [(1, "data 1"), (3, "data 3"), (302, "tick"), (303, "tick")];
    check(4, Start::Ack, &script, "0 ACK 0\n1 wrote 1\n3 ACK 1\n303 ACK 1");
}

#[test]
fn the_block_before_a_gap_again_is_silence() {
    // It was acknowledged by the report, and what follows it will speak for itself.
    let script = [(1, "data 1"), (3, "data 3"), (10, "data 1"), (11, "data 2")];
    check(4, Start::Ack, &script, "0 ACK 0\n1 wrote 1\n3 ACK 1\n11 wrote 2\n11 wrote 3\n11 ACK 3");
}

#[test]
fn the_end_of_a_window_again_means_that_its_ack_got_lost() {
    // W-06; blocks from within it say nothing.
    let script = [
        (1, "data 1"),
        (2, "data 2"),
        (30, "data 1"),
        (31, "data 2"),
        (35, "data 2"),
        (40, "data 3"),
    ];
    let want = "0 ACK 0\n1 wrote 1\n2 wrote 2\n2 ACK 2\n31 ACK 2\n35 ACK 2\n40 wrote 3";
    check(2, Start::Ack, &script, want);
}

#[test]
fn a_window_that_does_not_come_whole_is_acknowledged_by_the_clock() {
    // W-05.
    let script = [(1, "data 1"), (2, "data 2"), (301, "tick"), (302, "tick"), (310, "data 3")];
    let want = "0 ACK 0\n1 wrote 1\n2 wrote 2\n302 ACK 2\n310 wrote 3";
    check(4, Start::Ack, &script, want);
}

#[test]
fn blocks_beyond_the_window_are_ignored() {
    let script = [(1, "data 6"), (2, "data 40000"), (3, "data 1")];
    check(4, Start::Ack, &script, "0 ACK 0\n3 wrote 1");
}

#[test]
fn a_block_longer_than_agreed_is_an_error() {
    // S-40, C-12.
    let script = [(1, "data 1"), (2, "long 2")];
    let want = "0 ACK 0\n1 wrote 1\n1 ACK 1\n2 block 2 has 513 bytes, 512 were agreed";
    check(1, Start::Ack, &script, want);
    let error = TransferError::BlockTooLong { block: 2, got: 513, blksize: 512 };
    assert_eq!(error.answer(), Some(crate::wire::ErrorCode::ILLEGAL));
}

#[test]
fn an_error_ends_it_at_once_and_other_packets_do_nothing() {
    // S-28, C-12.
    let script = [(1, "short"), (2, "ack 1"), (3, "opcode 9"), (4, "error 3"), (5, "data 1")];
    let want = "0 ACK 0\n4 the peer ended the transfer with ERROR 3, disk full";
    check(1, Start::Ack, &script, want);
    // Once the file is committed it does not matter.
    let script = [(1, "last 1"), (2, "commit"), (3, "error 0"), (5002, "tick")];
    check(1, Start::Ack, &script, "0 ACK 0\n1 wrote 1\n2 ACK 1\n5002 done");
}

#[test]
fn silence_is_answered_by_the_same_ack_with_growing_waits_until_the_budget_is_spent() {
    // C-11.
    let script: Vec<(u64, &str)> = (1..=23)
        .flat_map(|second| [(second * 1000 - 1, "tick"), (second * 1000, "tick")])
        .collect();
    let sends: Vec<String> =
        [0, 1, 3, 7, 11, 15, 19].iter().map(|second| format!("{} ACK 0", second * 1000)).collect();
    let want = format!(
        "{}\n23000 nothing came from the peer for block 1, tried 7 times",
        sends.join("\n")
    );
    check(1, Start::Ack, &script, &want);
}

#[test]
fn a_peer_that_chatters_does_not_stop_the_clock() {
    let mut script = vec![(10, "data 1")];
    script.extend((11..60_000).step_by(7).map(|at| (at, "opcode 9")));
    let got = talk(&Terms::default(), Start::Ack, &script);
    assert!(got.contains("nothing came from the peer for block 2"), "{got}");
    // A repeated block is worth an ACK, but gains nothing.
    let mut script = vec![(10, "data 1")];
    script.extend((11..60_000).step_by(7).map(|at| (at, "data 1")));
    let patience = Patience { whole: 30_000 * MS, ..Patience::default() };
    let got = talk(&Terms { patience, ..Terms::default() }, Start::Ack, &script);
    assert!(got.ends_with("the transfer took longer than 30 s"), "{}", &got[got.len() - 80..]);
}

#[test]
fn an_agreed_timeout_is_obeyed() {
    // S-63.
    let agreed = Agreed { timeout: Some(3), ..Agreed::default() };
    let terms = Terms { agreed, ..Terms::default() };
    let got = talk(&terms, Start::Oack, &[(2999, "tick"), (3000, "tick")]);
    assert_eq!(got, "0 OACK\n3000 OACK");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever comes, at whatever time: no panic, blocks in order, and no more ACKs than datagrams
    /// and ticks of the clock.
    #[test]
    fn no_datagrams_break_it_or_make_it_flood(
        windowsize in 1..9_u16,
        script in prop::collection::vec((0..400_u64, 0..12_u16, prop::collection::vec(any::<u8>(), 0..6), any::<bool>()), 0..120),
    ) {
        let start = Instant::now();
        let agreed = Agreed { windowsize, blksize: 8, ..Agreed::default() };
        let mut receiver = Receiver::new(start, &Terms { agreed, ..Terms::default() }, Start::Oack);
        let (mut now, mut came, mut next) = (start, 1, 1);
        for (wait, block, junk, whole) in script {
            now += Duration::from_millis(wait);
            while receiver.poll_transmit(now).is_some() {}
            came += 1;
            let near = (u16::try_from(next).unwrap() + block).saturating_sub(4);
            let data = [&[0, 3][..], &near.to_be_bytes(), &[7; 8][usize::from(!whole)..]].concat();
            let datagram = if junk.len() < 4 { data } else { junk };
            match receiver.handle_datagram(now, &datagram) {
                Err(_) => break,
                Ok(None) => {}
                Ok(Some(block)) => {
                    prop_assert_eq!(block.number, next);
                    prop_assert!(block.payload.len() <= 8);
                    next += 1;
                    let mut is_last = block.is_last;
                    while let Some(block) = receiver.kept(now) {
                        prop_assert_eq!(block.number, next);
                        prop_assert!(block.payload.len() <= 8);
                        next += 1;
                        is_last = block.is_last;
                    }
                    if is_last {
                        receiver.committed(now);
                    }
                }
            }
            if receiver.handle_timeout(now).is_err() {
                break;
            }
        }
        let received = receiver.received();
        prop_assert!(received.acks <= came + received.timeouts, "{:?}", received);
        prop_assert_eq!(received.blocks, next - 1);
    }
}

#[track_caller]
fn check(windowsize: u16, start: Start, script: &[(u64, &str)], want: &str) {
    let agreed = Agreed { windowsize, ..Agreed::default() };
    let got = talk(&Terms { agreed, ..Terms::default() }, start, script);
    assert!(got == want, "expected\n{want}\n\ngot\n{got}");
}

/// Plays a script: `data 1` (512 bytes), `last 2` (5 bytes), `commit`, `tick` … at its millisecond.
/// What is written, and what goes out, is a line with the millisecond.
fn talk(terms: &Terms, starts: Start, script: &[(u64, &str)]) -> String {
    let start = Instant::now();
    let mut receiver = Receiver::new(start, terms, starts);
    let mut lines = Vec::new();
    transmit(&mut receiver, start, 0, &mut lines);
    for (at, event) in script {
        let now = start + Duration::from_millis(*at);
        let bytes = datagram(event);
        match *event {
            "commit" => receiver.committed(now),
            "request" => receiver.handle_repeated_request(),
            _ => {}
        }
        let came = bytes.as_deref().map_or(Ok(None), |bytes| receiver.handle_datagram(now, bytes));
        let wrote = came.and_then(|block| receiver.handle_timeout(now).map(|()| block));
        match wrote {
            Ok(None) => {}
            Ok(Some(block)) => {
                lines.push(format!("{at} wrote {}", block.number));
                while let Some(block) = receiver.kept(now) {
                    assert!(block.payload.iter().all(|byte| u64::from(*byte) == block.number));
                    lines.push(format!("{at} wrote {}", block.number));
                }
            }
            Err(error) => {
                lines.push(format!("{at} {error}"));
                assert_eq!((receiver.poll_timeout(), receiver.is_committed()), (None, false));
                break;
            }
        }
        transmit(&mut receiver, now, *at, &mut lines);
        if receiver.poll_timeout().is_none() {
            assert!(receiver.is_committed());
            lines.push(format!("{at} done"));
            break;
        }
    }
    lines.join("\n")
}

fn transmit(receiver: &mut Receiver, now: Instant, at: u64, lines: &mut Vec<String>) {
    while let Some(what) = receiver.poll_transmit(now) {
        lines.push(match what {
            Transmit::Oack => format!("{at} OACK"),
            Transmit::Ack(number) => format!("{at} ACK {number}"),
        });
    }
}

fn datagram(event: &str) -> Option<Vec<u8>> {
    let (what, number) = event.split_once(' ').unwrap_or((event, "0"));
    let [high, low] = number.parse::<u16>().unwrap().to_be_bytes();
    let data = |len| [&[0, 3, high, low][..], &vec![low; len]].concat();
    Some(match what {
        "tick" | "commit" | "request" => return None,
        "data" => data(512),
        "last" => data(5),
        "empty" => data(0),
        "long" => data(513),
        "short" => vec![0, 3, 0],
        "ack" => vec![0, 4, high, low],
        "error" => vec![0, 5, high, low, b'n', b'o', 0],
        "oack" => b"\0\x06blksize\x00512\0".to_vec(),
        "opcode" => vec![high, low],
        what => panic!("no event is called {what}"),
    })
}
