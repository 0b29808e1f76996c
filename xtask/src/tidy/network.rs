//! Rules about what tests and demos may do to the machine and the network: 7 and 9.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::source::{Source, has_word};
use super::{File, Tree, Violation};

/// Names under these go to a name server, which is not this machine.
const TOP_LEVEL_DOMAINS: [&str; 12] =
    ["cn", "com", "dev", "edu", "example", "gov", "invalid", "io", "local", "net", "org", "test"];

/// Rule 7: no sleeps, no ignored tests.
pub(super) fn nothing_waits_by_the_clock(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, source) in tree.sources() {
        for (at, word) in source.words() {
            let line = source.line(at);
            let attribute = source.code[..at].trim_end().ends_with("#[");
            if word == "ignore" && attribute {
                let what = "an ignored test; let it assert what holds today";
                violations.push(file.violation(line, 7, what));
            }
            if word == "sleep" && source.is_test(line) {
                let what =
                    "a sleep in a test; wait for what is to come: a line, a datagram, an end";
                violations.push(file.violation(line, 7, what));
            }
        }
    }
    for (file, line, command) in commands(tree) {
        if command.split_whitespace().any(|word| word == "sleep") {
            let what = "a sleep in a demo; wait for a line instead";
            violations.push(file.violation(line, 7, what));
        }
    }
    violations
}

/// Rule 7: no port that another program may have.
pub(super) fn no_port_is_fixed(tree: &Tree) -> Vec<Violation> {
    let what = "a fixed port, which another program may have; bind port 0 and ask for the address";
    let mut violations = Vec::new();
    for (file, source) in tree.sources() {
        let mut places = fixed_in_code(source);
        for string in &source.strings {
            let text = &source.text[string.clone()];
            let (option, text) = text.strip_prefix("--bind=").map_or((false, text), |a| (true, a));
            let fixed = destination(text).is_some_and(|(_, port)| is_fixed(port));
            if fixed && (option || binds(source, string.start)) {
                places.push(string.start);
            }
        }
        let lines = places.into_iter().map(|at| source.line(at));
        let tests = lines.filter(|line| source.is_test(*line));
        violations.extend(tests.map(|line| file.violation(line, 7, what)));
    }
    for (file, line, command) in commands(tree) {
        let options = command.split("--bind").skip(1);
        let mut bound = options
            .filter_map(|rest| rest.trim_start_matches(['=', ' ']).split_whitespace().next());
        if bound.any(|word| destination(word).is_some_and(|(_, port)| is_fixed(port))) {
            violations.push(file.violation(line, 7, what));
        }
    }
    violations
}

fn is_fixed(port: Option<u16>) -> bool {
    port.is_some_and(|port| port != 0)
}

/// Whether the statement around a place calls `bind`, or hands `--bind` to a program.
fn binds(source: &Source, at: usize) -> bool {
    let statement = source.statement(at);
    has_word(&source.code[statement.clone()], "bind")
        || source.text[statement].contains("\"--bind\"")
}

/// The places of `bind((Ipv4Addr::LOCALHOST, 8080))`.
fn fixed_in_code(source: &Source) -> Vec<usize> {
    let places = source.words().filter(|(at, word)| {
        let next = source.code[at + word.len()..].trim_start();
        let next = next.strip_prefix(',').unwrap_or_default().trim_start();
        matches!(*word, "LOCALHOST" | "UNSPECIFIED")
            && next.starts_with(|c| matches!(c, '1'..='9'))
            && binds(source, *at)
    });
    places.map(|(at, _)| at).collect()
}

/// Rule 9.
pub(super) fn nothing_leaves_the_machine(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, source) in tree.sources() {
        for string in &source.strings {
            let (line, text) = (source.line(string.start), &source.text[string.clone()]);
            let statement = || &source.code[source.statement(string.start)];
            let what = if source.is_test(line) {
                sent_by_a_test(text, statement)
            } else {
                bound_by_default(text, statement)
            };
            violations.extend(what.map(|what| file.violation(line, 9, what)));
        }
    }
    for (file, line, command) in commands(tree) {
        violations.extend(sent_by_a_demo(command).map(|what| file.violation(line, 9, what)));
    }
    violations
}

/// What is wrong with a string in a test, if anything is. Without a call that sends, an address is
/// data; with a port it still looks like a destination, unless it is one for documentation.
fn sent_by_a_test<'a>(text: &str, statement: impl Fn() -> &'a str) -> Option<String> {
    let sends = || {
        let calls = ["connect", "connect_timeout", "send_to", "to_socket_addrs"];
        calls.iter().any(|call| has_word(statement(), call))
    };
    if let Some((ip, port)) = destination(text) {
        let sent = !stays_here(ip) && (port.is_some() && !is_documentation(ip) || sends());
        return sent.then(|| format!("{ip} is not this machine; tests use loopback only"));
    }
    let name = remote_name(text).filter(|_| sends())?;
    Some(format!("`{name}` is looked up off the machine; tests use `localhost` only"))
}

/// What is wrong with a default, if anything is.
fn bound_by_default<'a>(text: &str, statement: impl Fn() -> &'a str) -> Option<String> {
    let (ip, port) = destination(text)?;
    let away = port.is_some() && !ip.is_loopback();
    (away && has_word(statement(), "default_value")).then(|| {
        format!("{ip} as a default; a program is seen by others only when a person asks for it")
    })
}

/// What is wrong with what a demo runs or types, if anything is.
fn sent_by_a_demo(command: &str) -> Option<String> {
    let lesson = command.split_whitespace().nth(1).unwrap_or_default();
    // These take addresses to pieces, and send nothing to them.
    if matches!(lesson, "address" | "layers") {
        return None;
    }
    for word in command.split_whitespace() {
        let word = word.rsplit_once('=').map_or(word, |(_, value)| value);
        // `resolve` need not ask anybody about a literal.
        match destination(word) {
            // `discover` asks a group through 127.0.0.1, with a TTL of 0, unless told otherwise.
            Some((ip, _)) if lesson == "discover" && is_local_group(ip) => {}
            Some((ip, _)) if !stays_here(ip) && lesson != "resolve" => {
                return Some(format!("{ip} is not this machine; demos use loopback only"));
            }
            Some(_) => {}
            None => {
                let Some(name) = remote_name(word) else { continue };
                return Some(format!(
                    "`{name}` is looked up off the machine; demos use `localhost` only"
                ));
            }
        }
    }
    None
}

/// Loopback, what is bound to mean any address, and the one that a system without `SO_BROADCAST`
/// refuses before anything is sent: 255.255.255.255 shows ENETUNREACH and EACCES.
fn stays_here(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback() || ip.is_unspecified() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// 239.255/16, which no site lets out (RFC 2365), and ff11, which no machine does (RFC 4291, 2.7).
fn is_local_group(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => matches!(ip.octets(), [239, 255, _, _]),
        IpAddr::V6(ip) => ip.segments()[0] == 0xff11,
    }
}

/// RFC 5737 and RFC 3849.
fn is_documentation(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            matches!(ip.octets(), [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _])
        }
        IpAddr::V6(ip) => ip.segments()[..2] == [0x2001, 0xdb8],
    }
}

/// The name in `NAME`, `NAME:PORT` or a URL, if a name server would be asked for it.
fn remote_name(text: &str) -> Option<&str> {
    let name = authority(text).split(':').next()?.trim_end_matches('.');
    let (rest, last) = name.rsplit_once('.')?;
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    // An empty label is refused before anybody is asked.
    let asked = is_name && !rest.is_empty() && !name.contains("..");
    (asked && TOP_LEVEL_DOMAINS.contains(&last)).then_some(name)
}

/// The address in `IP`, `IP:PORT`, `IP/MASK` or a URL. A text that holds an address among other
/// words is a message, not a destination.
fn destination(text: &str) -> Option<(IpAddr, Option<u16>)> {
    let text = authority(text.trim_matches(['"', '\'']));
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((address.ip(), Some(address.port())));
    }
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    Some((inside.parse().ok()?, None))
}

/// What stands between `scheme://` and the next `/`.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// What the demos run and type: file, line, and the text after the mark.
fn commands(tree: &Tree) -> impl Iterator<Item = (&File, usize, &str)> {
    let demos = tree.files.iter().filter(|file| file.path.ends_with(".demo"));
    demos.flat_map(|file| {
        file.lines().filter_map(move |(line, text)| {
            let (actor, rest) = text.split_once(char::is_whitespace)?;
            let rest = rest.trim_start();
            let command = rest.strip_prefix('$').or_else(|| rest.strip_prefix('<'))?;
            (actor != "#").then_some((file, line, command.trim()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    const TEST: &str = "crates/a/tests/real.rs";
    const DEMO: &str = "crates/a/demos/x.demo";

    #[test]
    fn rule_7_bites_on_sleeps_and_ignored_tests() {
        let text = "#[test]\n#[ignore = \"slow\"]\nfn t() { thread::sleep(d) }\n";
        check(
            nothing_waits_by_the_clock,
            &[(TEST, text)],
            &[
                "crates/a/tests/real.rs:2: an ignored test",
                "crates/a/tests/real.rs:3: a sleep in a test",
            ],
        );
        check(
            nothing_waits_by_the_clock,
            &[(DEMO, "# sleep\na $ sleep 1\na > sleep 1\n")],
            &["crates/a/demos/x.demo:2: a sleep in a demo"],
        );
    }

    #[test]
    fn rule_7_lets_words_and_programs_sleep() {
        let text = "// sleep\n#[test]\nfn t() { run(\"sh -c 'sleep 60'\"); ignore(); }\n";
        check(nothing_waits_by_the_clock, &[(TEST, text)], &[]);
        // Outside tests clippy asks for a reason.
        check(nothing_waits_by_the_clock, &[("crates/a/src/x.rs", "fn f() { sleep(d) }")], &[]);
    }

    #[test]
    fn rule_7_bites_on_fixed_ports() {
        let want = |line: usize| format!("{TEST}:{line}: a fixed port");
        let text = "fn t() {\n    UdpSocket::bind(\"127.0.0.1:9000\");\n    run([\"server\", \"--bind\", \"[::1]:9000\"]);\n    TcpListener::bind((Ipv4Addr::LOCALHOST, 9000));\n}\n";
        check(no_port_is_fixed, &[(TEST, text)], &[&want(2), &want(3), &want(4)]);
        let demo = "server $ a server --bind 127.0.0.1:9000\nb $ a server --bind=0.0.0.0:80\n";
        check(
            no_port_is_fixed,
            &[(DEMO, demo)],
            &["crates/a/demos/x.demo:1: a fixed port", "crates/a/demos/x.demo:2: a fixed port"],
        );
    }

    #[test]
    fn rule_7_lets_free_ports_defaults_and_messages_be() {
        let text = "fn t() {\n    UdpSocket::bind(\"127.0.0.1:0\");\n    TcpListener::bind((Ipv4Addr::LOCALHOST, 0));\n    // bind 127.0.0.1:9000\n    let want = \"cannot listen on 127.0.0.1:9000\";\n}\n";
        check(no_port_is_fixed, &[(TEST, text)], &[]);
        let lesson = "struct A {\n    #[arg(long = \"bind\", default_value = \"127.0.0.1:9000\")]\n    bind: SocketAddr,\n}\n";
        check(no_port_is_fixed, &[("crates/a/src/x.rs", lesson)], &[]);
        let demo = "# --bind 127.0.0.1:9000\ns $ a server --bind {bind}\ns > --bind 127.0.0.1:9000\nc $ a client 127.0.0.1:1\n";
        check(no_port_is_fixed, &[(DEMO, demo)], &[]);
    }

    #[test]
    fn rule_9_bites_on_what_leaves_the_machine() {
        let text = "fn t() {\n    TcpStream::connect(\"192.0.2.1:9\");\n    run([\"client\", \"10.0.0.1:9\"]);\n    \"example.com:80\".to_socket_addrs();\n}\n";
        check(
            nothing_leaves_the_machine,
            &[(TEST, text)],
            &[
                "crates/a/tests/real.rs:2: 192.0.2.1 is not this machine",
                "crates/a/tests/real.rs:3: 10.0.0.1 is not this machine",
                "crates/a/tests/real.rs:4: `example.com` is looked up off the machine",
            ],
        );
        let demo = "c $ a discover client 224.0.0.251:5353\nc $ a client 239.255.0.1:9\n";
        check(
            nothing_leaves_the_machine,
            &[(DEMO, demo)],
            &[
                "crates/a/demos/x.demo:1: 224.0.0.251 is not this machine",
                "crates/a/demos/x.demo:2: 239.255.0.1 is not this machine",
            ],
        );
        let demo = "c $ a client 8.8.8.8:53\nc $ curl http://example.com/\nc $ a client [2001:db8::1]:9\nc < 8.8.8.8\n";
        check(
            nothing_leaves_the_machine,
            &[(DEMO, demo)],
            &[
                "crates/a/demos/x.demo:1: 8.8.8.8 is not this machine",
                "crates/a/demos/x.demo:2: `example.com` is looked up",
                "crates/a/demos/x.demo:3: 2001:db8::1 is not this machine",
                "crates/a/demos/x.demo:4: 8.8.8.8 is not this machine",
            ],
        );
        let default = "#[arg(default_value = \"0.0.0.0:9000\")]\nbind: SocketAddr;";
        check(
            nothing_leaves_the_machine,
            &[("crates/a/src/x.rs", default)],
            &["crates/a/src/x.rs:1: 0.0.0.0 as a default"],
        );
    }

    #[test]
    fn rule_9_lets_loopback_data_and_what_is_refused_be() {
        let text = "fn t() {\n    TcpStream::connect(\"127.0.0.2:9\");\n    UdpSocket::send_to(b\"\", \"255.255.255.255:9\");\n    check(\"192.168.1.15/24\", \"203.0.113.7:80\", \"std::net\", \"12:30:45\");\n    // 8.8.8.8:53\n}\n";
        check(nothing_leaves_the_machine, &[(TEST, text)], &[]);
        let demo = "c $ a address 192.168.1.15/24 8.8.8.8\nc $ a client [::1]:9 255.255.255.255:9\nc $ a resolve localhost 192.0.2.1:80\nc $ a get hello.txt page.html\nc $ a discover client 239.255.0.1:9 [ff11::1]:9\nc $ a client no..such:80\n# 8.8.8.8\nc > 8.8.8.8 example.com\n";
        check(nothing_leaves_the_machine, &[(DEMO, demo)], &[]);
        let default =
            "#[arg(default_value = \"127.0.0.1:9000\")]\nbind: SocketAddr; let a = \"8.8.8.8:53\";";
        check(nothing_leaves_the_machine, &[("crates/a/src/x.rs", default)], &[]);
    }
}
