//! What is compared with what, and how it is told. No process is started here.

use std::fmt::Write as _;

use cli::note;

use crate::demo::report::json_text;
use crate::demo::width;

/// All contests of a chapter.
pub struct Bench {
    /// One table each.
    pub contests: Vec<Contest>,
    /// What could not be measured, and why.
    pub skipped: Vec<(String, String)>,
}

/// Entries that do the same work.
pub struct Contest {
    /// What they do.
    pub title: String,
    /// What is measured; ratios are those of the first.
    pub columns: &'static [Column],
    /// Who takes part.
    pub entries: Vec<Entry>,
}

/// One figure.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub name: &'static str,
    /// How many digits after the point.
    pub digits: usize,
}

/// One who takes part.
pub struct Entry {
    name: String,
    /// Whom it is compared with, and the ratio that is hoped for.
    against: Option<(String, f64)>,
    turn: Box<dyn Fn() -> anyhow::Result<Vec<Option<f64>>>>,
    /// One list of figures for each round that went well.
    rounds: Vec<Option<Vec<Option<f64>>>>,
}

impl Entry {
    /// `turn` measures once: one figure for each column, or none where that is unknown.
    pub fn new(
        name: impl Into<String>,
        turn: impl Fn() -> anyhow::Result<Vec<Option<f64>>> + 'static,
    ) -> Self {
        Self { name: name.into(), against: None, turn: Box::new(turn), rounds: Vec::new() }
    }

    /// Compared with the entry called `other`; it should be `goal` times as good at least.
    #[must_use]
    pub fn against(mut self, other: &str, goal: f64) -> Self {
        self.against = Some((other.to_owned(), goal));
        self
    }

    fn figures(&self, column: usize) -> Vec<Option<f64>> {
        let of = |round: &Option<Vec<Option<f64>>>| round.as_ref()?.get(column).copied().flatten();
        self.rounds.iter().map(of).collect()
    }

    fn median(&self, column: usize) -> Option<f64> {
        median(self.figures(column).into_iter().flatten().collect())
    }
}

impl Bench {
    /// A round: everybody takes a turn. Whoever fails is out from there on.
    pub fn play(&mut self) {
        for contest in &mut self.contests {
            for entry in &mut contest.entries {
                if entry.rounds.last().is_some_and(Option::is_none) {
                    continue;
                }
                let result = (entry.turn)();
                if let Err(error) = &result {
                    note!("{}: {error:#}", entry.name);
                    let what = format!("{} ({})", entry.name, contest.title);
                    self.skipped.push((what, format!("{error:#}")));
                }
                entry.rounds.push(result.ok());
            }
        }
    }

    /// For people.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut text = String::new();
        for contest in &self.contests {
            let _ = writeln!(text, "{}\n", contest.title);
            let _ = writeln!(text, "{}", aligned(&contest.rows()));
        }
        for (name, why) in &self.skipped {
            let _ = writeln!(text, "skipped: {name}: {why}");
        }
        text.trim_end().to_owned()
    }

    /// For programs.
    #[must_use]
    pub fn json(&self, machine: &str, rounds: u32) -> String {
        let contests: Vec<String> = self.contests.iter().map(Contest::json).collect();
        let skipped: Vec<String> = self
            .skipped
            .iter()
            .map(|(name, why)| {
                format!(r#"{{"name":{},"why":{}}}"#, json_text(name), json_text(why))
            })
            .collect();
        format!(
            r#"{{"machine":{},"rounds":{rounds},"contests":[{}],"skipped":[{}]}}"#,
            json_text(machine),
            contests.join(","),
            skipped.join(",")
        )
    }
}

impl Contest {
    /// The median of the ratios of the first column, round by round.
    fn ratio(&self, entry: &Entry) -> Option<f64> {
        let (other, _) = entry.against.as_ref()?;
        let other = self.entries.iter().find(|entry| entry.name == *other)?;
        let pairs = entry.figures(0).into_iter().zip(other.figures(0));
        median(pairs.filter_map(|(ours, theirs)| Some(ours? / theirs?)).collect())
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let heading = |column: &Column| column.name.to_owned();
        let mut rows = vec![vec![String::new()]];
        rows[0].extend(self.columns.iter().map(heading));
        rows[0].push("ratio".to_owned());
        for entry in self.entries.iter().filter(|entry| entry.median(0).is_some()) {
            let mut row = vec![entry.name.clone()];
            for (number, column) in self.columns.iter().enumerate() {
                let figure = entry.median(number).map(|median| grouped(median, column.digits));
                row.push(figure.unwrap_or_else(|| "?".to_owned()));
            }
            row.push(match (self.ratio(entry), &entry.against) {
                (Some(ratio), Some((other, goal))) => {
                    format!("{ratio:.2} × {other} (goal {goal})")
                }
                _ => String::new(),
            });
            rows.push(row);
        }
        rows
    }

    fn json(&self) -> String {
        let entries: Vec<String> =
            self.entries.iter().map(|entry| self.entry_json(entry)).collect();
        format!(r#"{{"title":{},"entries":[{}]}}"#, json_text(&self.title), entries.join(","))
    }

    fn entry_json(&self, entry: &Entry) -> String {
        let number = |n: Option<f64>| n.map_or_else(|| "null".to_owned(), |n| n.to_string());
        let mut text = format!(r#"{{"name":{}"#, json_text(&entry.name));
        for (index, column) in self.columns.iter().enumerate() {
            let rounds: Vec<String> = entry.figures(index).into_iter().map(number).collect();
            let (name, median) = (json_text(column.name), number(entry.median(index)));
            let _ =
                write!(text, r#",{name}:{{"median":{median},"rounds":[{}]}}"#, rounds.join(","));
        }
        if let Some((other, goal)) = &entry.against {
            let (other, ratio) = (json_text(other), number(self.ratio(entry)));
            let _ = write!(text, r#","against":{other},"ratio":{ratio},"goal":{goal}"#);
        }
        text.push('}');
        text
    }
}

/// Of an even number, the lower of the two in the middle: a figure that was really measured.
fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().checked_sub(1)? / 2).copied()
}

/// `1234567.8` as `1,234,568`.
fn grouped(figure: f64, digits: usize) -> String {
    let text = format!("{figure:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.char_indices() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// The first column to the left, figures to the right, the last to the left again.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widest = |column: usize| rows.iter().filter_map(|row| Some(width(row.get(column)?))).max();
    let widths: Vec<usize> =
        (0..columns).map(|column| widest(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[column].saturating_sub(width(cell)));
            let to_left = column == 0 || column + 1 == columns;
            let _ =
                if to_left { write!(line, "  {cell}{gap}") } else { write!(line, "  {gap}{cell}") };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const COLUMNS: &[Column] =
        &[Column { name: "per second", digits: 0 }, Column { name: "calls", digits: 2 }];

    #[test]
    fn medians_and_the_median_of_the_ratios_of_each_round_are_told() {
        // The machine becomes three times as slow in the last round; the ratio does not mind.
        let mut bench = bench(&[&[3000.0, 3300.0, 1000.0]], &[&[6000.0, 6600.0, 2000.0]]);
        for _ in 0..3 {
            bench.play();
        }
        assert_eq!(
            bench.tables(),
            "echo\n\n          per second  calls  ratio\n  theirs       3,000      ?\n  \
             ours         6,000      ?  2.00 × theirs (goal 1.5)"
        );
        assert_eq!(
            bench.json("a \"machine\"", 3),
            r#"{"machine":"a \"machine\"","rounds":3,"contests":[{"title":"echo","entries":[{"name":"theirs","per second":{"median":3000,"rounds":[3000,3300,1000]},"calls":{"median":null,"rounds":[null,null,null]}},{"name":"ours","per second":{"median":6000,"rounds":[6000,6600,2000]},"calls":{"median":null,"rounds":[null,null,null]},"against":"theirs","ratio":2,"goal":1.5}]}],"skipped":[]}"#
        );
    }

    #[test]
    fn whoever_fails_is_out_and_the_reason_is_told() {
        let mut bench = bench(&[&[3000.0]], &[&[6000.0, 6600.0, 2000.0]]);
        for _ in 0..3 {
            bench.play();
        }
        let tables = bench.tables();
        assert!(tables.contains("ours         6,000      ?  2.00 × theirs"), "{tables}");
        assert!(tables.ends_with("skipped: theirs (echo): it broke"), "{tables}");
        assert_eq!(bench.skipped.len(), 1);
    }

    #[test]
    fn figures_are_grouped_by_three() {
        for (figure, digits, want) in [
            (0.0, 0, "0"),
            (999.4, 0, "999"),
            (1000.0, 0, "1,000"),
            (1_234_567.8, 0, "1,234,568"),
            (0.035, 2, "0.04"),
            (12_345.678, 1, "12,345.7"),
            (-123.0, 0, "-123"),
        ] {
            assert_eq!(grouped(figure, digits), want);
        }
    }

    fn bench(theirs: &[&[f64]], ours: &[&[f64]]) -> Bench {
        let contest = Contest {
            title: "echo".to_owned(),
            columns: COLUMNS,
            entries: vec![
                scripted("theirs", theirs[0]),
                scripted("ours", ours[0]).against("theirs", 1.5),
            ],
        };
        Bench { contests: vec![contest], skipped: Vec::new() }
    }

    fn scripted(name: &str, figures: &[f64]) -> Entry {
        let (figures, round) = (figures.to_vec(), Cell::new(0));
        Entry::new(name, move || {
            let figure = figures.get(round.replace(round.get() + 1)).copied();
            let figure = figure.ok_or_else(|| anyhow::anyhow!("it broke"))?;
            Ok(vec![Some(figure), None])
        })
    }
}
