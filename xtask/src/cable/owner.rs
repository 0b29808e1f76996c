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
        let pids: Vec<u32> = started.iter().rev().map(|(_, pid)| *pid).collect();
        let owner = system::owner(&pids, client.port());
        let owner = started.iter().rev().find(|(_, pid)| Some(*pid) == owner);
        let last = || started.iter().rev().find(|(actor, _)| actor != server);
        owner.or_else(last).map_or_else(|| client.to_string(), |(actor, _)| actor.clone())
    }
}

#[cfg(target_os = "linux")]
mod system {
    //! `/proc/net/*` has the number of each bound socket, `/proc/PID/fd` those of each process.

    use std::fs;

    /// The first of `pids` that has a socket bound to `port`. One table after the other: those of
    /// TCP are long on a busy machine, and take the system longer than a datagram may be held up.
    pub(super) fn owner(pids: &[u32], port: u16) -> Option<u32> {
        ["udp", "udp6", "tcp", "tcp6"].iter().find_map(|table| {
            let inodes = inodes(table, port);
            pids.iter().copied().find(|pid| !inodes.is_empty() && has_one(*pid, &inodes))
        })
    }

    fn has_one(pid: u32, wanted: &[String]) -> bool {
        let files = fs::read_dir(format!("/proc/{pid}/fd"));
        files.into_iter().flatten().flatten().any(|file| {
            let link = fs::read_link(file.path()).unwrap_or_default();
            let link = link.to_string_lossy();
            let inode = link.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
            inode.is_some_and(|inode| wanted.iter().any(|known| known == inode))
        })
    }

    /// The numbers of the sockets in `table` that are bound to `port`.
    fn inodes(table: &str, port: u16) -> Vec<String> {
        let local = format!(":{port:04X}");
        let table = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        table
            .lines()
            .filter_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let bound = fields.get(1)?.ends_with(&local);
                bound.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
            })
            .filter(|inode| inode != "0")
            .collect()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    //! Other systems tell by programs of their own only.

    pub(super) fn owner(_pids: &[u32], _port: u16) -> Option<u32> {
        None
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
