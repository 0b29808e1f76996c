//! Role `server`: sockets and a clock around [`sender`](crate::sender) and [`receiver`](crate::receiver).

/// Serves the files of one directory
#[derive(clap::Args)]
pub struct Args {}

/// Serves until it is stopped.
///
/// # Errors
/// When the socket or the root cannot be opened.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("the server is not written yet")
}
