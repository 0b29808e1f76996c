//! Lesson `reuse-addr`: why a server that was just stopped cannot be started again, and the
//! option that lets it.
//!
//! ```text
//!  server 127.0.0.1:8898                             client
//!  bind, listen, accept   ◀──── connection ────────▶ connect
//!  closes first           ──────── FIN ────────────▶ reads 0
//!  reads 0                ◀─────── FIN ───────────── closes
//!  TIME_WAIT              ──────── ACK ────────────▶ (gone)
//!     │
//!     ▼  for a minute this end remembers 127.0.0.1:8898
//!  bind 127.0.0.1:8898    EADDRINUSE, unless SO_REUSEADDR was on, at both binds
//! ```
//!
//! std's `TcpListener::bind` sets SO_REUSEADDR on Unix and says so nowhere in its signature, so
//! here socket2 makes the sockets, a call at a time. System calls: socket(2), setsockopt(2),
//! bind(2), listen(2), shutdown(2); see SO_REUSEADDR in socket(7).

use std::fmt;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use cli::failure::describe;
use cli::{say, uninterrupted};
use socket2::{Domain, Socket, Type};

/// Both ends are in this process, so what is to come comes at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// Binding a port again, with and without SO_REUSEADDR
#[derive(clap::Args)]
pub struct Args {}

/// Binds a port twice, in every way, and shows what the second bind gets.
///
/// # Errors
/// When a call fails that the lesson is not about.
pub fn run(Args {}: Args) -> anyhow::Result<()> {
    say!("the server has closed first; its end of the connection is in TIME_WAIT")?;
    for (first, second) in
        [(Reuse::Off, Reuse::Off), (Reuse::Off, Reuse::On), (Reuse::On, Reuse::Off)]
    {
        show(first, second, &second_bind_in_time_wait(first, second)?)?;
    }
    show(Reuse::On, Reuse::On, &second_bind_in_time_wait(Reuse::On, Reuse::On)?)?;

    say!("the first server still listens")?;
    show(Reuse::On, Reuse::On, &second_bind_while_listening()?)
}

fn show(first: Reuse, second: Reuse, outcome: &io::Result<()>) -> anyhow::Result<()> {
    let outcome = outcome.as_ref().map_or_else(describe, |()| "ok".to_owned());
    say!("  first bind {first:<3} second bind {second:<3} → {outcome}")?;
    Ok(())
}

/// What the second bind gets while a connection of the first server is in TIME_WAIT.
// ANCHOR: time-wait
fn second_bind_in_time_wait(first: Reuse, second: Reuse) -> anyhow::Result<io::Result<()>> {
    let server = socket(first)?;
    bind(&server, (Ipv4Addr::LOCALHOST, 0).into())?;
    let address = serve_one_client_and_close_first(server)?;
    Ok(bind(&socket(second)?, address))
}
// ANCHOR_END: time-wait

/// What the second bind gets while the first server lives. Here the option makes no difference,
/// or anybody could take a server's port from it.
fn second_bind_while_listening() -> anyhow::Result<io::Result<()>> {
    let server = socket(Reuse::On)?;
    bind(&server, (Ipv4Addr::LOCALHOST, 0).into())?;
    server.listen(1)?;
    let address = server.local_addr()?.as_socket().context("no IPv4 address")?;
    Ok(bind(&socket(Reuse::On)?, address))
}

/// socket(2) and setsockopt(2). The option counts at bind, so it has to be set before.
// ANCHOR: socket
fn socket(reuse: Reuse) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(reuse == Reuse::On)?;
    Ok(socket)
}
// ANCHOR_END: socket

/// bind(2), and nothing else.
fn bind(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    socket.bind(&address.into())
}

/// Lives a server's whole life, and returns the address that it had.
// ANCHOR: serve
fn serve_one_client_and_close_first(server: Socket) -> anyhow::Result<SocketAddr> {
    server.listen(1)?;
    let listener = TcpListener::from(server);
    let address = listener.local_addr()?;
    let mut client = TcpStream::connect(address).context("cannot connect")?;
    let (mut connection, _) = listener.accept().context("cannot accept")?;

    connection.shutdown(Shutdown::Write)?;
    read_the_end(&mut client)?;
    drop(client);
    // Our FIN was acknowledged, the client's has come: from here on this end is in TIME_WAIT,
    // whatever becomes of its socket.
    read_the_end(&mut connection)?;
    Ok(address)
}
// ANCHOR_END: serve

/// Waits for the 0 that says: the other end has closed.
fn read_the_end(stream: &mut TcpStream) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    if uninterrupted(|| stream.read(&mut [0; 1]))? != 0 {
        bail!("bytes came, where nobody sends any");
    }
    Ok(())
}

/// The value of SO_REUSEADDR.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reuse {
    Off,
    On,
}

impl fmt::Display for Reuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Off => "off",
            Self::On => "on",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_the_option_at_both_binds_time_wait_is_no_hindrance() {
        check(second_bind_in_time_wait(Reuse::On, Reuse::On), Ok(()));
    }

    /// BSD looks at the second bind only, and Windows lets TIME_WAIT hinder nobody.
    #[cfg(target_os = "linux")]
    #[test]
    fn without_it_at_either_bind_the_second_is_refused() {
        for (first, second) in
            [(Reuse::Off, Reuse::Off), (Reuse::Off, Reuse::On), (Reuse::On, Reuse::Off)]
        {
            check(second_bind_in_time_wait(first, second), Err(io::ErrorKind::AddrInUse));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_server_that_lives_keeps_its_port() {
        check(second_bind_while_listening(), Err(io::ErrorKind::AddrInUse));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_hinders_the_second_bind_is_a_real_time_wait() {
        use crate::socket_table::{State, parse};

        let server = socket(Reuse::Off).unwrap();
        bind(&server, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = serve_one_client_and_close_first(server).unwrap();
        // The table is not read in one instant. While other programs come and go, a row may show
        // twice, or be passed over.
        let look = || -> Vec<State> {
            let table = parse(&std::fs::read_to_string("/proc/net/tcp").unwrap());
            table.iter().filter(|row| row.local == address).map(|row| row.state).collect()
        };
        let seen = std::iter::repeat_with(look).take(100).find(|seen| !seen.is_empty()).unwrap();
        assert!(seen.iter().all(|state| *state == State::TimeWait), "{seen:?}");
    }

    #[track_caller]
    fn check(got: anyhow::Result<io::Result<()>>, want: Result<(), io::ErrorKind>) {
        assert_eq!(got.unwrap().map_err(|error| error.kind()), want);
    }
}
