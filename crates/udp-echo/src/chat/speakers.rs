//! State machine: who has spoken, where an answer reaches them, and in which colour they are shown.
//!
//! ```text
//!  alex  127.0.0.1:50112  green      the longest silent: forgotten first
//!  太白   127.0.0.1:50113  yellow
//!  bob   127.0.0.1:50114  blue       spoke last: the operator's line goes here
//! ```
//!
//! A datagram socket has no connections, so nothing ever says that somebody has gone. The list must
//! have an end of its own, or a stranger who sends under ever new names would fill the memory.

use std::net::SocketAddr;

use anstyle::{AnsiColor, Style};

/// How many are remembered: as many as there are colours to tell them apart by.
pub const SPEAKERS_MAX: usize = COLORS.len();

/// No black and no white: one of them cannot be seen on the terminal's background. Red is for errors.
const COLORS: [AnsiColor; 10] = [
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Blue,
    AnsiColor::Magenta,
    AnsiColor::Cyan,
    AnsiColor::BrightGreen,
    AnsiColor::BrightYellow,
    AnsiColor::BrightBlue,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightCyan,
];

/// Those who have spoken, the last one last.
#[derive(Debug, Default)]
pub struct Speakers {
    known: Vec<Speaker>,
}

#[derive(Debug)]
struct Speaker {
    name: String,
    address: SocketAddr,
    color: AnsiColor,
}

impl Speakers {
    /// Notes that `name` has spoken from `address`, and says in which style to show it. Who has
    /// been silent longest is forgotten when there are too many.
    pub fn spoke(&mut self, name: &str, address: SocketAddr) -> Style {
        let color = match self.forget(name) {
            Some(color) => color,
            None => self.free_color(),
        };
        self.known.push(Speaker { name: name.to_owned(), address, color });
        Style::new().fg_color(Some(color.into()))
    }

    /// Forgets `name`, and returns the colour that it had.
    pub fn forget(&mut self, name: &str) -> Option<AnsiColor> {
        let at = self.known.iter().position(|speaker| speaker.name == name)?;
        Some(self.known.remove(at).color)
    }

    /// Who spoke last, of those who are still known.
    #[must_use]
    pub fn last(&self) -> Option<&str> {
        self.known.last().map(|speaker| speaker.name.as_str())
    }

    /// Where an answer to `name` goes: to the address that spoke last under it.
    #[must_use]
    pub fn address_of(&self, name: &str) -> Option<SocketAddr> {
        self.known.iter().find(|speaker| speaker.name == name).map(|speaker| speaker.address)
    }

    /// All names that are known.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|speaker| speaker.name.as_str())
    }

    fn free_color(&mut self) -> AnsiColor {
        let taken = |color: &AnsiColor| self.known.iter().any(|speaker| speaker.color == *color);
        match COLORS.into_iter().find(|color| !taken(color)) {
            Some(color) => color,
            // All colours are taken, so there is somebody to take one from.
            None => self.known.remove(0).color,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_colour_of_his_own_and_keeps_it() {
        let mut speakers = Speakers::default();
        let alex = speakers.spoke("alex", address(1));
        let bai = speakers.spoke("太白", address(2));
        assert_ne!(alex, bai);
        assert_eq!(speakers.spoke("alex", address(3)), alex);
        assert_eq!(speakers.address_of("alex"), Some(address(3)));
        assert_eq!(speakers.last(), Some("alex"));
    }

    #[test]
    fn when_the_last_speaker_is_forgotten_the_one_before_is_last() {
        let mut speakers = Speakers::default();
        speakers.spoke("alex", address(1));
        speakers.spoke("bob", address(2));
        speakers.forget("bob");
        assert_eq!(speakers.last(), Some("alex"));
        speakers.forget("nobody");
        speakers.forget("alex");
        assert_eq!(speakers.last(), None);
    }

    #[test]
    fn who_was_silent_longest_is_forgotten_and_leaves_his_colour() {
        let mut speakers = Speakers::default();
        let styles: Vec<Style> =
            (0..SPEAKERS_MAX).map(|n| speakers.spoke(&n.to_string(), address(1))).collect();
        assert!((1..SPEAKERS_MAX).all(|n| !styles[..n].contains(&styles[n])));

        // 0 speaks again, so 1 is now the longest silent.
        speakers.spoke("0", address(1));
        assert_eq!(speakers.spoke("new", address(2)), styles[1]);
        assert_eq!(speakers.address_of("1"), None);
        assert_eq!(speakers.address_of("0"), Some(address(1)));
        assert_eq!(speakers.names().count(), SPEAKERS_MAX);
    }

    #[test]
    fn ten_thousand_names_take_no_more_room_than_a_few() {
        let mut speakers = Speakers::default();
        for n in 0..10_000 {
            speakers.spoke(&n.to_string(), address(1));
        }
        assert_eq!(speakers.names().count(), SPEAKERS_MAX);
        assert_eq!(speakers.last(), Some("9999"));
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}
