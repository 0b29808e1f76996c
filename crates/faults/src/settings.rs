//! What can be asked of a bad network, as one line of text. Pure: std only, no IO, no clock.
//!
//! ```text
//! loss=10%,duplicate=5%,reorder=5%,delay=20ms±5ms,rate=1MB/s          datagrams
//! cut=random,delay=20ms,rate=1MB/s,stall-after=4KB,reset-after=4KB    streams
//! ```

use std::fmt;
use std::str::FromStr;

use crate::quantity::{Cut, Delay, Percent, Rate, Size, ValueError};

/// What a network does. By default it does nothing wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How many datagrams are lost.
    pub loss: Percent,
    /// How many datagrams arrive twice.
    pub duplicate: Percent,
    /// How many datagrams are held back until later ones have passed.
    pub reorder: Percent,
    /// How late everything is.
    pub delay: Delay,
    /// How much gets through in a second, in each direction.
    pub rate: Option<Rate>,
    /// Where a stream is cut into pieces.
    pub cut: Option<Cut>,
    /// After how many bytes, in each direction, a stream stops for ever.
    pub stall_after: Option<Size>,
    /// After how many bytes, in either direction, a stream is reset.
    pub reset_after: Option<Size>,
}

/// The names of the parts in the order in which they are shown, each with an example.
const PARTS: [(&str, &str); 8] = [
    ("loss", "10%"),
    ("duplicate", "5%"),
    ("reorder", "5%"),
    ("delay", "20ms±5ms"),
    ("rate", "1MB/s"),
    ("cut", "random"),
    ("stall-after", "4KB"),
    ("reset-after", "4KB"),
];

impl Settings {
    /// Whether everything arrives, at once and in order.
    #[must_use]
    pub fn is_faultless(&self) -> bool {
        *self == Self::default()
    }

    /// The first part that means nothing for datagrams, to be refused where there are only those.
    #[must_use]
    pub fn only_for_streams(&self) -> Option<&'static str> {
        let parts = [
            ("cut", self.cut.is_some()),
            ("stall-after", self.stall_after.is_some()),
            ("reset-after", self.reset_after.is_some()),
        ];
        parts.into_iter().find_map(|(name, asked)| asked.then_some(name))
    }

    /// The first part that means nothing for streams: TCP makes good what is lost, and puts in
    /// order what was reordered, before a program sees it.
    #[must_use]
    pub fn only_for_datagrams(&self) -> Option<&'static str> {
        let parts = [
            ("loss", !self.loss.is_zero()),
            ("duplicate", !self.duplicate.is_zero()),
            ("reorder", !self.reorder.is_zero()),
        ];
        parts.into_iter().find_map(|(name, asked)| asked.then_some(name))
    }

    /// Sets the part `name` to what `value` says. `false`: there is no such part.
    fn set(&mut self, name: &str, value: &str) -> Result<bool, ValueError> {
        match name {
            "loss" => self.loss = value.parse()?,
            "duplicate" => self.duplicate = value.parse()?,
            "reorder" => self.reorder = value.parse()?,
            "delay" => self.delay = value.parse()?,
            "rate" => self.rate = Some(value.parse()?),
            "cut" => self.cut = Some(value.parse()?),
            "stall-after" => self.stall_after = Some(value.parse()?),
            "reset-after" => self.reset_after = Some(value.parse()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl FromStr for Settings {
    type Err = SettingsError;

    /// Parts with commas between them, in any order; nothing at all is a network without fault.
    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        if text.is_empty() {
            return Ok(settings);
        }
        let mut seen = Vec::with_capacity(PARTS.len());
        for part in text.split(',') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let Some((name, example)) = PARTS.iter().find(|(known, _)| *known == name) else {
                return Err(SettingsError::Unknown { part: part.to_owned() });
            };
            if value.is_empty() {
                return Err(SettingsError::NoValue { name, example });
            }
            if seen.contains(name) {
                return Err(SettingsError::Twice { name });
            }
            seen.push(*name);
            settings.set(name, value).map_err(|error| SettingsError::Value {
                name,
                value: value.to_owned(),
                error,
            })?;
        }
        Ok(settings)
    }
}

impl fmt::Display for Settings {
    /// As it can be read again; what does nothing is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |percent: Percent| (!percent.is_zero()).then(|| percent.to_string());
        let values = [
            percent(self.loss),
            percent(self.duplicate),
            percent(self.reorder),
            (!self.delay.is_zero()).then(|| self.delay.to_string()),
            self.rate.map(|rate| rate.to_string()),
            self.cut.map(|cut| cut.to_string()),
            self.stall_after.map(|size| size.to_string()),
            self.reset_after.map(|size| size.to_string()),
        ];
        let mut separator = "";
        for ((name, _), value) in PARTS.iter().zip(values) {
            if let Some(value) = value {
                write!(f, "{separator}{name}={value}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}

/// Why a text is no [`Settings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// A part with a name that means nothing here.
    Unknown {
        /// The whole part.
        part: String,
    },
    /// A name alone.
    NoValue {
        /// Which.
        name: &'static str,
        /// A value that it could have.
        example: &'static str,
    },
    /// The same part again: one of the two would be forgotten without a word.
    Twice {
        /// Which.
        name: &'static str,
    },
    /// A value that this part cannot have.
    Value {
        /// Which part.
        name: &'static str,
        /// What it was given.
        value: String,
        /// What it should have been given.
        error: ValueError,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { part } if part.is_empty() => {
                f.write_str("there is a comma with nothing beside it; write loss=10%,delay=20ms")
            }
            Self::Unknown { part } => {
                let names = PARTS.map(|(name, _)| name).join(", ");
                write!(f, "`{part}` is no fault that is known here; there are {names}")
            }
            Self::NoValue { name, example } => {
                write!(f, "`{name}` has no value; write {name}={example}")
            }
            Self::Twice { name } => write!(f, "`{name}` is there twice; write it once"),
            Self::Value { name, value, error } => write!(f, "`{name}={value}`: {error}"),
        }
    }
}

impl std::error::Error for SettingsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The message says all that the cause would.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_what_was_asked_for() {
        for text in [
            "",
            "loss=10%",
            "loss=10%,duplicate=5%,reorder=5%,delay=20ms±5ms,rate=1MB/s",
            "delay=20ms,cut=every-byte,stall-after=4KB,reset-after=4KiB",
            "loss=0.5%,cut=random",
        ] {
            check(text, Ok(text));
        }
        check("delay=20ms+-5ms,loss=10%", Ok("loss=10%,delay=20ms±5ms"));
        check("loss=0%,delay=0ms", Ok(""));
    }

    #[test]
    fn a_wrong_part_is_named_with_what_would_be_right() {
        let names = "loss, duplicate, reorder, delay, rate, cut, stall-after, reset-after";
        let unknown = |part| format!("`{part}` is no fault that is known here; there are {names}");
        check("los=10%", Err(&unknown("los=10%")));
        check("loss=10%, delay=20ms", Err(&unknown(" delay=20ms")));
        check("10%", Err(&unknown("10%")));
        check("Loss=10%", Err(&unknown("Loss=10%")));
        let comma = "there is a comma with nothing beside it; write loss=10%,delay=20ms";
        for text in [",", "loss=10%,", ",loss=10%", "loss=10%,,cut=random"] {
            check(text, Err(comma));
        }
        check("loss", Err("`loss` has no value; write loss=10%"));
        check("loss=", Err("`loss` has no value; write loss=10%"));
        check("loss=1%,loss=2%", Err("`loss` is there twice; write it once"));
        check("cut=never", Err("`cut=never`: write every-byte or random"));
        check("loss=1%,delay=61s", Err("`delay=61s`: a delay is at most 60s"));
        check("loss==1%", Err(&format!("`loss==1%`: {}", ValueError::Percent)));
    }

    #[test]
    fn parts_that_mean_nothing_for_one_kind_of_socket_are_told_apart() {
        let parse = |text: &str| text.parse::<Settings>().unwrap();
        assert_eq!(parse("loss=1%,delay=1ms,rate=1MB/s").only_for_streams(), None);
        assert_eq!(parse("loss=1%,cut=random").only_for_streams(), Some("cut"));
        assert_eq!(parse("reset-after=1B").only_for_streams(), Some("reset-after"));
        assert_eq!(parse("stall-after=1B").only_for_streams(), Some("stall-after"));
        assert_eq!(parse("cut=random,delay=1ms,rate=1MB/s").only_for_datagrams(), None);
        assert_eq!(parse("reorder=1%,cut=random").only_for_datagrams(), Some("reorder"));
        assert_eq!(parse("duplicate=1%").only_for_datagrams(), Some("duplicate"));
        assert_eq!(parse("loss=1%").only_for_datagrams(), Some("loss"));
        assert!(parse("loss=0%").is_faultless());
        assert!(!parse("rate=1MB/s").is_faultless());
    }

    #[track_caller]
    fn check(text: &str, want: Result<&str, &str>) {
        let got = text.parse::<Settings>();
        let shown = got.as_ref().map(ToString::to_string).map_err(ToString::to_string);
        assert_eq!(shown, want.map(str::to_owned).map_err(str::to_owned), "{text:?}");
        if let Ok(settings) = got {
            assert_eq!(settings.to_string().parse(), Ok(settings), "{text:?}");
        }
    }
}
