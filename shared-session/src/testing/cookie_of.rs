//! Sessions for the requests of a test.

use crate::{
    engine::{manager::SessionManager, outcome::Ending, request::commit::Close, session::Session},
    error::Error,
};

/// Makes a session with the edits of `edit`, stores it, and returns its cookie as `name=value`: the value of a `Cookie`
/// header.
///
/// ```
/// # use shared_session::{SessionManager, store::MemoryStore, testing::cookie_of};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
/// let manager = SessionManager::new(MemoryStore::new());
/// let cookie = cookie_of(&manager, |session| session.insert("theme", "dark")).await;
///
/// let session = manager.open([cookie.as_bytes()]).load().await?;
/// assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
/// # Ok(()) }
/// ```
///
/// # Panics
/// If `edit` or the store fails, or `edit` changes nothing, because then there is no session.
pub async fn cookie_of(manager: &SessionManager, edit: impl FnOnce(&Session) -> Result<(), Error>) -> String {
    let request = manager.open([]);
    let session = request.load().await.expect("a visitor without a cookie");
    edit(&session).expect("an edit");
    let outcome = match manager.close(&request, Ending::Completed) {
        Close::Commit(commit) => manager.commit(commit).await,
        Close::Done(outcome) => outcome,
    };
    assert!(outcome.error().is_none(), "the session cannot be stored: {:?}", outcome.error());
    let set_cookie = outcome.set_cookie().expect("an edit starts a session");
    set_cookie.split(';').next().unwrap_or_default().to_owned()
}
