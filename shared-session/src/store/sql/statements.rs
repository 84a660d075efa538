//! The statements for both databases, which differ in the clock, the tables, and how a purge skips locked rows.

use super::database::{Common, Dialects};

/// One text for each operation. Parameters are numbered as the caller binds them.
#[derive(Clone)]
pub(super) struct Statements {
    pub(super) common: Common,
    /// Key. Returns the value and its remaining lifetime in milliseconds.
    #[cfg(feature = "redis")]
    pub(super) load_with_lifetime: &'static str,
    /// Key, value, lifetime in milliseconds. Replaces a row whose lifetime has passed.
    pub(super) create: &'static str,
    /// Key, value, lifetime, position, length and bytes of the part.
    pub(super) replace: &'static str,
    /// Limit.
    pub(super) purge_index: &'static str,
    /// Index, member, deadline.
    pub(super) index_add: &'static str,
    /// Index.
    pub(super) index_list: &'static str,
    /// Index, members as a JSON array.
    pub(super) index_remove: &'static str,
}

impl AsRef<Common> for Statements {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

macro_rules! statements {
    (now: $now:literal, pass_locked: $pass:literal, members: $members:literal $(,)?) => {
        Statements {
            common: Common {
                load: concat!("SELECT value FROM shared_session WHERE session_key = $1 AND expires_at > ", $now),
                delete: concat!("DELETE FROM shared_session WHERE session_key = $1 AND expires_at > ", $now),
                delete_part: concat!(
                    "DELETE FROM shared_session ",
                    "WHERE session_key = $1 AND substr(value, $2, $3) = $4 AND expires_at > ",
                    $now,
                ),
                scan: concat!(
                    "SELECT session_key FROM shared_session WHERE session_key >= $1 AND session_key < $3 AND expires_at > ",
                    $now,
                    " ORDER BY session_key LIMIT $2",
                ),
                scan_to_the_end: concat!(
                    "SELECT session_key FROM shared_session WHERE session_key >= $1 AND expires_at > ",
                    $now,
                    " ORDER BY session_key LIMIT $2",
                ),
                purge: concat!(
                    "DELETE FROM shared_session WHERE session_key IN (",
                    "SELECT session_key FROM shared_session WHERE expires_at <= (SELECT ",
                    $now,
                    ") ",
                    "ORDER BY expires_at LIMIT $1",
                    $pass,
                    ")",
                ),
                time: concat!("SELECT ", $now),
            },
            #[cfg(feature = "redis")]
            load_with_lifetime: concat!(
                "SELECT value, expires_at - ",
                $now,
                " FROM shared_session WHERE session_key = $1 AND expires_at > ",
                $now,
            ),
            create: concat!(
                "INSERT INTO shared_session (session_key, value, expires_at) VALUES ($1, $2, $3 + ",
                $now,
                ") ",
                "ON CONFLICT (session_key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at ",
                "WHERE shared_session.expires_at <= ",
                $now,
            ),
            replace: concat!(
                "UPDATE shared_session SET value = $2, expires_at = $3 + ",
                $now,
                " WHERE session_key = $1 AND substr(value, $4, $5) = $6 AND expires_at > ",
                $now,
            ),
            purge_index: concat!(
                "DELETE FROM shared_session_index WHERE (index_key, member) IN (",
                "SELECT index_key, member FROM shared_session_index WHERE deadline <= (SELECT ",
                $now,
                ") ",
                "ORDER BY deadline LIMIT $1",
                $pass,
                ")",
            ),
            index_add: concat!(
                "INSERT INTO shared_session_index (index_key, member, deadline) VALUES ($1, $2, $3) ",
                "ON CONFLICT (index_key, member) DO UPDATE SET deadline = excluded.deadline ",
                "WHERE shared_session_index.deadline < excluded.deadline",
            ),
            index_list: concat!("SELECT member FROM shared_session_index WHERE index_key = $1 AND deadline > ", $now),
            index_remove: concat!(
                "DELETE FROM shared_session_index WHERE index_key = $1 AND member IN (",
                $members,
                ")"
            ),
        }
    };
}

pub(super) static STATEMENTS: Dialects<Statements> = Dialects {
    // `clock_timestamp()`, not `now()`, gives the time of this step of the statement, even if it waited for a lock.
    #[cfg(feature = "postgres")]
    postgres: statements! {
        now: "(extract(epoch from clock_timestamp()) * 1000)::bigint",
        pass_locked: " FOR UPDATE SKIP LOCKED",
        members: "SELECT jsonb_array_elements_text($2::jsonb)",
    },
    #[cfg(feature = "sqlite")]
    sqlite: statements! {
        now: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        pass_locked: "",
        members: "SELECT value FROM json_each($2)",
    },
};

/// Keys sort by their bytes, whatever the database's collation, so that a prefix is a range.
#[cfg(feature = "postgres")]
pub(super) const POSTGRES_TABLES: &str = r#"
CREATE TABLE IF NOT EXISTS shared_session (
    session_key text COLLATE "C" NOT NULL PRIMARY KEY,
    value bytea NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS shared_session_expires_at ON shared_session (expires_at);
CREATE TABLE IF NOT EXISTS shared_session_index (
    index_key text COLLATE "C" NOT NULL,
    member text COLLATE "C" NOT NULL,
    deadline bigint NOT NULL,
    PRIMARY KEY (index_key, member)
);
CREATE INDEX IF NOT EXISTS shared_session_index_deadline ON shared_session_index (deadline);
"#;

#[cfg(feature = "sqlite")]
pub(super) const SQLITE_TABLES: &str = "
CREATE TABLE IF NOT EXISTS shared_session (
    session_key TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS shared_session_expires_at ON shared_session (expires_at);
CREATE TABLE IF NOT EXISTS shared_session_index (
    index_key TEXT NOT NULL,
    member TEXT NOT NULL,
    deadline INTEGER NOT NULL,
    PRIMARY KEY (index_key, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shared_session_index_deadline ON shared_session_index (deadline);
";
