//! What a server says about its transfers, for people or for programs, and what it counts.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cli::output::StdoutError;
use cli::{escape, note, say};
use serde_json::{Value, json};

use crate::drive::rate;
use crate::options::Agreed;
use crate::wire::{ErrorCode, Mode};

/// What became of a transfer.
pub struct Record<'a> {
    /// A download is `read`, an upload `write`, as the RFC sees it.
    pub is_upload: bool,
    /// Who asked.
    pub peer: SocketAddr,
    /// For which file.
    pub file: &'a [u8],
    /// How its bytes were to be understood.
    pub mode: Mode,
    /// What was agreed on.
    pub agreed: Agreed,
    /// Bytes of the file that are known to have arrived.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
    /// DATA sent or received, and how many of them again.
    pub data: (u64, u64),
    /// How often the clock ran out.
    pub timeouts: u64,
    /// System calls on the socket.
    pub calls: u64,
    /// How it ended.
    pub end: End,
}

/// How a transfer ended.
pub enum End {
    /// The file is whole.
    Whole,
    /// All was sent, and the ACK of the last block never came. The file is whole in all likelihood.
    WholeUnacknowledged,
    /// It was refused with this, before it began.
    Refused(ErrorCode, String),
    /// It broke off.
    Failed(String),
}

/// Writes records, and counts them.
#[derive(Default)]
pub struct Log {
    json: bool,
    whole: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    ignored: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    broken: Mutex<Option<StdoutError>>,
}

impl Log {
    /// A log for people, or for programs.
    #[must_use]
    pub fn new(json: bool) -> Self {
        Self { json, ..Self::default() }
    }

    /// A datagram that is not answered.
    pub fn ignored(&self) {
        self.ignored.fetch_add(1, Ordering::Relaxed);
    }

    /// A transfer is over.
    pub fn record(&self, record: &Record<'_>) {
        let counter = match &record.end {
            End::Whole | End::WholeUnacknowledged => &self.whole,
            End::Refused(..) => &self.refused,
            End::Failed(_) => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let bytes = if record.is_upload { &self.bytes_received } else { &self.bytes_sent };
        bytes.fetch_add(record.bytes, Ordering::Relaxed);
        let said = if self.json { say!("{}", object(record)) } else { say!("{}", line(record)) };
        if let Err(error) = said {
            *self.broken() = Some(error);
        }
    }

    /// Says what was counted.
    pub fn stats(&self, running: usize) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (whole, refused, failed) = (get(&self.whole), get(&self.refused), get(&self.failed));
        let (sent, received) = (get(&self.bytes_sent), get(&self.bytes_received));
        let ignored = get(&self.ignored);
        if self.json {
            let stats = json!({
                "event": "stats", "running": running, "whole": whole, "refused": refused,
                "failed": failed, "ignored": ignored, "bytes_sent": sent, "bytes_received": received,
            });
            if let Err(error) = say!("{stats}") {
                *self.broken() = Some(error);
            }
        } else {
            note!(
                "transfers: {running} running, {whole} whole, {refused} refused, {failed} failed; \
                 bytes: {sent} sent, {received} received; {ignored} datagrams ignored"
            );
        }
    }

    /// Fails once stdout could not be written, as its reader has gone.
    ///
    /// # Errors
    /// What writing said.
    pub fn check(&self) -> Result<(), StdoutError> {
        self.broken().take().map_or(Ok(()), Err)
    }

    fn broken(&self) -> std::sync::MutexGuard<'_, Option<StdoutError>> {
        self.broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// `sent hello.txt to 127.0.0.1:40123: 600 bytes, blksize 1428`.
fn line(record: &Record<'_>) -> String {
    let (file, peer) = (escape(record.file), record.peer);
    let (verb, way) = if record.is_upload { ("received", "from") } else { ("sent", "to") };
    let (doing, options) = (if record.is_upload { "receive" } else { "send" }, options(record));
    let bytes = count(record.bytes);
    match &record.end {
        End::Whole => format!("{verb} {file} {way} {peer}: {bytes}{options}"),
        End::WholeUnacknowledged => {
            format!("{verb} {file} {way} {peer}: {bytes}{options}, the last ACK never came")
        }
        End::Refused(code, why) => {
            format!("refused to {doing} {file} {way} {peer}: ERROR {}, {why}", code.0)
        }
        End::Failed(why) => format!("failed to {doing} {file} {way} {peer}: {why}"),
    }
}

fn count(bytes: u64) -> String {
    format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" })
}

fn options(record: &Record<'_>) -> String {
    let (agreed, plain) = (record.agreed, Agreed::default());
    let mut shown = String::new();
    if record.mode == Mode::Netascii {
        shown.push_str(", netascii");
    }
    if agreed.blksize != plain.blksize {
        shown.push_str(&format!(", blksize {}", agreed.blksize));
    }
    if agreed.windowsize != plain.windowsize {
        shown.push_str(&format!(", windowsize {}", agreed.windowsize));
    }
    shown
}

fn object(record: &Record<'_>) -> Value {
    let (result, code, error) = match &record.end {
        End::Whole => ("whole", None, None),
        End::WholeUnacknowledged => ("whole, last ACK missing", None, None),
        End::Refused(code, why) => ("refused", Some(code.0), Some(why)),
        End::Failed(why) => ("failed", None, Some(why)),
    };
    let (data, repeated) = record.data;
    json!({
        "event": "transfer",
        "direction": if record.is_upload { "write" } else { "read" },
        "peer": record.peer.to_string(),
        "file": escape(record.file).to_string(),
        "mode": record.mode.name(),
        "bytes": record.bytes,
        "seconds": record.took.as_secs_f64(),
        "bytes_per_second": rate(record.bytes, record.took),
        "blksize": record.agreed.blksize,
        "windowsize": record.agreed.windowsize,
        "timeout": record.agreed.timeout,
        "tsize": record.agreed.tsize,
        "data": data,
        "repeated": repeated,
        "timeouts": record.timeouts,
        "socket_calls": record.calls,
        "result": result,
        "error_code": code,
        "error": error,
    })
}
