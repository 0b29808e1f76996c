//! What both engines ask of the system: a listener, options for each connection, descriptors.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use cli::note;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::stats::Reason;

/// How many complete connections may wait for accept(2): a crowd may come at once. The system has
/// a limit of its own (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// How often keepalive asks again, and how soon, before a peer is taken for gone.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// What connections are like to the system. `None` is `off`.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// After how much silence to ask whether the peer is still there: SO_KEEPALIVE in socket(7),
    /// TCP_KEEPIDLE in tcp(7).
    pub keepalive: Option<Duration>,
    /// How long what was sent may wait for an acknowledgement: TCP_USER_TIMEOUT in tcp(7).
    pub user_timeout: Option<Duration>,
    /// How much the system keeps for a peer, beside our queue: SO_SNDBUF in socket(7). Left to
    /// itself Linux lets it grow to 4 MiB for each peer that does not read.
    pub send_buffer: Option<usize>,
}

impl Options {
    /// Sets them.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn apply(&self, connection: &SockRef<'_>) -> io::Result<()> {
        // A line is sent when it is said. Nagle's algorithm would keep it back until the line
        // before it is acknowledged (RFC 896).
        connection.set_tcp_nodelay(true)?;
        if let Some(silence) = self.keepalive {
            let keepalive = TcpKeepalive::new().with_time(silence);
            #[cfg(any(target_os = "linux", target_os = "macos", windows))]
            let keepalive = keepalive.with_interval(KEEPALIVE_INTERVAL);
            connection.set_tcp_keepalive(&keepalive)?;
        }
        #[cfg(target_os = "linux")]
        connection.set_tcp_user_timeout(self.user_timeout)?;
        if let Some(len) = self.send_buffer {
            connection.set_send_buffer_size(len)?;
        }
        Ok(())
    }

    /// Sets them on a socket that is not used, to hear before anybody comes what the system refuses:
    /// Linux has no keepalive below a second, nor above 32,767. Later, everybody who comes would be
    /// turned away for it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn try_out(&self, bind: SocketAddr) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(bind), Type::STREAM, Some(Protocol::TCP))?;
        self.apply(&SockRef::from(&socket))
    }
}

/// Listens there.
///
/// # Errors
/// When the address cannot be had.
pub fn listen(bind: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(bind), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a server before us may still be dying here (chapter 1, reuse-addr).
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&bind.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Raises the limit on descriptors as far as the system lets a program do it by itself:
/// RLIMIT_NOFILE in getrlimit(2).
pub fn raise_descriptors() {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};

        let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
        if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
            note!("cannot raise the limit of {soft} descriptors to {hard}");
        }
    }
}

/// Why a connection is gone on which a call failed so.
#[must_use]
pub fn reason(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Reason::TimedOut,
        _ => Reason::Reset,
    }
}

/// Whether accept(2) failed for something that concerns one connection only, so that the next may
/// be better: its peer has gone already, or sent it an error (accept(2), ERRORS).
#[must_use]
pub fn concerns_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    #[test]
    fn what_is_wanted_is_what_an_accepted_connection_has() {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let minute = Some(Duration::from_secs(60));
        for (keepalive, user_timeout, send_buffer) in
            [(minute, Some(Duration::from_secs(7)), Some(16 << 10)), (None, None, None)]
        {
            let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (connection, _) = listener.accept().unwrap();
            let connection = SockRef::from(&connection);
            let before = connection.send_buffer_size().unwrap();
            Options { keepalive, user_timeout, send_buffer }.apply(&connection).unwrap();
            assert!(connection.tcp_nodelay().unwrap());
            assert_eq!(connection.keepalive().unwrap(), keepalive.is_some());
            #[cfg(target_os = "linux")]
            {
                assert_eq!(connection.tcp_user_timeout().unwrap(), user_timeout);
                if let Some(silence) = keepalive {
                    assert_eq!(connection.tcp_keepalive_time().unwrap(), silence);
                    assert_eq!(connection.tcp_keepalive_interval().unwrap(), KEEPALIVE_INTERVAL);
                }
                // The kernel doubles it, for its own bookkeeping: socket(7).
                let want = send_buffer.map_or(before, |len| 2 * len);
                assert_eq!(connection.send_buffer_size().unwrap(), want);
            }
        }
    }
}
