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
const BAR: f64 = 22.0;
/// Between two groups of bars.
const BETWEEN: f64 = 12.0;

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
    let curves: Vec<Vec<(f64, f64)>> = plot
        .series
        .iter()
        .map(|series| series.points.iter().map(|(a, b)| (x.place(*a), y.place(*b))).collect())
        .collect();
    for (number, points) in curves.iter().enumerate() {
        let color = svg::color(number);
        let mut path = String::new();
        for (x, y) in points {
            let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { 'M' } else { 'L' });
            let _ =
                writeln!(out, "<circle class=\"{color}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
        }
        let _ = writeln!(out, "<path class=\"thin {color}\" d=\"{path}\"/>");
    }
    for (number, (series, place)) in plot.series.iter().zip(places(plot, &curves)).enumerate() {
        let class = format!("{}{}", svg::color(number), if place.ends { " end" } else { "" });
        let name = cut(series.name, svg::columns(WIDTH - right - 14.0));
        svg::text(&mut out, place.at, &class, &name);
    }
    out + "</svg>\n"
}

/// Where a name stands.
struct Place {
    at: (f64, f64),
    /// It ends there, and does not begin.
    ends: bool,
}

/// Each name stands where its line ends: beside the picture, or, if the line ends earlier, near its end
/// where no line is.
fn places(plot: &Plot<'_>, curves: &[Vec<(f64, f64)>]) -> Vec<Place> {
    let ends: Vec<(f64, f64)> =
        curves.iter().map(|points| points.last().copied().unwrap_or((LEFT, TOP))).collect();
    let right = ends.iter().map(|end| end.0).fold(LEFT, f64::max);
    let is_outside = |end: &(f64, f64)| end.0 > right - 1.0;
    let outside: Vec<f64> = ends.iter().filter(|end| is_outside(end)).map(|end| end.1).collect();
    let mut heights = apart(&outside).into_iter();
    ends.iter()
        .zip(&plot.series)
        .map(|(&(x, y), series)| {
            if is_outside(&(x, y)) {
                let height = heights.next().unwrap_or(y);
                return Place { at: (x + 10.0, height + 4.0), ends: false };
            }
            let around = [
                Place { at: (x - 8.0, y - 8.0), ends: true },
                Place { at: (x + 8.0, y + 16.0), ends: false },
                Place { at: (x + 8.0, y - 8.0), ends: false },
                Place { at: (x - 8.0, y + 18.0), ends: true },
            ];
            let width = svg::text_width(series.name);
            let [first, others @ ..] = around;
            if is_free(&first, width, curves) {
                return first;
            }
            others.into_iter().find(|place| is_free(place, width, curves)).unwrap_or(first)
        })
        .collect()
}

/// Whether no line passes through a name of this width.
fn is_free(place: &Place, width: f64, curves: &[Vec<(f64, f64)>]) -> bool {
    let (x, y) = place.at;
    let from = if place.ends { x - width } else { x };
    let is_in = |(px, py): (f64, f64)| {
        (from - 2.0..=from + width + 2.0).contains(&px) && (y - 13.0..=y + 5.0).contains(&py)
    };
    // A line is looked at in so many places: closer together than a letter is wide.
    const STEPS: u32 = 100;
    curves.iter().flat_map(|points| points.windows(2)).all(|pair| {
        let &[(x0, y0), (x1, y1)] = pair else { return true };
        (0..=STEPS).map(|step| f64::from(step) / f64::from(STEPS)).all(|part| {
            let between = (x0 + (x1 - x0) * part, y0 + (y1 - y0) * part);
            !is_in(between)
        })
    })
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

/// Some bars, and what they are about.
pub struct Group<'a> {
    /// What is the same for all of them.
    pub title: &'a str,
    /// Each with its name.
    pub bars: Vec<(&'a str, f64)>,
}

/// Draws a bar for each figure, where there is nothing to count along. All groups have one scale.
#[must_use]
pub fn bars(unit: &str, groups: &[Group<'_>], maker: &str) -> String {
    let all = || groups.iter().flat_map(|group| &group.bars);
    let left = all().map(|(name, _)| svg::text_width(name)).fold(0.0, f64::max) + 40.0;
    let most = all().map(|(_, figure)| *figure).fold(1e-9, f64::max);
    let rows: f64 = all().map(|_| BAR).sum();
    let titles: f64 = groups.iter().map(|_| BAR + BETWEEN).sum();
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in all() {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let mut words = String::new();
    for group in groups {
        let bars = group.bars.iter().map(|(name, value)| format!("{name} {}", figure(*value)));
        let _ = write!(words, "{}: {}. ", group.title, bars.collect::<Vec<_>>().join(", "));
    }
    let mut out = svg::open((WIDTH, TOP + rows + titles), unit, words.trim_end(), maker);
    svg::text(&mut out, (16.0, 26.0), "head", unit);
    let mut height = TOP;
    for group in groups {
        svg::text(&mut out, (16.0, height + 11.0), "", group.title);
        height += BAR;
        for (name, value) in &group.bars {
            let length = (WIDTH - left - 90.0).max(40.0) * (value / most).clamp(0.0, 1.0);
            svg::text(&mut out, (left - 10.0, height + 11.0), "note end", name);
            // In all groups the same.
            let color = svg::color(names.iter().position(|known| known == name).unwrap_or(0));
            let top = height - 1.0;
            let _ = writeln!(
                out,
                "<path class=\"{color}\" d=\"M{left:.1} {top:.1}h{length:.1}v14h-{length:.1}z\"/>"
            );
            svg::text(&mut out, (left + length + 8.0, height + 11.0), "note", &figure(*value));
            height += BAR;
        }
        height += BETWEEN;
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
    fn a_line_that_ends_early_has_its_name_there_and_not_on_another_line() {
        let plot = |above: f64| Plot {
            about: "",
            along: "listeners",
            upward: "ms",
            series: vec![
                Series { name: "short", points: vec![(1.0, 1.0), (3.0, 3.0)] },
                Series { name: "long", points: vec![(1.0, above), (4.0, above)] },
            ],
        };
        // The other line is far above, and close above.
        let class = |above: f64| {
            let svg = lines(&plot(above), "x");
            svg.lines().find(|line| line.ends_with(">short</text>")).unwrap().to_owned()
        };
        assert!(class(9.0).contains("\"c0 end\""), "{}", class(9.0));
        assert!(class(3.2).contains("\"c0\""), "{}", class(3.2));
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
        let group = Group { title: "echo", bars: vec![("a<b", 2.0), ("one call", 40.0)] };
        for svg in [drawn, bars("MB/s", &[group], "x --draw y")] {
            let tree = roxmltree::Document::parse(&svg).unwrap();
            let words = tree.descendants().find(|node| node.has_tag_name((SVG, "desc"))).unwrap();
            let words = words.text().unwrap();
            assert!(["a<b", "2", "40"].iter().all(|word| words.contains(word)), "{words}");
        }
    }

    const SVG: &str = "http://www.w3.org/2000/svg";
}
