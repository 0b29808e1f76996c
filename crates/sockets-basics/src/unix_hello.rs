//! Lesson `unix-hello`: the same hello over a socket file, between programs of one machine.
//!
//! ```text
//!  server                                            client
//!  bind /tmp/hello.sock    makes the file
//!  listen
//!  accept … waits                                    connect /tmp/hello.sock
//!  read … waits    ◀──────── "hello!" ────────────── write
//!  write "hi"      ─────────────────────────────────▶ read
//!  unlink /tmp/hello.sock  close leaves the file there
//! ```
//!
//! No address, no port, no network: the file's name finds the socket, and the file's permissions
//! say who may connect. The bytes go through the kernel and never through the file, whose size
//! stays 0. System calls: socket(2) with AF_UNIX, bind(2), listen(2), accept(2), connect(2),
//! unlink(2); see unix(7).
//!
//! std has these sockets on Unix only; elsewhere `unix_hello_elsewhere.rs` stands in.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use cli::{Advice, Exit, Stop, count, escape, note, say, uninterrupted};

use crate::message::{MESSAGE_LEN_MAX, Message};

/// A peer that says nothing must not hold us for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same hello over a socket file
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Waits for one client, answers "hi", removes the socket file, and ends
    Server {
        /// The socket file to make
        #[arg(long, value_name = "FILE", default_value_os_t = usual_path())]
        path: PathBuf,
        /// Take the place of a socket file that nobody answers any more
        #[arg(long)]
        replace: bool,
        /// Leave the file behind, as a server does that crashes
        #[arg(long)]
        leave: bool,
    },
    /// Says something to the server and shows the answer
    Client {
        /// The server's socket file
        #[arg(long, value_name = "FILE", default_value_os_t = usual_path())]
        path: PathBuf,
        /// What to say
        #[arg(long, value_name = "TEXT", default_value = "hello!")]
        message: Message,
    },
}

/// Runs the end that the command line asks for.
///
/// # Errors
/// When a call fails, the path is taken, or the peer closes the connection without a word.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.role {
        Role::Server { path, replace, leave } => server(path, replace, leave),
        Role::Client { path, message } => client(&path, &message),
    }
}

fn usual_path() -> PathBuf {
    std::env::temp_dir().join("sockets-basics.sock")
}

// ANCHOR: server
fn server(path: PathBuf, replace: bool, leave: bool) -> anyhow::Result<()> {
    let stop = Stop::server()?;
    let listener = listen(&path, replace)?;
    let file = SocketFile::of(path, leave)?;
    // A signal ends the process, and then nothing goes out of scope.
    let cleanup = file.name.clone();
    stop.cleanup(move || cleanup.tidy_up());
    cli::ready(file.name.path.display())?;

    let (mut connection, _) = listener.accept().context("cannot accept a connection")?;
    // The client has bound no file, so there is nothing to call it by.
    say!("connected: a client without an address")?;
    let _in_hand = stop.in_hand("the conversation with a client");

    let question = read_once(&mut connection).context("no question from the client")?;
    say!("received {}: {}", count(question.len(), "byte"), escape(&question))?;

    let answer = b"hi";
    connection.write_all(answer).context("cannot answer the client")?;
    say!("sent {}: {}", count(answer.len(), "byte"), escape(answer))?;
    Ok(())
}
// ANCHOR_END: server

// ANCHOR: client
fn client(path: &Path, message: &Message) -> anyhow::Result<()> {
    let mut connection = connect(path)?;
    say!("connected: {}", path.display())?;

    connection.write_all(message.as_bytes()).context("cannot send to the server")?;
    say!("sent {}: {}", count(message.len(), "byte"), escape(message.as_bytes()))?;

    let answer = read_once(&mut connection).context("no answer from the server")?;
    say!("received {}: {}", count(answer.len(), "byte"), escape(&answer))?;
    Ok(())
}
// ANCHOR_END: client

/// bind(2) never takes an existing name, whoever made it and whether or not anybody is behind it.
// ANCHOR: listen
fn listen(path: &Path, replace: bool) -> anyhow::Result<UnixListener> {
    let refused = match UnixListener::bind(path) {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    let hint = match refused.kind() {
        io::ErrorKind::AddrInUse => match holder(path) {
            Holder::Nobody if replace => return take_over(path),
            Holder::Nobody => {
                "nobody answers there: a server ended and left its file; say --replace, or remove it"
            }
            Holder::Somebody => "a program has this socket; stop it, or choose another --path",
            Holder::NoSocket => "that file is no socket, and stays as it is; choose another --path",
            Holder::Unknown => {
                "whether anybody answers there cannot be told; choose another --path"
            }
        },
        io::ErrorKind::NotFound => "the directory in which to make the file does not exist",
        io::ErrorKind::PermissionDenied => {
            "to make a file one needs write permission for its directory; choose another --path"
        }
        io::ErrorKind::InvalidInput => NAME_TOO_LONG,
        _ => "look at the path",
    };
    Err(refused).with_context(|| format!("cannot listen on {}", path.display())).hint(hint)
}
// ANCHOR_END: listen

fn take_over(path: &Path) -> anyhow::Result<UnixListener> {
    fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
    note!("removed {}, which nobody answered any more", path.display());
    // Whoever made the file again in between keeps it: this bind may fail once more.
    UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))
}

/// What stands where we wanted to put our socket file.
#[derive(Debug, PartialEq, Eq)]
enum Holder {
    Nobody,
    Somebody,
    NoSocket,
    Unknown,
}

/// Finds out by connecting, since the file looks the same with and without a server.
///
/// With a datagram socket: a stream server then answers EPROTOTYPE ("wrong type of socket"),
/// which proves that it lives, and never learns of the visit. A connection of the right type
/// would be accepted, and a server of one conversation would have had it.
// ANCHOR: holder
fn holder(path: &Path) -> Holder {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Holder::NoSocket,
        Err(_) => return Holder::Unknown,
    }
    match UnixDatagram::unbound().and_then(|visitor| visitor.connect(path)) {
        Ok(()) => Holder::Somebody,
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Holder::Nobody,
            // EACCES: the file's permissions keep us out, whoever is inside.
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => Holder::Unknown,
            _ => Holder::Somebody,
        },
    }
}
// ANCHOR_END: holder

/// unix(7): `sun_path` has 108 bytes on Linux, 104 elsewhere, and the last is a zero. std looks
/// before the system does, so that there is no errno.
const NAME_TOO_LONG: &str =
    "a socket's path has at most 107 bytes, on Linux, 103 elsewhere; choose a shorter --path";

/// The socket file of a server that runs.
// ANCHOR: file
struct SocketFile {
    name: Name,
}

impl SocketFile {
    fn of(path: PathBuf, leave: bool) -> anyhow::Result<Self> {
        let made = fs::symlink_metadata(&path)
            .with_context(|| format!("cannot look at {}", path.display()))?;
        Ok(Self { name: Name { path, device: made.dev(), inode: made.ino(), leave } })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.name.tidy_up();
    }
}

/// A name, and the file that had it when the server bound it. Somebody may have removed that file
/// since, and another server may have made its own of the same name.
#[derive(Clone)]
struct Name {
    path: PathBuf,
    device: u64,
    inode: u64,
    leave: bool,
}

impl Name {
    /// close(2) closes the socket, and unlink(2) removes its name: two calls, as for any file.
    fn tidy_up(&self) {
        let path = self.path.display();
        let Ok(found) = fs::symlink_metadata(&self.path) else { return };
        // An inode number is not given out again as long as the socket bound to it is open.
        if (found.dev(), found.ino()) != (self.device, self.inode) {
            note!("{path} is somebody else's file by now, and stays");
        } else if self.leave {
            note!("left behind: {path}");
        } else if fs::remove_file(&self.path).is_ok() {
            note!("removed {path}");
        }
    }
}
// ANCHOR_END: file

fn connect(path: &Path) -> anyhow::Result<UnixStream> {
    let error = match UnixStream::connect(path) {
        Ok(connection) => return Ok(connection),
        Err(error) => error,
    };
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "no server has made this file; start the server first",
        io::ErrorKind::ConnectionRefused => {
            "the file is there and nobody listens: its server has ended, or it is no socket"
        }
        io::ErrorKind::PermissionDenied => "connecting needs write permission for the file",
        io::ErrorKind::InvalidInput => NAME_TOO_LONG,
        _ => "look at the path: is it the one in the server's first line?",
    };
    Err(error).with_context(|| format!("cannot connect to {}", path.display())).hint(hint)
}

/// Waits for the peer to say something and returns it. As in tcp-hello, one read is taken for one
/// message.
fn read_once(connection: &mut UnixStream) -> anyhow::Result<Vec<u8>> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut message = vec![0; MESSAGE_LEN_MAX];
    let len = uninterrupted(|| connection.read(&mut message))?;
    if len == 0 {
        return Err(anyhow!("the connection was closed before anything was said"))
            .hint("the other program ended, or crashed; look at its terminal")
            .exit(Exit::Protocol);
    }
    message.truncate(len);
    Ok(message)
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    #[test]
    fn a_server_that_lives_is_found_and_never_notices() {
        let path = Scratch::new("alive");
        let listener = UnixListener::bind(&path.0).unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(holder(&path.0), Holder::Somebody);
        // No connection waits to be accepted.
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_datagram_server_is_somebody_too() {
        let path = Scratch::new("datagram");
        let _server = UnixDatagram::bind(&path.0).unwrap();
        assert_eq!(holder(&path.0), Holder::Somebody);
    }

    #[test]
    fn a_socket_file_whose_server_has_gone_holds_nobody() {
        let path = Scratch::new("stale");
        drop(UnixListener::bind(&path.0).unwrap());
        assert_eq!(holder(&path.0), Holder::Nobody);
    }

    #[test]
    fn a_file_that_is_no_socket_is_told_apart_and_a_link_is_not_followed() {
        let (file, link, target) =
            (Scratch::new("file"), Scratch::new("link"), Scratch::new("target"));
        fs::write(&file.0, "precious").unwrap();
        assert_eq!(holder(&file.0), Holder::NoSocket);
        drop(UnixListener::bind(&target.0).unwrap());
        std::os::unix::fs::symlink(&target.0, &link.0).unwrap();
        assert_eq!(holder(&link.0), Holder::NoSocket);
    }

    #[test]
    fn only_what_nobody_answers_is_replaced_and_only_when_asked() {
        let path = Scratch::new("replaced");
        drop(UnixListener::bind(&path.0).unwrap());
        refused(&path.0, false);
        let listener = listen(&path.0, true).unwrap();
        refused(&path.0, true);
        drop(listener);

        let file = Scratch::new("kept");
        fs::write(&file.0, "precious").unwrap();
        refused(&file.0, true);
        assert_eq!(fs::read(&file.0).unwrap(), b"precious");
    }

    #[test]
    fn the_file_goes_with_its_server_unless_it_is_to_be_left() {
        for leave in [false, true] {
            let path = Scratch::new(if leave { "left" } else { "removed" });
            let _listener = listen(&path.0, false).unwrap();
            drop(SocketFile::of(path.0.clone(), leave).unwrap());
            assert_eq!(path.0.exists(), leave);
        }
    }

    #[test]
    fn the_file_of_another_server_is_left_alone() {
        let path = Scratch::new("others");
        let _first = listen(&path.0, false).unwrap();
        let file = SocketFile::of(path.0.clone(), false).unwrap();
        fs::remove_file(&path.0).unwrap();
        let _second = listen(&path.0, false).unwrap();
        drop(file);
        assert_eq!(holder(&path.0), Holder::Somebody);
    }

    #[test]
    fn a_path_where_no_file_can_be_made_is_told_why() {
        let missing = Scratch::new("missing").0.join("hello.sock");
        let long = std::env::temp_dir().join("x".repeat(108));
        for (path, kind) in
            [(missing, io::ErrorKind::NotFound), (long, io::ErrorKind::InvalidInput)]
        {
            let error = listen(&path, false).unwrap_err();
            let cause = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
            assert_eq!(cause.map(io::Error::kind), Some(kind), "{error:?}");
        }
    }

    #[track_caller]
    fn refused(path: &Path, replace: bool) {
        let error = listen(path, replace).unwrap_err();
        let cause = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
        assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::AddrInUse), "{error:?}");
    }

    /// A path of this test alone, free again at its end. Short, for the limit on socket names.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("hello-{}-{name}", process::id()));
            let _ = fs::remove_file(&path);
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }
}
