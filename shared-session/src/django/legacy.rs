//! The `session_data` of Django before 3.1: `base64(signature ":" data)`. The signature is an HMAC-SHA-1 in hex.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};

use super::refusal::Refusal;
use crate::keys::SecretKeys;

/// The salt from which Django derives the key.
const PURPOSE: &str = "django.contrib.sessionsSessionStore";

/// `data` with the signature of the current key.
pub(super) fn sign(keys: &SecretKeys, data: &[u8]) -> String {
    let signature = macs(keys, data).next().map(|mac| mac.finalize().into_bytes());
    let mut out: Vec<u8> = signature.iter().flatten().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    out.push(b':');
    out.extend_from_slice(data);
    STANDARD.encode(out)
}

/// The data, if any of the keys signed it. Compares in constant time.
pub(super) fn unsign(keys: &SecretKeys, text: &str) -> Result<Vec<u8>, Refusal> {
    let mut signed = STANDARD.decode(text).map_err(|_| Refusal::Base64)?;
    let colon = signed.iter().position(|byte| *byte == b':').ok_or(Refusal::Unknown)?;
    let data = signed.split_off(colon + 1);
    let signature = unhex(signed.get(..colon).unwrap_or_default()).ok_or(Refusal::Unknown)?;
    let valid = macs(keys, &data).any(|mac| mac.verify_slice(&signature).is_ok());
    if valid { Ok(data) } else { Err(Refusal::Signature) }
}

fn macs(keys: &SecretKeys, data: &[u8]) -> impl Iterator<Item = Hmac<Sha1>> {
    keys.raw().filter_map(move |key| {
        let derived = Sha1::new().chain_update(PURPOSE).chain_update(key).finalize();
        let mut mac = Hmac::<Sha1>::new_from_slice(&derived).ok()?;
        mac.update(data);
        Some(mac)
    })
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()).collect()
}
