//! The databases that the settings name: of users and of sessions.

use std::path::PathBuf;

use super::{DatabaseUrl, SessionUrl, Settings};

impl Settings {
    /// The database file of an embedded start. Sessions and users share it.
    #[must_use]
    pub fn embedded_database(&self) -> PathBuf {
        self.data_dir.join("shared-session.sqlite3")
    }

    /// Whether the users are in the embedded file, so that the first start creates the user `demo`.
    #[must_use]
    pub fn has_embedded_users(&self) -> bool {
        self.database_url == DatabaseUrl::Embedded
    }

    /// Whether the users or the sessions are in the embedded file.
    pub(crate) fn has_embedded_database(&self) -> bool {
        self.has_embedded_users() || self.session_url == SessionUrl::Embedded
    }

    /// The URL of the database that holds the users.
    pub(crate) fn users_database_url(&self) -> String {
        match &self.database_url {
            DatabaseUrl::Embedded => self.embedded_url(),
            DatabaseUrl::Sqlite(url) => url.clone(),
            DatabaseUrl::Postgres(url) => url.expose().to_owned(),
        }
    }

    /// The URL of the database that `SESSION_URL` names; `None` if it names a Redis.
    pub(crate) fn sessions_database_url(&self) -> Option<String> {
        match &self.session_url {
            SessionUrl::Embedded => Some(self.embedded_url()),
            SessionUrl::Sqlite(url) => Some(url.clone()),
            SessionUrl::Postgres(url) => Some(url.expose().to_owned()),
            SessionUrl::Redis(_) | SessionUrl::RedisSentinel(_) | SessionUrl::RedisCluster(_) => None,
        }
    }

    fn embedded_url(&self) -> String {
        format!("sqlite://{}", self.embedded_database().display())
    }
}
