//! Options for loading a session.

use crate::record::client::Client;

/// How [`LazySession::load_with`](crate::LazySession::load_with) loads a session. The default is that of
/// [`load`](crate::LazySession::load): a near cache may answer, and a new session does not record its client.
///
/// ```
/// # use shared_session::{Client, LoadOptions, SessionManager, store::MemoryStore};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
/// # let request = SessionManager::new(MemoryStore::new()).open([]);
/// let client = Client::new(Some([192, 0, 2, 7].into()), Some("Firefox"));
/// let session = request.load_with(LoadOptions::new().past_near_cache().with_client(client)).await?;
/// # drop(session);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    pub(crate) read_from: ReadFrom,
    pub(crate) client: Client,
}

/// The first place to look for a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ReadFrom {
    #[default]
    NearCache,
    Store,
}

impl LoadOptions {
    /// The options of [`load`](crate::LazySession::load).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the store even if a near cache ([`SessionManager::with_near_cache`](crate::SessionManager)) holds the
    /// session: for a request that must see changes that another service made less than a second ago. Costs one round
    /// trip. Default: the near cache, if there is one.
    ///
    /// A request loads its session once, so the options of the first load count.
    #[must_use]
    pub fn past_near_cache(self) -> Self {
        Self { read_from: ReadFrom::Store, ..self }
    }

    /// The client that sent the request, for the list of devices, in case a session starts or a user signs in. Default:
    /// unknown. The adapters fill it in.
    #[must_use]
    pub fn with_client(self, client: Client) -> Self {
        Self { client, ..self }
    }
}
