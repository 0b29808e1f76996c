//! The sender, as conversations: what comes in at which millisecond, and what goes out.

use proptest::prelude::*;

use super::*;
use crate::options::Agreed;
use crate::transfer::Patience;

const MS: Duration = Duration::from_millis(1);

#[test]
fn one_block_for_each_ack() {
    // S-01, S-21.
    let script = [(10, "ack 1"), (20, "ack 2"), (30, "ack 3")];
    check(1, 3, Start::Data, &script, "0 DATA 1\n10 DATA 2\n20 DATA 3\n30 done");
}

#[test]
fn a_file_of_one_empty_block_is_one_data() {
    // S-19.
    check(1, 1, Start::Data, &[(10, "ack 1")], "0 DATA 1\n10 done");
}

#[test]
fn an_old_ack_is_silence() {
    // S-22, S-23, C-09: twice the same, one from long ago, one from the future, and one that is not
    // all there.
    let script = [
        (10, "ack 1"),
        (11, "ack 1"),
        (19, "ack 1"),
        (20, "ack 2"),
        (21, "ack 0"),
        (22, "ack 1"),
        (23, "ack 8"),
        (24, "short"),
        (30, "ack 3"),
        (31, "ack 3"),
        (55, "ack 3"),
        (56, "ack 4"),
    ];
    let want = "0 DATA 1\n10 DATA 2\n20 DATA 3\n30 DATA 4\n56 done";
    check(1, 4, Start::Data, &script, want);
}

#[test]
fn two_late_acks_do_not_double_the_rest() {
    // S-25, the Sorcerer's Apprentice: block 1 was repeated, and both copies are acknowledged.
    let script = [
        (1000, "tick"),
        (1010, "ack 1"),
        (1011, "ack 1"),
        (1020, "ack 2"),
        (1021, "ack 2"),
        (1030, "ack 3"),
    ];
    let want = "0 DATA 1\n1000 DATA 1\n1010 DATA 2\n1020 DATA 3\n1030 done";
    check(1, 3, Start::Data, &script, want);
}

#[test]
fn silence_is_answered_by_the_same_block_with_growing_waits_until_the_budget_is_spent() {
    // S-24, S-31, S-68, W-06: just before each time nothing happens.
    let script = [
        (999, "tick"),
        (1000, "tick"),
        (2999, "tick"),
        (3000, "tick"),
        (6999, "tick"),
        (7000, "tick"),
        (10_999, "tick"),
        (11_000, "tick"),
        (15_000, "tick"),
        (19_000, "tick"),
        (22_999, "tick"),
        (23_000, "tick"),
    ];
    let times = ["0", "1000", "3000", "7000", "11000", "15000", "19000"];
    let sends: Vec<String> = times.iter().map(|time| format!("{time} DATA 1")).collect();
    let want = format!(
        "{}\n23000 nothing came from the peer for block 1, tried 7 times",
        sends.join("\n")
    );
    check(1, 3, Start::Data, &script, &want);
    let oacks = want.replace("DATA 1", "OACK");
    // S-53: so is an OACK, and nothing else goes out before ACK 0.
    check(4, 3, Start::Oack, &script, &oacks);
}

#[test]
fn a_timeout_that_was_agreed_is_obeyed() {
    // S-63.
    let terms = |seconds| Terms {
        agreed: Agreed { timeout: Some(seconds), ..Agreed::default() },
        ..Terms::default()
    };
    let script = [(2999, "tick"), (3000, "tick"), (3010, "ack 1")];
    check_with(&terms(3), 1, Start::Data, &script, "0 DATA 1\n3000 DATA 1\n3010 done");
    let script = [(254_999, "tick"), (255_000, "tick"), (255_001, "ack 1")];
    check_with(&terms(255), 1, Start::Data, &script, "0 DATA 1\n255000 DATA 1\n255001 done");
}

#[test]
fn after_an_oack_only_ack_0_lets_the_blocks_go() {
    // S-52, S-54, S-55.
    let script = [(5, "ack 1"), (10, "ack 0"), (11, "ack 0"), (20, "ack 1"), (30, "ack 2")];
    check(1, 2, Start::Oack, &script, "0 OACK\n10 DATA 1\n20 DATA 2\n30 done");
    // With a window ACK 0 again could report a loss, but not so early.
    let script = [(10, "ack 0"), (11, "ack 0"), (20, "ack 2")];
    check(2, 2, Start::Oack, &script, "0 OACK\n10 DATA 1 2\n20 done");
}

#[test]
fn an_error_ends_it_at_once_and_other_packets_do_nothing() {
    // S-28, S-29, S-56.
    let ended = "the peer ended the transfer with ERROR 8, options not acceptable";
    check(1, 2, Start::Oack, &[(10, "error 8"), (2000, "tick")], &format!("0 OACK\n10 {ended}"));
    let script = [(1, "request"), (2, "data"), (3, "oack"), (4, "opcode 9"), (10, "error 8")];
    check(1, 2, Start::Data, &script, &format!("0 DATA 1\n10 {ended}"));
}

#[test]
fn a_window_goes_out_whole_and_waits_for_its_ack() {
    // W-01, W-02.
    let script = [(10, "ack 4"), (20, "ack 8"), (30, "ack 10")];
    check(4, 10, Start::Data, &script, "0 DATA 1 2 3 4\n10 DATA 5 6 7 8\n20 DATA 9 10\n30 done");
    // W-11: the empty block that ends a file of whole blocks opens a window of its own.
    let script = [(10, "ack 4"), (20, "ack 5")];
    check(4, 5, Start::Data, &script, "0 DATA 1 2 3 4\n10 DATA 5\n20 done");
    // S-65: a window of 1 is no window.
    check(1, 2, Start::Data, &[(10, "ack 1"), (20, "ack 2")], "0 DATA 1\n10 DATA 2\n20 done");
}

#[test]
fn a_reported_loss_starts_the_window_behind_what_arrived() {
    // W-03, the example of RFC 7440 §4: block 2 of 4 is lost. A receiver that keeps nothing is silent
    // to block 2 alone, and is sent the rest of its window after a round trip, 30 ms at most here.
    let script = [(10, "ack 1"), (39, "tick"), (40, "tick"), (50, "ack 5"), (60, "ack 6")];
    let want = "0 DATA 1 2 3 4\n10 DATA 2\n40 DATA 3 4 5\n50 DATA 6\n60 done";
    check(4, 6, Start::Data, &script, want);
}

#[test]
fn what_the_receiver_has_kept_is_not_sent_again() {
    // Block 2 of 8 is lost, and 5: each is repeated, and nothing else.
    let script = [(10, "ack 1"), (20, "ack 4"), (30, "ack 8"), (40, "ack 12")];
    let want = "0 DATA 1 2 3 4 5 6 7 8\n10 DATA 2\n20 DATA 5 6\n30 DATA 9 10 11 12\n40 done";
    check(8, 12, Start::Data, &script, want);
}

#[test]
fn who_keeps_nothing_is_soon_sent_whole_windows_again() {
    // Three times, with more and more blocks, the pause is in vain; the fourth time there is none.
    let script = [
        (10, "ack 1"),
        (39, "tick"),
        (40, "tick"),
        (45, "tick"),
        (50, "ack 2"),
        (55, "tick"),
        (100, "tick"),
        (105, "tick"),
        (110, "ack 3"),
        (115, "tick"),
        (160, "tick"),
        (170, "ack 4"),
        (175, "tick"),
        (180, "tick"),
    ];
    let want = "0 DATA 1 2 3 4 5 6 7 8\n\
                10 DATA 2\n40 DATA 3 4 5 6\n45 DATA 7 8 9\n\
                50 DATA 3 4\n100 DATA 5 6 7 8\n105 DATA 9 10\n\
                115 DATA 4 5 6 7\n160 DATA 8 9 10 11\n\
                175 DATA 5 6 7 8\n180 DATA 9 10 11 12";
    check(8, 99, Start::Data, &script, want);
}

#[test]
fn when_every_repeat_is_needless_the_clock_learns() {
    // The round trip is 1.5 s, the first wait 1 s: every block goes out twice, so by Karn's rule
    // there is nothing to measure. But every copy is acknowledged, with the same distance.
    let mut script = vec![];
    let mut want = vec!["0 DATA 1".to_owned()];
    let acks = ["ack 1", "ack 2", "ack 3", "ack 4", "ack 5"];
    let mut at = 0;
    for (block, ack) in (1_u32..).zip(acks).take(3) {
        script.extend([(at + 1000, "tick"), (at + 1500, ack), (at + 2500, ack)]);
        want.push(format!("{} DATA {block}", at + 1000));
        want.push(format!("{} DATA {}", at + 1500, block + 1));
        at += 1500;
    }
    script.sort();
    // From the third on the clock has 1.5 + 4 × 0.75 s.
    script.retain(|(time, _)| *time <= 5500);
    script.extend([(5999, "tick"), (6000, "ack 4"), (8000, "tick"), (10_499, "tick")]);
    want.extend(["5500 DATA 4", "6000 DATA 5"].map(str::to_owned));
    check(1, 9, Start::Data, &script, &want.join("\n"));
}

#[test]
fn an_ack_of_many_measures_the_round_trip_by_what_was_sent_once() {
    // The OACK was sent twice, so nothing is known of the round trip. Block 3 of 4 is lost; the report
    // says that 1 and 2 came through within 10 ms. So the clock runs for 30 ms, not for a second.
    let script = [(1000, "tick"), (1010, "ack 0"), (1020, "ack 2"), (1049, "tick"), (1050, "tick")];
    let want = "0 OACK\n1000 OACK\n1010 DATA 1 2 3 4\n1020 DATA 3\n1050 DATA 4 5 6";
    check(4, 9, Start::Oack, &script, want);
    // An OACK that was sent once is a measure too.
    let script = [(10, "ack 0"), (39, "tick"), (40, "tick")];
    check(1, 9, Start::Oack, &script, "0 OACK\n10 DATA 1\n40 DATA 1");
}

#[test]
fn an_oack_that_was_sent_once_lengthens_the_clock_too() {
    // 0.5 s and four times half of that.
    let script = [(500, "ack 0"), (1999, "tick"), (2000, "tick")];
    check(1, 9, Start::Oack, &script, "0 OACK\n500 DATA 1\n2000 DATA 1");
}

#[test]
fn what_comes_too_late_to_be_an_echo_is_a_report() {
    // Block 8 went out at 10 and 40, and was acknowledged at 45: by 75 both answers are here.
    let script = [(10, "ack 4"), (40, "tick"), (45, "ack 8"), (76, "ack 8")];
    let want = "0 DATA 1 2 3 4\n10 DATA 5 6 7 8\n40 DATA 8\n45 DATA 9 10 11 12\n76 DATA 9";
    check(4, 13, Start::Data, &script, want);
}

#[test]
fn an_ack_is_no_report_of_what_was_only_just_sent() {
    // ACK 2 at 41 is for block 2, and knows nothing of block 3, sent again at 40.
    let script = [(10, "ack 1"), (40, "tick"), (41, "ack 2"), (50, "ack 10")];
    let want = "0 DATA 1 2 3 4 5 6 7 8\n10 DATA 2\n40 DATA 3 4 5 6\n41 DATA 7 8 9 10\n50 done";
    check(8, 10, Start::Data, &script, want);
}

#[test]
fn the_answer_to_the_first_of_two_copies_does_not_shorten_the_clock() {
    // An answer 10 ms after the second copy may be one to the first, of more than a second ago.
    let script = [(1000, "tick"), (1010, "ack 0"), (1500, "tick"), (2010, "tick")];
    let want = "0 OACK\n1000 OACK\n1010 DATA 1\n2010 DATA 1";
    check(1, 9, Start::Oack, &script, want);
}

#[test]
fn a_lost_first_block_is_sent_again_once_for_each_report() {
    // W-04: ACK 4 ends the first window. The next one is the report that block 5 is missing; but
    // what comes within less than a round trip of the sending of block 5 cannot know that.
    let script =
        [(10, "ack 4"), (15, "ack 4"), (20, "ack 4"), (21, "ack 4"), (22, "ack 4"), (30, "ack 8")];
    let want = "0 DATA 1 2 3 4\n10 DATA 5 6 7 8\n20 DATA 5\n30 done";
    check(4, 8, Start::Data, &script, want);
}

#[test]
fn an_ack_for_each_copy_of_a_window_is_no_report() {
    // W-04, W-06: ACK 4 got lost, the last block was repeated, and both ACKs come after all. If the
    // second were taken for a report, every window would go out twice from here on.
    let script =
        [(10, "ack 4"), (40, "tick"), (45, "ack 8"), (58, "ack 8"), (60, "ack 12"), (70, "ack 13")];
    let want =
        "0 DATA 1 2 3 4\n10 DATA 5 6 7 8\n40 DATA 8\n45 DATA 9 10 11 12\n60 DATA 13\n70 done";
    check(4, 13, Start::Data, &script, want);
}

#[test]
fn what_was_not_sent_cannot_be_reported_lost() {
    // An ACK that comes twice before the driver has sent the next window.
    let now = Instant::now();
    let mut sender = Sender::new(now, &with_window(4), Start::Data);
    assert_eq!(sender.poll_transmit(now, 64), Some(Transmit::Data(1..5)));
    for _ in 0..2 {
        sender.handle_datagram(now + 10 * MS, b"\0\x04\0\x04").unwrap();
    }
    assert_eq!((sender.sent().reports, sender.sent().ignored), (0, 1));
}

#[test]
fn a_silent_receiver_is_probed_with_the_last_block_and_then_sent_the_window() {
    // W-05: first what makes it speak, then all it may lack.
    let script = [(1000, "tick"), (3000, "tick"), (3010, "ack 4")];
    let want = "0 DATA 1 2 3 4\n1000 DATA 4\n3000 DATA 1 2 3 4\n3010 done";
    check(4, 4, Start::Data, &script, want);
}

#[test]
fn acks_outside_the_window_are_ignored() {
    // W-09.
    let script = [(10, "ack 4"), (20, "ack 2"), (21, "ack 9"), (22, "ack 30000"), (30, "ack 8")];
    check(4, 8, Start::Data, &script, "0 DATA 1 2 3 4\n10 DATA 5 6 7 8\n30 done");
}

#[test]
fn a_peer_that_chatters_does_not_stop_the_clock() {
    let mut script = vec![(10, "ack 1")];
    script.extend((11..60_000).step_by(7).map(|at| (at, "ack 1")));
    let got = talk(&Terms::default(), 2, Start::Data, &script);
    assert!(got.contains("nothing came from the peer for block 2"), "{got}");
}

#[test]
fn a_transfer_has_a_deadline_whatever_is_gained() {
    let patience = Patience { whole: 100 * MS, ..Patience::default() };
    let terms = Terms { patience, ..Terms::default() };
    let script = [(40, "ack 1"), (80, "ack 2"), (99, "tick"), (100, "tick")];
    let want = "0 DATA 1\n40 DATA 2\n80 DATA 3\n100 the transfer took longer than 0 s";
    check_with(&terms, 9, Start::Data, &script, want);
}

#[test]
fn blocks_that_the_driver_could_not_send_are_asked_for_again() {
    let now = Instant::now();
    let terms = with_window(8);
    let mut sender = Sender::new(now, &terms, Start::Data);
    assert_eq!(sender.poll_transmit(now, 5), Some(Transmit::Data(1..6)));
    sender.unsent(4);
    assert_eq!(sender.poll_transmit(now, 64), Some(Transmit::Data(4..9)));
    assert_eq!((sender.poll_transmit(now, 64), sender.sent().data), (None, 8));
}

#[test]
fn the_end_of_the_file_may_be_found_while_it_is_read() {
    // S-34: the driver was asked for eight blocks, and the third is short.
    let now = Instant::now();
    let mut sender = Sender::new(now, &with_window(8), Start::Data);
    assert_eq!(sender.poll_transmit(now, 64), Some(Transmit::Data(1..9)));
    sender.ends_at(3);
    assert_eq!((sender.poll_transmit(now, 64), sender.sent().data), (None, 3));
    sender.handle_datagram(now, b"\0\x04\0\x03").unwrap();
    assert!(sender.is_done());
    assert_eq!(sender.poll_timeout(), None);
}

#[test]
fn a_small_buffer_at_the_receiver_makes_short_bursts_with_pauses() {
    // 16 blocks of 65464 bytes, of which the receiver's buffer takes two at a time.
    let agreed = Agreed { blksize: 65_464, windowsize: 16, ..Agreed::default() };
    let now = Instant::now();
    let mut sender = Sender::new(now, &Terms { agreed, ..Terms::default() }, Start::Data);
    assert_eq!(sender.poll_transmit(now, 64), Some(Transmit::Data(1..3)));
    assert_eq!(sender.poll_transmit(now, 64), None);
    let pause = sender.poll_timeout().unwrap();
    assert!(pause > now && pause <= now + MS);
    assert_eq!(sender.poll_transmit(pause, 64), Some(Transmit::Data(3..5)));
}

#[test]
fn no_ack_is_for_a_block_before_the_file_over_4_gib() {
    // Block numbers have 64 bits inside: with 512 bytes each this is beyond 4 GiB.
    let now = Instant::now();
    let mut sender = Sender::new(now, &with_window(1000), Start::Data);
    let (blocks, mut sent) = ((5 << 30) / 512_u64, 0);
    sender.ends_at(blocks + 1);
    while !sender.is_done() {
        while let Some(Transmit::Data(range)) = sender.poll_transmit(now, 1000) {
            sent = range.end - 1;
        }
        let ack = [0, 4, u8::try_from(sent >> 8 & 255).unwrap(), u8::try_from(sent & 255).unwrap()];
        sender.handle_datagram(now, &ack).unwrap();
    }
    assert_eq!((sent, sender.sent().data), (blocks + 1, blocks + 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever comes, at whatever time: no panic, and no more DATA than the clock, the reports and
    /// the ACKs that moved the window account for.
    #[test]
    fn no_datagrams_break_it_or_make_it_flood(
        windowsize in 1..9_u16,
        oack in any::<bool>(),
        script in prop::collection::vec((0..400_u64, 0..12_u16, prop::collection::vec(any::<u8>(), 0..6)), 0..120),
    ) {
        let start = Instant::now();
        let starts = if oack { Start::Oack } else { Start::Data };
        let mut sender = Sender::new(start, &with_window(windowsize), starts);
        sender.ends_at(40);
        let mut now = start;
        for (wait, ack, junk) in script {
            now += Duration::from_millis(wait);
            while sender.poll_transmit(now, 64).is_some() {}
            // Mostly ACKs of about the right number, else anything at all.
            let near = (u16::try_from(sender.base()).unwrap() + ack).saturating_sub(4);
            let ack = [&[0, 4][..], &near.to_be_bytes()].concat();
            let datagram = if junk.len() < 4 { ack } else { junk };
            if sender.handle_datagram(now, &datagram).is_err() || sender.handle_timeout(now).is_err() {
                break;
            }
        }
        let sent = sender.sent();
        let window = u64::from(windowsize);
        prop_assert!(sent.repeated <= (sent.reports + sent.timeouts) * window, "{:?}", sent);
        prop_assert!(sent.data - sent.repeated <= 40);
    }
}

#[track_caller]
fn check(window: u16, blocks: u64, start: Start, script: &[(u64, &str)], want: &str) {
    check_with(&with_window(window), blocks, start, script, want);
}

#[track_caller]
fn check_with(terms: &Terms, blocks: u64, start: Start, script: &[(u64, &str)], want: &str) {
    let got = talk(terms, blocks, start, script);
    assert!(got == want, "expected\n{want}\n\ngot\n{got}");
}

fn with_window(windowsize: u16) -> Terms {
    Terms { agreed: Agreed { windowsize, ..Agreed::default() }, ..Terms::default() }
}

/// Plays a script: `ack 3`, `error 8`, `tick` … at its millisecond. What goes out is a line with the
/// millisecond.
fn talk(terms: &Terms, blocks: u64, starts: Start, script: &[(u64, &str)]) -> String {
    let start = Instant::now();
    let mut sender = Sender::new(start, terms, starts);
    sender.ends_at(blocks);
    let mut lines = Vec::new();
    transmit(&mut sender, start, 0, &mut lines);
    for (at, event) in script {
        let now = start + Duration::from_millis(*at);
        let came = datagram(event).map(|bytes| sender.handle_datagram(now, &bytes));
        let ended = came.unwrap_or(Ok(())).and_then(|()| sender.handle_timeout(now));
        if let Err(error) = ended {
            lines.push(format!("{at} {error}"));
            assert_eq!((sender.poll_transmit(now, 64), sender.poll_timeout()), (None, None));
            break;
        }
        transmit(&mut sender, now, *at, &mut lines);
        if sender.is_done() {
            lines.push(format!("{at} done"));
            break;
        }
    }
    lines.join("\n")
}

fn transmit(sender: &mut Sender, now: Instant, at: u64, lines: &mut Vec<String>) {
    while let Some(what) = sender.poll_transmit(now, 64) {
        lines.push(match what {
            Transmit::Oack => format!("{at} OACK"),
            Transmit::Data(range) => {
                range.fold(format!("{at} DATA"), |line, block| format!("{line} {block}"))
            }
        });
    }
}

fn datagram(event: &str) -> Option<Vec<u8>> {
    let (what, number) = event.split_once(' ').unwrap_or((event, "0"));
    let [high, low] = number.parse::<u16>().unwrap().to_be_bytes();
    Some(match what {
        "tick" => return None,
        "ack" => vec![0, 4, high, low],
        "error" => vec![0, 5, high, low, b'n', b'o', 0],
        "opcode" => vec![high, low],
        "short" => vec![0, 4, 0],
        "data" => b"\0\x03\0\x01hi".to_vec(),
        "oack" => b"\0\x06blksize\x008\0".to_vec(),
        "request" => b"\0\x01a\0octet\0".to_vec(),
        what => panic!("no event is called {what}"),
    })
}
