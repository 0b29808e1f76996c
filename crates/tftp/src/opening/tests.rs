//! A client's first exchange, step by step.

use std::time::Duration;

use super::*;
use crate::transfer::Patience;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_oack_opens_with_what_was_agreed() {
    let agreed = Agreed { blksize: 1024, ..Agreed::default() };
    for (direction, want) in [
        (Direction::Download, Opened::Receive(agreed, receiver::Start::Ack)),
        (Direction::Upload, Opened::Send(agreed, sender::Start::Data)),
    ] {
        let (mut opening, start) = opening(direction);
        assert_eq!(opening.poll_transmit(start), Some(Ask::WithOptions));
        assert_eq!(opening.poll_transmit(start), None);
        let got = opening.handle_datagram(b"\0\x06blksize\x001024\0");
        assert_eq!(got, Ok(Some(want)));
        assert_eq!(opening.poll_timeout(), None);
    }
}

#[test]
fn an_answer_without_oack_opens_with_the_defaults() {
    // C-05.
    let (mut download, start) = opening(Direction::Download);
    download.poll_transmit(start);
    let want = Opened::Receive(Agreed::default(), receiver::Start::Silence);
    assert_eq!(download.handle_datagram(b"\0\x03\0\x01hi"), Ok(Some(want)));

    let (mut upload, start) = opening(Direction::Upload);
    upload.poll_transmit(start);
    let want = Opened::Send(Agreed::default(), sender::Start::Data);
    assert_eq!(upload.handle_datagram(b"\0\x04\0\0"), Ok(Some(want)));
}

#[test]
fn what_is_no_answer_to_the_request_is_ignored() {
    for (direction, datagrams) in [
        (Direction::Download, [&b"\0\x04\0\0"[..], b"\0\x03\0\x02hi", b"", b"\0\x01a\0octet\0"]),
        (Direction::Upload, [b"\0\x03\0\x01hi", b"\0\x04\0\x01", b"\0\x09", b"\0\x03\0"]),
    ] {
        let (mut opening, start) = opening(direction);
        opening.poll_transmit(start);
        for datagram in datagrams {
            assert_eq!(opening.handle_datagram(datagram), Ok(None), "{datagram:?}");
        }
        assert!(opening.poll_timeout().is_some());
    }
}

#[test]
fn an_error_that_may_be_about_the_options_is_asked_about_once() {
    // C-06.
    for code in [0, 4, 8, 99] {
        let (mut opening, start) = opening(Direction::Download);
        opening.poll_transmit(start);
        let error = [0, 5, 0, code, b'n', b'o', 0];
        assert_eq!(opening.handle_datagram(&error), Ok(None));
        assert_eq!(opening.poll_transmit(start), Some(Ask::Plainly));
        let Err(OpenError::Transfer(TransferError::Peer { code: got, message })) =
            opening.handle_datagram(&error)
        else {
            panic!("the second ERROR ends it")
        };
        assert_eq!((got.0, &message[..]), (u16::from(code), &b"no"[..]));
        assert_eq!(opening.poll_timeout(), None);
    }
}

#[test]
fn an_error_about_the_file_ends_it_at_once() {
    let (mut opening, start) = opening(Direction::Download);
    opening.poll_transmit(start);
    assert!(opening.handle_datagram(b"\0\x05\0\x01gone\0").is_err());
    assert_eq!((opening.poll_transmit(start), opening.poll_timeout()), (None, None));
}

#[test]
fn an_oack_that_was_not_asked_for_is_refused() {
    // C-03.
    let (mut opening, start) = opening(Direction::Download);
    opening.poll_transmit(start);
    let got = opening.handle_datagram(b"\0\x06windowsize\x004\0");
    assert_eq!(got, Err(OpenError::Refusal(Refusal::NotAsked { name: b"windowsize"[..].into() })));
    assert_eq!(opening.poll_timeout(), None);
}

#[test]
fn silence_is_asked_again_with_growing_waits_and_then_without_options() {
    // C-11, and the tutorial's server, which answers no request with options.
    let (mut opening, start) = opening(Direction::Download);
    let (mut asked, mut now) = (Vec::new(), start);
    let error = loop {
        if let Some(ask) = opening.poll_transmit(now) {
            asked.push(((now - start).as_secs(), ask));
        }
        now = opening.poll_timeout().unwrap();
        if let Err(error) = opening.handle_timeout(now) {
            break error;
        }
    };
    use Ask::{Plainly, WithOptions};
    let want = [
        (0, WithOptions),
        (1, WithOptions),
        (3, WithOptions),
        (7, WithOptions),
        (11, Plainly),
        (15, Plainly),
        (19, Plainly),
    ];
    assert_eq!(asked, want);
    assert_eq!(error, OpenError::Silence { tries: 7 });
    assert_eq!((now - start).as_secs(), 23);
    assert_eq!(opening.poll_timeout(), None);
}

#[test]
fn a_late_oack_still_answers_the_request_with_options() {
    let (mut opening, mut now) = opening(Direction::Download);
    while opening.poll_transmit(now) != Some(Ask::Plainly) {
        now = opening.poll_timeout().unwrap();
        opening.handle_timeout(now).unwrap();
    }
    let agreed = Agreed { blksize: 512, ..Agreed::default() };
    let got = opening.handle_datagram(b"\0\x06blksize\x00512\0");
    assert_eq!(got, Ok(Some(Opened::Receive(agreed, receiver::Start::Ack))));
}

#[test]
fn who_wants_no_options_is_asked_for_none() {
    let start = Instant::now();
    let mut opening =
        Opening::new(start, Direction::Download, Wanted::default(), Patience::default());
    assert_eq!(opening.poll_transmit(start), Some(Ask::Plainly));
    // And an OACK then has something in it that was not asked for, or nothing at all.
    assert!(opening.handle_datagram(b"\0\x06blksize\x008\0").is_err());
}

#[test]
fn a_peer_that_chatters_does_not_stop_the_clock() {
    let (mut opening, start) = opening(Direction::Download);
    let mut now = start;
    let gave_up = loop {
        opening.poll_transmit(now);
        now += SECOND / 10;
        opening.handle_datagram(b"\0\x04\0\x07").unwrap();
        if let Err(error) = opening.handle_timeout(now) {
            break error;
        }
    };
    assert_eq!(gave_up, OpenError::Silence { tries: 7 });
}

fn opening(direction: Direction) -> (Opening, Instant) {
    let start = Instant::now();
    let wanted = Wanted { blksize: Some(1428), ..Wanted::default() };
    (Opening::new(start, direction, wanted, Patience::default()), start)
}
