//! Transcripts of one direction of a stream, in virtual time: what came, what left and when.

use super::*;

#[test]
fn a_stream_without_faults_passes_at_once_in_the_pieces_in_which_it_came() {
    let want = "
        0 hello
        3 world
        3 End";
    check("", "0 hello, 3 world, 3 end", want);
}

#[test]
fn a_delay_moves_everything_the_end_too() {
    let want = "
       20 a
       25 b
       25 End";
    check("delay=20ms", "0 a, 5 b, 5 end", want);
    let mut faults = faults("delay=20ms");
    let start = Instant::now();
    faults.handle_bytes(start, b"a");
    let due = start + Duration::from_millis(20);
    assert_eq!(faults.poll_timeout(), Some(due));
    assert_eq!(faults.poll_transmit(due - Duration::from_nanos(1)), None);
    assert_eq!(faults.poll_transmit(due), Some(Outgoing::Bytes(b"a".to_vec())));
    assert_eq!(faults.poll_timeout(), None);
}

#[test]
fn a_jitter_makes_portions_late_and_never_changes_their_order() {
    let want = "
        6 ab
       28 cd
       28 ef
       28 gh
       28 End";
    check("delay=20ms±20ms", "0 ab, 1 cd, 2 ef, 3 gh, 4 end", want);
}

#[test]
fn cut_after_every_byte_a_waiting_reader_sees_each_by_itself() {
    let want = "
        0 a
        1 b
        2 c
       10 d
       11 End";
    check("cut=every-byte", "0 abc, 10 d, 10 end", want);
}

#[test]
fn random_cuts_lie_at_the_same_places_however_the_bytes_came() {
    let want = "
        0 the-quick-
        1 br
        2 own-f
        3 ox-jumps
        4 -over-the-laz
        5 y-
        6 dog
       90 End";
    check("cut=random", "0 the-quick-brown-fox-jumps-over-the-lazy-dog, 90 end", want);
    // Where a portion ends a piece ends too, and the other places stay.
    let want = "
        0 the-
       10 quick-
       11 br
       12 o
       20 wn-f
       21 ox-jumps
       22 -over-the-laz
       23 y-
       24 dog";
    check("cut=random", "0 the-, 10 quick-bro, 20 wn-fox-jumps-over-the-lazy-dog", want);
}

#[test]
fn a_stall_is_for_ever_and_its_end_too() {
    let want = "
        0 abc
        1 d
        1 Stalled";
    check("stall-after=4B", "0 abc, 1 def, 2 g, 2 end", want);
    let want = "
        0 abc
        0 Stalled";
    check("stall-after=3B", "0 abc, 1 end", want);
    let want = "
        0 abc
        1 End";
    check("stall-after=4B", "0 abc, 1 end", want);
}

#[test]
fn a_stalled_stream_takes_no_more_than_its_buffer() {
    let mut faults = faults("stall-after=1B");
    let start = Instant::now();
    let bytes = vec![0; BUFFER_BYTES_MAX];
    assert_eq!(faults.handle_bytes(start, &bytes), BUFFER_BYTES_MAX);
    assert_eq!(faults.room(), 0);
    assert_eq!(faults.poll_transmit(start), Some(Outgoing::Bytes(vec![0])));
    assert_eq!(faults.room(), 1);
    assert_eq!(faults.poll_transmit(start), Some(Outgoing::Stalled));
    assert_eq!(faults.handle_bytes(start, &bytes), 1);
    assert_eq!((faults.room(), faults.handle_bytes(start, &bytes)), (0, 0));
    assert_eq!((faults.poll_transmit(start), faults.poll_timeout()), (None, None));
}

#[test]
fn a_reset_follows_the_last_byte_at_once() {
    let want = "
       20 abc
       21 d
       21 Reset";
    check("reset-after=4B,delay=20ms", "0 abc, 1 def, 2 end", want);
    let want = "
        0 a
        1 b
        1 Reset";
    check("reset-after=2B,cut=every-byte", "0 abc", want);
}

#[test]
fn the_earlier_of_a_stall_and_a_reset_comes_first() {
    let want = "
        0 ab
        0 Stalled";
    check("reset-after=3B,stall-after=2B", "0 abc", want);
    let want = "
        0 ab
        0 Reset";
    check("reset-after=2B,stall-after=3B", "0 abc", want);
    check("reset-after=2B,stall-after=2B", "0 abc", want);
}

#[test]
fn a_rate_lets_out_so_much_and_not_more() {
    // 1000 bytes in a second: ten in each ten milliseconds.
    let want = "
        0 0123456789
       10 abcdefghij
       20 !
      100 later";
    check("rate=1KB/s", "0 0123456789abcdefghij!, 100 later", want);
    // Slower than a byte in ten milliseconds.
    let want = "
        7 a
      107 b
      207 End";
    check("rate=10B/s,delay=7ms", "0 ab, 0 end", want);
}

#[test]
fn a_caller_who_comes_late_does_not_slow_the_wire_down() {
    let mut faults = faults("rate=1KB/s");
    let start = Instant::now();
    faults.handle_bytes(start, &[0; 40]);
    let late = start + Duration::from_millis(25);
    let mut left = 0;
    while let Some(Outgoing::Bytes(piece)) = faults.poll_transmit(late) {
        left += piece.len();
    }
    assert_eq!(left, 30);
}

#[test]
fn what_is_buffered_is_limited_in_bytes_and_in_portions() {
    let mut faults = faults("delay=1s");
    let start = Instant::now();
    assert_eq!(faults.handle_bytes(start, &vec![0; BUFFER_BYTES_MAX + 1]), BUFFER_BYTES_MAX);
    assert_eq!(faults.handle_bytes(start, b"x"), 0);
    let later = start + Duration::from_secs(1);
    assert!(faults.poll_transmit(later).is_some());
    assert_eq!(faults.room(), BUFFER_BYTES_MAX);
    for _ in 0..PORTIONS_MAX {
        assert_eq!(faults.handle_bytes(later, b"x"), 1);
    }
    assert_eq!((faults.room(), faults.handle_bytes(later, b"x")), (0, 0));
}

#[test]
fn after_the_end_nothing_is_taken() {
    let mut faults = faults("");
    let start = Instant::now();
    faults.handle_end(start);
    assert_eq!(faults.handle_bytes(start, b"x"), 0);
    assert_eq!(faults.handle_bytes(start, b""), 0);
    // Said again, it is no later.
    faults.handle_end(start + Duration::from_secs(1));
    assert_eq!(faults.poll_transmit(start), Some(Outgoing::End));
    assert_eq!(faults.poll_transmit(start), None);
}

#[test]
fn no_byte_is_lost_or_out_of_place_whatever_is_done() {
    let text: Vec<u8> = (0..=u8::MAX).cycle().take(3000).collect();
    for settings in [
        "",
        "cut=every-byte",
        "cut=random,delay=20ms±20ms",
        "rate=100KB/s,cut=random",
        "rate=7B/s,delay=1s±1s",
    ] {
        let (mut faults, start) = (faults(settings), Instant::now());
        let mut got = Vec::new();
        let mut now = start;
        for (portion, millis) in text.chunks(97).zip((0..).step_by(13)) {
            now = start + Duration::from_millis(millis);
            assert_eq!(faults.handle_bytes(now, portion), portion.len());
            while let Some(Outgoing::Bytes(piece)) = faults.poll_transmit(now) {
                got.extend(piece);
            }
        }
        faults.handle_end(now);
        while let Some(due) = faults.poll_timeout() {
            match faults.poll_transmit(due).unwrap() {
                Outgoing::Bytes(piece) => got.extend(piece),
                last => assert_eq!(last, Outgoing::End),
            }
        }
        assert!(got == text, "{settings}: {} bytes", got.len());
    }
}

fn faults(settings: &str) -> StreamFaults {
    StreamFaults::new(settings.parse().unwrap(), 7, 1, Direction::ToServer)
}

/// Hands in `script` (`5 abc`: at 5 ms these bytes; `5 end`: the end), lets the stream run until it
/// is empty, and compares what left.
#[track_caller]
fn check(settings: &str, script: &str, want: &str) {
    let mut faults = faults(settings);
    let start = Instant::now();
    let mut log = String::new();
    for step in script.split(", ") {
        let (millis, what) = step.split_once(' ').unwrap();
        let now = start + Duration::from_millis(millis.parse().unwrap());
        drain(&mut faults, start, Some(now), &mut log);
        match what {
            "end" => faults.handle_end(now),
            bytes => assert_eq!(faults.handle_bytes(now, bytes.as_bytes()), bytes.len()),
        }
    }
    drain(&mut faults, start, None, &mut log);
    assert!(log.trim_start() == want.trim_start(), "\n--- want{want}\n--- got{log}");
}

/// Lets out what is due by `until`, each piece at its own time.
fn drain(faults: &mut StreamFaults, start: Instant, until: Option<Instant>, log: &mut String) {
    while let Some(due) = faults.poll_timeout() {
        if until.is_some_and(|until| due > until) {
            return;
        }
        let Some(outgoing) = faults.poll_transmit(due) else { panic!("due, and nothing came") };
        let millis = (due - start).as_millis();
        *log += &match outgoing {
            Outgoing::Bytes(piece) => {
                format!("\n{millis:9} {}", String::from_utf8(piece).unwrap())
            }
            last => format!("\n{millis:9} {last:?}"),
        };
    }
}
