//! Lesson `http-hello`: a server for a browser, and a browser of one line.
//!
//! ```text
//!  browser                                         server
//!  connect                    ──────────────────▶  accept
//!  GET / HTTP/1.1             ──────────────────▶
//!                             ◀──────────────────  HTTP/1.1 200 OK, and the page
//!                             ◀──────────────────  close
//!  with --keep-alive: not yet; the picture in the page comes over the same connection
//! ```
//!
//! Seen from the sockets, it is `tcp-hello` again: one connection, one question, one answer. What is
//! new is in the bytes. Both are text, and both say where they end: a question with an empty line,
//! an answer with `Content-Length`. So one read need not bring one message, and a message that is
//! wrong is found out and told what is wrong with it. HTTP is RFC 9110, its wire RFC 9112.
//!
//! System calls: those of tcp-hello, and shutdown(2), which ends one direction and leaves the other
//! open; SO_RCVTIMEO and SO_SNDTIMEO in socket(7) for the deadlines; getaddrinfo(3) for a name in
//! a URL. See tcp(7).
//!
//! *Read:* this file, down to the client; then, without a socket, `lines` → `request` → `answer` →
//! `url`, which may be skipped at first.

mod lines;
mod request;
mod answer;
mod url;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use cli::{Advice, Exit, Period, Stop, count, escape, note, say, uninterrupted};
use jiff::Timestamp;

use answer::{Answer, BodyLength, Head, Status};
use request::{Request, RequestError};
use url::{Target, Url};

/// How many requests a kept connection may bring, so that nobody has the server for ever.
const REQUESTS_MAX: usize = 100;

/// How long the server lets a client finish its own sending after the last answer, and how much of
/// that it reads and throws away.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_LEN_MAX: usize = 64 * 1024;

/// How much of a head or body is shown; a head can be long, and a body much longer.
const SHOWN_LEN_MAX: usize = 4096;

/// The longest body that the client takes.
const BODY_LEN_MAX: usize = 1024 * 1024;

/// How long the client waits for the connection, and then for each whole answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A page for a browser: request and answer shown as text
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Serves one page with a picture to browsers
    Server {
        /// Address to listen on; port 0 takes any free one
        #[arg(long, value_name = "IP:PORT", value_parser = cli::address, default_value = "127.0.0.1:8080")]
        bind: SocketAddr,
        /// Answer more than one request on a connection
        #[arg(long)]
        keep_alive: bool,
        /// How long to wait for a whole request
        #[arg(long, value_name = "PERIOD", default_value = "5s")]
        patience: Period,
    },
    /// Fetches a page and shows it as text
    Client {
        /// What to fetch, as http://HOST:PORT/PATH; without a port it is 80
        #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080/")]
        url: Url,
        /// More paths to fetch from the same server
        #[arg(value_name = "PATH")]
        more: Vec<Target>,
        /// Fetch them all over one connection
        #[arg(long)]
        keep_alive: bool,
        /// Say this in place of `GET PATH HTTP/1.1`, right or wrong
        #[arg(long, value_name = "TEXT", conflicts_with = "more")]
        line: Option<String>,
    },
}

/// Runs the end that the command line asks for.
///
/// # Errors
/// When a call fails, or, at the client, when what comes back is not HTTP.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.role {
        Role::Server { bind, keep_alive, patience } => server(bind, keep_alive, patience),
        Role::Client { url, more, keep_alive, line } => {
            client(&url, &more, keep_alive, line.as_deref())
        }
    }
}

// ANCHOR: server
/// Simplified: serves one connection at a time; others wait in the backlog (chapter 4).
fn server(bind: SocketAddr, keep_alive: bool, patience: Period) -> anyhow::Result<()> {
    let stop = Stop::server()?;
    let listener = TcpListener::bind(bind)
        .map_err(cli::at_bind)
        .with_context(|| format!("cannot listen on {bind}"))?;
    let address = listener.local_addr()?;
    cli::ready(address)?;
    note!("open http://{address}/ in a browser, or: curl -v http://{address}/");

    loop {
        let (connection, client) = match listener.accept() {
            // The client was gone before its turn came.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            accepted => accepted.context("cannot accept a connection")?,
        };
        say!("connected: {client}")?;
        let in_hand = stop.in_hand(format_args!("the conversation with {client}"));
        converse(connection, client, keep_alive, patience)?;
        drop(in_hand);
        say!("closed: {client}")?;
    }
}

/// Answers the requests of one client. What goes wrong with this client is noted; an error is one
/// that ends the server.
fn converse(
    mut connection: TcpStream,
    client: SocketAddr,
    keep_alive: bool,
    patience: Period,
) -> anyhow::Result<()> {
    let mut received = Vec::new();
    for served in 1..=REQUESTS_MAX {
        let (answer, keep) = match next_request(&mut connection, &mut received, patience) {
            Ok(Next::Request(request, head)) => {
                show("<", &head)?;
                // A body is not read here, so whatever comes after the head is not a new request.
                let keep = keep_alive && request.keep_alive && !request.has_body;
                (Answer::to(&request), keep && served < REQUESTS_MAX)
            }
            Ok(Next::Wrong(error)) => {
                show("<", &received)?;
                note!("{client}: {error}");
                (Answer::from(error), false)
            }
            Ok(Next::TooSlow) => {
                show("<", &received)?;
                note!("{client}: no whole request within {patience}");
                let why = "the request took too long to come";
                (Answer::error(Status::RequestTimeout, why), false)
            }
            Ok(Next::Nothing) => {
                if !received.is_empty() {
                    show("<", &received)?;
                    note!("{client} has left in the middle of its request");
                }
                return Ok(());
            }
            Err(error) => {
                note!("cannot hear {client}: {error}");
                return Ok(());
            }
        };
        let head = answer.head(Timestamp::now(), keep)?;
        if let Err(error) = send(&mut connection, &head, answer.body(), patience) {
            note!("cannot answer {client}: {error}");
            return Ok(());
        }
        show(">", head.as_bytes())?;
        say!("> ({})", count(answer.body().len(), "byte"))?;
        if !keep {
            break;
        }
    }
    // Whatever may go wrong here, the conversation is over.
    let _ = take_leave(&mut connection);
    Ok(())
}
// ANCHOR_END: server

/// What comes from a client.
enum Next {
    /// A request, and its bytes.
    Request(Request, Vec<u8>),
    Wrong(RequestError),
    /// A part of a request, and then silence.
    TooSlow,
    /// Not a single byte, or the end of the connection.
    Nothing,
}

// ANCHOR: next-request
/// Reads until `received` begins with a whole request, and takes that out of it.
fn next_request(
    connection: &mut TcpStream,
    received: &mut Vec<u8>,
    patience: Period,
) -> io::Result<Next> {
    // For the whole of it: a deadline on each read would let a client send a byte now and then,
    // and keep everybody else waiting.
    let deadline = Instant::now() + patience.duration();
    loop {
        match request::parse(received) {
            Ok(Some(request)) => {
                let head = received.drain(..request.head_len).collect();
                return Ok(Next::Request(request, head));
            }
            Ok(None) => {}
            Err(error) => return Ok(Next::Wrong(error)),
        }
        match read_until(connection, received, deadline) {
            Ok(0) => return Ok(Next::Nothing),
            Ok(_) => {}
            Err(error) if is_timeout(&error) && received.is_empty() => return Ok(Next::Nothing),
            Err(error) if is_timeout(&error) => return Ok(Next::TooSlow),
            Err(error) => return Err(error),
        }
    }
}
// ANCHOR_END: next-request

/// Reads once and appends what came. 0 is the end of the connection.
fn read_until(
    connection: &mut TcpStream,
    received: &mut Vec<u8>,
    deadline: Instant,
) -> io::Result<usize> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    connection.set_read_timeout(Some(left))?;
    let mut buffer = [0; 4096];
    let len = uninterrupted(|| connection.read(&mut buffer))?;
    received.extend_from_slice(&buffer[..len]);
    Ok(len)
}

fn send(connection: &mut TcpStream, head: &str, body: &[u8], patience: Period) -> io::Result<()> {
    connection.set_write_timeout(Some(patience.duration()))?;
    // In one write: two small ones in a row can make the second wait for the other end to
    // acknowledge the first (Nagle's algorithm).
    connection.write_all(&[head.as_bytes(), body].concat())
}

/// Closes so that the answer arrives. A socket that is closed while bytes lie in it unread resets
/// the connection, and a reset may overtake the answer (RFC 9112 §9.6).
fn take_leave(connection: &mut TcpStream) -> io::Result<()> {
    connection.shutdown(std::net::Shutdown::Write)?;
    let deadline = Instant::now() + FAREWELL;
    let mut unread = Vec::new();
    while unread.len() < FAREWELL_LEN_MAX && read_until(connection, &mut unread, deadline)? > 0 {}
    Ok(())
}

// ANCHOR: client
fn client(url: &Url, more: &[Target], keep_alive: bool, line: Option<&str>) -> anyhow::Result<()> {
    let mut kept = None;
    for target in std::iter::once(&url.target).chain(more) {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => connect(url)?,
        };
        let connection_header = if keep_alive { "keep-alive" } else { "close" };
        let line = line.map_or_else(|| format!("GET {target} HTTP/1.1"), str::to_owned);
        let request = format!(
            "{line}\r\nHost: {}\r\nConnection: {connection_header}\r\n\r\n",
            url.host_header()
        );
        connection.set_write_timeout(Some(PATIENCE))?;
        connection.write_all(request.as_bytes()).context("cannot send the request")?;
        show(">", request.as_bytes())?;

        let (head, body) = read_answer(&mut connection)?;
        show_body(&body)?;
        if keep_alive && head.keep_alive {
            kept = Some(connection);
        } else {
            drop(connection);
            say!("closed")?;
        }
    }
    Ok(())
}
// ANCHOR_END: client

/// A name can have several addresses; the first that answers will do.
fn connect(url: &Url) -> anyhow::Result<TcpStream> {
    let host = &url.host;
    let addresses = (host.as_str(), url.port)
        .to_socket_addrs()
        .with_context(|| format!("cannot find the address of {host}"))?;
    let mut failure = anyhow!("{host} has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(connection) => {
                say!("connected: {address}")?;
                return Ok(connection);
            }
            Err(error) => {
                failure =
                    anyhow::Error::from(error).context(format!("cannot connect to {address}"));
            }
        }
    }
    Err(failure)
}

/// Reads an answer and shows its head.
fn read_answer(connection: &mut TcpStream) -> anyhow::Result<(Head, Vec<u8>)> {
    let deadline = Instant::now() + PATIENCE;
    let mut received = Vec::new();
    loop {
        let head =
            Head::parse(&received).context("this is no answer of HTTP/1").exit(Exit::Protocol)?;
        let Some(head) = head else {
            let len = read_until(connection, &mut received, deadline).context("no whole answer")?;
            if len == 0 {
                return Err(anyhow!(
                    "the server closed the connection before its answer was whole"
                ))
                .exit(Exit::Protocol);
            }
            continue;
        };
        show("<", &received[..head.len])?;
        received.drain(..head.len);
        // 1xx says that the answer proper is still to come (RFC 9110 §15.2).
        if head.status >= 200 {
            return read_body(connection, head, received, deadline);
        }
    }
}

fn read_body(
    connection: &mut TcpStream,
    head: Head,
    mut body: Vec<u8>,
    deadline: Instant,
) -> anyhow::Result<(Head, Vec<u8>)> {
    let len = match head.body {
        BodyLength::Known(len) => Some(usize::try_from(len).unwrap_or(usize::MAX)),
        BodyLength::UntilClosed => None,
        BodyLength::Chunks if head.keep_alive => {
            return Err(anyhow!(
                "the answer comes in chunks, and this client cannot tell their end"
            ))
            .hint("try without --keep-alive: then the end of the connection is the end");
        }
        BodyLength::Chunks => None,
    };
    while len.is_none_or(|len| body.len() < len) {
        if len.unwrap_or(body.len()) > BODY_LEN_MAX {
            bail!("the answer is longer than {BODY_LEN_MAX} bytes, and this client stops there");
        }
        let read = read_until(connection, &mut body, deadline).context("no whole answer")?;
        match (read, len) {
            (0, None) => break,
            (0, Some(len)) => {
                let got = body.len();
                return Err(anyhow!("the connection ended after {got} of {len} bytes"))
                    .exit(Exit::Protocol);
            }
            _ => {}
        }
    }
    // What comes after the body is nothing that was asked for.
    body.truncate(len.unwrap_or(body.len()));
    Ok((head, body))
}

/// Shows the lines of a head, with the line ends that a terminal would swallow.
fn show(direction: &str, head: &[u8]) -> anyhow::Result<()> {
    let shown = &head[..head.len().min(SHOWN_LEN_MAX)];
    for line in shown.split_inclusive(|byte| *byte == b'\n') {
        say!("{direction} {}", escape(line))?;
    }
    show_rest(head.len())
}

/// Shows the lines of a body.
fn show_body(body: &[u8]) -> anyhow::Result<()> {
    let shown = &body[..body.len().min(SHOWN_LEN_MAX)];
    for line in shown.split_inclusive(|byte| *byte == b'\n') {
        say!("{}", escape(line.strip_suffix(b"\n").unwrap_or(line)))?;
    }
    show_rest(body.len())
}

fn show_rest(len: usize) -> anyhow::Result<()> {
    if len > SHOWN_LEN_MAX {
        say!("… and {} more", count(len - SHOWN_LEN_MAX, "byte"))?;
    }
    Ok(())
}

/// Unix says `WouldBlock` when a read runs out of time, Windows says `TimedOut`.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
