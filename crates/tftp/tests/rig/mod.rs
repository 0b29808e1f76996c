//! What the tests with real sockets share: the program as a process, and a peer that sends what it
//! is told to.

#![allow(dead_code, reason = "not every test file uses all of it")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Far beyond what a busy machine needs: it is there for a program that hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A folder of the test's own.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tftp-test-{}-{count}", std::process::id()));
        // What a killed run left.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }

    /// The names in it, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The chapter's program, running.
pub(crate) struct Program {
    child: Child,
    stdout: Box<dyn BufRead + Send>,
    stderr: Box<dyn BufRead + Send>,
}

impl Program {
    pub(crate) fn start(folder: &Folder, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tftp"))
            .args(args)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = Box::new(BufReader::new(child.stdout.take().unwrap()));
        let stderr = Box::new(BufReader::new(child.stderr.take().unwrap()));
        Self { child, stdout, stderr }
    }

    /// A server of the folder's files, and where it listens.
    pub(crate) fn server(folder: &Folder, args: &[&str]) -> (Self, SocketAddr) {
        let bind = if args.contains(&"--bind") { &[][..] } else { &["--bind", "127.0.0.1:0"] };
        let mut program = Self::start(folder, &[&["server", "--root", "."], bind, args].concat());
        let line = program.line();
        let address = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}"));
        let address = address.parse().unwrap();
        (program, address)
    }

    /// The next line on stdout; empty at its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next line on stderr.
    pub(crate) fn note(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// All that is left on stdout.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stdout.read_to_end(&mut rest).unwrap();
        rest
    }

    /// Nobody wants to hear what it says from here on; but a full pipe would stop it.
    pub(crate) fn ignore(&mut self) {
        for pipe in [&mut self.stdout, &mut self.stderr] {
            let mut pipe = std::mem::replace(pipe, Box::new(std::io::empty()));
            std::thread::spawn(move || std::io::copy(&mut pipe, &mut std::io::sink()));
        }
    }

    pub(crate) fn exit(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Its exit code, and what it said on stderr.
    #[track_caller]
    pub(crate) fn ends(&mut self, code: i32) -> String {
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        assert_eq!(self.exit().code(), Some(code), "{said}");
        said
    }

    /// The most memory that it has had, in KiB. See proc_pid_status(5).
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A peer that sends what it is told to, and shows what comes.
pub(crate) struct Peer {
    pub(crate) socket: UdpSocket,
}

impl Peer {
    pub(crate) fn new() -> Self {
        Self::on("127.0.0.1:0")
    }

    pub(crate) fn on(address: &str) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub(crate) fn send(&self, to: SocketAddr, bytes: &[u8]) {
        self.socket.send_to(bytes, to).unwrap();
    }

    pub(crate) fn receive(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 1 << 16];
        let (len, from) = self.socket.recv_from(&mut buffer).unwrap();
        (buffer[..len].to_vec(), from)
    }

    /// The next datagram is this one. Says where it came from.
    #[track_caller]
    pub(crate) fn expect(&self, want: &[u8]) -> SocketAddr {
        let (got, from) = self.receive();
        assert_eq!(shown(&got), shown(want));
        from
    }

    /// The same, with others in between that were sent once more.
    #[track_caller]
    pub(crate) fn expect_at_last(&self, want: &[u8], meanwhile: &[u8]) -> SocketAddr {
        loop {
            let (got, from) = self.receive();
            if got == want {
                return from;
            }
            assert_eq!(shown(&got), shown(meanwhile));
        }
    }

    /// An ERROR with this code is next.
    #[track_caller]
    pub(crate) fn expect_error(&self, code: u8) -> SocketAddr {
        let (got, from) = self.receive();
        assert_eq!(shown(&got[..4.min(got.len())]), shown(&[0, 5, 0, code]), "{}", shown(&got));
        from
    }

    /// Asks for a file and takes it, in lockstep.
    pub(crate) fn get(&self, server: SocketAddr, request: &[u8]) -> Vec<u8> {
        self.send(server, request);
        let mut file = Vec::new();
        for number in 1_u16.. {
            let (data, from) = self.receive();
            let [high, low] = number.to_be_bytes();
            assert_eq!(data[..4], [0, 3, high, low], "{}", shown(&data));
            file.extend_from_slice(&data[4..]);
            self.send(from, &[0, 4, high, low]);
            if data.len() < 516 {
                break;
            }
        }
        file
    }
}

/// A datagram as the program's own `decode` shows it, so that a failure can be read.
pub(crate) fn shown(datagram: &[u8]) -> String {
    tftp::decode::show(datagram)
}

pub(crate) fn rrq(name: &str) -> Vec<u8> {
    [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat()
}

pub(crate) fn wrq(name: &str) -> Vec<u8> {
    [b"\0\x02", name.as_bytes(), b"\0octet\0"].concat()
}

pub(crate) fn data(block: u16, payload: &[u8]) -> Vec<u8> {
    [&[0, 3][..], &block.to_be_bytes(), payload].concat()
}

pub(crate) fn ack(block: u16) -> Vec<u8> {
    [&[0, 4][..], &block.to_be_bytes()].concat()
}

pub(crate) fn error(code: u8) -> Vec<u8> {
    vec![0, 5, 0, code, b'e', 0]
}

/// Bytes of which each stretch is different.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place * 7 + place / 251) as u8).collect()
}
