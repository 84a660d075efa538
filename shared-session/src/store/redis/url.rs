//! What a Redis URL says.

use std::borrow::Cow;

use redis::{ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};

use super::dial::Address;
use crate::{Error, ErrorKind};

const BAD_URL: &str = "the Redis URL is not valid: write redis://[user:password@]host[:port][/database], rediss://… \
                       for TLS, or redis+unix:///path[?db=…]";

/// Where to connect, and as whom.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) login: RedisConnectionInfo,
    pub(super) tls: bool,
    pub(super) address: Address,
}

/// Reads `url`. No error quotes it: it may hold a password.
pub(super) fn parse(url: &str) -> Result<Target, Error> {
    let (tls, url) = split_tls(url)?;
    let info = url.into_connection_info().map_err(|_| error(BAD_URL))?;
    let address = match info.addr() {
        ConnectionAddr::Tcp(host, port) => Address::Tcp(host.clone(), *port),
        ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
        _ => return Err(error(BAD_URL)),
    };
    // RESP3 brings news of a lost connection while nothing is being sent.
    let login = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let login = login.set_lib_name("shared-session", env!("CARGO_PKG_VERSION"));
    Ok(Target { login, tls, address })
}

/// Whether TLS is asked for, and the same URL without it: TLS is ours.
fn split_tls(url: &str) -> Result<(bool, Cow<'_, str>), Error> {
    for (secure, plain) in [("rediss:", "redis:"), ("valkeys:", "valkey:")] {
        if let Some(rest) = url.strip_prefix(secure) {
            if rest.contains('#') {
                return Err(error("the Redis URL asks for TLS without verification, which is not supported"));
            }
            return Ok((true, format!("{plain}{rest}").into()));
        }
    }
    Ok((false, url.into()))
}

fn error(message: &'static str) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_every_kind_are_understood() {
        for url in ["redis://localhost", "redis://user:pw@[::1]:7000/3", "unix:///run/redis.sock", "valkey://h:1"] {
            assert!(parse(url).is_ok(), "{url}");
        }
        let target = parse("redis+unix:///run/redis.sock?db=4").unwrap();
        assert_eq!((target.login.db(), target.address), (4, Address::Unix("/run/redis.sock".into())));
        let target = parse("rediss://[::1]/3").unwrap();
        assert_eq!((target.login.db(), target.address), (3, Address::Tcp("::1".into(), 6379)));
        assert!(target.tls);
    }

    #[test]
    fn a_bad_url_is_a_configuration_error_that_does_not_quote_it() {
        let bad = ["", "localhost:6379", "http://h", "redis://", "redis://:hunter2@h:99999", "redis://:hunter2@h/x"];
        for url in bad.into_iter().chain(["rediss://:hunter2@h/#insecure", "redis+cluster://:hunter2@h:1,j:2"]) {
            let error = parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
