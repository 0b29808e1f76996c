//! What a program has said on one of its outputs, and which of it the transcript knows.
//!
//! ```text
//! bytes ──▶ lines ──▶ claimed by `>`          in order
//!                 ──▶ claimed by `>*`         wherever it stands
//!                 ──▶ claimed by `...`        whatever it is
//!                 ──▶ claimed by nobody       a failure at the end
//! ```
//!
//! No process and no clock in here: bytes and patterns in, verdicts out.

use super::pattern::{Match, Names, Pattern};

/// More output than this fails a demo. It is read and thrown away, so that the program is not
/// held up by a full pipe while it is being ended.
pub const OUTPUT_LEN_MAX: usize = 1 << 20;

/// One output of one program.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    said: Vec<Said>,
    tail: Vec<u8>,
    len: usize,
    /// The pipe is closed: nothing more can come.
    pub closed: bool,
    anything: bool,
    somewhere: Vec<Somewhere>,
}

/// A line, and who in the transcript knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The text; of a line that is not UTF-8, how it is shown.
    pub text: String,
    utf8: bool,
    claim: Claim,
}

/// A line that must come, in whatever place.
#[derive(Clone, Debug)]
struct Somewhere {
    /// The line of the transcript that asks for it: the same may be asked for twice.
    step: usize,
    pattern: Pattern,
    came: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    Nobody,
    Expected,
    Somewhere,
    Anything,
}

/// What has become of an awaited line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It came: its text, the names in it, and what `...` took before it.
    Came {
        /// The line.
        text: String,
        /// What its `{names}` stand for.
        names: Names,
        /// The lines that `...` and `>*` took before it.
        passed: Vec<String>,
    },
    /// Another line came, which differs from this byte on.
    Differs {
        /// The line.
        text: String,
        /// Where it differs.
        at: usize,
        /// Whether it is text at all.
        utf8: bool,
    },
    /// Nothing came yet.
    NotYet,
}

impl Lines {
    /// Takes what was read from the pipe, and returns the lines that are now complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let room = OUTPUT_LEN_MAX.saturating_sub(self.len);
        self.len = self.len.saturating_add(bytes.len());
        let first = self.said.len();
        for piece in bytes[..bytes.len().min(room)].split_inclusive(|byte| *byte == b'\n') {
            self.tail.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
        self.said[first..].iter().map(|said| said.text.clone()).collect()
    }

    /// The end of the output. What has no line ending is a line all the same.
    pub fn close(&mut self) -> Option<String> {
        self.closed = true;
        if self.tail.is_empty() {
            return None;
        }
        self.end_line();
        self.said.last().map(|said| said.text.clone())
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.tail);
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if cfg!(windows) && line.last() == Some(&b'\r') {
            line.pop();
        }
        let (text, utf8) = match String::from_utf8(line) {
            Ok(text) => (text, true),
            Err(error) => (cli::escape(error.as_bytes()).to_string(), false),
        };
        self.said.push(Said { text, utf8, claim: Claim::Nobody });
    }

    /// From here on any lines may come before the next awaited one.
    pub fn allow_anything(&mut self) {
        self.anything = true;
    }

    /// A line that must come somewhere, now or later: a `>*` of the transcript.
    pub fn add_somewhere(&mut self, step: usize, pattern: Pattern) {
        self.somewhere.push(Somewhere { step, pattern, came: false });
    }

    /// Whether the line that `pattern` awaits has come.
    pub fn next(&mut self, pattern: &Pattern, names: &Names) -> Verdict {
        let mut passed = Vec::new();
        for index in 0..self.said.len() {
            if self.said[index].claim != Claim::Nobody {
                continue;
            }
            let text = self.said[index].text.clone();
            let utf8 = self.said[index].utf8;
            let differs = match pattern.matches(&text, names) {
                Match::Fits(names) if utf8 => {
                    self.said[index].claim = Claim::Expected;
                    self.anything = false;
                    return Verdict::Came { text, names, passed };
                }
                Match::Fits(_) => 0,
                Match::Differs(at) => at,
            };
            if self.claim_somewhere(index, names) || self.anything {
                if self.said[index].claim == Claim::Nobody {
                    self.said[index].claim = Claim::Anything;
                }
                passed.push(text);
                continue;
            }
            return Verdict::Differs { text, at: differs, utf8 };
        }
        if self.anything {
            // They were passed over for good only if the awaited line comes; a `>*` may want them.
            self.release_anything();
        }
        Verdict::NotYet
    }

    /// Whether [`next`](Self::next) would find the line, without giving it away.
    #[must_use]
    pub fn has_next(&self, pattern: &Pattern, names: &Names) -> bool {
        matches!(self.clone().next(pattern, names), Verdict::Came { .. })
    }

    /// Whether a line has come that fits the `>*` of this line of the transcript.
    pub fn has_somewhere(&mut self, step: usize, names: &Names) -> bool {
        for index in 0..self.said.len() {
            if matches!(self.said[index].claim, Claim::Nobody | Claim::Anything) {
                self.claim_somewhere(index, names);
            }
        }
        self.somewhere.iter().any(|one| one.came && one.step == step)
    }

    /// The first line that the transcript does not know, before line `end`.
    #[must_use]
    pub fn unknown(&mut self, end: usize, names: &Names) -> Option<String> {
        for index in 0..self.said.len().min(end) {
            if self.said[index].claim == Claim::Nobody
                && !self.claim_somewhere(index, names)
                && !self.anything
            {
                return Some(self.said[index].text.clone());
            }
        }
        None
    }

    /// Takes the first line that nobody knows.
    pub fn take_unknown(&mut self, names: &Names) -> Option<String> {
        let text = self.unknown(usize::MAX, names)?;
        let said = self.said.iter_mut().find(|said| said.claim == Claim::Nobody)?;
        said.claim = Claim::Expected;
        Some(text)
    }

    /// How many lines have come.
    #[must_use]
    pub fn count(&self) -> usize {
        self.said.len()
    }

    /// The last lines, oldest first.
    #[must_use]
    pub fn last(&self, count: usize) -> Vec<String> {
        let from = self.said.len().saturating_sub(count);
        self.said[from..].iter().map(|said| said.text.clone()).collect()
    }

    /// What was written without a line ending so far.
    #[must_use]
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// Whether more was written than is kept.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.len > OUTPUT_LEN_MAX
    }

    /// The panic message, if it says one.
    #[must_use]
    pub fn panic(&self) -> Option<String> {
        let at = self.said.iter().position(|said| {
            said.text.starts_with("thread '") && said.text.contains("panicked at ")
        })?;
        let lines = self.said[at..].iter().take(2).map(|said| said.text.as_str());
        Some(lines.collect::<Vec<_>>().join("\n"))
    }

    /// Gives the line to a `>*` that still waits for one like it.
    fn claim_somewhere(&mut self, index: usize, names: &Names) -> bool {
        let said = &mut self.said[index];
        let waiting = self.somewhere.iter_mut().find(|one| {
            // A name that stands for nothing yet would let everything pass.
            let is_certain = one.pattern.names().all(|name| names.contains_key(name));
            let fits = || matches!(one.pattern.matches(&said.text, names), Match::Fits(_));
            !one.came && is_certain && said.utf8 && fits()
        });
        let Some(one) = waiting else { return false };
        one.came = true;
        said.claim = Claim::Somewhere;
        true
    }

    fn release_anything(&mut self) {
        for said in self.said.iter_mut().filter(|said| said.claim == Claim::Anything) {
            said.claim = Claim::Nobody;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_order_and_none_may_be_missing_or_too_many() {
        check("a\nb\n", &["> a", "> b"], "");
        check("a\nx\n", &["> a", "> b"], "> b: x differs at 0");
        check("a\n", &["> a", "> b"], "> b: not yet");
        check("a\nb\nc\n", &["> a", "> b"], "unknown c");
    }

    #[test]
    fn dots_take_any_lines_up_to_the_next_awaited_one() {
        check("a\nx\ny\nb\n", &["> a", "> ...", "> b"], "");
        check("a\nb\n", &["> a", "> ...", "> b"], "");
        check("a\nx\n", &["> a", "> ..."], "");
        check("a\nx\nb\nc\n", &["> a", "> ...", "> b"], "unknown c");
        check("a\nx\n", &["> ...", "> b"], "> b: not yet");
    }

    #[test]
    fn somewhere_is_anywhere_once() {
        check("s\na\nb\n", &["> a", "> b", ">* s"], "");
        check("a\nb\ns\n", &[">* s", "> a", "> b"], "");
        check("a\ns\ns\n", &["> a", ">* s"], "unknown s");
        check("a\n", &["> a", ">* s"], ">* s: not yet");
        check("s\na\n", &["> a", ">* s", ">* s"], ">* s: not yet");
        check("s\na\ns\n", &["> a", ">* s", ">* s"], "");
        // Nothing is known of {n} here, so it is no wildcard either.
        check("x wrong\na\n", &["> ...", "> a", ">* x {n}"], ">* x {n}: not yet");
        check("s\nx\na\n", &["> ...", "> a", ">* s"], "");
    }

    #[test]
    fn what_is_not_utf8_fits_nothing() {
        let mut lines = Lines::default();
        lines.feed(b"\xff\xfe\n");
        let any = pattern("[..]");
        let verdict = lines.next(&any, &Names::new());
        let text = r"\xff\xfe".to_owned();
        assert_eq!(verdict, Verdict::Differs { text, at: 0, utf8: false });
    }

    #[test]
    fn a_flood_is_cut_and_noticed() {
        let mut lines = Lines::default();
        for _ in 0..=OUTPUT_LEN_MAX / 4 {
            lines.feed(b"abc\n");
        }
        assert!(lines.overflowed());
        assert_eq!(lines.count(), OUTPUT_LEN_MAX / 4);
    }

    #[test]
    fn a_panic_is_found_with_its_message() {
        let mut lines = Lines::default();
        lines.feed(b"fine\nthread 'main' (7) panicked at src/a.rs:1:2:\nno\nnote: backtrace\n");
        assert_eq!(
            lines.panic().as_deref(),
            Some("thread 'main' (7) panicked at src/a.rs:1:2:\nno")
        );
    }

    /// Judges `output` by `steps`; `want` is the first complaint.
    #[track_caller]
    fn check(output: &str, steps: &[&str], want: &str) {
        assert_eq!(complaint(output.as_bytes(), steps), want);
        // However the pipe cuts it, the verdict is the same.
        let mut lines = Lines::default();
        for byte in output.as_bytes() {
            lines.feed(&[*byte]);
        }
        assert_eq!(judge(lines, steps), want);
    }

    fn pattern(source: &str) -> Pattern {
        Pattern::parse(source, &|_| false).unwrap()
    }

    fn complaint(output: &[u8], steps: &[&str]) -> String {
        let mut lines = Lines::default();
        lines.feed(output);
        judge(lines, steps)
    }

    fn judge(mut lines: Lines, steps: &[&str]) -> String {
        let names = Names::new();
        for (index, step) in steps.iter().enumerate() {
            if let Some(text) = step.strip_prefix(">* ") {
                lines.add_somewhere(index, pattern(text));
            }
        }
        for (index, step) in steps.iter().enumerate() {
            if *step == "> ..." {
                lines.allow_anything();
            } else if step.starts_with(">* ") {
                if !lines.has_somewhere(index, &names) {
                    return format!("{step}: not yet");
                }
            } else {
                let pattern = pattern(step.strip_prefix("> ").unwrap());
                match lines.next(&pattern, &names) {
                    Verdict::Came { .. } => {}
                    Verdict::Differs { text, at, .. } => {
                        return format!("{step}: {text} differs at {at}");
                    }
                    Verdict::NotYet => return format!("{step}: not yet"),
                }
            }
        }
        lines.unknown(usize::MAX, &names).map_or(String::new(), |text| format!("unknown {text}"))
    }
}
