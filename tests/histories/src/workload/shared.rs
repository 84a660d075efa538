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

/// The entry that every session begins with: without it there is no session.
pub(super) const MARK: u32 = 0;

/// A session and the cookies it has had, the newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Current {
    pub(super) session: u32,
    pub(super) cookies: Vec<String>,
    /// Of the session before.
    pub(super) last: Option<(u32, u32, String)>,
}

/// The clients' shared state.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) fleet: Arc<Fleet>,
    pub(super) recorder: Arc<Recorder>,
    /// No further requests, except to end open sessions.
    pub(super) over: AtomicBool,
    pub(super) sessions: AtomicU32,
    pub(super) processes: AtomicU32,
    /// The last entry of each session.
    pub(super) entries: Mutex<BTreeMap<u32, u32>>,
}

/// The session of one user: workers hold it for reading while they ask something, the owner for writing to be alone.
pub(super) type Slot = Arc<RwLock<Current>>;

impl Shared {
    /// An entry that the session has not had.
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
