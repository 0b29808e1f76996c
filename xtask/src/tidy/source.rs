//! What a rule sees of a `.rs` file: what is code, what stands in strings and in comments, and
//! which lines are tests.
//!
//! A view has the length and the lines of the file, with all that does not belong to it blanked
//! out, so that a place in one view is the same place in every other.

use std::ops::Range;

/// A `.rs` file in its views.
pub(super) struct Source {
    /// Without comments and without what stands in strings; the quotes are kept.
    pub(super) code: String,
    /// The code with its strings, without comments.
    pub(super) text: String,
    /// The comments alone.
    pub(super) comments: String,
    /// Where the contents of the strings are.
    pub(super) strings: Vec<Range<usize>>,
    line_starts: Vec<usize>,
    tests: Vec<Range<usize>>,
    all_is_test: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Class {
    Code,
    String,
    Comment,
}

impl Source {
    pub(super) fn new(text: &str) -> Self {
        let classes = classify(text.as_bytes());
        let view = |classes_kept: &[Class]| {
            let kept = |at: usize| classes_kept.contains(&classes[at]);
            let bytes = text.bytes().enumerate();
            let view = bytes.map(|(at, byte)| if byte == b'\n' || kept(at) { byte } else { b' ' });
            String::from_utf8(view.collect()).unwrap()
        };
        let code = view(&[Class::Code]);
        let strings = runs(&classes, Class::String);
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(starts.map(|(at, _)| at + 1)).collect();
        let tests = test_items(&code);
        let all_is_test = code.contains("#![cfg(test)]");
        let (text, comments) = (view(&[Class::Code, Class::String]), view(&[Class::Comment]));
        Self { code, text, comments, strings, line_starts, tests, all_is_test }
    }

    pub(super) fn all_is_test(&mut self) {
        self.all_is_test = true;
    }

    /// The line of a place, counted from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    /// Whether a line, counted from 1, belongs to a test.
    pub(super) fn is_test(&self, line: usize) -> bool {
        let inside =
            |test: &Range<usize>| (self.line(test.start)..=self.line(test.end)).contains(&line);
        self.all_is_test || self.tests.iter().any(inside)
    }

    /// The identifiers and numbers of the code, with their places.
    pub(super) fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        words(&self.code)
    }

    /// What the comments say at the end of a line and directly above it, attributes aside.
    pub(super) fn comment_at(&self, line: usize) -> String {
        let comments: Vec<&str> = self.comments.lines().collect();
        let code: Vec<&str> = self.code.lines().collect();
        let mut found = vec![comments.get(line - 1).copied().unwrap_or_default().trim()];
        for above in (0..line - 1).rev() {
            let code = code[above].trim();
            if !(code.is_empty() && !comments[above].trim().is_empty() || code.starts_with("#[")) {
                break;
            }
            found.push(comments[above].trim());
        }
        found.reverse();
        found.join("\n")
    }

    /// The statement around a place: from the last `;`, `{` or `}` to the next.
    pub(super) fn statement(&self, at: usize) -> Range<usize> {
        let ends = [';', '{', '}'];
        let start = self.code[..at].rfind(ends).map_or(0, |end| end + 1);
        let end = self.code[at..].find(ends).map_or(self.code.len(), |end| at + end);
        start..end
    }

    /// The modules in files of their own that are compiled for tests only.
    pub(super) fn test_modules(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().filter_map(|test| {
            let item = &self.code[test.start..=test.end];
            item.strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name.trim())
        })
    }
}

/// The identifiers and numbers of `code`, with their places.
pub(super) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let part_of_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let mut at = 0;
    std::iter::from_fn(move || {
        let bytes = code.as_bytes();
        while at < bytes.len() && !part_of_word(bytes[at]) {
            at += 1;
        }
        let start = at;
        while at < bytes.len() && part_of_word(bytes[at]) {
            at += 1;
        }
        (start < at).then(|| (start, &code[start..at]))
    })
}

/// Whether `word` occurs in `code` as a whole word.
pub(super) fn has_word(code: &str, word: &str) -> bool {
    words(code).any(|(_, found)| found == word)
}

/// The place of the bracket that closes the one at `open`, or the end.
pub(super) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return at;
        }
    }
    code.len().saturating_sub(1)
}

/// Says of every byte what it belongs to.
fn classify(bytes: &[u8]) -> Vec<Class> {
    let mut classes = vec![Class::Code; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (class, skip, len) = match rest {
            [b'/', b'/', ..] => (Class::Comment, 0, find(rest, b"\n")),
            [b'/', b'*', ..] => (Class::Comment, 0, block_comment(rest)),
            [b'"', ..] => (Class::String, 1, 1 + quoted(&rest[1..], b'"')),
            [b'\'', ..] => match char_literal(rest) {
                Some(len) => (Class::String, 1, len),
                None => (Class::Code, 0, 1),
            },
            [first, ..] if first.is_ascii_alphanumeric() || *first == b'_' => {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                let word = rest.iter().take_while(|byte| is_word(byte)).count();
                match raw_string(&rest[..word], &rest[word..]) {
                    Some((hashes, len)) => (Class::String, word + hashes + 1, word + len),
                    None => (Class::Code, 0, word),
                }
            }
            _ => (Class::Code, 0, 1),
        };
        let end = (at + len).min(bytes.len());
        classes[(at + skip).min(end)..end].fill(class);
        // The closing quote is code again, like the opening one.
        at = end + usize::from(class == Class::String);
    }
    classes
}

/// The length of a comment that may hold others.
fn block_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length up to the quote that is not escaped.
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

/// The length up to the closing quote, unless this is a lifetime.
fn char_literal(bytes: &[u8]) -> Option<usize> {
    let inside = &bytes[1..];
    match inside.first()? {
        b'\\' => Some(1 + quoted(inside, b'\'')),
        first => {
            let width = match first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            (inside.get(width) == Some(&b'\'')).then_some(1 + width)
        }
    }
}

/// Of `r`, `br` or `cr` with what follows: the number of hashes, and the length up to the closing
/// quote.
fn raw_string(word: &[u8], rest: &[u8]) -> Option<(usize, usize)> {
    if !matches!(word, b"r" | b"br" | b"cr") {
        return None;
    }
    let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
    let inside = rest.get(hashes..)?.strip_prefix(b"\"")?;
    let mut end = vec![b'"'];
    end.resize(1 + hashes, b'#');
    Some((hashes, hashes + 1 + find(inside, &end)))
}

/// Where `needle` begins, or the end.
fn find(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|window| window == needle).unwrap_or(bytes.len())
}

/// Where `class` begins and ends.
fn runs(classes: &[Class], class: Class) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, _) in classes.iter().enumerate().filter(|(_, found)| **found == class) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

/// The items under `#[test]` and `#[cfg(test)]`, from the attribute to their last byte.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    for (at, _) in code.match_indices("#[") {
        if items.last().is_some_and(|item| item.contains(&at)) {
            continue;
        }
        let close = closing(code, at + 1);
        let attribute = &code[at + 2..close];
        let for_tests = attribute.starts_with("cfg(")
            && has_word(attribute, "test")
            && !attribute.contains("not(test");
        if attribute == "test" || for_tests {
            items.push(at..item_end(code, close + 1));
        }
    }
    items
}

/// The last byte of the item that begins at `at`, past its other attributes.
fn item_end(code: &str, mut at: usize) -> usize {
    while code[at..].trim_start().starts_with('#') {
        let open = at + code[at..].find('[').unwrap_or_default();
        at = closing(code, open) + 1;
    }
    match code[at..].find(['{', ';']) {
        Some(end) if code.as_bytes()[at + end] == b';' => at + end,
        Some(open) => closing(code, at + open),
        None => code.len().saturating_sub(1),
    }
}

#[test]
fn strings_and_comments_are_told_from_code() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"a "b \" // c" d"#, r#"a "         " d"#),
        ("r#\"b \" c\"# d", "r#\"     \"# d"),
        (r#"br"b\" c"#, r#"br"  " c"#),
        (r"'a' '\'' '爱' b", r"' ' '  ' '   ' b"),
        ("&'a str, 'b: loop", "&'a str, 'b: loop"),
        ("\"爱\" x", "\"   \" x"),
        ("\"never closed", "\"            "),
        ("r#type", "r#type"),
    ];
    for (text, want) in cases {
        assert_eq!(Source::new(text).code, want, "of {text}");
    }
}

#[test]
fn the_lines_of_tests_are_known() {
    let text =
        "fn a() {}\n\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
    let source = Source::new(text);
    let tests: Vec<usize> = (1..=8).filter(|line| source.is_test(*line)).collect();
    assert_eq!(tests, [3, 4, 5, 6, 7]);
    let source = Source::new("#[cfg(not(test))]\nfn a() {}\n#[test]\nfn b() {\n}\n");
    let tests: Vec<usize> = (1..=5).filter(|line| source.is_test(*line)).collect();
    assert_eq!(tests, [3, 4, 5]);
}

#[test]
fn the_comment_of_a_line_is_the_one_that_touches_it() {
    let source = Source::new("// far\n\n// near\n#[x]\nf(); // beside\n");
    assert_eq!(source.comment_at(5), "// near\n\n// beside");
}
