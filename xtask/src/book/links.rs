//! The links of the built book: those into the repository are made to work, then every one is
//! followed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{PAGES, Problem, files_below, html, listing, markdown, normal, read, slashed, write};

/// Where the listings of the repository's files lie in the built book.
const LISTINGS: &str = "files";

/// The page for a server's "not found": its links start at wherever the book is served.
const NOT_FOUND: &str = "404.html";

/// Every page once more, as one: what is wrong in it is wrong in the page it comes from.
const PRINT: &str = "print.html";

/// Turns links to the repository's files into links to listings of them, and reports the links
/// that lead nowhere.
///
/// # Errors
/// When a file cannot be read or written.
pub fn repair_and_check(root: &Path, output: &Path) -> anyhow::Result<Vec<Problem>> {
    let mut book = Book::default();
    for path in files_below(output, &[])? {
        let name = path.strip_prefix(output).unwrap_or(&path).to_owned();
        let is_page = path.extension().is_some_and(|extension| extension == "html");
        if is_page && name != Path::new(NOT_FOUND) {
            book.pages.insert(name.clone(), read(&path)?);
        }
        book.files.insert(name);
    }

    for (target, file) in book.repair(|file| repository_file(root, file)) {
        let listed = listing::page(&file, &read(&root.join(&file))?);
        write(&output.join(&target), &listed)?;
        book.files.insert(target.clone());
        book.pages.insert(target, listed);
    }
    for (name, page) in book.pages.iter().filter(|(name, _)| !name.starts_with(LISTINGS)) {
        write(&output.join(name), page)?;
    }

    let mut problems: Vec<_> = book.broken().into_iter().map(|b| b.locate(root)).collect();
    let summary = Path::new(PAGES).join("SUMMARY.md");
    problems.extend(book.unbuilt(&read(&root.join(&summary))?).into_iter().map(|link| {
        Problem::new(
            &summary,
            link.line,
            format!("mdbook passes over {}; is the summary's list in order?", link.target),
        )
    }));
    Ok(problems)
}

/// The file that a link means, from the root. mdBook turns every link to `x.md` into `x.html`,
/// whether or not the book has such a page.
fn repository_file(root: &Path, path: &Path) -> Option<PathBuf> {
    if path.starts_with("target") || path.starts_with(".git") || path.starts_with(PAGES) {
        return None;
    }
    [path.to_owned(), path.with_extension("md")].into_iter().find(|path| root.join(path).is_file())
}

/// The built book.
#[derive(Default)]
struct Book {
    /// Every file's path in the book.
    files: BTreeSet<PathBuf>,
    /// Those that are pages, with their HTML.
    pages: BTreeMap<PathBuf, String>,
}

/// A link that leads nowhere.
#[derive(Debug, PartialEq, Eq)]
struct Broken {
    /// The page it is on.
    page: PathBuf,
    target: String,
    why: &'static str,
}

impl Book {
    /// Turns the links that `find` knows as the repository's to listings, and returns the
    /// listings that this calls for: the path in the book, and of the file.
    fn repair(&mut self, find: impl Fn(&Path) -> Option<PathBuf>) -> BTreeMap<PathBuf, PathBuf> {
        let mut listings = BTreeMap::new();
        for (page, text) in &mut self.pages {
            let up = "../".repeat(page.components().count() - 1);
            let folder = page.parent().unwrap_or(Path::new(""));
            *text = html::rewrite(text, |target| {
                let (path, _) = html::split(target);
                let in_book = normal(&folder.join(&path));
                let is_there = in_book.is_some_and(|path| self.files.contains(&path));
                if path.is_empty() || !html::is_relative(target) || is_there {
                    return None;
                }
                let file = find(&normal(&Path::new(PAGES).join(folder).join(path))?)?;
                let listing = Path::new(LISTINGS).join(format!("{}.html", slashed(&file)));
                let fragment = target.find('#').map_or("", |start| &target[start..]);
                let changed = format!("{up}{}{fragment}", slashed(&listing));
                listings.insert(listing, file);
                Some(changed)
            });
        }
        listings
    }

    /// The pages that the summary names and mdBook did not build: it stops reading a summary,
    /// without a word, where it does not expect what comes.
    fn unbuilt(&self, summary: &str) -> Vec<markdown::Link> {
        let mut links = markdown::links(summary);
        links.retain(|link| {
            let page = Path::new(&link.target);
            page.extension().is_some_and(|extension| extension == "md")
                && !self.files.contains(&page.with_extension("html"))
        });
        links
    }

    fn broken(&self) -> Vec<Broken> {
        let pages: BTreeMap<_, _> =
            self.pages.iter().map(|(name, text)| (name, html::scan(text))).collect();
        let mut broken = Vec::new();
        for (name, page) in pages.iter().filter(|(name, _)| **name != Path::new(PRINT)) {
            for link in page.links.iter().filter(|link| html::is_relative(&link.target)) {
                let (path, fragment) = html::split(&link.target);
                let target = if path.is_empty() {
                    Some((*name).clone())
                } else {
                    normal(&name.parent().unwrap_or(Path::new("")).join(&path))
                };
                let target = target.filter(|target| self.files.contains(target));
                let why = match (&target, &fragment) {
                    (None, _) => "leads to nothing that is there",
                    (Some(target), Some(id)) => match pages.get(target) {
                        Some(page) if !page.ids.contains(id) => "leads to no heading of that page",
                        _ => continue,
                    },
                    (Some(_), None) => continue,
                };
                broken.push(Broken { page: (*name).clone(), target: link.target.clone(), why });
            }
        }
        broken
    }
}

impl Broken {
    /// Names the source of the page, and the line where the link is written.
    fn locate(self, root: &Path) -> Problem {
        let source = Path::new(PAGES).join(self.page.with_extension("md"));
        let Ok(text) = read(&root.join(&source)) else {
            let built = Path::new("target/book").join(&self.page);
            return Problem::new(built, None, format!("the link {} {}", self.target, self.why));
        };
        let link = written(&text, &self.target);
        let target = link.as_ref().map_or(&self.target, |link| &link.target);
        let folder = source.parent().and_then(|parent| normal(&parent.join(target)));
        let why = if folder.is_some_and(|folder| root.join(folder).is_dir()) {
            "leads to a folder, which the book has no page for; link to a file in it"
        } else {
            self.why
        };
        let what = format!("the link {target} {why}");
        Problem::new(source, link.as_ref().map(|link| link.line), what)
    }
}

/// The link in a page's source that became `built`.
fn written(source: &str, built: &str) -> Option<markdown::Link> {
    let as_built = |target: &str| target.replacen(".md", ".html", 1);
    let is_it = |link: &markdown::Link| link.target == built || as_built(&link.target) == built;
    markdown::links(source).into_iter().find(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_whose_links_lead_somewhere_is_in_order() {
        check_broken(
            &[
                ("a.html", "<h1 id='top'>x</h1><a href='b/c.html#d'>c</a><a href='#top'>t</a>"),
                ("b/c.html", "<p id=d>d</p><a href='../a.html'>a</a><img src='../p.svg'>"),
                ("p.svg", ""),
                ("e.html", "<a href='https://example.org/x'>x</a>"),
            ],
            &[],
        );
    }

    #[test]
    fn a_link_to_a_page_or_picture_that_is_not_there_is_broken() {
        check_broken(
            &[("a.html", "<a href='no.html'>x</a><img src=\"no.svg\">")],
            &[
                ("no.html", "leads to nothing that is there"),
                ("no.svg", "leads to nothing that is there"),
            ],
        );
    }

    #[test]
    fn a_link_out_of_the_book_is_broken() {
        check_broken(
            &[("a.html", "<a href='../../x.html'>x</a>"), ("x.html", "")],
            &[("../../x.html", "leads to nothing that is there")],
        );
    }

    #[test]
    fn a_fragment_needs_its_id() {
        check_broken(
            &[
                ("a.html", "<a href='b.html#no'>b</a><a href='#no'>a</a><a href='b.html#y'>b</a>"),
                ("b.html", "<h2 id='y'>"),
            ],
            &[
                ("b.html#no", "leads to no heading of that page"),
                ("#no", "leads to no heading of that page"),
            ],
        );
    }

    #[test]
    fn the_print_page_is_not_judged_a_second_time() {
        check_broken(&[("print.html", "<a href='no.html'>x</a>")], &[]);
    }

    #[test]
    fn a_broken_link_is_found_where_it_was_written() {
        let source = "x\n[a](b.md#c) [d](e.svg)\n`[f](g.md)`\n";
        for (built, line) in [("b.html#c", Some(2)), ("e.svg", Some(2)), ("g.html", None)] {
            assert_eq!(written(source, built).map(|link| link.line), line, "{built}");
        }
    }

    #[test]
    fn a_page_that_was_not_built_is_named() {
        let book = book(&[("a.html", "")]);
        let unbuilt = book.unbuilt("- [a](a.md)\n- [b](b/c.md)\n- [later]()\n");
        assert_eq!(unbuilt, [markdown::Link { target: "b/c.md".into(), line: 2 }]);
    }

    #[test]
    fn a_link_into_the_repository_becomes_one_to_a_listing() {
        let mut book = book(&[
            ("b/c.html", "<a href='../../../../crates/x.rs#L3'>x</a><a href='../a.html'>a</a>"),
            ("a.html", "<a href='../../../no.rs'>x</a>"),
        ]);
        let known = Path::new("crates/x.rs");
        let listings = book.repair(|path| (path == known).then(|| path.to_owned()));
        assert_eq!(
            listings.into_iter().collect::<Vec<_>>(),
            [("files/crates/x.rs.html".into(), known.to_owned())]
        );
        assert_eq!(
            book.pages[Path::new("b/c.html")],
            "<a href='../files/crates/x.rs.html#L3'>x</a><a href='../a.html'>a</a>"
        );
        assert_eq!(book.pages[Path::new("a.html")], "<a href='../../../no.rs'>x</a>");
    }

    fn book(files: &[(&str, &str)]) -> Book {
        let pages = files.iter().filter(|(name, _)| name.ends_with(".html"));
        Book {
            files: files.iter().map(|(name, _)| name.into()).collect(),
            pages: pages.map(|(name, text)| (name.into(), (*text).to_owned())).collect(),
        }
    }

    #[track_caller]
    fn check_broken(files: &[(&str, &str)], want: &[(&str, &str)]) {
        let broken = book(files).broken();
        let got: Vec<_> = broken.iter().map(|b| (b.target.as_str(), b.why)).collect();
        assert_eq!(got, want);
    }
}
