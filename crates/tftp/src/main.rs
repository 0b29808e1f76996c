//! One binary for the chapter: `tftp server|get|put`, and the lessons. Each role owns its arguments.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tftp::{client, decode, server, step, trusting};

/// Chapter 3: a file over a network that loses things.
#[derive(Parser)]
#[command(version, after_help = "Watch a session: cargo xtask demo tftp/trusting")]
struct Program {
    #[command(subcommand)]
    role: Role,
    #[command(flatten)]
    color: cli::ColorArgs,
}

#[derive(Subcommand)]
enum Role {
    Server(server::Args),
    Get(client::GetArgs),
    Put(client::PutArgs),
    /// The programs that the chapter starts from
    #[command(subcommand)]
    Lesson(Lesson),
    #[command(hide = true)]
    Decode(decode::Args),
}

#[derive(Subcommand)]
enum Lesson {
    Trusting(trusting::Args),
    Step(step::Args),
}

fn main() -> ExitCode {
    let program = Program::parse();
    program.color.apply();
    cli::run(|| match program.role {
        Role::Server(args) => server::run(args),
        Role::Get(args) => client::get(args),
        Role::Put(args) => client::put(args),
        Role::Lesson(Lesson::Trusting(args)) => trusting::run(args),
        Role::Lesson(Lesson::Step(args)) => step::run(args),
        Role::Decode(args) => decode::run(args),
    })
}
