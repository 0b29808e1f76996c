//! What passed, drawn: a column for each actor, an arrow for each datagram or piece.
//!
//! ```text
//!    time   client                                   server
//!   0.0 ms    │──────────── PING 1 · 64 bytes ─────────▶│
//!   0.1 ms    │◀─────────── PING 1 · 64 bytes ──────────│
//!   1.0 s     │──────────── PING 2 · 64 byt ──╳         │  lost
//! ```
//!
//! Pure: rows in, lines out. How wide a text is on a terminal is counted in columns, because 中文
//! takes two for each character.

use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::demo::width;

/// An arrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Since the first of them.
    pub at: Duration,
    /// The column it starts in.
    pub from: usize,
    /// The column it goes to.
    pub to: usize,
    /// What stands on it.
    pub label: String,
    /// What stands beside it.
    pub note: String,
    /// Whether it never arrives.
    pub lost: bool,
}

/// How the ladder looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The columns of the terminal.
    pub width: usize,
    /// Only ASCII.
    pub ascii: bool,
}

struct Glyphs {
    lane: char,
    shaft: char,
    right: char,
    left: char,
    lost: char,
}

const UNICODE: Glyphs =
    Glyphs { lane: '│', shaft: '─', right: '▶', left: '◀', lost: '╳' };
const ASCII: Glyphs = Glyphs { lane: '|', shaft: '-', right: '>', left: '<', lost: 'X' };

/// The columns for the time.
const TIME_WIDTH: usize = 9;
/// The columns for notes.
const NOTE_WIDTH: usize = 18;
/// The least columns between two lanes that can hold an arrow with a word on it.
const GAP_MIN: usize = 14;
/// A wider gap makes an arrow no clearer.
const GAP_MAX: usize = 60;

/// One colour a column, as in the session above it.
const COLORS: [AnsiColor; 6] = crate::demo::show::COLORS;

/// Draws `rows` between the actors called `names`. Each line may carry colours.
#[must_use]
pub fn draw(rows: &[Row], names: &[String], look: Look) -> Vec<String> {
    let lanes = lanes(names.len(), look.width);
    let glyphs = if look.ascii { &ASCII } else { &UNICODE };
    let mut lines = vec![header(names, &lanes)];
    lines.extend(rows.iter().map(|row| line(row, &lanes, glyphs)));
    lines
}

/// The columns in which the lanes stand.
fn lanes(count: usize, terminal: usize) -> Vec<usize> {
    let first = TIME_WIDTH + 4;
    let gaps = count.saturating_sub(1).max(1);
    let room = terminal.saturating_sub(first + NOTE_WIDTH) / gaps;
    let gap = room.clamp(GAP_MIN, GAP_MAX);
    (0..count).map(|lane| first + lane * gap).collect()
}

fn header(names: &[String], lanes: &[usize]) -> String {
    let mut text = String::new();
    let mut at = 0;
    let mut put = |column: usize, word: &str, style: Style| {
        let column = column.max(at + usize::from(at > 0));
        text.push_str(&" ".repeat(column - at));
        text.push_str(&format!("{style}{word}{style:#}"));
        at = column + width(word);
    };
    put(TIME_WIDTH - 4, "time", Style::new());
    for (lane, (name, column)) in names.iter().zip(lanes).enumerate() {
        put(column.saturating_sub(width(name) / 2), name, color(lane).bold());
    }
    text
}

fn line(row: &Row, lanes: &[usize], glyphs: &Glyphs) -> String {
    let mut text = format!("{:>TIME_WIDTH$}", time(row.at));
    let mut at = width(&text);
    let (low, high) = (row.from.min(row.to), row.from.max(row.to));
    for (lane, column) in lanes.iter().enumerate() {
        let inside = lane > low && lane <= high;
        if !inside {
            text.push_str(&" ".repeat(column - at));
            text.push(glyphs.lane);
        } else if lane == high {
            let style = color(row.from);
            let arrow = arrow(row, column - at, glyphs);
            text.push_str(&format!("{style}{arrow}{style:#}"));
            text.push(glyphs.lane);
        } else {
            // The arrow passes over this lane.
            continue;
        }
        at = column + 1;
    }
    if !row.note.is_empty() {
        let style = Style::new().fg_color(Some(AnsiColor::Red.into()));
        text.push_str(&format!("  {style}{}{style:#}", row.note));
    }
    text
}

/// The arrow between two lanes, `room` columns wide.
fn arrow(row: &Row, room: usize, glyphs: &Glyphs) -> String {
    let shaft = |columns: usize| glyphs.shaft.to_string().repeat(columns);
    // A lost one ends in the middle of the way.
    let way = if row.lost { room * 2 / 3 } else { room };
    let label = format!(" {} ", cut(&row.label, way.saturating_sub(6)));
    let rest = way.saturating_sub(width(&label) + 1);
    let (before, after) = (rest / 2, rest - rest / 2);
    let head = match (row.lost, row.from < row.to) {
        (true, _) => glyphs.lost,
        (false, true) => glyphs.right,
        (false, false) => glyphs.left,
    };
    let gone = " ".repeat(room - way);
    if row.from < row.to {
        format!("{}{label}{}{head}{gone}", shaft(before), shaft(after))
    } else {
        format!("{gone}{head}{}{label}{}", shaft(after), shaft(before))
    }
}

/// As much of `text` as has room, with a mark where it was cut.
pub(crate) fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        if width(&kept) + width(character.encode_utf8(&mut [0; 4])) + 2 > room {
            break;
        }
        kept.push(character);
    }
    kept + ".."
}

pub(crate) fn time(at: Duration) -> String {
    match at.as_micros() {
        ..1_000_000 => format!("{:.1} ms", at.as_secs_f64() * 1000.0),
        _ => format!("{:.3} s", at.as_secs_f64()),
    }
}

fn color(lane: usize) -> Style {
    Style::new().fg_color(Some(COLORS[lane % COLORS.len()].into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_go_from_column_to_column() {
        check(
            &[row(0, 0, 1, "PING 1"), row(120, 1, 0, "PONG 1")],
            &["client", "server"],
            Look { width: 80, ascii: false },
            "
     time client                                           server
   0.0 ms    │─────────────────── PING 1 ────────────────────▶│
   0.1 ms    │◀──────────────────── PONG 1 ───────────────────│",
        );
    }

    #[test]
    fn what_is_lost_ends_on_the_way_with_a_cross_and_a_note() {
        let mut lost = row(1_500_000, 0, 1, "PING 2");
        lost.lost = true;
        lost.note = "lost".to_owned();
        let mut back = lost.clone();
        (back.from, back.to) = (1, 0);
        check(
            &[lost, back],
            &["client", "server"],
            Look { width: 60, ascii: true },
            "
     time client                       server
  1.500 s    |---- PING 2 -----X          |  lost
  1.500 s    |          X----- PING 2 ----|  lost",
        );
    }

    #[test]
    fn an_arrow_passes_over_the_columns_between() {
        check(
            &[row(0, 0, 2, "one"), row(0, 2, 1, "two")],
            &["ann", "bob", "server"],
            Look { width: 80, ascii: true },
            "
     time   ann                     bob                   server
   0.0 ms    |-------------------- one --------------------->|
   0.0 ms    |                       |<--------- two --------|",
        );
    }

    #[test]
    fn a_label_that_is_too_long_is_cut_and_wide_characters_take_two_columns() {
        check(
            &[row(0, 0, 1, "我爱你，你爱我，一二三四"), row(0, 0, 1, "ok")],
            &["a", "b"],
            Look { width: 45, ascii: true },
            "
     time    a             b
   0.0 ms    |-- 我爱.. -->|
   0.0 ms    |---- ok ---->|",
        );
    }

    fn row(at_us: u64, from: usize, to: usize, label: &str) -> Row {
        let (label, note) = (label.to_owned(), String::new());
        Row { at: Duration::from_micros(at_us), from, to, label, note, lost: false }
    }

    #[track_caller]
    fn check(rows: &[Row], names: &[&str], look: Look, want: &str) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let got = draw(rows, &names, look).join("\n");
        let got = format!("\n{}", anstream::adapter::strip_str(&got));
        assert!(got == want, "got:\n{got}\nwant:\n{want}");
    }
}
