//! The built book over HTTP, for one reader on this machine.
//!
//! `mdbook serve` would build the book without the listings that links into the repository need.
//!
//! Simplified: GET only, one request per connection, everything from `target/book`. The lesson
//! `http-hello` says what a server owes to strangers.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use cli::{Stop, escape, note, say};

use super::{PAGES, files_below, normal, output, slashed};

/// The most of a request that is read.
const REQUEST_LEN_MAX: u64 = 16 * 1024;

/// A browser may open a connection and never say anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves until it is stopped a book that was built at `built`.
///
/// # Errors
/// When nothing can listen on `bind`.
pub fn run(root: &Path, bind: SocketAddr, built: SystemTime) -> anyhow::Result<()> {
    let _stop = Stop::server()?;
    let listener = TcpListener::bind(bind).with_context(|| format!("cannot listen on {bind}"))?;
    let address = listener.local_addr()?;
    cli::ready(address)?;
    say!("read it at http://{address}/ ; a page that you load again is built again if need be")?;
    let built = Mutex::new(built);
    thread::scope(|scope| {
        for connection in listener.incoming() {
            let built = &built;
            scope.spawn(move || {
                if let Err(error) = connection
                    .map_err(Into::into)
                    .and_then(|connection| answer(root, &connection, built))
                {
                    note!("{}", escape(format!("{error:#}").as_bytes()));
                }
            });
        }
    });
    Ok(())
}

fn answer(
    root: &Path,
    mut connection: &TcpStream,
    built: &Mutex<SystemTime>,
) -> anyhow::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    let mut request = BufReader::new(connection.take(REQUEST_LEN_MAX));
    if request.read_line(&mut line).unwrap_or(0) == 0 {
        return Ok(()); // Browsers keep connections in hand that they never use.
    }
    // What is left unread when a socket closes makes the system reset the connection.
    for header in request.lines() {
        if header?.is_empty() {
            break;
        }
    }
    let page = |file: &String| kind(file).starts_with("text/html");
    let file = path(&line);
    if file.as_ref().is_some_and(page) {
        build_if_old(root, built)?;
    }
    let found = file.and_then(|file| Some((fs::read(output(root).join(&file)).ok()?, kind(&file))));
    let (status, kind, body) = match found {
        Some((body, kind)) => ("200 OK", kind, body),
        None => ("404 Not Found", "text/plain", b"there is no such page\n".to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(&body)?;
    Ok(())
}

/// The file that a request line asks for, within the book.
fn path(request_line: &str) -> Option<String> {
    let target = request_line.strip_prefix("GET /")?.split(' ').next()?;
    let (path, _) = super::html::split(target);
    let file = if path.is_empty() || path.ends_with('/') { path + "index.html" } else { path };
    let inside = normal(Path::new(&file)).filter(|path| path.is_relative() && !file.contains(':'));
    inside.map(|path| slashed(&path))
}

fn kind(file: &str) -> &'static str {
    match Path::new(file).extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

/// Builds the book again if a page or a source is younger than it.
fn build_if_old(root: &Path, built: &Mutex<SystemTime>) -> anyhow::Result<()> {
    // Taken for the whole of it: a page asked for meanwhile must not be read half written.
    let mut built = built.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let now = SystemTime::now();
    let mut sources = files_below(&root.join(PAGES), &[])?;
    sources.extend(files_below(&root.join("crates"), &[".rs", ".demo", ".diff", ".toml"])?);
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    if sources.iter().filter_map(|path| changed(path)).any(|time| time > *built) {
        for problem in super::build(root)?.problems {
            note!("{problem}");
        }
        *built = now;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_names_a_file_within_the_book() {
        for (line, want) in [
            ("GET / HTTP/1.1\r\n", Some("index.html")),
            ("GET /a/b.html?x#y HTTP/1.1\r\n", Some("a/b.html")),
            ("GET /a/ HTTP/1.1\r\n", Some("a/index.html")),
            ("GET /../../etc/passwd HTTP/1.1\r\n", None),
            ("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n", None),
            ("GET //etc/passwd HTTP/1.1\r\n", None),
            ("GET /c:/x HTTP/1.1\r\n", None),
            ("POST / HTTP/1.1\r\n", None),
            ("", None),
        ] {
            assert_eq!(path(line).as_deref(), want, "{line}");
        }
    }
}
