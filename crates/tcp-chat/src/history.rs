//! State machine: the last lines that were said, for whoever comes later. No socket, no clock.

use std::collections::VecDeque;

use crate::policy::HISTORY_LEN_MAX;

/// The last lines, as many as are wanted and as fit into [`HISTORY_LEN_MAX`].
#[derive(Debug, Default)]
pub struct History {
    lines: VecDeque<Box<[u8]>>,
    len: usize,
}

impl History {
    /// Keeps a line, and forgets the oldest ones where it is more than `lines_max` or than fits.
    pub fn keep(&mut self, line: &[u8], lines_max: usize) {
        if lines_max == 0 || line.len() > HISTORY_LEN_MAX {
            return;
        }
        self.lines.push_back(line.into());
        self.len += line.len();
        while self.lines.len() > lines_max || self.len > HISTORY_LEN_MAX {
            let oldest = self.lines.pop_front().unwrap_or_default();
            self.len -= oldest.len();
        }
    }

    /// How many lines it has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        for line in &self.lines {
            bytes.extend_from_slice(line);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lines_are_forgotten_first() {
        let mut history = History::default();
        for number in 0..5 {
            history.keep(format!("{number}\n").as_bytes(), 3);
        }
        assert_eq!((history.bytes(), history.count()), (b"2\n3\n4\n".to_vec(), 3));
        history.keep(b"off\n", 0);
        assert_eq!(history.count(), 3);
    }

    #[test]
    fn it_never_has_more_bytes_than_a_queue_holds_with_ease() {
        let mut history = History::default();
        for _ in 0..1000 {
            history.keep(&[b'x'; 4096], 100);
            assert!(history.bytes().len() <= HISTORY_LEN_MAX);
        }
        assert_eq!(history.count(), HISTORY_LEN_MAX / 4096);
        history.keep(&[b'x'; HISTORY_LEN_MAX + 1], 100);
        assert_eq!(history.count(), HISTORY_LEN_MAX / 4096);
    }
}
