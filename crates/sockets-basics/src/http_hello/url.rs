//! `http://host:port/path?query`: where to connect, and what to ask for there (RFC 3986).

use std::fmt::{self, Write};
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The address of a page. Only `http` is spoken here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// A name, or an IP address; an IPv6 address without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) target: Target,
}

/// A path and a query, as they go into a request line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target(String);

/// Why a text is no [`Url`] or [`Target`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    #[error("a URL begins with http://, as in http://127.0.0.1:8080/")]
    Scheme,
    #[error("https:// is encrypted, and this client does not know how; use http://")]
    Https,
    #[error("a name before an @ would be sent to the server in the clear; leave it out")]
    User,
    #[error("`{0}` is no host")]
    Host(String),
    #[error("`{0}` is no port; ports go from 1 to 65535")]
    Port(String),
    #[error("a path begins with /, as in /hello.svg")]
    Path,
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        if scheme.eq_ignore_ascii_case("https") {
            return Err(UrlError::Https);
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(UrlError::Scheme);
        }
        let (authority, target) = match rest.find(['/', '?', '#']) {
            Some(end) => rest.split_at(end),
            None => (rest, ""),
        };
        let (host, port) = host_and_port(authority)?;
        let target =
            if target.starts_with('/') { target.parse()? } else { format!("/{target}").parse()? };
        Ok(Self { host: host.to_owned(), port, target })
    }
}

impl Url {
    /// What the Host header says: the port only if it is not the usual one.
    pub(super) fn host_header(&self) -> String {
        let Self { host, port, .. } = self;
        match (host.contains(':'), port) {
            (true, 80) => format!("[{host}]"),
            (true, port) => format!("[{host}]:{port}"),
            (false, 80) => host.clone(),
            (false, port) => format!("{host}:{port}"),
        }
    }
}

fn host_and_port(authority: &str) -> Result<(&str, u16), UrlError> {
    if authority.contains('@') {
        return Err(UrlError::User);
    }
    let no_host = || UrlError::Host(authority.to_owned());
    let (host, port) = match authority.strip_prefix('[') {
        Some(inside) => {
            let (host, after) = inside.split_once(']').ok_or_else(no_host)?;
            host.parse::<Ipv6Addr>().map_err(|_| no_host())?;
            (host, after)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (host, after) = authority.split_at(end);
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if host.is_empty() || !host.bytes().all(is_plain) {
                return Err(no_host());
            }
            (host, after)
        }
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok((host, 80)),
        None => Err(no_host()),
        Some("") => Ok((host, 80)),
        Some(digits) => match digits.parse() {
            Ok(port) if port > 0 && !digits.starts_with('+') => Ok((host, port)),
            _ => Err(UrlError::Port(digits.to_owned())),
        },
    }
}

impl FromStr for Target {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if !text.starts_with('/') {
            return Err(UrlError::Path);
        }
        // What follows a # is for the browser: it scrolls there, and never tells the server.
        let text = text.split('#').next().unwrap_or_default();
        let mut target = String::with_capacity(text.len());
        for byte in text.bytes() {
            // Anything else would end the target, or the line, and start another header.
            if byte.is_ascii_graphic() {
                target.push(char::from(byte));
            } else {
                write!(target, "%{byte:02X}").map_err(|_| UrlError::Path)?;
            }
        }
        Ok(Self(target))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_to_connect_and_what_to_ask_for() {
        check("http://a", Ok("a 80 a /"));
        check("http://a/", Ok("a 80 a /"));
        check("HTTP://127.0.0.1:8080/b/c?d=e#f", Ok("127.0.0.1 8080 127.0.0.1:8080 /b/c?d=e"));
        check("http://[::1]:8080/", Ok("::1 8080 [::1]:8080 /"));
        check("http://[::1]", Ok("::1 80 [::1] /"));
        check("http://a:/", Ok("a 80 a /"));
        check("http://a:80", Ok("a 80 a /"));
        check("http://a?b", Ok("a 80 a /?b"));
        check("http://a#b", Ok("a 80 a /"));
        check("http://a/你 好\r\n", Ok("a 80 a /%E4%BD%A0%20%E5%A5%BD%0D%0A"));
    }

    #[test]
    fn what_is_no_url_is_told_why() {
        check("", Err(UrlError::Scheme));
        check("127.0.0.1:8080", Err(UrlError::Scheme));
        check("ftp://a", Err(UrlError::Scheme));
        check("https://a", Err(UrlError::Https));
        check("http://me:secret@a/", Err(UrlError::User));
        for host in ["", ":80", "a b", "a\r\nX: y", "[::1", "[::g]", "[127.0.0.1]", "[::1]80", "é"]
        {
            check(&format!("http://{host}/"), Err(UrlError::Host(host.to_owned())));
        }
        for port in ["0", "65536", "-1", "+1", "x", "80:80"] {
            check(&format!("http://a:{port}/"), Err(UrlError::Port(port.to_owned())));
        }
        assert_eq!("hello.svg".parse::<Target>(), Err(UrlError::Path));
    }

    #[track_caller]
    fn check(text: &str, want: Result<&str, UrlError>) {
        let got = text.parse().map(|url: Url| {
            format!("{} {} {} {}", url.host, url.port, url.host_header(), url.target)
        });
        assert_eq!(got, want.map(str::to_owned), "{text:?}");
    }
}
