//! How to get into a room: a few servers, each with its own way to ask for a name.

use clap::ValueEnum;

/// What a server does with who has just come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Login {
    /// Asks for a name, and says hello to who is in: `tcp-chat server`
    Ours,
    /// Asks for a name, and says nothing more: tokio's examples/chat.rs
    Tokio,
    /// Asks nothing, and says who is there: ncat --chat
    Ncat,
    /// Asks nothing and says nothing
    None,
}

/// How the server asks, and how it asks again.
const QUESTION: &[u8] = b"* What is your name?";
/// How it says that who asks is in.
const WELCOME: &[u8] = b"* Hello, ";

impl Login {
    /// So many are at the door at a time: fewer than the queue of the listening socket holds, for
    /// who finds it full tries again after a second. ncat's has 10 places.
    #[must_use]
    pub fn at_the_door(self) -> usize {
        if self == Self::Ncat { 8 } else { 64 }
    }
}

/// One who wants to get in.
#[derive(Debug)]
pub struct Entry {
    login: Login,
    asked: u32,
    /// The last thing that was said to them.
    last: Vec<u8>,
}

/// Where an [`Entry`] has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something more must come.
    Waiting,
    /// They are in.
    In,
    /// They were asked again, after this.
    Refused(String),
}

impl Entry {
    /// Nothing was said yet.
    #[must_use]
    pub fn new(login: Login) -> Self {
        Self { login, asked: 0, last: Vec::new() }
    }

    /// Whether the first line that goes to the server is a name. It need not wait for the question:
    /// a server reads its lines in their order, whenever they came.
    #[must_use]
    pub fn gives_a_name(&self) -> bool {
        matches!(self.login, Login::Ours | Login::Tokio)
    }

    /// What it means that the connection is there, and the name on its way.
    #[must_use]
    pub fn connected(&self) -> Progress {
        match self.login {
            Login::None => Progress::In,
            // A connection is made by the system, whether or not the server has time for it. Who
            // took that for being let in would fill the queue in front of accept(2).
            Login::Ours | Login::Tokio | Login::Ncat => Progress::Waiting,
        }
    }

    /// What it means that the server said `line`.
    #[must_use]
    pub fn heard(&mut self, line: &[u8]) -> Progress {
        if self.login != Login::Ours || line.starts_with(WELCOME) {
            return Progress::In;
        }
        if line.starts_with(QUESTION) {
            self.asked += 1;
            if self.asked > 1 {
                return Progress::Refused(self.last());
            }
        }
        self.last.clear();
        self.last.extend_from_slice(line.get(..LAST_MAX).unwrap_or(line));
        Progress::Waiting
    }

    /// The last thing that was said, fit for a terminal.
    #[must_use]
    pub fn last(&self) -> String {
        cli::escape(&self.last).to_string()
    }
}

/// As much is kept of what a server says to who is not in.
const LAST_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_a_hello_is_in() {
        check(&["* What is your name?", "* Hello, 小明"], &Progress::In);
        check(&["* What is your name?"], &Progress::Waiting);
    }

    #[test]
    fn who_is_asked_again_is_refused_with_the_reason() {
        check(
            &["* What is your name?", "* This name is taken.\u{1b}", "* What is your name?"],
            &Progress::Refused(r"* This name is taken.\u{1b}".to_owned()),
        );
    }

    #[test]
    fn others_let_in_who_hears_anything() {
        assert_eq!(Entry::new(Login::None).connected(), Progress::In);
        for login in [Login::Tokio, Login::Ncat] {
            let mut entry = Entry::new(login);
            assert_eq!(entry.connected(), Progress::Waiting);
            assert_eq!(entry.heard(b"Please enter your username:"), Progress::In);
        }
        let gives = [Login::Ours, Login::Tokio, Login::Ncat, Login::None]
            .map(|login| Entry::new(login).gives_a_name());
        assert_eq!(gives, [true, true, false, false]);
    }

    #[track_caller]
    fn check(lines: &[&str], want: &Progress) {
        let mut entry = Entry::new(Login::Ours);
        assert_eq!(entry.connected(), Progress::Waiting);
        let last = lines.iter().map(|line| entry.heard(line.as_bytes())).last();
        assert_eq!(last.as_ref(), Some(want));
    }
}
