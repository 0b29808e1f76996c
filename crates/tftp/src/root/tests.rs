//! What leads out of a root, what is no file, and what an upload leaves behind.

use std::fs;
use std::io::Read;

use super::*;

#[test]
fn a_name_that_climbs_is_refused_whether_or_not_it_leads_to_something() {
    // P-01. The same answer for what exists and what does not.
    let folder = Folder::new();
    for name in ["../secret", "../nothing", "a/../../secret", "a/..", "..", "/../secret", "."] {
        assert_eq!(folder.code(name.as_bytes()), ErrorCode::ACCESS, "{name}");
    }
    // Not climbing: a name that nobody has. On Windows the first is.
    for name in ["....//x", "%2e%2e/secret"] {
        assert_eq!(folder.code(name.as_bytes()), ErrorCode::NOT_FOUND, "{name}");
    }
    #[cfg(unix)]
    assert_eq!(folder.code(br"..\secret"), ErrorCode::NOT_FOUND);
}

#[test]
fn dots_within_a_name_are_letters() {
    // P-02.
    let folder = Folder::new();
    for name in ["foo..bar", "...", "a..b"] {
        fs::write(folder.root_path().join(name), name).unwrap();
        assert_eq!(folder.text(name), name);
    }
}

#[test]
fn a_path_from_the_top_begins_at_the_root() {
    // P-03, and P-04: the sibling whose name begins like the root's is out of reach.
    let folder = Folder::new();
    for name in ["f", "/f", "//f", "./f", "/./f", "sub/../f"] {
        if name.contains("..") {
            assert_eq!(folder.code(name.as_bytes()), ErrorCode::ACCESS);
        } else {
            assert_eq!(folder.text(name), "inside");
        }
    }
    let sibling = folder.path.join("root-private/f");
    for name in [sibling.to_str().unwrap(), "../root-private/f"] {
        assert!(folder.root.read(name.as_bytes()).is_err(), "{name}");
    }
}

#[test]
fn control_characters_in_a_name_are_refused() {
    // P-06; an empty name never gets here (S-06).
    let folder = Folder::new();
    for name in [&b"a\nb"[..], b"\x1b[2J", b"f\x7f", b"", b"/"] {
        assert_eq!(folder.code(name), ErrorCode::ACCESS, "{name:?}");
    }
}

#[test]
fn a_name_that_is_too_long_is_not_found() {
    // S-07: never cut to another name.
    let folder = Folder::new();
    fs::write(folder.root_path().join("n".repeat(255)), "n").unwrap();
    assert_eq!(folder.text(&"n".repeat(255)), "n");
    assert_eq!(folder.code("n".repeat(256).as_bytes()), ErrorCode::NOT_FOUND);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_is_bytes() {
    // S-08.
    use std::os::unix::ffi::OsStrExt;

    let folder = Folder::new();
    let name = b"caf\xe9\xff";
    fs::write(folder.root_path().join(std::ffi::OsStr::from_bytes(name)), "bytes").unwrap();
    assert!(folder.root.read(name).is_ok());
    assert_eq!(folder.code(b"\xff"), ErrorCode::NOT_FOUND);
}

#[cfg(unix)]
#[test]
fn a_link_may_lead_within_the_root_and_not_out_of_it() {
    // P-05.
    use std::os::unix::fs::symlink;

    let folder = Folder::new();
    let link = |to: &str, name: &str| symlink(to, folder.root_path().join(name)).unwrap();
    link("f", "within");
    link("../secret", "out");
    link("..", "up");
    link("/etc/hostname", "far");
    link("circle", "circle");
    assert_eq!(folder.text("within"), "inside");
    for name in ["out", "up/secret", "far", "circle"] {
        assert_eq!(folder.code(name.as_bytes()), ErrorCode::ACCESS, "{name}");
    }
    let created = folder.root.create(b"up/new", Existing::Keep, 9);
    assert_eq!(created.err().unwrap().code(), ErrorCode::ACCESS);
    // A link in the place of a target is replaced as such.
    folder.put("out", Existing::Replace).unwrap();
    assert_eq!(fs::read_to_string(folder.path.join("secret")).unwrap(), "outside");
    assert_eq!(folder.text("out"), "new");
}

#[cfg(unix)]
#[test]
fn a_link_that_changes_while_it_is_opened_never_leads_out() {
    // P-05, in a race: whoever looks first and opens then is caught sooner or later.
    use std::os::unix::fs::symlink;
    use std::sync::atomic::AtomicBool;

    let folder = Folder::new();
    let (link, spare) = (folder.root_path().join("link"), folder.root_path().join("spare"));
    symlink("f", &link).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                symlink(if turn % 2 == 0 { "../secret" } else { "f" }, &spare).unwrap();
                fs::rename(&spare, &link).unwrap();
            }
        });
        for _ in 0..2000 {
            if let Ok((mut file, _)) = folder.root.read(b"link") {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                assert_eq!(text, "inside");
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn only_a_regular_file_is_read_and_nothing_is_waited_for() {
    // S-35.
    let folder = Folder::new();
    assert_eq!(folder.code(b"missing"), ErrorCode::NOT_FOUND);
    assert_eq!(folder.code(b"f/below"), ErrorCode::NOT_FOUND);
    assert_eq!(folder.code(b"sub"), ErrorCode::ACCESS);
    assert_eq!(folder.code(b"sub/"), ErrorCode::ACCESS);
    let created = folder.root.create(b"sub", Existing::Replace, 9);
    assert_eq!(created.err().unwrap().code(), ErrorCode::ACCESS);
    #[cfg(unix)]
    {
        use std::os::unix::net::UnixListener;

        let pipe = folder.root_path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _socket = UnixListener::bind(folder.root_path().join("socket")).unwrap();
        for name in [&b"pipe"[..], b"socket"] {
            assert_eq!(folder.code(name), ErrorCode::ACCESS);
            let created = folder.root.create(name, Existing::Replace, 9);
            assert_eq!(created.err().unwrap().code(), ErrorCode::ACCESS);
        }
    }
}

#[test]
fn what_exists_stays_unless_it_is_to_be_replaced() {
    // S-42.
    let folder = Folder::new();
    assert_eq!(folder.put("f", Existing::Keep), Err(ErrorCode::EXISTS));
    assert_eq!(folder.text("f"), "inside");
    folder.put("f", Existing::Replace).unwrap();
    assert_eq!(folder.text("f"), "new");
    folder.put("sub/g", Existing::Keep).unwrap();
    assert_eq!(folder.text("sub/g"), "new");
    assert_eq!(folder.put("none/g", Existing::Keep), Err(ErrorCode::NOT_FOUND));
    assert_eq!(folder.names(), ["f", "sub"]);
}

#[test]
fn of_two_uploads_of_one_name_the_first_that_is_whole_counts() {
    // S-46.
    let folder = Folder::new();
    let mut first = folder.root.create(b"g", Existing::Keep, 9).unwrap();
    let mut second = folder.root.create(b"g", Existing::Keep, 9).unwrap();
    first.append(b"1111").unwrap();
    second.append(b"2222").unwrap();
    second.commit(Durability::Disk).unwrap();
    let late = first.commit(Durability::Disk).unwrap_err();
    assert_eq!(late.code(), ErrorCode::EXISTS);
    assert_eq!(folder.text("g"), "2222");
    assert_eq!(folder.names(), ["f", "g", "sub"]);
}

#[test]
fn what_is_not_finished_is_not_seen_and_leaves_nothing() {
    // S-45, S-47.
    let folder = Folder::new();
    let mut upload = folder.root.create(b"f", Existing::Replace, 9).unwrap();
    upload.append(b"half").unwrap();
    assert_eq!(folder.text("f"), "inside");
    let part = folder.names().remove(0);
    assert!(part.starts_with(PART_PREFIX), "{part}");
    assert_eq!(folder.code(part.as_bytes()), ErrorCode::ACCESS, "a part is nobody's business");
    drop(upload);
    assert_eq!(folder.names(), ["f", "sub"]);
    assert_eq!(folder.text("f"), "inside");
    // The same when the process is about to end, and nothing is dropped.
    let upload = folder.root.create(b"f", Existing::Replace, 9).unwrap();
    folder.root.remove_unfinished();
    assert_eq!(folder.names(), ["f", "sub"]);
    drop(upload);
}

#[test]
fn a_file_that_grows_too_large_is_refused() {
    let folder = Folder::new();
    let mut upload = folder.root.create(b"g", Existing::Keep, 3).unwrap();
    upload.append(b"123").unwrap();
    assert_eq!(upload.append(b"4").unwrap_err().code(), ErrorCode::DISK_FULL);
}

/// A folder of the test's own, with `root` in it and what must not be reached beside it.
struct Folder {
    path: PathBuf,
    root: Root,
}

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tftp-root-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // What a killed run left.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("root/sub")).unwrap();
        fs::create_dir_all(path.join("root-private")).unwrap();
        fs::write(path.join("root/f"), "inside").unwrap();
        fs::write(path.join("root-private/f"), "outside").unwrap();
        fs::write(path.join("secret"), "outside").unwrap();
        let root = Root::open(&path.join("root")).unwrap();
        Self { path, root }
    }

    fn root_path(&self) -> PathBuf {
        self.path.join("root")
    }

    fn text(&self, name: &str) -> String {
        let (mut file, _) = self.root.read(name.as_bytes()).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[track_caller]
    fn code(&self, name: &[u8]) -> ErrorCode {
        self.root.read(name).unwrap_err().code()
    }

    fn put(&self, name: &str, existing: Existing) -> Result<(), ErrorCode> {
        let put = || {
            let mut upload = self.root.create(name.as_bytes(), existing, 9)?;
            upload.append(b"new")?;
            upload.commit(Durability::System)
        };
        put().map_err(|denied: Denied| denied.code())
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root_path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
