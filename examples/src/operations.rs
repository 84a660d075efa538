//! Access to `/metrics` and `/readyz`.
//!
//! Without a setting they are open to every client that reaches the service. With `OPERATIONS_ADDR` only a separate
//! listener answers them; with `OPERATIONS_TOKEN` the client must send the token (`Authorization: Bearer …`), there
//! too. `/healthz` is open to all: it shows only that the process runs.

use crate::settings::{Operations, Settings};

/// The listener that accepted a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listener {
    /// The listener for visitors.
    #[default]
    Main,
    /// `OPERATIONS_ADDR`.
    Own,
}

/// The decision about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Answer the request.
    Allowed,
    /// Not served by this listener: 404.
    Elsewhere,
    /// 401, with `WWW-Authenticate: Bearer`.
    TokenNeeded,
}

/// Whether a request that came in at `listener` is answered. `authorization` are the values of its `Authorization`
/// headers; several count as none.
#[must_use]
pub fn access<'a>(
    settings: &Operations,
    listener: Listener,
    authorization: impl IntoIterator<Item = &'a [u8]>,
) -> Access {
    if listener == Listener::Main && settings.addr.is_some() {
        return Access::Elsewhere;
    }
    let Some(token) = &settings.token else { return Access::Allowed };
    let mut values = authorization.into_iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Access::TokenNeeded };
    match value.split_at_checked(b"Bearer ".len()) {
        Some((scheme, shown))
            if scheme.eq_ignore_ascii_case(b"Bearer ") && is_equal(shown, token.expose().as_bytes()) =>
        {
            Access::Allowed
        }
        _ => Access::TokenNeeded,
    }
}

/// The warning if [`is_open`].
pub const OPEN: &str = "any client that reaches this service can read /metrics and /readyz; set OPERATIONS_ADDR or \
                        OPERATIONS_TOKEN, or let the proxy answer 404 for them";

/// Whether all clients have access although that is probably not intended.
#[must_use]
pub fn is_open(settings: &Settings) -> bool {
    let is_open = settings.operations.addr.is_none() && settings.operations.token.is_none();
    is_open && !settings.listen_addr().ip().to_canonical().is_loopback()
}

/// Warns at the start if [`is_open`].
pub fn warn_if_open(settings: &Settings) {
    if is_open(settings) {
        tracing::warn!("{OPEN}");
    }
}

/// Compares in a time that does not depend on where the values differ.
fn is_equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Service;

    fn operations(addr: &str, token: &str) -> Operations {
        let read = |name: &str| match name {
            "OPERATIONS_ADDR" => Some(addr.to_owned()),
            "OPERATIONS_TOKEN" => Some(token.to_owned()),
            _ => None,
        };
        Settings::from_env(read, Service::Site).unwrap().operations
    }

    #[test]
    fn access_depends_on_the_listener_and_the_token() {
        const TOKEN: &str = "0123456789abcdef0123456789abcdef";
        let right = format!("bearer {TOKEN}").into_bytes();
        let wrong = format!("Bearer {}", TOKEN.replace('f', "e")).into_bytes();
        let [main, own] = [Listener::Main, Listener::Own];
        for (addr, token, listener, authorization, expected) in [
            ("", "", main, None, Access::Allowed),
            ("", TOKEN, main, None, Access::TokenNeeded),
            ("", TOKEN, main, Some(&right), Access::Allowed),
            ("", TOKEN, main, Some(&wrong), Access::TokenNeeded),
            ("127.0.0.1:9000", "", main, None, Access::Elsewhere),
            ("127.0.0.1:9000", "", own, None, Access::Allowed),
            ("127.0.0.1:9000", TOKEN, main, Some(&right), Access::Elsewhere),
            ("127.0.0.1:9000", TOKEN, own, None, Access::TokenNeeded),
            ("127.0.0.1:9000", TOKEN, own, Some(&right), Access::Allowed),
        ] {
            let found = access(&operations(addr, token), listener, authorization.map(Vec::as_slice));
            assert_eq!(found, expected, "{addr:?} {token:?} {listener:?} {authorization:?}");
        }
        let twice = [&right[..], &right[..]];
        assert_eq!(access(&operations("", TOKEN), main, twice), Access::TokenNeeded);
        for odd in ["", "Bearer", "Bearer ", "Basic 0123456789abcdef0123456789abcdef", TOKEN] {
            assert_eq!(access(&operations("", TOKEN), main, [odd.as_bytes()]), Access::TokenNeeded, "{odd:?}");
        }
    }
}
