//! Whether a long-lived connection may continue.

pub(crate) mod compare;
use crate::{
    engine::{
        draft::Loaded,
        request::State,
        session::{Session, open},
    },
    error::Error,
};

/// The state of a session since a long-lived connection loaded it; see [`Session::status`].
///
/// ```
/// use shared_session::SessionStatus;
///
/// fn goes_on(status: &SessionStatus) -> bool {
///     match status {
///         SessionStatus::Valid | SessionStatus::Rotated | SessionStatus::Anonymous => true,
///         // Try again later, and send nothing new until then.
///         SessionStatus::Unknown(_) => true,
///         // The browser comes back with the cookie that it has by now.
///         _ => false,
///     }
/// }
/// # assert!(goes_on(&SessionStatus::Rotated) && !goes_on(&SessionStatus::SignedOut));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionStatus {
    /// The session is live, under the same cookie, for the same user.
    Valid,
    /// The session is live, for the same user, under a new cookie: the user signed in again, or their privileges or
    /// password changed. Requests with the old cookie are refused from now on, and so are writes of this connection. If
    /// that cookie may have been stolen, end the connection.
    Rotated,
    /// In Django's profiles the key is the cookie: the session lives on, for the same user as far as the user's row
    /// tells, under a key that this connection does not have. End the connection, so that the browser comes back with
    /// its new cookie: this connection cannot see whether that session ends.
    ///
    /// Reported only if a service that uses this library replaced the key, in the engines that keep sessions in a
    /// cache. A session whose key Django replaced, or that is a row in a database, looks [signed out](Self::SignedOut).
    Moved,
    /// There was no session at the time of loading.
    Anonymous,
    /// Another user is signed in to this session now, or a user is signed in to a session that was anonymous.
    OtherUser,
    /// The session was ended: by a sign-out, or from a list of devices.
    SignedOut,
    /// All sessions of the user were ended: the user's row has another password or a higher epoch, is not active, or is
    /// gone. Reported only with [`with_users`](crate::SessionManager); otherwise the result is
    /// [`SignedOut`](Self::SignedOut), or the end is not noticed.
    Revoked,
    /// The session has expired.
    Expired,
    /// The store or the user database does not answer, or the record cannot be read. The state is unknown: ask again.
    Unknown(Error),
    /// This `Session` is no longer usable, so it never learns the state: it is not
    /// [reopened](crate::Session::reopen) and its response was decided, or its own commit failed.
    Closed,
}

impl SessionStatus {
    /// Whether the session is known to be live and to belong to the same user: [`Valid`](Self::Valid) or
    /// [`Rotated`](Self::Rotated).
    #[must_use]
    pub fn is_valid(&self) -> bool {
        matches!(self, Self::Valid | Self::Rotated)
    }
}

impl Session {
    /// Checks whether a [reopened](crate::Session::reopen) session is still valid as loaded: for loops of
    /// server-sent events and WebSockets, each minute or before each event. Reads the store, past a near cache: one
    /// round trip, and one SELECT if a user is signed in and the manager [has users](crate::SessionManager). It extends
    /// no lifetime and changes nothing, not even the loaded values.
    ///
    /// Here a new cookie for the same user does not count as a sign-out, unlike for a request that sends the old
    /// cookie.
    ///
    /// ```
    /// # use shared_session::{Error, LazySession, SessionManager, SessionStatus};
    /// # async fn next() -> Option<String> { None }
    /// # async fn send(_: String) {}
    /// /// `events` was reopened from the request that this answers.
    /// async fn serve(events: LazySession) -> Result<(), Error> {
    ///     let session = events.load().await?;
    ///     while let Some(event) = next().await {
    ///         match session.status().await {
    ///             SessionStatus::Valid | SessionStatus::Rotated => send(event).await,
    ///             SessionStatus::Unknown(error) => tracing::warn!(%error, "an event is held back"),
    ///             _ => break,
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub async fn status(&self) -> SessionStatus {
        let base = match self.base() {
            Ok(base) => base,
            Err(status) => return status,
        };
        match base {
            Loaded::Record(token, record) => {
                self.0.core.status(&token, &record).await.unwrap_or_else(SessionStatus::Unknown)
            }
            Loaded::Nothing { .. } | Loaded::Rotated(..) => SessionStatus::Anonymous,
            Loaded::Unreadable(..) => SessionStatus::Unknown(crate::error::ErrorKind::Unreadable.into()),
        }
    }

    /// The session as loaded, or the status of one that is not open.
    fn base(&self) -> Result<Loaded, SessionStatus> {
        let state = &mut self.0.shared().state;
        let is_committing = matches!(state, State::Committing(_));
        match open(state) {
            Ok(open) => Ok(open.draft.base.clone()),
            Err(error) if is_committing => Err(SessionStatus::Unknown(error)),
            Err(_) => Err(SessionStatus::Closed),
        }
    }
}
