//! Lesson `life`: a connection's states, seen at both ends from first call to last.
//!
//! ```text
//!  client                                              server
//!                                                      LISTEN        bind, listen
//!  SYN_SENT      connect  ──── SYN ────────────────▶   SYN_RECV
//!  ESTABLISHED            ◀─── SYN, ACK ────────────
//!                         ──── ACK ────────────────▶   ESTABLISHED   accept
//!  FIN_WAIT1     shutdown ──── FIN ────────────────▶   CLOSE_WAIT    read returns 0
//!  FIN_WAIT2              ◀─── ACK ─────────────────
//!  TIME_WAIT  read gets 0 ◀─── FIN ─────────────────   LAST_ACK      close
//!                         ──── ACK ────────────────▶   (gone)
//! ```
//!
//! One process holds both ends, on loopback, and after each step reads the system's own table
//! (`/proc/net/tcp`, so Linux only) until the state is there. Most states last a few
//! microseconds. Two that wait for the peer's acknowledgement are held still by a trick: the
//! peer does not read, its window is full, and the FIN queues behind data that cannot leave.
//!
//! System calls: listen(2), connect(2), accept(2), write(2), read(2), shutdown(2), close(2); see
//! tcp(7). The states are those of RFC 9293 §3.3.2.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use cli::failure::describe;
use cli::{Advice, Exit, count, escape, say, uninterrupted};
use socket2::{Domain, Socket, Type};

use crate::socket_table::{self, Entry, State};

/// Where Linux shows its IPv4 TCP sockets.
const TABLE: &str = "/proc/net/tcp";

/// How long to wait for a state, or for bytes. On an idle machine each is there within
/// milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Room for bytes that came and were not read: small, so that it is soon full.
const RECEIVE_BUFFER: usize = 16 * 1024;

/// Room for bytes that cannot leave: several times what the other end has room for (Linux
/// doubles both), so that some certainly remain here and hold the FIN back.
const SEND_BUFFER: usize = 128 * 1024;

/// A connection's states at both ends, from SYN_SENT to TIME_WAIT
#[derive(clap::Args)]
pub struct Args {}

/// Lives through one connection and shows each state.
///
/// # Errors
/// When a call fails, where there is no `/proc/net/tcp`, or when a state does not come.
pub fn run(Args {}: Args) -> anyhow::Result<()> {
    // Asked first: without the table there is nothing to show.
    read_table()?;
    let listener = wait_to_be_called()?;
    call_where_nobody_picks_up()?;
    let (client, server) = connect(&listener)?;
    let (client, server) = close_the_listener(listener, client, server)?;
    close_the_first_direction(client, server)
}

// ANCHOR: listen
fn wait_to_be_called() -> anyhow::Result<TcpListener> {
    say!("bind and listen")?;
    let listener = listen(128)?;
    let here = End { local: listener.local_addr()?, peer: (Ipv4Addr::UNSPECIFIED, 0).into() };
    here.wait_for(State::Listen)?;
    say!("  listener {}", State::Listen)?;
    Ok(listener)
}
// ANCHOR_END: listen

/// A listener's queue holds connections that are made and not yet accepted. While it is full,
/// Linux drops every further SYN, as if it had never come: the caller tries again, later.
// ANCHOR: syn-sent
fn call_where_nobody_picks_up() -> anyhow::Result<()> {
    say!("connect to a listener whose queue is full")?;
    // listen(2) with a backlog of 0 has room for one connection.
    let busy = listen(0)?;
    let first = TcpStream::connect(busy.local_addr()?).context("cannot fill the queue")?;
    End::of(&first)?.reversed().wait_for(State::Established)?;

    let second = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // A blocking connect would sit in SYN_SENT for minutes. This one only sends the SYN.
    second.set_nonblocking(true)?;
    match second.connect(&busy.local_addr()?.into()) {
        Ok(()) => bail!("connected, though the queue is full"),
        Err(answer) => say!("  connect says: {}", describe(&answer))?,
    }
    let local = second.local_addr()?.as_socket().context("no IPv4 address")?;
    End { local, peer: busy.local_addr()? }.wait_for(State::SynSent)?;
    say!("  client {}", State::SynSent)?;
    Ok(())
}
// ANCHOR_END: syn-sent

// ANCHOR: established
fn connect(listener: &TcpListener) -> anyhow::Result<(TcpStream, TcpStream)> {
    say!("connect and accept: three segments (SYN; SYN, ACK; ACK) have passed")?;
    let socket = small_socket()?;
    socket.connect(&listener.local_addr()?.into()).context("cannot connect")?;
    let client = TcpStream::from(socket);
    let (server, _) = listener.accept().context("cannot accept")?;
    for end in [&client, &server] {
        end.set_read_timeout(Some(PATIENCE))?;
    }

    both(&client, State::Established, State::Established)?;
    if let Some(mss) = largest_segment(&client)? {
        say!("  the client puts at most {mss} bytes into a segment (TCP_MAXSEG)")?;
    }
    Ok((client, server))
}
// ANCHOR_END: established

/// The listener was never part of the connections that it made.
// ANCHOR: listener
fn close_the_listener(
    listener: TcpListener,
    mut client: TcpStream,
    mut server: TcpStream,
) -> anyhow::Result<(TcpStream, TcpStream)> {
    say!("close the listener")?;
    let address = listener.local_addr()?;
    drop(listener);
    match TcpStream::connect(address) {
        Ok(_) => bail!("connected to {address}, though nobody listens there"),
        Err(error) => say!("  a new connect: {}", describe(&error))?,
    }

    both(&client, State::Established, State::Established)?;
    client.write_all(b"still there?")?;
    let mut question = [0; 12];
    server.read_exact(&mut question)?;
    say!("  the old connection still carries: {}", escape(&question))?;
    Ok((client, server))
}
// ANCHOR_END: listener

/// The four segments of the close, each state held as long as it takes to look at it.
// ANCHOR: close
fn close_the_first_direction(mut client: TcpStream, mut server: TcpStream) -> anyhow::Result<()> {
    // shutdown(2) ends one direction: the client will send no more, and can still read.
    say!("the client writes all that fits, then ends its direction: shutdown(SHUT_WR)")?;
    say!("  wrote {}; nobody reads", count(fill(&mut client)?, "byte"))?;
    client.shutdown(Shutdown::Write)?;
    both(&client, State::FinWait1, State::Established)?;

    say!("the server reads, and so makes room for the rest and the FIN")?;
    let len = read_to_end(&mut server)?;
    say!("  read {}, then 0: the client has said everything", count(len, "byte"))?;
    both(&client, State::FinWait2, State::CloseWait)?;

    say!("the server still may send: it writes all that fits, then closes")?;
    say!("  wrote {}; nobody reads", count(fill(&mut server)?, "byte"))?;
    drop(server);
    both(&client, State::FinWait2, State::LastAck)?;
    close_the_second_direction(client)
}
// ANCHOR_END: close

// ANCHOR: time-wait
fn close_the_second_direction(mut client: TcpStream) -> anyhow::Result<()> {
    let end = End::of(&client)?;
    say!("the client reads, and acknowledges the server's FIN")?;
    let len = read_to_end(&mut client)?;
    say!("  read {}, then 0: the server has closed", count(len, "byte"))?;
    end.reversed().wait_until_gone()?;
    end.wait_for(State::TimeWait)?;
    say!("  client {:<12} server gone", State::TimeWait)?;

    say!("the client closes its socket; the system still remembers the connection")?;
    drop(client);
    end.wait_for(State::TimeWait)?;
    say!("  client {:<12} server gone", State::TimeWait)?;
    Ok(())
}
// ANCHOR_END: time-wait

/// A TCP listener with small buffers, which the connections it makes inherit.
fn listen(backlog: i32) -> anyhow::Result<TcpListener> {
    let socket = small_socket()?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).context("cannot bind")?;
    socket.listen(backlog).context("cannot listen")?;
    Ok(socket.into())
}

fn small_socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // Before connect and listen: the SYN already tells the peer how much room there is.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    Ok(socket)
}

/// `TCP_MAXSEG`, tcp(7). The rest of what the handshake agrees on (sequence numbers, window
/// scale, timestamps, SACK) is not to be had from a socket without `unsafe`.
#[cfg(unix)]
fn largest_segment(stream: &TcpStream) -> io::Result<Option<u32>> {
    socket2::SockRef::from(stream).tcp_mss().map(Some)
}

/// socket2 has no such method elsewhere.
#[cfg(not(unix))]
fn largest_segment(_stream: &TcpStream) -> io::Result<Option<u32>> {
    Ok(None)
}

/// Writes until neither the peer's window nor our own buffer takes another byte, and returns how
/// many they took.
fn fill(stream: &mut TcpStream) -> io::Result<usize> {
    let mut total = 0;
    stream.set_nonblocking(true)?;
    loop {
        match stream.write(&[b'.'; 4096]) {
            Ok(len) => total += len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    stream.set_nonblocking(false)?;
    Ok(total)
}

/// Reads until read(2) returns 0, which says: the peer has ended its direction. How many bytes
/// one read returns before that means nothing.
// ANCHOR: zero
fn read_to_end(stream: &mut TcpStream) -> io::Result<usize> {
    let mut total = 0;
    let mut buffer = [0; 4096];
    loop {
        match uninterrupted(|| stream.read(&mut buffer))? {
            0 => return Ok(total),
            len => total += len,
        }
    }
}
// ANCHOR_END: zero

/// Waits until the client's end and the server's end are in these states, and shows them.
fn both(client: &TcpStream, at_client: State, at_server: State) -> anyhow::Result<()> {
    let end = End::of(client)?;
    end.wait_for(at_client)?;
    end.reversed().wait_for(at_server)?;
    say!("  client {at_client:<12} server {at_server}")?;
    Ok(())
}

/// One end of a connection, by the two addresses that tell it from every other.
#[derive(Clone, Copy)]
struct End {
    local: SocketAddr,
    peer: SocketAddr,
}

impl End {
    fn of(stream: &TcpStream) -> io::Result<Self> {
        Ok(Self { local: stream.local_addr()?, peer: stream.peer_addr()? })
    }

    /// The other end of the same connection.
    fn reversed(self) -> Self {
        Self { local: self.peer, peer: self.local }
    }

    fn wait_for(self, state: State) -> anyhow::Result<()> {
        self.wait_until(Some(state), PATIENCE)
    }

    fn wait_until_gone(self) -> anyhow::Result<()> {
        self.wait_until(None, PATIENCE)
    }

    /// Looks until the state is there. A table cannot be waited for, only read again.
    fn wait_until(self, want: Option<State>, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let seen = self.state_in(&read_table()?);
            if seen == want {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let (want, seen) = (shown(want), shown(seen));
                let late = anyhow!("{self} is not {want} after {patience:?}, but {seen}");
                return Err(late).exit(Exit::TimedOut);
            }
            thread::yield_now();
        }
    }

    fn state_in(self, table: &[Entry]) -> Option<State> {
        table
            .iter()
            .find(|row| row.local == self.local && row.peer == self.peer)
            .map(|row| row.state)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (peer {})", self.local, self.peer)
    }
}

/// A row that is not there is a state, too: CLOSED, in which there is nothing left to know.
fn shown(state: Option<State>) -> String {
    state.map_or_else(|| "gone".to_owned(), |state| state.to_string())
}

fn read_table() -> anyhow::Result<Vec<Entry>> {
    let text = fs::read_to_string(TABLE).with_context(|| format!("cannot read {TABLE}")).hint(
        "only Linux shows its sockets there; elsewhere watch `netstat -an` beside tcp-hello",
    )?;
    Ok(socket_table::parse(&text))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_connection_are_found_in_the_table_and_nothing_else_is() {
        let listener = listen(1).unwrap();
        let (client, server) = connect_quietly(&listener);
        let end = End::of(&client).unwrap();
        assert_eq!(End::of(&server).unwrap().local, end.peer);
        end.wait_for(State::Established).unwrap();
        end.reversed().wait_for(State::Established).unwrap();
        End { local: end.local, peer: end.local }.wait_until_gone().unwrap();
    }

    #[test]
    fn a_state_that_does_not_come_is_named_with_the_one_that_is_there() {
        let listener = listen(1).unwrap();
        let (client, _server) = connect_quietly(&listener);
        let end = End::of(&client).unwrap();
        let error = end.wait_until(Some(State::TimeWait), Duration::ZERO).unwrap_err();
        assert!(
            error.to_string().ends_with("is not TIME_WAIT after 0ns, but ESTABLISHED"),
            "{error}"
        );
    }

    #[test]
    fn a_fin_waits_behind_data_that_nobody_reads() {
        let listener = listen(1).unwrap();
        let (mut client, mut server) = connect_quietly(&listener);
        let end = End::of(&client).unwrap();
        let written = fill(&mut client).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        end.wait_for(State::FinWait1).unwrap();
        end.reversed().wait_for(State::Established).unwrap();

        assert_eq!(read_to_end(&mut server).unwrap(), written);
        end.wait_for(State::FinWait2).unwrap();
        end.reversed().wait_for(State::CloseWait).unwrap();
    }

    fn connect_quietly(listener: &TcpListener) -> (TcpStream, TcpStream) {
        let client = small_socket().unwrap();
        client.connect(&listener.local_addr().unwrap().into()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        (client.into(), server)
    }
}
