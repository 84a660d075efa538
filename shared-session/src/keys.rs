//! The deployment's secret keys.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
#[cfg(feature = "encryption")]
use zeroize::Zeroize as _;

use crate::error::{Error, ErrorKind};

/// The secret key that every service of one deployment shares, and the earlier ones that are still accepted.
///
/// Keys sign form tokens and tie sessions to the password of their user. They are not needed to read a session. To
/// change the key without signing users out, keep the old one as a fallback for as long as a session may live.
///
/// ```
/// use shared_session::SecretKeys;
///
/// let keys = SecretKeys::new("a new key of at least thirty-two bytes")?
///     .with_fallback("an old key, at least thirty-two bytes long")?;
/// # Ok::<(), shared_session::Error>(())
/// ```
#[derive(Clone)]
pub struct SecretKeys {
    current: Box<[u8]>,
    fallbacks: Vec<Box<[u8]>>,
    scheme: Scheme,
}

/// The rules by which keys are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Native,
    #[cfg(feature = "django")]
    Django,
}

impl SecretKeys {
    /// The shortest key that is accepted, in bytes (OWASP ASVS 5.0, 11.2.3).
    const MIN_LEN: usize = 32;

    /// Keys with `current` only.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the key is shorter than 32 bytes.
    pub fn new(current: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::of(Scheme::Native, current.as_ref())
    }

    /// The `SECRET_KEY` of a Django deployment, of any length: Django accepts every key that is not empty. Its
    /// `SECRET_KEY_FALLBACKS` are [fallbacks](Self::with_fallback), of any length too. Sessions are then tied to
    /// passwords in Django's way.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the key is empty.
    #[cfg(feature = "django")]
    pub fn django(current: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::of(Scheme::Django, current.as_ref())
    }

    fn of(scheme: Scheme, current: &[u8]) -> Result<Self, Error> {
        Ok(Self { current: scheme.checked(current)?, fallbacks: Vec::new(), scheme })
    }

    /// Checks that each key has the length that [`new`](Self::new) requires.
    pub(crate) fn check_len(&self) -> Result<(), Error> {
        self.all().try_for_each(|key| Scheme::Native.checked(key).map(drop))
    }

    #[cfg(feature = "users")]
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The unmodified keys, the current one first.
    pub(crate) fn raw(&self) -> impl Iterator<Item = &[u8]> {
        self.all().map(|key| &**key)
    }

    fn all(&self) -> impl Iterator<Item = &Box<[u8]>> {
        std::iter::once(&self.current).chain(&self.fallbacks)
    }

    /// Also accepts signatures of `key`, which signs nothing new.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the key is shorter than 32 bytes; for a Django deployment, if it is empty.
    pub fn with_fallback(mut self, key: impl AsRef<[u8]>) -> Result<Self, Error> {
        self.fallbacks.push(self.scheme.checked(key.as_ref())?);
        Ok(self)
    }

    /// HMAC-SHA-256 of `message` under the current key, for one `purpose`.
    pub(crate) fn sign(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        native_mac(&self.current, purpose, message).finalize().into_bytes().into()
    }

    /// Whether any of the keys signed `message` for `purpose`. Compares in constant time.
    pub(crate) fn verify(&self, purpose: &str, message: &[u8], signature: &[u8]) -> bool {
        self.all().any(|key| native_mac(key, purpose, message).verify_slice(signature).is_ok())
    }
}

#[cfg(feature = "encryption")]
impl Drop for SecretKeys {
    fn drop(&mut self) {
        self.current.zeroize();
        self.fallbacks.zeroize();
    }
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKeys").field("fallbacks", &self.fallbacks.len()).finish_non_exhaustive()
    }
}

impl Scheme {
    fn checked(self, key: &[u8]) -> Result<Box<[u8]>, Error> {
        let min_len = match self {
            Self::Native => SecretKeys::MIN_LEN,
            #[cfg(feature = "django")]
            Self::Django => 1,
        };
        if key.len() < min_len {
            return Err(Error::new(
                ErrorKind::Config,
                format!("the secret key has {} bytes; it needs at least {min_len}", key.len()),
            ));
        }
        Ok(key.into())
    }
}

/// One key per purpose, so that a signature for one purpose is worthless for another.
pub(crate) fn native_mac(key: &[u8], purpose: &str, message: &[u8]) -> Hmac<Sha256> {
    mac(&[purpose.as_bytes(), &[0], key], message)
}

/// HMAC-SHA-256 of `message` under a key derived by hashing `secrets`, joined. With a salt and a key it is Django's
/// `salted_hmac` with SHA-256.
pub(crate) fn mac(secrets: &[&[u8]], message: &[u8]) -> Hmac<Sha256> {
    let derived = secrets.iter().fold(Sha256::new(), |hash, secret| hash.chain_update(secret)).finalize();
    // HMAC pads a key that is shorter than its block with zeros (RFC 2104, section 2).
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(derived) {
        *to = from;
    }
    let mut mac = Hmac::<Sha256>::new(&block);
    mac.update(message);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn a_fallback_verifies_but_does_not_sign() {
        let old = SecretKeys::new(A).unwrap();
        let new = SecretKeys::new(B).unwrap().with_fallback(A).unwrap();
        assert!(new.verify("p", b"m", &old.sign("p", b"m")));
        assert!(!old.verify("p", b"m", &new.sign("p", b"m")));
    }

    #[test]
    fn a_signature_is_bound_to_its_purpose_and_message() {
        let keys = SecretKeys::new(A).unwrap();
        let signature = keys.sign("p", b"m");
        assert!(!keys.verify("q", b"m", &signature));
        assert!(!keys.verify("p", b"n", &signature));
        assert!(!keys.verify("p", b"m", &signature[..31]));
        let shifted = SecretKeys::new(format!("q{A}")).unwrap();
        assert!(!shifted.verify("p", b"m", &keys.sign("pq", b"m")), "the end of a purpose is part of it");
    }

    #[cfg(feature = "django")]
    #[test]
    fn the_keys_of_a_django_deployment_may_be_short_but_not_empty() {
        assert!(SecretKeys::django("x").unwrap().with_fallback("y").is_ok());
        assert_eq!(SecretKeys::django("").unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(SecretKeys::django("x").unwrap().with_fallback("").unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(SecretKeys::new(A).unwrap().with_fallback("y").unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn short_keys_are_refused_and_keys_are_not_printed() {
        assert_eq!(SecretKeys::new("short").unwrap_err().kind(), ErrorKind::Config);
        let keys = SecretKeys::new(A).unwrap().with_fallback(B).unwrap();
        assert_eq!(format!("{keys:?}"), "SecretKeys { fallbacks: 1, .. }");
    }
}
