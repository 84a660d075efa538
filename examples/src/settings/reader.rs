//! Reads single variables. Every error is one line.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use shared_session::{cookie::CookieConfig, django::TimeZone};

use super::{
    Secret, SettingsError,
    authority::{digits, host_and_port, origin},
};
use crate::{network::Network, prefix::Prefix};

pub(super) struct Reader<'a> {
    vars: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(vars: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { vars }
    }

    /// The value without the space around it; `None` if that is empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.vars)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    pub(super) fn address(&self, name: &str, default_port: u16) -> Result<SocketAddr, SettingsError> {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, default_port));
        Ok(self.optional_address(name)?.unwrap_or(default))
    }

    pub(super) fn optional_address(&self, name: &str) -> Result<Option<SocketAddr>, SettingsError> {
        self.read(name, None, "an address and a port, such as 127.0.0.1:8000", |value| {
            match value.strip_prefix("localhost:") {
                Some(port) => digits(port).map(|port| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))),
                None => value.parse().ok().map(Some),
            }
        })
    }

    /// One of a few names, ignoring case.
    pub(super) fn choice<T: Copy>(&self, name: &str, names: &[(&str, T)], default: T) -> Result<T, SettingsError> {
        let expected = names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        self.read(name, default, &format!("one of {expected}"), |value| {
            names.iter().find(|(name, _)| name.eq_ignore_ascii_case(value)).map(|(_, choice)| *choice)
        })
    }

    pub(super) fn switch(&self, name: &str, default: bool) -> Result<bool, SettingsError> {
        self.read(name, default, "true or false", |value| match value.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(true),
            "false" | "off" | "no" | "0" => Some(false),
            _ => None,
        })
    }

    pub(super) fn seconds(&self, name: &str, default: u64, max: u64) -> Result<Duration, SettingsError> {
        self.read(name, Duration::from_secs(default), &format!("whole seconds, 1 to {max}"), |value| {
            digits(value).filter(|seconds| (1..=max).contains(seconds)).map(Duration::from_secs)
        })
    }

    /// [`seconds`](Self::seconds), or `0`.
    pub(super) fn seconds_or_none(
        &self,
        name: &str,
        default: u64,
        max: u64,
    ) -> Result<Option<Duration>, SettingsError> {
        let read = self.read(name, Duration::from_secs(default), &format!("whole seconds, 0 to {max}"), |value| {
            digits(value).filter(|seconds| *seconds <= max).map(Duration::from_secs)
        })?;
        Ok(Some(read).filter(|seconds| !seconds.is_zero()))
    }

    pub(super) fn milliseconds(&self, name: &str, default: u64, max: u64) -> Result<Duration, SettingsError> {
        self.read(name, Duration::from_millis(default), &format!("whole milliseconds, 1 to {max}"), |value| {
            digits(value).filter(|millis| (1..=max).contains(millis)).map(Duration::from_millis)
        })
    }

    pub(super) fn count(&self, name: &str, max: u32) -> Result<u32, SettingsError> {
        self.count_from(name, 0, 0, max)
    }

    pub(super) fn count_from(&self, name: &str, default: u32, min: u32, max: u32) -> Result<u32, SettingsError> {
        self.read(name, default, &format!("a whole number, {min} to {max}"), |value| {
            digits(value).filter(|count| (min..=max).contains(count))
        })
    }

    pub(super) fn key_prefix(&self, default: &str) -> Result<String, SettingsError> {
        self.read("SESSION_KEY_PREFIX", default.to_owned(), "at most 100 visible characters", |value| {
            (value.len() <= 100 && !value.chars().any(|c| c.is_control() || c.is_whitespace()))
                .then(|| value.to_owned())
        })
    }

    pub(super) fn key_version(&self) -> Result<u32, SettingsError> {
        self.read("SESSION_KEY_VERSION", 1, "a whole number", digits)
    }

    pub(super) fn time_zone(&self, name: &str) -> Result<Option<TimeZone>, SettingsError> {
        self.read(name, None, "a time zone of the IANA database, such as America/Chicago or UTC", |value| {
            TimeZone::named(value).ok().map(Some)
        })
    }

    /// A table, optionally with its schema, and with the quotes that a Django `db_table` may contain.
    pub(super) fn table(&self, name: &str, default: &str) -> Result<String, SettingsError> {
        self.read(name, default.to_owned(), "the name of a table, such as accounts_user or accounts.user", |value| {
            let value = match value.split_once("\".\"") {
                Some((schema, table)) => format!("{}.{}", schema.trim_matches('"'), table.trim_matches('"')),
                None => value.to_owned(),
            };
            let parts: Vec<_> = value.split('.').collect();
            (parts.len() <= 2 && parts.iter().all(|part| is_column(part))).then_some(value)
        })
    }

    pub(super) fn column(&self, name: &str, default: &str) -> Result<String, SettingsError> {
        self.read(name, default.to_owned(), "the name of a column, such as email", |value| {
            is_column(value).then(|| value.to_owned())
        })
    }

    pub(super) fn dotted_path(&self, name: &str, default: &str) -> Result<String, SettingsError> {
        self.read(name, default.to_owned(), "a Python path, such as package.module.Backend", |value| {
            (value.contains('.') && value.split('.').all(is_identifier)).then(|| value.to_owned())
        })
    }

    pub(super) fn cookie_name(&self, name: &str, default: &str) -> Result<String, SettingsError> {
        self.read(name, default.to_owned(), "a name of letters, digits, - and _", |value| {
            // The rules for prefixes such as `__Host-` depend on other settings, and `CookieSettings` checks them.
            CookieConfig::new(value).with_secure(true).build().is_ok().then(|| value.to_owned())
        })
    }

    pub(super) fn domain(&self, name: &str) -> Result<Option<String>, SettingsError> {
        self.read(name, None, "a domain, such as example.com", |value| domain(value).map(Some))
    }

    /// At most the number that a cookie configuration accepts.
    pub(super) fn domains(&self, name: &str) -> Result<Vec<String>, SettingsError> {
        self.few(name, "at most 4 domains such as example.com", domain)
    }

    pub(super) fn cookie_path(&self, name: &str) -> Result<String, SettingsError> {
        let expected = "a path such as /app, at most 500 visible ASCII characters without ;";
        self.read(name, "/".to_owned(), expected, cookie_path)
    }

    /// At most the number that a cookie configuration accepts.
    pub(super) fn cookie_paths(&self, name: &str) -> Result<Vec<String>, SettingsError> {
        self.few(name, "at most 4 paths such as /app", cookie_path)
    }

    fn few<T>(&self, name: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, SettingsError> {
        match self.list(name, expected, parse)?.unwrap_or_default() {
            few if few.len() <= 4 => Ok(few),
            many => Err(SettingsError(format!("{name} has {} parts; expected {expected}", many.len()))),
        }
    }

    pub(super) fn networks(&self, name: &str) -> Result<Vec<Network>, SettingsError> {
        self.list(name, "networks such as 10.0.0.0/8 or fd00::/8", Network::parse).map(Option::unwrap_or_default)
    }

    pub(super) fn prefix(&self, name: &str) -> Result<Prefix, SettingsError> {
        let expected = "a path such as /accounts: letters, digits and -._~, no slash at the end, and not what a page of \
                        site begins with (/admin, /login, …)";
        self.read(name, Prefix::default(), expected, Prefix::parse)
    }

    pub(super) fn origins(&self, name: &str) -> Result<Option<Vec<String>>, SettingsError> {
        self.list(name, "origins such as https://www.example.com, without a path", |value| {
            let (scheme, authority) = value.split_once("://")?;
            let scheme = ["http", "https"].into_iter().find(|known| known.eq_ignore_ascii_case(scheme))?;
            let (host, port) = host_and_port(authority.strip_suffix('/').unwrap_or(authority))?;
            Some(origin(scheme, &host.to_ascii_lowercase(), port))
        })
    }

    pub(super) fn log_filter(&self, name: &str) -> Result<String, SettingsError> {
        self.read(name, "info".to_owned(), "a filter such as info or info,shared_session=debug", |value| {
            tracing_subscriber::EnvFilter::try_new(value).ok().map(|_| value.to_owned())
        })
    }

    pub(super) fn secret(&self, name: &str, min_bytes: usize) -> Result<Option<Secret>, SettingsError> {
        // Not trimmed: a space at the end may belong to the key.
        (self.vars)(name)
            .filter(|value| !value.trim().is_empty())
            .map(|value| long_enough(name, "it", value, min_bytes))
            .transpose()
    }

    pub(super) fn secrets(&self, name: &str, min_bytes: usize) -> Result<Vec<Secret>, SettingsError> {
        self.text(name)
            .iter()
            .flat_map(|value| value.split(','))
            .map(|value| long_enough(name, "one of them", value.trim().to_owned(), min_bytes))
            .collect()
    }

    fn list<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<Vec<T>>, SettingsError> {
        let Some(list) = self.text(name) else { return Ok(None) };
        let parse = |item: &str| parse(item).ok_or_else(|| bad(name, item, &format!("{expected}, comma-separated")));
        list.split(',').map(|item| parse(item.trim())).collect::<Result<_, _>>().map(Some)
    }

    fn read<T>(
        &self,
        name: &str,
        default: T,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, SettingsError> {
        match self.text(name) {
            None => Ok(default),
            Some(value) => parse(&value).ok_or_else(|| bad(name, &value, expected)),
        }
    }
}

fn bad(name: &str, value: &str, expected: &str) -> SettingsError {
    let mut shown: String = value.chars().take(80).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    SettingsError(format!("{name} is {shown:?}; expected {expected}"))
}

fn long_enough(name: &str, which: &str, value: String, min_bytes: usize) -> Result<Secret, SettingsError> {
    match value.len() {
        len if len < min_bytes => {
            Err(SettingsError(format!("{name} is too short: {which} has {len} bytes; expected at least {min_bytes}")))
        }
        _ => Ok(Secret(value)),
    }
}

/// At most the length of a PostgreSQL name.
fn is_column(text: &str) -> bool {
    text.len() <= 63 && is_identifier(text)
}

/// A domain by the rules of session cookies, in lower case and without the leading dot that old cookies had.
fn domain(value: &str) -> Option<String> {
    let domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
    CookieConfig::new("name").with_domain(&domain).build().is_ok().then_some(domain)
}

/// A path by the rules of session cookies, with a lower limit.
fn cookie_path(value: &str) -> Option<String> {
    let is_valid = value.len() <= 500 && CookieConfig::new("name").with_path(value).build().is_ok();
    is_valid.then(|| value.to_owned())
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
