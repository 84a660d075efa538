//! The deployment's secret keys.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::{Error, ErrorKind};

/// The secret key that every service of one deployment shares, and the earlier ones that are still accepted.
///
/// Keys sign form tokens and tie sessions to the password of their user. They are not needed to read a session. To
/// change the key, make the old one a fallback for as long as a session may live: nobody is signed out.
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
    min_len: usize,
}

impl SecretKeys {
    /// The shortest key that is accepted, in bytes (OWASP ASVS 5.0, 11.2.3).
    pub const MIN_LEN: usize = 32;

    /// Keys with `current` alone.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the key is shorter than [`SecretKeys::MIN_LEN`].
    pub fn new(current: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::of_at_least(current, Self::MIN_LEN)
    }

    /// The `SECRET_KEY` of a Django deployment, of any length: Django takes each that is not empty. Its
    /// `SECRET_KEY_FALLBACKS` are [fallbacks](Self::with_fallback), of any length too.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the key is empty.
    #[cfg(feature = "django")]
    pub fn django(current: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::of_at_least(current, 1)
    }

    fn of_at_least(current: impl AsRef<[u8]>, min_len: usize) -> Result<Self, Error> {
        Ok(Self { current: checked(current.as_ref(), min_len)?, fallbacks: Vec::new(), min_len })
    }

    /// The keys as they are, the current one first.
    #[cfg(feature = "django")]
    #[expect(dead_code, reason = "Django's signatures are made with it")]
    pub(crate) fn raw(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&self.current).chain(&self.fallbacks).map(|key| &**key)
    }

    /// Also accepts what `key` signed. Nothing new is signed with it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the key is shorter than [`SecretKeys::MIN_LEN`].
    pub fn with_fallback(mut self, key: impl AsRef<[u8]>) -> Result<Self, Error> {
        self.fallbacks.push(checked(key.as_ref(), self.min_len)?);
        Ok(self)
    }

    /// HMAC-SHA-256 of `message` under the current key, for one `purpose`.
    #[must_use]
    pub fn sign(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        mac(&self.current, purpose, message).finalize().into_bytes().into()
    }

    /// Whether any of the keys signed `message` for `purpose`. Compares in constant time.
    #[must_use]
    pub fn verify(&self, purpose: &str, message: &[u8], signature: &[u8]) -> bool {
        std::iter::once(&self.current)
            .chain(&self.fallbacks)
            .any(|key| mac(key, purpose, message).verify_slice(signature).is_ok())
    }
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKeys").field("fallbacks", &self.fallbacks.len()).finish_non_exhaustive()
    }
}

fn checked(key: &[u8], min_len: usize) -> Result<Box<[u8]>, Error> {
    if key.len() < min_len {
        return Err(Error::new(
            ErrorKind::Config,
            format!("the secret key has {} bytes; it needs at least {min_len}", key.len()),
        ));
    }
    Ok(key.into())
}

/// One key per purpose, derived by hashing, so that a signature for one purpose is worthless for another.
fn mac(key: &[u8], purpose: &str, message: &[u8]) -> Hmac<Sha256> {
    let derived = Sha256::new().chain_update(purpose.as_bytes()).chain_update([0]).chain_update(key).finalize();
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
    }

    #[test]
    fn short_keys_are_refused_and_keys_are_not_printed() {
        assert_eq!(SecretKeys::new("short").unwrap_err().kind(), ErrorKind::Config);
        assert!(!format!("{:?}", SecretKeys::new(A).unwrap()).contains('a'.to_string().repeat(3).as_str()));
    }
}
