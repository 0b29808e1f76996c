//! One binary for the chapter: `sockets-basics <lesson> …`. Each lesson owns its arguments.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sockets_basics::{address, layers, ports, resolve, tcp_hello, udp_hello};
use sockets_basics::{life, tcp_hello, udp_hello};
use sockets_basics::{life, tcp_hello, udp_hello, unix_hello};
use sockets_basics::{life, reuse_addr, tcp_hello, udp_hello, unix_hello};
use sockets_basics::{families, life, reuse_addr, tcp_hello, udp_hello, unix_hello};
use sockets_basics::{families, life, options, reuse_addr, tcp_hello, udp_hello, unix_hello};

/// Chapter 1: what an address, a port, a socket and a connection are.
#[derive(Parser)]
#[command(version, after_help = "Watch a lesson: cargo xtask demo sockets-basics/tcp-hello")]
struct Program {
    #[command(subcommand)]
    lesson: Lesson,
    #[command(flatten)]
    color: cli::ColorArgs,
}

#[derive(Subcommand)]
enum Lesson {
    TcpHello(tcp_hello::Args),
    UdpHello(udp_hello::Args),
    Address(address::Args),
    Ports(ports::Args),
    Resolve(resolve::Args),
    Layers(layers::Args),
    Life(life::Args),
    UnixHello(unix_hello::Args),
    ReuseAddr(reuse_addr::Args),
    Families(families::Args),
    Options(options::Args),
}

fn main() -> ExitCode {
    let program = Program::parse();
    program.color.apply();
    cli::run(|| match program.lesson {
        Lesson::TcpHello(args) => tcp_hello::run(args),
        Lesson::UdpHello(args) => udp_hello::run(args),
        Lesson::Address(args) => address::run(args),
        Lesson::Ports(args) => ports::run(args),
        Lesson::Resolve(args) => resolve::run(args),
        Lesson::Layers(args) => layers::run(args),
        Lesson::Life(args) => life::run(args),
        Lesson::UnixHello(args) => unix_hello::run(args),
        Lesson::ReuseAddr(args) => reuse_addr::run(args),
        Lesson::Families(args) => families::run(args),
        Lesson::Options(args) => options::run(args),
    })
}
