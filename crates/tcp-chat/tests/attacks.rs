//! What a stranger can do to the room, and what comes of it: real sockets, both engines. That others
//! are not harmed is shown by what they hear. What depends on time is tested without a clock, in
//! `src/room/tests.rs`; here clocks are set short.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use socket2::{Domain, SockRef, Socket, Type};

/// No test waits for this long. Without it a lost line would hang it for ever.
const PATIENCE: Duration = Duration::from_secs(120);

const ENGINES: [&str; 2] = ["poll", "threads"];

#[test]
fn a_megabyte_without_a_line_feed_is_told_once_and_its_sender_may_go_on() {
    for engine in ENGINES {
        let server = Server::start(engine, &["--rate", "off"]);
        let (mut ann, mut bob) = (server.enter("ann"), server.enter("bob"));
        ann.expect("* bob joined");
        ann.send(&vec![b'x'; 1 << 20]);
        ann.expect("* That line is too long and was not said: 4096 bytes at most");
        ann.send(b"\nhello\n");
        bob.expect("ann: hello");
        assert_eq!(count(&server.stop(), "too_long"), 1);
    }
}

#[test]
fn a_client_that_never_reads_has_to_go_and_all_others_hear_every_line() {
    for engine in ENGINES {
        let server = Server::start(engine, &["--rate", "off", "--send-buffer", "16KiB"]);
        let (mut ann, mut bob) = (server.enter("ann"), server.enter("bob"));
        let mut slow = Client::with_small_buffer(server.address);
        slow.send(b"slow\n");
        bob.expect("* slow joined");
        let mut left = 0;
        for number in 0..1000 {
            // In step with one who reads: a talker who is faster than the machine makes everybody
            // slow.
            ann.send(format!("{number:04}{}\n", "x".repeat(3900)).as_bytes());
            let mut line = bob.line();
            if line == "* slow left: too slow" {
                left += 1;
                line = bob.line();
            }
            assert!(line.starts_with(&format!("ann: {number:04}")), "{line:.40}");
        }
        assert_eq!(left, 1);
        drop(slow);
        let stats = server.stop();
        let limit = (96 << 10) + (32 << 10) + 2 * 4096;
        assert!(count(&stats, "log_max") <= limit, "{stats}");
        assert_eq!(count(&stats["ended"], "too slow"), 1);
    }
}

#[test]
fn a_byte_at_a_time_is_heard_whole_and_so_is_telnet() {
    for engine in ENGINES {
        let server = Server::start(engine, &[]);
        let mut bob = server.enter("bob");
        let mut drip = server.connect();
        // What telnet says for itself comes first, and in between.
        let said = [
            b"\xff\xfb\x1f\xff\xfd\x03",
            "小明\r\nhi\u{20}".as_bytes(),
            b"\xff\xf1",
            "中文\r\n".as_bytes(),
        ];
        for byte in said.concat() {
            drip.send(&[byte]);
        }
        bob.expect("* 小明 joined");
        bob.expect("小明: hi 中文");
    }
}

#[test]
fn silence_after_connecting_ends_when_the_time_for_a_name_is_over() {
    for engine in ENGINES {
        let server = Server::start(engine, &["--login", "100ms"]);
        let mut silent = server.connect();
        silent.expect("* What is your name?");
        silent.expect("* Good-bye: no name");
        silent.expect_end();
        drop(silent);
        assert_eq!(count(&server.stop()["ended"], "no name"), 1);
    }
}

#[test]
fn a_flood_is_let_through_slowly_then_told_then_ended() {
    for engine in ENGINES {
        let flags = ["--rate", "20", "--burst", "3", "--flood", "1500ms"];
        let server = Server::start(engine, &flags);
        let (mut ann, mut bob) = (server.enter("ann"), server.enter("bob"));
        ann.expect("* bob joined");
        let start = Instant::now();
        ann.send(&b"x\n".repeat(1000));
        ann.expect("* Slowly, please: you say more than you may");
        ann.expect("* Good-bye: flooding");
        ann.expect_end();
        let mut heard = 0;
        while bob.line() == "ann: x" {
            heard += 1;
        }
        // The line that ended the loop is the one that says that she left. However long it took: the
        // bucket lets no more through.
        let most = 3 + 20 * (start.elapsed().as_secs() + 1);
        assert!((3..=most).contains(&heard), "{heard} lines, {most} at most");
        assert_eq!(count(&server.stop()["ended"], "flooding"), 1);
    }
}

#[test]
fn what_terminals_obey_reaches_nobody_and_chinese_does() {
    for engine in ENGINES {
        let server = Server::start_shown(engine);
        let (mut ann, mut bob) = (server.enter("ann"), server.enter("bob"));
        ann.expect("* bob joined");
        ann.send("\u{1b}[2J a\rb \u{202e}c \u{200b} 中文 👍\n".as_bytes());
        bob.expect(r"ann: \u{1b}[2J a\rb \u{202e}c \u{200b} 中文 👍");
        for name in ["\u{1b}[2J", "a\u{202e}b", "a\u{200b}b", "* ann left", "ann: hi", "*ann"] {
            ann.send(format!("/nick {name}\n").as_bytes());
            let told = ann.line();
            assert!(told.starts_with("* Not that one: "), "{told}");
            assert!(!told.contains(['\u{1b}', '\u{202e}', '\u{200b}']), "{told:?}");
        }
        // Nobody else heard of it, the operator's terminal included.
        ann.send(b"done\n");
        bob.expect("ann: done");
        server.shows("* ann joined");
        server.shows("* bob joined");
        server.shows(r"ann: \u{1b}[2J a\rb \u{202e}c \u{200b} 中文 👍");
        server.shows("ann: done");
    }
}

#[test]
fn a_reset_in_mid_line_says_nothing_and_is_told() {
    for engine in ENGINES {
        let server = Server::start(engine, &[]);
        let (mut ann, mut bob) = (server.enter("ann"), server.enter("bob"));
        ann.expect("* bob joined");
        ann.send(b"half a li");
        SockRef::from(ann.stream.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
        drop(ann);
        bob.expect("* ann left: reset");
        assert_eq!(count(&server.stop()["ended"], "reset"), 1);
    }
}

#[test]
fn whoever_closes_their_end_gets_all_answers_before_the_other_is_closed() {
    for engine in ENGINES {
        let server = Server::start(engine, &[]);
        let mut bob = server.enter("bob");
        let mut ann = server.connect();
        ann.send(b"ann\n/who\n/help\nhello");
        ann.stream.get_ref().shutdown(Shutdown::Write).unwrap();
        let mut all = String::new();
        ann.stream.read_to_string(&mut all).unwrap();
        let lines: Vec<&str> = all.lines().collect();
        assert_eq!(lines[0], "* What is your name?");
        assert!(lines[1].starts_with("* Hello, ann. "));
        assert_eq!(lines[2], "* 2 here: ann, bob");
        assert!(lines[3].starts_with("* /nick NAME"));
        bob.expect("* ann joined");
        bob.expect("ann: hello");
        bob.expect("* ann left: closed");
    }
}

#[test]
fn two_thousand_who_are_silent_hear_a_hundred_who_talk() {
    if let Err(reason) = descriptors_for(2100 + 100) {
        return say_skipped(&reason);
    }
    for engine in ENGINES {
        let flags = ["--per-address", "off", "--notices", "1", "--quiet"];
        let server = Server::start(engine, &flags);
        let mut crowd: Vec<Client> = (0..2100).map(|_| server.connect()).collect();
        for (number, client) in crowd.iter_mut().enumerate() {
            client.send(format!("n{number}\n").as_bytes());
        }
        for client in &mut crowd {
            client.expect("* What is your name?");
            assert!(client.line().starts_with("* Hello, n"));
        }
        // The first two are told of each other; nobody else is told of anybody.
        for talker in &mut crowd[2000..] {
            talker.send(b"hello\n");
        }
        for (number, client) in crowd.iter_mut().enumerate() {
            let others = if number < 2000 { 100 } else { 99 };
            for _ in 0..others {
                let mut line = client.line();
                if line.ends_with(" joined") {
                    line = client.line();
                }
                assert!(line.starts_with("n2") && line.ends_with(": hello"), "{line}");
            }
        }
        drop(crowd);
        let stats = server.stop();
        assert_eq!(count(&stats, "connections_max"), 2100);
        assert!(count(&stats, "lines_out") >= 2000 * 100 + 100 * 99);
    }
}

#[test]
fn a_name_can_be_had_again_while_the_old_connection_is_dying() {
    for engine in ENGINES {
        let flags =
            ["--rate", "off", "--send-buffer", "16KiB", "--queue", "off", "--queue-lines", "off"];
        let server = Server::start(engine, &flags);
        let mut bob = server.enter("bob");
        let mut old = Client::with_small_buffer(server.address);
        old.send(b"ann\n");
        bob.expect("* ann joined");
        // More than the system keeps for her: the old connection dies slowly.
        for _ in 0..200 {
            bob.send(&[&b"x".repeat(4000)[..], b"\n"].concat());
        }
        old.stream.get_ref().shutdown(Shutdown::Write).unwrap();
        bob.expect("* ann left: closed");
        let mut new = server.connect();
        new.expect("* What is your name?");
        new.send(b"ann\n");
        assert!(new.line().starts_with("* Hello, ann. "));
        bob.expect("* ann joined");
        drop(old);
        bob.send(b"/who\n/msg ann still here\n");
        bob.expect("* 2 here: ann, bob");
        while new.line() != "* bob to you: still here" {}
    }
}

#[test]
fn when_descriptors_run_out_nobody_is_thrown_out_and_nothing_spins() {
    for engine in ENGINES {
        let server = Server::start_with("ulimit -n 32;", engine, &["--json"]);
        let mut inside = vec![server.enter("ann")];
        let mut outside: Vec<Client> = (0..40).map(|_| server.connect()).collect();
        // They come in order, so the last to be asked for a name is the last to come in.
        outside.reverse();
        while let Some(mut next) = outside.pop() {
            if !next.is_greeted_within(Duration::from_millis(500)) {
                outside.push(next);
                break;
            }
            inside.push(next);
        }
        assert!(!outside.is_empty() && inside.len() > 5, "{} came in", inside.len());
        // Those inside talk on.
        inside[0].send(b"/who\n");
        inside[0].expect("* 1 here: ann");
        // And whoever waits comes in when somebody leaves.
        while let Some(mut next) = outside.pop() {
            drop(inside.pop());
            next.expect("* What is your name?");
            inside.push(next);
        }
        let failed = count(&server.stop(), "accept_failed");
        assert!((1..1000).contains(&failed), "accept failed {failed} times");
    }
}

#[test]
fn sigterm_tells_everybody_and_counts_what_could_not_be_delivered() {
    for engine in ENGINES {
        let flags = [
            "--rate",
            "off",
            "--send-buffer",
            "16KiB",
            "--queue",
            "off",
            "--queue-lines",
            "off",
            "--grace",
            "300ms",
        ];
        let server = Server::start(engine, &flags);
        let (mut ann, mut bob) = (server.enter("ann"), server.enter("bob"));
        let mut slow = Client::with_small_buffer(server.address);
        slow.send(b"slow\n");
        bob.expect("* slow joined");
        for _ in 0..500 {
            ann.send(&[&b"x".repeat(4000)[..], b"\n"].concat());
            bob.line();
        }
        let stats = server.stop();
        bob.expect("* Good-bye: the server is stopping");
        bob.expect_end();
        assert!(count(&stats, "undelivered") > 100, "{stats}");
        assert!(count(&stats, "queue_max") > 1_000_000, "{stats}");
        drop(slow);
    }
}

#[test]
fn three_hundred_are_all_told_that_the_server_stops() {
    for engine in ENGINES {
        let server = Server::start(engine, &["--per-address", "off", "--notices", "1"]);
        let mut crowd: Vec<Client> = (0..300).map(|_| server.connect()).collect();
        for (number, client) in crowd.iter_mut().enumerate() {
            client.send(format!("n{number}\n").as_bytes());
        }
        for client in &mut crowd {
            client.expect("* What is your name?");
            assert!(client.line().starts_with("* Hello, n"));
        }
        let stats = server.stop();
        for client in &mut crowd {
            client.expect("* Good-bye: the server is stopping");
            client.expect_end();
        }
        assert_eq!(count(&stats["ended"], "the server is stopping"), 300);
        assert_eq!((count(&stats, "undelivered"), count(&stats, "connections")), (0, 0));
        // A question, a welcome, a good-bye for each; of the newcomers nobody else was told.
        assert_eq!(count(&stats, "lines_out"), 3 * 300, "{stats}");
    }
}

/// Column `tr` of /proc/net/tcp says which timer runs for a connection: 02 is the one of keepalive,
/// and 00 is none (proc_net_tcp in the kernel's documentation).
#[cfg(target_os = "linux")]
#[test]
fn the_system_asks_after_silent_peers_unless_that_is_off() {
    for engine in ENGINES {
        for (keepalive, timer) in [("60s", "02"), ("off", "00")] {
            let server = Server::start(engine, &["--keepalive", keepalive]);
            let client = server.enter("ann");
            let of = |address: SocketAddr| format!(":{:04X}", address.port());
            let ends = [server.address, client.stream.get_ref().local_addr().unwrap()].map(of);
            let start = Instant::now();
            loop {
                // For a moment after a line another timer may run: the one that sends it again.
                let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
                let connection = table.lines().map(|line| line.split_whitespace().collect());
                let mut connection = connection.filter(|fields: &Vec<&str>| {
                    fields[1].ends_with(&ends[0]) && fields[2].ends_with(&ends[1])
                });
                let fields = connection.next().unwrap();
                if fields[5].starts_with(timer) {
                    break;
                }
                assert!(start.elapsed() < PATIENCE, "{engine} {keepalive}: {fields:?}");
                thread::yield_now();
            }
        }
    }
}

#[test]
fn a_burst_costs_far_fewer_system_calls_than_it_has_lines() {
    for engine in ENGINES {
        let server = Server::start(engine, &["--rate", "off"]);
        let mut ann = server.enter("ann");
        let mut crowd: Vec<Client> = (0..10).map(|n| server.enter(&format!("n{n}"))).collect();
        for n in 0..10 {
            ann.expect(&format!("* n{n} joined"));
        }
        ann.send(&b"x\n".repeat(500));
        for client in &mut crowd {
            while client.line() != "ann: x" {}
            for _ in 1..500 {
                client.expect("ann: x");
            }
        }
        let stats = server.stop();
        let (lines, writes) = (count(&stats, "lines_out"), count(&stats, "writes"));
        assert!(lines > 5000 && writes * 10 < lines, "{writes} writes for {lines} lines");
    }
}

/// Found out before anybody comes: a connection that cannot be set up is one that is turned away.
#[cfg(target_os = "linux")]
#[test]
fn an_option_that_the_system_refuses_is_an_error_at_the_start() {
    for (keepalive, why) in [("500ms", "EINVAL"), ("10h", "EINVAL")] {
        let output = Command::new(env!("CARGO_BIN_EXE_tcp-chat"))
            .args(["server", "--bind", "127.0.0.1:0", "--keepalive", keepalive])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(why) && errors.contains("--keepalive"), "{errors}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_full_room_says_so() {
    for engine in ENGINES {
        let server = Server::start(engine, &["--max-clients", "1"]);
        let _ann = server.enter("ann");
        let mut late = server.connect();
        late.expect("* Sorry, the room is full. Try again later.");
        late.expect_end();
        let server = Server::start(engine, &["--per-address", "1"]);
        let _ann = server.enter("ann");
        let mut second = server.connect();
        second.expect("* Sorry, too many connections from your address.");
        second.expect_end();
    }
}

#[test]
fn the_operator_sees_speaks_throws_out_and_asks_for_figures() {
    for engine in ENGINES {
        let mut server = Server::start_shown(engine);
        let mut ann = server.enter("ann");
        server.shows("* ann joined");
        ann.send(b"hello\n");
        server.shows("ann: hello");
        server.types("dinner\n/stats\n");
        ann.expect("* operator: dinner");
        server.notes("connections: 1 now, 1 at most, 1 in all");
        server.types("/kick ANN\n");
        ann.expect("* Good-bye: kicked");
        ann.expect_end();
    }
}

/// A server and its operator.
struct Server {
    child: Child,
    address: SocketAddr,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Server {
    /// One that says at the end what it has counted.
    fn start(engine: &str, flags: &[&str]) -> Self {
        Self::start_with("", engine, &[&["--json"], flags].concat())
    }

    /// One that shows what is said.
    fn start_shown(engine: &str) -> Self {
        Self::start_with("", engine, &[])
    }

    /// After this has been done by a shell.
    fn start_with(before: &str, engine: &str, flags: &[&str]) -> Self {
        let program = env!("CARGO_BIN_EXE_tcp-chat");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{before} exec \"$0\" \"$@\""), program]);
        command.args(["server", "--bind", "127.0.0.1:0", "--engine", engine]).args(flags);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        let ready = stdout.recv_timeout(PATIENCE).unwrap();
        let address = ready.strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { child, address, stdout, stderr }
    }

    fn connect(&self) -> Client {
        Client::of(TcpStream::connect(self.address).unwrap())
    }

    /// A client that is in.
    fn enter(&self, name: &str) -> Client {
        let mut client = self.connect();
        client.expect("* What is your name?");
        client.send(format!("{name}\n").as_bytes());
        let hello = client.line();
        assert!(hello.starts_with(&format!("* Hello, {name}. ")), "{hello}");
        client
    }

    #[track_caller]
    fn shows(&self, want: &str) {
        assert_eq!(self.stdout.recv_timeout(PATIENCE).unwrap(), want);
    }

    /// Waits for a line on stderr.
    fn notes(&self, want: &str) {
        while self.stderr.recv_timeout(PATIENCE).unwrap() != want {}
    }

    fn types(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Ends it by SIGTERM: it exits with 0, and says what it has counted.
    fn stop(mut self) -> Value {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        // The last line on stdout; what the room said may stand before it.
        let last = self.stdout.iter().last().unwrap();
        serde_json::from_str(&last).unwrap()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Someone in the room, or before its door.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::with_capacity(1 << 10, stream) }
    }

    /// One for whom the system keeps little, so that not to read is soon noticed.
    fn with_small_buffer(server: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&server.into()).unwrap();
        Self::of(socket.into())
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the server closed after {line:?}");
        line.truncate(line.len() - 1);
        line
    }

    /// Lines of which nobody is told something new here may come before: others of the kind.
    #[track_caller]
    fn expect(&mut self, want: &str) {
        loop {
            let line = self.line();
            if line == want {
                return;
            }
            let passing = line.ends_with(" joined") || line.starts_with("bob: x");
            assert!(passing, "got {line:?}, want {want:?}");
        }
    }

    #[track_caller]
    fn expect_end(&mut self) {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }

    /// Whether a line comes in that time. That none comes is only ever a reason to go on
    /// otherwise, not a verdict.
    fn is_greeted_within(&mut self, time: Duration) -> bool {
        self.stream.get_ref().set_read_timeout(Some(time)).unwrap();
        let greeted = !self.stream.fill_buf().unwrap_or_default().is_empty();
        self.stream.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        greeted
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (lines, received) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    received
}

fn count(stats: &Value, what: &str) -> u64 {
    stats[what].as_u64().unwrap()
}

/// Room for so many sockets in this process, or why there is none.
fn descriptors_for(sockets: u64) -> Result<(), String> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < sockets {
        return Err(format!("only {hard} descriptors may be had here, {sockets} are wanted"));
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    Ok(())
}

fn say_skipped(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}
