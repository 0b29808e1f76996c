//! Names keep their colour: the same name has the same one on every screen.
//!
//! The colours are of the 216 that all terminals of 256 colours show alike, whatever their theme
//! does to the first 16, and of these some that can be read on white and on black.

use anstyle::{Ansi256Color, Style};
use unicase::UniCase;

use super::inbox::shown;

/// Each has a contrast of 4 to 1 and more against both white and black; a test works it out.
const COLORS: [u8; 8] = [28, 31, 63, 64, 98, 130, 131, 162];

/// No name is longer, and a colon far into a line is a sentence's.
const NAME_CHARACTERS_MAX: usize = 32;

/// How lines are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// With the time at which they came. It is our clock's: lines carry none, and clocks differ.
    pub times: bool,
}

impl Look {
    /// A line as it is shown now.
    #[must_use]
    pub fn painted(self, line: &str) -> String {
        if !self.times {
            return painted(line);
        }
        let (dim, time) = (Style::new().dimmed(), jiff::Zoned::now().strftime("%H:%M"));
        format!("{dim}{time}{dim:#} {}", painted(line))
    }
}

/// A line with its colours: notices are dim, and a name has its own.
fn painted(line: &str) -> String {
    if line.starts_with("* ") {
        let dim = Style::new().dimmed();
        return format!("{dim}{}{dim:#}", shown(line));
    }
    match line.split_once(": ") {
        Some((name, text)) if is_name(name) => {
            let style = Style::new().fg_color(Some(Ansi256Color(color(name)).into()));
            format!("{style}{}{style:#}: {}", shown(name), shown(text))
        }
        _ => shown(line),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().take(NAME_CHARACTERS_MAX + 1).count() <= NAME_CHARACTERS_MAX
}

/// FNV-1a: std's hash differs from run to run, and a colour that changes is none.
fn color(name: &str) -> u8 {
    // Whoever is one person to the room has one colour.
    let folded = UniCase::new(name).to_folded_case();
    let hash = folded
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // FNV leaves the last letter in a few bits; this spreads it, or user1 and user2 were alike.
    let mixed = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    let place = (mixed ^ (mixed >> 13)) as usize % COLORS.len();
    COLORS.get(place).copied().unwrap_or(COLORS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_colour_and_what_it_says_has_none() {
        let line = painted("小明: 你好: all");
        let color = color("小明");
        assert_eq!(line, format!("\u{1b}[38;5;{color}m小明\u{1b}[0m: 你好: all"));
        assert_eq!(painted("* hi: all"), "\u{1b}[2m* hi: all\u{1b}[0m");
        assert_eq!(painted("no name"), "no name");
        let sentence = format!("{}: x", "long ".repeat(10));
        assert_eq!(painted(&sentence), sentence);
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_out_in_names_notices_and_texts() {
        for line in ["a\u{1b}[2Jb: x", "a: \u{1b}[2J", "* \u{202e}x", "\u{9b}31m"] {
            let painted = painted(line);
            assert!(painted.contains(r"\u{"), "{painted:?}");
            let plain = anstream::adapter::strip_str(&painted).to_string();
            assert!(!plain.contains(char::is_control), "{plain:?}");
        }
    }

    #[test]
    fn the_colour_of_a_name_is_the_same_in_every_run_and_case() {
        assert_eq!(["Ann", "小明", "bob"].map(color), ["ann", "小明", "BOB"].map(color));
        let names: Vec<u8> = (0..100).map(|n| color(&format!("user{n}"))).collect();
        assert!(COLORS.iter().all(|color| names.contains(color)), "{names:?}");
    }

    /// By the definition of WCAG 2: (lighter + 0.05) ÷ (darker + 0.05), of relative luminances.
    #[test]
    fn every_colour_can_be_read_on_white_and_on_black() {
        for color in COLORS {
            let light = luminance(color);
            let (on_white, on_black) = (1.05 / (light + 0.05), (light + 0.05) / 0.05);
            assert!(on_white.min(on_black) >= 4.0, "{color}: {on_white:.2}, {on_black:.2}");
        }
    }

    fn luminance(color: u8) -> f64 {
        let part = |place: u8| {
            let level = [0.0, 95.0, 135.0, 175.0, 215.0, 255.0][usize::from(place)] / 255.0_f64;
            if level <= 0.04045 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
        };
        let n = color - 16;
        0.2126 * part(n / 36) + 0.7152 * part(n / 6 % 6) + 0.0722 * part(n % 6)
    }
}
