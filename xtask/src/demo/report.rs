//! Results for people (a line each, then a table) and for a course's CI (JUnit XML, JSON).
//!
//! Both formats are only ever written here, never read, and are small: a library for either would
//! cost every student's first build more than these functions cost a reader.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::engine::Outcome;
use super::failure::Failure;

/// What became of all demos.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One for each demo, in the order in which they ran.
    pub results: Vec<DemoResult>,
    /// From the first start to the last end.
    pub elapsed: Duration,
}

/// What became of one demo, run once or more.
#[derive(Clone, Debug)]
pub struct DemoResult {
    /// Its chapter.
    pub chapter: String,
    /// Its lesson.
    pub lesson: String,
    /// The first line of its narration.
    pub title: String,
    /// The first outcome that is not a pass; a pass if there is none.
    pub outcome: Outcome,
    /// How long all runs took.
    pub elapsed: Duration,
    /// What was said in the run that decided.
    pub session: String,
    /// How often it was run.
    pub runs: u32,
    /// How often it failed.
    pub failed_runs: u32,
}

impl DemoResult {
    /// Adds what another run of the same demo gave.
    pub fn add_run(&mut self, run: Self) {
        if self.runs > 0 {
            self.elapsed += run.elapsed;
        }
        self.runs += 1;
        if let Outcome::Failed(_) = run.outcome {
            self.failed_runs += 1;
        }
        if self.outcome == Outcome::Passed {
            self.outcome = run.outcome;
            self.session = run.session;
        }
    }

    /// A tick or a cross, the name, the time, and the title or the reason.
    #[must_use]
    pub fn line(&self, name_width: usize) -> String {
        let name = format!("{}/{}", self.chapter, self.lesson);
        let seconds = self.elapsed.as_secs_f64();
        let (mark, color, text) = match &self.outcome {
            Outcome::Passed => ("✔", AnsiColor::Green, self.title.clone()),
            Outcome::Failed(failure) => ("✘", AnsiColor::Red, failure.headline()),
            Outcome::Skipped(reason) => ("-", AnsiColor::Yellow, format!("skipped: {reason}")),
        };
        let runs = match (self.runs, self.failed_runs) {
            (1, _) => String::new(),
            (runs, 0) => format!("  {runs} runs"),
            (runs, failed) => format!("  {failed} of {runs} runs failed"),
        };
        let style = Style::new().fg_color(Some(color.into())).bold();
        format!("{style}{mark}{style:#} {name:name_width$}  {seconds:5.2} s{runs}  {text}")
    }

    /// The end of a session that was shown.
    #[must_use]
    pub fn verdict(&self) -> String {
        let seconds = self.elapsed.as_secs_f64();
        let (color, text) = match &self.outcome {
            Outcome::Passed => (AnsiColor::Green, format!("✔ passed in {seconds:.2} s")),
            Outcome::Failed(_) => (AnsiColor::Red, format!("✘ failed after {seconds:.2} s")),
            Outcome::Skipped(reason) => (AnsiColor::Yellow, format!("- skipped: {reason}")),
        };
        let style = Style::new().fg_color(Some(color.into())).bold();
        format!("{style}{text}{style:#}")
    }

    fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Passed | Outcome::Skipped(_) => None,
        }
    }

    fn reason(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Skipped(reason) => Some(reason),
            Outcome::Passed | Outcome::Failed(_) => None,
        }
    }
}

impl Report {
    /// Whether nothing failed (and nothing was skipped, where that counts).
    #[must_use]
    pub fn is_good(&self, deny_skips: bool) -> bool {
        let (_, failed, skipped) = self.counts();
        failed == 0 && (skipped == 0 || !deny_skips) && !self.results.is_empty()
    }

    fn counts(&self) -> (usize, usize, usize) {
        let count = |is: fn(&DemoResult) -> bool| self.results.iter().filter(|r| is(r)).count();
        let failed = count(|result| result.failure().is_some());
        let skipped = count(|result| result.reason().is_some());
        (self.results.len() - failed - skipped, failed, skipped)
    }

    /// A row for each chapter, a total, and every reason for a skip.
    #[must_use]
    pub fn table(&self, deny_skips: bool) -> String {
        let mut chapters: Vec<&str> = self.results.iter().map(|r| r.chapter.as_str()).collect();
        chapters.dedup();
        let widest = chapters.iter().map(|name| name.len()).max().unwrap_or_default().max(7);
        let mut text = format!("\n{:widest$}  passed  failed  skipped   time\n", "chapter");
        let row = |text: &mut String, name: &str, part: &Self| {
            let (passed, failed, skipped) = part.counts();
            let seconds = part.elapsed.as_secs_f64();
            let _ = writeln!(
                text,
                "{name:widest$}  {passed:6}  {failed:6}  {skipped:7}  {seconds:5.2} s"
            );
        };
        for chapter in &chapters {
            let results: Vec<_> =
                self.results.iter().filter(|r| r.chapter == *chapter).cloned().collect();
            let elapsed = results.iter().map(|result| result.elapsed).sum();
            row(&mut text, chapter, &Self { results, elapsed });
        }
        if chapters.len() > 1 {
            row(&mut text, "all", self);
        }
        for result in &self.results {
            let name = format!("{}/{}", result.chapter, result.lesson);
            if let Some(reason) = result.reason() {
                let counts = if deny_skips { " (counts as failed)" } else { "" };
                let _ = writeln!(text, "skipped{counts}: {name}: {reason}");
            }
            if let Some(failure) = result.failure() {
                let _ =
                    writeln!(text, "failed: {name}: {}\n  {}", failure.headline(), failure.again);
            }
        }
        text.trim_end().to_owned()
    }

    /// JUnit XML, as CI systems read it: one `testcase` per demo.
    #[must_use]
    pub fn junit(&self) -> String {
        let (_, failed, skipped) = self.counts();
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let _ = writeln!(
            xml,
            "<testsuites>\n<testsuite name=\"demos\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"{:.3}\">",
            self.results.len(),
            self.elapsed.as_secs_f64()
        );
        for result in &self.results {
            let _ = write!(
                xml,
                "<testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">",
                xml_text(&result.chapter),
                xml_text(&result.lesson),
                result.elapsed.as_secs_f64()
            );
            if let Some(failure) = result.failure() {
                let headline = xml_text(&failure.headline());
                let _ = write!(
                    xml,
                    "<failure message=\"{headline}\">{}</failure>",
                    xml_text(&failure.to_string())
                );
            }
            if let Some(reason) = result.reason() {
                let _ = write!(xml, "<skipped message=\"{}\"/>", xml_text(reason));
            }
            let _ =
                writeln!(xml, "<system-out>{}</system-out></testcase>", xml_text(&result.session));
        }
        xml.push_str("</testsuite>\n</testsuites>\n");
        xml
    }

    /// One JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        let (passed, failed, skipped) = self.counts();
        let demos: Vec<String> = self.results.iter().map(json_of).collect();
        format!(
            "{{\"passed\":{passed},\"failed\":{failed},\"skipped\":{skipped},\"seconds\":{:.3},\"demos\":[{}]}}",
            self.elapsed.as_secs_f64(),
            demos.join(",")
        )
    }
}

fn json_of(result: &DemoResult) -> String {
    let verdict = match &result.outcome {
        Outcome::Passed => "passed",
        Outcome::Failed(_) => "failed",
        Outcome::Skipped(_) => "skipped",
    };
    let mut json = format!(
        "{{\"chapter\":{},\"lesson\":{},\"title\":{},\"verdict\":\"{verdict}\",\"seconds\":{:.3},\"runs\":{},\"failed_runs\":{}",
        json_text(&result.chapter),
        json_text(&result.lesson),
        json_text(&result.title),
        result.elapsed.as_secs_f64(),
        result.runs,
        result.failed_runs,
    );
    if let Some(reason) = result.reason() {
        let _ = write!(json, ",\"reason\":{}", json_text(reason));
    }
    if let Some(failure) = result.failure() {
        let _ = write!(json, ",\"failure\":{}", json_text(&failure.to_string()));
    }
    let _ = write!(json, ",\"session\":{}}}", json_text(&result.session));
    json
}

/// Text and attribute values: the five characters that XML reserves are escaped, those that
/// XML 1.0 cannot hold at all are replaced.
pub(crate) fn xml_text(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&apos;"),
            '\n' | '\t' => xml.push(character),
            control if control.is_control() => xml.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            other => xml.push(other),
        }
    }
    xml
}

/// A JSON string (RFC 8259, section 7).
pub(crate) fn json_text(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            control if u32::from(control) < 0x20 => {
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::failure::Kind;

    #[test]
    fn whatever_a_program_says_is_well_formed_in_xml_and_json() {
        let text = "a<b>&\"'\u{1b}[0m\n\\ 我";
        assert_eq!(xml_text(text), "a&lt;b&gt;&amp;&quot;&apos;\u{fffd}[0m\n\\ 我");
        assert_eq!(json_text(text), "\"a<b>&\\\"'\\u001b[0m\\n\\\\ 我\"");
    }

    #[test]
    fn one_failed_run_of_many_is_a_failure() {
        let passed = || result(Outcome::Passed);
        let failure = Failure {
            place: String::new(),
            actor: "ann".to_owned(),
            kind: Kind::LeftBehind,
            last_words: Vec::new(),
            again: String::new(),
        };
        let mut all = passed();
        all.add_run(passed());
        all.add_run(result(Outcome::Failed(Box::new(failure))));
        all.add_run(passed());
        assert_eq!((all.runs, all.failed_runs, all.elapsed.as_secs()), (3, 1, 3));
        assert!(all.line(0).contains("1 of 3 runs failed"), "{}", all.line(0));
        assert!(!Report { results: vec![all], elapsed: Duration::ZERO }.is_good(false));

        let skipped = result(Outcome::Skipped("no ipv6".to_owned()));
        let report = Report { results: vec![passed(), skipped], elapsed: Duration::ZERO };
        assert!(report.is_good(false));
        assert!(!report.is_good(true), "a skip counts where skips are denied");
        assert!(!Report::default().is_good(false), "nothing run is nothing proven");
    }

    fn result(outcome: Outcome) -> DemoResult {
        DemoResult {
            chapter: "c".to_owned(),
            lesson: "l".to_owned(),
            title: "t".to_owned(),
            outcome,
            elapsed: Duration::from_secs(1),
            session: String::new(),
            runs: 0,
            failed_runs: 0,
        }
    }
}
