//! The links and ids of a built page, and the page with other links in it.

use std::collections::BTreeSet;
use std::ops::Range;

/// A `href` or `src`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where the value stands in the page, without its quotes.
    pub at: Range<usize>,
    /// The value, with its character references resolved.
    pub target: String,
}

/// What a page refers to, and what can be referred to in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub links: Vec<Link>,
    /// The values of `id` and `name`.
    pub ids: BTreeSet<String>,
}

/// Reads the tags of a page. Comments, scripts and styles hold none.
#[must_use]
pub fn scan(html: &str) -> Page {
    let mut page = Page::default();
    let mut at = 0;
    while let Some(found) = html[at..].find('<') {
        let start = at + found;
        let rest = &html[start..];
        let name = tag_name(rest);
        if rest.starts_with("<!--") {
            at = after(html, start, "-->");
        } else if name.is_empty() {
            at = start + 1;
        } else {
            at = attributes(html, start + 1 + name.len(), |name, value| {
                let text = unescape(&html[value.clone()]);
                match name {
                    "href" | "src" => page.links.push(Link { at: value, target: text }),
                    "id" | "name" => {
                        page.ids.insert(text);
                    }
                    _ => {}
                }
            });
            if matches!(name, "script" | "style") {
                at = after(html, at, &format!("</{name}"));
            }
        }
    }
    page
}

/// The page with those links replaced for which `change` has an answer.
#[must_use]
pub fn rewrite(html: &str, mut change: impl FnMut(&str) -> Option<String>) -> String {
    let mut rewritten = String::with_capacity(html.len());
    let mut copied = 0;
    for link in scan(html).links {
        if let Some(target) = change(&link.target) {
            rewritten.push_str(&html[copied..link.at.start]);
            rewritten.push_str(&escape(&target));
            copied = link.at.end;
        }
    }
    rewritten + &html[copied..]
}

/// Whether a link stays within the book or the repository: no scheme, no host.
#[must_use]
pub fn is_relative(target: &str) -> bool {
    let first = target.split(['/', '?', '#']).next().unwrap_or_default();
    !first.contains(':') && !target.starts_with('/')
}

/// A relative link's path and fragment, with `%20` and the like resolved; a query is dropped.
#[must_use]
pub fn split(target: &str) -> (String, Option<String>) {
    let (path, fragment) = match target.split_once('#') {
        Some((path, fragment)) => (path, Some(percent_decoded(fragment))),
        None => (target, None),
    };
    let path = path.split('?').next().unwrap_or_default();
    (percent_decoded(path), fragment.filter(|fragment| !fragment.is_empty()))
}

/// Text that can stand in HTML, in an attribute too.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The name of the tag that opens at the start of `html`; empty for anything else.
fn tag_name(html: &str) -> &str {
    let name = html.strip_prefix('<').unwrap_or_default();
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    &name[..end]
}

/// Hands each attribute with a value to `found` and returns where the tag is over.
fn attributes(html: &str, from: usize, mut found: impl FnMut(&str, Range<usize>)) -> usize {
    let mut at = from;
    loop {
        let rest = &html[at..];
        let Some(skip) = rest.find(|c: char| !c.is_whitespace() && c != '/') else {
            return html.len();
        };
        at += skip;
        let rest = &html[at..];
        if rest.starts_with('>') {
            return at + 1;
        }
        let len = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| c.is_whitespace() || matches!(c, '=' | '>' | '/'))
            .map_or(rest.len(), |(end, _)| end);
        let name = rest[..len].to_ascii_lowercase();
        at += len;
        let value = html[at..].trim_start();
        let Some(value) = value.strip_prefix('=').map(str::trim_start) else { continue };
        let start = html.len() - value.len();
        let range = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let len = value[1..].find(quote).unwrap_or(value.len() - 1);
                at = (start + len + 2).min(html.len());
                start + 1..start + 1 + len
            }
            _ => {
                let end = |c: char| c.is_whitespace() || c == '>';
                at = start + value.find(end).unwrap_or(value.len());
                start..at
            }
        };
        found(&name, range);
    }
}

/// The place behind the next `mark`, or the end.
fn after(html: &str, from: usize, mark: &str) -> usize {
    html[from..].find(mark).map_or(html.len(), |found| from + found + mark.len())
}

fn unescape(text: &str) -> String {
    // `&amp;` last: what it makes must not be resolved again.
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&amp;", "&")
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = (first == b'%').then(|| tail.get(..2)).flatten();
        let byte = code.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_however_they_are_quoted() {
        check("<a href=\"a.html#b\">x</a><img src='p.svg'>", &["a.html#b", "p.svg"], &[]);
        check("<a class=x href=a.html>y</a> <br/> <A HREF = \"b\">", &["a.html", "b"], &[]);
        check("<a href=\"a?b=1&amp;c=2\" title=\"a > b\">", &["a?b=1&c=2"], &[]);
    }

    #[test]
    fn ids_and_names_can_be_linked_to() {
        check("<h2 id=\"one\">1</h2><a name='two'></a>", &[], &["one", "two"]);
    }

    #[test]
    fn comments_scripts_and_text_hold_no_links() {
        check("<!-- <a href='x'> --><a href='y'>", &["y"], &[]);
        check("<script src='s.js'>'<a href=\"x\">'</script><a href='y'>", &["s.js", "y"], &[]);
        check("1 < 2 &lt;a href='x'&gt; </a><b>", &[], &[]);
    }

    #[test]
    fn a_page_cut_short_is_read_to_its_end() {
        for cut in ["<", "<a", "<a href", "<a href=", "<a href=\"x", "<!-- x", "<script>x"] {
            let _ = scan(cut);
        }
    }

    #[test]
    fn only_the_links_that_change_are_touched() {
        let page = "<a href='a'>a</a> <a href=\"b\">b</a>";
        let rewritten = rewrite(page, |target| (target == "b").then(|| "c&d".to_owned()));
        assert_eq!(rewritten, "<a href='a'>a</a> <a href=\"c&amp;d\">b</a>");
        assert_eq!(rewrite(page, |_| None), page);
    }

    #[test]
    fn a_relative_link_has_no_scheme_and_no_host() {
        for (target, relative) in [
            ("a.html", true),
            ("../a.html#b", true),
            ("#b", true),
            ("a/b:c", true),
            ("https://example.org", false),
            ("mailto:a@example.org", false),
            ("//example.org/a", false),
            ("/a", false),
        ] {
            assert_eq!(is_relative(target), relative, "{target}");
        }
    }

    #[test]
    fn a_link_is_split_into_path_and_fragment() {
        for (target, path, fragment) in [
            ("a.html", "a.html", None),
            ("a.html?x=1#b", "a.html", Some("b")),
            ("#b", "", Some("b")),
            ("a#", "a", None),
            ("a%20b#%E4%B8%AD", "a b", Some("中")),
            ("100%", "100%", None),
        ] {
            assert_eq!(split(target), (path.to_owned(), fragment.map(str::to_owned)), "{target}");
        }
    }

    #[track_caller]
    fn check(html: &str, links: &[&str], ids: &[&str]) {
        let page = scan(html);
        let targets: Vec<_> = page.links.iter().map(|link| link.target.as_str()).collect();
        assert_eq!(targets, links);
        assert!(page.ids.iter().eq(ids), "{:?}", page.ids);
    }
}
