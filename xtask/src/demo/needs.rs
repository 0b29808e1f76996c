//! What a demo needs of the machine, and where programs are found.

use std::env;
use std::io;
use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a demo that `needs` this cannot run here; `None`: it can.
#[must_use]
pub fn missing(need: &str, with_cable: bool) -> Option<String> {
    let (need, reason) = need.split_once(": ").unwrap_or((need, ""));
    let (met, why) = match need {
        "direct" => (!with_cable, "needs a direct way, without a cable".to_owned()),
        "linux" | "macos" | "windows" => (env::consts::OS == need, format!("needs {need}")),
        "unix" => (cfg!(unix), "needs unix".to_owned()),
        "root" => (is_root(), "needs root: another user runs this".to_owned()),
        "ipv6" => {
            (TcpListener::bind("[::1]:0").is_ok(), "needs ipv6: this machine has no ::1".to_owned())
        }
        "ipv6-multicast" => (
            ipv6_multicast_works().unwrap_or(false),
            "needs ipv6-multicast: what is sent to an IPv6 group does not come back here"
                .to_owned(),
        ),
        program => {
            (in_path(program).is_some(), format!("needs {program}: no such program in the PATH"))
        }
    };
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    (!met).then(|| why + &reason)
}

#[cfg(unix)]
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Windows has administrators, and no demo here needs one.
#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

/// Sends to a group that it has joined. Loopback interfaces have no IPv6 multicast, so it takes another
/// interface; the group's scope, 1, says that nothing leaves the machine all the same (RFC 4291, 2.7).
fn ipv6_multicast_works() -> io::Result<bool> {
    const GROUP: Ipv6Addr = Ipv6Addr::new(0xff11, 0, 0, 0, 0, 0, 0, 0x77);
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
    socket.join_multicast_v6(&GROUP, 0)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket.send_to(b"?", (GROUP, socket.local_addr()?.port()))?;
    let mut datagram = [0; 1];
    Ok(socket.recv(&mut datagram)? == 1)
}

/// The programs of the workspace, and where they were built.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The folder that cargo built into.
    pub dir: PathBuf,
    /// Their names.
    pub names: Vec<String>,
}

impl Binaries {
    /// The file of the workspace's program called `name`.
    #[must_use]
    pub fn find_own(&self, name: &str) -> Option<PathBuf> {
        let known = self.names.iter().any(|known| known == name);
        known.then(|| self.dir.join(format!("{name}{}", env::consts::EXE_SUFFIX)))
    }

    /// The file of the program called `name`: one of the workspace's, or one in the PATH.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        self.find_own(name).or_else(|| in_path(name))
    }
}

/// As a shell looks for a program; a name with a slash is a path.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    if Path::new(name).components().count() > 1 {
        let path = std::path::absolute(name).ok()?;
        return path.is_file().then_some(path);
    }
    env::split_paths(&env::var_os("PATH")?)
        .flat_map(|dir| [dir.join(name), dir.join(format!("{name}{}", env::consts::EXE_SUFFIX))])
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_multicast_needs_ipv6() {
        assert!(missing("ipv6", false).is_none() || missing("ipv6-multicast", false).is_some());
        let reason = "needs ipv6-multicast: what is sent";
        assert!(missing("ipv6-multicast", false).is_none_or(|said| said.starts_with(reason)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn root_is_whoever_the_system_takes_for_root() {
        use std::os::unix::fs::MetadataExt;

        // A process's files in /proc belong to its effective user (proc(5)).
        let is_root = std::fs::metadata("/proc/self/stat").unwrap().uid() == 0;
        let said = missing("root: it changes its root", false);
        let want = "needs root: another user runs this: it changes its root";
        assert_eq!(said.as_deref(), (!is_root).then_some(want));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(missing(env::consts::OS, false), None);
        let other = if cfg!(windows) { "linux" } else { "windows" };
        assert_eq!(missing(other, false).as_deref(), Some(format!("needs {other}").as_str()));
        assert_eq!(
            missing("no-such-program", false).as_deref(),
            Some("needs no-such-program: no such program in the PATH")
        );
        assert_eq!(missing("direct: ICMP passes no relay", false), None);
        assert_eq!(
            missing("direct: ICMP passes no relay", true).as_deref(),
            Some("needs a direct way, without a cable: ICMP passes no relay")
        );
    }
}
