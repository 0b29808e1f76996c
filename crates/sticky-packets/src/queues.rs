//! How many bytes lie in a connection's buffers: ioctl(2). The only unsafe code here, because
//! rustix has FIONREAD and not its two neighbours; see tcp(7) and socket(7).
//!
//! ```text
//!   writer ──▶ │   not sent    │ sent, not acknowledged │ ──▶ │  not read  │ ──▶ reader
//!              │◀ SIOCOUTQNSD ▶│                        │     │            │
//!              │◀────────────── SIOCOUTQ ──────────────▶│     │◀ FIONREAD ▶│
//! ```
//!
//! What is sent and not acknowledged may have arrived: then it is in both buffers.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "two ioctls that no kept crate wraps")
)]

use std::io;
use std::net::TcpStream;

/// Bytes that have come and were not read. `None` where the system does not say.
///
/// # Errors
/// When the system refuses to tell.
pub fn unread(reader: &TcpStream) -> io::Result<Option<usize>> {
    #[cfg(unix)]
    let unread = usize::try_from(rustix::io::ioctl_fionread(reader)?).ok();
    #[cfg(not(unix))]
    let unread = {
        let _ = reader;
        None
    };
    Ok(unread)
}

/// Bytes that were written and are not acknowledged, whether sent or not: all that the send buffer
/// keeps. `None` where the system does not say.
///
/// # Errors
/// When the system refuses to tell.
pub fn unacknowledged(writer: &TcpStream) -> io::Result<Option<usize>> {
    #[cfg(target_os = "linux")]
    return linux::get::<{ linux::SIOCOUTQ }>(writer).map(Some);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = writer;
        Ok(None)
    }
}

/// Bytes that were written and not sent, not even once. `None` where the system does not say.
///
/// # Errors
/// When the system refuses to tell.
pub fn unsent(writer: &TcpStream) -> io::Result<Option<usize>> {
    #[cfg(target_os = "linux")]
    return linux::get::<{ linux::SIOCOUTQNSD }>(writer).map(Some);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = writer;
        Ok(None)
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::c_int;
    use std::io;
    use std::net::TcpStream;

    use rustix::ioctl::{Getter, Opcode, ioctl};

    /// The number of TIOCOUTQ, which asks the same of a terminal: old machines have one of their own.
    pub(super) const SIOCOUTQ: Opcode = if cfg!(any(
        target_arch = "mips",
        target_arch = "mips32r6",
        target_arch = "mips64",
        target_arch = "mips64r6"
    )) {
        0x7472
    } else if cfg!(any(
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "sparc",
        target_arch = "sparc64"
    )) {
        0x4004_7473
    } else {
        0x5411
    };

    /// From linux/sockios.h; the same everywhere.
    pub(super) const SIOCOUTQNSD: Opcode = 0x894b;

    /// Asks a socket for one of the two numbers above.
    pub(super) fn get<const OPCODE: Opcode>(socket: &TcpStream) -> io::Result<usize> {
        // SAFETY: both requests write one `int` (tcp_ioctl in the kernel's net/ipv4/tcp.c) and
        // nothing else; `Getter` has room for one. The socket is open for as long as it is borrowed.
        let bytes = unsafe { ioctl(socket, Getter::<OPCODE, c_int>::new())? };
        Ok(usize::try_from(bytes).unwrap_or_default())
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::loopback;

    #[test]
    fn bytes_are_counted_where_they_lie() {
        let (mut writer, mut reader) = loopback::pair().unwrap();
        assert_eq!(unread(&reader).unwrap(), Some(0));
        writer.write_all(b"12345").unwrap();
        loopback::wait_for(&reader, 5).unwrap();
        assert_eq!(unread(&reader).unwrap(), Some(5));
        assert_eq!(unsent(&writer).unwrap(), Some(0));
        reader.read_exact(&mut [0; 3]).unwrap();
        assert_eq!(unread(&reader).unwrap(), Some(2));
        // Whether the five are acknowledged by now, and forgotten, only the clock knows.
        assert!(matches!(unacknowledged(&writer).unwrap(), Some(0 | 5)));
    }

    #[test]
    fn what_is_corked_is_not_sent() {
        let (mut writer, _reader) = loopback::pair().unwrap();
        socket2::SockRef::from(&writer).set_tcp_cork(true).unwrap();
        writer.write_all(b"12345").unwrap();
        // A cork holds for 200 ms, and this may take longer on a busy machine: then all has gone.
        assert!(matches!(unsent(&writer).unwrap(), Some(0 | 5)));
    }
}
