//! Classifies a SQL driver's error for the caller, for every pool: whether trying again may help.

use crate::error::ErrorKind;

/// Temporary errors are `Unavailable`. An error of the statement, the schema or the data will occur again.
pub(crate) fn kind(error: &sqlx::Error) -> ErrorKind {
    match error {
        // A retry has prepared the statement again, but another migration has made it stale once more.
        #[cfg(feature = "postgres")]
        sqlx::Error::Database(error) if crate::sql::postgres::is_stale_plan(&**error) => ErrorKind::Unavailable,
        sqlx::Error::Database(error) => error.code().map_or(ErrorKind::Unavailable, |code| kind_of_code(&code)),
        sqlx::Error::Configuration(_) => ErrorKind::Config,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => ErrorKind::Unreadable,
        sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::Encode(_)
        | sqlx::Error::InvalidArgument(_)
        | sqlx::Error::RowNotFound => ErrorKind::Database,
        _ => ErrorKind::Unavailable,
    }
}

/// Whether a table is missing. SQLite has no separate code for that.
pub(crate) fn is_missing_table(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().as_deref() == Some("42P01") || error.message().starts_with("no such table: ")
}

/// A SQLSTATE of PostgreSQL has five characters, an extended result code of SQLite has at most four digits.
fn kind_of_code(code: &str) -> ErrorKind {
    let is_final = match sqlite_code(code) {
        Some(code) => is_final_in_sqlite(code),
        None => is_final_in_postgres(code),
    };
    if is_final { ErrorKind::Database } else { ErrorKind::Unavailable }
}

/// By class: features, data, constraints, triggers and functions, schemas, syntax, names and privileges.
fn is_final_in_postgres(code: &str) -> bool {
    const CLASSES: [&str; 13] = ["0A", "21", "22", "23", "27", "2B", "2F", "38", "39", "3F", "42", "44", "P0"];
    // A pooler passed a statement of another client to the connection.
    const DUPLICATE_PREPARED_STATEMENT: &str = "42P05";
    code != DUPLICATE_PREPARED_STATEMENT && CLASSES.iter().any(|class| code.starts_with(class))
}

/// A wrong statement or schema, a damaged or foreign file, and data that violates a constraint. Locks, memory, disks
/// and files that cannot be opened may recover.
fn is_final_in_sqlite(code: u32) -> bool {
    const ERROR: u32 = 1;
    const CORRUPT: u32 = 11;
    const TOO_BIG: u32 = 18;
    const CONSTRAINT: u32 = 19;
    const MISMATCH: u32 = 20;
    const MISUSE: u32 = 21;
    const AUTH: u32 = 23;
    const RANGE: u32 = 25;
    const NOT_A_DATABASE: u32 = 26;
    matches!(code, ERROR | CORRUPT | TOO_BIG | CONSTRAINT | MISMATCH | MISUSE | AUTH | RANGE | NOT_A_DATABASE)
}

/// The primary code of an extended SQLite code; `None` for PostgreSQL's.
pub(crate) fn sqlite_code(code: &str) -> Option<u32> {
    if code.len() == 5 { None } else { code.parse::<u32>().ok().map(|code| code & 0xff) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_postgres_would_repeat_is_refused() {
        for code in ["0A000", "42P01", "42703", "42501", "42883", "22P02", "22021", "23505", "3F000", "P0001"] {
            assert_eq!(kind_of_code(code), ErrorKind::Database, "{code}");
        }
    }

    #[test]
    fn a_temporary_error_of_postgres_is_unavailable() {
        for code in [
            "08006", "08P01", "53300", "53100", "57014", "57P01", "57P03", "40001", "40P01", "55P03", "55006", "25006",
            "25P02", "26000", "42P05", "28P01", "3D000", "58030", "XX000",
        ] {
            assert_eq!(kind_of_code(code), ErrorKind::Unavailable, "{code}");
        }
    }

    #[test]
    fn sqlite_tells_a_wrong_statement_from_a_busy_file() {
        // ERROR, CORRUPT, CONSTRAINT_UNIQUE, MISMATCH, NOTADB
        for code in ["1", "11", "2067", "20", "26"] {
            assert_eq!(kind_of_code(code), ErrorKind::Database, "{code}");
        }
        // BUSY, BUSY_SNAPSHOT, LOCKED, NOMEM, READONLY, IOERR_READ, FULL, CANTOPEN, PROTOCOL, SCHEMA
        for code in ["5", "517", "6", "7", "8", "266", "13", "14", "15", "17"] {
            assert_eq!(kind_of_code(code), ErrorKind::Unavailable, "{code}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_read_is_unreadable_and_a_missing_column_is_refused() {
        assert_eq!(kind(&sqlx::Error::Decode("x".into())), ErrorKind::Unreadable);
        assert_eq!(kind(&sqlx::Error::ColumnNotFound("x".into())), ErrorKind::Database);
        assert_eq!(kind(&sqlx::Error::Configuration("x".into())), ErrorKind::Config);
        assert_eq!(kind(&sqlx::Error::PoolTimedOut), ErrorKind::Unavailable);
    }
}
