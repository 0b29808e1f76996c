//! The system's table of sockets, as Linux shows it in `/proc/net/tcp`, `tcp6`, `udp` and `udp6`
//! (proc_pid_net(5)); `netstat` reads the same text.
//!
//! ```text
//!   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid …
//!    0: 0100007F:22C2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 …
//!       ▲             ▲             ▲
//!       │             │             LISTEN
//!       │             0.0.0.0:0: nobody in particular
//!       127.0.0.1:8898, the bytes of the address backwards
//! ```
//!
//! The text is parsed here, and read elsewhere: no file, no socket, no clock.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One row of the table: one socket, or what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// This end.
    pub local: SocketAddr,
    /// The other end; `0.0.0.0:0` or `[::]:0` where there is none.
    pub peer: SocketAddr,
    /// What this end has sent and seen so far.
    pub state: State,
    /// The socket's number, as it appears among a process's open files; 0 when no process has it.
    pub inode: u64,
}

/// The states of RFC 9293 §3.3.2, shown by the names that netstat(8) gives them.
///
/// A state belongs to one *end* of a connection: the two ends rarely agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Both ends may send.
    Established,
    /// Our SYN is out, and no answer has come.
    SynSent,
    /// A SYN came and was answered; the ACK that ends the handshake is missing.
    SynRecv,
    /// We have closed our direction; the peer has not acknowledged that.
    FinWait1,
    /// The peer has acknowledged our FIN, and has not sent its own.
    FinWait2,
    /// Both directions are closed; we closed first, and wait for stragglers.
    TimeWait,
    /// Not connected. (The tables of UDP call every socket without a peer so.)
    Close,
    /// The peer has closed its direction, and we have not closed ours.
    CloseWait,
    /// We closed second, and wait for the last acknowledgement.
    LastAck,
    /// Waiting to be called.
    Listen,
    /// Both ends closed at once, and our FIN is not yet acknowledged.
    Closing,
}

// ANCHOR: table
/// Reads the rows of one of the tables. The heading is no row, and a line that
/// is not understood is passed over: a newer kernel may know states that this table does not.
#[must_use]
pub fn parse(text: &str) -> Vec<Entry> {
    text.lines().filter_map(entry).collect()
}

fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split_ascii_whitespace();
    let _slot = fields.next()?;
    Some(Entry {
        local: address(fields.next()?)?,
        peer: address(fields.next()?)?,
        state: State::from_code(u8::from_str_radix(fields.next()?, 16).ok()?)?,
        inode: fields.nth(5)?.parse().ok()?,
    })
}

/// `0100007F:22C2`, or four such words before the colon for IPv6.
fn address(field: &str) -> Option<SocketAddr> {
    let (ip, port) = field.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(ip)?)),
        32 => {
            let mut bytes = [0; 16];
            for (i, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(ip.get(i * 8..i * 8 + 8)?)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The kernel prints four bytes of an address as if they were one number of this machine, so on
/// a little-endian machine they stand there backwards, and `to_ne_bytes` turns them again.
fn word(hex: &str) -> Option<[u8; 4]> {
    Some(u32::from_str_radix(hex, 16).ok()?.to_ne_bytes())
}
// ANCHOR_END: table

impl State {
    /// The numbers of the kernel's `include/net/tcp_states.h`.
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0x01 => Self::Established,
            0x02 => Self::SynSent,
            0x03 => Self::SynRecv,
            0x04 => Self::FinWait1,
            0x05 => Self::FinWait2,
            0x06 => Self::TimeWait,
            0x07 => Self::Close,
            0x08 => Self::CloseWait,
            0x09 => Self::LastAck,
            0x0a => Self::Listen,
            0x0b => Self::Closing,
            _ => return None,
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Taken from a little-endian machine: a listener on 8898, a client that has closed first
    /// and is done, and a connection in use.
    #[cfg(target_endian = "little")]
    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     
   0: 0100007F:22C2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1062 1 00000000b9df4eeb 100 0 0 10 0                      
   1: 0100007F:C3A0 0100007F:22C2 06 00000000:00000000 03:00001764 00000000     0        0 0 3 0000000000000000                                      
   2: 0F01A8C0:D431 2E01A8C0:0050 01 00000000:00000000 02:00000A2F 00000000  1000        0 80412 2 0000000000000000 20 4 30 10 -1                    
";

    #[cfg(target_endian = "little")]
    const TCP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 24013 1 0000000000000000 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:A2B4 08 00000000:00000000 00:00000000 00000000     0        0 24020 1 0000000000000000 20 4 30 10 -1
";

    #[cfg(target_endian = "little")]
    #[test]
    fn the_rows_of_the_ipv4_table_are_read_and_its_heading_is_not() {
        check(
            TCP,
            &[
                "127.0.0.1:8898 0.0.0.0:0 LISTEN 1062",
                "127.0.0.1:50080 127.0.0.1:8898 TIME_WAIT 0",
                "192.168.1.15:54321 192.168.1.46:80 ESTABLISHED 80412",
            ],
        );
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_rows_of_the_ipv6_table_are_read_word_by_word() {
        check(
            TCP6,
            &[
                "[::1]:8080 [::]:0 LISTEN 24013",
                "[::ffff:127.0.0.1]:8080 [::ffff:127.0.0.1]:41652 CLOSE_WAIT 24020",
            ],
        );
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn each_word_of_an_ipv6_address_is_turned_by_itself() {
        let got = address("B80D0120000000007856341201000000:0050");
        assert_eq!(got, Some("[2001:db8::1234:5678:0:1]:80".parse().unwrap()));
    }

    #[test]
    fn what_is_not_a_row_is_passed_over() {
        for line in [
            "",
            "0:",
            "0: 0100007F:22C2",
            "0: 0100007F:22C2 00000000:0000",
            "0: 0100007F:22C2 00000000:0000 0A 0:0 0:0 0 0 0",
            "0: 0100007F:22C2 00000000:0000 0A 0:0 0:0 0 0 0 none",
            "0: 0100007F:22C2 00000000:0000 0Z 0:0 0:0 0 0 0 7",
            "0: 0100007F:22C2 00000000:0000 FF 0:0 0:0 0 0 0 7",
            "0: 0100007F 00000000:0000 0A 0:0 0:0 0 0 0 7",
            "0: 0100007F:22C2F 00000000:0000 0A 0:0 0:0 0 0 0 7",
            "0: 100007F:22C2 00000000:0000 0A 0:0 0:0 0 0 0 7",
            "0: 0000000000000000000000000100000爱:1F90 00000000:0000 0A 0:0 0:0 0 0 0 7",
            "0: 00000000000000000000000001爱爱:1F90 00000000:0000 0A 0:0 0:0 0 0 0 7",
        ] {
            check(line, &[]);
        }
    }

    #[test]
    fn every_code_of_the_kernel_has_its_own_name() {
        let names: Vec<_> =
            (0..=0xff).filter_map(State::from_code).map(|s| s.to_string()).collect();
        assert_eq!(
            names,
            [
                "ESTABLISHED",
                "SYN_SENT",
                "SYN_RECV",
                "FIN_WAIT1",
                "FIN_WAIT2",
                "TIME_WAIT",
                "CLOSE",
                "CLOSE_WAIT",
                "LAST_ACK",
                "LISTEN",
                "CLOSING",
            ]
        );
    }

    #[track_caller]
    fn check(text: &str, want: &[&str]) {
        let got: Vec<_> = parse(text)
            .iter()
            .map(|row| format!("{} {} {} {}", row.local, row.peer, row.state, row.inode))
            .collect();
        assert_eq!(got, want);
    }
}
