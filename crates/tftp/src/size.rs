//! An amount of bytes as a person writes it: `512`, `64KiB`, `4MiB`, `1GB`.

use std::fmt;
use std::str::FromStr;

/// An amount of bytes given on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("", 1),
];

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim_start()));
        let form = "write a whole number of bytes, or with a unit: 512, 64KiB, 4MiB, 1GB";
        let (Some((_, unit)), false) = (unit, number.is_empty()) else { return Err(form) };
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*unit));
        bytes.map(Self).ok_or("that is more than 64 bits can count")
    }
}

impl fmt::Display for Size {
    /// In the largest binary unit that needs no fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(name, unit): &&(&str, u64)| {
            name.len() != 2 && self.0.is_multiple_of(*unit) && self.0 >= *unit
        };
        match UNITS.iter().find(fits) {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_of_bytes_with_or_without_a_unit() {
        for (text, bytes, shown) in [
            ("0", 0, "0"),
            ("512", 512, "512"),
            ("64KiB", 65_536, "64KiB"),
            ("4 mib", 4 << 20, "4MiB"),
            ("1GB", 1_000_000_000, "1000000000"),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)));
            assert_eq!(Size(bytes).to_string(), shown);
        }
        for text in ["", "MiB", "1.5MiB", "-1", "1 mile", "18446744073709551616", "99999999TiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
