//! Whether a long-lived connection may go on.

pub(crate) mod compare;
use crate::{
    engine::{draft::Loaded, session::Session},
    error::Error,
};

/// What has become of a session since a long-lived connection loaded it; see [`Session::status`].
///
/// ```
/// use shared_session::SessionStatus;
///
/// fn goes_on(status: &SessionStatus) -> bool {
///     match status {
///         SessionStatus::Valid | SessionStatus::Rotated | SessionStatus::Anonymous => true,
///         // Try again later, and tell nobody anything new until then.
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
    /// The session lives, under the same cookie, for the same user.
    Valid,
    /// The session lives, for the same user, under a new cookie: they signed in again, or their privileges or password
    /// changed. A request with the old cookie is refused from now on, and so are writes of this connection. If that
    /// cookie may have been stolen, end the connection.
    Rotated,
    /// In Django's profiles the key is the cookie: the session lives on, for the same user as far as the user's row
    /// tells, under a key that this connection does not know. End the connection, so that the browser comes back with
    /// its new cookie: from now on nobody can tell here whether that session ends.
    ///
    /// This is known only if a service of ours replaced the key, in the engines that keep sessions in a cache. What
    /// Django itself replaced, and rows in a database, look [signed out](Self::SignedOut).
    Moved,
    /// There was no session when this was loaded.
    Anonymous,
    /// Somebody else is signed in under this session now, or somebody at all.
    OtherUser,
    /// The session was ended: by a sign-out, or from a list of devices.
    SignedOut,
    /// All sessions of the user were ended: the user's row has another password or a higher epoch, is not active, or is
    /// gone. Known with [`with_users`](crate::SessionManager) only; else this is [`SignedOut`](Self::SignedOut) or
    /// unnoticed.
    Revoked,
    /// The session's time is over.
    Expired,
    /// The store or the user database does not answer, or the record cannot be read. Nothing is known: ask again.
    Unknown(Error),
}

impl SessionStatus {
    /// Whether the session is known to live and to be the same user's: [`Valid`](Self::Valid) or
    /// [`Rotated`](Self::Rotated).
    #[must_use]
    pub fn is_valid(&self) -> bool {
        matches!(self, Self::Valid | Self::Rotated)
    }
}

impl Session {
    /// Whether the session still stands as it was loaded: for loops of server-sent events and WebSockets, each minute
    /// or before each event. Asks the store, past a near cache: one round trip, and one SELECT if a user is signed in
    /// and the manager [has users](crate::SessionManager). It extends no lifetime, changes nothing, and what this
    /// session has loaded stays as it is.
    ///
    /// A new cookie for the same user is no sign-out here, unlike to a request that sends the old one.
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
        let base = match self.0.with(|open| Ok(open.draft.base.clone())) {
            Ok(base) => base,
            Err(error) => return SessionStatus::Unknown(error),
        };
        match base {
            Loaded::Record(token, record) => {
                self.0.core.status(&token, &record).await.unwrap_or_else(SessionStatus::Unknown)
            }
            Loaded::Nothing { .. } | Loaded::Rotated(..) => SessionStatus::Anonymous,
            Loaded::Unreadable(..) => SessionStatus::Unknown(crate::error::ErrorKind::Unreadable.into()),
        }
    }
}
