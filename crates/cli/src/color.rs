//! `--color auto|always|never`, and `NO_COLOR`.

use clap::{Args, ValueEnum};

/// The `--color` flag of every program here.
#[derive(Args, Clone, Copy, Debug)]
pub struct ColorArgs {
    /// Colours: auto (a terminal without NO_COLOR), always, never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t = When::Auto,
        hide_possible_values = true,
        hide_default_value = true
    )]
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
