//! What `unix-hello` says on a system for which std has no Unix sockets.

use anyhow::bail;
use std::ffi::OsString;

/// The same hello over a socket file (not on this system)
#[derive(clap::Args)]
pub struct Args {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _anything: Vec<OsString>,
}

/// Says why not.
///
/// # Errors
/// Always.
pub fn run(_args: Args) -> anyhow::Result<()> {
    // Windows has known AF_UNIX since 2018; std does not offer it there.
    bail!("this system has no Unix sockets that Rust's std knows; tcp-hello is the same over TCP")
}
