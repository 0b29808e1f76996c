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
use cli::{Stop, note};
use faults::{Delay, Direction, Link, Percent, Settings, Transmit};

use crate::ping::{any_address_like, is_silence};

/// Room for every datagram.
const DATAGRAM_LEN_MAX: usize = 65_535;

/// How many clients there are at the same time; one more, and the oldest is forgotten.
const CLIENTS_MAX: usize = 64;

/// How many datagrams wait for the main thread. Beyond it they wait in the sockets' own buffers.
const ARRIVALS_MAX: usize = 256;

/// How often the thread of a client looks whether the client has been forgotten.
const FORGOTTEN_EVERY: Duration = Duration::from_secs(1);

/// A lossy hop between client and server
#[derive(Clone, Copy, clap::Args)]
#[command(after_help = "What it does to each datagram goes to stderr.")]
pub struct Args {
    /// The server's address
    #[arg(long, value_name = "IP:PORT")]
    to: SocketAddr,
    /// Address to receive on, for the clients; port 0 takes any free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8091")]
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
/// When the address cannot be had, or its socket breaks.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { to, bind, loss, duplicate, reorder, delay, seed } = args;
    let _stop = Stop::server()?;
    let socket = UdpSocket::bind(bind).with_context(|| format!("cannot bind {bind}"))?;
    let own = socket.local_addr()?;
    ensure!(own != to, "{to} is the relay itself; --to takes the server's address");
    cli::ready(own)?;

    let (arrivals, arrived) = sync_channel(ARRIVALS_MAX);
    let (clients, heard) = (socket.try_clone()?, arrivals.clone());
    thread::spawn(move || hear_clients(&clients, &heard));
    let settings = Settings { loss, duplicate, reorder, delay, ..Settings::default() };
    let link = Link::new(settings, seed);
    Relay { to, socket, link, arrivals, flows: 0, clients: VecDeque::new() }.run(&arrived)
}

struct Relay {
    to: SocketAddr,
    socket: UdpSocket,
    link: Link<Vec<u8>>,
    /// For the threads of the clients that are to come.
    arrivals: SyncSender<Arrival>,
    flows: u64,
    /// The oldest first.
    clients: VecDeque<Client>,
}

struct Client {
    flow: u64,
    address: SocketAddr,
    upstream: Arc<UdpSocket>,
}

enum Arrival {
    FromClient(SocketAddr, Vec<u8>),
    FromServer(u64, Vec<u8>),
    Broken(io::Error),
}

impl Relay {
    // ANCHOR: driver
    fn run(mut self, arrived: &Receiver<Arrival>) -> anyhow::Result<()> {
        loop {
            while let Some(transmit) = self.link.poll_transmit(Instant::now()) {
                self.send(&transmit);
            }
            let arrival = match self.link.poll_timeout() {
                None => arrived.recv()?,
                Some(due) => {
                    let wait = due.saturating_duration_since(Instant::now());
                    match arrived.recv_timeout(wait) {
                        Err(RecvTimeoutError::Timeout) => continue,
                        arrival => arrival?,
                    }
                }
            };
            let (flow, direction, datagram) = match arrival {
                Arrival::FromClient(client, datagram) => {
                    (self.flow_of(client)?, Direction::ToServer, datagram)
                }
                Arrival::FromServer(flow, datagram) => (flow, Direction::ToClient, datagram),
                Arrival::Broken(error) => return Err(error).context("cannot receive"),
            };
            let report = self.link.handle_datagram(Instant::now(), flow, direction, datagram);
            let whither = match direction {
                Direction::ToServer => "to the server",
                Direction::ToClient => "to the client",
            };
            note!("client {flow}, datagram {} {whither}: {report}", report.number());
        }
    }
    // ANCHOR_END: driver

    /// The number of a client, with a socket of its own towards the server. The server knows its
    /// clients by their ports, so they cannot share one.
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
        let (flow, arrivals, heard) = (self.flows, self.arrivals.clone(), Arc::clone(&upstream));
        thread::spawn(move || hear_server(flow, &heard, &arrivals));
        self.clients.push_back(Client { flow, address, upstream });
        Ok(flow)
    }

    /// Sends what is due. To a client that has been forgotten nothing is sent.
    fn send(&self, transmit: &Transmit<Vec<u8>>) {
        let Transmit { flow, direction, payload, .. } = transmit;
        let Some(client) = self.clients.iter().find(|client| client.flow == *flow) else { return };
        let sent = match direction {
            Direction::ToServer => client.upstream.send(payload),
            Direction::ToClient => self.socket.send_to(payload, client.address),
        };
        if let Err(error) = sent {
            note!("client {flow}: cannot pass on {} bytes: {error}", payload.len());
        }
    }
}

fn hear_clients(socket: &UdpSocket, arrivals: &SyncSender<Arrival>) {
    let mut datagram = vec![0; DATAGRAM_LEN_MAX];
    loop {
        let arrival = match socket.recv_from(&mut datagram) {
            Ok((len, client)) => Arrival::FromClient(client, datagram[..len].to_vec()),
            // Windows reports here that the datagram before went to somebody who has gone.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
            Err(error) => Arrival::Broken(error),
        };
        if arrivals.send(arrival).is_err() {
            return;
        }
    }
}

fn hear_server(flow: u64, upstream: &Arc<UdpSocket>, arrivals: &SyncSender<Arrival>) {
    let mut datagram = vec![0; DATAGRAM_LEN_MAX];
    // The other handle is the relay's, and goes when the client is forgotten.
    while Arc::strong_count(upstream) > 1 {
        match upstream.recv(&mut datagram) {
            Ok(len) => {
                if arrivals.send(Arrival::FromServer(flow, datagram[..len].to_vec())).is_err() {
                    return;
                }
            }
            Err(error) if is_silence(&error) => {}
            Err(error) => note!("client {flow}: the server cannot be reached: {error}"),
        }
    }
}
