//! Finds the files and tables that do not exist yet and that the first start creates.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    str::FromStr as _,
};

use shared_session::{Error, ErrorKind};
use sqlx::{Connection as _, PgConnection, SqliteConnection, postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

use crate::{
    secret_key,
    settings::{DatabaseUrl, Service, SessionUrl, Settings, explained},
};

const USER_TABLES: &[&str] = &["auth_user", "shared_session_epoch"];
const SESSION_TABLES: &[&str] = &["shared_session", "shared_session_index"];
const STAFF_TABLES: &[&str] = &["site_staff_log"];

/// The missing files that the settings name and the first start would create.
#[must_use]
pub fn files(settings: &Settings) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if settings.has_embedded_database() {
        files.push(settings.embedded_database());
    }
    let users = if let DatabaseUrl::Sqlite(url) = &settings.database_url { Some(url) } else { None };
    let sessions = if let SessionUrl::Sqlite(url) = &settings.session_url { Some(url) } else { None };
    files.extend(users.into_iter().chain(sessions).filter_map(|url| file_of(url)));
    files.retain(|file| !file.exists());
    files.extend(secret_key::missing_file(settings));
    files.dedup();
    files
}

/// The reasons why `files` cannot be created: a sentence for each directory that is missing or refuses.
pub(super) fn obstacles(settings: &Settings, files: &[PathBuf]) -> Vec<String> {
    let mut looked_at = BTreeSet::new();
    let mut obstacles = Vec::new();
    for file in files {
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The start creates the data directory, but no other one.
        let directory = match parent == settings.data_dir {
            true => parent.ancestors().find(|directory| directory.exists()).unwrap_or(Path::new(".")),
            false => parent,
        };
        if !looked_at.insert(directory) {
            continue;
        }
        let refused = |error: io::Error| format!("{} cannot be written: {error}", directory.display());
        obstacles.extend(is_writable(directory).err().map(refused));
    }
    obstacles
}

/// Creates a file and removes it, which is more reliable than the mode of the directory.
fn is_writable(directory: &Path) -> io::Result<()> {
    let probe = directory.join(format!(".shared-session-check-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(probe)
}

/// Our tables that are missing. A Django profile uses none of ours.
pub(super) async fn tables(settings: &Settings) -> Result<Vec<&'static str>, Error> {
    if settings.profile.is_django() {
        return Ok(Vec::new());
    }
    let users = settings.users_database_url();
    let mut missing = lacking(&users, "DATABASE_URL", USER_TABLES).await?;
    if settings.service == Service::Site {
        missing.extend(lacking(&users, "DATABASE_URL", STAFF_TABLES).await?);
    }
    let sessions = if settings.durable { Some(users) } else { settings.sessions_database_url() };
    if let Some(url) = sessions {
        missing.extend(lacking(&url, "SESSION_URL", SESSION_TABLES).await?);
    }
    Ok(missing)
}

/// The file of a SQLite database.
fn file_of(url: &str) -> Option<PathBuf> {
    Some(SqliteConnectOptions::from_str(url).ok()?.get_filename().to_owned())
}

/// The members of `tables` that are missing in the database at `url`.
async fn lacking(url: &str, setting: &str, tables: &[&'static str]) -> Result<Vec<&'static str>, Error> {
    if url.starts_with("sqlite:") && file_of(url).is_some_and(|file| !file.exists()) {
        // The missing file is already reported.
        return Ok(Vec::new());
    }
    let found = if url.starts_with("sqlite:") { in_sqlite(url, tables).await } else { in_postgres(url, tables).await };
    found.map_err(|error| {
        let error = Error::new(ErrorKind::Unavailable, "the database does not answer").with_source(Box::new(error));
        explained(setting, &error)
    })
}

async fn in_sqlite(url: &str, tables: &[&'static str]) -> sqlx::Result<Vec<&'static str>> {
    let mut connection = SqliteConnection::connect(url).await?;
    let mut missing = Vec::new();
    for table in tables {
        let sql = "SELECT COUNT(*) = 0 FROM sqlite_master WHERE type = 'table' AND name = $1";
        let is_missing: bool = sqlx::query_scalar(sql).bind(*table).fetch_one(&mut connection).await?;
        missing.extend(is_missing.then_some(*table));
    }
    Ok(missing)
}

async fn in_postgres(url: &str, tables: &[&'static str]) -> sqlx::Result<Vec<&'static str>> {
    // Poolers refuse the parameter `extra_float_digits`.
    let options = url.parse::<PgConnectOptions>()?.extra_float_digits(None);
    let mut connection = PgConnection::connect_with(&options).await?;
    let mut missing = Vec::new();
    for table in tables {
        let query = sqlx::query_scalar("SELECT to_regclass($1) IS NULL").persistent(false).bind(*table);
        let is_missing: bool = query.fetch_one(&mut connection).await?;
        missing.extend(is_missing.then_some(*table));
    }
    Ok(missing)
}
