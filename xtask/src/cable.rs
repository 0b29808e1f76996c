//! The cable: what lies between the two ends, so that one sees what passes and can injure it.
//!
//! ```text
//!  client ──▶ front ═══════ cable ═══════ back ──▶ server
//!             the address that     decisions: crates/faults
//!             the client is given  record: trace.rs ──▶ ladder.rs, `cable > lost …`
//! ```
//!
//! The address of the server is the only tie between the ends of a demo, so a relay can be put
//! there and neither end knows. It needs no privilege, and the ends can be anything, in any
//! language.
//!
//! *Read:* [`trace`] → [`udp`] → [`tcp`] → [`owner`] → [`label`] → [`traffic`] → [`ladder`].

pub mod label;
pub mod ladder;
pub mod owner;
pub mod tcp;
pub mod trace;
pub mod traffic;
pub mod udp;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use cli::Stop;
use faults::{Direction, Settings};

use label::Labels;
use ladder::{Look, Row};
use tcp::TcpCable;
use trace::{Event, Names, Trace};
use traffic::{NOTHING_PASSED, Passed, Traffic};
use udp::UdpCable;

/// Lays a cable between any two programs, shows what passes, and injures it
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(clap::Subcommand)]
enum Kind {
    /// For datagrams
    Udp(Ends),
    /// For connections
    Tcp(Ends),
}

#[derive(clap::Args)]
struct Ends {
    /// Where the server is
    #[arg(long, value_name = "IP:PORT", value_parser = cli::peer)]
    to: SocketAddr,
    /// Where clients are to go instead; port 0 takes any free one
    #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Show what passes, a line each
    #[arg(long)]
    trace: bool,
    #[command(flatten)]
    faults: FaultArgs,
}

/// What a cable does to what passes.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct FaultArgs {
    /// Put a bad cable between the ends, such as loss=10%,delay=20ms±5ms (all faults: the page
    /// "Seeing the wire")
    #[arg(long, value_name = "FAULTS")]
    pub faults: Option<Settings>,
    /// The same seed gives every datagram the same fate
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// The seed where none is given.
pub const SEED: u64 = 1;

/// Lays a cable by hand, until it is interrupted.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    cli::run(|| {
        let _stop = Stop::server()?;
        let (Kind::Udp(ends) | Kind::Tcp(ends)) = &args.kind;
        let settings = ends.faults.faults.unwrap_or_default();
        let seed = ends.faults.seed.unwrap_or(SEED);
        let (say, lines) = sync_channel(1024);
        let listener: Option<trace::Listener> = ends.trace.then(|| {
            let listener: trace::Listener = Box::new(move |event, flow| {
                // A terminal that is slower than the network must not stop the network.
                let _ = say.try_send(line(event, flow));
            });
            listener
        });
        let trace = Arc::new(Trace::new(false, listener));
        let client = Box::new(|address: SocketAddr| address.to_string());
        let names = Arc::new(Names { server: ends.to.to_string(), client });
        let wrong = match args.kind {
            Kind::Udp(_) => settings.only_for_streams(),
            Kind::Tcp(_) => settings.only_for_datagrams(),
        };
        if let Some(part) = wrong {
            anyhow::bail!("`{part}` means nothing for this kind of cable");
        }
        let cannot = || format!("cannot listen on {}", ends.listen);
        let _cable: Box<dyn std::any::Any> = match args.kind {
            Kind::Udp(_) => {
                let front = UdpSocket::bind(ends.listen).with_context(cannot)?;
                cli::ready(front.local_addr()?)?;
                Box::new(UdpCable::lay(front, ends.to, settings, seed, names, trace)?)
            }
            Kind::Tcp(_) => {
                let front = TcpListener::bind(ends.listen).with_context(cannot)?;
                cli::ready(front.local_addr()?)?;
                Box::new(TcpCable::lay(front, ends.to, settings, seed, names, trace)?)
            }
        };
        for line in lines {
            cli::say!("{line}")?;
        }
        // Without --trace nobody will ever send a line: wait for the interrupt.
        loop {
            std::thread::park();
        }
    })
}

/// An event as one line: `127.0.0.1:50112 → 127.0.0.1:8090  "hello"  lost`.
fn line(event: &Event, flow: &trace::Flow) -> String {
    let (from, to) = match event.direction {
        Direction::ToServer => (&flow.client_name, &flow.server_name),
        Direction::ToClient => (&flow.server_name, &flow.client_name),
    };
    let label = Labels::plain(&event.what);
    let done = trace::words(&event.done);
    format!("{from} → {to}  {label}  {done}").trim_end().to_owned()
}

/// A cable for whatever may come, on one address: streams and datagrams.
pub struct Cable {
    address: SocketAddr,
    _udp: UdpCable,
    _tcp: TcpCable,
}

impl Cable {
    /// Lays a cable to `server`.
    ///
    /// # Errors
    /// When no address can be had.
    pub fn lay(
        server: SocketAddr,
        settings: Settings,
        seed: u64,
        names: Names,
        trace: &Arc<Trace>,
    ) -> io::Result<Self> {
        let (listener, socket) = both(beside(server))?;
        let address = listener.local_addr()?;
        let names = Arc::new(names);
        let udp =
            UdpCable::lay(socket, server, settings, seed, Arc::clone(&names), Arc::clone(trace))?;
        let tcp = TcpCable::lay(listener, server, settings, seed, names, Arc::clone(trace))?;
        Ok(Self { address, _udp: udp, _tcp: tcp })
    }

    /// Where clients are to go.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A port that is free for streams is almost always free for datagrams.
const ATTEMPTS_MAX: usize = 32;

fn both(any: SocketAddr) -> io::Result<(TcpListener, UdpSocket)> {
    let mut last = None;
    for _ in 0..ATTEMPTS_MAX {
        let listener = TcpListener::bind(any)?;
        match UdpSocket::bind(listener.local_addr()?) {
            Ok(socket) => return Ok((listener, socket)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrInUse)))
}

/// An address of this machine from which `server` can be reached: the same, or any of its family.
fn beside(server: SocketAddr) -> SocketAddr {
    match server {
        _ if server.ip().is_loopback() => SocketAddr::new(server.ip(), 0),
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// Whether a socket is of no more use. All other errors are about one datagram, one peer or one
/// moment.
fn is_fatal(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::Interrupted
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
    )
}

/// What a transcript can wait for: what was done, to what, and which way it went. `None` where
/// nothing was done.
#[must_use]
pub fn deed(event: &Event, labels: &mut Labels) -> Option<String> {
    if event.done.is_empty() {
        return None;
    }
    let to = match event.direction {
        Direction::ToServer => "to the server",
        Direction::ToClient => "to the client",
    };
    Some(format!("{} {}, {to}", trace::words(&event.done), labels.of(&event.what)))
}

/// What an interrupt shows of the demo that runs.
#[derive(Clone)]
pub struct Running {
    /// What has passed.
    pub trace: Arc<Trace>,
    /// How it is drawn.
    pub look: Look,
    /// The program that says what the bytes mean.
    pub decoder: Option<PathBuf>,
}

static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// From here on [`show_so_far`] shows this; `None`: nothing.
pub fn is_running(running: Option<Running>) {
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = running;
}

/// Shows what has passed, when the demo ends before its time.
pub fn show_so_far() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(Running { trace, look, decoder }) = running {
        let mut labels = decoder.as_deref().map(Labels::from_binary).unwrap_or_default();
        for line in ladder(&Traffic::of(&trace, &mut labels), look) {
            let _ = cli::say!("{line}");
        }
    }
}

/// What passed as a ladder, a line each.
#[must_use]
pub fn ladder(traffic: &Traffic, look: Look) -> Vec<String> {
    if traffic.passed.is_empty() {
        return vec![NOTHING_PASSED.to_owned()];
    }
    let begin = traffic.begin();
    let row = |passed: &Passed| Row {
        at: passed.at.saturating_sub(begin),
        from: passed.from,
        to: passed.to,
        label: passed.label.clone(),
        note: passed.note(),
        lost: passed.is_lost(),
    };
    let rows: Vec<Row> = traffic.passed.iter().map(row).collect();
    let mut lines = ladder::draw(&rows, &traffic.actors, look);
    lines.extend(traffic.missing());
    lines
}
