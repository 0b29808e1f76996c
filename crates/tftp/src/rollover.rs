//! Block numbers: 16 bits on the wire, 64 in the machines. No socket, no clock.
//!
//! A file of more than 65 535 blocks needs a number twice. RFC 1350 does not say which; custom has
//! two answers, and both ends must have the same:
//!
//! ```text
//! block        …  65534  65535  65536  65537  …
//! Zero         …  65534  65535      0      1  …      the usual one
//! One          …  65534  65535      1      2  …      0 stays the handshake's
//! ```
//!
//! Within a transfer all that is on its way lies near the block that is expected next, so a number
//! means the block with that number that lies nearest to it. That is clear as long as a window has
//! fewer than half of all numbers: [`WINDOW_MAX`].

/// Larger windows would make numbers ambiguous.
pub const WINDOW_MAX: u16 = 32_767;

/// What follows block 65535.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rollover {
    /// The number 0, which nearly everybody expects.
    #[default]
    Zero,
    /// The number 1.
    One,
}

impl Rollover {
    /// The number of `block` on the wire. Block 0 is the handshake, and always has number 0.
    #[must_use]
    pub fn number(self, block: u64) -> u16 {
        let number = match (self, block) {
            (Self::One, 1..) => (block - 1) % 65_535 + 1,
            _ => block % 65_536,
        };
        // Below 65 536, as both remainders are.
        u16::try_from(number).unwrap_or_default()
    }

    /// The block with this number that lies nearest to `near`; `None` where no block has it.
    #[must_use]
    pub fn block(self, number: u16, near: u64) -> Option<u64> {
        let (numbers, first) = match self {
            Self::Zero => (65_536_i64, 0),
            Self::One if number == 0 => return (near <= u64::from(WINDOW_MAX)).then_some(0),
            Self::One => (65_535, 1),
        };
        let position = i64::from(number) - first;
        // Where the wheel of numbers stands at `near`.
        let here = i64::try_from(near).ok()? - first;
        let forward = (position - here).rem_euclid(numbers);
        let step = if forward > numbers / 2 { forward - numbers } else { forward };
        let block = here.checked_add(step)? + first;
        u64::try_from(block).ok().filter(|block| *block > 0 || number == 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_number_behind_65535_is_zero_or_one() {
        // S-33, W-10.
        let check = |rollover: Rollover, want: [u16; 6]| {
            let blocks = [0, 1, 65_535, 65_536, 65_537, 131_072];
            assert_eq!(blocks.map(|block| rollover.number(block)), want);
        };
        check(Rollover::Zero, [0, 1, 65_535, 0, 1, 0]);
        check(Rollover::One, [0, 1, 65_535, 1, 2, 2]);
    }

    #[test]
    fn a_number_means_the_nearest_block() {
        let check = |rollover: Rollover, number, near, want| {
            assert_eq!(rollover.block(number, near), want, "{rollover:?} {number} near {near}");
        };
        check(Rollover::Zero, 0, 0, Some(0));
        check(Rollover::Zero, 0, 65_535, Some(65_536));
        check(Rollover::Zero, 65_535, 65_537, Some(65_535));
        // Nothing lies before the first.
        check(Rollover::Zero, 65_535, 1, None);
        check(Rollover::One, 0, 1, Some(0));
        check(Rollover::One, 0, 65_536, None);
        check(Rollover::One, 1, 65_535, Some(65_536));
        check(Rollover::One, 65_535, 65_536, Some(65_535));
        check(Rollover::One, 65_535, 1, None);
        // Over 4 GiB with blocks of 8 bytes, and no end in sight.
        check(Rollover::Zero, 1, 1 << 40, Some((1 << 40) + 1));
        check(Rollover::Zero, 0, u64::MAX, None);
    }

    proptest! {
        #[test]
        fn within_a_window_every_number_finds_its_block(
            base in prop_oneof![1..200_000_u64, 0..(1_u64 << 50)],
            ahead in 0..u64::from(WINDOW_MAX),
            one in any::<bool>(),
        ) {
            let rollover = if one { Rollover::One } else { Rollover::Zero };
            let block = base + ahead;
            prop_assert_eq!(rollover.block(rollover.number(block), base), Some(block));
            prop_assert_eq!(rollover.block(rollover.number(base), block), Some(base));
        }
    }
}
