//! A server that runs while it is measured, and what it costs the processor.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::demo::needs::in_path;
use crate::demo::process::Group;
use crate::demo::ready;

/// How long a server may take until it can be reached, or to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the system's socket table is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// A server in a process group of its own, ended when dropped.
pub struct Server {
    /// Where it can be reached.
    pub address: SocketAddr,
    group: Group,
    child: Child,
    stderr: Receiver<String>,
}

impl Server {
    /// Starts `words`, with a free address for `{bind}`, and waits until it can be reached.
    ///
    /// # Errors
    /// When it does not start, or is not there in time.
    pub fn start(words: &[String]) -> anyhow::Result<Self> {
        let bind = ready::free_address()?;
        let words: Vec<String> = words.iter().map(|word| filled(word, bind)).collect();
        let mut command = pinned(0, &words)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut child, group) =
            Group::spawn(&mut command).with_context(|| format!("cannot start {}", words[0]))?;
        let stdout = child.stdout.take().map(lines);
        let stderr = child.stderr.take().map(all_of).context("it has no stderr")?;
        let address = match stdout {
            Some(lines) => wait_until_ready(&mut child, &lines, bind)?,
            None => bind,
        };
        Ok(Self { address, group, child, stderr })
    }

    /// What the server, and all that it started, has cost the processor so far; `None` where the
    /// system does not tell.
    #[must_use]
    pub fn cpu(&self) -> Option<Duration> {
        cpu_of_group(self.child.id())
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that one process of it has had so far, in MiB.
    #[must_use]
    pub fn peak_memory(&self) -> Option<f64> {
        peak_memory_of_group(self.child.id())
    }

    /// Stops it, and returns what it has said on stderr.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(mut self) -> anyhow::Result<String> {
        self.group.terminate();
        // Its stderr is closed when the last of the group has gone.
        let said = self.stderr.recv_timeout(PATIENCE);
        self.group.kill();
        self.child.wait().context("cannot wait for it")?;
        said.context("it does not end when it is told to")
    }
}

/// `words` as a command, on the processor number `core` where that can be asked for: a server and
/// its load that change places halfway measure the scheduler.
///
/// # Errors
/// When there are no words.
pub fn pinned(core: usize, words: &[String]) -> anyhow::Result<Command> {
    let [program, arguments @ ..] = words else { bail!("a command without a word") };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    match in_path("taskset") {
        // Unpinned it stays where there is only one, or where some may not be used.
        Some(taskset) if cores > core && cores > 1 && may_use(core) => {
            let mut command = Command::new(taskset);
            command.args(["-c", &core.to_string(), program]).args(arguments);
            Ok(command)
        }
        _ => {
            let mut command = Command::new(program);
            command.args(arguments);
            Ok(command)
        }
    }
}

/// Whether this process may run on that processor: `Cpus_allowed_list` in proc(5).
fn may_use(core: usize) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.is_some_and(|list| lists(list.trim(), core))
}

fn lists(list: &str, core: usize) -> bool {
    list.split(',').any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<usize>(), last.parse::<usize>());
        matches!((first, last), (Ok(first), Ok(last)) if (first..=last).contains(&core))
    })
}

fn filled(word: &str, bind: SocketAddr) -> String {
    word.replace("{bind}", &bind.to_string())
        .replace("{ip}", &bind.ip().to_string())
        .replace("{port}", &bind.port().to_string())
}

/// Its first line names the address, or the socket table shows the one that it was given.
fn wait_until_ready(
    child: &mut Child,
    lines: &Receiver<String>,
    bind: SocketAddr,
) -> anyhow::Result<SocketAddr> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match lines.recv_timeout(GLANCE) {
            Ok(line) => {
                if let Some(address) = line.strip_prefix("listening on ") {
                    return address.trim().parse().context("it is ready at no address");
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            // It may have closed its stdout and serve all the same.
            Err(RecvTimeoutError::Disconnected) => thread::park_timeout(GLANCE),
        }
        if ready::is_bound(bind) {
            return Ok(bind);
        }
        if let Some(status) = child.try_wait()? {
            bail!("it has ended before it could be reached ({status})");
        }
    }
    bail!("it cannot be reached after {} s", PATIENCE.as_secs())
}

/// The lines of a pipe, which is read to its end whether or not anybody takes them.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            let _ = sender.send(line);
        }
    });
    receiver
}

/// All that comes through a pipe, at its end. Of much, the last part.
fn all_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    const LINES_MAX: usize = 100;
    let (sender, receiver) = mpsc::channel();
    let lines = lines(pipe);
    thread::spawn(move || {
        let mut last: Vec<String> = Vec::new();
        for line in lines {
            if last.len() == LINES_MAX {
                last.remove(0);
            }
            last.push(line);
        }
        let _ = sender.send(last.join("\n"));
    });
    receiver
}

/// The processor time of all processes of a group, from proc(5): the threads that run, to the
/// nanosecond, and the children that have ended, in hundredths of a second.
fn cpu_of_group(group: u32) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut found = false;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let process = entry.path();
        let Ok(stat) = fs::read_to_string(process.join("stat")) else { continue };
        let Some((of, children)) = group_and_children(&stat) else { continue };
        if of == group {
            found = true;
            total += children + cpu_of_threads(&process);
        }
    }
    found.then_some(total)
}

fn cpu_of_threads(process: &Path) -> Duration {
    let Ok(threads) = fs::read_dir(process.join("task")) else { return Duration::ZERO };
    let nanos = |thread: &Path| {
        let text = fs::read_to_string(thread.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    let each = threads.flatten().filter_map(|thread| nanos(&thread.path()));
    each.map(Duration::from_nanos).sum()
}

/// The most memory that one process of a group has had so far, in MiB: `VmHWM` in proc(5).
#[must_use]
pub fn peak_memory_of_group(group: u32) -> Option<f64> {
    let of_process = |process: &Path| {
        let stat = fs::read_to_string(process.join("stat")).ok()?;
        group_and_children(&stat).filter(|(of, _)| *of == group)?;
        let status = fs::read_to_string(process.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()
    };
    let each = fs::read_dir("/proc").ok()?.flatten();
    let kib = each.filter_map(|entry| of_process(&entry.path())).max_by(f64::total_cmp)?;
    Some(kib / 1024.0)
}

/// What all the processes have cost that were started from here and were waited for, and those that
/// they waited for themselves: getrusage(2), to the microsecond, ended threads included.
#[cfg(unix)]
#[must_use]
pub fn cpu_of_ended() -> Option<Duration> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    u64::try_from(micros).ok().map(Duration::from_micros)
}

/// Makes room for `wanted` open files, here and in what is started from here, as far as the system
/// lets this user. Returns how many there may be.
///
/// # Errors
/// When the limit cannot be read or raised.
#[cfg(unix)]
pub fn raise_files(wanted: u64) -> anyhow::Result<u64> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE).context("how many files may be open?")?;
    let raised = wanted.clamp(now, most.max(now));
    if raised > now {
        setrlimit(Resource::RLIMIT_NOFILE, raised, most).context("cannot open more files")?;
    }
    Ok(raised)
}

/// There is no such limit here.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn raise_files(wanted: u64) -> anyhow::Result<u64> {
    Ok(wanted)
}

/// Unknown here.
#[cfg(not(unix))]
#[must_use]
pub fn cpu_of_ended() -> Option<Duration> {
    None
}

/// The process group, and the time of the children that were waited for, in `/proc/<pid>/stat`.
/// The second field is the program's name in brackets, and may itself hold anything.
fn group_and_children(stat: &str) -> Option<(u32, Duration)> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    // Fields 5, 16 and 17 of the whole line; `rest` begins with field 3.
    let group = fields.nth(2)?.parse().ok()?;
    let user: u64 = fields.nth(10)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    // The unit has been a hundredth of a second on every Linux since 2.4, whatever its clock does.
    Some((group, Duration::from_millis((user + system) * 10)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_and_childrens_time_are_read_behind_any_name() {
        let stat = "41 (a) b (c) S 1 40 40 0 -1 4194560 100 0 0 0 5 6 7 8 20 0 1 0 99 0";
        assert_eq!(group_and_children(stat), Some((40, Duration::from_millis(150))));
        assert_eq!(group_and_children("41 (a"), None);
        assert_eq!(group_and_children("41 (a) S 1 x"), None);
    }

    #[test]
    fn a_list_of_processors_is_read() {
        for (list, core, want) in [
            ("0-1", 1, true),
            ("0-1", 2, false),
            ("3", 3, true),
            ("0,2-5", 4, true),
            ("", 0, false),
        ] {
            assert_eq!(lists(list, core), want, "{core} in {list}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_works_costs_time() {
        let group = nix::unistd::getpgrp().as_raw();
        let group = u32::try_from(group).unwrap();
        let before = cpu_of_group(group).unwrap();
        let mut sum = 0_u64;
        while cpu_of_group(group).unwrap() == before {
            sum = std::hint::black_box(sum + 1);
        }
    }
}
