//! Messages that the visitor's next page shows: "Your password was changed."

use serde::{Deserialize, Serialize};
use shared_session::{Error, Session};
use shared_session_examples::translations::Text;

const ENTRY: &str = "site.notice";

/// The event that the visitor's next page reports.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Notice {
    Confirmed,
    PasswordChanged,
    DeviceSignedOut,
    OthersSignedOut,
    PreferencesSaved,
    UserChanged,
    UserSignedOut,
    SessionEnded,
    SessionsEnded,
    PasswordSet,
    GroupAdded,
    GroupChanged,
    GroupDeleted,
}

impl Notice {
    /// Keeps it in `session` until the next page.
    pub(crate) fn leave(self, session: &Session) -> Result<(), Error> {
        session.insert(ENTRY, &self)
    }

    /// Takes the notice out of `session`. One that cannot be read is ignored.
    pub(crate) fn take(session: &Session) -> Option<Self> {
        session.take(ENTRY).ok().flatten()
    }

    /// The message.
    pub(crate) fn text(self) -> Text {
        match self {
            Self::Confirmed => Text::new("notice-confirmed"),
            Self::PasswordChanged => Text::new("notice-password-changed"),
            Self::DeviceSignedOut => Text::new("notice-device-signed-out"),
            Self::OthersSignedOut => Text::new("notice-others-signed-out"),
            Self::PreferencesSaved => Text::new("notice-preferences-saved"),
            Self::UserChanged => Text::new("notice-user-changed"),
            Self::UserSignedOut => Text::new("notice-user-signed-out"),
            Self::SessionEnded => Text::new("notice-session-ended"),
            Self::SessionsEnded => Text::new("notice-sessions-ended"),
            Self::PasswordSet => Text::new("notice-password-set"),
            Self::GroupAdded => Text::new("notice-group-added"),
            Self::GroupChanged => Text::new("notice-group-changed"),
            Self::GroupDeleted => Text::new("notice-group-deleted"),
        }
    }
}
