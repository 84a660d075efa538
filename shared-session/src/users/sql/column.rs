//! One column as the database describes it, and the SQL to compare, read and fill it. Pure.

/// The SQL dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    #[cfg(feature = "sqlite")]
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

impl Dialect {
    /// Whether no type of the database stores a time zone or offset.
    #[cfg(feature = "django")]
    pub(super) fn has_only_local_times(self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => true,
            #[cfg(feature = "postgres")]
            Self::Postgres => false,
        }
    }
}

/// A column of the user table, or of a table that refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Is the primary key, or a part of it.
    pub(super) is_key: bool,
    /// The database fills it if an `INSERT` does not.
    pub(super) is_filled: bool,
    /// Must not be NULL.
    pub(super) is_required: bool,
}

/// The kind of values in a column, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "SQLite has no such types"))]
pub(super) enum Kind {
    Number,
    Uuid,
    /// A UUID without dashes, as Django stores it in SQLite.
    UuidText,
    /// Text that is compared with a parameter as it is.
    Text,
    /// Text of a type with its own comparison, such as `citext`: the name of the type in SQL.
    TextOf(String),
    /// A date or a time with a fixed place on the time line.
    Date,
    /// A local date or time.
    LocalDate,
    Other,
}

impl Kind {
    /// `base` is the name of the type; for a domain, that of its base type. `category` is PostgreSQL's.
    pub(super) fn of(dialect: Dialect, base: &str, category: &str) -> Self {
        match dialect {
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => match (base, category) {
                _ if base.contains("int") => Self::Number,
                ("char(32)", _) => Self::UuidText,
                _ => Self::Text,
            },
            #[cfg(feature = "postgres")]
            Dialect::Postgres => match (base, category) {
                ("smallint" | "integer" | "bigint", _) => Self::Number,
                ("uuid", _) => Self::Uuid,
                ("text" | "character varying", _) => Self::Text,
                (_, "S") => Self::TextOf(base.to_owned()),
                ("timestamp with time zone", _) => Self::Date,
                ("date" | "timestamp without time zone", _) => Self::LocalDate,
                _ => Self::Other,
            },
        }
    }
}

impl Column {
    pub(super) fn quoted(&self) -> String {
        quoted(&self.name)
    }

    /// `column = $parameter`, where the parameter is text from [`stored`](Self::stored). The column is not converted,
    /// so that its own comparison applies and its index is used.
    pub(super) fn equals(&self, alias: &str, parameter: usize) -> String {
        let column = format!("{alias}{}", self.quoted());
        match &self.kind {
            Kind::Date | Kind::LocalDate | Kind::Other => format!("CAST({column} AS TEXT) = ${parameter}"),
            _ => format!("{column} = {}", self.parameter(parameter)),
        }
    }

    /// `$parameter`, which is text, as a value of this column.
    pub(super) fn parameter(&self, parameter: usize) -> String {
        match &self.kind {
            Kind::Number => format!("CAST(${parameter} AS BIGINT)"),
            Kind::Uuid => format!("CAST(${parameter} AS UUID)"),
            Kind::TextOf(name) => format!("CAST(${parameter} AS {name})"),
            Kind::UuidText | Kind::Text | Kind::Date | Kind::LocalDate | Kind::Other => format!("${parameter}"),
        }
    }

    /// `value` as the database stores it; `None` if no row can have it.
    pub(super) fn stored(&self, value: &str) -> Option<String> {
        match self.kind {
            Kind::Number => value.parse::<i64>().ok().map(|number| number.to_string()),
            Kind::Uuid => bare_uuid(value).map(|_| value.to_owned()),
            Kind::UuidText => bare_uuid(value),
            _ => (!value.contains('\0')).then(|| value.to_owned()),
        }
    }

    /// The column as text.
    pub(super) fn text(&self) -> String {
        format!("CAST(u.{} AS TEXT)", self.quoted())
    }

    /// Seconds since the Unix epoch. PostgreSQL has times that are no number of seconds: infinity.
    pub(super) fn seconds(&self, dialect: Dialect) -> String {
        let column = self.quoted();
        match (dialect, &self.kind) {
            #[cfg(feature = "sqlite")]
            (Dialect::Sqlite, _) => format!("CAST(strftime('%s', u.{column}) AS INTEGER)"),
            #[cfg(feature = "postgres")]
            (Dialect::Postgres, Kind::Date | Kind::LocalDate) => {
                format!("CASE WHEN isfinite(u.{column}) THEN CAST(FLOOR(EXTRACT(EPOCH FROM u.{column})) AS BIGINT) END")
            }
            #[cfg(feature = "postgres")]
            (Dialect::Postgres, _) => "CAST(NULL AS BIGINT)".to_owned(),
        }
    }

    /// Whether the flag is true; NULL is not.
    pub(super) fn flag(&self, dialect: Dialect) -> String {
        let column = self.quoted();
        match (dialect, &self.kind) {
            #[cfg(feature = "sqlite")]
            (Dialect::Sqlite, _) => format!("COALESCE(CAST(u.{column} AS INTEGER), 0) <> 0"),
            #[cfg(feature = "postgres")]
            (Dialect::Postgres, Kind::Number) => format!("COALESCE(u.{column} <> 0, FALSE)"),
            #[cfg(feature = "postgres")]
            (Dialect::Postgres, _) => format!("COALESCE(CAST(u.{column} AS BOOLEAN), FALSE)"),
        }
    }

    /// Whether the column matches the pattern `$1`, ignoring case. The column's own collation may not support patterns
    /// (if it is not deterministic), so the database's collation applies.
    pub(super) fn like(&self, dialect: Dialect) -> String {
        let text = self.text();
        match dialect {
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => format!(r"{text} LIKE $1 ESCAPE '\'"),
            #[cfg(feature = "postgres")]
            Dialect::Postgres => format!(r#"{text} COLLATE pg_catalog."default" ILIKE $1 ESCAPE '\'"#),
        }
    }
}

/// A name quoted for SQL, with any content.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The 32 digits of a UUID that is written with dashes.
fn bare_uuid(id: &str) -> Option<String> {
    let is_uuid = id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    is_uuid.then(|| id.replace('-', ""))
}

/// A UUID of 32 digits, written with dashes; other text as it is.
pub(super) fn dashed_uuid(mut id: String) -> String {
    if id.len() == 32 && id.is_ascii() {
        for at in [20, 16, 12, 8] {
            id.insert(at, '-');
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_whatever_is_in_them() {
        assert_eq!(quoted("user"), "\"user\"");
        assert_eq!(quoted("a\"; DROP TABLE b; --"), "\"a\"\"; DROP TABLE b; --\"");
    }

    #[test]
    fn a_uuid_is_written_with_and_without_dashes() {
        let dashed = "0189a7f3-0000-7000-8000-00000000abcd";
        let bare = bare_uuid(dashed).unwrap();
        assert_eq!(bare, "0189a7f300007000800000000000abcd");
        assert_eq!(dashed_uuid(bare.clone()), dashed);
        assert_eq!((bare_uuid(&bare), bare_uuid("ü")), (None, None));
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_parameter_has_the_type_of_its_column() {
        let column = |base: &str, category: &str| Column {
            name: "name".into(),
            kind: Kind::of(Dialect::Postgres, base, category),
            is_key: false,
            is_filled: false,
            is_required: true,
        };
        for (base, category, compared) in [
            ("character varying", "S", r#"u."name" = $1"#),
            ("extensions.citext", "S", r#"u."name" = CAST($1 AS extensions.citext)"#),
            ("bigint", "N", r#"u."name" = CAST($1 AS BIGINT)"#),
            ("uuid", "U", r#"u."name" = CAST($1 AS UUID)"#),
            ("inet", "I", r#"CAST(u."name" AS TEXT) = $1"#),
        ] {
            assert_eq!(column(base, category).equals("u.", 1), compared);
        }
    }
}
