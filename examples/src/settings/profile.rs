//! `SESSION_PROFILE`: the format of the shared sessions.

use super::{SettingsError, reader::Reader};

/// `SESSION_PROFILE`: the format of the shared sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionProfile {
    /// The format of this project.
    Native,
    /// Django's `cache` sessions in Django's own Redis cache.
    DjangoCache,
    /// Django's `cache` sessions in the cache of the django-redis package.
    DjangoRedis,
    /// Django's `db` sessions.
    DjangoDb,
    /// Django's `cached_db` sessions.
    DjangoCachedDb,
}

impl SessionProfile {
    const NAMES: [(&str, Self); 5] = [
        ("native", Self::Native),
        ("django-cache", Self::DjangoCache),
        ("django-redis", Self::DjangoRedis),
        ("django-db", Self::DjangoDb),
        ("django-cached-db", Self::DjangoCachedDb),
    ];

    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, SettingsError> {
        reader.choice("SESSION_PROFILE", &Self::NAMES, Self::Native)
    }

    /// The value of the setting.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, profile)| *profile == self).map_or("", |(name, _)| name)
    }

    /// Whether the sessions are Django's.
    #[must_use]
    pub fn is_django(self) -> bool {
        self != Self::Native
    }

    /// One of a few names. With a Django profile only the default is valid, because of `why`.
    pub(super) fn native_choice<T: Copy + PartialEq>(
        self,
        reader: &Reader<'_>,
        name: &str,
        names: &[(&str, T)],
        default: T,
        why: &str,
    ) -> Result<T, SettingsError> {
        let chosen = reader.choice(name, names, default)?;
        match names.iter().find(|(_, choice)| *choice == chosen) {
            Some((value, _)) if self.is_django() && chosen != default => {
                Err(SettingsError(format!("{name} is {value}; it needs SESSION_PROFILE=native, because {why}")))
            }
            _ => Ok(chosen),
        }
    }

    pub(super) fn needs_redis(self) -> bool {
        matches!(self, Self::DjangoCache | Self::DjangoRedis | Self::DjangoCachedDb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{
        Secret, SessionUrl,
        testing::{assert_refused, assert_refused_silently, refusal, site},
    };

    #[test]
    fn profiles() {
        let redis = ("SESSION_URL", "redis://h");
        let db = ("DATABASE_URL", "postgres://h/app");
        // Django takes keys of any length.
        let key = ("SECRET_KEY", "short");
        for (name, profile) in [
            ("django-cache", SessionProfile::DjangoCache),
            ("Django-Redis", SessionProfile::DjangoRedis),
            ("django-cached-db", SessionProfile::DjangoCachedDb),
        ] {
            let settings = site(&[("SESSION_PROFILE", name), redis, db, key]);
            assert_eq!((settings.profile, settings.key_prefix.as_str(), settings.key_version), (profile, "", 1));
            assert_refused_silently(&[("SESSION_URL", "sqlite://hunter2"), ("SESSION_PROFILE", name), db, key]);
            assert!(refusal(&[("SESSION_PROFILE", name), redis, key]).starts_with("DATABASE_URL is not set"));
            assert!(
                refusal(&[("SESSION_PROFILE", name), redis, db])
                    .starts_with("SECRET_KEY is not set; expected Django's")
            );
        }
        assert_refused("SESSION_PROFILE", &["django", "flask"]);
    }

    #[test]
    fn django_db_keeps_sessions_beside_the_users() {
        let base = [("SESSION_PROFILE", "django-db"), ("DATABASE_URL", "postgres://h/app"), ("SECRET_KEY", "short")];
        let with = |more: &[(&'static str, &'static str)]| [&base[..], more].concat();
        let in_database = SessionUrl::Postgres(Secret("postgres://h/app".into()));
        assert_eq!(site(&base).session_url, in_database);
        assert_eq!(site(&with(&[("REDIS_URL", "redis://h")])).session_url, in_database);
        let elsewhere = site(&with(&[("SESSION_URL", "sqlite://s.db")])).session_url;
        assert_eq!(elsewhere, SessionUrl::Sqlite("sqlite://s.db".into()));
        assert!(refusal(&with(&[("SESSION_URL", "redis://h")])).contains("django-db"));
    }
}
