//! Names: what somebody may be called in the room, so that nobody is taken for another.
//!
//! A name stands before every line that its owner says, and in the notices of the server. So it
//! must not look like a notice (`* ann left`), not look empty, not turn the line around, and not be
//! another's in other letters: `Ann` and `ann` are one name. Names are written in any script.
//!
//! Left out: letters of different scripts that look alike (Latin a, Cyrillic а). The tables for
//! them (UTS #39) are larger than all of this chapter, and refuse honest names too.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use unicase::UniCase;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// So many characters a name has at most.
pub const NAME_CHARS_MAX: usize = 32;

/// So many bytes it has at most: UTF-8 needs no more than four for a character.
pub const NAME_LEN_MAX: usize = NAME_CHARS_MAX * 4;

/// More accents than this on one letter climb over the lines above.
const MARKS_MAX: usize = 3;

/// The operator's own: what is said under it comes from the server's terminal.
pub const OPERATOR: &str = "operator";

/// A name that may be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(Box<str>);

/// A name as it is compared: without regard to case.
pub type Folded = UniCase<Box<str>>;

impl Name {
    /// The name as its owner writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it is compared.
    #[must_use]
    pub fn folded(&self) -> Folded {
        UniCase::new(self.0.clone())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing is left of it without the spaces around.
    #[error("a name has at least one character")]
    Empty,
    /// It has more than [`NAME_CHARS_MAX`] characters.
    #[error("a name has at most {NAME_CHARS_MAX} characters")]
    TooLong,
    /// It begins with what stands before notices and commands, or with an accent without letter.
    #[error("a name begins with a letter, a digit or a picture")]
    Start,
    /// It has a character that cannot be seen, or that separates names from what is said.
    #[error("a name has no {}", Shown(*.0))]
    Character(char),
    /// A letter carries more than [`MARKS_MAX`] accents.
    #[error("a letter of a name has at most {MARKS_MAX} marks")]
    Marks,
    /// It is the server's own.
    #[error("that name is the server's own")]
    Reserved,
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        let Some(first) = text.chars().next() else { return Err(NameError::Empty) };
        // A name of ten megabytes need not be looked at to its end.
        if text.chars().nth(NAME_CHARS_MAX).is_some() {
            return Err(NameError::TooLong);
        }
        if let Some(refused) = text.chars().find(|character| !may_stand_in_a_name(*character)) {
            let at_start = refused == first && refused.is_ascii_punctuation();
            return Err(if at_start { NameError::Start } else { NameError::Character(refused) });
        }
        if !may_begin_a_name(first) {
            return Err(NameError::Start);
        }
        let mut marks = 0;
        for character in text.chars() {
            marks = if is_mark(character) { marks + 1 } else { 0 };
            if marks > MARKS_MAX {
                return Err(NameError::Marks);
            }
        }
        if UniCase::new(text) == UniCase::new(OPERATOR) {
            return Err(NameError::Reserved);
        }
        Ok(Self(text.into()))
    }
}

fn may_stand_in_a_name(character: char) -> bool {
    if shows_nothing(character) {
        return false;
    }
    match character.general_category_group() {
        GeneralCategoryGroup::Letter
        | GeneralCategoryGroup::Mark
        | GeneralCategoryGroup::Number => true,
        // 🦀, and 🏽 behind it.
        GeneralCategoryGroup::Symbol => {
            let category = character.general_category();
            category == GeneralCategory::OtherSymbol
                || matches!(character, '\u{1f3fb}'..='\u{1f3ff}')
        }
        // No colon, which ends the name before what is said; no star, no slash, no space.
        GeneralCategoryGroup::Punctuation => matches!(character, '-' | '_' | '.' | '\'' | '·'),
        // Spaces, controls, direction marks, joiners, and what is not assigned.
        _ => false,
    }
}

fn may_begin_a_name(character: char) -> bool {
    let category = character.general_category();
    matches!(
        character.general_category_group(),
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number
    ) || category == GeneralCategory::OtherSymbol
}

fn is_mark(character: char) -> bool {
    character.general_category_group() == GeneralCategoryGroup::Mark
}

/// Letters, marks and symbols by their category, and nothing to the eye.
fn shows_nothing(character: char) -> bool {
    matches!(character,
        '\u{34f}'                                        // combining grapheme joiner
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers
        | '\u{17b4}' | '\u{17b5}'                        // Khmer inherent vowels
        | '\u{180b}'..='\u{180f}'                        // Mongolian selectors
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' // variation selectors
        | '\u{2800}' | '\u{1d159}') // an empty Braille cell, a note without a head
}

/// A character in words, when it cannot show itself.
struct Shown(char);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(character) = *self;
        let graphic = !shows_nothing(character)
            && matches!(
                character.general_category_group(),
                GeneralCategoryGroup::Symbol | GeneralCategoryGroup::Punctuation
            );
        match character {
            ' ' => f.write_str("space in it"),
            _ if graphic => write!(f, "`{character}` in it"),
            _ => write!(f, "U+{:04X} in it", u32::from(character)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_in_any_script() {
        for name in [
            "ann",
            "小明",
            "Ольга",
            "مريم",
            "ศิริ",
            "O'Brien",
            "ann-marie_2.0",
            "7of9",
            "🦀",
            "👍🏽",
            "e\u{301}lan",
            &"明".repeat(32),
        ] {
            check(name, Ok(name));
        }
        check("  ann \t", Ok("ann"));
    }

    #[test]
    fn a_name_has_1_to_32_characters() {
        check("", Err(NameError::Empty));
        check(" \t ", Err(NameError::Empty));
        check(&"明".repeat(33), Err(NameError::TooLong));
        check(&"n".repeat(5000), Err(NameError::TooLong));
    }

    #[test]
    fn a_name_cannot_imitate_a_notice_or_a_command_or_a_line() {
        for name in ["* ann", "*", "*ann", "/quit", "-", ".", "_", "'", "\u{301}a"] {
            check(name, Err(NameError::Start));
        }
        // Stars of other shapes, colons of other shapes, and spaces that make two words of one.
        for (name, refused) in [
            ("＊ann", '＊'),
            ("∗ann", '∗'),
            ("⁎ann", '⁎'),
            ("ann:", ':'),
            ("ann: hello", ':'),
            ("ann：", '：'),
            ("ann left", ' '),
            ("ann\u{a0}left", '\u{a0}'),
            ("ann\u{3000}left", '\u{3000}'),
        ] {
            check(name, Err(NameError::Character(refused)));
        }
        for name in ["operator", "Operator", "OPERATOR"] {
            check(name, Err(NameError::Reserved));
        }
    }

    #[test]
    fn a_name_has_nothing_that_cannot_be_seen_or_turns_the_line_around() {
        for refused in [
            '\0',
            '\x07',
            '\x1b',
            '\x7f',
            '\u{9b}',
            '\r',
            '\t',
            '\u{ad}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{2028}',
            '\u{feff}',
            '\u{fe0f}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{34f}',
            '\u{3164}',
            '\u{115f}',
            '\u{2800}',
            '\u{180e}',
            '\u{e000}',
            '\u{378}',
        ] {
            check(&format!("a{refused}nn"), Err(NameError::Character(refused)));
        }
        check(&format!("a{}", "\u{301}".repeat(3)), Ok(&format!("a{}", "\u{301}".repeat(3))));
        check(&format!("a{}", "\u{301}".repeat(4)), Err(NameError::Marks));
    }

    #[test]
    fn names_that_differ_in_case_only_are_one_name() {
        for (one, other) in
            [("ann", "ANN"), ("Ольга", "оЛЬГА"), ("straße", "STRASSE"), ("Σίσυφος", "ΣΊΣΥΦΟΣ")]
        {
            let name = |text: &str| text.parse::<Name>().unwrap().folded();
            assert_eq!(name(one), name(other));
        }
    }

    #[test]
    fn a_refused_character_is_told_and_never_shown_if_it_would_be_obeyed() {
        for (refused, told) in [
            (':', "a name has no `:` in it"),
            (' ', "a name has no space in it"),
            ('\u{1b}', "a name has no U+001B in it"),
            ('\u{202e}', "a name has no U+202E in it"),
            ('\u{2800}', "a name has no U+2800 in it"),
        ] {
            assert_eq!(NameError::Character(refused).to_string(), told);
        }
    }

    #[track_caller]
    fn check(text: &str, want: Result<&str, NameError>) {
        let got = text.parse::<Name>();
        assert_eq!(got.as_ref().map(Name::as_str), want.as_ref().copied(), "{text:?}");
    }
}
