//! `cargo xtask`: one entry point for all that the course does beyond `cargo build` and
//! `cargo test`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{bench, book, cable, demo};

/// The course's runner
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Program {
    #[command(subcommand)]
    task: Task,
    #[command(flatten)]
    color: cli::ColorArgs,
}

#[derive(Subcommand)]
enum Task {
    Demo(demo::Args),
    Cable(cable::Args),
    Book(book::Args),
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let program = Program::parse();
    program.color.apply();
    match program.task {
        Task::Demo(args) => demo::run(&args),
        Task::Cable(args) => cable::run(&args),
        Task::Book(args) => cli::run(|| book::run(args)),
        Task::Bench(args) => cli::run(|| bench::run(&args)),
    }
}
