//! What the runner's tests share: options that run `puppet`, and a look at whether a process lives.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's helper fails")]
#![allow(dead_code, reason = "every test file uses another part")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use xtask::demo::engine::Options;
use xtask::demo::needs::Binaries;

/// Options under which `puppet` is a program of the workspace.
pub(crate) fn options(deadline: Duration) -> Options {
    let puppet = Path::new(env!("CARGO_BIN_EXE_puppet"));
    Options {
        deadline,
        grace: Duration::from_secs(1),
        replace: BTreeMap::new(),
        binaries: Binaries {
            dir: puppet.parent().unwrap().to_owned(),
            names: vec!["puppet".to_owned()],
        },
        file: "test.demo".to_owned(),
        here: ".".to_owned(),
        again: "cargo xtask demo test".to_owned(),
        cable: xtask::demo::engine::CableOptions::default(),
    }
}

/// The system needs a moment to bury a process that was killed.
#[cfg(unix)]
#[track_caller]
pub(crate) fn wait_until_gone(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_alive(pid) {
        assert!(Instant::now() < deadline, "process {pid} is still there");
        std::thread::yield_now();
    }
}

#[cfg(unix)]
fn is_alive(pid: &str) -> bool {
    // A zombie is gone for all that matters here; init buries it in its own time.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    let zombie = stat.is_ok_and(|stat| stat.contains(") Z") || stat.contains(") X"));
    !zombie && nix::sys::signal::kill(process(pid), None).is_ok()
}

/// Ctrl-C.
#[cfg(unix)]
pub(crate) fn interrupt(pid: &str) {
    nix::sys::signal::kill(process(pid), nix::sys::signal::Signal::SIGINT).unwrap();
}

#[cfg(unix)]
fn process(pid: &str) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(pid.parse().unwrap())
}
