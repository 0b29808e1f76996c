//! A length of time as a person writes it: `500ms`, `2s`, `5min`, `1h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time given on the command line: longer than nothing, and at most a day, so that
/// adding it to an `Instant` cannot overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(Duration);

impl Period {
    /// The same for the standard library.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }
}

/// The units, with their length in milliseconds, the longest first.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];

const PERIOD_MAX: Duration = Duration::from_secs(24 * 3600);

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let millis_per_unit = UNITS.iter().find(|(name, _)| *name == unit.trim_start());
        let Some((_, millis_per_unit)) = millis_per_unit else { return Err(PeriodError::Form) };
        if number.is_empty() {
            return Err(PeriodError::Form);
        }
        // More digits than fit are more than a day as well.
        let number: u64 = number.parse().map_err(|_| PeriodError::Range)?;
        let millis = number.checked_mul(*millis_per_unit).ok_or(PeriodError::Range)?;
        let period = Duration::from_millis(millis);
        if period.is_zero() || period > PERIOD_MAX {
            return Err(PeriodError::Range);
        }
        Ok(Self(period))
    }
}

impl fmt::Display for Period {
    /// In the longest unit that needs no fraction: `10 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let fits = |(_, millis_per_unit): &&(&str, u64)| {
            millis.is_multiple_of(u128::from(*millis_per_unit))
        };
        let (unit, millis_per_unit) = UNITS.iter().find(fits).unwrap_or(&("ms", 1));
        write!(f, "{} {unit}", millis / u128::from(*millis_per_unit))
    }
}

/// Why a text is no [`Period`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeriodError {
    /// It is not a whole number with a unit.
    Form,
    /// It is nothing, or more than a day.
    Range,
}

impl fmt::Display for PeriodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "write a whole number and its unit: 500ms, 2s, 5min or 1h",
            Self::Range => "it must be at least 1ms and at most 24h",
        })
    }
}

impl std::error::Error for PeriodError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_number_and_a_unit() {
        check("500ms", Ok((500, "500 ms")));
        check("2s", Ok((2000, "2 s")));
        check("2 s", Ok((2000, "2 s")));
        check("5min", Ok((300_000, "5 min")));
        check("1h", Ok((3_600_000, "1 h")));
        check("0001500ms", Ok((1500, "1500 ms")));
        check("90min", Ok((5_400_000, "90 min")));
        for form in ["", "2", "s", "2 parsecs", "-2s", "1.5s", "2S", " 2s", "2ss", "２s"] {
            check(form, Err(PeriodError::Form));
        }
    }

    #[test]
    fn a_period_is_longer_than_nothing_and_at_most_a_day() {
        check("0s", Err(PeriodError::Range));
        check("1ms", Ok((1, "1 ms")));
        check("24h", Ok((86_400_000, "24 h")));
        check("86400001ms", Err(PeriodError::Range));
        check("18446744073709551615h", Err(PeriodError::Range));
        check("99999999999999999999ms", Err(PeriodError::Range));
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for text in ["1ms", "1001ms", "59s", "60s", "61min", "24h"] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.to_string().parse(), Ok(period));
        }
    }

    #[track_caller]
    fn check(text: &str, want: Result<(u64, &str), PeriodError>) {
        let got = text.parse().map(|period: Period| (period.duration(), period.to_string()));
        let want = want.map(|(millis, shown)| (Duration::from_millis(millis), shown.to_owned()));
        assert_eq!(got, want, "{text:?}");
    }
}
