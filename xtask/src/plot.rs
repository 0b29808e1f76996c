//! Figures as pictures: lines over an axis, or bars. Pure: numbers in, SVG out.
//!
//! ```text
//!  MB/s by window
//!   64 ┤            ___── ours           the name stands where its line ends
//!    8 ┤       __──
//!    1 ┼──┬──┬──┬──┬──
//!      1  2  4  8  16                    doubling, where the least is far below the most
//! ```
//!
//! All figures stand in the description too, for those who do not see the picture.

use std::fmt::Write as _;

use crate::cable::ladder::cut;
use crate::svg;

/// Some lines.
pub struct Plot<'a> {
    /// What is the same for all lines; empty if there is nothing.
    pub about: &'a str,
    /// What is counted along.
    pub along: &'a str,
    /// What is counted upward.
    pub upward: &'a str,
    /// The lines.
    pub series: Vec<Series<'a>>,
}

/// A line.
pub struct Series<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Along, and upward.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 74.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 300.0;
/// Two names need this much between their lines of text.
const NAME: f64 = 17.0;
const BAR: f64 = 26.0;

/// From a least to a most: where the one is less than an eighth of the other, each step of the
/// axis doubles, so that twice as much for twice as much is a straight line.
#[derive(Clone, Copy, Debug)]
struct Axis {
    low: f64,
    high: f64,
    doubles: bool,
    from: f64,
    to: f64,
}

const DOUBLES_FROM: f64 = 8.0;
/// More marks than this are too many to read.
const MARKS_MAX: f64 = 12.0;

impl Axis {
    fn over(figures: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let least = figures.clone().fold(f64::MAX, f64::min);
        let most = figures.fold(f64::MIN, f64::max);
        let doubles = least > 0.0 && most / least >= DOUBLES_FROM;
        let (low, high) = if doubles {
            (least.log2().floor(), most.log2().ceil())
        } else {
            let step = step(most.max(0.0) - least.min(0.0));
            (least.min(0.0), (most / step).ceil().max(1.0) * step)
        };
        Self { low, high, doubles, from, to }
    }

    fn place(self, figure: f64) -> f64 {
        let figure = if self.doubles { figure.log2() } else { figure };
        self.from + (self.to - self.from) * (figure - self.low) / (self.high - self.low).max(1e-9)
    }

    /// The figures that are marked.
    fn marks(self) -> Vec<f64> {
        let step = match self.doubles {
            true => ((self.high - self.low) / MARKS_MAX).ceil().max(1.0),
            false => step(self.high - self.low),
        };
        let mut marks = Vec::new();
        let mut at = self.low;
        while at <= self.high + step / 1000.0 {
            marks.push(if self.doubles { at.exp2() } else { at });
            at += step;
        }
        marks
    }
}

/// A round step that gives an axis over `span` a handful of marks.
fn step(span: f64) -> f64 {
    let rough = (span / 5.0).max(1e-9);
    let ten = 10_f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0].into_iter().find(|times| times * ten >= rough).unwrap_or(10.0);
    times * ten
}

/// Draws lines. `maker` is the command that draws it.
#[must_use]
pub fn lines(plot: &Plot<'_>, maker: &str) -> String {
    let names = plot.series.iter().map(|series| svg::text_width(series.name));
    let right = (WIDTH - 32.0 - names.fold(0.0, f64::max)).max(WIDTH / 2.0);
    let points = || plot.series.iter().flat_map(|series| series.points.iter().copied());
    let x = Axis::over(points().map(|point| point.0).collect::<Vec<_>>().into_iter(), LEFT, right);
    let y = Axis::over(points().map(|point| point.1).collect::<Vec<_>>().into_iter(), BOTTOM, TOP);
    let about = if plot.about.is_empty() { String::new() } else { format!(", {}", plot.about) };
    let title = format!("{} by {}{about}", plot.upward, plot.along);
    let mut out = svg::open((WIDTH, HEIGHT), &title, &words(plot), maker);
    svg::text(&mut out, (16.0, 26.0), "head", &title);
    for mark in x.marks() {
        let at = x.place(mark);
        let _ = writeln!(out, "<path class=\"grid\" d=\"M{at:.1} {TOP}V{BOTTOM}\"/>");
        svg::text(&mut out, (at, BOTTOM + 18.0), "note mid", &figure(mark));
    }
    for mark in y.marks() {
        let at = y.place(mark);
        let _ = writeln!(out, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right:.1}\"/>");
        svg::text(&mut out, (LEFT - 8.0, at + 4.0), "note end", &figure(mark));
    }
    svg::text(&mut out, ((LEFT + right) / 2.0, BOTTOM + 42.0), "mid", plot.along);
    let ends: Vec<f64> =
        plot.series.iter().map(|s| s.points.last().map_or(TOP, |last| y.place(last.1))).collect();
    for (number, (series, name_y)) in plot.series.iter().zip(apart(&ends)).enumerate() {
        let color = svg::color(number);
        let mut path = String::new();
        for (along, upward) in &series.points {
            let (x, y) = (x.place(*along), y.place(*upward));
            let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { 'M' } else { 'L' });
            let _ =
                writeln!(out, "<circle class=\"{color}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
        }
        let _ = writeln!(out, "<path class=\"thin {color}\" d=\"{path}\"/>");
        let name = cut(series.name, svg::columns(WIDTH - right - 14.0));
        svg::text(&mut out, (right + 10.0, name_y + 4.0), &color, &name);
    }
    out + "</svg>\n"
}

/// Heights for names, as near to `ends` as they can be without one lying over another.
fn apart(ends: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_by(|a, b| ends[*a].total_cmp(&ends[*b]));
    let mut heights = ends.to_vec();
    let mut free = f64::MIN;
    for index in order {
        heights[index] = ends[index].max(free);
        free = heights[index] + NAME;
    }
    heights
}

/// Draws a bar for each figure, where there is nothing to count along.
#[must_use]
pub fn bars(title: &str, unit: &str, figures: &[(&str, f64)], maker: &str) -> String {
    let widest = figures.iter().map(|(name, _)| svg::text_width(name)).fold(0.0, f64::max);
    let left = widest + 28.0;
    let most = figures.iter().map(|(_, figure)| *figure).fold(1e-9, f64::max);
    let mut height = TOP;
    let told: Vec<String> =
        figures.iter().map(|(name, value)| format!("{name}: {}", figure(*value))).collect();
    let title = format!("{title}: {unit}");
    let rows: f64 = figures.iter().map(|_| BAR).sum();
    let words = format!("{}.", told.join("; "));
    let mut out = svg::open((WIDTH, TOP + rows + 10.0), &title, &words, maker);
    svg::text(&mut out, (16.0, 26.0), "head", &title);
    for (name, value) in figures {
        let length = (WIDTH - left - 90.0).max(40.0) * (value / most).clamp(0.0, 1.0);
        svg::text(&mut out, (left - 10.0, height + 11.0), "end", name);
        let _ = writeln!(
            out,
            "<path class=\"c0\" d=\"M{left:.1} {:.1}h{length:.1}v14h-{length:.1}z\"/>",
            height - 1.0
        );
        svg::text(&mut out, (left + length + 8.0, height + 11.0), "", &figure(*value));
        height += BAR;
    }
    out + "</svg>\n"
}

/// Short enough for an axis: three digits that count.
fn figure(figure: f64) -> String {
    let (scaled, unit) = match figure.abs() {
        large if large >= 1e9 => (figure / 1e9, " G"),
        large if large >= 1e6 => (figure / 1e6, " M"),
        large if large >= 1e5 => (figure / 1e3, " k"),
        _ => (figure, ""),
    };
    let digits = match scaled.abs() {
        small if small >= 100.0 || scaled.fract() == 0.0 => 0,
        small if small >= 10.0 => 1,
        small if small >= 1.0 => 2,
        small if small >= 0.1 => 3,
        _ => 4,
    };
    let text = format!("{scaled:.digits$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

/// The table.
fn words(plot: &Plot<'_>) -> String {
    let mut text = String::new();
    for series in &plot.series {
        let points = series.points.iter().map(|(x, y)| format!("{} at {}", figure(*y), figure(*x)));
        let _ = write!(text, "{}: {}. ", series.name, points.collect::<Vec<_>>().join(", "));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_doubles_where_the_least_is_far_below_the_most() {
        // Figures; whether it doubles; its marks.
        for (figures, doubles, marks) in [
            (&[1.0, 2.0, 8.0][..], true, &[1.0, 2.0, 4.0, 8.0][..]),
            (&[3.0, 40.0], true, &[2.0, 4.0, 8.0, 16.0, 32.0, 64.0]),
            (&[1.0, 2.0, 4.0], false, &[0.0, 1.0, 2.0, 3.0, 4.0]),
            (&[0.0, 90.0], false, &[0.0, 20.0, 40.0, 60.0, 80.0, 100.0]),
            (&[7.0], false, &[0.0, 2.0, 4.0, 6.0, 8.0]),
        ] {
            let axis = Axis::over(figures.iter().copied(), 0.0, 100.0);
            assert_eq!((axis.doubles, &axis.marks()[..]), (doubles, marks), "{figures:?}");
            for figure in figures {
                assert!((-0.01..=100.01).contains(&axis.place(*figure)), "{figure} in {axis:?}");
            }
        }
    }

    #[test]
    fn names_do_not_lie_over_each_other() {
        assert_eq!(apart(&[50.0, 100.0]), [50.0, 100.0]);
        assert_eq!(apart(&[100.0, 90.0, 95.0]), [124.0, 90.0, 107.0]);
    }

    #[test]
    fn figures_are_short() {
        for (value, want) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (0.0312, "0.0312"),
            (1.5, "1.5"),
            (12.34, "12.3"),
            (512.0, "512"),
            (1234.5, "1234"),
            (131_072.0, "131 k"),
            (2_500_000.0, "2.5 M"),
            (3e9, "3 G"),
        ] {
            assert_eq!(figure(value), want);
        }
    }

    #[test]
    fn pictures_are_xml_and_tell_every_figure() {
        let series = vec![Series { name: "a<b", points: vec![(1.0, 2.0), (2.0, 40.0)] }];
        let drawn =
            lines(&Plot { about: "", along: "frames", upward: "MB/s", series }, "x --draw y");
        for svg in [drawn, bars("echo", "MB/s", &[("a<b", 2.0), ("one call", 40.0)], "x --draw y")]
        {
            let tree = roxmltree::Document::parse(&svg).unwrap();
            let words = tree.descendants().find(|node| node.has_tag_name((SVG, "desc"))).unwrap();
            let words = words.text().unwrap();
            assert!(["a<b", "2", "40"].iter().all(|word| words.contains(word)), "{words}");
        }
    }

    const SVG: &str = "http://www.w3.org/2000/svg";
}
