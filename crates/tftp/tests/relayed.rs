//! The real programs, through real sockets, with a bad network in between: every file arrives whole,
//! and what is sent for it stays within a bound.
//!
//! ```text
//!  tftp get, tftp put ◀── loopback ──▶ relay: a Link of crates/faults ◀── loopback ──▶ tftp server
//!  one process each                    one thread and one socket each                  one process
//! ```
//!
//! The machines alone have this test too, in `faulty.rs`, where time is an argument and every block
//! size and window can be tried. Here it is their drivers, the first exchange and the clocks of a
//! busy system that are tried.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]
#![expect(clippy::cast_possible_truncation, reason = "test data")]

mod rig;

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use faults::{Direction, Link, Settings};
use rig::{DEADLINE, Folder, Program, bytes};

const SEEDS: u64 = 200;

/// Transfers at the same time: most of the time each of them waits.
const WORKERS: u64 = 60;

/// Blocks in a file, the last of 7 bytes.
const BLOCKS: u64 = 24;

const BLKSIZE: u64 = 512;

/// The window of each transfer, by its seed, and how many times the file's blocks it may send. A
/// system that is busy makes clocks run out early, so there is some room above what was seen.
type Bounds = [(u64, u64); 4];

#[test]
fn through_ten_lost_in_a_hundred_every_file_arrives_whole() {
    let faults = "loss=10%,duplicate=10%,reorder=5%,delay=1ms±1ms";
    check(faults, [(1, 3), (4, 4), (16, 5), (64, 6)]);
}

#[test]
fn through_thirty_lost_in_a_hundred_every_file_arrives_whole() {
    let faults = "loss=30%,duplicate=10%,reorder=5%,delay=1ms±1ms";
    check(faults, [(1, 5), (4, 7), (16, 9), (64, 12)]);
}

/// [`SEEDS`] transfers: those with an even seed are downloads, the others uploads.
fn check(faults: &str, bounds: Bounds) {
    let settings: Settings = faults.parse().unwrap();
    let (there, here) = (Folder::new(), Folder::new());
    let file = bytes(usize::try_from((BLOCKS - 1) * BLKSIZE + 7).unwrap());
    there.write("file", &file);
    here.write("file", &file);
    let words = ["--write", "any", "--no-sync", "--timeout", "100ms", "--retries", "50"];
    let (mut server, address) = Program::server(&there, &words);
    server.ignore();
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let seed @ 0..SEEDS = next.fetch_add(1, Ordering::Relaxed) {
                    let (window, bound) = bounds[usize::try_from(seed / 2 % 4).unwrap()];
                    let (name, data) = transfer(&here, address, window, settings, seed);
                    let folder = if seed.is_multiple_of(2) { &here } else { &there };
                    assert!(folder.read(&name) == file, "{settings} seed {seed}: {name} differs");
                    assert!(
                        (BLOCKS..=BLOCKS * bound).contains(&data),
                        "{settings} seed {seed}, window {window}: {data} DATA for {BLOCKS} blocks"
                    );
                }
            });
        }
    });
}

/// One transfer through a relay of its own: the file's new name, and how many DATA were sent for it.
fn transfer(
    here: &Folder,
    server: SocketAddr,
    window: u64,
    settings: Settings,
    seed: u64,
) -> (String, u64) {
    let relay = Relay::new(server, settings, seed);
    let (address, window) = (relay.address(), window.to_string());
    let name = format!("copy-{seed}");
    let options = ["--blksize", "512", "--windowsize", &window, "--timeout", "100ms"];
    let way = if seed.is_multiple_of(2) { "get" } else { "put" };
    let words = [&[way, &address, "file", &name, "--retries", "50"][..], &options].concat();
    let over = AtomicBool::new(false);
    let data = thread::scope(|scope| {
        let data = scope.spawn(|| relay.run(&over));
        let mut client = Program::start(here, &words);
        let ended = client.exit();
        over.store(true, Ordering::Relaxed);
        assert!(ended.success(), "{settings} seed {seed}: {ended}");
        data.join().unwrap()
    });
    (name, data)
}

/// A way to the server that loses things. To the client it is the server, to the server the client.
struct Relay {
    socket: UdpSocket,
    server: SocketAddr,
    settings: Settings,
    seed: u64,
}

impl Relay {
    fn new(server: SocketAddr, settings: Settings, seed: u64) -> Self {
        Self { socket: UdpSocket::bind("127.0.0.1:0").unwrap(), server, settings, seed }
    }

    fn address(&self) -> String {
        self.socket.local_addr().unwrap().to_string()
    }

    /// Relays until it is over, and says how many DATA came in.
    fn run(&self, over: &AtomicBool) -> u64 {
        let mut link: Link<Vec<u8>> = Link::new(self.settings, self.seed);
        // The client's port, and the one that the server has taken for the transfer.
        let (mut client, mut transfer, mut begun) = (None, None, false);
        let (mut data, mut buffer) = (0, [0; 2048]);
        let until = Instant::now() + DEADLINE;
        while !over.load(Ordering::Relaxed) {
            assert!(Instant::now() < until, "{} seed {}: no end", self.settings, self.seed);
            while let Some(leaves) = link.poll_transmit(Instant::now()) {
                let to = match leaves.direction {
                    Direction::ToClient => client,
                    Direction::ToServer if is_request(&leaves.payload) => Some(self.server),
                    Direction::ToServer => transfer,
                };
                // A port that has gone is the ends' affair.
                to.map(|to| self.socket.send_to(&leaves.payload, to));
            }
            let due = link.poll_timeout().map(|due| due.saturating_duration_since(Instant::now()));
            // No time at all would be a wait for ever.
            let wait = due.unwrap_or(POLL).clamp(Duration::from_micros(1), POLL);
            self.socket.set_read_timeout(Some(wait)).unwrap();
            let (len, from) = match self.socket.recv_from(&mut buffer) {
                Ok(got) => got,
                Err(error) if is_no_news(error.kind()) => continue,
                Err(error) => panic!("{error}"),
            };
            let datagram = &buffer[..len];
            data += u64::from(datagram.starts_with(&[0, 3]));
            let direction = if from == *client.get_or_insert(from) {
                begun |= !is_request(datagram);
                Direction::ToServer
            } else {
                // The server may give up on somebody whom it never heard, and hear a later request.
                let transfer = transfer.get_or_insert(from);
                if !begun {
                    *transfer = from;
                }
                if from != *transfer {
                    // A request that came late has begun a second transfer, which nobody wants.
                    continue;
                }
                Direction::ToClient
            };
            link.handle_datagram(Instant::now(), 1, direction, datagram.to_vec());
        }
        data
    }
}

/// How often to look whether it is over.
const POLL: Duration = Duration::from_millis(5);

fn is_request(datagram: &[u8]) -> bool {
    datagram.starts_with(&[0, 1]) || datagram.starts_with(&[0, 2])
}

/// The time is over, or one of the ends has gone.
fn is_no_news(kind: ErrorKind) -> bool {
    use ErrorKind as Kind;

    matches!(
        kind,
        Kind::WouldBlock | Kind::TimedOut | Kind::ConnectionRefused | Kind::ConnectionReset
    )
}
