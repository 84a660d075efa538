//! Settings that need sessions in Redis.

use super::{SessionProfile, SessionUrl, SettingsError, reader::Reader};

const MAX_REPLICAS: u32 = 10;

/// `SESSION_REPLICAS`, `SESSION_FENCED_READS`, `NEAR_CACHE` and `SESSION_DURABLE`.
pub(super) struct RedisOptions {
    pub(super) replicas: u32,
    pub(super) fenced_reads: bool,
    pub(super) near_cache: bool,
    pub(super) durable: bool,
}

impl RedisOptions {
    pub(super) fn read(
        reader: &Reader<'_>,
        profile: SessionProfile,
        session_url: &SessionUrl,
    ) -> Result<Self, SettingsError> {
        let replicas = reader.count("SESSION_REPLICAS", MAX_REPLICAS)?;
        let fenced_reads = reader.switch("SESSION_FENCED_READS", false)?;
        let near_cache = reader.switch("NEAR_CACHE", false)?;
        let redis_only = [
            (replicas > 0, format!("SESSION_REPLICAS is {replicas}")),
            (fenced_reads, "SESSION_FENCED_READS is on".to_owned()),
            (near_cache, "NEAR_CACHE is on".to_owned()),
        ];
        if let Some((_, setting)) = redis_only.into_iter().find(|(is_set, _)| *is_set && !session_url.is_redis()) {
            return Err(SettingsError(format!("{setting}; it needs sessions in Redis (SESSION_URL=redis://…)")));
        }
        if near_cache && profile.is_django() {
            return Err(SettingsError("NEAR_CACHE is on; it needs SESSION_PROFILE=native".into()));
        }
        let durable = reader.switch("SESSION_DURABLE", false)?;
        if durable && let Some(needed) = refuses_durable(profile, session_url, near_cache) {
            return Err(SettingsError(format!("SESSION_DURABLE is on; it needs {needed}")));
        }
        Ok(Self { replicas, fenced_reads, near_cache, durable })
    }
}

/// The reason why `SESSION_DURABLE` cannot be used.
fn refuses_durable(profile: SessionProfile, session_url: &SessionUrl, near_cache: bool) -> Option<&'static str> {
    match () {
        () if profile.is_django() => Some("SESSION_PROFILE=native"),
        () if !session_url.is_redis() => Some("a Redis for the copies (SESSION_URL=redis://…)"),
        () if near_cache => Some("NEAR_CACHE=off, because Redis does not announce the changes of its copies"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::testing::{KEY, assert_refused, refusal, site};

    #[test]
    fn failover_settings_are_for_redis_only() {
        let redis = [("SESSION_URL", "redis+sentinel://h:1/main"), ("SECRET_KEY", KEY)];
        let with = |more: &[(&'static str, &'static str)]| site(&[&redis[..], more].concat());
        for (text, replicas) in [("0", 0), ("1", 1), ("10", 10)] {
            assert_eq!(with(&[("SESSION_REPLICAS", text)]).replicas, replicas);
        }
        assert!(with(&[("SESSION_FENCED_READS", "on")]).fenced_reads);
        let nothing = site(&[("SESSION_REPLICAS", "0"), ("SESSION_FENCED_READS", "off")]);
        assert_eq!((nothing.replicas, nothing.fenced_reads), (0, false));
        let needs = "it needs sessions in Redis (SESSION_URL=redis://…)";
        assert_eq!(refusal(&[("SESSION_REPLICAS", "2")]), format!("SESSION_REPLICAS is 2; {needs}"));
        assert_eq!(refusal(&[("SESSION_FENCED_READS", "on")]), format!("SESSION_FENCED_READS is on; {needs}"));
        assert_refused("SESSION_REPLICAS", &["11", "-1", "+1", "one", "1.0"]);
        assert_refused("SESSION_FENCED_READS", &["always"]);
    }

    #[test]
    fn the_near_cache_needs_redis() {
        let redis = [("SESSION_URL", "redis://h"), ("SECRET_KEY", KEY)];
        assert!(site(&[&redis[..], &[("NEAR_CACHE", "on")]].concat()).near_cache);
        assert!(!site(&[("NEAR_CACHE", "off")]).near_cache);
        assert!(refusal(&[("NEAR_CACHE", "on")]).starts_with("NEAR_CACHE is on; it needs"));
        let django = [("SESSION_PROFILE", "django-cache"), ("DATABASE_URL", "sqlite://d.db"), ("NEAR_CACHE", "on")];
        assert!(refusal(&[&redis[..], &django].concat()).contains("SESSION_PROFILE=native"));
        assert_refused("NEAR_CACHE", &["redis"]);
    }

    #[test]
    fn durable_sessions_need_redis_the_native_profile_and_no_near_cache() {
        let redis = [("SESSION_URL", "redis://h"), ("SECRET_KEY", KEY), ("SESSION_DURABLE", "on")];
        assert!(site(&redis).durable);
        assert!(!site(&[("SESSION_DURABLE", "off")]).durable);
        assert_refused("SESSION_DURABLE", &["redis"]);
        let django = [("SESSION_PROFILE", "django-cache"), ("DATABASE_URL", "sqlite://d.db")];
        for (needed, more) in [
            ("NEAR_CACHE=off", &[("NEAR_CACHE", "on")][..]),
            ("SESSION_PROFILE=native", &django),
            ("a Redis", &[("SESSION_URL", "sqlite://s.db")]),
        ] {
            let message = refusal(&[more, &redis[..]].concat());
            assert!(message.starts_with(&format!("SESSION_DURABLE is on; it needs {needed}")), "{message}");
        }
        assert!(refusal(&[("SESSION_DURABLE", "on")]).contains("a Redis"));
    }
}
