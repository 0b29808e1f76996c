//! Lesson `trusting`: the tutorial's program, which trusts the network.
//!
//! ```text
//!  client                                        server
//!  RRQ hello.txt octet ────────────────────────▶ its well-known port
//!                      ◀── DATA 1, 512 bytes ─── a new port, for this file
//!  ACK 1 ──────────────────────────────────────▶
//!                      ◀── DATA 2, 88 bytes ──── shorter than 512: the last
//!  done: no ACK 2                                done: awaits none
//! ```
//!
//! No timeout, no second try: when one of these packets is lost, one end waits for ever, or both.
//! Everything behind this lesson in the chapter mends that, one mistake at a time. System calls:
//! socket(2), bind(2), recvfrom(2), sendto(2); see udp(7).

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context, bail};
use cli::{Advice, Exit, Stop, ask, count, escape, note, say};

use crate::wire::{ErrorCode, Mode, Options, Packet, Request};

/// What a block holds, when it is not the last.
const BLOCK_LEN: usize = 512;

/// The tutorial's `recvfrom(1024)`.
const DATAGRAM_LEN_MAX: usize = 1024;

/// The tutorial's program: no timeout, no second try
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Sends files of the current directory, to one client after the other
    Server {
        /// Address to receive requests on; port 0 takes any free one
        #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:6969")]
        bind: SocketAddr,
    },
    /// Asks for a file's name, fetches it, and appends it to client_NAME
    Client {
        /// The server's address
        #[arg(value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:6969")]
        server: SocketAddr,
    },
}

/// Runs the end that the command line asks for.
///
/// # Errors
/// When a call fails, or the peer says something that is no answer.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { role } = args;
    match role {
        Role::Server { bind } => server(bind),
        Role::Client { server } => client(server),
    }
}

fn server(bind: SocketAddr) -> anyhow::Result<()> {
    let _stop = Stop::server()?;
    let socket = UdpSocket::bind(bind).with_context(|| format!("cannot bind {bind}"))?;
    cli::ready(socket.local_addr()?)?;
    let mut datagram = [0; DATAGRAM_LEN_MAX];
    loop {
        let (len, client) = socket.recv_from(&mut datagram).context("cannot receive")?;
        let request = Packet::decode(datagram.get(..len).unwrap_or_default());
        // As in the tutorial: anything else, an upload or a request with options, is passed over.
        let Ok(Packet::Read(Request { filename, mode: Mode::Octet, options })) = request else {
            continue;
        };
        if options != Options::default() {
            continue;
        }
        say!("{client} asks for {}", escape(filename))?;
        // The file goes out from a socket of its own, with a new port: so the server's port stays
        // free for other requests, and the pair of ports names this transfer (its TID).
        let socket = UdpSocket::bind((bind.ip(), 0)).context("cannot make a second socket")?;
        let mut peer = Peer { socket, address: client };
        match plain_name(filename).and_then(|name| File::open(name).ok()) {
            None => refuse(&mut peer)?,
            Some(mut file) => {
                send_file(&mut peer, &mut file)
                    .with_context(|| format!("cannot send to {client}"))?;
                say!("{client} has it all")?;
            }
        }
    }
}

/// The tutorial opens whatever it is asked for, `/etc/passwd` too. Not even a lesson should: only
/// names without a path count.
pub(crate) fn plain_name(filename: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(filename).ok()?;
    let plain = !name.contains(['/', '\\', ':']) && name != "." && name != "..";
    plain.then_some(name)
}

/// Says that there is no such file, with the code that the tutorial took: 5. That is "unknown
/// transfer ID"; the right one would be 1.
fn refuse(peer: &mut impl Datagrams) -> anyhow::Result<()> {
    let error = Packet::Error { code: ErrorCode::UNKNOWN_TID, message: b"error" };
    Ok(send(peer, &error)?)
}

// ANCHOR: sender
fn send_file(peer: &mut impl Datagrams, file: &mut impl Read) -> anyhow::Result<()> {
    let mut block: u16 = 1;
    let mut buffer = [0; DATAGRAM_LEN_MAX];
    loop {
        let mut payload = Vec::with_capacity(BLOCK_LEN);
        let len = file.take(BLOCK_LEN as u64).read_to_end(&mut payload)?;
        send(peer, &Packet::Data { block, payload: &payload })?;
        // A block that is not full is the last, and nobody waits for its ACK.
        if len < BLOCK_LEN {
            return Ok(());
        }
        // No timeout: if the block or its ACK is lost, this waits for ever.
        let len = peer.receive(&mut buffer)?;
        // As in the tutorial any ACK will do, but ACK 0.
        let Ok(Packet::Ack { block: 1.. }) = Packet::decode(buffer.get(..len).unwrap_or_default())
        else {
            bail!("the client sent something that is no ACK");
        };
        // The tutorial's program crashes here, at 32 MiB.
        block = block.checked_add(1).context("the file has more than 65535 blocks")?;
    }
}
// ANCHOR_END: sender

fn client(server: SocketAddr) -> anyhow::Result<()> {
    let Some(name) = ask("file: ")? else { return Ok(()) };
    let plain = plain_name(name.as_bytes())
        .context("the file's name becomes one here, so it cannot have a path")
        .exit(Exit::Usage)?;
    let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })
        .context("cannot make a socket")?;
    let mut peer = Peer { socket, address: server };
    let request =
        Request { filename: name.as_bytes(), mode: Mode::Octet, options: Options::default() };
    send(&mut peer, &Packet::Read(request)).with_context(|| format!("cannot ask {server}"))?;
    // As in the tutorial it is opened before anything came, and appended to: a file that is fetched
    // twice is there twice.
    let target = format!("client_{plain}");
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(&target)
        .with_context(|| format!("cannot write {target}"))?;
    let len = receive_file(&mut peer, &mut file)?;
    say!("{} in {target}", count(len, "byte"))?;
    Ok(())
}

// ANCHOR: receiver
fn receive_file(peer: &mut impl Datagrams, file: &mut impl Write) -> anyhow::Result<usize> {
    let mut buffer = [0; DATAGRAM_LEN_MAX];
    let mut received = 0;
    loop {
        // No timeout here either.
        let len = peer.receive(&mut buffer).context("cannot receive")?;
        let (block, payload) = match Packet::decode(buffer.get(..len).unwrap_or_default()) {
            Ok(Packet::Data { block, payload }) => (block, payload),
            Ok(Packet::Error { code, message }) => {
                let (code, meaning) = (code.0, code.meaning());
                note!("the server says: {}", escape(message));
                bail!("the server ended it with ERROR {code}, {meaning}");
            }
            _ => return Err(anyhow::anyhow!("the server sent no DATA")).exit(Exit::Protocol),
        };
        // Whatever its number: a block that came twice is written twice.
        file.write_all(payload)?;
        received += payload.len();
        if payload.len() < BLOCK_LEN {
            return Ok(received);
        }
        send(peer, &Packet::Ack { block })?;
    }
}
// ANCHOR_END: receiver

/// What both ends need of a socket; the tests have one without a network.
trait Datagrams {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()>;
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
}

fn send(peer: &mut impl Datagrams, packet: &Packet<'_>) -> io::Result<()> {
    let mut buffer = [0; DATAGRAM_LEN_MAX];
    let len = packet.encode(&mut buffer).map_err(io::Error::other)?;
    peer.send(buffer.get(..len).unwrap_or_default())
}

/// A socket, and whoever spoke last: the answer to a request comes from a new port.
struct Peer {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Datagrams for Peer {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send_to(datagram, self.address).map(drop)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (len, from) = self.socket.recv_from(buffer)?;
        self.address = from;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Condvar, Mutex};

    use super::*;

    #[test]
    fn without_a_loss_the_file_arrives() {
        for len in [0, 1, 511, 512, 513, 1024, 5000] {
            check(len, None, true);
        }
    }

    #[test]
    fn one_lost_packet_hangs_it() {
        // 1200 bytes are DATA 1, ACK 1, DATA 2, ACK 2, DATA 3. The bug is the lesson, so the test
        // asserts the bug: whichever of the five is lost.
        for lost in 1..=5 {
            check(1200, Some(lost), false);
        }
        check(1200, Some(6), true);
    }

    #[test]
    fn a_file_without_a_path_is_all_it_opens() {
        for (name, opened) in [
            (&b"hello.txt"[..], true),
            ("你好.txt".as_bytes(), true),
            (b"/etc/passwd", false),
            (b"../secret", false),
            (b"..", false),
            (b"c:\\boot.ini", false),
            (b"\xff", false),
        ] {
            assert_eq!(plain_name(name).is_some(), opened, "{name:?}");
        }
    }

    /// A file of `len` bytes, with the packet number `lost` lost: whether it arrives. If not, an end
    /// waits for what nobody will send.
    #[track_caller]
    fn check(len: usize, lost: Option<usize>, arrives: bool) {
        let file: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let cable = Arc::new(Cable { lost, ..Cable::default() });
        let (mut server, mut client) = (End(cable.clone(), 0), End(cable, 1));
        let (sent, received, copy) = std::thread::scope(|scope| {
            let server = scope.spawn(move || send_file(&mut server, &mut file.as_slice()).is_ok());
            let mut copy = Vec::new();
            let received = receive_file(&mut client, &mut copy).is_ok();
            drop(client);
            (server.join().unwrap(), received, copy)
        });
        assert_eq!(sent && received, arrives, "{len} bytes, {lost:?} lost");
        assert_eq!(copy.len() == len, arrives);
    }

    /// Two ends that lose one packet, and notice when both wait: nobody has to wait for ever to see
    /// that somebody would.
    #[derive(Default)]
    struct Cable {
        lost: Option<usize>,
        state: Mutex<State>,
        changed: Condvar,
    }

    #[derive(Default)]
    struct State {
        sent: usize,
        queues: [VecDeque<Vec<u8>>; 2],
        /// Waits, or has gone.
        idle: [bool; 2],
    }

    struct End(Arc<Cable>, usize);

    impl Datagrams for End {
        fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
            let mut state = self.0.state.lock().unwrap();
            state.sent += 1;
            if self.0.lost != Some(state.sent) {
                let other = 1 - self.1;
                state.queues[other].push_back(datagram.to_vec());
                state.idle[other] = false;
                self.0.changed.notify_all();
            }
            Ok(())
        }

        fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let mut state = self.0.state.lock().unwrap();
            loop {
                if let Some(datagram) = state.queues[self.1].pop_front() {
                    buffer[..datagram.len()].copy_from_slice(&datagram);
                    return Ok(datagram.len());
                }
                state.idle[self.1] = true;
                self.0.changed.notify_all();
                if state.idle == [true; 2] {
                    return Err(io::Error::other("nobody will ever send anything"));
                }
                state = self.0.changed.wait(state).unwrap();
            }
        }
    }

    impl Drop for End {
        fn drop(&mut self) {
            self.0.state.lock().unwrap().idle[self.1] = true;
            self.0.changed.notify_all();
        }
    }
}
