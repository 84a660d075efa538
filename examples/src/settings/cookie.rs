//! The attributes of the session cookie.

use shared_session::cookie::SameSite;

use super::{SessionProfile, SettingsError, SignedCookie, reader::Reader};

/// The attributes of the session cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieSettings {
    /// `SESSION_COOKIE_NAME`, default `shared_session_id`.
    pub name: String,
    /// `SESSION_COOKIE_DOMAIN`, default none: the cookie belongs to one host.
    pub domain: Option<String>,
    /// `SESSION_COOKIE_PATH`, default `/`.
    pub path: String,
    /// `SESSION_COOKIE_FORMER_DOMAINS`, default none: domains that the cookie had before.
    pub former_domains: Vec<String>,
    /// `SESSION_COOKIE_FORMER_PATHS`, default none: paths that the cookie had before.
    pub former_paths: Vec<String>,
    /// `SESSION_COOKIE_SECURE`, default `false` when the service listens on loopback, else `true`.
    pub secure: bool,
    /// `SESSION_COOKIE_SAMESITE`, default `Lax`.
    pub same_site: SameSite,
    /// `SESSION_COOKIE_SIGNED`, default `off`: whether the cookie carries a tag under the secret key.
    pub signed: SignedCookie,
    /// `SESSION_EXPIRE_AT_BROWSER_CLOSE`, default off: the browser keeps the cookie only as long as it runs.
    pub expires_at_browser_close: bool,
}

impl CookieSettings {
    pub(super) fn read(
        reader: &Reader<'_>,
        profile: SessionProfile,
        secure_by_default: bool,
    ) -> Result<Self, SettingsError> {
        let cookie = Self {
            name: reader.cookie_name("SESSION_COOKIE_NAME", "shared_session_id")?,
            domain: reader.domain("SESSION_COOKIE_DOMAIN")?,
            path: reader.cookie_path("SESSION_COOKIE_PATH")?,
            former_domains: reader.domains("SESSION_COOKIE_FORMER_DOMAINS")?,
            former_paths: reader.cookie_paths("SESSION_COOKIE_FORMER_PATHS")?,
            secure: reader.switch("SESSION_COOKIE_SECURE", secure_by_default)?,
            same_site: reader.choice(
                "SESSION_COOKIE_SAMESITE",
                &[("Lax", SameSite::Lax), ("Strict", SameSite::Strict), ("None", SameSite::None)],
                SameSite::Lax,
            )?,
            signed: SignedCookie::read(reader, profile)?,
            expires_at_browser_close: reader.switch("SESSION_EXPIRE_AT_BROWSER_CLOSE", false)?,
        };
        // Browsers drop cookies that break these rules (RFC 6265bis, 5.7).
        let lowercase = cookie.name.to_ascii_lowercase();
        let of_one_host = lowercase.starts_with("__host-");
        let was_elsewhere = !cookie.former_domains.is_empty() || !cookie.former_paths.is_empty();
        let broken = match () {
            () if cookie.same_site == SameSite::None && !cookie.secure => {
                "SESSION_COOKIE_SAMESITE is None; it needs a secure cookie (SESSION_COOKIE_SECURE)"
            }
            () if of_one_host && (!cookie.secure || cookie.domain.is_some()) => {
                "SESSION_COOKIE_NAME starts with __Host-; it needs a secure cookie without SESSION_COOKIE_DOMAIN \
                 (SESSION_COOKIE_SECURE)"
            }
            () if of_one_host && cookie.path != "/" => {
                "SESSION_COOKIE_NAME starts with __Host-; it needs SESSION_COOKIE_PATH=/ or another name"
            }
            () if of_one_host && was_elsewhere => {
                "SESSION_COOKIE_NAME starts with __Host-, and such a cookie never had another domain or path; remove \
                 SESSION_COOKIE_FORMER_DOMAINS and SESSION_COOKIE_FORMER_PATHS"
            }
            () if lowercase.starts_with("__secure-") && !cookie.secure => {
                "SESSION_COOKIE_NAME starts with __Secure-; it needs a secure cookie (SESSION_COOKIE_SECURE)"
            }
            () => return Ok(cookie),
        };
        Err(SettingsError(broken.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{
        Service,
        testing::{assert_refused, read, refusal, site},
    };

    #[test]
    fn the_cookie_is_secure_unless_the_service_listens_on_loopback() {
        for (addr, secure) in [
            ("127.0.0.1:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("0.0.0.0:1", true),
            ("[::]:1", true),
        ] {
            assert_eq!(site(&[("SITE_ADDR", addr)]).cookie.secure, secure, "{addr}");
            // The other service's address is ignored.
            assert!(!read(&[("SITE_ADDR", addr)], Service::Api).unwrap().cookie.secure);
            assert_eq!(read(&[("API_ADDR", addr)], Service::Api).unwrap().cookie.secure, secure, "{addr}");
        }
        assert!(!site(&[("SITE_ADDR", "0.0.0.0:1"), ("SESSION_COOKIE_SECURE", "false")]).cookie.secure);
        assert!(site(&[("SESSION_COOKIE_SECURE", "True")]).cookie.secure);
        assert_refused("SESSION_COOKIE_SECURE", &["maybe", "2"]);
    }

    #[test]
    fn cookie_attributes() {
        let cookie = site(&[
            ("SESSION_COOKIE_NAME", "sessionid"),
            ("SESSION_COOKIE_DOMAIN", ".Example.com"),
            ("SESSION_COOKIE_SAMESITE", "strict"),
        ])
        .cookie;
        assert_eq!((cookie.name.as_str(), cookie.domain.as_deref()), ("sessionid", Some("example.com")));
        assert_eq!(cookie.same_site, SameSite::Strict);
        assert_refused("SESSION_COOKIE_NAME", &["a b", "a=b", "a;b", "ä", "a\"b"]);
        assert_refused(
            "SESSION_COOKIE_DOMAIN",
            &["example.com:80", "https://example.com", "a..b", "-a.b", "a;b", "exämple.com"],
        );
        assert_refused("SESSION_COOKIE_SAMESITE", &["any", "0"]);
    }

    #[test]
    fn the_cookie_has_a_path_and_former_scopes() {
        let cookie = site(&[
            ("SESSION_COOKIE_PATH", " /app/ "),
            ("SESSION_COOKIE_FORMER_DOMAINS", ".Example.com, app.example.com"),
            ("SESSION_COOKIE_FORMER_PATHS", "/,/old"),
        ])
        .cookie;
        assert_eq!((cookie.path.as_str(), cookie.former_paths), ("/app/", vec!["/".to_owned(), "/old".to_owned()]));
        assert_eq!(cookie.former_domains, ["example.com", "app.example.com"]);
        assert_eq!(site(&[("SESSION_COOKIE_PATH", "")]).cookie.path, "/");
        let long = format!("/{}", "x".repeat(500));
        assert_refused("SESSION_COOKIE_PATH", &["app", "/a;b", "/a b", "https://example.com/", "/ü", "/a\nb"]);
        assert!(refusal(&[("SESSION_COOKIE_PATH", &long)]).contains("at most 500"));
        assert!(
            refusal(&[("SESSION_COOKIE_FORMER_PATHS", "/a,b")]).starts_with("SESSION_COOKIE_FORMER_PATHS is \"b\"")
        );
        assert!(refusal(&[("SESSION_COOKIE_FORMER_DOMAINS", "a_b")]).starts_with("SESSION_COOKIE_FORMER_DOMAINS is "));
        assert!(
            refusal(&[("SESSION_COOKIE_FORMER_PATHS", "/1,/2,/3,/4,/5")]).contains("has 5 parts; expected at most 4")
        );
    }

    #[test]
    fn a_cookie_of_one_host_has_the_path_of_the_whole_host() {
        let host = [("SESSION_COOKIE_NAME", "__Host-s"), ("SESSION_COOKIE_SECURE", "true")];
        let with = |name, value| [host.as_slice(), &[(name, value)]].concat();
        assert!(refusal(&with("SESSION_COOKIE_PATH", "/app")).contains("SESSION_COOKIE_PATH=/"));
        assert_eq!(site(&with("SESSION_COOKIE_PATH", "/")).cookie.path, "/");
        for (name, value) in [("SESSION_COOKIE_FORMER_DOMAINS", "a.com"), ("SESSION_COOKIE_FORMER_PATHS", "/a")] {
            assert!(refusal(&with(name, value)).contains("never had"), "{name}");
        }
    }

    #[test]
    fn the_cookie_age_is_set_as_in_django() {
        let said = site(&[("SESSION_EXPIRE_AT_BROWSER_CLOSE", "True"), ("SESSION_SAVE_EVERY_REQUEST", "True")]);
        assert!(said.cookie.expires_at_browser_close && said.save_every_request);
        assert_refused("SESSION_EXPIRE_AT_BROWSER_CLOSE", &["maybe"]);
        assert_refused("SESSION_SAVE_EVERY_REQUEST", &["2"]);
    }

    #[test]
    fn cookies_that_browsers_would_drop_are_refused() {
        let secure = ("SESSION_COOKIE_SECURE", "true");
        let domain = ("SESSION_COOKIE_DOMAIN", "example.com");
        for name in ["__Host-session", "__host-session", "__Secure-session"] {
            assert!(refusal(&[("SESSION_COOKIE_NAME", name)]).contains("secure cookie"));
            assert_eq!(site(&[("SESSION_COOKIE_NAME", name), secure]).cookie.name, name);
        }
        assert!(refusal(&[("SESSION_COOKIE_NAME", "__Host-s"), secure, domain]).contains("SESSION_COOKIE_DOMAIN"));
        assert_eq!(site(&[("SESSION_COOKIE_NAME", "__Secure-s"), secure, domain]).cookie.name, "__Secure-s");
        assert!(refusal(&[("SESSION_COOKIE_SAMESITE", "None")]).contains("secure cookie"));
        assert_eq!(site(&[("SESSION_COOKIE_SAMESITE", "None"), secure]).cookie.same_site, SameSite::None);
    }
}
