//! Audit events: sign-ins, failed attempts, sign-outs, revocations. They go to the log, and to your hook.
//!
//! The rules:
//!
//! - **Only completed actions.** An event is reported after the store has acknowledged the change and before the
//!   response is sent. A commit that failed, or whose result is unknown, is not reported.
//! - **No secrets.** No cookie, no password, no entry of a session, and no name that a visitor typed: it may be a
//!   password in the wrong field.
//! - **It fails no request.** If a hook panics, the log reports it, and the request continues.
//!
//! # The log
//!
//! Every event is a line of `tracing` at the level `info` under the target `shared_session::audit`:
//!
//! | field | |
//! |---|---|
//! | `event` | the event: the name in [`AuditKind`] |
//! | `user` | the id of the user that it happened to, if known |
//! | `actor` | the id of the user who did it, if it is another user |
//! | `address` | the client's address, if known |
//! | `about` | the further subject, for the program's own events |
//! | `sessions` | the number of ended sessions, for a revocation |
//! | `left_out` | the number of events of this kind without a line since the last line: throttled attempts come in floods |
//!
//! Only hooks get the handle of the session: the log names no session.
//!
//! # The hook
//!
//! [`SessionManager::with_audit`](crate::SessionManager::with_audit) takes a closure. It runs in the task of the
//! request, so it must not wait: let it pass the event to a task or queue.
//!
//! ```
//! use std::sync::mpsc;
//! use shared_session::{Identity, SessionManager, audit::AuditKind, store::MemoryStore};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (hand_on, events) = mpsc::sync_channel(1000);
//! let manager = SessionManager::new(MemoryStore::new()).with_audit(move |event| {
//!     // Another thread writes the events to a file. If it does not keep up, they are still in the log.
//!     let _ = hand_on.try_send(event.clone());
//! });
//!
//! let session = manager.open([]).load().await?;
//! session.login_as(Identity::new("1", "hash", 0))?;
//! assert!(events.try_recv().is_err(), "nothing is stored yet");
//! session.commit().await?;
//! let event = events.try_recv()?;
//! assert_eq!((event.kind, event.user_id.as_deref()), (AuditKind::SignIn, Some("1")));
//! # Ok(()) }
//! ```
//!
//! # What the library cannot see
//!
//! The library does not see new passwords and the actions of staff. Report them afterwards with
//! [`Session::audit`](crate::Session::audit) or [`SessionManager::audit`](crate::SessionManager::audit); they go to the
//! same log and hook.

use std::{
    fmt,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{log_limit::LogLimit, record::id::Handle};

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditKind {
    /// `sign-in`: a user signed in, and the session is stored. Also reported if the same user was signed in before.
    SignIn,
    /// `sign-in failed`: [`Session::authenticate`](crate::Session) found no user with this name and password.
    SignInFailed,
    /// `sign-out`: the session of a user ended at the user's request.
    SignOut,
    /// `rotation`: a session has a new cookie, and the old one is invalid.
    Rotation,
    /// `revocation`: sessions were ended from elsewhere: one, all of a user, all but one, or those beyond the limit.
    Revocation,
    /// `attempt refused: too many`: a [`Throttle`](crate::throttle::Throttle) makes the client wait.
    Throttled,
    /// `password change`. Reported by the program.
    PasswordChange,
    /// `password check failed`: a signed-in user was asked for the password again, and it was wrong. Reported by the
    /// program.
    PasswordCheckFailed,
    /// The program's own event, with its name.
    Own(&'static str),
}

impl AuditKind {
    /// The name in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::SignInFailed => "sign-in failed",
            Self::SignOut => "sign-out",
            Self::Rotation => "rotation",
            Self::Revocation => "revocation",
            Self::Throttled => "attempt refused: too many",
            Self::PasswordChange => "password change",
            Self::PasswordCheckFailed => "password check failed",
            Self::Own(name) => name,
        }
    }
}

impl fmt::Display for AuditKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One event. Unknown fields are `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEvent {
    /// The kind of the event.
    pub kind: AuditKind,
    /// The user that it happened to.
    pub user_id: Option<String>,
    /// The user who did it, if it is another user.
    pub actor_id: Option<String>,
    /// The session that it happened to. A handle does not open a session.
    pub handle: Option<Handle>,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The further subject, for the program's own events: `group 7`.
    pub about: Option<String>,
    /// The number of ended sessions, for a revocation.
    pub sessions: Option<u64>,
}

impl AuditEvent {
    /// An event of `kind`, without other fields.
    #[must_use]
    pub fn new(kind: AuditKind) -> Self {
        Self { kind, user_id: None, actor_id: None, handle: None, address: None, about: None, sessions: None }
    }

    /// The user that it happened to.
    #[must_use]
    pub fn with_user_id(self, user_id: impl Into<String>) -> Self {
        Self { user_id: Some(user_id.into()), ..self }
    }

    /// The user who did it.
    #[must_use]
    pub fn with_actor_id(self, actor_id: impl Into<String>) -> Self {
        Self { actor_id: Some(actor_id.into()), ..self }
    }

    /// The session that it happened to.
    #[must_use]
    pub fn with_handle(self, handle: Handle) -> Self {
        Self { handle: Some(handle), ..self }
    }

    /// The client's address, if it is known.
    #[must_use]
    pub fn with_address(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// The further subject, for the program's own events. It goes into the log: use an id rather than a name, and
    /// nothing that a visitor typed.
    #[must_use]
    pub fn with_about(self, about: impl Into<String>) -> Self {
        Self { about: Some(about.into()), ..self }
    }

    pub(crate) fn with_sessions(self, sessions: u64) -> Self {
        Self { sessions: Some(sessions), ..self }
    }

    fn log(&self) {
        static FLOOD: LogLimit = LogLimit::new();
        let left_out = match self.kind {
            AuditKind::Throttled => FLOOD.line(),
            _ => Some(None),
        };
        let Some(left_out) = left_out else { return };
        tracing::info!(
            target: "shared_session::audit",
            event = self.kind.as_str(),
            user = self.user_id,
            actor = self.actor_id,
            address = self.address.map(tracing::field::display),
            about = self.about,
            sessions = self.sessions,
            left_out,
        );
    }
}

type Hook = dyn Fn(&AuditEvent) + Send + Sync;

/// The destination of events.
#[derive(Clone, Default)]
pub(crate) struct Audit(Option<Arc<Hook>>);

impl Audit {
    pub(crate) fn to(hook: impl Fn(&AuditEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(crate) fn tell(&self, event: &AuditEvent) {
        event.log();
        let Some(hook) = &self.0 else { return };
        // The event has already happened, whatever the outcome of the hook.
        if catch_unwind(AssertUnwindSafe(|| hook(event))).is_err() {
            tracing::error!("the hook of SessionManager::with_audit panicked; the request goes on");
        }
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("hook", &self.0.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_shows_its_fields() {
        let event = AuditEvent::new(AuditKind::Own("x"))
            .with_user_id("1")
            .with_actor_id("2")
            .with_address(Some([192, 0, 2, 7].into()))
            .with_about("order 3");
        assert_eq!((event.user_id.as_deref(), event.actor_id.as_deref()), (Some("1"), Some("2")));
        assert_eq!((event.about.as_deref(), event.address), (Some("order 3"), Some([192, 0, 2, 7].into())));
    }
}
