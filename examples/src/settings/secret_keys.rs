//! `SECRET_KEY` and `SECRET_KEY_FALLBACKS`.

use super::{DatabaseUrl, Secret, SessionProfile, SessionUrl, SettingsError, reader::Reader};

const MIN_BYTES: usize = 32;

/// The key, if it is set, and the keys that are still accepted.
pub(super) fn read(
    reader: &Reader<'_>,
    profile: SessionProfile,
    session_url: &SessionUrl,
    database_url: &DatabaseUrl,
) -> Result<(Option<Secret>, Vec<Secret>), SettingsError> {
    let min_bytes = if profile.is_django() { 1 } else { MIN_BYTES };
    let key = reader.secret("SECRET_KEY", min_bytes)?;
    if key.is_none() {
        let reason = match (session_url, database_url) {
            _ if profile.is_django() => Some("Django's SECRET_KEY, because SESSION_PROFILE is a Django profile"),
            (_, DatabaseUrl::Postgres(_)) => Some("at least 32 bytes, because DATABASE_URL is a PostgreSQL database"),
            (SessionUrl::Embedded, _) => None,
            _ => Some("at least 32 bytes, because SESSION_URL or REDIS_URL is set"),
        };
        if let Some(reason) = reason {
            return Err(SettingsError(format!("SECRET_KEY is not set; expected {reason}")));
        }
    }
    Ok((key, reader.secrets("SECRET_KEY_FALLBACKS", min_bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::{KEY, assert_refused_silently, refusal, site};

    #[test]
    fn a_secret_key_is_needed_outside_an_embedded_start() {
        for var in [
            ("SESSION_URL", "redis://h"),
            ("SESSION_URL", "sqlite://s.db"),
            ("REDIS_URL", "redis://h"),
            ("DATABASE_URL", "postgres://h/app"),
        ] {
            let message = refusal(&[var]);
            assert!(message.starts_with("SECRET_KEY is not set; expected at least 32 bytes, because "), "{message}");
            assert!(message.contains(var.0), "{message}");
            assert_eq!(site(&[var, ("SECRET_KEY", KEY)]).secret_key.unwrap().expose(), KEY);
        }
        assert_eq!(site(&[("DATABASE_URL", "sqlite://u.db")]).secret_key, None);
    }

    #[test]
    fn short_secret_keys_are_refused_without_being_shown() {
        for name in ["SECRET_KEY", "SECRET_KEY_FALLBACKS"] {
            assert_refused_silently(&[(name, "hunter2hunter2hunter2hunter2abc")]);
        }
        assert_refused_silently(&[("SECRET_KEY_FALLBACKS", &format!("{KEY},hunter2"))]);
        let fallbacks = site(&[("SECRET_KEY_FALLBACKS", &format!("{KEY}, {KEY}x"))]).secret_key_fallbacks;
        assert_eq!(fallbacks.iter().map(Secret::expose).collect::<Vec<_>>(), [KEY, &format!("{KEY}x")]);
        assert!(!format!("{:?}", site(&[("SECRET_KEY", KEY)])).contains(KEY));
    }

    #[test]
    fn a_secret_key_keeps_its_spaces() {
        let key = format!("{KEY} ");
        assert_eq!(site(&[("SECRET_KEY", &key)]).secret_key.unwrap().expose(), key);
    }
}
