//! `DATA_DIR`: the files of an embedded start, which nobody else on the machine may read.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    path::Path,
};

/// Says that the demo user was created here once.
const DEMO_USER_MADE: &str = "demo-user-created";

/// Makes the directory where it is missing, for its owner alone.
///
/// # Errors
/// If it cannot be made.
pub fn make(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Makes an empty database file where it is missing, for its owner alone; SQLite gives its other files the same mode. A
/// file that is there keeps its mode. A new database knows no demo user.
///
/// # Errors
/// If it cannot be made.
pub fn make_database(directory: &Path, database: &Path) -> io::Result<()> {
    if create_new(database)? {
        remove_if_there(&directory.join(DEMO_USER_MADE))?;
    }
    Ok(())
}

/// Whether this database has had its demo user: somebody may have renamed or deleted it since.
#[must_use]
pub fn has_had_demo_user(directory: &Path) -> bool {
    directory.join(DEMO_USER_MADE).exists()
}

/// Remembers that the demo user was created.
///
/// # Errors
/// If that cannot be written.
pub fn remember_demo_user(directory: &Path) -> io::Result<()> {
    create_new(&directory.join(DEMO_USER_MADE)).map(drop)
}

/// Whether the file was made; `false` if it was there.
fn create_new(path: &Path) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
