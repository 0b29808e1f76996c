//! A folder of its own for every demo, removed afterwards.
//!
//! The `tempfile` crate does this too; it and what it needs would take a tenth of the time that a
//! student's first build has.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

/// An empty folder, removed with all that is in it when this is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

/// Makes the names of this process's folders differ.
static MADE: AtomicU32 = AtomicU32::new(0);

/// What is to be removed when the runner is interrupted.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Folders that a killed runner left behind may have the same number.
const ATTEMPTS_MAX: u32 = 1000;

impl Scratch {
    /// Makes a folder in the system's place for temporary files.
    ///
    /// # Errors
    /// When no folder can be made there.
    pub fn new() -> io::Result<Self> {
        let mut last = None;
        for _ in 0..ATTEMPTS_MAX {
            let number = MADE.fetch_add(1, Ordering::Relaxed);
            let name = format!("demo-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            // Fails if there is anything of that name, even a link: nobody can slip one in.
            match fs::create_dir(&path) {
                Ok(()) => {
                    live().push(path.clone());
                    return Ok(Self(path));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::from(io::ErrorKind::AlreadyExists)))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Removes all folders: the process ends without dropping them.
pub fn remove_all() {
    for path in live().drain(..) {
        let _ = fs::remove_dir_all(path);
    }
}

fn live() -> MutexGuard<'static, Vec<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        live().retain(|live| *live != self.0);
        // A file that a program still holds open cannot be removed on Windows; the system's own
        // cleaning takes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_folder_is_new_and_goes_with_all_that_is_in_it() {
        let (a, b) = (Scratch::new().unwrap(), Scratch::new().unwrap());
        assert_ne!(a.path(), b.path());
        fs::write(a.path().join("file"), "text").unwrap();
        let path = a.path().to_owned();
        drop(a);
        assert!(!path.exists());
        assert!(b.path().is_dir());
    }
}
