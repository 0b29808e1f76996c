//! One binary for the chapter: `udp-echo <lesson> …`. Each lesson owns its arguments.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use udp_echo::{
    boundaries, chat, client, decode, discover, load, once, ping, refused, relay, server,
};

/// Chapter 2: what a datagram keeps, what it does not promise, what a call costs.
#[derive(Parser)]
#[command(version, after_help = "Watch a lesson: cargo xtask demo udp-echo/once")]
struct Program {
    #[command(subcommand)]
    lesson: Lesson,
    #[command(flatten)]
    color: cli::ColorArgs,
}

const SHELVES: cli::Shelves = &[
    ("Letters", &["once", "server", "client", "chat"]),
    ("The small print", &["boundaries", "refused", "ping"]),
    ("Further afield", &["discover", "relay"]),
    ("Tools", &["load"]),
];

#[derive(Subcommand)]
enum Lesson {
    // Letters.
    Once(once::Args),
    Server(server::Args),
    Client(client::Args),
    Chat(chat::Args),
    // The small print.
    Boundaries(boundaries::Args),
    Refused(refused::Args),
    Ping(ping::Args),
    // Further afield.
    Discover(discover::Args),
    Relay(relay::Args),
    // Tools.
    Load(load::Args),
    #[command(hide = true)]
    Decode(decode::Args),
}

fn main() -> ExitCode {
    let matches = cli::shelve(Program::command(), SHELVES).get_matches();
    let program = Program::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    program.color.apply();
    cli::run(|| match program.lesson {
        Lesson::Once(args) => once::run(args),
        Lesson::Server(args) => server::run(args),
        Lesson::Client(args) => client::run(args),
        Lesson::Chat(args) => chat::run(args),
        Lesson::Boundaries(args) => boundaries::run(args),
        Lesson::Refused(args) => refused::run(args),
        Lesson::Ping(args) => ping::run(args),
        Lesson::Discover(args) => discover::run(args),
        Lesson::Relay(args) => relay::run(args),
        Lesson::Load(args) => load::run(args),
        Lesson::Decode(args) => decode::run(args),
    })
}
