//! The file at the client's end.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use cli::{Advice, Exit};

use crate::drive::Store;
use crate::root::{Durability, Existing, Root};

/// Where a fetched file goes.
pub struct Local {
    place: Place,
}

enum Place {
    Nowhere,
    Stdout,
    /// What is no regular file cannot be replaced by one: `/dev/null`, a FIFO.
    Special(PathBuf),
    File {
        root: Root,
        name: Vec<u8>,
        path: PathBuf,
    },
}

impl Local {
    /// `path` as it was typed; without one, the last part of the remote name.
    pub(super) fn new(path: Option<PathBuf>, remote: &[u8]) -> anyhow::Result<Self> {
        let place = match path {
            Some(path) if path.as_os_str() == "-" => Place::Stdout,
            Some(path) => place_of(path, remote)?,
            None => place_of(last_part(remote)?, remote)?,
        };
        Ok(Self { place })
    }

    /// For an upload, which puts nothing here.
    pub(super) fn nowhere() -> Self {
        Self { place: Place::Nowhere }
    }

    pub(super) fn is_stdout(&self) -> bool {
        matches!(self.place, Place::Stdout)
    }

    /// What to clean up when the program is interrupted.
    pub(super) fn root(&self) -> Option<Root> {
        match &self.place {
            Place::File { root, .. } => Some(root.clone()),
            _ => None,
        }
    }

    pub(super) fn create(&self) -> anyhow::Result<Store> {
        match &self.place {
            Place::Nowhere => bail!("there is no place for the file"),
            Place::Stdout => Ok(Store::Stream(Box::new(std::io::stdout()))),
            Place::Special(path) => {
                let file = OpenOptions::new().write(true).open(path);
                let file = file.with_context(|| format!("cannot write to {}", path.display()))?;
                Ok(Store::Stream(Box::new(file)))
            }
            Place::File { root, name, path } => {
                let upload = root.create(name, Existing::Replace, u64::MAX);
                let upload = upload.with_context(|| format!("cannot write {}", path.display()))?;
                // As cp(1) and curl have it: whoever wants more calls sync(1).
                Ok(Store::File(upload, Durability::System))
            }
        }
    }
}

fn place_of(path: PathBuf, remote: &[u8]) -> anyhow::Result<Place> {
    // A link is followed to what it means, and that is replaced.
    let path = match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => path.join(last_part(remote)?),
        Ok(metadata) if !metadata.is_file() => return Ok(Place::Special(path)),
        Ok(_) => path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?,
        Err(error) if error.kind() == ErrorKind::NotFound => path,
        Err(error) => {
            return Err(error).with_context(|| format!("cannot write {}", path.display()));
        }
    };
    let name = path.file_name().with_context(|| format!("{} is no file", path.display()));
    let name = name.exit(Exit::Usage)?.as_encoded_bytes().to_vec();
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let root = Root::open(parent).with_context(|| format!("cannot open {}", parent.display()))?;
    Ok(Place::File { root, name, path })
}

/// A name from elsewhere must not choose a directory here.
fn last_part(remote: &[u8]) -> anyhow::Result<PathBuf> {
    let last = remote.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or_default();
    let name = std::str::from_utf8(last).ok().filter(|name| !matches!(*name, "" | "." | ".."));
    let name = name.ok_or_else(|| anyhow!("the remote name ends in no name for a file here"));
    Ok(PathBuf::from(name.hint("say where to put it, behind the remote name").exit(Exit::Usage)?))
}

/// Opens a file that is to be sent.
pub(super) fn open(path: &Path) -> anyhow::Result<(File, u64)> {
    let doing = || format!("cannot read {}", path.display());
    let metadata = std::fs::metadata(path).with_context(doing)?;
    if !metadata.is_file() {
        return Err(anyhow!("that is not a regular file")).with_context(doing);
    }
    let file = File::open(path).with_context(doing)?;
    let len = file.metadata().with_context(doing)?.len();
    Ok((file, len))
}
