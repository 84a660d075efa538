//! `SENTINEL_USERNAME` and `SENTINEL_PASSWORD`.

use super::{Secret, SessionUrl, SettingsError, reader::Reader};

/// The login to the Sentinels, which is different from the login to the servers that they watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentinelLogin {
    /// `SENTINEL_USERNAME`; empty for the default user, whose password is `requirepass`.
    pub username: String,
    /// `SENTINEL_PASSWORD`.
    pub password: Secret,
}

impl SentinelLogin {
    pub(super) fn read(reader: &Reader<'_>, session_url: &SessionUrl) -> Result<Option<Self>, SettingsError> {
        let (username, password) = (reader.text("SENTINEL_USERNAME"), reader.text("SENTINEL_PASSWORD"));
        if (username.is_some() || password.is_some()) && !matches!(session_url, SessionUrl::RedisSentinel(_)) {
            let message = "SENTINEL_USERNAME or SENTINEL_PASSWORD is set; it needs SESSION_URL=redis+sentinel://…";
            return Err(SettingsError(message.into()));
        }
        match (username, password) {
            (username, Some(password)) => {
                Ok(Some(Self { username: username.unwrap_or_default(), password: Secret(password) }))
            }
            (Some(_), None) => Err(SettingsError("SENTINEL_USERNAME is set; it needs SENTINEL_PASSWORD".into())),
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::{KEY, refusal, site};

    #[test]
    fn sentinels_have_a_login_of_their_own() {
        let url = ("SESSION_URL", "redis+sentinel://u:hunter2@h:1/main");
        let login = |vars: &[(&str, &str)]| site(&[&[url, ("SECRET_KEY", KEY)], vars].concat()).sentinel_login;
        assert_eq!(login(&[]), None);
        let (user, password) = (("SENTINEL_USERNAME", "watcher"), ("SENTINEL_PASSWORD", "p@?&"));
        let own = |username: &str| SentinelLogin { username: username.into(), password: Secret("p@?&".into()) };
        assert_eq!(login(&[user, password]), Some(own("watcher")));
        assert_eq!(login(&[password]), Some(own("")));
        assert!(!format!("{:?}", login(&[password])).contains("p@?&"));

        let alone = refusal(&[url, ("SECRET_KEY", KEY), user]);
        assert_eq!(alone, "SENTINEL_USERNAME is set; it needs SENTINEL_PASSWORD");
        for other in ["redis://h", "redis+cluster://h:1", "postgres://h/app"] {
            let message = refusal(&[("SESSION_URL", other), ("SECRET_KEY", KEY), ("SENTINEL_PASSWORD", "hunter2")]);
            assert!(
                message.contains("needs SESSION_URL=redis+sentinel://") && !message.contains("hunter2"),
                "{message}"
            );
        }
    }
}
