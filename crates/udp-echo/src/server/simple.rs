//! Step 1: one datagram, one answer, with the standard library alone.
//!
//! ```text
//!  recvfrom … waits ◀── a datagram, and whose it is
//!  sendto ────────────▶ the same bytes, to whoever that was
//! ```
//!
//! It serves any number of clients, because it remembers none. What it cannot do:
//!
//! - *Answer from the address that was asked.* On a machine with two addresses, a server bound to
//!   0.0.0.0 answers from whichever the system thinks best. A client that called connect(2) drops
//!   that answer as a stranger's.
//! - *Tell how many datagrams the system has dropped* because it was too slow to take them.
//!
//! Both come with recvmsg(2) only, which std does not have: see `batch.rs`. It also makes two
//! system calls for every datagram. See recvfrom(2), sendto(2), udp(7).

use std::net::UdpSocket;

use super::{DATAGRAM_LEN_MAX, ledger::Ledger};

// ANCHOR: serve
/// Sends back what comes, until the server is told to stop.
///
/// # Errors
/// When the socket is broken, or stdout cannot be written.
pub fn serve(socket: &UdpSocket, ledger: &mut Ledger) -> anyhow::Result<()> {
    let mut buffer = vec![0; DATAGRAM_LEN_MAX];
    while ledger.is_open() {
        ledger.call();
        let (len, client) = match socket.recv_from(&mut buffer) {
            Ok(received) => received,
            Err(error) => {
                ledger.receive_failed(error)?;
                continue;
            }
        };
        let datagram = &buffer[..len];
        if !ledger.received(client, None, datagram)? {
            continue;
        }

        // A full send buffer makes this wait. What cannot be sent is counted, and forgotten.
        match ledger.try_twice(|| socket.send_to(datagram, client)) {
            Ok(_) => ledger.sent(1),
            Err(error) => ledger.send_failed(Some(client), &error),
        }
    }
    Ok(())
}
// ANCHOR_END: serve
