//! `cargo xtask book`.

/// Builds, checks and serves the book
#[derive(clap::Args)]
pub struct Args {}

/// Runs.
///
/// # Errors
/// None yet.
pub fn run(_args: Args) -> anyhow::Result<()> {
    Ok(())
}
