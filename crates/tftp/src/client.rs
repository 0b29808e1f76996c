//! Role `client`, as `get` and `put`: a socket and a clock around
//! [`opening`](crate::opening), [`sender`](crate::sender) and [`receiver`](crate::receiver).

/// Fetches a file from a server
#[derive(clap::Args)]
pub struct GetArgs {}

/// Stores a file on a server
#[derive(clap::Args)]
pub struct PutArgs {}

/// Fetches a file.
///
/// # Errors
/// When the file did not arrive whole.
pub fn get(_args: GetArgs) -> anyhow::Result<()> {
    anyhow::bail!("the client is not written yet")
}

/// Stores a file.
///
/// # Errors
/// When the server did not acknowledge the whole file.
pub fn put(_args: PutArgs) -> anyhow::Result<()> {
    anyhow::bail!("the client is not written yet")
}
