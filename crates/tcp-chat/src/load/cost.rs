//! What a process costs: processor time and memory, from proc(5). On other systems nobody knows.

use std::fs;
use std::time::Duration;

/// What a process has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Processor time, of threads that have ended too, in hundredths of a second.
    pub cpu: Duration,
    /// The memory that it has now, in KiB: `VmRSS`.
    pub memory: u64,
    /// The most that it has had, in KiB: `VmHWM`.
    pub peak: u64,
}

impl Cost {
    /// Looks at process `pid`; `None` where there is no such process, or no proc(5).
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Self::read(&stat, &status)
    }

    fn read(stat: &str, status: &str) -> Option<Self> {
        // The second field is the program's name in brackets, and may itself hold anything.
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ').skip(11);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.trim().parse().ok()
        };
        Some(Self {
            // The unit has been a hundredth of a second on every Linux since 2.4.
            cpu: Duration::from_millis((user + system) * 10),
            memory: kib("VmRSS:")?,
            peak: kib("VmHWM:")?,
        })
    }
}

/// What this process has cost the processor so far.
#[cfg(unix)]
#[must_use]
pub fn own_cpu() -> Duration {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let micros = getrusage(UsageWho::RUSAGE_SELF)
        .map(|usage| (usage.user_time() + usage.system_time()).num_microseconds());
    micros
        .ok()
        .and_then(|micros| u64::try_from(micros).ok())
        .map_or(Duration::ZERO, Duration::from_micros)
}

/// Unknown here.
#[cfg(not(unix))]
#[must_use]
pub fn own_cpu() -> Duration {
    Duration::ZERO
}

/// Makes room for `wanted` open files, as far as the system lets this user. Returns how many there
/// may be.
///
/// # Errors
/// When the limit cannot be read.
#[cfg(unix)]
pub fn raise_files(wanted: u64) -> std::io::Result<u64> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let raised = wanted.clamp(now, most.max(now));
    if raised > now {
        setrlimit(Resource::RLIMIT_NOFILE, raised, most)?;
    }
    Ok(raised)
}

/// There is no such limit here.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn raise_files(wanted: u64) -> std::io::Result<u64> {
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read_behind_any_name() {
        let stat = "41 (a) b (c) S 1 40 40 0 -1 4194560 100 0 0 0 5 6 7 8 20 0 1 0 99 0";
        let status = "Name:\ta\nVmHWM:\t    3000 kB\nVmRSS:\t    2048 kB\n";
        let want = Cost { cpu: Duration::from_millis(110), memory: 2048, peak: 3000 };
        assert_eq!(Cost::read(stat, status), Some(want));
        assert_eq!(Cost::read("41 (a", status), None);
        assert_eq!(Cost::read(stat, "VmRSS: much"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_a_cost() {
        assert!(Cost::of(std::process::id()).unwrap().memory > 0);
        assert_eq!(Cost::of(u32::MAX), None);
    }
}
