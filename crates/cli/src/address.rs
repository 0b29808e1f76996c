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
        let whole = SocketAddr::new(ip, 8898);
        return Err(format!("the port is missing; write it behind the address: {whole}"));
    }
    let Some((ip, port)) = text.rsplit_once(':') else {
        return Err("an IP address and a port are wanted, such as 127.0.0.1:8898".to_owned());
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
    Err(format!(
        "`{}` is no IP address: four numbers from 0 to 255 are wanted, such as 127.0.0.1",
        shown(ip)
    ))
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
    fn a_mistyped_address_is_told_which_part_is_wrong() {
        for (text, told) in [
            ("127.0.0.1", "the port is missing; write it behind the address: 127.0.0.1:8898"),
            ("::1", "the port is missing; write it behind the address: [::1]:8898"),
            ("8898", "an IP address and a port are wanted"),
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
