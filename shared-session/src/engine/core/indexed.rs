//! The sessions that this process has added to their user's index.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use crate::record::id::Handle;

/// The sessions that are known to be in their user's index. The limit is so high that a busy process rarely adds one
/// twice, and so low that all can be forgotten at once.
#[derive(Debug, Default)]
pub(crate) struct IndexedSessions(Mutex<HashSet<Handle>>);

impl IndexedSessions {
    const MOST: usize = 50_000;

    pub(crate) fn is_new(&self, handle: Handle) -> bool {
        let mut handles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if handles.len() >= Self::MOST {
            handles.clear();
        }
        handles.insert(handle)
    }

    pub(crate) fn forget(&self, handle: &Handle) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(handle);
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
        assert!((0..IndexedSessions::MOST).all(|n| sessions.is_new(handle(n))));
        assert!(sessions.is_new(handle(0)), "all are forgotten");
        assert!(!sessions.is_new(handle(0)));
    }
}
