//! The session cookie: its settings, and the rules by which it is read from requests and written to responses.
//!
//! - **One answer for the same bytes**, so that every service agrees on who the user is.
//! - **A wrong setting stops the start** of a service and not the login of its users.
//! - **No data in the cookie**, and no lifetime: whether a session is valid is decided in the store.
//!
//! # Example
//!
//! ```
//! use shared_session::cookie::CookieConfig;
//!
//! let cookie = CookieConfig::default().build()?;
//! assert_eq!(cookie.set("abc"), "__Host-session=abc; HttpOnly; SameSite=Lax; Secure; Path=/");
//!
//! // A cookie for many hosts cannot have the prefix that promises a single one.
//! assert!(CookieConfig::default().with_domain("example.com").build().is_err());
//! let shared = CookieConfig::new("__Secure-session").with_domain("example.com").build()?;
//! assert!(shared.set("abc").ends_with("; Secure; Path=/; Domain=example.com"));
//! # Ok::<(), shared_session::Error>(())
//! ```
//!
//! # Reading
//!
//! Every service must agree on who the user is for the same bytes, so there is one defined answer for any header:
//!
//! - Names are compared byte for byte. Case counts and nothing is percent-decoded, in names or in values.
//! - Only spaces and tabs are trimmed, around the name and around the value, as browsers do when they store a cookie.
//! - `;` always ends a pair and quotes mean nothing: `"abc"` is five bytes.
//! - A pair without a name (`=a=b`) or without an equals sign is ignored.
//! - Several `Cookie` headers are one list (RFC 9113, 8.2.3). A pair never spans two of them.
//! - Other pairs never hide ours, whatever they contain.
//! - Repeated cookies with one value count as that value. With different values the request is anonymous, which is
//!   logged: a neighbouring host may have planted one of them (RFC 6265bis, 8.6), and nothing shows which.
//!
//! # Writing
//!
//! [`CookieConfig`] holds the settings. [`CookieConfig::build`] refuses every cookie that browsers would drop, so a
//! wrong setting stops the start of a service and not the login of its users. The cookie is always `HttpOnly`, and its
//! lifetime in the browser never decides whether a session is valid.
//!
//! A browser may hold cookies of one name in several scopes: the `Domain` or the `Path` was changed, or another host
//! planted one. It sends them all, and a request does not show their scopes. So an answer that sets or deletes the
//! cookie first expires it in the other scopes: [`Outcome::set_cookies`](crate::Outcome::set_cookies).
//!
//! # Cookbook
//!
//! - **One cookie for several hosts**: [`CookieConfig::with_domain`], and a name without `__Host-`.
//! - **Plain HTTP while developing**: Chrome and Firefox take `Secure` cookies from `http://localhost`. Elsewhere
//!   [`CookieConfig::with_secure`], and a name without a prefix.
//! - **A user who stays when the browser is closed**: a [`with_max_age`](CookieConfig::with_max_age) for everybody, or
//!   [`Expiry`](crate::Expiry) for one session.
//! - **A cookie that moves** to another domain or path: [`with_former_domain`](CookieConfig::with_former_domain) and
//!   [`with_former_path`](CookieConfig::with_former_path) expire it where it was.
//!
//! # What it does not do
//!
//! It is no cookie jar: it reads and writes this one cookie. It does not encrypt, and signs only if told to
//! ([`SignedCookies`]); the value is random.

use std::{borrow::Cow, fmt, fmt::Write as _, sync::Arc, time::Duration as StdDuration};

use ::cookie::{
    Cookie,
    time::{Duration, OffsetDateTime},
};

use crate::error::Error;

mod config;
mod read;
mod scope;
mod signature;
mod transport;

pub use config::{CookieConfig, SameSite};
pub(crate) use read::{Presented, Sent, read, read_each};
pub use scope::RequestUrl;
use scope::Scope;
pub use signature::SignedCookies;
pub use transport::Transport;

impl CookieConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), with a message that says what to change, unless
    ///
    /// - the name is a token (RFC 9110, 5.6.2) that leaves room for the value in 4096 bytes,
    /// - a `__Host-` name has `Secure`, `Path=/` and no `Domain`, and a `__Secure-` or `__Http-` name has `Secure`
    ///   (RFC 6265bis, 4.1.3; browsers match prefixes in any case, so this does too),
    /// - the domain is a host name in its ASCII form,
    /// - the path starts with `/` and holds only visible ASCII without `;`, as paths in URLs do,
    /// - [`SameSite::None`] comes with `Secure`, and `Partitioned` with both,
    /// - the maximum age is between one second and 400 days,
    /// - there are at most four former domains and four former paths, all of them valid, and none with a `__Host-`
    ///   name, which browsers never held anywhere else,
    /// - all attributes together take at most 1024 bytes. Browsers drop single ones longer than that.
    pub fn build(self) -> Result<SessionCookie, Error> {
        self.check()?;
        let cookie = SessionCookie::of(self);
        // The deletion is the longest form: it adds a date.
        let attributes = cookie.delete().len() - cookie.name().len() - "=".len();
        let most = config::MAX_ATTRIBUTES_LEN;
        config::require(attributes <= most, || {
            format!(
                "the cookie's attributes take {attributes} bytes and browsers keep {most}; \
                 shorten the path or the domain"
            )
        })?;
        Ok(cookie)
    }
}

/// A checked session cookie. Made by [`CookieConfig::build`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCookie(Arc<Checked>);

#[derive(Debug, PartialEq, Eq)]
struct Checked {
    config: CookieConfig,
    /// What follows the value when the cookie is set, but for its maximum age: the same for every value.
    attributes: String,
}

impl Default for SessionCookie {
    /// The cookie of [`CookieConfig::default`], which meets every rule.
    fn default() -> Self {
        Self::of(CookieConfig::default())
    }
}

impl SessionCookie {
    /// The longest value that browsers are sure to store under any name that [`CookieConfig::build`] accepts, in bytes.
    pub(crate) const MAX_VALUE_LEN: usize = config::MAX_VALUE_LEN;

    /// The cookie `name` with the default settings. `name` must be a token with the prefix `__Host-`: then they keep
    /// every rule.
    pub(crate) fn host_only(name: &'static str) -> Self {
        Self::of(CookieConfig::new(name))
    }

    fn of(config: CookieConfig) -> Self {
        let without_value = in_scope(&config, "", &Scope::of(&config)).to_string();
        let attributes = without_value.get(config.name.len() + "=".len()..).unwrap_or_default().to_owned();
        Self(Arc::new(Checked { config, attributes }))
    }

    /// The cookie's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config().name
    }

    pub(crate) fn config(&self) -> &CookieConfig {
        &self.0.config
    }

    /// Finds this cookie in the values of all `Cookie` headers of one request. The [module documentation](self#reading)
    /// has the rules.
    ///
    /// Cost: one pass over the headers, no allocation.
    pub(crate) fn read<'a>(&self, headers: impl IntoIterator<Item = &'a [u8]>) -> Presented<'a> {
        read(headers, self.name())
    }

    /// The `Set-Cookie` header value that gives the browser `value`.
    ///
    /// `value` should be at most 1024 bytes of what RFC 6265bis, 4.1.1 allows in a value;
    /// base64url is. Other bytes are percent-encoded, so that no value can end the cookie or the header. They are not
    /// decoded again on reading.
    ///
    /// With a [maximum age](CookieConfig::with_max_age) the cookie has `Max-Age` and no `Expires`: every browser in use
    /// knows `Max-Age` and prefers it (RFC 6265bis, 5.7), and a date would depend on the clocks of this host and
    /// theirs.
    ///
    /// Cost: one string.
    #[must_use]
    pub fn set(&self, value: &str) -> String {
        self.lasting(value, self.max_age())
    }

    /// The `Set-Cookie` header value that makes the browser forget the cookie.
    ///
    /// It has the name and all attributes of [`SessionCookie::set`]: browsers hold a deletion to the same prefix rules
    /// and delete only what has the same `Path` and `Domain` (RFC 6265bis, 5.7). `Max-Age=0` and a date that is past by
    /// any clock end it.
    ///
    /// Cost: one string.
    #[must_use]
    pub fn delete(&self) -> String {
        let mut cookie = self.expired(&Scope::of(self.config()));
        cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
        cookie.to_string()
    }

    /// How long the browser keeps the cookie by default; a session may have its own time.
    pub(crate) fn max_age(&self) -> Option<StdDuration> {
        self.config().max_age
    }

    /// [`set`](Self::set) for `max_age`, in answer to a request that carried the cookie as often as `sent`.
    pub(crate) fn setting(&self, value: &str, max_age: Option<StdDuration>, sent: Sent) -> SetCookie {
        let own = self.lasting(value, max_age);
        SetCookie { own, cookie: self.clone(), sent, deletes: false }
    }

    /// [`delete`](Self::delete), in answer to a request that carried the cookie as often as `sent`.
    pub(crate) fn deleting(&self, sent: Sent) -> SetCookie {
        SetCookie { own: self.delete(), cookie: self.clone(), sent, deletes: true }
    }

    fn lasting(&self, value: &str, max_age: Option<StdDuration>) -> String {
        let (name, value, attributes) = (self.name(), cookie_octets(value), self.0.attributes.as_str());
        match max_age {
            None => [name, "=", &value, attributes].concat(),
            Some(max_age) => [name, "=", &value, attributes, "; Max-Age=", &max_age.as_secs().to_string()].concat(),
        }
    }

    fn expired<'a>(&'a self, scope: &Scope<'a>) -> Cookie<'a> {
        let mut cookie = in_scope(self.config(), "", scope);
        cookie.set_max_age(Duration::ZERO);
        cookie
    }
}

fn in_scope<'a>(config: &'a CookieConfig, value: &'a str, scope: &Scope<'a>) -> Cookie<'a> {
    let mut cookie = Cookie::new(config.name.as_str(), value);
    cookie.set_http_only(config.http_only);
    cookie.set_secure(config.secure);
    cookie.set_path(scope.path);
    cookie.set_same_site(::cookie::SameSite::from(config.same_site));
    cookie.set_partitioned(scope.partitioned);
    if let Some(domain) = scope.domain {
        cookie.set_domain(domain);
    }
    cookie
}

/// A cookie to be set or deleted by an answer. `Debug` does not show it.
#[derive(Clone)]
#[must_use = "its headers must be put on the response"]
pub(crate) struct SetCookie {
    own: String,
    cookie: SessionCookie,
    sent: Sent,
    deletes: bool,
}

impl SetCookie {
    /// The `Set-Cookie` header value for the configured scope alone. Answer with all [`headers`](Self::headers): a
    /// cookie in another scope would conflict with this one.
    #[must_use]
    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    /// The values of all `Set-Cookie` headers to append, in this order: deletions of the cookie in the other scopes in
    /// which the browser may hold it, then [`own`](Self::own).
    ///
    /// If the request carried no such cookie, there are no deletions. If it carried one, there are few: the host's own
    /// cookie and the domains above, for the configured path, and the [former](CookieConfig::with_former_domain)
    /// scopes. If it carried several, there is one for each domain and path that matches `url`, at most 32. The
    /// configured scope is never among them. Behind a proxy that does not pass on the browser's `Host` only configured
    /// domains are known.
    ///
    /// Cost: one string for each header.
    #[must_use]
    pub(crate) fn headers(&self, url: &RequestUrl<'_>) -> Vec<String> {
        self.elsewhere(url).into_iter().chain([self.own.clone()]).collect()
    }

    /// As [`headers`](Self::headers).
    #[cfg(feature = "tower")]
    pub(crate) fn into_headers(self, url: &RequestUrl<'_>) -> impl Iterator<Item = String> {
        self.elsewhere(url).into_iter().chain([self.own])
    }

    /// Those before the last one. Browsers process them in order: even if a scope equals the configured one under
    /// another name, the cookie is set.
    fn elsewhere(&self, url: &RequestUrl<'_>) -> Vec<String> {
        if self.cookie.config().secure && url.is_plain() && !self.deletes {
            transport::warn_of_plain_http();
        }
        let others = Scope::others(self.cookie.config(), self.sent, url);
        others.iter().map(|scope| self.cookie.expired(scope).to_string()).collect()
    }
}

impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetCookie").field("name", &self.cookie.name()).finish_non_exhaustive()
    }
}

/// `value` with every byte that is no cookie-octet (RFC 6265bis, 4.1.1) percent-encoded.
fn cookie_octets(value: &str) -> Cow<'_, str> {
    let is_octet = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
    if value.bytes().all(is_octet) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.bytes().fold(String::new(), |mut octets, byte| {
        if is_octet(byte) {
            octets.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            _ = write!(octets, "%{byte:02X}");
        }
        octets
    }))
}

#[cfg(test)]
mod tests;
