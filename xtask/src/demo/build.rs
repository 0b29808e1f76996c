//! The programs that are about to run, built with one call of cargo.

use std::process::Command;

use anyhow::{Context, bail};

use super::needs::Binaries;
use crate::workspace;

/// Builds the programs of `packages` with one call of cargo, into the folder that this very
/// program was built into.
///
/// # Errors
/// When the build breaks; cargo has said why.
pub fn build(packages: &[String], quiet: bool) -> anyhow::Result<Binaries> {
    let me = std::env::current_exe().context("cannot tell where this program lies")?;
    let mut dir = me.parent().context("this program lies nowhere")?;
    if dir.ends_with("deps") {
        // A test lies one folder deeper.
        dir = dir.parent().context("this program lies nowhere")?;
    }
    let binaries = Binaries { dir: dir.to_owned(), names: packages.to_vec() };
    if packages.is_empty() {
        return Ok(binaries);
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace::root()).args(["build", "--bins"]);
    for package in packages {
        command.args(["--package", package]);
    }
    if dir.ends_with("release") {
        command.arg("--release");
    }
    if quiet {
        command.arg("--quiet");
    }
    let status = command.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("the programs could not be built (see above)");
    }
    Ok(binaries)
}
