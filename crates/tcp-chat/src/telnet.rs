//! State machine: takes telnet's own bytes out of what it sends. No socket, no clock.
//!
//! A telnet client may negotiate before and while a person types (RFC 854, RFC 855). What it means
//! for itself begins with IAC, 255:
//!
//! ```text
//!  ff fb 1f              IAC WILL 31          "I can tell the size of my window"
//!  ff fa 1f 00 50 … ff f0  IAC SB 31 … IAC SE  … and this is it
//!  ff f4                 IAC IP               Ctrl-C was typed
//! ```
//!
//! None of it is answered, which is a refusal of all options but polite enough: both ends stay the
//! plain terminals that they are before any negotiation. 255 occurs nowhere in UTF-8, so nothing
//! that anybody else sends is touched.

const IAC: u8 = 255;
const WILL: u8 = 251;
const DONT: u8 = 254;
const SB: u8 = 250;
const SE: u8 = 240;

/// Where in telnet's language a stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Telnet {
    /// In text.
    #[default]
    Text,
    /// Behind an IAC.
    Iac,
    /// Behind WILL, WONT, DO or DONT: the option comes.
    Option,
    /// In a subnegotiation. It has no limit, and nothing of it is kept.
    Sub,
    /// Behind an IAC in there.
    SubIac,
}

impl Telnet {
    /// Moves the text among `bytes` to the front, and says how much it is.
    pub fn strip(&mut self, bytes: &mut [u8]) -> usize {
        if *self == Self::Text && !bytes.contains(&IAC) {
            return bytes.len();
        }
        let mut kept = 0;
        for at in 0..bytes.len() {
            let Some(byte) = bytes.get(at).copied() else { break };
            if self.is_text(byte)
                && let Some(place) = bytes.get_mut(kept)
            {
                *place = byte;
                kept += 1;
            }
        }
        kept
    }

    fn is_text(&mut self, byte: u8) -> bool {
        let (next, text) = match (*self, byte) {
            (Self::Text, IAC) => (Self::Iac, false),
            (Self::Text, _) => (Self::Text, true),
            (Self::Iac, WILL..=DONT) => (Self::Option, false),
            (Self::Iac, SB) => (Self::Sub, false),
            // No command of telnet's: a 255 that means nothing must not swallow a line feed.
            (Self::Iac, 0..SE) => (Self::Text, true),
            // IAC IAC is a 255 that was meant, which no text has.
            (Self::Iac | Self::Option, _) | (Self::SubIac, SE) => (Self::Text, false),
            (Self::Sub, IAC) => (Self::SubIac, false),
            (Self::Sub | Self::SubIac, _) => (Self::Sub, false),
        };
        *self = next;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_telnet_says_for_itself_is_taken_out() {
        check(b"ann\r\n", b"ann\r\n");
        check(b"\xff\xfb\x1fann", b"ann");
        check(b"a\xff\xfd\x03\xff\xfc\x01n\xff\xfe\x22n", b"ann");
        check(b"\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0ann", b"ann");
        // 240 and a doubled 255 inside a subnegotiation do not end it.
        check(b"\xff\xfa\x1f\xf0\xff\xff\xf0\xff\xf0ann", b"ann");
        check(b"\xff\xf4\xff\xf1ann\xff\xff", b"ann");
        check(b"\xfe\xff\n\xffa\n", b"\xfe\na\n");
        check("小明\n".as_bytes(), "小明\n".as_bytes());
    }

    #[test]
    fn a_subnegotiation_without_end_is_swallowed_without_end() {
        let mut telnet = Telnet::default();
        assert_eq!(telnet.strip(&mut [IAC, SB, 1]), 0);
        for _ in 0..1000 {
            assert_eq!(telnet.strip(&mut [b'x'; 1000]), 0);
        }
        assert_eq!(telnet, Telnet::Sub);
    }

    /// Whole, and cut at every place.
    #[track_caller]
    fn check(stream: &[u8], want: &[u8]) {
        for cut in 0..=stream.len() {
            let mut telnet = Telnet::default();
            let mut text = Vec::new();
            for read in [&stream[..cut], &stream[cut..]] {
                let mut read = read.to_vec();
                let kept = telnet.strip(&mut read);
                text.extend_from_slice(&read[..kept]);
            }
            assert_eq!(text, want, "cut at {cut}");
        }
    }
}
