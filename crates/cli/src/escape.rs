//! Bytes from strangers, made fit for a terminal.
//!
//! A terminal obeys what it is sent: `ESC [2J` clears the screen, `ESC ]0;…` renames the window,
//! a carriage return lets a peer write over the line that names it, and U+202E turns the rest of
//! the line around. So whatever came from the network passes through [`escape`] before it is
//! shown. Text stays text, in every script.

use std::fmt::{self, Write};

/// Shows `bytes` as text on one line, with everything that a terminal would obey written out.
///
/// | what | shown as |
/// | --- | --- |
/// | letters, digits, 中文, emoji, the backslash | themselves |
/// | tab, line feed, carriage return | `\t` `\n` `\r` |
/// | other control characters (C0, DEL, C1: U+0080–U+009F) | `\u{1b}` |
/// | direction marks, overrides and isolates, line separators, what has no width, invisible tags | `\u{202e}` |
/// | bytes that are not UTF-8 | `\xff` |
///
/// Allocates nothing: the text is made as it is written.
///
/// ```text
/// escape(b"\x1b[31mred").to_string() == r"\u{1b}[31mred"
/// ```
#[must_use]
pub fn escape(bytes: &[u8]) -> Escaped<'_> {
    Escaped(bytes)
}

/// Writes its bytes as [`escape`] describes.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\t' => f.write_str(r"\t")?,
                    '\n' => f.write_str(r"\n")?,
                    '\r' => f.write_str(r"\r")?,
                    obeyed if is_obeyed(obeyed) => write!(f, r"\u{{{:x}}}", u32::from(obeyed))?,
                    plain => f.write_char(plain)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, r"\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Whether a terminal acts on `character` instead of showing it, or shows nothing at all.
///
/// The joiners U+200C and U+200D show nothing either, and stay: Persian, the scripts of India and
/// many emoji cannot be written without them.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200e}' | '\u{200f}'          // direction marks
            | '\u{202a}'..='\u{202e}'                     // embeddings and overrides
            | '\u{2066}'..='\u{2069}'                     // isolates
            | '\u{2028}' | '\u{2029}' | '\u{feff}'        // separators, byte order mark
            | '\u{180e}' | '\u{200b}' | '\u{2060}'        // spaces and joiners of no width
            | '\u{e0000}'..='\u{e007f}') // tags: text that nobody sees
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_any_script_stays_as_it_is() {
        for text in
            ["hello!", "我爱你", "naïve café", "مرحبا", r"C:\tftp\a", "👩‍🚀", "می\u{200c}خواهم"]
        {
            check(text.as_bytes(), text);
        }
    }

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        check(b"\x1b[2J", r"\u{1b}[2J");
        check(b"a\r\n\tb\0\x07\x7f", r"a\r\n\tb\u{0}\u{7}\u{7f}");
        // C1 as a code point: some terminals take U+009B for ESC [.
        check("\u{9b}31m".as_bytes(), r"\u{9b}31m");
        check("\u{202e}txt.exe\u{2066}".as_bytes(), r"\u{202e}txt.exe\u{2066}");
        check("\u{e0041}\u{feff}\u{2028}".as_bytes(), r"\u{e0041}\u{feff}\u{2028}");
        check("a\u{200b}n\u{2060}n\u{180e}".as_bytes(), r"a\u{200b}n\u{2060}n\u{180e}");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown_in_hex() {
        check(b"\xff\xfehi", r"\xff\xfehi");
        // C1 as a raw byte, and a character cut in half.
        check(b"\x9b31m", r"\x9b31m");
        check(&"爱".as_bytes()[..2], r"\xe7\x88");
        check(b"", "");
    }

    #[track_caller]
    fn check(bytes: &[u8], shown: &str) {
        assert_eq!(escape(bytes).to_string(), shown);
    }
}
