//! Tool `decode`: names the datagrams of this chapter, for the ladder of `--trace`.
//!
//! ```text
//! 70696e670001000100000003  ─▶  ping 3
//! 70696e670001000200000003  ─▶  3 try 2
//! e68891                    ─▶  "我"
//! ff00                      ─▶  ff 00 · 2 bytes
//! ```
//!
//! One line of hex on stdin, one line on stdout, until the input ends. What is no ping is text if it
//! is text, and hex if not.

use anyhow::{Context, ensure};
use cli::{ask, count, escape, say};

use crate::ping::wire::Ping;

/// How many bytes are shown in hex.
const HEX_BYTES_MAX: usize = 12;

/// Names datagrams: hex in, a line out
#[derive(Clone, Copy, clap::Args)]
pub struct Args {}

/// Runs the tool.
///
/// # Errors
/// When a line is not hex.
pub fn run(_args: Args) -> anyhow::Result<()> {
    while let Some(line) = ask("hex: ")? {
        let datagram =
            from_hex(&line).with_context(|| format!("not hex: {}", line.escape_debug()))?;
        say!("{}", name(&datagram))?;
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

fn name(datagram: &[u8]) -> String {
    if let Ok(ping) = Ping::decode(datagram) {
        return match ping.attempt {
            1 => ping.to_string(),
            // Between five actors on 80 columns an arrow has room for seven characters.
            attempt => format!("{} try {attempt}", ping.sequence),
        };
    }
    match str::from_utf8(datagram) {
        Ok("") => "0 bytes".to_owned(),
        Ok(text) if !text.contains('\0') => format!("\"{}\"", escape(text.as_bytes())),
        _ => {
            let hex: Vec<String> =
                datagram.iter().take(HEX_BYTES_MAX).map(|byte| format!("{byte:02x}")).collect();
            let more = if datagram.len() > HEX_BYTES_MAX { " .." } else { "" };
            format!("{}{more} · {}", hex.join(" "), count(datagram.len(), "byte"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_named_and_the_rest_is_text_or_hex() {
        check("70696e670001000200000003", Some("3 try 2"));
        check("70696e67000100010000000300", Some("ping 3"));
        // Its padding is wrong.
        check(
            "70696e67000100010000000301",
            Some("70 69 6e 67 00 01 00 01 00 00 00 03 .. · 13 bytes"),
        );
        check("e68891", Some("\"我\""));
        check("1b5b324a", Some(r#""\u{1b}[2J""#));
        check("", Some("0 bytes"));
        check("ff00", Some("ff 00 · 2 bytes"));
        for wrong in ["f", "fg", "+1", "我1"] {
            check(wrong, None);
        }
    }

    #[track_caller]
    fn check(hex: &str, want: Option<&str>) {
        assert_eq!(from_hex(hex).ok().map(|bytes| name(&bytes)).as_deref(), want, "{hex}");
    }
}
