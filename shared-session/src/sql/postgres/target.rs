//! A parsed `postgres:` URL. It may contain a password, so no error quotes it.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::{
    error::{Error, ErrorKind},
    percent,
};

const ROOT: [&str; 3] = ["sslrootcert", "ssl-root-cert", "ssl-ca"];
const CERTIFICATE: [&str; 2] = ["sslcert", "ssl-cert"];
const KEY: [&str; 2] = ["sslkey", "ssl-key"];
const MODE: [&str; 2] = ["sslmode", "ssl-mode"];
const OTHERS: [&str; 9] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "statement-cache-capacity",
    "user",
];

/// The server, and the TLS modes to try, in this order.
pub(super) struct Target {
    pub(super) options: PgConnectOptions,
    pub(super) modes: &'static [PgSslMode],
}

impl Target {
    pub(super) fn read(url: &str) -> Result<Self, Error> {
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let pairs: Vec<(String, String)> = query.split('&').filter(|pair| !pair.is_empty()).map(pair_of).collect();
        if let Some((unknown, _)) = pairs.iter().find(|(name, _)| !is_known(name)) {
            let name = unknown.escape_debug();
            return Err(config(format!("the PostgreSQL URL has a parameter that is not known, {name}: take it out")));
        }
        let named = |names: &[&str]| {
            let (_, value) = pairs.iter().rfind(|(name, _)| names.contains(&name.as_str()))?;
            Some(value.as_str())
        };
        let (root, certificate, key) = (named(&ROOT), named(&CERTIFICATE), named(&KEY));
        let asked = named(&MODE).map(mode_named).transpose()?;
        let mut options = PgConnectOptions::from_str(&without_system_roots(place, query)).map_err(|error| {
            config("the PostgreSQL URL is not valid: write postgres://[user[:password]@]host[:port]/database")
                .with_source(error)
        })?;
        if options.get_socket().is_some() {
            return Ok(Self { options, modes: &[PgSslMode::Disable] });
        }
        let mode = match (root, asked) {
            (Some("system"), None | Some(PgSslMode::VerifyFull)) => PgSslMode::VerifyFull,
            (Some("system"), _) => return Err(config("sslrootcert=system needs sslmode=verify-full")),
            // As in libpq: naming an authority turns the check on.
            (Some(_), Some(PgSslMode::Require)) => PgSslMode::VerifyCa,
            (_, Some(mode)) => mode,
            (_, None) => options.get_ssl_mode(),
        };
        let modes = ways(mode)?;
        if !matches!(modes, [PgSslMode::Disable]) {
            if certificate.is_some() != key.is_some() {
                return Err(config("sslcert and sslkey in the PostgreSQL URL belong together: one is missing"));
            }
            for (name, value) in [("sslrootcert", root), ("sslcert", certificate), ("sslkey", key)] {
                value.filter(|value| *value != "system").map_or(Ok(()), |file| check_file(name, file))?;
            }
        }
        options = options.ssl_mode(mode);
        Ok(Self { options, modes })
    }
}

/// As libpq does for each mode: `prefer` falls back to no TLS, `allow` falls back to TLS.
#[cfg(feature = "postgres-tls")]
#[allow(clippy::unnecessary_wraps, reason = "without the feature there is an error")]
fn ways(mode: PgSslMode) -> Result<&'static [PgSslMode], Error> {
    Ok(match mode {
        PgSslMode::Disable => &[PgSslMode::Disable],
        PgSslMode::Allow => &[PgSslMode::Disable, PgSslMode::Require],
        PgSslMode::Prefer => &[PgSslMode::Prefer, PgSslMode::Disable],
        PgSslMode::Require => &[PgSslMode::Require],
        PgSslMode::VerifyCa => &[PgSslMode::VerifyCa],
        PgSslMode::VerifyFull => &[PgSslMode::VerifyFull],
    })
}

#[cfg(not(feature = "postgres-tls"))]
fn ways(mode: PgSslMode) -> Result<&'static [PgSslMode], Error> {
    match mode {
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => Ok(&[PgSslMode::Disable]),
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => {
            Err(config("the sslmode in the PostgreSQL URL demands TLS, which needs the feature `postgres-tls`"))
        }
    }
}

fn is_known(name: &str) -> bool {
    let lists: [&[&str]; 5] = [&ROOT, &CERTIFICATE, &KEY, &MODE, &OTHERS];
    lists.iter().any(|list| list.contains(&name)) || name.starts_with("options[") && name.ends_with(']')
}

fn mode_named(name: &str) -> Result<PgSslMode, Error> {
    name.parse().map_err(|_| {
        config("sslmode in the PostgreSQL URL is one of disable, allow, prefer, require, verify-ca and verify-full")
    })
}

/// `system` is not a file: the system's authorities are trusted by default.
fn without_system_roots(place: &str, query: &str) -> String {
    let is_system = |pair: &&str| {
        let (name, value) = pair_of(pair);
        ROOT.contains(&name.as_str()) && value == "system"
    };
    let rest: Vec<&str> = query.split('&').filter(|pair| !is_system(pair)).collect();
    format!("{place}?{}", rest.join("&"))
}

/// Reports a missing file now, not only at the first connection.
fn check_file(name: &str, file: &str) -> Result<(), Error> {
    let pem = std::fs::read(file).map_err(|error| {
        config(format!("the file of {name} in the PostgreSQL URL cannot be read: {}", error.kind()))
    })?;
    match pem.windows(11).any(|part| part == b"-----BEGIN ") {
        true => Ok(()),
        false => Err(config(format!("the file of {name} in the PostgreSQL URL is not PEM"))),
    }
}

/// Name and value of `name=value` in a URL.
fn pair_of(pair: &str) -> (String, String) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    (percent::decoded(name), percent::decoded(value))
}

fn config(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        let Err(error) = Target::read(url) else { panic!("{url} is not refused") };
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        error.to_string()
    }

    #[test]
    fn a_socket_needs_no_tls_and_names_are_decoded() {
        for url in ["postgres:///app?host=/run&sslmode=verify-full", "postgres://%2Frun/app?sslmode=require"] {
            let target = Target::read(url).unwrap();
            assert!(matches!(target.modes, [PgSslMode::Disable]), "{url}");
        }
        let target = Target::read("postgres://u:p@h/app?options%5Bsearch_path%5D=a&application_name=x+y").unwrap();
        assert_eq!(target.options.get_application_name(), Some("x y"));
        assert_eq!(target.options.get_options(), Some("-c search_path=a"));
    }

    #[test]
    fn an_unknown_parameter_is_named_and_no_value_is_quoted() {
        assert!(refused("postgres://u:hunter2@h/app?connect_timout=hunter2").contains("connect_timout"));
        assert!(refused("postgres://u:hunter2@h/app?sslmode=full").contains("one of disable"));
        assert!(refused("postgres://u:hunter2@h:port/app").contains("is not valid"));
        assert!(refused("postgres://u:hunter2@h/app?port=hunter2").contains("is not valid"));
    }

    #[test]
    #[cfg(not(feature = "postgres-tls"))]
    fn without_the_feature_tls_is_refused_where_it_is_demanded() {
        for mode in ["require", "verify-ca", "verify-full"] {
            assert!(refused(&format!("postgres://h/app?sslmode={mode}")).contains("feature `postgres-tls`"));
        }
        for mode in ["disable", "allow", "prefer"] {
            let target = Target::read(&format!("postgres://h/app?sslmode={mode}")).unwrap();
            assert!(matches!(target.modes, [PgSslMode::Disable]), "{mode}");
        }
    }

    #[test]
    #[cfg(feature = "postgres-tls")]
    fn a_named_authority_is_checked() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----").unwrap();
        let modes = |query: &str| Target::read(&format!("postgres://h/app?{query}")).unwrap().modes;
        let root = format!("sslrootcert={}", file.display());
        assert!(matches!(modes("sslmode=require"), [PgSslMode::Require]));
        assert!(matches!(modes(&format!("sslmode=require&{root}")), [PgSslMode::VerifyCa]));
        assert!(matches!(modes(&format!("{root}&sslmode=verify-full")), [PgSslMode::VerifyFull]));
        assert!(matches!(modes("sslrootcert=system"), [PgSslMode::VerifyFull]));
    }
}
