//! `django.core.signing`: text with a time, signed with the deployment's secret key.
//!
//! The format is `value:time:signature`: the time in base 62, the signature an HMAC-SHA-256 in base 64 for URLs. Data
//! is also in base 64, after a full stop if zlib has shortened it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{compress, refusal::Refusal};
use crate::keys::SecretKeys;

/// Django's `TimestampSigner`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signer<'a> {
    keys: &'a SecretKeys,
    /// The text that `get_cookie_signer` puts before each key.
    prefix: &'static str,
    salt: &'static str,
}

impl<'a> Signer<'a> {
    /// `TimestampSigner(salt=salt)`
    pub(crate) const fn new(keys: &'a SecretKeys, salt: &'static str) -> Self {
        Self { keys, prefix: "", salt }
    }

    /// `get_cookie_signer(salt=salt)`: for cookies other than the session's, such as that of `django.contrib.messages`.
    pub(crate) const fn of_cookies(keys: &'a SecretKeys, salt: &'static str) -> Self {
        Self { keys, prefix: "django.http.cookies", salt }
    }

    /// `value` with a time and the signature of the current key.
    pub(crate) fn sign(self, value: &str, unix_seconds: u64) -> String {
        let timed = format!("{value}:{}", base62(unix_seconds));
        let signature = self.macs(&timed).next().map(|mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
        format!("{timed}:{}", signature.unwrap_or_default())
    }

    /// The value and its time, if any of the keys signed them; else [`Refusal::Signature`], or [`Refusal::Unknown`] for
    /// unsigned text. Compares in constant time.
    pub(crate) fn unsign(self, signed: &str) -> Result<(&str, u64), Refusal> {
        let parts = || {
            let (timed, signature) = signed.rsplit_once(':')?;
            let (value, time) = timed.rsplit_once(':')?;
            let signature: [u8; 32] = URL_SAFE_NO_PAD.decode(signature).ok()?.try_into().ok()?;
            Some((timed, signature, value, from_base62(time)?))
        };
        let (timed, signature, value, time) = parts().ok_or(Refusal::Unknown)?;
        if self.macs(timed).any(|mac| mac.verify_slice(&signature).is_ok()) {
            Ok((value, time))
        } else {
            Err(Refusal::Signature)
        }
    }

    /// `sign_object(compress=True)` for the output of a serializer.
    pub(crate) fn sign_data(self, data: &[u8], unix_seconds: u64) -> String {
        let short = compress::zlib(data);
        // As in Django: zlib has to save more than the length of the full stop.
        let value = if short.len() + 1 < data.len() {
            format!(".{}", URL_SAFE_NO_PAD.encode(short))
        } else {
            URL_SAFE_NO_PAD.encode(data)
        };
        self.sign(&value, unix_seconds)
    }

    /// The data of [`Signer::sign_data`], unpacked.
    pub(crate) fn unsign_data(self, signed: &str) -> Result<Vec<u8>, Refusal> {
        let (value, _) = self.unsign(signed)?;
        let (packed, data) = value.strip_prefix('.').map_or((false, value), |data| (true, data));
        let data = URL_SAFE_NO_PAD.decode(data).map_err(|_| Refusal::Base64)?;
        if packed { compress::unzlib(&data) } else { Ok(data) }
    }

    /// The MAC of `message` under each key, the current one first.
    fn macs(self, message: &str) -> impl Iterator<Item = Hmac<Sha256>> {
        self.keys.raw().filter_map(move |key| {
            let derived = Sha256::new()
                .chain_update(self.salt)
                .chain_update("signer")
                .chain_update(self.prefix)
                .chain_update(key)
                .finalize();
            let mut mac = Hmac::<Sha256>::new_from_slice(&derived).ok()?;
            mac.update(message.as_bytes());
            Some(mac)
        })
    }
}

/// The time in the output of [`Signer::sign`], in seconds since the Unix epoch. The signature is not checked.
pub(super) fn signed_at(signed: &[u8]) -> Option<u64> {
    let (timed, _) = std::str::from_utf8(signed).ok()?.rsplit_once(':')?;
    from_base62(timed.rsplit_once(':')?.1)
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn base62(mut number: u64) -> String {
    let mut out = Vec::new();
    loop {
        out.push(char::from(DIGITS[(number % 62) as usize]));
        number /= 62;
        if number == 0 {
            return out.iter().rev().collect();
        }
    }
}

fn from_base62(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0u64, |number, byte| {
        let digit = DIGITS.iter().position(|known| *known == byte)?;
        number.checked_mul(62)?.checked_add(digit as u64)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

    use super::*;
    use crate::django::document::tests::{OLD_SECRET, SECRET, keys, records, tree_of};

    const SALT: &str = "django.contrib.sessions.SessionStore";
    const TIME: u64 = 1_700_000_000;

    #[test]
    fn times_are_written_in_base_62() {
        for (number, text) in [
            (0, "0"),
            (9, "9"),
            (10, "A"),
            (35, "Z"),
            (36, "a"),
            (61, "z"),
            (62, "10"),
            (3844, "100"),
            (TIME, "1r31eq"),
            (1_099_511_627_776, "JMAIjoW"),
        ] {
            assert_eq!(base62(number), text);
            assert_eq!(from_base62(text), Some(number));
        }
        assert_eq!(from_base62(&base62(u64::MAX)), Some(u64::MAX));
        for text in ["", "-1", "a_b", "zzzzzzzzzzzzz"] {
            assert_eq!(from_base62(text), None, "{text}");
        }
    }

    #[test]
    fn a_signature_of_django_is_accepted_and_ours_equals_it() {
        let keys = keys();
        let signed = "eyJhIjoxfQ:1r31eq:kDwpTKKnibPvotlPtrMoM96WZjFLzsZCGju_4Kc0wwY";
        let old = SecretKeys::django(OLD_SECRET).unwrap();
        assert_eq!(Signer::new(&old, SALT).sign("eyJhIjoxfQ", TIME), signed);
        assert_eq!(Signer::new(&keys, SALT).unsign(signed), Ok(("eyJhIjoxfQ", TIME)));
        assert_eq!(Signer::new(&keys, "another").unsign(signed), Err(Refusal::Signature));
        // `get_cookie_signer(salt="django.contrib.messages")`, Django 4.2.
        let cookie = "hello:1r31eq:xBHdNID_7Ae9Hg5J-_FjnczO_TvkUrDsLkV3wa97Hyk";
        let signer = Signer::of_cookies(&keys, "django.contrib.messages");
        assert_eq!(signer.sign("hello", TIME), cookie);
        assert_eq!(signer.unsign(cookie), Ok(("hello", TIME)));
        let packed = ".eJyLVqqgA1CKBQDRJi_d:1r31eq:soYow2UNQrLj2um2KGkPFKVkvqBRQbd6B0lc2objwS4";
        assert_eq!(signer.unsign_data(packed).unwrap(), format!("[\"{}\"]", "x".repeat(100)).as_bytes());
    }

    #[test]
    fn cookies_of_signed_cookies_are_read() {
        let keys = SecretKeys::django(SECRET).unwrap();
        let signer = Signer::new(&keys, "django.contrib.sessions.backends.signed_cookies");
        let mut read = 0;
        for record in records().into_iter().filter(|record| record.layout == "cookie") {
            let text = String::from_utf8(record.bytes().to_vec()).unwrap();
            let data = signer.unsign_data(&text).unwrap();
            let value = crate::django::json::value(&data).unwrap();
            let crate::django::python::PyValue::Dict(pairs) = value else { panic!("a dict") };
            assert_eq!(Some(tree_of(&pairs)), record.reads, "{}", record.id);
            assert_eq!(signer.sign_data(&data, TIME) == text, !text.starts_with('.'), "{}", record.id);
            read += 1;
        }
        assert_eq!(read, 8);
    }

    #[test]
    fn a_changed_value_time_or_signature_is_refused() {
        let keys = keys();
        let signer = Signer::new(&keys, "salt");
        let signed = signer.sign("a:b", TIME);
        assert_eq!(signer.unsign(&signed), Ok(("a:b", TIME)));
        for at in 0..signed.len() {
            let mut changed = signed.clone().into_bytes();
            changed[at] ^= 1;
            assert!(signer.unsign(&String::from_utf8(changed).unwrap()).is_err(), "{at}");
        }
        for text in ["", ":", "::", "a:b", "a:1r31eq:", r#"{"a":1,"b":2}"#] {
            assert_eq!(signer.unsign(text), Err(Refusal::Unknown), "{text}");
        }
        let bomb = signer.sign_data(&vec![b'a'; 5 << 20], TIME);
        assert_eq!(signer.unsign_data(&bomb), Err(Refusal::TooLarge));
        assert_eq!(signer.unsign_data(&signer.sign("no base 64!", TIME)), Err(Refusal::Base64));
    }
}
