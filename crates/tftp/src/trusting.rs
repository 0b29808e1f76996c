//! Lesson `trusting`: the tutorial's program.

/// The tutorial's program, which trusts the network
#[derive(clap::Args)]
pub struct Args {}

/// Runs it.
///
/// # Errors
/// When a call fails.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("not written yet")
}
