//! Lesson `server`: everything comes back to whoever sent it, many clients at once.
//!
//! ```text
//!  ann ── 我爱你 ──▶ ┌────────┐ ◀── hello ── bob
//!      ◀── 我爱你 ── │ server │ ── hello ──▶
//!                    └────────┘
//!      one socket; each datagram brings the address to answer to
//! ```
//!
//! There are three of them behind one command line, each named for how it moves datagrams, all
//! judged by the same tests:
//!
//! | `--mode` | in | out | what is paid per datagram |
//! | --- | --- | --- | --- |
//! | [`simple`] | recvfrom(2) | sendto(2) | two system calls, two ways through the system |
//! | [`batch`] | recvmmsg(2) | sendmmsg(2) | two ways through the system |
//! | [`offload`] | the same with GRO | sendmsg(2) with GSO | a share of them, for runs of one sender |
//!
//! `--threads N` opens N sockets on one address with `SO_REUSEPORT`. The system gives each client,
//! by a hash of its address and port, to one of them.
//!
//! *Read:* [`simple`] → [`policy`] (whom not to answer) → [`ledger`] (what is counted) →
//! [`batch`] → `mmsg.rs` (its two system calls) → [`offload`].

pub mod simple;
pub mod policy;
pub mod ledger;
pub mod stop_flag;
pub mod batch;
#[cfg_attr(not(target_os = "linux"), path = "server/mmsg_elsewhere.rs")]
pub(crate) mod mmsg;
#[cfg_attr(not(target_os = "linux"), path = "server/offload_elsewhere.rs")]
pub mod offload;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use cli::{Advice, Period, note};
use socket2::{Domain, Protocol, Socket, Type};
use stop_flag::StopFlag;

use ledger::{Counters, Ledger, Totals};

/// Room for every datagram: the length in its header has 16 bits. Fewer fit, 65,507 over IPv4.
pub const DATAGRAM_LEN_MAX: usize = 65_535;

/// Some thousand short datagrams, with what the system keeps beside each of them.
const RECEIVE_BUFFER_LEN: usize = 1 << 20;

/// How long a server waits at most before it looks whether it has been told to stop. A signal
/// wakes it at once, but not one that comes just before it begins to wait.
pub(crate) const LOOK_UP: Duration = Duration::from_millis(250);

/// More than any machine has use for; each brings its own buffers.
const THREADS_MAX: u16 = 256;

/// Everything comes back to whoever sent it, many clients at once
#[derive(Clone, Copy, clap::Args)]
#[command(after_help = "\
Statistics go to stderr when SIGINT or SIGTERM stops the server.")]
pub struct Args {
    /// Address to receive on; port 0 takes any free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8090")]
    bind: SocketAddr,
    /// How datagrams are moved; all modes do the same
    #[arg(long, value_enum, default_value_t = Mode::Simple)]
    mode: Mode,
    /// How many sockets and threads share the address (more than one needs a Unix)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(THREADS_MAX)))]
    threads: u16,
    /// Do not show what comes
    #[arg(long, short)]
    quiet: bool,
    /// Statistics on stderr, this often
    #[arg(long, value_name = "PERIOD")]
    stats_every: Option<Period>,
}

/// How the server moves datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// One at a time: recvfrom, sendto
    Simple,
    /// Many in one system call: recvmmsg, sendmmsg
    Batch,
    /// Runs of one sender's as one: GRO, GSO
    Offload,
}

impl Mode {
    /// Sends back what comes to `socket` in this way, until the ledger is closed.
    ///
    /// # Errors
    /// When the socket is broken, or stdout cannot be written.
    pub fn serve(self, socket: &UdpSocket, ledger: &mut Ledger) -> anyhow::Result<()> {
        match self {
            Self::Simple => simple::serve(socket, ledger),
            Self::Batch => batch::serve(socket, ledger),
            Self::Offload => offload::serve(socket, ledger),
        }
    }

    /// Sets what must be set before the first datagram comes.
    fn prepare(self, socket: &Socket, address: SocketAddr) -> io::Result<()> {
        if self == Self::Batch {
            // A kernel that does not know this leaves the drops at 0.
            let _ = mmsg::tell_drops(socket);
        }
        match self {
            Self::Simple => Ok(()),
            Self::Batch | Self::Offload => mmsg::tell_asked(socket, address),
        }
    }

    /// The nearest mode that this system can do.
    fn possible(self, can: Capabilities) -> Self {
        let possible = match self {
            Self::Offload if can.gso <= 1 && !can.gro => Self::Batch,
            wanted => wanted,
        };
        match possible {
            Self::Batch if !can.recvmmsg => Self::Simple,
            possible => possible,
        }
    }
}

/// Runs the server.
///
/// # Errors
/// When the address cannot be had, or a socket breaks.
pub fn run(args: Args) -> anyhow::Result<()> {
    let stop = StopFlag::server()?;
    let can = Capabilities::find_out();
    note!("this system can: {can}");
    let mode = args.mode.possible(can);
    if mode != args.mode {
        note!("{} is not possible here; falling back to {}", name(args.mode), name(mode));
    }

    let sockets = bind(args.bind, args.threads, mode)?;
    let own = sockets[0].local_addr()?;
    let ledgers: Vec<_> =
        sockets.iter().map(|_| Ledger::new(own, args.quiet, stop.clone())).collect();
    let statistics = Statistics::of(mode, &ledgers, &sockets)?;
    cli::ready(own)?;
    let workers = sockets.into_iter().zip(ledgers).collect();
    let result = work(mode, workers, args.stats_every, &statistics);
    stop.note();
    statistics.note();
    result
}

/// Lets every socket be served until the server is told to stop, or one of them breaks.
fn work(
    mode: Mode,
    mut workers: Vec<(UdpSocket, Ledger)>,
    stats_every: Option<Period>,
    statistics: &Statistics,
) -> anyhow::Result<()> {
    // Alone, it works in this thread: with a second one in the process, every system call would
    // be some percent dearer.
    if let ([(socket, ledger)], None) = (workers.as_mut_slice(), stats_every) {
        return mode.serve(socket, ledger);
    }
    let mut working = workers.len();
    let (ended, end) = mpsc::channel();
    for (socket, mut ledger) in workers {
        let ended = ended.clone();
        thread::spawn(move || {
            // Nobody listens any more when another has failed, and the process ends.
            let _ = ended.send(mode.serve(&socket, &mut ledger));
        });
    }
    let every = stats_every.map_or(Duration::MAX, Period::duration);
    while working > 0 {
        match end.recv_timeout(every) {
            Ok(result) => {
                result?;
                working -= 1;
            }
            Err(RecvTimeoutError::Timeout) => statistics.note(),
            // A thread has panicked. The others go on, and this server has one socket less.
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("every thread has gone"),
        }
    }
    Ok(())
}

// ANCHOR: bind
/// As many sockets as threads, on one address.
///
/// # Errors
/// When the address cannot be had.
pub fn bind(address: SocketAddr, threads: u16, mode: Mode) -> anyhow::Result<Vec<UdpSocket>> {
    let mut sockets: Vec<UdpSocket> = Vec::new();
    for _ in 0..threads {
        // If the system chose the first one's port, the others need the same.
        let address = sockets.first().map_or(Ok(address), UdpSocket::local_addr)?;
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))
            .context("cannot make a socket")?;
        // Alone, it wants the address for itself: a second server must be told that it is taken.
        if threads > 1 {
            share_port(&socket)?;
        }
        // So that it sees in time that it has been told to stop.
        socket.set_read_timeout(Some(LOOK_UP))?;
        // What comes in a burst must wait somewhere. The system gives what it is willing to give
        // (net.core.rmem_max), and says nothing if that is less.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_LEN);
        mode.prepare(&socket, address).context("the socket takes no options")?;
        socket.bind(&address.into()).with_context(|| format!("cannot bind {address}"))?;
        sockets.push(socket.into());
    }
    Ok(sockets)
}
// ANCHOR_END: bind

#[cfg(unix)]
fn share_port(socket: &Socket) -> anyhow::Result<()> {
    socket
        .set_reuse_port(true)
        .context("several sockets cannot share an address on this system")
        .hint("leave out --threads")
}

#[cfg(not(unix))]
fn share_port(_socket: &Socket) -> anyhow::Result<()> {
    Err(anyhow::anyhow!("several sockets cannot share an address on this system"))
        .hint("leave out --threads")
        .exit(cli::Exit::Usage)
}

/// What the system can do for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Capabilities {
    recvmmsg: bool,
    /// How many datagrams to one peer can be sent as one.
    gso: usize,
    gro: bool,
}

impl Capabilities {
    /// By asking a socket of its own, because asking changes options.
    fn find_out() -> Self {
        let Ok(spare) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) else { return Self::NONE };
        Self { recvmmsg: mmsg::is_available(&spare), ..Self::of_offload(&spare) }
    }

    #[cfg(target_os = "linux")]
    fn of_offload(spare: &UdpSocket) -> Self {
        let Ok(state) = quinn_udp::UdpSocketState::new(spare.into()) else { return Self::NONE };
        let (gso, gro) = (state.max_gso_segments(), state.gro_segments() > 1);
        Self { gso, gro, ..Self::NONE }
    }

    #[cfg(not(target_os = "linux"))]
    fn of_offload(_spare: &UdpSocket) -> Self {
        Self::NONE
    }

    const NONE: Self = Self { recvmmsg: false, gso: 1, gro: false };
}

impl std::fmt::Display for Capabilities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let yes = |can| if can { "yes" } else { "no" };
        let gso = if self.gso > 1 { self.gso.to_string() } else { "no".to_owned() };
        write!(f, "recvmmsg {}, gso {gso}, gro {}", yes(self.recvmmsg), yes(self.gro))
    }
}

/// The numbers of all threads, for whoever asks.
#[derive(Clone)]
struct Statistics {
    mode: Mode,
    counters: Arc<[Arc<Counters>]>,
    /// To ask the system how much it has dropped, in the mode that is not told.
    sockets: Arc<[UdpSocket]>,
}

impl Statistics {
    fn of(mode: Mode, ledgers: &[Ledger], sockets: &[UdpSocket]) -> anyhow::Result<Self> {
        let counters = ledgers.iter().map(Ledger::counters).collect();
        let sockets: Result<_, _> = sockets.iter().map(UdpSocket::try_clone).collect();
        Ok(Self { mode, counters, sockets: sockets.context("cannot keep a socket")? })
    }

    fn note(&self) {
        let mut totals = Totals::of(&self.counters, self.mode == Mode::Batch);
        if self.mode == Mode::Offload {
            totals.kernel_drops = self.kernel_drops();
        }
        note!("statistics: {totals}");
    }

    #[cfg(target_os = "linux")]
    fn kernel_drops(&self) -> Option<u64> {
        self.sockets.iter().map(|socket| mmsg::drops(socket).map(u64::from)).sum()
    }

    #[cfg(not(target_os = "linux"))]
    fn kernel_drops(&self) -> Option<u64> {
        let _ = &self.sockets;
        None
    }
}

fn name(mode: Mode) -> String {
    mode.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_that_the_system_lacks_falls_back_to_the_nearest() {
        let linux = Capabilities { recvmmsg: true, gso: 64, gro: true };
        let old = Capabilities { gso: 1, gro: false, ..linux };
        let other = Capabilities { recvmmsg: false, ..old };
        for (can, want) in [
            (linux, [Mode::Simple, Mode::Batch, Mode::Offload]),
            (old, [Mode::Simple, Mode::Batch, Mode::Batch]),
            (other, [Mode::Simple, Mode::Simple, Mode::Simple]),
        ] {
            let got = [Mode::Simple, Mode::Batch, Mode::Offload].map(|mode| mode.possible(can));
            assert_eq!(got, want, "{can}");
        }
    }

    #[test]
    fn capabilities_are_said_in_a_few_words() {
        let can = Capabilities { recvmmsg: true, gso: 64, gro: true };
        assert_eq!(can.to_string(), "recvmmsg yes, gso 64, gro yes");
        let cannot = Capabilities { recvmmsg: false, gso: 1, gro: false };
        assert_eq!(cannot.to_string(), "recvmmsg no, gso no, gro no");
    }

    #[test]
    fn one_socket_wants_its_address_for_itself() {
        let first = bind("127.0.0.1:0".parse().unwrap(), 1, Mode::Simple).unwrap();
        let taken = bind(first[0].local_addr().unwrap(), 1, Mode::Simple).unwrap_err();
        assert!(taken.to_string().starts_with("cannot bind 127.0.0.1:"), "{taken}");
    }

    #[cfg(unix)]
    #[test]
    fn several_sockets_share_the_port_that_the_system_chose() {
        let sockets = bind("[::1]:0".parse().unwrap(), 3, Mode::Batch).unwrap();
        let own = sockets[0].local_addr().unwrap();
        assert_ne!(own.port(), 0);
        assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == own));
    }
}
