//! `--color auto|always|never`, and `NO_COLOR`.

use clap::{Args, ValueEnum};

/// The `--color` flag of every program here.
#[derive(Args, Clone, Copy, Debug)]
pub struct ColorArgs {
    /// When to use colours: by itself on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    color: When,
}

impl ColorArgs {
    /// Makes the choice count for all that this process writes with [`say!`](crate::say) and
    /// [`note!`](crate::note).
    pub fn apply(self) {
        match self.color {
            // anstream's own way: a terminal, TERM, NO_COLOR and CLICOLOR decide.
            When::Auto => anstream::ColorChoice::Auto,
            When::Always => anstream::ColorChoice::Always,
            When::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}
