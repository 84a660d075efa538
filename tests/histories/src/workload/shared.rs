//! The shared state of a workload's clients.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use tokio::sync::RwLock;

use crate::{fleet::Fleet, history::Recorder};

/// The first entry of every session: without an entry there is no session.
pub(super) const MARK: u32 = 0;

/// A session and the cookies it has had, the newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Current {
    pub(super) session: u32,
    pub(super) cookies: Vec<String>,
    /// The session, the cookie number and the last cookie of the previous session.
    pub(super) last: Option<(u32, u32, String)>,
}

/// The clients' shared state.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) fleet: Arc<Fleet>,
    pub(super) recorder: Arc<Recorder>,
    /// Stops all further requests except those that end open sessions.
    pub(super) over: AtomicBool,
    pub(super) sessions: AtomicU32,
    pub(super) processes: AtomicU32,
    /// The last entry of each session.
    pub(super) entries: Mutex<BTreeMap<u32, u32>>,
}

/// The session of one user: workers hold the lock for reading during a request, the owner for writing to be alone.
pub(super) type Slot = Arc<RwLock<Current>>;

impl Shared {
    /// A new entry for the session.
    pub(super) fn next_entry(&self, session: u32) -> u32 {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let last = entries.entry(session).or_insert(MARK);
        *last += 1;
        *last
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}
