//! The picture of `buffers`: a letter for so many bytes, a colour for each message. No socket.
//!
//! ```text
//!   written 14, read 2, kept 8 of which 3 are not sent, not read 7        (a letter for each byte)
//!
//!     offset   13 ◀──────── 6                     8 ◀──── 2
//!             │E D D d d c c c│          ▶       │c c c b b b a│
//!              └unsent┘ └sent, kept┘              what has come
//! ```
//!
//! The stream runs from left to right, so the byte that comes out first stands rightmost.

use std::fmt::Write as _;
use std::ops::Range;

use anstyle::{AnsiColor, Style};

/// Where the bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Bytes that the writer has handed over.
    pub(super) written: usize,
    /// Bytes that the reader has taken.
    pub(super) read: usize,
    /// The last of the written that were never sent.
    pub(super) unsent: usize,
    /// The last of the written that the send buffer holds, sent or not.
    pub(super) kept: usize,
    /// What the receive buffer holds.
    pub(super) unread: usize,
}

/// How bytes become letters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture {
    /// Bytes of a message.
    pub(super) message: usize,
    /// Bytes that a letter stands for.
    pub(super) cell: usize,
}

/// Columns for each buffer, if that is enough.
const WIDTH: usize = 24;

const COLORS: [AnsiColor; 6] = [
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Blue,
    AnsiColor::Magenta,
    AnsiColor::Cyan,
    AnsiColor::BrightRed,
];

/// The letter of a message.
pub(super) fn letter(index: usize) -> char {
    char::from(b'A' + u8::try_from(index % 26).unwrap_or_default())
}

impl Picture {
    /// The send buffer and the receive buffer.
    pub(super) fn draw(self, state: State) -> (String, String) {
        let kept = state.written.saturating_sub(state.kept)..state.written;
        let unread = state.read..state.read + state.unread;
        let sent = state.written.saturating_sub(state.unsent);
        (self.strip(kept, sent), self.strip(unread, 0))
    }

    /// These bytes of the stream, the last first; those before `small` in small letters.
    fn strip(self, bytes: Range<usize>, small: usize) -> String {
        // A cell is where its first byte is.
        let cells = bytes.start.div_ceil(self.cell)..bytes.end.div_ceil(self.cell);
        let mut strip = " ".repeat(WIDTH.saturating_sub(cells.len()));
        for cell in cells.rev() {
            let first = cell * self.cell;
            let index = first / self.message;
            let style = Style::new().fg_color(Some(COLORS[index % COLORS.len()].into()));
            let letter = match letter(index) {
                letter if first < small => letter.to_ascii_lowercase(),
                letter => letter,
            };
            let _ = write!(strip, "{style}{letter}{style:#}");
        }
        strip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_stands_rightmost() {
        check(State { written: 9, read: 0, unsent: 0, kept: 0, unread: 9 }, "", "CCCBBBAAA");
        check(State { written: 9, read: 4, unsent: 0, kept: 0, unread: 5 }, "", "CCCBB");
    }

    #[test]
    fn what_is_sent_and_kept_is_small() {
        check(State { written: 14, read: 2, unsent: 3, kept: 8, unread: 7 }, "EEDddccc", "CCCBBBA");
        check(State { written: 3, read: 3, unsent: 0, kept: 3, unread: 0 }, "aaa", "");
    }

    #[test]
    fn a_letter_can_stand_for_many_bytes() {
        let picture = Picture { message: 300, cell: 100 };
        let state = State { written: 650, read: 250, unsent: 0, kept: 0, unread: 400 };
        assert_eq!(plain(&picture.draw(state).1), "CBBB");
    }

    #[test]
    fn there_are_26_letters() {
        assert_eq!([0, 25, 26].map(letter), ['A', 'Z', 'A']);
    }

    #[track_caller]
    fn check(state: State, send: &str, receive: &str) {
        let drawn = Picture { message: 3, cell: 1 }.draw(state);
        assert_eq!((plain(&drawn.0).as_str(), plain(&drawn.1).as_str()), (send, receive));
    }

    fn plain(strip: &str) -> String {
        let mut pieces = strip.split('\u{1b}');
        let first = pieces.next().unwrap_or_default();
        let others = pieces.map(|piece| piece.split_once('m').unwrap().1);
        [first].into_iter().chain(others).collect::<String>().trim_start().to_owned()
    }
}
