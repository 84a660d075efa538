//! What the first start makes, and is not there yet.

use std::{path::PathBuf, str::FromStr as _};

use shared_session::{Error, ErrorKind};
use sqlx::{Connection as _, PgConnection, SqliteConnection, postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

use crate::{
    secret_key,
    settings::{DatabaseUrl, Service, SessionUrl, Settings},
    setup::{embedded_url, explained, has_embedded_database, users_url},
};

const USER_TABLES: &[&str] = &["auth_user", "shared_session_epoch"];
const SESSION_TABLES: &[&str] = &["shared_session", "shared_session_index"];
const STAFF_TABLES: &[&str] = &["site_staff_log"];

/// Files that the settings name, and that the first start would make.
pub(super) fn files(settings: &Settings) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if has_embedded_database(settings) {
        files.push(settings.embedded_database());
    }
    let users = if let DatabaseUrl::Sqlite(url) = &settings.database_url { Some(url) } else { None };
    let sessions = if let SessionUrl::Sqlite(url) = &settings.session_url { Some(url) } else { None };
    let of_url = |url: &String| Some(SqliteConnectOptions::from_str(url).ok()?.get_filename().to_owned());
    files.extend(users.into_iter().chain(sessions).filter_map(of_url));
    files.retain(|file| !file.exists());
    if settings.secret_key.is_none() && !secret_key::exists(&settings.data_dir) {
        files.push(settings.data_dir.join("secret_key"));
    }
    files.dedup();
    files
}

/// Tables of ours that are not there. With a Django profile there are none of ours.
pub(super) async fn tables(settings: &Settings) -> Result<Vec<&'static str>, Error> {
    if settings.profile.is_django() {
        return Ok(Vec::new());
    }
    let users = users_url(settings);
    let mut missing = lacking(&users, "DATABASE_URL", USER_TABLES).await?;
    if settings.service == Service::Site {
        missing.extend(lacking(&users, "DATABASE_URL", STAFF_TABLES).await?);
    }
    let sessions = match &settings.session_url {
        _ if settings.durable => Some(users),
        SessionUrl::Embedded => Some(embedded_url(settings)),
        SessionUrl::Sqlite(url) => Some(url.clone()),
        SessionUrl::Postgres(url) => Some(url.expose().to_owned()),
        _ => None,
    };
    if let Some(url) = sessions {
        missing.extend(lacking(&url, "SESSION_URL", SESSION_TABLES).await?);
    }
    Ok(missing)
}

/// Those of `tables` that are not in the database at `url`.
async fn lacking(url: &str, setting: &str, tables: &[&'static str]) -> Result<Vec<&'static str>, Error> {
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
    // Poolers refuse the parameter.
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
