//! The number of sessions that a user may have at a time. No I/O.

use crate::store::StoreTime;

/// The number of sessions that a user may have at a time; see
/// [`SessionManager::with_session_limit`](crate::SessionManager::with_session_limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionLimit {
    /// A sign-in beyond the limit ends the user's session with the oldest sign-in. The limit is at least one.
    EndOldest(u32),
    /// A sign-in beyond the limit fails with [`ErrorKind::Forbidden`](crate::ErrorKind::Forbidden), 403. If several
    /// sign-ins happen at the same moment, one that was answered with success may be ended. The limit is at least one.
    Refuse(u32),
}

impl SessionLimit {
    pub(crate) fn most(self) -> usize {
        let (Self::EndOldest(most) | Self::Refuse(most)) = self;
        usize::try_from(most.max(1)).unwrap_or(usize::MAX)
    }

    /// Sorts sessions so that those that stay come first, and removes and returns the others.
    pub(crate) fn surplus<T>(self, sessions: &mut Vec<T>, signed_in: impl Fn(&T) -> (StoreTime, String)) -> Vec<T> {
        sessions.sort_by_cached_key(&signed_in);
        if matches!(self, Self::EndOldest(_)) {
            sessions.reverse();
        }
        sessions.split_off(self.most().min(sessions.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(limit: SessionLimit, times: &[u64]) -> (Vec<u64>, Vec<u64>) {
        let mut sessions = times.to_vec();
        let ended = limit.surplus(&mut sessions, |time| (StoreTime(*time), String::new()));
        (sessions, ended)
    }

    #[test]
    fn the_newest_stay_or_the_oldest() {
        assert_eq!(left(SessionLimit::EndOldest(2), &[3, 1, 4, 2]), (vec![4, 3], vec![2, 1]));
        assert_eq!(left(SessionLimit::Refuse(2), &[3, 1, 4, 2]), (vec![1, 2], vec![3, 4]));
        assert_eq!(left(SessionLimit::EndOldest(9), &[1, 2]), (vec![2, 1], vec![]));
        assert_eq!(left(SessionLimit::EndOldest(0), &[1, 2]), (vec![2], vec![1]), "one at least");
    }
}
