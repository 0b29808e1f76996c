//! What a line must look like: text, `[..]` for anything, `{name}` for what a name stands for.
//!
//! ```text
//! pattern   server [..] has {server}
//! pieces    "server " · anything · " has " · name
//! ```

use std::collections::BTreeMap;

/// What each `{name}` stands for.
pub type Names = BTreeMap<String, String>;

/// One line, or one word of a command, with its wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Anything,
    Name(String),
}

/// Why a text is no pattern: where (in characters), and what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// Characters before the fault.
    pub column: usize,
    /// What is wrong.
    pub message: &'static str,
}

/// How a line compares with a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// It fits; these names are new.
    Fits(Names),
    /// It differs from this byte of the line on.
    Differs(usize),
}

impl Pattern {
    /// Reads a pattern. A backslash makes `[..]`, `{` or a backslash literal, and so does `\u`
    /// before a brace, because that is how programs show control characters (`\u{feff}`).
    ///
    /// Names that are `known` stand for their text; the others will be captured.
    ///
    /// # Errors
    /// When two wildcards touch: nothing would say where one ends and the other begins.
    pub fn parse(source: &str, known: &dyn Fn(&str) -> bool) -> Result<Self, PatternError> {
        let is_open = |piece: &Piece| match piece {
            Piece::Text(_) => false,
            Piece::Anything => true,
            Piece::Name(name) => !known(name),
        };
        if source == r"\..." {
            // As a whole line, and only there, three dots mean something.
            return Ok(Self { pieces: vec![Piece::Text("...".to_owned())] });
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut rest = source;
        while !rest.is_empty() {
            let (piece, len) =
                next_piece(rest, source[..source.len() - rest.len()].ends_with("\\u"));
            match (pieces.last_mut(), piece) {
                (Some(Piece::Text(text)), Piece::Text(more)) => text.push_str(&more),
                (Some(last), piece) if is_open(last) && is_open(&piece) => {
                    let column = source[..source.len() - rest.len()].chars().count();
                    return Err(PatternError {
                        column,
                        message: "two wildcards side by side: nothing says where one ends",
                    });
                }
                (_, piece) => pieces.push(piece),
            }
            rest = &rest[len..];
        }
        Ok(Self { pieces })
    }

    /// The pattern that only `line` fits.
    #[must_use]
    pub fn literal(line: &str) -> String {
        let mut source = String::new();
        for (at, character) in line.char_indices() {
            let special = match character {
                '\\' => line[at + 1..].starts_with(['\\', '{', '[']),
                '[' => line[at..].starts_with("[..]"),
                '{' => name_at(&line[at..]).is_some() && !line[..at].ends_with("\\u"),
                '.' => at == 0 && line == "...",
                _ => false,
            };
            if special {
                source.push('\\');
            }
            source.push(character);
        }
        source
    }

    /// The names in it, in order, repetitions included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Name(name) => Some(name.as_str()),
            Piece::Text(_) | Piece::Anything => None,
        })
    }

    /// Whether every line fits it.
    #[must_use]
    pub fn is_anything(&self) -> bool {
        matches!(self.pieces[..], [Piece::Anything])
    }

    /// Whether nothing of it is certain.
    #[must_use]
    pub fn is_only_wildcards(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Anything | Piece::Name(_)))
            && !self.pieces.is_empty()
    }

    /// Puts in what the names stand for. A name that stands for nothing, and `[..]`, stay as they
    /// are written.
    #[must_use]
    pub fn fill(&self, names: &Names) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Anything => "[..]".to_owned(),
                Piece::Name(name) => {
                    names.get(name).cloned().unwrap_or_else(|| format!("{{{name}}}"))
                }
            })
            .collect()
    }

    /// Compares a line. A wildcard takes as little as it can, a name at least one byte; the time
    /// is linear in the line's length for every piece.
    #[must_use]
    pub fn matches(&self, line: &str, names: &Names) -> Match {
        let pieces = self.with_names_as_text(names);
        let mut found = Names::new();
        let mut at = 0;
        // The name that the wildcard before this piece would be given; `None`: no wildcard there.
        let mut open: Option<Option<&str>> = None;
        for (index, piece) in pieces.iter().enumerate() {
            let known = match piece {
                Piece::Text(text) => Some(text.as_str()),
                Piece::Name(name) => found.get(name).map(String::as_str),
                Piece::Anything => None,
            };
            let Some(text) = known.map(str::to_owned) else {
                open = Some(match piece {
                    Piece::Name(name) => Some(name),
                    _ => None,
                });
                continue;
            };
            let is_last = index + 1 == pieces.len();
            let Some(start) = place(&line[at..], &text, open, is_last) else {
                let same = if open.is_some() { 0 } else { common_prefix(&line[at..], &text) };
                return Match::Differs(at + same);
            };
            if let Some(Some(name)) = open.take() {
                found.insert(name.to_owned(), line[at..at + start].to_owned());
            }
            at += start + text.len();
        }
        match open {
            Some(Some(_)) if at == line.len() => Match::Differs(at),
            Some(Some(name)) => {
                found.insert(name.to_owned(), line[at..].to_owned());
                Match::Fits(found)
            }
            Some(None) => Match::Fits(found),
            None if at == line.len() => Match::Fits(found),
            None => Match::Differs(at),
        }
    }
}

impl Pattern {
    /// Its pieces with known names written out, and neighbouring texts made one: a wildcard must
    /// look for all that is certain behind it, not for a part.
    fn with_names_as_text(&self, names: &Names) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for piece in &self.pieces {
            let text = match piece {
                Piece::Text(text) => Some(text),
                Piece::Name(name) => names.get(name),
                Piece::Anything => None,
            };
            match (pieces.last_mut(), text) {
                (Some(Piece::Text(before)), Some(text)) => before.push_str(text),
                (_, Some(text)) => pieces.push(Piece::Text(text.clone())),
                (_, None) => pieces.push(piece.clone()),
            }
        }
        pieces
    }
}

/// The first piece of `rest`, and how many bytes of the source it takes.
fn next_piece(rest: &str, after_backslash_u: bool) -> (Piece, usize) {
    if let Some(escaped) = rest.strip_prefix('\\')
        && let Some(literal) = escaped.chars().next()
        && (matches!(literal, '\\' | '{') || escaped.starts_with("[..]"))
    {
        return (Piece::Text(literal.to_string()), 2);
    }
    if rest.starts_with("[..]") {
        return (Piece::Anything, 4);
    }
    if let Some(name) = name_at(rest)
        && !after_backslash_u
    {
        return (Piece::Name(name.to_owned()), name.len() + 2);
    }
    let len = rest.chars().next().map_or(0, char::len_utf8);
    (Piece::Text(rest[..len].to_owned()), len)
}

/// The name that `{name}` at the start of `text` holds: letters, digits and `-`, a letter first.
fn name_at(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase());
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (starts_well && name.chars().all(rest)).then_some(name)
}

/// Where in `line` the piece `text` stands: at once when no wildcard is open before it, at the
/// very end when it is the last, and as early as possible otherwise.
fn place(line: &str, text: &str, open: Option<Option<&str>>, is_last: bool) -> Option<usize> {
    let least = match open {
        None => return line.starts_with(text).then_some(0),
        Some(None) => 0,
        Some(Some(_)) => line.chars().next()?.len_utf8(),
    };
    if is_last {
        let start = line.len().checked_sub(text.len())?;
        return (line.ends_with(text) && start >= least).then_some(start);
    }
    line[least..].find(text).map(|start| start + least)
}

/// How many bytes `line` and `text` share at their start, in whole characters.
fn common_prefix(line: &str, text: &str) -> usize {
    line.chars().zip(text.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_its_pattern() {
        for (pattern, line, want) in [
            ("listening on {server}", "listening on 127.0.0.1:9", "server=127.0.0.1:9"),
            ("[..] said: 我爱你", "1.2.3.4:5 said: 我爱你", ""),
            ("a[..]b", "ab", ""),
            ("a[..]b[..]", "a--b--b", ""),
            ("{known}!", "yes!", ""),
            ("{x} and {x}", "one and one", "x=one"),
            ("", "", ""),
            (r"\{x} \[..] \\{x}", r"{x} [..] \1", "x=1"),
            (r"\u{feff}", r"\u{feff}", ""),
            (r"C:\dir", r"C:\dir", ""),
            (r"\...", "...", ""),
            (r"a \...", r"a \...", ""),
            ("[..] at {known}!", "x at no at yes!", ""),
        ] {
            check(pattern, line, Ok(want));
        }
    }

    #[test]
    fn a_difference_is_found_where_it_begins() {
        for (pattern, line, differs) in [
            ("hello", "hullo", 1),
            ("hello", "hello!", 5),
            ("hello!", "hello", 5),
            ("我爱你", "我恨你", 3),
            ("on {x}", "on ", 3),
            ("a {x} b", "a  b", 2),
            ("{x}a", "a", 0),
            ("a[..]z", "abc", 1),
            ("{known}!", "no!", 0),
            ("{x} and {x}", "one and two", 8),
        ] {
            check(pattern, line, Err(differs));
        }
    }

    #[test]
    fn two_wildcards_may_not_touch() {
        assert_eq!(parse("ab[..]{x}").unwrap_err().column, 6);
        assert_eq!(parse("{x}{y}").unwrap_err().column, 3);
        assert!(parse("[..]{known}{x}").is_ok(), "a name that stands for something is text");
    }

    #[test]
    fn the_literal_pattern_of_any_line_fits_that_line_alone() {
        for line in [
            "{x} [..] \\ \\\\{x}",
            "...",
            r"\u{feff} \{",
            "",
            "a\\",
            r"\[..]",
            "{1b}",
            r"a \...",
            "a ...",
        ] {
            let pattern = parse(&Pattern::literal(line)).unwrap();
            assert_eq!(pattern.names().count(), 0, "{line}");
            assert_eq!(pattern.matches(line, &Names::new()), Match::Fits(Names::new()), "{line}");
            assert!(matches!(
                pattern.matches(&format!("{line}x"), &Names::new()),
                Match::Differs(_)
            ));
        }
    }

    fn parse(source: &str) -> Result<Pattern, PatternError> {
        Pattern::parse(source, &|name| name == "known")
    }

    /// `want` is the names that were found, as `name=value`, or the byte where the line differs.
    #[track_caller]
    fn check(pattern: &str, line: &str, want: Result<&str, usize>) {
        let known = Names::from([("known".to_owned(), "yes".to_owned())]);
        let got = match parse(pattern).unwrap().matches(line, &known) {
            Match::Fits(names) => Ok(names
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" ")),
            Match::Differs(at) => Err(at),
        };
        assert_eq!(got.as_deref(), want.as_ref().map(|s| *s), "{pattern} / {line}");
    }
}
