//! A keyed tag at the end of the cookie's value, checked before any store call.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::{
    error::Error,
    keys::{SecretKeys, native_mac},
};

/// The purpose in the key derivation.
const PURPOSE: &str = "session-cookie";
/// 128 bits of HMAC-SHA-256.
const TAG: usize = 16;
const TAG_CHARS: usize = 22;

/// The signing of cookies ([`SessionManager::with_signed_cookies`](crate::SessionManager::with_signed_cookies)): the
/// keys, and whether unsigned cookies are allowed while signing is introduced.
///
/// A cookie without a valid tag is treated as foreign and costs no store call: a flood of made-up cookies does not
/// reach the store. Signing does not hide anything: the random secret in the cookie opens a session, with or without a
/// tag.
///
/// The current key of [`SecretKeys`] signs, its fallbacks still verify. A cookie signed with an earlier key stays valid
/// and gets a tag under the current key when it is next sent, at a sign-in for example. So keep an earlier key for as
/// long as a session may live ([`Lifetime::with_absolute`](crate::Lifetime::with_absolute)); then no user is signed
/// out.
///
/// # Introducing it
///
/// A running fleet needs three steps, each a restart of every service: [`write_unsigned`](Self::write_unsigned), then
/// [`accept_unsigned`](Self::accept_unsigned), and neither once the sessions from before the second step have ended. To
/// go back, return to the first step.
///
/// ```
/// use shared_session::{SecretKeys, SessionManager, cookie::SignedCookies, store::MemoryStore};
///
/// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
/// let manager = SessionManager::new(MemoryStore::new()).with_signed_cookies(SignedCookies::new(&keys)?)?;
/// # let _ = manager; Ok::<(), shared_session::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct SignedCookies {
    /// The current key first.
    keys: Vec<Hmac<Sha256>>,
    unsigned: Unsigned,
}

/// The treatment of cookies without a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsigned {
    Refused,
    Accepted,
    Written,
}

impl SignedCookies {
    /// Signs with the current key of `keys`, verifies with all of them, and refuses cookies without a tag. The signing
    /// keys are derived from `keys` for this purpose alone. No I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a key is shorter than 32 bytes, as in some Django
    /// deployments: the owner of a cookie could guess a short key.
    pub fn new(keys: &SecretKeys) -> Result<Self, Error> {
        keys.check_len()?;
        let keys = keys.raw().map(|key| native_mac(key, PURPOSE, b"")).collect();
        Ok(Self { keys, unsigned: Unsigned::Refused })
    }

    /// Also accepts cookies without a tag. Default: they are refused. While they are accepted, made-up ones cost a
    /// store call.
    pub fn accept_unsigned(self) -> Self {
        Self { unsigned: Unsigned::Accepted, ..self }
    }

    /// Signs nothing: accepts cookies with and without a tag, and sends them without one. Default: every cookie is sent
    /// with a tag. This is a fleet's first step towards signed cookies, and the way back.
    pub fn write_unsigned(self) -> Self {
        Self { unsigned: Unsigned::Written, ..self }
    }

    /// The value of the cookie `name` without its tag; `None` without a valid tag. Compares in constant time.
    pub(crate) fn verified<'a>(&self, name: &str, value: &'a [u8]) -> Option<&'a [u8]> {
        self.signed(name, value).or_else(|| (self.unsigned != Unsigned::Refused).then_some(value))
    }

    fn signed<'a>(&self, name: &str, value: &'a [u8]) -> Option<&'a [u8]> {
        let (value, tag) = value.split_at_checked(value.len().checked_sub(TAG_CHARS)?)?;
        // By length alone, 22 characters could decode to up to 18 bytes.
        let mut decoded = [0; 18];
        let len = URL_SAFE_NO_PAD.decode_slice(tag, &mut decoded).ok()?;
        let tag = decoded.get(..len)?;
        let verifies = |key: &Hmac<Sha256>| tagged(key, name, value).verify_truncated_left(tag).is_ok();
        (tag.len() == TAG && self.keys.iter().any(verifies)).then_some(value)
    }

    /// `value`, followed by the tag for the cookie `name`.
    pub(crate) fn sign(&self, name: &str, mut value: String) -> String {
        if self.unsigned == Unsigned::Written {
            return value;
        }
        if let Some(key) = self.keys.first() {
            let mac: [u8; 32] = tagged(key, name, value.as_bytes()).finalize().into_bytes().into();
            URL_SAFE_NO_PAD.encode_string(&mac[..TAG], &mut value);
        }
        value
    }
}

/// No name contains a zero byte, so different pairs of name and value never form the same message.
fn tagged(key: &Hmac<Sha256>, name: &str, value: &[u8]) -> Hmac<Sha256> {
    key.clone().chain_update(name).chain_update([0]).chain_update(value)
}

impl fmt::Debug for SignedCookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedCookies").field("unsigned", &self.unsigned).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const VALUE: &str = "AAAAAAAAAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

    fn of(current: &str, fallbacks: &[&str]) -> SignedCookies {
        let keys = SecretKeys::new(current).unwrap();
        SignedCookies::new(&fallbacks.iter().fold(keys, |keys, key| keys.with_fallback(key).unwrap())).unwrap()
    }

    #[test]
    fn the_current_key_signs_and_all_verify() {
        let old = of(A, &[]).sign("sid", VALUE.into());
        assert_eq!(old.len(), VALUE.len() + TAG_CHARS);
        assert_eq!(of(B, &[A]).verified("sid", old.as_bytes()), Some(VALUE.as_bytes()));
        assert_eq!(of(B, &[]).verified("sid", old.as_bytes()), None);
        let new = of(B, &[A]).sign("sid", VALUE.into());
        assert_eq!(of(B, &[]).verified("sid", new.as_bytes()), Some(VALUE.as_bytes()));
    }

    #[test]
    fn a_tag_is_bound_to_the_name_and_to_every_character() {
        let cookies = of(A, &[]);
        let signed = cookies.sign("sid", VALUE.into());
        assert_eq!(cookies.verified("other", signed.as_bytes()), None);
        assert_eq!(cookies.verified("si", &[b"d", signed.as_bytes()].concat()), None);
        for at in 0..signed.len() {
            for other in b"AB-_=\0" {
                let mut forged = signed.clone().into_bytes();
                if forged[at] != *other {
                    forged[at] = *other;
                    assert_eq!(cookies.verified("sid", &forged), None, "{at}");
                }
            }
            assert_eq!(cookies.verified("sid", &signed.as_bytes()[..at]), None, "{at} characters");
        }
        assert_eq!(cookies.verified("sid", &[signed.as_bytes(), b"A"].concat()), None);
        assert_eq!(cookies.verified("sid", b""), None);
    }

    #[test]
    fn a_tag_has_one_spelling() {
        let cookies = of(A, &[]);
        let signed = cookies.sign("sid", VALUE.into());
        let accepted = (0..=255_u8).filter(|last| {
            let mut other = signed.clone().into_bytes();
            *other.last_mut().unwrap() = *last;
            cookies.verified("sid", &other).is_some()
        });
        assert_eq!(accepted.count(), 1);
    }

    /// The vector of `docs/wire-format.md`.
    #[test]
    fn the_tag_is_golden() {
        let signed = of("the secret key that all services share", &[]).sign("shared_session_id", VALUE.into());
        let page = include_str!("../../docs/wire-format.md");
        assert!(page.contains(&format!("shared_session_id={signed}")), "{signed}");
    }

    #[test]
    fn cookies_without_a_tag_are_accepted_while_it_is_being_introduced() {
        let signed = of(A, &[]).sign("sid", VALUE.into());
        for cookies in [of(A, &[]).accept_unsigned(), of(A, &[]).write_unsigned()] {
            for value in [signed.as_bytes(), VALUE.as_bytes()] {
                assert_eq!(cookies.verified("sid", value), Some(VALUE.as_bytes()));
            }
        }
        assert_eq!(of(A, &[]).accept_unsigned().sign("sid", VALUE.into()), signed);
        assert_eq!(of(A, &[]).write_unsigned().sign("sid", VALUE.into()), VALUE);
    }

    #[test]
    fn keys_are_not_printed() {
        assert_eq!(format!("{:?}", of(A, &[])), "SignedCookies { unsigned: Refused, .. }");
    }
}
