//! Detects that another service has another `SECRET_KEY`: it signs users in, and here they are anonymous.
//!
//! A session whose auth hash does not match its user's row was made under another key, or before the password changed.
//! The hash does not show which. So a process remembers the users whose password it has seen change, and ignores their
//! sessions as evidence.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::users::AuthUser;

/// The number of remembered users: half a megabyte. Beyond it all are forgotten, which may cost a warning.
const MOST: usize = 16_384;
/// The minimum time between two warnings.
const QUIET: Duration = Duration::from_secs(600);

#[derive(Default)]
pub(super) struct OtherKey {
    /// Seeded per process, so that a remembered password hash is useless elsewhere.
    hasher: RandomState,
    seen: Mutex<HashMap<u64, Password>>,
    warned: Mutex<Option<Instant>>,
}

/// The changes that a process has seen in one user's password column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Password {
    /// Always this password, hashed.
    Same(u64),
    Changed,
}

impl OtherKey {
    /// Remembers the user's current password, and returns whether this process has ever seen another one.
    pub(super) fn has_seen_a_change(&self, user: &dyn AuthUser) -> bool {
        let now = Password::Same(self.hasher.hash_one(user.encoded_password()));
        let mut seen = lock(&self.seen);
        if seen.len() >= MOST {
            seen.clear();
        }
        let password = seen.entry(self.hasher.hash_one(&*user.id())).or_insert(now);
        if *password != now {
            *password = Password::Changed;
        }
        *password == Password::Changed
    }

    /// Whether a warning is due. If so, the next one is not due for some minutes.
    pub(super) fn is_due(&self) -> bool {
        let mut warned = lock(&self.warned);
        let is_due = warned.is_none_or(|at| at.elapsed() >= QUIET);
        if is_due {
            *warned = Some(Instant::now());
        }
        is_due
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::User;

    #[test]
    fn a_change_that_was_seen_is_remembered_for_its_user_alone() {
        let other_key = OtherKey::default();
        let ann = |password: &str| User::new("1", "ann").with_encoded_password(password);
        assert!(!other_key.has_seen_a_change(&ann("old")));
        assert!(!other_key.has_seen_a_change(&ann("old")));
        assert!(other_key.has_seen_a_change(&ann("new")));
        assert!(other_key.has_seen_a_change(&ann("new")), "sessions from before the change may come at any time");
        assert!(!other_key.has_seen_a_change(&User::new("2", "bob").with_encoded_password("new")));
    }

    #[test]
    fn the_remembered_users_are_bounded() {
        let other_key = OtherKey::default();
        for id in 0..=MOST {
            other_key.has_seen_a_change(&User::new(id.to_string(), "name"));
            assert!(lock(&other_key.seen).len() <= MOST);
        }
        assert_eq!(lock(&other_key.seen).len(), 1);
    }

    #[test]
    fn one_warning_stands_for_many() {
        let other_key = OtherKey::default();
        assert!(other_key.is_due());
        let at = *lock(&other_key.warned);
        assert!((0..100).all(|_| !other_key.is_due()));
        assert_eq!(*lock(&other_key.warned), at, "what is left out does not put the next one off");
    }
}
