//! Handles and secrets: the parts of a cookie.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::{Error, ErrorKind};

const HANDLE_LEN: usize = 24;
const SECRET_LEN: usize = 32;

/// The public name of a session: 144 random bits as 24 characters of base64url.
///
/// A handle names a session for its whole life, through every rotation. It opens nothing, so it may be shown in a list
/// of devices, logged, and used in a URL.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle([u8; HANDLE_LEN]);

impl Handle {
    pub(crate) fn random() -> Result<Self, Error> {
        random_text::<18, HANDLE_LEN>().map(Self)
    }

    /// The handle of a session whose cookie is its key: a hash of that key, so that it opens nothing.
    #[cfg(feature = "django")]
    pub(crate) fn of_key(key: &Secret) -> Self {
        let hash = Sha256::new().chain_update("shared_session.handle:").chain_update(key.0).finalize();
        let mut chars = [b'A'; HANDLE_LEN];
        for (chars, bytes) in chars.chunks_exact_mut(4).zip(hash.chunks_exact(3)) {
            // Three bytes are four characters, so this never fails.
            let _ = URL_SAFE_NO_PAD.encode_slice(bytes, chars);
        }
        Self(chars)
    }

    /// The length of its text.
    pub(crate) const LEN: usize = HANDLE_LEN;

    /// Reads a handle from its text; `None` unless it is exactly 24 characters of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        checked(text.as_bytes()).map(Self)
    }

    /// The handle as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        text(&self.0)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.as_str())
    }
}

/// The secret half of a cookie: 192 random bits as 32 characters of base64url. Only its hash is stored.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret([u8; SECRET_LEN]);

impl Secret {
    pub(crate) fn random() -> Result<Self, Error> {
        random_text::<24, SECRET_LEN>().map(Self)
    }

    /// A secret of exactly these characters; `None` if their number is wrong.
    #[cfg(feature = "django")]
    pub(crate) fn from_text(text: &[u8]) -> Option<Self> {
        checked(text).map(Self)
    }

    /// The secret as text. Django's session keys are such texts, and are part of store keys.
    #[cfg(feature = "django")]
    pub(crate) fn as_str(&self) -> &str {
        text(&self.0)
    }

    /// Whether `other` is equal. Compares in constant time.
    #[cfg(feature = "redis")]
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// SHA-256 of the secret's text.
    pub(crate) fn hash(&self) -> SecretHash {
        let mut chars = [b'A'; SecretHash::LEN];
        // 32 bytes are 43 characters, so this never fails.
        let _ = URL_SAFE_NO_PAD.encode_slice(Sha256::digest(self.0), &mut chars);
        SecretHash(chars)
    }
}

/// The hash of a [`Secret`] as 43 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SecretHash([u8; Self::LEN]);

impl SecretHash {
    pub(crate) const LEN: usize = 43;

    /// A stored hash. The characters are not checked.
    pub(crate) fn stored(chars: &[u8]) -> Option<Self> {
        chars.try_into().ok().map(Self)
    }

    /// A stored hash whose bytes no store compares; `None` unless it is exactly 43 characters of base64url.
    pub(crate) fn parse(chars: &[u8]) -> Option<Self> {
        checked(chars).map(Self)
    }

    /// Whether its stored form is `stored`. Compares in constant time.
    pub(crate) fn is(&self, stored: &[u8]) -> bool {
        let Ok(stored) = <&[u8; Self::LEN]>::try_from(stored) else { return false };
        self.0.iter().zip(stored).fold(0, |differs, (one, other)| differs | (one ^ other)).ct_eq(&0_u8).into()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        text(&self.0)
    }
}

/// The value of a session cookie: a handle and a secret, 56 characters.
///
/// Both halves are whole base64 groups, so each value has one spelling and can be split as text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) handle: Handle,
    pub(crate) secret: Secret,
}

impl Token {
    pub(crate) fn random() -> Result<Self, Error> {
        Ok(Self { handle: Handle::random()?, secret: Secret::random()? })
    }

    /// Parses a cookie's value. Checks length and alphabet first, byte by byte.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let (handle, secret) = value.split_at_checked(HANDLE_LEN)?;
        Some(Self { handle: Handle(checked(handle)?), secret: Secret(checked(secret)?) })
    }

    pub(crate) fn cookie_value(&self) -> String {
        let mut value = String::with_capacity(HANDLE_LEN + SECRET_LEN);
        value.push_str(self.handle.as_str());
        value.push_str(text(&self.secret.0));
        value
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("handle", &self.handle).finish_non_exhaustive()
    }
}

pub(crate) fn random_bytes<const BYTES: usize>() -> Result<[u8; BYTES], Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|source| {
        Error::new(ErrorKind::Unavailable, "the operating system gave no random bytes").with_source(source)
    })?;
    Ok(bytes)
}

fn random_text<const BYTES: usize, const CHARS: usize>() -> Result<[u8; CHARS], Error> {
    let bytes: [u8; BYTES] = random_bytes()?;
    let mut chars = [0; CHARS];
    URL_SAFE_NO_PAD.encode_slice(bytes, &mut chars).map_err(|source| {
        Error::new(ErrorKind::Unavailable, "random bytes do not fit their text").with_source(source)
    })?;
    Ok(chars)
}

fn checked<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    let chars: [u8; N] = value.try_into().ok()?;
    // All of them, without a branch for each.
    chars.iter().fold(true, |all, c| all & (c.is_ascii_alphanumeric() | matches!(c, b'-' | b'_'))).then_some(chars)
}

/// The text of base64url characters.
pub(super) fn text(chars: &[u8]) -> &str {
    // The characters are always base64url, so this never falls back.
    std::str::from_utf8(chars).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_survives_the_cookie() {
        let token = Token::random().unwrap();
        assert_eq!(Token::parse(token.cookie_value().as_bytes()), Some(token));
    }

    #[test]
    fn every_other_length_is_refused() {
        let value = Token::random().unwrap().cookie_value();
        for end in 0..value.len() {
            assert!(Token::parse(&value.as_bytes()[..end]).is_none());
        }
        assert!(Token::parse(format!("{value}A").as_bytes()).is_none());
    }

    #[test]
    fn every_other_alphabet_is_refused() {
        let value = Token::random().unwrap().cookie_value();
        for at in [0, 23, 24, 55] {
            for bad in [b'+', b'/', b'=', b'"', b' ', b'%', 0, 0x80, b'*', b':'] {
                let mut bytes = value.clone().into_bytes();
                bytes[at] = bad;
                assert!(Token::parse(&bytes).is_none(), "{bad} at {at}");
            }
        }
    }

    #[test]
    fn ten_thousand_tokens_differ_in_both_halves() {
        let tokens: Vec<_> = (0..10_000).map(|_| Token::random().unwrap()).collect();
        let handles: std::collections::HashSet<_> = tokens.iter().map(|t| t.handle).collect();
        let secrets: std::collections::HashSet<_> = tokens.iter().map(|t| t.secret.0).collect();
        assert_eq!((handles.len(), secrets.len()), (10_000, 10_000));
    }

    #[test]
    fn a_hash_is_accepted_only_in_its_stored_form() {
        let hash = Secret::random().unwrap().hash();
        assert!(hash.is(hash.as_bytes()));
        for at in 0..SecretHash::LEN {
            let mut other = hash.as_bytes().to_vec();
            other[at] ^= 1;
            assert!(!hash.is(&other) && !hash.is(&other[..at]), "{at}");
        }
        assert!(!hash.is(&[hash.as_bytes(), b"A"].concat()));
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = Token::random().unwrap();
        assert!(!format!("{token:?}").contains(text(&token.secret.0)));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_accepts_only_what_it_writes(value in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(token) = Token::parse(&value) {
                prop_assert_eq!(token.cookie_value().into_bytes(), value);
            }
        }
    }
}
