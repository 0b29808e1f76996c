//! Transcripts of a link, in virtual time: what came and what was done to it, what left and when.

use super::*;
use Direction::{ToClient, ToServer};

#[test]
fn a_link_without_faults_passes_everything_at_once_and_in_order() {
    let want = "
        0 1> a: passed
        0 1> a leaves
        0 1< b: passed
        0 1< b leaves
        3 2> c: passed
        3 2> c leaves";
    check("", 7, "0 1> a, 0 1< b, 3 2> c", want);
}

#[test]
fn a_delay_is_kept_to_the_nanosecond() {
    let mut link = link("delay=20ms", 7);
    let start = Instant::now();
    link.handle_datagram(start, 1, ToServer, b"a");
    let due = start + Duration::from_millis(20);
    assert_eq!(link.poll_timeout(), Some(due));
    assert_eq!(link.poll_transmit(due - Duration::from_nanos(1)), None);
    assert_eq!(link.poll_transmit(due).map(|transmit| transmit.payload), Some(b"a"));
    assert_eq!(link.poll_timeout(), None);
    // Asked too late, it still comes out.
    link.handle_datagram(start, 1, ToServer, b"b");
    assert!(link.poll_transmit(start + Duration::from_secs(3600)).is_some());
}

#[test]
fn a_jitter_never_changes_the_order() {
    let want = "
        0 1> a: late 2.9 ms
        1 1> b: late 27.6 ms
        2 1> c: late 25.8 ms
        2 1> a leaves
        3 1> d: late 4.7 ms
       28 1> b leaves
       28 1> c leaves
       28 1> d leaves";
    check("delay=20ms±20ms", 7, "0 1> a, 1 1> b, 2 1> c, 3 1> d", want);
    let mut link = link("delay=20ms±20ms,duplicate=30%", 7);
    let start = Instant::now();
    let mut left = Vec::new();
    for millis in 0..2000 {
        let now = start + Duration::from_millis(millis);
        link.handle_datagram(now, millis % 3, ToClient, b"x");
        while let Some(transmit) = link.poll_transmit(now) {
            left.push((transmit.flow, transmit.number));
        }
    }
    for flow in 0..3 {
        let numbers = left.iter().filter(|(f, _)| *f == flow).map(|(_, number)| *number);
        assert!(numbers.is_sorted(), "flow {flow}");
    }
}

#[test]
fn what_is_lost_and_what_comes_twice_is_told() {
    let want = "
        0 1> a: twice
        0 1> a leaves
        0 1> a leaves again
        1 1> b: twice
        1 1> b leaves
        1 1> b leaves again
        2 1> c: lost
        3 1> d: lost
        4 1> e: passed
        4 1> e leaves
        5 1< f: twice
        5 1< f leaves
        5 1< f leaves again";
    check("loss=30%,duplicate=30%", 7, "0 1> a, 1 1> b, 2 1> c, 3 1> d, 4 1> e, 5 1< f", want);
}

#[test]
fn one_that_is_held_leaves_behind_the_later_ones_it_was_held_for() {
    // b lets three pass: c, d, and g. Then f, which lets one pass, goes behind g too, and is
    // itself the second for e.
    let want = "
        0 1> a: passed
        0 1> a leaves
        1 1> b: held for 3
        2 1> c: overtook 1
        2 1> c leaves
        3 1> d: overtook 1
        3 1> d leaves
        4 1> e: held for 2
        5 1> f: held for 1
        6 1> g: overtook 3
        6 1> g leaves
        6 1> b leaves
        6 1> f leaves
        6 1> e leaves
        7 1> h: passed
        7 1> h leaves";
    let script = "0 1> a, 1 1> b, 2 1> c, 3 1> d, 4 1> e, 5 1> f, 6 1> g, 7 1> h";
    check("reorder=30%", 18, script, want);
}

#[test]
fn one_that_is_held_is_never_earlier_than_the_one_it_was_held_for() {
    let want = "
        0 1> a: late 20 ms, held for 1
        5 1> b: late 20 ms, overtook 1
       25 1> b leaves
       25 1> a leaves";
    check("reorder=30%,delay=20ms", 20, "0 1> a, 5 1> b", want);
}

#[test]
fn one_that_waits_for_others_in_vain_leaves_when_its_patience_is_over() {
    let want = "
        0 1> a: late 20 ms, held for 2
        5 1> b: late 20 ms, held for 1
      220 1> a leaves
      225 1> b leaves";
    check("reorder=100%,delay=20ms", 7, "0 1> a, 5 1> b", want);
    // Just in time, and just too late.
    let want = "
        0 1> a: held for 1
      199 1> b: overtook 1
      199 1> b leaves
      199 1> a leaves";
    check("reorder=30%", 20, "0 1> a, 199 1> b", want);
    let want = "
        0 1> a: held for 1
      200 1> a leaves
      201 1> b: passed
      201 1> b leaves";
    check("reorder=30%", 20, "0 1> a, 201 1> b", want);
}

#[test]
fn flows_and_directions_do_not_overtake_each_other() {
    let want = "
        0 1> a: held for 1
        1 2> b: passed
        1 2> b leaves
        2 1< c: passed
        2 1< c leaves
        3 1> d: overtook 1
        3 1> d leaves
        3 1> a leaves";
    check("reorder=30%", 20, "0 1> a, 1 2> b, 2 1< c, 3 1> d", want);
}

#[test]
fn with_a_rate_one_leaves_after_the_other() {
    // A byte takes a millisecond.
    let want = "
        0 1> abc: passed
        1 2> de: passed
        1 1< f: passed
        2 1< f leaves
        3 1> abc leaves
        5 2> de leaves
       20 1> g: passed
       21 1> g leaves";
    check("rate=1KB/s", 7, "0 1> abc, 1 2> de, 1 1< f, 20 1> g", want);
    // What is held, and what is late, has been through the wire first.
    let want = "
        0 1> abc: late 20 ms, held for 2
        0 1> de: late 20 ms, held for 1
      223 1> abc leaves
      225 1> de leaves";
    check("rate=1KB/s,delay=20ms,reorder=100%", 7, "0 1> abc, 0 1> de", want);
}

#[test]
fn the_wires_queue_takes_its_limit_and_not_a_byte_more() {
    let mut link = link("rate=1KB/s", 7);
    let start = Instant::now();
    let full = vec![0; WIRE_QUEUE_BYTES_MAX];
    let drops = |link: &mut Link<Vec<u8>>, millis, len| {
        let now = start + Duration::from_millis(millis);
        link.handle_datagram(now, 1, ToServer, vec![0; len]).is_dropped()
    };
    assert!(!link.handle_datagram(start, 1, ToServer, full).is_dropped());
    assert!(drops(&mut link, 0, 1));
    // Ten bytes have left, so there is room for ten.
    assert!(drops(&mut link, 10, 11));
    assert!(!drops(&mut link, 10, 10));
    assert!(drops(&mut link, 10, 1));
    // The other direction has a queue of its own.
    assert!(!link.handle_datagram(start, 1, ToClient, vec![0]).is_dropped());
}

#[test]
fn what_waits_is_limited_in_number() {
    let mut link = link("delay=1s", 7);
    let start = Instant::now();
    for _ in 0..WAITING_DATAGRAMS_MAX {
        assert!(!link.handle_datagram(start, 1, ToServer, b"x").is_dropped());
    }
    let report = link.handle_datagram(start, 1, ToServer, b"x");
    assert_eq!(report.to_string(), "dropped, the queue is full");
    // When one has left there is room for one.
    let later = start + Duration::from_secs(1);
    assert!(link.poll_transmit(later).is_some());
    assert!(!link.handle_datagram(later, 1, ToServer, b"x").is_dropped());
    assert!(link.handle_datagram(later, 1, ToServer, b"x").is_dropped());
}

#[test]
fn what_waits_is_limited_in_bytes() {
    let mut link = link("delay=1s", 7);
    let start = Instant::now();
    let block = [0; 64 * 1024];
    let mut fits = |len: usize| {
        !link.handle_datagram(start, 1, ToServer, block.get(..len).unwrap()).is_dropped()
    };
    for _ in 1..WAITING_BYTES_MAX / block.len() {
        assert!(fits(block.len()));
    }
    assert!(fits(block.len() - 1));
    assert!(!fits(2));
    assert!(fits(1));
    assert!(!fits(1));
    assert!(fits(0));
    let mut left = 0;
    while let Some(transmit) = link.poll_transmit(start + Duration::from_secs(1)) {
        left += transmit.payload.len();
    }
    assert_eq!((left, link.waiting_bytes), (WAITING_BYTES_MAX, 0));
}

#[test]
fn beyond_the_limit_of_lanes_the_lowest_flow_is_forgotten() {
    let mut link = link("", 7);
    let start = Instant::now();
    let mut number = |flow| link.handle_datagram(start, flow, ToServer, b"x").number();
    for flow in 0..LANES_MAX {
        assert_eq!(number(u64::try_from(flow).unwrap()), 1);
    }
    assert_eq!(number(0), 2);
    assert_eq!(number(1_000_000), 1);
    assert_eq!(number(1), 2);
    assert_eq!(number(0), 1);
    assert_eq!(link.lanes.len(), LANES_MAX);
}

#[test]
fn what_a_forgotten_lane_held_still_leaves() {
    let mut link = link("reorder=100%", 7);
    let start = Instant::now();
    for flow in 0..=LANES_MAX {
        link.handle_datagram(start, u64::try_from(flow).unwrap(), ToServer, b"x");
    }
    let mut left = 0;
    while link.poll_transmit(start + HOLD_MAX).is_some() {
        left += 1;
    }
    assert_eq!(left, LANES_MAX + 1);
}

#[test]
fn every_fate_is_the_same_whatever_the_timing() {
    let settings = "loss=20%,duplicate=20%,reorder=20%,delay=20ms±5ms";
    let reports = |gap_micros: u64| -> Vec<Vec<Deed>> {
        let mut link = link(settings, 7);
        let start = Instant::now();
        let report = |number: u64| {
            let now = start + Duration::from_micros(number * gap_micros);
            let report = link.handle_datagram(now, number % 4, ToServer, b"x");
            while link.poll_transmit(now).is_some() {}
            // Whom one overtakes depends on who is there.
            report.deeds().filter(|deed| !matches!(deed, Deed::Overtook(_))).collect()
        };
        (0..1000).map(report).collect()
    };
    let want = reports(0);
    assert_eq!(reports(100), want);
    assert_eq!(reports(1_000_000), want);
}

#[test]
fn nothing_is_lost_that_is_not_said_to_be() {
    for seed in 0..20 {
        let mut link = link("loss=10%,duplicate=10%,reorder=30%,delay=5ms±5ms,rate=1MB/s", seed);
        let start = Instant::now();
        let mut want = 0;
        let mut got = 0;
        for millis in 0..2000 {
            let now = start + Duration::from_millis(millis);
            let report = link.handle_datagram(now, millis % 5, ToServer, [0; 100]);
            let copies = if report.deeds().any(|deed| deed == Deed::Twice) { 2 } else { 1 };
            want += if report.is_dropped() { 0 } else { copies };
            while link.poll_transmit(now).is_some() {
                got += 1;
            }
        }
        while let Some(due) = link.poll_timeout() {
            while link.poll_transmit(due).is_some() {
                got += 1;
            }
        }
        assert_eq!(got, want, "seed {seed}");
        assert!(link.lanes.values().all(|lane| lane.held.is_empty()), "seed {seed}");
    }
}

#[test]
fn deeds_are_shown_in_words() {
    let micros = |micros| Deed::Late(Duration::from_micros(micros)).to_string();
    assert_eq!(micros(20_000), "late 20 ms");
    assert_eq!(micros(17_342), "late 17.3 ms");
    assert_eq!(micros(19_960), "late 20 ms");
    assert_eq!(micros(950), "late 1 ms");
    assert_eq!(micros(500), "late 0.5 ms");
    assert_eq!(micros(49), "late 49 µs");
    assert_eq!(Deed::Overtook(2).to_string(), "overtook 2");
}

fn link<T: AsRef<[u8]> + Clone>(settings: &str, seed: u64) -> Link<T> {
    Link::new(settings.parse().unwrap(), seed)
}

/// Hands in `script` (`5 1> a`: at 5 ms, flow 1, to the server, the datagram `a`), lets the link run until it is empty, and compares what it said and did.
#[track_caller]
fn check(settings: &str, seed: u64, script: &str, want: &str) {
    let mut link = link(settings, seed);
    let start = Instant::now();
    let mut log = String::new();
    for line in script.split(", ") {
        let (millis, line) = line.split_once(' ').unwrap();
        let now = start + Duration::from_millis(millis.parse().unwrap());
        drain(&mut link, start, Some(now), &mut log);
        let (flow, payload) = line.split_once(' ').unwrap();
        let (flow, mark) = flow.split_at(flow.len() - 1);
        let direction = if mark == ">" { ToServer } else { ToClient };
        let report = link.handle_datagram(now, flow.parse().unwrap(), direction, payload);
        log += &format!("\n{millis:>9} {line}: {report}");
    }
    drain(&mut link, start, None, &mut log);
    assert!(log.trim_start() == want.trim_start(), "\n--- want{want}\n--- got{log}");
}

/// Lets out what is due by `until`, each at its own time.
fn drain(link: &mut Link<&str>, start: Instant, until: Option<Instant>, log: &mut String) {
    while let Some(due) = link.poll_timeout() {
        if until.is_some_and(|until| due > until) {
            return;
        }
        while let Some(transmit) = link.poll_transmit(due) {
            let millis = (due - start).as_millis();
            let mark = if transmit.direction == ToServer { ">" } else { "<" };
            let again = if transmit.again { " again" } else { "" };
            let (flow, payload) = (transmit.flow, transmit.payload);
            *log += &format!("\n{millis:9} {flow}{mark} {payload} leaves{again}");
        }
    }
}
