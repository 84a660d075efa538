//! The errors of settings. Each is one line that names the setting.

use shared_session::{Error, ErrorKind};

/// The reason why the settings are invalid, in one line without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub(super) String);

impl From<SettingsError> for Error {
    fn from(error: SettingsError) -> Self {
        Self::new(ErrorKind::Config, error.0)
    }
}

/// `error` and its cause in one line, after the name of the setting to change.
pub(crate) fn explained(setting: &str, error: &Error) -> Error {
    let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Error::new(error.kind(), format!("{setting}: {error}{cause}"))
}
