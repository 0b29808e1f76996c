//! What the server sends, as lines.
//!
//! The decoder is chapter 5's, the same that the server reads us with. A server may be anybody: a
//! line without end does not fill our memory, and one that is no UTF-8 does not end the
//! conversation.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::Instant;

use cli::escape;
use sticky_packets::decoder::{Decode, Policy};
use sticky_packets::frame::Why;
use sticky_packets::line::{Line, Lines};

/// The longest line that is shown: what a person may say, and room for names, times and notices.
pub const LINE_LEN_MAX: usize = 8192;

/// One read's worth.
const ROOM: usize = 8192;

/// The lines of a connection.
pub struct Inbox {
    stream: TcpStream,
    lines: Lines,
    room: Box<[u8]>,
    /// Lines of the last read that nobody has taken: no more than one read holds.
    waiting: VecDeque<String>,
}

impl Inbox {
    /// Reads from `stream`.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        // What a server says last may lack its line feed, when it is cut off.
        let lines = Lines::new(Line::new().or_the_end(), LINE_LEN_MAX).policy(Policy::Skip);
        Self { stream, lines, room: vec![0; ROOM].into(), waiting: VecDeque::new() }
    }

    /// The next line; `None` when the server says no more.
    ///
    /// # Errors
    /// As recv(2); a read that waits past `deadline` has timed out.
    pub fn next_until(&mut self, deadline: Option<Instant>) -> anyhow::Result<Option<String>> {
        loop {
            // Before all else: a server that chatters must not stop the clock.
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Err(std::io::Error::from(ErrorKind::TimedOut).into());
            }
            if let Some(line) = self.waiting.pop_front() {
                return Ok(Some(line));
            }
            let timeout = deadline.map(|deadline| deadline.saturating_duration_since(now));
            self.stream.set_read_timeout(timeout)?;
            match self.stream.read(&mut self.room) {
                Ok(0) => {
                    let last = self.lines.finish().ok().flatten().and_then(|frame| frame.text());
                    let last = last.filter(|line| !line.is_empty()).map(str::to_owned);
                    // A second call finds the end of the stream again, and no line before it.
                    self.lines = Lines::new(Line::new(), LINE_LEN_MAX);
                    return Ok(last);
                }
                Ok(len) => self.cut(len),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn cut(&mut self, len: usize) {
        let mut input = self.room.get(..len).unwrap_or_default();
        loop {
            let line = match self.lines.next_in(&mut input) {
                Ok(Some(frame)) => frame.text().unwrap_or_default().to_owned(),
                Ok(None) => return,
                Err(error) => match error.why {
                    Why::TooLong { limit, .. } => {
                        format!("* (a line of more than {limit} bytes is left out)")
                    }
                    _ => format!("* (a line that is no UTF-8 is left out: {})", error.excerpt),
                },
            };
            self.waiting.push_back(line);
        }
    }
}

/// A line as it may be shown: what a terminal would obey is written out.
#[must_use]
pub fn shown(line: &str) -> String {
    escape(line.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_server_that_is_silent_or_never_stops_talking_has_until_the_deadline() {
        for said in ["", "* one moment\n* one moment\n"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            server.write_all(said.as_bytes()).unwrap();
            let mut inbox = Inbox::new(stream);
            if !said.is_empty() {
                // Two lines are there, one is taken, and the time is up before the other.
                assert_eq!(inbox.next_until(None).unwrap().unwrap(), "* one moment");
            }
            let late = inbox.next_until(Some(Instant::now())).unwrap_err();
            let late = late.downcast_ref::<std::io::Error>().unwrap();
            assert_eq!(late.kind(), ErrorKind::TimedOut, "{said:?}");
            // Also where the wait itself takes up the time that is left.
            let mut silent = Inbox::new(server);
            let soon = Instant::now() + Duration::from_millis(1);
            let late = silent.next_until(Some(soon)).unwrap_err();
            let late = late.downcast_ref::<std::io::Error>().unwrap();
            assert!(matches!(late.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock), "{late}");
        }
    }
}
