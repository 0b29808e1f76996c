//! Draws the output of `cargo xtask bench <chapter> --json`: its curves if it has any, or a bar for
//! each entry.
//!
//! ```text
//!  contest "curve: poll", entries "listeners 1", "listeners 4" … ──▶ a line called poll
//!  any other contests                                            ──▶ a bar for each entry
//! ```
//!
//! The first column of a contest is what is drawn; the bench says which one that is. Contests
//! without a curve stand one below the other, as far as they count the same as the first of them.

use anyhow::ensure;

use crate::plot::{self, Group, Plot, Series};

/// How the title of a contest begins that is a line.
const CURVE: &str = "curve: ";

/// The command that draws it.
const MAKER: &str = "cargo xtask bench --draw";

/// A contest, as its bench has written it.
struct Contest<'a> {
    title: &'a str,
    entries: Vec<Entry<'a>>,
}

/// The name, what the first column is called, and its median.
type Entry<'a> = (&'a str, &'a str, f64);

/// The SVG.
///
/// # Errors
/// When there are no figures in `json`.
pub fn svg(json: &str) -> anyhow::Result<String> {
    let contests = contests(json);
    let mut series: Vec<Series<'_>> = contests.iter().filter_map(curve).collect();
    let of_curve = contests.iter().find(|contest| contest.title.starts_with(CURVE));
    if let Some((name, upward, _)) = of_curve.and_then(|contest| contest.entries.first()) {
        let points = series.iter().map(|series| series.points.len()).sum::<usize>();
        ensure!(
            points > 1,
            "its curves have no points; is each entry called `window 8` or the like?"
        );
        let along = name.rsplit_once(' ').map_or("", |(along, _)| along);
        let about = common(&series);
        for series in &mut series {
            series.name = series.name.get(about.len()..).unwrap_or(series.name);
        }
        let about = about.trim_end_matches(", ");
        return Ok(plot::lines(&Plot { about, along, upward, series }, MAKER));
    }
    let unit = contests.iter().find_map(|contest| Some(contest.entries.first()?.1));
    let Some(unit) = unit else {
        anyhow::bail!("there are no figures in it; make it with --json");
    };
    let groups = contests.iter().filter_map(|contest| {
        let (_, own, _) = contest.entries.first()?;
        let bars = contest.entries.iter().map(|(name, _, figure)| (*name, *figure)).collect();
        (*own == unit).then_some(Group { title: contest.title, bars })
    });
    Ok(plot::bars(unit, &groups.collect::<Vec<_>>(), MAKER))
}

/// An entry called `window 8` is a point at 8.
fn curve<'a>(contest: &Contest<'a>) -> Option<Series<'a>> {
    let name = contest.title.strip_prefix(CURVE)?;
    let point = |entry: &Entry<'a>| Some((entry.0.rsplit_once(' ')?.1.parse().ok()?, entry.2));
    Some(Series { name, points: contest.entries.iter().filter_map(point).collect() })
}

/// What all names begin with, up to a comma: it is said once.
fn common<'a>(series: &[Series<'a>]) -> &'a str {
    let Some((first, others)) = series.split_first().filter(|(_, others)| !others.is_empty())
    else {
        return "";
    };
    let commas = first.name.match_indices(", ").map(|(at, comma)| &first.name[..at + comma.len()]);
    let is_common = |start: &&str| others.iter().all(|other| other.name.starts_with(*start));
    commas.filter(is_common).last().unwrap_or("")
}

/// The bench writes this JSON itself, in this order: reading it is no reason for a library.
fn contests(json: &str) -> Vec<Contest<'_>> {
    let contests = json.split("{\"title\":\"").skip(1);
    contests
        .map(|contest| Contest {
            title: contest.split('"').next().unwrap_or_default(),
            entries: contest.split("{\"name\":\"").skip(1).filter_map(entry).collect(),
        })
        .collect()
}

/// `window 8","MB/s":{"median":2,`
fn entry(text: &str) -> Option<Entry<'_>> {
    let mut quoted = text.split('"');
    let (name, column) = (quoted.next()?, quoted.nth(1)?);
    let (_, rest) = text.split_once(":{\"median\":")?;
    Some((name, column, rest.split(',').next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn a_curve_is_drawn_from_what_the_bench_says() {
        let json = r#"{"contests":[{"title":"curve: here","entries":[{"name":"window 1","MB/s":{"median":2,"rounds":[2]}},{"name":"window 4","MB/s":{"median":8,"rounds":[8]}}]}]}"#;
        let svg = svg(json).unwrap();
        assert!(svg.contains(">here<") && svg.contains(">MB/s by window<"), "{svg}");
        assert!(svg.contains("here: 2 at 1, 8 at 4."), "{svg}");
        assert!(super::svg("{}").is_err());
    }

    #[test]
    fn any_chapters_curves_are_drawn_by_their_first_column() {
        let json = r#"{"contests":[
            {"title":"fan-out","entries":[{"name":"ours","p99 ms":{"median":7,"rounds":[7]}}]},
            {"title":"curve: poll","entries":[{"name":"listeners 1","p99 ms":{"median":1,"rounds":[1]},"lines/s":{"median":9,"rounds":[9]}},{"name":"listeners 2","p99 ms":{"median":3,"rounds":[3]}}]},
            {"title":"curve: threads","entries":[{"name":"listeners 1","p99 ms":{"median":2,"rounds":[2]}}]}],
            "skipped":[{"name":"x","why":"y"}]}"#;
        let svg = svg(json).unwrap();
        assert!(svg.contains("poll: 1 at 1, 3 at 2. threads: 2 at 1."), "{svg}");
        assert!(svg.contains(">p99 ms by listeners<"), "{svg}");
        let same = super::svg(&json.replace("curve: ", "curve: ours, 8 bytes, ")).unwrap();
        assert!(same.contains(">p99 ms by listeners, ours, 8 bytes<"), "{same}");
        assert!(same.contains(">poll<") && same.contains(">threads<"), "{same}");
    }

    #[test]
    fn entries_that_are_no_curve_are_bars_below_their_contests_title() {
        let json = r#"{"contests":[
            {"title":"echo","entries":[{"name":"one call each","per second":{"median":200,"rounds":[200]}},{"name":"many at once","per second":{"median":900,"rounds":[900]}}]},
            {"title":"memory","entries":[{"name":"one call each","KiB":{"median":7,"rounds":[7]}}]},
            {"title":"bursts","entries":[{"name":"one call each","per second":{"median":300,"rounds":[300]}}]}]}"#;
        let svg = svg(json).unwrap();
        let words = "echo: one call each 200, many at once 900. bursts: one call each 300.";
        assert!(svg.contains(words), "{svg}");
        assert!(svg.contains(">per second<") && !svg.contains("memory"), "{svg}");
    }

    #[test]
    fn the_pictures_in_the_book_are_what_was_measured() {
        for (chapter, name) in [
            ("udp-echo", "bench"),
            ("tftp", "windows"),
            ("tcp-chat", "latency"),
            ("sticky-packets", "framings"),
        ] {
            let json = format!("docs/en/src/{chapter}/{name}.json");
            let read = |file: &str| std::fs::read_to_string(workspace::root().join(file)).unwrap();
            let drawn = svg(&read(&json)).unwrap();
            let picture = json.replace(".json", ".svg");
            let again = format!("cargo xtask bench {chapter} --draw {json} > {picture}");
            assert!(drawn == read(&picture), "draw it again: {again}");
        }
    }
}
