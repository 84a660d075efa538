//! `DATA_DIR`: the files of an embedded start, which no other user of the machine may read.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    path::Path,
};

use shared_session::{Error, ErrorKind};

use crate::settings::Settings;

/// The file that marks that the demo user was created here once.
const DEMO_USER_MADE: &str = "demo-user-created";

/// Creates the directory and the embedded database, if `settings` need them and they are missing.
///
/// # Errors
/// One line that names the directory.
pub(crate) fn prepare(settings: &Settings) -> Result<(), Error> {
    let has_database = settings.has_embedded_database();
    if settings.secret_key.is_some() && !has_database {
        return Ok(());
    }
    let made = make(&settings.data_dir).and_then(|()| match has_database {
        true => make_database(&settings.data_dir, &settings.embedded_database()),
        false => Ok(()),
    });
    made.map_err(|source| {
        let directory = settings.data_dir.display();
        Error::new(ErrorKind::Config, format!("DATA_DIR {directory} cannot be made: {source}"))
    })
}

/// Creates the directory if it is missing, for its owner alone.
///
/// # Errors
/// If it cannot be created.
pub(crate) fn make(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Creates an empty database file if it is missing, for its owner alone; SQLite gives its other files the same mode. An
/// existing file keeps its mode. A new database has no demo user.
///
/// # Errors
/// If it cannot be created.
fn make_database(directory: &Path, database: &Path) -> io::Result<()> {
    if create_new(database)? {
        remove_if_there(&directory.join(DEMO_USER_MADE))?;
    }
    Ok(())
}

/// Whether the demo user of this database was created once: it may have been renamed or deleted since.
#[must_use]
pub(crate) fn has_had_demo_user(directory: &Path) -> bool {
    directory.join(DEMO_USER_MADE).exists()
}

/// Records that the demo user was created.
///
/// # Errors
/// If the mark cannot be written.
pub(crate) fn remember_demo_user(directory: &Path) -> io::Result<()> {
    create_new(&directory.join(DEMO_USER_MADE)).map(drop)
}

/// Whether the file was created; `false` if it existed.
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
