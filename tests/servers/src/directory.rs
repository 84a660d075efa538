//! Directories: temporary ones, and a recursive copy.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown, symlink};
use std::path::Path;

use tempfile::TempDir;

/// The user for files and processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A directory that only its owner may enter, removed on drop. Its path is short: a Unix socket must fit in it.
pub(crate) fn temporary() -> TempDir {
    TempDir::new().unwrap_or_else(|error| panic!("a temporary directory: {error}"))
}

/// The owner of a new file in `directory`: the user this process runs as.
pub(crate) fn owner(directory: &TempDir) -> User {
    let metadata = fs::metadata(directory.path()).unwrap();
    User { uid: metadata.uid(), gid: metadata.gid() }
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
