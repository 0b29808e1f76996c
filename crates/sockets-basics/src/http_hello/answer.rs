//! What a server answers: made here, and read here. No socket, no clock.
//!
//! ```text
//! HTTP/1.1 200 OK\r\n          status line (RFC 9112 §4)
//! Content-Length: 303\r\n      how long the body is: without it, only the end of the connection
//! \r\n                         would tell
//! <!doctype html>…             the body
//! ```

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::lines::{Field, take_line};
use super::request::{HEAD_LEN_MAX, Request, RequestError};

/// How a request went (RFC 9110 §15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    UriTooLong,
    HeadTooLarge,
    NotImplemented,
    VersionNotSupported,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::RequestTimeout => "408 Request Timeout",
            Self::UriTooLong => "414 URI Too Long",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::NotImplemented => "501 Not Implemented",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

/// An answer, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: Status,
    content_type: &'static str,
    body: Vec<u8>,
    /// HEAD asks for everything but the body.
    head_only: bool,
}

impl Answer {
    // ANCHOR: answer
    /// What this server has to say to `request`.
    pub(super) fn to(request: &Request) -> Self {
        let answer = match (request.method.as_str(), request.path.as_str()) {
            ("GET" | "HEAD", "/") => Self::page("text/html; charset=utf-8", PAGE),
            ("GET" | "HEAD", "/hello.svg") => Self::page("image/svg+xml", PICTURE),
            ("GET" | "HEAD", _) => Self::error(Status::NotFound, "nothing is at that path"),
            ("POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "CONNECT" | "TRACE", _) => {
                Self::error(Status::MethodNotAllowed, "this server only lets you GET and HEAD")
            }
            _ => Self::error(Status::NotImplemented, "this server never heard of that method"),
        };
        Self { head_only: request.method == "HEAD", ..answer }
    }
    // ANCHOR_END: answer

    fn page(content_type: &'static str, body: &[u8]) -> Self {
        Self { status: Status::Ok, content_type, body: body.to_vec(), head_only: false }
    }

    pub(super) fn error(status: Status, why: &str) -> Self {
        let body = format!("{}: {why}\n", status.as_str()).into_bytes();
        Self { status, content_type: "text/plain; charset=utf-8", body, head_only: false }
    }

    /// The head as it goes over the wire.
    pub(super) fn head(&self, now: Timestamp, keep_alive: bool) -> anyhow::Result<String> {
        let status = self.status.as_str();
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now)?;
        let Self { content_type, body, .. } = self;
        let length = body.len();
        let connection = if keep_alive { "keep-alive" } else { "close" };
        // A 405 must say what is allowed (RFC 9110 §15.5.6).
        let allow = match self.status {
            Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
            _ => "",
        };
        Ok(format!(
            "HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Type: {content_type}\r\n\
             Content-Length: {length}\r\n{allow}Connection: {connection}\r\n\r\n"
        ))
    }

    /// The body as it goes over the wire: nothing, if only the head was asked for.
    pub(super) fn body(&self) -> &[u8] {
        if self.head_only { &[] } else { &self.body }
    }
}

impl From<RequestError> for Answer {
    fn from(error: RequestError) -> Self {
        Self::error(error.status(), &error.to_string())
    }
}

/// Lines end as they were checked out, which on Windows may be with `\r\n`.
const PAGE: &[u8] = include_bytes!("hello.html");
const PICTURE: &[u8] = include_bytes!("hello.svg");

/// The head of an answer, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) body: BodyLength,
    /// Whether the server takes another request on this connection.
    pub(super) keep_alive: bool,
    /// How many of the bytes given were the head.
    pub(super) len: usize,
}

/// What ends the body (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// So many bytes.
    Known(u64),
    /// The end of the connection.
    UntilClosed,
    /// Chunks, each with its length in front.
    ///
    /// Simplified: this client shows them as they come, up to the end of the connection.
    Chunks,
}

/// Why bytes are no answer of HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadError {
    #[error("its first line is not: HTTP/1.x, a status of three digits, a reason")]
    StatusLine,
    #[error("a header line is not: name, colon, value")]
    Field,
    #[error("its Content-Length is no length, or there are several")]
    BodyLength,
    #[error("its head is longer than {HEAD_LEN_MAX} bytes")]
    TooLong,
}

impl Head {
    /// Reads the head that `received` begins with; `None` when it is not complete.
    pub(super) fn parse(received: &[u8]) -> Result<Option<Self>, HeadError> {
        let mut rest = received;
        let (mut status, mut length, mut chunks) = (None, None, false);
        let (mut close, mut keep) = (false, false);
        loop {
            let line = take_line(&mut rest);
            let len = if line.is_some() { received.len() - rest.len() } else { received.len() };
            if len > HEAD_LEN_MAX {
                return Err(HeadError::TooLong);
            }
            let Some(line) = line else { return Ok(None) };
            let Some((minor, status)) = status else {
                status = Some(status_line(line).ok_or(HeadError::StatusLine)?);
                continue;
            };
            if line.is_empty() {
                let body = match (status, chunks, length) {
                    (100..=199 | 204 | 304, ..) => BodyLength::Known(0),
                    (_, true, _) => BodyLength::Chunks,
                    (_, false, Some(length)) => BodyLength::Known(length),
                    (_, false, None) => BodyLength::UntilClosed,
                };
                let keep_alive = if minor == b'0' { keep } else { !close };
                return Ok(Some(Self { status, body, keep_alive, len }));
            }
            let field = Field::parse(line).ok_or(HeadError::Field)?;
            if field.is("Content-Length") {
                let said = field.length().ok_or(HeadError::BodyLength)?;
                if length.is_some_and(|before| before != said) {
                    return Err(HeadError::BodyLength);
                }
                length = Some(said);
            }
            chunks |= field.is("Transfer-Encoding");
            close |= field.is("Connection") && field.lists("close");
            keep |= field.is("Connection") && field.lists("keep-alive");
        }
    }
}

/// The minor version, as its digit, and the status. The reason is for people.
fn status_line(line: &[u8]) -> Option<(u8, u16)> {
    let [minor @ b'0'..=b'9', b' ', status @ ..] = line.strip_prefix(b"HTTP/1.")? else {
        return None;
    };
    let (digits, reason) = status.split_at_checked(3)?;
    let is_status = matches!(digits, [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9']);
    let status = str::from_utf8(digits).ok()?.parse().ok()?;
    (is_status && matches!(reason, [] | [b' ', ..])).then_some((*minor, status))
}

#[cfg(test)]
mod tests {
    use super::super::request;
    use super::*;

    #[test]
    fn every_question_gets_its_status() {
        for (question, status) in [
            ("GET /", "200 OK"),
            ("HEAD /", "200 OK"),
            ("GET /?x", "200 OK"),
            ("GET /hello.svg", "200 OK"),
            ("GET /hello.SVG", "404 Not Found"),
            ("GET /../../etc/passwd", "404 Not Found"),
            ("POST /", "405 Method Not Allowed"),
            ("CONNECT a:80", "405 Method Not Allowed"),
            ("OPTIONS *", "405 Method Not Allowed"),
            ("BREW /", "501 Not Implemented"),
            // Methods, other than field names, are the same only when written the same.
            ("get /", "501 Not Implemented"),
        ] {
            assert_eq!(answer_to(question).status.as_str(), status, "{question}");
        }
    }

    #[test]
    fn head_is_answered_like_get_without_the_body() {
        let (get, head) = (answer_to("GET /"), answer_to("HEAD /"));
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(get.head(now, true).unwrap(), head.head(now, true).unwrap());
        assert_eq!((get.body(), head.body()), (PAGE, &b""[..]));
    }

    #[test]
    fn a_head_says_what_its_reader_needs() {
        let answer = answer_to("POST /");
        assert_eq!(
            answer.head(Timestamp::UNIX_EPOCH, false).unwrap(),
            "HTTP/1.1 405 Method Not Allowed\r\n\
             Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: 63\r\n\
             Allow: GET, HEAD\r\n\
             Connection: close\r\n\r\n"
        );
        assert_eq!(answer.body().len(), 63);
    }

    #[test]
    fn what_the_server_writes_the_client_understands() {
        for (question, keep_alive) in [("GET /", true), ("GET /", false), ("PUT /", false)] {
            let answer = answer_to(question);
            let head = answer.head(Timestamp::UNIX_EPOCH, keep_alive).unwrap();
            let read = Head::parse(head.as_bytes()).unwrap().unwrap();
            assert_eq!(answer.status.as_str().split(' ').next(), Some(&*read.status.to_string()));
            assert_eq!(read.body, BodyLength::Known(answer.body().len() as u64));
            assert_eq!((read.keep_alive, read.len), (keep_alive, head.len()));
        }
    }

    #[test]
    fn answers_of_other_servers_are_understood() {
        use BodyLength::{Chunks, Known, UntilClosed};
        check("HTTP/1.1 200 OK\r\n\r\n", Ok((200, UntilClosed, true)));
        check("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", Ok((200, Known(5), false)));
        check("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", Ok((200, UntilClosed, true)));
        check("HTTP/1.1 204\r\nContent-Length: 5\r\n\r\n", Ok((204, Known(0), true)));
        check(
            "HTTP/1.1 200 \nTransfer-Encoding: chunked\nConnection: close\n\n",
            Ok((200, Chunks, false)),
        );
        for line in
            ["HTTP/2 200", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1  200", "ICY 200 OK", "220 hi"]
        {
            check(&format!("{line}\r\n\r\n"), Err(HeadError::StatusLine));
        }
        check("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Err(HeadError::Field));
        check("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Err(HeadError::BodyLength));
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            Err(HeadError::BodyLength),
        );
        assert_eq!(Head::parse(&[b'x'; HEAD_LEN_MAX]), Ok(None));
        assert_eq!(Head::parse(&[b'x'; HEAD_LEN_MAX + 1]), Err(HeadError::TooLong));
    }

    /// Whole, followed by a body, and cut at every byte.
    #[track_caller]
    fn check(head: &str, want: Result<(u16, BodyLength, bool), HeadError>) {
        let bytes = head.as_bytes();
        let whole = Head::parse(bytes);
        let told = whole.clone().map(|head| {
            let head = head.expect("the head is complete");
            assert_eq!(head.len, bytes.len());
            (head.status, head.body, head.keep_alive)
        });
        assert_eq!(told, want, "{head:?}");
        assert_eq!(Head::parse(&[bytes, b"body\r\n\r\n"].concat()), whole, "{head:?}");
        for cut in 0..bytes.len() {
            match Head::parse(&bytes[..cut]) {
                Ok(None) => {}
                early => assert!(early.is_err() && early == whole, "{head:?} cut at {cut}"),
            }
        }
    }

    #[track_caller]
    fn answer_to(question: &str) -> Answer {
        let bytes = format!("{question} HTTP/1.1\r\nHost: a\r\n\r\n");
        Answer::to(&request::parse(bytes.as_bytes()).unwrap().unwrap())
    }
}
