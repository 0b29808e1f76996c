//! One binary for the chapter: `sockets-basics <lesson> …`. Each lesson owns its arguments.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use sockets_basics::{
    address, families, http_hello, layers, life, options, phone, ports, resolve, reuse_addr,
    tcp_hello, time_sync, timeouts, udp_hello, unix_hello,
};

/// Chapter 1: what an address, a port, a socket and a connection are.
#[derive(Parser)]
#[command(version, after_help = "Watch a lesson: cargo xtask demo sockets-basics/tcp-hello")]
struct Program {
    #[command(subcommand)]
    lesson: Lesson,
    #[command(flatten)]
    color: cli::ColorArgs,
}

const SHELVES: cli::Shelves = &[
    ("First hour", &["tcp-hello", "udp-hello", "phone", "time-sync", "http-hello"]),
    ("Under the lid", &["address", "ports", "resolve", "layers", "life"]),
    ("Corners", &["unix-hello", "timeouts", "reuse-addr", "families", "options"]),
];

#[derive(Subcommand)]
enum Lesson {
    // First hour.
    TcpHello(tcp_hello::Args),
    UdpHello(udp_hello::Args),
    Phone(phone::Args),
    TimeSync(time_sync::Args),
    HttpHello(http_hello::Args),
    // Under the lid.
    Address(address::Args),
    Ports(ports::Args),
    Resolve(resolve::Args),
    Layers(layers::Args),
    Life(life::Args),
    // Corners.
    UnixHello(unix_hello::Args),
    Timeouts(timeouts::Args),
    ReuseAddr(reuse_addr::Args),
    Families(families::Args),
    Options(options::Args),
}

fn main() -> ExitCode {
    let matches = cli::shelve(Program::command(), SHELVES).get_matches();
    let program = Program::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    program.color.apply();
    cli::run(|| match program.lesson {
        Lesson::TcpHello(args) => tcp_hello::run(args),
        Lesson::UdpHello(args) => udp_hello::run(args),
        Lesson::Phone(args) => phone::run(args),
        Lesson::TimeSync(args) => time_sync::run(args),
        Lesson::HttpHello(args) => http_hello::run(args),
        Lesson::Address(args) => address::run(args),
        Lesson::Ports(args) => ports::run(args),
        Lesson::Resolve(args) => resolve::run(args),
        Lesson::Layers(args) => layers::run(args),
        Lesson::Life(args) => life::run(args),
        Lesson::UnixHello(args) => unix_hello::run(args),
        Lesson::Timeouts(args) => timeouts::run(args),
        Lesson::ReuseAddr(args) => reuse_addr::run(args),
        Lesson::Families(args) => families::run(args),
        Lesson::Options(args) => options::run(args),
    })
}
