//! Who gets no answer. No socket, no clock: an address in, a decision out.
//!
//! A sender's address is a claim. Nothing stops a program from writing another's into it, and
//! then the answer goes to a victim. An echo server cannot prevent that, but it can keep from
//! being worth the trouble: it sends one datagram for one, of the same length, never to many, and
//! never to a service that would answer in turn.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Ports of services that answer whatever comes: echo (RFC 862) and chargen (RFC 864). An echo
/// server that answers another plays ball with it for ever.
const ANSWERING_PORTS: [u16; 2] = [7, 19];

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The answer would go to everybody.
    Broadcast,
    /// The answer would go to a group.
    Multicast,
    /// `0.0.0.0` or `::` is nobody.
    Nobody,
    /// Nobody can have port 0, so nobody sent it from there.
    PortZero,
    /// Whoever is there answers answers.
    AnsweringService,
    /// The answer would come back to be answered.
    Myself,
}

// ANCHOR: policy
/// Why a datagram from `source` to our `own` address is not to be answered; `None`: it is.
///
/// A broadcast address of a subnet, such as 192.168.1.255, cannot be told from a host's without
/// knowing the mask. There the system helps: it does not let datagrams with such a source in.
#[must_use]
pub fn refusal(source: SocketAddr, own: SocketAddr) -> Option<Refusal> {
    // An IPv6 socket shows IPv4 senders as ::ffff:a.b.c.d.
    let (ip, own_ip) = (source.ip().to_canonical(), own.ip().to_canonical());
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    // One that is bound to all addresses has 127.0.0.1 too.
    let is_own_ip = ip == own_ip || (own_ip.is_unspecified() && ip.is_loopback());
    match source.port() {
        _ if is_broadcast => Some(Refusal::Broadcast),
        _ if ip.is_multicast() => Some(Refusal::Multicast),
        _ if ip.is_unspecified() => Some(Refusal::Nobody),
        0 => Some(Refusal::PortZero),
        port if ANSWERING_PORTS.contains(&port) => Some(Refusal::AnsweringService),
        port if is_own_ip && port == own.port() => Some(Refusal::Myself),
        _ => None,
    }
}
// ANCHOR_END: policy

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broadcast => "the answer would go to everybody",
            Self::Multicast => "the answer would go to a group",
            Self::Nobody => "that address is nobody's",
            Self::PortZero => "nobody has port 0",
            Self::AnsweringService => "on that port answers are answered",
            Self::Myself => "that is this server itself",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_an_answer() {
        for (ip, port) in [
            ("127.0.0.1", 50000),
            ("192.168.1.7", 1),
            ("192.168.1.7", 8090),
            ("10.0.0.255", 8),
            ("2001:db8::1", 6),
            ("::1", 65535),
            ("::ffff:127.0.0.1", 20),
            ("223.255.255.255", 18),
        ] {
            check(ip, port, "127.0.0.1:8090", None);
            check(ip, port, "0.0.0.0:8090", None);
        }
    }

    #[test]
    fn an_answer_never_goes_to_many() {
        check("255.255.255.255", 5000, "0.0.0.0:8090", Some(Refusal::Broadcast));
        check("::ffff:255.255.255.255", 5000, "[::]:8090", Some(Refusal::Broadcast));
        check("224.0.0.1", 5000, "0.0.0.0:8090", Some(Refusal::Multicast));
        check("239.255.255.255", 5000, "0.0.0.0:8090", Some(Refusal::Multicast));
        check("::ffff:224.0.0.1", 5000, "[::]:8090", Some(Refusal::Multicast));
        check("ff02::1", 5000, "[::]:8090", Some(Refusal::Multicast));
    }

    #[test]
    fn an_answer_never_goes_to_nobody() {
        check("0.0.0.0", 5000, "0.0.0.0:8090", Some(Refusal::Nobody));
        check("::", 5000, "[::]:8090", Some(Refusal::Nobody));
        check("10.0.0.1", 0, "0.0.0.0:8090", Some(Refusal::PortZero));
        check("2001:db8::1", 0, "[::]:8090", Some(Refusal::PortZero));
    }

    #[test]
    fn an_answer_never_goes_where_answers_are_answered() {
        for port in [7, 19] {
            let service = Some(Refusal::AnsweringService);
            check("10.0.0.1", port, "0.0.0.0:8090", service);
            check("2001:db8::1", port, "[::]:8090", service);
        }
        check("127.0.0.1", 8090, "127.0.0.1:8090", Some(Refusal::Myself));
        check("127.0.0.1", 8090, "0.0.0.0:8090", Some(Refusal::Myself));
        check("::ffff:127.0.0.1", 8090, "[::]:8090", Some(Refusal::Myself));
        check("::1", 8090, "[::1]:8090", Some(Refusal::Myself));
        check("127.0.0.2", 8090, "127.0.0.1:8090", None);
    }

    #[track_caller]
    fn check(ip: &str, port: u16, own: &str, want: Option<Refusal>) {
        let source = SocketAddr::new(ip.parse().unwrap(), port);
        assert_eq!(refusal(source, own.parse().unwrap()), want, "from {source} to {own}");
    }
}
