//! `SESSION_URL`, `REDIS_URL`, and `DATABASE_URL`. They may hold passwords, so no error shows them.

use super::{
    Secret, SessionProfile, SettingsError,
    authority::{digits, host_and_port},
    reader::Reader,
};

const REDIS_SCHEMES: &str = "redis://, rediss://, redis+unix://, redis+sentinel:// or redis+cluster://";

/// The store of sessions. The variants hold the URL as given, checked for its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionUrl {
    /// A SQLite file in the data directory.
    Embedded,
    /// `sqlite://FILE`.
    Sqlite(String),
    /// `postgres://…`.
    Postgres(Secret),
    /// `redis://`, `rediss://` or `redis+unix://`: one server.
    Redis(Secret),
    /// `redis+sentinel://[user:password@]host:port,…/master[/db]`, or `rediss+sentinel://`.
    RedisSentinel(Secret),
    /// `redis+cluster://[user:password@]host:port,…`, or `rediss+cluster://`.
    RedisCluster(Secret),
}

/// The store of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A SQLite file in the data directory, the same as for embedded sessions.
    Embedded,
    /// `sqlite://FILE`.
    Sqlite(String),
    /// `postgres://…`.
    Postgres(Secret),
}

impl SessionUrl {
    /// Whether sessions are in Redis, in any topology.
    #[must_use]
    pub fn is_redis(&self) -> bool {
        matches!(self, Self::Redis(_) | Self::RedisSentinel(_) | Self::RedisCluster(_))
    }

    /// Whether this Redis is reached over TLS.
    #[must_use]
    pub fn is_redis_with_tls(&self) -> bool {
        match self {
            Self::Redis(url) | Self::RedisSentinel(url) | Self::RedisCluster(url) => url.expose().starts_with("rediss"),
            _ => false,
        }
    }

    pub(super) fn read(
        reader: &Reader<'_>,
        profile: SessionProfile,
        database: &DatabaseUrl,
    ) -> Result<Self, SettingsError> {
        let url = match (reader.text("SESSION_URL"), reader.text("REDIS_URL")) {
            (Some(url), _) => Self::parse("SESSION_URL", &url)?,
            // These sessions are rows beside the users; `REDIS_URL` is for other purposes.
            _ if profile == SessionProfile::DjangoDb => database.clone().into(),
            (None, Some(url)) => match Self::parse("REDIS_URL", &url)? {
                url if url.is_redis() => url,
                _ => return Err(bad("REDIS_URL", &format!("expected {REDIS_SCHEMES}"))),
            },
            (None, None) => Self::Embedded,
        };
        if profile.needs_redis() && !url.is_redis() {
            return Err(bad(
                "SESSION_URL",
                &format!("expected {REDIS_SCHEMES}, because SESSION_PROFILE keeps sessions in Redis"),
            ));
        }
        if profile == SessionProfile::DjangoDb && url.is_redis() {
            return Err(bad("SESSION_URL", "expected postgres:// or sqlite://, because SESSION_PROFILE is django-db"));
        }
        if profile.is_django() && *database == DatabaseUrl::Embedded {
            return Err(SettingsError(
                "DATABASE_URL is not set; expected Django's database, because SESSION_PROFILE is a Django profile"
                    .into(),
            ));
        }
        Ok(url)
    }

    fn parse(name: &str, url: &str) -> Result<Self, SettingsError> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(bad(name, &format!("expected a URL with {REDIS_SCHEMES}, sqlite:// or postgres://")));
        };
        match scheme {
            "redis" | "rediss" => check(name, redis(rest), url).map(Self::Redis),
            "redis+unix" => {
                let path = without_query(rest);
                let checked =
                    if path.len() > 1 && path.starts_with('/') { Ok(()) } else { Err("the path of a socket") };
                check(name, checked, url).map(Self::Redis)
            }
            "redis+sentinel" | "rediss+sentinel" => check(name, sentinel(rest), url).map(Self::RedisSentinel),
            "redis+cluster" | "rediss+cluster" => check(name, cluster(rest), url).map(Self::RedisCluster),
            _ => DatabaseUrl::parse(name, url, &format!("{REDIS_SCHEMES}, sqlite:// or postgres://")).map(Self::from),
        }
    }
}

impl DatabaseUrl {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, SettingsError> {
        match reader.text("DATABASE_URL") {
            Some(url) => Self::parse("DATABASE_URL", &url, "sqlite:// or postgres://"),
            None => Ok(Self::Embedded),
        }
    }

    fn parse(name: &str, url: &str, schemes: &str) -> Result<Self, SettingsError> {
        match url.split_once("://") {
            Some(("sqlite", path)) => match without_query(path) {
                "" | "/" | ":memory:" => Err(bad(name, "expected sqlite://FILE")),
                _ => Ok(Self::Sqlite(url.to_owned())),
            },
            Some(("postgres" | "postgresql", rest)) => check(name, postgres(rest), url).map(Self::Postgres),
            _ => Err(bad(name, &format!("expected a URL with {schemes}"))),
        }
    }
}

impl From<DatabaseUrl> for SessionUrl {
    fn from(url: DatabaseUrl) -> Self {
        match url {
            DatabaseUrl::Embedded => Self::Embedded,
            DatabaseUrl::Sqlite(url) => Self::Sqlite(url),
            DatabaseUrl::Postgres(url) => Self::Postgres(url),
        }
    }
}

fn bad(name: &str, expected: &str) -> SettingsError {
    SettingsError(format!("{name} cannot be used; {expected}"))
}

fn check(name: &str, checked: Result<(), &str>, url: &str) -> Result<Secret, SettingsError> {
    match checked {
        Ok(()) => Ok(Secret(url.to_owned())),
        Err(expected) => Err(bad(name, &format!("expected {expected}"))),
    }
}

fn without_query(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or(text)
}

/// The host part and the path; user and password are ignored.
fn split(rest: &str) -> (&str, &str) {
    let rest = without_query(rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    (authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts), path)
}

fn redis(rest: &str) -> Result<(), &'static str> {
    let (host, db) = split(rest);
    host_and_port(host).ok_or("redis://[user:password@]host[:port][/db]")?;
    database_number(db)
}

fn sentinel(rest: &str) -> Result<(), &'static str> {
    let (hosts, path) = split(rest);
    let (master, db) = path.split_once('/').unwrap_or((path, ""));
    if master.is_empty() || !all_hosts(hosts) {
        return Err("redis+sentinel://[user:password@]host:port,host:port/master[/db]");
    }
    database_number(db)
}

fn cluster(rest: &str) -> Result<(), &'static str> {
    match split(rest) {
        (hosts, "") if all_hosts(hosts) => Ok(()),
        _ => Err("redis+cluster://[user:password@]host:port,host:port"),
    }
}

fn postgres(rest: &str) -> Result<(), &'static str> {
    // A URL without a host names a socket in the query.
    match split(rest) {
        ("", _) => Ok(()),
        (host, _) => host_and_port(host).map(|_| ()).ok_or("postgres://[user:password@]host[:port]/database"),
    }
}

fn all_hosts(hosts: &str) -> bool {
    hosts.split(',').all(|host| host_and_port(host).is_some())
}

fn database_number(db: &str) -> Result<(), &'static str> {
    match db {
        "" => Ok(()),
        db if digits::<u16>(db).is_some() => Ok(()),
        _ => Err("the number of a database after the last slash"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::{KEY, assert_refused_silently, site};

    #[test]
    fn session_urls() {
        let url = |value: &str| site(&[("SESSION_URL", value), ("SECRET_KEY", KEY)]).session_url;
        let secret = |value: &str| Secret(value.to_owned());
        for value in [
            "redis://localhost",
            "redis://u:hunter2@127.0.0.1:6379/3",
            "rediss://[::1]:6380/0?x=y",
            "redis+unix:///run/r.sock?db=1",
        ] {
            assert_eq!(url(value), SessionUrl::Redis(secret(value)));
        }
        for value in ["redis+sentinel://a:26379,b:26379/primary", "redis+sentinel://u:hunter2@a:1,[::1]:2/primary/5"] {
            assert_eq!(url(value), SessionUrl::RedisSentinel(secret(value)));
        }
        for value in ["redis+cluster://a:7000,b:7001", "redis+cluster://:hunter2@a:7000/"] {
            assert_eq!(url(value), SessionUrl::RedisCluster(secret(value)));
        }
        assert_eq!(url("sqlite://var/s.db?mode=rwc"), SessionUrl::Sqlite("sqlite://var/s.db?mode=rwc".into()));
        for value in ["postgres://u:hunter2@db/app", "postgresql:///app?host=/run/postgresql"] {
            assert_eq!(url(value), SessionUrl::Postgres(secret(value)));
        }
        assert!(!format!("{:?}", url("redis://u:hunter2@h")).contains("hunter2"));
    }

    #[test]
    fn session_urls_that_cannot_be_used_are_refused_without_being_shown() {
        for value in [
            "hunter2",
            "redsi://u:hunter2@h",
            "redis://",
            "redis://u:hunter2@h:0",
            "redis://u:hunter2@h:65536",
            "redis://u:hunter2@h:+1",
            "redis://u:hunter2@h/first",
            "redis://a,b",
            "redis+unix://run/hunter2.sock",
            "redis+sentinel://u:hunter2@a:1",
            "redis+sentinel://a:1,/primary",
            "redis+cluster://u:hunter2@a:1/2",
            "redis+cluster://",
            "sqlite://",
            "sqlite://:memory:",
            "sqlite:hunter2.db",
            "postgres://u:hunter2@h:port/app",
            "mysql://u:hunter2@h/app",
        ] {
            assert_refused_silently(&[("SESSION_URL", value), ("SECRET_KEY", KEY)]);
        }
    }

    #[test]
    fn redis_url_stands_in_for_an_unset_session_url() {
        let redis = ("REDIS_URL", "redis://cache");
        assert_eq!(site(&[redis, ("SECRET_KEY", KEY)]).session_url, SessionUrl::Redis(Secret("redis://cache".into())));
        let both = site(&[redis, ("SESSION_URL", "redis://sessions"), ("SECRET_KEY", KEY)]);
        assert_eq!(both.session_url, SessionUrl::Redis(Secret("redis://sessions".into())));
        assert_refused_silently(&[("REDIS_URL", "postgres://u:hunter2@h/app"), ("SECRET_KEY", KEY)]);
        assert_refused_silently(&[("REDIS_URL", "hunter2"), ("SECRET_KEY", KEY)]);
    }

    #[test]
    fn database_urls() {
        assert_eq!(
            site(&[("DATABASE_URL", "sqlite:///u.db")]).database_url,
            DatabaseUrl::Sqlite("sqlite:///u.db".into())
        );
        let url = "postgres://u:hunter2@db:5432/app";
        let settings = site(&[("DATABASE_URL", url), ("SECRET_KEY", KEY)]);
        assert_eq!(settings.database_url, DatabaseUrl::Postgres(Secret(url.into())));
        assert!(!settings.has_embedded_users());
        for value in ["hunter2", "redis://u:hunter2@h", "sqlite://", "postgres://u:hunter2@h:0/app"] {
            assert_refused_silently(&[("DATABASE_URL", value), ("SECRET_KEY", KEY)]);
        }
    }
}
