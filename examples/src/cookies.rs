//! The cookies of both services: of the session, of known devices and of form tokens.

use std::time::Duration;

use shared_session::{
    Error, SecretKeys,
    cookie::{CookieConfig, SessionCookie},
    csrf::FormTokens,
};

use crate::{prefix::Prefix, settings::Settings};

/// The time for which a browser counts as known after a sign-in.
const KNOWN: Duration = Duration::from_secs(180 * 86_400);

/// The session cookie.
///
/// # Errors
/// [`ErrorKind::Config`](shared_session::ErrorKind::Config) for settings that no browser accepts.
pub(crate) fn session_cookie(settings: &Settings) -> Result<SessionCookie, Error> {
    let config = CookieConfig::new(&settings.cookie.name)
        .with_secure(settings.cookie.secure)
        .with_same_site(settings.cookie.same_site)
        .with_path(&settings.cookie.path)
        .with_max_age(max_age(settings));
    let config = settings.cookie.former_domains.iter().fold(config, CookieConfig::with_former_domain);
    let config = settings.cookie.former_paths.iter().fold(config, CookieConfig::with_former_path);
    in_domain(config, settings).build()
}

/// The browser keeps the cookie as long as the session can last; the store decides whether the session is still valid.
/// In a Django profile that is the idle time after each write, which is Django's `SESSION_COOKIE_AGE`.
fn max_age(settings: &Settings) -> Option<Duration> {
    let age = if settings.profile.is_django() { settings.idle } else { settings.absolute };
    (!settings.cookie.expires_at_browser_close).then_some(age.min(CookieConfig::MAX_AGE_LIMIT))
}

/// The cookie of a known device and its name. It is sent to the same hosts and paths as the session cookie.
///
/// # Errors
/// As [`session_cookie`].
pub(crate) fn device_cookie(settings: &Settings) -> Result<(String, SessionCookie), Error> {
    let name = format!("{}_device", settings.cookie.name);
    let config = CookieConfig::new(&name)
        .with_secure(settings.cookie.secure)
        .with_path(&settings.cookie.path)
        .with_max_age(Some(KNOWN));
    Ok((name, in_domain(config, settings).build()?))
}

fn in_domain(config: CookieConfig, settings: &Settings) -> CookieConfig {
    match &settings.cookie.domain {
        Some(domain) => config.with_domain(domain),
        None => config,
    }
}

/// The form tokens and their cookie. With a Django profile these are Django's, so that each side accepts the forms of
/// the other.
///
/// # Errors
/// As [`session_cookie`].
pub(crate) fn form_tokens(settings: &Settings, keys: &SecretKeys) -> Result<FormTokens, Error> {
    if settings.profile.is_django() {
        let cookie = FormTokens::django_cookie().with_secure(settings.cookie.secure);
        let cookie = settings.cookie.former_domains.iter().fold(cookie, CookieConfig::with_former_domain);
        return FormTokens::django(in_domain(cookie, settings));
    }
    FormTokens::new(keys.clone()).with_cookie(native_form_cookie(settings))
}

/// `tokens` for the pages under `prefix`: browsers send their cookie to that path only, unless it is Django's or its
/// name has the prefix `__Host-`.
pub(crate) fn form_tokens_under(tokens: &FormTokens, prefix: &Prefix, settings: &Settings) -> FormTokens {
    let path = prefix.as_str();
    if path.is_empty() || settings.profile.is_django() {
        return tokens.clone();
    }
    let cookie = native_form_cookie(settings).with_path(path);
    tokens.clone().with_cookie(cookie).unwrap_or_else(|_| tokens.clone())
}

fn native_form_cookie(settings: &Settings) -> CookieConfig {
    let secure = settings.cookie.secure;
    // Browsers accept `__Host-` only with the path `/`, which other services of the host may use.
    let name_prefix = match secure {
        false => "",
        true if settings.site_prefix.as_str().is_empty() => "__Host-",
        true => "__Secure-",
    };
    CookieConfig::new(format!("{name_prefix}{}_csrf", settings.cookie.name)).with_secure(secure)
}

#[cfg(test)]
mod tests {
    use shared_session::{Close, Ending, SessionManager, cookie::RequestUrl, store::MemoryStore};

    use super::*;
    use crate::{secret_key, settings::testing::site};

    const DJANGO: [(&str, &str); 3] =
        [("SESSION_PROFILE", "django-db"), ("DATABASE_URL", "sqlite://db.sqlite3"), ("SECRET_KEY", "short")];
    const NATIVE: [(&str, &str); 2] =
        [("DATABASE_URL", "sqlite://db.sqlite3"), ("SECRET_KEY", "0123456789abcdef0123456789abcdef")];

    fn tokens(settings: &Settings) -> FormTokens {
        form_tokens(settings, &secret_key::keys(settings).unwrap()).unwrap()
    }

    /// The cookie that a page with a form sets.
    fn set_cookie(tokens: &FormTokens) -> String {
        let manager = SessionManager::new(MemoryStore::new()).with_form_tokens(tokens.clone());
        let request = manager.open([]);
        request.form_token().unwrap();
        let Close::Done(outcome) = manager.close(&request, Ending::Completed) else { panic!("nothing is stored") };
        outcome.set_cookies(&RequestUrl::default()).concat()
    }

    #[test]
    fn with_a_django_profile_forms_carry_the_cookie_of_django() {
        let plain = set_cookie(&tokens(&site(&DJANGO)));
        assert!(plain.starts_with("csrftoken=") && !plain.contains("Secure") && !plain.contains("Domain"), "{plain}");
        let shared = [("SESSION_COOKIE_DOMAIN", "example.com"), ("SESSION_COOKIE_SECURE", "true")];
        let shared = set_cookie(&tokens(&site(&[&DJANGO[..], &shared].concat())));
        assert!(shared.contains("; Secure") && shared.contains("; Domain=example.com"), "{shared}");
        let native = set_cookie(&tokens(&site(&NATIVE)));
        assert!(native.starts_with("shared_session_id_csrf="), "{native}");
        assert!(native.ends_with("; Path=/"), "{native}");
    }

    #[test]
    fn the_cookie_of_forms_goes_to_the_path_of_the_site() {
        let accounts = Prefix::parse("/accounts").unwrap();
        let (secure, prefix) = (("SESSION_COOKIE_SECURE", "true"), ("SITE_PREFIX", "/accounts"));
        for (vars, start, end) in [
            (&[][..], "shared_session_id_csrf=", "; Path=/accounts"),
            (&[secure], "__Host-shared_session_id_csrf=", "; Path=/"),
            (&[secure, prefix], "__Secure-shared_session_id_csrf=", "; Path=/accounts"),
        ] {
            let settings = site(&[&NATIVE[..], vars].concat());
            let cookie = set_cookie(&form_tokens_under(&tokens(&settings), &accounts, &settings));
            assert!(cookie.starts_with(start) && cookie.ends_with(end), "{cookie}");
        }
    }

    #[test]
    fn the_browser_keeps_the_cookie_as_long_as_the_session_may_last() {
        let set = |vars: &[&[(&str, &str)]]| session_cookie(&site(&vars.concat())).unwrap().set("v");
        assert_eq!(set(&[&NATIVE]), "shared_session_id=v; HttpOnly; SameSite=Lax; Path=/; Max-Age=7776000");
        assert!(set(&[&DJANGO]).ends_with("; Max-Age=1209600"), "Django's SESSION_COOKIE_AGE");
        assert!(set(&[&DJANGO, &[("SESSION_IDLE", "60")]]).ends_with("; Max-Age=60"));
        let closing = [("SESSION_EXPIRE_AT_BROWSER_CLOSE", "True"), ("SESSION_COOKIE_PATH", "/app")];
        for profile in [&NATIVE[..], &DJANGO] {
            assert_eq!(set(&[profile, &closing]), "shared_session_id=v; HttpOnly; SameSite=Lax; Path=/app");
        }
    }
}
