//! Pictures of chapter 5 in four lanes: writes, bytes in the stream, reads, messages. Drawn from what
//! the two programs say of themselves, so that they cannot lie.
//!
//! ```text
//!  sticky-packets client --json ──▶ its writes, and which bytes are which message ──┐
//!  sticky-packets server --json ──▶ its reads, and what it took for messages ───────┴──▶ SVG
//! ```
//!
//! Nobody else could say it. What lies between the ends sees neither a write nor a read.
//!
//! The pictures are in the repository, so that a code host shows them, and `--check` says when they
//! are not what the programs do today. The runs are the same every time: all is one write, and a
//! read is as long as it is asked to be.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

use super::json::Json;
use super::{PAGES, Problem, files_below, read, write};
use crate::demo::build::build;
use crate::svg;

const CHAPTER: &str = "sticky-packets";

/// A run, and its picture's name.
struct Run {
    name: &'static str,
    title: &'static str,
    framing: &'static str,
    read_size: &'static str,
}

const RUNS: [Run; 5] = [
    run("naive-glued", "naive, one write, one read: glued", "naive", "1024"),
    run("naive-torn", "naive, reads of at most 7 bytes: glued and torn", "naive", "7"),
    run("line-torn", "line, the same reads: whole", "line", "7"),
    run("length-glued", "length, one write, one read: whole", "length", "1024"),
    run("length-torn", "length, reads of at most 7 bytes: whole", "length", "7"),
];

const fn run(
    name: &'static str,
    title: &'static str,
    framing: &'static str,
    read_size: &'static str,
) -> Run {
    Run { name, title, framing, read_size }
}

/// What the client says.
const MESSAGES: [&str; 3] = ["hello", "how are you?", "fine"];

/// Draws the pictures, or only says which are out of date.
///
/// # Errors
/// When a program cannot be built or run, or a file cannot be written.
pub fn update(root: &Path, only_check: bool) -> anyhow::Result<Vec<Problem>> {
    let folder = Path::new(PAGES).join(CHAPTER).join("lanes");
    let binaries = build(&[CHAPTER.to_owned()], true)?;
    let program = binaries.dir.join(format!("{CHAPTER}{}", std::env::consts::EXE_SUFFIX));
    let mut problems = Vec::new();
    for run in &RUNS {
        let file = folder.join(format!("{}.svg", run.name));
        let story = Story::tell(&program, run).with_context(|| format!("lanes of {}", run.name))?;
        let new = draw(run.title, &story);
        // An old picture is compared as git may have checked it out: with other line endings.
        let old = read(&root.join(&file)).unwrap_or_default().replace("\r\n", "\n");
        if old == new {
            continue;
        }
        match only_check {
            true => problems.push(Problem::new(file, None, "is not what the programs do today")),
            false => write(&root.join(file), &new)?,
        }
    }
    let pictures = files_below(&root.join(folder), &[".svg"])?;
    let within = pictures.iter().map(|picture| picture.strip_prefix(root).unwrap_or(picture));
    problems.extend(within.filter_map(unused));
    Ok(problems)
}

/// A picture that lies among these and is drawn from no run.
fn unused(picture: &Path) -> Option<Problem> {
    let is_of_a_run = RUNS.iter().any(|run| picture.file_stem() == Some(run.name.as_ref()));
    (!is_of_a_run).then(|| Problem::new(picture, None, "no run draws this; delete it"))
}

/// What happened.
#[derive(Debug, Default)]
struct Story {
    bytes: Vec<u8>,
    /// How many bytes each write took, and each read gave.
    writes: Vec<usize>,
    reads: Vec<usize>,
    /// What was sent, and what was taken for a message.
    sent: Vec<Message>,
    heard: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    begin: usize,
    end: usize,
    /// Without header and tail; of what was sent only.
    body: (usize, usize),
    text: String,
}

impl Story {
    /// Runs both ends, and reads what they say.
    fn tell(program: &Path, run: &Run) -> anyhow::Result<Self> {
        let framing = ["--framing", run.framing, "--json", "--patience", "20s"];
        let mut server = Ended(
            Command::new(program)
                .args(["server", "--bind", "127.0.0.1:0", "--read-size", run.read_size])
                .args(framing)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?,
        );
        let mut first = String::new();
        let stderr = server.0.stderr.take().context("no stderr")?;
        BufReader::new(stderr).read_line(&mut first)?;
        let address = first.trim().strip_prefix("listening on ");
        let address = address.with_context(|| format!("no ready line, but {first:?}"))?;

        let mut client = Ended(
            Command::new(program)
                .args(["client", address, "--one-write"])
                .args(framing)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?,
        );
        let mut stdin = client.0.stdin.take().context("no stdin")?;
        stdin.write_all((MESSAGES.join("\n") + "\n").as_bytes())?;
        drop(stdin);
        let (client, server) = (client.said()?, server.said()?);
        Self::of(&client, &server)
    }

    fn of(client: &Json, server: &Json) -> anyhow::Result<Self> {
        let mut bytes = Vec::new();
        for call in calls(client, "writes")? {
            bytes.extend(call);
        }
        let lens = |value: &Json, key: &str| -> anyhow::Result<Vec<usize>> {
            // A read of nothing is the end of the stream.
            let lens = calls(value, key)?.into_iter().map(|call| call.len());
            Ok(lens.filter(|len| *len > 0).collect())
        };
        Ok(Self {
            bytes,
            writes: lens(client, "writes")?,
            reads: lens(server, "reads")?,
            sent: messages(client)?,
            heard: messages(server)?,
        })
    }

    /// Which of the sent messages have a part in these bytes.
    fn letters(&self, begin: usize, end: usize) -> Vec<usize> {
        let overlaps = |sent: &Message| sent.begin < end && begin < sent.end;
        (0..).zip(&self.sent).filter(|(_, sent)| overlaps(sent)).map(|(number, _)| number).collect()
    }

    /// Whether this was taken for what it is.
    fn is_right(&self, heard: &Message) -> bool {
        self.sent
            .iter()
            .any(|sent| (sent.begin, sent.end, &sent.text) == (heard.begin, heard.end, &heard.text))
    }
}

/// A child that does not outlive its picture.
struct Ended(Child);

impl Ended {
    fn said(&mut self) -> anyhow::Result<Json> {
        let stdout = self.0.stdout.take().context("no stdout")?;
        let said = Json::parse(&io::read_to_string(stdout)?).context("no JSON")?;
        let status = self.0.wait()?;
        if !status.success() {
            bail!("it failed: {status}");
        }
        Ok(said)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn calls(value: &Json, key: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let calls = value[key]["calls"].list().with_context(|| format!("no {key}"))?;
    calls.iter().map(|call| call.text().and_then(unhex).context("no bytes")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(|pair| byte(pair.as_slice())).collect()
}

fn messages(value: &Json) -> anyhow::Result<Vec<Message>> {
    let message = |value: &Json| {
        let (begin, end) = (value["begin"].number()?, value["end"].number()?);
        let body = match value["body"].list() {
            Some([from, to]) => (from.number()?, to.number()?),
            _ => (begin, end),
        };
        Some(Message { begin, end, body, text: value["text"].text()?.to_owned() })
    };
    let all = value["messages"].list().context("no messages")?;
    all.iter().map(|value| message(value).context("no message")).collect()
}

/// One byte is so wide.
const CELL: f64 = 22.0;
/// Left of the first byte: the names of the lanes.
const LEFT: f64 = 96.0;
const RIGHT: f64 = 20.0;
const BOX: f64 = 28.0;
/// The tops of the lanes.
const WRITES: f64 = 54.0;
const LETTERS: f64 = 112.0;
const STREAM: f64 = 120.0;
const READS: f64 = 178.0;
const HEARD: f64 = 236.0;
const HEIGHT: f64 = 284.0;

fn draw(title: &str, story: &Story) -> String {
    let width = LEFT + at(story.bytes.len()) + RIGHT;
    let size = (width.max(480.0), HEIGHT);
    let mut out = svg::open(size, title, &words(story), "cargo xtask book");
    svg::text(&mut out, (16.0, 30.0), "head", title);
    for (top, name) in
        [(WRITES, "writes"), (STREAM, "stream"), (READS, "reads"), (HEARD, "messages")]
    {
        svg::text(&mut out, (16.0, top + 19.0), "note", name);
    }
    // Where a read ends, the stream is cut, and where a write ends; that is all there is to see.
    cuts(&mut out, &story.writes, WRITES + BOX, STREAM);
    cuts(&mut out, &story.reads, STREAM + BOX, READS);
    spans(&mut out, &story.writes, WRITES, "write");
    spans(&mut out, &story.reads, READS, "read");
    stream(&mut out, story);
    for heard in &story.heard {
        draw_heard(&mut out, story, heard);
    }
    out.push_str("</svg>\n");
    out
}

/// So far right lies this byte from the first.
fn at(place: usize) -> f64 {
    u32::try_from(place).map_or(f64::MAX, f64::from) * CELL
}

fn cuts(out: &mut String, lens: &[usize], top: f64, bottom: f64) {
    let mut place = 0;
    for len in std::iter::once(&0).chain(lens) {
        place += len;
        let x = LEFT + at(place);
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "<line class=\"lane far\" x1=\"{x:.1}\" y1=\"{top:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>"
        );
    }
}

/// A box with rounded corners over these bytes.
fn area(out: &mut String, (begin, end): (usize, usize), top: f64, look: &str) {
    let (x, width) = (LEFT + at(begin) + 1.0, at(end - begin) - 2.0);
    let _ = writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{BOX}\" rx=\"4\" {look}/>"
    );
}

/// The calls, each as long as what it took or gave.
fn spans(out: &mut String, lens: &[usize], top: f64, name: &str) {
    let mut begin = 0;
    for len in lens {
        area(out, (begin, begin + len), top, "class=\"lane\" fill=\"none\"");
        let middle = LEFT + at(begin) + at(*len) / 2.0;
        let long = format!("{name} {len}");
        let label = if svg::text_width(&long) < at(*len) - 8.0 { long } else { len.to_string() };
        svg::text(out, (middle, top + 19.0), "mid", &label);
        begin += len;
    }
}

/// The bytes, in the colour of the message they belong to; what is not the message itself paler.
fn stream(out: &mut String, story: &Story) {
    for (number, sent) in story.sent.iter().enumerate() {
        let color = svg::color(number);
        let middle = LEFT + (at(sent.begin) + at(sent.end)) / 2.0;
        svg::text(out, (middle, LETTERS), &format!("head mid {color}"), &letter(number));
        for place in sent.begin..sent.end {
            let is_body = (sent.body.0..sent.body.1).contains(&place);
            let opacity = if is_body { 0.3 } else { 0.1 };
            let look = format!("class=\"{color}\" fill-opacity=\"{opacity}\"");
            area(out, (place, place + 1), STREAM, &look);
            let byte = story.bytes.get(place).copied().unwrap_or_default();
            let class = if is_body { "mid" } else { "note mid" };
            svg::text(out, (LEFT + at(place) + CELL / 2.0, STREAM + 19.0), class, &shown(byte));
        }
    }
}

fn draw_heard(out: &mut String, story: &Story, heard: &Message) {
    let letters = story.letters(heard.begin, heard.end);
    let name: Vec<String> = letters.iter().copied().map(letter).collect();
    let (right, name) = (story.is_right(heard), name.join("+"));
    let span = (heard.begin, heard.end);
    let class = match (right, letters.first()) {
        (true, Some(number)) => {
            let color = svg::color(*number);
            area(out, span, HEARD, &format!("class=\"{color}\" fill-opacity=\"0.3\""));
            "mid"
        }
        _ => {
            area(out, span, HEARD, "class=\"bad\"");
            "word mid"
        }
    };
    let mark = if right { "✓" } else { "✗" };
    let long = format!("{mark} {name} {}", with_edges(&heard.text));
    let short = format!("{mark} {name}");
    let room = at(heard.end - heard.begin) - 8.0;
    let label = [long.as_str(), &short].into_iter().find(|label| svg::text_width(label) < room);
    let middle = LEFT + (at(heard.begin) + at(heard.end)) / 2.0;
    svg::text(out, (middle, HEARD + 19.0), class, label.unwrap_or(mark));
}

/// A, B, C: for those who do not see colours.
fn letter(number: usize) -> String {
    let letter = u8::try_from(number).ok().and_then(|number| b'A'.checked_add(number));
    char::from(letter.unwrap_or(b'?')).to_string()
}

/// A space at an edge would not be seen.
fn with_edges(text: &str) -> String {
    let inner = text.trim_matches(' ');
    let before = text.len() - text.trim_start_matches(' ').len();
    "␣".repeat(before) + inner + &"␣".repeat(text.len() - before - inner.len())
}

/// A byte in one cell.
fn shown(byte: u8) -> String {
    match byte {
        b' ' => "␣".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'!'..=b'~' => char::from(byte).to_string(),
        _ => format!("{byte:02x}"),
    }
}

/// The picture in words.
fn words(story: &Story) -> String {
    let sent =
        (0..).zip(&story.sent).map(|(number, sent)| format!("{} {}", letter(number), sent.text));
    let numbers = |lens: &[usize]| {
        let lens: Vec<String> = lens.iter().map(usize::to_string).collect();
        lens.join(", ")
    };
    let heard = story.heard.iter().map(|heard| {
        let verdict = if story.is_right(heard) { "right" } else { "wrong" };
        format!("“{}” ({verdict})", heard.text)
    });
    format!(
        "Sent: {}. Bytes written by each write: {}. Bytes given by each read: {}. Heard: {}.",
        sent.collect::<Vec<_>>().join("; "),
        numbers(&story.writes),
        numbers(&story.reads),
        heard.collect::<Vec<_>>().join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(heard: &str) -> Story {
        let client = r#"{"messages":[{"begin":0,"end":3,"body":[1,3],"text":"hi"},
            {"begin":3,"end":5,"body":[4,5],"text":"&"}],
            "writes":{"calls":["026869","0126"],"left_off":0}}"#;
        let server = format!(
            r#"{{"messages":{heard},"reads":{{"calls":["02686901","26",""],"left_off":0}}}}"#
        );
        let parse = |text: &str| Json::parse(text).unwrap();
        Story::of(&parse(client), &parse(&server)).unwrap()
    }

    #[test]
    fn a_message_is_right_only_where_it_was_sent() {
        let whole = story(r#"[{"begin":0,"end":3,"text":"hi"},{"begin":3,"end":5,"text":"&"}]"#);
        assert_eq!((whole.writes.as_slice(), whole.reads.as_slice()), (&[3, 2][..], &[4, 1][..]));
        assert_eq!(
            words(&whole),
            "Sent: A hi; B &. Bytes written by each write: 3, 2. Bytes given by each read: 4, 1. \
             Heard: “hi” (right), “&” (right)."
        );
        let torn = story(r#"[{"begin":0,"end":4,"text":"hi"},{"begin":4,"end":5,"text":"&"}]"#);
        assert!(torn.heard.iter().all(|heard| !torn.is_right(heard)));
        assert_eq!(torn.letters(0, 4), [0, 1]);
    }

    #[test]
    fn a_picture_that_no_run_draws_is_told() {
        assert!(unused(Path::new("lanes/naive-glued.svg")).is_none());
        let told = unused(Path::new("lanes/old.svg")).unwrap().to_string();
        assert_eq!(told, "lanes/old.svg: no run draws this; delete it");
    }

    #[test]
    fn a_picture_is_xml_and_says_what_it_shows() {
        let picture = draw("a <title>", &story(r#"[{"begin":0,"end":3,"text":"hi"}]"#));
        let document = roxmltree::Document::parse(&picture).unwrap();
        let texts: Vec<&str> = document
            .descendants()
            .filter(|node| node.has_tag_name("text"))
            .filter_map(|node| node.text())
            .collect();
        for want in ["a <title>", "stream", "write 3", "A", "02", "h", "i", "&", "✓ A hi"] {
            assert!(texts.contains(&want), "{want}: {texts:?}");
        }
        assert!(!picture.contains("<script"));
    }
}
