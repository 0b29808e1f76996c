//! What a run leaves behind, as one page: it needs no network, no server and no second file.
//!
//! ```text
//!  ┌──────────────────────────────────────────┐
//!  │ tftp/get  passed    the command, faults  │
//!  │ session                                  │
//!  │ ┌ ladder ─────────────┐ ┌ panel ───────┐ │   a row of the ladder is a link to its packet in
//!  │ │ ann ── RRQ ─▶ server│ │ RRQ · 16 B   │ │   the panel; report.js makes pointing at a row,
//!  │ │     ◀─ DATA ─       │ │ 00 01 68 …   │ │   or moving to it, enough
//!  │ └─────────────────────┘ └──────────────┘ │
//!  │ sums for each pair                       │
//!  └──────────────────────────────────────────┘
//! ```
//!
//! Pure: a recording in, HTML out, and all of it is there before a script has run. Most of what is
//! shown came from the wire, so [`Page`] has no way to put in a text but escaped. The page forbids
//! itself the network and every script but its own, in case that should fail.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use faults::Direction;

use super::Recording;
use super::ladder::{arrivals, between};
use super::pairs::{Pair, Sum, pairs};
use crate::cable::ladder::time;
use crate::cable::trace::{What, words};
use crate::cable::traffic::{NOTHING_PASSED, Passed, Traffic};
use crate::svg;

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// Of more packets than this the first and the last are shown.
pub const PACKETS_MAX: usize = 120;

/// Of a packet not more bytes than this are shown.
pub const BYTES_MAX: usize = 1024;

/// How many bytes have room in a line on a small screen.
const BYTES_A_LINE: usize = 8;

/// How high the line of names is, and a row, and where in this the arrow lies: report.css knows these
/// too.
const NAMES: f64 = 30.0;
const ROW: f64 = 42.0;
const ARROW: f64 = 30.0;

/// What stands where a stream has no such number: a relay for streams cannot lose anything.
const NONE: &str = "–";

/// The page.
#[must_use]
pub fn write(recording: &Recording) -> Vec<u8> {
    let mut page = Page::default();
    page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n");
    head(&mut page, recording);
    page.raw("<body>\n");
    about(&mut page, recording);
    page.raw("<main>\n");
    session(&mut page, recording);
    wire(&mut page, &recording.traffic);
    sums(&mut page, &recording.traffic);
    page.raw("</main>\n<script nonce=\"report\">\n").raw(SCRIPT);
    page.raw("</script>\n</body>\n</html>\n");
    page.html.into_bytes()
}

/// HTML as it grows.
#[derive(Default)]
struct Page {
    html: String,
}

impl Page {
    /// Markup: only what is written in this file, and numbers.
    fn raw(&mut self, markup: &str) -> &mut Self {
        self.html.push_str(markup);
        self
    }

    /// A text, whatever is in it.
    fn text(&mut self, text: &str) -> &mut Self {
        self.html.push_str(&svg::escape(text));
        self
    }

    /// Markup with numbers in it.
    fn put(&mut self, markup: fmt::Arguments<'_>) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = self.html.write_fmt(markup);
        self
    }

    /// An actor's name in its colour.
    fn actor(&mut self, traffic: &Traffic, number: usize) -> &mut Self {
        let color = svg::color(number);
        let name = traffic.actors.get(number).map_or("", String::as_str);
        self.put(format_args!("<b class=\"{color}\">")).text(name).raw("</b>")
    }

    /// A name and a value in a list of them.
    fn field(&mut self, name: &str, value: &str) -> &mut Self {
        self.raw("<dt>").text(name).raw("</dt><dd>").text(value).raw("</dd>\n")
    }
}

fn head(page: &mut Page, recording: &Recording) {
    page.raw("<head>\n<meta charset=\"utf-8\"/>\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ");
    page.raw("style-src 'unsafe-inline'; script-src 'nonce-report'; base-uri 'none'\"/>\n");
    page.raw("<title>").text(&recording.demo).raw(": ").text(&recording.verdict);
    page.raw("</title>\n<style>\n").raw(STYLE).raw("</style>\n</head>\n");
}

fn about(page: &mut Page, recording: &Recording) {
    let Recording { demo, title, command, verdict, faults, .. } = recording;
    let class = if verdict == "passed" { "good" } else { "bad" };
    page.raw("<header>\n<h1>").text(demo).put(format_args!(" <small class=\"{class}\">"));
    page.text(verdict).raw("</small></h1>\n<p>").text(title).raw("</p>\n<dl>\n");
    page.field("run again", command);
    for (settings, seed) in faults {
        page.field("cable", &format!("{settings} seed={seed}"));
    }
    page.raw("</dl>\n</header>\n");
}

/// What was said and typed: a line in the colour of who said it.
fn session(page: &mut Page, recording: &Recording) {
    page.raw("<details open=\"open\">\n<summary><h2>Session</h2></summary>\n");
    page.raw("<pre class=\"session\" tabindex=\"0\" role=\"group\" aria-label=\"session\">\n");
    for line in recording.session.lines() {
        let actor = line.split_whitespace().next().unwrap_or_default();
        let number = recording.traffic.actors.iter().position(|name| name == actor);
        let class = match number {
            Some(number) => svg::color(number),
            None => "dim".to_owned(),
        };
        page.put(format_args!("<span class=\"{class}\">")).text(line).raw("</span>\n");
    }
    page.raw("</pre>\n</details>\n");
}

// --- ladder ---------------------------------------------------------------------------------

/// What stands in a row.
enum Row {
    Packet(Arrow),
    Remark(String),
}

#[derive(Clone, Copy)]
struct Arrow {
    /// Into [`Traffic::passed`].
    index: usize,
    leaves: f64,
    arrives: f64,
}

fn wire(page: &mut Page, traffic: &Traffic) {
    page.raw("<section>\n<h2>What passed</h2>\n");
    let (rows, height) = rows(traffic);
    if traffic.passed.is_empty() {
        page.raw("<p>").text(NOTHING_PASSED).raw("</p>\n");
    } else {
        page.raw(
            "<p class=\"hint dim\">Point at a packet, or go from one to the next by Tab or the ",
        );
        page.raw("arrow keys. A click keeps it; Enter goes to its bytes, and Escape back.</p>\n");
    }
    if !rows.is_empty() {
        page.raw("<div class=\"wire\">\n");
        ladder(page, traffic, &rows, height);
        panel(page, traffic, &rows);
        page.raw("</div>\n");
    }
    page.raw("</section>\n");
}

/// The rows, and how high they are together.
fn rows(traffic: &Traffic) -> (Vec<Row>, f64) {
    let len = traffic.passed.len();
    let left_out = len.saturating_sub(PACKETS_MAX);
    let before = if left_out > 0 { PACKETS_MAX / 2 } else { len };
    let behind = before + left_out;
    let packet = |index| Row::Packet(Arrow { index, leaves: 0.0, arrives: 0.0 });
    let mut rows: Vec<Row> = traffic.missing().into_iter().map(Row::Remark).collect();
    rows.extend((0..before).map(packet));
    if left_out > 0 {
        rows.push(Row::Remark(between(&traffic.passed[before..behind])));
    }
    rows.extend((behind..len).map(packet));
    let height = put_in_place(traffic, &mut rows);
    (rows, height)
}

/// Gives the arrows their heights. What comes in later than at once comes in below the last that had
/// left before.
fn put_in_place(traffic: &Traffic, rows: &mut [Row]) -> f64 {
    let mut bottom = 0.0;
    let mut arrows = Vec::new();
    for row in rows {
        if let Row::Packet(arrow) = row {
            (arrow.leaves, arrow.arrives) = (bottom + ARROW, bottom + ARROW);
            arrows.push(arrow);
        }
        bottom += ROW;
    }
    let shown: Vec<usize> = arrows.iter().map(|arrow| arrow.index).collect();
    // Behind which it comes in, when, and which it is.
    let mut late: Vec<(usize, Duration, usize)> = Vec::new();
    for (place, arrival) in arrivals(traffic, &shown, Duration::ZERO).into_iter().enumerate() {
        let Some(arrival) = arrival else { continue };
        let last = shown.iter().rposition(|index| traffic.passed[*index].at <= arrival);
        late.push((last.unwrap_or(place), arrival, place));
    }
    late.sort();
    for gap in late.chunk_by(|one, other| one.0 == other.0) {
        let step = ROW / f64::from(u32::try_from(gap.len() + 1).unwrap_or(u32::MAX));
        let mut y = arrows[gap[0].0].leaves;
        for (_, _, place) in gap {
            y += step;
            arrows[*place].arrives = y;
        }
    }
    let is_after_last = late.last().is_some_and(|(last, ..)| last + 1 == shown.len());
    if is_after_last { bottom + ARROW } else { bottom }
}

fn ladder(page: &mut Page, traffic: &Traffic, rows: &[Row], height: f64) {
    let with_names = NAMES + height;
    page.put(format_args!("<div class=\"ladder\" style=\"min-height:{with_names:.0}px\">\n"));
    page.raw("<div class=\"names\">");
    for (number, name) in traffic.actors.iter().enumerate() {
        let (color, x) = (svg::color(number), lane(number, traffic));
        page.put(format_args!("<b class=\"{color}\" style=\"left:{x:.1}%\" title=\""));
        page.text(name).raw("\">").text(name).raw("</b>");
    }
    page.raw("</div>\n");
    arrows(page, traffic, rows, height);
    page.raw("<ol class=\"rows\">\n");
    for row in rows {
        match row {
            Row::Packet(arrow) => words_of_row(page, traffic, arrow),
            Row::Remark(text) => {
                page.raw("<li class=\"remark\">").text(text).raw("</li>\n");
            }
        }
    }
    page.raw("</ol>\n</div>\n");
}

/// Where an actor's lane stands, in percent of the width.
fn lane(actor: usize, traffic: &Traffic) -> f64 {
    let number = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    match traffic.actors.len() {
        0 | 1 => 50.0,
        count => 12.0 + 76.0 * number(actor) / number(count - 1),
    }
}

/// The picture behind the words, and nothing that they do not say.
fn arrows(page: &mut Page, traffic: &Traffic, rows: &[Row], height: f64) {
    page.put(format_args!("<svg class=\"arrows\" height=\"{height:.0}\" aria-hidden=\"true\">\n"));
    for actor in 0..traffic.actors.len() {
        let (color, x) = (svg::color(actor), lane(actor, traffic));
        page.put(format_args!(
            "<marker id=\"tip{actor}\" markerUnits=\"userSpaceOnUse\" markerWidth=\"11\" \
             markerHeight=\"10\" refX=\"11\" refY=\"5\" orient=\"auto\">\
             <path class=\"{color}\" d=\"M0 0L11 5L0 10Z\"/></marker>\n\
             <line class=\"lane\" x1=\"{x:.1}%\" x2=\"{x:.1}%\" y1=\"0\" y2=\"100%\"/>\n"
        ));
    }
    for row in rows {
        if let Row::Packet(arrow) = row {
            draw(page, traffic, arrow);
        }
    }
    page.raw("</svg>\n");
}

fn draw(page: &mut Page, traffic: &Traffic, arrow: &Arrow) {
    let Arrow { index, leaves, arrives } = *arrow;
    let passed = &traffic.passed[index];
    let (from, to) = (lane(passed.from, traffic), lane(passed.to, traffic));
    let (actor, color) = (passed.from, svg::color(passed.from));
    let far = if passed.what.bytes().is_some() { "" } else { " far" };
    if passed.is_lost() {
        let end = from + (to - from) * 0.64;
        page.put(format_args!(
            "<line class=\"{color}{far}\" x1=\"{from:.1}%\" y1=\"{leaves:.0}\" x2=\"{end:.1}%\" \
             y2=\"{leaves:.0}\"/><svg x=\"{end:.1}%\" y=\"{leaves:.0}\" overflow=\"visible\">\
             <path class=\"bad\" d=\"M-6 -6l12 12m0 -12l-12 12\"/></svg>\n"
        ));
        return;
    }
    let lower: &[f64] = if passed.is_doubled() { &[0.0, 6.0] } else { &[0.0] };
    for lower in lower {
        let (y1, y2) = (leaves + lower, arrives + lower);
        page.put(format_args!(
            "<line class=\"{color}{far}\" x1=\"{from:.1}%\" y1=\"{y1:.0}\" x2=\"{to:.1}%\" \
             y2=\"{y2:.0}\" marker-end=\"url(#tip{actor})\"/>\n"
        ));
    }
}

/// The row: its time, and its words on the arrow.
fn words_of_row(page: &mut Page, traffic: &Traffic, arrow: &Arrow) {
    let passed = &traffic.passed[arrow.index];
    let (from, to) = (lane(passed.from, traffic), lane(passed.to, traffic));
    let (left, right) = (from.min(to), 100.0 - from.max(to));
    // Above its beginning if it slopes: further down others may cross it.
    let place = match (arrow.arrives > arrow.leaves, from < to) {
        (false, _) => "",
        (true, true) => " left",
        (true, false) => " right",
    };
    let at = time(passed.at.saturating_sub(traffic.begin()));
    let number = arrow.index + 1;
    page.put(format_args!("<li><a class=\"row\" id=\"r{number}\" href=\"#p{number}\">"));
    page.put(format_args!("<span class=\"time\">{at}</span> <span class=\"hidden\">"));
    page.text(&traffic.actors[passed.from]).raw(" to ").text(&traffic.actors[passed.to]);
    page.put(format_args!(
        ": </span><span class=\"way\"><span class=\"word{place}\" \
         style=\"left:{left:.1}%;right:{right:.1}%\"><span>"
    ));
    page.text(&passed.label);
    note(page, passed);
    page.raw("</span></span></span></a></li>\n");
}

/// What the cable did to it, if anything.
fn note(page: &mut Page, passed: &Passed) {
    let note = passed.note();
    if !note.is_empty() {
        let class = if passed.is_lost() { "bad" } else { "note" };
        page.put(format_args!(" <span class=\"{class}\">· ")).text(&note).raw("</span>");
    }
}

// --- packets --------------------------------------------------------------------------------

fn panel(page: &mut Page, traffic: &Traffic, rows: &[Row]) {
    page.raw("<div class=\"panel\">\n<p class=\"choose dim\">Choose a packet.</p>\n");
    let offsets = offsets(traffic);
    for row in rows {
        if let Row::Packet(Arrow { index, .. }) = row {
            packet(page, traffic, *index, offsets[*index]);
        }
    }
    page.raw("</div>\n");
}

/// How many bytes each stream had carried before, the same way.
fn offsets(traffic: &Traffic) -> Vec<usize> {
    let mut carried = vec![[0; 2]; traffic.flows.len()];
    let mut offsets = Vec::new();
    for passed in &traffic.passed {
        let way = usize::from(passed.direction == Direction::ToClient);
        let Some(carried) = carried.get_mut(passed.flow) else {
            offsets.push(0);
            continue;
        };
        if passed.what == What::Opened {
            *carried = [0; 2];
        }
        offsets.push(carried[way]);
        carried[way] += passed.what.bytes().map_or(0, <[u8]>::len);
    }
    offsets
}

fn packet(page: &mut Page, traffic: &Traffic, index: usize, offset: usize) {
    let passed = &traffic.passed[index];
    let number = index + 1;
    page.put(format_args!(
        "<article id=\"p{number}\" tabindex=\"-1\" aria-labelledby=\"h{number}\">\n"
    ));
    page.put(format_args!("<h3 id=\"h{number}\">{number}. ")).text(&passed.label);
    note(page, passed);
    page.raw("</h3>\n<p>").actor(traffic, passed.from).raw(" → ").actor(traffic, passed.to);
    page.raw("</p>\n<dl>\n");
    if let Some((from, to)) = ends(traffic, passed) {
        page.field("from", &from.to_string()).field("to", &to.to_string());
    }
    let at = passed.at.saturating_sub(traffic.begin());
    page.field("time", &time(at));
    if let Some(before) = index.checked_sub(1) {
        let since = passed.at.saturating_sub(traffic.passed[before].at);
        page.field("since last", &time(since));
    }
    size(page, traffic, passed, offset);
    if !passed.done.is_empty() {
        let never = if passed.is_lost() { "; it never arrived" } else { "" };
        page.field("cable", &format!("{}{never}", words(&passed.done)));
    }
    let bytes = passed.what.bytes().unwrap_or_default();
    let shown = &bytes[..bytes.len().min(BYTES_MAX)];
    if let Some(text) = text_of(shown) {
        page.field("text", &text);
    }
    page.raw("</dl>\n");
    dump(page, shown, bytes.len());
    page.put(format_args!("<p><a class=\"back\" href=\"#r{number}\">back to the ladder</a></p>\n"));
    page.raw("</article>\n");
}

/// The addresses: the sender's, then the receiver's.
fn ends(traffic: &Traffic, passed: &Passed) -> Option<(SocketAddr, SocketAddr)> {
    let flow = traffic.flows.get(passed.flow)?;
    Some(match passed.direction {
        Direction::ToServer => (flow.client, flow.server),
        Direction::ToClient => (flow.server, flow.client),
    })
}

fn size(page: &mut Page, traffic: &Traffic, passed: &Passed, offset: usize) {
    let Some(bytes) = passed.what.bytes() else { return };
    page.field("size", &cli::count(bytes.len(), "byte"));
    match passed.what {
        // RFC 768: the length in the header counts the header.
        What::Datagram(_) => page.field("UDP length", &(8 + bytes.len()).to_string()),
        // Of what is not kept nobody knows how much it was.
        What::Piece(_) if traffic.forgotten == 0 && !bytes.is_empty() => {
            let last = offset + bytes.len() - 1;
            page.field("in the stream", &format!("bytes {offset} to {last}"))
        }
        _ => page,
    };
}

/// The bytes as text, if they are text.
fn text_of(bytes: &[u8]) -> Option<String> {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // Cut in the middle of a character, at the end.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let is_text = !valid.is_empty() && !valid.contains('\0');
    is_text.then(|| cli::escape(valid.as_bytes()).to_string())
}

/// Where, in hex, and as text: what is no printable ASCII is a dot.
fn dump(page: &mut Page, shown: &[u8], len: usize) {
    if shown.is_empty() {
        return;
    }
    page.raw("<pre class=\"hex\" role=\"group\" aria-label=\"bytes\">\n");
    for (number, line) in shown.chunks(BYTES_A_LINE).enumerate() {
        let at = number * BYTES_A_LINE;
        page.put(format_args!("<i>{at:04x}</i>  "));
        for byte in line {
            page.put(format_args!("{byte:02x} "));
        }
        page.raw(&"   ".repeat(BYTES_A_LINE - line.len())).raw(" ");
        let printable =
            |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
        page.text(&line.iter().map(printable).collect::<String>()).raw("\n");
    }
    page.raw("</pre>\n");
    if len > shown.len() {
        let more = cli::count(len - shown.len(), "more byte");
        page.raw("<p class=\"dim\">").text(&more).raw(": in trace.pcapng.</p>\n");
    }
}

// --- sums -----------------------------------------------------------------------------------

fn sums(page: &mut Page, traffic: &Traffic) {
    let pairs = pairs(traffic);
    if pairs.is_empty() {
        return;
    }
    let has = |wanted: fn(&What) -> bool| traffic.passed.iter().any(|passed| wanted(&passed.what));
    let datagrams = has(|what| matches!(what, What::Datagram(_)));
    let name = match (datagrams, has(|what| matches!(what, What::Piece(_)))) {
        (true, false) => "datagrams",
        (false, _) => "pieces",
        (true, true) => "packets",
    };
    page.raw("<section>\n<h2>Who with whom</h2>\n<div class=\"sums\">\n<table>\n<thead><tr>");
    for head in ["from → to", name, "bytes", "again", "lost"] {
        page.raw("<th scope=\"col\">").text(head).raw("</th>");
    }
    page.raw("</tr></thead>\n");
    for pair in &pairs {
        sums_of(page, traffic, pair, datagrams);
    }
    page.raw("</table>\n</div>\n<p class=\"dim\">");
    page.text(
        "A round trip is a turn: from the client's first word that arrived to the server's next.",
    );
    if datagrams {
        page.text(
            " Where something in it was lost, held or said again, it is counted and not timed.",
        );
    }
    page.raw("</p>\n</section>\n");
}

fn sums_of(page: &mut Page, traffic: &Traffic, pair: &Pair, datagrams: bool) {
    page.raw("<tbody>\n");
    let Pair { client, server, there, back, .. } = pair;
    for (from, to, sum) in [(*client, *server, there), (*server, *client, back)] {
        let Sum { packets, bytes, again, lost } = *sum;
        page.raw("<tr><th scope=\"row\">").actor(traffic, from).raw(" → ").actor(traffic, to);
        page.put(format_args!("</th><td>{packets}</td><td>{bytes}</td>"));
        for count in [again, lost] {
            let class = if count > 0 { " class=\"bad\"" } else { "" };
            let count = if datagrams { count.to_string() } else { NONE.to_owned() };
            page.put(format_args!("<td{class}>")).text(&count).raw("</td>");
        }
        page.raw("</tr>\n");
    }
    page.raw("<tr><th scope=\"row\">round trips</th><td colspan=\"4\">").text(&trips(pair));
    page.raw("</td></tr>\n</tbody>\n");
}

/// `6 · 0.2 ms (0.1 ms to 1.0 s)`: how many, the median, the shortest and the longest.
fn trips(pair: &Pair) -> String {
    let count = pair.round_trips;
    match (pair.median(), pair.times.first(), pair.times.last()) {
        (Some(median), Some(first), Some(last)) if pair.times.len() > 1 => {
            format!("{count} · {} ({} to {})", time(median), time(*first), time(*last))
        }
        (Some(median), _, _) => format!("{count} · {}", time(median)),
        _ => count.to_string(),
    }
}
