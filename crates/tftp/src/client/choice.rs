//! What to ask for, where nobody says.

use std::net::SocketAddr;

use cli::Period;

use crate::io::path_len;
use crate::options::BLKSIZES;
use crate::wire::DATA_HEADER_LEN;

/// A block that fits into one frame of any Ethernet, through IPv6 and a tunnel or two: for systems
/// that do not tell the path's MTU.
const BLKSIZE_SAFE: u16 = 1428;

/// Beyond this a window gains nothing more (RFC 7440 §5), whatever the buffer holds.
const WINDOWSIZE_MAX: usize = 64;

/// What the system keeps in a socket's buffer for each datagram, beside its bytes.
const DATAGRAM_OVERHEAD: usize = 512;

/// The largest block that is not cut into fragments on its way, as far as this machine knows.
pub(super) fn blksize(server: SocketAddr) -> u16 {
    let fits = path_len(server).and_then(|len| len.checked_sub(DATA_HEADER_LEN));
    let Some(fits) = fits else { return BLKSIZE_SAFE };
    u16::try_from(fits).unwrap_or(u16::MAX).clamp(*BLKSIZES.start(), *BLKSIZES.end())
}

/// As many blocks as fit into the socket's buffer: what does not is lost each time.
pub(super) fn windowsize(room: usize, blksize: u16) -> u16 {
    let fit = room / (usize::from(blksize) + DATAGRAM_OVERHEAD);
    u16::try_from(fit.clamp(1, WINDOWSIZE_MAX)).unwrap_or(1)
}

/// RFC 2349 has whole seconds, 1 to 255.
pub(super) fn whole_seconds(timeout: Period) -> Option<u8> {
    let timeout = timeout.duration();
    let seconds = u8::try_from(timeout.as_secs()).ok()?;
    (seconds > 0 && timeout.subsec_nanos() == 0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_fits_the_buffer_and_has_a_block_at_least() {
        for (room, blksize, want) in
            [(212_992, 1428, 64), (212_992, 8192, 24), (212_992, 65_464, 3), (1000, 65_464, 1)]
        {
            assert_eq!(windowsize(room, blksize), want);
        }
    }

    #[test]
    fn only_whole_seconds_can_be_asked_for() {
        for (text, want) in
            [("1s", Some(1)), ("255s", Some(255)), ("256s", None), ("1500ms", None), ("1ms", None)]
        {
            assert_eq!(whole_seconds(text.parse().unwrap()), want);
        }
    }
}
