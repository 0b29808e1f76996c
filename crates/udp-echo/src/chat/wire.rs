//! What a datagram of the chat says, and what a typed line asks for: no socket here.
//!
//! ```text
//!  alex : 我要退学      alex says 我要退学
//!  我要退学             whoever has this address says 我要退学
//!  q    alex : q       the talk is over
//! ```
//!
//! The tutorials agreed on no more than that, so a name is what stands before the first ` : `, and
//! anybody may call himself anything.

use std::net::SocketAddr;
use std::ops::Deref;
use std::str::FromStr;

use cli::escape;

/// Ends a talk.
pub const LEAVE: &str = "q";

/// What stands between name and text.
const COLON: &str = " : ";

/// The longest name, in bytes. What is longer is no name but a text that holds a colon.
pub const NAME_LEN_MAX: usize = 64;

/// A datagram, understood. All text in it is escaped, fit for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The name, or else the sender's address.
    pub who: String,
    /// What is said.
    pub what: What,
    /// Whether there was a name.
    pub named: bool,
}

/// See [`Said`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Something to be read.
    Words(String),
    /// The end of the talk.
    Leave,
}

/// Understands a datagram. There is none that means nothing: what has no name is bare text.
// ANCHOR: hear
#[must_use]
pub fn hear(datagram: &[u8], sender: SocketAddr) -> Said {
    // nc(1) sends whole lines, with their ending.
    let datagram = datagram.strip_suffix(b"\n").unwrap_or(datagram);
    let datagram = datagram.strip_suffix(b"\r").unwrap_or(datagram);
    let (name, text) = match split(datagram) {
        Some((name, text)) => (Some(name), text),
        None => (None, datagram),
    };
    let who = name.map_or_else(|| sender.to_string(), |name| escape(name).to_string());
    let what = match text {
        text if text == LEAVE.as_bytes() => What::Leave,
        text => What::Words(escape(text).to_string()),
    };
    Said { who, what, named: name.is_some() }
}

/// `alex : text`, at the first colon that has a space on either side.
fn split(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = datagram.windows(COLON.len()).position(|bytes| bytes == COLON.as_bytes())?;
    // In bounds: a colon of that length begins at `at`.
    let (name, text) = (&datagram[..at], &datagram[at + COLON.len()..]);
    let name = name.trim_ascii();
    let is_name = !name.is_empty() && name.len() <= NAME_LEN_MAX && !name.contains(&b'\n');
    is_name.then_some((name, text))
}
// ANCHOR_END: hear

/// What a client sends for a typed line.
#[must_use]
pub fn speak(name: &NameArg, line: &str) -> Vec<u8> {
    format!("{}{COLON}{line}", &**name).into_bytes()
}

/// What the operator's line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed<'a> {
    /// To whoever spoke last.
    ToLast(&'a str),
    /// To one who has spoken, by name.
    To(&'a str, &'a str),
    /// To a name that nobody has, or without a text.
    ToUnknown(&'a str),
}

/// Understands a typed line: `text`, or `@who text`, where `who` is one of `names`.
// ANCHOR: typed
#[must_use]
pub fn typed<'a>(line: &'a str, names: impl Iterator<Item = &'a str>) -> Typed<'a> {
    let Some(rest) = line.strip_prefix('@') else { return Typed::ToLast(line) };
    // A name may hold spaces, and one may begin another: the longest that fits is meant.
    let fitting =
        names.filter_map(|name| Some((name, rest.strip_prefix(name)?.strip_prefix(' ')?)));
    match fitting.max_by_key(|(name, _)| name.len()) {
        Some((name, text)) => Typed::To(name, text),
        None => Typed::ToUnknown(rest.split(' ').next().unwrap_or(rest)),
    }
}
// ANCHOR_END: typed

/// A name that the other end will understand as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameArg(String);

/// Why a text is no [`NameArg`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nobody.
    #[error("a name has at least one letter")]
    Empty,
    /// More than is read.
    #[error("{0} bytes are too long for a name: {NAME_LEN_MAX} are read")]
    TooLong(usize),
    /// It would end early, or be shown as something else.
    #[error(
        "a name holds no colon and no control characters, which would not arrive as part of it"
    )]
    Odd,
}

impl FromStr for NameArg {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.trim() {
            "" => Err(NameError::Empty),
            name if name.len() > NAME_LEN_MAX => Err(NameError::TooLong(name.len())),
            name if name.contains(':') || escape(name.as_bytes()).to_string() != name => {
                Err(NameError::Odd)
            }
            name => Ok(Self(name.to_owned())),
        }
    }
}

impl Deref for NameArg {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_before_a_colon_between_spaces() {
        check("alex : 我要退学".as_bytes(), "alex says 我要退学");
        check("太白 : hi : ho".as_bytes(), "太白 says hi : ho");
        check(b"tai bai : hi", "tai bai says hi");
        check(b"alex : ", "alex says ");
        check(b"alex : hi\n", "alex says hi");
    }

    #[test]
    fn without_a_name_the_address_is_the_name() {
        for text in ["hi", "", "hi: there", "hi :there", " : hi", "12:30", "@alex hi"] {
            check(text.as_bytes(), &format!("(127.0.0.1:5000) says {text}"));
        }
        let long = "n".repeat(NAME_LEN_MAX + 1);
        check(format!("{long} : hi").as_bytes(), &format!("(127.0.0.1:5000) says {long} : hi"));
        check(format!("{} : hi", &long[1..]).as_bytes(), &format!("{} says hi", &long[1..]));
    }

    #[test]
    fn q_ends_the_talk_with_a_name_or_without() {
        check(b"q", "(127.0.0.1:5000) leaves");
        check(b"q\r\n", "(127.0.0.1:5000) leaves");
        check(b"alex : q", "alex leaves");
        check(b"Q", "(127.0.0.1:5000) says Q");
        check(b"q : q", "q leaves");
        check(b"qq", "(127.0.0.1:5000) says qq");
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_out_in_names_and_texts() {
        check(
            "\x1b[32m来自Two的消息: hi\x1b[0,m".as_bytes(),
            r"(127.0.0.1:5000) says \u{1b}[32m来自Two的消息: hi\u{1b}[0,m",
        );
        check(b"\x1b[2J : \xff", r"\u{1b}[2J says \xff");
        check(b"a\rb : hi", r"a\rb says hi");
        check(b"a\nb : hi", r"(127.0.0.1:5000) says a\nb : hi");
    }

    #[test]
    fn what_a_client_sends_is_understood_as_it_was_meant() {
        let name: NameArg = " 太白 ".parse().unwrap();
        for (line, want) in
            [("hi", "太白 says hi"), ("q", "太白 leaves"), ("a : b", "太白 says a : b")]
        {
            check(&speak(&name, line), want);
        }
    }

    #[test]
    fn a_name_that_would_not_arrive_is_refused() {
        for (text, want) in [
            ("", Err(NameError::Empty)),
            (" ", Err(NameError::Empty)),
            ("a:b", Err(NameError::Odd)),
            ("a\u{1b}[2J", Err(NameError::Odd)),
            ("\u{202e}xela", Err(NameError::Odd)),
            (&"n".repeat(64), Ok(NameArg("n".repeat(64)))),
            (&"n".repeat(65), Err(NameError::TooLong(65))),
        ] {
            assert_eq!(text.parse::<NameArg>(), want, "{text:?}");
        }
    }

    #[test]
    fn a_typed_line_goes_to_the_last_speaker_or_to_the_one_named() {
        let names = ["alex", "al", "tai bai"];
        for (line, want) in [
            ("hi", Typed::ToLast("hi")),
            ("", Typed::ToLast("")),
            ("me@home", Typed::ToLast("me@home")),
            ("@al hi", Typed::To("al", "hi")),
            ("@alex hi", Typed::To("alex", "hi")),
            ("@tai bai q", Typed::To("tai bai", "q")),
            ("@alex ", Typed::To("alex", "")),
            ("@alex", Typed::ToUnknown("alex")),
            ("@bob hi", Typed::ToUnknown("bob")),
            ("@", Typed::ToUnknown("")),
        ] {
            assert_eq!(typed(line, names.into_iter()), want, "{line:?}");
        }
    }

    #[track_caller]
    fn check(datagram: &[u8], want: &str) {
        let sender = SocketAddr::from(([127, 0, 0, 1], 5000));
        let Said { who, what, named } = hear(datagram, sender);
        let who = if named { who } else { format!("({who})") };
        let got = match what {
            What::Words(text) => format!("{who} says {text}"),
            What::Leave => format!("{who} leaves"),
        };
        assert_eq!(got, want);
    }
}
