//! One judge for all steps: the same ten blocks through the same networks.

use std::collections::BTreeSet;

use super::calm::Calm;
use super::insistent::Insistent;
use super::punctual::Punctual;
use super::trusting::Trusting;
use super::{End, Step};

/// What becomes of ten blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It ended, after so many DATA.
    Ended(End, usize),
    /// Nobody will ever send anything again.
    Hangs,
    /// An hour later it is still waiting.
    StillThere,
}

#[derive(Clone, Copy, Debug)]
enum Network {
    Good,
    /// The second DATA is lost.
    LosesData,
    /// The second ACK is lost.
    LosesAck,
    /// The first ACK is two timeouts late.
    DelaysAck,
    /// There is only a peer that says ACK 0 every half second.
    Chatters,
    /// There is nobody.
    Empty,
}

use Network::{Chatters, DelaysAck, Empty, Good, LosesAck, LosesData};
use Verdict::{Ended, Hangs, StillThere};

#[test]
fn step_1_hangs_when_one_packet_is_lost() {
    // The bug is the lesson, so the test asserts the bug.
    check::<Trusting>(Good, Ended(End::Whole, 10));
    check::<Trusting>(LosesData, Hangs);
    check::<Trusting>(LosesAck, Hangs);
    check::<Trusting>(Empty, Hangs);
}

#[test]
fn step_2_says_everything_twice_after_one_late_ack() {
    check::<Insistent>(Good, Ended(End::Whole, 10));
    check::<Insistent>(LosesData, Ended(End::Whole, 11));
    check::<Insistent>(LosesAck, Ended(End::Whole, 11));
    check::<Insistent>(Empty, Ended(End::GaveUp, 5));
    // Three copies of the first block, and from there on three of each.
    check::<Insistent>(DelaysAck, Ended(End::Whole, 30));
}

#[test]
fn step_3_never_ends_while_a_peer_chatters() {
    check::<Calm>(Good, Ended(End::Whole, 10));
    check::<Calm>(LosesData, Ended(End::Whole, 11));
    check::<Calm>(LosesAck, Ended(End::Whole, 11));
    check::<Calm>(Empty, Ended(End::GaveUp, 5));
    check::<Calm>(DelaysAck, Ended(End::Whole, 12));
    check::<Calm>(Chatters, StillThere);
}

#[test]
fn step_4_is_right_in_every_network() {
    check::<Punctual>(Good, Ended(End::Whole, 10));
    check::<Punctual>(LosesData, Ended(End::Whole, 11));
    check::<Punctual>(LosesAck, Ended(End::Whole, 11));
    check::<Punctual>(Empty, Ended(End::GaveUp, 5));
    check::<Punctual>(DelaysAck, Ended(End::Whole, 12));
    check::<Punctual>(Chatters, Ended(End::GaveUp, 5));
}

#[track_caller]
fn check<S: Step>(network: Network, want: Verdict) {
    assert_eq!(judge::<S>(network), want, "{network:?}");
}

fn judge<S: Step>(network: Network) -> Verdict {
    const ROUND_TRIP: u64 = 20;
    const HOUR: u64 = 3_600_000;
    let mut step = S::new(10);
    let (mut now, mut data, mut acks) = (0, 0, 0);
    let mut send = Some(1);
    // ACKs on their way: when, in which order, for which block.
    let mut coming: BTreeSet<(u64, usize, u64)> = BTreeSet::new();
    if matches!(network, Chatters) {
        coming.extend((0..2 * HOUR / 500).map(|n| (n * 500, 0, 0)));
    }
    while now < HOUR {
        if let Some(block) = send {
            data += 1;
            let lost =
                matches!(network, Empty | Chatters) || matches!(network, LosesData) && data == 2;
            if !lost {
                // A receiver acknowledges every copy.
                acks += 1;
                let late = if matches!(network, DelaysAck) && block == 1 { 2500 - now } else { 0 };
                if !(matches!(network, LosesAck) && acks == 2) {
                    coming.insert((now + ROUND_TRIP + late, acks, block));
                }
            }
        }
        if let Some(end) = step.end() {
            return Ended(end, data);
        }
        let next = coming.first().copied();
        let until = step.wait(now).map(|wait| now + wait);
        send = match (next, until) {
            (None, None) => return Hangs,
            (Some((at, order, ack)), until) if until.is_none_or(|until| at <= until) => {
                coming.remove(&(at, order, ack));
                now = now.max(at);
                step.received(now, ack)
            }
            (_, until) => {
                now = until.unwrap_or(now);
                step.nothing_came(now)
            }
        };
    }
    StillThere
}
