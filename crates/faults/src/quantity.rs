//! Percentages, delays, sizes and rates, from text and back. Pure: std only, no IO, no clock.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

/// The longest delay, jitter not counted. Longer ones are a mistake more often than a wish, and
/// adding this to an `Instant` cannot overflow.
pub const DELAY_MAX: Duration = Duration::from_secs(60);

/// The most bytes that a size or a rate can name: a terabyte.
pub const BYTES_MAX: u64 = 1_000_000_000_000;

/// How often something happens: `0%` to `100%`, with up to four digits after the point.
///
/// Kept in millionths, so that no rounding makes it differ from one machine to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent {
    millionths: u32,
}

impl Percent {
    /// It happens in this many of a million cases.
    pub(crate) fn millionths(self) -> u32 {
        self.millionths
    }

    /// Whether it never happens.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.millionths == 0
    }
}

impl FromStr for Percent {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const WRONG: ValueError = ValueError::Percent;
        let number = text.strip_suffix('%').ok_or(WRONG)?;
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return Err(WRONG),
            Some(parts) => parts,
            None => (number, ""),
        };
        if fraction.len() > 4 {
            return Err(WRONG);
        }
        let whole = digits(whole).ok_or(WRONG)?;
        let fraction = digits(&format!("{fraction:0<4}")).ok_or(WRONG)?;
        let millionths = whole.checked_mul(10_000).and_then(|whole| whole.checked_add(fraction));
        let millionths = u32::try_from(millionths.ok_or(WRONG)?).map_err(|_| WRONG)?;
        if millionths > 1_000_000 {
            return Err(WRONG);
        }
        Ok(Self { millionths })
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.millionths / 10_000, self.millionths % 10_000);
        match format!("{fraction:04}").trim_end_matches('0') {
            "" => write!(f, "{whole}%"),
            fraction => write!(f, "{whole}.{fraction}%"),
        }
    }
}

/// How long something is kept back: `20ms`, or `20ms±5ms` for anything from 15 to 25 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    base: Duration,
    jitter: Duration,
}

impl Delay {
    /// A delay that is `base` give or take `jitter`.
    ///
    /// # Errors
    /// [`ValueError::DelayRange`] when `base` is more than [`DELAY_MAX`], and
    /// [`ValueError::Jitter`] when `jitter` is more than `base`: nothing arrives before it is sent.
    pub fn new(base: Duration, jitter: Duration) -> Result<Self, ValueError> {
        if base > DELAY_MAX {
            return Err(ValueError::DelayRange);
        }
        if jitter > base {
            return Err(ValueError::Jitter);
        }
        Ok(Self { base, jitter })
    }

    /// The middle.
    #[must_use]
    pub fn base(self) -> Duration {
        self.base
    }

    /// How much it can be more or less.
    #[must_use]
    pub fn jitter(self) -> Duration {
        self.jitter
    }

    /// Whether nothing is kept back.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.base.is_zero()
    }
}

impl FromStr for Delay {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (base, jitter) = match text.split_once('±').or_else(|| text.split_once("+-")) {
            Some((base, jitter)) => (base, time(jitter)?),
            None => (text, Duration::ZERO),
        };
        Self::new(time(base)?, jitter)
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_time(self.base, f)?;
        if !self.jitter.is_zero() {
            f.write_str("±")?;
            show_time(self.jitter, f)?;
        }
        Ok(())
    }
}

/// The units of time with their nanoseconds, the longest first. The last two are the two ways in
/// which Unicode writes µ.
const TIME_UNITS: [(&str, u64); 6] = [
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1000),
    ("ns", 1),
    ("\u{b5}s", 1000),
    ("\u{3bc}s", 1000),
];

fn time(text: &str) -> Result<Duration, ValueError> {
    let (number, unit) = split_unit(text).ok_or(ValueError::Delay)?;
    let (_, nanos) = TIME_UNITS.iter().find(|(name, _)| *name == unit).ok_or(ValueError::Delay)?;
    let nanos = number.checked_mul(*nanos).ok_or(ValueError::DelayRange)?;
    Ok(Duration::from_nanos(nanos))
}

/// In the longest unit that needs no fraction.
fn show_time(time: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let nanos = time.as_nanos();
    let fits = |(_, unit): &&(&str, u64)| nanos.is_multiple_of(u128::from(*unit));
    match TIME_UNITS.iter().find(fits) {
        Some((name, unit)) if nanos > 0 => write!(f, "{}{name}", nanos / u128::from(*unit)),
        _ => f.write_str("0ms"),
    }
}

/// A number of bytes: `900B`, `4KB` (4000 bytes), `4KiB` (4096 bytes), `1MB`, `1MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(NonZeroU64);

impl Size {
    /// The number.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0.get()
    }
}

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        bytes(text).map(Self).ok_or(ValueError::Size)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_bytes(self.bytes(), f)
    }
}

/// How many bytes get through in a second: `1MB/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(NonZeroU64);

impl Rate {
    /// How long the wire is busy with this many bytes.
    #[must_use]
    pub fn time_for(self, bytes: usize) -> Duration {
        let nanos = widen(bytes) * 1_000_000_000;
        let nanos = nanos.div_ceil(u128::from(self.0.get()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many bytes get through in this time.
    #[must_use]
    pub fn bytes_in(self, time: Duration) -> usize {
        let bytes = time.as_nanos().saturating_mul(u128::from(self.0.get())) / 1_000_000_000;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

/// `usize` has at most 64 bits on every system that Rust has std for.
fn widen(bytes: usize) -> u128 {
    u128::from(u64::try_from(bytes).unwrap_or(u64::MAX))
}

impl FromStr for Rate {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.strip_suffix("/s").and_then(bytes).map(Self).ok_or(ValueError::Rate)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_bytes(self.0.get(), f)?;
        f.write_str("/s")
    }
}

/// The units of size. A number is shown in the first that needs no fraction, so 4000 is `4KB` and
/// 4096 is `4KiB`.
const BYTE_UNITS: [(&str, u64); 6] =
    [("MB", 1_000_000), ("KB", 1000), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1), ("kB", 1000)];

fn bytes(text: &str) -> Option<NonZeroU64> {
    let (number, unit) = split_unit(text)?;
    let (_, unit) = BYTE_UNITS.iter().find(|(name, _)| *name == unit)?;
    let bytes = number.checked_mul(*unit).filter(|bytes| *bytes <= BYTES_MAX)?;
    NonZeroU64::new(bytes)
}

fn show_bytes(bytes: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let fits = |(_, unit): &&(&str, u64)| bytes.is_multiple_of(*unit);
    let (name, unit) = BYTE_UNITS.iter().find(fits).unwrap_or(&("B", 1));
    write!(f, "{}{name}", bytes / unit)
}

/// Where a stream is cut into pieces, beyond the pieces in which it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// After every byte.
    EveryByte,
    /// At places that the seed chooses.
    Random,
}

impl FromStr for Cut {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "every-byte" => Ok(Self::EveryByte),
            "random" => Ok(Self::Random),
            _ => Err(ValueError::Cut),
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EveryByte => "every-byte",
            Self::Random => "random",
        })
    }
}

/// What a value should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// Not a [`Percent`].
    Percent,
    /// Not a number with a unit of time.
    Delay,
    /// More than [`DELAY_MAX`].
    DelayRange,
    /// A jitter that is more than its delay.
    Jitter,
    /// Not a [`Size`].
    Size,
    /// Not a [`Rate`].
    Rate,
    /// Not a [`Cut`].
    Cut,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Percent => {
                "write a percentage from 0% to 100%, such as 10% or 0.5%, with at most four digits after the point"
            }
            Self::Delay => {
                "write a whole number and its unit, such as 20ms, 500us or 1s; with a jitter, 20ms±5ms or 20ms+-5ms"
            }
            Self::DelayRange => "a delay is at most 60s",
            Self::Jitter => "the jitter behind ± may not be more than the delay before it",
            Self::Size => {
                "write a whole number from 1B to 1000000MB with its unit: B, KB (1000 bytes), KiB (1024), MB or MiB"
            }
            Self::Rate => {
                "write bytes in a second, such as 1MB/s or 500KB/s, from 1B/s to 1000000MB/s"
            }
            Self::Cut => "write every-byte or random",
        })
    }
}

impl std::error::Error for ValueError {}

/// `20ms` is 20 and `ms`.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(len);
    Some((digits(number)?, unit))
}

/// Digits only: what `u64::from_str` takes, and no sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_from_0_to_100_with_up_to_four_decimals() {
        for text in ["0%", "10%", "12.5%", "0.0001%", "99.9999%", "100%"] {
            check::<Percent>(text, Ok(text));
        }
        check::<Percent>("007.50%", Ok("7.5%"));
        check::<Percent>("100.0000%", Ok("100%"));
        for text in [
            "",
            "%",
            "10",
            "0.1",
            "101%",
            "100.0001%",
            "-1%",
            "+1%",
            "1.%",
            ".5%",
            "0.00001%",
            "1,5%",
            "1e1%",
            " 1%",
            "1 %",
            "99999999999999999999%",
            "1.2.3%",
            "１%",
        ] {
            check::<Percent>(text, Err(ValueError::Percent));
        }
    }

    #[test]
    fn a_delay_has_a_unit_and_may_have_a_jitter() {
        for text in ["20ms", "1s", "60s", "500us", "20ms±5ms", "20ms±20ms", "1s±1ms", "7ns"] {
            check::<Delay>(text, Ok(text));
        }
        check::<Delay>("20ms+-5ms", Ok("20ms±5ms"));
        check::<Delay>("1000ms±500us", Ok("1s±500us"));
        check::<Delay>("3µs", Ok("3us"));
        check::<Delay>("3μs", Ok("3us"));
        check::<Delay>("0s", Ok("0ms"));
        for text in ["", "20", "ms", "20 ms", "1.5ms", "-1ms", "±5ms", "20ms±", "20ms±5", "1h"] {
            check::<Delay>(text, Err(ValueError::Delay));
        }
        check::<Delay>("60001ms", Err(ValueError::DelayRange));
        check::<Delay>("18446744073709551615s", Err(ValueError::DelayRange));
        check::<Delay>("20ms±21ms", Err(ValueError::Jitter));
    }

    #[test]
    fn sizes_and_rates_have_decimal_and_binary_units() {
        for text in ["1B", "999B", "4KB", "4KiB", "1MB", "1MiB", "1001B", "1000000MB"] {
            check::<Size>(text, Ok(text));
            check::<Rate>(&format!("{text}/s"), Ok(&format!("{text}/s")));
        }
        check::<Size>("4000B", Ok("4KB"));
        check::<Size>("4kB", Ok("4KB"));
        check::<Size>("4096B", Ok("4KiB"));
        for text in ["", "0B", "0KB", "4", "KB", "4.5KB", "4GB", "4 KB", "1000001MB", "-4KB"] {
            check::<Size>(text, Err(ValueError::Size));
        }
        for text in ["", "1MB", "1MB/h", "0B/s", "/s", "1MB/s/s"] {
            check::<Rate>(text, Err(ValueError::Rate));
        }
    }

    #[test]
    fn a_rate_turns_bytes_into_time_and_back() {
        let rate: Rate = "1KB/s".parse().unwrap();
        assert_eq!(rate.time_for(1500), Duration::from_millis(1500));
        assert_eq!(rate.bytes_in(Duration::from_millis(1500)), 1500);
        assert_eq!(rate.time_for(0), Duration::ZERO);
        // Never earlier than the rate allows: a third of a nanosecond counts as one.
        let fast: Rate = "3000MB/s".parse().unwrap();
        assert_eq!(fast.time_for(1), Duration::from_nanos(1));
    }

    #[test]
    fn a_cut_is_one_of_two() {
        check::<Cut>("every-byte", Ok("every-byte"));
        check::<Cut>("random", Ok("random"));
        check::<Cut>("sometimes", Err(ValueError::Cut));
    }

    /// What is parsed, and that what is shown means the same.
    #[track_caller]
    fn check<T>(text: &str, want: Result<&str, ValueError>)
    where
        T: FromStr<Err = ValueError> + fmt::Display + PartialEq + fmt::Debug,
    {
        let got = text.parse::<T>();
        let shown = got.as_ref().map(ToString::to_string).map_err(|error| *error);
        assert_eq!(shown, want.map(str::to_owned), "{text:?}");
        if let Ok(value) = got {
            assert_eq!(value.to_string().parse(), Ok(value), "{text:?}");
        }
    }
}
