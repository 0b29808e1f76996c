//! What a line of the load says: who said it, its number, and letters that only this number has.
//!
//! ```text
//!  ~0123abcd.0007.00000000002a.opqrstuvwxyz…
//!   run      who  number       letters, to the wanted length
//! ```
//!
//! So a line shows, behind whatever a server puts before it, that nothing in it was changed or cut
//! off, and lines of another run have another key. It is plain ASCII, which every chat server
//! carries. No socket, no clock.

/// The shortest line with a stamp, its line feed included.
pub const LEN_MIN: i64 = FILLER as i64 + 2;

/// Where the letters begin.
const FILLER: usize = 28;

const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";

/// Two lengths of this hold any line's letters, from any letter on.
const PATTERN_LEN: usize = 4096 + LETTERS.len();

/// Writes and reads the lines of one run.
#[derive(Clone, Debug)]
pub struct Stamps {
    key: u32,
    /// Bytes in a line, without its line feed.
    len: usize,
    pattern: Vec<u8>,
}

/// What a line with a stamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// Line `number` of talker `talker`.
    Line {
        /// Whose it is.
        talker: u16,
        /// From 0 on.
        number: u64,
    },
    /// The line by which the load finds out who can hear it.
    Call,
}

/// Why a line with this run's key is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line came with other bytes than were sent")]
pub struct Altered;

/// The talker of a [`Stamp::Call`].
const CALL: u16 = u16::MAX;

impl Stamps {
    /// For lines of `size` bytes, the line feed included, which is from [`LEN_MIN`] to 4,096.
    #[must_use]
    pub fn new(key: u32, size: usize) -> Self {
        let len = size.saturating_sub(1).clamp(FILLER + 1, 4095);
        Self { key, len, pattern: LETTERS.iter().copied().cycle().take(PATTERN_LEN).collect() }
    }

    /// Appends the line, with its line feed.
    pub fn write(&self, stamp: Stamp, to: &mut Vec<u8>) {
        let (talker, number) = match stamp {
            Stamp::Line { talker, number } => (talker, number),
            Stamp::Call => (CALL, 0),
        };
        to.push(b'~');
        hex(to, u64::from(self.key), 8);
        to.push(b'.');
        hex(to, u64::from(talker), 4);
        to.push(b'.');
        hex(to, number, 12);
        to.push(b'.');
        to.extend_from_slice(self.letters(number));
        to.push(b'\n');
    }

    /// What the end of `line` says; `None` if it is no line of this run.
    ///
    /// # Errors
    /// When it is one, but not as it was sent.
    pub fn read(&self, line: &[u8]) -> Result<Option<Stamp>, Altered> {
        let Some(start) = line.len().checked_sub(self.len) else { return Ok(None) };
        let (_, stamp) = line.split_at(start);
        let Some((head, letters)) = stamp.split_at_checked(FILLER) else { return Ok(None) };
        let Some(fields) = Fields::read(head) else { return Ok(None) };
        if fields.key != self.key {
            return Ok(None);
        }
        if letters != self.letters(fields.number) {
            return Err(Altered);
        }
        let Fields { talker, number, .. } = fields;
        Ok(Some(if talker == CALL { Stamp::Call } else { Stamp::Line { talker, number } }))
    }

    fn letters(&self, number: u64) -> &[u8] {
        // The rest of a division by 26 fits anything.
        let from = usize::try_from(number % LETTERS.len() as u64).unwrap_or_default();
        self.pattern.get(from..from + self.len - FILLER).unwrap_or_default()
    }
}

struct Fields {
    key: u32,
    talker: u16,
    number: u64,
}

impl Fields {
    fn read(head: &[u8]) -> Option<Self> {
        let (mark, head) = head.split_first()?;
        let (key, head) = head.split_at_checked(8)?;
        let (dot_1, head) = head.split_first()?;
        let (talker, head) = head.split_at_checked(4)?;
        let (dot_2, head) = head.split_first()?;
        let (number, dot_3) = head.split_at_checked(12)?;
        if *mark != b'~' || *dot_1 != b'.' || *dot_2 != b'.' || dot_3 != b"." {
            return None;
        }
        Some(Self {
            key: u32::try_from(number_of(key)?).ok()?,
            talker: u16::try_from(number_of(talker)?).ok()?,
            number: number_of(number)?,
        })
    }
}

fn hex(to: &mut Vec<u8>, number: u64, digits: u32) {
    for place in (0..digits).rev() {
        let digit = (number >> (4 * place)) & 0xf;
        to.push(b"0123456789abcdef".get(digit as usize).copied().unwrap_or(b'0'));
    }
}

fn number_of(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number: u64, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: u32 = 0x0123_abcd;

    #[test]
    fn what_is_written_is_read_behind_any_prefix() {
        for size in [30, 31, 100, 4096] {
            let stamps = Stamps::new(KEY, size);
            for stamp in [
                Stamp::Line { talker: 0, number: 0 },
                Stamp::Line { talker: 7, number: 42 },
                Stamp::Line { talker: 999, number: (1 << 48) - 1 },
                Stamp::Call,
            ] {
                for prefix in ["", "小明: ", "<user5> "] {
                    let line = line(&stamps, prefix, stamp);
                    assert_eq!(line.len(), size + prefix.len());
                    assert_eq!(stamps.read(&line[..line.len() - 1]), Ok(Some(stamp)), "{size}");
                }
            }
        }
    }

    #[test]
    fn lines_of_others_are_none_of_this_run() {
        let stamps = Stamps::new(KEY, 100);
        let other = line(&Stamps::new(KEY + 1, 100), "", Stamp::Call);
        for line in [&b""[..], b"* Ann has joined", &[b'~'; 99], &other[..99]] {
            assert_eq!(stamps.read(line), Ok(None), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_line_that_was_changed_is_seen() {
        let stamps = Stamps::new(KEY, 64);
        let right = line(&stamps, "", Stamp::Line { talker: 3, number: 9 });
        for place in FILLER..63 {
            let mut wrong = right.clone();
            wrong[place] ^= 1;
            assert_eq!(stamps.read(&wrong[..63]), Err(Altered), "byte {place}");
        }
    }

    fn line(stamps: &Stamps, prefix: &str, stamp: Stamp) -> Vec<u8> {
        let mut line = prefix.as_bytes().to_vec();
        stamps.write(stamp, &mut line);
        line
    }
}
