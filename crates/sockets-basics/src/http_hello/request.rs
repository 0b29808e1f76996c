//! What a browser asks: bytes in, a request out. No socket, no clock.
//!
//! ```text
//! GET /hello.svg?x=1 HTTP/1.1\r\n
//! └┬┘ └─────┬──────┘ └──┬───┘
//! method  target     version       then fields, then an empty line (RFC 9112 §3)
//! ```

use super::answer::Status;
use super::lines::{Field, is_token, is_token_byte, take_line};

/// The longest request line; RFC 9112 §3 asks for at least 8000 bytes.
pub(super) const LINE_LEN_MAX: usize = 8000;

/// The longest head: request line, fields and the empty line.
pub(super) const HEAD_LEN_MAX: usize = 16 * 1024;

/// A request, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// The target without what follows a `?`, and without the `http://host` that proxies put first.
    pub(super) path: String,
    /// Whether the client wants to ask more on this connection.
    pub(super) keep_alive: bool,
    /// Whether more bytes belong to this request.
    pub(super) has_body: bool,
    /// How many of the bytes given were the head.
    pub(super) head_len: usize,
}

/// Why bytes are no request. What is wrong is the client's fault, and is told to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    /// The first byte already cannot begin a method. TLS begins with 0x16.
    #[error("this is no HTTP request; perhaps https:// instead of http://?")]
    NotHttp,
    #[error("the request line is not: method, target, version, with one space between")]
    RequestLine,
    #[error("a header line is not: name, colon, value")]
    Field,
    #[error("a request of HTTP/1.1 has one Host header, this one has {0}")]
    Host(usize),
    #[error("it is not clear how long the body is")]
    BodyLength,
    #[error("this server speaks HTTP/1.1 and HTTP/1.0")]
    Version,
    #[error("the request line is longer than {LINE_LEN_MAX} bytes")]
    LineTooLong,
    #[error("the head is longer than {HEAD_LEN_MAX} bytes")]
    HeadTooLong,
}

impl RequestError {
    pub(super) fn status(self) -> Status {
        match self {
            Self::Version => Status::VersionNotSupported,
            Self::LineTooLong => Status::UriTooLong,
            Self::HeadTooLong => Status::HeadTooLarge,
            _ => Status::BadRequest,
        }
    }
}

// ANCHOR: parse
/// Reads the request that `received` begins with; `None` when it is not complete.
pub(super) fn parse(received: &[u8]) -> Result<Option<Request>, RequestError> {
    // Some clients send an empty line too many after their last request (RFC 9112 §2.2).
    let empty = received.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let mut rest = &received[empty..];
    if rest.first().is_some_and(|byte| !is_token_byte(*byte)) {
        return Err(RequestError::NotHttp);
    }
    let line = take_line(&mut rest);
    if line.unwrap_or(rest).len() > LINE_LEN_MAX {
        return Err(RequestError::LineTooLong);
    }
    let Some(line) = line else { return within_limit(received.len()) };
    let (method, path, version) = request_line(line)?;

    let mut fields = Fields::default();
    loop {
        let line = take_line(&mut rest);
        within_limit(received.len() - rest.len())?;
        match line {
            None => return within_limit(received.len()),
            Some(b"") => break,
            Some(line) => fields.add(Field::parse(line).ok_or(RequestError::Field)?)?,
        }
    }
    fields.judge(version)?;
    Ok(Some(Request {
        method: method.to_owned(),
        path: path.to_owned(),
        keep_alive: fields.keep_alive(version),
        has_body: fields.has_body(),
        head_len: received.len() - rest.len(),
    }))
}
// ANCHOR_END: parse

/// Not complete, and that is all right as long as there are not too many bytes.
fn within_limit(head_len: usize) -> Result<Option<Request>, RequestError> {
    if head_len > HEAD_LEN_MAX { Err(RequestError::HeadTooLong) } else { Ok(None) }
}

/// The minor version: HTTP/1.0 and HTTP/1.1 differ in what is meant when nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

fn request_line(line: &[u8]) -> Result<(&str, &str, Version), RequestError> {
    let text = str::from_utf8(line).map_err(|_| RequestError::RequestLine)?;
    let mut words = text.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(RequestError::RequestLine);
    };
    if !is_token(method) || target.is_empty() || !target.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(RequestError::RequestLine);
    }
    Ok((method, path(target), http_version(version)?))
}

fn http_version(text: &str) -> Result<Version, RequestError> {
    match text.strip_prefix("HTTP/").map(str::as_bytes) {
        Some(b"1.0") => Ok(Version::Http10),
        // A later 1.x is spoken to as 1.1 (RFC 9110 §2.5).
        Some([b'1', b'.', b'1'..=b'9']) => Ok(Version::Http11),
        Some([b'0'..=b'9', b'.', b'0'..=b'9']) => Err(RequestError::Version),
        _ => Err(RequestError::RequestLine),
    }
}

/// The path in a target.
///
/// Simplified: `%41` stays as it is. The two paths that this server knows need no decoding.
fn path(target: &str) -> &str {
    let origin = match target.get(..7) {
        // A server must understand the form that is meant for proxies (RFC 9112 §3.2.2).
        Some(scheme) if scheme.eq_ignore_ascii_case("http://") => {
            let after = &target[7..];
            after.find(['/', '?']).map_or("/", |at| &after[at..])
        }
        _ => target,
    };
    match origin.split_once('?') {
        Some(("", _)) => "/",
        Some((path, _)) => path,
        None => origin,
    }
}

/// What the fields say, as far as this server cares.
#[derive(Default)]
struct Fields {
    hosts: usize,
    close: bool,
    keep_alive: bool,
    length: Option<u64>,
    transfer_encoding: bool,
}

impl Fields {
    fn add(&mut self, field: Field<'_>) -> Result<(), RequestError> {
        if field.is("Host") {
            self.hosts += 1;
        } else if field.is("Connection") {
            self.close |= field.lists("close");
            self.keep_alive |= field.lists("keep-alive");
        } else if field.is("Transfer-Encoding") {
            self.transfer_encoding = true;
        } else if field.is("Content-Length") {
            let length = field.length().ok_or(RequestError::BodyLength)?;
            if self.length.is_some_and(|before| before != length) {
                return Err(RequestError::BodyLength);
            }
            self.length = Some(length);
        }
        Ok(())
    }

    fn judge(&self, version: Version) -> Result<(), RequestError> {
        // One Host and no other number of them (RFC 9112 §3.2).
        if version == Version::Http11 && self.hosts != 1 || self.hosts > 1 {
            return Err(RequestError::Host(self.hosts));
        }
        // Two lengths that may differ are how requests are smuggled past a proxy (RFC 9112 §6.1).
        if self.transfer_encoding && self.length.is_some() {
            return Err(RequestError::BodyLength);
        }
        Ok(())
    }

    fn keep_alive(&self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.close,
            Version::Http10 => self.keep_alive && !self.close,
        }
    }

    fn has_body(&self) -> bool {
        self.transfer_encoding || self.length.is_some_and(|length| length > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood() {
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(("GET", "/", "keep")));
        check("GET / HTTP/1.1\nHost: a\n\n", Ok(("GET", "/", "keep")));
        check("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(("GET", "/", "keep")));
        check("HEAD /a/b?c=d HTTP/1.1\r\nHost: a\r\n\r\n", Ok(("HEAD", "/a/b", "keep")));
        check("GET http://a:80/b?c HTTP/1.1\r\nHost: a\r\n\r\n", Ok(("GET", "/b", "keep")));
        check("GET HTTP://a?c HTTP/1.1\r\nHost: a\r\n\r\n", Ok(("GET", "/", "keep")));
        check("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Ok(("OPTIONS", "*", "keep")));
        check("BREW / HTTP/1.9\r\nHost: a\r\n\r\n", Ok(("BREW", "/", "keep")));
    }

    #[test]
    fn the_version_and_the_client_decide_whether_the_connection_is_kept() {
        check("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Ok(("GET", "/", "close")));
        check(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n",
            Ok(("GET", "/", "close")),
        );
        check("GET / HTTP/1.0\r\n\r\n", Ok(("GET", "/", "close")));
        check("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Ok(("GET", "/", "keep")));
    }

    #[test]
    fn a_body_is_noticed() {
        let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        check(&post("Content-Length: 0\r\n"), Ok(("POST", "/", "keep")));
        check(&post("Content-Length: 5\r\n"), Ok(("POST", "/", "keep+body")));
        check(&post("Content-Length: 5\r\nContent-Length: 5\r\n"), Ok(("POST", "/", "keep+body")));
        check(&post("Transfer-Encoding: chunked\r\n"), Ok(("POST", "/", "keep+body")));
        let unclear = Err(RequestError::BodyLength);
        check(&post("Content-Length: five\r\n"), unclear);
        check(&post("Content-Length: 5\r\nContent-Length: 6\r\n"), unclear);
        check(&post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), unclear);
    }

    #[test]
    fn what_is_no_request_is_turned_down() {
        for (line, want) in [
            ("GET /", RequestError::RequestLine),
            ("GET  / HTTP/1.1", RequestError::RequestLine),
            ("GET / HTTP/1.1 ", RequestError::RequestLine),
            ("GET /a b HTTP/1.1", RequestError::RequestLine),
            ("GET /é HTTP/1.1", RequestError::RequestLine),
            ("GET / http/1.1", RequestError::RequestLine),
            ("GET / HTTP/1.10", RequestError::RequestLine),
            ("G(T / HTTP/1.1", RequestError::RequestLine),
            ("GET / HTTP/2.0", RequestError::Version),
            ("GET / HTTP/0.9", RequestError::Version),
            ("\u{16}\u{3}\u{1}", RequestError::NotHttp),
            (" GET / HTTP/1.1", RequestError::NotHttp),
        ] {
            check(&format!("{line}\r\nHost: a\r\n\r\n"), Err(want));
        }
        let get = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
        check(&get(""), Err(RequestError::Host(0)));
        check(&get("Host: a\r\nhost: b\r\n"), Err(RequestError::Host(2)));
        check(&get("Host: a\r\nno colon\r\n"), Err(RequestError::Field));
        check(&get("Host: a\r\n folded\r\n"), Err(RequestError::Field));
        check(&get("Host : a\r\n"), Err(RequestError::Field));
    }

    #[test]
    fn the_limits_hold_to_the_byte() {
        let line = |len: usize| {
            let target = "x".repeat(len - "GET / HTTP/1.1".len());
            format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n")
        };
        assert!(parse(line(LINE_LEN_MAX).as_bytes()).unwrap().is_some());
        assert_eq!(parse(line(LINE_LEN_MAX + 1).as_bytes()), Err(RequestError::LineTooLong));

        let head = |len: usize| {
            let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
            format!("{start}{}\r\n\r\n", "x".repeat(len - start.len() - 4))
        };
        assert!(parse(head(HEAD_LEN_MAX).as_bytes()).unwrap().is_some());
        assert_eq!(parse(head(HEAD_LEN_MAX + 1).as_bytes()), Err(RequestError::HeadTooLong));
        // A head without an end is turned down once it is too long, and a line as well.
        let endless = head(HEAD_LEN_MAX + 5);
        assert_eq!(parse(&endless.as_bytes()[..HEAD_LEN_MAX]), Ok(None));
        assert_eq!(parse(&endless.as_bytes()[..=HEAD_LEN_MAX]), Err(RequestError::HeadTooLong));
        assert_eq!(parse(&[b'G'; LINE_LEN_MAX]), Ok(None));
        assert_eq!(parse(&[b'G'; LINE_LEN_MAX + 1]), Err(RequestError::LineTooLong));
        assert_eq!(parse(&[b'\n'; HEAD_LEN_MAX + 1]), Err(RequestError::HeadTooLong));
    }

    /// Whole, followed by the next request, and cut at every byte, as a network may.
    #[track_caller]
    fn check(request: &str, want: Result<(&str, &str, &str), RequestError>) {
        let bytes = request.as_bytes();
        let whole = parse(bytes);
        let told = whole.clone().map(|request| {
            let Request { method, path, keep_alive, has_body, head_len } =
                request.expect("the request is complete");
            assert_eq!(head_len, bytes.len());
            let then = if keep_alive { "keep" } else { "close" };
            (method, path, format!("{then}{}", if has_body { "+body" } else { "" }))
        });
        let want = want.map(|(method, path, then)| (method.into(), path.into(), then.into()));
        assert_eq!(told, want, "{request:?}");

        assert_eq!(parse(&[bytes, b"GET /next HTTP/1.1\r\n"].concat()), whole, "{request:?}");
        for cut in 0..bytes.len() {
            match parse(&bytes[..cut]) {
                Ok(None) => {}
                // What is wrong may be seen early, and must stay the same.
                early => assert!(early.is_err() && early == whole, "{request:?} cut at {cut}"),
            }
        }
    }
}
