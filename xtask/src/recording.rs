//! What a run leaves behind: `cargo xtask demo … --save DIR`.
//!
//! ```text
//!                 ┌──▶ session.txt     what was said
//!  Recording ─────┼──▶ ladder.svg      what passed, drawn
//!  (this file)    └──▶ trace.pcapng    what passed, for Wireshark
//! ```
//!
//! Everything is rendered from a [`Recording`], which knows no file and no process; a renderer is a
//! function from it to bytes, and a line in [`FILES`].
//!
//! *Read:* [`ladder`]; [`frame`] → [`pcapng`].

pub mod frame;
pub mod ladder;
pub mod pcapng;

use std::fs;
use std::path::Path;

use anyhow::Context;
use faults::Settings;

use crate::cable::traffic::Traffic;
use ladder::Clock;

/// A demo that was run, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// `tftp/get`.
    pub demo: String,
    /// The first line of its narration.
    pub title: String,
    /// The command that runs it again, with its faults and their seed.
    pub command: String,
    /// What the cables were told to do, oldest first, each with its seed.
    pub faults: Vec<(Settings, u64)>,
    /// How it ended: `passed`, or what failed.
    pub verdict: String,
    /// What was said and typed: the transcript with what its names stood for.
    pub session: String,
    /// What passed between the ends: actors, flows, and each datagram with its time and its name.
    pub traffic: Traffic,
}

/// What makes one of the files.
type Render = fn(&Recording) -> Vec<u8>;

/// The files that are saved. Another kind is another line.
const FILES: &[(&str, Render)] =
    &[("session.txt", session), ("ladder.svg", ladder_of), ("trace.pcapng", pcapng::write)];

impl Recording {
    /// Writes every kind of file into `dir`, which is made if need be.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, dir: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        for (name, render) in FILES {
            let path = dir.join(name);
            fs::write(&path, render(self))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

impl Recording {
    /// What the cables were told to do, in a line; empty if none was to do harm.
    #[must_use]
    pub fn faults_in_words(&self) -> String {
        let told = self.faults.iter().map(|(settings, seed)| format!("{settings} seed={seed}"));
        let told = told.collect::<Vec<_>>().join(", then ");
        if told.is_empty() { told } else { format!("cable: {told}") }
    }
}

fn ladder_of(recording: &Recording) -> Vec<u8> {
    let Recording { demo, title, command, traffic, .. } = recording;
    let title = format!("{demo}: {title}");
    ladder::draw(traffic, &title, &recording.faults_in_words(), command, Clock::Every).into_bytes()
}

/// The session, below a head that says where it is from.
fn session(recording: &Recording) -> Vec<u8> {
    let Recording { demo, command, verdict, session, .. } = recording;
    let faults = recording.faults_in_words();
    let gap = if faults.is_empty() { "" } else { "\n" };
    format!("{demo}: {verdict}\n{command}\n{faults}{gap}\n{session}").into_bytes()
}
