//! The sessions that this process has added to their user's index.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::record::id::Handle;

/// The sessions that are known to be in their user's index. The limit is so high that a busy process rarely adds one
/// twice, and so low that all can be forgotten at once.
#[derive(Debug, Default)]
pub(crate) struct IndexedSessions(Mutex<HashSet<Handle>>);

impl IndexedSessions {
    const MOST: usize = 50_000;

    pub(crate) fn contains(&self, handle: &Handle) -> bool {
        self.handles().contains(handle)
    }

    /// Call this once the store has acknowledged the entry.
    pub(crate) fn add(&self, handle: Handle) {
        let mut handles = self.handles();
        if handles.len() >= Self::MOST {
            handles.clear();
        }
        handles.insert(handle);
    }

    fn handles(&self) -> MutexGuard<'_, HashSet<Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(n: usize) -> Handle {
        Handle::parse(&format!("{n:024}")).unwrap()
    }

    #[test]
    fn so_many_are_remembered_and_then_none() {
        let sessions = IndexedSessions::default();
        (0..IndexedSessions::MOST).for_each(|n| sessions.add(handle(n)));
        assert!((0..IndexedSessions::MOST).all(|n| sessions.contains(&handle(n))));
        sessions.add(handle(IndexedSessions::MOST));
        assert!(!sessions.contains(&handle(0)), "all others are forgotten");
        assert!(sessions.contains(&handle(IndexedSessions::MOST)));
    }
}
