//! The receiving end's file: payloads in order, written a batch at a time.

use std::io::Write;

use crate::netascii::Decoder;
use crate::root::{Denied, Durability, Upload};
use crate::wire::Mode;

/// Where a file goes.
pub enum Store {
    /// Beside its target, until it is whole.
    File(Upload, Durability),
    /// To a pipe or a device, which keeps nothing back.
    Stream(Box<dyn Write + Send>),
}

/// Collects payloads, and writes them when there is time.
pub struct Sink {
    store: Option<Store>,
    decoder: Option<Decoder>,
    pending: Vec<u8>,
    /// What is pending is written at the latest when it is as long as this.
    capacity: usize,
    len: u64,
    expected: Option<u64>,
}

impl Sink {
    /// A sink that holds at most `capacity` bytes, or one payload where that is longer.
    #[must_use]
    pub fn new(store: Store, mode: Mode, capacity: usize) -> Self {
        // One byte more for a text's CR whose meaning is not yet known.
        let pending = Vec::with_capacity(capacity + 1);
        let decoder = (mode == Mode::Netascii).then(Decoder::default);
        Self { store: Some(store), decoder, pending, capacity, len: 0, expected: None }
    }

    /// What is not exactly as long is not kept.
    pub fn expect(&mut self, len: u64) {
        self.expected = Some(len);
    }

    /// How many bytes the file has, as it will lie on the disk.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing has come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a payload.
    ///
    /// # Errors
    /// When something was written, and could not be.
    pub fn append(&mut self, payload: &[u8]) -> Result<(), Denied> {
        if self.pending.len() + payload.len() > self.capacity {
            self.flush()?;
        }
        let before = self.pending.len();
        match &mut self.decoder {
            None => self.pending.extend_from_slice(payload),
            Some(decoder) => {
                // One byte longer than the input is always enough.
                self.pending.resize(before + payload.len() + 1, 0);
                let room = self.pending.get_mut(before..).unwrap_or_default();
                let done = decoder.decode(payload, room);
                self.pending.truncate(before + done.written);
            }
        }
        self.len += u64::try_from(self.pending.len() - before).unwrap_or_default();
        Ok(())
    }

    /// Writes what is pending.
    ///
    /// # Errors
    /// When that cannot be: the disk is full, say.
    pub fn flush(&mut self) -> Result<(), Denied> {
        match &mut self.store {
            Some(Store::File(upload, _)) => upload.append(&self.pending)?,
            Some(Store::Stream(stream)) => stream.write_all(&self.pending)?,
            None => {}
        }
        self.pending.clear();
        Ok(())
    }

    /// All has come: puts the file where it belongs.
    ///
    /// # Errors
    /// When it cannot be kept. Nothing of it is left then.
    pub fn commit(&mut self) -> Result<(), Denied> {
        if let Some(byte) = self.decoder.as_mut().and_then(Decoder::finish) {
            self.pending.push(byte);
            self.len += 1;
        }
        if let Some(promised) = self.expected.filter(|expected| *expected != self.len) {
            return Err(Denied::WrongLength { promised, got: self.len });
        }
        self.flush()?;
        match self.store.take() {
            Some(Store::File(upload, durability)) => upload.commit(durability),
            Some(Store::Stream(mut stream)) => Ok(stream.flush()?),
            None => Ok(()),
        }
    }
}
