//! Blocks that came too early, kept until the gap before them is filled. No socket, no clock.
//!
//! ```text
//!  window of 8, blocks 3 and 6 are missing:
//!          expected
//!             ▼
//!   ▓▓ ▓▓ │ ·· ▓▓ ▓▓ ·· ▓▓ ·· ··      block n has its place at n modulo window, so none is moved
//!    1  2    3  4  5  6  7
//! ```

/// No more bytes than this are kept for a transfer: a window of 64 blocks that fit an Ethernet frame,
/// and of 256 transfers at once no more than 32 MiB. A larger window is not kept at all.
pub(super) const KEPT_LEN_MAX: usize = 128 << 10;

/// The blocks of a window that came behind a gap.
#[derive(Debug)]
pub(super) struct Kept {
    window: u16,
    blksize: usize,
    /// Allocated with the first gap: most transfers have none.
    bytes: Vec<u8>,
    /// How many bytes each place holds.
    lens: Vec<Option<u16>>,
    count: usize,
    latest: u64,
}

impl Kept {
    pub(super) fn new(windowsize: u16, blksize: u16) -> Self {
        let window = windowsize.max(1);
        Self {
            window,
            blksize: blksize.into(),
            bytes: Vec::new(),
            lens: Vec::new(),
            count: 0,
            latest: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The highest block that is kept.
    pub(super) fn latest(&self) -> Option<u64> {
        (self.count > 0).then_some(self.latest)
    }

    /// Keeps a block. Whether it was not kept already, and there is room for it.
    ///
    /// All that is kept lies within one window.
    pub(super) fn keep(&mut self, block: u64, payload: &[u8]) -> bool {
        let window = usize::from(self.window);
        let len = window * self.blksize;
        if window < 2 || len > KEPT_LEN_MAX || payload.len() > self.blksize {
            return false;
        }
        if self.lens.is_empty() {
            self.bytes = vec![0; len];
            self.lens = vec![None; window];
        }
        let place = self.place(block);
        let start = place * self.blksize;
        let (Some(held @ None), Some(room), Ok(len)) = (
            self.lens.get_mut(place),
            self.bytes.get_mut(start..start + payload.len()),
            u16::try_from(payload.len()),
        ) else {
            return false;
        };
        room.copy_from_slice(payload);
        *held = Some(len);
        self.latest = if self.count == 0 { block } else { self.latest.max(block) };
        self.count += 1;
        true
    }

    /// Takes a block out: how many bytes it has. They stay where they are until its place is needed.
    pub(super) fn take(&mut self, block: u64) -> Option<usize> {
        let place = self.place(block);
        let len = self.lens.get_mut(place)?.take()?;
        self.count -= 1;
        Some(len.into())
    }

    /// The bytes of a block that was just taken out.
    pub(super) fn payload(&self, block: u64, len: usize) -> &[u8] {
        let start = self.place(block) * self.blksize;
        self.bytes.get(start..start + len).unwrap_or_default()
    }

    fn place(&self, block: u64) -> usize {
        // Below the window's length, which a u16 holds.
        usize::try_from(block % u64::from(self.window)).unwrap_or_default()
    }
}
