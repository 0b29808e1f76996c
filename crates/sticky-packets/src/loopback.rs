//! Both ends of a connection in one program, for the lessons that look at what lies between them.
//!
//! One thread then decides what happens before what, and nothing is left to luck: a reader that
//! reads late really reads after everything was written.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cli::Advice;
use socket2::{Domain, SockRef, Socket, Type};

/// Both ends are here, so what is to come comes soon.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long Linux delays an acknowledgement at least, in the hope of data to send it with
/// (TCP_DELACK_MIN). RFC 9293 (3.8.6.3) allows 500 ms.
const DELAYED_ACK: Duration = Duration::from_millis(40);

/// So often a machine may take the processor away for too long.
const ATTEMPTS_MAX: u32 = 200;

/// A connection on loopback: the end that writes, and the one that reads.
///
/// # Errors
/// When the system refuses a call.
pub fn pair() -> anyhow::Result<(TcpStream, TcpStream)> {
    pair_with(Buffers::default())
}

/// How large the two buffers are asked to be; `None` leaves it to the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Buffers {
    /// SO_SNDBUF of the writer.
    pub send: Option<usize>,
    /// SO_RCVBUF of the reader.
    pub receive: Option<usize>,
}

/// The same with buffers of a size.
///
/// # Errors
/// When the system refuses a call.
pub fn pair_with(buffers: Buffers) -> anyhow::Result<(TcpStream, TcpStream)> {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if let Some(size) = buffers.receive {
        // Before listen: the handshake tells the writer how much room there can be, and the
        // connection inherits the size.
        listener.set_recv_buffer_size(size).context("cannot set SO_RCVBUF")?;
    }
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).context("cannot bind")?;
    listener.listen(1).context("cannot listen")?;

    let writer = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if let Some(size) = buffers.send {
        writer.set_send_buffer_size(size).context("cannot set SO_SNDBUF")?;
    }
    writer.connect(&listener.local_addr()?).context("cannot connect")?;
    let writer = TcpStream::from(writer);
    let reader = accept(&listener, writer.local_addr()?)?;
    for end in [&writer, &reader] {
        end.set_read_timeout(Some(PATIENCE))?;
        end.set_write_timeout(Some(PATIENCE))?;
    }
    Ok((writer, reader))
}

/// Any program of this machine may call the port: the connection that is ours is waited for.
fn accept(listener: &Socket, writer: SocketAddr) -> anyhow::Result<TcpStream> {
    loop {
        let (connection, caller) = listener.accept().context("cannot accept")?;
        if caller.as_socket() == Some(writer) {
            return Ok(connection.into());
        }
    }
}

// ANCHOR: wait
/// Waits until `len` bytes have come, and reads none of them.
///
/// # Errors
/// When they do not come.
pub fn wait_for(reader: &TcpStream, len: usize) -> io::Result<()> {
    let start = Instant::now();
    let mut room = vec![MaybeUninit::uninit(); len];
    loop {
        // MSG_WAITALL: not before all are there. MSG_PEEK: and leave them there.
        match SockRef::from(reader).recv_with_flags(&mut room, MSG_PEEK | MSG_WAITALL)? {
            got if got == len => return Ok(()),
            _ if start.elapsed() >= PATIENCE => return Err(io::ErrorKind::TimedOut.into()),
            got if got == 0 || MSG_WAITALL != 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => std::thread::yield_now(),
        }
    }
}
// ANCHOR_END: wait

/// Whether a wait ran out. Unix says the first when SO_RCVTIMEO does, Windows the second.
#[must_use]
pub fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

const MSG_PEEK: i32 = 2;
#[cfg(any(target_os = "linux", target_os = "android"))]
const MSG_WAITALL: i32 = 0x100;
/// Windows does not take the two together.
#[cfg(windows)]
const MSG_WAITALL: i32 = 0;
#[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
const MSG_WAITALL: i32 = 0x40;

/// Lets this end delay its acknowledgements. A new connection on Linux acknowledges at once for a
/// while, which hides what Nagle's algorithm does. It does not last: see TCP_QUICKACK in tcp(7).
///
/// # Errors
/// When the system refuses.
pub fn delay_acknowledgements(reader: &TcpStream) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    SockRef::from(reader).set_tcp_quickack(false)?;
    #[cfg(not(target_os = "linux"))]
    let _ = reader;
    Ok(())
}

// ANCHOR: undisturbed
/// What `attempt` found out, if it took so little time that no delayed acknowledgement can have
/// come in between: on a busy machine the processor may be taken away in the middle, and then what
/// was seen is another story. So it is tried again, with a new connection each time.
///
/// # Errors
/// When an attempt fails, or every one was disturbed.
pub fn undisturbed<T>(
    mut attempt: impl FnMut() -> anyhow::Result<(T, Critical)>,
) -> anyhow::Result<T> {
    for _ in 0..ATTEMPTS_MAX {
        let (found, critical) = attempt()?;
        if critical.0 < DELAYED_ACK / 2 {
            return Ok(found);
        }
    }
    let result: anyhow::Result<T> = (|| bail!("this machine is too busy for what is to be seen"))();
    result.hint("the processor was taken away in the middle, every time; try again later")
}
// ANCHOR_END: undisturbed

/// How long the part of an attempt took during which no acknowledgement may come.
#[derive(Clone, Copy, Debug)]
pub struct Critical(Duration);

impl Critical {
    /// Nothing was critical.
    #[must_use]
    pub fn none() -> Self {
        Self(Duration::ZERO)
    }

    /// The time since `start`.
    #[must_use]
    pub fn since(start: Instant) -> Self {
        Self(start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn waiting_reads_nothing() {
        let (mut writer, mut reader) = pair().unwrap();
        writer.write_all(b"one").unwrap();
        writer.write_all(b"two").unwrap();
        wait_for(&reader, 6).unwrap();
        let mut all = [0; 6];
        reader.read_exact(&mut all).unwrap();
        assert_eq!(&all, b"onetwo");
    }

    #[test]
    fn a_stranger_who_calls_first_is_not_taken_for_the_writer() {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(2).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let _stranger = TcpStream::connect(address).unwrap();
        let writer = TcpStream::connect(address).unwrap();
        let caller = writer.local_addr().unwrap();
        assert_eq!(accept(&listener, caller).unwrap().peer_addr().unwrap(), caller);
    }

    #[test]
    fn what_never_comes_is_not_waited_for_after_the_end() {
        let (mut writer, reader) = pair().unwrap();
        writer.write_all(b"one").unwrap();
        drop(writer);
        assert_eq!(wait_for(&reader, 4).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn an_attempt_that_was_disturbed_does_not_count() {
        let attempts = Cell::new(0);
        let found = undisturbed(|| {
            attempts.set(attempts.get() + 1);
            let took = if attempts.get() < 3 { DELAYED_ACK } else { Duration::ZERO };
            Ok((attempts.get(), Critical(took)))
        });
        assert_eq!(found.unwrap(), 3);
        let found = undisturbed(|| Ok(((), Critical(DELAYED_ACK))));
        assert!(found.unwrap_err().to_string().contains("too busy"));
    }
}
