//! The settings of the cookie, and the combinations that browsers refuse.

use std::{borrow::Cow, time::Duration};

use crate::error::{Error, ErrorKind};

/// The longest value in bytes that browsers certainly store under any name.
pub(super) const MAX_VALUE_LEN: usize = 1024;

/// When browsers send the cookie with requests that other sites cause (RFC 6265bis, 5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SameSite {
    /// Never. A visitor who follows a link from another site is signed out.
    Strict,
    /// Only when the user follows a link or types the address. The default.
    #[default]
    Lax,
    /// Always, so that other sites may embed this one. Needs `Secure`; then only the form tokens protect forms.
    None,
}

impl From<SameSite> for ::cookie::SameSite {
    fn from(same_site: SameSite) -> Self {
        match same_site {
            SameSite::Strict => Self::Strict,
            SameSite::Lax => Self::Lax,
            SameSite::None => Self::None,
        }
    }
}

/// The settings of the session cookie.
///
/// All services that share sessions use the same settings. The default is the strictest cookie that a site and its API
/// on one host can share:
///
/// | Setting | Default | Source |
/// |---|---|---|
/// | name | `__Host-session` | OWASP ASVS 5.0, 3.3.3: other hosts cannot plant it |
/// | `Secure` | on | OWASP ASVS 5.0, 3.3.1 |
/// | `HttpOnly` | always on | OWASP ASVS 5.0, 3.3.4: scripts cannot read it |
/// | `SameSite` | `Lax` | OWASP ASVS 5.0, 3.3.2 |
/// | `Path` | `/` | needed by `__Host-` |
/// | `Domain` | none | needed by `__Host-`: the browser sends it only to the host that set it |
/// | `Partitioned` | off | only embedded sites need it |
/// | `Max-Age` | none | the browser drops the cookie when its own session ends |
/// | former domains and paths | none | needed after a change of the scope if proxies hide the browser's `Host` or path |
///
/// ```
/// use std::time::Duration;
/// use shared_session::cookie::{CookieConfig, SameSite};
///
/// // Plain HTTP on a developer's machine: without `Secure` no prefix is allowed.
/// let dev = CookieConfig::new("session").with_secure(false).build()?;
/// assert_eq!(dev.set("abc"), "session=abc; HttpOnly; SameSite=Lax; Path=/");
///
/// let strict = CookieConfig::default()
///     .with_same_site(SameSite::Strict)
///     .with_max_age(Some(Duration::from_secs(3600)))
///     .build()?;
/// assert!(strict.set("abc").ends_with("; Max-Age=3600"));
/// assert!(CookieConfig::default().with_secure(false).build().is_err());
/// # Ok::<(), shared_session::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieConfig {
    pub(super) name: String,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    pub(super) domain: Option<String>,
    pub(super) path: String,
    pub(super) same_site: SameSite,
    pub(super) partitioned: bool,
    pub(super) max_age: Option<Duration>,
    pub(super) former_domains: Vec<String>,
    pub(super) former_paths: Vec<String>,
}

impl Default for CookieConfig {
    /// The cookie `__Host-session`.
    fn default() -> Self {
        Self::new("__Host-session")
    }
}

impl CookieConfig {
    /// The longest lifetime that browsers allow a cookie: 400 days (RFC 6265bis, 5.5).
    pub const MAX_AGE_LIMIT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

    /// The default settings under another name.
    ///
    /// Start it with `__Host-` if one host serves everything, else with `__Secure-`: browsers then enforce the rules of
    /// the prefix (RFC 6265bis, 4.1.3). A name without a prefix can be planted by any neighbouring host.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            secure: true,
            http_only: true,
            domain: None,
            path: "/".into(),
            same_site: SameSite::Lax,
            partitioned: false,
            max_age: None,
            former_domains: Vec::new(),
            former_paths: Vec::new(),
        }
    }

    /// Whether browsers send the cookie over TLS only. Default `true`. Turn it off only for plain HTTP in development;
    /// the name then cannot have a prefix.
    #[must_use]
    pub fn with_secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Removes `HttpOnly`, for a cookie that scripts must read.
    #[cfg(feature = "django")]
    pub(crate) fn readable(mut self) -> Self {
        self.http_only = false;
        self
    }

    /// Sends the cookie to `domain` and every host below it. Default: only to the host that set it.
    ///
    /// Any of those hosts can read and replace the cookie, so all of them must be trusted. The name cannot start with
    /// `__Host-`. One leading dot is accepted and dropped, as browsers do. This does not check for public suffixes
    /// (`com`), which browsers refuse.
    #[must_use]
    pub fn with_domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(without_dot(domain.into()));
        self
    }

    /// Sends the cookie to this path and below. Default `/`. This is no protection: pages of one host can reach each
    /// other regardless of their paths (RFC 6265bis, 8.5).
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Whether browsers send the cookie with requests that other sites cause. Default [`SameSite::Lax`].
    #[must_use]
    pub fn with_same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Whether the cookie is separate for each site that embeds this one (CHIPS). Default `false`. Needs `Secure` and
    /// [`SameSite::None`].
    #[must_use]
    pub fn with_partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// A former domain of the cookie. Default: none; at most four. Whenever this cookie is set or deleted and the
    /// browser sent any, cookies of that domain are expired.
    ///
    /// Rarely needed, because the host of the request and its parent domains are expired anyway. Set it if a proxy
    /// changes the `Host` header.
    #[must_use]
    pub fn with_former_domain(mut self, domain: impl Into<String>) -> Self {
        self.former_domains.push(without_dot(domain.into()));
        self
    }

    /// A former path of the cookie. Default: none; at most four. Whenever this cookie is set or deleted and the browser
    /// sent any, cookies of that path are expired.
    ///
    /// Without it they are expired only once they conflict with this one, one request later: after the change, visitors
    /// have to sign in twice.
    #[must_use]
    pub fn with_former_path(mut self, path: impl Into<String>) -> Self {
        self.former_paths.push(path.into());
        self
    }

    /// How long the browser keeps the cookie, in whole seconds. Default `None`: as long as its own session.
    ///
    /// Set it to the absolute lifetime of the sessions; in a Django profile to the idle time, which is Django's
    /// `SESSION_COOKIE_AGE`, or to `None` for `SESSION_EXPIRE_AT_BROWSER_CLOSE`. It neither keeps a session alive nor
    /// ends it, because a client may ignore it. If a session would outlive its cookie, every write that extends the
    /// session sends the cookie again. The cookie of a Django session with its own expiry (`set_expiry`) lasts as long
    /// as that.
    ///
    /// Browsers shorten it to [`CookieConfig::MAX_AGE_LIMIT`]; `build` refuses longer ones, so that the setting equals
    /// the real lifetime.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Option<Duration>) -> Self {
        self.max_age = max_age;
        self
    }

    /// Checks the settings, as far as possible before the cookie is written.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.check_name()?;
        self.check_prefix()?;
        self.check_domain()?;
        check_path(&self.path)?;
        self.check_cross_site()?;
        self.check_max_age()?;
        self.check_former()
    }

    fn check_name(&self) -> Result<(), Error> {
        let name = &self.name;
        require(!name.is_empty() && name.bytes().all(is_token_byte), || {
            format!("the cookie name {name:?} is not a token; use letters, digits, - and _")
        })?;
        let limit = MAX_PAIR_LEN - MAX_VALUE_LEN;
        require(name.len() <= limit, || format!("the cookie name has {} bytes; use at most {limit}", name.len()))
    }

    fn check_prefix(&self) -> Result<(), Error> {
        let name = &self.name;
        let host = self.is_host_only();
        let prefixed = host || has_prefix(name, "__Secure-") || has_prefix(name, "__Http-");
        require(self.secure || !prefixed, || {
            format!("browsers refuse the cookie {name:?} without Secure; turn Secure on or drop the prefix")
        })?;
        require(self.domain.is_none() || !host, || {
            format!("browsers refuse the cookie {name:?} with a Domain; remove the domain or use the prefix __Secure-")
        })?;
        require(self.path == "/" || !host, || {
            format!(
                "browsers refuse the cookie {name:?} unless its path is /; remove the path or use the prefix __Secure-"
            )
        })
    }

    fn check_former(&self) -> Result<(), Error> {
        let (domains, paths) = (&self.former_domains, &self.former_paths);
        require(domains.len() <= MAX_FORMER && paths.len() <= MAX_FORMER, || {
            format!("there are more than {MAX_FORMER} former cookie domains or paths; leave out the oldest")
        })?;
        require((domains.is_empty() && paths.is_empty()) || !self.is_host_only(), || {
            format!("browsers never kept the cookie {:?} for a domain or a path; remove the former ones", self.name)
        })?;
        domains.iter().try_for_each(|domain| check_domain(domain))?;
        paths.iter().try_for_each(|path| check_path(path))
    }

    /// Whether browsers keep the cookie only on a secure connection.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether browsers keep the cookie for one host and the path `/` alone.
    pub(super) fn is_host_only(&self) -> bool {
        has_prefix(&self.name, "__Host-")
    }

    fn check_domain(&self) -> Result<(), Error> {
        self.domain.as_deref().map_or(Ok(()), check_domain)
    }

    fn check_cross_site(&self) -> Result<(), Error> {
        let none = self.same_site == SameSite::None;
        require(
            self.secure || !none,
            || "browsers refuse SameSite=None without Secure; turn Secure on or use SameSite=Lax",
        )?;
        require(
            (self.secure && none) || !self.partitioned,
            || "a Partitioned cookie needs Secure and SameSite=None; set both or turn Partitioned off",
        )
    }

    fn check_max_age(&self) -> Result<(), Error> {
        let Some(max_age) = self.max_age else { return Ok(()) };
        require(
            max_age >= Duration::from_secs(1),
            || "a cookie's maximum age below one second deletes it; give a longer one, or None for a browser session",
        )?;
        require(max_age <= Self::MAX_AGE_LIMIT, || "browsers cut a cookie's maximum age to 400 days; give at most that")
    }
}

fn check_domain(domain: &str) -> Result<(), Error> {
    require(is_host_name(domain), || {
        format!("the cookie domain {domain:?} is not a host name; write it in ASCII, like example.com")
    })
}

fn check_path(path: &str) -> Result<(), Error> {
    require(path.starts_with('/'), || format!("the cookie path {path:?} must start with /"))?;
    require(path.bytes().all(|byte| is_path_byte(&byte)), || {
        format!("the cookie path {path:?} holds a character that cookies cannot; percent-encode it as in the URL")
    })?;
    require(path.len() <= MAX_ATTRIBUTES_LEN, || {
        format!("the cookie path has {} bytes and browsers keep {MAX_ATTRIBUTES_LEN}; shorten the path", path.len())
    })
}

pub(super) fn is_host_name(name: &str) -> bool {
    name.len() <= MAX_DOMAIN_LEN && name.split('.').all(is_host_label)
}

pub(super) fn is_path_byte(byte: &u8) -> bool {
    byte.is_ascii_graphic() && *byte != b';'
}

/// The leading dot of old cookies has no meaning.
fn without_dot(domain: String) -> String {
    domain.strip_prefix('.').map(Into::into).unwrap_or(domain)
}

/// The most former domains, and the most former paths: some responses have a header for each.
const MAX_FORMER: usize = 4;
/// The maximum length of a name and its value in browsers (RFC 6265bis, 5.6).
const MAX_PAIR_LEN: usize = 4096;
/// The longest attribute that browsers accept (RFC 6265bis, 5.6).
pub(super) const MAX_ATTRIBUTES_LEN: usize = 1024;
/// The longest host name (RFC 1035, 2.3.4), written without the root's dot.
const MAX_DOMAIN_LEN: usize = 253;

pub(super) fn require<M: Into<Cow<'static, str>>>(holds: bool, message: impl FnOnce() -> M) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::new(ErrorKind::Config, message())) }
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_host_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests;
