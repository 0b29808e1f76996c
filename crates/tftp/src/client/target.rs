//! What was typed: a host and a name, or a URL as RFC 3617 has it.
//!
//! ```text
//! tftp://host[:port]/name[;mode=octet|netascii]      %2F is a slash, also at the front of the name
//! ```

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use cli::Advice;

use crate::wire::Mode;

/// The RFC's port.
const PORT: u16 = 69;

/// A file at a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The server as it was typed, with its port.
    pub host: String,
    name: String,
    port: u16,
    /// The file's name there.
    pub remote: Vec<u8>,
    /// How to take its bytes.
    pub mode: Mode,
}

impl Target {
    /// Of `get`: where from, and where to.
    pub(super) fn of_get(
        server: &str,
        names: Vec<OsString>,
    ) -> anyhow::Result<(Self, Option<PathBuf>)> {
        let mut names = names.into_iter();
        let mut target = Self::parse(server)?;
        if target.remote.is_empty() {
            let remote = names.next().ok_or_else(|| anyhow!("the file's name is missing"));
            target.remote =
                remote.hint("write it behind the server, or use a URL")?.into_encoded_bytes();
        }
        let local = names.next().map(PathBuf::from);
        if names.next().is_some() {
            bail!("a URL names the file already");
        }
        Ok((target, local))
    }

    /// Of `put`: where to, and where from.
    pub(super) fn of_put(server: &str, names: Vec<OsString>) -> anyhow::Result<(Self, PathBuf)> {
        let mut names = names.into_iter();
        let mut target = Self::parse(server)?;
        let local = PathBuf::from(names.next().unwrap_or_default());
        match names.next() {
            Some(_) if !target.remote.is_empty() => bail!("a URL names the file already"),
            Some(remote) => target.remote = remote.into_encoded_bytes(),
            None if target.remote.is_empty() => {
                let name = local.file_name().context("the local file has no name")?;
                target.remote = name.as_encoded_bytes().to_vec();
            }
            None => {}
        }
        Ok((target, local))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let Some(rest) = text.strip_prefix("tftp://") else {
            let (name, port) = host_and_port(text)?;
            return Ok(Self::new(name, port, Vec::new(), Mode::Octet));
        };
        let (host, path) = rest.split_once('/').context("the URL names no file")?;
        let (path, mode) = match path.split_once(';') {
            None => (path, Mode::Octet),
            Some((path, parameter)) => (path, mode_of(parameter)?),
        };
        let remote = percent_decoded(path)?;
        if remote.is_empty() {
            bail!("the URL names no file");
        }
        let (name, port) = host_and_port(host)?;
        Ok(Self::new(name, port, remote, mode))
    }

    fn new(name: String, port: u16, remote: Vec<u8>, mode: Mode) -> Self {
        let host = match name.parse() {
            Ok(ip) => SocketAddr::new(ip, port).to_string(),
            Err(_) => format!("{name}:{port}"),
        };
        Self { host, name, port, remote, mode }
    }

    /// The server's addresses. Asks a name server where that is needed.
    pub(super) fn addresses(&self) -> anyhow::Result<Vec<SocketAddr>> {
        let addresses = (self.name.as_str(), self.port).to_socket_addrs();
        let addresses = addresses.with_context(|| format!("cannot look up {}", self.name))?;
        Ok(addresses.collect())
    }
}

fn mode_of(parameter: &str) -> anyhow::Result<Mode> {
    let mode = parameter.strip_prefix("mode=").and_then(|mode| Mode::from_name(mode.as_bytes()));
    mode.context("behind the semicolon only mode=octet or mode=netascii can stand")
}

/// `host`, `host:port`, `1.2.3.4:port`, `[::1]:port`, `::1`.
fn host_and_port(text: &str) -> anyhow::Result<(String, u16)> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok((ip.to_string(), PORT));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let port = port.parse().ok().filter(|port| *port > 0);
            (host, port.context("the port is no number from 1 to 65535")?)
        }
        _ => (text, PORT),
    };
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = inside.unwrap_or(host);
    if host.is_empty() {
        bail!("the host is missing");
    }
    if inside.is_none() && host.contains(':') {
        bail!("an IPv6 address stands in brackets, for its colons: [{host}]");
    }
    Ok((host.to_owned(), port))
}

fn percent_decoded(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(value.context("a % in a URL wants two hexadecimal digits behind it")?);
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_file_and_mode() {
        // C-15.
        let check = |url: &str, host: &str, remote: &str, mode| {
            let target = Target::parse(url).unwrap();
            assert_eq!((target.host.as_str(), target.mode), (host, mode), "{url}");
            assert_eq!(target.remote, remote.as_bytes(), "{url}");
        };
        check("tftp://h/f", "h:69", "f", Mode::Octet);
        check("tftp://h:6969/a/b", "h:6969", "a/b", Mode::Octet);
        check("tftp://h/f;mode=netascii", "h:69", "f", Mode::Netascii);
        check("tftp://h/f;mode=OCTET", "h:69", "f", Mode::Octet);
        check("tftp://h/%2Fetc%2ff%3B", "h:69", "/etc/f;", Mode::Octet);
        check("tftp://[::1]:6969/f", "[::1]:6969", "f", Mode::Octet);
        check("127.0.0.1:1", "127.0.0.1:1", "", Mode::Octet);
        check("::1", "[::1]:69", "", Mode::Octet);
        check("[::1]", "[::1]:69", "", Mode::Octet);
        for wrong in [
            "tftp://h",
            "tftp://h/",
            "tftp:///f",
            "tftp://h/f;mode=mail",
            "tftp://h/%2",
            ":69",
            "h:0",
            "h:x",
            "::1:99999:",
            "",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_follow_the_server_or_stand_in_the_url() {
        let get = |server: &str, names: &[&str]| {
            Target::of_get(server, names.iter().map(OsString::from).collect())
                .map(|(target, local)| (String::from_utf8(target.remote).unwrap(), local))
        };
        assert_eq!(get("h", &["r"]).unwrap(), ("r".into(), None));
        assert_eq!(get("h", &["r", "l"]).unwrap(), ("r".into(), Some("l".into())));
        assert_eq!(get("tftp://h/r", &["-"]).unwrap(), ("r".into(), Some("-".into())));
        assert!(get("h", &[]).is_err());
        assert!(get("tftp://h/r", &["l", "x"]).is_err());
        let put = |server: &str, names: &[&str]| {
            Target::of_put(server, names.iter().map(OsString::from).collect())
                .map(|(target, local)| (String::from_utf8(target.remote).unwrap(), local))
        };
        assert_eq!(put("h", &["a/l"]).unwrap(), ("l".into(), "a/l".into()));
        assert_eq!(put("h", &["a/l", "r"]).unwrap(), ("r".into(), "a/l".into()));
        assert_eq!(put("tftp://h/r", &["l"]).unwrap(), ("r".into(), "l".into()));
        assert!(put("tftp://h/r", &["l", "x"]).is_err());
        assert!(put("h", &[".."]).is_err());
    }
}
