//! Transcripts of a pinger, in virtual time: what it sends, what it is told, what it makes of it.

use super::*;

#[test]
fn one_ping_one_answer() {
    let want = "
        0 -> 1
       30 answer to 1 after 30 ms
       30 finished";
    check("count=1", "30 back 1", want);
}

#[test]
fn pings_do_not_wait_for_each_other() {
    let want = "
        0 -> 1
      100 -> 2
      200 -> 3
      250 answer to 3 after 50 ms
      260 answer to 1 after 260 ms, out of order
      270 answer to 2 after 170 ms, out of order
      270 finished";
    check("count=3", "250 back 3, 260 back 1, 270 back 2", want);
}

#[test]
fn without_an_answer_it_is_sent_again_each_time_after_twice_the_time() {
    let want = "
        0 -> 1
     1000 nothing for 1 within 1000 ms, again
     1000 -> 1.2
     3000 nothing for 1.2 within 2000 ms, again
     3000 -> 1.3
     7000 nothing for 1.3 within 4000 ms
     7000 finished";
    check("count=1", "", want);
}

#[test]
fn an_answer_is_in_time_until_the_moment_the_time_is_over() {
    let want = "
        0 -> 1
      999 answer to 1 after 999 ms
      999 finished";
    check("count=1", "999 back 1", want);
    let want = "
        0 -> 1
     1000 nothing for 1 within 1000 ms, again
     1000 -> 1.2
     1001 answer to 1 after 1001 ms
     1001 finished";
    check("count=1", "1001 back 1", want);
    let want = "
        0 -> 1
     1000 nothing for 1 within 1000 ms
     1000 finished
     1001 answer to 1 after 1001 ms, late";
    check("count=1,tries=1", "1001 back 1", want);
}

#[test]
fn answers_to_two_tries_are_not_one_that_came_twice() {
    // The first was only slow. Both are timed from when they were sent, not from each other.
    let want = "
        0 -> 1
      900 -> 2
     1000 nothing for 1 within 1000 ms, again
     1000 -> 1.2
     1100 answer to 1 after 1100 ms
     1200 answer to 1.2 after 200 ms, late
     1250 1.2 came again
     1300 1 came again
     1400 answer to 2 after 500 ms, out of order
     1400 finished";
    let script = "1100 back 1, 1200 back 1.2, 1250 back 1.2, 1300 back 1, 1400 back 2";
    check("count=2,interval=900", script, want);
}

#[test]
fn one_that_comes_twice_is_not_counted_as_out_of_order() {
    let want = "
        0 -> 1
      100 -> 2
      110 answer to 2 after 10 ms
      120 answer to 1 after 120 ms, out of order
      120 finished
      130 1 came again
      140 2 came again";
    check("count=2", "110 back 2, 120 back 1, 130 back 1, 140 back 2", want);
}

#[test]
fn what_is_no_answer_changes_nothing() {
    // Never sent: another number, another try, the try 0. Not ours: other bytes, another length,
    // another identifier.
    let want = "
        0 -> 1
        1 strange, 20 bytes
        2 strange, 20 bytes
        3 strange, 20 bytes
        4 strange, 4 bytes
        5 strange, 21 bytes
        6 strange, 20 bytes
       10 answer to 1 after 10 ms
       10 finished";
    let script = "1 back 2, 2 back 1.2, 3 back 1.0, 4 junk, 5 longer 1, 6 foreign 1, 10 back 1";
    check("count=1", script, want);
}

#[test]
fn a_late_driver_sends_no_burst() {
    let (mut pinger, start) = pinger("");
    for (millis, want) in [(0, 1), (350, 1), (449, 0), (450, 1), (451, 0)] {
        pinger.handle_timeout(start + Duration::from_millis(millis));
        let sent = std::iter::from_fn(|| pinger.poll_transmit()).count();
        assert_eq!(sent, want, "at {millis} ms");
    }
}

#[test]
fn what_is_due_at_the_same_time_has_an_order() {
    let want = "
        0 -> 1
       50 -> 2
      100 nothing for 1 within 100 ms, again
      100 -> 1.2
      100 -> 3
      150 nothing for 2 within 100 ms, again
      150 -> 2.2
      155 answer to 1.2 after 55 ms
      156 answer to 2.2 after 6 ms
      157 answer to 3 after 57 ms, out of order
      157 finished";
    let script = "155 back 1.2, 156 back 2.2, 157 back 3";
    check("count=3,interval=50,timeout=100", script, want);
}

#[test]
fn the_tally_adds_up() {
    let (mut pinger, start) = pinger("count=3,tries=2");
    let script = "10 back 1, 11 back 1, 300 back 3, 310 junk, 1150 back 2, 1160 back 2.2";
    play(&mut pinger, start, script);
    let tally = pinger.tally();
    assert_eq!((tally.pings, tally.answered, tally.lost), (3, 3, 0));
    assert_eq!((tally.sent, tally.returned, tally.duplicates), (4, 4, 1));
    assert_eq!((tally.reordered, tally.late, tally.strange), (1, 1, 1));
    // 10, 60, 100 and 1050 ms, to three digits.
    let times = &tally.round_trips;
    let quantiles = [0.0, 0.5, 0.75, 1.0].map(|quantile| times.value_at_quantile(quantile));
    assert_eq!(quantiles.map(|nanos| (nanos + 500_000) / 1_000_000), [10, 60, 100, 1050]);
    assert_eq!(times.len(), 4);

    let (mut pinger, start) = self::pinger("count=2,tries=2");
    play(&mut pinger, start, "10 back 1");
    let tally = pinger.tally();
    assert_eq!((tally.pings, tally.answered, tally.lost), (2, 1, 1));
    assert_eq!((tally.sent, tally.returned), (3, 1));
}

#[test]
fn no_more_than_its_limit_is_remembered() {
    let (mut pinger, start) = pinger("interval=1,timeout=2000,tries=1");
    let limit = u64::try_from(REMEMBERED_MAX).unwrap();
    let mut sent = 0;
    for millis in 0..1999 {
        pinger.handle_timeout(start + Duration::from_millis(millis));
        sent += std::iter::from_fn(|| pinger.poll_transmit()).count();
    }
    // The first still waits, so there is no room for another.
    assert_eq!((sent, pinger.remembered.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    assert_eq!(pinger.poll_timeout(), Some(start + Duration::from_millis(2000)));
    // Once it is given up, another takes its place, and an answer to it is strange.
    pinger.handle_timeout(start + Duration::from_millis(2000));
    assert_eq!(std::iter::from_fn(|| pinger.poll_transmit()).count(), 1);
    assert_eq!(pinger.remembered.len(), REMEMBERED_MAX);
    let first = Ping { identifier: 7, attempt: 1, sequence: 1 };
    pinger.handle_datagram(start + Duration::from_millis(2001), &first.encode(20));
    assert_eq!((pinger.tally.lost, pinger.tally.strange), (1, 1));
    assert_eq!(u64::from(pinger.sequence), limit + 1);
}

#[test]
fn whatever_comes_back_nothing_panics() {
    let (mut pinger, start) = pinger("count=2");
    pinger.handle_timeout(start);
    let good = Ping { identifier: 7, attempt: 1, sequence: 1 }.encode(20);
    for index in 0..good.len() {
        for value in 0..=u8::MAX {
            let mut bytes = good.clone();
            bytes[index] = value;
            pinger.handle_datagram(start, &bytes);
            pinger.handle_datagram(start, bytes.get(..index).unwrap());
        }
    }
    assert_eq!(pinger.tally.returned, 1);
}

/// A pinger for settings such as `count=3,tries=1`; what is not said is as in the command's
/// defaults, but for an interval of 100 ms.
fn pinger(settings: &str) -> (Pinger, Instant) {
    let value = |name: &str| -> Option<u32> {
        let parts = settings.split(',').filter_map(|part| part.split_once('='));
        parts.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.parse().unwrap())
    };
    let millis = |name, default| Duration::from_millis(value(name).unwrap_or(default).into());
    let plan = Plan {
        count: value("count").and_then(NonZeroU32::new),
        interval: millis("interval", 100),
        size: 20,
        timeout: millis("timeout", 1000),
        tries: u16::try_from(value("tries").unwrap_or(3)).unwrap(),
        identifier: 7,
    };
    let start = Instant::now();
    (Pinger::new(start, plan, Tally::new().unwrap()), start)
}

/// Plays `script` (`30 back 1.2`: at 30 ms the answer to ping 1, try 2), then lets time pass until
/// all is done, and compares what was sent and told.
#[track_caller]
fn check(settings: &str, script: &str, want: &str) {
    let (mut pinger, start) = pinger(settings);
    let log = play(&mut pinger, start, script);
    assert!(log.trim_start() == want.trim_start(), "\n--- want{want}\n--- got{log}");
}

fn play(pinger: &mut Pinger, start: Instant, script: &str) -> String {
    let mut log = Log { start, text: String::new(), finished: false };
    for step in script.split(", ").filter(|step| !step.is_empty()) {
        let (millis, what) = step.split_once(' ').unwrap();
        let now = start + Duration::from_millis(millis.parse().unwrap());
        log.pass(pinger, Some(now));
        pinger.handle_datagram(now, &datagram(what));
        log.note(pinger, now);
    }
    log.pass(pinger, None);
    log.text
}

fn datagram(what: &str) -> Vec<u8> {
    let Some((kind, which)) = what.split_once(' ') else { return what.as_bytes().to_vec() };
    let (sequence, attempt) = which.split_once('.').unwrap_or((which, "1"));
    let (sequence, attempt) = (sequence.parse().unwrap(), attempt.parse().unwrap());
    let identifier = if kind == "foreign" { 8 } else { 7 };
    Ping { identifier, attempt, sequence }.encode(if kind == "longer" { 21 } else { 20 })
}

struct Log {
    start: Instant,
    text: String,
    finished: bool,
}

impl Log {
    /// Lets time pass up to `until`, from deadline to deadline.
    fn pass(&mut self, pinger: &mut Pinger, until: Option<Instant>) {
        while let Some(deadline) = pinger.poll_timeout() {
            if until.is_some_and(|until| deadline > until) {
                return;
            }
            pinger.handle_timeout(deadline);
            self.note(pinger, deadline);
        }
    }

    fn note(&mut self, pinger: &mut Pinger, now: Instant) {
        while let Some(event) = pinger.poll_event() {
            self.line(now, &describe(event));
        }
        while let Some(datagram) = pinger.poll_transmit() {
            self.line(now, &format!("-> {}", name(Ping::decode(&datagram).unwrap())));
        }
        if pinger.poll_timeout().is_none() && !self.finished {
            self.finished = true;
            self.line(now, "finished");
        }
    }

    fn line(&mut self, now: Instant, line: &str) {
        self.text += &format!("\n{:9} {line}", (now - self.start).as_millis());
    }
}

fn describe(event: Event) -> String {
    match event {
        Event::Answer { ping, round_trip, out_of_order, late } => {
            let order = if out_of_order { ", out of order" } else { "" };
            let late = if late { ", late" } else { "" };
            format!("answer to {} after {} ms{order}{late}", name(ping), round_trip.as_millis())
        }
        Event::Duplicate(ping) => format!("{} came again", name(ping)),
        Event::TimedOut { ping, waited, again } => {
            let again = if again { ", again" } else { "" };
            format!("nothing for {} within {} ms{again}", name(ping), waited.as_millis())
        }
        Event::Strange { len } => format!("strange, {len} bytes"),
    }
}

fn name(ping: Ping) -> String {
    match ping.attempt {
        1 => ping.sequence.to_string(),
        attempt => format!("{}.{attempt}", ping.sequence),
    }
}
