//! Addresses as people type them, and what is wrong when they mistype.

use std::net::{IpAddr, SocketAddr};

/// Reads `IP:PORT`, such as `127.0.0.1:8898` or `[::1]:8898`. For clap's `value_parser`.
///
/// std's own error, "invalid socket address syntax", does not say which part is wrong.
///
/// # Errors
/// A line that says what is wrong and how to write it.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Err(port_is_missing(text, ip));
    }
    let Some((ip, port)) = text.rsplit_once(':') else {
        return Err(match text.parse::<u16>() {
            Ok(port) => {
                format!("the address is missing; write it before the port: 127.0.0.1:{port}")
            }
            Err(_) if is_name(text) => name_is_not_looked_up(text),
            Err(_) => "an IP address and a port are wanted, such as 127.0.0.1:8898".to_owned(),
        });
    };
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("`{}` is no port: a number from 0 to 65535 is wanted", shown(port)));
    }
    if port.parse::<u16>().is_err() {
        return Err(format!("there is no port {port}: ports are numbers of 16 bits, 0 to 65535"));
    }
    if let Ok(IpAddr::V6(ip)) = ip.parse() {
        return Err(format!("an IPv6 address stands in brackets, for its colons: [{ip}]:{port}"));
    }
    if ip == "localhost" {
        return Err(format!(
            "a name is not looked up here; write 127.0.0.1:{port} or [::1]:{port}"
        ));
    }
    if is_name(ip) {
        return Err(name_is_not_looked_up(ip));
    }
    Err(format!(
        "`{}` is no IP address: four numbers from 0 to 255 are wanted, such as 127.0.0.1",
        shown(ip)
    ))
}

/// Reads the address of a peer: an [`address`] to which something can be sent. For clap's
/// `value_parser`.
///
/// # Errors
/// As [`address`], and for port 0.
pub fn peer(text: &str) -> Result<SocketAddr, String> {
    match address(text)? {
        peer if peer.port() == 0 => {
            Err("port 0 is only for binding, where it means any free one; \
             a server's first line says which it got"
                .to_owned())
        }
        peer => Ok(peer),
    }
}

/// `::1:8898` is an IPv6 address as it stands, and mostly meant as one with a port.
fn port_is_missing(text: &str, ip: IpAddr) -> String {
    if let Some((front, group)) = text.rsplit_once(':')
        && let (Ok(IpAddr::V6(front)), Ok(port)) = (front.parse(), group.parse::<u16>())
    {
        return format!(
            "an IPv6 address stands in brackets, for its colons: [{front}]:{port}, \
             or [{ip}]:8898 if {group} belongs to the address"
        );
    }
    let whole = SocketAddr::new(ip, 8898);
    format!("the port is missing; write it behind the address: {whole}")
}

/// Whether `text` has the look of a host's name: letters, digits, dots and hyphens, and a letter.
fn is_name(text: &str) -> bool {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    text.bytes().all(of_name) && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn name_is_not_looked_up(name: &str) -> String {
    format!(
        "a name is not looked up here; `sockets-basics resolve {name}` (chapter 1) says its addresses"
    )
}

/// What was typed may have been pasted.
fn shown(text: &str) -> String {
    crate::escape(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read() {
        for text in ["127.0.0.1:0", "[::1]:65535", "0.0.0.0:80"] {
            assert_eq!(address(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn nothing_can_be_sent_to_port_0() {
        assert_eq!(peer("127.0.0.1:1").unwrap().to_string(), "127.0.0.1:1");
        for text in ["127.0.0.1:0", "[::1]:0"] {
            assert!(peer(text).unwrap_err().starts_with("port 0 is only for binding"));
        }
        assert!(peer("127.0.0.1").unwrap_err().starts_with("the port is missing"));
    }

    #[test]
    fn a_mistyped_address_is_told_which_part_is_wrong() {
        for (text, told) in [
            ("127.0.0.1", "the port is missing; write it behind the address: 127.0.0.1:8898"),
            ("::1", "the port is missing; write it behind the address: [::1]:8898"),
            ("8898", "the address is missing; write it before the port: 127.0.0.1:8898"),
            ("", "an IP address and a port are wanted"),
            (
                "::1:8898",
                "an IPv6 address stands in brackets, for its colons: [::1]:8898, or [::1:8898]:8898",
            ),
            ("fe80::1:70000", "there is no port 70000"),
            ("2001:db8::a", "the port is missing; write it behind the address: [2001:db8::a]:8898"),
            (
                "1:2:3:4:5:6:7:8",
                "the port is missing; write it behind the address: [1:2:3:4:5:6:7:8]:8898",
            ),
            ("example.com", "a name is not looked up here; `sockets-basics resolve example.com`"),
            (
                "example.com:80",
                "a name is not looked up here; `sockets-basics resolve example.com`",
            ),
            ("127.0.0.1:", "`` is no port"),
            ("127.0.0.1:http", "`http` is no port"),
            ("127.0.0.1:-1", "`-1` is no port"),
            ("127.0.0.1:70000", "there is no port 70000"),
            ("fe80::1%eth0:80", "`fe80::1%eth0` is no IP address"),
            ("2001:db8::1:2:3:4:5:99999", "there is no port 99999"),
            ("localhost:80", "a name is not looked up here; write 127.0.0.1:80 or [::1]:80"),
            ("256.0.0.1:80", "`256.0.0.1` is no IP address"),
            ("\u{1b}[2J:80", r"`\u{1b}[2J` is no IP address"),
        ] {
            let got = address(text).unwrap_err();
            assert!(got.starts_with(told), "{text}: {got}");
        }
    }
}
