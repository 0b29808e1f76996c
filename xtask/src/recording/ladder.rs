//! What passed, as a picture: a column for each actor, time running downwards.
//!
//! ```text
//!     ann                      server
//!      │─── RRQ hello.txt ──────▶│     at once: level
//!      │◀── DATA 1 ───╳ lost ────│     lost: ends in a cross
//!      │─_                       │
//!      │   ‾‾‾‾── ACK 1 ──___    │     late, or held: it comes in further down, and others may
//!      │                     ‾‾‾▶│     have been before it
//! ```
//!
//! Pure: traffic in, SVG out. A colour is the sender's; nothing is told by colour alone.

use std::fmt::Write as _;
use std::time::Duration;

use crate::cable::ladder::{cut, time};
use crate::cable::trace::What;
use crate::cable::traffic::{NOTHING_PASSED, Passed, Traffic};
use crate::svg;

/// What stands beside the arrows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The time of each.
    Every,
    /// Only pauses, roundly: the same tomorrow, and on another machine.
    Pauses,
}

/// More arrows than this are not drawn: of a longer conversation its beginning and its end.
pub const ARROWS_MAX: usize = 120;

/// A shorter pause is the machine's, and no timer's.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// Where times are not drawn: what comes in so little after something leaves is drawn before it. Which
/// of two things happened first, the one as the answer to a copy of the other, would be chance.
const GRAIN: Duration = Duration::from_millis(30);

/// What is held leaves after this at the latest, see `faults::link`.
const HOLD_MAX: Duration = faults::link::HOLD_MAX;

/// What one arrow needs below the one before it.
const ROW: f64 = 30.0;
/// What an arrow's tip needs that comes in further down.
const TIP: f64 = 13.0;
/// What a remark between arrows needs.
const REMARK: f64 = 26.0;
/// From the top to the first arrow.
const HEAD: f64 = 62.0;
/// Between two lanes, if there are two, and if there are more.
const GAP: (f64, f64) = (350.0, 230.0);

/// Draws it. `caption` stands below, `maker` is the command that draws it.
#[must_use]
pub fn draw(traffic: &Traffic, title: &str, caption: &str, maker: &str, clock: Clock) -> String {
    let plan = Plan::make(traffic, clock);
    let mut lanes = Lanes::place(&traffic.actors, clock);
    lanes.width = lanes.width.max(svg::text_width(caption) + 24.0);
    let foot = if caption.is_empty() { 16.0 } else { 36.0 };
    let height = plan.bottom + foot;
    let mut out = svg::open((lanes.width, height), title, &words(traffic, &plan), maker);
    for (name, x) in traffic.actors.iter().zip(&lanes.at) {
        let bottom = plan.bottom;
        svg::text(&mut out, (*x, 24.0), "head mid", name);
        let _ = writeln!(out, "<path class=\"lane\" d=\"M{x:.1} 34V{bottom:.1}\"/>");
    }
    for (y, remark) in &plan.remarks {
        let middle = (lanes.first() + lanes.last()) / 2.0;
        svg::text(&mut out, (middle, *y), "note mid", remark);
    }
    for arrow in &plan.arrows {
        let passed = &traffic.passed[arrow.index];
        if clock == Clock::Every {
            let at = time(passed.at.saturating_sub(traffic.begin()));
            svg::text(&mut out, (lanes.first() - 12.0, arrow.leaves + 4.0), "note end", &at);
        }
        draw_arrow(&mut out, passed, arrow, &lanes);
    }
    // Over all arrows, whichever crosses them.
    for arrow in &plan.arrows {
        put_words(&mut out, &traffic.passed[arrow.index], arrow, &lanes, plan.all_late);
    }
    if !caption.is_empty() {
        svg::text(&mut out, (12.0, height - 12.0), "note", caption);
    }
    out.push_str("</svg>\n");
    out
}

/// Where the lanes stand.
struct Lanes {
    at: Vec<f64>,
    width: f64,
}

impl Lanes {
    fn place(actors: &[String], clock: Clock) -> Self {
        let gap = if actors.len() > 2 { GAP.1 } else { GAP.0 };
        let half = |name: Option<&String>| name.map_or(0.0, |name| svg::text_width(name) / 2.0);
        let times = if clock == Clock::Every { 86.0 } else { 22.0 };
        let first = half(actors.first()).max(times - 16.0) + 16.0;
        let mut at = Vec::new();
        let mut x = first;
        for _ in actors {
            at.push(x);
            x += gap;
        }
        let last = at.last().copied().unwrap_or(first + gap);
        let width = last + half(actors.last()).max(8.0) + 16.0;
        Self { at, width: width.ceil() }
    }

    fn first(&self) -> f64 {
        self.at.first().copied().unwrap_or_default()
    }

    fn last(&self) -> f64 {
        self.at.last().copied().unwrap_or_default()
    }

    fn x(&self, actor: usize) -> f64 {
        self.at.get(actor).copied().unwrap_or_default()
    }
}

/// What is drawn at which height.
struct Plan {
    arrows: Vec<Arrow>,
    /// Height and text of what stands between arrows.
    remarks: Vec<(f64, String)>,
    bottom: f64,
    /// Each is as late as all others, so it need not be said of each.
    all_late: bool,
}

struct Arrow {
    /// Into [`Traffic::passed`].
    index: usize,
    leaves: f64,
    arrives: f64,
    /// Another one, on the same way, left earlier and comes in after this: the two lines cross.
    crossed: bool,
}

impl Plan {
    fn make(traffic: &Traffic, clock: Clock) -> Self {
        let len = traffic.passed.len();
        let left_out = len.saturating_sub(ARROWS_MAX);
        let (before, behind) = match left_out {
            0 => (len, len),
            _ => (ARROWS_MAX / 2, len - ARROWS_MAX / 2),
        };
        let shown: Vec<usize> = (0..before).chain(behind..len).collect();
        let grain = if clock == Clock::Pauses { GRAIN } else { Duration::ZERO };
        let arrivals = arrivals(traffic, &shown, grain);
        let has_delay = |passed: &&Passed| !passed.is_lost() && passed.what != What::Opened;
        let mut delays = traffic.passed.iter().filter(has_delay).map(Passed::delay);
        let first = delays.next();
        let all_late = delays.all(|delay| Some(delay) == first);
        let mut plan = Self { arrows: Vec::new(), remarks: Vec::new(), bottom: HEAD, all_late };
        if len == 0 {
            plan.remark(NOTHING_PASSED.to_owned());
        }
        for line in traffic.missing() {
            plan.remark(line);
        }
        let mut waiting: Vec<(Duration, usize)> = Vec::new();
        let mut previous = None;
        for (index, arrival) in shown.into_iter().zip(arrivals) {
            let at = traffic.passed[index].at;
            previous = plan.let_arrive(&mut waiting, at + grain, traffic).max(previous);
            if left_out > 0 && index == behind {
                plan.remark(between(&traffic.passed[before..behind]));
            } else if clock == Clock::Pauses {
                let pause = previous.map_or(Duration::ZERO, |before| at.saturating_sub(before));
                if pause >= PAUSE_MIN {
                    plan.remark(about(pause));
                } else if is_by_the_clock(&traffic.passed[..=index]) {
                    plan.remark("nothing came in time".to_owned());
                }
            }
            previous = Some(at);
            let y = plan.bottom;
            let same_way = |(_, arrow): &&(Duration, usize)| {
                let other = &traffic.passed[plan.arrows[*arrow].index];
                (other.from, other.to) == (traffic.passed[index].from, traffic.passed[index].to)
            };
            let ahead = waiting.iter().filter(same_way).map(|(arrival, _)| *arrival).max();
            let is_lost = traffic.passed[index].is_lost();
            let crossed = !is_lost && arrival.is_none() && ahead.is_some();
            plan.arrows.push(Arrow { index, leaves: y, arrives: y, crossed });
            plan.bottom += ROW;
            if traffic.passed[index].is_doubled() {
                plan.bottom += SECOND;
            }
            // What is lost among others under way falls beside them: level, it would cut through them.
            let arrival = if is_lost { ahead } else { arrival };
            if let Some(arrival) = arrival {
                waiting.push((arrival, plan.arrows.len() - 1));
            }
        }
        plan.let_arrive(&mut waiting, Duration::MAX, traffic);
        plan
    }

    /// Gives a height to what comes in before `now`. Returns when the last of it came.
    fn let_arrive(
        &mut self,
        waiting: &mut Vec<(Duration, usize)>,
        now: Duration,
        traffic: &Traffic,
    ) -> Option<Duration> {
        waiting.sort();
        let doubled = |index: usize| traffic.passed[index].is_doubled();
        let count = waiting.iter().take_while(|(arrival, _)| *arrival <= now).count();
        let mut last = None;
        for (arrival, arrow) in waiting.drain(..count) {
            self.arrows[arrow].arrives = self.bottom;
            self.bottom += TIP;
            if doubled(self.arrows[arrow].index) {
                self.bottom += SECOND;
            }
            last = Some(arrival);
        }
        if last.is_some() {
            // The next label is above its arrow.
            self.bottom += TIP;
        }
        last
    }

    fn remark(&mut self, text: String) {
        self.remarks.push((self.bottom - 2.0, text));
        self.bottom += REMARK;
    }
}

/// Whether the last of these is said again by somebody who has heard nothing since, because that, or
/// its answer, was lost: it can only be the clock that made him.
fn is_by_the_clock(passed: &[Passed]) -> bool {
    let Some((last, before)) = passed.split_last() else { return false };
    let is_same = |other: &&Passed| other.from == last.from && other.what == last.what;
    let Some(first) = before.iter().rposition(|other| is_same(&other)) else { return false };
    let since = &before[first..];
    let heard = |other: &Passed| other.to == last.from && !other.is_lost();
    last.again && since.iter().any(Passed::is_lost) && !since.iter().any(heard)
}

/// When each of those at `shown` comes in, where that is later than at once.
pub(super) fn arrivals(
    traffic: &Traffic,
    shown: &[usize],
    grain: Duration,
) -> Vec<Option<Duration>> {
    let arrives = |index: usize| {
        let passed = &traffic.passed[index];
        passed.at + passed.delay()
    };
    let one = |index: usize| {
        let passed = &traffic.passed[index];
        if passed.is_lost() {
            return None;
        }
        let held_for = usize::try_from(passed.held_for()).unwrap_or_default();
        let later = |other: &&Passed| {
            (other.flow, other.direction) == (passed.flow, passed.direction) && !other.is_lost()
        };
        let overtaking = held_for
            .checked_sub(1)
            .map(|n| traffic.passed[index + 1..].iter().filter(later).nth(n));
        match overtaking {
            // Behind the one that it has waited for, if that came in time.
            Some(other) => {
                let patience = arrives(index) + HOLD_MAX;
                let behind =
                    |other: &Passed| other.at + other.delay() + grain + Duration::from_nanos(1);
                Some(other.map_or(patience, |other| behind(other).min(patience)))
            }
            None => (!passed.delay().is_zero()).then(|| arrives(index)),
        }
    };
    shown.iter().map(|index| one(*index)).collect()
}

/// What stands for arrows that are not drawn.
pub(super) fn between(hidden: &[Passed]) -> String {
    let lost = hidden.iter().filter(|passed| passed.is_lost()).count();
    let count = hidden.len();
    match lost {
        0 => format!("… {count} more …"),
        lost => format!("… {count} more, {lost} of them lost …"),
    }
}

/// A pause in halves of a second: no machine is so slow that it would be another one tomorrow.
fn about(pause: Duration) -> String {
    let halves = (pause.as_millis() + 250) / 500;
    let fraction = if halves % 2 == 1 { ".5" } else { "" };
    match halves {
        1 => "half a second passes".to_owned(),
        2 => "a second passes".to_owned(),
        _ => format!("{}{fraction} seconds pass", halves / 2),
    }
}

/// How much of its way a lost one goes.
const LOST_AT: f64 = 0.64;

/// How far below the first the second of two equal ones goes.
const SECOND: f64 = 6.0;

fn draw_arrow(out: &mut String, passed: &Passed, arrow: &Arrow, lanes: &Lanes) {
    let (from, to) = ((lanes.x(passed.from), arrow.leaves), (lanes.x(passed.to), arrow.arrives));
    let color = svg::color(passed.from);
    let far = if passed.what.bytes().is_some() { "" } else { " far" };
    let mut line = |(x1, y1): (f64, f64), (x2, y2): (f64, f64)| {
        let path = format!("M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}");
        let _ = writeln!(out, "<path class=\"thin {color}{far}\" d=\"{path}\"/>");
    };
    if passed.is_lost() {
        let (x, y) = lost_at(from, to);
        line(from, (x, y));
        let cross = format!("M{:.1} {:.1}l12 12m0 -12l-12 12", x - 6.0, y - 6.0);
        let _ = writeln!(out, "<path class=\"bad\" d=\"{cross}\"/>");
        return;
    }
    line(from, to);
    if !passed.is_doubled() {
        return tip(out, from, to, &color);
    }
    let lower = |(x, y): (f64, f64)| (x, y + SECOND);
    line(lower(from), lower(to));
    tip(out, from, to, &color);
    tip(out, lower(from), lower(to), &color);
}

/// Where a lost one ends.
fn lost_at(from: (f64, f64), to: (f64, f64)) -> (f64, f64) {
    (from.0 + (to.0 - from.0) * LOST_AT, from.1 + (to.1 - from.1) * LOST_AT)
}

/// What stands on an arrow, and what became of it.
fn put_words(out: &mut String, passed: &Passed, arrow: &Arrow, lanes: &Lanes, all_late: bool) {
    let (from, to) = (lanes.x(passed.from), lanes.x(passed.to));
    let way = if passed.is_lost() { LOST_AT } else { 1.0 };
    let again = if passed.again { "again" } else { "" }.to_owned();
    let note = match (passed.is_lost(), all_late) {
        (true, _) => again,
        (false, false) => passed.note(),
        (false, true) => passed.note_without_delay(),
    };
    let note = if note.is_empty() { note } else { format!(" · {note}") };
    // Notes are smaller than labels.
    let room = (to - from).abs() * way - 34.0 - svg::text_width(&note) * 0.86;
    let label = svg::escape(&cut(&passed.label, svg::columns(room)));
    let note = match note.is_empty() {
        true => note,
        false => format!("<tspan class=\"note\">{}</tspan>", svg::escape(&note)),
    };
    let place = place_words((from, to), way, arrow);
    let _ = writeln!(out, "<text {place}>{label}{note}</text>");
    if passed.is_lost() {
        let lost = crate::cable::trace::words(&passed.done);
        let lost = lost.split(',').next().unwrap_or_default();
        let class = if to > from { "word" } else { "word end" };
        let (x, y) = lost_at((from, arrow.leaves), (to, arrow.arrives));
        let (side, slope) = ((to - from).signum(), slope(from, to, arrow));
        let (x, y) = (x + side * 14.0, y + slope * side * 14.0 + 4.5);
        let turn = turn(slope, (x, y));
        let lost = svg::escape(lost);
        let _ =
            writeln!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\"{turn}>{lost}</text>");
    }
}

/// Where the words of an arrow stand, as attributes: always above its line, and with its slope. Lines
/// under way at the same time are all but parallel, so no words lie on another's line.
fn place_words((from, to): (f64, f64), way: f64, arrow: &Arrow) -> String {
    let side = (to - from).signum();
    let slope = slope(from, to, arrow);
    let level = slope.abs() < LEVEL;
    let (x, class) = match (level, arrow.crossed, to > from) {
        (true, false, _) => (from + (to - from) * way / 2.0, "mid"),
        // Near its end: there the one that it overtakes is already below it.
        (true, true, true) => (to - 16.0, "end"),
        (true, true, false) => (to + 16.0, ""),
        (false, _, true) => (from + 10.0, ""),
        (false, _, false) => (from - 10.0, "end"),
    };
    let y = arrow.leaves + slope * side * (x - from).abs() - 6.5;
    let turn = turn(slope, (x, y));
    format!("class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\"{turn}")
}

/// What falls less is level.
const LEVEL: f64 = 1e-3;

/// How much an arrow falls for each step to the right.
fn slope(from: f64, to: f64, arrow: &Arrow) -> f64 {
    (arrow.arrives - arrow.leaves) / (to - from)
}

/// Turns a text at a place into a slope, as an attribute.
fn turn(slope: f64, (x, y): (f64, f64)) -> String {
    if slope.abs() < LEVEL {
        return String::new();
    }
    format!(" transform=\"rotate({:.1} {x:.1} {y:.1})\"", slope.atan().to_degrees())
}

/// The head of an arrow.
fn tip(out: &mut String, from: (f64, f64), to: (f64, f64), color: &str) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1.0);
    let (ux, uy) = (dx / length, dy / length);
    // Not on the lane's own line.
    let (x, y) = (to.0 - ux, to.1 - uy);
    let (back_x, back_y) = (x - ux * 11.0, y - uy * 11.0);
    let (side_x, side_y) = (-uy * 4.5, ux * 4.5);
    let _ = writeln!(
        out,
        "<path class=\"{color}\" d=\"M{x:.1} {y:.1}L{:.1} {:.1}L{:.1} {:.1}Z\"/>",
        back_x + side_x,
        back_y + side_y,
        back_x - side_x,
        back_y - side_y
    );
}

/// The picture for those who do not see it.
fn words(traffic: &Traffic, plan: &Plan) -> String {
    let mut text = String::new();
    for arrow in &plan.arrows {
        let passed = &traffic.passed[arrow.index];
        let (from, to) = (&traffic.actors[passed.from], &traffic.actors[passed.to]);
        let note = passed.note();
        let note = if note.is_empty() { note } else { format!(" ({note})") };
        let label = &passed.label;
        let _ = match passed.what {
            What::Datagram(_) | What::Piece(_) => {
                write!(text, "{from} sends {to} {label}{note}. ")
            }
            _ => write!(text, "{from} to {to}: {label}{note}. "),
        };
    }
    for (_, remark) in &plan.remarks {
        let _ = write!(text, "{remark}. ");
    }
    text.trim_end().to_owned()
}
