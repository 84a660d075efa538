//! Devices that have signed in before.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use unicode_normalization::UnicodeNormalization as _;

use crate::{
    error::{Error, ErrorKind},
    keys::SecretKeys,
};

const PURPOSE: &str = "shared-session known device";
/// The characters of the random part: 16 bytes.
const ID: usize = 22;
/// The characters of the signature: 32 bytes.
const MAC: usize = 43;

/// A device that has signed in to an account before, as proved by its cookie.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownDevice(Box<str>);

impl KnownDevice {
    pub(super) fn id(&self) -> &str {
        &self.0
    }
}

/// The value of the cookie proves a device, so it is not shown.
impl fmt::Debug for KnownDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownDevice")
    }
}

/// A new value for the cookie of a device that has just signed in to `account`.
pub(super) fn issue(keys: &SecretKeys, account: &str) -> Result<String, Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|source| {
        Error::new(ErrorKind::Unavailable, "the system provides no random bytes").with_source(source)
    })?;
    let id = URL_SAFE_NO_PAD.encode(random);
    let mac = URL_SAFE_NO_PAD.encode(keys.sign(PURPOSE, &signed(&id, account)));
    Ok([id, mac].concat())
}

/// The device of the `cookie`, if it has signed in to `account`.
pub(super) fn verify(keys: &SecretKeys, account: &str, cookie: &str) -> Option<KnownDevice> {
    let (id, mac) = cookie.split_at_checked(ID).filter(|(_, mac)| mac.len() == MAC)?;
    let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
    keys.verify(PURPOSE, &signed(id, account), &mac).then(|| KnownDevice(id.into()))
}

fn signed(id: &str, account: &str) -> Vec<u8> {
    [id.as_bytes(), folded(account).as_bytes()].concat()
}

/// The name of an account for comparison: it may merge names that a sign-in distinguishes, never the reverse. In NFKC,
/// because a name that is not found is looked up in NFKC, if it is not too long: normalization can turn one character
/// into eighteen.
pub(super) fn folded(name: &str) -> String {
    const MOST_CHARS: usize = 1024;
    let is_long = name.chars().nth(MOST_CHARS).is_some();
    let name = if is_long { name.to_owned() } else { name.nfkc().collect() };
    // Letter by letter, as databases do: in a text, another letter may follow from a capital sigma at the end of a word.
    let lowercase = name.trim().chars().flat_map(char::to_lowercase);
    // A capital I with a dot becomes an i and a dot above; in some databases an i alone.
    let undotted = lowercase.filter(|letter| *letter != '\u{307}');
    undotted.map(|letter| if letter == 'ς' { 'σ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_for_its_account_alone() {
        let keys = SecretKeys::new([7; 32]).unwrap();
        let cookie = issue(&keys, "ann").unwrap();
        assert_eq!(cookie.len(), ID + MAC);
        assert_eq!(verify(&keys, " ANN", &cookie).unwrap().id(), &cookie[..ID]);
        assert_eq!(verify(&keys, "bob", &cookie), None);
        assert_eq!(verify(&SecretKeys::new([8; 32]).unwrap(), "ann", &cookie), None);
        let rotated = SecretKeys::new([8; 32]).unwrap().with_fallback([7; 32]).unwrap();
        assert!(verify(&rotated, "ann", &cookie).is_some());
        assert_ne!(issue(&keys, "ann").unwrap(), cookie);
    }

    #[test]
    fn a_forged_device_cookie_proves_nothing() {
        let keys = SecretKeys::new([7; 32]).unwrap();
        let cookie = issue(&keys, "ann").unwrap();
        for at in 0..cookie.len() {
            let mut bent = cookie.clone().into_bytes();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(verify(&keys, "ann", std::str::from_utf8(&bent).unwrap()), None, "{at}");
            assert_eq!(verify(&keys, "ann", &cookie[..at]), None);
        }
        assert_eq!(verify(&keys, "ann", &"é".repeat(40)), None);
        assert_eq!(format!("{:?}", verify(&keys, "ann", &cookie)), "Some(KnownDevice)");
    }
}
