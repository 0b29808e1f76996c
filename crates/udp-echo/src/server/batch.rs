//! Step 2: as many datagrams as there are, in one system call.
//!
//! ```text
//!  recvmmsg … waits for the first ◀── up to 64 datagrams, of any senders
//!  sendmmsg ───────────────────────▶ their answers
//! ```
//!
//! When little comes, this is `simple.rs` with more words: a batch of one. When much comes, the
//! next batch gathers while this one is answered, so the batches grow with the load, and nothing
//! ever waits for a batch to fill. It also answers from the address that was asked, and counts
//! what the system dropped.
//!
//! What it still pays in full: each datagram's own way through the system's network code, in and
//! out. On loopback that is nearly all of the cost; see `offload.rs`.

use std::net::UdpSocket;

use super::{DATAGRAM_LEN_MAX, ledger::Ledger, mmsg::Batch};

/// As many as help: the system call is then 2 % of what 64 datagrams cost. With room for the
/// longest datagram each, that is 4 MiB, of which only what is written to takes memory.
const SLOTS: usize = 64;

/// The length of 16 pages and an odd number of cache lines. With a round number, all slots would
/// begin in the same corner of the processor's cache, and drive each other out of it.
const ROOM: usize = DATAGRAM_LEN_MAX + 1 + 17 * 64;

// ANCHOR: serve
/// Sends back what comes, until the server is told to stop.
///
/// # Errors
/// When the socket is broken, or stdout cannot be written.
pub fn serve(socket: &UdpSocket, ledger: &mut Ledger) -> anyhow::Result<()> {
    let mut batch = Batch::new(SLOTS, ROOM);
    while ledger.is_open() {
        ledger.call();
        let count = match batch.receive(socket) {
            Ok(count) => count,
            Err(error) => {
                ledger.receive_failed(error)?;
                continue;
            }
        };
        ledger.kernel_dropped(batch.newly_dropped());
        for i in 0..count {
            let datagram = batch.datagram(i);
            let Some(client) = datagram.source else { continue };
            if ledger.received(client, datagram.asked, datagram.bytes)? {
                batch.answer(i);
            }
        }
        answer(socket, &mut batch, ledger);
    }
    Ok(())
}

/// Sends what is pending. What the system does not take is given up, so that the others can go.
fn answer(socket: &UdpSocket, batch: &mut Batch, ledger: &mut Ledger) {
    while batch.pending() > 0 {
        match ledger.try_twice(|| batch.send(socket)) {
            Ok(sent) => ledger.sent(sent),
            Err(error) => {
                ledger.send_failed(batch.first_pending(), &error);
                batch.skip();
            }
        }
    }
}
// ANCHOR_END: serve
