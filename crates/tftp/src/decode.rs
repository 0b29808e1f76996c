//! Tool `decode`: shows datagrams in a line each, for the cable of `cargo xtask demo`.
//!
//! ```text
//! stdin   00030003…            one datagram per line, in hex
//! stdout  DATA 3 · 512 bytes   one line for each, whatever it was
//! ```

use std::fmt::Write as _;
use std::io::BufRead;

use anyhow::Context;
use cli::{count, escape, say};

use crate::wire::{Options, Packet, Request};

/// Shows datagrams, given in hex on stdin, in a line each
#[derive(clap::Args)]
pub struct Args {}

/// Decodes until stdin ends.
///
/// # Errors
/// When stdin cannot be read, or stdout not written.
pub fn run(_args: Args) -> anyhow::Result<()> {
    for line in std::io::stdin().lock().split(b'\n') {
        let line = line.context("cannot read stdin")?;
        say!("{}", show_hex(&line))?;
    }
    Ok(())
}

/// The line for a datagram in hex.
fn show_hex(line: &[u8]) -> String {
    match bytes_of(line.trim_ascii()) {
        Some(bytes) => show(&bytes),
        None => format!("not hex: {}", escape(line.trim_ascii())),
    }
}

/// The line for a datagram. What a stranger sent is escaped.
#[must_use]
pub fn show(datagram: &[u8]) -> String {
    match Packet::decode(datagram) {
        Ok(Packet::Read(request)) => show_request("RRQ", &request),
        Ok(Packet::Write(request)) => show_request("WRQ", &request),
        Ok(Packet::Data { block, payload }) => {
            format!("DATA {block} · {}", count(payload.len(), "byte"))
        }
        Ok(Packet::Ack { block }) => format!("ACK {block}"),
        Ok(Packet::Error { code, message: [] }) => format!("ERROR {}", code.0),
        Ok(Packet::Error { code, message }) => format!("ERROR {} {}", code.0, escape(message)),
        Ok(Packet::Oack(options)) => format!("OACK{}", show_options(options)),
        Err(error) => format!("{} that are no packet: {error}", count(datagram.len(), "byte")),
    }
}

fn show_request(kind: &str, request: &Request<'_>) -> String {
    let (name, mode) = (escape(request.filename), request.mode.name());
    format!("{kind} {name} {mode}{}", show_options(request.options))
}

fn show_options(options: Options<'_>) -> String {
    options.iter().fold(String::new(), |mut line, (name, value)| {
        // Writing to a String cannot fail.
        let _ = write!(line, " {}={}", escape(name), escape(value));
        line
    })
}

/// `None` where it is not hex: an odd number of digits, or something else.
fn bytes_of(hex: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = hex.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packet_is_shown_in_a_line() {
        for (datagram, line) in [
            (&b"\0\x01hello.txt\0octet\0"[..], "RRQ hello.txt octet"),
            (b"\0\x01hello.txt\0octet\0blksize\x001428\0", "RRQ hello.txt octet blksize=1428"),
            (b"\0\x02a\0netascii\0tsize\x005\0x\x00y\0", "WRQ a netascii tsize=5 x=y"),
            (&[&b"\0\x03\0\x03"[..], &[0; 512]].concat(), "DATA 3 · 512 bytes"),
            (b"\0\x03\xff\xff", "DATA 65535 · 0 bytes"),
            (b"\0\x04\0\x03", "ACK 3"),
            (b"\0\x05\0\x01file not found\0", "ERROR 1 file not found"),
            (b"\0\x05\0\x00\0", "ERROR 0"),
            (b"\0\x06blksize\x001428\0windowsize\x0064\0", "OACK blksize=1428 windowsize=64"),
            (b"\0\x06", "OACK"),
        ] {
            assert_eq!(show(datagram), line);
        }
    }

    #[test]
    fn what_is_no_packet_is_shown_as_such() {
        for (hex, line) in [
            ("", "0 bytes that are no packet: 0 bytes are no packet: an opcode alone has 2"),
            ("0007", "2 bytes that are no packet: opcode 7 means nothing in TFTP"),
            ("0003aa", "3 bytes that are no packet: DATA needs 4 bytes, the datagram has 3"),
            ("00010000", "4 bytes that are no packet: the request names no file"),
            ("000", "not hex: 000"),
            ("hello\x1b", r"not hex: hello\u{1b}"),
            (" 00040003\r", "ACK 3"),
            ("00040003FF", "ACK 3"),
        ] {
            assert_eq!(show_hex(hex.as_bytes()), line);
        }
    }

    #[test]
    fn what_strangers_sent_is_escaped() {
        for (datagram, line) in [
            (&b"\0\x01\x1b[2J\n\0octet\0\r\x00\x07\0"[..], r"RRQ \u{1b}[2J\n octet \r=\u{7}"),
            (b"\0\x05\0\x63\xff\xe4\xb8\xad", r"ERROR 99 \xff中"),
        ] {
            assert_eq!(show(datagram), line);
        }
    }
}
