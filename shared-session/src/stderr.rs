//! Tells a developer who has no log what is broken: on standard error, in debug builds.
//!
//! - On standard error and not in the answer: no client reads it, whatever build is deployed by mistake, and an answer
//!   does not depend on the build. A release build holds none of this.
//! - Only where no `tracing` subscriber is: a log has the same already.
//! - Each text once, and a hundred texts at most.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
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
        eprintln!("shared-session: {text} (said once; with a tracing subscriber it is in the log each time)");
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
