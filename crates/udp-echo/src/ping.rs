//! Lesson `ping`: is it there, how far away, and what does the way lose?
//!
//! ```text
//!  ping                                                    echo server
//!  1  ── "ping", 1 ──────────────────────────────────────▶
//!     ◀────────────────────────────────────── "ping", 1 ──  0.045 ms
//!  2  ── "ping", 2 ───────────╳
//!  3  ── "ping", 3 ──────────────────────────────────────▶
//!     ◀────────────────────────────────────── "ping", 3 ──  0.047 ms
//!  2  ── "ping", 2, try 2 ───────────────────────────────▶  nothing came in time, so once more
//!     ◀─────────────────────────────── "ping", 2, try 2 ──  0.046 ms
//! ```
//!
//! Any server that sends back what it gets will do. Every datagram has a number, so that an answer
//! can be told from another, and every wait has an end. What that means is decided in [`pinger`],
//! which knows neither socket nor clock; this file has both and decides nothing. System calls:
//! connect(2) on a datagram socket, send(2), recv(2) with `SO_RCVTIMEO` (socket(7)).
//!
//! *Read:* [`wire`] (the bytes) → [`pinger`] (what to do next) → [`run`] → [`summary`] →
//! [`interrupt`].

pub mod wire;
pub mod pinger;
pub mod summary;
pub mod interrupt;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use cli::{Advice, Exit, Period, count, note, say};

use interrupt::Interrupt;
use pinger::{Event, Pinger, Plan, TRIES_MAX, Tally};
use summary::{Summary, millis};
use wire::{PING_LEN_MAX, PING_LEN_MIN};

/// Room for every datagram, so that one that is too long is seen to be.
const DATAGRAM_LEN_MAX: usize = 65_535;

/// How late an interrupt is noticed at most: so often a wait for an answer looks up.
const INTERRUPT_LATE_MAX: Duration = Duration::from_millis(100);

/// Exit code of a program that was interrupted: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// Is it there, how far away, and what does the way lose?
#[derive(Clone, Copy, clap::Args)]
#[command(after_help = "\
It pings over UDP, so it needs an echo server at the other end, such as `udp-echo server`. Ctrl-C
ends it with the summary. Exit code 4 says that nothing came back at all.")]
pub struct Args {
    /// The echo server's address
    #[arg(value_name = "IP:PORT", default_value = "127.0.0.1:8090", value_parser = cli::address)]
    server: SocketAddr,
    /// How many pings to send; without it, until Ctrl-C
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU32>,
    /// The time from one ping to the next
    #[arg(long, value_name = "PERIOD", default_value = "1s")]
    interval: Period,
    /// How many bytes a datagram has, 12 to 65507
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = size)]
    size: usize,
    /// How long to wait for an answer; twice as long for each further try
    #[arg(long, value_name = "PERIOD", default_value = "1s")]
    timeout: Period,
    /// How often to send a ping until it is given up, 1 to 7
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=i64::from(TRIES_MAX)))]
    tries: u16,
    /// Only the summary, as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the lesson.
///
/// # Errors
/// When a call fails, or nothing comes back.
pub fn run(args: Args) -> anyhow::Result<()> {
    let interrupt = Interrupt::watch()?;
    let Args { server, size, json, .. } = args;
    let socket = UdpSocket::bind(any_address_like(server)).context("cannot make a socket")?;
    // This sends nothing. From here on the system drops what strangers send, and reports what it
    // hears from routers and from the server's machine.
    socket.connect(server).with_context(|| format!("cannot send to {server}"))?;
    let plan = Plan {
        count: args.count,
        interval: args.interval.duration(),
        size,
        timeout: args.timeout.duration(),
        tries: args.tries,
        identifier: identifier(),
    };
    if !json {
        say!("ping {server} with {}", count(size, "byte"))?;
    }
    let mut driver = Driver { socket, size, json, refused: 0 };
    let mut pinger = Pinger::new(Instant::now(), plan, Tally::new()?);
    driver.run(&mut pinger, &interrupt).with_context(|| format!("cannot ping {server}"))?;

    let summary = Summary { server, refused: driver.refused, tally: pinger.tally() };
    match json {
        true => say!("{}", summary.json())?,
        false => say!("{summary}")?,
    }
    if interrupt.came() {
        std::process::exit(INTERRUPTED);
    }
    judge(&summary)
}

/// The socket and the clock around a [`Pinger`].
struct Driver {
    socket: UdpSocket,
    size: usize,
    json: bool,
    /// How often the system said that a datagram cannot be delivered.
    refused: u64,
}

impl Driver {
    // ANCHOR: driver
    fn run(&mut self, pinger: &mut Pinger, interrupt: &Interrupt) -> anyhow::Result<()> {
        let mut datagram = vec![0; DATAGRAM_LEN_MAX];
        while !interrupt.came() {
            // 1. Time passes whether or not a datagram came: a peer that chatters must not stop
            //    the clock.
            pinger.handle_timeout(Instant::now());
            // 2. Send everything it wants sent, and tell what happened.
            while let Some(datagram) = pinger.poll_transmit() {
                self.send(&datagram)?;
            }
            while let Some(event) = pinger.poll_event() {
                self.tell(event)?;
            }
            // 3. Ask how long we may sleep; no deadline means that all is done.
            let Some(deadline) = pinger.poll_timeout() else { break };
            let wait = deadline.saturating_duration_since(Instant::now());
            // Zero is refused, since to the system it means no timeout at all.
            let wait = wait.clamp(Duration::from_millis(1), INTERRUPT_LATE_MAX);
            self.socket.set_read_timeout(Some(wait))?;
            // 4. Feed it what came.
            match self.socket.recv(&mut datagram) {
                Ok(len) => pinger.handle_datagram(Instant::now(), &datagram[..len]),
                Err(error) if is_silence(&error) => {}
                Err(error) if is_refusal(&error) => self.refuse(&error),
                Err(error) => return Err(error).context("cannot receive"),
            }
        }
        Ok(())
    }
    // ANCHOR_END: driver

    fn send(&mut self, datagram: &[u8]) -> anyhow::Result<()> {
        // A refusal reported here is that of an earlier datagram, and this one was not sent
        // (udp(7)). Reading the report uses it up, so the second call sends. Where each is refused
        // at once, the datagram is as good as lost.
        for _ in 0..2 {
            match self.socket.send(datagram) {
                Err(error) if is_refusal(&error) => self.refuse(&error),
                sent => return sent.map(drop).context("cannot send"),
            }
        }
        Ok(())
    }

    /// A server that is not there yet may come: ping goes on, as ping(8) does.
    fn refuse(&mut self, error: &io::Error) {
        if self.refused == 0 {
            note!("the system says: {}; going on", cli::failure::describe(error));
        }
        self.refused += 1;
    }

    fn tell(&self, event: Event) -> anyhow::Result<()> {
        if self.json {
            return Ok(());
        }
        let bytes = count(self.size, "byte");
        match event {
            Event::Answer { ping, round_trip, out_of_order, late } => {
                let nanos = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
                let order = if out_of_order { ", out of order" } else { "" };
                let late = if late { ", too late" } else { "" };
                say!("{ping}: {bytes} back in {} ms{order}{late}", millis(nanos))?;
            }
            Event::Duplicate(ping) => say!("{ping}: {bytes} back again")?,
            Event::TimedOut { ping, waited, again } => {
                let next = if again { "sent again" } else { "given up" };
                say!("{ping}: nothing within {} ms, {next}", waited.as_millis())?;
            }
            Event::Strange { len } => say!("{} that are no answer to a ping", count(len, "byte"))?,
        }
        Ok(())
    }
}

/// What the run means, as the program's end.
fn judge(summary: &Summary<'_>) -> anyhow::Result<()> {
    let Summary { server, refused, tally } = summary;
    if tally.returned > 0 {
        return Ok(());
    }
    if tally.strange > 0 {
        return Err(anyhow!("{server} answers, but does not send back what it gets"))
            .hint("ping needs an echo server at the other end, such as `udp-echo server`")
            .exit(Exit::Protocol);
    }
    let hint = match refused {
        0 => "UDP does not say whether anybody receives; is the server running, on this port?",
        _ => {
            "nobody listens at that address; start the server first, and compare the port with its first line"
        }
    };
    Err(anyhow!("nothing came back from {server}")).hint(hint).exit(Exit::TimedOut)
}

/// The lower half of the process's number, as in ping(8).
fn identifier() -> u16 {
    let [.., high, low] = std::process::id().to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// A number of bytes that a ping can have.
fn size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| (PING_LEN_MIN..=PING_LEN_MAX).contains(size));
    size.ok_or_else(|| format!("write a number from {PING_LEN_MIN} to {PING_LEN_MAX}"))
}

/// Nothing came in time: Unix says `WouldBlock` when a read runs out of time, Windows `TimedOut`.
/// Or the program was stopped (Ctrl-Z) and goes on: a read with a timeout then fails with EINTR,
/// although no handler ran (signal(7)).
pub(crate) fn is_silence(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// Somebody on the way, or the server's machine, says that a datagram cannot be delivered. Windows
/// reports that as a reset.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    let kind = error.kind();
    matches!(kind, ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable)
}

/// Any address of this machine, any port, in the family of `peer`.
pub(crate) fn any_address_like(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_waits_behind_a_report_is_heard() {
        let socket = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (socket, server) = (socket(), socket());
        let address = server.local_addr().unwrap();
        socket.connect(address).unwrap();
        let plan = Plan {
            count: NonZeroU32::new(1),
            interval: Duration::from_secs(1),
            size: 64,
            timeout: Duration::from_secs(60),
            tries: 1,
            identifier: 7,
        };
        // The answer is there before the question has left, and the question finds a closed port: a
        // socket that is connected to itself hears nobody else.
        let ping = wire::Ping { identifier: 7, attempt: 1, sequence: 1 };
        server.send_to(&ping.encode(plan.size), socket.local_addr().unwrap()).unwrap();
        server.connect(address).unwrap();

        let mut driver = Driver { socket, size: plan.size, json: true, refused: 0 };
        let mut pinger = Pinger::new(Instant::now(), plan, Tally::new().unwrap());
        driver.run(&mut pinger, &Interrupt::default()).unwrap();
        assert_eq!(pinger.tally().answered, 1);
    }
}
