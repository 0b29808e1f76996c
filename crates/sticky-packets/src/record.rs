//! What a program wrote and read, call by call: for `--json`, and so for the pictures.
//!
//! Nobody else can know it. What lies between the ends sees segments, and a relay sees its own
//! reads; where one write ended and the next began is not in the stream.

use std::io::{self, IoSlice, Read, Write};

use serde_json::{Value, json};

/// No more than this is kept; the rest is counted.
const KEPT_BYTES_MAX: usize = 1 << 20;
const KEPT_CALLS_MAX: usize = 10_000;

/// What is said of the messages, as far as there is room for it: a stranger sends as many as he likes.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    objects: Vec<Value>,
    bytes: usize,
}

impl Kept {
    /// Keeps what is said of a message of `len` bytes, if there is room.
    pub fn push(&mut self, len: usize, object: impl FnOnce() -> Value) {
        self.bytes = self.bytes.saturating_add(len);
        if self.bytes <= KEPT_BYTES_MAX && self.objects.len() < KEPT_CALLS_MAX {
            self.objects.push(object());
        }
    }

    /// The last that was kept.
    pub fn last_mut(&mut self) -> Option<&mut Value> {
        self.objects.last_mut()
    }

    /// All that was kept.
    #[must_use]
    pub fn json(&self) -> Value {
        Value::Array(self.objects.clone())
    }
}

/// A stream whose calls are written down, if that is asked for.
#[derive(Debug)]
pub struct Recorder<S> {
    stream: S,
    calls: Option<Calls>,
}

/// What the calls gave or took.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    kept: Vec<Vec<u8>>,
    kept_bytes: usize,
    left_off: u64,
}

impl<S> Recorder<S> {
    /// Writes down what this stream does, or not.
    pub fn new(stream: S, wanted: bool) -> Self {
        Self { stream, calls: wanted.then(Calls::default) }
    }

    /// The stream, for its settings.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// What was written down.
    pub fn calls(&self) -> Calls {
        self.calls.clone().unwrap_or_default()
    }

    fn note<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>, len: usize) {
        if let Some(calls) = &mut self.calls {
            calls.note(pieces, len);
        }
    }
}

impl Calls {
    fn note<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>, len: usize) {
        self.kept_bytes = self.kept_bytes.saturating_add(len);
        if self.kept_bytes > KEPT_BYTES_MAX || self.kept.len() >= KEPT_CALLS_MAX {
            self.left_off += 1;
            return;
        }
        self.kept.push(pieces.flatten().copied().take(len).collect());
    }

    /// Each call's bytes in hexadecimal digits, and how many calls there is no room for.
    #[must_use]
    pub fn json(&self) -> Value {
        let calls: Vec<String> = self.kept.iter().map(|bytes| hex(bytes)).collect();
        json!({ "calls": calls, "left_off": self.left_off })
    }
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl<S: Read> Read for Recorder<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.stream.read(buffer)?;
        self.note([&*buffer].into_iter(), len);
        Ok(len)
    }
}

impl<S: Write> Write for Recorder<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.stream.write(bytes)?;
        self.note([bytes].into_iter(), len);
        Ok(len)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = self.stream.write_vectored(pieces)?;
        self.note(pieces.iter().map(|piece| &**piece), len);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_kept_with_what_it_gave_or_took() {
        let mut reads = Recorder::new(&b"hello"[..], true);
        let mut buffer = [0; 3];
        let lens = [3, 2, 0].map(|_| reads.read(&mut buffer).unwrap());
        assert_eq!(lens, [3, 2, 0]);
        assert_eq!(reads.calls().json(), json!({ "calls": ["68656c", "6c6f", ""], "left_off": 0 }));
        // A writer with room for four bytes takes a part of what it is given.
        let mut room = [0; 4];
        let mut writes = Recorder::new(&mut room[..], true);
        let pieces = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
        assert_eq!(writes.write_vectored(&pieces).unwrap(), 4);
        assert_eq!(writes.calls().json(), json!({ "calls": ["68656c6c"], "left_off": 0 }));
    }

    #[test]
    fn of_messages_no_more_is_kept_than_there_is_room_for() {
        let count = |kept: &Kept| kept.json().as_array().unwrap().len();
        let mut many = Kept::default();
        for _ in 0..KEPT_CALLS_MAX + 3 {
            many.push(0, || json!({}));
        }
        assert_eq!(count(&many), KEPT_CALLS_MAX);
        let mut long = Kept::default();
        for len in [KEPT_BYTES_MAX - 1, 1, 1, 0] {
            long.push(len, || json!({ "len": len }));
        }
        assert_eq!(count(&long), 2);
        assert_eq!(long.last_mut(), Some(&mut json!({ "len": 1 })));
    }

    #[test]
    fn nothing_is_kept_unasked_and_not_everything_when_asked() {
        let mut silent = Recorder::new(io::sink(), false);
        silent.write_all(b"hello").unwrap();
        assert_eq!(silent.calls().json(), json!({ "calls": [], "left_off": 0 }));
        let mut writes = Recorder::new(io::sink(), true);
        for _ in 0..KEPT_CALLS_MAX + 3 {
            writes.write_all(b"x").unwrap();
        }
        writes.write_all(&vec![0; KEPT_BYTES_MAX]).unwrap();
        assert_eq!(writes.calls().json()["left_off"], 4);
    }
}
