//! What is sealed, and what is still plain.

use std::fmt;

use super::ring::Ring;
use crate::{error::Error, keys::SecretKeys};

/// How the records of [`Profile::sealed`](crate::Profile::sealed) are sealed: the keys, and whether there are plain
/// records too, while sealing is introduced.
///
/// The current key of [`SecretKeys`] seals, its fallbacks still open. A record that an earlier key sealed is sealed
/// under the current one with its next write, so an earlier key can go once the sessions of its time have ended.
///
/// # Introducing it
///
/// A fleet that runs goes in three steps, each a restart of every service:
///
/// 1. [`write_plain`](Self::write_plain): every service can open sealed records, and none seals.
/// 2. [`accept_plain`](Self::accept_plain): every service seals what it writes, and reads what is still plain.
/// 3. Neither: plain records are refused. Go there once the sessions from before the second step have ended, after
///    [`Lifetime::with_absolute`](crate::Lifetime::with_absolute). One that is left is an unreadable record then.
///
/// The way back is the first step.
///
/// ```
/// use shared_session::{Profile, Sealing, SecretKeys, SessionManager, store::MemoryStore};
///
/// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
/// let manager = SessionManager::new(MemoryStore::new())
///     .with_profile(Profile::sealed("shop:", Sealing::new(&keys)?.accept_plain()));
/// # let _ = manager; Ok::<(), shared_session::Error>(())
/// ```
#[derive(Clone)]
#[doc(alias = "encryption")]
#[must_use]
pub struct Sealing {
    pub(super) ring: Ring,
    pub(super) plain: Plain,
}

/// What becomes of records that are not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Refused,
    Accepted,
    Written,
}

impl Sealing {
    /// Seals under the current key of `keys`, opens with all of them, and refuses plain records: otherwise a writer
    /// of the store could put a plain record in the place of a sealed one. No I/O.
    ///
    /// The keys that seal are derived from `keys` for this purpose alone, so the deployment's secret key serves.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a key is shorter than 32 bytes, as those of a Django
    /// deployment may be: a reader of the store could guess a short key.
    pub fn new(keys: &SecretKeys) -> Result<Self, Error> {
        keys.check_len()?;
        Ok(Self { ring: Ring::new(keys), plain: Plain::Refused })
    }

    /// Reads plain records too, and seals them with their next write. Default: they are refused. Only for the time in
    /// which plain sessions live on, because a writer of the store can then forge one.
    pub fn accept_plain(self) -> Self {
        Self { plain: Plain::Accepted, ..self }
    }

    /// Seals nothing: reads sealed and plain records, and writes plain ones. Default: all is sealed. It is the first
    /// step of a fleet on its way to sealed records, and the way back.
    pub fn write_plain(self) -> Self {
        Self { plain: Plain::Written, ..self }
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing").field("plain", &self.plain).finish_non_exhaustive()
    }
}
