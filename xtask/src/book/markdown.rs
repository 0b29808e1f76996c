//! What a page refers to: its links and its includes, with their lines.
//!
//! This is no Markdown parser. It finds what must resolve, and is careful to find nothing inside
//! code, where brackets mean something else.

/// `[text](target)`, `![text](target)`, `[name]: target`, `href="target"` or `src="target"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// As the page writes it, with its `#fragment`.
    pub target: String,
    /// Counted from 1.
    pub line: usize,
}

/// `{{#include path:anchor}}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// Relative to the page.
    pub path: String,
    /// What stands behind the path: an anchor's name, or line numbers.
    pub part: Option<String>,
    /// Counted from 1.
    pub line: usize,
}

/// The links of a page, in order. Those in code are not links.
#[must_use]
pub fn links(page: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (line, text) in prose(page) {
        let text = without_code(text);
        let targets = after_each(&text, "](", &[')', ' '])
            .chain(after_each(&text, "href=\"", &['"']))
            .chain(after_each(&text, "src=\"", &['"']))
            .chain(definition(&text))
            .filter(|target| !target.is_empty());
        links.extend(targets.map(|target| Link { target: target.to_owned(), line }));
    }
    links
}

/// The includes of a page, in order: mdBook takes them in code as anywhere else, unless a
/// backslash stands before them.
#[must_use]
pub fn includes(page: &str) -> Vec<Include> {
    let mut includes = Vec::new();
    for (index, text) in page.lines().enumerate() {
        for (start, _) in text.match_indices("{{#") {
            let escaped = text[..start].ends_with('\\');
            let Some((inside, _)) = text[start + 3..].split_once("}}") else { continue };
            let Some((command, argument)) = inside.split_once(' ') else { continue };
            if escaped || !matches!(command, "include" | "rustdoc_include" | "playground") {
                continue;
            }
            let argument = argument.trim();
            let (path, part) = match argument.split_once(':') {
                Some((path, part)) => (path, Some(part.to_owned())),
                None => (argument, None),
            };
            includes.push(Include { path: path.to_owned(), part, line: index + 1 });
        }
    }
    includes
}

/// The lines outside fenced code, with their numbers.
fn prose(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<&str> = None;
    page.lines().enumerate().filter_map(move |(index, line)| {
        let text = line.trim_start();
        match fence {
            Some(opening) => {
                let closes = text.starts_with(opening)
                    && text.trim_end().chars().all(|c| opening.starts_with(c));
                if closes {
                    fence = None;
                }
                None
            }
            None => {
                fence = opening_fence(text);
                fence.is_none().then_some((index + 1, line))
            }
        }
    })
}

/// The run of backticks or tildes that opens a code block.
fn opening_fence(line: &str) -> Option<&str> {
    let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let len = line.len() - line.trim_start_matches(mark).len();
    let (run, info) = line.split_at(len);
    (len >= 3 && !info.contains('`')).then_some(run)
}

/// The line with what stands between backticks left out.
fn without_code(line: &str) -> String {
    let mut kept = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        let (before, from) = rest.split_at(start);
        let run = from.len() - from.trim_start_matches('`').len();
        let (ticks, inside) = from.split_at(run);
        kept.push_str(before);
        match closing(inside, ticks) {
            Some(end) => rest = &inside[end..],
            None => {
                kept.push_str(ticks);
                rest = inside;
            }
        }
    }
    kept + rest
}

/// Where code that `ticks` opened goes on as prose: behind the first run of just as many.
fn closing(inside: &str, ticks: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = inside[from..].find('`') {
        let start = from + found;
        let rest = &inside[start..];
        let run = rest.len() - rest.trim_start_matches('`').len();
        if run == ticks.len() {
            return Some(start + run);
        }
        from = start + run;
    }
    None
}

/// What follows each `opening`, up to one of `ends`.
fn after_each<'a>(
    text: &'a str,
    opening: &'a str,
    ends: &'a [char],
) -> impl Iterator<Item = &'a str> {
    text.match_indices(opening).filter_map(move |(start, _)| {
        let rest = &text[start + opening.len()..];
        // `](<a b>)` is for targets with spaces.
        if let Some(bracketed) = rest.strip_prefix('<') {
            return bracketed.split_once('>').map(|(target, _)| target);
        }
        rest.find(ends).map(|end| &rest[..end])
    })
}

/// The target of `[name]: target`.
fn definition(text: &str) -> Option<&str> {
    let (_, target) = text.trim_start().strip_prefix('[')?.split_once("]: ")?;
    target.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_link_is_found() {
        check_links("See [a](b.md) and ![p](p.svg \"title\").", &[("b.md", 1), ("p.svg", 1)]);
        check_links("\n[a]: ../c.md#d\n", &[("../c.md#d", 2)]);
        check_links("<img src=\"p.svg\"> <a href=\"#x\">y</a>", &[("#x", 1), ("p.svg", 1)]);
        check_links("[a](<b c.md>)", &[("b c.md", 1)]);
        check_links("- [draft]()", &[]);
    }

    #[test]
    fn code_holds_no_links() {
        check_links("```text\n[a](b)\n```\n[c](d)", &[("d", 4)]);
        check_links("````md\n```\n[a](b)\n````\n[c](d)", &[("d", 5)]);
        check_links("`[a](b)` [c](d) ``x ` [e](f)``", &[("d", 1)]);
        check_links("a single ` tick [c](d)", &[("d", 1)]);
    }

    #[test]
    fn includes_are_found_in_code_too() {
        check_includes("{{#include a.rs:server}}", &[("a.rs", Some("server"), 1)]);
        check_includes("```text\n{{#include ../x.demo}}\n```", &[("../x.demo", None, 2)]);
        check_includes("{{#rustdoc_include a.rs:2:5}}", &[("a.rs", Some("2:5"), 1)]);
    }

    #[test]
    fn what_is_no_include_is_left_alone() {
        check_includes("\\{{#include a.rs}} {{#title x}} {{#include", &[]);
    }

    #[track_caller]
    fn check_links(page: &str, want: &[(&str, usize)]) {
        let links = links(page);
        let got: Vec<_> = links.iter().map(|link| (link.target.as_str(), link.line)).collect();
        assert_eq!(got, want);
    }

    #[track_caller]
    fn check_includes(page: &str, want: &[(&str, Option<&str>, usize)]) {
        let includes = includes(page);
        let got: Vec<_> =
            includes.iter().map(|i| (i.path.as_str(), i.part.as_deref(), i.line)).collect();
        assert_eq!(got, want);
    }
}
