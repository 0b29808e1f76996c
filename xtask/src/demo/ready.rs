//! When a server that prints no ready line can be reached: when the system's socket table shows
//! its port. Never by connecting, which would use up a server that serves one client.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// An address that is free for TCP and for UDP: what `{bind}` stands for.
///
/// Simplified: another program could take it before the one that is started does. The system
/// gives out its ports in an order that makes this unlikely, and the program would say so.
///
/// # Errors
/// When no port can be bound.
pub fn free_address() -> io::Result<SocketAddr> {
    let mut last = None;
    for _ in 0..ATTEMPTS_MAX {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        match UdpSocket::bind(address) {
            Ok(_) => return Ok(address),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrInUse)))
}

/// A port that is free for TCP is almost always free for UDP.
const ATTEMPTS_MAX: usize = 32;

/// Whether somebody listens on `address` (TCP) or has bound it (UDP).
#[must_use]
pub fn is_bound(address: SocketAddr) -> bool {
    if cfg!(target_os = "linux") {
        let table = |name: &str| std::fs::read_to_string(format!("/proc/net/{name}"));
        return ["tcp", "tcp6", "udp", "udp6"].into_iter().any(|name| {
            table(name)
                .is_ok_and(|text| proc_net_shows(&text, address.port(), name.starts_with("tcp")))
        });
    }
    std::process::Command::new("netstat")
        .arg("-an")
        .output()
        .is_ok_and(|output| netstat_shows(&String::from_utf8_lossy(&output.stdout), address.port()))
}

/// Looks in the text of `/proc/net/tcp` or `udp`, described in proc(5):
///
/// ```text
///   sl  local_address rem_address   st …
///    0: 0100007F:22C2 00000000:0000 0A …       port 8898, state 0A: LISTEN
/// ```
fn proc_net_shows(table: &str, port: u16, tcp: bool) -> bool {
    let end = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next();
        let state = fields.nth(1);
        local.is_some_and(|local| local.ends_with(&end)) && (!tcp || state == Some("0A"))
    })
}

/// Looks in what `netstat -an` prints on macOS (`127.0.0.1.8898`) and Windows (`127.0.0.1:8898`).
fn netstat_shows(table: &str, port: u16) -> bool {
    let ends = [format!(".{port}"), format!(":{port}")];
    table.lines().any(|line| {
        let is_local = |word: &&str| ends.iter().any(|end| word.ends_with(end.as_str()));
        let mut words = line.split_whitespace();
        let protocol = words.next().unwrap_or_default().to_ascii_lowercase();
        // The local address comes before the peer's, so the first address in the line decides.
        let local = words.find(|word| word.contains(['.', ':']));
        local.as_ref().is_some_and(is_local)
            && (protocol.starts_with("udp") || line.contains("LISTEN"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_port_shows_and_a_closed_one_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(is_bound(listener.local_addr().unwrap()));
        assert!(is_bound(socket.local_addr().unwrap()));
        // Bound, but not listening: a connection would be refused.
        assert!(!proc_net_shows(
            "header\n 0: 0100007F:22C2 0100007F:9C40 01 00000000:00000000\n",
            8898,
            true
        ));
    }

    #[test]
    fn the_tables_of_other_systems_are_read() {
        for (table, shows) in [
            ("tcp4  0  0  127.0.0.1.8898  *.*  LISTEN", true),
            ("tcp4  0  0  *.8898  *.*  LISTEN", true),
            ("udp4  0  0  127.0.0.1.8898  *.*", true),
            ("tcp4  0  0  127.0.0.1.50000  127.0.0.1.8898  ESTABLISHED", false),
            ("  TCP    127.0.0.1:8898   0.0.0.0:0   LISTENING", true),
            ("  UDP    127.0.0.1:8898   *:*", true),
            ("  TCP    127.0.0.1:8898   127.0.0.1:50000   TIME_WAIT", false),
            ("  TCP    127.0.0.1:18898   0.0.0.0:0   LISTENING", false),
        ] {
            assert_eq!(netstat_shows(table, 8898), shows, "{table}");
        }
    }
}
