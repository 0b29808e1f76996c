//! Text as TFTP carries it: lines end in CR LF, whatever a system ends its own with. No socket, no
//! clock.
//!
//! ```text
//! here          on the wire
//! LF        ⇄   CR LF        the end of a line
//! CR        ⇄   CR NUL       a carriage return that is none
//! the rest  ⇄   itself
//! ```
//!
//! RFC 1350 §1 takes this from Telnet (RFC 764, RFC 854). The pair can lie across the edge of two
//! blocks, and blocks know nothing of it: so both directions remember what they are in the middle
//! of, and can be cut anywhere. What a peer sends beyond this, CR with another byte behind it or at
//! the very end, is taken for the two bytes that it is.

/// How far one call got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many bytes of the input were used.
    pub read: usize,
    /// How many bytes of the output were filled.
    pub written: usize,
}

/// Makes netascii of a file's bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Encoder {
    /// The second byte of a pair, when there was no room for it.
    owed: Option<u8>,
}

impl Encoder {
    /// Fills `output` from `input`, until one of them is used up. Call it again with the rest of the
    /// input, and at the file's end with none until [`is_drained`](Self::is_drained).
    pub fn encode(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let mut cursor = Cursor { input, output, progress: Progress::default() };
        if let Some(owed) = self.owed
            && cursor.put(owed)
        {
            self.owed = None;
        }
        while self.owed.is_none() && cursor.copy(|rest| memchr::memchr2(b'\n', b'\r', rest)) {
            let Some(byte) = cursor.peek() else { break };
            if !cursor.put(b'\r') {
                break;
            }
            cursor.progress.read += 1;
            let second = if byte == b'\n' { b'\n' } else { 0 };
            if !cursor.put(second) {
                self.owed = Some(second);
            }
        }
        cursor.progress
    }

    /// Whether every byte that was read is in the output.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.owed.is_none()
    }
}

/// Makes a file's bytes of netascii.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    /// The last byte was a CR, and what it means depends on the next.
    after_cr: bool,
}

impl Decoder {
    /// Fills `output` from `input`, until one of them is used up. Call it again with the rest of the
    /// input, and [`finish`](Self::finish) at the end. An output one byte longer than the input is
    /// always long enough.
    pub fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let mut cursor = Cursor { input, output, progress: Progress::default() };
        loop {
            if self.after_cr {
                let (byte, used) = match cursor.peek() {
                    None => break,
                    Some(b'\n') => (b'\n', 1),
                    Some(0) => (b'\r', 1),
                    Some(_) => (b'\r', 0),
                };
                if !cursor.put(byte) {
                    break;
                }
                cursor.progress.read += used;
                self.after_cr = false;
            }
            if !cursor.copy(|rest| memchr::memchr(b'\r', rest)) || cursor.peek().is_none() {
                break;
            }
            cursor.progress.read += 1;
            self.after_cr = true;
        }
        cursor.progress
    }

    /// The byte that the end of the file leaves over: a CR with nothing behind it.
    pub fn finish(&mut self) -> Option<u8> {
        std::mem::take(&mut self.after_cr).then_some(b'\r')
    }
}

/// Where both slices stand.
struct Cursor<'a, 'b> {
    input: &'a [u8],
    output: &'b mut [u8],
    progress: Progress,
}

impl Cursor<'_, '_> {
    fn peek(&self) -> Option<u8> {
        self.input.get(self.progress.read).copied()
    }

    /// Whether there was room.
    fn put(&mut self, byte: u8) -> bool {
        let Some(place) = self.output.get_mut(self.progress.written) else { return false };
        *place = byte;
        self.progress.written += 1;
        true
    }

    /// Copies up to what `stop` finds. `false`: the output is full before that.
    fn copy(&mut self, stop: impl Fn(&[u8]) -> Option<usize>) -> bool {
        let Progress { read, written } = self.progress;
        let rest = self.input.get(read..).unwrap_or_default();
        let plain = stop(rest).unwrap_or(rest.len());
        let room = self.output.get_mut(written..).unwrap_or_default();
        let len = plain.min(room.len());
        for (place, byte) in room.iter_mut().zip(rest).take(len) {
            *place = *byte;
        }
        self.progress = Progress { read: read + len, written: written + len };
        len == plain
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_end_in_cr_lf_and_a_cr_is_cr_nul() {
        // C-17.
        check(b"", b"");
        check(b"plain \xff\0", b"plain \xff\0");
        check(b"one\ntwo\n", b"one\r\ntwo\r\n");
        check(b"\r", b"\r\0");
        check(b"a\r\nb", b"a\r\0\r\nb");
        check(b"\n\n\r\r\n", b"\r\n\r\n\r\0\r\0\r\n");
    }

    #[test]
    fn a_cr_that_stands_alone_is_a_cr() {
        for (wire, want) in [(&b"a\rb"[..], &b"a\rb"[..]), (b"a\r", b"a\r"), (b"\r\r\n", b"\r\n")] {
            for cut in 0..=wire.len() {
                assert_eq!(decoded(&[&wire[..cut], &wire[cut..]], 7), want, "cut at {cut}");
            }
        }
    }

    proptest! {
        /// Every size of block, of read and of buffer that is small enough to meet every edge.
        #[test]
        fn every_text_survives_every_cut(
            text in prop::collection::vec(prop::sample::select(&b"\r\n\0ab"[..]), 0..40),
            block in 1..9_usize,
            read in 1..9_usize,
            room in 1..9_usize,
        ) {
            let whole: Vec<u8> = text.iter().flat_map(|byte| match byte {
                b'\n' => b"\r\n".to_vec(),
                b'\r' => b"\r\0".to_vec(),
                byte => vec![*byte],
            }).collect();
            let blocks = encoded(&text, read, block);
            prop_assert_eq!(blocks.concat(), whole);
            prop_assert!(blocks.iter().rev().skip(1).all(|full| full.len() == block));
            let blocks: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(decoded(&blocks, room), text);
        }
    }

    #[track_caller]
    fn check(text: &[u8], wire: &[u8]) {
        for block in 1..=wire.len() + 1 {
            let blocks = encoded(text, 3, block);
            assert_eq!(blocks.concat(), wire, "in blocks of {block}");
            let blocks: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
            assert_eq!(decoded(&blocks, 2), text, "in blocks of {block}");
        }
    }

    /// Reads `text` in pieces of `read` and fills blocks of `block`, as a driver does.
    fn encoded(text: &[u8], read: usize, block: usize) -> Vec<Vec<u8>> {
        let (mut encoder, mut blocks, mut filled) = (Encoder::default(), vec![vec![0; block]], 0);
        let pieces = text.chunks(read).chain([&b""[..]]);
        for mut piece in pieces {
            loop {
                let got = encoder.encode(piece, &mut blocks.last_mut().unwrap()[filled..]);
                (piece, filled) = (&piece[got.read..], filled + got.written);
                if filled < block {
                    assert!(piece.is_empty() && encoder.is_drained(), "no progress");
                    break;
                }
                blocks.push(vec![0; block]);
                filled = 0;
            }
        }
        blocks.last_mut().unwrap().truncate(filled);
        blocks
    }

    fn decoded(blocks: &[&[u8]], room: usize) -> Vec<u8> {
        let (mut decoder, mut text, mut output) = (Decoder::default(), Vec::new(), vec![0; room]);
        for block in blocks {
            let mut rest = *block;
            loop {
                let got = decoder.decode(rest, &mut output);
                text.extend(&output[..got.written]);
                rest = &rest[got.read..];
                if rest.is_empty() && got.written < room {
                    break;
                }
                assert!(got != Progress::default(), "no progress");
            }
        }
        text.extend(decoder.finish());
        text
    }
}
