//! Settings that only Django profiles use.

use shared_session::django::TimeZone;

use super::{SettingsError, reader::Reader};

const MODEL_BACKEND: &str = "django.contrib.auth.backends.ModelBackend";

/// `DJANGO_CODEC`: the format of sessions that our services create under a Django profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DjangoCodec {
    /// Python's pickle, the default of Django's caches.
    Pickle,
    /// JSON.
    Json,
    /// MessagePack.
    MsgPack,
}

/// Settings that only Django profiles use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DjangoSettings {
    /// `DJANGO_CODEC`, default `pickle`.
    pub codec: DjangoCodec,
    /// `DJANGO_TIME_ZONE`, default none: Django's `TIME_ZONE` if its `USE_TZ` is `False`.
    pub time_zone: Option<TimeZone>,
    /// `AUTH_USER_TABLE`, default `auth_user`.
    pub user_table: String,
    /// `AUTH_USERNAME_FIELD`, default `username`: the column that users sign in with.
    pub username_field: String,
    /// `AUTH_EMAIL_FIELD`, default `email`.
    pub email_field: String,
    /// `AUTH_BACKEND`, default Django's `ModelBackend`: the backend under which a login is recorded.
    pub backend: String,
}

impl DjangoSettings {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, SettingsError> {
        Ok(Self {
            codec: reader.choice(
                "DJANGO_CODEC",
                &[("pickle", DjangoCodec::Pickle), ("json", DjangoCodec::Json), ("msgpack", DjangoCodec::MsgPack)],
                DjangoCodec::Pickle,
            )?,
            time_zone: reader.time_zone("DJANGO_TIME_ZONE")?,
            user_table: reader.table("AUTH_USER_TABLE", "auth_user")?,
            username_field: reader.column("AUTH_USERNAME_FIELD", "username")?,
            email_field: reader.column("AUTH_EMAIL_FIELD", "email")?,
            backend: reader.dotted_path("AUTH_BACKEND", MODEL_BACKEND)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        forms::SignInNames,
        settings::testing::{KEY, assert_refused, site},
    };

    #[test]
    fn django_settings() {
        let vars = [("DJANGO_CODEC", "json"), ("AUTH_USER_TABLE", "app.accounts_user"), ("AUTH_BACKEND", "a.b_2.C")];
        let django = site(&vars).django;
        assert_eq!(
            (django.codec, django.user_table.as_str(), django.backend.as_str()),
            (DjangoCodec::Json, "app.accounts_user", "a.b_2.C")
        );
        assert_eq!((django.username_field.as_str(), django.email_field.as_str()), ("username", "email"));
        // The form in the `db_table` of a model.
        for quoted in [r#"accounts"."user"#, r#""accounts"."user""#] {
            assert_eq!(site(&[("AUTH_USER_TABLE", quoted)]).django.user_table, "accounts.user");
        }
        assert_refused("AUTH_USERNAME_FIELD", &["e mail", "a.b", "1st", "\"email\""]);
        assert_refused("AUTH_EMAIL_FIELD", &["e-mail;"]);
        let by_email = |profile| {
            site(&[
                ("SESSION_PROFILE", profile),
                ("AUTH_USERNAME_FIELD", "email"),
                ("SECRET_KEY", KEY),
                ("SESSION_URL", "redis://h/"),
                ("DATABASE_URL", "postgres://h/d"),
            ])
        };
        assert_eq!(by_email("django-cache").sign_in_names(), SignInNames::Emails);
        assert_eq!(by_email("native").sign_in_names(), SignInNames::UserNames);
        assert_refused("DJANGO_CODEC", &["yaml"]);
        assert_refused("AUTH_USER_TABLE", &["users; drop table x", "a.b.c", "1st", "a.", "\"user\""]);
        assert_refused("AUTH_BACKEND", &["ModelBackend", "a..b", "a.b c"]);
    }
}
