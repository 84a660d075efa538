//! Checks that the store accepts writes.

use crate::{
    engine::{core::Core, manager::SessionManager},
    error::Error,
};

impl SessionManager {
    /// Checks that the store accepts writes. A store that is full, read-only, or cannot persist its data still answers
    /// [`ping`](Self::ping).
    ///
    /// No I/O if the last write of this process succeeded. If the store refused it, this writes one small key that
    /// expires in a second: one round trip.
    ///
    /// ```
    /// # use shared_session::{SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # let manager = SessionManager::new(MemoryStore::new());
    /// // What a readiness probe asks.
    /// manager.ping().await?;
    /// manager.check_writes().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable), with the reason, if the store refuses this write too.
    pub async fn check_writes(&self) -> Result<(), Error> {
        if self.0.last_write.is_refused() { self.0.probe().await } else { Ok(()) }
    }
}

impl Core {
    async fn probe(&self) -> Result<(), Error> {
        const SECOND: std::time::Duration = std::time::Duration::from_secs(1);
        let key = self.profile.throttle_prefix() + "probe";
        // If it is there already, another probe wrote it.
        self.store.create(&key, "1".into(), SECOND).await?;
        self.last_write.note(None);
        Ok(())
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::{
        error::ErrorKind,
        store::MemoryStore,
        testing::{Fault, FaultStore},
    };

    #[tokio::test]
    async fn a_refused_write_is_told_until_one_is_taken() {
        let store = FaultStore::new(MemoryStore::new());
        let manager = SessionManager::new(store.clone());
        let write = async || {
            let session = manager.open([]).load().await?;
            session.insert("a", &1)?;
            session.commit().await
        };
        write().await.unwrap();
        store.fail_next("create", Fault::Refused);
        manager.check_writes().await.unwrap();
        write().await.unwrap_err();
        store.fail_next("create", Fault::Refused);
        assert_eq!(manager.check_writes().await.unwrap_err().kind(), ErrorKind::Unavailable);
        manager.check_writes().await.unwrap();
        store.fail_next("create", Fault::Refused);
        manager.check_writes().await.unwrap();
        write().await.unwrap_err();
        write().await.unwrap();
        store.fail_next("create", Fault::Refused);
        manager.check_writes().await.expect("a write succeeded since");
    }
}
