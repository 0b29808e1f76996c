//! Lesson `resolve`: names to addresses, and which of them a connect tries first.
//!
//! ```text
//!  localhost:80 ──▶ getaddrinfo(3) ──▶ 1. [::1]:80
//!                    │                 2. 127.0.0.1:80
//!                    ├ /etc/hosts      sorted by RFC 6724: what is likely to work best, first
//!                    └ a name server
//! ```
//!
//! A socket knows nothing of names: connect(2) takes an address. In std `(host, port)` is turned
//! into addresses by getaddrinfo(3) wherever `ToSocketAddrs` stands, so
//! `TcpStream::connect(("localhost", 80))` resolves, and then tries the addresses in turn. See
//! also hosts(5), gai.conf(5), nsswitch.conf(5).

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use anyhow::Context;
use cli::{Advice, say};

use crate::address::Range;

/// Names to addresses, and which of them a connect tries first
#[derive(clap::Args)]
pub struct Args {
    // Not a doc comment: rustdoc would take the brackets for a link.
    #[arg(
        value_name = "NAME[:PORT]",
        required = true,
        help = "Names or addresses: localhost, localhost:80, 127.0.0.1:80, [::1]:80, ::1"
    )]
    targets: Vec<Target>,
}

/// Resolves each name in turn.
///
/// # Errors
/// When a name has no address.
pub fn run(args: Args) -> anyhow::Result<()> {
    args.targets.into_iter().try_for_each(|target| resolve(&target))
}

fn resolve(target: &Target) -> anyhow::Result<()> {
    let addresses = look_up(&target.host, target.port.unwrap_or(0))?;
    let how = match without_zone(&target.host).parse::<IpAddr>() {
        Ok(_) => "an address already, nobody was asked",
        Err(_) => "a name, found by getaddrinfo(3)",
    };
    say!("{target}: {how}")?;
    for (place, address) in (1..).zip(&addresses) {
        let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        let shown = target.port.map_or(address.ip().to_string(), |_| address.to_string());
        say!("  {place}. {family}  {shown}  {}", Range::of(address.ip()).what())?;
    }
    if addresses.len() > 1 {
        say!("  connect tries 1, and each next one after the one before has failed")?;
        let race = race(&addresses).map(|place| (place + 1).to_string()).collect::<Vec<_>>();
        let order = race.join(", ");
        say!("  a browser starts {order}, 250 ms apart, and keeps the first that connects")?;
    }
    Ok(())
}

// ANCHOR: look_up
fn look_up(host: &str, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
    // std asks for stream sockets. Otherwise getaddrinfo gives each address three times: for TCP,
    // for UDP, and raw. Port 0 stands in where none was given.
    let addresses = (host, port)
        .to_socket_addrs()
        .with_context(|| format!("cannot find an address for {host:?}"))
        .hint("is the name spelt right, and can this machine reach its name server?")?;
    Ok(addresses.collect())
}
// ANCHOR_END: look_up

// ANCHOR: race
/// The order in which "happy eyeballs" (RFC 8305 section 4) would start to connect: the families
/// take turns, beginning with the first address's, so that one family that is broken costs a
/// quarter of a second and not a minute.
fn race(addresses: &[SocketAddr]) -> impl Iterator<Item = usize> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<usize>, Vec<usize>) =
        (0..addresses.len()).partition(|&place| addresses[place].is_ipv6() == first_is_v6);
    let turns = first.len().max(second.len());
    (0..turns).flat_map(move |turn| [first.get(turn).copied(), second.get(turn).copied()]).flatten()
}
// ANCHOR_END: race

/// A name or an address, and a port where one was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: Option<u16>,
}

/// Why a text is not `NAME[:PORT]`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// ``, `:80`
    #[error("there is no name")]
    NoName,
    /// `localhost:`
    #[error("there is no port behind the colon")]
    NoPort,
    /// `localhost:http`, `localhost:65536`
    #[error("{port:?} is not a port: a number from 0 to 65535")]
    NotAPort {
        /// What stood behind the colon.
        port: String,
    },
    /// `[::1`, `[::1]80`, `[localhost]:80`
    #[error("brackets hold an IPv6 address, and a port may follow behind a colon: [::1]:80")]
    Brackets,
    /// `fe80::1:2:3:`, `a:b:c`
    #[error("with more than one colon it must be an IPv6 address, such as ::1 or [::1]:80")]
    Colons,
    /// `http://localhost/`
    #[error("this is a URL; the name in it stands between the slashes")]
    Url,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.contains('/') {
            return Err(TargetError::Url);
        }
        if let Some(rest) = text.strip_prefix('[') {
            // The colons of an IPv6 address would swallow the one before the port, so RFC 3986
            // wraps the address in brackets.
            let (ip, port) = rest.split_once(']').ok_or(TargetError::Brackets)?;
            let host = ip.to_owned();
            let is_ipv6 = matches!(without_zone(ip).parse(), Ok(IpAddr::V6(_)));
            return match (is_ipv6, port.strip_prefix(':')) {
                (true, Some(port)) => Ok(Self { host, port: Some(parse_port(port)?) }),
                (true, None) if port.is_empty() => Ok(Self { host, port: None }),
                _ => Err(TargetError::Brackets),
            };
        }
        let (host, port) = match text.matches(':').count() {
            0 => (text, None),
            1 => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
            _ if matches!(without_zone(text).parse(), Ok(IpAddr::V6(_))) => (text, None),
            _ => return Err(TargetError::Colons),
        };
        if host.is_empty() {
            return Err(TargetError::NoName);
        }
        Ok(Self { host: host.to_owned(), port: port.map(parse_port).transpose()? })
    }
}

fn parse_port(text: &str) -> Result<u16, TargetError> {
    if text.is_empty() {
        return Err(TargetError::NoPort);
    }
    let digits = text.bytes().all(|digit| digit.is_ascii_digit());
    let port = text.parse().ok().filter(|_| digits);
    port.ok_or_else(|| TargetError::NotAPort { port: text.to_owned() })
}

/// `fe80::1%eth0` names the link on which that address is to be found; getaddrinfo understands it,
/// std's parser for addresses does not.
fn without_zone(ip: &str) -> &str {
    ip.split_once('%').map_or(ip, |(ip, _zone)| ip)
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = cli::escape(self.host.as_bytes());
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{host}]:{port}"),
            Some(port) => write!(f, "{host}:{port}"),
            None => write!(f, "{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_name_or_an_address_with_or_without_a_port() {
        check("localhost", "localhost", None);
        check("localhost:80", "localhost", Some(80));
        check("127.0.0.1", "127.0.0.1", None);
        check("127.0.0.1:65535", "127.0.0.1", Some(65535));
        check("例子.测试:0", "例子.测试", Some(0));
        check("::1", "::1", None);
        check("[::1]", "::1", None);
        check("[::1]:80", "::1", Some(80));
        check("fe80::1%lo", "fe80::1%lo", None);
        check("[fe80::1%lo]:80", "fe80::1%lo", Some(80));
        // Without brackets all of it is the address: this is no port.
        check("::1:80", "::1:80", None);
    }

    #[test]
    fn what_is_wrong_with_a_target_is_named() {
        let not_a_port = |port: &str| TargetError::NotAPort { port: port.to_owned() };
        check_refused("", TargetError::NoName);
        check_refused(":80", TargetError::NoName);
        check_refused("localhost:", TargetError::NoPort);
        check_refused("[::1]:", TargetError::NoPort);
        check_refused("localhost:http", not_a_port("http"));
        check_refused("localhost:65536", not_a_port("65536"));
        check_refused("localhost:+80", not_a_port("+80"));
        check_refused("[::1", TargetError::Brackets);
        check_refused("[::1]80", TargetError::Brackets);
        check_refused("[localhost]:80", TargetError::Brackets);
        check_refused("[127.0.0.1]:80", TargetError::Brackets);
        check_refused("a:b:c", TargetError::Colons);
        check_refused("http://localhost/", TargetError::Url);
    }

    #[test]
    fn in_the_race_the_families_take_turns() {
        check_race("6644", &[0, 2, 1, 3]);
        check_race("4466", &[0, 2, 1, 3]);
        check_race("6664", &[0, 3, 1, 2]);
        check_race("4666", &[0, 1, 2, 3]);
        check_race("6", &[0]);
        check_race("444", &[0, 1, 2]);
        check_race("", &[]);
    }

    #[test]
    fn a_target_is_shown_as_it_would_be_typed() {
        for text in ["localhost:80", "localhost", "[::1]:80", "::1", "127.0.0.1:80"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }

    #[track_caller]
    fn check(text: &str, host: &str, port: Option<u16>) {
        assert_eq!(text.parse(), Ok(Target { host: host.to_owned(), port }), "{text}");
    }

    #[track_caller]
    fn check_refused(text: &str, want: TargetError) {
        assert_eq!(text.parse::<Target>(), Err(want), "{text}");
    }

    /// Addresses of these families, as getaddrinfo sorted them, are tried in this order.
    #[track_caller]
    fn check_race(families: &str, want: &[usize]) {
        let addresses: Vec<SocketAddr> = families
            .chars()
            .map(|family| if family == '6' { "[::1]:80" } else { "127.0.0.1:80" })
            .map(|address| address.parse().unwrap())
            .collect();
        assert_eq!(race(&addresses).collect::<Vec<_>>(), want, "{families}");
    }
}
