//! One judge for all steps: the same file, of 20,000 bytes, through the same networks.

use std::collections::BTreeSet;

use super::agreeable::Agreeable;
use super::calm::Calm;
use super::eager::Eager;
use super::insistent::Insistent;
use super::punctual::Punctual;
use super::thrifty::Thrifty;
use super::trusting::Trusting;
use super::{End, Step};

/// 40 blocks of 512 bytes, or 15 of 1428.
const FILE: u64 = 20_000;

const ROUND_TRIP: u64 = 20;
const HOUR: u64 = 3_600_000;

/// What becomes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It ended, after the sender had sent so many packets.
    Ended(End, u64),
    /// Nobody will ever send anything again.
    Hangs,
    /// An hour later it is still waiting.
    StillThere,
}

/// What it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cost {
    /// What the sender has sent.
    packets: u64,
    round_trips: u64,
    /// System calls that sent or received something, at both ends.
    calls: u64,
}

#[derive(Clone, Copy, Debug)]
enum Network {
    Good,
    /// This block is lost the first time. Block 0 is the OACK.
    Loses(u64),
    /// The second ACK is lost.
    LosesAck,
    /// All ACKs for blocks come two and a half timeouts after the beginning, at the earliest.
    DelaysAcks,
    /// There is only a peer that says ACK 0 every half second.
    Chatters,
    /// The same without a pause: whenever it looks, there is another one.
    Floods,
    /// There is nobody.
    Empty,
}

use Network::{Chatters, DelaysAcks, Empty, Floods, Good, Loses, LosesAck};
use Verdict::{Ended, Hangs, StillThere};

#[test]
fn step_1_hangs_when_one_packet_is_lost() {
    // The bug is the lesson, so the test asserts the bug.
    check::<Trusting>(Good, Ended(End::Whole, 40));
    check::<Trusting>(Loses(2), Hangs);
    check::<Trusting>(LosesAck, Hangs);
    check::<Trusting>(Empty, Hangs);
}

#[test]
fn step_2_says_everything_twice_after_one_late_ack() {
    check::<Insistent>(Good, Ended(End::Whole, 40));
    check::<Insistent>(Loses(2), Ended(End::Whole, 41));
    check::<Insistent>(LosesAck, Ended(End::Whole, 41));
    check::<Insistent>(Empty, Ended(End::GaveUp, 5));
    // Three copies of the first block, and from there on three of each.
    check::<Insistent>(DelaysAcks, Ended(End::Whole, 120));
}

#[test]
fn step_3_never_ends_while_a_peer_chatters() {
    check::<Calm>(Good, Ended(End::Whole, 40));
    check::<Calm>(Loses(2), Ended(End::Whole, 41));
    check::<Calm>(LosesAck, Ended(End::Whole, 41));
    check::<Calm>(Empty, Ended(End::GaveUp, 5));
    check::<Calm>(DelaysAcks, Ended(End::Whole, 42));
    check::<Calm>(Chatters, StillThere);
    check::<Calm>(Floods, StillThere);
}

#[test]
fn step_4_is_right_in_every_network() {
    check::<Punctual>(Good, Ended(End::Whole, 40));
    check::<Punctual>(Loses(2), Ended(End::Whole, 41));
    check::<Punctual>(LosesAck, Ended(End::Whole, 41));
    check::<Punctual>(Empty, Ended(End::GaveUp, 5));
    check::<Punctual>(DelaysAcks, Ended(End::Whole, 42));
    check::<Punctual>(Chatters, Ended(End::GaveUp, 5));
    check::<Punctual>(Floods, Ended(End::GaveUp, 5));
}

#[test]
fn step_5_is_as_right_with_an_oack() {
    check::<Agreeable>(Good, Ended(End::Whole, 16));
    check::<Agreeable>(Loses(0), Ended(End::Whole, 17));
    check::<Agreeable>(Loses(2), Ended(End::Whole, 17));
    check::<Agreeable>(LosesAck, Ended(End::Whole, 17));
    check::<Agreeable>(Empty, Ended(End::GaveUp, 5));
    check::<Agreeable>(DelaysAcks, Ended(End::Whole, 18));
    // Its first word was for the OACK.
    check::<Agreeable>(Chatters, Ended(End::GaveUp, 6));
    check::<Agreeable>(Floods, Ended(End::GaveUp, 6));
}

#[test]
fn steps_6_and_7_send_the_same_and_are_as_right() {
    windows::<Eager>();
    windows::<Thrifty>();
}

#[track_caller]
fn windows<S: Step>() {
    check::<S>(Good, Ended(End::Whole, 16));
    check::<S>(Loses(0), Ended(End::Whole, 17));
    // Blocks 2 to 4 are thrown away, and sent again: a gap costs what is behind it.
    check::<S>(Loses(2), Ended(End::Whole, 19));
    // The receiver reports the gap, and is not heard: the clock repeats the window.
    check::<S>(Loses(1), Ended(End::Whole, 20));
    check::<S>(LosesAck, Ended(End::Whole, 20));
    check::<S>(Empty, Ended(End::GaveUp, 5));
    check::<S>(DelaysAcks, Ended(End::Whole, 24));
    check::<S>(Chatters, Ended(End::GaveUp, 21));
    check::<S>(Floods, Ended(End::GaveUp, 21));
}

// ANCHOR: costs
#[test]
fn each_step_behind_the_fourth_saves_something() {
    costs::<Punctual>(Cost { packets: 40, round_trips: 40, calls: 160 });
    costs::<Agreeable>(Cost { packets: 16, round_trips: 16, calls: 64 });
    costs::<Eager>(Cost { packets: 16, round_trips: 5, calls: 42 });
    costs::<Thrifty>(Cost { packets: 16, round_trips: 5, calls: 20 });
}
// ANCHOR_END: costs

#[track_caller]
fn check<S: Step>(network: Network, want: Verdict) {
    assert_eq!(judge::<S>(network).0, want, "{network:?}");
}

#[track_caller]
fn costs<S: Step>(want: Cost) {
    assert_eq!(judge::<S>(Good).1, want);
}

fn judge<S: Step>(network: Network) -> (Verdict, Cost) {
    let blocks = FILE / S::BLKSIZE + 1;
    let mut sender = S::new(blocks);
    let mut receiver = Receiver { window: S::WINDOW, last: blocks, ..Receiver::default() };
    let (mut now, mut cost) = (0, Cost::default());
    let (mut acks, mut lost) = (0, false);
    // ACKs on their way: when, in which order, for which block.
    let mut coming: BTreeSet<(u64, usize, u64)> = BTreeSet::new();
    if matches!(network, Chatters) {
        coming.extend((0..2 * HOUR / 500).map(|n| (n * 500, 0, 0)));
    }
    let mut send = Some(S::FIRST);
    while now < HOUR {
        let mut burst: u64 = 0;
        while let Some(block) = send {
            burst += 1;
            let arrives = match network {
                Empty | Chatters | Floods => false,
                Loses(which) => block != which || std::mem::replace(&mut lost, true),
                Good | LosesAck | DelaysAcks => true,
            };
            if let Some(ack) = arrives.then(|| receiver.received(block)).flatten() {
                acks += 1;
                cost.calls += 2;
                let held = if matches!(network, DelaysAcks) && ack > 0 { 2500 } else { 0 };
                if !(matches!(network, LosesAck) && acks == 2) {
                    coming.insert((now.max(held) + ROUND_TRIP, acks, ack));
                }
            }
            send = sender.more();
        }
        cost.packets += burst;
        // What one call sends, one call receives.
        cost.calls += 2 * burst.div_ceil(S::BATCH);
        cost.round_trips = now / ROUND_TRIP;
        if let Some(end) = sender.end() {
            return (Ended(end, cost.packets), cost);
        }
        if matches!(network, Floods) {
            // To look takes a while, too.
            now += 1;
            coming.insert((now, 0, 0));
        }
        let next = coming.first().copied();
        let until = sender.wait(now).map(|wait| now + wait);
        send = match (next, until) {
            (None, None) => return (Hangs, cost),
            (Some((at, order, ack)), until) if until.is_none_or(|until| at <= until) => {
                coming.remove(&(at, order, ack));
                now = now.max(at);
                sender.received(now, ack)
            }
            (_, until) => {
                now = until.unwrap_or(now);
                sender.nothing_came(now)
            }
        };
    }
    (StillThere, cost)
}

/// The other end, with nothing wrong.
#[derive(Default)]
struct Receiver {
    window: u64,
    last: u64,
    /// All up to this block is there.
    have: u64,
    /// Blocks since the last ACK.
    unsaid: u64,
    /// The gap was reported.
    reported: bool,
}

impl Receiver {
    /// A block came. Returns the ACK.
    fn received(&mut self, block: u64) -> Option<u64> {
        let says = if block == self.have + 1 {
            (self.have, self.unsaid, self.reported) = (block, self.unsaid + 1, false);
            self.unsaid == self.window || block == self.last
        } else if block > self.have {
            // Behind a gap nothing is kept, and the gap is reported once.
            !std::mem::replace(&mut self.reported, true)
        } else {
            // A copy: perhaps the ACK was lost.
            block == self.have
        };
        says.then(|| {
            self.unsaid = 0;
            self.have
        })
    }
}
