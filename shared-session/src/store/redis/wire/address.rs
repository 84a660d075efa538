//! A parsed Redis URL.

use std::{fmt, path::PathBuf};

use redis::{ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};

use crate::{
    error::{Error, ErrorKind},
    percent,
};

const BAD_URL: &str = "the Redis URL is not valid: write redis://[user:password@]host[:port][/database], \
                       redis+unix:///path[?db=…], redis+sentinel://[user:password@]host[:port],…/primary[/database]\
                       [?sentinel_username=…&sentinel_password=…] or \
                       redis+cluster://[user:password@]host[:port],…; with TLS rediss://, rediss+sentinel://, \
                       rediss+cluster://";

const BAD_QUERY: &str = "the query of a redis+sentinel:// URL is the login to the Sentinels and nothing else: \
                         ?sentinel_username=…&sentinel_password=…, or the password alone";

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// The servers, and the login.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) login: RedisConnectionInfo,
    /// For the Sentinels, if the URL has one.
    pub(crate) sentinel_login: Option<RedisConnectionInfo>,
    pub(crate) tls: bool,
    pub(crate) place: Servers,
}

/// How to find the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Servers {
    /// On this server.
    Single(Address),
    /// The server has this name at these Sentinels.
    Sentinel(Vec<Address>, String),
    /// These are nodes of the cluster.
    Cluster(Vec<Address>),
}

/// Reads `url`. No error quotes it: it may hold a password.
pub(crate) fn parse(url: &str) -> Result<Target, Error> {
    if url.contains('#') {
        return Err(error("the Redis URL has a fragment; TLS without verification is not supported"));
    }
    let (scheme, rest) = url.split_once(':').ok_or_else(bad)?;
    let (scheme, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
    // We do TLS ourselves, so the driver gets a URL without it.
    let (scheme, tls) = match scheme {
        "rediss" => ("redis", true),
        "valkeys" => ("valkey", true),
        plain => (plain, false),
    };
    let (rest, sentinel_login) = match rest.split_once('?') {
        Some((rest, query)) if kind == "sentinel" => (rest, Some(sentinel_login(query)?)),
        _ => (rest, None),
    };
    let (login, place) = match (kind, tls) {
        ("", _) => single(&format!("{scheme}:{rest}"))?,
        ("unix", false) => single(&format!("{scheme}+unix:{rest}"))?,
        ("sentinel", _) => {
            let (hosts, path) = several(rest)?;
            let (name, db) = path.split_once('/').unwrap_or((path, ""));
            if name.is_empty() {
                return Err(bad());
            }
            let (login, addresses) = addresses(scheme, hosts, db, 26_379)?;
            (login, Servers::Sentinel(addresses, name.to_owned()))
        }
        ("cluster", _) => {
            let (hosts, db) = several(rest)?;
            let (login, addresses) = addresses(scheme, hosts, db, 6379)?;
            (login, Servers::Cluster(addresses))
        }
        _ => return Err(bad()),
    };
    Ok(Target { login: named(login), sentinel_login, tls, place })
}

/// The handshake. With RESP3 we notice a lost connection while nothing is being sent.
pub(crate) fn named(login: RedisConnectionInfo) -> RedisConnectionInfo {
    login.set_protocol(ProtocolVersion::RESP3).set_lib_name("shared-session", env!("CARGO_PKG_VERSION"))
}

/// Reads `sentinel_username=…&sentinel_password=…`, the first of which may be missing.
fn sentinel_login(query: &str) -> Result<RedisConnectionInfo, Error> {
    let (mut user, mut password) = (None, None);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let place = match name {
            "sentinel_username" => &mut user,
            "sentinel_password" => &mut password,
            _ => return Err(error(BAD_QUERY)),
        };
        if value.is_empty() || place.replace(percent::decoded(value)).is_some() {
            return Err(error(BAD_QUERY));
        }
    }
    let login = RedisConnectionInfo::default().set_password(password.ok_or_else(|| error(BAD_QUERY))?);
    Ok(match user {
        Some(user) => login.set_username(user),
        None => login,
    })
}

fn single(url: &str) -> Result<(RedisConnectionInfo, Servers), Error> {
    let (login, address) = read(url)?;
    Ok((login, Servers::Single(address)))
}

/// Reads a URL of one server without TLS.
fn read(url: &str) -> Result<(RedisConnectionInfo, Address), Error> {
    let info = url.into_connection_info().map_err(|_| bad())?;
    let address = match info.addr() {
        ConnectionAddr::Tcp(host, port) => Address::Tcp(host.clone(), *port),
        ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
        _ => return Err(bad()),
    };
    Ok((info.redis_settings().clone(), address))
}

/// Splits `//[user:password@]host,host/path` into the parts before and after the slash.
fn several(rest: &str) -> Result<(&str, &str), Error> {
    let rest = rest.strip_prefix("//").ok_or_else(bad)?;
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((hosts, path.trim_end_matches('/')))
}

fn addresses(
    scheme: &str,
    hosts: &str,
    db: &str,
    default_port: u16,
) -> Result<(RedisConnectionInfo, Vec<Address>), Error> {
    let (user, hosts) = hosts.rsplit_once('@').map_or(("", hosts), |(user, _)| hosts.split_at(user.len() + 1));
    let mut servers = hosts.split(',').map(|host| {
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let port = if has_port { String::new() } else { format!(":{default_port}") };
        read(&format!("{scheme}://{user}{host}{port}/{db}"))
    });
    let (login, first) = servers.next().ok_or_else(bad)??;
    let others = servers.map(|server| Ok(server?.1));
    Ok((login, [Ok(first)].into_iter().chain(others).collect::<Result<_, Error>>()?))
}

fn bad() -> Error {
    error(BAD_URL)
}

fn error(message: &'static str) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp(host.into(), port)
    }

    #[test]
    fn urls_of_every_kind_are_understood() {
        for (url, tls, place) in [
            ("redis://localhost", false, Servers::Single(tcp("localhost", 6379))),
            ("rediss://user:pw@[::1]:7000/3", true, Servers::Single(tcp("::1", 7000))),
            ("valkey://h:1", false, Servers::Single(tcp("h", 1))),
            ("valkeys://h:1", true, Servers::Single(tcp("h", 1))),
            ("unix:///run/redis.sock", false, Servers::Single(Address::Unix("/run/redis.sock".into()))),
            ("redis+unix:///run/redis.sock?db=4", false, Servers::Single(Address::Unix("/run/redis.sock".into()))),
            ("redis+sentinel://h/main", false, Servers::Sentinel(vec![tcp("h", 26_379)], "main".into())),
            (
                "rediss+sentinel://u:p@h:1,[::1],j:2/main/4",
                true,
                Servers::Sentinel(vec![tcp("h", 1), tcp("::1", 26_379), tcp("j", 2)], "main".into()),
            ),
            ("redis+cluster://h:1,j", false, Servers::Cluster(vec![tcp("h", 1), tcp("j", 6379)])),
            ("rediss+cluster://u:p@h:1/", true, Servers::Cluster(vec![tcp("h", 1)])),
        ] {
            let target = parse(url).unwrap();
            assert_eq!((target.tls, target.place), (tls, place), "{url}");
        }
    }

    #[test]
    fn the_login_is_that_of_the_url() {
        for url in
            ["redis://u:p%40,x@h/4", "redis+sentinel://u:p%40,x@h:1,j:2/main/4", "redis+cluster://u:p%40,x@h,j/4"]
        {
            let login = parse(url).unwrap().login;
            assert_eq!((login.username(), login.password(), login.db()), (Some("u"), Some("p@,x"), 4), "{url}");
        }
    }

    #[test]
    fn the_login_to_the_sentinels_is_in_the_query_and_never_that_of_the_primary() {
        let both = parse("redis+sentinel://u:p@h/main/4?sentinel_username=w%40&sentinel_password=s%26%2B/?@").unwrap();
        let sentinel = both.sentinel_login.unwrap();
        assert_eq!((sentinel.username(), sentinel.password()), (Some("w@"), Some("s&+/?@")));
        assert_eq!((both.login.username(), both.login.password(), both.login.db()), (Some("u"), Some("p"), 4));
        assert_eq!(both.place, Servers::Sentinel(vec![tcp("h", 26_379)], "main".into()));
        let alone = parse("redis+sentinel://h/main?sentinel_password=s").unwrap().sentinel_login.unwrap();
        assert_eq!((alone.username(), alone.password()), (None, Some("s")));
        assert!(parse("redis+sentinel://u:p@h/main").unwrap().sentinel_login.is_none());
    }

    #[test]
    fn a_bad_url_is_a_configuration_error_that_does_not_quote_it() {
        let bad = [
            "",
            "localhost:6379",
            "http://h",
            "redis://",
            "redis://:hunter2@h:99999",
            "redis://:hunter2@h/x",
            "rediss://:hunter2@h/#insecure",
            "rediss+unix:///hunter2",
            "redis+other://:hunter2@h",
            "redis+sentinel://:hunter2@h:1,j:2",
            "redis+sentinel://:hunter2@h:1,,j:2/main",
            "redis+sentinel://:hunter2@h:1/main/x",
            "redis+sentinel://h:1/main?",
            "redis+sentinel://h:1/main?hunter2=x",
            "redis+sentinel://h:1/main?sentinel_username=hunter2",
            "redis+sentinel://h:1/main?sentinel_password=",
            "redis+sentinel://h:1/main?sentinel_password=hunter2&sentinel_password=b",
            "redis+sentinel://h:1/main?sentinel_password=hunter2&db=1",
            "redis+cluster://:hunter2@",
            "redis+cluster://:hunter2@h:1,j:x",
        ];
        for url in bad {
            let error = parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
