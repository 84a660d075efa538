//! The keys that seal records, and the sealing: XChaCha20-Poly1305 with a random nonce.

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use hmac::Mac as _;
use zeroize::Zeroizing;

use crate::{
    error::{Error, ErrorKind},
    keys::{SecretKeys, native_mac},
    record::id::random_bytes,
};

/// The purpose for which the keys are derived.
const PURPOSE: &str = "session-record";

/// The length of the id of the key that sealed a record, the first bytes of a sealed text.
pub(super) const ID: usize = 4;
pub(super) const NONCE: usize = 24;
pub(super) const TAG: usize = 16;
/// The length of the bytes before the ciphertext.
pub(super) const BEFORE: usize = ID + NONCE;

/// The current key seals; it and the earlier ones open. Each key is overwritten when it is dropped.
#[derive(Clone)]
pub(super) struct Ring(Vec<RingKey>);

#[derive(Clone)]
struct RingKey {
    id: [u8; ID],
    cipher: XChaCha20Poly1305,
}

/// The reason why a sealed text cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Short,
    UnknownKey,
    Forged,
}

impl Ring {
    pub(super) fn new(keys: &SecretKeys) -> Self {
        Self(keys.raw().map(RingKey::new).collect())
    }

    /// The id of the key, the nonce, and the sealed `text`; it opens only with the same `bound`.
    pub(super) fn seal(&self, text: &[u8], bound: &[&[u8]]) -> Result<Vec<u8>, Error> {
        self.seal_with(random_bytes()?, text, bound)
    }

    /// A nonce must never be used twice with a key.
    pub(super) fn seal_with(&self, nonce: [u8; NONCE], text: &[u8], bound: &[&[u8]]) -> Result<Vec<u8>, Error> {
        let failed = || Error::new(ErrorKind::Value, "the session cannot be sealed");
        let key = self.0.first().ok_or_else(failed)?;
        let mut sealed = Vec::with_capacity(BEFORE + text.len() + TAG);
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(text);
        let open = sealed.get_mut(BEFORE..).unwrap_or_default();
        let tag = key.cipher.encrypt_inout_detached(&XNonce::from(nonce), &bound.concat(), open.into());
        sealed.extend_from_slice(&tag.map_err(|_| failed())?);
        Ok(sealed)
    }

    /// Opens what [`seal`](Self::seal) made, in place, and returns the length of the text; it starts at [`BEFORE`].
    pub(super) fn open(&self, sealed: &mut [u8], bound: &[&[u8]]) -> Result<usize, Refusal> {
        let (id, rest) = sealed.split_first_chunk_mut::<ID>().ok_or(Refusal::Short)?;
        let (nonce, rest) = rest.split_first_chunk_mut::<NONCE>().ok_or(Refusal::Short)?;
        let (text, tag) = rest.split_last_chunk_mut::<TAG>().ok_or(Refusal::Short)?;
        // Two keys of one ring practically never have the same id; only the first would be tried.
        let key = self.0.iter().find(|key| key.id == *id).ok_or(Refusal::UnknownKey)?;
        let opened = key.cipher.decrypt_inout_detached(
            &XNonce::from(*nonce),
            &bound.concat(),
            (&mut *text).into(),
            &Tag::from(*tag),
        );
        opened.map_err(|_| Refusal::Forged)?;
        Ok(text.len())
    }
}

impl RingKey {
    fn new(secret: &[u8]) -> Self {
        let key = Zeroizing::new(<[u8; 32]>::from(native_mac(secret, PURPOSE, b"key").finalize().into_bytes()));
        let [a, b, c, d, ..] = <[u8; 32]>::from(native_mac(secret, PURPOSE, b"id").finalize().into_bytes());
        Self { id: [a, b, c, d], cipher: XChaCha20Poly1305::new((&*key).into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn ring(current: &str, fallbacks: &[&str]) -> Ring {
        let keys = SecretKeys::new(current).unwrap();
        Ring::new(&fallbacks.iter().fold(keys, |keys, key| keys.with_fallback(key).unwrap()))
    }

    fn open(ring: &Ring, sealed: &[u8], bound: &[&[u8]]) -> Result<Vec<u8>, Refusal> {
        let mut sealed = sealed.to_vec();
        let len = ring.open(&mut sealed, bound)?;
        Ok(sealed[BEFORE..BEFORE + len].to_vec())
    }

    #[test]
    fn the_current_key_seals_and_all_open() {
        let old = ring(A, &[]).seal(b"text", &[b"here"]).unwrap();
        let rotated = ring(B, &[A]);
        assert_eq!(open(&rotated, &old, &[b"here"]).unwrap(), b"text");
        let new = rotated.seal(b"text", &[b"here"]).unwrap();
        assert_eq!(open(&ring(B, &[]), &new, &[b"here"]).unwrap(), b"text");
        assert_eq!(open(&ring(A, &[]), &new, &[b"here"]), Err(Refusal::UnknownKey));
    }

    #[test]
    fn nothing_opens_that_differs_in_one_bit_or_is_bound_elsewhere() {
        let ring = ring(A, &[]);
        let sealed = ring.seal(b"text", &[b"here"]).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut other = sealed.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit / 8 < ID { Refusal::UnknownKey } else { Refusal::Forged };
            assert_eq!(open(&ring, &other, &[b"here"]), Err(expected), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert!(open(&ring, &sealed[..len], &[b"here"]).is_err(), "{len} bytes");
        }
        assert_eq!(open(&ring, &sealed, &[b"there"]), Err(Refusal::Forged));
    }

    #[test]
    fn equal_texts_are_sealed_differently() {
        let ring = ring(A, &[]);
        let sealed = || ring.seal(b"text", &[]).unwrap();
        assert_ne!(sealed()[ID..BEFORE], sealed()[ID..BEFORE], "the nonce is random");
    }
}
