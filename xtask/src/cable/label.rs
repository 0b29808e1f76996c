//! What a datagram or a piece of a stream is called on a ladder.
//!
//! What its bytes mean is the chapter's business: the chapter's binary has a hidden subcommand
//! `decode`, which takes them in hex, a line each, and answers with a line each
//! (`RRQ hello.txt octet`). Where there is none, bytes are shown as text if they are text, and in
//! hex if not.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::trace::What;

/// Names things, with the help of a chapter's binary where it has any.
#[derive(Default)]
pub struct Labels {
    /// The binary that has not been asked yet.
    binary: Option<PathBuf>,
    decoder: Option<Decoder>,
}

struct Decoder {
    child: Child,
    hex: ChildStdin,
    names: BufReader<ChildStdout>,
}

/// Longer texts are cut, and said to be.
const SHOWN_LEN_MAX: usize = 60;

/// How many bytes are shown in hex.
const HEX_BYTES_MAX: usize = 12;

impl Labels {
    /// Asks `binary`, which is started at the first question. If it has no `decode`, that shows
    /// then.
    #[must_use]
    pub fn from_binary(binary: &Path) -> Self {
        Self { binary: Some(binary.to_owned()), decoder: None }
    }

    /// What `what` is called.
    pub fn of(&mut self, what: &What) -> String {
        if let Some(binary) = self.binary.take() {
            self.decoder = Decoder::start(&binary);
        }
        if let (Some(bytes), Some(decoder)) = (what.bytes(), &mut self.decoder) {
            if let Some(name) = decoder.ask(bytes) {
                return name;
            }
            self.decoder = None;
        }
        Self::plain(what)
    }

    /// What `what` is called when nobody knows what its bytes mean.
    #[must_use]
    pub fn plain(what: &What) -> String {
        match what {
            What::Datagram(bytes) | What::Piece(bytes) => plain(bytes),
            What::Opened => "connect".to_owned(),
            What::Closed => "end".to_owned(),
            What::Reset => "reset".to_owned(),
        }
    }
}

impl Decoder {
    fn start(binary: &Path) -> Option<Self> {
        let mut child = Command::new(binary)
            .arg("decode")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let hex = child.stdin.take()?;
        let names = BufReader::new(child.stdout.take()?);
        Some(Self { child, hex, names })
    }

    fn ask(&mut self, bytes: &[u8]) -> Option<String> {
        let mut line = String::with_capacity(bytes.len() * 2 + 1);
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(line, "{byte:02x}");
        }
        line.push('\n');
        self.hex.write_all(line.as_bytes()).ok()?;
        self.hex.flush().ok()?;
        let mut name = String::new();
        self.names.read_line(&mut name).ok().filter(|len| *len > 0)?;
        Some(cli::escape(name.trim_end().as_bytes()).to_string())
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `"hello"`, or `ff fe 00 … · 516 bytes`, or `0 bytes`.
fn plain(bytes: &[u8]) -> String {
    let len = cli::count(bytes.len(), "byte");
    if bytes.is_empty() {
        return len;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => {
            let start: String = text.chars().take(SHOWN_LEN_MAX).collect();
            let shown = format!("\"{}\"", cli::escape(start.as_bytes()));
            if start.len() == text.len() { shown } else { format!("{shown} .. · {len}") }
        }
        _ => {
            let shown = &bytes[..bytes.len().min(HEX_BYTES_MAX)];
            let hex: Vec<String> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            let more = if bytes.len() > HEX_BYTES_MAX { " .." } else { "" };
            format!("{}{more} · {len}", hex.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_nobody_explains_are_text_if_they_are_text() {
        for (bytes, label) in [
            (&b"hello"[..], "\"hello\""),
            ("我爱你\n".as_bytes(), "\"我爱你\\n\""),
            (b"\x1b[2J", r#""\u{1b}[2J""#),
            (b"", "0 bytes"),
            (b"\xff", "ff · 1 byte"),
            (b"\0\x01a", "00 01 61 · 3 bytes"),
            (&[b'x'; 60], &format!("\"{}\"", "x".repeat(60))),
            (&[b'x'; 61], &format!("\"{}\" .. · 61 bytes", "x".repeat(60))),
            (&[0xff; 600], "ff ff ff ff ff ff ff ff ff ff ff ff .. · 600 bytes"),
        ] {
            assert_eq!(Labels::plain(&What::Datagram(bytes.to_vec())), label);
        }
    }

    #[test]
    fn a_binary_that_cannot_decode_is_done_without() {
        let mut labels = Labels::from_binary(Path::new("/no/such/binary"));
        assert_eq!(labels.of(&What::Piece(b"x".to_vec())), "\"x\"");
    }
}
