//! A source file as a page of the built book. A copy of the file itself would do, if browsers
//! did not guess the encoding of plain text from a disk, and get 中文 wrong.

use std::fmt::Write;
use std::path::Path;

use super::html::escape;
use super::slashed;

const STYLE: &str = "\
:root { color-scheme: light dark }
body { margin: 1rem; font: 14px/1.45 ui-monospace, monospace }
pre { margin: 0; font: inherit; overflow-x: auto }
span::before { content: attr(id); display: inline-block; width: 4em; color: #888; user-select: none }
span:target { background: #ff04 }";

/// The listing of `file`. Its lines have the ids that a code host gives them: `L1`, `L2`, …
#[must_use]
pub fn page(file: &Path, text: &str) -> String {
    let name = escape(&slashed(file));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{name}</title>\n<style>\n{STYLE}\n</style>\n<h3>{name}</h3>\n<pre>\n"
    );
    for (index, line) in text.lines().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "<span id=\"L{}\">{}</span>", index + 1, escape(line));
    }
    page + "</pre>\n</html>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::html;

    #[test]
    fn a_listing_has_every_line_and_makes_no_tags_of_them() {
        let page = page(Path::new("a.rs"), "<b id=\"x\">\n\n中文 & more\n");
        assert!(page.contains("<span id=\"L1\">&lt;b id=&quot;x&quot;&gt;</span>\n"), "{page}");
        assert!(page.contains("<span id=\"L3\">中文 &amp; more</span>\n"), "{page}");
        let ids = html::scan(&page).ids;
        assert!(ids.contains("L3") && !ids.contains("x") && !ids.contains("L4"), "{ids:?}");
    }
}
