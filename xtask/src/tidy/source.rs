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
    words: Vec<Range<usize>>,
    line_starts: Vec<usize>,
    tests: Vec<Range<usize>>,
    all_is_test: bool,
}

/// A stretch of a file that is not code.
enum Span {
    String(Range<usize>),
    Comment(Range<usize>),
}

impl Source {
    pub(super) fn new(file: &str) -> Self {
        let (mut code, mut text) = (file.as_bytes().to_vec(), file.as_bytes().to_vec());
        let mut comments = blank_lines(file);
        let mut strings = Vec::new();
        for span in spans(file) {
            match span {
                Span::String(span) => {
                    blank(&mut code[span.clone()]);
                    strings.push(span);
                }
                Span::Comment(span) => {
                    comments[span.clone()].copy_from_slice(&file.as_bytes()[span.clone()]);
                    blank(&mut code[span.clone()]);
                    blank(&mut text[span]);
                }
            }
        }
        let [code, text, comments] =
            [code, text, comments].map(|view| String::from_utf8(view).unwrap());
        let starts = file.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(starts).collect();
        let words = words(&code).map(|(at, word)| at..at + word.len()).collect();
        let tests = test_items(&code);
        let all_is_test = code.contains("#![cfg(test)]");
        Self { code, text, comments, strings, words, line_starts, tests, all_is_test }
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
        self.words.iter().map(|word| (word.start, &self.code[word.clone()]))
    }

    /// What the comments say at the end of a line and directly above it, attributes aside.
    pub(super) fn comment_at(&self, line: usize) -> String {
        let mut found = vec![self.line_of(&self.comments, line)];
        for above in (1..line).rev() {
            let code = self.line_of(&self.code, above);
            let comment = self.line_of(&self.comments, above);
            if !(code.is_empty() && !comment.is_empty() || code.starts_with("#[")) {
                break;
            }
            found.push(comment);
        }
        found.reverse();
        found.join("\n")
    }

    /// A line of a view, counted from 1, without the space around it.
    fn line_of<'a>(&self, view: &'a str, line: usize) -> &'a str {
        let end = self.line_starts.get(line).copied().unwrap_or(view.len());
        view[self.line_starts[line - 1]..end].trim()
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
    let mut at = 0;
    std::iter::from_fn(move || {
        let bytes = code.as_bytes();
        while at < bytes.len() && !is_part_of_word(bytes[at]) {
            at += 1;
        }
        let start = at;
        while at < bytes.len() && is_part_of_word(bytes[at]) {
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

/// What of a file is in strings and in comments.
fn spans(file: &str) -> Vec<Span> {
    let bytes = file.as_bytes();
    let mut spans = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        // From the quote on, and the length of what stands between it and the other.
        let string = match rest {
            [b'/', b'/', ..] => {
                let end = file[at..].find('\n').map_or(bytes.len(), |len| at + len);
                spans.push(Span::Comment(at..end));
                at = end;
                continue;
            }
            [b'/', b'*', ..] => {
                let end = at + block_comment(rest);
                spans.push(Span::Comment(at..end));
                at = end;
                continue;
            }
            [b'"', ..] => Some((1, quoted(&rest[1..], b'"'))),
            [b'\'', ..] => char_literal(&rest[1..]).map(|len| (1, len)),
            [first, ..] if is_part_of_word(*first) => {
                let word = rest.iter().position(|byte| !is_part_of_word(*byte));
                let word = word.unwrap_or(rest.len());
                let string = raw_string(&file[at..at + word], &file[at + word..]);
                if string.is_none() {
                    at += word;
                    continue;
                }
                string.map(|(quote, len)| (word + quote, len))
            }
            _ => None,
        };
        at += match string {
            Some((quote, len)) => {
                let start = at + quote;
                let end = (start + len).min(bytes.len());
                spans.push(Span::String(start..end));
                // The closing quote is code again, like the opening one.
                end + 1 - at
            }
            None => 1,
        };
    }
    spans
}

fn is_part_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Makes spaces of all but the ends of lines.
fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// `file` with nothing but spaces in its lines.
fn blank_lines(file: &str) -> Vec<u8> {
    let mut lines = Vec::with_capacity(file.len());
    for line in file.split_inclusive('\n') {
        let end = usize::from(line.ends_with('\n'));
        lines.resize(lines.len() + line.len() - end, b' ');
        lines.resize(lines.len() + end, b'\n');
    }
    lines
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

/// The length up to the closing quote of what follows a `'`, unless that begins a lifetime.
fn char_literal(inside: &[u8]) -> Option<usize> {
    let width = match inside.first()? {
        b'\\' => return Some(quoted(inside, b'\'')),
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    (inside.get(width) == Some(&b'\'')).then_some(width)
}

/// Of `r`, `br` or `cr` with what follows: where the string begins after the word, and its length.
fn raw_string(word: &str, rest: &str) -> Option<(usize, usize)> {
    if !matches!(word, "r" | "br" | "cr") {
        return None;
    }
    let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
    let inside = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", &rest[..hashes]);
    Some((hashes + 1, inside.find(&end).unwrap_or(inside.len())))
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
