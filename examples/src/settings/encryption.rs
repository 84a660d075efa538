//! `SESSION_ENCRYPTION`: whether sessions are encrypted in the store.

use super::{SessionProfile, SettingsError, reader::Reader};

/// `SESSION_ENCRYPTION`, in the order in which a running fleet takes the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEncryption {
    /// Sessions are plain JSON, and encrypted ones cannot be read.
    Off,
    /// Both are read, plain ones are written.
    WritePlain,
    /// Both are read, encrypted ones are written.
    AcceptPlain,
    /// Plain sessions are refused.
    On,
}

impl SessionEncryption {
    const NAMES: [(&str, Self); 4] =
        [("off", Self::Off), ("write-plain", Self::WritePlain), ("accept-plain", Self::AcceptPlain), ("on", Self::On)];

    pub(super) fn read(reader: &Reader<'_>, profile: SessionProfile) -> Result<Self, SettingsError> {
        let why = "Django cannot read encrypted sessions";
        profile.native_choice(reader, "SESSION_ENCRYPTION", &Self::NAMES, Self::Off, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str, profile: SessionProfile) -> Result<SessionEncryption, SettingsError> {
        let vars = |name: &str| (name == "SESSION_ENCRYPTION").then(|| value.to_owned());
        SessionEncryption::read(&Reader::new(&vars), profile)
    }

    #[test]
    fn every_step_has_a_name_and_other_values_are_refused() {
        for (name, encryption) in SessionEncryption::NAMES {
            assert_eq!(read(name, SessionProfile::Native).unwrap(), encryption);
        }
        assert_eq!(read("", SessionProfile::Native).unwrap(), SessionEncryption::Off);
        let error = read("yes", SessionProfile::Native).unwrap_err().to_string();
        assert!(error.starts_with("SESSION_ENCRYPTION is \"yes\"; expected"), "{error}");
    }

    #[test]
    fn sessions_of_django_cannot_be_encrypted() {
        for (name, encryption) in SessionEncryption::NAMES {
            let found = read(name, SessionProfile::DjangoDb);
            match encryption {
                SessionEncryption::Off => assert_eq!(found.unwrap(), encryption),
                _ => assert!(
                    found.unwrap_err().to_string().starts_with(&format!("SESSION_ENCRYPTION is {name}; it needs")),
                    "{name}"
                ),
            }
        }
    }
}
