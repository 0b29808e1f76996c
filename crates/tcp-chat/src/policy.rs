//! What the room allows, and to whom: the numbers, each of them with a reason.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::rate::Rate;

/// No line on the wire has more bytes than this, either way and without its line feed.
pub const LINE_LEN_MAX: usize = 4096;

/// What of the history is kept, in bytes.
pub const HISTORY_LEN_MAX: usize = 24 << 10;

/// So many names `/who` tells.
pub const WHO_NAMES_MAX: usize = 100;

/// How long somebody who is told to go may take to hear why.
pub const PARTING: Duration = Duration::from_secs(5);

/// How long somebody must have been kept waiting before they are told that they say too much.
pub const TELL_AFTER: Duration = Duration::from_secs(1);

/// What an operator has decided. `None` is `off`.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How much may wait for a reader who does not read, in bytes.
    pub queue_bytes: Option<usize>,
    /// The same in lines.
    pub queue_lines: Option<u64>,
    /// What happens to a reader for whom more waits.
    pub slow: Slow,
    /// How many lines somebody may say.
    pub rate: Option<Rate>,
    /// How long somebody may go on saying more than that.
    pub flood: Option<Duration>,
    /// How long somebody may take to say a name.
    pub login: Option<Duration>,
    /// How long somebody may say nothing.
    pub idle: Option<Duration>,
    /// How many may be connected.
    pub clients: Option<usize>,
    /// How many of these from one address.
    pub per_address: Option<usize>,
    /// In how large a room everybody is told who comes and goes.
    pub notices: Option<usize>,
    /// How many lines newcomers are told of what was said before.
    pub history_lines: Option<usize>,
    /// Whether what somebody says comes back to them, too.
    pub echo: bool,
    /// Whether somebody looks at what is said: [`Room::poll_line`](crate::room::Room::poll_line).
    pub shown: bool,
}

impl Default for Policy {
    fn default() -> Self {
        let whole = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            // What ergo, an IRC server in daily use, keeps: a thousand lines of this length.
            queue_bytes: Some(96 << 10),
            queue_lines: Some(1000),
            slow: Slow::Disconnect,
            rate: Some(Rate { burst: whole(20), per_second: whole(5) }),
            flood: Some(Duration::from_secs(30)),
            login: Some(Duration::from_secs(60)),
            // People listen.
            idle: None,
            clients: Some(16_384),
            per_address: Some(64),
            // One stranger who comes and goes must not make ten thousand writes each time; nor can
            // anybody follow it in a room of that size.
            notices: Some(1000),
            history_lines: Some(100),
            echo: false,
            shown: false,
        }
    }
}

/// What happens to a reader for whom too much waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Slow {
    /// They have to go: what they miss they would never know
    Disconnect,
    /// They lose what waits, and are told how many lines
    Drop,
}

/// What counts as one address: an IPv4 address, or the /64 that one IPv6 customer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let prefix = u128::from(address) >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from(prefix))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_customer_is_one_address() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let network = |text: &str| Network::from(text.parse::<IpAddr>().unwrap());
            assert_eq!(network(one) == network(other), same, "{one} and {other}");
        }
    }
}
