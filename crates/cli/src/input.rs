//! What a person types, a line at a time.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::output::StdoutError;

/// Reads the next line of stdin, without its line ending; `None` at the end of input.
///
/// The prompt shows only when both ends are a terminal: a program that reads from a pipe, or
/// writes into one, must not mix prompts into its output.
///
/// # Errors
/// When stdin cannot be read or is not UTF-8, or stdout cannot be written.
pub fn ask(prompt: &str) -> anyhow::Result<Option<String>> {
    show(prompt)?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return end(prompt);
    }
    let text = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(text);
    Ok(Some(line))
}

/// Reads the next line as [`ask`] does, in whatever encoding it is: for what is sent as bytes.
///
/// # Errors
/// When stdin cannot be read, or stdout cannot be written.
pub fn ask_bytes(prompt: &str) -> anyhow::Result<Option<Vec<u8>>> {
    show(prompt)?;
    let mut line = Vec::new();
    if io::stdin().lock().read_until(b'\n', &mut line)? == 0 {
        return end(prompt);
    }
    while line.ends_with(b"\n") || line.ends_with(b"\r") {
        line.pop();
    }
    Ok(Some(line))
}

/// The end of input. Nobody has typed Enter behind the prompt, and the shell's own prompt comes next.
fn end<T>(prompt: &str) -> anyhow::Result<Option<T>> {
    if !prompt.is_empty() {
        show("\n")?;
    }
    Ok(None)
}

fn show(prompt: &str) -> anyhow::Result<()> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        let mut stdout = anstream::stdout().lock();
        write!(stdout, "{prompt}").and_then(|()| stdout.flush()).map_err(StdoutError::from)?;
    }
    Ok(())
}
