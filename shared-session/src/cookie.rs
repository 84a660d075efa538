//! The session cookie: its settings, and the rules by which it is read from requests and written to responses.
//!
//! - **The same bytes always give the same result**, so that every service agrees on the user.
//! - **A wrong setting stops the start** of a service and not the login of its users.
//! - **The cookie carries no data** and no lifetime: the store decides whether a session is valid.
//!
//! # Example
//!
//! ```
//! use shared_session::cookie::CookieConfig;
//!
//! let cookie = CookieConfig::default().build()?;
//! assert_eq!(cookie.set("abc"), "__Host-session=abc; HttpOnly; SameSite=Lax; Secure; Path=/");
//!
//! // A cookie for many hosts cannot have the prefix that promises a single host.
//! assert!(CookieConfig::default().with_domain("example.com").build().is_err());
//! let shared = CookieConfig::new("__Secure-session").with_domain("example.com").build()?;
//! assert!(shared.set("abc").ends_with("; Secure; Path=/; Domain=example.com"));
//! # Ok::<(), shared_session::Error>(())
//! ```
//!
//! # Reading
//!
//! Every service must agree on the user for the same bytes, so the result is defined for any header:
//!
//! - Names are compared byte for byte. They are case-sensitive, and neither names nor values are percent-decoded.
//! - Only spaces and tabs are trimmed, around the name and around the value, as browsers do when they store a cookie.
//! - `;` always ends a pair and quotes have no meaning: `"abc"` is five bytes.
//! - A pair without a name (`=a=b`) or without an equals sign is ignored.
//! - Several `Cookie` headers are one list (RFC 9113, 8.2.3). A pair never spans two of them.
//! - Other pairs never hide ours, whatever they contain.
//! - Repeated cookies with one value count as that value. With different values the request is anonymous, and the
//!   conflict is logged: a neighbouring host may have planted one of them (RFC 6265bis, 8.6), and nothing shows which.
//!
//! # Writing
//!
//! [`CookieConfig`] holds the settings. [`CookieConfig::build`] refuses every cookie that browsers would drop, so a
//! wrong setting stops the start of a service and not the login of its users. The cookie is always `HttpOnly`, and its
//! lifetime in the browser never decides whether a session is valid.
//!
//! A browser may hold cookies of one name in several scopes: the `Domain` or the `Path` was changed, or another host
//! planted one. It sends them all, and a request does not show their scopes. So a response that sets or deletes the
//! cookie first expires it in the other scopes: [`Outcome::set_cookies`](crate::Outcome::set_cookies).
//!
//! # Cookbook
//!
//! - **One cookie for several hosts**: [`CookieConfig::with_domain`], and a name without `__Host-`.
//! - **Plain HTTP in development**: Chrome and Firefox accept `Secure` cookies from `http://localhost`. Elsewhere use
//!   [`CookieConfig::with_secure`], and a name without a prefix.
//! - **Staying signed in after the browser is closed**: [`with_max_age`](CookieConfig::with_max_age) for all users, or
//!   [`Expiry`](crate::Expiry) for one session.
//! - **Moving the cookie** to another domain or path: [`with_former_domain`](CookieConfig::with_former_domain) and
//!   [`with_former_path`](CookieConfig::with_former_path) expire it in the old scope.
//!
//! # What it does not do
//!
//! It is no cookie jar: it reads and writes this one cookie. It does not encrypt, and signs only with
//! [`SignedCookies`]; the value is random.

use std::{borrow::Cow, fmt::Write as _, sync::Arc, time::Duration as StdDuration};

use ::cookie::{
    Cookie,
    time::{Duration, OffsetDateTime},
};

use crate::error::Error;

mod config;
mod read;
mod scope;
mod set_cookie;
mod signature;
mod transport;

pub use config::{CookieConfig, SameSite};
pub(crate) use read::{Presented, Sent, read, read_each};
pub use scope::RequestUrl;
use scope::Scope;
pub(crate) use set_cookie::SetCookie;
pub use signature::SignedCookies;
pub use transport::Transport;

impl CookieConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), with a message that states the necessary change, unless
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
    /// The text after the value when the cookie is set, except its maximum age: the same for every value.
    attributes: String,
}

impl Default for SessionCookie {
    /// The cookie of [`CookieConfig::default`], which meets every rule.
    fn default() -> Self {
        Self::of(CookieConfig::default())
    }
}

impl SessionCookie {
    /// The longest value in bytes that browsers certainly store under any name that [`CookieConfig::build`] accepts.
    pub(crate) const MAX_VALUE_LEN: usize = config::MAX_VALUE_LEN;

    /// The cookie `name` with the default settings. `name` must be a token with the prefix `__Host-`; then the settings
    /// follow every rule.
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

    /// Finds this cookie in the values of all `Cookie` headers of one request, by the rules in the [module
    /// documentation](self#reading).
    ///
    /// Cost: one pass over the headers, no allocation.
    pub(crate) fn read<'a>(&self, headers: impl IntoIterator<Item = &'a [u8]>) -> Presented<'a> {
        read(headers, self.name())
    }

    /// The `Set-Cookie` header value that gives the browser `value`.
    ///
    /// `value` should be at most 1024 bytes that RFC 6265bis, 4.1.1 allows in a value, such as base64url. Other bytes
    /// are percent-encoded, so that no value can end the cookie or the header. They are not decoded again on reading.
    ///
    /// With a [maximum age](CookieConfig::with_max_age) the cookie has `Max-Age` and no `Expires`: every browser in use
    /// supports `Max-Age` and prefers it (RFC 6265bis, 5.7), and a date would depend on the clocks of both hosts.
    ///
    /// Cost: one string.
    #[must_use]
    pub fn set(&self, value: &str) -> String {
        self.lasting(value, self.max_age())
    }

    /// The `Set-Cookie` header value that makes the browser delete the cookie.
    ///
    /// It has the name and all attributes of [`SessionCookie::set`]: browsers apply the same prefix rules to a deletion
    /// and delete only a cookie with the same `Path` and `Domain` (RFC 6265bis, 5.7). `Max-Age=0` and a date in the
    /// past by any clock expire it.
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

/// `value` with every byte percent-encoded that is no cookie-octet (RFC 6265bis, 4.1.1).
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
