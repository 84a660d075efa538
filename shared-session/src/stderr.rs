//! Reports failures to developers without a log: on standard error, in debug builds.
//!
//! - On standard error, not in the response: no client reads it, even if a debug build is deployed by mistake, and a
//!   response does not depend on the build. A release build contains none of this.
//! - Only without a `tracing` subscriber, because a log already contains the same.
//! - Each text once, a hundred texts at most.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tracing::subscriber::NoSubscriber;

const MOST: usize = 100;

/// Writes `text`, which must hold no id and no value.
pub(crate) fn tell(text: &str) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if !cfg!(debug_assertions) || !tracing::dispatcher::get_default(|log| log.is::<NoSubscriber>()) {
        return;
    }
    if is_new(&mut TOLD.lock().unwrap_or_else(PoisonError::into_inner), text) {
        eprintln!("shared-session: {text} (shown once; a tracing subscriber logs every occurrence)");
    }
}

/// Warns, once per process for each `warned`: in the log or, without one, as [`tell`] does.
pub(crate) fn warn_once(warned: &AtomicBool, text: &str) {
    if !warned.swap(true, Ordering::Relaxed) {
        tracing::warn!("{text}. This comes once");
        tell(text);
    }
}

fn is_new(told: &mut BTreeSet<String>, text: &str) -> bool {
    told.len() < MOST && told.insert(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_new_once_and_there_is_an_end() {
        let mut told = BTreeSet::new();
        assert!(is_new(&mut told, "a"));
        assert!(!is_new(&mut told, "a"));
        assert!(is_new(&mut told, "b"));
        let new = (0..1000).filter(|n| is_new(&mut told, &n.to_string())).count();
        assert_eq!(new, MOST - 2);
    }
}
