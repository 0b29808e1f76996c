//! Programs that are started, heard, and never left behind.
//!
//! ```text
//!             ┌─ stdin  ◀── a thread that types
//!  program ───┼─ stdout ──▶ a thread that reads ──┐
//!             ├─ stderr ──▶ a thread that reads ──┼──▶ events, in the order of arrival
//!             └─ exit   ──▶ a thread that waits ──┘
//! ```
//!
//! Every program is started in a process group of its own (setpgid(2); on Windows in a job
//! object), so that whatever it started in turn can be ended with it.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::thread;

use super::transcript::Stream;
use crate::cable::trace;

pub use group::{Group, stop_everything_on_signals};

/// What happened to a program.
#[derive(Debug)]
pub struct Event {
    /// The number its starter gave it.
    pub program: usize,
    /// What it was.
    pub what: What,
}

/// See [`Event`].
#[derive(Debug)]
pub enum What {
    /// It wrote this.
    Wrote(Stream, Vec<u8>),
    /// It, and all who share the pipe, have closed it.
    Closed(Stream),
    /// It has ended, with this exit code.
    Ended(i32),
    /// A cable did something to what passed.
    Passed(Box<trace::Event>),
}

/// The number of what the cables say.
pub const CABLE: usize = 0;

/// A program that runs, or has run.
pub struct Program {
    group: Group,
    id: u32,
    typed: Option<Sender<Vec<u8>>>,
}

impl Program {
    /// Starts `path` with `arguments` in the folder `dir`; its events go to `events`.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub fn start(
        number: usize,
        path: &Path,
        arguments: &[String],
        dir: &Path,
        events: &SyncSender<Event>,
    ) -> io::Result<Self> {
        let mut command = Command::new(path);
        command
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Python holds its output back when it writes into a pipe, and guesses its encoding.
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONUTF8", "1")
            // These would put backtraces and colours into what is compared.
            .env_remove("RUST_BACKTRACE")
            .env_remove("CLICOLOR_FORCE")
            .env_remove("FORCE_COLOR");
        let (mut child, group) = Group::spawn(&mut command)?;
        if let Some(stdout) = child.stdout.take() {
            read(number, Stream::Stdout, stdout, events.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            read(number, Stream::Stderr, stderr, events.clone());
        }
        let typed = child.stdin.take().map(write);
        let id = child.id();
        wait(number, child, events.clone());
        Ok(Self { group, id, typed })
    }

    /// Types `text`. Returns whether its stdin is still open on our side; a program that has
    /// closed its own end does not show here.
    pub fn type_text(&self, text: &str) -> bool {
        self.typed.as_ref().is_some_and(|typed| typed.send(text.as_bytes().to_vec()).is_ok())
    }

    /// Closes its stdin, once all that was typed is written.
    pub fn close_input(&mut self) {
        self.typed = None;
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The process group, to end it.
    pub fn group(&self) -> &Group {
        &self.group
    }
}

/// How much of an output is taken at once.
const CHUNK_LEN: usize = 8 << 10;

fn read(
    program: usize,
    stream: Stream,
    mut pipe: impl Read + Send + 'static,
    to: SyncSender<Event>,
) {
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK_LEN];
        loop {
            let what = match pipe.read(&mut chunk) {
                Ok(0) => What::Closed(stream),
                Ok(len) => What::Wrote(stream, chunk[..len].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => What::Closed(stream),
            };
            let closed = matches!(what, What::Closed(_));
            // Nobody listens any more when the demo is over.
            if to.send(Event { program, what }).is_err() || closed {
                return;
            }
        }
    });
}

/// Writes in a thread of its own: a program that does not read must not block the runner.
fn write(mut pipe: impl Write + Send + 'static) -> Sender<Vec<u8>> {
    let (typed, texts): (_, Receiver<Vec<u8>>) = channel();
    thread::spawn(move || {
        for text in texts {
            if pipe.write_all(&text).and_then(|()| pipe.flush()).is_err() {
                return;
            }
        }
    });
    typed
}

fn wait(program: usize, mut child: Child, to: SyncSender<Event>) {
    thread::spawn(move || {
        let code = child.wait().map_or(-1, exit_code);
        // Nobody listens any more when the demo is over.
        let _ = to.send(Event { program, what: What::Ended(code) });
    });
}

/// The exit code as a shell shows it: 128 + n for a program that signal n ended.
fn exit_code(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().unwrap_or(-1)
}

#[cfg(unix)]
mod group {
    //! Process groups: setpgid(2), killpg(3).

    use std::io;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use nix::sys::signal::{SigSet, Signal, killpg};
    use nix::unistd::Pid;

    /// A program and all that it started, as long as they stay together.
    pub struct Group(Pid);

    /// The groups that are to be ended when the runner itself is interrupted.
    static LIVE: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

    impl Group {
        /// Starts the program as the first of a new group.
        ///
        /// # Errors
        /// As [`Command::spawn`].
        pub fn spawn(command: &mut Command) -> io::Result<(Child, Self)> {
            crate::demo::heed::heed_signals(command);
            // Under the lock, so that an interrupt finds either no program or one it can end.
            let mut live = live();
            let child = command.process_group(0).spawn()?;
            let leader = i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)?;
            live.push(leader);
            Ok((child, Self(leader)))
        }

        /// Ctrl-C.
        pub fn interrupt(&self) {
            self.send(Signal::SIGINT);
        }

        /// Asks more firmly.
        pub fn terminate(&self) {
            self.send(Signal::SIGTERM);
        }

        /// Does not ask.
        pub fn kill(&self) {
            self.send(Signal::SIGKILL);
        }

        /// Whether anybody of the group is left. A zombie is not: it waits for its burial, which
        /// in some containers never comes.
        #[must_use]
        pub fn has_members(&self) -> bool {
            killpg(self.0, None).is_ok() && has_living(self.0)
        }

        fn send(&self, signal: Signal) {
            // The only way to fail is that nobody is left.
            let _ = killpg(self.0, signal);
        }
    }

    impl Drop for Group {
        fn drop(&mut self) {
            self.kill();
            live().retain(|live| *live != self.0);
        }
    }

    /// Ctrl-C, SIGTERM or a closed terminal end the runner; they must not leave programs behind.
    /// To be called before any thread is started: threads inherit which signals are blocked.
    ///
    /// # Errors
    /// When the system does not let the signals be blocked.
    pub fn stop_everything_on_signals() -> io::Result<()> {
        let signals = SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]);
        signals.thread_block()?;
        std::thread::spawn(move || {
            let signal = signals.wait().unwrap_or(Signal::SIGINT);
            // Whatever the rest may hang in, a second signal does not.
            let _ = signals.thread_unblock();
            // The lock is kept, so that nothing is started between the kill and the exit.
            let live = live();
            for leader in live.iter() {
                let _ = killpg(*leader, Signal::SIGKILL);
            }
            crate::cable::show_so_far();
            crate::demo::scratch::remove_all();
            cli::note!("interrupted; every program of the demo was ended");
            std::process::exit(128 + signal as i32);
        });
        Ok(())
    }

    /// Linux shows each process's state and group in `/proc/PID/stat`: `7 (name) Z 1 7 …`
    /// (proc_pid_stat(5)). Elsewhere a zombie counts as living.
    fn has_living(group: Pid) -> bool {
        let Ok(processes) = std::fs::read_dir("/proc") else { return true };
        let stats = processes
            .flatten()
            .filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
        let mut looked = false;
        for stat in stats {
            looked = true;
            // The name may hold spaces and parentheses, so the fields are counted from its end.
            let Some((_, fields)) = stat.rsplit_once(')') else { continue };
            let fields: Vec<&str> = fields.split_whitespace().take(3).collect();
            if let [state, _, its_group] = fields[..]
                && its_group == group.to_string()
                && !matches!(state, "Z" | "X")
            {
                return true;
            }
        }
        !looked
    }

    fn live() -> MutexGuard<'static, Vec<Pid>> {
        LIVE.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(not(unix))]
mod group {
    //! Job objects: they end with their last handle, so even a killed runner leaves nothing.

    use std::io;
    use std::os::windows::io::AsRawHandle;
    use std::process::{Child, Command};
    use std::sync::Mutex;

    use win32job::{ExtendedLimitInfo, Job};

    /// A program and all that it started.
    pub struct Group(Mutex<Option<Job>>);

    impl Group {
        /// Starts the program in a new job.
        ///
        /// # Errors
        /// As [`Command::spawn`], or when no job can be made.
        pub fn spawn(command: &mut Command) -> io::Result<(Child, Self)> {
            let mut limits = ExtendedLimitInfo::new();
            limits.limit_kill_on_job_close();
            let job = Job::create_with_limit_info(&limits).map_err(io::Error::other)?;
            let child = command.spawn()?;
            job.assign_process(child.as_raw_handle() as isize).map_err(io::Error::other)?;
            Ok((child, Self(Mutex::new(Some(job)))))
        }

        /// There is no Ctrl-C for a program without a console: the job is ended.
        pub fn interrupt(&self) {
            self.kill();
        }

        /// The job is ended.
        pub fn terminate(&self) {
            self.kill();
        }

        /// The job is ended.
        pub fn kill(&self) {
            if let Ok(mut job) = self.0.lock() {
                *job = None;
            }
        }

        /// The job ends whoever is left, so nobody is.
        #[must_use]
        pub fn has_members(&self) -> bool {
            false
        }
    }

    /// The system closes the jobs of a process that ends, and that ends the programs in them.
    ///
    /// # Errors
    /// Never.
    pub fn stop_everything_on_signals() -> io::Result<()> {
        Ok(())
    }
}
