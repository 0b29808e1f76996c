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

use anyhow::Context;

use super::{DATAGRAM_LEN_MAX, ledger::Ledger, mmsg, mmsg::Batch};

/// As many as help: the system call is then 2 % of what 64 datagrams cost. With room for the
/// longest datagram each, that is 4 MiB, of which only what is written to takes memory.
const SLOTS: usize = 64;

/// A multiple of the page size, so that short datagrams touch one page each.
const ROOM: usize = DATAGRAM_LEN_MAX + 1;

// ANCHOR: serve
/// Sends back what comes, for ever.
///
/// # Errors
/// When the socket is broken, or stdout cannot be written.
pub fn serve(socket: &UdpSocket, ledger: &mut Ledger) -> anyhow::Result<()> {
    mmsg::prepare(socket).context("the system does not tell which address was asked")?;
    let mut batch = Batch::new(SLOTS, ROOM);
    loop {
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
}

/// Sends what is pending. The one that the system does not take is tried twice, as in
/// `simple.rs`, and then given up, so that the others can go.
fn answer(socket: &UdpSocket, batch: &mut Batch, ledger: &mut Ledger) {
    let mut tried = false;
    while batch.pending() > 0 {
        ledger.call();
        match batch.send(socket) {
            Ok(sent) => {
                ledger.sent(sent);
                tried = false;
            }
            Err(_) if !tried => tried = true,
            Err(error) => {
                ledger.send_failed(batch.first_pending(), &error);
                batch.skip();
                tried = false;
            }
        }
    }
}
// ANCHOR_END: serve
