//! The only door to the disk: files below one directory, and no way out of it.
//!
//! ```text
//!  name from a peer ──▶ path_of: a path without `..` and control characters, or ERROR 2
//!                          │
//!                          ▼
//!  Root ── openat2(2), RESOLVE_BENEATH: the system itself refuses what leads out, by a link or in
//!    │     a race; where there is no such call, cap-std walks from directory to directory
//!    │
//!    ├── read    a regular file, opened without waiting: a FIFO would block for ever
//!    │
//!    └── create  .tftp-81-3.part beside the target      ── append … ──▶ commit: fsync, then
//!                 an upload that breaks off is removed                  rename(2) or link(2)
//! ```
//!
//! **Names.** `/f`, `//f` and `./f` are `f` below the root. `..` is refused as it stands, without a
//! look at the disk, so that the answer says nothing about what exists. `a..b` and `...` are names
//! like others. So is `a\b` on Unix; on Windows it is a path.
//!
//! **What is kept.** A file appears under its name whole or not at all; a reader sees the old one
//! until then. With [`Durability::Disk`] the file's bytes and its name are on the disk (fsync(2))
//! before `commit` returns, and it is that on which a server sends the last ACK.
//!
//! See openat2(2), path_resolution(7), rename(2), link(2), fsync(2).

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use crate::wire::ErrorCode;

/// A directory, and what may be done below it.
#[derive(Clone)]
pub struct Root {
    dir: Arc<Dir>,
    unfinished: Arc<Unfinished>,
}

/// What becomes of a file whose name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the new one is refused.
    Keep,
    /// It is replaced when the new one is whole.
    Replace,
}

/// When a file counts as kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When the system has it: a power cut may still take it.
    System,
    /// When the disk has it.
    Disk,
}

/// Why the disk says no. A peer is told [`code`](Self::code) and nothing else: the cause may name
/// paths of this machine.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// The name cannot be a file below the root.
    #[error("the name leads out of the root, or is none")]
    Name,
    /// It is a directory, a FIFO, a device.
    #[error("that is not a regular file")]
    NotAFile,
    /// There is one already, and it stays.
    #[error("the file exists")]
    Exists,
    /// More than is allowed.
    #[error("a file may have {limit} bytes")]
    TooLarge {
        /// The most bytes.
        limit: u64,
    },
    /// Its sender had announced another length.
    #[error("{promised} bytes were announced, and {got} came")]
    WrongLength {
        /// What was announced.
        promised: u64,
        /// What came.
        got: u64,
    },
    /// What the system says.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl Denied {
    /// The ERROR that says so (RFC 1350, appendix).
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        use io::ErrorKind as Kind;
        match self {
            Self::Name | Self::NotAFile => ErrorCode::ACCESS,
            Self::Exists => ErrorCode::EXISTS,
            Self::TooLarge { .. } => ErrorCode::DISK_FULL,
            Self::WrongLength { .. } => ErrorCode::NOT_DEFINED,
            Self::System(error) => match error.kind() {
                Kind::NotFound | Kind::NotADirectory | Kind::InvalidFilename => {
                    ErrorCode::NOT_FOUND
                }
                Kind::PermissionDenied | Kind::IsADirectory | Kind::ReadOnlyFilesystem => {
                    ErrorCode::ACCESS
                }
                Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
                    ErrorCode::DISK_FULL
                }
                Kind::AlreadyExists => ErrorCode::EXISTS,
                // Links that go round in circles, a socket, and whatever else is in the way.
                _ => ErrorCode::ACCESS,
            },
        }
    }
}

impl Root {
    /// Opens the directory itself. From here on its name does not matter.
    ///
    /// # Errors
    /// When it is none, or cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(Self { dir: Arc::new(dir), unfinished: Arc::default() })
    }

    /// Opens a file to be read, and says how long it is now.
    ///
    /// # Errors
    /// When there is none, it is no regular file, or it may not be read.
    pub fn read(&self, name: &[u8]) -> Result<(File, u64), Denied> {
        let path = path_of(name)?;
        // A device can act on being opened, so look first. Between this and the next line it may
        // become another file; so `O_NONBLOCK`, and a second look at what was opened.
        if !self.dir.metadata(&path)?.is_file() {
            return Err(Denied::NotAFile);
        }
        let mut options = OpenOptions::new();
        options.read(true);
        without_waiting(&mut options);
        let file = self.dir.open_with(&path, &options)?.into_std();
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(Denied::NotAFile);
        }
        Ok((file, metadata.len()))
    }

    /// Begins a file. Nothing is seen of it under its name before [`Upload::commit`].
    ///
    /// # Errors
    /// When the name is taken and [`Existing::Keep`] is wanted, it is taken by something that is no
    /// file, or its directory does not exist or may not be written.
    pub fn create(&self, name: &[u8], existing: Existing, limit: u64) -> Result<Upload, Denied> {
        let path = path_of(name)?;
        let target = path.file_name().ok_or(Denied::Name)?.to_owned();
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => Arc::new(self.dir.open_dir(parent)?),
            _ => Arc::clone(&self.dir),
        };
        match parent.symlink_metadata(&target) {
            Ok(_) if existing == Existing::Keep => return Err(Denied::Exists),
            // A link is replaced as such, wherever it leads.
            Ok(found) if !found.is_file() && !found.is_symlink() => return Err(Denied::NotAFile),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let (part, file) = create_part(&parent)?;
        let id = self.unfinished.add(&parent, &part);
        let unfinished = Arc::clone(&self.unfinished);
        Ok(Upload { file, parent, part, target, existing, limit, len: 0, id, unfinished })
    }

    /// Removes what uploads have begun and not finished: before the process ends.
    pub fn remove_unfinished(&self) {
        for (_, parent, part) in lock(&self.unfinished.parts).drain(..) {
            // Nobody is left who could be told.
            let _ = parent.remove_file(part);
        }
    }
}

/// A file on its way. Dropped before [`commit`](Self::commit), it leaves nothing behind.
pub struct Upload {
    file: File,
    parent: Arc<Dir>,
    part: OsString,
    target: OsString,
    existing: Existing,
    limit: u64,
    len: u64,
    id: u64,
    unfinished: Arc<Unfinished>,
}

impl Upload {
    /// Appends bytes.
    ///
    /// # Errors
    /// When the disk is full, or the limit reached.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Denied> {
        let added = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let len = self.len.saturating_add(added);
        if len > self.limit {
            return Err(Denied::TooLarge { limit: self.limit });
        }
        self.file.write_all(bytes)?;
        self.len = len;
        Ok(())
    }

    /// Puts the file where it belongs, at once and whole.
    ///
    /// # Errors
    /// When the disk is full, or somebody else has made a file of that name that is to stay.
    pub fn commit(self, durability: Durability) -> Result<(), Denied> {
        if durability == Durability::Disk {
            self.file.sync_all()?;
        }
        match self.existing {
            Existing::Replace => self.parent.rename(&self.part, &self.parent, &self.target)?,
            Existing::Keep => self.link()?,
        }
        if durability == Durability::Disk {
            sync_dir(&self.parent)?;
        }
        Ok(())
    }

    /// A second name for the part: link(2) fails when there is one already, where rename(2) would
    /// replace it. Dropping takes the first name away.
    fn link(&self) -> Result<(), Denied> {
        match self.parent.hard_link(&self.part, &self.parent, &self.target) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Denied::Exists),
            // Simplified: on a file system without links (FAT), two uploads that end in the same
            // instant can replace each other.
            Err(_) if self.parent.symlink_metadata(&self.target).is_err() => {
                Ok(self.parent.rename(&self.part, &self.parent, &self.target)?)
            }
            Err(_) => Err(Denied::Exists),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Gone already where it was renamed; otherwise nobody needs it any more.
        let _ = self.parent.remove_file(&self.part);
        lock(&self.unfinished.parts).retain(|(id, ..)| *id != self.id);
    }
}

/// The files that must go when the process ends.
#[derive(Default)]
struct Unfinished {
    parts: Mutex<Vec<(u64, Arc<Dir>, OsString)>>,
    next: AtomicU64,
}

impl Unfinished {
    fn add(&self, parent: &Arc<Dir>, part: &OsString) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.parts).push((id, Arc::clone(parent), part.clone()));
        id
    }
}

/// How the name of a part begins. Peers cannot ask for such names.
const PART_PREFIX: &str = ".tftp-";

/// Makes a file that has no other name yet.
fn create_part(parent: &Dir) -> io::Result<(OsString, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let part = OsString::from(format!("{PART_PREFIX}{}-{count}.part", std::process::id()));
        match parent.open_with(&part, &options) {
            Ok(file) => return Ok((part, file.into_std())),
            // Left by a process of the same number that was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// What a peer calls a file, as a path below the root.
fn path_of(name: &[u8]) -> Result<PathBuf, Denied> {
    if name.iter().any(|byte| byte.is_ascii_control()) {
        return Err(Denied::Name);
    }
    let path = native(name)?;
    let mut below = PathBuf::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(part) => below.push(part),
            Component::ParentDir | Component::Prefix(_) => return Err(Denied::Name),
        }
    }
    let is_part =
        |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(PART_PREFIX.as_bytes());
    match below.file_name() {
        Some(name) if !is_part(name) => Ok(below),
        _ => Err(Denied::Name),
    }
}

#[cfg(unix)]
fn native(name: &[u8]) -> Result<PathBuf, Denied> {
    use std::os::unix::ffi::OsStrExt;

    // Names are bytes here, and UEFI sends some that are not UTF-8.
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
}

#[cfg(not(unix))]
fn native(name: &[u8]) -> Result<PathBuf, Denied> {
    // A colon would name a drive, or a second stream of the file.
    let name = std::str::from_utf8(name).ok().filter(|name| !name.contains(':'));
    name.map(PathBuf::from).ok_or(Denied::Name)
}

#[cfg(unix)]
fn without_waiting(options: &mut OpenOptions) {
    use cap_std::fs::OpenOptionsExt;

    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    options.custom_flags(i32::try_from(flags).unwrap_or_default());
}

#[cfg(not(unix))]
fn without_waiting(_options: &mut OpenOptions) {}

/// The directory's entry is a thing of its own on the disk.
#[cfg(unix)]
fn sync_dir(dir: &Dir) -> io::Result<()> {
    // `dir` itself may be open for walking only (O_PATH), which fsync(2) refuses.
    dir.open(".")?.sync_all()
}

#[cfg(not(unix))]
fn sync_dir(_dir: &Dir) -> io::Result<()> {
    // NTFS keeps a journal of names.
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The list is whole after every statement that holds the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
