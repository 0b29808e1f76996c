//! Tool `decode`: names what passes in this chapter, for the ladder of `--trace`.
//!
//! ```text
//! 2a2073746f700a            ─▶  notice "* stop"
//! e5b08fe6988e3a2068690a    ─▶  "小明: hi"
//! 68650a6c6c                ─▶  "he" + half a line "ll"
//! ff0a                      ─▶  no UTF-8: ff 0a · 2 bytes
//! ```
//!
//! One line of hex on stdin, one line on stdout, until the input ends. What the cable carries is what
//! one read brought, and that is seldom one line: where a stream is cut, nobody has promised.

use anyhow::{Context, ensure};
use cli::{ask, count, escape, say};

/// How many lines are shown, and how many characters of each.
const LINES_MAX: usize = 3;
const CHARACTERS_MAX: usize = 40;

/// How many bytes are shown in hex.
const HEX_BYTES_MAX: usize = 12;

/// Names pieces of a stream: hex in, a line out
#[derive(Clone, Copy, clap::Args)]
pub struct Args {}

/// Runs the tool.
///
/// # Errors
/// When a line is not hex.
pub fn run(_args: Args) -> anyhow::Result<()> {
    while let Some(line) = ask("hex: ")? {
        let piece = from_hex(&line).with_context(|| format!("not hex: {}", line.escape_debug()))?;
        say!("{}", name(&piece))?;
    }
    Ok(())
}

fn from_hex(line: &str) -> anyhow::Result<Vec<u8>> {
    ensure!(line.len().is_multiple_of(2), "a byte has two digits");
    let digits = line.bytes().map(|byte| char::from(byte).to_digit(16));
    let digits: Option<Vec<u32>> = digits.collect();
    let digits = digits.context("a digit is 0 to 9 or a to f")?;
    let bytes = digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |high, low| high * 16 + low));
    bytes.map(|byte| Ok(u8::try_from(byte)?)).collect()
}

fn name(piece: &[u8]) -> String {
    if piece.is_empty() {
        return "0 bytes".to_owned();
    }
    // A piece may end within a character, and then it is text all the same.
    if str::from_utf8(piece).is_err_and(|error| error.error_len().is_some()) {
        return format!("no UTF-8: {}", in_hex(piece));
    }
    let lines: Vec<&[u8]> = piece.split_inclusive(|byte| *byte == b'\n').collect();
    let mut names: Vec<String> = lines.iter().take(LINES_MAX).map(|line| line_name(line)).collect();
    if lines.len() > LINES_MAX {
        names.push(format!("{} more", lines.len() - LINES_MAX));
    }
    names.join(" + ")
}

fn line_name(line: &[u8]) -> String {
    let text = line.strip_suffix(b"\n").map(|text| text.strip_suffix(b"\r").unwrap_or(text));
    let what = match text {
        None => "half a line ",
        Some(text) if text.starts_with(b"* ") => "notice ",
        Some(_) => "",
    };
    let shown = escape(text.unwrap_or(line)).to_string();
    let short: String = shown.chars().take(CHARACTERS_MAX).collect();
    let more = if short.len() < shown.len() { ".." } else { "" };
    format!("{what}\"{short}{more}\"")
}

fn in_hex(piece: &[u8]) -> String {
    let hex: Vec<String> =
        piece.iter().take(HEX_BYTES_MAX).map(|byte| format!("{byte:02x}")).collect();
    let more = if piece.len() > HEX_BYTES_MAX { " .." } else { "" };
    format!("{}{more} · {}", hex.join(" "), count(piece.len(), "byte"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_notices_are_named_whatever_ends_them() {
        check("小明: hi\n".as_bytes(), "\"小明: hi\"");
        check(b"hi\r\n", "\"hi\"");
        check(b"* ann has joined\n", "notice \"* ann has joined\"");
        check(b"a\nb\n", "\"a\" + \"b\"");
        check(b"1\n2\n3\n4\n5\n", "\"1\" + \"2\" + \"3\" + 2 more");
        check(b"\n", "\"\"");
    }

    #[test]
    fn half_a_line_is_named_also_where_it_ends_within_a_character() {
        check(b"he\nll", "\"he\" + half a line \"ll\"");
        check(&"你好".as_bytes()[..5], r#"half a line "你\xe5\xa5""#);
    }

    #[test]
    fn what_is_no_text_is_shown_in_hex() {
        check(b"\xff\n", "no UTF-8: ff 0a · 2 bytes");
        check(b"ab\x80", "no UTF-8: 61 62 80 · 3 bytes");
        // The beginning of a character, and then another one.
        check(b"\xe5a\xe5", "no UTF-8: e5 61 e5 · 3 bytes");
        check(b"", "0 bytes");
    }

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        check(b"\x1b[2J\n", r#""\u{1b}[2J""#);
        let long = [b'x'; 50];
        check(&long, &format!("half a line \"{}..\"", "x".repeat(40)));
    }

    #[test]
    fn hex_is_two_digits_for_each_byte() {
        assert_eq!(from_hex("e68891").unwrap(), "我".as_bytes());
        for wrong in ["f", "fg", "+1", "我1"] {
            assert!(from_hex(wrong).is_err(), "{wrong}");
        }
    }

    #[track_caller]
    fn check(piece: &[u8], want: &str) {
        assert_eq!(name(piece), want);
    }
}
