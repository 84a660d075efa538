//! The native record with all members after its fixed head sealed: format version 2.
//!
//! ```text
//! {"v":2,"n":"000000000000002a","t":"<24>","s":"<43>","b":"<base64url>"}
//! ```
//!
//! The head has the positions of version 1, so every comparison stays the same. `b` is the id of the key, the nonce and
//! the sealed text: the bytes of version 1 after the head. It opens only under the store key and beside the head with
//! which it was sealed.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;

use super::{
    Profile,
    content::{Content, Head, Ownership, Record},
    entries::Json,
    id::{Handle, Secret, Token},
    lifetime::Lifetime,
    native::{self, HEAD, Native, SEALED_START, START, unreadable},
    time::StoreTime,
    wire_format::{Fit, Place, Stamp, WireFormat},
};
use crate::error::{Error, ErrorKind};

mod cipher;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod settings;

use cipher::{BEFORE, Refusal};
use settings::Plain;
pub use settings::Sealing;

/// The bytes between the head and the sealed text, and after it.
const MEMBER: &[u8] = br#","b":""#;
const END: &[u8] = br#""}"#;

impl Profile {
    /// The format of this library, with records that only services with the keys can read. Visible in the store are the
    /// handle, the number of commits, a hash of the cookie's secret, the length, and which users have sessions (the
    /// names of their indexes), but neither the user nor the content of a session. Every key starts with `prefix`, as
    /// with [`Profile::native`].
    ///
    /// A record that was changed, or copied from another key or beside another head, is
    /// [`ErrorKind::Unreadable`](crate::ErrorKind::Unreadable), never an empty session. A party with write access to
    /// the store can put back a complete earlier version of the same session without being noticed.
    ///
    /// Records are a third longer, which counts for [`with_max_size`](crate::SessionManager::with_max_size), and each
    /// read and write costs one pass of XChaCha20-Poly1305. Nothing else changes: the same store calls, merges,
    /// rotations, lists and near cache. The near cache holds decrypted sessions, in this process.
    ///
    /// Django cannot read sealed records, so its profiles have no such form.
    ///
    /// ```
    /// use shared_session::{Profile, Sealing, SecretKeys, SessionManager, store::MemoryStore};
    ///
    /// let keys = SecretKeys::new("a new key of at least thirty-two bytes")?
    ///     .with_fallback("an old key, at least thirty-two bytes long")?;
    /// let manager = SessionManager::new(MemoryStore::new())
    ///     .with_profile(Profile::sealed("shop:", Sealing::new(&keys)?));
    /// # let _ = manager; Ok::<(), shared_session::Error>(())
    /// ```
    #[must_use]
    pub fn sealed(prefix: impl Into<Box<str>>, sealing: Sealing) -> Self {
        Self(Arc::new(Sealed { native: Native::new(prefix.into()), sealing }))
    }
}

/// The native format under one key prefix, sealed.
#[derive(Debug)]
pub(crate) struct Sealed {
    native: Native,
    sealing: Sealing,
}

impl Sealed {
    fn open(&self, key: &str, bytes: &Bytes) -> Result<Record, Error> {
        if bytes.starts_with(START) {
            return match self.sealing.plain {
                Plain::Accepted | Plain::Written => native::decode(bytes),
                Plain::Refused => Err(unreadable(
                    "it is not sealed, and this service accepts sealed records alone; Sealing::accept_plain accepts both",
                )),
            };
        }
        let plain = self.opened(key, bytes)?;
        let mut record = native::decode(&plain)?;
        record.form.unsealed = plain.len();
        Ok(Record { bytes: bytes.clone(), ..record })
    }

    /// The record of version 1 that is sealed in `bytes`.
    fn opened(&self, key: &str, bytes: &Bytes) -> Result<Bytes, Error> {
        let (head, text) = parts(bytes)
            .ok_or_else(|| unreadable("it does not have the form of a session record of format version 1 or 2"))?;
        // The sealed text is decoded at an offset that puts the opened text right after the head.
        let start = HEAD.end - BEFORE;
        let mut plain = vec![0; start + base64::decoded_len_estimate(text.len())];
        let sealed = plain.get_mut(start..).unwrap_or_default();
        let len = URL_SAFE_NO_PAD
            .decode_slice(text, sealed)
            .map_err(|_| unreadable("its sealed text is not base64url without padding"))?;
        let sealed = sealed.get_mut(..len).unwrap_or_default();
        let len = self.sealing.ring.open(sealed, &[key.as_bytes(), head]).map_err(refused)?;
        plain.truncate(HEAD.end + len);
        for (to, from) in plain.iter_mut().zip(head) {
            *to = *from;
        }
        for (to, from) in plain.iter_mut().zip(START) {
            *to = *from;
        }
        Ok(plain.into())
    }

    fn seal(&self, key: &str, record: Record) -> Result<Record, Error> {
        if self.sealing.plain == Plain::Written {
            return Ok(record);
        }
        let (head, text) = record.bytes.split_at_checked(HEAD.end).ok_or_else(|| unreadable("it has no head"))?;
        let after = head.get(START.len()..).unwrap_or_default();
        let head = [SEALED_START, after].concat();
        let sealed = self.sealing.ring.seal(text, &[key.as_bytes(), &head])?;
        let bytes = joined(head, &sealed)?;
        let mut record = Record { bytes, ..record };
        record.form.unsealed = HEAD.end + text_len(&sealed);
        Ok(record)
    }
}

/// The head and the sealed text, as it is written.
fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD.end)?;
    let text = rest.strip_prefix(MEMBER)?.strip_suffix(END)?;
    head.starts_with(SEALED_START).then_some((head, text))
}

fn joined(head: Vec<u8>, sealed: &[u8]) -> Result<Bytes, Error> {
    let start = head.len() + MEMBER.len();
    let len = base64::encoded_len(sealed.len(), false).unwrap_or_default();
    let mut bytes = head;
    bytes.reserve_exact(MEMBER.len() + len + END.len());
    bytes.extend_from_slice(MEMBER);
    bytes.resize(start + len, 0);
    let text = bytes.get_mut(start..).unwrap_or_default();
    URL_SAFE_NO_PAD.encode_slice(sealed, text).map_err(|source| {
        Error::new(ErrorKind::Value, "the sealed session does not fit its text").with_source(source)
    })?;
    bytes.extend_from_slice(END);
    Ok(bytes.into())
}

fn text_len(sealed: &[u8]) -> usize {
    sealed.len().saturating_sub(BEFORE + cipher::TAG)
}

fn refused(refusal: Refusal) -> Error {
    unreadable(match refusal {
        Refusal::Short => "its sealed text is truncated",
        Refusal::UnknownKey => {
            "it is sealed under a key that this service does not have, neither as current nor as fallback"
        }
        Refusal::Forged => "it cannot be decrypted: it was damaged, forged, or copied from elsewhere",
    })
}

impl WireFormat for Sealed {
    fn parse_cookie(&self, value: &[u8]) -> Option<Token> {
        self.native.parse_cookie(value)
    }

    fn cookie_value(&self, token: &Token) -> String {
        self.native.cookie_value(token)
    }

    fn new_token(&self) -> Result<Token, Error> {
        self.native.new_token()
    }

    fn place(&self, token: &Token) -> Place {
        self.native.place(token)
    }

    fn place_of_member(&self, member: &str) -> Option<Place> {
        self.native.place_of_member(member)
    }

    fn place_of_handle(&self, handle: &Handle) -> Option<Place> {
        self.native.place_of_handle(handle)
    }

    fn session_prefix(&self) -> String {
        self.native.session_prefix()
    }

    fn index_key(&self, user_id: &str) -> String {
        self.native.index_key(user_id)
    }

    fn throttle_prefix(&self) -> String {
        self.native.throttle_prefix()
    }

    fn tombstone_key(&self, place: &Place) -> Option<String> {
        self.native.tombstone_key(place)
    }

    #[cfg(feature = "redis")]
    fn says_expiry(&self) -> bool {
        self.native.says_expiry()
    }

    fn may_sign_cookies(&self) -> bool {
        self.native.may_sign_cookies()
    }

    fn cookie_rolls(&self) -> bool {
        self.native.cookie_rolls()
    }

    fn sign_in_keeps_expiry(&self) -> bool {
        self.native.sign_in_keeps_expiry()
    }

    fn rotation_moves(&self) -> bool {
        self.native.rotation_moves()
    }

    fn decode(&self, key: &str, bytes: &Bytes, _: &Lifetime, _: StoreTime) -> Result<Record, Error> {
        self.open(key, bytes)
    }

    fn first(&self, token: &Token, stamp: &Stamp<'_>, content: Content) -> Result<Record, Error> {
        self.seal(&self.place(token).key, native::first(token, stamp, content)?)
    }

    fn next(
        &self,
        key: &str,
        base: &Record,
        secret: Option<&Secret>,
        stamp: &Stamp<'_>,
        content: Content,
    ) -> Result<Record, Error> {
        self.seal(key, native::next(base, secret, stamp, content)?)
    }

    fn touched(&self, key: &str, base: &Record, head: Head, stamp: &Stamp<'_>) -> Result<Record, Error> {
        self.seal(key, native::touched(base, stamp, Content { head, entries: base.entries.clone() })?)
    }

    fn fit(&self, record: &Record) -> Fit {
        self.native.fit(record)
    }

    fn written(&self, bytes: &Bytes) -> Option<StoreTime> {
        self.native.written(bytes)
    }

    fn elsewhere(&self, key: &str) -> Option<String> {
        self.native.elsewhere(key)
    }

    fn recognizes(&self, bytes: &Bytes) -> bool {
        parts(bytes).is_some() || self.native.recognizes(bytes)
    }

    fn owned(&self, token: &Token, bytes: &Bytes) -> Option<Ownership> {
        self.native.owned(token, bytes)
    }

    fn check(&self, value: &Json) -> Result<(), Error> {
        self.native.check(value)
    }
}

#[cfg(test)]
mod tests;
