//! The link between a session and its user's password: an HMAC of the stored hash.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::Mac;
use subtle::ConstantTimeEq;

use crate::keys::{Scheme, SecretKeys, native_mac};

const PURPOSE: &str = "session-auth-hash";
#[cfg(feature = "django")]
const DJANGO_SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";

/// The key under which a session auth hash was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Verified {
    /// The current key.
    Current,
    /// An earlier key. The session holds, and should get the hash under the current key before the earlier key is
    /// dropped.
    Fallback,
    /// An unknown key, or another password: the session does not hold.
    No,
}

/// The hash under the current key.
pub(super) fn make(keys: &SecretKeys, encoded_password: &str) -> String {
    all(keys, encoded_password).next().unwrap_or_default()
}

/// Compares in constant time.
pub(super) fn verify(keys: &SecretKeys, encoded_password: &str, hash: &str) -> Verified {
    let matching = all(keys, encoded_password).position(|of_key| of_key.as_bytes().ct_eq(hash.as_bytes()).into());
    match matching {
        Some(0) => Verified::Current,
        Some(_) => Verified::Fallback,
        None => Verified::No,
    }
}

/// The hashes under all keys, the current one first.
fn all(keys: &SecretKeys, encoded_password: &str) -> impl Iterator<Item = String> {
    keys.raw().map(|key| match keys.scheme() {
        Scheme::Native => {
            let mac = native_mac(key, PURPOSE, encoded_password.as_bytes());
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        }
        #[cfg(feature = "django")]
        Scheme::Django => {
            use std::fmt::Write as _;
            let mac = crate::keys::mac(&[DJANGO_SALT.as_bytes(), key], encoded_password.as_bytes());
            mac.finalize().into_bytes().iter().fold(String::with_capacity(64), |mut hex, byte| {
                // Writing to a string cannot fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const NEW: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn a_hash_is_bound_to_the_password_and_the_keys() {
        let old = SecretKeys::new(OLD).unwrap();
        let rotated = SecretKeys::new(NEW).unwrap().with_fallback(OLD).unwrap();
        let hash = make(&old, "one");
        assert_eq!(hash.len(), 43);
        assert_eq!(verify(&old, "one", &hash), Verified::Current);
        assert_eq!(verify(&rotated, "one", &hash), Verified::Fallback);
        assert_eq!(verify(&rotated, "one", &make(&rotated, "one")), Verified::Current);
        assert_eq!(verify(&SecretKeys::new(NEW).unwrap(), "one", &hash), Verified::No);
        assert_eq!(verify(&old, "two", &hash), Verified::No);
        for malformed in ["", "?", &hash[..42], &format!("{hash}A")] {
            assert_eq!(verify(&old, "one", malformed), Verified::No);
        }
    }

    #[cfg(feature = "django")]
    #[test]
    fn the_hashes_of_a_django_deployment_are_those_of_django() {
        let fixture = include_str!("../../tests/fixtures/django/auth_hashes.json");
        let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let keys = SecretKeys::django(text(&fixture["secret_key"])).unwrap();
        let keys = keys.with_fallback(text(&fixture["fallback"])).unwrap();
        let vectors = fixture["vectors"].as_array().unwrap();
        assert!(vectors.len() >= 4);
        for vector in vectors {
            let password = text(&vector["password_field"]);
            assert_eq!(make(&keys, &password), text(&vector["hash"]), "{password}");
            assert_eq!(verify(&keys, &password, &text(&vector["hash"])), Verified::Current, "{password}");
            assert_eq!(verify(&keys, &password, &text(&vector["fallback_hash"])), Verified::Fallback, "{password}");
            assert_eq!(verify(&keys, &format!("{password}."), &text(&vector["hash"])), Verified::No, "{password}");
            assert_eq!(verify(&keys, &password, &text(&vector["hash"]).to_uppercase()), Verified::No, "{password}");
        }
    }

    #[cfg(feature = "django")]
    #[test]
    fn the_two_schemes_do_not_accept_each_others_hashes() {
        let (native, django) = (SecretKeys::new(OLD).unwrap(), SecretKeys::django(OLD).unwrap());
        assert_eq!(verify(&django, "one", &make(&native, "one")), Verified::No);
        assert_eq!(verify(&native, "one", &make(&django, "one")), Verified::No);
    }
}
