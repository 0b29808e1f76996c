//! Recordings made by hand, for what is drawn from them.

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use faults::{Deed, Direction};
use xtask::cable::trace::{Done, Flow, What};
use xtask::cable::traffic::{Passed, Traffic};
use xtask::recording::Recording;

pub(crate) const CLIENT: &str = "192.0.2.1:40001";
pub(crate) const SERVER: &str = "127.0.0.1:40002";

/// What is markup, script, or worse.
pub(crate) const NASTY: &str =
    "</script><img src=x onerror=alert(1)>\"'&amp;<!--]]>${}\u{1}\u{202e} 我爱你";

pub(crate) fn datagram(direction: Direction, label: &str, bytes: &[u8], deeds: &[Deed]) -> Passed {
    Passed {
        label: label.to_owned(),
        done: deeds.iter().copied().map(Done::Deed).collect(),
        ..passed(direction, What::Datagram(bytes.to_vec()))
    }
}

pub(crate) fn passed(direction: Direction, what: What) -> Passed {
    let (from, to) = if direction == Direction::ToServer { (0, 1) } else { (1, 0) };
    Passed {
        at: Duration::ZERO,
        flow: 0,
        direction,
        from,
        to,
        what,
        label: String::new(),
        again: false,
        done: Vec::new(),
    }
}

/// Between ann and the server, a thousandth of a second apart.
pub(crate) fn recording(passed: &[Passed]) -> Recording {
    let flow = Flow {
        client: address(CLIENT),
        server: address(SERVER),
        client_name: "ann".to_owned(),
        server_name: "server".to_owned(),
    };
    let mut passed = passed.to_vec();
    for (at, passed) in (0..).zip(&mut passed) {
        passed.at = Duration::from_millis(at);
    }
    Recording {
        demo: "a/b".to_owned(),
        title: "A title.".to_owned(),
        command: "cargo xtask demo a/b".to_owned(),
        faults: Vec::new(),
        verdict: "passed".to_owned(),
        session: "# A title.\nann    < hello\n".to_owned(),
        traffic: Traffic {
            began: UNIX_EPOCH,
            actors: vec!["ann".to_owned(), "server".to_owned()],
            flows: vec![flow],
            passed,
            forgotten: 0,
            refused: 0,
        },
    }
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
