//! `SESSION_COOKIE_SIGNED`: whether the session cookie carries a tag under the secret key.

use super::{SessionProfile, SettingsError, reader::Reader};

/// `SESSION_COOKIE_SIGNED`, in the order in which a running fleet takes the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedCookie {
    /// Cookies have no tag, and cookies with a tag are refused.
    Off,
    /// Cookies with and without a tag are accepted; new ones have none.
    WriteUnsigned,
    /// Cookies with and without a tag are accepted; new ones have one.
    AcceptUnsigned,
    /// Cookies without a tag are refused.
    On,
}

impl SignedCookie {
    const NAMES: [(&str, Self); 4] = [
        ("off", Self::Off),
        ("write-unsigned", Self::WriteUnsigned),
        ("accept-unsigned", Self::AcceptUnsigned),
        ("on", Self::On),
    ];

    pub(super) fn read(reader: &Reader<'_>, profile: SessionProfile) -> Result<Self, SettingsError> {
        let why = "Django does not know the signature";
        profile.native_choice(reader, "SESSION_COOKIE_SIGNED", &Self::NAMES, Self::Off, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_name_and_needs_the_native_profile() {
        for (name, signed) in SignedCookie::NAMES {
            let vars = |asked: &str| (asked == "SESSION_COOKIE_SIGNED").then(|| name.to_owned());
            let read = |profile| SignedCookie::read(&Reader::new(&vars), profile);
            assert_eq!(read(SessionProfile::Native).unwrap(), signed);
            let refusal = read(SessionProfile::DjangoCache).err().map(|error| error.to_string());
            let expected = format!("SESSION_COOKIE_SIGNED is {name}; it needs SESSION_PROFILE=native");
            assert_eq!(refusal.is_some_and(|refusal| refusal.starts_with(&expected)), signed != SignedCookie::Off);
        }
    }
}
