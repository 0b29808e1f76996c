//! `// ANCHOR: name` … `// ANCHOR_END: name`: the parts of a source file that a page shows.
//!
//! mdBook shows nothing at all, without a word, for an anchor that is not there or not closed.

/// A named part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// What a page includes it by.
    pub name: String,
    /// The line of its `ANCHOR`, counted from 1.
    pub line: usize,
}

/// The anchors of a source file, and what is wrong with them: line and words.
#[must_use]
pub fn scan(source: &str) -> (Vec<Anchor>, Vec<(usize, String)>) {
    let mut anchors: Vec<Anchor> = Vec::new();
    let mut open: Vec<Anchor> = Vec::new();
    let mut wrong = Vec::new();
    for (number, line) in source.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        match mark(line) {
            Some(Mark::Start(name)) => {
                if anchors.iter().any(|anchor| anchor.name == name) {
                    wrong.push((number, format!("ANCHOR {name} is there twice")));
                }
                let anchor = Anchor { name: name.to_owned(), line: number };
                open.push(anchor.clone());
                anchors.push(anchor);
            }
            Some(Mark::End(name)) => match open.iter().position(|anchor| anchor.name == name) {
                Some(place) => {
                    open.remove(place);
                }
                None => wrong.push((number, format!("ANCHOR_END {name} ends nothing"))),
            },
            None => {}
        }
    }
    wrong.extend(
        open.into_iter()
            .map(|anchor| (anchor.line, format!("ANCHOR {} has no ANCHOR_END", anchor.name))),
    );
    (anchors, wrong)
}

enum Mark<'a> {
    Start(&'a str),
    End(&'a str),
}

/// A line that is a comment and nothing but a mark. mdBook would take one within other text too.
fn mark(line: &str) -> Option<Mark<'_>> {
    let text = ["//", "#", "<!--"].iter().find_map(|opening| line.trim().strip_prefix(opening))?;
    let text = text.trim_end_matches("-->").trim();
    if let Some(name) = text.strip_prefix("ANCHOR:") {
        return Some(Mark::Start(name.trim()));
    }
    text.strip_prefix("ANCHOR_END:").map(|name| Mark::End(name.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_has_a_name_and_a_line() {
        check("fn a() {}\n// ANCHOR: b\nfn b() {}\n// ANCHOR_END: b\n", &[("b", 2)], &[]);
        check("# ANCHOR: toml\nx = 1\n# ANCHOR_END: toml\n", &[("toml", 1)], &[]);
        check("<!-- ANCHOR: svg -->\n<g/>\n<!-- ANCHOR_END: svg -->\n", &[("svg", 1)], &[]);
    }

    #[test]
    fn anchors_may_nest_and_overlap() {
        let source = "// ANCHOR: a\n// ANCHOR: b\n// ANCHOR_END: a\n// ANCHOR_END: b\n";
        check(source, &[("a", 1), ("b", 2)], &[]);
    }

    #[test]
    fn what_only_mentions_an_anchor_is_none() {
        check("let x = \"// ANCHOR: a\"; // see ANCHOR: b\n", &[], &[]);
    }

    #[test]
    fn an_anchor_left_open_is_wrong() {
        check("// ANCHOR: a\nx\n", &[("a", 1)], &[(1, "ANCHOR a has no ANCHOR_END")]);
    }

    #[test]
    fn an_end_without_a_start_is_wrong() {
        check("x\n// ANCHOR_END: a\n", &[], &[(2, "ANCHOR_END a ends nothing")]);
    }

    #[test]
    fn a_name_used_twice_is_wrong() {
        check(
            "// ANCHOR: a\n// ANCHOR_END: a\n// ANCHOR: a\n// ANCHOR_END: a\n",
            &[("a", 1), ("a", 3)],
            &[(3, "ANCHOR a is there twice")],
        );
    }

    #[track_caller]
    fn check(source: &str, want: &[(&str, usize)], wrong: &[(usize, &str)]) {
        let (anchors, got_wrong) = scan(source);
        let got: Vec<_> = anchors.iter().map(|a| (a.name.as_str(), a.line)).collect();
        assert_eq!(got, want);
        let got_wrong: Vec<_> = got_wrong.iter().map(|(line, w)| (*line, w.as_str())).collect();
        assert_eq!(got_wrong, wrong);
    }
}
