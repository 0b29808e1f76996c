//! The sending end's file: from the disk into datagrams, a batch at a time.
//!
//! ```text
//! read at once      ┌ room for the heads ┐┌ block 1 ┐┌ block 2 ┐┌ block 3 ┐
//! moved forward     ┌head┐┌ block 1 ┐┌head┐┌ block 2 ┐┌head┐┌ block 3 ┐
//! ```
//!
//! One call reads a batch, whatever the block size. Moving bytes within the processor's cache costs
//! far less than a call for each block.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;

use super::DriveError;
use crate::io::BATCH_LEN_MAX;
use crate::netascii::Encoder;
use crate::options::Agreed;
use crate::rollover::Rollover;
use crate::root::Denied;
use crate::wire::{DATA_HEADER_LEN, Mode, data_header};

/// A file as DATA.
pub struct Source {
    file: Blocks,
    agreed: Agreed,
    now: Batch,
    /// What will be asked for next, most likely.
    ahead: Batch,
    next: u64,
}

/// DATA that lie ready, one behind the other.
#[derive(Default)]
struct Batch {
    blocks: Range<u64>,
    bytes: Vec<u8>,
    len: usize,
    last: Option<u64>,
}

enum Blocks {
    Octet { file: File, len: u64 },
    Netascii(Box<Netascii>),
}

impl Source {
    /// `len` is how long the file is.
    #[must_use]
    pub fn new(file: File, len: u64, mode: Mode, agreed: Agreed) -> Self {
        let file = match mode {
            Mode::Octet => Blocks::Octet { file, len },
            Mode::Netascii => Blocks::Netascii(Box::new(Netascii::new(file, &agreed))),
        };
        Self { file, agreed, now: Batch::default(), ahead: Batch::default(), next: 1 }
    }

    /// Bytes in a block.
    #[must_use]
    pub fn blksize(&self) -> u64 {
        self.agreed.blksize.into()
    }

    /// Bytes in a whole DATA.
    #[must_use]
    pub fn datagram_len(&self) -> usize {
        usize::from(self.agreed.blksize) + DATA_HEADER_LEN
    }

    /// The last block, where it is known without reading.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        match &self.file {
            Blocks::Octet { len, .. } => Some(len / self.blksize() + 1),
            Blocks::Netascii(text) => text.last,
        }
    }

    /// These blocks as datagrams, and the last block if it is among them or was found before them.
    ///
    /// # Errors
    /// When the file cannot be read, or is no longer what it was.
    pub fn datagrams(&mut self, blocks: Range<u64>) -> Result<(&[u8], Option<u64>), DriveError> {
        self.next = blocks.end;
        let len_wanted = self.len_of(&blocks);
        if self.ahead.blocks.start == blocks.start && self.ahead.blocks.end >= blocks.end {
            std::mem::swap(&mut self.now, &mut self.ahead);
            self.ahead.blocks = 0..0;
        } else {
            fill(&mut self.file, &self.agreed, &mut self.now, blocks)?;
        }
        let len = self.now.len.min(len_wanted);
        Ok((self.now.bytes.get(..len).unwrap_or_default(), self.now.last))
    }

    /// Reads what comes next, while the peer is busy with what was sent.
    ///
    /// # Errors
    /// When the file cannot be read, or is no longer what it was.
    pub fn read_ahead(&mut self, at_most: usize) -> Result<(), DriveError> {
        let Blocks::Octet { .. } = self.file else { return Ok(()) };
        let Some(last) = self.last() else { return Ok(()) };
        if self.next > last || self.ahead.blocks.start == self.next {
            return Ok(());
        }
        let count = u64::try_from(at_most).unwrap_or(1).min(self.agreed.windowsize.into()).max(1);
        let blocks = self.next..(self.next + count).min(last + 1);
        fill(&mut self.file, &self.agreed, &mut self.ahead, blocks)
    }

    fn len_of(&self, blocks: &Range<u64>) -> usize {
        let count = usize::try_from(blocks.end - blocks.start).unwrap_or_default();
        count.saturating_mul(self.datagram_len())
    }
}

fn fill(
    file: &mut Blocks,
    agreed: &Agreed,
    batch: &mut Batch,
    blocks: Range<u64>,
) -> Result<(), DriveError> {
    let (head, blksize) = (DATA_HEADER_LEN, usize::from(agreed.blksize));
    let count = usize::try_from(blocks.end - blocks.start).unwrap_or_default();
    let room = count * (head + blksize);
    if batch.bytes.len() < room {
        // Once, for the largest batch there can be.
        let window = usize::from(agreed.windowsize.max(1)) * (head + blksize);
        batch.bytes.resize(window.min(BATCH_LEN_MAX).max(room), 0);
    }
    batch.blocks = 0..0;
    let bytes = batch.bytes.get_mut(..room).unwrap_or_default();
    let len = match file {
        Blocks::Octet { file, len } => {
            let read = read_octets(file, *len, blksize, &blocks, bytes.get_mut(count * head..))?;
            spread(bytes, count, blksize, read);
            // The file may end in these blocks; an empty block still has its head.
            batch.last = None;
            read + count * head
        }
        Blocks::Netascii(text) => {
            let len = text.fill(&blocks, bytes)?;
            batch.last = text.last;
            len
        }
    };
    number(bytes, agreed.rollover, blocks.clone(), head + blksize);
    batch.len = len;
    batch.blocks = blocks;
    Ok(())
}

/// Reads the blocks' bytes, one behind the other.
fn read_octets(
    file: &File,
    len: u64,
    blksize: usize,
    blocks: &Range<u64>,
    room: Option<&mut [u8]>,
) -> Result<usize, DriveError> {
    let per_block = u64::try_from(blksize).unwrap_or_default();
    let offset = (blocks.start - 1) * per_block;
    let end = len.min((blocks.end - 1) * per_block);
    let want = usize::try_from(end.saturating_sub(offset)).unwrap_or_default();
    let bytes = room.and_then(|room| room.get_mut(..want)).unwrap_or_default();
    let mut read = 0;
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        let at = offset + u64::try_from(read).unwrap_or_default();
        match read_at(file, rest, at) {
            // It is shorter than it was. What was promised cannot be sent (S-34).
            Ok(0) => return Err(DriveError::Changed),
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Denied::from(error).into()),
        }
    }
    Ok(read)
}

/// Moves each block forward to its place behind its head: every one of them towards the front, so
/// none is written over before it was moved.
fn spread(bytes: &mut [u8], count: usize, blksize: usize, read: usize) {
    let heads = count * DATA_HEADER_LEN;
    for index in 0..count {
        let from = index * blksize;
        let len = blksize.min(read.saturating_sub(from));
        let source = heads + from;
        if source + len <= bytes.len() {
            bytes.copy_within(source..source + len, from + (index + 1) * DATA_HEADER_LEN);
        }
    }
}

fn number(bytes: &mut [u8], rollover: Rollover, blocks: Range<u64>, datagram_len: usize) {
    for (block, datagram) in blocks.zip(bytes.chunks_mut(datagram_len)) {
        if let Some(head) = datagram.get_mut(..DATA_HEADER_LEN) {
            head.copy_from_slice(&data_header(rollover.number(block)));
        }
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, offset)
}

/// A text on its way. Its blocks begin nowhere in particular in the file, so all that may be asked
/// for again is kept: one window.
struct Netascii {
    file: File,
    encoder: Encoder,
    input: Vec<u8>,
    unread: Range<usize>,
    at_end: bool,
    /// Block n lies at n modulo window.
    window: Vec<u8>,
    lens: Vec<usize>,
    blksize: usize,
    next: u64,
    last: Option<u64>,
}

/// How much of the file is read at once.
const INPUT_LEN: usize = 16 << 10;

impl Netascii {
    fn new(file: File, agreed: &Agreed) -> Self {
        let (window, blksize) =
            (usize::from(agreed.windowsize.max(1)), usize::from(agreed.blksize));
        Self {
            file,
            encoder: Encoder::default(),
            input: vec![0; INPUT_LEN],
            unread: 0..0,
            at_end: false,
            window: vec![0; window * blksize],
            lens: vec![0; window],
            blksize,
            next: 1,
            last: None,
        }
    }

    /// Writes the blocks behind their heads, and says how long all of it is.
    fn fill(&mut self, blocks: &Range<u64>, bytes: &mut [u8]) -> Result<usize, DriveError> {
        let mut len = 0;
        for (block, datagram) in
            blocks.clone().zip(bytes.chunks_mut(self.blksize + DATA_HEADER_LEN))
        {
            while self.next <= block && self.last.is_none() {
                self.encode_next().map_err(Denied::from)?;
            }
            if self.last.is_some_and(|last| block > last) {
                break;
            }
            let slot = self.slot(block);
            let size = self.lens.get(slot).copied().unwrap_or_default();
            let begin = slot * self.blksize;
            let text = self.window.get(begin..begin + size).unwrap_or_default();
            if let Some(room) = datagram.get_mut(DATA_HEADER_LEN..DATA_HEADER_LEN + size) {
                room.copy_from_slice(text);
            }
            len += size + DATA_HEADER_LEN;
        }
        Ok(len)
    }

    fn slot(&self, block: u64) -> usize {
        let window = u64::try_from(self.lens.len()).unwrap_or(1);
        usize::try_from(block % window).unwrap_or_default()
    }

    fn encode_next(&mut self) -> io::Result<()> {
        let slot = self.slot(self.next);
        let mut filled = 0;
        while filled < self.blksize {
            if self.unread.is_empty() && !self.at_end {
                let read = self.file.read(&mut self.input)?;
                (self.unread, self.at_end) = (0..read, read == 0);
            }
            if self.unread.is_empty() && self.encoder.is_drained() {
                self.last = Some(self.next);
                break;
            }
            let begin = slot * self.blksize;
            let room = self.window.get_mut(begin + filled..begin + self.blksize);
            let input = self.input.get(self.unread.clone()).unwrap_or_default();
            let done = self.encoder.encode(input, room.unwrap_or_default());
            self.unread.start += done.read;
            filled += done.written;
        }
        if let Some(len) = self.lens.get_mut(slot) {
            *len = filled;
        }
        self.next += 1;
        Ok(())
    }
}
