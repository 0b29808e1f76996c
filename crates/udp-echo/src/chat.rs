//! Lesson `chat`: many to one and back, through one socket.
//!
//! ```text
//!  alex ── "alex : 我要退学" ──▶ ┌────────┐ ◀── "太白 : hi" ── 太白
//!       ◀── "why?" ──────────── │ server │
//!                               └────────┘
//!                    the operator types: why?         to whoever spoke last
//!                                        @alex why?   to alex
//! ```
//!
//! No connection says who is there: the server knows only who has spoken, and from which address.
//! Both ends wait for two things at once, a datagram and a line of the keyboard. A thread waits for
//! each, and one loop takes what they bring, so only that loop ever decides:
//!
//! ```text
//!  recvfrom, in a thread ──┐
//!                          ├──▶ channel ──▶ one loop
//!  read line, in a thread ─┘
//! ```
//!
//! *Read:* [`wire`] (datagrams to words) → [`speakers`] (who has spoken) → here. System calls:
//! recvfrom(2), sendto(2), and connect(2) in the client.

pub mod wire;
pub mod speakers;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::Context;
use cli::{Stop, ask, escape, note, say};

use crate::once::any_address_like;
use speakers::Speakers;
use wire::{LEAVE, NameArg, Said, Typed, What};

/// The most that is read of a datagram, as in tutorial 2's `recvfrom(4096)`.
const DATAGRAM_LEN_MAX: usize = 4096;

/// The most that is sent in one, because tutorial 0's `recvfrom(1024)` reads no more.
const SENT_LEN_MAX: usize = 1024;

/// What came and was not yet taken. Beyond that it waits in the socket, and the system drops it
/// when that is full.
const EVENTS_MAX: usize = 64;

/// Many to one and back: a chat by name and colour
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Hears everybody; what you type goes to whoever spoke last
    #[command(after_help = "\
What you type:
  text         to whoever spoke last
  @who text    to another who has spoken, by name
  q, @who q    ends that client's talk, not the server")]
    Server {
        /// Address to receive on; port 0 takes any free one
        #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:9090")]
        bind: SocketAddr,
    },
    /// Talks to the server; `q`, or the end of input, ends it
    Client {
        /// The server's address
        #[arg(value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:9090")]
        server: SocketAddr,
        /// What to be called
        #[arg(long, value_name = "NAME")]
        name: NameArg,
    },
}

/// Runs the end that the command line asks for.
///
/// # Errors
/// When a call fails.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.role {
        Role::Server { bind } => server(bind),
        Role::Client { server, name } => client(server, &name),
    }
}

// ANCHOR: server
fn server(bind: SocketAddr) -> anyhow::Result<()> {
    let _stop = Stop::server()?;
    let socket = UdpSocket::bind(bind).with_context(|| format!("cannot bind {bind}"))?;
    cli::ready(socket.local_addr()?)?;

    let mut speakers = Speakers::default();
    for event in events(&socket)? {
        match event {
            Event::Heard(datagram, sender) => {
                let Said { who, what, named } = wire::hear(&datagram, sender);
                match what {
                    What::Words(text) => {
                        let color = speakers.spoke(&who, sender);
                        say!("{color}{who} : {text}{color:#}")?;
                    }
                    What::Leave => {
                        speakers.forget(&who);
                        say!("{who} has left")?;
                        // The tutorial's client waits for an answer even to its own q, and this
                        // one lets it end. A bare q stays unanswered, or two servers would send
                        // it back and forth for ever.
                        if named {
                            send(&socket, &who, sender, LEAVE);
                        }
                    }
                }
            }
            Event::Typed(line) => operate(&socket, &mut speakers, &line)?,
            // Nobody types any more. The others may still talk, and be heard.
            Event::InputEnded => {}
            Event::Failed(error) => return Err(error),
        }
    }
    Ok(())
}

/// Does what the operator's line asks for.
fn operate(socket: &UdpSocket, speakers: &mut Speakers, line: &str) -> anyhow::Result<()> {
    let (who, text) = match wire::typed(line, speakers.names()) {
        Typed::ToLast(text) => match speakers.last() {
            Some(who) => (who.to_owned(), text),
            None => {
                note!("not sent: nobody has spoken yet, so nobody's address is known");
                return Ok(());
            }
        },
        Typed::To(who, text) => (who.to_owned(), text),
        Typed::ToUnknown(who) => {
            note!("not sent: nobody called {} is here; write @who text", escape(who.as_bytes()));
            return Ok(());
        }
    };
    let Some(address) = speakers.address_of(&who) else { return Ok(()) };
    if send(socket, &who, address, text) {
        say!("→ {who} : {}", escape(text.as_bytes()))?;
        if text == LEAVE {
            speakers.forget(&who);
        }
    }
    Ok(())
}

/// Whether it was sent. One client that cannot be reached is no reason to end the others' talk.
fn send(socket: &UdpSocket, who: &str, address: SocketAddr, text: &str) -> bool {
    if text.len() > SENT_LEN_MAX {
        note!("not sent: {} bytes, and {SENT_LEN_MAX} are read at the other end", text.len());
        return false;
    }
    let sent = socket.send_to(text.as_bytes(), address);
    if let Err(error) = &sent {
        note!("cannot reach {who} at {address}: {error}");
    }
    sent.is_ok()
}
// ANCHOR_END: server

// ANCHOR: client
fn client(server: SocketAddr, name: &NameArg) -> anyhow::Result<()> {
    let socket = UdpSocket::bind(any_address_like(server)).context("cannot make a socket")?;
    // Strangers are not heard, and a server that is not there is noticed: see the lesson `refused`.
    socket.connect(server).with_context(|| format!("cannot talk to {server}"))?;

    let mut speakers = Speakers::default();
    for event in events(&socket)? {
        match event {
            Event::Heard(datagram, sender) => {
                let Said { who, what, .. } = wire::hear(&datagram, sender);
                match what {
                    What::Words(text) => {
                        let color = speakers.spoke(&who, sender);
                        say!("{color}{who} : {text}{color:#}")?;
                    }
                    What::Leave => {
                        say!("{who} has ended the talk")?;
                        return Ok(());
                    }
                }
            }
            Event::Typed(line) => {
                let datagram = wire::speak(name, &line);
                if datagram.len() > SENT_LEN_MAX {
                    note!("not sent: {} bytes, of which {SENT_LEN_MAX} are read", datagram.len());
                    continue;
                }
                socket.send(&datagram).with_context(|| format!("cannot talk to {server}"))?;
                // Compared before the name stands in front of it.
                if line == LEAVE {
                    return Ok(());
                }
            }
            // Whoever has nothing more to say takes leave, or the server would remember him.
            Event::InputEnded => {
                socket.send(&wire::speak(name, LEAVE)).context("cannot take leave")?;
                return Ok(());
            }
            Event::Failed(error) => {
                return Err(error.context(format!("the talk with {server} has ended")));
            }
        }
    }
    Ok(())
}
// ANCHOR_END: client

/// What can happen to either end.
enum Event {
    Heard(Vec<u8>, SocketAddr),
    Typed(String),
    InputEnded,
    Failed(anyhow::Error),
}

// ANCHOR: events
/// Waits for the socket and for the keyboard, each in a thread of its own that ends with the
/// process. poll(2) would do it in one, but not for the keyboard on every system.
fn events(socket: &UdpSocket) -> anyhow::Result<Receiver<Event>> {
    let (sender, events) = sync_channel(EVENTS_MAX);
    let socket = socket.try_clone().context("cannot share the socket with a thread")?;
    let heard = sender.clone();
    thread::spawn(move || hear_all(&socket, &heard));
    thread::spawn(move || read_all(&sender));
    Ok(events)
}

/// Nobody takes events any more when the program is about to end; then the threads end, too.
fn hear_all(socket: &UdpSocket, events: &SyncSender<Event>) {
    // One byte more than is wanted: if it is used, the datagram was too long.
    let mut datagram = vec![0; DATAGRAM_LEN_MAX + 1];
    loop {
        let event = match socket.recv_from(&mut datagram) {
            Ok((len, sender)) => {
                if len > DATAGRAM_LEN_MAX {
                    note!("{sender} sends more than {DATAGRAM_LEN_MAX} bytes; the rest is lost");
                }
                Event::Heard(datagram[..len.min(DATAGRAM_LEN_MAX)].to_vec(), sender)
            }
            // Windows reports here that what was sent before reached nobody. At a socket that
            // talks to many this says nothing about the others.
            Err(error)
                if error.kind() == io::ErrorKind::ConnectionReset
                    && socket.peer_addr().is_err() =>
            {
                continue;
            }
            Err(error) => Event::Failed(anyhow::Error::from(error).context("cannot hear")),
        };
        let failed = matches!(event, Event::Failed(_));
        if events.send(event).is_err() || failed {
            return;
        }
    }
}

/// Simplified: what is heard while somebody types is printed into the middle of his line; chapter 4
/// mends it. So there is no prompt, which would be torn apart the same way.
fn read_all(events: &SyncSender<Event>) {
    loop {
        let event = match ask("") {
            Ok(Some(line)) => Event::Typed(line),
            Ok(None) => Event::InputEnded,
            Err(error) => Event::Failed(error.context("cannot read what is typed")),
        };
        let typed = matches!(event, Event::Typed(_));
        if events.send(event).is_err() || !typed {
            return;
        }
    }
}
// ANCHOR_END: events
