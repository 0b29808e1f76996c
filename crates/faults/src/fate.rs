//! What the seed says about the n-th datagram. Pure: std only, no IO, no clock.
//!
//! A usual generator is a chain: the tenth number exists only after nine others were drawn. With
//! two clients it would depend on who spoke first, and so on the machine's mood. Here each number
//! is computed from its place instead, and nothing is remembered:
//!
//! ```text
//!  seed ─▶ mix ─▶ mix ─▶ mix ─▶ mix ─▶ mix ─▶ 64 bits that look random
//!           ▲      ▲      ▲      ▲
//!         flow  direction │   question: lost? twice? …
//!                       number
//! ```
//!
//! `mix` is one step of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
//! Generators, 2014). It maps different words to different words and turns half of the bits when
//! one bit of its input turns. It is made of 64-bit arithmetic alone, so every machine gives the
//! same fates. It is no secret: who knows the seed knows them all.
//!
//! A question is answered by yes when the number is below a threshold that grows with the
//! percentage. So whatever is lost at 10 % is lost at 20 % too.

use std::time::Duration;

use crate::quantity::Percent;
use crate::settings::Settings;

/// The most datagrams that one which is held back waits for.
pub const HELD_FOR_MAX: u32 = 3;

/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What happens to a datagram, as far as the seed decides: the rest (a full queue, who is
/// overtaken) depends on what else is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// It never arrives.
    pub lost: bool,
    /// It arrives twice.
    pub twice: bool,
    /// It waits until this many later ones have passed; 0 for most.
    pub held_for: u32,
    /// It is this late.
    pub delay: Duration,
}

impl Fate {
    /// The fate of a flow's datagram `number` in one direction; the first is number 1.
    #[must_use]
    pub fn of(
        settings: &Settings,
        seed: u64,
        flow: u64,
        direction: Direction,
        number: u64,
    ) -> Self {
        let dice = Dice::new(seed, flow, direction);
        let held = dice.happens(number, Question::Held, settings.reorder);
        // At most `HELD_FOR_MAX` - 1, which fits.
        let extra = dice.below(number, Question::HeldFor, u64::from(HELD_FOR_MAX));
        let held_for = 1 + u32::try_from(extra).unwrap_or_default();
        Self {
            lost: dice.happens(number, Question::Lost, settings.loss),
            twice: dice.happens(number, Question::Twice, settings.duplicate),
            held_for: if held { held_for } else { 0 },
            delay: dice.delay(number, settings),
        }
    }
}

/// What is asked about the same datagram must not get the same number for an answer.
#[derive(Clone, Copy)]
pub(crate) enum Question {
    Lost,
    Twice,
    Held,
    HeldFor,
    Delay,
    Cut,
}

/// The numbers of one flow and direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice {
    key: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64, flow: u64, direction: Direction) -> Self {
        let direction = match direction {
            Direction::ToServer => 0,
            Direction::ToClient => 1,
        };
        Self { key: mix(mix(mix(seed) ^ flow) ^ direction) }
    }

    /// Whether something happens that happens in so many percent of all cases.
    pub(crate) fn happens(self, number: u64, question: Question, percent: Percent) -> bool {
        self.below(number, question, 1_000_000) < u64::from(percent.millionths())
    }

    /// A number from 0 to `limit` - 1.
    pub(crate) fn below(self, number: u64, question: Question, limit: u64) -> u64 {
        // The drawn number as a fraction of 2^64, times the limit. The product's upper half is
        // below the limit, so it fits.
        let product = u128::from(self.draw(number, question)) * u128::from(limit);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// The delay within its jitter.
    pub(crate) fn delay(self, number: u64, settings: &Settings) -> Duration {
        let (base, jitter) = (settings.delay.base(), settings.delay.jitter());
        // At most a minute, as every jitter is.
        let jitter_nanos = u64::try_from(jitter.as_nanos()).unwrap_or_default();
        let above = self.below(number, Question::Delay, 2 * jitter_nanos + 1);
        base - jitter + Duration::from_nanos(above)
    }

    fn draw(self, number: u64, question: Question) -> u64 {
        let question = match question {
            Question::Lost => 0,
            Question::Twice => 1,
            Question::Held => 2,
            Question::HeldFor => 3,
            Question::Delay => 4,
            Question::Cut => 5,
        };
        mix(mix(self.key ^ number) ^ question)
    }
}

/// One step of splitmix64.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixer_is_splitmix64() {
        // The first three numbers of the published generator for the seed 1234567.
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let states = [
            1_234_567,
            1_234_567_u64.wrapping_add(step),
            step.wrapping_mul(2).wrapping_add(1_234_567),
        ];
        let want =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(states.map(mix), want);
    }

    #[test]
    fn the_same_seed_gives_the_same_fates_on_every_machine() {
        // Change the generator, and every transcript with a seed changes with it.
        check(
            7,
            1,
            Direction::ToServer,
            "twice 0 15727450, 0 21910530, lost 0 21439962, lost twice 0 16167600, \
             0 16643694, 0 15511952, lost 0 23109954, 0 17406419",
        );
        check(
            7,
            1,
            Direction::ToClient,
            "twice 0 18460433, twice 0 17464538, 0 17769990, 0 20450942, \
             0 23825769, 0 19777802, 0 22700503, 2 17464351",
        );
        check(
            7,
            2,
            Direction::ToServer,
            "0 18351352, 0 19571534, 0 23039038, 3 20128339, \
             twice 0 19207646, 0 23197613, 0 22927802, lost 0 20602524",
        );
        check(
            8,
            1,
            Direction::ToServer,
            "0 21634138, lost 0 17763603, twice 0 20472936, 0 15886772, \
             0 20194423, 0 21875487, 0 21720480, lost 0 23488324",
        );
    }

    #[test]
    fn what_is_lost_at_a_small_percentage_is_lost_at_a_large_one() {
        let percentages = ["0%", "0.5%", "10%", "20%", "99.5%", "100%"];
        for number in 1..=2000 {
            let lost = percentages.map(|loss| {
                let settings = format!("loss={loss}").parse().unwrap();
                Fate::of(&settings, 7, 1, Direction::ToServer, number).lost
            });
            assert!(!lost[0] && lost[5] && lost.is_sorted(), "{number}: {lost:?}");
        }
    }

    #[test]
    fn over_many_datagrams_the_percentages_are_what_was_asked_for() {
        let settings = "loss=10%,duplicate=5%,reorder=50%,delay=20ms±5ms".parse().unwrap();
        for direction in [Direction::ToServer, Direction::ToClient] {
            let (mut lost, mut twice, mut both, mut held) = (0, 0, 0, [0; 4]);
            let mut delays = Vec::new();
            for number in 1..=20_000 {
                let fate = Fate::of(&settings, 7, 3, direction, number);
                lost += u32::from(fate.lost);
                twice += u32::from(fate.twice);
                both += u32::from(fate.lost && fate.twice);
                held[usize::try_from(fate.held_for).unwrap()] += 1;
                delays.push(fate.delay.as_micros());
            }
            // Within four standard deviations, and the seed is fixed, so always.
            assert!((1830..=2170).contains(&lost), "{lost}");
            assert!((877..=1123).contains(&twice), "{twice}");
            // The two are independent: a twentieth of a tenth.
            assert!((60..=140).contains(&both), "{both}");
            assert!((9717..=10283).contains(&held[0]), "{held:?}");
            assert!(held[1..].iter().all(|n| (3100..=3567).contains(n)), "{held:?}");
            let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
            assert!((15_000..15_010).contains(least) && (24_990..=25_000).contains(most));
            let mean = delays.iter().sum::<u128>() / 20_000;
            assert!((19_900..=20_100).contains(&mean), "{mean}");
        }
    }

    #[test]
    fn flows_directions_and_seeds_do_not_share_fates() {
        let settings = "loss=50%".parse().unwrap();
        let fates = |seed, flow, direction| -> Vec<bool> {
            (1..=64).map(|n| Fate::of(&settings, seed, flow, direction, n).lost).collect()
        };
        let mut all = Vec::new();
        for seed in 0..10 {
            for flow in 0..10 {
                all.push(fates(seed, flow, Direction::ToServer));
                all.push(fates(seed, flow, Direction::ToClient));
            }
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 200);
    }

    #[track_caller]
    fn check(seed: u64, flow: u64, direction: Direction, want: &str) {
        let settings = "loss=20%,duplicate=20%,reorder=20%,delay=20ms±5ms".parse().unwrap();
        let got: Vec<String> = (1..=8)
            .map(|number| {
                let fate = Fate::of(&settings, seed, flow, direction, number);
                let lost = if fate.lost { "lost " } else { "" };
                let twice = if fate.twice { "twice " } else { "" };
                format!("{lost}{twice}{} {}", fate.held_for, fate.delay.as_nanos())
            })
            .collect();
        assert_eq!(got.join(", "), want);
    }
}
