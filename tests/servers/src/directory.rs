//! Directories: a temporary one that is removed on drop, and a recursive copy.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The user for files and processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A directory that only its owner may enter, removed on drop. Its path is short, because it must fit into that of a
/// Unix socket.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let path = env::temp_dir().join(format!("test-servers-{}-{count}-{nanos:x}", process::id()));
        DirBuilder::new().mode(0o700).create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The owner of a new file: the user of this process.
    pub(crate) fn owner(&self) -> User {
        let metadata = fs::metadata(&self.0).unwrap();
        User { uid: metadata.uid(), gid: metadata.gid() }
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies a directory with its permissions and symbolic links, and gives the copy to `owner`.
pub(crate) fn copy(from: &Path, to: &Path, owner: Option<User>) {
    try_copy(from, to, owner).unwrap_or_else(|error| panic!("copy {} to {}: {error}", from.display(), to.display()));
}

/// Like [`copy`], but returns errors.
pub(crate) fn try_copy(from: &Path, to: &Path, owner: Option<User>) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    if metadata.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    if metadata.is_dir() {
        DirBuilder::new().mode(0o700).create(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            try_copy(&entry.path(), &to.join(entry.file_name()), owner)?;
        }
        fs::set_permissions(to, metadata.permissions())?;
    } else {
        fs::copy(from, to)?;
    }
    match owner {
        Some(user) => chown(to, Some(user.uid), Some(user.gid)),
        None => Ok(()),
    }
}
