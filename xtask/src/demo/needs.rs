//! What a demo needs of the machine, and where programs are found.

use std::env;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// Why a demo that `needs` this cannot run here; `None`: it can.
#[must_use]
pub fn missing(need: &str) -> Option<String> {
    let (met, why) = match need {
        "linux" | "macos" | "windows" => (env::consts::OS == need, format!("needs {need}")),
        "unix" => (cfg!(unix), "needs unix".to_owned()),
        "ipv6" => {
            (TcpListener::bind("[::1]:0").is_ok(), "needs ipv6: this machine has no ::1".to_owned())
        }
        program => {
            (in_path(program).is_some(), format!("needs {program}: no such program in the PATH"))
        }
    };
    (!met).then_some(why)
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
    /// The file of the program called `name`: one of the workspace's, or one in the PATH.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        if self.names.iter().any(|known| known == name) {
            return Some(self.dir.join(format!("{name}{}", env::consts::EXE_SUFFIX)));
        }
        in_path(name)
    }
}

/// As a shell looks for a program; a name with a slash is a path.
fn in_path(name: &str) -> Option<PathBuf> {
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
    fn what_is_missing_is_named() {
        assert_eq!(missing(env::consts::OS), None);
        let other = if cfg!(windows) { "linux" } else { "windows" };
        assert_eq!(missing(other).as_deref(), Some(format!("needs {other}").as_str()));
        assert_eq!(
            missing("no-such-program").as_deref(),
            Some("needs no-such-program: no such program in the PATH")
        );
    }
}
