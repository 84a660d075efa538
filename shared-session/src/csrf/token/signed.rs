//! The common form of a token and its cookie.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::keys::SecretKeys;

pub(super) const NONCE: usize = 16;
pub(super) const MAC: usize = 32;
/// A multiple of three, so base64url has no trailing bits and each value has one spelling.
pub(super) const LEN: usize = NONCE + MAC;
pub(super) const ENCODED_LEN: usize = LEN / 3 * 4;

/// A nonce and the HMAC over `binding || nonce`: the form of both the token and the cookie.
///
/// The nonce has a fixed length and comes last, so different pairs of binding and nonce never form the same message.
pub(super) struct Signed {
    pub(super) nonce: [u8; NONCE],
    pub(super) mac: [u8; MAC],
}

impl Signed {
    pub(super) fn new(keys: &SecretKeys, purpose: &str, binding: &[u8], nonce: [u8; NONCE]) -> Self {
        Self { nonce, mac: keys.sign(purpose, &[binding, nonce.as_slice()].concat()) }
    }

    pub(super) fn is_valid(&self, keys: &SecretKeys, purpose: &str, binding: &[u8]) -> bool {
        keys.verify(purpose, &[binding, self.nonce.as_slice()].concat(), &self.mac)
    }

    pub(super) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.nonce.as_slice(), self.mac.as_slice()].concat())
    }

    pub(super) fn decode(encoded: &[u8]) -> Option<Self> {
        if encoded.len() != ENCODED_LEN {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (nonce, mac) = bytes.split_first_chunk()?;
        Some(Self { nonce: *nonce, mac: mac.try_into().ok()? })
    }
}
