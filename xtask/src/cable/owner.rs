//! Whose a client's address is: which actor's program has the socket that is bound to it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The actors that have been started, with the numbers of their processes, in that order.
#[derive(Clone, Debug, Default)]
pub struct Started(Arc<Mutex<Vec<(String, u32)>>>);

impl Started {
    /// Starts another one, by `start`; `pid` tells the number of what it has started. Whoever asks
    /// for an owner meanwhile waits: a program may speak before we know its number.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start<T, E>(
        &self,
        actor: &str,
        start: impl FnOnce() -> Result<T, E>,
        pid: impl FnOnce(&T) -> u32,
    ) -> Result<T, E> {
        let mut started = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let program = start()?;
        started.push((actor.to_owned(), pid(&program)));
        Ok(program)
    }

    /// The actor that has `client`. Where the system does not tell, the one that was started last
    /// has most likely just begun to speak.
    #[must_use]
    pub fn owner(&self, client: SocketAddr, server: &str) -> String {
        let started = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Once for all of them: with ten thousand connections in the table it is slow to read, and
        // the datagram waits.
        let sockets = system::sockets(client.port());
        let has_it = |pid: u32| system::has_one(pid, &sockets);
        let owner = started.iter().rev().find(|(_, pid)| has_it(*pid));
        let last = || started.iter().rev().find(|(actor, _)| actor != server);
        owner.or_else(last).map_or_else(|| client.to_string(), |(actor, _)| actor.clone())
    }
}

#[cfg(target_os = "linux")]
mod system {
    //! `/proc/net/*` has the number of each bound socket, `/proc/PID/fd` those of each process.

    use std::fs;

    pub(super) fn has_one(pid: u32, sockets: &[String]) -> bool {
        let files = fs::read_dir(format!("/proc/{pid}/fd"));
        files.into_iter().flatten().flatten().any(|file| {
            let link = fs::read_link(file.path()).unwrap_or_default();
            let link = link.to_string_lossy();
            let inode = link.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
            inode.is_some_and(|inode| sockets.iter().any(|known| known == inode))
        })
    }

    /// The numbers of the sockets that are bound to `port`, in any protocol.
    pub(super) fn sockets(port: u16) -> Vec<String> {
        let local = format!(":{port:04X}");
        let inode = |line: &str| {
            let mut fields = line.split_whitespace();
            let bound = fields.nth(1)?.ends_with(&local);
            let inode = bound.then(|| fields.nth(7)).flatten()?;
            (inode != "0").then(|| inode.to_owned())
        };
        let tables = ["udp", "udp6", "tcp", "tcp6"].map(|table| format!("/proc/net/{table}"));
        tables
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .flat_map(|text| text.lines().filter_map(inode).collect::<Vec<_>>())
            .collect()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    //! Other systems tell by programs of their own only.

    pub(super) fn sockets(_port: u16) -> Vec<String> {
        Vec::new()
    }

    pub(super) fn has_one(_pid: u32, _sockets: &[String]) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_belongs_to_whoever_has_its_socket_or_else_to_the_last_client() {
        let started = Started::default();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let ours = socket.local_addr().unwrap();
        assert_eq!(started.owner(ours, "server"), ours.to_string());
        let start = |actor, pid| started.start(actor, || Ok::<_, ()>(pid), |pid| *pid).unwrap();
        start("ann", std::process::id());
        // No process has this number.
        start("bob", u32::MAX);
        start("server", u32::MAX);
        let expected = if cfg!(target_os = "linux") { "ann" } else { "bob" };
        assert_eq!(started.owner(ours, "server"), expected);
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        assert_eq!(started.owner(unknown, "server"), "bob");
    }
}
