//! Decides when one more attempt may be made. Pure: the stored count goes in, a decision comes out.

use std::time::Duration;

use bytes::Bytes;

use crate::store::StoreTime;

/// How many attempts may fail before the next one has to wait, and for how long.
///
/// The first attempts are free. Each further attempt has to wait twice as long as the one before, up to the longest
/// wait. Failures are forgotten one by one, each after the same time.
///
/// ```
/// use std::time::Duration;
/// use shared_session::throttle::Policy;
///
/// // Three guesses at once, then one after 10 s, 20 s, 40 s, a minute, a minute …
/// let policy = Policy::new(3)
///     .with_waits(Duration::from_secs(10), Duration::from_secs(60))
///     .with_recovery(Duration::from_secs(600));
/// assert_ne!(policy, Policy::ACCOUNT);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    free: u32,
    first: Duration,
    longest: Duration,
    recovery: Duration,
}

impl Policy {
    /// For the attempts on one account: ten are free, then the wait grows from a second to a quarter of an hour; one
    /// attempt is forgotten every quarter of an hour. Continued guessing gets a hundred guesses a day (NIST SP 800-63B,
    /// 3.2.2: no more than a hundred in a row).
    pub const ACCOUNT: Self = Self {
        free: 10,
        first: Duration::from_secs(1),
        longest: Duration::from_secs(900),
        recovery: Duration::from_secs(900),
    };

    /// For the attempts of one address on any account: fifty are free, because many users may share an address; then
    /// the wait grows from a second to a minute, and one attempt is forgotten every minute.
    pub const ADDRESS: Self = Self {
        free: 50,
        first: Duration::from_secs(1),
        longest: Duration::from_secs(60),
        recovery: Duration::from_secs(60),
    };

    /// `free` attempts at once, at least one; the rest as in [`ACCOUNT`](Self::ACCOUNT).
    #[must_use]
    pub const fn new(free: u32) -> Self {
        Self { free: if free == 0 { 1 } else { free }, ..Self::ACCOUNT }
    }

    /// Sets the wait of the first attempt that is not free, and the longest wait. Each wait is twice the one before. At
    /// least a millisecond. Default: a second, and a quarter of an hour.
    #[must_use]
    pub fn with_waits(self, first: Duration, longest: Duration) -> Self {
        let first = first.max(Duration::from_millis(1));
        Self { first, longest: longest.max(first), ..self }
    }

    /// Sets the time after which one attempt is forgotten. At least a millisecond. Default: a quarter of an hour.
    #[must_use]
    pub fn with_recovery(self, recovery: Duration) -> Self {
        Self { recovery: recovery.max(Duration::from_millis(1)), ..self }
    }

    /// The number of attempts that one process runs at a time. It is small enough that the attempts of several
    /// processes stay within the free ones, so that unfinished attempts do not cause a refusal of the right password.
    pub(super) const fn at_once(self) -> usize {
        let third = self.free / 3;
        if third == 0 { 1 } else { third as usize }
    }

    /// The time between the last attempt and the next one, if `count` are remembered.
    fn wait(self, count: u32) -> Duration {
        let Some(beyond) = count.checked_sub(self.free) else { return Duration::ZERO };
        let doubled = 1_u32.checked_shl(beyond).and_then(|times| self.first.checked_mul(times));
        doubled.unwrap_or(self.longest).min(self.longest)
    }

    /// The most attempts to remember: further failures would not lengthen the wait, and would only be forgotten later.
    fn most(self) -> u32 {
        (self.free..self.free.saturating_add(32)).find(|count| self.wait(*count) == self.longest).unwrap_or(self.free)
    }
}

/// The stored attempts on one subject: `1 <count> <last> <since>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempts {
    pub(super) count: u32,
    /// The time of the last attempt.
    pub(super) last: StoreTime,
    /// The time from which the recovery of the next attempt counts.
    pub(super) since: StoreTime,
}

/// The decision on an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It may be made, once these attempts are stored for this long.
    Go(Attempts, Duration),
    /// It must wait this long.
    Wait(Duration),
}

impl Attempts {
    /// Parses the stored attempts; `None` if the format is not ours.
    pub(super) fn read(stored: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(stored).ok()?.split(' ');
        if words.next()? != "1" {
            return None;
        }
        let count = words.next()?.parse().ok()?;
        let mut time = || Some(StoreTime(words.next()?.parse().ok()?));
        Some(Self { count, last: time()?, since: time()? })
    }

    pub(super) fn text(self) -> Bytes {
        format!("1 {} {} {}", self.count, self.last.0, self.since.0).into()
    }

    /// Removes the attempts that are forgotten by `now`: none before the end of a wait, which would shorten it.
    fn recovered(self, policy: Policy, now: StoreTime) -> Self {
        if now.since(self.last) < policy.wait(self.count) {
            return self;
        }
        let recovery = policy.recovery.as_millis().max(1);
        let forgotten = now.since(self.since).as_millis() / recovery;
        match u32::try_from(forgotten).ok().and_then(|forgotten| self.count.checked_sub(forgotten)) {
            Some(count) if count > 0 => {
                let passed = u64::try_from(forgotten * recovery).unwrap_or(u64::MAX);
                Self { count, since: StoreTime(self.since.0.saturating_add(passed)), ..self }
            }
            _ => Self { count: 0, since: now, ..self },
        }
    }

    /// The time until none of the attempts matters any more.
    fn lifetime(self, policy: Policy) -> Duration {
        policy.recovery.saturating_mul(self.count).max(policy.wait(self.count)).max(Duration::from_secs(1))
    }
}

/// Whether one more attempt may be made `now`, after the `stored` ones.
pub(super) fn decide(policy: Policy, stored: Option<Attempts>, now: StoreTime) -> Decision {
    let Some(stored) = stored else { return go(policy, Attempts { count: 1, last: now, since: now }) };
    let before = stored.recovered(policy, now);
    let wait = policy.wait(before.count).saturating_sub(now.since(before.last));
    if !wait.is_zero() {
        return Decision::Wait(wait);
    }
    let count = before.count.saturating_add(1).min(policy.most());
    go(policy, Attempts { count, last: before.last.max(now), ..before })
}

fn go(policy: Policy, attempts: Attempts) -> Decision {
    Decision::Go(attempts, attempts.lifetime(policy))
}

/// The attempts to store, and for how long, after one of the `stored` attempts is given back; `None`: nothing.
pub(super) fn give_back(policy: Policy, stored: Attempts, now: StoreTime) -> Option<(Attempts, Duration)> {
    let left = stored.recovered(policy, now);
    let left = Attempts { count: left.count.checked_sub(1).filter(|count| *count > 0)?, ..left };
    Some((left, left.lifetime(policy)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const START: StoreTime = StoreTime(1_000_000);

    fn policy() -> Policy {
        Policy::new(3).with_waits(SECOND, SECOND * 6).with_recovery(SECOND * 100)
    }

    /// Makes attempts whenever one may be made, and returns the waits before them.
    fn waits(attempts: usize) -> Vec<u64> {
        let (mut stored, mut now, mut waits) = (None, START, Vec::new());
        for _ in 0..attempts {
            let mut waited = Duration::ZERO;
            loop {
                match decide(policy(), stored, now) {
                    Decision::Go(next, lifetime) => {
                        assert!(lifetime >= SECOND);
                        stored = Some(next);
                        break;
                    }
                    Decision::Wait(wait) => {
                        assert_eq!(waited, Duration::ZERO, "a wait is long enough");
                        (waited, now) = (wait, now.after(wait));
                    }
                }
            }
            waits.push(waited.as_secs());
        }
        waits
    }

    #[test]
    fn the_first_attempts_are_free_and_then_the_wait_doubles_up_to_the_longest() {
        assert_eq!(waits(9), [0, 0, 0, 1, 2, 4, 6, 6, 6]);
    }

    #[test]
    fn failures_are_forgotten_one_by_one() {
        let full = Attempts { count: 3, last: START, since: START };
        assert_eq!(decide(policy(), Some(full), START), Decision::Wait(SECOND));
        for (seconds, remembered) in [(50, 4), (100, 3), (250, 2), (300, 1), (100_000, 1)] {
            let Decision::Go(next, _) = decide(policy(), Some(full), START.after(SECOND * seconds)) else { panic!() };
            assert_eq!(next.count, remembered, "{seconds}");
        }
        // The elapsed part of the recovery counts for the next one.
        let Decision::Go(next, _) = decide(policy(), Some(full), START.after(SECOND * 150)) else { panic!() };
        assert_eq!((next.count, next.since), (3, START.after(SECOND * 100)));
        // Once all are forgotten, the next one is remembered for the full time.
        let one = Attempts { count: 1, last: START, since: START };
        for seconds in [150, 250] {
            let now = START.after(SECOND * seconds);
            let Decision::Go(next, _) = decide(policy(), Some(one), now) else { panic!() };
            assert_eq!((next.count, next.since), (1, now));
        }
    }

    #[test]
    fn no_more_is_remembered_than_makes_a_wait_longer() {
        let mut stored = Attempts { count: 1, last: START, since: START };
        for n in 1..100 {
            let Decision::Go(next, _) = decide(policy(), Some(stored), START.after(SECOND * 6 * n)) else { panic!() };
            stored = next;
        }
        assert!(stored.count <= 6, "{stored:?}");
        assert!(Policy::ACCOUNT.most() < 25 && Policy::ADDRESS.most() < 60);
    }

    #[test]
    fn an_attempt_that_is_taken_back_no_longer_counts() {
        let two = Attempts { count: 2, last: START, since: START };
        assert_eq!(give_back(policy(), two, START).map(|(left, _)| left.count), Some(1));
        assert_eq!(give_back(policy(), Attempts { count: 1, ..two }, START), None);
        assert_eq!(give_back(policy(), two, START.after(SECOND * 1000)), None, "forgotten already");
    }

    #[test]
    fn attempts_survive_their_text_and_other_texts_are_none() {
        let attempts = Attempts { count: 7, last: START, since: StoreTime(u64::MAX) };
        assert_eq!(Attempts::read(&attempts.text()), Some(attempts));
        for bad in ["", "1", "2 1 1 1", "1 x 1 1", "1 1 1", "1 -1 1 1", "1 99999999999 1 1"] {
            assert_eq!(Attempts::read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Attempts::read(b"\xff"), None);
    }

    #[test]
    fn a_clock_that_is_behind_and_absurd_settings_do_no_harm() {
        let ahead = Attempts { count: 3, last: START.after(SECOND), since: START.after(SECOND) };
        assert_eq!(decide(policy(), Some(ahead), START), Decision::Wait(SECOND));
        let absurd = Policy::new(u32::MAX).with_waits(Duration::MAX, Duration::ZERO).with_recovery(Duration::MAX);
        let full = Attempts { count: u32::MAX, last: START, since: START };
        assert_eq!(decide(absurd, Some(full), START), Decision::Wait(Duration::MAX));
        assert_eq!(Policy::new(0).free, 1);
        assert!(matches!(decide(Policy::new(0).with_waits(Duration::ZERO, SECOND), None, START), Decision::Go(..)));
    }
}
