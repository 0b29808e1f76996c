//! What a transfer's thread does: look for the file, agree, drive the machine, say what became of it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cli::stop::InHand;

use super::listen::Place;
use super::log::{End, Record};
use super::mailbox::{Mailbox, SharedPort};
use super::{Config, TEXT_WINDOW, Write};
use crate::drive::{
    Channel, DriveError, OwnPort, ReceiveEvents, Sink, Source, Store, receive_file, send_error,
    send_file,
};
use crate::io::{From, Port, SLOT_LEN, Slots};
use crate::options::{Agreed, Answer, Limits, Refusal, answer};
use crate::receiver::{self, Receiver};
use crate::root::{Denied, Existing};
use crate::sender::{self, Sender};
use crate::transfer::{Dally, Terms, TransferError};
use crate::wire::{ErrorCode, Mode, Packet, Request};

/// How many bytes of an upload wait to be written, at most.
const PENDING_LEN: usize = 64 << 10;

/// How long after the last byte a peer's silence is waited out to repeat the last ACK.
const DALLY: Duration = Duration::from_secs(3);

/// Serves one request.
pub(super) fn run(
    place: &Place,
    from: From,
    request: &[u8],
    mailbox: Option<Arc<Mailbox>>,
    in_hand: InHand,
) {
    let shared = &place.shared;
    let way = match (shared.open_port(from), mailbox) {
        (Ok(Some(port)), _) => Way::Own(port),
        (Ok(None), Some(mailbox)) => Way::Shared(mailbox),
        // No port is free, or the address cannot answer.
        _ => return shared.log.ignored(),
    };
    let transfer = Transfer { place, from, config: &shared.config, began: Instant::now() };
    match Packet::decode(request) {
        Ok(Packet::Read(request)) => transfer.read(&request, way),
        Ok(Packet::Write(request)) => transfer.write(&request, way, in_hand),
        _ => {}
    }
}

enum Way {
    Own(Port),
    Shared(Arc<Mailbox>),
}

struct Transfer<'a> {
    place: &'a Place,
    from: From,
    config: &'a Config,
    began: Instant,
}

/// Why a request is not served.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Disk(#[from] Denied),
    #[error(transparent)]
    Options(#[from] Refusal),
    #[error("uploads are not allowed")]
    ReadOnly,
}

impl Refused {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Disk(denied) => denied.code(),
            Self::Options(refusal) => refusal.code(),
            Self::ReadOnly => ErrorCode::ACCESS,
        }
    }
}

impl Transfer<'_> {
    // ANCHOR: read
    /// A download: RRQ.
    fn read(&self, request: &Request<'_>, way: Way) {
        let opened = self.place.shared.root.read(request.filename).map_err(Refused::from);
        let agreed = opened.and_then(|(file, len)| {
            let answer = answer(request, false, Some(len), &self.limits(request.mode))?;
            Ok((file, len, answer))
        });
        let (file, len, Answer { agreed, oack }) = match agreed {
            Ok(agreed) => agreed,
            Err(refused) => return self.refuse(request, false, way, &refused),
        };
        let start = if oack.is_some() { sender::Start::Oack } else { sender::Start::Data };
        let mut machine = Sender::new(Instant::now(), &self.terms(agreed), start);
        let mut source = Source::new(file, len, request.mode, agreed);
        // Only ACKs come here.
        let mut channel = self.channel(way, Slots::new(1, 2048));
        let mut sent = 0;
        let ended = send_file(
            &mut *channel,
            &mut machine,
            &mut source,
            oack.as_ref(),
            false,
            &mut |bytes| sent = bytes,
        );
        let bytes = if request.mode == Mode::Octet { sent.min(len) } else { sent };
        let counts = machine.sent();
        let data = (counts.data, counts.repeated);
        let all_sent = source.last() == Some(machine.base());
        let (end, bytes) = self.end(ended, &mut *channel, all_sent, (bytes, len));
        self.record(request, false, agreed, bytes, data, counts.timeouts, channel.calls(), end);
    }
    // ANCHOR_END: read

    /// An upload: WRQ.
    fn write(&self, request: &Request<'_>, way: Way, in_hand: InHand) {
        let (upload, Answer { agreed, oack }) = match self.accept(request) {
            Ok(accepted) => accepted,
            Err(refused) => return self.refuse(request, true, way, &refused),
        };
        let start = if oack.is_some() { receiver::Start::Oack } else { receiver::Start::Ack };
        let mut machine = Receiver::new(Instant::now(), &self.terms(agreed), start);
        let store = Store::File(upload, self.config.durability);
        let mut sink = Sink::new(store, request.mode, PENDING_LEN);
        let window = usize::from(agreed.windowsize) * (usize::from(agreed.blksize) + 4);
        // In lockstep nothing is joined, but what is sent again may lie there twice.
        let slots = Slots::new(1, (2 * window).clamp(2048, SLOT_LEN));
        let mut channel = self.channel(way, slots);
        let mut kept = Kept { transfer: self, request, agreed, in_hand: Some(in_hand) };
        let ended =
            receive_file(&mut *channel, &mut machine, &mut sink, oack.as_ref(), None, &mut kept);
        if let Err(error) = ended
            && !machine.is_committed()
        {
            let bytes = sink.len();
            // Nothing is left of it when the peer, or a person, hears of the end.
            drop(sink);
            send_error(&mut *channel, &error);
            kept.record(&machine, bytes, channel.calls(), End::Failed(shown(&error)));
        }
    }

    fn accept(&self, request: &Request<'_>) -> Result<(crate::root::Upload, Answer), Refused> {
        let existing = match self.config.write {
            Write::None => return Err(Refused::ReadOnly),
            Write::New => Existing::Keep,
            Write::Any => Existing::Replace,
        };
        let limits = self.limits(request.mode);
        let answer = answer(request, true, None, &limits)?;
        let root = &self.place.shared.root;
        let upload = root.create(request.filename, existing, limits.file_max)?;
        Ok((upload, answer))
    }

    fn limits(&self, mode: Mode) -> Limits {
        let mut limits = self.config.limits;
        if mode == Mode::Netascii {
            limits.window_bytes_max = limits.window_bytes_max.min(TEXT_WINDOW);
        }
        limits
    }

    fn terms(&self, agreed: Agreed) -> Terms {
        let mut patience = self.config.patience;
        patience.dally = Dally::Always(DALLY);
        Terms { agreed, patience, round_trip: None }
    }

    fn channel(&self, way: Way, slots: Slots) -> Box<dyn Channel> {
        let (peer, local) = (self.from.peer, self.from.local);
        match way {
            Way::Own(port) => Box::new(OwnPort::new(Arc::new(port), peer, slots)),
            Way::Shared(mailbox) => {
                let port = Arc::clone(&self.place.shared.port);
                Box::new(SharedPort::new(port, peer, local, mailbox))
            }
        }
    }

    /// How a download ended, and how much of it arrived.
    fn end(
        &self,
        ended: Result<(), DriveError>,
        channel: &mut dyn Channel,
        all_sent: bool,
        (bytes, len): (u64, u64),
    ) -> (End, u64) {
        match ended {
            Ok(()) => (End::Whole, bytes),
            Err(DriveError::Transfer(TransferError::GaveUp { only_last_ack: true, .. })) => {
                (End::WholeUnacknowledged, len)
            }
            // It took the last block, and went without a word: the tutorial's client does.
            Err(DriveError::Unreachable) if all_sent => (End::WholeUnacknowledged, len),
            Err(error) => {
                send_error(channel, &error);
                (End::Failed(shown(&error)), bytes)
            }
        }
    }

    fn refuse(&self, request: &Request<'_>, is_upload: bool, way: Way, refused: &Refused) {
        let code = refused.code();
        // The cause may name paths of this machine: it is for our log only.
        let message = code.meaning();
        let mut channel = self.channel(way, Slots::new(1, 64));
        let packet = Packet::Error { code, message: message.as_bytes() };
        let _ = crate::drive::send_packet(&mut *channel, &packet);
        let why = match refused {
            Refused::Disk(Denied::System(error)) if code != ErrorCode::NOT_FOUND => {
                cli::failure::describe(error)
            }
            Refused::Disk(Denied::System(_)) => message.to_owned(),
            _ => refused.to_string(),
        };
        let end = End::Refused(code, why);
        let agreed = Agreed::default();
        self.record(request, is_upload, agreed, 0, (0, 0), 0, channel.calls(), end);
    }

    #[expect(clippy::too_many_arguments, reason = "a record has that many fields")]
    fn record(
        &self,
        request: &Request<'_>,
        is_upload: bool,
        agreed: Agreed,
        bytes: u64,
        data: (u64, u64),
        timeouts: u64,
        calls: u64,
        end: End,
    ) {
        // Who has sent the last ACK stays for a while, and counts as long.
        if !(is_upload && matches!(end, End::Whole)) {
            self.place.leave();
        }
        self.place.shared.log.record(&Record {
            is_upload,
            peer: self.from.peer,
            file: request.filename,
            mode: request.mode,
            agreed,
            bytes,
            took: self.began.elapsed(),
            data,
            timeouts,
            calls,
            end,
        });
    }
}

/// What happens once an upload is kept.
struct Kept<'a> {
    transfer: &'a Transfer<'a>,
    request: &'a Request<'a>,
    agreed: Agreed,
    in_hand: Option<InHand>,
}

impl Kept<'_> {
    fn record(&self, machine: &Receiver, bytes: u64, calls: u64, end: End) {
        let counts = machine.received();
        let data = (counts.blocks + counts.repeated, counts.repeated);
        let timeouts = counts.timeouts;
        self.transfer.record(self.request, true, self.agreed, bytes, data, timeouts, calls, end);
    }
}

impl ReceiveEvents for Kept<'_> {
    fn kept(&mut self, machine: &Receiver, bytes: u64, calls: u64) {
        self.transfer.place.forget_request();
        self.record(machine, bytes, calls, End::Whole);
        // What remains is dallying, and a server that ends need not wait for that.
        self.in_hand = None;
    }
}

fn shown(error: &DriveError) -> String {
    match error {
        DriveError::Transfer(TransferError::Peer { message, .. }) if !message.is_empty() => {
            format!("{error}: {}", cli::escape(message))
        }
        DriveError::Disk(Denied::System(error)) | DriveError::Socket(error) => describe(error),
        _ => error.to_string(),
    }
}

fn describe(error: &io::Error) -> String {
    cli::failure::describe(error)
}
