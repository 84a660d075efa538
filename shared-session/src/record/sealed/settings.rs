//! The settings of sealing, and of records that are still plain.

use std::fmt;

use super::cipher::Ring;
use crate::{error::Error, keys::SecretKeys};

/// The settings of [`Profile::sealed`](crate::Profile::sealed): the keys, and whether plain records are accepted while
/// sealing is introduced.
///
/// The current key of [`SecretKeys`] seals; its fallbacks only open records. The next write of a record that an earlier
/// key sealed uses the current key, so an earlier key can be removed once the sessions of its time have ended.
///
/// # Introducing it
///
/// A running fleet needs three steps, each a restart of every service:
///
/// 1. [`write_plain`](Self::write_plain): every service can open sealed records, but none seals yet.
/// 2. [`accept_plain`](Self::accept_plain): every service seals its writes, and still reads plain records.
/// 3. Neither: plain records are refused. Take this step once the sessions from before the second step have ended,
///    after [`Lifetime::with_absolute`](crate::Lifetime::with_absolute). A remaining plain record is then unreadable.
///
/// To go back, return to the first step.
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

/// The treatment of records that are not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Refused,
    Accepted,
    Written,
}

impl Sealing {
    /// Seals under the current key of `keys`, opens with all of them, and refuses plain records: otherwise a party with
    /// write access to the store could replace a sealed record with a plain one. No I/O.
    ///
    /// The sealing keys are derived from `keys` for this purpose only, so the deployment's secret key can be used.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a key is shorter than 32 bytes, as in some Django
    /// deployments: a reader of the store could guess a short key.
    pub fn new(keys: &SecretKeys) -> Result<Self, Error> {
        keys.check_len()?;
        Ok(Self { ring: Ring::new(keys), plain: Plain::Refused })
    }

    /// Reads plain records too, and seals them with their next write. Default: they are refused. Use it only while
    /// plain sessions remain, because a party with write access to the store can then forge one.
    pub fn accept_plain(self) -> Self {
        Self { plain: Plain::Accepted, ..self }
    }

    /// Seals nothing: reads sealed and plain records, and writes plain ones. Default: every write is sealed. It is the
    /// first step to sealed records, and the way back.
    pub fn write_plain(self) -> Self {
        Self { plain: Plain::Written, ..self }
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing").field("plain", &self.plain).finish_non_exhaustive()
    }
}
