//! Draws the curves of `cargo xtask bench <chapter> --only curve --json` as an SVG: MB/s by window,
//! milliseconds by listeners.
//!
//! ```text
//!  --json ──▶ curves: (title, [(window, MB/s)]) ──▶ SVG, both axes doubling
//! ```
//!
//! On such axes "twice the window, twice the rate" is a straight line, and the limit a level one.
//! An entry called `window 8` is a point at 8, and the first column says how high.

use std::fmt::Write as _;

use anyhow::ensure;

/// One curve.
struct Curve<'a> {
    title: &'a str,
    axes: Axes<'a>,
    /// Window, and MB/s.
    points: Vec<(f64, f64)>,
}

/// What is counted along, and what upward.
type Axes<'a> = (&'a str, &'a str);

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 310.0;
const RIGHT: f64 = 610.0;
const TOP: f64 = 30.0;

/// Of the page's green and blue both are readable on white and on black.
const COLORS: [&str; 3] = ["#2a8c55", "#3b7dd8", "#c0662b"];

/// The SVG.
///
/// # Errors
/// When there is no curve in `json`.
pub fn svg(json: &str) -> anyhow::Result<String> {
    let curves = curves(json);
    let points = || curves.iter().flat_map(|curve| &curve.points);
    ensure!(points().count() > 1, "there is no curve in it; make it with --only curve --json");
    let most_x = points().map(|point| point.0).fold(1.0, f64::max).log2().ceil();
    let least_y = points().map(|point| point.1).fold(f64::MAX, f64::min).log2().floor();
    let most_y = points().map(|point| point.1).fold(0.0, f64::max).log2().ceil();
    let x = |window: f64| LEFT + (RIGHT - LEFT) * window.log2() / most_x.max(1.0);
    let y =
        |rate: f64| BOTTOM - (BOTTOM - TOP) * (rate.log2() - least_y) / (most_y - least_y).max(1.0);
    let mut svg = format!(
        "<!-- Drawn by `cargo xtask bench`; do not edit. -->\n<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    let mut exponent = 0.0_f64;
    while exponent <= most_x {
        let (window, at) = (exponent.exp2(), x(exponent.exp2()));
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {TOP}V{BOTTOM}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"326\" text-anchor=\"middle\">{window}</text>"
        );
        exponent += 1.0;
    }
    exponent = least_y;
    while exponent <= most_y {
        let (rate, at) = (exponent.exp2(), y(exponent.exp2()));
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{RIGHT}\" stroke=\"#ddd\"/><text x=\"62\" y=\"{:.1}\" text-anchor=\"end\">{rate}</text>",
            at + 4.0
        );
        exponent += 1.0;
    }
    let (along, upward) = curves.first().map_or(("", ""), |curve| curve.axes);
    // RFC 7440's word.
    let along = if along == "window" { "windowsize" } else { along };
    let _ = writeln!(
        svg,
        "<text x=\"340\" y=\"346\" text-anchor=\"middle\">{along}</text><text x=\"20\" y=\"20\">{upward}</text>"
    );
    for (number, curve) in curves.iter().enumerate() {
        // Names stand below the line's begin, or above where there is no room; of two that begin at
        // the same height the second stands above the first.
        let begin = |curve: &Curve<'_>| curve.points.first().map_or(0.0, |point| y(point.1));
        let is_near = |other: &&Curve<'_>| (begin(other) - begin(curve)).abs() < 16.0;
        let near = curves.iter().take(number).filter(is_near).fold(0.0, |near, _| near + 1.0);
        let is_low = begin(curve) + 22.0 > BOTTOM;
        let name_below = if near > 0.0 || is_low { -14.0 - 16.0 * near } else { 22.0 };
        svg.push_str(&line(curve, number, name_below, x, y));
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn line(
    curve: &Curve<'_>,
    number: usize,
    name_below: f64,
    x: impl Fn(f64) -> f64,
    y: impl Fn(f64) -> f64,
) -> String {
    let color = COLORS[number % COLORS.len()];
    let mut path = String::new();
    let mut dots = String::new();
    for (window, rate) in &curve.points {
        let (x, y) = (x(*window), y(*rate));
        let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { 'M' } else { 'L' });
        let _ = write!(dots, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>");
    }
    let (_, title) = curve.title.split_once(": ").unwrap_or(("", curve.title));
    // Where the line begins there is most room above it.
    let (from_x, from_y) = curve.points.first().map_or((LEFT, TOP), |(w, r)| (x(*w), y(*r)));
    format!(
        "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>{dots}<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{color}\">{title}</text>\n",
        from_x + 8.0,
        from_y + name_below
    )
}

/// The contests called `curve: …`, whose entries are called `window N`. The bench writes this JSON
/// itself, in this order: reading it is no reason for a library.
fn curves(json: &str) -> Vec<Curve<'_>> {
    let mut curves = Vec::new();
    for contest in json.split("{\"title\":\"").skip(1) {
        let title = contest.split('"').next().unwrap_or_default();
        let read: Vec<_> = contest.split("{\"name\":\"").skip(1).filter_map(point).collect();
        if let Some((axes, _)) = read.first().filter(|_| title.starts_with("curve: ")) {
            let points = read.iter().map(|(_, point)| *point).collect();
            curves.push(Curve { title, axes: *axes, points });
        }
    }
    curves
}

/// `window 8","MB/s":{"median":2,`: what is counted, and how much.
fn point(entry: &str) -> Option<(Axes<'_>, (f64, f64))> {
    let mut quoted = entry.split('"');
    let (along, at) = quoted.next()?.rsplit_once(' ')?;
    let upward = quoted.nth(1)?;
    let (_, rest) = entry.split_once(":{\"median\":")?;
    let height = rest.split(',').next()?.parse().ok()?;
    Some(((along, upward), (at.parse().ok()?, height)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn a_curve_is_drawn_from_what_the_bench_says() {
        let json = r#"{"contests":[{"title":"curve: here","entries":[{"name":"window 1","MB/s":{"median":2,"rounds":[2]}},{"name":"window 4","MB/s":{"median":8,"rounds":[8]}}]}]}"#;
        let svg = svg(json).unwrap();
        assert!(svg.contains("M70.0 310.0L610.0 30.0"), "{svg}");
        assert!(svg.contains(">here<"), "{svg}");
        // Two hyphens within a comment are no XML, and a browser then shows an error (XML 1.0, 2.5).
        let (comment, _) = svg.strip_prefix("<!--").unwrap().split_once("-->").unwrap();
        assert!(!comment.contains("--"), "{comment}");
        assert!(svg.contains(">windowsize<") && svg.contains(">MB/s<"), "{svg}");
        assert!(super::svg("{}").is_err());
    }

    #[test]
    fn the_first_column_is_drawn_and_names_do_not_lie_over_each_other() {
        let curve = |name: &str| {
            format!(
                r#"{{"title":"curve: {name}","entries":[{{"name":"listeners 1","p99 ms":{{"median":0.5,"rounds":[0.5]}},"p50 ms":{{"median":9,"rounds":[9]}}}},{{"name":"listeners 4","p99 ms":{{"median":2,"rounds":[2]}}}}]}}"#
            )
        };
        let svg = svg(&format!("[{},{}]", curve("poll"), curve("threads"))).unwrap();
        assert!(svg.contains(">listeners<") && svg.contains(">p99 ms<"), "{svg}");
        assert!(svg.contains("y=\"296.0\" fill=\"#2a8c55\">poll<"), "{svg}");
        assert!(svg.contains("y=\"280.0\" fill=\"#3b7dd8\">threads<"), "{svg}");
    }

    #[test]
    fn the_curves_in_the_book_are_those_that_were_measured() {
        for (chapter, name) in [("tftp", "windows"), ("tcp-chat", "latency")] {
            let path = format!("docs/en/src/{chapter}/{name}");
            let read = |ending: &str| {
                let file = workspace::root().join(format!("{path}.{ending}"));
                std::fs::read_to_string(file).unwrap()
            };
            assert!(
                svg(&read("json")).unwrap() == read("svg"),
                "draw it again: cargo xtask bench {chapter} --draw {path}.json > {path}.svg"
            );
        }
    }
}
