//! `REDIS_CA_FILE`, `REDIS_CLIENT_CERT_FILE` and `REDIS_CLIENT_KEY_FILE`.

use std::{fs, path::PathBuf};

use super::{SessionUrl, SettingsError, reader::Reader};

const CA: &str = "REDIS_CA_FILE";
const CERTIFICATE: &str = "REDIS_CLIENT_CERT_FILE";
const KEY: &str = "REDIS_CLIENT_KEY_FILE";

/// Files for a Redis with TLS, in PEM. They are read when a service starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// `REDIS_CA_FILE`: the authorities that may sign the certificate of Redis. `None`: those of the Mozilla root
    /// program.
    pub authorities: Option<PathBuf>,
    /// `REDIS_CLIENT_CERT_FILE` and `REDIS_CLIENT_KEY_FILE`: the certificate and the key that the service presents to
    /// Redis.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl RedisTls {
    pub(super) fn read(reader: &Reader<'_>, session_url: &SessionUrl) -> Result<Self, SettingsError> {
        let file = |name| reader.text(name).map(PathBuf::from);
        let (authorities, certificate, key) = (file(CA), file(CERTIFICATE), file(KEY));
        let set = [(CA, &authorities), (CERTIFICATE, &certificate), (KEY, &key)];
        if let Some((name, _)) = set.into_iter().find(|(_, file)| file.is_some() && !session_url.is_redis_with_tls()) {
            let schemes = "rediss://…, rediss+sentinel://… or rediss+cluster://…";
            return Err(SettingsError(format!("{name} is set; it needs SESSION_URL={schemes}")));
        }
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(SettingsError(format!("{CERTIFICATE} is set; it needs {KEY}"))),
            (None, Some(_)) => return Err(SettingsError(format!("{KEY} is set; it needs {CERTIFICATE}"))),
        };
        Ok(Self { authorities, client })
    }

    /// The content of the authorities' file.
    ///
    /// # Errors
    /// One line that names the setting and the file.
    pub fn authorities_pem(&self) -> Result<Option<Vec<u8>>, SettingsError> {
        self.authorities.as_ref().map(|file| pem(CA, file, "CERTIFICATE")).transpose()
    }

    /// The contents of the client's files: certificate and key.
    ///
    /// # Errors
    /// One line that names the setting and the file.
    pub fn client_pem(&self) -> Result<Option<[Vec<u8>; 2]>, SettingsError> {
        let Some((certificate, key)) = &self.client else { return Ok(None) };
        Ok(Some([pem(CERTIFICATE, certificate, "CERTIFICATE")?, pem(KEY, key, "PRIVATE KEY")?]))
    }
}

/// The content of the file, if it has a part of this kind. Errors do not quote the content, which may be a key.
fn pem(name: &str, file: &PathBuf, what: &str) -> Result<Vec<u8>, SettingsError> {
    let content = fs::read(file).map_err(|error| SettingsError(format!("{name} is {file:?}; {error}")))?;
    let end = format!("{what}-----");
    match content.windows(end.len()).any(|part| part == end.as_bytes()) {
        true => Ok(content),
        false => Err(SettingsError(format!(
            "{name} is {file:?}; expected a file in PEM, with a line such as -----BEGIN {what}-----"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::{KEY as SECRET, refusal, site};

    fn with<'a>(url: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [&[("SESSION_URL", url), ("SECRET_KEY", SECRET)], more].concat()
    }

    #[test]
    fn certificates_are_for_a_redis_with_tls() {
        let all = [(CA, "ca.pem"), (CERTIFICATE, "c.pem"), (KEY, "k.pem")];
        for url in ["rediss://h", "rediss+sentinel://h:1/main", "rediss+cluster://h:1"] {
            let tls = site(&with(url, &all)).redis_tls;
            let client = Some((PathBuf::from("c.pem"), PathBuf::from("k.pem")));
            assert_eq!(tls, RedisTls { authorities: Some("ca.pem".into()), client }, "{url}");
            assert_eq!(site(&with(url, &[])).redis_tls, RedisTls::default());
        }
        for url in ["redis://h", "redis+unix:///s", "redis+cluster://h:1", "postgres://h/app"] {
            for (name, value) in all {
                let message = refusal(&with(url, &[(name, value)]));
                assert!(message.starts_with(&format!("{name} is set; it needs SESSION_URL=rediss://")), "{message}");
            }
        }
        let alone = |name| refusal(&with("rediss://h", &[(name, "x.pem")]));
        assert_eq!(alone(CERTIFICATE), "REDIS_CLIENT_CERT_FILE is set; it needs REDIS_CLIENT_KEY_FILE");
        assert_eq!(alone(KEY), "REDIS_CLIENT_KEY_FILE is set; it needs REDIS_CLIENT_CERT_FILE");
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tls.pem");
        let tls = RedisTls { authorities: Some(file.clone()), client: Some((file.clone(), file.clone())) };
        let missing = tls.authorities_pem().unwrap_err().to_string();
        assert!(missing.starts_with(&format!("REDIS_CA_FILE is {file:?}; No such file")), "{missing}");
        for (content, authorities, client) in [
            ("hunter2", Some("REDIS_CA_FILE is "), Some("REDIS_CLIENT_CERT_FILE is ")),
            ("-----BEGIN EC PRIVATE KEY-----", Some("REDIS_CA_FILE is "), Some("REDIS_CLIENT_CERT_FILE is ")),
            ("-----BEGIN CERTIFICATE-----\nhunter2", None, Some("REDIS_CLIENT_KEY_FILE is ")),
            ("-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----", None, None),
        ] {
            fs::write(&file, content).unwrap();
            let found = [tls.authorities_pem().err(), tls.client_pem().err()].map(|error| error.map(|e| e.to_string()));
            for (found, expected) in found.iter().zip([authorities, client]) {
                assert_eq!(found.is_some(), expected.is_some(), "{content}: {found:?}");
                let text = found.clone().unwrap_or_default();
                assert!(text.starts_with(expected.unwrap_or_default()) && !text.contains("hunter2"), "{text}");
            }
        }
    }
}
