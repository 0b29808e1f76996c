//! Lesson `relay`: a lossy hop between client and server.
//!
//! ```text
//!            bind                        one socket for each client
//!  ann ◀──▶ ┌────────────── relay ──────────────┐ ◀──▶ ┌────────┐
//!           │  faults::Link: lost? late? twice? │      │ server │
//!  bob ◀──▶ └───────────────────────────────────┘ ◀──▶ └────────┘
//! ```
//!
//! Neither end knows of it: the client takes the relay for the server, and the server takes it for
//! as many clients as there are. What is done to a datagram is decided by the crate `faults`, from
//! the seed; this file has the sockets and the clock. One thread listens to the clients and one to
//! the server for each client; they hand everything to a channel, and the main thread waits on that
//! until the next datagram is due. System calls: recvfrom(2), sendto(2), recv(2), send(2).

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cli::failure::describe;
use cli::{Stop, count, note};
use faults::Direction::{ToClient, ToServer};
use faults::{Delay, Link, Percent, Settings, Transmit};

use crate::ping::{any_address_like, is_refusal, is_silence};

/// Room for every datagram.
const DATAGRAM_LEN_MAX: usize = 65_535;

/// How many clients there are at the same time; one more, and the oldest is forgotten.
const CLIENTS_MAX: usize = 64;

/// How many datagrams wait for the main thread. Beyond it they wait in the sockets' own buffers.
const ARRIVALS_MAX: usize = 256;

/// How often the thread of a client looks whether the client has been forgotten.
const FORGOTTEN_EVERY: Duration = Duration::from_secs(1);

/// How long the main thread waits when nothing is under way.
const IDLE: Duration = Duration::from_secs(3600);

/// A lossy hop between client and server
#[derive(Clone, Copy, clap::Args)]
#[command(after_help = "What it does to each datagram goes to stderr.")]
pub struct Args {
    /// The server's address
    #[arg(long, value_name = "IP:PORT", value_parser = cli::address)]
    to: SocketAddr,
    /// Address to receive on, for the clients; port 0 takes any free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8091", value_parser = cli::address)]
    bind: SocketAddr,
    /// How many datagrams are lost, in each direction
    #[arg(long, value_name = "PERCENT", default_value = "0%")]
    loss: Percent,
    /// How many arrive twice
    #[arg(long, value_name = "PERCENT", default_value = "0%")]
    duplicate: Percent,
    /// How many are held back until up to three later ones have passed
    #[arg(long, value_name = "PERCENT", default_value = "0%")]
    reorder: Percent,
    /// How late all are: 20ms, or 20ms±5ms
    #[arg(long, value_name = "TIME", default_value = "0ms")]
    delay: Delay,
    /// Chooses the fates; the same seed, the same fates
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    seed: u64,
}

/// Runs the relay.
///
/// # Errors
/// When the address cannot be had, or a socket breaks.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { to, bind, loss, duplicate, reorder, delay, seed } = args;
    let _stop = Stop::server()?;
    let socket = UdpSocket::bind(bind).with_context(|| format!("cannot bind {bind}"))?;
    let own = socket.local_addr()?;
    ensure!(own != to, "{to} is the relay itself; --to takes the server's address");
    cli::ready(own)?;

    let (socket, (arrivals, arrived)) = (Arc::new(socket), sync_channel(ARRIVALS_MAX));
    hear(None, Arc::clone(&socket), arrivals.clone());
    let settings = Settings { loss, duplicate, reorder, delay, ..Settings::default() };
    let link = Link::new(settings, seed);
    Relay { to, socket, link, arrivals, flows: 0, clients: VecDeque::new() }.run(&arrived)
}

struct Relay {
    to: SocketAddr,
    socket: Arc<UdpSocket>,
    link: Link<Vec<u8>>,
    /// For the threads of the clients that are to come.
    arrivals: SyncSender<Arrival>,
    /// How many clients there have been.
    flows: u64,
    /// Those that there are, the oldest first.
    clients: VecDeque<Client>,
}

struct Client {
    flow: u64,
    address: SocketAddr,
    /// Its own socket towards the server. The server knows its clients by their ports, so they
    /// cannot share one.
    upstream: Arc<UdpSocket>,
}

/// A datagram and who sent it: a client, or the server to the client with this number.
type Arrival = io::Result<(Sender, Vec<u8>)>;

enum Sender {
    Client(SocketAddr),
    Server(u64),
}

impl Relay {
    // ANCHOR: driver
    fn run(mut self, arrived: &Receiver<Arrival>) -> anyhow::Result<()> {
        loop {
            while let Some(transmit) = self.link.poll_transmit(Instant::now()) {
                self.send(&transmit);
            }
            let due = self.link.poll_timeout().unwrap_or_else(|| Instant::now() + IDLE);
            let wait = due.saturating_duration_since(Instant::now());
            let (sender, datagram) = match arrived.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => continue,
                arrival => arrival?.context("cannot receive")?,
            };
            let (flow, direction, whither) = match sender {
                Sender::Client(address) => (self.flow_of(address)?, ToServer, "to the server"),
                Sender::Server(flow) => (flow, ToClient, "to the client"),
            };
            let report = self.link.handle_datagram(Instant::now(), flow, direction, datagram);
            note!("client {flow}, datagram {} {whither}: {report}", report.number());
        }
    }
    // ANCHOR_END: driver

    /// The number of a client, old or new.
    fn flow_of(&mut self, address: SocketAddr) -> anyhow::Result<u64> {
        if let Some(client) = self.clients.iter().find(|client| client.address == address) {
            return Ok(client.flow);
        }
        if self.clients.len() >= CLIENTS_MAX {
            self.clients.pop_front();
        }
        let upstream =
            UdpSocket::bind(any_address_like(self.to)).context("cannot make a socket")?;
        upstream.connect(self.to).with_context(|| format!("cannot send to {}", self.to))?;
        upstream.set_read_timeout(Some(FORGOTTEN_EVERY))?;
        let upstream = Arc::new(upstream);
        self.flows += 1;
        hear(Some(self.flows), Arc::clone(&upstream), self.arrivals.clone());
        self.clients.push_back(Client { flow: self.flows, address, upstream });
        Ok(self.flows)
    }

    /// Sends what is due. To a client that has been forgotten nothing is sent.
    fn send(&self, transmit: &Transmit<Vec<u8>>) {
        let Transmit { flow, direction, payload, .. } = transmit;
        let Some(client) = self.clients.iter().find(|client| client.flow == *flow) else { return };
        let send = || match direction {
            ToServer => client.upstream.send(payload),
            ToClient => self.socket.send_to(payload, client.address),
        };
        // A refusal reported here is that of an earlier datagram, and this one was not sent
        // (udp(7)). What is lost must be lost by its fate alone, so it is sent once more; the report
        // is used up.
        let sent = send().or_else(|error| if is_refusal(&error) { send() } else { Err(error) });
        if let Err(error) = sent {
            note!("client {flow}: cannot pass on {}: {error}", count(payload.len(), "byte"));
        }
    }
}

/// Listens in a thread of its own: to the server for the client `flow`, or to all clients.
fn hear(flow: Option<u64>, socket: Arc<UdpSocket>, arrivals: SyncSender<Arrival>) {
    thread::spawn(move || {
        let mut datagram = vec![0; DATAGRAM_LEN_MAX];
        // The other handle is the relay's, and goes when the client is forgotten.
        while Arc::strong_count(&socket) > 1 {
            let arrival = match socket.recv_from(&mut datagram) {
                Err(error) if is_silence(&error) => continue,
                Err(error) if is_refusal(&error) => {
                    note!("nobody receives what is passed on: {}", describe(&error));
                    continue;
                }
                received => received.map(|(len, sender)| {
                    let sender = flow.map_or(Sender::Client(sender), Sender::Server);
                    (sender, datagram[..len].to_vec())
                }),
            };
            if arrivals.send(arrival).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_report_about_one_datagram_does_not_cost_the_next() {
        let socket = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (server, upstream) = (socket(), Arc::new(socket()));
        server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (to, address) = (server.local_addr().unwrap(), upstream.local_addr().unwrap());
        upstream.connect(to).unwrap();
        // A socket that is connected to itself refuses all others: nobody is there.
        server.connect(to).unwrap();
        upstream.send(b"early").unwrap();
        // And now somebody is.
        server.connect(address).unwrap();

        let client = Client { flow: 1, address, upstream };
        let link = Link::new(Settings::default(), 1);
        let (arrivals, _arrived) = sync_channel(1);
        let clients = VecDeque::from([client]);
        let mut relay = Relay { to, socket: Arc::new(socket()), link, arrivals, flows: 1, clients };
        relay.link.handle_datagram(Instant::now(), 1, ToServer, b"next".to_vec());
        let transmit = relay.link.poll_transmit(Instant::now()).unwrap();
        relay.send(&transmit);
        let mut datagram = [0; 16];
        let len = server.recv(&mut datagram).unwrap();
        assert_eq!(&datagram[..len], b"next");
    }
}
